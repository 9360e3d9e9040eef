"""CountTable: how often each symbol followed each context in a text, and what that predicts.

Each group of kinds of context makes one prediction, a mixture from its most general kind to its
most specific one. With c_k(s), how often the symbol s followed the current context of kind k, n_k
the sum of these counts, and d_k the number of distinct followers,

    p_k(s) = (c_k(s) + d_k p_{k-1}(s)) / (n_k + d_k)          p_{-1}(s) = 1 / V

which is Witten-Bell smoothing (Witten and Bell 1991). A context that never occurred leaves p_{k-1}
as it is. p_k sums to one by construction.

    M  contexts looked up    K  kinds of context    V  vocab_size    F  features of a prediction
    C  contexts in a table   P  pairs of a context and a follower    G  the number of GROUPS
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.context_mixing.contexts import GROUPS, KINDS, Contexts
from charrnn.vocab import Ids, smallest_dtype

UNSEEN = -1  # the row of a context that is not in the table
MAX_COUNT = np.iinfo(np.uint16).max  # the counts of a more frequent context are scaled down
FOLDS = 10
FOLD_BITS = np.uint64(4)
FOLD_MASK = np.uint64((1 << 4) - 1)
SYMBOL_BITS = np.uint64(21)  # as many as the number of all code points has
SYMBOL_MASK = np.uint64((1 << 21) - 1)
CONTEXT_BYTES = 8  # of a context and where its followers begin
COUNT_BYTES = 2
MAX_BYTES_PER_SYMBOL = 8
MAX_BYTES = 256 << 20
MIXER_SIZE = 48  # hidden units of the mixer
NUM_FEATURES = 3 * len(KINDS) + 2 * len(GROUPS)  # F
GROUP_KINDS = [slice(KINDS.index(kinds[0]), KINDS.index(kinds[-1]) + 1) for kinds in GROUPS]
GROUP_LIST = [group for group, kinds in enumerate(GROUPS) for _ in kinds]
GROUP_OF_KIND = np.array(GROUP_LIST)
LOG_SCALE = 0.25  # brings the logarithms of counts into the range of the other features

Array = NDArray[Any]


class Predicted(NamedTuple):
    """What the counts predict.

    Args:
        log_p: (M, G, V) float32 the log-probability of each symbol.
        features: (M, F) float32 how much they are based on.
    """

    log_p: Array
    features: Array


@dataclass(frozen=True)
class CountTable:
    """Contexts and the counts of their followers.

    Args:
        reader: of the contexts in texts of the vocabulary.
        contexts: (C,) uint32, increasing.
        starts: (C + 1,) uint32, where the followers of each context begin.
        symbols: (P,) the followers of each context, increasing; an unsigned integer type.
        counts: (P,) uint16, how often each followed; at least 1.
    """

    reader: Contexts
    contexts: Array
    starts: Array
    symbols: Array
    counts: Array

    def __deepcopy__(self, memo: object) -> "CountTable":
        """It never changes, so copies of a model share it."""
        return self

    def rows_of_text(self, ids: Ids) -> NDArray[np.int32]:
        """The row of each context (n, K) after each symbol of a text."""
        return self.rows(self.reader.of_text(ids))

    def rows(self, contexts: Array) -> NDArray[np.int32]:
        """The row of each context (...), UNSEEN if it is not in the table."""
        if not len(self.contexts):
            return np.full(contexts.shape, UNSEEN, np.int32)
        places = np.searchsorted(self.contexts, contexts)
        places = np.minimum(places, len(self.contexts) - 1)
        is_found = self.contexts[places] == contexts
        return np.where(is_found, places, UNSEEN).astype(np.int32)

    def predict(self, rows: Array) -> Predicted:
        """What the counts predict after some contexts, given their rows (M, K)."""
        places, owners = self.followers(rows)
        symbols = self.symbols[places]
        return blend(len(rows), self.reader.vocab_size, symbols, self.counts[places], owners)

    def predict_one(self, contexts: Sequence[int]) -> Predicted:
        """The same for the contexts (K) of one stream, faster: log_p (G, V), features (F,)."""
        keys = np.array(contexts, np.uint32)
        rows = self.rows(keys).tolist()
        starts = self.starts
        V = self.reader.vocab_size
        K = len(KINDS)
        G = len(GROUPS)
        p = np.full((G, V), 1 / V)
        features = np.zeros(NUM_FEATURES, np.float32)
        for kind, row in enumerate(rows):
            if row == UNSEEN:
                continue
            first = int(starts[row])
            last = int(starts[row + 1])
            counts = self.counts[first:last]
            total = int(self.totals[row])
            distinct = last - first
            summed = total + distinct
            mixed = p[GROUP_LIST[kind]]
            mixed *= distinct / summed
            mixed[self.symbols[first:last]] += counts * (1 / summed)
            features[kind] = LOG_SCALE * math.log1p(total)
            features[K + kind] = 1
            features[2 * K + kind] = distinct / summed
        log_p = np.log(p)
        features[3 * K : 3 * K + G] = -np.einsum("gv,gv->g", p, log_p)
        features[3 * K + G :] = log_p.max(axis=1)
        return Predicted(log_p.astype(np.float32), features)

    @cached_property
    def totals(self) -> NDArray[np.int64]:
        """(C,) how often each context occurs."""
        if not len(self.contexts):
            return np.zeros(0, np.int64)
        return np.add.reduceat(self.counts, self.starts[:-1].astype(np.int64), dtype=np.int64)

    def followers(self, rows: Array) -> tuple[Array, Array]:
        """The places (R,) of the followers of rows (M, K), and the number (R,) of the row of each."""
        flat = rows.reshape(-1)
        is_seen = flat != UNSEEN
        first = self.starts[flat].astype(np.int64)
        sizes = np.where(is_seen, self.starts[flat + 1] - first, 0)
        ends = np.cumsum(sizes)
        owners = np.repeat(np.arange(len(flat)), sizes)
        places = np.arange(len(owners)) + (first - ends + sizes)[owners]
        return places, owners


@dataclass(frozen=True)
class FoldedCounts:
    """Counts from which the surroundings of a place are left out, for training.

    The counted text is cut into FOLDS equal stretches. At a place in one of them, only the counts
    of the others are used: what a network may learn to trust must be as unreliable as it will be in
    a new text, and names and phrases recur close to each other.

    Args:
        table: of the whole text.
        least: a context that occurs less often outside of the fold counts as unseen.
        counts: (P,) int64, as in the table, but not scaled down.
        fold_counts: (P, FOLDS + 1) uint16, the part of them in each fold; 0 in the last column,
            which is for places outside of the counted text.
    """

    table: CountTable
    least: int
    counts: Array
    fold_counts: Array

    def predict(self, rows: Array, folds: Array) -> Predicted:
        """What the counts outside of the folds (M,) predict, given the rows (M, K) of contexts."""
        places, owners = self.table.followers(rows)
        left_out = self.fold_counts[places, folds[owners // len(KINDS)]]
        counts = self.counts[places] - left_out
        symbols = self.table.symbols[places]
        vocab_size = self.table.reader.vocab_size
        return blend(len(rows), vocab_size, symbols, counts, owners, self.least)


def count_followers(reader: Contexts, ids: Ids, least: int = 1) -> FoldedCounts:
    """Count what followed each context of a text.

    Contexts that occur less often than ``least`` are left out, and further rare ones if the table
    would be larger than MAX_BYTES, or than MAX_BYTES_PER_SYMBOL for each symbol of the text.

    Args:
        reader: of the contexts.
        ids: (n,) the text.
        least: at least 1.
    """
    vocab_size = reader.vocab_size
    contexts = reader.of_text(ids)  # (n, K)
    n = max(0, len(ids) - 1)
    folds = fold_of(np.arange(1, n + 1), len(ids))
    keys = _keys(contexts[:n], ids[1:], folds)  # (n * K,) sorted
    pairs = keys >> FOLD_BITS
    is_new = _changes(pairs)
    numbers = np.cumsum(is_new) - 1  # (n * K,) of each key's pair
    pairs = pairs[is_new]  # (P,)
    counts = np.bincount(numbers, minlength=len(pairs))  # (P,)
    of_context = np.cumsum(_changes(pairs >> SYMBOL_BITS)) - 1  # (P,)
    totals = np.bincount(of_context, counts)  # (C,)
    sizes = np.bincount(of_context)  # (C,)
    least = _least_that_fits(totals, sizes, least, _limit(len(ids)), vocab_size)
    is_kept = totals[of_context] >= least  # (P,)
    fold_counts = _fold_counts(keys, numbers, len(pairs), is_kept)
    pairs = pairs[is_kept]
    counts = counts[is_kept]
    is_first = _changes(pairs >> SYMBOL_BITS)
    table = CountTable(
        reader=reader,
        contexts=(pairs[is_first] >> SYMBOL_BITS).astype(np.uint32),
        starts=np.append(np.flatnonzero(is_first), len(pairs)).astype(np.uint32),
        symbols=(pairs & SYMBOL_MASK).astype(smallest_dtype(vocab_size)),
        counts=_scaled(counts, is_first),
    )
    return FoldedCounts(table, least, counts, fold_counts)


def fold_of(places: Array, counted: int) -> Array:
    """The number of the fold of each place in a counted text of this length; FOLDS outside."""
    folds = places * FOLDS // max(1, counted)
    is_inside = (places >= 0) & (places < counted)
    return np.where(is_inside, folds, FOLDS)


def _keys(contexts: Array, followers: Array, folds: Array) -> Array:
    """(n * K,) sorted numbers that hold a context, its follower and the fold of that."""
    low = followers.astype(np.uint64) << FOLD_BITS
    low |= folds.astype(np.uint64)
    keys = contexts.astype(np.uint64) << (SYMBOL_BITS + FOLD_BITS)
    keys |= low[:, None]
    keys = keys.reshape(-1)
    keys.sort()
    return keys


def _changes(values: Array) -> NDArray[np.bool_]:
    """Where a sorted array has another value than just before."""
    is_new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=is_new[1:])
    return is_new


def _limit(num_symbols: int) -> int:
    """The most bytes of a table."""
    return min(MAX_BYTES, MAX_BYTES_PER_SYMBOL * num_symbols)


def _least_that_fits(
    totals: Array,
    sizes: Array,
    least: int,
    max_bytes: int,
    vocab_size: int,
) -> int:
    """How often a context must occur for the table of those contexts to fit."""
    pair_bytes = np.dtype(smallest_dtype(vocab_size)).itemsize + COUNT_BYTES
    context_bytes = CONTEXT_BYTES + pair_bytes * sizes
    while True:
        num_bytes = int(context_bytes[totals >= least].sum())
        if num_bytes <= max_bytes:
            return least
        least += 1


def _fold_counts(keys: Array, numbers: Array, num_pairs: int, is_kept: Array) -> Array:
    """(P, FOLDS + 1) the counts of the kept pairs in each fold."""
    fold_counts = np.zeros((int(is_kept.sum()), FOLDS + 1), np.uint16)
    folds = keys & FOLD_MASK
    for fold in range(FOLDS):
        counts = np.bincount(numbers[folds == fold], minlength=num_pairs)
        fold_counts[:, fold] = np.minimum(counts[is_kept], MAX_COUNT)
    return fold_counts


def _scaled(counts: Array, is_first: Array) -> NDArray[np.uint16]:
    """Counts (P,) divided by the same number within each context, so that they fit."""
    if not len(counts):
        return counts.astype(np.uint16)
    largest = np.maximum.reduceat(counts, np.flatnonzero(is_first))  # (C,)
    divisors = -(-largest // MAX_COUNT)
    divided = -(-counts // divisors[np.cumsum(is_first) - 1])
    scaled: NDArray[np.uint16] = divided.astype(np.uint16)
    return scaled


def blend(
    num_places: int,
    vocab_size: int,
    symbols: Array,
    counts: Array,
    owners: Array,
    least: int = 1,
) -> Predicted:
    """Mix the counts of K contexts for each of M places.

    Args:
        num_places: M.
        vocab_size: V.
        symbols, counts: (R,) the followers of all contexts; a count may be 0.
        owners: (R,) the number of each follower's context among M * K.
        least: a context with a smaller sum of counts counts as unseen.
    """
    M = num_places
    K = len(KINDS)
    G = len(GROUPS)
    V = vocab_size
    totals = np.bincount(owners, counts, M * K).reshape(M, K)  # n_k
    distinct = np.bincount(owners, counts > 0, M * K).reshape(M, K)  # d_k
    is_seen = totals >= least
    sums = np.where(is_seen, totals + distinct, np.inf)
    passed = np.where(is_seen, distinct / sums, 1.0)  # the share of p_{k-1} in p_k
    shares = np.empty((M, K))  # of each kind in the prediction of its group
    rest = np.empty((M, G))  # the share of the uniform distribution
    for group, kinds in enumerate(GROUP_KINDS):
        above = np.cumprod(passed[:, kinds][:, ::-1], axis=1)[:, ::-1]
        rest[:, group] = above[:, 0]
        above[:, :-1] = above[:, 1:]
        above[:, -1] = 1
        shares[:, kinds] = above
    shares /= sums
    rows, kind = np.divmod(owners, K)
    cells = (rows * G + GROUP_OF_KIND[kind]) * V + symbols
    mixed = np.bincount(cells, counts * shares.reshape(-1)[owners], M * G * V)
    p = mixed.reshape(M, G, V) + rest[:, :, None] / V
    log_p = np.log(p).astype(np.float32)
    features = np.concatenate(
        [
            np.where(is_seen, LOG_SCALE * np.log1p(totals), 0),
            is_seen,
            distinct / sums,
            -(p * log_p).sum(axis=2),
            log_p.max(axis=2),
        ],
        axis=1,
    )
    return Predicted(log_p, features.astype(np.float32))
