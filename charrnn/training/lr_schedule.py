"""The learning rate as a function of the step, for a run whose end may move."""

import math
from dataclasses import dataclass

WARMUP = 0.03  # share of the steps
FLOOR = 0.01  # the last learning rate, as a share of the highest


def learning_rate(step: float, steps: int, highest: float) -> float:
    """Linear warm-up, then half a cosine (Loshchilov and Hutter 2017) down to 1 % of the highest.

    Args:
        step: counted from 0; may lie between two steps.
        steps: of the whole run.
        highest: the learning rate at the end of the warm-up.
    """
    warmup = max(1, round(WARMUP * steps))
    if step < warmup:
        return highest * min(1.0, (step + 1) / warmup)
    remaining = max(1, steps - warmup)
    progress = min(1.0, (step - warmup) / remaining)
    cosine = 1 + math.cos(math.pi * progress)  # from 2 to 0
    share = FLOOR + (1 - FLOOR) * cosine / 2
    return highest * share


@dataclass(frozen=True)
class Schedule:
    """The learning rate of a run, and the decisions about its length.

    When the end moves, the rest of the curve is stretched or squeezed to the new end, so that the
    rate continues without a jump and still reaches its end.

    Args:
        ends: ``(step, steps)`` for each decision: from that step on, the run has that many steps.
            The first is made at step 0.
    """

    ends: tuple[tuple[int, int], ...]

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.ends[-1][1]

    def moved(self, step: int, steps: int) -> "Schedule":
        """The schedule whose end is moved to ``steps`` after ``step`` steps were done."""
        return Schedule((*self.ends, (step, steps)))

    def learning_rate(self, step: int, highest: float) -> float:
        """The learning rate of a step, counted from 0."""
        return learning_rate(self._position(step), self.steps, highest)

    def _position(self, step: int) -> float:
        """Where a step is on the curve of a run that had ``steps`` steps from the start."""
        scale = 1.0  # of a step, on that curve
        steps = self.ends[0][1]
        for decided, new_steps in self.ends[1:]:
            share_left = (steps - decided) * scale / steps
            scale = share_left * new_steps / (new_steps - decided)
            steps = new_steps
        return steps - (steps - step) * scale
