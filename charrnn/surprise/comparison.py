"""Comparison: which of two models predicts a text better, and where."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError
from charrnn.surprise.explanation import Explanation

BLOCK = 200  # characters that are drawn together, since neighbours depend on each other
FEWEST_BLOCKS = 20
RESAMPLES = 2_000
CONFIDENCE = 0.95


class Comparison(NamedTuple):
    """How much better one model predicts a text than another.

    Args:
        second: the explanation by the second model.
        differences: (n,) by how many nats each character is likelier in the first model.
        mean: in nats per character.
        low, high: the ends of its 95% bootstrap interval over blocks of the text (Carlstein 1986).
    """

    second: Explanation
    differences: NDArray[Any]
    mean: float
    low: float
    high: float

    @property
    def bits(self) -> NDArray[Any]:
        """(n,) the differences in bits."""
        return self.differences / math.log(2)

    def most_different(self, count: int) -> list[int]:
        """The places where the models differ most."""
        order = np.argsort(-np.abs(self.differences), kind="stable")
        places: list[int] = order[:count].tolist()
        return places

    @property
    def is_clear(self) -> bool:
        """Whether the text is long enough, and the interval does not include 0."""
        return not self.is_short and (self.low > 0 or self.high < 0)

    @property
    def is_short(self) -> bool:
        """Whether the text has too few blocks for an interval."""
        return len(self.differences) < FEWEST_BLOCKS * BLOCK


def comparison_of(first: Explanation, second: Explanation, seed: int = 0) -> Comparison:
    """Compare two models by what they find surprising in one text.

    Args:
        first, second: explanations of the text.
        seed: of the blocks that are drawn for the interval.

    Raises:
        ConfigError: the models read the text differently.
    """
    if list(first.characters) != list(second.characters):
        raise ConfigError(
            "the two models read this text differently, since one does not know all its characters "
            "or splits it into other records; compare them on a text that both can read"
        )
    differences = first.log_probabilities - second.log_probabilities
    starts = np.arange(0, len(differences), BLOCK)
    sums = np.add.reduceat(differences, starts)
    sizes = np.diff(np.append(starts, len(differences)))
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(starts), len(starts))
        means.append(sums[drawn].sum() / sizes[drawn].sum())
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail]).tolist()
    return Comparison(second, differences, float(differences.mean()), low, high)
