"""TimeBudget: keeps a run within its minutes by moving its end."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

# All times are in seconds.
EXIT = 0.6  # before the command looks at the clock, and from its last line to its exit
SMOOTHING = 0.05  # of the budget: the time over which the speed is averaged
MAX_DECAY = 0.1  # most that one duration takes from the weight of the earlier ones
# The end also moves between the regular checkpoints, if the run would miss its time by more than
# this share of the budget plus this share of the time left.
TOLERANCE = 0.01
TOLERANCE_LEFT = 0.1
# The least time between two decisions is the smallest of these shares: of the budget, of the time
# left, and of the time to the planned end.
MIN_GAP = 0.03
MIN_GAP_LEFT = 0.25
MIN_GAP_PLANNED = 0.5
MUCH_LEFT = 0.05  # of the budget: too much to end the run because of a few slow steps
# A step, validation or save that takes longer than this with hardly any work of the processor is a
# pause, such as Ctrl-Z, and does not count.
SUSPENDED = 30.0
IDLE = 0.02  # share of the time in which a suspended process works
TINY = 1e-6  # seconds of a step, if the clock is too coarse to measure it


@dataclass(frozen=True)
class Allowance:
    """The time that a run may take, and its speed, as its checkpoints store them.

    Args:
        seconds: from the start of the command to its end.
        spent: seconds of them so far.
        step_seconds: of a step.
        pause_seconds: of a validation and a checkpoint.
        final_steps: the time of the final evaluation, in steps.
        most_steps: beyond which more would only memorize the text; None for no limit.
        before: seconds that the run took before it was extended.

    Raises:
        ValueError: a value is not a number, or not in its range.
    """

    seconds: float
    spent: float
    step_seconds: float
    pause_seconds: float
    final_steps: float
    most_steps: int | None
    before: float = 0.0

    def __post_init__(self) -> None:
        times = (
            self.spent,
            self.step_seconds,
            self.pause_seconds,
            self.final_steps,
            self.before,
        )
        if not _is_time(self.seconds) or self.seconds == 0 or not all(map(_is_time, times)):
            raise ValueError("the minutes of a run are invalid")
        if self.most_steps is not None and type(self.most_steps) is not int:
            raise ValueError("the most steps of a run are invalid")

    @property
    def minutes(self) -> float:
        """The minutes of the whole run."""
        return (self.before + self.seconds) / 60


class TimeBudget:
    """Measures the speed of a run, and says at which step it should end to be in time.

    Args:
        allowance: with the seconds spent until now.
        now: by ``clock``.
        clock: seconds from any start.
        cpu: seconds that this process has worked.
    """

    def __init__(
        self,
        allowance: Allowance,
        now: float,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self.allowance = allowance
        self.clock = clock
        self.cpu = cpu
        self.started = now - allowance.spent
        self.mark = now  # the end of what was measured last
        self.cpu_mark = cpu()
        self.decided = now  # when the end was decided last
        self.per_step = RunningMean(SMOOTHING * allowance.seconds, allowance.step_seconds)
        self.per_pause = RunningMean(allowance.seconds, allowance.pause_seconds)

    @property
    def spent(self) -> float:
        """Seconds since the start of the command, and in earlier parts of the run."""
        return self.clock() - self.started

    @property
    def left(self) -> float:
        """Seconds for steps, validations, checkpoints and the final evaluation."""
        return self.allowance.seconds - EXIT - self.spent

    def start(self) -> None:
        """Begin to measure."""
        self.mark = self.clock()
        self.cpu_mark = self.cpu()
        self.decided = self.mark

    def step_done(self) -> None:
        """Take a step into account that has just ended."""
        self._measure(self.per_step)

    def pause_done(self) -> None:
        """Take a validation or a checkpoint into account that has just ended."""
        self._measure(self.per_pause)

    def stored(self) -> Allowance:
        """The allowance with the time spent and the speed measured so far."""
        return replace(
            self.allowance,
            spent=self.spent,
            step_seconds=self.per_step.value,
            pause_seconds=self.per_pause.value,
        )

    def end(self, step: int, every: int) -> int:
        """The step at which the run should end to be in time.

        Args:
            step: steps done.
            every: steps between two pauses.
        """
        left = self.left - self.per_pause.value  # the last validation and checkpoint
        per_step = max(TINY, self.per_step.value)
        left -= self.allowance.final_steps * per_step
        steps = left / (per_step + self.per_pause.value / every)
        # two while there is much time: after the first of them, the end may move again
        fewest = 2 if left > MUCH_LEFT * self.allowance.seconds else 1
        end = step + max(fewest, math.floor(steps))
        most = self.allowance.most_steps
        if most is not None:
            end = min(end, max(most, step + 1))
        return end

    def is_off(self, step: int, steps: int, every: int) -> bool:
        """Whether the run would miss its time so far that its end must move now.

        Args:
            step: steps done.
            steps: of the whole run, as planned.
            every: steps between two pauses.
        """
        seconds = self.allowance.seconds
        left = max(0.0, self.left)
        planned = (steps - step) * self.per_step.value
        gap = min(MIN_GAP * seconds, MIN_GAP_LEFT * left, MIN_GAP_PLANNED * planned)
        if self.clock() - self.decided < gap:
            return False
        missed = abs(self.end(step, every) - steps) * self.per_step.value
        return missed > TOLERANCE * seconds + TOLERANCE_LEFT * left

    def moved(self) -> None:
        """Note that the end was decided just now."""
        self.decided = self.clock()

    def _measure(self, mean: "RunningMean") -> None:
        """Add the time since the last measurement to a mean, unless it was a suspension."""
        now = self.clock()
        cpu = self.cpu()
        seconds = now - self.mark
        worked = cpu - self.cpu_mark
        self.mark = now
        self.cpu_mark = cpu
        if seconds > SUSPENDED and worked < IDLE * seconds:
            self.started += seconds
            return
        mean.add(seconds)


class RunningMean:
    """The mean of durations, in which earlier ones count less and less.

    Args:
        window: seconds after which a duration counts 1/e as much, or ten durations if they take
            longer.
        first: the first duration.
    """

    def __init__(self, window: float, first: float) -> None:
        self.window = window
        self.seconds = first
        self.count = 1.0

    def add(self, seconds: float) -> None:
        """Take a duration into account."""
        decay = math.exp(-min(seconds / self.window, MAX_DECAY))
        self.seconds = decay * self.seconds + seconds
        self.count = decay * self.count + 1

    @property
    def value(self) -> float:
        """The mean in seconds."""
        return self.seconds / self.count


def _is_time(value: object) -> bool:
    """Whether a value is a finite number of seconds, or 0."""
    return type(value) in (int, float) and 0 <= value < math.inf  # type: ignore[operator]
