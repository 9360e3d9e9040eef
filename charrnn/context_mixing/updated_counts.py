"""UpdatedCounts: the counts of a model, updated from a text that is being read.

M  places     K  kinds of context     C  contexts of a table     P  pairs of one and a follower
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.context_mixing.count_table import UNSEEN, CountTable, Predicted, blend, scaled
from charrnn.vocab import Ids

# What one occurrence in the text being read adds to a count. It says more about the rest of this
# text than an occurrence in the training text.
WEIGHT = 2
MAX_READ = 1 << 16  # symbols read before the updates are moved to a table, which takes less memory

Array = NDArray[Any]
Followers = dict[int, int]  # how often each symbol followed a context


class UpdatedCounts:
    """A table of counts, and what was read after it was made.

    Args:
        table: of the training text; not changed.
    """

    def __init__(self, table: CountTable) -> None:
        self.reader = table.reader
        self._table = table
        self._updated: dict[int, Followers] = {}  # by context, in place of the table's followers
        self._num_read = 0

    @property
    def table(self) -> CountTable:
        """A table of all counts so far."""
        if self._updated:
            self._table = _updated_table(self._table, self._updated)
            self._updated = {}
            self._num_read = 0
        return self._table

    def read(self, contexts: Array, followers: Ids) -> Predicted:
        """What the counts predict at some places, each before its own follower is counted.

        Args:
            contexts: (M, K) of the places.
            followers: (M,) the symbol that follows each place.
        """
        table = self._table
        if self._num_read >= MAX_READ:
            table = self.table
        self._num_read += len(followers)
        rows = table.rows(contexts)
        symbols = list[int]()
        counts = list[int]()
        sizes = list[int]()
        places = zip(contexts.tolist(), rows.tolist(), followers.tolist(), strict=True)
        for contexts_here, rows_here, follower in places:
            for context, row in zip(contexts_here, rows_here, strict=True):
                followed = self._updated.get(context)
                if followed is None:
                    followed = _stored(table, row)
                    self._updated[context] = followed
                symbols += followed
                counts += followed.values()
                sizes.append(len(followed))
                followed[follower] = followed.get(follower, 0) + WEIGHT
        return blend(
            self.reader.vocab_size,
            np.array(symbols, np.int64),
            np.array(counts, np.int64),
            np.array(sizes).reshape(rows.shape),
        )


def _stored(table: CountTable, row: int) -> Followers:
    """The followers of a context, given its row in a table."""
    if row == UNSEEN:
        return {}
    places = slice(int(table.starts[row]), int(table.starts[row + 1]))
    symbols = table.symbols[places].tolist()
    return dict(zip(symbols, table.counts[places].tolist(), strict=True))


def _updated_table(table: CountTable, updated: Mapping[int, Followers]) -> CountTable:
    """A table in which some contexts have other followers."""
    new_contexts = np.array(list(updated), np.int64)
    new_pairs = [sorted(followers.items()) for followers in updated.values()]
    new_sizes = [len(pairs) for pairs in new_pairs]
    flat = np.array(list(chain.from_iterable(new_pairs)), np.int64)  # (P, 2)
    is_kept = ~np.isin(table.contexts, new_contexts)  # (C,)
    old_starts = table.starts.astype(np.int64)
    # of both: contexts in any order, where their followers begin, and how many they are
    contexts = np.concatenate([table.contexts[is_kept], new_contexts])
    sizes = np.concatenate([np.diff(old_starts)[is_kept], new_sizes])
    begins = np.concatenate(
        [old_starts[:-1][is_kept], old_starts[-1] + np.cumsum(new_sizes) - new_sizes]
    )
    symbols = np.concatenate([table.symbols, flat[:, 0]])
    counts = np.concatenate([table.counts, flat[:, 1]])
    order = np.argsort(contexts)
    sizes = sizes[order]
    starts = np.concatenate([[0], np.cumsum(sizes)])  # (C + 1,)
    places = np.arange(starts[-1]) + np.repeat(begins[order] - starts[:-1], sizes)
    return CountTable(
        reader=table.reader,
        contexts=contexts[order].astype(np.uint32),
        starts=starts.astype(np.uint32),
        symbols=symbols[places].astype(table.symbols.dtype),
        counts=scaled(counts[places], starts),
    )
