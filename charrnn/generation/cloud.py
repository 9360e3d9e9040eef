"""Cloud: texts that are written side by side, at some moment. Knows nothing of what may be written, and of how it is drawn.

K  texts     V  symbols     t  symbols written
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.generation.network import State, taken

ROOM = 256  # symbols that there is room for at first

Array = NDArray[Any]


class Cloud(NamedTuple):
    """K texts at some moment; one that goes on shares what was written with one before it.

    Args:
        state: of the network, K rows; of one text it has no such axis.
        logits: (K, V) float64.
        written: t.
        ids: (K, >= t) what was written.
        scores: (K, >= t) its log-probabilities under the model itself.
        forms: (K, >= t + 1) the state of the form after each symbol.
        guards: of each text, the state of the guard.
        weights: of each, logarithms; minus infinity for one that was given up.
        lengths: symbols of one that has ended, -1 of one that goes on.
    """

    state: State
    logits: Array
    written: int
    ids: Array
    scores: Array
    forms: Array
    guards: list[Any]
    weights: list[float]
    lengths: list[int]

    @classmethod
    def begin(cls, state: State, logits: Array, form: int, guard: Any, count: int) -> "Cloud":
        """So many texts behind the same beginning, a state and logits (V,) of one stream."""
        if count > 1:
            state = taken(State(state.h[None], state.c[None], state.memories), [0] * count)
        return cls(
            state, np.repeat(logits[None].astype(np.float64), count, axis=0), 0, np.zeros((count, ROOM), np.int32), np.zeros((count, ROOM)),
            np.full((count, ROOM + 1), form, np.int32), [guard] * count, [0.0] * count, [-1] * count,
        )  # fmt: skip

    @property
    def going(self) -> list[int]:
        """The texts that go on."""
        return [
            row for row, (length, weight) in enumerate(zip(self.lengths, self.weights, strict=True)) if length < 0 and weight > -math.inf
        ]

    @property
    def shares(self) -> Array:
        """(K,) the weights, no logarithms, the largest made 1."""
        weights = np.array(self.weights)
        shares: Array = np.exp(weights - weights.max())
        return shares

    def shared(self) -> tuple[int, int]:
        """One of the texts that were not given up, and how many symbols all of them have in common."""
        rows = [row for row, weight in enumerate(self.weights) if weight > -math.inf]
        most = min([self.written, *(self.lengths[row] for row in rows if self.lengths[row] >= 0)])
        if len(rows) == 1:
            return rows[0], most
        differ = (self.ids[rows, :most] != self.ids[rows[0], :most]).any(axis=0)
        return rows[0], int(differ.argmax()) if differ.any() else most

    def rows(self, which: Sequence[int]) -> "Cloud":
        """Some of the texts, one or the other more than once; all count the same then."""
        which = list(which)
        logits, ids, scores, forms = (each[which] for each in (self.logits, self.ids, self.scores, self.forms))
        guards, lengths = [self.guards[row] for row in which], [self.lengths[row] for row in which]
        return Cloud(taken(self.state, which), logits, self.written, ids, scores, forms, guards, [0.0] * len(which), lengths)

    def with_room(self) -> "Cloud":
        """With arrays that hold a symbol more."""
        if self.written < self.ids.shape[1]:
            return self
        ids, scores, forms = (np.concatenate([each, np.zeros_like(each)], axis=1) for each in (self.ids, self.scores, self.forms))
        return self._replace(ids=ids, scores=scores, forms=forms)
