"""Knobs as options: a flag for each knob, and the values a user set, from any source."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from charrnn.cli.console import QUIET
from charrnn.config.arguments import shown_value
from charrnn.config.escapes import unescaped
from charrnn.config.examples import EXAMPLES, example_path
from charrnn.config.knobs import Knob
from charrnn.config.run_config import run_knobs
from charrnn.config.yaml import read_yaml
from charrnn.errors import ConfigError
from charrnn.storage.run import RUNS_DIR

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
METAVARS = {
    int: "N",
    float: "X",
    str: "TEXT",
}
# The separator that --records stands for.
LINE = "\n"


class WholeString(click.types.StringParamType):
    """A text from the environment that click does not split at its spaces."""

    envvar_list_splitter = "\0"


class WholeNumber(click.IntRange):
    """A whole number within limits, which are shown in the error for another value."""

    name = "n"  # the help shows it in capitals

    def __init__(self, low: int, high: int) -> None:
        super().__init__(low, high)
        self.low = low
        self.high = high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            self._refuse(value, param, ctx)
        if not self.low <= number <= self.high:
            self._refuse(number, param, ctx)
        return number

    def _refuse(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> NoReturn:
        self.fail(
            f"must be a whole number from {self.low:,} to {self.high:,}, got {shown_value(value)}",
            param,
            ctx,
        )

    def _describe_range(self) -> str:
        """The limits in the help: nothing, since most are far from any useful value."""
        return ""


def json_option(name: str, help: str) -> Decorator:
    """The flag ``--json`` of a command, passed to its function as ``as_json``."""
    variable = f"CHARRNN_{name.upper()}_JSON"
    return click.option("--json", "as_json", envvar=variable, is_flag=True, help=help)


def _set_quiet(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[QUIET] = value


quiet_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=_set_quiet,
    help="print only errors on stderr: no progress, no notices",
)
records_option = click.option(
    "--records",
    is_flag=True,
    help="learn each line as a separate record; the same as --separator '\\n'",
)
example_option = click.option(
    "--example",
    type=click.Choice(list(EXAMPLES)),
    help="use a text that comes with charrnn instead of a PATH",
)
unknown_option = click.option(
    "--unknown",
    type=click.Choice(["error", "skip", "replace"]),
    default="skip",
    show_default=True,
    help="what to do with a character that the model has not seen: leave it out (skip), "
    "end with an error, or replace it by the nearest known one",
)
runs_dir_option = click.option(
    "--runs-dir",
    default=RUNS_DIR,
    show_default=True,
    help="directory that holds the runs",
)


def option_group(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the given order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def knob_options(knobs: Mapping[str, Knob], default: str = "") -> Decorator:
    """A flag for each knob, in the given order. ``given`` parses their values later.

    Args:
        knobs: by name.
        default: shown as the default in the help; the knob's own if empty.
    """
    return option_group(*(_knob_option(knob, default) for knob in knobs.values()))


def metavar(knob: Knob) -> str:
    """The possible values of a flag, in short."""
    words = list(knob.choices) or [knob.metavar or METAVARS[knob.kind]]
    if knob.auto or knob.planned:
        words.append("auto")
    if knob.none:
        words.append("none")
    return "|".join(words)


def spelled(value: object) -> str:
    """A value as it is typed after a flag."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def typed(text: str) -> str:
    """A text from the command line as UTF-8, whatever the encoding of the locale."""
    try:
        return os.fsencode(text).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text


def given_names(ctx: click.Context) -> frozenset[str]:
    """The names of the options that were set on the command line or in the environment."""
    sources = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    return frozenset(name for name in ctx.params if ctx.get_parameter_source(name) in sources)


