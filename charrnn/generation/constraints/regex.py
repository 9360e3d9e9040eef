r"""Regular expressions as automata: a subset of Python's, matched on the whole text.

Supported are characters and their escapes, ``.``, classes such as ``[a-z]`` and ``[^...]``,
``\d \w \s`` and their opposites, groups, ``|``, and the counts ``* + ? {n} {n,} {n,m}``. They
mean what they mean in Python's ``re``, except that a ``?`` after a count makes the whole text as
short as possible. Unicode's general categories (``\p{Lu}``) are added. Back-references,
look-around, anchors and flags are not supported.

The automaton is Thompson's (1968): a node tests one character or is a fork, and a state is the set
of the nodes that can come next.
"""

from typing import NamedTuple

from charrnn.errors import ConfigError
from charrnn.generation.constraints.character_class import membership_test
from charrnn.generation.constraints.regex_parser import (
    FORK,
    MAX_COUNT,
    CharTest,
    Concatenation,
    Parser,
    Repeat,
    Tree,
)

MAX_CHARACTERS = 100_000  # of a pattern
MAX_NODES = MAX_COUNT  # of an automaton, in which repetitions with a count are expanded
MAX_PARTS = 200_000  # of the expanded pattern, including empty parts, which have no nodes
TOO_LARGE_SHOWN = 60  # characters of a pattern shown in the error that it is too large

END = 0  # the number of the last node

# work, in units of visiting one node, which takes about 0.2 µs
COST_OF_SET = 4  # to create a set, apart from its nodes
COST_OF_TEST = 2  # to test whether a character is in a class

# for a character: its number, if the pattern names it, and for each class whether it is a member
Passed = tuple[int | None, bytes]


class Node(NamedTuple):
    """A place in a pattern: it tests a character, is a fork, or is the end.

    Attributes:
        test: the number of a class, from 0; FORK; or the number of a single character, below FORK.
        next: the nodes that follow; exactly one, unless this is a fork.
    """

    test: int
    next: tuple[int, ...]


class Regex:
    """A pattern as an automaton.

    Attributes:
        start: the state before the first character.
        literals: the characters that the pattern names outside of classes, each once.
        shortest: whether a repetition is lazy, so that a text ends as soon as it matches.
        work: the cost of the calls so far, in units of visiting one node.

    Args:
        pattern: the regular expression.

    Raises:
        ConfigError: it is malformed or too large, or uses an unsupported construct.
    """

    def __init__(self, pattern: str) -> None:
        if not isinstance(pattern, str):
            raise ConfigError(f"`match` must be a regular expression as a string, got {pattern!r}")
        self._pattern = pattern
        if len(pattern) > MAX_CHARACTERS:
            raise self._too_large(f"{MAX_CHARACTERS:,} characters; give a shorter one")
        self._nodes = [Node(FORK, ())]  # the end
        self._num_parts = 0
        parser = Parser(pattern)
        try:
            first = self._build(parser.parse(), END)
        except RecursionError:
            raise parser.reader.wrong("nests too deeply") from None
        self._literals = parser.literals
        self.literals = "".join(parser.literals)
        self.shortest = parser.lazy
        self._class_tests = [membership_test(chars) for chars in parser.classes]
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
        self.work += COST_OF_SET
        self.work += COST_OF_TEST * len(self._class_tests)
        results = [test(char) for test in self._class_tests]
        literal = self._literals.get(char)
        return literal, bytes(results)

    def accepts(self, state: frozenset[int]) -> bool:
        """Whether the pattern matches the text so far."""
        return END in state

    def _reached(self, waiting: list[int]) -> frozenset[int]:
        """The nodes that can be reached through forks alone, other than forks."""
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
        """Add the nodes of a part, which lead to the node ``then``; return its first node."""
        self._num_parts += 1
        if self._num_parts > MAX_PARTS:
            raise self._too_large(f"{MAX_PARTS:,} parts; give smaller counts")
        if isinstance(tree, CharTest):
            return self._add_node(tree.number, (then,))
        if isinstance(tree, Repeat):
            return self._build_repeat(tree, then)
        if isinstance(tree, Concatenation):
            for part in reversed(tree.parts):
                then = self._build(part, then)
            return then
        following = dict[int, None]()  # each once: there may be many empty alternatives
        for part in tree.parts:
            first = self._build(part, then)
            following[first] = None
        return self._add_node(FORK, tuple(following))

    def _build_repeat(self, tree: Repeat, then: int) -> int:
        """Add the nodes of a repeated part, as ``_build`` does."""
        part, fewest, most = tree
        first = then
        if most is None:
            first = self._add_node(FORK, (then,))
            again = self._build(part, first)
            self._nodes[first] = Node(FORK, (again, then))
        else:
            for _ in range(most - fewest):
                again = self._build(part, first)
                first = self._add_node(FORK, (again, then))
        for _ in range(fewest):
            following = first
            first = self._build(part, following)
            if first == following:  # the part is empty, however often it is repeated
                break
        return first

    def _add_node(self, test: int, following: tuple[int, ...]) -> int:
        number = len(self._nodes)
        if number >= MAX_NODES:
            raise self._too_large(f"{MAX_NODES:,} places; give smaller counts")
        node = Node(test, following)
        self._nodes.append(node)
        return number

    def _too_large(self, limit: str) -> ConfigError:
        pattern = self._pattern[:TOO_LARGE_SHOWN]
        return ConfigError(f"`match` {pattern!r} is too large: more than {limit}")
