"""How a newline, return, tab and backslash are written in a flag, and back."""

import re

ESCAPES = {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\\": "\\\\",
}
CHARACTERS = {escape: char for char, escape in ESCAPES.items()}


def escaped(text: str) -> str:
    """A text with newlines, returns, tabs and backslashes as they are written in a flag."""
    return "".join(ESCAPES.get(char, char) for char in text)


def unescaped(text: str) -> str:
    """The text that is written so in a flag."""
    return re.sub(r"\\[nrt\\]", lambda match: CHARACTERS[match[0]], text)
