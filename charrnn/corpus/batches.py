"""Lanes and Records: ids laid out for training, on running text and on one item after another.
Knows nothing of time and of randomness beyond its seed.
"""

import math
import statistics
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.copy_window import NOTHING, ORDERS, Recalled
from charrnn.errors import CorpusError
from charrnn.vocab import Ids

PADDING = -1
BUCKET = 50  # batches whose records are sorted by length together
ROUND = 8  # T is a multiple of it, so that there are few sizes of product
TARGET_SYMBOLS = 1024  # symbols of records in a batch, about, where its size is not given
MIN_RECORDS, MOST_RECORDS = 16, 256  # records in it then
MOST_TOGETHER = (
    1 << 16
)  # symbols in a batch, padding counted: what a step keeps for the way back grows with them


@dataclass(frozen=True)
class Batch:
    """One step's work.

    Args:
        x: (T, B) int64, what is read.
        y: (T, B) int64, the symbol that follows each; PADDING counts nowhere.
        fresh: (B,) bool, lanes that start from a zero state.
        recalled: (T, B, K), what followed the last time that the symbols up to each of x were read
            (``recall``).
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    fresh: NDArray[np.bool_]
    recalled: NDArray[Any] | None = None


def fit(length: int, batch_size: int, sequence_length: int) -> tuple[int, int]:
    """Batch size and sequence length as they are, or as much smaller as a text of ``length``
    symbols needs."""
    while batch_size > 1 and length // batch_size < sequence_length:
        batch_size //= 2
    return batch_size, min(sequence_length, length // batch_size)


def fit_records(lengths: NDArray[np.int64], batch_size: int | None) -> int:
    """How many records are read side by side: as many as were asked for, or as hold about
    TARGET_SYMBOLS symbols, or fewer of long ones.

    Args:
        lengths: in symbols, without the end.
        batch_size: that was asked for.

    Raises:
        CorpusError: a record is too long to be read whole.
    """
    check_lengths(lengths, "training")
    longest = rounded(int(lengths.max()) + 1)
    fitting = batch_size or min(
        max(MIN_RECORDS, int(2.0 ** round(math.log2(TARGET_SYMBOLS / (lengths.mean() + 1))))),
        MOST_RECORDS,
    )
    while fitting > 1 and fitting * longest > MOST_TOGETHER:
        fitting //= 2
    return fitting


def check_lengths(lengths: NDArray[np.int64], part: str) -> None:
    """Refuse records that are too long to be read whole.

    Args:
        lengths: of the records, in symbols, without the end.
        part: of the corpus, in words.

    Raises:
        CorpusError: one is.
    """
    if len(lengths) and rounded(int(lengths.max()) + 1) > MOST_TOGETHER:
        raise CorpusError(
            f"record {int(lengths.argmax()) + 1} of the {part} part has {int(lengths.max()):,} characters, at most "
            f"{MOST_TOGETHER - 1:,} can be read whole; give another --separator, or leave it out and train on running text"
        )


def rounded(length: int) -> int:
    """The T of records of which the longest has so many symbols."""
    return -(-length // ROUND) * ROUND


class Lanes:
    """A text as B parallel lanes, each read from left to right, T symbols a step, its state carried
    from step to step.

    The text is taken as a ring, turned by another random amount in each epoch, and cut into B
    lanes. Read in columns, an epoch of "abcdefghijkl" in B = 2 lanes, T = 2, turned by 3:

        lane 0:  d e | f g | h i
        lane 1:  j k | l a | b c        l is followed by no a: there y is PADDING

    Args:
        ids: (n,) the text; n must be at least ``batch_size * sequence_length``, which ``fit`` sees
            to.
        batch_size: B.
        sequence_length: T.
        seed: of the turns.
        recalled: what ``recall`` finds in the text, where the batches shall say it.
    """

    def __init__(
        self,
        ids: Ids,
        batch_size: int,
        sequence_length: int,
        seed: int,
        recalled: Recalled | NDArray[Any] | None = None,
    ) -> None:
        self.ids, self.seed, self.recalled = ids, seed, recalled
        self.sequence_length = self.mean_length = sequence_length
        self.lane_length = len(ids) // batch_size
        self.steps_per_epoch = self.lane_length // sequence_length
        self.symbols_per_step = self.most_symbols = batch_size * sequence_length
        self._starts: NDArray[Any] = np.arange(batch_size) * self.lane_length  # (B,)

    def length(self, step: int) -> int:
        """T of a step."""
        return self.sequence_length

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0: a pure function of the step and the seed."""
        epoch, chunk = divmod(step, self.steps_per_epoch)
        turn = int(np.random.default_rng([self.seed, epoch]).integers(len(self.ids)))
        times = np.arange(self.sequence_length + 1)[:, None]  # (T + 1, 1)
        places = (turn + self._starts + chunk * self.sequence_length + times) % len(
            self.ids
        )  # (T + 1, B)
        symbols = self.ids[places].astype(np.int64)
        y = np.where(places[1:] == 0, PADDING, symbols[1:])  # (T, B)
        recalled = None if self.recalled is None else self.recalled[places[:-1]]  # (T, B, K)
        return Batch(symbols[:-1], y, np.full(len(self._starts), chunk == 0), recalled)


