"""JSON from a stranger: bounded, without NaN, infinity or repeated names."""

import json
import math
from typing import Any

LONGEST = 16 << 20  # bytes
MOST_VALUES = 200_000  # each takes far more memory once it is parsed
DIGITS = 40  # of a number


def loads(data: bytes) -> Any:
    """Parse JSON; lone surrogates, as in file names, are kept.

    Raises:
        ValueError, RecursionError: it is not JSON, or charrnn cannot have written it.
    """
    if len(data) > LONGEST or _max_values(data) > MOST_VALUES:
        raise ValueError("it is longer than any file that charrnn writes")
    text = data.decode("utf-8", "surrogatepass")
    return json.loads(
        text,
        parse_constant=_refuse,
        parse_float=_number,
        parse_int=_number,
        object_pairs_hook=_object,
    )


def dumps(value: Any) -> bytes:
    """The JSON of a value; equal values give equal bytes.

    Raises:
        ValueError: it contains NaN or infinity.
    """
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False, sort_keys=True)
    return (text + "\n").encode("utf-8", "surrogatepass")


def _max_values(data: bytes) -> int:
    """An upper bound on the number of values in some JSON, found without parsing it."""
    return sum(data.count(mark) for mark in (b",", b"[", b"{"))


def _refuse(word: str) -> Any:
    raise ValueError(f"{word[:DIGITS]} is not a valid number")


def _number(word: str) -> int | float:
    if len(word) > DIGITS:
        _refuse(word)
    if not set(word) & set(".eE"):
        return int(word)
    value = float(word)
    if not math.isfinite(value):
        _refuse(word)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name occurs twice in an object")
    return values
