"""Parse a regular expression to a tree of its parts.

``regex.py`` lists what is supported.
"""

import re
from typing import NamedTuple

from charrnn.generation.constraints.character_class import DOT, CharacterClass
from charrnn.generation.constraints.regex_escapes import read_escape
from charrnn.generation.constraints.regex_reader import PatternReader

MAX_COUNT = 20_000  # of a repetition; the automaton has a node or more for each
COUNT = re.compile(r"\{(?!\})([0-9]*)(?:(,)([0-9]*))?\}")  # {n}, {n,}, {,m} or {n,m}
FORK = -1  # the test of a node that reads no character; literals have numbers below it


class CharTest(NamedTuple):
    """One character that passes a test: that of a class (from 0 on) or a literal (below FORK)."""

    number: int


class Concatenation(NamedTuple):
    """Parts one after another."""

    parts: list["Tree"]


class Alternatives(NamedTuple):
    """One of several parts."""

    parts: list["Tree"]


class Repeat(NamedTuple):
    """A part repeated ``fewest`` to ``most`` times; ``most`` is None for no limit."""

    part: "Tree"
    fewest: int
    most: int | None


Tree = CharTest | Concatenation | Alternatives | Repeat


class Parser:
    """Reads a pattern from left to right into a tree.

    Attributes:
        reader: the current place.
        literals: the test number of each character that the pattern names outside of classes.
        classes: the test number of each class.
        lazy: whether some repetition is lazy.
    """

    def __init__(self, pattern: str) -> None:
        self.reader = PatternReader(pattern)
        self.literals: dict[str, int] = {}
        self.classes: dict[CharacterClass, int] = {}
        self.lazy = False

    def parse(self) -> Tree:
        """The tree of the whole pattern.

        Raises:
            ConfigError: the pattern is malformed, or uses an unsupported construct.
        """
        tree = self._alternatives()
        if not self.reader.at_end:
            raise self.reader.wrong("has an unmatched )")
        return tree

    def _alternatives(self) -> Tree:
        parts = [self._concatenation()]
        while self.reader.take("|"):
            parts.append(self._concatenation())
        if len(parts) == 1:
            return parts[0]
        return Alternatives(parts)

    def _concatenation(self) -> Tree:
        parts = list[Tree]()
        while not self.reader.at_end and self.reader.peek() not in "|)":
            part = self._one()
            parts.append(self._repeated(part))
        return Concatenation(parts)

    def _one(self) -> Tree:
        """A character, a class or a group, without the count that may follow it."""
        reader = self.reader
        if self._at_count():
            raise reader.wrong("has a count with nothing before it; write \\{ for a literal brace")
        char = reader.next()
        if char == "(":
            if reader.take("?") and not reader.take(":"):
                raise reader.wrong("has an unsupported kind of group; use (...) or (?:...)")
            tree = self._alternatives()
            if not reader.take(")"):
                raise reader.wrong("is missing a )")
            return tree
        if char in "^$":
            raise reader.wrong(
                f"has a {char}, which is not needed, since the whole text is always matched; "
                f"remove it, or write \\{char} for a literal {char}"
            )
        if char in "*+?":
            raise reader.wrong(
                f"has a {char} with nothing before it; write \\{char} for a literal {char}"
            )
        if char == ".":
            return self._class_test(DOT)
        if char == "[":
            return self._class_test(self._class())
        if char == "\\":
            return self._escaped()
        return self._literal_test(char)

    def _escaped(self) -> Tree:
        meaning = read_escape(self.reader, in_class=False)
        if isinstance(meaning, CharacterClass):
            return self._class_test(meaning)
        return self._literal_test(meaning)

    def _class_test(self, chars: CharacterClass) -> Tree:
        number = self.classes.setdefault(chars, len(self.classes))
        return CharTest(number)

    def _literal_test(self, char: str) -> Tree:
        unused = FORK - 1 - len(self.literals)
        number = self.literals.setdefault(char, unused)
        return CharTest(number)

    # Repetitions

    def _at_count(self) -> bool:
        return COUNT.match(self.reader.pattern, self.reader.place) is not None

    def _repeated(self, tree: Tree) -> Tree:
        """A part, with the repetition that follows it, if any."""
        reader = self.reader
        limits = self._limits()
        if limits is None:
            return tree
        if reader.take("?"):
            self.lazy = True
        elif reader.take("+"):
            raise reader.wrong("has a possessive repetition, which is not supported")
        if reader.peek() in ("*", "+", "?") or self._at_count():
            raise reader.wrong("repeats a repetition; put the inner one in a group")
        fewest, most = limits
        return Repeat(tree, fewest, most)

    def _limits(self) -> tuple[int, int | None] | None:
        """The fewest and the most times of the repetition that comes next; None if none does."""
        if self.reader.take("*"):
            return 0, None
        if self.reader.take("+"):
            return 1, None
        if self.reader.take("?"):
            return 0, 1
        count = COUNT.match(self.reader.pattern, self.reader.place)
        if not count:
            return None
        self.reader.place = count.end()
        low, comma, high = count.groups()
        fewest = self._number(low or "0")
        if not comma:
            return fewest, fewest
        if not high:
            return fewest, None
        most = self._number(high)
        if most < fewest:
            raise self.reader.wrong(
                f"has a count {count[0]} whose second number is below its first"
            )
        return fewest, most

    def _number(self, digits: str) -> int:
        digits = digits.lstrip("0") or "0"
        if len(digits) > len(str(MAX_COUNT)):
            raise self.reader.wrong(f"has a count above {MAX_COUNT:,}")
        return int(digits)

    # Classes

    def _class(self) -> CharacterClass:
        """A class in brackets, whose opening bracket has been read."""
        negated = self.reader.take("^")
        ranges = set[tuple[str, str]]()
        categories = set[str]()
        shorthands = set[str]()
        first = True  # where a ] is a character
        while first or not self.reader.take("]"):
            first = False
            low = self._member()
            if self._begins_range():
                ranges.add(self._range_from(low))
            elif isinstance(low, CharacterClass):
                categories |= low.categories
                shorthands |= low.shorthands
            else:
                ranges.add((low, low))
        return CharacterClass(
            tuple(sorted(ranges)),
            frozenset(categories),
            frozenset(shorthands),
            negated,
        )

    def _member(self) -> str | CharacterClass:
        if self.reader.at_end:
            raise self.reader.wrong("is missing a ]")
        char = self.reader.next()
        if char == "\\":
            return read_escape(self.reader, in_class=True)
        return char

    def _begins_range(self) -> bool:
        """Whether the next character is a - that does not end the class."""
        place = self.reader.place
        following = self.reader.pattern[place : place + 2]
        return following.startswith("-") and following not in ("-", "-]")

    def _range_from(self, low: str | CharacterClass) -> tuple[str, str]:
        """The range that begins with ``low`` and continues with a -."""
        self.reader.place += 1
        high = self._member()
        if not isinstance(low, str) or not isinstance(high, str):
            raise self.reader.wrong("has a range from or to a class; write \\- for a literal -")
        if high < low:
            raise self.reader.wrong("has a range whose last character comes before its first")
        return low, high
