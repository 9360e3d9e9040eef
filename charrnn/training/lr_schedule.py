"""The learning rate as a function of the step, for a run whose end may move."""

import math
from dataclasses import dataclass

WARMUP = 0.03  # share of the steps
FLOOR = 0.01  # the last learning rate, as a share of the highest


def learning_rate(step: float, steps: int, highest: float, ahead: float = 1.0) -> float:
    """Linear warm-up, then half a cosine (Loshchilov and Hutter 2017) down to 1 % of the highest.

    Args:
        step: counted from 0; may lie between two steps.
        steps: of the whole run.
        highest: the learning rate at the end of the warm-up.
        ahead: what is added to the step during the warm-up, so that no rate is zero.
    """
    warmup = max(1, round(WARMUP * steps))
    if step < warmup:
        return highest * min(1.0, (step + ahead) / warmup)
    remaining = max(1, steps - warmup)
    progress = min(1.0, (step - warmup) / remaining)
    cosine = 1 + math.cos(math.pi * progress)  # from 2 to 0
    share = FLOOR + (1 - FLOOR) * cosine / 2
    return highest * share


@dataclass(frozen=True)
class Schedule:
    """The learning rate of a run, and the decisions about its length.

    When the end moves, the rest of the curve is stretched or squeezed to the new end: the rate
    continues from where it is, and the last step still has the lowest rate.

    Args:
        ends: ``(step, steps)`` for each decision: from that step on, the run has that many steps.
            The first is made at step 0.

    Raises:
        ValueError: the decisions are not in order, or an end is not after its decision.
    """

    ends: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not self.ends or self.ends[0][0] != 0:
            raise ValueError("the first decision must be made at step 0")
        latest = 0
        for step, steps in self.ends:
            if type(step) is not int or type(steps) is not int or not latest <= step < steps:
                raise ValueError(f"a run cannot get {steps!r} steps at step {step!r}")
            latest = step

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.ends[-1][1]

    def moved(self, step: int, steps: int) -> "Schedule":
        """The schedule whose end is moved to ``steps`` after ``step`` steps were done."""
        return Schedule((*self.ends, (step, steps)))

    def learning_rate(self, step: int, highest: float) -> float:
        """The learning rate of a step, counted from 0."""
        first_steps = self.ends[0][1]
        ahead = self.steps / first_steps  # as long as a step of the first plan
        return learning_rate(self._position(step), self.steps, highest, ahead)

    def _position(self, step: int) -> float:
        """Where a step is on the curve of a run that had ``steps`` steps from the start."""
        position = 0.0  # of the step of the latest decision
        decided, steps = self.ends[0]
        for next_decided, next_steps in self.ends[1:]:
            position += _advance(position, decided, next_decided, steps)
            position *= (next_steps - 1) / max(1, steps - 1)
            decided = next_decided
            steps = next_steps
        return position + _advance(position, decided, step, steps)


def _advance(position: float, decided: int, step: int, steps: int) -> float:
    """How far a step is from a decision on the curve, whose end is at ``steps - 1``."""
    last = steps - 1
    if last == decided:  # the only step left is at the end
        return last - position
    return (step - decided) * (last - position) / (last - decided)
