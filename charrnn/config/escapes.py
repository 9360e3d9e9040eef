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
    """A text as it is written in a flag."""
    return "".join(ESCAPES.get(char, char) for char in text)


def unescaped(text: str) -> str:
    """The text that a flag stands for."""
    return re.sub(r"\\[nrt\\]", lambda match: CHARACTERS[match[0]], text)
