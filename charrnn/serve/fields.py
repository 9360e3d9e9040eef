"""Fields: the values of a JSON body, each checked when it is taken."""

import math
from typing import Any

from charrnn.config.arguments import shown_value
from charrnn.serve.problem import Problem


class Fields:
    """The fields of a request.

    Args:
        body: of the request, parsed.

    Raises:
        Problem: it is no object, or a method finds a value that is not allowed.
    """

    def __init__(self, body: Any) -> None:
        if not isinstance(body, dict):
            raise Problem(400, "the body must be a JSON object")
        self.values: dict[str, Any] = dict(body)

    def take(self, name: str, default: Any = None) -> Any:
        """Any value; null is the same as none."""
        value = self.values.pop(name, None)
        return default if value is None else value

    def string(self, name: str, default: str | None = None, most: int = 1 << 20) -> Any:
        """A string of at most ``most`` characters."""
        value = self.take(name, default)
        if value is not None and not isinstance(value, str):
            raise _wrong(name, "a string", value)
        if value is not None and len(value) > most:
            raise Problem(400, f"`{name}` has more than {most:,} characters", name)
        return value

    def strings(self, name: str, most: int, longest: int) -> list[str]:
        """A string, or a list of at most ``most`` strings."""
        value = self.take(name, [])
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise _wrong(name, "a string or a list of strings", value)
        if len(value) > most:
            raise Problem(400, f"`{name}` has more than {most:,} strings", name)
        if any(len(part) > longest for part in value):
            raise Problem(400, f"`{name}` has a string of more than {longest:,} characters", name)
        return value

    def integer(self, name: str, default: int | None, low: int, high: int) -> Any:
        """A whole number in a range."""
        value = self.take(name, default)
        if value is None:
            return None
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise _wrong(name, f"a whole number from {low:,} to {high:,}", value)
        return value

    def two_integers(self, name: str, low: int, high: int, *, is_open: bool = False) -> Any:
        """A list of two whole numbers in a range; the second may be null if it is open."""
        value = self.take(name)
        if value is None:
            return None
        wanted = f"a list of two whole numbers from {low:,} to {high:,}"
        if not isinstance(value, list) or len(value) != 2:
            raise _wrong(name, wanted, value)
        first, second = value
        for number in (first, first if second is None and is_open else second):
            if type(number) is not int or not low <= number <= high:
                raise _wrong(name, wanted, value)
        return first, second

    def number(self, name: str) -> float | None:
        """A finite number; its range is checked where it is used."""
        value = self.take(name)
        if value is None:
            return None
        if type(value) not in (int, float) or not _is_finite(value):
            raise _wrong(name, "a finite number", value)
        return float(value)

    def boolean(self, name: str) -> bool:
        """True or false; false if it was not given."""
        value = self.take(name, False)
        if type(value) is not bool:
            raise _wrong(name, "true or false", value)
        return value

    def neutral(self, name: str, *neutral: Any, why: str) -> None:
        """Refuse a field that has no effect here, unless its value asks for none."""
        value = self.take(name)
        if value is not None and value not in neutral:
            raise Problem(400, f"`{name}` is not supported: {why}", name)

    def finish(self) -> None:
        """Refuse the fields that were not taken."""
        if self.values:
            name = next(iter(self.values))
            raise Problem(400, f"unknown field {shown_value(name)}", str(name)[:100])


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a very long integer
        return False


def _wrong(name: str, wanted: str, value: Any) -> Problem:
    return Problem(400, f"`{name}` must be {wanted}, got {shown_value(value)}", name)
