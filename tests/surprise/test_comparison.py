"""Two models are compared with an interval that is as wide as chance demands."""

import numpy as np
import pytest

from charrnn.errors import ConfigError
from charrnn.surprise.comparison import BLOCK, comparison_of
from tests.surprise.test_surprise_map import explanation_of


def pair(n, mean, seed=0):
    bits = np.abs(np.random.default_rng(seed).normal(3, 1, n))
    others = bits + np.random.default_rng(seed + 1).normal(mean, 1, n)
    return explanation_of("a" * n, bits), explanation_of("a" * n, others)


def test_a_clear_difference_is_clear_and_one_by_chance_is_not():
    better = comparison_of(*pair(20_000, 0.1))
    assert better.mean == pytest.approx(0.1 * np.log(2), rel=0.2)
    assert 0 < better.low < better.mean < better.high
    assert better.is_clear
    assert not comparison_of(*pair(2_000, 0.0)).is_clear


def test_the_interval_of_independent_differences_is_that_of_their_mean():
    comparison = comparison_of(*pair(100 * BLOCK, 0.0))
    width = 2 * 1.96 * comparison.differences.std() / np.sqrt(100 * BLOCK)
    assert comparison.high - comparison.low == pytest.approx(width, rel=0.2)


def test_blocks_widen_the_interval_if_neighbours_agree():
    n = 100 * BLOCK
    bits = np.repeat(np.random.default_rng(0).normal(0, 1, 100), BLOCK)
    comparison = comparison_of(
        explanation_of("a" * n, bits + 9), explanation_of("a" * n, 0 * bits + 9)
    )
    assert comparison.high - comparison.low > 5 * 2 * 1.96 * bits.std() / np.sqrt(n) * np.log(2)


def test_a_model_is_as_good_as_itself_and_the_same_seed_gives_the_same_interval():
    first, second = pair(1_000, 0.3)
    same = comparison_of(first, first)
    assert (same.mean, same.low, same.high, same.is_clear) == (0, 0, 0, False)
    assert comparison_of(first, second)[2:] == comparison_of(first, second)[2:]


@pytest.mark.parametrize("n", [1, 100, 400, 19 * BLOCK])
def test_a_short_text_is_never_clear(n):
    comparison = comparison_of(*pair(n, 3.0))
    assert (comparison.is_short, comparison.is_clear) == (True, False)
    assert comparison.mean > 0


def test_a_text_that_two_models_read_differently_is_refused():
    with pytest.raises(ConfigError, match="read this text differently"):
        comparison_of(explanation_of("ab", [1, 1]), explanation_of("a", [1]))
