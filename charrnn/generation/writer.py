"""Writer: a network that reads and writes symbols, and can be rewound to an earlier state."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from charrnn.copy_window import Memory
from charrnn.generation.decode import REACH, History
from charrnn.generation.network import Network, State
from charrnn.generation.sampling import Sampler


class Writer:
    """A network with its state and the ids that it has read.

    Args:
        network: predicts.
        sampler: how a symbol is drawn.
        rng: used once per symbol.
    """

    def __init__(self, network: Network, sampler: Sampler, rng: np.random.Generator) -> None:
        self.network = network
        self.sampler = sampler
        self.rng = rng
        self.state = network.zero_state()
        self.history = History()
        self.logits: Any = None  # (V,), once something was read
        self._rewound: State | None = None  # the bare state that it was rewound to

    def read(self, ids: Iterable[int]) -> None:
        """Read ids; after ``rewind``, call ``restore_memory`` first."""
        for idx in ids:
            self.logits, self.state = self.network.step(int(idx), self.state)
            self.history.append(int(idx))

    def write(self) -> int:
        """Draw the next symbol and read it."""
        last = self.history.last  # (n,)
        idx = int(self.sampler(self.logits, self.rng, last))
        self.logits, self.state = self.network.step(idx, self.state)
        self.history.append(idx)
        return idx

    @property
    def bare_state(self) -> State:
        """The network's state without its memories, which grow with all that was read."""
        if self._rewound is not None:
            return self._rewound
        return self.state._replace(memories=())

    def rewind(self, state: State, read: int, last: Sequence[int] = ()) -> None:
        """Return to a bare state after ``read`` ids, of which ``last`` were the last."""
        self.history.back_to(read, last)
        self._rewound = state

    def restore_memory(self) -> None:
        """Rebuild the network's memory after ``rewind``.

        It takes about 20 ms with the usual copy window, so it is delayed until something is read.
        """
        if self._rewound is None:
            return
        read = self.history.length
        recent = self.history.since(max(0, read - reach(self.network)))
        self.state = with_memory(self._rewound, recent, self.network)
        self.logits = None
        if read:
            self.logits = self.network.logits(self.state)
        self._rewound = None


def with_memory(state: State, ids: Sequence[int], network: Network) -> State:
    """A bare state with the memory of the ids that were read."""
    if not network.copy_window:
        return state
    return state._replace(memories=(Memory.of(network.copy_window, ids),))


def reach(network: Network) -> int:
    """The number of most recent ids that affect what follows."""
    return max(REACH, network.copy_window + 16)
