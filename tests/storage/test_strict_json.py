"""Values survive the round trip; harmful input is refused before it does harm."""

import math
import time
import tracemalloc
from typing import Any

import pytest

from charrnn.storage.strict_json import DIGITS, LONGEST, MOST_VALUES, dumps, loads


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        "é\udcff\0\n",
        0,
        -1,
        1.5,
        1e-300,
        10**39,
        True,
        None,
        {"a": [1, {"b": None}], "": ""},
        ["[", ",", "{"] * 10,
    ],
)
def test_values_survive_the_round_trip(value: Any) -> None:
    found = loads(dumps(value))
    assert found == value
    assert type(found) is type(value)


def test_equal_values_give_the_same_bytes() -> None:
    assert (
        dumps({"b": 1, "a": [2]})
        == dumps({"a": [2], "b": 1})
        == b'{\n "a": [\n  2\n ],\n "b": 1\n}\n'
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(value)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"\xff", b"NaN", b"Infinity", b"[-Infinity]", b"1e999", b"-1e999", b"1" * (DIGITS + 1), b"0." + b"1" * DIGITS,
        b'{"a": 1, "a": 1}', b'[{"a": {"b": 1, "b": 2}}]', b"[" * 100_000, b'{"a":' * 100_000, b"[" + b"1," * MOST_VALUES + b"1]",
        b" " * (LONGEST + 1), b"1 2", b"'a'", b"[1,]",
    ],
    ids=lambda data: data[:12].decode("latin-1"),
)  # fmt: skip
def test_harmful_json_is_refused_quickly_and_in_little_memory(data: bytes) -> None:
    tracemalloc.start()
    begin = time.monotonic()
    with pytest.raises((ValueError, RecursionError)):
        loads(data)
    assert time.monotonic() - begin < 10
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_the_longest_allowed_list_is_read() -> None:
    values = [1] * (MOST_VALUES - 1)
    assert loads(b"[" + b",".join([b"1"] * len(values)) + b"]") == values
