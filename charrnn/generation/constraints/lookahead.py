"""Lookahead: how likely a text can still be finished from each state of an automaton.

The probability that symbols drawn by their frequencies alone finish the text is computed backwards
from the end, once for each number of symbols left. Once it no longer changes from one number to
the next, it is assumed to stay constant, so a long text takes no more memory than a short one.

    C  classes of symbols     S  states, without the dead one
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError
from charrnn.generation.constraints.dfa import Table
from charrnn.generation.interruption import pause_point

MAX_WORK = 1 << 28  # transitions visited
LAYER_OVERHEAD = 1 << 14  # cost of each layer, in transitions
MAX_KEPT = 1 << 25  # numbers in all layers of a kind
FLOOR = 1e-300  # smallest probability above 0
TOLERANCE = 1e-3  # nats; log-probabilities that differ by less count as equal

Array = NDArray[Any]


class Lookahead:
    """Log-probabilities of finishing a text; minus infinity only where none can be finished.

    Args:
        table: the automaton.
        shares: (V,) the frequency of each symbol of the table.
        end_share: the frequency of the end of a record; None for continuous text, which ends at
            one of the ``ending`` symbols.
        low: the fewest symbols of a text.
        high: the most.

    Raises:
        ConfigError: it would take too long.
    """

    def __init__(
        self,
        table: Table,
        shares: Array,
        end_share: float | None,
        low: int,
        high: int,
    ) -> None:
        self._table = table
        self._shares = np.bincount(table.classes, shares, table.num_classes)  # (C,)
        self._end_share = end_share
        self.low = low
        self.high = high
        # (S + 1,) the probability that a text ends in a state where it may end
        if end_share is None:
            self._end = np.ones(len(table.accepts))
        else:
            self._end = np.minimum(end_share * table.boosts, 1.0)
        # layers where the text may end, by the number of symbols until it must
        self._late = list[Array]()
        layer = self._fill_late()
        # layers where it may not end yet, by the number of symbols until it may
        self._early = [self._late[-1]]
        self._offsets = [0.0]
        self._fill_early(layer)

    @property
    def size(self) -> int:
        """The bytes of all layers."""
        return sum(int(layer.nbytes) for layer in (*self._late, *self._early))

    def layer(self, written: int) -> tuple[int, Array]:
        """The log-probabilities (S + 1,) after ``written`` symbols, less the offset.

        They come after the number of the layer: equal numbers mean equal log-probabilities.
        """
        if written >= self.low:
            number = self.high - written
            last = len(self._late) - 1
            number = min(number, last)
            return number, self._late[number]
        number = self.low - written
        last = len(self._early) - 1
        number = min(number, last)
        return -number, self._early[number]

    def offset(self, written: int) -> float:
        """What to add to the layer after ``written`` symbols."""
        number = self.low - written
        last = len(self._offsets) - 1
        if number <= 0:
            return 0.0
        if number <= last:
            return self._offsets[number]
        # beyond the last layer, the log-probabilities fall by the same amount for each symbol
        final = self._offsets[last]
        slope = final - self._offsets[last - 1]
        further = number - last
        return final + further * slope

    def _fill_late(self) -> Array:
        """Compute the layers where the text may end; return the last, as probabilities."""
        layer: Array = self._table.accepts * self._end
        self._append(self._late, layer)
        max_left = self.high - self.low
        while len(self._late) <= max_left:
            layer = self._one_symbol_earlier(layer, may_end=True)
            if not self._append(self._late, layer):
                break
        return layer

    def _fill_early(self, layer: Array) -> None:
        """Compute the layers before ``layer``, where the text may not end yet.

        The probabilities fall with each symbol: a layer holds how the states differ, and an offset
        the common part.
        """
        while len(self._early) <= self.low:
            layer = self._one_symbol_earlier(layer, may_end=False)
            largest = float(layer.max()) or 1.0
            layer /= largest
            offset = self._offsets[-1]
            offset += math.log(largest)
            self._offsets.append(offset)
            if not self._append(self._early, layer):
                break

    def _one_symbol_earlier(self, layer: Array, *, may_end: bool) -> Array:
        """(S + 1,) the probabilities with one more symbol left, none rounded down to 0."""
        pause_point()
        table = self._table
        after = layer[table.next]  # (S + 1, C)
        possible = after > 0
        continues = possible.any(axis=1)
        continued = after @ self._shares * table.boosts
        continued = np.minimum(continued, 1.0)
        continued = np.maximum(continued, FLOOR)
        earlier: Array = np.where(continues, continued, 0.0)
        if may_end:
            ended: Array = self._end
            if self._end_share is None:
                ends = table.ending & ~possible
                ended = ends @ self._shares * table.boosts
                ended = np.where(continues, ended, 1.0)
            earlier += table.accepts * ended
        return np.minimum(earlier, 1.0)

    def _append(self, layers: list[Array], layer: Array) -> bool:
        """Append a layer of probabilities; return whether it differs from the one before.

        Raises:
            ConfigError: the layers become too large.
        """
        with np.errstate(divide="ignore"):
            log_probabilities = np.log(layer)
        rounded = log_probabilities.round(4)
        layers.append(rounded.astype(np.float32))
        self._check_size(len(layers))
        if len(layers) == 1:
            return True
        new = layers[-1]
        old = layers[-2]
        return _differ(new, old)

    def _check_size(self, num_layers: int) -> None:
        num_states = self._table.dead + 1
        size = num_layers * num_states
        work = size * self._table.num_classes
        work += num_layers * LAYER_OVERHEAD
        if work > MAX_WORK or size > MAX_KEPT:
            raise ConfigError(
                f"`length` {self.high:,} is too large for a constraint with "
                f"{self._table.dead:,} states; give a smaller `length`, or a simpler constraint"
            )


def _differ(layer: Array, other: Array) -> bool:
    """Whether two layers of log-probabilities differ by more than the tolerance."""
    possible = np.isfinite(layer)
    if (possible != np.isfinite(other)).any():
        return True
    difference = layer[possible] - other[possible]
    differs = np.abs(difference) > TOLERANCE
    return bool(differs.any())
