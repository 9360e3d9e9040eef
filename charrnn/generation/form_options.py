"""FormOptions: what a text must be beside likely. Knows nothing of networks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from charrnn.config.arguments import whole_number
from charrnn.errors import ConfigError
from charrnn.generation.constraints.forms import Constraint

NAMES = ("constraint", "particles", "max_copy")
PARTICLES = 8  # of a text with a form, where nobody says otherwise
MOST_PARTICLES = 1_000


@dataclass(frozen=True)
class FormOptions:
    """What somebody asked for.

    Args:
        constraint: what the text must look like.
        particles: streams that are written side by side for that; None for as many as is good.
        max_copy: characters of the corpus that may stand in the text one behind another.
    """

    constraint: Constraint | None = None
    particles: int | None = None
    max_copy: int | None = None

    def __post_init__(self) -> None:
        if self.constraint is not None and not isinstance(self.constraint, Constraint):
            raise ConfigError(
                f"constraint: {self.constraint!r} is not possible; give a Constraint, such as Contains('moon')"
            )
        if (
            self.particles is not None
            and whole_number("particles", self.particles, 1) > MOST_PARTICLES
        ):
            raise ConfigError(
                f"particles: {self.particles} is not possible; give a whole number up to {MOST_PARTICLES}"
            )
        if self.max_copy is not None:
            whole_number("max_copy", self.max_copy, 1)
        if self.particles is not None and not self:
            raise ConfigError(
                "particles: they do nothing without a constraint or max_copy; give one, or leave them out"
            )

    def __bool__(self) -> bool:
        return self.constraint is not None or self.max_copy is not None

    @classmethod
    def split(cls, settings: Mapping[str, Any]) -> tuple["FormOptions", dict[str, Any]]:
        """The rules among some settings, and the others.

        Raises:
            ConfigError: one is not possible.
        """
        rest = {name: value for name, value in settings.items() if name not in NAMES}
        return cls(**{name: value for name, value in settings.items() if name in NAMES}), rest

    @property
    def streams(self) -> int:
        """K."""
        return self.particles or (1 if self.constraint is None else PARTICLES)
