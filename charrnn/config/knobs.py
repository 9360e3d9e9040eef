"""Knobs: dataclass fields that know their type, default, help and limits.

``none`` means "off" and ``auto`` "decide for me" in a flag, the environment and YAML; in Python
these are ``None`` and ``"auto"``.
"""

import dataclasses
import math
import numbers
import typing
from dataclasses import dataclass
from functools import cache
from typing import Any

from charrnn.config.arguments import shown_value
from charrnn.errors import ConfigError

LARGEST = 10**9
NUMBERS = {int: numbers.Integral, float: numbers.Real}  # NumPy's numbers included


@dataclass(frozen=True)
class Knob:
    """One thing that a user can set.

    ``parse`` reads its value from text, ``check`` takes it from Python.

    Args:
        name: of the dataclass field.
        kind: int, float or str.
        default: the field's default.
        help: the help text of its flag.
        low: the lowest number.
        high: the highest number.
        above: an exclusive lower bound.
        choices: the allowed strings; if empty, any non-empty string is allowed.
        auto: whether it may be ``auto``.
        none: whether it may be None.
        short: the flag's one-letter name.
        escaped: whether \\n, \\r, \\t and \\\\ are escape sequences in a flag.
        planned: whether the autopilot sets it if it is auto or not given.
        flag_name: of its flag, if that is not the knob's own name.
        metavar: what stands for a value in the help, such as FILE.
    """

    name: str
    kind: type
    default: Any
    help: str
    low: float = -math.inf
    high: float = LARGEST
    above: float = -math.inf
    choices: tuple[str, ...] = ()
    auto: bool = False
    none: bool = False
    short: str = ""
    escaped: bool = False
    planned: bool = False
    flag_name: str = ""
    metavar: str = ""

    @property
    def flag(self) -> str:
        name = self.flag_name or self.name
        return "--" + name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The end of the name of its environment variable."""
        return self.flag.removeprefix("--").replace("-", "_").upper()

    def expected(self) -> str:
        """The allowed values, in words."""
        if self.choices:
            words = "one of " + ", ".join(self.choices)
        elif self.kind is str:
            words = "a non-empty string"
        else:
            words = self._expected_number()
        others = []
        if self.auto or self.planned:
            others.append("auto")
        if self.none:
            others.append("none")
        if not others:
            return words
        comma = "" if self.kind is str else ","
        return f"{words}{comma} or {' or '.join(others)}"

    def _expected_number(self) -> str:
        words = "a number"
        if self.kind is int:
            words = "a whole number"
        if self.above > -math.inf:
            words += f" above {self.above:g} and at most"
        elif self.low > -math.inf:
            words += f" from {self.low:g} to"
        else:
            words += " up to"
        return f"{words} {self.high:,.15g}"

    def refuse(self, value: object, source: str = "") -> ConfigError:
        """The error for a value that is not allowed.

        Args:
            value: what was given.
            source: where, such as a file or an environment variable. The knob's own flag is left
                out: the command line shows it instead of the name.
        """
        place = ""
        if source not in ("", self.flag):
            place = f" in {source}"
        return ConfigError(f"`{self.name}` {self.complaint()} {shown_value(value)}{place}")

    def complaint(self) -> str:
        """What is wrong with a value, which follows: "must be a number from 0 to 1, got"."""
        words = self.expected()
        comma = ";" if ", or " in words else ","
        return f"must be {words}{comma} got"

    def parse(self, text: str, source: str = "") -> Any:
        """The value that a flag, an environment variable or a YAML scalar spells.

        Raises:
            ConfigError: it is not allowed; the error names ``source``.
        """
        stripped = text.strip()
        word = stripped.lower()
        is_free_text = self.kind is str and not self.choices
        if word == "none" and (self.none or not is_free_text):
            return self.check(None, source)
        if is_free_text:
            return self.check(text, source)
        if word == "auto" and self.planned:
            return "auto"
        if word == "auto" or self.choices:
            return self.check(word, source)
        try:
            number = self.kind(stripped)
        except ValueError:
            raise self.refuse(text, source) from None
        return self.check(number, source)

    def check(self, value: Any, source: str = "") -> Any:
        """The value, a number converted to the knob's type.

        Raises:
            ConfigError: it is of the wrong type, out of bounds, NaN or infinite.
        """
        if not self._allows(value):
            raise self.refuse(value, source)
        if value is None or isinstance(value, str):
            return value
        return self.kind(value)

    def _allows(self, value: Any) -> bool:
        if value is None:
            return self.none
        if self.kind is str:
            return isinstance(value, str) and self._allows_text(value)
        if isinstance(value, str):
            return self.auto and value == "auto"
        if isinstance(value, bool):
            return False
        return isinstance(value, NUMBERS[self.kind]) and self._is_within(value)

    def _is_within(self, value: Any) -> bool:
        if abs(value) == math.inf:
            return False
        if value <= self.above:
            return False
        return bool(self.low <= value <= self.high)

    def _allows_text(self, text: str) -> bool:
        if self.choices:
            return text in self.choices
        return text != ""


def knob(default: Any, help: str, **limits: Any) -> Any:
    """A dataclass field that is a knob; ``limits`` are the remaining fields of Knob."""
    return dataclasses.field(default=default, metadata={"help": help, **limits})


def knobs(config: type) -> dict[str, Knob]:
    """The knobs of a dataclass, by name, in the order in which they are written."""
    return dict(_knobs(config))


@cache
def _knobs(config: type) -> dict[str, Knob]:
    """As ``knobs``; made only once, since a list of runs reads many configurations."""
    by_name = {}
    for field in dataclasses.fields(config):
        if "help" not in field.metadata:
            continue
        by_name[field.name] = Knob(
            name=field.name,
            kind=_kind_of(field.type),
            default=field.default,
            **field.metadata,
        )
    return by_name


def _kind_of(annotation: Any) -> type:
    """The type of a knob's values: ``int`` of ``int | None``."""
    for kind in typing.get_args(annotation) or (annotation,):
        if kind in (int, float, str):
            return typing.cast(type, kind)
    raise TypeError(f"a knob is an int, a float or a str, not {annotation}")


class Checked:
    """A dataclass whose knobs are checked when an instance is created."""

    def __post_init__(self) -> None:
        for name, knob_ in knobs(type(self)).items():
            value = knob_.check(getattr(self, name))
            object.__setattr__(self, name, value)  # the dataclass is frozen
