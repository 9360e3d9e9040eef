"""Output to a terminal: a line on stderr, text made safe to show, a loss, a progress bar."""

import math
import sys
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from charrnn.cli.flags import with_flags

if TYPE_CHECKING:
    from tqdm import tqdm

# Format characters that join letters and emoji, and the tab: not printable, but harmless.
HARMLESS = "\t\u200c\u200d"


def tell(line: str) -> None:
    """Print a line on stderr, its parameters as flags.

    The work continues if nobody reads it any more.
    """
    with suppress(OSError):
        click.echo(shown(with_flags(line)), err=True)


def shown(text: str) -> str:
    """Escape every character of a text that could control a terminal.

    What a file or a stranger's model says is shown, not obeyed.
    """
    if text.isprintable():
        return text
    return "".join(map(_shown_character, text))


def format_loss(nats: float) -> str:
    """A loss in nats per character as users see it."""
    return f"{nats:.4f} nats ({nats / math.log(2):.3f} bits) per character"


def progress_bar(total: int | None = None) -> "tqdm[Any]":
    """A bar on stderr that counts characters; it shows only on a terminal, and leaves no trace."""
    from tqdm import tqdm

    return tqdm(
        total=total,
        unit=" characters",
        unit_scale=True,
        disable=None,
        leave=False,
        file=sys.stderr,
    )


def _shown_character(char: str) -> str:
    is_space = unicodedata.category(char) == "Zs"
    if char.isprintable() or is_space or char in HARMLESS:
        return char
    return ascii(char)[1:-1]
