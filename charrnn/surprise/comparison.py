"""Comparison: which of two models predicts a text better, and where."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError
from charrnn.surprise.explanation import Explanation

BLOCK = 200  # characters that are drawn together, since neighbours depend on each other
RESAMPLES = 2_000
CONFIDENCE = 0.95


class Comparison(NamedTuple):
    """How much better one model predicts a text than another.

    Args:
        differences: (n,) by how many nats each character is likelier in the first model.
        mean: in nats per character.
        low, high: the ends of its 95% bootstrap interval over blocks of the text (Künsch 1989).
    """

    differences: NDArray[Any]
    mean: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval does not include 0."""
        return self.low > 0 or self.high < 0


def compare(first: Explanation, second: Explanation, seed: int = 0) -> Comparison:
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
    drawn = rng.integers(0, len(starts), (RESAMPLES, len(starts)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail]).tolist()
    return Comparison(differences, float(differences.mean()), low, high)
