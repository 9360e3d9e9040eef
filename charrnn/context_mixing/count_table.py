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
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.context_mixing.contexts import GROUPS, KINDS, Contexts
from charrnn.vocab import Ids

UNSEEN = -1  # the row of a context that is not in the table
MAX_COUNT = np.iinfo(np.uint16).max  # the counts of a more frequent context are scaled down
MAX_BYTES = 256 << 20
CONTEXT_BYTES = 8  # of a table: a context, and where its followers begin
COUNT_BYTES = 2
MIXER_SIZE = 48  # hidden units of the mixer
NUM_FEATURES = 3 * len(KINDS) + 2 * len(GROUPS)  # F
GROUP_KINDS = [range(KINDS.index(kinds[0]), KINDS.index(kinds[-1]) + 1) for kinds in GROUPS]
GROUP_OF_KIND = np.array([group for group, kinds in enumerate(GROUPS) for _ in kinds])
MAX_KEPT = 1 << 15  # predictions of groups that are kept
MAX_SPARSENESS = 8  # cells for each value, up to which a sum over all cells is faster than sorting
LOG_SCALE = 0.25  # brings the logarithms of counts into the range of the other features

Array = NDArray[Any]


class Predicted(NamedTuple):
    """What the counts predict at M places.

    For each group of a place, only the symbols that followed one of its contexts are listed, since
    all others have the same probability, and a softmax only sees differences.

    Args:
        places: (R,) the place of each symbol that is listed.
        groups: (R,) its group.
        symbols: (R,) its id.
        raised: (R,) float32, by how much its log-probability is above that of the others.
        features: (M, F) float32, what the predictions are based on. For each group: of each kind,
            the logarithm of n_k, whether the context was seen, and the share of p_{k-1} in p_k;
            then the entropy of the prediction, and its highest log-probability.
    """

    places: Array
    groups: Array
    symbols: Array
    raised: Array
    features: Array


class GroupPredicted(NamedTuple):
    """The same for one group at one place.

    Args:
        symbols: (R,) ids.
        raised: (R,) float32.
        features: the group's part of F.
    """

    symbols: Array
    raised: Array
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
    _kept: dict[tuple[int, ...], GroupPredicted] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __deepcopy__(self, memo: object) -> "CountTable":
        """It never changes, so copies of a model share it."""
        return self

    def copy(self) -> "CountTable":
        """The same counts in memory, if they are in a file that is mapped into it."""
        return CountTable(
            reader=self.reader,
            contexts=self.contexts.copy(),
            starts=self.starts.copy(),
            symbols=self.symbols.copy(),
            counts=self.counts.copy(),
        )

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
        places, sizes = self.followers(rows)
        symbols = self.symbols[places]
        return blend(self.reader.vocab_size, symbols, self.counts[places], sizes)

    def predict_one(self, rows: Sequence[int]) -> list[GroupPredicted]:
        """The same for the rows (K) of one stream, faster: what each group predicts.

        Contexts recur often, so what each group predicts after the latest ones is kept.
        """
        kept = self._kept
        predicted = []
        for kinds in GROUP_KINDS:
            key = (kinds.start, *rows[kinds.start : kinds.stop])
            of_group = kept.get(key)
            if of_group is None:
                if len(kept) >= MAX_KEPT:
                    kept.clear()
                of_group = self._predict_group(key[1:])
                kept[key] = of_group
            predicted.append(of_group)
        return predicted

    def _predict_group(self, rows: Sequence[int]) -> GroupPredicted:
        """What the contexts of one group predict, given their rows."""
        V = self.reader.vocab_size
        symbols = []
        shares = []
        logs = []
        seen = []
        passed = []
        above = 1.0  # what the more specific kinds leave to the others
        for row in reversed(rows):
            if row == UNSEEN:
                logs.append(0.0)
                seen.append(0.0)
                passed.append(0.0)
                continue
            first = int(self.starts[row])
            last = int(self.starts[row + 1])
            total = int(self.totals[row])
            distinct = last - first
            summed = total + distinct
            symbols.append(self.symbols[first:last])
            shares.append(self.counts[first:last] * (above / summed))
            logs.append(LOG_SCALE * math.log1p(total))
            seen.append(1.0)
            passed.append(distinct / summed)
            above *= passed[-1]
        base = above / V  # of a symbol that followed none of the contexts
        sums: Array = np.zeros(0)
        if symbols:
            sums = np.bincount(np.concatenate(symbols), np.concatenate(shares))
        listed = np.flatnonzero(sums)
        p = sums[listed] + base
        log_p = np.log(p)
        log_base = math.log(base)
        entropy = -float(np.dot(p, log_p)) - (V - len(p)) * base * log_base
        highest = float(log_p.max(initial=log_base))
        features = [*logs[::-1], *seen[::-1], *passed[::-1], entropy, highest]
        raised = (log_p - log_base).astype(np.float32)
        return GroupPredicted(listed, raised, np.array(features, np.float32))

    @cached_property
    def totals(self) -> NDArray[np.int64]:
        """(C,) how often each context occurs."""
        if not len(self.contexts):
            return np.zeros(0, np.int64)
        return np.add.reduceat(self.counts, self.starts[:-1].astype(np.int64), dtype=np.int64)

    def followers(self, rows: Array) -> tuple[Array, Array]:
        """The places (R,) of the followers of rows, and how many (M, K) each row has."""
        flat = rows.reshape(-1)
        is_seen = flat != UNSEEN
        first = self.starts[flat].astype(np.int64)
        sizes = np.where(is_seen, self.starts[flat + 1] - first, 0)
        return places_from(first, sizes), sizes.reshape(rows.shape)


