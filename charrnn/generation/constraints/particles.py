"""Particles: texts that are written side by side, at some moment. Knows nothing of what may be
written, and of how it is drawn.

K  texts     V  symbols     t  symbols written
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.generation.network import State, taken

INITIAL_COLUMNS = 256  # symbols that there is room for at first

Array = NDArray[Any]


class Particles(NamedTuple):
    """K texts at some moment; one that goes on shares what was written with one before it.

    Args:
        state: of the network, K rows; of one text it has no such axis.
        logits: (K, V) float64.
        written: t.
        base: how many of these are no longer kept.
        ids: (K, >= t - base) what was written.
        scores: (K, >= t - base) its log-probabilities under the model itself.
        forms: (K, >= t - base + 1) the state of the form after each symbol.
        guards: of each text, the state of the guard.
        weights: of each, logarithms; minus infinity for one that was given up.
        lengths: symbols of one that has ended, -1 of one that goes on.
    """

    state: State
    logits: Array
    written: int
    base: int
    ids: Array
    scores: Array
    forms: Array
    guards: list[Any]
    weights: list[float]
    lengths: list[int]

    @classmethod
    def begin(cls, state: State, logits: Array, form: int, guard: Any, count: int) -> "Particles":
        """So many texts behind the same beginning, a state and logits (V,) of one stream."""
        if count > 1:
            state = taken(State(state.h[None], state.c[None], state.memories), [0] * count)
        ids, scores, forms = (
            np.zeros((count, INITIAL_COLUMNS), np.int32),
            np.zeros((count, INITIAL_COLUMNS)),
            np.full((count, INITIAL_COLUMNS + 1), form, np.int32),
        )
        rows = np.repeat(logits[None].astype(np.float64), count, axis=0)
        return cls(
            state, rows, 0, 0, ids, scores, forms, [guard] * count, [0.0] * count, [-1] * count
        )

    @property
    def going(self) -> list[int]:
        """The texts that go on."""
        return [
            row
            for row, (length, weight) in enumerate(zip(self.lengths, self.weights, strict=True))
            if length < 0 and weight > -math.inf
        ]

    @property
    def shares(self) -> Array:
        """(K,) the weights, no logarithms, the largest made 1."""
        weights = np.array(self.weights)
        shares: Array = np.exp(weights - weights.max())
        return shares

    @property
    def here(self) -> int:
        """The column of the next symbol."""
        return self.written - self.base

    def shared(self, given: int) -> tuple[int, int]:
        """One of the texts that were not given up, and how many symbols all of them have in common:
        ``given`` or more."""
        rows = [row for row, weight in enumerate(self.weights) if weight > -math.inf]
        most = min([self.written, *(self.lengths[row] for row in rows if self.lengths[row] >= 0)])
        if len(rows) == 1 or most <= given:
            return rows[0], most
        ids = self.ids[rows, given - self.base : most - self.base]
        differ = (ids != ids[0]).any(axis=0)
        return rows[0], given + int(differ.argmax()) if differ.any() else most

    def rows(self, which: Sequence[int], given: int) -> "Particles":
        """Some of the texts, one or the other more than once; all count the same then. What was
        given is no longer kept."""
        which, start, end = list(which), given - self.base, self.here
        ids, scores, forms = (
            np.concatenate(
                [each[which, start:stop], np.zeros((len(which), INITIAL_COLUMNS), each.dtype)],
                axis=1,
            )
            for each, stop in ((self.ids, end), (self.scores, end), (self.forms, end + 1))
        )
        guards, lengths = [self.guards[row] for row in which], [self.lengths[row] for row in which]
        state, logits = taken(self.state, which), self.logits[which]
        return Particles(
            state,
            logits,
            self.written,
            given,
            ids,
            scores,
            forms,
            guards,
            [0.0] * len(which),
            lengths,
        )

    def with_room(self) -> "Particles":
        """With arrays that hold a symbol more."""
        if self.here < self.ids.shape[1]:
            return self
        ids, scores, forms = (
            np.concatenate([each, np.zeros_like(each)], axis=1)
            for each in (self.ids, self.scores, self.forms)
        )
        return self._replace(ids=ids, scores=scores, forms=forms)
