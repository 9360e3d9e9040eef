"""Records: the items of a text, each learned on its own, and the choice of those for validation."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.corpus.separators import items, record_bounds, symbol_id
from charrnn.errors import CorpusError
from charrnn.vocab import Ids, Vocabulary, smallest_dtype

RECORDS_PER_BLOCK = 1 << 16  # records copied at once

# When a text looks like a list with one item per line.
MOST_EXAMINED = 1 << 22  # characters
FEWEST_LINES = 100
LONGEST_LINE = 200  # characters; one line in a hundred may be longer
MOST_ODD_LINES = 0.01  # the largest share of empty lines, and of indented lines
# A text counts as wrapped prose if its median line is longer than WRAP_LENGTH characters and than
# WRAP_EVENNESS of its longest lines, and more than WRAP_SPACES of it are spaces.
WRAP_LENGTH = 40
WRAP_EVENNESS = 0.75
WRAP_SPACES = 0.05

Array = NDArray[Any]


class Split(NamedTuple):
    """Records as ids, each followed by the end symbol.

    Args:
        vocabulary: the symbols of the records, and the end.
        train: the training part, in the order of the text, including duplicates.
        val: the validation part, without duplicates; none of its records is in ``train``.
        notices: sentences for the user.
    """

    vocabulary: Vocabulary
    train: Ids
    val: Ids
    notices: list[str]


def split(
    vocabulary: Vocabulary,
    ids: Ids,
    separator: str,
    val_fraction: float,
    num_known: int = 0,
) -> Split:
    """Cut a text into records, and choose a random share of the distinct ones for validation.

    The choice depends on the records, not on their order in the text: those with the lowest hashes
    are chosen, so that nearly all of them remain chosen when other records are added.

    Args:
        vocabulary: of the text.
        ids: (n,) the text.
        separator: between two records; empty records are left out.
        val_fraction: the share of the distinct records that is for validation.
        num_known: the number of symbols at the beginning of the vocabulary that stay, even if no
            record has them.

    Raises:
        CorpusError: there are fewer than two distinct records.
    """
    starts, ends, num_empty = record_bounds(vocabulary, ids, separator)
    records = _Records(vocabulary, ids, starts, ends)
    first, number = _distinct(records)
    if len(first) < 2:
        items = "lines" if separator == "\n" else "records"
        raise CorpusError(
            f"`separator={separator!r}` needs at least 2 different {items}, but the text has "
            f"{len(first)}; give another one, or leave it out"
        )
    num_held_out = 0
    if val_fraction:
        num_held_out = max(1, round(len(first) * val_fraction))
        num_held_out = min(num_held_out, len(first) - 1)
    # distinct records are numbered in the order of their hashes
    learned = np.flatnonzero(number >= num_held_out)
    held_out = np.sort(first[:num_held_out])
    used, new_ids = _used_vocabulary(records, num_known)
    return Split(
        vocabulary=used,
        train=_gathered(records, learned, new_ids, used),
        val=_gathered(records, held_out, new_ids, used),
        notices=_notices(num_empty, len(starts), len(first)),
    )


def _notices(num_empty: int, num_records: int, num_distinct: int) -> list[str]:
    notices: list[str] = []
    if num_empty:
        notices.append(f"{num_empty:,} empty records were left out")
    num_repeated = num_records - num_distinct
    if num_repeated:
        notices.append(
            f"{num_repeated:,} of {num_records:,} records repeat an earlier one; "
            "no record is in both parts, and validation uses each only once"
        )
    return notices


class KnownItem(NamedTuple):
    """A text, or a record, in characters that a model knows.

    Args:
        text: str, or bytes for a model of bytes.
        start: its place in the whole text.
        places: of its characters, from ``start``.
        end: the place after it, where a separator may be.
    """

    text: Any
    start: int
    places: Sequence[int]
    end: int


def encode_known(
    vocabulary: Vocabulary,
    text: str | bytes,
    separator: str | None,
    unknown: str = "error",
    source: str = "the text",
) -> tuple[Ids, list[str]]:
    """The ids of a text for an existing model, and a sentence on each change made to it.

    The arguments and errors are those of ``known_items``.
    """
    end = [vocabulary.end] if vocabulary.records else []
    end_ids = np.array(end, smallest_dtype(len(vocabulary)))
    known, notices = known_items(vocabulary, text, separator, unknown, source)
    pieces: list[Array] = []
    for item in known:
        pieces.append(vocabulary.encode(item.text))
        pieces.append(end_ids)
    return np.concatenate(pieces), notices


def known_items(
    vocabulary: Vocabulary,
    text: str | bytes,
    separator: str | None,
    unknown: str = "error",
    source: str = "the text",
) -> tuple[list[KnownItem], list[str]]:
    """The text, or its records, in characters that a model knows; a sentence on each change.

    Args:
        vocabulary: the model's.
        text: str, or bytes for a model of bytes.
        separator: of the model's records, each of which is followed by the end symbol; None for
            continuous text.
        unknown: what to do with a character unknown to the model: ``"error"``, ``"skip"`` or
            ``"replace"``.
        source: the name of the text in an error.

    Raises:
        VocabularyError: a character is unknown.
        CorpusError: nothing is left of the text.
    """
    all_known: list[KnownItem] = []
    changed: list[str] = []
    notices: list[str] = []
    for start, item in items(text, separator):
        known = item
        places: Sequence[int] = range(len(item))
        if isinstance(item, str):
            known, places, changes = vocabulary.traced_repair(item, unknown, start)
            if changes:
                changed.append(item)
                notices = changes
        if known:
            all_known.append(KnownItem(known, start, places, start + len(item)))
    if not all_known:
        raise CorpusError(
            f"nothing is left of {source}: it is empty, "
            "or the model knows none of its characters; give another text"
        )
    if len(changed) > 1:  # the changes of all items are counted together
        _, notices = vocabulary.repair("".join(changed), unknown)
    return all_known, notices


def without_known_records(ids: Ids, known: Ids, end: int) -> tuple[Ids, int]:
    """Records that are not among others, each once, and how many were left out.

    Args:
        ids: (n,) records, each followed by the end symbol.
        known: (m,) the others.
        end: the end symbol.
    """
    seen = {record.tobytes() for record in each_record(known, end)}
    kept = [ids[:0]]
    num_left_out = 0
    for record in each_record(ids, end):
        data = record.tobytes()
        if data in seen:
            num_left_out += 1
            continue
        seen.add(data)
        kept.append(record)
    return np.concatenate(kept), num_left_out


def each_record(ids: Ids, end: int) -> list[Ids]:
    """Each record, with its end symbol."""
    return np.split(ids, np.flatnonzero(ids == end) + 1)[:-1]


def looks_like_list(vocabulary: Vocabulary, ids: Ids) -> bool:
    """Whether the lines of a text look like items of a list.

    Such lines are short, hardly any is empty or indented, and the text is not wrapped prose.
    """
    ids = ids[:MOST_EXAMINED]
    ends = np.flatnonzero(ids == vocabulary.newline)  # (number of lines,)
    if vocabulary.records or len(ends) < FEWEST_LINES:
        return False
    starts = np.append(0, ends[:-1] + 1)
    lengths = ends - starts
    blanks = [symbol_id(vocabulary, char) for char in " \t"]
    is_blank = np.isin(ids, [idx for idx in blanks if idx >= 0])  # (n,)
    is_empty = lengths == 0
    is_indented = is_blank[starts] & ~is_empty
    if is_empty.mean() >= MOST_ODD_LINES or is_indented.mean() >= MOST_ODD_LINES:
        return False
    median, longest = np.quantile(lengths, [0.5, 0.99])
    if longest > LONGEST_LINE:
        return False
    has_spaces = is_blank.mean() > WRAP_SPACES
    is_even = median > WRAP_LENGTH and median > WRAP_EVENNESS * longest
    return not (has_spaces and is_even)


def some_records(ids: Ids, end: int, most: int) -> Ids:
    """Whole records, evenly spread, with about ``most`` symbols in total; at least one record."""
    if len(ids) <= most:
        return ids
    chosen: Ids = ids[places_of_some_records(ids, end, most)]
    return chosen


def places_of_some_records(ids: Ids, end: int, most: int) -> NDArray[np.int64]:
    """The places of the symbols of ``some_records``: (m,)."""
    step = -(-len(ids) // most)
    is_end = ids == end
    record = np.cumsum(is_end) - is_end  # (n,) the number of the record that a symbol is in
    return np.flatnonzero(record % step == 0)


def quantiles(lengths: Iterable[int]) -> list[int]:
    """The minimum, the quartiles and the maximum of one or more lengths."""
    ordered = sorted(lengths)
    last = len(ordered) - 1
    return [ordered[round(share * last)] for share in (0, 0.25, 0.5, 0.75, 1)]


@dataclass(frozen=True)
class _Records:
    """The R records of a text.

    Args:
        vocabulary: of the text.
        ids: (n,) the text.
        starts: (R,) where each record begins.
        ends: (R,) the place after each.
    """

    vocabulary: Vocabulary
    ids: Ids
    starts: Array
    ends: Array

    def blocks(self) -> "Iterator[_Records]":
        """The records in groups small enough to be copied at once."""
        for start in range(0, len(self.starts), RECORDS_PER_BLOCK):
            yield self.chosen(slice(start, start + RECORDS_PER_BLOCK))

    def chosen(self, which: Array | slice) -> "_Records":
        """Some of the records."""
        return _Records(
            vocabulary=self.vocabulary,
            ids=self.ids,
            starts=self.starts[which],
            ends=self.ends[which],
        )

    def places(self) -> tuple[Array, Array]:
        """The places of each record's symbols and the place after its last, for all records.

        Also returns the indices in this array of the places after each record: (R,).
        """
        lengths = self.ends - self.starts + 1  # (R,)
        until = np.cumsum(lengths)
        begin = until - lengths
        places = np.arange(lengths.sum())
        places += np.repeat(self.starts - begin, lengths)
        return places, until - 1


def _distinct(records: _Records) -> tuple[Array, Array]:
    """Number the distinct records in the order of their hashes.

    Returns:
        the index of the first occurrence of each distinct record: (D,); and the number of each
        record: (R,).
    """
    hashes = _hashes(records)  # (R, 2)
    high = hashes[:, 0]
    low = hashes[:, 1]
    order = np.lexsort((low, high))  # stable: equal records keep their order
    ordered = hashes[order]
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(is_new) - 1
    return order[is_new], number


def _hashes(records: _Records) -> Array:
    """The 128-bit hash of each record, in two halves: (R, 2)."""
    points = _code_points(records.vocabulary)
    bounds = zip(records.starts.tolist(), records.ends.tolist(), strict=True)
    digests: list[bytes] = []
    for start, end in bounds:
        record = points[records.ids[start:end]]
        digest = hashlib.blake2b(record.tobytes(), digest_size=16)
        digests.append(digest.digest())
    halves = np.frombuffer(b"".join(digests), ">u8")
    return halves.reshape(-1, 2)


def _code_points(vocabulary: Vocabulary) -> Array:
    """The code point, or the byte, of each id, which does not depend on the vocabulary."""
    if vocabulary.unit == "byte":
        return np.arange(256, dtype=np.uint8)
    return np.array([ord(char) for char in vocabulary.symbols], np.uint32)


def _used_vocabulary(records: _Records, num_known: int) -> tuple[Vocabulary, Array]:
    """The vocabulary of the records without their separators, and the new id of each old one."""
    vocabulary = records.vocabulary
    if vocabulary.unit == "byte":
        return Vocabulary("byte", records=True), np.arange(256)
    is_used = np.zeros(len(vocabulary), np.bool_)  # (V,)
    is_used[:num_known] = True
    for block in records.blocks():
        places, last = block.places()
        inside = np.delete(places, last)
        is_used[block.ids[inside]] = True
    symbols = "".join(vocabulary.symbols[idx] for idx in np.flatnonzero(is_used))
    new_ids = np.cumsum(is_used) - 1
    return Vocabulary("char", symbols, True, _still_known(vocabulary.replaced, symbols)), new_ids


def _still_known(
    replaced: tuple[tuple[str, str], ...],
    symbols: str,
) -> tuple[tuple[str, str], ...]:
    """The replacements of rare characters by symbols of the records."""
    known = []
    for char, symbol in replaced:
        known.append((char, symbol if symbol in symbols else ""))
    return tuple(known)


def _gathered(
    records: _Records,
    which: Array,
    new_ids: Array,
    vocabulary: Vocabulary,
) -> Ids:
    """The chosen records in the ids of a new vocabulary, each followed by its end symbol."""
    dtype = smallest_dtype(len(vocabulary))
    highest = len(records.ids) - 1
    pieces = [np.empty(0, dtype)]
    for block in records.chosen(which).blocks():
        places, last = block.places()
        old_ids = block.ids[np.minimum(places, highest)]
        piece = new_ids[old_ids]
        piece[last] = vocabulary.end
        pieces.append(piece.astype(dtype))
    return np.concatenate(pieces)
