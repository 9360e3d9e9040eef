"""CharacterClass: a set of characters in a regular expression, such as ``[a-z]`` or ``\\d``."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

# the second letters that go with each first letter of a Unicode category
MINOR_CATEGORIES = {
    "L": "ultmo",
    "M": "nce",
    "N": "dlo",
    "P": "cdseifo",
    "S": "mcko",
    "Z": "slp",
    "C": "cfosn",
}
CATEGORIES = [major + minor for major, minors in MINOR_CATEGORIES.items() for minor in minors]


class CharacterClass(NamedTuple):
    """The characters in any of the ranges, categories and shorthands; if negated, all others.

    Args:
        ranges: first and last characters, sorted; they may overlap.
        categories: Unicode's general categories, such as ``Lu``.
        shorthands: letters of the escapes ``\\d \\w \\s`` and their opposites.
        negated: whether the set is the complement of these.
    """

    ranges: tuple[tuple[str, str], ...] = ()
    categories: frozenset[str] = frozenset()
    shorthands: frozenset[str] = frozenset()
    negated: bool = False


DOT = CharacterClass(ranges=(("\n", "\n"),), negated=True)


def membership_test(chars: CharacterClass) -> Callable[[str], bool]:
    """A function that tells whether a character is in a class."""
    lows, highs = _merged(chars.ranges)
    categories = chars.categories
    shorthand = None
    if chars.shorthands:
        escapes = [f"\\{letter}" for letter in sorted(chars.shorthands)]
        shorthand = re.compile(f"[{''.join(escapes)}]")

    def in_ranges(char: str) -> bool:
        num_before = bisect_right(lows, char)  # ranges that begin at or before char
        if num_before == 0:
            return False
        last = num_before - 1
        return char <= highs[last]

    def is_member(char: str) -> bool:
        if in_ranges(char):
            return True
        if categories and unicodedata.category(char) in categories:
            return True
        if shorthand is None:
            return False
        return shorthand.match(char) is not None

    test = in_ranges
    if categories or shorthand:
        test = is_member
    if chars.negated:
        return lambda char: not test(char)
    return test


def _merged(ranges: tuple[tuple[str, str], ...]) -> tuple[list[str], list[str]]:
    """The first and the last characters of sorted ranges, overlapping ones joined."""
    lows = list[str]()
    highs = list[str]()
    for low, high in ranges:
        overlaps = bool(highs) and low <= highs[-1]
        if not overlaps:
            lows.append(low)
            highs.append(high)
        elif high > highs[-1]:
            highs[-1] = high
    return lows, highs
