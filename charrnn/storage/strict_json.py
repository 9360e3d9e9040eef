"""JSON from anywhere, read so that it can do no harm: bounded, without NaN, infinity and names that
stand twice.

Knows nothing of what it says.
"""

import json
import math
from typing import Any

LONGEST = 16 << 20  # bytes
MOST_VALUES = 200_000  # since each takes far more room once it is read
DIGITS = 40  # of a number


def loads(data: bytes) -> Any:
    """The value that stands in some bytes; lone surrogates, as in file names, are kept.

    Raises:
        ValueError, RecursionError: it is no JSON, or none that charrnn writes.
    """
    if len(data) > LONGEST or sum(data.count(mark) for mark in (b",", b"[", b"{")) > MOST_VALUES:
        raise ValueError("it is longer than anything that charrnn writes")
    text = data.decode("utf-8", "surrogatepass")
    return json.loads(
        text,
        parse_constant=_refuse,
        parse_float=_number,
        parse_int=_number,
        object_pairs_hook=_once,
    )


def dumps(value: Any) -> bytes:
    """The bytes of a value, the same for the same value.

    Raises:
        ValueError: it holds NaN or infinity.
    """
    return (
        json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False, sort_keys=True) + "\n"
    ).encode("utf-8", "surrogatepass")


def _refuse(word: str) -> Any:
    raise ValueError(f"{word[:DIGITS]} is no number that can be")


def _number(word: str) -> int | float:
    if len(word) > DIGITS:
        _refuse(word)
    value = float(word) if set(word) & set(".eE") else int(word)
    return value if math.isfinite(value) else _refuse(word)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name stands twice in it")
    return dict(pairs)
