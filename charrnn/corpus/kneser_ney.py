"""Yardstick: a count-based model of a text, whose loss a network should beat.

Interpolated modified Kneser-Ney smoothing (Chen and Goodman 1999) over characters. An n-gram is n
symbols in a row. The distinct n-grams of each length are numbered in the order of their keys; the
key of an n-gram is the number of its prefix, the n - 1 symbols before the last, times V plus its
last symbol, so that keys are exact for any alphabet and any length. For a symbol s after a context
c of k symbols, and a discount D that depends on the count,

    P_k(s | c) = (count(cs) - D) / count(c.) + backoff(c) * P_{k-1}(s | c without its first symbol)

where backoff(c) is the probability freed by the discounts of all n-grams with prefix c, and
P_{-1} = 1 / V. Only the longest n-grams have plain counts; shorter ones have continuation counts,
the number of distinct symbols that precede them (Kneser and Ney 1995).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.corpus.records import some_records
from charrnn.vocab import Ids

ORDER = 7  # maximum symbols of context
# Maximum symbols that are counted, from the end of the training part, which is nearest to the
# validation part.
SAMPLE = 4_000_000

# Discounts used if no n-gram has the count from which they are estimated.
DEFAULT_DISCOUNTS = {
    1: 0.5,
    2: 0.75,
    3: 1.0,
}
DISCOUNT_MARGIN = 0.05  # a discount keeps this distance from 0 and from its count
UNSEEN = -1  # the number of an n-gram that does not occur in the counted text

Array = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Level:
    """The smoothed n-grams of one length: G of them, with M possible prefixes.

    Args:
        keys: (G,) sorted.
        discounted: (G,) the count minus its discount, divided by the total count of the prefix.
        backoff: (M,) by the number of a prefix: the probability freed by the discounts; 1 if
            nothing ever followed the prefix.
    """

    keys: Array
    discounted: Array
    backoff: Array

    def find(self, keys: Array) -> Array:
        """The numbers of the n-grams with these keys; UNSEEN for those that were not counted."""
        last = len(self.keys) - 1
        places = np.minimum(np.searchsorted(self.keys, keys), last)
        return np.where(self.keys[places] == keys, places, UNSEEN)


@dataclass(frozen=True)
class Measure:
    """A loss, and the sizes of the two texts on which it was measured.

    Args:
        nats_per_character: the mean negative log-probability.
        train_characters: the number of symbols counted.
        val_characters: the number of symbols predicted.
    """

    nats_per_character: float
    train_characters: int
    val_characters: int


def measure(
    train: Ids,
    val: Ids,
    vocab_size: int,
    end: int = -1,
) -> Measure:
    """The loss of a Yardstick on the whole validation part.

    If the training part is long, only its end is counted, or, for records, some of them.

    Args:
        train: (n,) the text to count.
        val: (m,) the text to predict.
        vocab_size: V.
        end: the symbol after each record; -1 for continuous text.
    """
    sample = train[-SAMPLE:] if end < 0 else some_records(train, end, SAMPLE)
    counted, _ = _padded(sample, end)
    predicted, is_real = _padded(val, end)
    yardstick = Yardstick(counted, vocab_size)
    losses = -yardstick.score(predicted)
    return Measure(
        nats_per_character=float(losses[is_real].mean()),
        train_characters=len(sample),
        val_characters=len(val),
    )


def _padded(ids: Ids, end: int) -> tuple[Ids, Mask]:
    """Put ORDER ends before each record, so that no context reaches into the previous record.

    Also returns which symbols of the result are not padding. Continuous text is unchanged.
    """
    is_real = np.ones(len(ids), np.bool_)
    if end < 0:
        return ids, is_real
    record_starts = np.append(0, np.flatnonzero(ids[:-1] == end) + 1)  # (number of records,)
    missing = np.full(len(record_starts), ORDER - 1)  # the previous record supplies one end
    missing[0] = ORDER
    places = np.repeat(record_starts, missing)  # (number of ends to insert,)
    padded = np.insert(ids, places, end)
    is_real = np.insert(is_real, places, False)
    return padded, is_real


class Yardstick:
    """The n-gram counts of a text, smoothed.

    Args:
        ids: (N,) the text, at least one symbol.
        vocab_size: V.
        order: maximum symbols of context.
    """

    def __init__(self, ids: Ids, vocab_size: int, order: int = ORDER) -> None:
        self.vocab_size = vocab_size
        self.levels: list[Level] = []  # levels[k]: after k symbols of context
        order = min(order, len(ids) - 1)
        grams = _number_grams(ids, vocab_size, order)
        num_prefixes = 1  # the empty one
        for k in range(order + 1):
            keys = grams[k].keys
            if k < order:
                counts = _continuation_counts(grams[k], longer=grams[k + 1])
            else:
                counts = np.bincount(grams[k].numbers)
            self.levels.append(_smoothed(keys, counts, num_prefixes, vocab_size))
            num_prefixes = len(keys)

    def score(self, ids: Ids) -> NDArray[np.float64]:
        """The log probability, in nats, of each symbol given those before it in ``ids``: (n,)."""
        n = len(ids)
        ids = ids.astype(np.int64)
        probability = np.full(n, 1 / self.vocab_size)  # (n,) P_{-1}
        contexts = np.zeros(n + 1, np.int64)  # the empty context has the number 0
        for k, level in enumerate(self.levels):
            if n <= k:
                break
            contexts = contexts[: n - k]  # (n - k,) of the k symbols from i on
            is_seen = contexts != UNSEEN
            keys = contexts * self.vocab_size + ids[k:]
            grams = np.where(is_seen, level.find(keys), UNSEEN)  # (n - k,) of k + 1 symbols
            discounted = np.where(grams != UNSEEN, level.discounted[grams], 0.0)
            backoff = np.where(is_seen, level.backoff[contexts], 1.0)
            probability[k:] = discounted + backoff * probability[k:]  # (n - k,) P_k
            contexts = grams
        log_probability: NDArray[np.float64] = np.log(probability)
        return log_probability


class _Grams(NamedTuple):
    """The distinct n-grams of one length in a text of N symbols: G of them, numbered from 0.

    Args:
        keys: (G,) sorted.
        first_places: (G,) where each n-gram occurs first.
        numbers: (N - n + 1,) the number of the n-gram at each place.
    """

    keys: Array
    first_places: Array
    numbers: Array


def _number_grams(ids: Ids, vocab_size: int, order: int) -> list[_Grams]:
    """The n-grams of 1, 2, ... ``order`` + 1 symbols."""
    grams: list[_Grams] = []
    prefixes: Array = np.zeros(len(ids) + 1, np.int64)  # the empty prefix has the number 0
    for k in range(order + 1):
        keys = prefixes[: len(ids) - k] * vocab_size + ids[k:].astype(np.int64)  # (N - k,)
        distinct, first_places, numbers = np.unique(
            keys,
            return_index=True,
            return_inverse=True,
        )
        grams.append(_Grams(distinct, first_places, numbers))
        prefixes = numbers
    return grams


def _continuation_counts(grams: _Grams, longer: _Grams) -> Array:
    """The number of distinct symbols that precede each n-gram: (G,).

    Each distinct n-gram with one more symbol in front adds one. An n-gram that occurs only at the
    very beginning of the text has nothing before it, and counts as one.
    """
    suffixes = grams.numbers[longer.first_places + 1]  # (G of the longer,)
    counts = np.bincount(suffixes, minlength=len(grams.keys))
    return np.maximum(counts, 1)


def _smoothed(
    keys: Array,
    counts: Array,
    num_prefixes: int,
    vocab_size: int,
) -> Level:
    """Discount the counts of the n-grams of one length."""
    discounts = _discounts(counts)[np.minimum(counts, 3)]  # (G,)
    prefixes = keys // vocab_size  # (G,)
    totals = np.bincount(prefixes, counts, minlength=num_prefixes)  # (M,)
    freed = np.bincount(prefixes, discounts, minlength=num_prefixes)  # (M,)
    return Level(
        keys=keys,
        discounted=(counts - discounts) / totals[prefixes],
        backoff=np.where(totals > 0, freed / np.maximum(totals, 1), 1.0),
    )


def _discounts(counts: Array) -> Array:
    """The discounts of the counts 0, 1, 2, and 3 or more: (4,).

    Equation 26 of Chen and Goodman 1999, from the numbers of n-grams with a count of 1, 2, 3 and 4.
    """
    num_grams = [int((counts == count).sum()) for count in range(5)]  # by their count
    once = num_grams[1]
    twice = num_grams[2]
    y = 0.5
    if once:
        y = once / (once + 2 * twice)
    discounts = [0.0]
    for count, discount in DEFAULT_DISCOUNTS.items():
        if num_grams[count]:
            discount = count - (count + 1) * y * num_grams[count + 1] / num_grams[count]
        discount = max(discount, DISCOUNT_MARGIN)
        discount = min(discount, count - DISCOUNT_MARGIN)
        discounts.append(discount)
    return np.array(discounts)
