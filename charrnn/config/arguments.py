"""Arguments given from Python, checked: each error names the parameter and the value."""

import numbers
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from charrnn.errors import ConfigError


def shown_value(value: object) -> str:
    """A value in an error: in one line, and no longer than somebody wants to read."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of so many digits
        text = "a number of thousands of digits"
    return " ".join(text.split())[:500]


def corpus_paths(value: Any) -> tuple[str, ...]:
    """The paths of a corpus: one, or a list of them.

    Raises:
        ConfigError: something else was given.
    """
    one = isinstance(value, str | bytes | os.PathLike) or not isinstance(value, Iterable)
    paths = (value,) if one else tuple(value)
    for path in paths:
        file_path("corpus", path)
    return tuple(os.fspath(path) for path in paths)


def whole_number(name: str, value: Any, low: int = 0) -> int:
    """A number that somebody gave, NumPy's among them.

    Raises:
        ConfigError: it is none, or below ``low``.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        raise ConfigError(f"{name}: {value!r} is not possible; give a whole number from {low}")
    return int(value)


def string(name: str, value: Any) -> str:
    """A string that somebody gave.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{name}: must be a string, got {shown_value(value)}")
    return value


def string_or_bytes(name: str, value: Any) -> str | bytes:
    """A text that somebody gave, decoded or not.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(value, str | bytes):
        raise ConfigError(f"{name}: must be a string or bytes, got {type(value).__name__}")
    return value


def file_path(name: str, value: Any) -> Path:
    """A path that somebody gave, as a string or a path.

    Raises:
        ConfigError: it is something else, or no path that a system could have.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise ConfigError(
            f"{name}: must be a path, as a string or a Path, got {shown_value(value)}"
        )
    try:
        encoded = os.fsencode(value)
    except UnicodeEncodeError:
        raise ConfigError(
            f"{name}: a path cannot hold half a surrogate pair, got {shown_value(value)}"
        ) from None
    if b"\0" in encoded:
        raise ConfigError(f"{name}: a path cannot hold a NUL character, got {shown_value(value)}")
    return Path(value)


def function(name: str, value: Any) -> Any:
    """A function that somebody gave.

    Raises:
        ConfigError: it is something else.
    """
    if not callable(value):
        raise ConfigError(f"{name}: must be a function, got {shown_value(value)}")
    return value
