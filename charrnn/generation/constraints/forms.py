"""What a text must look like: small automata that read characters, put together with ``&``. Knows
nothing of models and sampling.

    Match(r"[A-Z]\\w+") & Without("q") & Length(5, 12)

One of your own is a class with ``start``, ``step`` and ``accepts``.
"""

from collections.abc import Hashable, Iterator
from functools import lru_cache
from typing import Any

from charrnn.config.arguments import whole_number
from charrnn.errors import ConfigError
from charrnn.generation.constraints.regex import SHOWN, Regex

USUAL = 80  # characters of a line


class Constraint:
    """A finite automaton over characters. States are hashable; there must be finitely many that can
    be reached.

    Attributes:
        start: the state before the first character. ends: whether a text may end wherever this
        accepts, its length being an upper bound: it does where the model would go on with a
            character that this does not let follow. Else it is as long as was asked for.
        followed: whether the model is taken to go along with it: what it forces costs no hope, only
        what fails does. So it is with an
            expression, which the text follows from its first character on; a string that stands
            anywhere would be put off to the end.
        room: characters that a text should be given where nobody says how many. needs: characters
        that it names, and the model must know. work: what its steps have cost so far, about 0.2 µs
        each, if a step can be slow; compiling it is given up beyond a limit.
    """

    start: Any = ()
    ends = False
    followed = False
    room = 0
    needs = ""
    work = 0

    def step(self, state: Any, char: str) -> Hashable | None:
        """The state after one more character; None where no text that begins so will do."""
        raise NotImplementedError

    def accepts(self, state: Any) -> bool:
        """Whether the text may end here."""
        raise NotImplementedError

    def alike(self, char: str) -> Hashable:
        """Characters for which this is the same are the same to ``step``; the fewer there are, the
        faster it all is."""
        return char

    def parts(self) -> tuple["Constraint", ...]:
        """What it is put together from."""
        return (self,)

    def __and__(self, other: "Constraint") -> "All":
        """Both at once."""
        return All(self, other)

    def __str__(self) -> str:
        return type(self).__name__


class All(Constraint):
    """Several at once."""

    def __init__(self, *constraints: Constraint) -> None:
        for constraint in constraints:
            if not isinstance(constraint, Constraint):
                raise ConfigError(
                    f"constraint: must be a Constraint, such as Contains('moon'), got {constraint!r}"
                )
        self._parts = tuple(part for constraint in constraints for part in constraint.parts())
        self.start = tuple(part.start for part in self._parts)
        self.ends = any(part.ends for part in self._parts)
        self.room = max((part.room for part in self._parts), default=0)
        self.needs = "".join(part.needs for part in self._parts)

    def step(self, state: Any, char: str) -> Hashable | None:
        after = tuple(part.step(each, char) for part, each in zip(self._parts, state, strict=True))
        return None if None in after else after

    def accepts(self, state: Any) -> bool:
        return all(part.accepts(each) for part, each in zip(self._parts, state, strict=True))

    def alike(self, char: str) -> Hashable:
        return tuple(part.alike(char) for part in self._parts)

    def parts(self) -> tuple[Constraint, ...]:
        return self._parts

    def __str__(self) -> str:
        return " and ".join(map(str, self._parts))


class Match(Constraint):
    """The whole text matches a regular expression; ``regex.py`` says what is supported.

    It ends where it matches and the model would go on with what cannot follow; with a lazy
    repetition (``.*?``), as soon as it matches.
    """

    ends = followed = True

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._regex = Regex(pattern)
        self.start = self._regex.start
        self.needs = self._regex.literals
        self._passed = lru_cache(maxsize=None)(self._regex.passed)

    def __reduce__(self) -> tuple[type["Match"], tuple[str]]:
        return type(self), (self.pattern,)  # functions that test characters cannot be pickled

    @property
    def work(self) -> int:  # type: ignore[override]
        """What the steps so far have cost."""
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
        return f"match {self.pattern[:SHOWN]!r}"


class _OfString(Constraint):
    """Finds a string in a text: the state is how much of it the text ends with (Knuth, Morris and
    Pratt 1977)."""

    start = 0

    def __init__(self, text: str) -> None:
        if not isinstance(text, str) or not text:
            raise ConfigError(
                f"{type(self).__name__.lower()}: {text!r} is not possible; give a string of at least one character"
            )
        self.text = text
        self._chars = frozenset(text)
        self._fallbacks = [
            0
        ]  # by state: where to go on with a character that does not continue the string
        # length of the longest beginning of the string that its first ``end`` characters end with,
        # themselves apart
        border = 0
        for end in range(1, len(text)):
            same = text[border] == text[end]  # what fails there would fail here
            self._fallbacks.append(self._fallbacks[border] if same else border)
            border = self._after(border, text[end])
        self._fallbacks.append(border)

    def _after(self, state: int, char: str) -> int:
        while state and (state == len(self.text) or self.text[state] != char):
            state = self._fallbacks[state]
        return state + (self.text[state] == char)

    def alike(self, char: str) -> Hashable:
        return char if char in self._chars else ""

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()} {self.text!r}"


