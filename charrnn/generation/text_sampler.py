"""Draw continuous texts side by side, each with its own random stream.

As with records (record_sampler.py), texts are always computed in blocks of BLOCK rows, and text i
is always in row i mod BLOCK, so that it is the same whatever their number.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.generation.decode import REACH, History, Symbol
from charrnn.generation.network import Network
from charrnn.generation.record_sampler import BLOCK, Streams, read_in_a_block
from charrnn.generation.sampling import Sampler, log_probabilities

T = TypeVar("T")


class TextBlock:
    """BLOCK texts that are being drawn, one in each row.

    Args:
        network: predicts.
        read: ids that are read before each text, at least one.
        sampler: how a symbol is drawn.
        seeds: of the rows, at most BLOCK; rows without a seed draw texts that nobody reads.
    """

    def __init__(
        self,
        network: Network,
        read: Sequence[int],
        sampler: Sampler,
        seeds: Sequence[Any],
    ) -> None:
        self.network = network
        self.sampler = sampler
        self.streams = Streams()
        for row in range(BLOCK):
            self.streams.begin(row, seeds[row] if row < len(seeds) else 0)
        self.histories: list[History] = []
        if sampler.looks_back:
            last = read[-REACH:]
            self.histories = [History(last, forgets=True) for _ in range(BLOCK)]
        self.rows = np.arange(BLOCK)
        self.logits, self.state = read_in_a_block(network, read)
        self.drawn: list[NDArray[np.int64]] = []  # the ids (BLOCK,) of each step
        self.num_read = 0  # steps of them that the network has read
        self.scores: list[NDArray[np.float64]] = []  # their log-probabilities

    def symbols(self, row: int) -> Iterator[Symbol]:
        """The symbols of a row, without end; all rows advance when one needs another symbol."""
        place = 0
        while True:
            if place == len(self.drawn):
                self._step()
            yield Symbol(int(self.drawn[place][row]), float(self.scores[place][row]))
            place += 1

    def _step(self) -> None:
        """Draw one symbol in each row."""
        if self.num_read < len(self.drawn):
            self.logits, self.state = self.network.step(self.drawn[-1], self.state)
            self.num_read += 1
        read = [history.last for history in self.histories]
        idx = self.sampler(self.logits, self.streams, read)  # (BLOCK,)
        of_all = log_probabilities(self.logits.astype(np.float64))  # (BLOCK, V)
        self.drawn.append(idx)
        self.scores.append(of_all[self.rows, idx])
        for row, history in enumerate(self.histories):
            history.append(int(idx[row]))


def draw_texts(
    network: Network,
    read: Sequence[int],
    sampler: Sampler,
    seeds: Iterator[Any],
    write: Callable[[Iterator[Symbol]], T],
) -> Iterator[T]:
    """Draw a text for each seed, in order.

    Args:
        network, read, sampler: as for ``TextBlock``.
        seeds: of the texts; text i has the random numbers of ``numpy.random.default_rng(seed)``.
        write: turns endless symbols into a text.
    """
    while True:
        round_of_seeds = list(islice(seeds, BLOCK))
        if not round_of_seeds:
            return
        block = TextBlock(network, read, sampler, round_of_seeds)
        for row in range(len(round_of_seeds)):
            yield write(block.symbols(row))
