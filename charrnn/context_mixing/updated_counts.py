"""UpdatedCounts: the counts of a model, updated from a text that is read.

M  places     K  kinds of context     C  contexts of a table     P  pairs of one and a follower
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.context_mixing.count_table import (
    CONTEXT_BYTES,
    COUNT_BYTES,
    MAX_BYTES,
    UNSEEN,
    CountTable,
    Predicted,
    blend,
    places_from,
    scaled_down,
)
from charrnn.vocab import Ids

# What one occurrence in the text that is read adds to a count: it says more about the rest of this
# text than an occurrence in the training text. In a context whose counts were scaled down, it
# weighs still more; such contexts are frequent anyway.
WEIGHT = 2
MERGE_EVERY = 1 << 16  # symbols; a table takes less memory than dictionaries

Array = NDArray[Any]
Followers = dict[int, int]  # how often each symbol followed a context


class UpdatedCounts:
    """The counts of a table, updated from a text that is read.

    Args:
        table: of the training text; not changed.
    """

    def __init__(self, table: CountTable) -> None:
        self.reader = table.reader
        self._table = table
        self._updated: dict[int, Followers] = {}  # by context; replaces its followers in the table
        self._num_read = 0

    def merge(self) -> CountTable:
        """Move the updates to a new table of all counts so far, and return it."""
        if self._updated:
            self._table = _updated_table(self._table, self._updated)
            self._updated = {}
            self._num_read = 0
        return self._table

    def read(self, contexts: Array, next_symbols: Ids) -> Predicted:
        """What the counts predict at some places, each before its next symbol is counted.

        Args:
            contexts: (M, K) of the places.
            next_symbols: (M,) the symbol that follows each place.
        """
        table = self._table
        if self._num_read >= MERGE_EVERY:
            table = self.merge()
        self._num_read += len(next_symbols)
        rows = table.rows(contexts)
        symbols = list[int]()
        counts = list[int]()
        sizes = list[int]()
        places = zip(contexts.tolist(), rows.tolist(), next_symbols.tolist(), strict=True)
        for contexts_here, rows_here, next_symbol in places:
            for context, row in zip(contexts_here, rows_here, strict=True):
                followers = self._updated.get(context)
                if followers is None:
                    followers = _followers_of_row(table, row)
                    self._updated[context] = followers
                symbols += followers
                counts += followers.values()
                sizes.append(len(followers))
                followers[next_symbol] = followers.get(next_symbol, 0) + WEIGHT
        return blend(
            self.reader.vocab_size,
            np.array(symbols, np.int64),
            np.array(counts, np.int64),
            np.array(sizes, np.int64).reshape(rows.shape),
        )


def _followers_of_row(table: CountTable, row: int) -> Followers:
    """The followers of a context, given its row in a table."""
    if row == UNSEEN:
        return {}
    places = slice(int(table.starts[row]), int(table.starts[row + 1]))
    symbols = table.symbols[places].tolist()
    return dict(zip(symbols, table.counts[places].tolist(), strict=True))


def _updated_table(table: CountTable, updated: Mapping[int, Followers]) -> CountTable:
    """A copy of a table in which some contexts have new followers.

    If it would be larger than MAX_BYTES, the rarest contexts are left out.
    """
    new_contexts = np.array(list(updated), np.int64)
    new_sizes = np.array([len(followers) for followers in updated.values()], np.int64)
    new_pairs = _pairs(updated)  # (P, 2)
    old_starts = table.starts.astype(np.int64)
    num_old = len(table.symbols)
    symbols = np.concatenate([table.symbols, new_pairs[:, 0].astype(table.symbols.dtype)])
    counts = np.concatenate([table.counts, new_pairs[:, 1]])
    # The contexts that stay, then the new ones: where the followers of each begin, and how many.
    stays = ~np.isin(table.contexts, new_contexts)  # (C,)
    contexts = np.concatenate([table.contexts[stays], new_contexts])
    sizes = np.concatenate([np.diff(old_starts)[stays], new_sizes])
    new_begins = num_old + np.cumsum(new_sizes) - new_sizes
    begins = np.concatenate([old_starts[:-1][stays], new_begins])
    totals = np.concatenate([table.totals[stays], np.add.reduceat(counts, new_begins)])
    is_kept = _fits(totals, CONTEXT_BYTES + (symbols.itemsize + COUNT_BYTES) * sizes)
    order = np.argsort(contexts[is_kept])
    sizes = sizes[is_kept][order]
    begins = begins[is_kept][order]
    starts = np.concatenate([[0], np.cumsum(sizes)])  # (C + 1,)
    places = places_from(begins, sizes)
    return CountTable(
        reader=table.reader,
        contexts=contexts[is_kept][order].astype(np.uint32),
        starts=starts.astype(np.uint32),
        symbols=symbols[places],
        counts=scaled_down(counts[places], starts),
    )


def _pairs(updated: Mapping[int, Followers]) -> Array:
    """(P, 2) the followers and their counts, of one context after another, by symbol."""
    pairs = list[tuple[int, int]]()
    for followers in updated.values():
        pairs += sorted(followers.items())
    return np.array(pairs, np.int64)


def _fits(totals: Array, sizes: Array) -> NDArray[np.bool_]:
    """Which contexts fit into MAX_BYTES, the most frequent first; ``sizes`` are in bytes."""
    order = np.argsort(-totals, kind="stable")
    fits = np.empty(len(totals), np.bool_)
    fits[order] = np.cumsum(sizes[order]) <= MAX_BYTES
    return fits
