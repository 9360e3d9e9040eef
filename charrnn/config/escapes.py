"""Escape sequences in flags: \\n, \\r, \\t and \\\\."""

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
    """The text that a flag's value means."""
    return re.sub(r"\\[nrt\\]", lambda match: CHARACTERS[match[0]], text)
