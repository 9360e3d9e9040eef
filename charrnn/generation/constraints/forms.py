"""Constraints on a text: small automata that read characters, combined with ``&``.

    Match(r"[A-Z]\\w+") & Without("q") & Length(5, 12)

To write your own constraint, derive a class with ``start``, ``step`` and ``accepts``.
"""

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any

from charrnn.config.arguments import whole_number
from charrnn.errors import ConfigError
from charrnn.generation.constraints.regex import Regex
from charrnn.generation.constraints.regex_reader import MAX_SHOWN

__all__ = [
    "Acrostic",
    "All",
    "Constraint",
    "Contains",
    "Length",
    "Lines",
    "Match",
    "Without",
]

TYPICAL_LINE = 80  # characters assumed for a line of any length


class Constraint:
    """A finite automaton over characters.

    States must be hashable, and only finitely many may be reachable.

    Attributes:
        start: the state before the first character.
        ends: whether a text may end wherever this accepts, so that the requested length is only an
            upper bound. The text ends where the model would write a character that this does not
            allow. Otherwise the text has exactly the requested length.
        followed: whether the lookahead assumes that the model follows this constraint, so that
            forced characters cost nothing and only dead ends do. True for an expression, which the
            text follows from its first character; for a string that may occur anywhere it would be
            wrong, since the string would be postponed to the end.
        room: characters to allow for if no length is given.
        needs: the characters that it requires; the model must know them.
        work: the cost of the steps so far, in units of about 0.2 µs, if steps can be slow.
            Compilation stops with an error beyond a limit.
    """

    start: Any = ()
    ends = False
    followed = False
    room = 0
    needs = ""
    work = 0

    def step(self, state: Any, char: str) -> Hashable | None:
        """The state after one more character; None if no allowed text begins like this."""
        raise NotImplementedError

    def accepts(self, state: Any) -> bool:
        """Whether the text may end in this state."""
        raise NotImplementedError

    def alike(self, char: str) -> Hashable:
        """A key such that ``step`` treats characters with equal keys alike.

        The fewer distinct keys, the faster the constraint compiles.
        """
        return char

    def parts(self) -> tuple["Constraint", ...]:
        """The constraints that this one combines."""
        return (self,)

    def __and__(self, other: "Constraint") -> "All":
        """Both constraints at once."""
        return All(self, other)

    def __str__(self) -> str:
        return type(self).__name__


class All(Constraint):
    """Several constraints at once."""

    def __init__(self, *constraints: Constraint) -> None:
        parts = list[Constraint]()
        for constraint in constraints:
            if not isinstance(constraint, Constraint):
                raise ConfigError(
                    "`constraint` must be a Constraint, such as Contains('moon'), "
                    f"got {constraint!r}"
                )
            parts += constraint.parts()
        self._parts = tuple(parts)
        self.start = tuple(part.start for part in parts)
        self.ends = any(part.ends for part in parts)
        self.room = max((part.room for part in parts), default=0)
        self.needs = "".join(part.needs for part in parts)

    def step(self, state: Any, char: str) -> Hashable | None:
        following = list[Hashable]()
        for part, part_state in zip(self._parts, state, strict=True):
            part_following = part.step(part_state, char)
            if part_following is None:
                return None
            following.append(part_following)
        return tuple(following)

    def accepts(self, state: Any) -> bool:
        for part, part_state in zip(self._parts, state, strict=True):
            if not part.accepts(part_state):
                return False
        return True

    def alike(self, char: str) -> Hashable:
        return tuple(part.alike(char) for part in self._parts)

    def parts(self) -> tuple[Constraint, ...]:
        return self._parts

    def __str__(self) -> str:
        return " and ".join(map(str, self._parts))


