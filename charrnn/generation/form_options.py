"""FormOptions: the settings that constrain a text or keep it from copying."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from charrnn.config.arguments import whole_number
from charrnn.errors import ConfigError
from charrnn.generation.constraints.forms import Constraint

NAMES = ("constraint", "particles", "max_copy")
DEFAULT_PARTICLES = 8  # for a text with a constraint
MAX_PARTICLES = 1_000


@dataclass(frozen=True)
class FormOptions:
    """What a text must look like, and how it is found; false if nothing is required.

    Args:
        constraint: what the text must satisfy.
        particles: the number of drafts written side by side; None for the default.
        max_copy: the most consecutive characters that may be copied from the corpus.

    Raises:
        ConfigError: a value is invalid, or has no effect.
    """

    constraint: Constraint | None = None
    particles: int | None = None
    max_copy: int | None = None

    def __post_init__(self) -> None:
        if self.constraint is not None and not isinstance(self.constraint, Constraint):
            raise ConfigError(
                "`constraint` must be a Constraint, such as Contains('moon'), "
                f"got {self.constraint!r}"
            )
        if self.particles is not None:
            self._check_particles(self.particles)
        if self.max_copy is not None:
            whole_number("max_copy", self.max_copy, 1)
        if self.particles is not None and not self:
            raise ConfigError(
                "`particles` has no effect without `constraint` or `max_copy`; "
                "give one of them, or leave it out"
            )

    def _check_particles(self, particles: int) -> None:
        if whole_number("particles", particles, 1) > MAX_PARTICLES:
            raise ConfigError(f"`particles` must be at most {MAX_PARTICLES:,}, got {particles:,}")

    def __bool__(self) -> bool:
        return self.constraint is not None or self.max_copy is not None

    @classmethod
    def split(cls, settings: Mapping[str, Any]) -> tuple["FormOptions", dict[str, Any]]:
        """Split settings into the options of this class and the other settings.

        Raises:
            ConfigError: a value is invalid, or has no effect.
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
