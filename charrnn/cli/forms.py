"""The options of ``charrnn sample`` that constrain the text and keep it from copying.

To add a constraint, write its class in ``generation/constraints/forms.py`` and a row of
``CONSTRAINTS``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from charrnn.cli.options import Decorator, WholeNumber, WholeString, typed
from charrnn.config.escapes import unescaped
from charrnn.errors import ConfigError
from charrnn.generation.constraints import forms
from charrnn.generation.constraints.forms import Constraint
from charrnn.generation.form_options import MAX_PARTICLES

TEXT = WholeString()
CHARACTERS = WholeNumber(0, 10**9)
MAX_LINES = 10**6


@dataclass(frozen=True)
class ConstraintFlag:
    """A flag that adds a constraint.

    Args:
        flag: its name, with the dashes.
        build: returns the constraint for a value of the flag: a tuple if ``nargs`` is not 1.
        help: for --help and docs/reference.md.
        type: of each value.
        metavar: the name of the value in the help; None for click's default.
        nargs: the number of values.
        multiple: whether the flag can be repeated; each use is a constraint.
    """

    flag: str
    build: Callable[[Any], Constraint]
    help: str
    type: WholeString | WholeNumber = TEXT
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
        """The constraints for a value of the parameter; none if it was not given.

        Raises:
            ConfigError: the value is invalid.
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
        "make the new text as a whole match this regular expression; it has at most --length "
        "characters",
        metavar="REGEX",
    ),
    ConstraintFlag(
        "--contains",
        lambda text: forms.Contains(unescaped(typed(text))),
        "require this text, even as part of a word; can be repeated",
        metavar="TEXT",
        multiple=True,
    ),
    ConstraintFlag(
        "--without",
        lambda text: forms.Without(unescaped(typed(text))),
        "forbid this character or string; can be repeated",
        metavar="TEXT",
        multiple=True,
    ),
    ConstraintFlag(
        "--exact-length",
        forms.Length,
        "write exactly this number of characters",
        type=CHARACTERS,
    ),
    ConstraintFlag(
        "--length-between",
        lambda limits: forms.Length(*limits),
        "write at least A and at most B characters; B unless something else ends the text",
        type=CHARACTERS,
        metavar="A B",
        nargs=2,
    ),
    ConstraintFlag(
        "--acrostic",
        lambda word: forms.Acrostic(typed(word)),
        "begin the lines with the letters of WORD; one line per letter, unless --lines is larger",
        metavar="WORD",
    ),
    ConstraintFlag(
        "--lines",
        forms.Lines,
        "write exactly N lines, none of them empty (with --line-length 0 B, they may be)",
        type=WholeNumber(1, MAX_LINES),
    ),
    ConstraintFlag(
        "--line-length",
        lambda limits: forms.Lines(None, *limits),
        "write lines of A to B characters",
        type=CHARACTERS,
        metavar="A B",
        nargs=2,
    ),
)
FORMS = frozenset(row.name for row in CONSTRAINTS)

OTHER_OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--particles",
        type=WholeNumber(1, MAX_PARTICLES),
        help="drafts written side by side to find a likely text that satisfies the constraints  "
        "[default: 8, or 1 for --max-copy alone]",
    ),
    click.option(
        "--max-copy",
        type=WholeNumber(1, 10**9),
        help="never repeat more than this number of consecutive characters of the corpus; "
        "the prompt does not count",
    ),
    click.option(
        "--originality",
        is_flag=True,
        help="report at the end which parts of the new text are copied from the corpus",
    ),
    click.option(
        "--corpus",
        metavar="PATH",
        multiple=True,
        help="file or directory of the corpus for --max-copy and --originality, if it has moved",
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
    """The settings of ``TextModel.generate`` for these options.

    Raises:
        ConfigError: one of them is invalid, or has no effect.
    """
    constraint = _constraint(options)
    particles = options["particles"]
    max_copy = options["max_copy"]
    if particles and constraint is None and max_copy is None:
        raise ConfigError(
            "--particles has no effect without --max-copy or a constraint, such as --contains; "
            "give one of them, or leave it out"
        )
    if options["corpus"] and max_copy is None and not options["originality"]:
        raise ConfigError(
            "--corpus has no effect without --max-copy or --originality; "
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
    return forms.joined(constraints)
