"""The learning rate at every kind of step, worked out by hand."""

import pytest

from charrnn.training.lr_schedule import learning_rate

# 103 steps: 3 % of them, 3, warm up; 100 follow half a cosine from 1 down to 0.01


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 2.0),  # a third of 6
        (1, 4.0),
        (2, 6.0),  # the end of the warm-up
        (3, 6.0),  # cos 0 = 1: the start of the decay
        (28, 5.130108),  # a quarter: 6 (0.01 + 0.99 (1 + 0.707107) / 2)
        (53, 3.03),  # halfway: 6 (0.01 + 0.99 / 2)
        (78, 0.929893),  # three quarters: 6 (0.01 + 0.99 (1 - 0.707107) / 2)
        (102, 0.061465),  # the last: 6 (0.01 + 0.99 (1 - 0.9995066) / 2)
        (103, 0.06),  # beyond the end
        (10**9, 0.06),
    ],
)
def test_the_rate_rises_linearly_and_falls_along_half_a_cosine(step: int, expected: float) -> None:
    assert learning_rate(step, 103, 6.0) == pytest.approx(expected, rel=1e-5)


def test_a_single_step_has_the_highest_rate() -> None:
    assert learning_rate(0, 1, 0.5) == 0.5


def test_two_steps_both_have_the_highest_rate() -> None:
    assert [learning_rate(step, 2, 0.5) for step in range(2)] == [0.5, 0.5]


@pytest.mark.parametrize("steps", [1, 2, 3, 33, 34, 100, 1000])
def test_rates_are_positive_and_rise_to_the_highest_then_fall(steps: int) -> None:
    rates = [learning_rate(step, steps, 0.5) for step in range(steps + 2)]
    assert max(rates) == 0.5
    assert min(rates) > 0
    top = rates.index(0.5)
    assert rates == sorted(rates[:top]) + sorted(rates[top:], reverse=True)
