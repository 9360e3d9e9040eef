"""Piecewise: a value for each place in a text, computed in pieces as they are needed."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHOLE = 1 << 23  # symbols of the longest text that is computed all at once
MIN_PIECE = 1 << 15  # symbols of the smallest piece of a longer text

Array = NDArray[Any]
Compute = Callable[[int, int], Array]  # (start, stop) to the values (stop - start, ...)


class Piecewise:
    """A row of values for each place in a text.

    A text of up to WHOLE symbols is computed once. A longer one is computed in pieces as they are
    needed, and the last few are kept.

    Args:
        length: n, the number of places.
        reach: symbols before a place on which its values depend; pieces are at least as long.
        compute: the values of the places from ``start`` to ``stop``; equal for equal arguments.
    """

    def __init__(self, length: int, reach: int, compute: Compute) -> None:
        self.length = length
        self.compute = compute
        self.pieces: dict[int, Array] = {}  # by number, the most recently used last
        self._lock = threading.Lock()  # of the pieces
        if length <= WHOLE:
            self.size = max(1, length)
        else:
            self.size = max(MIN_PIECE, reach)

    def __getitem__(self, places: Array) -> Array:
        """(...) places to their values; several threads may ask at the same time."""
        with self._lock:
            return self._values(places)

    def _values(self, places: Array) -> Array:
        if self.size >= self.length:
            return self._piece(0)[places]
        flat = places.reshape(-1)
        order = np.argsort(flat, kind="stable")
        numbers = flat[order] // self.size
        wanted, starts = np.unique(numbers, return_index=True)
        values: Array | None = None
        for number, at in zip(wanted.tolist(), np.split(order, starts[1:]), strict=True):
            piece = self._piece(number)
            if values is None:
                values = np.empty((len(flat), *piece.shape[1:]), piece.dtype)
            values[at] = piece[flat[at] - number * self.size]
        assert values is not None
        # Keep the pieces just used: the next places are often the next in the text.
        keep = max(WHOLE // self.size, len(wanted) + 1)
        self._drop_oldest(keep)
        return values.reshape(*places.shape, *values.shape[1:])

    def _drop_oldest(self, keep: int) -> None:
        """Drop the least recently used pieces."""
        while len(self.pieces) > keep:
            oldest = next(iter(self.pieces))
            del self.pieces[oldest]

    def _piece(self, number: int) -> Array:
        piece = self.pieces.pop(number, None)
        if piece is None:
            start = number * self.size
            piece = self.compute(start, min(start + self.size, self.length))
        self.pieces[number] = piece
        return piece
