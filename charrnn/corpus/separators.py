"""Where the records of a text begin and end: the rules of ``--separator``, for text and for ids.

A text is cut at each occurrence of the separator, from the left. A line ending in the separator
also matches CR LF. If the separator is more than a line ending, one line ending at the very end of
the text belongs to the file and not to a record.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.vocab import Ids, Vocabulary

Array = NDArray[Any]
Bounds = tuple[Array, Array]


# --- of a text ---


def items(text: str | bytes, separator: str | None) -> Iterator[tuple[int, str | bytes]]:
    """The pieces of a text between its separators, and the place where each begins.

    Args:
        text: the whole text.
        separator: between two pieces; None if the text is one piece.
    """
    if separator is None:
        yield 0, text
    elif isinstance(text, bytes):
        as_str = _bytes_as_str(text)
        for start, item in _items(as_str, _bytes_as_str(separator.encode())):
            yield start, _str_as_bytes(item)
    else:
        yield from _items(text, separator)


def contains_separator(text: str, separator: str) -> bool:
    """Whether a text would be cut at a separator."""
    return _pattern(separator).search(text) is not None


def finish_last_record(text: str | bytes, separator: str) -> str | bytes:
    """The end of a file with its line ending, if any, replaced by a separator."""
    if isinstance(text, bytes):
        as_str = _bytes_as_str(text)
        finished = _finish_last_record(as_str, _bytes_as_str(separator.encode()))
        return _str_as_bytes(finished)
    return _finish_last_record(text, separator)


def _bytes_as_str(data: bytes) -> str:
    """Each byte as the character with its number, so that one rule serves text and bytes."""
    return data.decode("latin-1")


def _str_as_bytes(text: str) -> bytes:
    return text.encode("latin-1")


def _items(text: str, separator: str) -> Iterator[tuple[int, str]]:
    start = 0
    for match in _pattern(separator).finditer(text):
        yield start, text[start : match.start()]
        start = match.end()
    yield start, _without_line_end(text[start:], separator)


def _finish_last_record(text: str, separator: str) -> str:
    separator = _with_lf(separator)
    last = _after_last_separator(text, separator)
    before = text.removesuffix(last)
    record = _without_line_end(last, separator)
    if not record:
        return before
    endings = [record + separator]
    for size in range(len(separator) - 1, 0, -1):
        if last.endswith(separator[:size]):  # the file ends within a separator
            endings.append(last + separator[size:])
    for ending in endings:
        if not _after_last_separator(ending, separator):
            return before + ending
    return before + record + separator


def _after_last_separator(text: str, separator: str) -> str:
    """What follows the last separator of a text; the whole text if it has none."""
    return _pattern(separator).split(text)[-1]


def _pattern(separator: str) -> re.Pattern[str]:
    """Matches a separator; each line ending in it with and without a CR."""
    escaped = re.escape(_with_lf(separator))
    return re.compile(escaped.replace("\\\n", "\r?\n"))


def _with_lf(separator: str) -> str:
    """A separator whose line endings are LF."""
    return separator.replace("\r\n", "\n")


def _without_line_end(text: str, separator: str) -> str:
    """The last piece of a file without the line ending of the file itself."""
    if _with_lf(separator) == "\n":
        return text
    return text.removesuffix("\n").removesuffix("\r")


# --- of ids ---


def record_bounds(
    vocabulary: Vocabulary,
    ids: Ids,
    separator: str,
) -> tuple[Array, Array, int]:
    """Where the records of a text begin and end, and the number of empty ones, which are left out.

    Args:
        vocabulary: of the text.
        ids: (n,) the text.
        separator: between two records.
    """
    separator = _with_lf(separator)
    ends, starts = _find_separators(vocabulary, ids, separator)
    starts = np.append(0, starts)
    ends = np.append(ends, len(ids))
    if separator != "\n":
        last = ids[starts[-1] :]
        ends[-1] -= _line_end_length(vocabulary, last)
    if starts[-1] == len(ids):  # nothing follows the last separator
        starts = starts[:-1]
        ends = ends[:-1]
    is_record = ends > starts
    num_empty = int((~is_record).sum())
    return starts[is_record], ends[is_record], num_empty


def _line_end_length(vocabulary: Vocabulary, ids: Ids) -> int:
    """The number of symbols in the line ending at the end of a text."""
    length = 0
    for char in "\n\r":
        end = len(ids) - length
        if end and ids[end - 1] == symbol_id(vocabulary, char):
            length += 1
    return length


def symbol_id(vocabulary: Vocabulary, char: str) -> int:
    """The id of an ASCII character; -1 if the vocabulary lacks it."""
    if vocabulary.unit == "byte":
        return ord(char)
    return vocabulary.symbols.find(char)


def _find_separators(
    vocabulary: Vocabulary,
    ids: Ids,
    separator: str,
) -> Bounds:
    """Where the occurrences of a separator begin, and the place after each.

    If two overlap, only the left one counts.
    """
    if vocabulary.unit != "byte" and not set(separator) <= set(vocabulary.symbols):
        nowhere = np.empty(0, np.int64)
        return nowhere, nowhere
    symbols = vocabulary.encode(separator).tolist()
    newline = symbol_id(vocabulary, "\n")
    cr = symbol_id(vocabulary, "\r")
    highest = len(ids) - 1
    starts = np.flatnonzero(ids == symbols[0])  # of the candidates
    lasts = starts  # the last matched place of each candidate
    for symbol in symbols[1:]:
        lasts = lasts + 1
        if symbol == newline:
            lasts += ids[np.minimum(lasts, highest)] == cr
        is_match = ids[np.minimum(lasts, highest)] == symbol
        is_match &= lasts <= highest
        starts = starts[is_match]
        lasts = lasts[is_match]
    if symbols[0] == newline:
        follows_cr = (starts > 0) & (ids[starts - 1] == cr)
        starts = starts - follows_cr
    ends = lasts + 1
    if (starts[1:] < ends[:-1]).any():
        return _without_overlaps(starts, ends)
    return starts, ends


def _without_overlaps(starts: Array, ends: Array) -> Bounds:
    """The occurrences, from the left, that do not overlap with a previous one."""
    free: list[int] = []
    end_before = 0
    bounds = zip(starts.tolist(), ends.tolist(), strict=True)
    for number, (start, end) in enumerate(bounds):
        if start >= end_before:
            free.append(number)
            end_before = end
    return starts[free], ends[free]
