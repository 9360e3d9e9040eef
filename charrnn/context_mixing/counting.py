"""FoldedCounts: the counts of a training text, from which the surroundings of a place are left out.

n  symbols of a text     K  kinds of context     M  contexts looked up
P  pairs of a context and a follower
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.context_mixing.contexts import KINDS, NO_END, Contexts
from charrnn.context_mixing.count_table import (
    CONTEXT_BYTES,
    COUNT_BYTES,
    MAX_BYTES,
    MAX_COUNT,
    CountTable,
    Predicted,
    blend,
    scaled_down,
)
from charrnn.vocab import Ids, smallest_dtype

FOLDS = 10
MAX_BYTES_PER_SYMBOL = 8
HASH_BASE = 0x9E3779B97F4A7C15  # odd, with its bits spread evenly (Knuth's multiplier)
FOLD_BITS = np.uint64(4)
FOLD_MASK = np.uint64((1 << 4) - 1)
SYMBOL_BITS = np.uint64(21)  # as many as the number of all code points has
SYMBOL_MASK = np.uint64((1 << 21) - 1)

Array = NDArray[Any]


@dataclass(frozen=True)
class FoldedCounts:
    """Counts from which the surroundings of a place are left out, for training.

    The counted text is cut into FOLDS equal stretches. At a place in one of them, only the counts
    of the others are used: what a network may learn to trust must be as unreliable as it will be in
    a new text, and names and phrases recur close to each other.

    Records are divided into FOLDS at random, as they are into training and validation part: a new
    one may be like its neighbors in a sorted list. Equal records are in the same fold.

    Args:
        table: of the whole text.
        least: a context that occurs less often outside of the fold counts as unseen.
        counts: (P,) int64, as in the table; those of one text are not scaled down.
        fold_counts: (P, number of folds + 1) uint16, the part of them in each fold; 0 in the last
            column, which is for places outside of the counted text. Of two texts, the folds of
            the second follow those of the first.
    """

    table: CountTable
    least: int
    counts: Array
    fold_counts: Array

    @property
    def outside(self) -> int:
        """The number of the fold for places outside of the counted texts."""
        return int(self.fold_counts.shape[1]) - 1

    def predict(self, rows: Array, folds: Array) -> Predicted:
        """What the counts outside of the folds (M,) predict, given the rows (M, K) of contexts."""
        places, sizes = self.table.followers(rows)
        fold_of_each = np.repeat(folds, sizes.sum(axis=1))  # (R,)
        cells = places * self.fold_counts.shape[1] + fold_of_each
        left_out = self.fold_counts.reshape(-1).take(cells)
        counts = self.counts[places] - left_out
        symbols = self.table.symbols[places]
        return blend(self.table.reader.vocab_size, symbols, counts, sizes, self.least)


class _Pairs(NamedTuple):
    """Pairs of a context and a follower, increasing.

    Args:
        keys: (P,) uint64, the context in the bits above SYMBOL_BITS, and its follower below.
        counts: (P,) int64, how often each occurs.
        fold_counts: (P, FOLDS + 1) uint16, how often in each fold.
    """

    keys: Array
    counts: Array
    fold_counts: Array

    @property
    def is_first(self) -> NDArray[np.bool_]:
        """(P,) whether each is the first pair of its context."""
        return _changes(self.keys >> SYMBOL_BITS)

    def at_least(self, least: int) -> "_Pairs":
        """Those whose context occurs at least so often."""
        if not len(self.keys):
            return self
        is_first = self.is_first
        totals = np.add.reduceat(self.counts, np.flatnonzero(is_first))  # (C,)
        is_kept = (totals >= least)[np.cumsum(is_first) - 1]
        return _Pairs(*(part[is_kept] for part in self))


def count_followers(reader: Contexts, ids: Ids, least: int = 1) -> FoldedCounts:
    """Count what followed each context of a text.

    Contexts that occur less often than ``least`` are left out, and further rare ones if the table
    would be larger than MAX_BYTES, or than MAX_BYTES_PER_SYMBOL for each symbol of the text.

    Args:
        reader: of the contexts.
        ids: (n,) the text.
        least: at least 1.
    """
    contexts = reader.of_text(ids)  # (n, K)
    folds = folds_of(ids, reader.end)[1:]
    kinds = []
    for kind in range(len(KINDS)):
        # the contexts of one kind are all smaller than those of the next
        pairs = _pairs(contexts[:-1, kind], ids[1:], folds)
        kinds.append(pairs.at_least(least))
    pairs = _Pairs(*(np.concatenate(parts) for parts in zip(*kinds, strict=True)))
    vocab_size = reader.vocab_size
    max_bytes = min(MAX_BYTES, MAX_BYTES_PER_SYMBOL * len(ids))
    pairs, least = _fitted(pairs, least, vocab_size, max_bytes)
    return FoldedCounts(_table_of(pairs, reader), least, pairs.counts, pairs.fold_counts)


def _fitted(pairs: _Pairs, least: int, vocab_size: int, max_bytes: int) -> tuple[_Pairs, int]:
    """Pairs without the rarest contexts, so that a table fits; and the least count that is kept."""
    while _table_bytes(pairs, vocab_size) > max_bytes:
        least += 1
        pairs = pairs.at_least(least)
    return pairs, least


def _table_of(pairs: _Pairs, reader: Contexts) -> CountTable:
    is_first = pairs.is_first
    starts = np.append(np.flatnonzero(is_first), len(pairs.keys))
    return CountTable(
        reader=reader,
        contexts=(pairs.keys[is_first] >> SYMBOL_BITS).astype(np.uint32),
        starts=starts.astype(np.uint32),
        symbols=(pairs.keys & SYMBOL_MASK).astype(smallest_dtype(reader.vocab_size)),
        counts=scaled_down(pairs.counts, starts),
    )


def merge_tables(base: CountTable, new: CountTable) -> CountTable:
    """The counts of two texts together.

    If it would be larger than MAX_BYTES, the rarest contexts are left out.

    Args:
        base: counts of an earlier text, by the vocabulary of ``new``.
        new: counts of the other text.
    """
    keys = np.concatenate([_keys(base), _keys(new)])
    counts = np.concatenate([base.counts.astype(np.int64), new.counts.astype(np.int64)])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    is_new = _changes(keys)
    firsts = np.flatnonzero(is_new)
    counts = np.add.reduceat(counts[order], firsts) if len(firsts) else counts
    folds = np.zeros((len(firsts), 0), np.uint16)
    pairs = _Pairs(keys[is_new], counts, folds)
    pairs, _ = _fitted(pairs, 1, new.reader.vocab_size, MAX_BYTES)
    return _table_of(pairs, new.reader)


def grow_table(table: CountTable, end: int, reader: Contexts) -> CountTable:
    """The same counts by a larger vocabulary, in which only the end of a record has another id.

    Args:
        table: by the smaller vocabulary.
        end: of a record in it; NO_END without records.
        reader: of the larger vocabulary.
    """
    symbols = table.symbols.astype(smallest_dtype(reader.vocab_size))
    if end != NO_END:
        symbols[table.symbols == end] = reader.end
    return replace(table, reader=reader, symbols=symbols, _kept={})


def fold_counts(
    table: CountTable,
    texts: Sequence[FoldedCounts],
    least: int,
) -> FoldedCounts:
    """The counts of a table, with the part of them that each fold of some texts has.

    Args:
        table: of these texts, and possibly others, by ``merge_tables``.
        texts: the counts of each.
        least: a context that occurs less often outside of the fold counts as unseen.
    """
    keys = _keys(table)
    in_folds = np.zeros((len(keys), FOLDS * len(texts) + 1), np.uint16)
    for number, counts in enumerate(texts):
        wanted = _keys(counts.table)
        places = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
        is_kept = keys[places] == wanted
        most = table.counts[places[is_kept], None]  # which may have been scaled down
        columns = slice(FOLDS * number, FOLDS * (number + 1))
        in_folds[places[is_kept], columns] = np.minimum(counts.fold_counts[is_kept, :FOLDS], most)
    return FoldedCounts(table, least, table.counts.astype(np.int64), in_folds)


def _keys(table: CountTable) -> Array:
    """(P,) the pairs of a table as in _Pairs."""
    contexts = np.repeat(table.contexts, np.diff(table.starts)).astype(np.uint64)
    return contexts << SYMBOL_BITS | table.symbols.astype(np.uint64)


def folds_of(ids: Ids, end: int) -> NDArray[np.uint8]:
    """The number of the fold of each symbol of a counted text: (n,).

    Args:
        ids: (n,) the text.
        end: of a record; NO_END for running text.
    """
    n = len(ids)
    if end == NO_END:
        return (np.arange(n) * FOLDS // max(1, n)).astype(np.uint8)
    number = np.zeros(n, np.int64)  # of each symbol's record
    np.cumsum(ids[:-1] == end, out=number[1:])
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    place = np.arange(n) - starts[number]  # in its record
    powers = np.full(int(place.max(initial=0)) + 1, HASH_BASE, np.uint64)
    powers = np.cumprod(powers, dtype=np.uint64)
    terms = powers[place] * (ids.astype(np.uint64) + np.uint64(1))
    hashes = np.add.reduceat(terms, starts) if n else terms
    folds = (hashes >> np.uint64(32)) % np.uint64(FOLDS)
    return folds.astype(np.uint8)[number]


def _pairs(contexts: Array, followers: Array, folds: Array) -> _Pairs:
    """The pairs of one kind of context.

    Args:
        contexts: (n,) uint32.
        followers: (n,) the symbol after each.
        folds: (n,) of the followers.
    """
    keys = contexts.astype(np.uint64) << (SYMBOL_BITS + FOLD_BITS)
    keys |= followers.astype(np.uint64) << FOLD_BITS
    keys |= folds.astype(np.uint64)
    keys.sort()  # (n,)
    folds = keys & FOLD_MASK
    keys >>= FOLD_BITS
    is_new = _changes(keys)
    numbers = np.cumsum(is_new) - 1  # (n,) of each place's pair
    keys = keys[is_new]  # (P,)
    counts = np.bincount(numbers, minlength=len(keys))
    fold_counts = np.zeros((len(keys), FOLDS + 1), np.uint16)
    for fold in range(FOLDS):
        in_fold = np.bincount(numbers[folds == fold], minlength=len(keys))
        fold_counts[:, fold] = np.minimum(in_fold, MAX_COUNT)
    return _Pairs(keys, counts, fold_counts)


def _changes(values: Array) -> NDArray[np.bool_]:
    """Where a sorted array has another value than just before."""
    is_new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=is_new[1:])
    return is_new


def _table_bytes(pairs: _Pairs, vocab_size: int) -> int:
    """The size of a table of these pairs."""
    pair_bytes = np.dtype(smallest_dtype(vocab_size)).itemsize + COUNT_BYTES
    return CONTEXT_BYTES * int(pairs.is_first.sum()) + pair_bytes * len(pairs.keys)
