"""PrefixCache: the states of a network after the beginnings of texts that it has read."""

from collections import OrderedDict
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from charrnn.copy_window import Trail
from charrnn.generation.network import AfterPrompt, Network, State, forked

MOST_KEPT = 64  # states
# Symbols in the copy windows of all of them, each of which takes about 600 bytes.
MOST_REMEMBERED = 200_000
BURST = 16  # symbols that are read before others may have a turn
MILESTONE = 8192  # symbols, after which a state is kept for a text that will differ later on


class _Kept(NamedTuple):
    """What was kept of a text: the number of its ids, the logits (V,) after it, and the state."""

    length: int
    logits: Any
    state: State


class PrefixCache:
    """Reads texts; one that begins as an earlier one costs only the rest of its symbols.

    Args:
        size: the most states to keep; those that were not used for longest are dropped.
    """

    def __init__(self, size: int = MOST_KEPT) -> None:
        self.size = size
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()

    def read(
        self,
        network: Network,
        ids: Sequence[int],
    ) -> Generator[None, None, AfterPrompt]:
        """Where the network is after at least one id; yields between bursts."""
        array = np.array(ids, np.int32)
        length = 0
        logits = None
        state = network.zero_state()
        kept = self._longest(array)
        if kept is not None:
            length = kept.length
            logits = kept.logits
            state = forked(kept.state)
        for place, idx in enumerate(array[length:].tolist(), length + 1):
            logits, state = network.step(idx, state)
            if place % BURST == 0:
                try:
                    yield None
                except GeneratorExit:  # whoever asked has gone; the next one may ask for more
                    self._keep(array[:place], logits, state)
                    raise
            if place % MILESTONE == 0:
                self._keep(array[:place], logits, state)
                state = forked(state)
        assert logits is not None
        self._keep(array, logits, state)
        return AfterPrompt(logits.copy(), forked(state))

    def _longest(self, ids: Any) -> _Kept | None:
        """What was kept of the longest beginning of a text."""
        lengths = {kept.length for kept in self._kept.values()}
        for length in sorted(lengths, reverse=True):
            if length > len(ids):
                continue
            key = ids[:length].tobytes()
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        return None

    def _keep(self, ids: Any, logits: Any, state: State) -> None:
        key = ids.tobytes()
        if key not in self._kept:
            self._kept[key] = _Kept(len(ids), logits, state)
        while len(self._kept) > self.size or (
            len(self._kept) > 1 and self._remembered() > MOST_REMEMBERED
        ):
            self._kept.popitem(last=False)

    def _remembered(self) -> int:
        """The symbols in all copy windows."""
        sizes: dict[int, int] = {}
        for kept in self._kept.values():
            for memory in kept.state.memories:
                trail: Trail | None = memory.trail
                while trail is not None:  # a base is shared by its branches
                    sizes[id(trail)] = len(trail.ids)
                    trail = trail.base
        return sum(sizes.values())
