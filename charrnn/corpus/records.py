"""Records: a text as items of their own, one after another, and which of them are held out. Knows
nothing of files and batches."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import CorpusError
from charrnn.vocab import Ids, Vocabulary, smallest_dtype

RECORDS_PER_BLOCK = 1 << 16  # records that are copied at once
FEWEST_LINES = 100  # of what looks like a list
LOOKED_AT = 1 << 22  # characters
LONGEST_LINE = 200  # of the lines but for a hundredth
WRAPPED = 40  # characters that lines have on the median where a text may be broken at a width
EVEN = 0.75  # of its longest lines has a text's median line that is broken at a width

Array = NDArray[Any]


class Split(NamedTuple):
    """Records as ids, each with the end symbol behind it.

    Args:
        vocabulary: the symbols that stand in a record, and the end.
        train: what is learned from, in the order of the text; a record that stands there twice is
            there twice.
        val: what is held out, each once; none of it stands in ``train``.
        notices: plain sentences for the user.
    """

    vocabulary: Vocabulary
    train: Ids
    val: Ids
    notices: list[str]


def split(vocabulary: Vocabulary, ids: Ids, separator: str, val_fraction: float) -> Split:
    """A text as records; a random share of the distinct ones is held out, whatever their order in
    the text.

    Which ones hangs on each record alone: they are taken in the order of their hashes, so that a
    record that is held out stays so, but for a few, when others are added.

    Args:
        vocabulary: of the text.
        ids: (n,) the text.
        separator: what stands between two records; an empty record is none. Of a newline in it, the
            CR before it is a part; where it is more than a newline, a line end at the very end of
            the text is left out.
        val_fraction: of the distinct records.

    Raises:
        CorpusError: there are not two distinct records.
    """
    starts, ends, empty = _bounds(vocabulary, ids, separator)
    first, number = _distinct(vocabulary, ids, starts, ends)
    if len(first) < 2:
        raise CorpusError(
            f"separator: {separator!r} leaves {len(first)} distinct records in the corpus, at least 2 are needed; give another --separator"
        )
    count = min(max(1, round(len(first) * val_fraction)), len(first) - 1) if val_fraction else 0
    held_out = number < count  # distinct records are numbered in the order of their hashes
    notices = [f"{empty:,} empty records were left out"] if empty else []
    if repeated := len(starts) - len(first):
        notices.append(
            f"{repeated:,} of {len(starts):,} records stand there more than once; none of them is both learned from and held out"
        )
    whole, table = _vocabulary_of(vocabulary, ids, starts, ends)
    train, val = (
        _gathered(ids, starts[which], ends[which], table, whole)
        for which in (np.flatnonzero(~held_out), np.sort(first[:count]))
    )
    return Split(whole, train, val, notices)


def encode_known(
    vocabulary: Vocabulary,
    text: str | bytes,
    separator: str | None,
    unknown: str = "error",
    source: str = "the text",
) -> tuple[Ids, list[str]]:
    """A text for a model that stands: its ids, of records with the end behind each; and a sentence
    on each kind of change made.

    Args:
        vocabulary: the model's.
        text: str, or bytes for a model of bytes.
        separator: of the model's records; None for running text.
        unknown: a character that it lacks: ``"error"``, ``"skip"`` or ``"replace"``.
        source: of the text, for the error.

    Raises:
        VocabularyError: a character is unknown.
        CorpusError: nothing is left of the text.
    """
    changed, said, pieces = list[str](), list[str](), list[Array]()
    behind = np.array(
        [vocabulary.end] if vocabulary.records else [], smallest_dtype(len(vocabulary))
    )
    for start, item in _items(text, separator):
        known, changes = (
            (item, []) if isinstance(item, bytes) else vocabulary.repair(item, unknown, start)
        )
        if changes:
            changed.append(str(item))
            said = changes
        if known:
            pieces += [vocabulary.encode(known), behind]
    if not pieces:
        raise CorpusError(
            f"nothing is left of {source}: it is empty, or the model has seen none of its characters; give another one"
        )
    return np.concatenate(pieces), said if len(changed) < 2 else vocabulary.repair(
        "".join(changed), unknown
    )[1]  # counted together


def ended(text: str | bytes, separator: str) -> str | bytes:
    """The end of a file with a separator behind its last record, in the place of the file's own
    line end."""
    if isinstance(text, bytes):  # each as the character of its number
        return str(ended(text.decode("latin-1"), separator.encode().decode("latin-1"))).encode(
            "latin-1"
        )
    mark = _as_typed(separator)
    last = re.split(_between(mark), text)[-1]
    before, rest = text[: len(text) - len(last)], _without_line_end(last, mark)
    if not rest:
        return before
    begun = (
        last + mark[size:] for size in range(len(mark) - 1, 0, -1) if last.endswith(mark[:size])
    )  # of a separator, at the end
    ways = (way for way in (rest + mark, *begun) if re.split(_between(mark), way)[-1] == "")
    return before + next(ways, rest + mark)


def _between(separator: str) -> str:
    """The regular expression of what stands between two records: the separator, a line end in it as
    either system writes it."""
    return re.escape(_as_typed(separator)).replace("\\\n", "\r?\n")


def _as_typed(separator: str) -> str:
    """A separator with its line ends made LF."""
    return separator.replace("\r\n", "\n")


def _without_line_end(text: str, separator: str) -> str:
    """What stands behind the last separator of a file, without the line end of the file itself."""
    return text if _as_typed(separator) == "\n" else text.removesuffix("\n").removesuffix("\r")


def _items(text: str | bytes, separator: str | None) -> Iterator[tuple[int, str | bytes]]:
    """The pieces of a text between its separators, cut as ``split`` cuts ids, and where each
    begins."""
    if separator is None:
        yield 0, text
        return
    if isinstance(text, bytes):  # each as the character of its number
        for start, item in _items(text.decode("latin-1"), separator.encode().decode("latin-1")):
            yield start, str(item).encode("latin-1")
        return
    start = 0
    for found in re.finditer(_between(separator), text):
        yield start, text[start : found.start()]
        start = found.end()
    yield start, _without_line_end(text[start:], separator)


def looks_like_list(vocabulary: Vocabulary, ids: Ids) -> bool:
    """Whether the lines of a text look like items of their own: short, hardly one empty or
    indented, and not broken at a width."""
    ids = ids[:LOOKED_AT]
    ends = np.flatnonzero(ids == vocabulary.newline)
    if vocabulary.records or len(ends) < FEWEST_LINES:
        return False
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts
    blank = [vocabulary.symbols.find(char) if vocabulary.symbols else ord(char) for char in " \t"]
    indented = np.isin(ids[starts], [idx for idx in blank if idx >= 0]) & (lengths > 0)
    median, longest = np.quantile(lengths, [0.5, 0.99])
    spaces = np.isin(ids, [idx for idx in blank if idx >= 0]).mean()
    broken = median > WRAPPED and spaces > 0.05 and median > EVEN * longest
    return bool(
        (lengths == 0).mean() < 0.01
        and indented.mean() < 0.01
        and longest <= LONGEST_LINE
        and not broken
    )


def some_records(ids: Ids, end: int, most: int) -> Ids:
    """Every so-manieth record, so that there are about ``most`` symbols; one at least."""
    every = -(-len(ids) // most)
    number = np.cumsum(ids == end) - (ids == end)
    return ids[number % every == 0] if every > 1 else ids


def quantiles(lengths: Iterable[int]) -> list[int]:
    """The shortest, the quarter, the half, the three quarters and the longest of some lengths, at
    least one."""
    ordered = sorted(lengths)
    return [ordered[round(share * (len(ordered) - 1))] for share in (0, 0.25, 0.5, 0.75, 1)]


def _bounds(vocabulary: Vocabulary, ids: Ids, separator: str) -> tuple[Array, Array, int]:
    """Where the records begin and end, and how many empty ones there are."""
    separator = _as_typed(separator)
    cr, newline = (
        vocabulary.symbols.find(char) if vocabulary.symbols else ord(char) for char in "\r\n"
    )
    there = vocabulary.unit == "byte" or set(separator) <= set(vocabulary.symbols)
    ends, starts = (
        _occurrences(ids, vocabulary.encode(separator), cr, newline)
        if there
        else (np.empty(0, np.int64),) * 2
    )
    starts, ends = np.concatenate([[0], starts]), np.append(ends, len(ids))
    for idx in (newline, cr) if separator != "\n" else ():  # the line end of the file itself
        ends[-1] -= bool(idx >= 0 and ends[-1] > starts[-1] and ids[ends[-1] - 1] == idx)
    if starts[-1] == len(ids):  # what stands behind the last separator is no record
        starts, ends = starts[:-1], ends[:-1]
    kept = ends > starts
    return starts[kept], ends[kept], int((~kept).sum())


def _occurrences(ids: Ids, mark: Ids, cr: int, newline: int) -> tuple[Array, Array]:
    """Where the mark begins, and what stands behind it, from the left, none over another; before a
    newline in it there may be a CR."""
    starts = np.flatnonzero(ids == mark[0])
    at = starts
    for symbol in mark[1:].tolist():
        at = at + 1
        if symbol == newline:
            at += ids[np.minimum(at, len(ids) - 1)] == cr
        same = (at < len(ids)) & (ids[np.minimum(at, len(ids) - 1)] == symbol)
        starts, at = starts[same], at[same]
    if mark[0] == newline:
        starts = starts - ((starts > 0) & (ids[starts - 1] == cr))
    if not (starts[1:] <= at[:-1]).any():
        return starts, at + 1
    kept, free = list[int](), 0
    for number, (start, last) in enumerate(zip(starts.tolist(), at.tolist(), strict=True)):
        if start >= free:
            kept.append(number)
            free = last + 1
    return starts[kept], at[kept] + 1


def _distinct(vocabulary: Vocabulary, ids: Ids, starts: Array, ends: Array) -> tuple[Array, Array]:
    """Of each distinct record, in the order of their hashes, where it stands first; and of each
    record the number of its like."""
    points = (
        np.array([ord(char) for char in vocabulary.symbols], np.uint32)
        if vocabulary.symbols
        else np.arange(256, dtype=np.uint8)
    )
    digests = b"".join(
        hashlib.blake2b(points[ids[start:end]].tobytes(), digest_size=16).digest()
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    )
    halves = np.frombuffer(digests, ">u8").reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: of equal ones the first comes first
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (halves[order[1:]] != halves[order[:-1]]).any(axis=1)
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(fresh) - 1
    return order[fresh], number


def _vocabulary_of(
    vocabulary: Vocabulary, ids: Ids, starts: Array, ends: Array
) -> tuple[Vocabulary, Array]:
    """The vocabulary of the records alone, and of each old id the new one."""
    if vocabulary.unit == "byte":
        return Vocabulary("byte", records=True), np.arange(256)
    counts = np.zeros(len(vocabulary), np.int64)
    for start in range(0, len(starts), RECORDS_PER_BLOCK):
        places, last = _places(
            starts[start : start + RECORDS_PER_BLOCK], ends[start : start + RECORDS_PER_BLOCK]
        )
        counts += np.bincount(ids[np.delete(places, last)], minlength=len(counts))
    used = counts > 0
    symbols = "".join(char for char, there in zip(vocabulary.symbols, used, strict=True) if there)
    return Vocabulary("char", symbols, records=True), np.cumsum(used) - 1


def _places(starts: Array, ends: Array) -> tuple[Array, Array]:
    """The places of the records and of what stands behind each, one record after another; and which
    of them are the last of one."""
    lengths = ends - starts + 1
    until = np.cumsum(lengths)
    return np.arange(lengths.sum()) + np.repeat(starts - until + lengths, lengths), until - 1


def _gathered(ids: Ids, starts: Array, ends: Array, table: Array, vocabulary: Vocabulary) -> Ids:
    """Some records, each with the end symbol behind it."""
    kind = smallest_dtype(len(vocabulary))
    pieces = [np.empty(0, kind)]
    for start in range(0, len(starts), RECORDS_PER_BLOCK):
        places, last = _places(
            starts[start : start + RECORDS_PER_BLOCK], ends[start : start + RECORDS_PER_BLOCK]
        )
        piece = table[ids[np.minimum(places, len(ids) - 1)]]
        piece[last] = vocabulary.end
        pieces.append(piece.astype(kind))
    return np.concatenate(pieces)
