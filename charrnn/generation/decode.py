"""Decode one stream: ids in, ids out.

The first of three layers of generation, each of which adds one thing: ``decode`` draws ids;
``pieces`` (pieces.py) turns them into whole characters and ends the text; ``TextGenerator``
(generator.py) joins the pieces into a text.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charrnn.generation.network import AfterPrompt, Network
from charrnn.generation.sampling import Sampler, log_probabilities
from charrnn.vocab import Ids

REACH = 8192  # the most symbols that a sampler sees of what was read


class Symbol(NamedTuple):
    """A symbol that was drawn.

    Args:
        idx: its id.
        log_probability: in nats, under the model itself, before any filter of the sampler.
    """

    idx: int
    log_probability: float


class History:
    """The ids that were read, in order; a sampler looks at the last REACH of them.

    Args:
        ids: those read so far.
        forgets: whether older ids are dropped, so that memory does not grow.
    """

    def __init__(self, ids: Sequence[int] = (), *, forgets: bool = False) -> None:
        room = max(64, 2 * len(ids))
        self._ids = np.empty(room, np.int32)
        self._ids[: len(ids)] = ids
        self.length = len(ids)
        self.forgets = forgets

    def append(self, idx: int) -> None:
        """Add one id."""
        if self.forgets and self.length == 2 * REACH:
            self._ids[:REACH] = self.last.copy()
            self.length = REACH
        elif self.length == len(self._ids):
            more = np.empty_like(self._ids)
            self._ids = np.concatenate([self._ids, more])
        self._ids[self.length] = idx
        self.length += 1

    def back_to(self, length: int, last: Sequence[int] = ()) -> None:
        """Return to an earlier length, at which ``last`` were the last ids."""
        self.length = length
        self._ids[length - len(last) : length] = last

    def since(self, length: int) -> tuple[int, ...]:
        """The ids after the first ``length``."""
        ids = self._ids[length : self.length]
        return tuple(ids.tolist())

    @property
    def ids(self) -> list[int]:
        """All ids that have not been dropped."""
        ids: list[int] = self._ids[: self.length].tolist()
        return ids

    @property
    def last(self) -> Ids:
        """The last ids: (n,), n at most REACH."""
        start = max(0, self.length - REACH)
        return self._ids[start : self.length]


def decode(
    network: Network,
    prompt: Ids | Sequence[int],
    sampler: Sampler,
    rng: np.random.Generator,
    *,
    scored: bool = False,
    after: AfterPrompt | None = None,
) -> Iterator[Symbol]:
    """Draw symbols without end.

    Args:
        network: predicts them.
        prompt: ids that are read first, at least one.
        sampler: how a symbol is drawn.
        rng: used once per symbol.
        scored: whether to compute log-probabilities; without it they are 0.
        after: where the network is after the prompt, if it was read already.
    """
    ids = [int(idx) for idx in prompt]
    history = History(ids[-REACH:], forgets=True)
    logits, state = after or network.read(ids)  # (V,)
    while True:
        idx = int(sampler(logits, rng, history.last))
        log_probability = 0.0
        if scored:
            of_all = log_probabilities(logits.astype(np.float64))  # (V,)
            log_probability = float(of_all[idx])
        yield Symbol(idx, log_probability)
        logits, state = network.step(idx, state)
        history.append(idx)


def score(network: Network, ids: Sequence[int]) -> list[float]:
    """The log-probability of each id but the first, given all ids before it."""
    state = network.zero_state()
    scores = []
    for idx, following in itertools.pairwise(ids):
        logits, state = network.step(idx, state)
        of_all = log_probabilities(logits.astype(np.float64))  # (V,)
        scores.append(float(of_all[following]))
    return scores
