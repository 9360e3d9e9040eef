"""Escapes: how a newline, return, tab and backslash are written in a flag, and back. Knows nothing
of flags."""

import re

ESCAPES = {
    "\n": "n",
    "\r": "r",
    "\t": "t",
    "\\": "\\",
}  # how a character is written in a flag, behind a backslash


def escaped(text: str) -> str:
    """A text with newlines, returns, tabs and backslashes as they are written in a flag."""
    return "".join(f"\\{ESCAPES[char]}" if char in ESCAPES else char for char in text)


def unescaped(text: str) -> str:
    """What a text written so in a flag stands for."""
    spelled = {letter: char for char, letter in ESCAPES.items()}
    return re.sub(r"\\([nrt\\])", lambda found: spelled[found[1]], text)
