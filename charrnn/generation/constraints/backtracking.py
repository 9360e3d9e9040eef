"""History: the last steps of a decoder, kept so that they can be undone.

A copy guard can lead particles to a place where every symbol would copy too much. Then the decoder
goes back, one step at a time, and does not draw the same symbols there again.

    K  particles
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charrnn.errors import GenerationError
from charrnn.generation.constraints.particles import Particles

MAX_BACKTRACK = 64  # symbols that can be taken back, of all particles together
MIN_BACKTRACK = 8  # symbols that can be taken back of each particle, whatever their number
MAX_STEPS_BACK = 2_000  # steps undone without getting further than before

NO_LOGITS = np.empty(0)

Excluded = Sequence[frozenset[int]]  # K sets of ids that must not be drawn


class NothingLeftError(GenerationError):
    """Every next symbol would copy too much or break the constraint."""


class Step(NamedTuple):
    """A step that can be undone.

    Args:
        particles: before it, without their logits, which the network can compute again.
        excluded: the symbols that must not be drawn.
        idx: (K) the symbols that were drawn.
    """

    particles: Particles
    excluded: Excluded
    idx: list[int]


class History:
    """The last steps; older ones are forgotten.

    Attributes:
        steps_back: steps undone since the text last reached a new greatest length.
    """

    def __init__(self, num_particles: int) -> None:
        max_steps = max(MIN_BACKTRACK, MAX_BACKTRACK // num_particles)
        self._steps = deque[Step](maxlen=max_steps)
        self._longest = 0
        self.steps_back = 0

    def record(self, particles: Particles, excluded: Excluded, idx: list[int]) -> None:
        """Record a step about to be taken; the arguments are those of ``Step``."""
        without_logits = particles._replace(logits=NO_LOGITS)
        step = Step(without_logits, excluded, idx)
        self._steps.append(step)
        length = particles.written + 1
        if length > self._longest:
            self._longest = length
            self.steps_back = 0

    @property
    def oldest(self) -> Particles:
        """The particles before the oldest step, whose symbols can no longer be taken back."""
        return self._steps[0].particles

    @property
    def is_exhausted(self) -> bool:
        """Whether no step is left to undo, or too many were undone without success."""
        return not self._steps or self.steps_back == MAX_STEPS_BACK

    def undo(self) -> tuple[Particles, Excluded]:
        """Undo the last step.

        Returns:
            The particles before it, without their logits; and the symbols they must not draw now.
        """
        step = self._steps.pop()
        self.steps_back += 1
        excluded = [
            row_excluded | {symbol}
            for row_excluded, symbol in zip(step.excluded, step.idx, strict=True)
        ]
        return step.particles, excluded
