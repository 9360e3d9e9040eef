"""Guard: what must not be written next, so that no longer stretch is copied than may be. Knows
nothing of files, runs and networks."""

from collections.abc import Sequence
from typing import NamedTuple

from charrnn.config.arguments import whole_number
from charrnn.originality.suffix_array import Suffixes


class Copied(NamedTuple):
    """What of a text was written last, as far as it can belong to a copied stretch. Never changed;
    goes on in several ways.

    Args:
        end: the last symbols, as bytes of the corpus, ``longest`` at most.
        most: symbols at its end that can stand in the corpus, at most.
        forbidden: ids that would make a stretch that is too long.
    """

    end: bytes = b""
    most: int = 0
    forbidden: tuple[int, ...] = ()


class Guard:
    """Forbids each symbol that would be the last of ``longest + 1`` that stand in the corpus one
    behind another.

    If none that is forbidden is taken, nothing of what is written is a copy of more than
    ``longest`` symbols.

    Args:
        suffixes: of the corpus.
        codes: of each id its bytes there; none for what the corpus lacks and for the end of a
            record, which no stretch goes over.
        longest: symbols that may be copied, from 1.

    Raises:
        ConfigError: ``longest`` is no such number.
    """

    start = Copied()  # nothing is written yet; a prompt is not shown

    def __init__(self, suffixes: Suffixes, codes: Sequence[bytes], longest: int) -> None:
        self.longest = whole_number("longest", longest, 1)
        self._suffixes, self._codes = suffixes, codes
        self._ids = {int.from_bytes(code, "big"): idx for idx, code in enumerate(codes) if code}

    def after(self, state: Copied, idx: int) -> Copied:
        """What was written, with one symbol more.

        The corpus is looked up only where a stretch can have become long enough: if what was
        written last does not stand there, it cannot before the part of it that does has grown.
        """
        code = self._codes[idx]
        if not code:
            return self.start
        end = (state.end + code)[-self.longest * len(code) :]
        if state.most + 1 < self.longest:
            return Copied(end, state.most + 1)
        if self._suffixes.stands(end):
            ids = self._ids
            return Copied(
                end,
                self.longest,
                tuple(ids[symbol] for symbol in self._suffixes.continuations(end) if symbol in ids),
            )
        return Copied(end, self._suffixes.longest_end(end))

    def forbidden(self, state: Copied) -> list[int]:
        """The ids that must not come next."""
        return list(state.forbidden)

    def copied(self, ids: Sequence[int]) -> bool:
        """Whether one of these is forbidden behind those before it."""
        state = self.start
        for idx in ids:
            if idx in state.forbidden:
                return True
            state = self.after(state, idx)
        return False