class Match(Constraint):
    """The whole text matches a regular expression; ``regex.py`` lists what is supported.

    The text ends where it matches and the model would continue with a character that cannot follow;
    with a lazy repetition (``.*?``) it ends as soon as it matches.
    """

    ends = True
    followed = True

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._regex = Regex(pattern)
        self.start = self._regex.start
        self.needs = self._regex.literals
        self._passed = lru_cache(maxsize=None)(self._regex.passed)

    def __reduce__(self) -> tuple[type["Match"], tuple[str]]:
        # The functions that test characters cannot be pickled.
        arguments = (self.pattern,)
        return type(self), arguments

    @property
    def work(self) -> int:  # type: ignore[override]
        """The cost of the steps so far."""
        return self._regex.work

    def step(self, state: Any, char: str) -> Hashable | None:
        if self._regex.shortest and self.accepts(state):
            return None
        return self._regex.step(state, self._passed(char)) or None

    def accepts(self, state: Any) -> bool:
        return self._regex.accepts(state)

    def alike(self, char: str) -> Hashable:
        return self._passed(char)

    def __str__(self) -> str:
        return f"`match` {self.pattern[:MAX_SHOWN]!r}"


class _OfString(Constraint):
    """Searches a text for a string (Knuth, Morris and Pratt 1977).

    A state is the length of the longest prefix of the string that the text ends with.
    """

    start = 0

    def __init__(self, text: str) -> None:
        if not isinstance(text, str) or not text:
            raise ConfigError(
                f"`{self._name}` must be a string of at least one character, got {text!r}"
            )
        self.text = text
        self._chars = frozenset(text)
        # by state: the state to fall back to if the next character does not extend the prefix
        self._fallbacks = [0]
        self._fill_fallbacks()

    @property
    def _name(self) -> str:
        class_name = type(self).__name__
        return class_name.lower()

    def _fill_fallbacks(self) -> None:
        text = self.text
        border = 0  # length of the longest proper prefix of text[:end] that is also its suffix
        for end in range(1, len(text)):
            if text[border] == text[end]:
                # A character that fails after ``end`` characters would fail at the border too.
                self._fallbacks.append(self._fallbacks[border])
            else:
                self._fallbacks.append(border)
            border = self._after(border, text[end])
        self._fallbacks.append(border)

    def _after(self, state: int, char: str) -> int:
        text = self.text
        while state == len(text) or text[state] != char:
            if state == 0:
                return 0
            state = self._fallbacks[state]
        return state + 1

    def alike(self, char: str) -> Hashable:
        if char in self._chars:
            return char
        return ""

    def __str__(self) -> str:
        return f"`{self._name}` {self.text!r}"


