"""The learning rate at every kind of step, worked out by hand."""

import pytest

from charrnn.training.lr_schedule import Schedule, learning_rate

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


# --- a schedule whose end moves ---


def rates(schedule: Schedule, start: int, stop: int) -> list[float]:
    return [schedule.learning_rate(step, 6.0) for step in range(start, stop)]


def test_a_schedule_with_a_fixed_end_is_the_plain_curve() -> None:
    assert rates(Schedule(((0, 103),)), 0, 103) == [
        learning_rate(step, 103, 6.0) for step in range(103)
    ]


@pytest.mark.parametrize("steps", [60, 104, 150, 400])
def test_a_moved_end_changes_no_rate_before_and_makes_no_jump(steps: int) -> None:
    before = Schedule(((0, 103),))
    after = before.moved(53, steps)
    # half of the way down; the warm-up of another length shifts the curve a little
    assert after.learning_rate(53, 6.0) == pytest.approx(before.learning_rate(53, 6.0), rel=0.02)
    assert rates(after, 53, steps) == sorted(rates(after, 53, steps), reverse=True)
    assert after.learning_rate(steps, 6.0) == pytest.approx(0.06)
    assert after.steps == steps


def test_half_the_steps_left_fall_twice_as_fast() -> None:
    squeezed = Schedule(((0, 1000),)).moved(500, 750)
    # 650 is 150 steps on, as 800 of 1000 is 300 steps on; on the curve of 750 steps, at 600
    assert squeezed.learning_rate(650, 6.0) == learning_rate(600, 750, 6.0)


def test_several_moves_add_up() -> None:
    schedule = Schedule(((0, 100),)).moved(50, 75).moved(60, 90)
    # at 50 a half is left, at 60 10 of 25 of it less: 0.3; at 75 half of the rest
    assert schedule.learning_rate(75, 6.0) == pytest.approx(learning_rate(0.85 * 90, 90, 6.0))


def test_the_warm_up_never_exceeds_the_highest_rate() -> None:
    schedule = Schedule(((0, 1000),)).moved(7, 400)
    assert max(rates(schedule, 7, 400)) == 6.0
