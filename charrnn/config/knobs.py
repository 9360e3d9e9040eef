"""Knobs: a dataclass field that knows its type, default, help and limits, and from which a flag is
made.

``none`` means "off" and ``auto`` "decide for me", alike in a flag, the environment and YAML; in
Python they are ``None`` and ``"auto"``.
"""

import dataclasses
import math
import numbers
import typing
from dataclasses import dataclass
from typing import Any

from charrnn.config.arguments import shown_value
from charrnn.errors import ConfigError

LARGEST = 10**9


@dataclass(frozen=True)
class Knob:
    """What a dataclass field knows about itself; ``parse`` reads it from a text, ``check`` takes it
    from Python."""

    name: str
    kind: type
    default: Any
    help: str
    low: float = -math.inf
    high: float = LARGEST
    above: float = -math.inf  # a bound that is itself not allowed
    choices: tuple[str, ...] = ()
    auto: bool = False
    none: bool = False
    short: str = ""
    escaped: bool = (
        False  # whether \n, \r, \t and \\ stand for a newline, return, tab and backslash in a flag
    )
    # where it is not given, or auto, the autopilot sets it; the default is a size to begin with
    planned: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    def expected(self) -> str:
        """What may be given, in words."""
        if self.choices:
            words = "one of " + ", ".join(self.choices)
        elif self.kind is str:
            words = "a text"
        else:
            words = "a whole number" if self.kind is int else "a number"
            words += f" above {self.above:g}" if self.above > -math.inf else ""
            words += f" from {self.low:g}" if self.low > -math.inf else ""
            words += f" to {self.high:.15g}"
        return (
            words
            + (" or auto" if self.auto or self.planned else "")
            + (" or none" if self.none else "")
        )

    def refuse(self, value: object, source: str = "") -> ConfigError:
        place = f" (from {source})" if source else ""
        return ConfigError(
            f"{self.name}: {shown_value(value)} is not possible{place}; give {self.expected()}"
        )

    def parse(self, text: str, source: str = "") -> Any:
        """The value that a flag, an environment variable or a YAML scalar spells."""
        word = text.strip()
        free = self.kind is str and not self.choices
        if word.lower() == "none" and (self.none or not free):
            return self.check(None, source)
        if free:
            return self.check(text, source)
        if self.planned and word.lower() == "auto":
            return "auto"
        if self.choices or word.lower() == "auto":
            return self.check(word.lower(), source)
        try:
            return self.check(self.kind(word), source)
        except ValueError as error:
            raise error if isinstance(error, ConfigError) else self.refuse(text, source) from None

    def check(self, value: Any, source: str = "") -> Any:
        """The value itself, an int made a float where that is the kind; refuses the wrong type, NaN
        and infinity."""
        if value is None or (isinstance(value, str) and value == "auto" and self.kind is not str):
            allowed = self.none if value is None else self.auto
        elif self.kind is str:
            allowed = isinstance(value, str) and (
                value in self.choices if self.choices else bool(value)
            )
        else:
            number = (
                numbers.Integral if self.kind is int else numbers.Real
            )  # NumPy's are among them
            allowed = (
                isinstance(value, number) and not isinstance(value, bool) and self._within(value)
            )
            value = self.kind(value) if allowed else value
        if not allowed:
            raise self.refuse(value, source)
        return value

    def _within(self, value: Any) -> bool:
        return bool(abs(value) < math.inf and value > self.above and self.low <= value <= self.high)


def knob(default: Any, help: str, **limits: Any) -> Any:
    """A dataclass field that is a knob; ``limits`` are the remaining fields of Knob."""
    return dataclasses.field(default=default, metadata={"help": help, **limits})


def knobs(config: type) -> dict[str, Knob]:
    """The knobs of a dataclass, by name, in the order in which they are written."""
    found = {}
    for field in dataclasses.fields(config):
        if "help" in field.metadata:
            parts = typing.get_args(field.type) or (field.type,)
            kind = next(part for part in parts if part in (int, float, str))
            found[field.name] = Knob(field.name, kind, field.default, **field.metadata)
    return found


class Checked:
    """A dataclass whose knobs are checked when it is made."""

    def __post_init__(self) -> None:
        for name, knob_ in knobs(type(self)).items():
            object.__setattr__(self, name, knob_.check(getattr(self, name)))
