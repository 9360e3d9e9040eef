"""Guard: which symbols must not come next, so that no longer stretch is copied than is allowed."""

from collections.abc import Sequence
from typing import NamedTuple

from charrnn.config.arguments import whole_number
from charrnn.originality.suffix_array import Suffixes


class GuardState(NamedTuple):
    """The end of a text, as far as it can be part of a copied stretch. Immutable, so that several
    texts can continue from it.

    Args:
        end: the last symbols as bytes of the corpus, at most ``longest`` of them.
        most_copied: how many symbols at the end may occur in the corpus, at most.
        forbidden: ids that would make a copied stretch too long.
    """

    end: bytes = b""
    most_copied: int = 0
    forbidden: tuple[int, ...] = ()


class Guard:
    """Forbids each symbol that would complete a stretch of ``longest + 1`` symbols of the corpus.

    A text in which no forbidden symbol was chosen has no copied stretch of more than ``longest``
    symbols.

    Args:
        suffixes: of the corpus.
        codes: the bytes of each id in ``suffixes``; none for a symbol that the corpus lacks and for
            the end of a record, so that no stretch extends over these.
        longest: symbols that may be copied, at least 1.

    Raises:
        ConfigError: ``longest`` is not such a number.
    """

    start = GuardState()  # of an empty text; the guard does not see a prompt

    def __init__(
        self,
        suffixes: Suffixes,
        codes: Sequence[bytes],
        longest: int,
    ) -> None:
        self.longest = whole_number("longest", longest, 1)
        self._suffixes = suffixes
        self._codes = codes
        self._ids: dict[int, int] = {}  # by the number of the symbol in the corpus
        for idx, code in enumerate(codes):
            if code:
                self._ids[int.from_bytes(code, "big")] = idx

    def after(self, state: GuardState, idx: int) -> GuardState:
        """The state after one more symbol.

        The corpus is searched only if the end can have become long enough. An end that does not
        occur there need not be searched again before the part of it that does has grown.
        """
        code = self._codes[idx]
        if not code:
            return self.start
        end = (state.end + code)[-self.longest * len(code) :]
        if state.most_copied + 1 < self.longest:
            return GuardState(end, state.most_copied + 1)
        if not self._suffixes.occurs(end):
            return GuardState(end, self._suffixes.longest_end(end))
        ids = self._ids
        continuations = self._suffixes.continuations(end)
        forbidden = [ids[symbol] for symbol in continuations if symbol in ids]
        return GuardState(end, self.longest, tuple(forbidden))

    def forbidden(self, state: GuardState) -> list[int]:
        """The ids that must not come next."""
        return list(state.forbidden)

    def copied(self, ids: Sequence[int]) -> bool:
        """Whether one of these ids is forbidden after those before it."""
        state = self.start
        for idx in ids:
            if idx in state.forbidden:
                return True
            state = self.after(state, idx)
        return False
