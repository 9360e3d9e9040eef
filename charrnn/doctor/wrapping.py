"""Lines that are wrapped: they end where the next word would have made them too long."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SPACE = 32
INDENTS = (9, 32, 0xA0, 0x3000)  # tab, space, no-break space and ideographic space
WIDTHS = (40, 120)  # characters
LONGEST = 0.95  # the share of the lines that are not longer than the width
FEWEST_WRAPPED = 50  # lines
MOST_WRAPPED = 0.8  # of the lines that are followed by another one of the paragraph
MANY_WRAPPED = 0.5  # of all lines that are not empty
# Lines of one length are rows of a table.
MOST_OF_ONE_LENGTH = 0.5
DASHES = "-\u2010\u2013\u2014"

Array = NDArray[Any]


class Wrapped(NamedTuple):
    """The wrapped lines of a text.

    Args:
        width: characters of the longest lines.
        lines: (n,) their numbers, from 0, over all files.
    """

    width: int
    lines: Array


def first_words(codes: Array, starts: Array, ends: Array) -> Array:
    """The lengths (L,) of the first words of the lines of a block.

    It is 0 of an indented line, and of a line that is one word: an item of a list, or a line in a
    script without spaces.

    Args:
        codes: (n,) code points of the block.
        starts, ends: (L,) where the lines begin and end.
    """
    spaces = np.append(np.flatnonzero(codes == SPACE), len(codes))
    next_spaces = spaces[np.searchsorted(spaces, starts)]
    is_indented = np.isin(codes[np.minimum(starts, len(codes) - 1)], INDENTS)
    return np.where((next_spaces < ends) & ~is_indented, next_spaces - starts, 0)


def find_wrapped(lengths: Array, words: Array) -> Wrapped | None:
    """The wrapped lines of a text, if most of it is wrapped.

    Args:
        lengths: (L,) of the lines.
        words: (L,) of their first words, as of ``first_words``.
    """
    is_text = lengths > 0
    num_lines = int(is_text.sum())
    if num_lines < FEWEST_WRAPPED:
        return None
    width = int(np.quantile(lengths[is_text], LONGEST, method="lower"))
    if not WIDTHS[0] <= width <= WIDTHS[1]:
        return None
    continues = is_text[:-1] & (words[1:] > 0)
    is_wrapped = continues & (lengths[:-1] + 1 + words[1:] > width)
    lines = np.flatnonzero(is_wrapped)
    if len(lines) < max(FEWEST_WRAPPED, MANY_WRAPPED * num_lines):
        return None
    if len(lines) < MOST_WRAPPED * int(continues.sum()):
        return None
    of_each_length = np.bincount(lengths[lines])
    if of_each_length.max() > MOST_OF_ONE_LENGTH * len(lines):
        return None
    return Wrapped(width, lines)


def join_lines(texts: Iterable[str], width: int) -> Iterator[tuple[str, int]]:
    """Join the wrapped lines of a text.

    Args:
        texts: its blocks.
        width: of the lines.

    Yields:
        the blocks with longer lines, and the number of lines joined in each.
    """
    lines = [""]  # the last whole line, and what has been read of the next
    for text in texts:
        first, *others = text.split("\n")
        lines[-1] += first
        lines += others
        if len(lines) > 2:
            yield _joined(lines[:-1], width)
            lines = lines[-2:]
    joined, number = _joined(lines, width)
    yield joined + lines[-1], number


def _joined(lines: Sequence[str], width: int) -> tuple[str, int]:
    """All lines but the last, with what is between them and before the last."""
    parts = []
    number = 0
    for line, next_line in itertools.pairwise(lines):
        parts.append(line)
        if _is_wrapped(line, next_line, width):
            parts.append(_between(line))
            number += 1
        else:
            parts.append("\n")
    return "".join(parts), number


def _is_wrapped(line: str, next_line: str, width: int) -> bool:
    """Whether a line ends where the first word of the next would have made it too long."""
    if not line or not next_line or next_line[0].isspace():
        return False
    word = next_line.split(" ", 1)[0]
    return len(line) + 1 + len(word) > width


def _between(line: str) -> str:
    """What replaces the newline after a line: nothing after a dash that joins two words."""
    has_dash = line[-1] in DASHES and not line[-2:-1].isspace()
    return "" if has_dash or line.endswith(" ") else " "
