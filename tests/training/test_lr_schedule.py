"""The learning rate at every kind of step, by hand."""

import pytest

from charrnn.training.lr_schedule import learning_rate

# 103 steps: 3 % of them, 3, lead up to it; 100 lead down, half a cosine from 1 to 0.01


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 2.0),  # a third of 6
        (1, 4.0),
        (2, 6.0),  # the end of the warm-up
        (3, 6.0),  # cos 0 = 1: nothing of the way down
        (28, 5.130108),  # a quarter: 6 (0.01 + 0.99 (1 + 0.707107) / 2)
        (53, 3.03),  # half of the way: 6 (0.01 + 0.99 / 2)
        (78, 0.929893),  # three quarters: 6 (0.01 + 0.99 (1 - 0.707107) / 2)
        (102, 0.061465),  # the last: 6 (0.01 + 0.99 (1 - 0.9995066) / 2)
        (103, 0.06),  # beyond the end
        (10**9, 0.06),
    ],
)
def test_a_line_up_and_half_a_cosine_down_to_a_hundredth(step: int, expected: float) -> None:
    assert learning_rate(step, 103, 6.0) == pytest.approx(expected, rel=1e-5)


def test_the_only_step_is_made_at_the_highest_rate() -> None:
    assert learning_rate(0, 1, 0.5) == 0.5


def test_two_steps_are_both_made_at_the_highest_rate() -> None:
    assert [learning_rate(step, 2, 0.5) for step in range(2)] == [0.5, 0.5]


@pytest.mark.parametrize("steps", [1, 2, 3, 33, 34, 100, 1000])
def test_no_rate_is_zero_or_above_the_highest_and_it_rises_once_and_falls_once(steps: int) -> None:
    rates = [learning_rate(step, steps, 0.5) for step in range(steps + 2)]
    assert max(rates) == 0.5
    assert min(rates) > 0
    top = rates.index(0.5)
    assert rates == sorted(rates[:top]) + sorted(rates[top:], reverse=True)
