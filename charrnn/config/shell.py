"""Command lines that a user can paste into a shell."""

import shlex
from collections.abc import Sequence


def command(words: Sequence[str], arguments: Sequence[str] = (), flags: Sequence[str] = ()) -> str:
    """A quoted command line of charrnn.

    Args:
        words: the subcommand, and options of it.
        arguments: positional ones; if one begins with a dash, all come last, after ``--``.
        flags: further options, after the arguments.
    """
    line = ["charrnn", *words]
    if any(map(_looks_like_option, arguments)):
        line += flags
        line += ["--", *arguments]
    else:
        line += arguments
        line += flags
    return shlex.join(line)


def _looks_like_option(argument: str) -> bool:
    return argument.startswith("-") and argument != "-"


def option(flag: str, value: str) -> list[str]:
    """An option and its value, as one word if the value begins with a dash."""
    if value.startswith("-"):
        return [f"{flag}={value}"]
    return [flag, value]
