"""Particles: several drafts of the same text, written side by side.

K  particles     V  symbols     t  symbols written
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.generation.network import State, taken

INITIAL_COLUMNS = 256  # initial room, in symbols
UNFINISHED = -1  # the length of a particle that has not ended

Array = NDArray[Any]


class Particles(NamedTuple):
    """K particles after t symbols; the arrays are shared with the particles one step earlier.

    Args:
        state: of the network, K rows; a single particle has no such axis.
        logits: (K, V) float64.
        written: t.
        dropped: the number of first symbols that are no longer kept.
        ids: (K, >= t - dropped) the symbols.
        scores: (K, >= t - dropped) their log-probabilities under the model itself.
        form_states: (K, >= t - dropped + 1) the state of the form before and after each symbol.
        guard_states: (K) the states of the copy guard.
        log_weights: (K) minus infinity for an abandoned particle.
        lengths: (K) symbols of a particle that has ended, otherwise UNFINISHED.
    """

    state: State
    logits: Array
    written: int
    dropped: int
    ids: Array
    scores: Array
    form_states: Array
    guard_states: list[Any]
    log_weights: list[float]
    lengths: list[int]

    @classmethod
    def begin(
        cls,
        state: State,
        logits: Array,
        form_state: int,
        guard_state: Any,
        count: int,
    ) -> "Particles":
        """K equal particles after a prompt.

        Args:
            state: of the network, without an axis of particles.
            logits: (V,).
            form_state: of the form.
            guard_state: of the copy guard.
            count: K.
        """
        if count > 1:
            h = state.h[None]
            c = state.c[None]
            state = State(h, c, state.memories, state.reading)
            state = taken(state, [0] * count)
        logits = logits[None].astype(np.float64)
        shape = (count, INITIAL_COLUMNS)
        return cls(
            state=state,
            logits=np.repeat(logits, count, axis=0),
            written=0,
            dropped=0,
            ids=np.zeros(shape, np.int32),
            scores=np.zeros(shape),
            form_states=np.full((count, INITIAL_COLUMNS + 1), form_state, np.int32),
            guard_states=[guard_state] * count,
            log_weights=[0.0] * count,
            lengths=[UNFINISHED] * count,
        )

    @property
    def active(self) -> list[int]:
        """The particles that have neither ended nor been abandoned."""
        pairs = zip(self.lengths, self.log_weights, strict=True)
        return [
            row
            for row, (length, log_weight) in enumerate(pairs)
            if length == UNFINISHED and log_weight > -math.inf
        ]

    @property
    def weights(self) -> Array:
        """(K,) the weights, scaled so that the largest is 1."""
        log_weights = np.array(self.log_weights)
        log_weights -= log_weights.max()
        weights: Array = np.exp(log_weights)
        return weights

    @property
    def column(self) -> int:
        """The column of the next symbol."""
        return self.written - self.dropped

    @property
    def current_form_states(self) -> list[int]:
        """(K) the current states of the form."""
        column = self.column
        states: list[int] = self.form_states[:, column].tolist()
        return states

    def common_prefix(self, emitted: int) -> tuple[int, int]:
        """The longest prefix that all particles share, except abandoned ones.

        Args:
            emitted: a number of symbols known to be shared.

        Returns:
            One of these particles, and the number of symbols in which all agree.
        """
        rows = list[int]()
        shortest = self.written
        pairs = zip(self.lengths, self.log_weights, strict=True)
        for row, (length, log_weight) in enumerate(pairs):
            if log_weight == -math.inf:
                continue
            rows.append(row)
            if length != UNFINISHED:
                shortest = min(shortest, length)
        first = rows[0]
        if len(rows) == 1 or shortest <= emitted:
            return first, shortest
        start = emitted - self.dropped
        end = shortest - self.dropped
        ids = self.ids[rows, start:end]
        differ = ids != ids[0]
        differ = differ.any(axis=0)
        if not differ.any():
            return first, shortest
        agreed = int(differ.argmax())
        return first, emitted + agreed

    def select(self, rows: Sequence[int], emitted: int) -> "Particles":
        """The particles of some rows, which may repeat, all with the same weight.

        The first ``emitted`` symbols are no longer kept.
        """
        rows = list(rows)
        start = emitted - self.dropped
        end = self.column
        ids = self.ids[rows, start:end]
        scores = self.scores[rows, start:end]
        form_states = self.form_states[rows, start : end + 1]
        count = len(rows)
        return Particles(
            state=taken(self.state, rows),
            logits=self.logits[rows],
            written=self.written,
            dropped=emitted,
            ids=_with_free_columns(ids),
            scores=_with_free_columns(scores),
            form_states=_with_free_columns(form_states),
            guard_states=[self.guard_states[row] for row in rows],
            log_weights=[0.0] * count,
            lengths=[self.lengths[row] for row in rows],
        )

    def with_room(self) -> "Particles":
        """With arrays that have room for one more symbol."""
        num_columns = self.ids.shape[1]
        if self.column < num_columns:
            return self
        return self._replace(
            ids=_doubled(self.ids),
            scores=_doubled(self.scores),
            form_states=_doubled(self.form_states),
        )


def systematic_rows(weights: Array, count: int, uniform: float) -> list[int]:
    """Rows in proportion to their weights (K,), by one random number from [0, 1)."""
    ends = np.cumsum(weights)
    total = ends[-1]
    steps = uniform + np.arange(count)
    marks = steps / count * total
    rows = np.searchsorted(ends, marks, side="right")
    last = len(weights) - 1
    rows = np.minimum(rows, last)
    selected: list[int] = rows.tolist()
    return selected


def _with_free_columns(array: Array) -> Array:
    shape = (len(array), INITIAL_COLUMNS)
    free = np.zeros(shape, array.dtype)
    return np.concatenate([array, free], axis=1)


def _doubled(array: Array) -> Array:
    free = np.zeros_like(array)
    return np.concatenate([array, free], axis=1)
