"""CountedText: what the counts of a training text predict at each of its places."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from charrnn.context_mixing.contexts import KINDS, Contexts
from charrnn.context_mixing.count_table import UNSEEN, CountTable, Predicted
from charrnn.context_mixing.counting import (
    FoldedCounts,
    count_followers,
    folds_of,
)
from charrnn.piecewise import Piecewise
from charrnn.vocab import Ids, Vocabulary

MAX_COUNTED = 1 << 23  # symbols; of a longer text, the end is counted
REACH = 1 << 12  # symbols before a block that are read for its contexts
BLOCK = 1 << 20  # symbols whose contexts are looked up at once

Array = NDArray[Any]


@dataclass(frozen=True)
class Counted:
    """The contexts of a batch, and the counts of what followed them.

    Args:
        counts: a table, or for training, counts that leave out the surroundings of each place.
        rows: (T, B, K) the contexts' rows in the table.
        folds: (T, B) the fold that is left out; None for a table.
    """

    counts: CountTable | FoldedCounts
    rows: Array
    folds: Array | None = None

    def steps(self, start: int, stop: int) -> "Counted":
        """Some of the batch's time steps."""
        folds = self.folds
        if folds is not None:
            folds = folds[start:stop]
        return Counted(self.counts, self.rows[start:stop], folds)

    def padded(self, more: int) -> "Counted":
        """The same with more time steps, whose contexts are unseen."""
        rows = np.pad(self.rows, ((0, more), (0, 0), (0, 0)), constant_values=UNSEEN)
        folds = self.folds
        if folds is not None:
            folds = np.pad(folds, ((0, more), (0, 0)), mode="edge")
        return Counted(self.counts, rows, folds)

    def beside(self, other: "Counted") -> "Counted":
        """The same with further lanes, of another text with the same counts."""
        assert self.folds is not None and other.folds is not None
        rows = np.concatenate([self.rows, other.rows], axis=1)
        return Counted(self.counts, rows, np.concatenate([self.folds, other.folds], axis=1))

    @cached_property
    def predicted(self) -> Predicted:
        """What the counts predict at the T * B places; computed once."""
        T, B, K = self.rows.shape
        rows = self.rows.reshape(T * B, K)
        if isinstance(self.counts, CountTable):
            return self.counts.predict(rows)
        assert self.folds is not None
        return self.counts.predict(rows, self.folds.reshape(T * B))


class CountedPlaces(Protocol):
    """The counts for any places in a text."""

    def __getitem__(self, places: Array) -> Counted:
        """What follows the symbols at some places (T, B)."""


@dataclass(frozen=True)
class LookedUp:
    """A text whose contexts are looked up in a table of another text.

    Args:
        table: the counts.
        rows: (n, K) of the contexts after each symbol.
    """

    table: CountTable
    rows: Array

    def __getitem__(self, places: Array) -> Counted:
        """What follows the symbols at some places (T, B)."""
        return Counted(self.table, self.rows[places])


def look_up(table: CountTable, ids: Ids) -> LookedUp:
    """Look up the contexts of a text in a table."""
    return LookedUp(table, table.rows_of_text(ids))


class CountedText:
    """A training text and its counts, for any places in it.

    Args:
        ids: (n,) the text.
        vocabulary: of the ids.
        least: a context that occurs less often is not counted.
        shared: counts of this text and others, by ``fold_counts``.
        first_fold: the number of this text's first fold in them.
    """

    def __init__(
        self,
        ids: Ids,
        vocabulary: Vocabulary,
        least: int,
        shared: FoldedCounts | None = None,
        first_fold: int = 0,
    ) -> None:
        self.ids = ids
        self.num_counted = min(len(ids), MAX_COUNTED)
        counted = ids[len(ids) - self.num_counted :]
        self._folds = folds_of(counted, vocabulary.end) + first_fold
        self.counts = shared or count_followers(Contexts(vocabulary), counted, least)
        self._rows = Piecewise(len(ids), REACH, self._compute_rows)

    def __getitem__(self, places: Array) -> Counted:
        """What follows the symbols at some places (T, B), their surroundings left out."""
        begin = len(self.ids) - self.num_counted
        followers = places + 1 - begin  # in the counted text
        is_counted = (followers >= 0) & (followers < self.num_counted)
        folds = self._folds[np.where(is_counted, followers, 0)]
        folds = np.where(is_counted, folds, self.counts.outside)
        return Counted(self.counts, self._rows[places], folds)

    @property
    def table(self) -> CountTable:
        """The counts of the whole text."""
        return self.counts.table

    def _compute_rows(self, start: int, stop: int) -> Array:
        """The rows of places; block by block, so that memory does not grow with the text."""
        rows = np.empty((stop - start, len(KINDS)), np.int32)
        for first in range(start, stop, BLOCK):
            last = min(first + BLOCK, stop)
            before = max(0, first - REACH)
            found = self.table.rows_of_text(self.ids[before:last])
            rows[first - start : last - start] = found[first - before :]
        return rows


@dataclass(frozen=True)
class Selected:
    """The counts for some symbols of a training text, one after another.

    Args:
        counted: the text.
        places: (m,) of the symbols.
    """

    counted: CountedText
    places: Array

    def __getitem__(self, places: Array) -> Counted:
        """What follows the symbols at some places (T, B) of the selection."""
        return self.counted[self.places[places]]
