"""Lanes and Records: ids laid out as batches, for continuous text and for independent records.

A batch is a pure function of the step and the seed.
"""

import math
import statistics
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.context_mixing.counted_text import Counted, CountedPlaces
from charrnn.copy_window import NOTHING, ORDERS, Recalled
from charrnn.errors import CorpusError
from charrnn.vocab import Ids

PADDING = -1
BUCKET = 50  # batches whose records are sorted by length together
ROUND = 8  # T is a multiple of it, so that few different matrix sizes occur
TARGET_SYMBOLS = 1024  # about the number of symbols in a batch of records of the default size
MIN_RECORDS = 16  # in a batch of the default size
MAX_RECORDS = 256
# Symbols in a batch, padding included: the memory that a step keeps for its backward pass.
MAX_SYMBOLS = 1 << 16


@dataclass(frozen=True)
class Batch:
    """One step's work.

    Args:
        x: (T, B) int64, the symbols read.
        y: (T, B) int64, the symbol that follows each; PADDING has no loss.
        fresh: (B,) bool, lanes that start from a zero state.
        recalled: (T, B, K), the symbols that followed the last time that the symbols up to each
            of x were read (see copy_window.py).
        counted: what followed the contexts of x in the training text (see context_mixing/).
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    fresh: NDArray[np.bool_]
    recalled: NDArray[Any] | None = None
    counted: Counted | None = None

    @property
    def num_targets(self) -> int:
        """The number of symbols that have a loss."""
        return int((self.y != PADDING).sum())

    def padded(self, length: int) -> "Batch":
        """The same with more time steps, which have no loss."""
        more = length - len(self.x)
        if more == 0:
            return self
        recalled = self.recalled
        if recalled is not None:
            recalled = np.pad(recalled, ((0, more), (0, 0), (0, 0)), constant_values=NOTHING)
        counted = self.counted
        if counted is not None:
            counted = counted.padded(more)
        return Batch(
            x=np.pad(self.x, ((0, more), (0, 0)), mode="edge"),
            y=np.pad(self.y, ((0, more), (0, 0)), constant_values=PADDING),
            fresh=self.fresh,
            recalled=recalled,
            counted=counted,
        )

    def steps(self, start: int, stop: int) -> "Batch":
        """Some of its time steps; lanes are fresh in the first one only."""
        recalled = self.recalled
        if recalled is not None:
            recalled = recalled[start:stop]
        counted = self.counted
        if counted is not None:
            counted = counted.steps(start, stop)
        fresh = self.fresh & (start == 0)
        return Batch(self.x[start:stop], self.y[start:stop], fresh, recalled, counted)


def fit(length: int, batch_size: int, sequence_length: int) -> tuple[int, int]:
    """Batch size and sequence length, reduced if ``length`` symbols are too few for them."""
    while batch_size > 1 and length // batch_size < sequence_length:
        batch_size //= 2
    return batch_size, min(sequence_length, length // batch_size)


def fit_records(lengths: NDArray[np.int64], batch_size: int | None) -> int:
    """The number of records in a batch: as given, or a good default; fewer if they are long.

    Args:
        lengths: in symbols, without the end.
        batch_size: None for about TARGET_SYMBOLS symbols in a batch.

    Raises:
        CorpusError: a record is too long to be read whole.
    """
    check_lengths(lengths, "training")
    longest = rounded(int(lengths.max()) + 1)
    fitting = batch_size or _good_batch_size(float(lengths.mean()))
    while fitting > 1 and fitting * longest > MAX_SYMBOLS:
        fitting //= 2
    return fitting


def _good_batch_size(mean_length: float) -> int:
    """A power of two: the number of records that hold about TARGET_SYMBOLS symbols."""
    exponent = round(math.log2(TARGET_SYMBOLS / (mean_length + 1)))
    return min(max(MIN_RECORDS, int(2.0**exponent)), MAX_RECORDS)


def check_lengths(lengths: NDArray[np.int64], part: str) -> None:
    """Refuse records that are too long to be read whole.

    Args:
        lengths: of the records, in symbols, without the end.
        part: of the corpus, in words.

    Raises:
        CorpusError: one is too long.
    """
    if not len(lengths):
        return
    longest = int(lengths.max())
    if rounded(longest + 1) > MAX_SYMBOLS:
        raise CorpusError(
            f"record {int(lengths.argmax()) + 1} of the {part} part has {longest:,} characters, "
            f"but the limit is {MAX_SYMBOLS - 1:,}; give another `separator`, or leave it out to "
            "train on continuous text"
        )


def rounded(length: int) -> int:
    """The T of a batch whose longest record has ``length`` symbols."""
    return -(-length // ROUND) * ROUND


class Lanes:
    """A text as B parallel lanes, each read from left to right, T symbols a step.

    The state of each lane is carried from step to step. The text is treated as a ring, rotated by a
    different random amount in each epoch, and cut into B lanes. An epoch of "abcdefghijkl" in B = 2
    lanes, with T = 2, rotated by 3:

        lane 0:  d e | f g | h i
        lane 1:  j k | l a | b c        in the text, no a follows l: there y is PADDING

    Args:
        ids: (n,) the text; n must be at least ``batch_size * sequence_length`` (see ``fit``).
        batch_size: B.
        sequence_length: T.
        seed: of the random rotations.
        recalled: what the copy window recalls in the text, to add to the batches.
        counted: the same for the counts of its contexts.
    """

    def __init__(
        self,
        ids: Ids,
        batch_size: int,
        sequence_length: int,
        seed: int,
        recalled: Recalled | NDArray[Any] | None = None,
        counted: CountedPlaces | None = None,
    ) -> None:
        self.ids = ids
        self.seed = seed
        self.recalled = recalled
        self.counted = counted
        self.sequence_length = sequence_length
        self.mean_length = sequence_length
        self.lane_length = len(ids) // batch_size
        self.steps_per_epoch = self.lane_length // sequence_length
        self.symbols_per_step = batch_size * sequence_length
        self.max_symbols = self.symbols_per_step
        self._starts: NDArray[Any] = np.arange(batch_size) * self.lane_length  # (B,)

    def length(self, step: int) -> int:
        """T of a step."""
        return self.sequence_length

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0: a pure function of the step and the seed."""
        epoch, chunk = divmod(step, self.steps_per_epoch)
        starts = self._starts + self._turn(epoch) + chunk * self.sequence_length  # (B,)
        times = np.arange(self.sequence_length + 1)  # (T + 1,)
        places = (starts + times[:, None]) % len(self.ids)  # (T + 1, B)
        read = places[:-1]  # (T, B)
        following = places[1:]  # (T, B)
        symbols = self.ids[places].astype(np.int64)
        x = symbols[:-1]
        y = np.where(following == 0, PADDING, symbols[1:])
        fresh = np.full(len(starts), chunk == 0)
        recalled = None
        if self.recalled is not None:
            recalled = self.recalled[read]  # (T, B, K)
        counted = None
        if self.counted is not None:
            counted = self.counted[read]
        return Batch(x, y, fresh, recalled, counted)

    def _turn(self, epoch: int) -> int:
        """The number of symbols by which the text is rotated in an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        return int(rng.integers(len(self.ids)))


class Records:
    """Records in parallel, B per step, each read whole from a zero state.

    The records are shuffled in each epoch, and batches consist of records of similar length,
    BUCKET batches at a time; shorter records in a batch are padded. "ab", "c" and "def", with the
    end symbol |, in B = 3 lanes:

        x    | a b .    y    a b | .
             | c . .         c | . .
             | d e f         d e f |

    Args:
        ids: (n,) the records, each followed by the end symbol.
        end: its id.
        batch_size: B; the last batch of an epoch may have lanes without a record.
        seed: of the shuffling.
        recalled: what the copy window recalls in the records, to add to the batches.
        counted: the same for the counts of their contexts.
    """

    def __init__(
        self,
        ids: Ids,
        end: int,
        batch_size: int,
        seed: int,
        recalled: Recalled | NDArray[Any] | None = None,
        counted: CountedPlaces | None = None,
    ) -> None:
        self.ids = ids
        self.end = end
        self.batch_size = batch_size
        self.seed = seed
        self.recalled = recalled
        self.counted = counted
        self.ends = np.flatnonzero(ids == end)  # (R,)
        self.starts = np.concatenate([[0], self.ends[:-1] + 1]).astype(np.int64)  # (R,)
        self.steps_per_epoch = -(-len(self.ends) // batch_size)
        self.symbols_per_step = len(ids) / self.steps_per_epoch
        longest = int((self.ends - self.starts).max())
        self.max_symbols = batch_size * rounded(longest + 1)  # in a batch, padding included
        self._latest: tuple[int, list[NDArray[np.int64]]] = (-1, [])  # an epoch and its batches

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
        longest = int((self.ends[chosen] - self.starts[chosen]).max())
        return rounded(longest + 1)

    def _chosen(self, step: int) -> NDArray[np.int64]:
        """The numbers of the records of a step."""
        epoch, number = divmod(step, self.steps_per_epoch)
        latest, batches = self._latest
        if latest != epoch:
            batches = self._shuffled(epoch)
            self._latest = (epoch, batches)  # at once: threads may ask for two epochs
        return batches[number]

    def lay_out(self, chosen: NDArray[np.int64], batch_size: int) -> Batch:
        """Some records, by number, as a batch of B lanes."""
        starts = self.starts[chosen]  # (R,)
        lengths = self.ends[chosen] - starts + 1  # (R,) including the end symbol
        T = rounded(int(lengths.max()))
        B = batch_size
        R = len(chosen)
        times = np.arange(T)[:, None]  # (T, 1)
        inside = times < lengths  # (T, R)
        places = np.minimum(starts + times, len(self.ids) - 1)  # (T, R)
        symbols = self.ids[places].astype(np.int64)

        y = np.full((T, B), PADDING, np.int64)
        y[:, :R] = np.where(inside, symbols, PADDING)
        x = np.full((T, B), self.end, np.int64)
        before = y[:-1]
        x[1:] = np.where(before == PADDING, self.end, before)
        fresh = np.ones(B, np.bool_)
        counted = None
        if self.counted is not None:
            # x at time t is the symbol at place t - 1; before the first record, there is another
            # end, whose context is the same
            read = np.full((T, B), self.ends[0])
            read[:, :R] = places - 1
            read[0, :R][starts == 0] = self.ends[0]
            counted = self.counted[read]
        if self.recalled is None:
            return Batch(x, y, fresh, None, counted)

        # nothing is recalled at the record's beginning
        after_first = self.recalled[places[:-1]]  # (T - 1, R, K)
        recalled = np.full((T, B, len(ORDERS)), NOTHING, np.int64)
        recalled[1:, :R] = np.where(inside[1:, :, None], after_first, NOTHING)
        return Batch(x, y, fresh, recalled, counted)

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        """The numbers of the records of each batch of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.ends))
        bucket_size = self.batch_size * BUCKET
        batches: list[NDArray[np.int64]] = []
        for start in range(0, len(order), bucket_size):
            bucket = order[start : start + bucket_size]
            lengths = self.ends[bucket] - self.starts[bucket]
            by_length = bucket[np.argsort(lengths, kind="stable")]
            for first in range(0, len(bucket), self.batch_size):
                batches.append(by_length[first : first + self.batch_size])
        return [batches[number] for number in rng.permutation(len(batches))]


