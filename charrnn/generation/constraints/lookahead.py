"""Lookahead: from which states of an automaton a text can still be finished in time, and how likely
that is.

Going back from the end, it is worked out once for each number of symbols that are left: the
probability that symbols drawn by their frequencies alone finish the text. Where that no longer
changes it is taken to stay. Knows nothing of constraints, symbols and networks.

    C  classes of symbols     S  states, and a dead one behind them
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError

MOST_WORK = 1 << 28  # transitions looked at
LAYER_OVERHEAD = 1 << 14  # for each number of symbols, what is done beside that
MOST_KEPT = 1 << 26  # numbers
FLOOR = 1e-300  # of a probability that is not 0
TOLERANCE = 1e-3  # nats by which hopes may differ that are taken for the same

Array = NDArray[Any]


class Lookahead:
    """Logarithms of probabilities; minus infinity only where no text can be finished.

    Args:
        after: (S + 1, C) the state after a symbol of each class.
        accepts: (S + 1,) where a text may end.
        forced: (S + 1,) by how much likelier what can follow is than its share says.
        leaves: (S + 1, C) what ends a text that may end there, if it cannot follow.
        shares: (C,) how frequent each class is.
        end_share: how frequent the end of a record is; None where a text ends by a symbol that
            leaves.
        low: symbols that a text has at least.
        high: at most.

    Raises:
        ConfigError: it would take too long.
    """

    def __init__(
        self,
        after: Array,
        accepts: Array,
        forced: Array,
        leaves: Array,
        shares: Array,
        end_share: float | None,
        low: int,
        high: int,
    ) -> None:
        self.after, self.accepts, self.forced, self.leaves, self.shares = (
            after,
            accepts,
            forced,
            leaves,
            shares,
        )
        self.end_share, self.low, self.high = end_share, low, high
        self._end = (
            np.ones(len(accepts)) if end_share is None else np.minimum(end_share * forced, 1.0)
        )
        layer, self._late = accepts * self._end, list[Array]()
        self._add(self._late, layer)
        while len(self._late) <= high - low:  # the text may end here
            layer = self._before(layer, ends=True)
            if not self._add(self._late, layer):
                break
        self._early, self._scales = [self._late[-1]], [0.0]
        while (
            len(self._early) <= low
        ):  # it may not: only how they differ is kept in the layers, and the rest apart
            layer = self._before(layer, ends=False)
            most = float(layer.max()) or 1.0
            layer /= most
            self._scales.append(self._scales[-1] + math.log(most))
            if not self._add(self._early, layer):
                break

    def layer(self, written: int) -> tuple[int, Array]:
        """The hopes (S + 1,) after so many symbols, less the scale, and the layer's number: where
        it is the same, so are they."""
        if written >= self.low:
            number = min(self.high - written, len(self._late) - 1)
            return number, self._late[number]
        number = min(self.low - written, len(self._early) - 1)
        return -number, self._early[number]

    def scale(self, written: int) -> float:
        """What has to be added to the hopes of that layer."""
        number, last = self.low - written, len(self._scales) - 1
        if number <= last:
            return self._scales[max(0, number)]
        return self._scales[-1] + (number - last) * (
            self._scales[-1] - self._scales[-2]
        )  # from here on they fall evenly

    def _before(self, layer: Array, *, ends: bool) -> Array:
        """One symbol earlier: (S + 1,) probabilities, floored where they would come to nothing."""
        after = layer[self.after]  # (S + 1, C)
        follow = after > 0
        some = follow.any(axis=1)
        found = np.where(
            some, np.maximum(np.minimum(after @ self.shares * self.forced, 1.0), FLOOR), 0.0
        )
        if ends:
            stop = self._end
            if self.end_share is None:
                stop = np.where(some, (self.leaves & ~follow) @ self.shares * self.forced, 1.0)
            found = found + self.accepts * stop
        capped: Array = np.minimum(found, 1.0)
        return capped

    def _add(self, layers: list[Array], layer: Array) -> bool:
        """Keep it; whether it differs from the one before."""
        with np.errstate(divide="ignore"):
            layers.append(np.log(layer).round(4).astype(np.float32))
        size = len(layers) * len(layer)
        if (
            size * self.after.shape[1] + len(layers) * LAYER_OVERHEAD > MOST_WORK
            or size > MOST_KEPT
        ):
            raise ConfigError(
                f"length: {self.high:,} characters are too many for a constraint of {len(layer) - 1:,} states; "
                "give a smaller --length, or a simpler constraint"
            )
        if len(layers) == 1:
            return True
        new, old = layers[-1], layers[-2]
        possible = np.isfinite(new)
        return bool(
            (possible != np.isfinite(old)).any()
            or (np.abs(new[possible] - old[possible]) > TOLERANCE).any()
        )
