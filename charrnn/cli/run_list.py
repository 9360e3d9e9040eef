"""The list of all runs that ``charrnn info`` shows, as a table."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from charrnn.cli.console import shown
from charrnn.cli.descriptions import corpus_name, short_number, short_verdict, size_in_words
from charrnn.cli.table import display_width, table

HEADINGS = ("name", "date", "corpus", "size", "loss", "bits/char", "verdict", "disk use")
RIGHT = {3, 4, 5, 7}  # the columns of numbers
SHORTEST = {2: 7, 0: 8}  # the columns that are cut to fit the terminal: corpus, name
DATE = 1  # the column of the date
DATE_LENGTH = 16  # of a date with its time
DAY_LENGTH = 10


def _name(description: dict[str, Any]) -> str:
    return str(description["run"])


def _loss(description: dict[str, Any]) -> float:
    """A run's validation loss; infinity without one."""
    loss = validation_loss(description)
    return math.inf if loss is None else loss


def _age(description: dict[str, Any]) -> float:
    """A number that is lower for a newer run; infinity without a checkpoint."""
    saved = description["saved"]
    return -datetime.fromisoformat(saved).timestamp() if saved else math.inf


def _smallness(description: dict[str, Any]) -> int:
    return -int(description.get("parameters", 0))


# What --sort may be, and the key: the lowest loss, the newest and the largest come first.
ORDERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "date": _age,
    "loss": _loss,
    "name": _name,
    "size": _smallness,
}


def in_order(runs: Sequence[dict[str, Any]], order: str) -> list[dict[str, Any]]:
    """The descriptions of runs, sorted by a key of ORDERS; equal ones keep their order."""
    return sorted(runs, key=ORDERS[order])


def validation_loss(description: dict[str, Any]) -> float | None:
    """The final validation loss, else that measured during training; None without either."""
    loss = description.get("final_val_loss")
    if loss is None:
        loss = description.get("val_loss")
    return loss


def run_list(runs: Sequence[dict[str, Any]], width: int | None) -> list[str]:
    """The lines of the table.

    Args:
        runs: their descriptions.
        width: of the terminal; None cuts nothing. On a narrow one, the dates have no time.
    """
    rows = [list(HEADINGS), *map(_row, runs)]
    lines = table(rows, right=RIGHT)
    if width is None or max(map(display_width, lines)) <= width:
        return lines
    for row in rows:
        row[DATE] = row[DATE][:DAY_LENGTH]
    return table(rows, right=RIGHT, shortest=SHORTEST, width=width)


def _row(description: dict[str, Any]) -> list[str]:
    loss = validation_loss(description)
    is_readable = "error" not in description
    return [
        shown(description["run"]),
        local_date(description["saved"]),
        shown(corpus_name(description)) if is_readable else "-",
        short_number(description["parameters"]) if is_readable else "-",
        "-" if loss is None else f"{loss:.4f}",
        "-" if loss is None else f"{loss / math.log(2):.3f}",
        short_verdict(description),
        size_in_words(description["disk_bytes"]),
    ]


def local_date(saved: str | None) -> str:
    """A date in UTC as the local date and time, to the minute."""
    if saved is None:
        return "-"
    return datetime.fromisoformat(saved).astimezone().isoformat(" ")[:DATE_LENGTH]