def given(
    ctx: click.Context,
    knobs: Mapping[str, Knob],
    config: str | None = None,
) -> dict[str, Any]:
    """The values that were set: by flag, else by environment variable, else in the YAML file.

    Raises:
        ConfigError: a value is invalid; the message names its source.
    """
    levels = [
        _from_yaml(config) if config else {},
        _from_source(ctx, knobs, ParameterSource.ENVIRONMENT),
        _from_source(ctx, knobs, ParameterSource.COMMANDLINE),
    ]
    values: dict[str, Any] = {}
    for level in levels:
        minutes = level.get("minutes")
        steps = level.get("steps")
        if minutes and steps:
            raise ConfigError(
                f"--minutes {minutes:g} and --steps {steps} exclude each other; give one of them"
            )
        # Either one overrides both from a lower level.
        if minutes:
            values.pop("steps", None)
        if steps:
            values.pop("minutes", None)
        values |= level
    return values


def given_for_run(
    ctx: click.Context,
    corpus: tuple[str, ...],
    example: str | None,
    records: bool,
    config: str | None,
) -> dict[str, Any]:
    """The values of a run's knobs that were set, with ``--records`` as the separator it means.

    ``--example`` is the path of its text and the knobs that suit it. Flags and environment
    variables override these knobs; so does a YAML file that has other values than the defaults,
    as a run's config.yaml has all of them.

    Raises:
        ConfigError: a value is invalid, an example is given in addition to a path, or
            ``--records`` and another separator are given in the same place.
    """
    values = given(ctx, run_knobs(), config)
    if example is not None:
        if corpus:
            raise ConfigError(
                f"--example {example} and the path {corpus[0]} exclude each other; give one of them"
            )
        path = str(example_path(example))
        if values.get("corpus", (path,)) != (path,):
            raise ConfigError(
                f"--example {example} and the corpus in {config} exclude each other; "
                "give one of them"
            )
        corpus = (path,)
        names = given_names(ctx)
        for name, value in EXAMPLES[example].items():
            default = run_knobs()[name].default
            if name not in names and values.get(name, default) == default:
                values[name] = value
    if records:
        separator_source = ctx.get_parameter_source("separator")
        same_source = separator_source == ctx.get_parameter_source("records")
        if same_source and values["separator"] != LINE:
            raise ConfigError(
                f"--records and --separator {values['separator']!r} exclude each other; "
                "give one of them"
            )
        # A flag takes precedence over the environment, and both over YAML.
        if separator_source != ParameterSource.COMMANDLINE:
            values["separator"] = LINE
    if corpus:
        values["corpus"] = corpus
    return values


class KnobOption(click.Option):
    """A knob's flag, whose environment variable is named after it."""

    def __init__(self, *args: Any, knob: Knob, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.variable = knob.variable

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The value of the environment variable, if it is set and not empty."""
        return os.environ.get(f"{ctx.auto_envvar_prefix}_{self.variable}") or None


def _knob_option(knob: Knob, default: str) -> Decorator:
    names = [knob.flag, knob.name]
    if knob.short:
        names.insert(0, knob.short)
    if not default:
        default = "auto" if knob.planned else spelled(knob.default)
    return click.option(
        *names,
        cls=KnobOption,
        knob=knob,
        metavar=metavar(knob),
        help=f"{knob.help}  [default: {default}]",
        expose_value=True,
    )


def _from_source(
    ctx: click.Context,
    knobs: Mapping[str, Knob],
    source: ParameterSource,
) -> dict[str, Any]:
    values = {}
    for name, knob in knobs.items():
        if ctx.get_parameter_source(name) != source:
            continue
        text = ctx.params[name]
        if knob.escaped:
            text = unescaped(text)
        values[name] = knob.parse(text, _place(ctx, knob, source))
    return values


def _place(ctx: click.Context, knob: Knob, source: ParameterSource) -> str:
    if source == ParameterSource.COMMANDLINE:
        return knob.flag
    return f"{ctx.auto_envvar_prefix}_{knob.variable}"


def _from_yaml(path: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--config: {path} cannot be read: {reason}; give a YAML file") from None
    return read_yaml(text, path)
