"""The only decoding loop: ids in, ids out; and from there to pieces of text, and stop strings. Knows nothing of files.

Three layers, each on the one before: ``decode`` gives ids, ``pieces`` gives text that is whole, ``until_stop`` cuts it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from charrnn.generation.network import Network, State
from charrnn.generation.sampling import Sampler, log_probabilities
from charrnn.vocab import Ids, Vocabulary


class Symbol(NamedTuple):
    """One drawn symbol: its id, and its log-probability in nats under the model itself, whatever the sampler does."""

    idx: int
    log_probability: float


def read(network: Network, ids: Iterable[int]) -> tuple[Any, State]:
    """The logits (V,) and the state after reading some ids, at least one."""
    state, logits = network.zero_state(), None
    for idx in ids:
        logits, state = network.step(int(idx), state)
    return logits, state


def decode(
    network: Network, prompt: Ids | Sequence[int], sampler: Sampler, rng: np.random.Generator, *, scored: bool = False
) -> Iterator[Symbol]:
    """Draw symbols without end.

    Args:
        network: what predicts.
        prompt: ids that are read first, at least one.
        sampler: how a symbol is drawn.
        rng: used once for each symbol.
        scored: whether log-probabilities are wanted; without, they are 0.
    """
    logits, state = read(network, prompt)
    while True:
        idx = int(sampler(logits, rng))
        yield Symbol(idx, float(log_probabilities(logits.astype(np.float64))[idx]) if scored else 0.0)
        logits, state = network.step(idx, state)


class Piece(NamedTuple):
    """Some text, and the log-probability of the symbols that it took; empty only where a stop string took them all."""

    text: str
    log_probability: float


def pieces(vocabulary: Vocabulary, symbols: Iterator[Symbol], length: int) -> Iterator[Piece]:
    """The text of the symbols, ``length`` characters in all; a character of several bytes comes when it is whole."""
    decode, waiting = vocabulary.decoder().decode, 0.0
    while length > 0:
        symbol = next(symbols)
        text, waiting = decode((symbol.idx,))[:length], waiting + symbol.log_probability
        if text:
            yield Piece(text, waiting)
            length, waiting = length - len(text), 0.0


def until_stop(stream: Iterable[Piece], stops: Sequence[str]) -> Iterator[Piece]:
    """The stream up to the first stop string, which is left out; what may be the beginning of one is held back."""
    held, waiting = "", 0.0
    for piece in stream:
        held, waiting = held + piece.text, waiting + piece.log_probability
        ends = [(held.index(stop) + len(stop), held.index(stop)) for stop in stops if stop in held]
        if ends:
            yield Piece(held[: min(ends)[1]], waiting)
            return
        keep = max((size for stop in stops for size in range(min(len(stop), len(held) + 1)) if held.endswith(stop[:size])), default=0)
        if len(held) > keep:
            yield Piece(held[: len(held) - keep], waiting)
            held, waiting = held[len(held) - keep :], 0.0
    if held:
        yield Piece(held, waiting)
