"""Escape sequences in flags: \\n, \\r, \\t and \\\\."""

import re

ESCAPES = {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\\": "\\\\",
}
CHARACTERS = {escape: char for char, escape in ESCAPES.items()}
NAMES = {
    "\\n": "newline",
    "\\r": "return",
    "\\t": "tab",
}
PATTERN = re.compile(r"\\[nrt\\]")


def escaped(text: str) -> str:
    """A text as it is written in a flag."""
    return "".join(ESCAPES.get(char, char) for char in text)


def unescaped(text: str) -> str:
    """The text that a flag's value means."""
    return PATTERN.sub(lambda match: CHARACTERS[match[0]], text)


def first_escape(text: str) -> tuple[str, str] | None:
    """The first escape sequence for a newline, return or tab, and its name; None without one."""
    for match in PATTERN.finditer(text):
        if match[0] in NAMES:
            return match[0], NAMES[match[0]]
    return None
