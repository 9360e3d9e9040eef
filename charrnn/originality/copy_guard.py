"""Guard: which symbols must not come next, so that no passage longer than allowed is copied."""

from collections.abc import Sequence
from typing import NamedTuple

from charrnn.config.arguments import whole_number
from charrnn.originality.suffix_array import Suffixes


class GuardState(NamedTuple):
    """The end of a text that may be part of a copied passage.

    Immutable, so that several texts can continue from it.

    Args:
        end: the last symbols as bytes of the corpus, at most ``longest`` of them.
        most_copied: an upper bound on the number of symbols at the end that occur in the corpus.
        forbidden: ids that would make a copied passage too long.
    """

    end: bytes = b""
    most_copied: int = 0
    forbidden: tuple[int, ...] = ()


class Guard:
    """Forbids each symbol that would complete a passage of ``longest + 1`` symbols of the corpus.

    A text in which no forbidden symbol was chosen has no copied passage of more than ``longest``
    symbols.

    Args:
        suffixes: of the corpus.
        codes: the bytes of each id in ``suffixes``; empty for a symbol that is not in the corpus
            and for the end of a record, so that no passage extends over these.
        longest: the maximum number of symbols that may be copied, at least 1.

    Raises:
        ConfigError: ``longest`` is not a whole number of at least 1.
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

        The corpus is searched only if the end may be long enough. If it does not occur there, it
        is not searched again until the part that does occur may have grown to ``longest``.
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
