"""PatternReader: a place in a regular expression that is read from left to right."""

from charrnn.errors import ConfigError

MAX_SHOWN = 200  # characters of a pattern shown in an error


class PatternReader:
    """Reads a pattern character by character.

    Attributes:
        pattern: the whole regular expression.
        place: index of the next character.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.place = 0

    @property
    def at_end(self) -> bool:
        """Whether no character is left."""
        return self.place >= len(self.pattern)

    def peek(self) -> str:
        """The next character without reading it; empty at the end."""
        return self.pattern[self.place : self.place + 1]

    def next(self) -> str:
        """Read a character; there must be one."""
        self.place += 1
        return self.pattern[self.place - 1]

    def take(self, char: str) -> bool:
        """Read the next character if it is ``char``; return whether it was."""
        if self.peek() != char:
            return False
        self.place += 1
        return True

    def wrong(self, what: str) -> ConfigError:
        """An error that names the pattern and the place.

        Args:
            what: a predicate, such as "is missing a )".
        """
        place = min(self.place, len(self.pattern))
        return ConfigError(
            f"`match` {self.pattern[:MAX_SHOWN]!r} {what} (at character {place}); "
            "see docs/constraints.md for the supported syntax"
        )
