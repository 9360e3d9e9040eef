"""Yardstick: a count-based model of the same text, whose loss a network has to beat. Knows nothing
of networks and files.

Interpolated modified Kneser-Ney (Chen and Goodman 1999) over characters. A gram is a run of
symbols; the grams of each length are numbered, and a gram's key is its prefix's number times V plus
its last symbol, so that keys are exact whatever the alphabet and the length. With k symbols of
context c and a discount D that depends on the count,

    P_k(s | c) = (count(cs) - D) / count(c.)  +  (what the discounts of c left) * P_{k-1}(s | c
    without its first symbol)

where the counts below the longest length are of distinct symbols standing before (Kneser and Ney
1995), and P_{-1} = 1 / V.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.corpus.records import some_records
from charrnn.vocab import Ids

ORDER = 7  # symbols of context, at most
# symbols to learn from, at most; the end of the text, which is nearest to what is held out
SAMPLE = 4_000_000

Array = NDArray[Any]


@dataclass(frozen=True)
class Level:
    """The grams of one length, and of each gram shorter by one what may follow it.

    Args:
        keys: (n,) sorted, of the n grams.
        shares: (n,) what a gram's count gives its last symbol: count less discount, over the count
            of its prefix.
        backoff: (m,) by the prefix's number: the probability that the discounts left; 1 where
            nothing ever followed.
    """

    keys: Array
    shares: Array
    backoff: Array


@dataclass(frozen=True)
class Measure:
    """A loss and what it was taken on.

    Args:
        nats_per_character: the mean negative log-probability.
        train_characters: how many symbols were counted, the last of the training part.
        val_characters: how many were predicted.
    """

    nats_per_character: float
    train_characters: int
    val_characters: int


def measure(train: Ids, val: Ids, vocab_size: int, end: int = -1) -> Measure:
    """The static loss of a Yardstick on the whole validation part; of a long training part its end,
    or some of its records.

    Args:
        train: (n,) what is counted.
        val: what is predicted.
        vocab_size: V.
        end: of records, the symbol at the end of each; before one then stand so many of it that no
            count reaches into the one before.
    """
    train = train[-SAMPLE:] if end < 0 else some_records(train, end, SAMPLE)
    apart, _ = _apart(train, end)
    read, own = _apart(val, end)
    return Measure(
        float(-Yardstick(apart, vocab_size).score(read)[own].mean()), len(train), len(val)
    )


def _apart(ids: Ids, end: int) -> tuple[Ids, NDArray[np.bool_]]:
    """Records with ORDER ends before each in all, and which symbols are their own; a running text
    as it is."""
    if end < 0:
        return ids, np.ones(len(ids), np.bool_)
    behind = np.append(0, np.flatnonzero(ids[:-1] == end) + 1)  # where a record begins
    more = np.full(len(behind), ORDER - 1)
    more[0] += 1  # before the first there is none
    places = np.repeat(behind, more)
    return np.insert(ids, places, end), np.insert(np.ones(len(ids), np.bool_), places, False)


class Yardstick:
    """Counts of a text, smoothed.

    Args:
        ids: (n,) the text, at least one symbol.
        vocab_size: V.
        order: symbols of context, at most.
    """

    def __init__(self, ids: Ids, vocab_size: int, order: int = ORDER) -> None:
        self.vocab_size = vocab_size
        self.levels: list[Level] = []
        order = min(order, len(ids) - 1)
        keys: list[Array] = []
        counts: list[Array] = []
        firsts: list[Array] = []  # of each length, where each of its grams stands first
        numbers: list[Array] = [
            np.zeros(len(ids) + 1, np.int64)
        ]  # numbers[k][i]: of the gram of length k that begins at i
        for k in range(order + 1):
            joined = numbers[k][: len(ids) - k] * vocab_size + ids[k:].astype(np.int64)
            unique, first, number, count = np.unique(
                joined, return_index=True, return_inverse=True, return_counts=True
            )
            for found, here in (
                (keys, unique),
                (counts, count),
                (firsts, first),
                (numbers, number),
            ):
                found.append(here)
        for k in range(order + 1):
            if (
                k < order
                # how many distinct symbols stand before; a gram at the very beginning has none, and
                # counts as one
            ):
                before = np.bincount(numbers[k + 1][firsts[k + 1] + 1], minlength=len(keys[k]))
                counts[k] = np.maximum(before, 1)
            self.levels.append(_level(keys[k], counts[k], len(keys[k - 1]) if k else 1, vocab_size))

    def score(self, ids: Ids) -> NDArray[np.float64]:
        """The natural-log probability of each symbol given those before it in ``ids``: (n,)."""
        ids = ids.astype(np.int64)
        probability = np.full(len(ids), 1 / self.vocab_size)
        number = np.zeros(
            len(ids) + 1, np.int64
        )  # of the context that begins at i; -1 for one never seen
        for k, level in enumerate(self.levels):
            if len(ids) <= k:
                break
            context, here = number[: len(ids) - k], probability[k:]
            key = context * self.vocab_size + ids[k:]
            place = np.minimum(np.searchsorted(level.keys, key), len(level.keys) - 1)
            found = (context >= 0) & (level.keys[place] == key)
            backoff = np.where(context >= 0, level.backoff[context], 1.0)
            probability[k:] = np.where(found, level.shares[place], 0.0) + backoff * here
            number = np.where(found, place, -1)
        logarithm: NDArray[np.float64] = np.log(probability)
        return logarithm


def _level(keys: Array, counts: Array, contexts: int, vocab_size: int) -> Level:
    """Discounts by count, 1, 2, and 3 or more, from how many grams have which count (Chen and
    Goodman 1999, equation 26)."""
    n1, n2, n3, n4 = (int((counts == n).sum()) for n in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2) if n1 else 0.5
    wanted = [
        1 - 2 * y * n2 / n1 if n1 else 0.5,
        2 - 3 * y * n3 / n2 if n2 else 0.75,
        3 - 4 * y * n4 / n3 if n3 else 1.0,
    ]
    discounts = np.array([0.0, *(min(max(d, 0.05), n - 0.05) for n, d in enumerate(wanted, 1))])
    taken = discounts[np.minimum(counts, 3)]
    prefix = keys // vocab_size
    total = np.bincount(prefix, counts, minlength=contexts)
    left = np.bincount(prefix, taken, minlength=contexts)
    backoff = np.where(total > 0, left / np.maximum(total, 1), 1.0)
    return Level(keys, (counts - taken) / total[prefix], backoff)
