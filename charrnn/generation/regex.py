"""Regular expressions read into automata: a documented subset of Python's, matched on the whole text. Knows nothing of models.

What there is: characters, ``.`` (all but a newline), classes ``[a-z]`` and ``[^...]``, ``\\d \\w \\s`` and their opposites, general
categories ``\\p{Lu}``, groups, ``|``, ``* + ? {n} {n,} {n,m}``. A ``?`` behind one of these makes the whole text as short as it can be.
There are no back-references, look-arounds, anchors (the whole text is matched) and flags.

An automaton of positions (Thompson 1968): a node is one test of a character, or a fork; a state is the set of the nodes that can be next.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

from charrnn.errors import ConfigError

MOST_NODES = 20_000  # of an expression whose counted repeats are written out
CATEGORIES = {"L": "ultmo", "M": "nce", "N": "dlo", "P": "cdseifo", "S": "mcko", "Z": "slp", "C": "cfosn"}  # and what each divides into
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}
HEX = {"x": 2, "u": 4, "U": 8}  # digits behind it
COUNT = re.compile(r"\{(?!\})([0-9]*)(?:(,)([0-9]*))?\}")

Test = Callable[[str], bool]
Tree = tuple[Any, ...]  # ("test", number), ("all", trees), ("any", trees), ("repeat", tree, fewest, most or None)


class Node(NamedTuple):
    """A place in an expression: one that tests a character (``test`` from 0), a fork, or the end."""

    test: int
    next: tuple[int, ...]


class Regex:
    """An expression as an automaton.

    Args:
        pattern: the expression.

    Raises:
        ConfigError: it is none, or uses what is not there.
    """

    def __init__(self, pattern: str) -> None:
        if not isinstance(pattern, str):
            raise ConfigError(f"match: {pattern!r} is not possible; give a regular expression, a string")
        parser = _Parser(pattern)
        tree = parser.parse()
        self.tests, self.literals, self.shortest = list(parser.tests.values()), "".join(parser.literals), parser.lazy
        self._nodes, self._pattern = [Node(-1, ())], pattern  # the first is the end
        self.start = self._reached([self._build(tree, 0)])

    def step(self, state: frozenset[int], passed: int) -> frozenset[int]:
        """The state after a character.

        Args:
            state: before it.
            passed: the tests that it passes, one a bit.
        """
        nodes = (self._nodes[number] for number in state)
        return self._reached([node.next[0] for node in nodes if node.test >= 0 and passed >> node.test & 1])

    def passed(self, char: str) -> int:
        """The tests that a character passes, one a bit."""
        return sum(1 << number for number, test in enumerate(self.tests) if test(char))

    def accepts(self, state: frozenset[int]) -> bool:
        """Whether the whole expression was matched."""
        return 0 in state

    def _reached(self, waiting: list[int]) -> frozenset[int]:
        """The nodes that stand next from some on: the forks are gone through."""
        found, standing = set[int](), set[int]()
        while waiting:
            number = waiting.pop()
            if number in found:
                continue
            found.add(number)
            if self._nodes[number].test >= 0 or number == 0:
                standing.add(number)
            else:
                waiting += self._nodes[number].next
        return frozenset(standing)

    def _build(self, tree: Tree, then: int) -> int:
        """Nodes for a part, that lead on to ``then``; the first of them."""
        kind, *rest = tree
        if kind == "test":
            return self._node(rest[0], (then,))
        if kind == "all":
            for part in reversed(rest[0]):
                then = self._build(part, then)
            return then
        if kind == "any":
            return self._node(-1, tuple(self._build(part, then) for part in rest[0]))
        part, fewest, most = rest
        if most is None:
            loop = self._node(-1, (then,))
            self._nodes[loop] = Node(-1, (self._build(part, loop), then))
            first = loop
        else:
            first = then
            for _ in range(most - fewest):
                first = self._node(-1, (self._build(part, first), then))
        for _ in range(fewest):
            before, first = first, self._build(part, first)
            if first == before:  # nothing, however often
                break
        return first

    def _node(self, test: int, following: tuple[int, ...]) -> int:
        if len(self._nodes) >= MOST_NODES:
            raise self._too_large()
        self._nodes.append(Node(test, following))
        return len(self._nodes) - 1

    def _too_large(self) -> ConfigError:
        return ConfigError(f"match: {self._pattern[:60]!r} is too large: more than {MOST_NODES:,} places; give smaller counts")


class _Parser:
    """Reads an expression from left to right into a tree."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.place = pattern, 0
        self.tests: dict[str, Test] = {}
        self.literals: list[str] = []  # characters that stand there as they are, outside of classes
        self.lazy = False

    def parse(self) -> Tree:
        try:
            tree = self._any()
        except RecursionError:
            raise self._wrong("nests too deeply") from None
        if self.place < len(self.pattern):
            raise self._wrong("has a ) too many")
        return tree

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
            raise self._wrong("has a count with nothing before it; write \\{ for the character")
        char = self._next()
        if char == "(":
            if self._take("?") and not self._take(":"):
                raise self._wrong("has a group of a kind that is not there; there are (...) and (?:...)")
            tree = self._any()
            if not self._take(")"):
                raise self._wrong("lacks a )")
            return tree
        if char in "^$":
            raise self._wrong(f"has a {char}; the whole text is matched anyway, leave it out, or write \\{char} for the character")
        if char in "*+?":
            raise self._wrong(f"has a {char} with nothing before it; write \\{char} for the character")
        if char == ".":
            return self._test(".", lambda char: char != "\n")
        if char == "[":
            return self._class()
        if char != "\\":
            return self._literal(char)
        meant = self._escape()
        return self._literal(meant) if isinstance(meant, str) else self._test(*meant)

    def _counted(self, tree: Tree) -> Tree:
        count = COUNT.match(self.pattern, self.place)
        if count:
            self.place = count.end()
            if max(map(len, filter(None, count.groups()))) > len(str(MOST_NODES)):
                raise self._wrong(f"counts further than {MOST_NODES:,}")
            fewest = int(count[1] or 0)
            most = int(count[3] or count[1]) if count[3] or not count[2] else None
            if most is not None and most < fewest:
                raise self._wrong(f"counts from {fewest} to {most}")
        elif self.place < len(self.pattern) and self.pattern[self.place] in "*+?":
            fewest, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[self._next()]
        else:
            return tree
        self.lazy |= self._take("?")
        if self.place < len(self.pattern) and (self.pattern[self.place] in "*+?" or COUNT.match(self.pattern, self.place)):
            raise self._wrong("repeats a repetition; put a group around the inner one")
        return ("repeat", tree, fewest, most)

    def _class(self) -> Tree:
        begin, negated, tests, first = self.place, self._take("^"), list[Test](), True
        while first or not self._take("]"):
            first = False
            low = self._member()
            if isinstance(low, str) and re.compile(r"-[^\]]").match(self.pattern, self.place):
                self.place += 1
                high = self._member()
                if not isinstance(high, str) or high < low:
                    raise self._wrong("has a range that runs backwards, or to no character")
                tests.append(lambda char, low=low, high=high: low <= char <= high)  # type: ignore[misc]
            elif isinstance(low, str):
                tests.append(lambda char, low=low: char == low)  # type: ignore[misc]
            else:
                tests.append(low[1])
        return self._test(f"[{self.pattern[begin : self.place]}", lambda char: any(test(char) for test in tests) != negated)

    def _member(self) -> str | tuple[str, Test]:
        if self.place >= len(self.pattern):
            raise self._wrong("lacks a ]")
        char = self._next()
        return self._escape() if char == "\\" else char

    def _escape(self) -> str | tuple[str, Test]:
        """What stands behind a backslash: a character, or the name of a test and the test."""
        char = self._next() if self.place < len(self.pattern) else ""
        if char in ("d", "D", "w", "W", "s", "S"):
            found = re.compile(f"\\{char}")
            return f"\\{char}", lambda char: found.match(char) is not None
        if char in ("p", "P"):
            return self._category(negated=char == "P")
        if char in HEX:
            digits = self.pattern[self.place : self.place + HEX[char]]
            self.place += HEX[char]
            if not re.fullmatch(f"[0-9a-fA-F]{{{HEX[char]}}}", digits) or int(digits, 16) > 0x10FFFF:
                raise self._wrong(f"has \\{char}{digits}, which is no code point")
            return chr(int(digits, 16))
        if char in ESCAPES:
            return ESCAPES[char]
        if not char or char.isalnum():
            raise self._wrong(f"has \\{char}, which is not there" + ("; back-references are not possible" if char.isdigit() else ""))
        return char

    def _category(self, *, negated: bool) -> tuple[str, Test]:
        found = re.compile(r"\{([A-Z])([a-z]?)\}").match(self.pattern, self.place)
        if not found or found[2] not in CATEGORIES.get(found[1], "-"):
            names = " ".join(f"{major} " + " ".join(major + minor for minor in minors) for major, minors in CATEGORIES.items())
            raise self._wrong(f"has a \\p without a category; the categories are {names}, as in \\p{{Lu}}")
        self.place, name = found.end(), found[1] + found[2]
        return f"\\{'P' if negated else 'p'}{{{name}}}", lambda char: unicodedata.category(char).startswith(name) != negated

    def _literal(self, char: str) -> Tree:
        self.literals.append(char)
        return self._test(f"={char}", lambda each: each == char)

    def _test(self, name: str, test: Test) -> Tree:
        self.tests.setdefault(name, test)
        return ("test", list(self.tests).index(name))

    def _next(self) -> str:
        self.place += 1
        return self.pattern[self.place - 1]

    def _take(self, char: str) -> bool:
        there = self.pattern[self.place : self.place + 1] == char
        self.place += there
        return there

    def _wrong(self, what: str) -> ConfigError:
        place = min(self.place, len(self.pattern))
        return ConfigError(f"match: {self.pattern[:200]!r} {what} (character {place}); docs/constraints.md lists what there is")
