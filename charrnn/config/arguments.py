"""Arguments from Python, checked: each error names the parameter and the value."""

import numbers
import os
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from charrnn.errors import ConfigError

MAX_SHOWN = 500  # characters of a value in an error
MAX_REPR = 60  # characters of a text in the repr of an object


def shown_value(value: object) -> str:
    """A value as an error shows it: on one line, and not too long."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers with thousands of digits
        text = "a number of thousands of digits"
    return " ".join(text.split())[:MAX_SHOWN]


def short_repr(text: str) -> str:
    """The repr of a text; of a long one, only its beginning and its end."""
    shortener = reprlib.Repr()
    shortener.maxstring = MAX_REPR
    return shortener.repr(text)


def corpus_paths(value: Any) -> tuple[str, ...]:
    """The paths of a corpus, given as one path or several.

    Raises:
        ConfigError: something else was given.
    """
    is_path = isinstance(value, str | bytes | os.PathLike)
    paths: tuple[Any, ...] = (value,)
    if not is_path and isinstance(value, Iterable):
        paths = tuple(value)
    names = []
    for path in paths:
        file_path("corpus", path)
        names.append(os.fspath(path))
    return tuple(names)


def whole_number(name: str, value: Any, low: int = 0) -> int:
    """An integer, which may be one of NumPy's.

    Raises:
        ConfigError: it is not an integer, or below ``low``.
    """
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer or value < low:
        raise ConfigError(
            f"`{name}` must be a whole number of at least {low}, got {shown_value(value)}"
        )
    return int(value)


def string(name: str, value: Any) -> str:
    """A string.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(value, str):
        raise ConfigError(f"`{name}` must be a string, got {shown_value(value)}")
    return value


def string_or_bytes(name: str, value: Any) -> str | bytes:
    """A text, as a string or as bytes.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(value, str | bytes):
        kind = type(value).__name__
        raise ConfigError(f"`{name}` must be a string or bytes, got {kind}")
    return value


def file_path(name: str, value: Any) -> Path:
    """A path, given as a string or a path object.

    Raises:
        ConfigError: it is something else, or contains a character that no path can.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise ConfigError(f"`{name}` must be a string or a Path, got {shown_value(value)}")
    try:
        encoded = os.fsencode(value)
    except UnicodeEncodeError:
        raise ConfigError(
            f"`{name}` must not contain half a surrogate pair, got {shown_value(value)}"
        ) from None
    if b"\0" in encoded:
        raise ConfigError(f"`{name}` must not contain a NUL character, got {shown_value(value)}")
    return Path(value)


def function(name: str, value: Any) -> Any:
    """A function.

    Raises:
        ConfigError: it is something else.
    """
    if not callable(value):
        raise ConfigError(f"`{name}` must be a function, got {shown_value(value)}")
    return value


def ignore(_: object) -> None:
    """A callback that does nothing: the default of optional callbacks."""
