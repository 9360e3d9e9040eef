"""TimeBudget: keeps a run within its minutes by moving its end."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

# All times are in seconds.
EXIT = 0.6  # before the command looks at the clock, and from its last line to its exit
SMOOTHING = 0.05  # of the budget: the time over which the speed is averaged
# The end is moved outside the regular checkpoints if the run would miss its time by more than
# these shares of the budget and of the time left.
TOLERANCE = 0.01
TOLERANCE_LEFT = 0.1
# The least time between two decisions: of these shares of the budget, of the time left, and of the
# time to the planned end, the smallest.
GAP = 0.03
GAP_LEFT = 0.25
GAP_PLANNED = 0.5
MUCH_LEFT = 0.05  # of the budget: too much to end the run on the word of a few slow steps
# Most that one duration lets the earlier ones count less: a single slow step says little.
FORGET = 0.1
SUSPENDED = 60.0  # a longer step is a pause, such as Ctrl-Z, and does not count


@dataclass(frozen=True)
class Allowance:
    """The time that a run may take, as its checkpoints store it.

    Args:
        seconds: from the start of the command to its end.
        spent: seconds of them.
        final_steps: what follows the last step, in steps that take as long.
        most_steps: beyond which more would only memorize the text; None for no limit.
    """

    seconds: float
    spent: float
    final_steps: float
    most_steps: int | None


class TimeBudget:
    """Measures the speed of a run, and says at which step it should end.

    Args:
        allowance: its ``spent`` is the time spent by ``clock() == now``.
        now: by ``clock``.
        clock: seconds from any start.
    """

    def __init__(
        self,
        allowance: Allowance,
        now: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.allowance = allowance
        self.clock = clock
        self.started = now - allowance.spent
        self.mark = now  # the end of what was measured last
        self.decided = now  # when the end was moved last
        self.per_step = RunningMean(SMOOTHING * allowance.seconds)
        self.per_pause = RunningMean(allowance.seconds)  # a validation, a checkpoint, or both

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
        self.decided = self.mark

    def step_done(self) -> None:
        """Take a step into account that has just ended."""
        seconds = self._lap()
        if seconds > SUSPENDED:
            self.started += seconds
            return
        self.per_step.add(seconds)

    def pause_done(self) -> None:
        """Take a validation or a checkpoint into account that has just ended."""
        self.per_pause.add(self._lap())

    def end(self, step: int, every: int) -> int:
        """The step at which the run should end to be in time.

        Args:
            step: steps done.
            every: steps between two pauses.
        """
        left = self.left - self.per_pause.value  # the last validation and checkpoint
        per_step = self.per_step.value
        left -= self.allowance.final_steps * per_step
        steps = left / (per_step + self.per_pause.value / every)
        # two, while there is much time: after the first of them the end may move again
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
        gap = min(GAP * seconds, GAP_LEFT * left, GAP_PLANNED * planned)
        if self.clock() - self.decided < gap:
            return False
        missed = abs(self.end(step, every) - steps) * self.per_step.value
        return missed > TOLERANCE * seconds + TOLERANCE_LEFT * left

    def moved(self) -> None:
        """Note that the end was decided just now."""
        self.decided = self.clock()

    def _lap(self) -> float:
        now = self.clock()
        seconds = now - self.mark
        self.mark = now
        return seconds


class RunningMean:
    """The mean of durations, in which earlier ones count less and less.

    Args:
        window: seconds after which a duration counts 1/e as much, or ten durations if they take
            longer.
    """

    def __init__(self, window: float) -> None:
        self.window = window
        self.seconds = 0.0
        self.count = 0.0

    def add(self, seconds: float) -> None:
        """Take a duration into account."""
        decay = math.exp(-min(seconds / self.window, FORGET))
        self.seconds = decay * self.seconds + seconds
        self.count = decay * self.count + 1

    @property
    def value(self) -> float:
        """The mean in seconds; 0 before the first duration."""
        return self.seconds / self.count if self.count else 0.0