class Records:
    """Records side by side, B a step, each read from a zero state from its beginning to its end.

    The records are shuffled in each epoch, and batches are made of those of like length, BUCKET
    batches at a time; the shorter ones of a batch are padded. "ab", "c" and "def", with the end
    symbol |, in B = 3 lanes:

        x    | a b .    y    a b | .
             | c . .         c | . .
             | d e f         d e f |

    Args:
        ids: (n,) the records, each with the end symbol behind it.
        end: its id.
        batch_size: B; the last batch of an epoch may have lanes without a record.
        seed: of the shuffles.
        recalled: what ``recall`` finds in them, where the batches shall say it.
    """

    def __init__(
        self,
        ids: Ids,
        end: int,
        batch_size: int,
        seed: int,
        recalled: Recalled | NDArray[Any] | None = None,
    ) -> None:
        self.ids, self.end, self.batch_size, self.seed, self.recalled = (
            ids,
            end,
            batch_size,
            seed,
            recalled,
        )
        self.ends = np.flatnonzero(ids == end)  # (R,)
        self.starts = np.concatenate([[0], self.ends[:-1] + 1]).astype(np.int64)
        self.steps_per_epoch = -(-len(self.ends) // batch_size)
        self.symbols_per_step = len(ids) / self.steps_per_epoch
        self.most_symbols = batch_size * rounded(
            int((self.ends - self.starts).max()) + 1
        )  # in a batch, padding counted
        self._epoch: tuple[int, list[NDArray[np.int64]]] = (-1, [])

    @cached_property
    def mean_length(self) -> float:
        """The mean of T in an epoch."""
        return statistics.fmean(self.length(step) for step in range(self.steps_per_epoch))

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0: a pure function of the step and the seed."""
        return self.lay_out(self._chosen(step), self.batch_size)

    def length(self, step: int) -> int:
        """T of a step."""
        chosen = self._chosen(step)
        return rounded(int((self.ends[chosen] - self.starts[chosen]).max()) + 1)

    def _chosen(self, step: int) -> NDArray[np.int64]:
        """The numbers of the records of a step."""
        epoch, number = divmod(step, self.steps_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._batches(epoch))
        return self._epoch[1][number]

    def lay_out(self, chosen: NDArray[np.int64], batch_size: int) -> Batch:
        """Some records, by number, as a batch of B lanes."""
        starts, lengths = (
            self.starts[chosen],
            self.ends[chosen] - self.starts[chosen] + 1,
        )  # the end symbol counted
        longest = rounded(int(lengths.max()))
        times = np.arange(longest)[:, None]  # (T, 1)
        inside = times < lengths  # (T, R)
        y = np.full((longest, batch_size), PADDING, np.int64)
        y[:, : len(chosen)] = np.where(
            inside,
            self.ids[np.minimum(starts + times, len(self.ids) - 1)].astype(np.int64),
            PADDING,
        )
        x = np.full_like(y, self.end)
        x[1:] = np.where(y[:-1] == PADDING, self.end, y[:-1])
        recalled = None
        if self.recalled is not None:
            recalled = np.full((*y.shape, len(ORDERS)), NOTHING, np.int64)  # (T, B, K)
            places = np.minimum(
                starts + times[:-1], len(self.ids) - 1
            )  # of what is read: the end before a record recalls nothing
            recalled[1:, : len(chosen)] = np.where(
                inside[1:, :, None], self.recalled[places], NOTHING
            )
        return Batch(x, y, np.ones(batch_size, np.bool_), recalled)

    def _batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Of one epoch: the numbers of the records of each batch."""
        rng = np.random.default_rng([self.seed, epoch])
        order, size = rng.permutation(len(self.ends)), self.batch_size * BUCKET
        lengths = (self.ends - self.starts)[order]
        groups = [slice(start, start + size) for start in range(0, len(order), size)]
        ordered = np.concatenate(
            [order[group][np.argsort(lengths[group], kind="stable")] for group in groups]
        )
        batches = [
            ordered[start : start + self.batch_size]
            for start in range(0, len(ordered), self.batch_size)
        ]
        return [batches[number] for number in rng.permutation(len(batches))]


Layout = Lanes | Records
