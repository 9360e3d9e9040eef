"""One step of each cell in NumPy, for weights laid out once. Knows nothing of texts, of sampling
and of PyTorch.

The same sizes as in training/model.py: E embedding_size, H hidden_size, L num_layers, V vocab_size,
P parts of a state, W copy_window, K symbols recalled.

What a layer reads of a symbol does not change, so it is looked up: row v of ``table`` (V, G·H) is
the embedding of symbol v times the layer's input weights, plus both biases. What is left is one
product for all gates of a layer,

    layer 0:    gates = table[idx] + h0 @ recurrent                        recurrent (H, G·H)
    layer l:    gates = table[idx] + [y_{l-1}, h_l] @ recurrent            recurrent (2H, G·H)

and the two factors of a later layer stand side by side in one array of all the h, so nothing is
joined.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.run_config import ModelConfig
from charrnn.copy_window import Memory
from charrnn.storage.weight_shapes import GATES, check_shapes

Array = NDArray[np.float32]
Index = tuple[Any, ...]
HALF = np.float32(0.5)
ONE = np.float32(1)


class State(NamedTuple):
    """What the network remembers: ``h`` (..., L·H), for an LSTM ``c`` of the same shape, and what
    each of its streams has read.

    ``c`` is empty for other cells, and ``memories`` without a copy window.
    """

    h: Array
    c: Array
    memories: tuple[Memory, ...]


def taken(state: State, rows: Sequence[int]) -> State:
    """Some of the B streams of a state, one or the other more than once."""
    seen, memories = set[int](), list[Memory]()
    for row in rows if state.memories else ():
        memories.append(state.memories[row].fork() if row in seen else state.memories[row])
        seen.add(row)
    return State(state.h[list(rows)], state.c[list(rows)], tuple(memories))


@dataclass(frozen=True)
class Layer:
    """One layer's weights, laid out for stepping, and where things stand: made once, since slices
    take time."""

    table: Array  # (V, G·H)
    recurrent: Array  # (H or 2H, G·H)
    bias: Array  # (H,) what a GRU adds inside its reset gate; empty for other cells
    here: Index  # its part of all the h
    below: Index  # and that with the part of the layer below
    blocks: tuple[Index, ...]  # of the gates (..., G·H)
    gated: Index  # all of these but the last


def _sigmoid_by_tanh(blocks: list[Array]) -> list[Array]:
    """sigmoid(x) = (1 + tanh(x / 2)) / 2: with these blocks halved, one tanh serves all gates and
    cannot overflow."""
    return [HALF * block for block in blocks]


def _lstm_blocks(blocks: list[Array]) -> list[Array]:
    i, f, g, o = blocks  # PyTorch's order
    return [*_sigmoid_by_tanh([i, f, o]), g]


def _lstm_step(row: Array, h: Array, c: Array, layer: Layer, below: Array) -> None:
    """Hochreiter and Schmidhuber 1997, with a forget gate; h and c are written in place."""
    gates = np.dot(below, layer.recurrent)  # (..., 4H); less ado than @ for a vector
    gates += row
    np.tanh(gates, gates)
    gated = gates[layer.gated]
    gated *= HALF
    gated += HALF
    i, f, o, g = [gates[block] for block in layer.blocks]
    c *= f
    i *= g
    c += i
    np.tanh(c, h)
    h *= o


def _gru_blocks(blocks: list[Array]) -> list[Array]:
    r, z, n = blocks
    return [*_sigmoid_by_tanh([r, z]), n]


def _gru_step(row: Array, h: Array, c: Array, layer: Layer, below: Array) -> None:
    """Cho et al. 2014, the reset gate after the product: h' = (1 - z) n + z h, n = tanh(x + r (W h
    + b))."""
    H = h.shape[-1]
    inner = layer.recurrent[-H:]  # what multiplies h; rows above it multiply the layer below
    product = np.dot(h, inner)
    if below.shape[-1] > H:
        row = row + np.dot(below[..., :-H], layer.recurrent[:-H])
    gated = product[..., : 2 * H]
    gated += row[..., : 2 * H]
    np.tanh(gated, out=gated)
    gated *= HALF
    gated += HALF
    new = product[..., 2 * H :] + layer.bias
    new *= gated[..., :H]
    new += row[..., 2 * H :]
    np.tanh(new, out=new)
    h -= new
    h *= gated[..., H:]
    h += new


def _rnn_step(row: Array, h: Array, c: Array, layer: Layer, below: Array) -> None:
    """Elman 1990, with tanh."""
    np.tanh(row + np.dot(below, layer.recurrent), h)


@dataclass(frozen=True)
class Cell:
    """How a cell's weights are laid out and how it makes a step.

    Args:
        order: the blocks, as PyTorch has them, to the blocks as ``step`` wants them.
        step: ``(the symbol's row of the table (..., G·H), h, c, layer, [y below, h])``; writes h
            and c in place.
        has_c: whether it has a cell state beside h.
        inner_bias: whether the last block's recurrent bias stays apart.
    """

    order: Callable[[list[Array]], list[Array]]
    step: Callable[[Array, Array, Array, Layer, Array], None]
    has_c: bool = False
    inner_bias: bool = False


CELLS = {
    "lstm": Cell(_lstm_blocks, _lstm_step, has_c=True),
    "gru": Cell(_gru_blocks, _gru_step, inner_bias=True),
    "rnn": Cell(list, _rnn_step),
}


class Network:
    """A model's weights, ready to step.

    Args:
        config: the sizes.
        vocab_size: V.
        weights: float32 arrays under the names that CharRNN gives them.

    Raises:
        CheckpointError: a weight is missing, of another shape, or one too many.
    """

    def __init__(
        self, config: ModelConfig, vocab_size: int, weights: Mapping[str, NDArray[Any]]
    ) -> None:
        self.vocab_size, self.hidden_size, self.num_layers = (
            vocab_size,
            config.hidden_size,
            config.num_layers,
        )
        self.cell, self.gates = CELLS[config.cell], GATES[config.cell]
        check_shapes(config, vocab_size, {name: weight.shape for name, weight in weights.items()})
        embedding = weights["embedding.weight"]
        self.layers = [
            self._lay_out(number, embedding, weights) for number in range(self.num_layers)
        ]
        self.copy_window = config.copy_window or 0
        heads = ("head", "copy") if self.copy_window else ("head",)
        self.head = np.concatenate(
            [weights[f"{name}.weight"] for name in heads]
        ).T.copy()  # (L·H, V) or (L·H, V + K)
        self.head_bias = np.concatenate([weights[f"{name}.bias"] for name in heads])

    @property
    def size(self) -> int:
        """How many numbers are in its recurrent matrices and its head."""
        return self.head.size + sum(layer.recurrent.size for layer in self.layers)

    def zero_state(self, *batch: int) -> State:
        """The state before anything was read, for one stream or, given a batch size, for so
        many."""
        h = np.zeros((*batch, self.num_layers * self.hidden_size), np.float32)
        memories = (
            tuple(Memory.of(self.copy_window) for _ in range(math.prod(batch)))
            if self.copy_window
            else ()
        )
        return State(h, h.copy() if self.cell.has_c else h[..., :0], memories)

    def step(self, idx: Any, state: State) -> tuple[Array, State]:
        """Read one symbol.

        Args:
            idx: its id, an int; or (B,) ids for a state of B streams.
            state: left as it was.

        Returns:
            logits (V,) or (B, V) for the symbol after it, and the new state.
        """
        h, c, memories = state.h.copy(), state.c.copy(), state.memories
        for layer in self.layers:
            self.cell.step(layer.table[idx], h[layer.here], c[layer.here], layer, h[layer.below])
        if self.copy_window:
            read = (int(idx),) if h.ndim == 1 else np.asarray(idx).tolist()
            memories = tuple(
                [memory.after(each) for memory, each in zip(memories, read, strict=True)]
            )
        state = State(h, c, memories)
        return self.logits(state), state

    def logits(self, state: State) -> Array:
        """What is predicted after something was read: (V,) or (B, V)."""
        logits: Array = np.dot(state.h, self.head)
        logits += self.head_bias
        if self.copy_window:
            _raise(logits, self.vocab_size, state.memories)
        return logits[..., : self.vocab_size]

    def _lay_out(self, number: int, embedding: Array, weights: Mapping[str, NDArray[Any]]) -> Layer:
        w_ih, w_hh, b_ih, b_hh = (
            weights[f"layers.{number}.rnn.{name}_l0"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        order, G, H = self.cell.order, self.gates, self.hidden_size

        def laid_out(matrix: Array) -> Array:
            return np.concatenate(order(np.split(matrix, G)))  # (G·H, ...)

        inner = b_hh[-H:].copy() if self.cell.inner_bias else b_hh[:0]
        b_hh = np.concatenate([b_hh[:-H], np.zeros_like(inner)]) if self.cell.inner_bias else b_hh
        from_symbol = laid_out(
            w_ih[:, -embedding.shape[1] :]
        )  # (G·H, E): the embedding stands last
        from_below = laid_out(w_ih[:, : -embedding.shape[1]])  # (G·H, H), or (G·H, 0) for layer 0
        table = embedding @ from_symbol.T + laid_out(b_ih + b_hh)
        recurrent = np.concatenate([from_below.T, laid_out(w_hh).T])
        weights_ = (
            np.ascontiguousarray(table, np.float32),
            np.ascontiguousarray(recurrent, np.float32),
            inner,
        )
        places: list[Index] = [
            (..., slice(each * H, (each + 1) * H)) for each in range(max(G, number + 1))
        ]
        below: Index = (..., slice(max(0, number - 1) * H, (number + 1) * H))
        return Layer(
            *weights_, places[number], below, tuple(places[:G]), (..., slice(0, (G - 1) * H))
        )


def _raise(logits: Array, vocab_size: int, memories: Sequence[Memory]) -> None:
    """To the logits (..., V) of the symbols recalled add, in place, the beliefs (..., K) behind
    them; to one recalled twice, both."""
    if logits.ndim == 1:
        for symbol, each in zip(memories[0].followers, logits[vocab_size:], strict=True):
            if symbol >= 0:
                logits[symbol] += each
        return
    symbols = np.array([memory.followers for memory in memories])  # (B, K)
    there = symbols >= 0
    places = symbols + np.arange(len(logits))[:, None] * logits.shape[1]
    np.add.at(
        logits.reshape(-1), places[there], logits[:, vocab_size:][there]
    )  # in one dimension, which NumPy is fast at
