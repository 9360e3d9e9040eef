"""Output to a terminal: notices on stderr, safe text, losses, a progress bar."""

import math
import os
import sys
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import click

from charrnn.cli.flags import with_flags

if TYPE_CHECKING:
    from tqdm import tqdm

# The tab, and format characters that join letters and emoji: not printable, but harmless.
HARMLESS = "\t\u200c\u200d"
QUIET = "charrnn.quiet"  # key of a click context's meta: whether --quiet was given


def tell(line: str) -> None:
    """Print a notice on stderr, unless ``--quiet`` was given; its parameters become flags."""
    if not is_quiet():
        print_on_stderr(line)


def is_quiet() -> bool:
    """Whether ``--quiet`` was given to the command that is running."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(QUIET))


def print_on_stderr(line: str) -> None:
    """Print a line on stderr, quiet or not, its parameters as flags: an error, or a report that was
    asked for.

    Nothing happens if stderr was closed.
    """
    with suppress(OSError):
        click.echo(shown(with_flags(line)), err=True)


def has_colour(stream: TextIO) -> bool:
    """Whether to write in colour: to a terminal that has colours, unless NO_COLOR is set.

    See https://no-color.org.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def shown(text: str) -> str:
    """Escape every character of a text that could control a terminal.

    Text from a file or an untrusted model must not act on the terminal.
    """
    if text.isprintable():
        return text
    return "".join(map(_shown_character, text))


def format_loss(nats: float) -> str:
    """A loss, given in nats per character, as the plain number and in bits."""
    return f"{nats:.4f} ({nats / math.log(2):.3f} bits per character)"


def network_in_words(cell: str, num_layers: int, hidden_size: int) -> str:
    """The shape of a network, such as "LSTM with 2 layers of 256 units"."""
    layers = "1 layer" if num_layers == 1 else f"{num_layers} layers"
    return f"{cell.upper()} with {layers} of {hidden_size} units"


def progress_bar(
    total: int | None = None,
    delay: float = 0,
    unit: str = " characters",
) -> "tqdm[Any]":
    """A bar on stderr that counts characters, or another unit, erased at the end.

    It is shown only on a terminal, and not if ``--quiet`` was given.

    Args:
        total: characters in all, if known.
        delay: seconds before it appears.
        unit: what is counted.
    """
    from tqdm import tqdm

    return tqdm(
        total=total,
        unit=unit,
        unit_scale=True,
        disable=hides_bars(),
        leave=False,
        delay=delay,
        file=sys.stderr,
    )


def hides_bars() -> bool:
    """Whether no progress bar is shown: if ``--quiet`` was given, or stderr cannot show one."""
    return is_quiet() or not can_show_bars()


def can_show_bars() -> bool:
    """Whether stderr is a terminal, or the output of a Jupyter notebook, which shows a bar too."""
    return sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return False
    shell = ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def _shown_character(char: str) -> str:
    is_space = unicodedata.category(char) == "Zs"
    if char.isprintable() or is_space or char in HARMLESS:
        return char
    return ascii(char)[1:-1]
