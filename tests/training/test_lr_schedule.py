"""The learning rate at every kind of step, worked out by hand."""

from typing import Any

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
    assert after.learning_rate(steps - 1, 6.0) == learning_rate(steps - 1, steps, 6.0)
    assert after.steps == steps


def test_half_the_steps_left_fall_twice_as_fast() -> None:
    squeezed = Schedule(((0, 1000),)).moved(500, 750)
    # 500 of 999 is 374.9 of 749; 249 steps are left for the rest: 150 of them go 225.4 on
    assert squeezed.learning_rate(650, 6.0) == pytest.approx(
        learning_rate(600.24, 750, 6.0), rel=1e-3
    )


def test_several_moves_add_up() -> None:
    schedule = Schedule(((0, 100),)).moved(50, 75).moved(60, 90)
    # 50 of 99 steps; 10 of the 24 left: 0.7112; 15 of the 29 left: 0.8606
    assert schedule.learning_rate(75, 6.0) == pytest.approx(
        learning_rate(0.8606 * 89, 90, 6.0), rel=1e-3
    )


def test_a_run_that_is_cut_short_ends_with_the_lowest_rate() -> None:
    schedule = Schedule(((0, 1000),)).moved(100, 102)
    assert schedule.learning_rate(101, 6.0) == pytest.approx(learning_rate(101, 102, 6.0))
    schedule = Schedule(((0, 1000),)).moved(100, 101)
    assert schedule.learning_rate(100, 6.0) == pytest.approx(learning_rate(100, 101, 6.0))


def test_an_end_moved_during_the_warm_up_makes_no_jump() -> None:
    before = Schedule(((0, 1000),))
    after = before.moved(10, 100)
    assert after.learning_rate(10, 6.0) == pytest.approx(before.learning_rate(10, 6.0), rel=0.02)


@pytest.mark.parametrize(
    "ends",
    [
        (),
        ((1, 5),),
        ((0, 0),),
        ((0, 9), (9, 9)),
        ((0, 9), (5, 8), (4, 9)),
        ((0, "9"),),
        ((0, 9.0),),
    ],
)
def test_decisions_out_of_order_are_refused(ends: Any) -> None:
    with pytest.raises(ValueError, match="step"):
        Schedule(ends)


def test_the_warm_up_never_exceeds_the_highest_rate() -> None:
    schedule = Schedule(((0, 1000),)).moved(7, 400)
    assert max(rates(schedule, 7, 400)) == 6.0
