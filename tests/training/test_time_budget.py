"""A run ends in time whatever its speed does, on a clock that moves only when a test moves it."""

import random
from collections.abc import Callable

import pytest

from charrnn.training.time_budget import EXIT, Allowance, RunningMean, TimeBudget

EVERY = 50  # steps between two checkpoints
PAUSE = 0.2  # seconds of a checkpoint
FINAL_STEPS = 20.0  # the final evaluation takes as long as these


class Clock:
    """Seconds that pass only by ``wait``."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def simulated(
    seconds: float,
    planned: int,
    step_seconds: Callable[[float], float],
    most_steps: int | None = None,
) -> tuple[float, int]:
    """The seconds that a run takes, and its checkpoints besides the regular ones.

    Args:
        seconds: of the budget.
        planned: steps, before any decision.
        step_seconds: of a step, as a function of the seconds since the start.
        most_steps: that the run may have.
    """
    clock = Clock()
    start = clock.now
    clock.wait(1.0)  # for planning
    allowance = Allowance(seconds, 1.0, 0.05, PAUSE, FINAL_STEPS, most_steps)
    budget = TimeBudget(allowance, clock.now, clock, cpu=clock)
    budget.start()
    steps = planned
    step = 0
    extra = 0
    while step < steps:
        duration = step_seconds(clock.now - start)
        clock.wait(duration)
        step += 1
        budget.step_done()
        regular = step % EVERY == 0 or step == steps
        if regular or budget.is_off(step, steps, EVERY):
            extra += not regular
            if step < steps:
                steps = budget.end(step, EVERY)
                budget.moved()
            clock.wait(PAUSE)
            budget.pause_done()
    clock.wait(FINAL_STEPS * duration + EXIT)
    return clock.now - start, extra


def constant(time: float) -> float:
    return 0.05


def noisy(time: float) -> float:
    return 0.05 * random.Random(time).choice([0.5, 0.8, 1, 1, 1.2, 3])


def stalling(time: float) -> float:
    """Now and then a step takes as long as two hundred others."""
    return 10.0 if 0 < time % 20 < 0.1 else 0.05


def slow_at_first(time: float) -> float:
    return 0.5 if time < 30 else 0.05


def slow_at_last(time: float) -> float:
    return 0.5 if time > 30 else 0.05


@pytest.mark.parametrize("planned", [20, 100, 1100, 100_000])
@pytest.mark.parametrize("step_seconds", [constant, noisy])
@pytest.mark.parametrize("seconds", [60, 180, 1800])
def test_a_run_takes_its_minutes_however_wrong_the_plan_was(
    seconds: int, step_seconds: Callable[[float], float], planned: int
) -> None:
    taken, _ = simulated(seconds, planned, step_seconds)
    assert taken == pytest.approx(seconds, rel=0.03)


@pytest.mark.parametrize("step_seconds", [slow_at_first, slow_at_last, stalling])
@pytest.mark.parametrize("planned", [110, 1100])
def test_a_run_takes_its_minute_beside_another_program(
    step_seconds: Callable[[float], float], planned: int
) -> None:
    taken, extra = simulated(60, planned, step_seconds)
    assert taken == pytest.approx(60, rel=0.1)
    assert extra <= 20


def test_a_run_at_the_planned_speed_has_no_extra_checkpoints() -> None:
    # 60 - 1 - 0.6 - 0.2 - 20 * 0.05 = 57.2 s for steps of 0.05 + 0.2 / 50
    _, extra = simulated(60, 1059, constant)
    assert extra == 0


def test_the_end_never_passes_the_most_steps() -> None:
    taken, _ = simulated(60, 100, constant, most_steps=200)
    # 1 + 200 * 0.05 + 4 * 0.2 + 20 * 0.05 + 0.6
    assert taken == pytest.approx(13.4)


def test_the_end_is_what_is_left_over_what_a_step_takes() -> None:
    clock = Clock()
    allowance = Allowance(20.0 + EXIT, 5.0, 1.0, 2.0, 3.0, None)
    budget = TimeBudget(allowance, clock.now, clock, cpu=clock)
    budget.start()
    clock.wait(1.0)
    budget.step_done()
    clock.wait(2.0)
    budget.pause_done()
    # 20 - 8 spent - 2 for the last pause - 3 steps of 1 s = 7; a step with its pauses takes 1.5 s
    assert budget.end(step=1, every=4) == 1 + 4
    assert budget.spent == 8.0


def test_a_spent_budget_ends_the_run_with_the_next_step() -> None:
    clock = Clock()
    budget = TimeBudget(Allowance(10.0, 9.0, 0.1, 0.0, 0.0, None), clock.now, clock, cpu=clock)
    budget.start()
    clock.wait(5.0)
    budget.step_done()
    assert budget.end(step=7, every=10) == 8
    assert budget.is_off(step=7, steps=100, every=10)


@pytest.mark.parametrize("kind", ["step_done", "pause_done"])
def test_a_suspended_process_does_not_spend_its_minutes(kind: str) -> None:
    clock = Clock()
    work = Clock()
    allowance = Allowance(60.0, 0.0, 1.0, 0.5, 0.0, None)
    budget = TimeBudget(allowance, clock.now, clock, cpu=work)
    budget.start()
    clock.wait(3600.0)
    work.wait(0.1)
    getattr(budget, kind)()
    assert budget.stored() == allowance


def test_a_step_that_works_for_long_counts() -> None:
    clock = Clock()
    allowance = Allowance(3600.0, 0.0, 1.0, 0.5, 0.0, None)
    budget = TimeBudget(allowance, clock.now, clock, cpu=clock)
    budget.start()
    clock.wait(90.0)
    budget.step_done()
    assert budget.spent == 90.0
    assert budget.per_step.value > 40.0


def test_a_clock_that_stands_still_is_no_division_by_zero() -> None:
    clock = Clock()
    budget = TimeBudget(Allowance(10.0, 0.0, 0.0, 0.0, 0.0, None), clock.now, clock, cpu=clock)
    budget.start()
    budget.step_done()
    assert budget.end(step=1, every=10) > 1


def test_a_running_mean_forgets() -> None:
    mean = RunningMean(window=10.0, first=5.0)
    assert mean.value == 5.0
    for _ in range(100):
        mean.add(1.0)
    assert mean.value == pytest.approx(1.0, rel=1e-3)
    for _ in range(100):
        mean.add(3.0)
    assert mean.value == pytest.approx(3.0, rel=1e-4)
