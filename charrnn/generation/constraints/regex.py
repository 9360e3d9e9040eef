r"""Regular expressions as automata: a subset of Python's, matched on the whole text.

Supported are characters and their escapes, ``.``, classes such as ``[a-z]`` and ``[^...]``,
``\d \w \s`` and their opposites, groups, ``|``, and the counts ``* + ? {n} {n,} {n,m}``. They
mean what they mean in Python's ``re``, except that a ``?`` after a count makes the whole text as
short as it can be. Unicode's general categories (``\p{Lu}``) are added. Back-references,
look-around, anchors and flags are refused.

The automaton is Thompson's (1968): a node tests one character or is a fork, and a state is the set
of the nodes that can come next.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, NamedTuple

from charrnn.errors import ConfigError

MOST_CHARACTERS = 100_000  # of a pattern
MOST_NODES = 20_000  # of an automaton, in which counted parts are written out
MOST_PARTS = 200_000  # that are written out on the way to these nodes, empty ones too
SHOWN = 200  # characters of a pattern that an error message repeats

MINOR_CATEGORIES = {  # the second letters that go with each first letter of a category
    "L": "ultmo",
    "M": "nce",
    "N": "dlo",
    "P": "cdseifo",
    "S": "mcko",
    "Z": "slp",
    "C": "cfosn",
}
CATEGORIES = [major + minor for major, minors in MINOR_CATEGORIES.items() for minor in minors]
CATEGORY = re.compile(r"\{([A-Z][a-z]?)\}")

SHORTHANDS = frozenset("dDwWsS")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a"}
HEX_DIGITS = {"x": 2, "u": 4, "U": 8}  # that follow each of these letters
HEX = re.compile("[0-9a-fA-F]*")
OCTAL = re.compile("[0-7]{1,3}")
MOST_OCTAL = 0o377
COUNT = re.compile(r"\{(?!\})([0-9]*)(?:(,)([0-9]*))?\}")

FORK = -1  # instead of the number of a test
END = 0  # the number of the last node

# work, in units of looking at one node, which takes some 0.2 µs
COST_OF_SET = 4  # of making one, apart from its nodes
COST_OF_TEST = 2  # whether a character is in a class

# ("test", number), ("all", trees), ("any", trees) or ("repeat", tree, fewest, most or None)
Tree = tuple[Any, ...]
# of a character: its number, if the pattern names it, and for each class whether it is in it
Passed = tuple[int | None, bytes]


class Node(NamedTuple):
    """A place in a pattern: one that tests a character, a fork, or the end.

    Attributes:
        test: from 0 on the number of a class, below ``FORK`` that of a single character.
        next: the nodes that follow; one, unless this is a fork.
    """

    test: int
    next: tuple[int, ...]


class CharacterClass(NamedTuple):
    """A set of characters: all in its ranges, categories and shorthands; if negated, all others."""

    ranges: tuple[tuple[str, str], ...] = ()  # in order; they may overlap
    categories: frozenset[str] = frozenset()
    shorthands: frozenset[str] = frozenset()
    negated: bool = False


DOT = CharacterClass(ranges=(("\n", "\n"),), negated=True)


class Regex:
    """A pattern as an automaton.

    Attributes:
        start: the state before the first character.
        literals: characters that the pattern names outside of classes, each once.
        shortest: whether a repetition is lazy, so that a text ends as soon as it matches.
        work: what the calls so far have cost, in units of looking at one node.

    Args:
        pattern: the regular expression.

    Raises:
        ConfigError: it is malformed, too large, or uses what is not supported.
    """

    def __init__(self, pattern: str) -> None:
        if not isinstance(pattern, str):
            message = f"match: {pattern!r} is not possible; give a regular expression, a string"
            raise ConfigError(message)
        self._pattern = pattern
        if len(pattern) > MOST_CHARACTERS:
            raise self._too_large(f"{MOST_CHARACTERS:,} characters; give a shorter one")
        self._nodes = [Node(FORK, ())]  # the end
        self._parts = 0
        parser = _Parser(pattern)
        try:
            first = self._build(parser.parse(), END)
        except RecursionError:
            raise parser.wrong("nests too deeply") from None
        self.literals = "".join(parser.literals)
        self.shortest = parser.lazy
        self._literals = parser.literals
        self._class_tests = [_tester(chars) for chars in parser.classes]
        self.work = 0
        self.start = self._reached([first])

    def step(self, state: frozenset[int], passed: Passed) -> frozenset[int]:
        """The state after a character.

        Args:
            state: the state before it.
            passed: the tests that the character passes.
        """
        self.work += 1 + len(state)
        literal, classes = passed
        following: list[int] = []
        for number in state:
            test, after = self._nodes[number]
            if test == literal or (test >= 0 and classes[test]):
                following += after
        if not following:
            return frozenset()
        self.work += COST_OF_SET
        return self._reached(following)

    def passed(self, char: str) -> Passed:
        """The tests that a character passes."""
        self.work += COST_OF_SET + COST_OF_TEST * len(self._class_tests)
        classes = bytes([test(char) for test in self._class_tests])
        return self._literals.get(char), classes

    def accepts(self, state: frozenset[int]) -> bool:
        """Whether the whole pattern was matched."""
        return END in state

    def _reached(self, waiting: list[int]) -> frozenset[int]:
        """The nodes that test a character, and the end, that can be reached through forks alone."""
        seen: set[int] = set()
        reached: set[int] = set()
        while waiting:
            number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            test, following = self._nodes[number]
            if test == FORK and number != END:
                waiting += following
            else:
                reached.add(number)
        self.work += len(seen)
        return frozenset(reached)

    def _build(self, tree: Tree, then: int) -> int:
        """Make the nodes of a part, which lead to the node ``then``; return the first of them."""
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise self._too_large(f"{MOST_PARTS:,} parts; give smaller counts")
        kind, *rest = tree
        if kind == "test":
            return self._node(rest[0], (then,))
        if kind == "all":
            for part in reversed(rest[0]):
                then = self._build(part, then)
            return then
        if kind == "any":
            following = dict[int, None]()  # each once: there may be many empty alternatives
            for part in rest[0]:
                following[self._build(part, then)] = None
            return self._node(FORK, tuple(following))
        return self._build_repeat(rest[0], rest[1], rest[2], then)

    def _build_repeat(self, part: Tree, fewest: int, most: int | None, then: int) -> int:
        """Make the nodes of a part that is repeated, as ``_build`` does."""
        first = then
        if most is None:
            first = self._node(FORK, (then,))
            self._nodes[first] = Node(FORK, (self._build(part, first), then))
        else:
            for _ in range(most - fewest):
                first = self._node(FORK, (self._build(part, first), then))
        for _ in range(fewest):
            following = first
            first = self._build(part, following)
            if first == following:  # the part is empty, however often it is repeated
                break
        return first

    def _node(self, test: int, following: tuple[int, ...]) -> int:
        if len(self._nodes) >= MOST_NODES:
            raise self._too_large(f"{MOST_NODES:,} places; give smaller counts")
        self._nodes.append(Node(test, following))
        return len(self._nodes) - 1

    def _too_large(self, limit: str) -> ConfigError:
        return ConfigError(f"match: {self._pattern[:60]!r} is too large: more than {limit}")


def _tester(chars: CharacterClass) -> Callable[[str], bool]:
    """A function that says whether a character is in a class."""
    lows = list[str]()
    highs = list[str]()
    for low, high in chars.ranges:
        if highs and low <= highs[-1]:
            highs[-1] = max(high, highs[-1])
        else:
            lows.append(low)
            highs.append(high)
    escapes = "".join(f"\\{letter}" for letter in sorted(chars.shorthands))
    shorthand = re.compile(f"[{escapes}]") if escapes else None

    def in_ranges(char: str) -> bool:
        place = bisect_right(lows, char) - 1  # of the last range that begins at or before it
        return place >= 0 and char <= highs[place]

    def is_member(char: str) -> bool:
        if in_ranges(char):
            return True
        if chars.categories and unicodedata.category(char) in chars.categories:
            return True
        return shorthand is not None and shorthand.match(char) is not None

    test = is_member if chars.categories or shorthand else in_ranges
    if chars.negated:
        return lambda char: not test(char)
    return test


class _Parser:
    """Reads a pattern from left to right into a tree.

    Attributes:
        literals: the number of each character that the pattern names outside of classes.
        classes: the number of each class, from 0 on.
        lazy: whether a repetition is.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.place = 0
        self.literals: dict[str, int] = {}
        self.classes: dict[CharacterClass, int] = {}
        self.lazy = False

    def parse(self) -> Tree:
        tree = self._any()
        if self.place < len(self.pattern):
            raise self.wrong("has a ) too many")
        return tree

    def wrong(self, what: str) -> ConfigError:
        place = min(self.place, len(self.pattern))
        return ConfigError(
            f"match: {self.pattern[:SHOWN]!r} {what} (character {place}); docs/constraints.md lists what there is"
        )

    def _any(self) -> Tree:
        parts = [self._all()]
        while self._take("|"):
            parts.append(self._all())
        return ("any", parts) if len(parts) > 1 else parts[0]

    def _all(self) -> Tree:
        parts = list[Tree]()
        while self.place < len(self.pattern) and self.pattern[self.place] not in "|)":
            parts.append(self._counted(self._one()))
        return ("all", parts)

    def _one(self) -> Tree:
        if COUNT.match(self.pattern, self.place):
            raise self.wrong("has a count with nothing before it; write \\{ for the character")
        char = self._next()
        if char == "(":
            if self._take("?") and not self._take(":"):
                raise self.wrong("has a group of an unknown kind; there are (...) and (?:...)")
            tree = self._any()
            if not self._take(")"):
                raise self.wrong("lacks a )")
            return tree
        if char in "^$":
            raise self.wrong(
                f"has a {char}; the whole text is matched anyway, leave it out, or write \\{char} for the character"
            )
        if char in "*+?":
            raise self.wrong(
                f"has a {char} with nothing before it; write \\{char} for the character"
            )
        if char == ".":
            return self._class_test(DOT)
        if char == "[":
            return self._class_test(self._class())
        meaning = self._escape(in_class=False) if char == "\\" else char
        if isinstance(meaning, CharacterClass):
            return self._class_test(meaning)
        return ("test", self.literals.setdefault(meaning, FORK - 1 - len(self.literals)))

    def _class_test(self, chars: CharacterClass) -> Tree:
        return ("test", self.classes.setdefault(chars, len(self.classes)))

    def _counted(self, tree: Tree) -> Tree:
        """A part with the count that follows it, if one does."""
        count = COUNT.match(self.pattern, self.place)
        fewest: int
        most: int | None
        if count:
            self.place = count.end()
            fewest = self._number(count[1] or "0")
            if not count[2]:
                most = fewest
            elif count[3]:
                most = self._number(count[3])
            else:
                most = None
            if most is not None and most < fewest:
                raise self.wrong(f"counts from {fewest} to {most}")
        elif self._take("*"):
            fewest, most = 0, None
        elif self._take("+"):
            fewest, most = 1, None
        elif self._take("?"):
            fewest, most = 0, 1
        else:
            return tree
        if self._take("?"):
            self.lazy = True
        elif self._take("+"):
            raise self.wrong("has a possessive repetition, which is not supported")
        if self._peek() in ("*", "+", "?") or COUNT.match(self.pattern, self.place):
            raise self.wrong("repeats a repetition; put a group around the inner one")
        return ("repeat", tree, fewest, most)

    def _number(self, digits: str) -> int:
        digits = digits.lstrip("0") or "0"
        if len(digits) > len(str(MOST_NODES)):
            raise self.wrong(f"counts further than {MOST_NODES:,}")
        return int(digits)

    def _class(self) -> CharacterClass:
        negated = self._take("^")
        ranges = set[tuple[str, str]]()
        categories = set[str]()
        shorthands = set[str]()
        first = True  # where a ] is a character
        while first or not self._take("]"):
            first = False
            low = self._member()
            high = low
            if self._begins_range():
                self.place += 1
                high = self._member()
                if not isinstance(low, str) or not isinstance(high, str):
                    raise self.wrong("has a range from or to a class; write \\- for the character")
                if high < low:
                    raise self.wrong("has a range that runs backwards")
            if isinstance(low, str) and isinstance(high, str):
                ranges.add((low, high))
            elif isinstance(low, CharacterClass):
                categories |= low.categories
                shorthands |= low.shorthands
        return CharacterClass(
            tuple(sorted(ranges)), frozenset(categories), frozenset(shorthands), negated
        )

    def _begins_range(self) -> bool:
        """Whether a - follows that is not the last character of a class."""
        following = self.pattern[self.place : self.place + 2]
        return following[:1] == "-" and following[1:] not in ("", "]")

    def _member(self) -> str | CharacterClass:
        if self.place >= len(self.pattern):
            raise self.wrong("lacks a ]")
        char = self._next()
        return self._escape(in_class=True) if char == "\\" else char

    def _escape(self, *, in_class: bool) -> str | CharacterClass:
        """The meaning of a backslash and what follows it; the backslash has been read."""
        if self.place >= len(self.pattern):
            raise self.wrong("ends with a backslash; write \\\\ for the character")
        char = self._next()
        if char in SHORTHANDS:
            return CharacterClass(shorthands=frozenset(char))
        if char in ("p", "P"):
            return self._category(negated=char == "P")
        if char in HEX_DIGITS:
            return self._hexadecimal(char)
        if char == "N":
            return self._named()
        if char in "0123456789":
            return self._octal(char, in_class=in_class)
        if char == "b" and in_class:
            return "\b"
        if char in ("A", "b", "B", "Z") and not in_class:
            raise self.wrong(
                f"has \\{char}, which is not supported; the whole text is matched anyway, leave it out"
            )
        if char in ESCAPES:
            return ESCAPES[char]
        if char.isascii() and char.isalnum():
            raise self.wrong(f"has \\{char}, which has no meaning")
        return char

    def _category(self, *, negated: bool) -> CharacterClass:
        name = CATEGORY.match(self.pattern, self.place)
        members: set[str] = set()
        if name:
            members = {category for category in CATEGORIES if category.startswith(name[1])}
        if not name or not members:
            names = " ".join(
                f"{major} " + " ".join(major + minor for minor in minors)
                for major, minors in MINOR_CATEGORIES.items()
            )
            raise self.wrong(
                f"has a \\p without a category; the categories are {names}, as in \\p{{Lu}}"
            )
        self.place = name.end()
        if negated:
            members = set(CATEGORIES) - members
        return CharacterClass(categories=frozenset(members))

    def _hexadecimal(self, letter: str) -> str:
        count = HEX_DIGITS[letter]
        found = HEX.match(self.pattern, self.place, self.place + count)
        digits = found[0] if found else ""
        self.place += len(digits)
        if len(digits) < count:
            raise self.wrong(f"has \\{letter}{digits}, which needs {count} hexadecimal digits")
        if int(digits, 16) > 0x10FFFF:
            raise self.wrong(
                f"has \\{letter}{digits}, which is no code point; the last is \\U0010ffff"
            )
        return chr(int(digits, 16))

    def _named(self) -> str:
        """A character by its name in Unicode, as in ``\\N{EM DASH}``."""
        end = self.pattern.find("}", self.place)
        if not self._take("{") or end < 0:
            raise self.wrong("has a \\N without a name, as in \\N{EM DASH}")
        name = self.pattern[self.place : end]
        self.place = end + 1
        try:
            char = unicodedata.lookup(name)
        except (KeyError, ValueError):  # a lone surrogate in a name is a ValueError
            char = ""
        if len(char) != 1:  # names of sequences are known too
            raise self.wrong(f"has a \\N with the name {name[:60]!r}, which no character has")
        return char

    def _octal(self, first: str, *, in_class: bool) -> str:
        """A character by its octal code.

        Outside of a class, a number that neither begins with 0 nor has three octal digits refers
        to a group.
        """
        begin = self.place - 1
        found = OCTAL.match(self.pattern, begin)
        digits = found[0] if found else ""
        if digits and (in_class or first == "0" or len(digits) == 3):
            self.place = begin + len(digits)
            if int(digits, 8) > MOST_OCTAL:
                raise self.wrong(f"has \\{digits}: octal escapes end at \\{MOST_OCTAL:o}")
            return chr(int(digits, 8))
        if in_class:
            raise self.wrong(f"has \\{first}, which is no octal number")
        raise self.wrong(
            f"has \\{first}, a reference to a group, which is not supported; write \\x and two digits for a character by its code"
        )

    def _peek(self) -> str:
        return self.pattern[self.place : self.place + 1]

    def _next(self) -> str:
        self.place += 1
        return self.pattern[self.place - 1]

    def _take(self, char: str) -> bool:
        if self._peek() != char:
            return False
        self.place += 1
        return True
