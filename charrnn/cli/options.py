"""Knobs as options: one flag each, made from what the knob knows; and the values given, from
wherever they come."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from charrnn.config.escapes import unescaped
from charrnn.config.knobs import Knob
from charrnn.config.run_config import run_knobs
from charrnn.config.yaml import read_yaml
from charrnn.errors import ConfigError
from charrnn.storage.run import RUNS_DIR

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class WholeString(click.types.StringParamType):
    """A text that is not split at its spaces where it comes from the environment."""

    envvar_list_splitter = "\0"


def typed(text: str) -> str:
    """A text from the command line, as UTF-8 whatever the locale took it for."""
    try:
        return os.fsencode(text).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text


LINE = "\n"  # the separator that --records stands for

records_option = click.option(
    "--records",
    is_flag=True,
    help="each line is a record, learned by itself: the same as --separator '\\n'",
)
runs_dir_option = click.option(
    "--runs-dir", default=RUNS_DIR, show_default=True, help="the directory that holds the runs"
)


def knob_options(knobs: Mapping[str, Knob], default: str = "") -> Decorator:
    """A flag for each knob, in their order. The values stay texts until ``given`` reads them.

    Args:
        knobs: by name.
        default: what holds where a flag is not given, if that is not the knob's own default.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for knob in reversed(list(knobs.values())):
            names = [knob.short, knob.flag] if knob.short else [knob.flag]
            function = click.option(
                *names,
                knob.name,
                metavar=metavar(knob),
                help=f"{knob.help}  [default: {default or ('auto' if knob.planned else spelled(knob.default))}]",
                expose_value=True,
            )(function)
        return function

    return decorate


def metavar(knob: Knob) -> str:
    """What may stand after the flag, in short."""
    words = (
        "|".join(knob.choices) if knob.choices else {int: "N", float: "X", str: "TEXT"}[knob.kind]
    )
    return words + ("|auto" if knob.auto or knob.planned else "") + ("|none" if knob.none else "")


def spelled(value: object) -> str:
    """A value as it is written in a flag."""
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def given(
    ctx: click.Context, knobs: Mapping[str, Knob], config: str | None = None
) -> dict[str, Any]:
    """The values that somebody set: by flag, else by environment, else in the YAML file ``config``.

    Raises:
        ConfigError: a value is not possible; the message says where it comes from.
    """
    values: dict[str, Any] = {}
    levels = [_from_yaml(config)] if config else []
    for source in (ParameterSource.ENVIRONMENT, ParameterSource.COMMANDLINE):
        here = {
            name: knob for name, knob in knobs.items() if ctx.get_parameter_source(name) == source
        }
        levels.append(
            {
                name: knob.parse(_typed(knob, ctx.params[name]), _place(ctx, knob, source))
                for name, knob in here.items()
            }
        )
    for level in levels:
        if level.get("minutes") and level.get("steps"):
            raise ConfigError(
                f"minutes and steps: {level['minutes']:g} and {level['steps']} are both given; give one of them"
            )
        for one, other in (
            ("minutes", "steps"),
            ("steps", "minutes"),
        ):  # what is set here replaces both of below
            if level.get(one):
                values.pop(other, None)
        values |= level
    return values


def given_for_run(
    ctx: click.Context, corpus: tuple[str, ...], records: bool, config: str | None
) -> dict[str, Any]:
    """The knobs of a run that somebody set, ``--records`` as the separator that it stands for.

    Raises:
        ConfigError: a value is not possible, or another separator is given beside ``--records``, in
            the same place.
    """
    values = given(ctx, run_knobs(), config)
    flag, separator = (ctx.get_parameter_source(name) for name in ("records", "separator"))
    if records and flag == separator and values["separator"] != LINE:
        raise ConfigError(
            f"records and separator: --records takes a line for a record, and {values['separator']!r} is given too; give one"
        )
    if (
        records and separator != ParameterSource.COMMANDLINE
    ):  # a flag goes before the environment, and both before YAML
        values["separator"] = LINE
    return values | ({"corpus": corpus} if corpus else {})


def _typed(knob: Knob, text: str) -> str:
    return unescaped(text) if knob.escaped else text


def _place(ctx: click.Context, knob: Knob, source: ParameterSource) -> str:
    return (
        knob.flag
        if source == ParameterSource.COMMANDLINE
        else f"{ctx.auto_envvar_prefix}_{knob.name.upper()}"
    )


def _from_yaml(path: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"config: {path} cannot be read: {getattr(error, 'strerror', None) or error}; give a YAML file"
        ) from None
    return read_yaml(text, path)
