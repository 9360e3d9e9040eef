"""Commands to be copied into a shell."""

import shlex
from collections.abc import Sequence


def command(words: Sequence[str], arguments: Sequence[str] = (), flags: Sequence[str] = ()) -> str:
    """A command line of charrnn, quoted.

    Args:
        words: the subcommand, and options of it.
        arguments: positional ones; where one begins with a dash they come last, after ``--``.
        flags: further options, after the arguments.
    """
    if any(argument.startswith("-") and argument != "-" for argument in arguments):
        return shlex.join(["charrnn", *words, *flags, "--", *arguments])
    return shlex.join(["charrnn", *words, *arguments, *flags])


def option(flag: str, value: str) -> list[str]:
    """An option with its value, in one word where the value begins with a dash."""
    return [f"{flag}={value}"] if value.startswith("-") else [flag, value]
