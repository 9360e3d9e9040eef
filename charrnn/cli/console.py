"""A line for the user. Knows nothing of what it says."""

import unicodedata
from contextlib import suppress

import click


def tell(line: str) -> None:
    """A line on stderr; where nobody reads it any more, the work goes on all the same."""
    with suppress(OSError):
        click.echo(shown(line), err=True)


def shown(text: str) -> str:
    """A text in which nothing can move a terminal's cursor: what a file or a stranger's model says
    is shown, not obeyed."""
    return (
        text
        if text.isprintable()
        else "".join(char if _harmless(char) else ascii(char)[1:-1] for char in text)
    )


def _harmless(char: str) -> bool:
    """Spaces of any script, tabs, and what joins letters and emoji are no letters, and move
    nothing."""
    return char.isprintable() or char in "\t\u200c\u200d" or unicodedata.category(char) == "Zs"