class SideBySide:
    """Two texts in the same batches, each with a share of the lanes.

    Args:
        new: the lanes of one text, by which passes are counted.
        old: those of another.
    """

    def __init__(self, new: Lanes | Records, old: Lanes | Records) -> None:
        self.new = new
        self.old = old
        self.steps_per_epoch = new.steps_per_epoch
        self.symbols_per_step = new.symbols_per_step
        self.mean_length = new.mean_length
        self.max_symbols = new.max_symbols + old.max_symbols

    def length(self, step: int) -> int:
        """T of a step."""
        return max(self.new.length(step), self.old.length(step))

    def batch(self, step: int) -> Batch:
        """The batch of a step: the lanes of the new text, then those of the old one."""
        T = self.length(step)
        parts = [part.batch(step).padded(T) for part in (self.new, self.old)]
        x, y, fresh, recalled, counted = zip(
            *((part.x, part.y, part.fresh, part.recalled, part.counted) for part in parts),
            strict=True,
        )
        return Batch(
            x=np.concatenate(x, axis=1),
            y=np.concatenate(y, axis=1),
            fresh=np.concatenate(fresh),
            recalled=None if recalled[0] is None else np.concatenate(recalled, axis=1),
            counted=None if counted[0] is None else counted[0].beside(counted[1]),
        )


Layout = Lanes | Records | SideBySide
