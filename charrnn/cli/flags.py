"""Parameters as flags: the library names `max_copy`, the command line calls it --max-copy."""

import ast
import re
from collections.abc import Mapping

import click

# A parameter in backticks, alone or with a value: `max_copy`, `unknown="replace"`.
PARAMETER = re.compile(r"`(\w+)(?:=([^`]*))?`")


def with_flags(message: str) -> str:
    """A message of the library for the command line: its parameters become flags.

    Names that are not options of the command or of ``charrnn train`` do not change.
    """
    if "`" not in message:
        return message
    flags = _flags()

    def replace(match: re.Match[str]) -> str:
        flag = flags.get(match[1])
        if flag is None:
            return match[0]
        if match[2] is None:
            return flag
        value = _typed(match[2])
        if (match[1], value) == ("separator", "\n"):
            return "--records"
        if value == "true":  # a switch has no value
            return flag
        return f"`{flag} {value}`"

    return PARAMETER.sub(replace, message)


def _typed(value: str) -> str:
    """A Python value as it is typed after a flag."""
    try:
        constant = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
    if isinstance(constant, str):
        return constant
    return str(constant).lower()


def _flags() -> Mapping[str, str]:
    """The flags of the command that runs, and of ``charrnn train``, by parameter."""
    context = click.get_current_context(silent=True)
    if context is None:
        return {}
    group = context.find_root()
    if not isinstance(group.command, click.Group):
        return _flags_of(context.command)
    names = {"train", context.invoked_subcommand or context.info_name or "train"}
    flags: dict[str, str] = {}
    for name in sorted(names, reverse=True):
        command = group.command.get_command(group, name)
        if command is not None:
            flags |= _flags_of(command)
    return flags


def _flags_of(command: click.Command) -> dict[str, str]:
    """The longest spelling of each option, by parameter."""
    flags = {}
    for option in command.params:
        if isinstance(option, click.Option) and option.name is not None:
            flags[option.name] = max(option.opts, key=len)
    return flags