class Contains(_OfString):
    """A string stands somewhere in the text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.needs = text

    def step(self, state: Any, char: str) -> Hashable | None:
        return state if state == len(self.text) else self._after(state, char)

    def accepts(self, state: Any) -> bool:
        return bool(state == len(self.text))


class Without(_OfString):
    """A character or a string stands nowhere in the text."""

    def step(self, state: Any, char: str) -> Hashable | None:
        after = self._after(state, char)
        return None if after == len(self.text) else after

    def accepts(self, state: Any) -> bool:
        return True


class Lines(Constraint):
    """So many lines, each so long; the last one has no newline behind it.

    Args:
        count: of lines, at least 1; None for any number.
        shortest: characters of a line; from 1 on no line is empty.
        longest: None for any number.
    """

    start = (
        0,
        0,
    )  # lines that are done, where they are counted; characters of this one, as far as they matter

    def __init__(
        self, count: int | None = None, shortest: int = 1, longest: int | None = None
    ) -> None:
        self.count = None if count is None else whole_number("lines", count, 1)
        self.shortest = whole_number("line_length", shortest)
        self.longest = None if longest is None else whole_number("line_length", longest)
        if self.longest is not None and self.longest < self.shortest:
            raise ConfigError(
                f"line_length: from {shortest} to {longest} is not possible; give the smaller number first"
            )
        self.ends = count is not None
        self.room = (count or 0) * ((USUAL if longest is None else longest) + 1)
        self.needs = "\n" if count is not None and count > 1 else ""

    def step(self, state: Any, char: str) -> Hashable | None:
        line, column = state
        if char != "\n":
            if column == self.longest:
                return None
            return line, min(column + 1, self.shortest if self.longest is None else self.longest)
        if column < self.shortest or (self.count is not None and line + 1 == self.count):
            return None
        return (line + 1 if self.count is not None else 0), 0

    def accepts(self, state: Any) -> bool:
        line, column = state
        return column >= self.shortest and (self.count is None or line + 1 == self.count)

    def alike(self, char: str) -> Hashable:
        return char == "\n"

    def __str__(self) -> str:
        long = (
            f"line_length {self.shortest} {'' if self.longest is None else self.longest}".rstrip()
        )
        return (
            long
            if self.count is None
            else f"lines {self.count}"
            + (f" and {long}" if (self.shortest, self.longest) != (1, None) else "")
        )


class Acrostic(Constraint):
    """The first characters of the first lines are those of a word."""

    start = (0, True)  # letters that were written; whether a line begins here

    def __init__(self, word: str) -> None:
        if not isinstance(word, str) or not word or "\n" in word:
            raise ConfigError(
                f"acrostic: {word!r} is not possible; give a word, a character for each line"
            )
        self.word, self._chars = word, frozenset(word)
        self.needs = word + ("\n" if len(word) > 1 else "")

    def step(self, state: Any, char: str) -> Hashable | None:
        written, begins = state
        if written == len(self.word):
            return written, False
        if begins:
            return (written + 1, False) if char == self.word[written] else None
        return written, char == "\n"

    def accepts(self, state: Any) -> bool:
        return bool(state[0] == len(self.word))

    def alike(self, char: str) -> Hashable:
        return char if char in self._chars or char == "\n" else ""

    def __str__(self) -> str:
        return f"acrostic {self.word!r}"


class Length(Constraint):
    """A text has from so many to so many characters; no automaton has to count them.

    Args:
        fewest: characters.
        most: None for as many as ``fewest``.
    """

    def __init__(self, fewest: int, most: int | None = None) -> None:
        self.fewest = whole_number("length", fewest)
        self.most = self.fewest if most is None else whole_number("length", most)
        if self.most < self.fewest:
            raise ConfigError(
                f"length: from {fewest} to {most} is not possible; give the smaller number first"
            )

    def step(self, state: Any, char: str) -> Hashable | None:
        return ()

    def accepts(self, state: Any) -> bool:
        return True

    def alike(self, char: str) -> Hashable:
        return ""

    def __str__(self) -> str:
        return (
            f"exact_length {self.fewest}"
            if self.fewest == self.most
            else f"length_between {self.fewest} {self.most}"
        )


def bounds(constraint: Constraint, length: int, *, ends: bool) -> tuple[int, int]:
    """The fewest and the most characters that a text may have.

    Args:
        constraint: what it must look like.
        length: that was asked for.
        ends: whether the text can end by itself, as a record does; else only a constraint that
            ``ends`` makes it shorter.

    Raises:
        ConfigError: there is no such number.
    """
    given = list(_lengths(constraint))
    fewest = max((each.fewest for each in given), default=0 if ends or constraint.ends else length)
    most = min((each.most for each in given), default=length)
    if fewest > most:
        raise ConfigError(
            f"{' and '.join(map(str, given))}: no text can have both lengths; leave one of them out"
        )
    return fewest, most


def _lengths(constraint: Constraint) -> Iterator[Length]:
    return (part for part in constraint.parts() if isinstance(part, Length))
