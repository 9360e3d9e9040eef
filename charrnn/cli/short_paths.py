"""Many paths as the wildcard that a shell expanded to them, for commands that are shown."""

import locale
import os
import shlex
from collections.abc import Iterator, Sequence

LONGEST = 200  # characters of paths that are shown as they are


def wildcard(paths: Sequence[str]) -> str | None:
    """The wildcard that a shell expands to exactly these paths, in this order, quoted for it.

    Such as ``poems/*.txt`` for all files of that name; None if there is no such wildcard.
    """
    directories = {os.path.dirname(path) for path in paths}
    if len(directories) != 1 or not _is_in_order(paths):
        return None
    directory = directories.pop()
    names = {os.path.basename(path) for path in paths}
    for suffix in _suffixes(names):
        if names == _names_in(directory, suffix):
            return f"{_quoted(_beginning(paths))}*{_quoted(suffix)}"
    return None


def is_long(paths: Sequence[str]) -> bool:
    """Whether paths make a command too long to read and to copy."""
    return len(paths) > 1 and len(shlex.join(paths)) > LONGEST


def _suffixes(names: set[str]) -> Iterator[str]:
    """The suffix that all the names share, if any, and the empty one, which matches any name."""
    suffixes = {os.path.splitext(name)[1] for name in names}
    if len(suffixes) == 1:
        yield suffixes.pop()
    yield ""


def _names_in(directory: str, suffix: str) -> set[str]:
    """The names in a directory that a wildcard with this suffix matches."""
    try:
        names = os.listdir(directory or ".")
    except OSError:
        return set()
    return {name for name in names if name.endswith(suffix) and not name.startswith(".")}


def _is_in_order(paths: Sequence[str]) -> bool:
    """Whether paths are in the order of a shell: that of its locale, or of the code points."""
    given = list(paths)
    if given == sorted(given):
        return True
    before = locale.setlocale(locale.LC_COLLATE)
    try:
        locale.setlocale(locale.LC_COLLATE, "")
        return given == sorted(given, key=locale.strxfrm)
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_COLLATE, before)


def _beginning(paths: Sequence[str]) -> str:
    """The directory of paths with its slash, as no command takes it for an option."""
    path = paths[0]
    start = path.removesuffix(os.path.basename(path))
    if any(path.startswith("-") for path in paths):
        return f"./{start}"
    return start


def _quoted(text: str) -> str:
    """A part of a word, quoted for a shell."""
    return shlex.quote(text) if text else ""