def places_from(firsts: Array, sizes: Array) -> NDArray[np.int64]:
    """(R,) consecutive places from each of ``firsts`` on, as many as its entry in ``sizes``."""
    ends = np.cumsum(sizes)
    places = np.arange(ends[-1] if len(ends) else 0)
    places += np.repeat(firsts - ends + sizes, sizes)
    return places


def blend(
    vocab_size: int,
    symbols: Array,
    counts: Array,
    sizes: Array,
    least: int = 1,
) -> Predicted:
    """Mix the counts of K contexts for each of M places.

    Args:
        vocab_size: V.
        symbols, counts: (R,) the followers of all contexts, one after another; a count may be 0.
        sizes: (M, K) the number of followers of each context.
        least: a context with a smaller sum of counts counts as unseen.
    """
    M, K = sizes.shape
    G = len(GROUPS)
    V = vocab_size
    totals = _sums(counts, sizes)  # n_k
    distinct = _sums(counts > 0, sizes)  # d_k
    is_seen = totals >= least
    sums = np.where(is_seen, totals + distinct, np.inf)
    passed = np.where(is_seen, distinct / sums, 1.0)  # the share of p_{k-1} in p_k
    shares = np.empty((M, K))  # of each kind in the prediction of its group
    rest = np.empty((M, G))  # the share of the uniform distribution
    for group, numbers in enumerate(GROUP_KINDS):
        kinds = slice(numbers.start, numbers.stop)
        above = np.cumprod(passed[:, kinds][:, ::-1], axis=1)[:, ::-1]
        rest[:, group] = above[:, 0]
        above[:, :-1] = above[:, 1:]
        above[:, -1] = 1
        shares[:, kinds] = above
    shares /= sums
    base = (rest / V).reshape(-1)  # (M * G,) of a symbol that followed none of the contexts
    flat_sizes = sizes.reshape(-1)
    first_cells = (np.arange(M)[:, None] * G + GROUP_OF_KIND) * V  # (M, K)
    cells = np.repeat(first_cells, flat_sizes) + symbols
    values = np.repeat(shares, flat_sizes) * counts
    cells, p = _summed(cells, values, M * G * V)
    listed, symbols = np.divmod(cells, V)  # the number among M * G
    p += base[listed]
    log_p = np.log(p)
    log_base = np.log(base)
    num_listed = np.bincount(listed, minlength=M * G)
    entropy = -np.bincount(listed, p * log_p, M * G) - (V - num_listed) * base * log_base
    highest = log_base.copy()
    firsts = np.flatnonzero(np.diff(listed, prepend=-1))
    if len(firsts):
        highest[listed[firsts]] = np.maximum.reduceat(log_p, firsts)
    entropy = entropy.reshape(M, G)
    highest = highest.reshape(M, G)
    logs = np.where(is_seen, LOG_SCALE * np.log1p(totals), 0)
    columns: list[Array] = []
    for group, numbers in enumerate(GROUP_KINDS):
        kinds = slice(numbers.start, numbers.stop)
        columns += [logs[:, kinds], is_seen[:, kinds], (distinct / sums)[:, kinds]]
        columns += [entropy[:, group, None], highest[:, group, None]]
    features = np.concatenate(columns, axis=1)
    return Predicted(
        places=listed // G,
        groups=listed % G,
        symbols=symbols,
        raised=(log_p - log_base[listed]).astype(np.float32),
        features=features.astype(np.float32),
    )


def scaled_down(counts: Array, starts: Array) -> NDArray[np.uint16]:
    """Counts (P,) as uint16; those of a context are divided alike if one is too large."""
    if not len(counts):
        return counts.astype(np.uint16)
    largest = np.maximum.reduceat(counts, starts[:-1])  # (C,)
    divisors = -(-largest // MAX_COUNT)
    divided = -(-counts // np.repeat(divisors, np.diff(starts)))
    result: NDArray[np.uint16] = divided.astype(np.uint16)
    return result


def _sums(values: Array, sizes: Array) -> NDArray[np.int64]:
    """The sums (M, K) of consecutive integers (R,), of which ``sizes`` (M, K) belong together."""
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=sums[1:])
    ends = np.cumsum(sizes)
    totals: NDArray[np.int64] = sums[ends] - sums[ends - sizes.reshape(-1)]
    return totals.reshape(sizes.shape)


def _summed(cells: Array, values: Array, num_cells: int) -> tuple[Array, Array]:
    """The distinct cells, increasing, and the sum of the positive values of each.

    Both ways add the values of a cell in the same order, so a place has the same sums regardless of
    the others.
    """
    if num_cells <= MAX_SPARSENESS * len(cells):
        sums = np.bincount(cells, values, num_cells)
        distinct = np.flatnonzero(sums)
        return distinct, sums[distinct]
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    if not len(starts):
        return ordered, values
    return ordered[starts], np.add.reduceat(values[order], starts)
