"""Finding: something that may be wrong with a text, where it is, and what fixes it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

# The kinds of findings, the most serious first.
KINDS = (
    "not-text",
    "encoding",
    "control-characters",
    "markup",
    "columns",
    "list",
    "normalization",
    "mixed-script",
    "line-ends",
    "hyphenation",
    "repeated-lines",
    "duplicates",
    "rare-characters",
    "wrapped-lines",
    "bom",
)
MOST_PLACES = 5
EXCERPT = 60  # characters of the line at a place


class Place(NamedTuple):
    """A place in a file.

    Args:
        file: its name.
        line, column: counted from 1.
        text: what is there, or its surroundings.
    """

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Finding:
    """Something that may be wrong with a text.

    Args:
        kind: one of KINDS.
        message: a sentence.
        count: how often it occurs.
        places: the first of them.
        fix: the option or the command that fixes it; None if only a person can.
    """

    kind: str
    message: str
    count: int
    places: tuple[Place, ...] = ()
    fix: str | None = None


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Findings, the most serious first."""
    return sorted(findings, key=lambda finding: KINDS.index(finding.kind))


def counted(number: int, unit: str, units: str = "") -> str:
    """A number of things, such as "1 line" or "1,200 lines"."""
    name = unit if number == 1 else units or f"{unit}s"
    return f"{number:,} {name}"
