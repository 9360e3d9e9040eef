"""Conditions: the fields of a request that say what a text must look like."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from charrnn.generation.constraints.forms import (
    Acrostic,
    All,
    Constraint,
    Contains,
    Length,
    Lines,
    Match,
    Without,
    joined,
)
from charrnn.serve.fields import Fields
from charrnn.serve.limits import Limits
from charrnn.serve.problem import Problem

MOST_STRINGS = 8  # required, and forbidden


@dataclass(frozen=True)
class Conditions:
    """What a text must look like; the fields are those of ``charrnn sample``.

    Args:
        match: a regular expression.
        contains, without: strings that must occur, and must not.
        acrostic: what the first characters of the lines spell.
        lines: their number.
        line_length: the fewest and the most characters of a line; None for no limit.
        length_between: the fewest and the most characters.
        exact_length: in characters.
    """

    match: str | None
    contains: tuple[str, ...]
    without: tuple[str, ...]
    acrostic: str | None
    lines: int | None
    line_length: tuple[int, int | None] | None
    length_between: tuple[int, int] | None
    exact_length: int | None

    @classmethod
    def parse(cls, fields: Fields, limits: Limits) -> "Conditions":
        """Take them from the fields of a request.

        Raises:
            Problem: one has a wrong value.
        """
        conditions = cls(
            match=fields.string("match", None, limits.constraint),
            contains=tuple(fields.strings("contains", MOST_STRINGS, limits.constraint)),
            without=tuple(fields.strings("without", MOST_STRINGS, limits.constraint)),
            acrostic=fields.string("acrostic", None, limits.constraint),
            lines=fields.integer("lines", None, 1, limits.length),
            line_length=fields.two_integers("line_length", 0, limits.length, is_open=True),
            length_between=fields.two_integers("length_between", 0, limits.length),
            exact_length=fields.integer("exact_length", None, 0, limits.length),
        )
        strings = {
            "match": conditions.match or "",
            "acrostic": conditions.acrostic or "",
            "contains": "".join(conditions.contains),
            "without": "".join(conditions.without),
        }
        if sum(map(len, strings.values())) > limits.constraint:
            longest = max(strings, key=lambda name: len(strings[name]))
            raise Problem(
                400,
                f"the constraints have more than {limits.constraint:,} characters in all",
                longest,
            )
        return conditions

    @property
    def given(self) -> dict[str, Any]:
        """Those that were given, by name."""
        return {name: value for name, value in vars(self).items() if value not in (None, ())}

    @property
    def room(self) -> int:
        """Characters to allow for if no length is given; an estimate made without compiling."""
        lengths = [self.exact_length or 0]
        if self.length_between:
            lengths.append(self.length_between[1])
        lines = self.lines or len(self.acrostic or "")
        if lines:
            longest = self.line_length[1] if self.line_length else None
            lengths.append(Lines(lines, 0, longest).room)
        return max(lengths)


@lru_cache(maxsize=16)
def constraint_of(conditions: Conditions) -> Constraint | None:
    """The constraint for some conditions; always the same one, so that it is compiled only once.

    Raises:
        ConfigError: one of them has an invalid value.
    """
    parts: list[Constraint] = []
    if conditions.match is not None:
        parts.append(Match(conditions.match))
    parts += map(Contains, conditions.contains)
    parts += map(Without, conditions.without)
    if conditions.exact_length is not None:
        parts.append(Length(conditions.exact_length))
    if conditions.length_between is not None:
        parts.append(Length(*conditions.length_between))
    if conditions.acrostic is not None:
        parts.append(Acrostic(conditions.acrostic))
    if conditions.lines is not None:
        parts.append(Lines(conditions.lines))
    if conditions.line_length is not None:
        parts.append(Lines(None, *conditions.line_length))
    whole: All | None = joined(parts) if parts else None
    return whole
