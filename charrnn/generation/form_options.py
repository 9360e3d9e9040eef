"""FormOptions: the settings of a text that must look a certain way, or must not copy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from charrnn.config.arguments import whole_number
from charrnn.errors import ConfigError
from charrnn.generation.constraints.forms import Constraint

NAMES = ("constraint", "particles", "max_copy")
DEFAULT_PARTICLES = 8  # of a text with a constraint
MAX_PARTICLES = 1_000


@dataclass(frozen=True)
class FormOptions:
    """What a text must look like and how it is found; false if anything goes.

    Args:
        constraint: what the text must satisfy.
        particles: how many drafts are written side by side; None for the default.
        max_copy: the most characters in a row that may be copied from the corpus.

    Raises:
        ConfigError: a value is not possible, or has no effect.
    """

    constraint: Constraint | None = None
    particles: int | None = None
    max_copy: int | None = None

    def __post_init__(self) -> None:
        if self.constraint is not None and not isinstance(self.constraint, Constraint):
            raise ConfigError(
                f"constraint: {self.constraint!r} is not possible; "
                "give a Constraint, such as Contains('moon')"
            )
        if self.particles is not None:
            self._check_particles(self.particles)
        if self.max_copy is not None:
            whole_number("max_copy", self.max_copy, 1)
        if self.particles is not None and not self:
            raise ConfigError(
                "particles: they do nothing without a constraint or max_copy; "
                "give one, or leave them out"
            )

    def _check_particles(self, particles: int) -> None:
        if whole_number("particles", particles, 1) > MAX_PARTICLES:
            raise ConfigError(
                f"particles: {particles} is not possible; give a whole number up to {MAX_PARTICLES}"
            )

    def __bool__(self) -> bool:
        return self.constraint is not None or self.max_copy is not None

    @classmethod
    def split(cls, settings: Mapping[str, Any]) -> tuple["FormOptions", dict[str, Any]]:
        """The options of this class among some settings, and the other settings.

        Raises:
            ConfigError: a value is not possible, or has no effect.
        """
        options = dict[str, Any]()
        rest = dict[str, Any]()
        for name, value in settings.items():
            if name in NAMES:
                options[name] = value
            else:
                rest[name] = value
        return cls(**options), rest

    @property
    def streams(self) -> int:
        """K, the number of particles."""
        if self.particles:
            return self.particles
        if self.constraint is None:
            return 1
        return DEFAULT_PARTICLES
