"""The part of charrnn sample that says what the text must look like, and what it must not copy."""

from collections.abc import Callable, Iterator
from typing import Any

import click

from charrnn.cli.options import Decorator, WholeString, typed
from charrnn.config.escapes import unescaped
from charrnn.errors import ConfigError
from charrnn.generation.constraints.forms import (
    Acrostic,
    All,
    Constraint,
    Contains,
    Length,
    Lines,
    Match,
    Without,
)
from charrnn.generation.form_options import MOST_PARTICLES

CHARACTERS = click.IntRange(0, 10**9)
FORMS = {
    "match",
    "contains",
    "without",
    "exact_length",
    "length_between",
    "acrostic",
    "lines",
    "line_length",
}
OPTIONS = (
    click.option(
        "--match",
        metavar="REGEX",
        help="the whole new text matches; --length is the most characters it may have",
    ),
    click.option(
        "--contains",
        multiple=True,
        type=WholeString(),
        metavar="TEXT",
        help="this stands in it, be it a part of a word; several times",
    ),
    click.option(
        "--without",
        multiple=True,
        type=WholeString(),
        metavar="TEXT",
        help="this character or string does not; several times",
    ),
    click.option("--exact-length", type=CHARACTERS, help="it has so many characters"),
    click.option(
        "--length-between",
        type=CHARACTERS,
        nargs=2,
        metavar="A B",
        help="it has so many; as many as it can, if nothing ends it",
    ),
    click.option(
        "--acrostic",
        metavar="WORD",
        help="its lines begin with the letters of this; as many lines, unless --lines says more",
    ),
    click.option(
        "--lines",
        type=click.IntRange(1, 10**6),
        help="it has so many lines, none of them empty unless --line-length lets it",
    ),
    click.option(
        "--line-length",
        type=CHARACTERS,
        nargs=2,
        metavar="A B",
        help="each of its lines has so many characters",
    ),
    click.option(
        "--particles",
        type=click.IntRange(1, MOST_PARTICLES),
        help="streams written side by side to find a text that the model would have written so  [default: 8, and 1 for --max-copy alone]",
    ),
    click.option(
        "--max-copy",
        type=click.IntRange(1, 10**9),
        help="no more than so many characters of the corpus stand in the new text one behind another; the prompt is your own and may",
    ),
    click.option(
        "--originality",
        is_flag=True,
        help="say at the end what of the new text stands word for word in the corpus",
    ),
    click.option(
        "--corpus",
        metavar="PATH",
        multiple=True,
        help="where the corpus stands now, for these two; if not where the run read it",
    ),
)


def forms_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options for what a text must be beside likely."""
    decorators: tuple[Decorator, ...] = OPTIONS
    for option in reversed(decorators):
        function = option(function)
    return function


def rules_of(options: dict[str, Any]) -> dict[str, Any]:
    """What is asked for, as ``TextModel.generate`` takes it.

    Raises:
        ConfigError: one of them is not possible, or does nothing.
    """
    parts = list(_parts(options))
    if options["particles"] and not parts and options["max_copy"] is None:
        raise ConfigError(
            "particles: they do nothing without --max-copy or a constraint, such as --contains; give one, or leave them out"
        )
    if options["corpus"] and options["max_copy"] is None and not options["originality"]:
        raise ConfigError(
            "corpus: it does nothing without --max-copy or --originality; give one of them, or leave it out"
        )
    rules = {
        "constraint": All(*parts) if parts else None,
        "particles": options["particles"],
        "max_copy": options["max_copy"],
    }
    return {name: value for name, value in rules.items() if value is not None}


def _parts(options: dict[str, Any]) -> Iterator[Constraint]:
    if options["match"] is not None:
        yield Match(typed(options["match"]))
    yield from (Contains(unescaped(typed(text))) for text in options["contains"])
    yield from (Without(unescaped(typed(text))) for text in options["without"])
    if options["exact_length"] is not None:
        yield Length(options["exact_length"])
    if options["length_between"] is not None:
        yield Length(*options["length_between"])
    lines, word = options["lines"], options["acrostic"]
    if word is not None:
        yield Acrostic(typed(word))
        lines = lines or len(typed(word))
    if lines is not None or options["line_length"] is not None:
        yield Lines(lines, *(options["line_length"] or ()))
