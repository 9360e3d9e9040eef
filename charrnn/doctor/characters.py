"""Counts the characters of a text, and finds those that hardly belong in it."""

import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from charrnn.corpus.survey import RARE
from charrnn.doctor.finding import MOST_PLACES, Finding, Place, counted
from charrnn.doctor.source import Block
from charrnn.vocab import Vocabulary, describe

NUM_CODES = 0x110000
FEW = 20  # new characters of a block that are searched one by one
MOST_RARE = 0.05  # of the alphabet; if more are rare, that is how the script is
SHORTEST = 10_000  # characters of a text in which rare ones mean something
MOST_LISTED = 8  # characters in a message
INVISIBLE = {0x00AD, 0x180E, 0x200B, *range(0x2060, 0x2065), 0xFEFF}
JOINERS = {0x200C, 0x200D}
DIRECTIONS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
MARKS_OF_DIRECTION = {0x200E, 0x200F, 0x061C}
REPLACEMENT = 0xFFFD
LINE_ENDS = "\r\n"  # never rare
LEAVE_OUT = "--fix control-characters"
# Scripts that need joiners: Syriac to Arabic, those of India and around, Mongolian, and emoji.
JOINING = ((0x0600, 0x0DFF), (0x0F00, 0x109F), (0x1780, 0x18AF), (0x1F000, 0x1FAFF))
RIGHT_TO_LEFT = (0x0590, 0x08FF)


class Group(NamedTuple):
    """A group of characters that hardly belong in a text.

    Args:
        name, names: of one of them, and of several.
        contains: whether a code point belongs to it.
        fix: what repairs them.
    """

    name: str
    names: str
    contains: Callable[[int], bool]
    fix: str = LEAVE_OUT


def is_control(code: int) -> bool:
    """Whether a code point is a control character other than tab and line ends."""
    return code not in (9, 10, 13) and unicodedata.category(chr(code)) == "Cc"


def is_unassigned(code: int) -> bool:
    """Whether a code point is private or unassigned."""
    return unicodedata.category(chr(code)) in ("Co", "Cn")


GROUPS = (
    Group("NUL", "NULs", lambda code: code == 0),
    Group("control character", "control characters", lambda code: code > 0 and is_control(code)),
    Group("invisible character", "invisible characters", INVISIBLE.__contains__),
    Group("zero-width joiner", "zero-width joiners", JOINERS.__contains__),
    Group("directional mark", "directional marks", MARKS_OF_DIRECTION.__contains__),
    Group("bidirectional control", "bidirectional controls", DIRECTIONS.__contains__),
    Group(
        "replacement character",
        "replacement characters",
        lambda code: code == REPLACEMENT,
        fix="convert the original file again, with its right encoding",
    ),
    Group("unknown character", "unknown characters", is_unassigned),
)


class Characters:
    """How often each character occurs, and where first.

    Attributes:
        counts: (NUM_CODES,) by code point.
        first: the first place of each character.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(NUM_CODES, np.int64)
        self.first: dict[int, Place] = {}

    def read(self, block: Block) -> None:
        """Count a block."""
        codes = block.codes
        counts = np.bincount(codes, minlength=NUM_CODES)
        new = np.flatnonzero((counts > 0) & (self.counts == 0))
        self.counts += counts
        if len(new) <= FEW:
            places = [int(np.argmax(codes == code)) for code in new]
        else:
            new, firsts = np.unique(codes, return_index=True)
            places = firsts.tolist()
        for code, index in zip(new.tolist(), places, strict=True):
            if code not in self.first:
                self.first[code] = block.place(index)

    @property
    def total(self) -> int:
        """Characters in all."""
        return int(self.counts.sum())

    def findings(self) -> Iterator[Finding]:
        """Characters that hardly belong in a text, and rare ones."""
        for group in self._groups():
            codes = [code for code in self.first if group.contains(code)]
            if codes:
                yield self._finding(group, codes)
        yield from self._rare()

    def removable(self) -> list[int]:
        """The code points of characters that hardly belong in the text and can be left out."""
        groups = [group for group in self._groups() if group.fix == LEAVE_OUT]
        return [code for code in self.first if any(group.contains(code) for group in groups)]

    def _groups(self) -> Iterator[Group]:
        """The groups of characters that the scripts of the text do not need."""
        for group in GROUPS:
            if group.name == "zero-width joiner" and self._has(*JOINING):
                continue
            if group.name == "directional mark" and self._has(RIGHT_TO_LEFT):
                continue
            yield group

    def _has(self, *spans: tuple[int, int]) -> bool:
        return any(self.counts[first : last + 1].any() for first, last in spans)

    def _finding(self, group: Group, codes: list[int]) -> Finding:
        number = int(self.counts[codes].sum())
        codes.sort(key=lambda code: -self.counts[code])
        names = ", ".join(describe(chr(code)) for code in codes[:MOST_LISTED])
        message = f"{counted(number, group.name, group.names)}: {names}"
        places = tuple(self.first[code] for code in codes[:MOST_PLACES])
        return Finding("control-characters", message, number, places, group.fix)

    def rare(self) -> list[int]:
        """The code points of characters too rare to be learned; none if the script has many."""
        is_rare = (self.counts > 0) & (self.counts < RARE)
        codes = np.flatnonzero(is_rare).tolist()
        rare = [code for code in codes if chr(code) not in LINE_ENDS and not _is_grouped(code)]
        alphabet = int((self.counts > 0).sum())
        if len(rare) > MOST_RARE * alphabet or self.total < SHORTEST:
            return []
        return rare

    def replacements(self) -> dict[int, str]:
        """The character that each rare one becomes with ``--min-count``, or ``""``."""
        rare = set(self.rare())
        common = [chr(code) for code in np.flatnonzero(self.counts).tolist() if code not in rare]
        known = Vocabulary("char", "".join(common))
        return {code: known.similar(chr(code), LINE_ENDS) for code in rare}

    def _rare(self) -> Iterator[Finding]:
        """Characters too rare to be learned."""
        codes = self.rare()
        if not codes:
            return
        alphabet = int((self.counts > 0).sum())
        codes.sort(key=lambda code: self.counts[code])
        nearest = self.replacements()
        listed = []
        for code in codes[:MOST_LISTED]:
            would = f"become {nearest[code]!r}" if nearest[code] else "be left out"
            times = counted(int(self.counts[code]), "time")
            listed.append(f"{describe(chr(code))} {times}, would {would}")
        occur = "occurs" if len(codes) == 1 else "occur"
        yield Finding(
            "rare-characters",
            f"{len(codes):,} of the {alphabet:,} characters {occur} fewer than {RARE} times, too "
            f"rarely to be learned: {'; '.join(listed)}",
            count=len(codes),
            places=tuple(self.first[code] for code in codes[:MOST_PLACES]),
            fix=f"--min-count {RARE}",
        )


def _is_grouped(code: int) -> bool:
    """Whether a code point belongs to one of GROUPS."""
    return any(group.contains(code) for group in GROUPS)
