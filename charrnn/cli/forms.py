"""The options of charrnn sample for what the text must look like, and what it must not copy.

To add a constraint: its class in ``generation/constraints/forms.py`` and a row of ``CONSTRAINTS``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from charrnn.cli.options import Decorator, WholeString, typed
from charrnn.config.escapes import unescaped
from charrnn.errors import ConfigError
from charrnn.generation.constraints import forms
from charrnn.generation.constraints.forms import Constraint
from charrnn.generation.form_options import MAX_PARTICLES

TEXT = WholeString()
CHARACTERS = click.IntRange(0, 10**9)
MAX_LINES = 10**6


@dataclass(frozen=True)
class ConstraintFlag:
    """A flag that stands for a constraint.

    Args:
        flag: its name, with the dashes.
        build: the constraint for a value of the flag: a tuple if ``nargs`` is not 1.
        help: for --help and docs/reference.md.
        type: of each value.
        metavar: the value in the help; None for click's own.
        nargs: the number of values.
        multiple: whether the flag can be repeated; each use is a constraint.
    """

    flag: str
    build: Callable[[Any], Constraint]
    help: str
    type: WholeString | click.IntRange = TEXT
    metavar: str | None = None
    nargs: int = 1
    multiple: bool = False

    @property
    def name(self) -> str:
        """The name of the parameter, such as ``exact_length``."""
        return self.flag.removeprefix("--").replace("-", "_")

    def option(self) -> Decorator:
        """The flag as an option of a command."""
        return click.option(
            self.flag,
            type=self.type,
            metavar=self.metavar,
            nargs=self.nargs,
            multiple=self.multiple,
            help=self.help,
        )

    def constraints(self, value: Any) -> list[Constraint]:
        """The constraints that a value of the parameter stands for; none if it was not given.

        Raises:
            ConfigError: the value is not possible.
        """
        if self.multiple:
            return [self.build(single) for single in value]
        if value is None:
            return []
        return [self.build(value)]


# in the order of the help
CONSTRAINTS = (
    ConstraintFlag(
        "--match",
        lambda pattern: forms.Match(typed(pattern)),
        "the whole new text matches; --length is the most characters it may have",
        metavar="REGEX",
    ),
    ConstraintFlag(
        "--contains",
        lambda text: forms.Contains(unescaped(typed(text))),
        "this stands in it, be it a part of a word; several times",
        metavar="TEXT",
        multiple=True,
    ),
    ConstraintFlag(
        "--without",
        lambda text: forms.Without(unescaped(typed(text))),
        "this character or string does not; several times",
        metavar="TEXT",
        multiple=True,
    ),
    ConstraintFlag(
        "--exact-length",
        forms.Length,
        "it has so many characters",
        type=CHARACTERS,
    ),
    ConstraintFlag(
        "--length-between",
        lambda limits: forms.Length(*limits),
        "it has so many; as many as it can, if nothing ends it",
        type=CHARACTERS,
        metavar="A B",
        nargs=2,
    ),
    ConstraintFlag(
        "--acrostic",
        lambda word: forms.Acrostic(typed(word)),
        "its lines begin with the letters of this; as many lines, unless --lines says more",
        metavar="WORD",
    ),
    ConstraintFlag(
        "--lines",
        forms.Lines,
        "it has so many lines, none of them empty unless --line-length lets it",
        type=click.IntRange(1, MAX_LINES),
    ),
    ConstraintFlag(
        "--line-length",
        lambda limits: forms.Lines(None, *limits),
        "each of its lines has so many characters",
        type=CHARACTERS,
        metavar="A B",
        nargs=2,
    ),
)
FORMS = frozenset(row.name for row in CONSTRAINTS)

OTHER_OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--particles",
        type=click.IntRange(1, MAX_PARTICLES),
        help="streams written side by side to find a text that the model would have written so  "
        "[default: 8, and 1 for --max-copy alone]",
    ),
    click.option(
        "--max-copy",
        type=click.IntRange(1, 10**9),
        help="no more than so many characters of the corpus stand in the new text one behind "
        "another; the prompt is your own and may",
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
    """Add the options of this module to a command."""
    options = [row.option() for row in CONSTRAINTS]
    options += OTHER_OPTIONS
    for option in reversed(options):
        function = option(function)
    return function


def constraint_settings(options: dict[str, Any]) -> dict[str, Any]:
    """The settings of ``TextModel.generate`` that these options stand for.

    Raises:
        ConfigError: one of them is not possible, or has no effect.
    """
    constraint = _constraint(options)
    particles = options["particles"]
    max_copy = options["max_copy"]
    if particles and constraint is None and max_copy is None:
        raise ConfigError(
            "particles: they do nothing without --max-copy or a constraint, such as --contains; "
            "give one, or leave them out"
        )
    if options["corpus"] and max_copy is None and not options["originality"]:
        raise ConfigError(
            "corpus: it does nothing without --max-copy or --originality; "
            "give one of them, or leave it out"
        )
    settings = {"constraint": constraint, "particles": particles, "max_copy": max_copy}
    return {name: value for name, value in settings.items() if value is not None}


def _constraint(options: dict[str, Any]) -> Constraint | None:
    constraints = list[Constraint]()
    for row in CONSTRAINTS:
        constraints += row.constraints(options[row.name])
    if not constraints:
        return None
    return forms.All(*_with_joined_lines(constraints))


def _with_joined_lines(constraints: list[Constraint]) -> list[Constraint]:
    """The constraints with those on lines joined to a single one, at the end.

    The lines counted by --lines may be as short as --line-length allows. An acrostic has as many
    lines as letters, unless --lines counts them.
    """
    count: int | None = None
    letters: int | None = None
    limits: forms.Lines | None = None
    joined = list[Constraint]()
    for constraint in constraints:
        if isinstance(constraint, forms.Lines):
            if constraint.count is None:
                limits = constraint
            else:
                count = constraint.count
            continue
        if isinstance(constraint, forms.Acrostic):
            letters = len(constraint.word)
        joined.append(constraint)
    if count is None:
        count = letters
    if limits is not None:
        joined.append(forms.Lines(count, limits.shortest, limits.longest))
    elif count is not None:
        joined.append(forms.Lines(count))
    return joined