class Contains(_OfString):
    """A string occurs somewhere in the text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.needs = text

    def step(self, state: Any, char: str) -> Hashable | None:
        if state == len(self.text):
            return len(self.text)
        return self._after(state, char)

    def accepts(self, state: Any) -> bool:
        return bool(state == len(self.text))


class Without(_OfString):
    """A character or a string does not occur in the text."""

    def step(self, state: Any, char: str) -> Hashable | None:
        following = self._after(state, char)
        if following == len(self.text):
            return None
        return following

    def accepts(self, state: Any) -> bool:
        return True


class Lines(Constraint):
    """The number of lines and their length; there is no newline after the last one.

    Args:
        count: number of lines, at least 1; None for any number.
        shortest: the fewest characters of a line; 1 or more forbids empty lines.
        longest: the most characters of a line; None for any number.
    """

    # finished lines, if they are counted; characters of this line, counted as far as they matter
    start = (0, 0)

    def __init__(
        self,
        count: int | None = None,
        shortest: int = 1,
        longest: int | None = None,
    ) -> None:
        self.count = None
        if count is not None:
            self.count = whole_number("lines", count, 1)
        self.shortest = whole_number("line_length", shortest)
        self.longest = None
        self._max_column = self.shortest
        if longest is not None:
            self.longest = whole_number("line_length", longest)
            self._max_column = self.longest
            if self.longest < self.shortest:
                raise ConfigError(
                    "`line_length` must give the smaller number first, "
                    f"got {shortest} and {longest}"
                )
        if self.count is not None:
            self.ends = True
            self.room = self.count * (self._usual_line() + 1)
            if self.count > 1:
                self.needs = "\n"

    def _usual_line(self) -> int:
        if self.longest is None:
            return TYPICAL_LINE
        return self.longest

    def step(self, state: Any, char: str) -> Hashable | None:
        line, column = state
        if char == "\n":
            return self._next_line(line, column)
        if column == self.longest:
            return None
        return line, min(column + 1, self._max_column)

    def _next_line(self, line: int, column: int) -> tuple[int, int] | None:
        if column < self.shortest:
            return None
        if self.count is None:
            return 0, 0
        if line + 1 == self.count:
            return None
        return line + 1, 0

    def accepts(self, state: Any) -> bool:
        line, column = state
        if column < self.shortest:
            return False
        return self.count is None or line + 1 == self.count

    def alike(self, char: str) -> Hashable:
        return char == "\n"

    def __str__(self) -> str:
        line_length = f"`line_length` {self.shortest}"
        if self.longest is not None:
            line_length += f" {self.longest}"
        if self.count is None:
            return line_length
        lines = f"`lines` {self.count}"
        if self.shortest == 1 and self.longest is None:
            return lines
        return f"{lines} and {line_length}"


class Acrostic(Constraint):
    """The first characters of the lines spell a word; more lines may follow."""

    start = (0, True)  # letters of the word so far; whether a line begins here

    def __init__(self, word: str) -> None:
        if not isinstance(word, str) or not word or "\n" in word:
            raise ConfigError(
                f"`acrostic` must be a word, one character for each line, got {word!r}"
            )
        self.word = word
        self._chars = frozenset(word)
        self.needs = word
        if len(word) > 1:
            self.needs += "\n"

    def step(self, state: Any, char: str) -> Hashable | None:
        num_letters, begins_line = state
        if num_letters == len(self.word):
            return num_letters, False
        if not begins_line:
            return num_letters, char == "\n"
        if char == self.word[num_letters]:
            return num_letters + 1, False
        return None

    def accepts(self, state: Any) -> bool:
        return bool(state[0] == len(self.word))

    def alike(self, char: str) -> Hashable:
        if char in self._chars or char == "\n":
            return char
        return ""

    def __str__(self) -> str:
        return f"`acrostic` {self.word!r}"


class Length(Constraint):
    """The text has from ``fewest`` to ``most`` characters.

    Its automaton accepts everything: ``Form`` counts the characters of a text anyway.

    Args:
        fewest: characters.
        most: characters; None for exactly ``fewest``.
    """

    def __init__(self, fewest: int, most: int | None = None) -> None:
        self.fewest = whole_number("length", fewest)
        self.most = self.fewest
        if most is not None:
            self.most = whole_number("length", most)
        if self.most < self.fewest:
            raise ConfigError(
                f"`length_between` must give the smaller number first, got {fewest} and {most}"
            )

    def step(self, state: Any, char: str) -> Hashable | None:
        return ()

    def accepts(self, state: Any) -> bool:
        return True

    def alike(self, char: str) -> Hashable:
        return ""

    def __str__(self) -> str:
        if self.fewest == self.most:
            return f"`exact_length` {self.fewest}"
        return f"`length_between` {self.fewest} {self.most}"


def joined(constraints: Sequence[Constraint]) -> All:
    """All constraints, those on lines merged into a single one at the end.

    Lines may be as short as the limits on their length allow. An acrostic has as many lines as
    letters, unless another constraint sets their number.
    """
    count: int | None = None
    letters: int | None = None
    limits: Lines | None = None
    others = list[Constraint]()
    for constraint in constraints:
        if isinstance(constraint, Lines):
            if constraint.count is None:
                limits = constraint
            else:
                count = constraint.count
            continue
        if isinstance(constraint, Acrostic):
            letters = len(constraint.word)
        others.append(constraint)
    if count is None:
        count = letters
    if limits is not None:
        others.append(Lines(count, limits.shortest, limits.longest))
    elif count is not None:
        others.append(Lines(count))
    return All(*others)


def bounds(constraint: Constraint, length: int, *, ends: bool) -> tuple[int, int]:
    """The fewest and the most characters that a text may have.

    Args:
        constraint: what the text must satisfy.
        length: the requested length.
        ends: whether the text can end by itself, as a record does; otherwise only a constraint
            with ``ends`` can make it shorter.

    Raises:
        ConfigError: no length satisfies all constraints.
    """
    fewest = length
    if ends or constraint.ends:
        fewest = 0
    most = length
    lengths = [part for part in constraint.parts() if isinstance(part, Length)]
    if lengths:
        fewest = max(part.fewest for part in lengths)
        most = min(part.most for part in lengths)
    if fewest > most:
        raise ConfigError(
            f"no length satisfies {' and '.join(map(str, lengths))}; leave one of them out"
        )
    return fewest, most
