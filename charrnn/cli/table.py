"""Tables of text: aligned columns, cut to the width of the terminal."""

import shutil
import sys
import unicodedata
from collections.abc import Collection, Mapping, Sequence

GAP = "  "


def terminal_width() -> int | None:
    """The number of columns of the terminal that stdout is; None if it is piped."""
    if not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def table(
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    shortest: Mapping[int, int] | None = None,
    width: int | None = None,
) -> list[str]:
    """The lines of a table.

    Args:
        rows: the cells of each row; all rows have the same number.
        right: the columns that are aligned to the right.
        shortest: the columns that may be cut, and the width that each keeps.
        width: of the terminal; None cuts nothing.
    """
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        _fit(widths, shortest or {}, width)
    lines = []
    for row in rows:
        cells = []
        for column, text in enumerate(row):
            cell = cut(text, widths[column])
            padding = " " * (widths[column] - display_width(cell))
            cells.append(padding + cell if column in right else cell + padding)
        lines.append(GAP.join(cells).rstrip())
    return lines


def _fit(widths: list[int], shortest: Mapping[int, int], width: int) -> None:
    """Make the widest of the columns that may be cut narrower until the table fits, if it can."""
    while sum(widths) + len(GAP) * (len(widths) - 1) > width:
        wide = [column for column, lowest in shortest.items() if widths[column] > lowest]
        if not wide:
            return
        widest = max(wide, key=widths.__getitem__)
        widths[widest] -= 1


def cut(text: str, width: int) -> str:
    """A text that takes at most ``width`` columns; the last one shows that it was cut."""
    if display_width(text) <= width:
        return text
    kept = ""
    for char in text:
        if display_width(kept + char) >= width:
            break
        kept += char
    return f"{kept}…"


def display_width(text: str) -> int:
    """The number of columns that a text takes on a terminal."""
    return sum(map(_character_width, text))


def _character_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
