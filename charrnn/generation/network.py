"""The network in NumPy: one step of each cell, with weights laid out once.

    B  streams       E  embedding_size    G  gates of a cell     H  hidden_size
    L  num_layers    K  symbols recalled  V  vocab_size

What a symbol adds to a layer's gates never changes, so it is looked up: row v of ``table``
(V, G·H) is the embedding of symbol v times the layer's input weights, plus both biases. What
remains is one product for all gates of the layer,

    layer 0:    gates = table[idx] + h_0 @ recurrent                       recurrent (H, G·H)
    layer l:    gates = table[idx] + [h_{l-1}, h_l] @ recurrent            recurrent (2H, G·H)

and since the h of all layers are in one array, the input of a later layer is a slice of it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.cells import GATES
from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import Reading, Readings
from charrnn.context_mixing.count_table import MIXER_SIZE, CountTable
from charrnn.copy_window import ORDERS, Memory
from charrnn.errors import CheckpointError
from charrnn.generation.count_mixer import CountMixer
from charrnn.generation.interruption import pause_point
from charrnn.storage.weight_shapes import check_shapes

Array = NDArray[np.float32]
Index = tuple[Any, ...]
HALF = np.float32(0.5)


class State(NamedTuple):
    """What the network remembers of the symbols it has read.

    Args:
        h: (..., L·H) the hidden state of every layer.
        c: of the same shape, the cell state of an LSTM; empty for other cells.
        memories: what each stream has read; empty without a copy window.
        reading: what the contexts of the stream, or of B, are computed from; None without counts.
    """

    h: Array
    c: Array
    memories: tuple[Memory, ...]
    reading: Reading | Readings | None = None


def taken(state: State, rows: Sequence[int]) -> State:
    """Select some of the B streams of a state; a row may be selected more than once."""
    memories = list[Memory]()
    if state.memories:
        seen = set[int]()
        for row in rows:
            memory = state.memories[row]
            if row in seen:
                memory = memory.fork()
            memories.append(memory)
            seen.add(row)
    index = list(rows)
    reading = state.reading
    if isinstance(reading, Reading):
        reading = Readings.of([reading])
    if reading is not None:
        reading = reading.taken(index)
    return State(state.h[index], state.c[index], tuple(memories), reading)


class AfterPrompt(NamedTuple):
    """What a network expects after a prompt, and the state in which it goes on.

    Args:
        logits: (V,) for the next symbol.
        state: after the last one.
    """

    logits: Any
    state: State


def forked(state: State) -> State:
    """A copy that can continue independently of this one."""
    return state._replace(memories=tuple(memory.fork() for memory in state.memories))


@dataclass(frozen=True)
class Layer:
    """One layer's weights, laid out for stepping, with the slices that a step takes.

    Args:
        table: what each symbol adds to the gates.
        recurrent: the weights of ``inputs``.
        inner_bias: what a GRU adds inside its reset gate; empty for other cells.
        own: the layer's part of h.
        inputs: that part and the one of the layer below, whose output the layer reads.
        gates: each gate's part of (..., G·H).
        sigmoids: the part of all gates that go through a sigmoid.
    """

    table: Array  # (V, G·H)
    recurrent: Array  # (H or 2H, G·H)
    inner_bias: Array  # (H,) or (0,)
    own: Index
    inputs: Index
    gates: tuple[Index, ...]
    sigmoids: Index


# The steps of the cells. Each takes what the symbol adds to the gates, x (..., G·H); the layer's
# h and c (..., H), which it overwrites; the layer; and its inputs (..., H or 2H): the output of the
# layer below and h.
#
# The weights of sigmoid gates are halved beforehand: sigmoid(x) = (1 + tanh(x / 2)) / 2, so one
# tanh serves all gates, and it cannot overflow.


def _lstm_step(x: Array, h: Array, c: Array, layer: Layer, inputs: Array) -> None:
    """Hochreiter and Schmidhuber 1997, with a forget gate: c' = f c + i g, h' = o tanh(c')."""
    gates = np.dot(inputs, layer.recurrent)  # (..., 4H); np.dot has less overhead than @
    gates += x
    np.tanh(gates, gates)
    sigmoids = gates[layer.sigmoids]  # (..., 3H)
    sigmoids *= HALF
    sigmoids += HALF
    i, f, o, g = [gates[gate] for gate in layer.gates]  # (..., H) each
    c *= f
    i *= g
    c += i
    np.tanh(c, h)
    h *= o


def _gru_step(x: Array, h: Array, c: Array, layer: Layer, inputs: Array) -> None:
    """Cho et al. 2014, reset after the product: h' = (1 - z) n + z h, n = tanh(x + r (W h + b))."""
    H = h.shape[-1]
    gates = np.dot(h, layer.recurrent[-H:])  # (..., 3H)
    if inputs.shape[-1] > H:
        below = inputs[..., :-H]  # (..., H)
        x = x + np.dot(below, layer.recurrent[:-H])  # (..., 3H)
    sigmoids = gates[layer.sigmoids]  # (..., 2H)
    sigmoids += x[layer.sigmoids]
    np.tanh(sigmoids, out=sigmoids)
    sigmoids *= HALF
    sigmoids += HALF
    r_columns, z_columns, n_columns = layer.gates
    r = gates[r_columns]  # (..., H)
    z = gates[z_columns]
    n = gates[n_columns] + layer.inner_bias
    n *= r
    n += x[n_columns]
    np.tanh(n, out=n)
    h -= n
    h *= z
    h += n


def _rnn_step(x: Array, h: Array, c: Array, layer: Layer, inputs: Array) -> None:
    """Elman 1990: h' = tanh(x + W h)."""
    product = np.dot(inputs, layer.recurrent)  # (..., H)
    np.tanh(x + product, h)


@dataclass(frozen=True)
class Cell:
    """How a cell's weights are laid out, and its step.

    Args:
        step: one of the functions above.
        stored: its row of config/cells.py: its gates, in the order of their blocks.
        sigmoid: the gates that go through a sigmoid; they are first in the layout.
        tanh: the gate after them.
        has_c: whether it has a cell state besides h.
        has_inner_bias: whether the recurrent bias of the last gate is kept separate.
    """

    step: Callable[[Array, Array, Array, Layer, Array], None]
    stored: str
    sigmoid: str
    tanh: str
    has_c: bool = False
    has_inner_bias: bool = False

    def laid_out(self, weights: Array) -> Array:
        """The rows (G·H, ...) of all gates in the order of the layout, sigmoid gates halved."""
        blocks = np.split(weights, len(self.stored))  # (H, ...) each
        rows = dict(zip(self.stored, blocks, strict=True))
        parts = [HALF * rows[gate] for gate in self.sigmoid]
        parts.append(rows[self.tanh])
        return np.concatenate(parts)


CELLS = {
    "lstm": Cell(_lstm_step, stored=GATES["lstm"], sigmoid="ifo", tanh="g", has_c=True),
    "gru": Cell(_gru_step, stored=GATES["gru"], sigmoid="rz", tanh="n", has_inner_bias=True),
    "rnn": Cell(_rnn_step, stored=GATES["rnn"], sigmoid="", tanh="h"),
}


class Network:
    """A model's weights, ready to step.

    Args:
        config: the sizes.
        vocab_size: V.
        weights: float32 arrays under the names that CharRNN gives them.
        table: the counts of a model with counts.

    Raises:
        CheckpointError: a weight is missing, of another shape, or unknown.
    """

    def __init__(
        self,
        config: ModelConfig,
        vocab_size: int,
        weights: Mapping[str, NDArray[Any]],
        table: CountTable | None = None,
    ) -> None:
        shapes = {name: weight.shape for name, weight in weights.items()}
        check_shapes(config, vocab_size, shapes)
        self.vocab_size = vocab_size
        self.hidden_size = config.hidden_size
        self.num_layers = config.num_layers
        self.copy_window = config.copy_window or 0
        self.cell_name = config.cell
        self.cell = CELLS[config.cell]
        self.layers = [self._lay_out(number, weights) for number in range(self.num_layers)]
        heads = [weights["head.weight"]]  # (V, L·H)
        biases = [weights["head.bias"]]  # (V,)
        if self.copy_window:
            heads.append(weights["copy.weight"])  # (K, L·H)
            biases.append(weights["copy.bias"])  # (K,)
        self.mixer: CountMixer | None = None
        if config.counts is not None:
            if table is None:
                raise CheckpointError("the counts of this model are missing; copy it again")
            self.mixer = CountMixer(table, weights)
            heads.append(self.mixer.head)  # (MIXER_SIZE, L·H)
            biases.append(self.mixer.head_bias)  # (MIXER_SIZE,)
        self.head = np.concatenate(heads).T.copy()  # (L·H, V + K + MIXER_SIZE) at most
        self.head_bias = np.concatenate(biases)

    @property
    def size(self) -> int:
        """The number of weights in its recurrent matrices and its head."""
        recurrent = sum(layer.recurrent.size for layer in self.layers)
        return self.head.size + recurrent

    def zero_state(self, *batch: int) -> State:
        """The state before anything was read, for one stream or a batch of B."""
        size = self.num_layers * self.hidden_size
        h = np.zeros((*batch, size), np.float32)  # (..., L·H)
        c = h[..., :0]
        if self.cell.has_c:
            c = h.copy()
        num_streams = math.prod(batch)
        memories: list[Memory] = []
        if self.copy_window:
            memories = [Memory.of(self.copy_window) for _ in range(num_streams)]
        reading: Reading | Readings | None = None
        if self.mixer is not None:
            reading = Reading()
            if batch:
                reading = Readings.of([reading] * num_streams)
        return State(h, c, tuple(memories), reading)

    def step(self, idx: Any, state: State) -> tuple[Array, State]:
        """Read one symbol.

        Args:
            idx: its id, an int; or (B,) ids for a state of B streams.
            state: before it; left unchanged.

        Returns:
            logits (V,) or (B, V) for the next symbol, and the new state.
        """
        h = state.h.copy()  # (..., L·H)
        c = state.c.copy()
        memories = state.memories
        step = self.cell.step
        for layer in self.layers:
            x = layer.table[idx]  # (..., G·H)
            inputs = h[layer.inputs]  # (..., H or 2H)
            step(x, h[layer.own], c[layer.own], layer, inputs)
        if self.copy_window:
            symbols = [int(idx)] if h.ndim == 1 else np.asarray(idx).tolist()
            followed = zip(memories, symbols, strict=True)
            memories = tuple([memory.after(symbol) for memory, symbol in followed])
        state = State(h, c, memories, self._reading_after(state.reading, idx))
        return self.logits(state), state

    def read(self, ids: Sequence[int]) -> AfterPrompt:
        """Read at least one id, from the start."""
        state = self.zero_state()
        for idx in ids:
            pause_point()
            logits, state = self.step(idx, state)
        return AfterPrompt(logits, state)

    def _reading_after(
        self,
        reading: Reading | Readings | None,
        idx: Any,
    ) -> Reading | Readings | None:
        """What contexts are computed from after one more symbol, or (B,)."""
        if self.mixer is None or reading is None:
            return None
        if isinstance(reading, Reading):
            return self.mixer.reader.after(reading, int(idx))
        return self.mixer.reader.after_each(reading, np.asarray(idx))

    def logits(self, state: State) -> Array:
        """The logits (V,) or (B, V) for the next symbol after a state."""
        outputs: Array = np.dot(state.h, self.head)  # (..., V + K + MIXER_SIZE) at most
        outputs += self.head_bias
        if self.copy_window:
            _raise_recalled(outputs, self.vocab_size, state.memories)
        logits = outputs[..., : self.vocab_size]
        if self.mixer is not None and state.reading is not None:
            hidden = outputs[..., -MIXER_SIZE:]
            self.mixer.mix(logits, hidden, state.reading)
        return logits

    def _lay_out(self, number: int, weights: Mapping[str, NDArray[Any]]) -> Layer:
        """Lay out the weights of one layer."""

        def weight(name: str) -> Array:
            return weights[f"layers.{number}.rnn.{name}_l0"]

        cell = self.cell
        H = self.hidden_size
        embedding = weights["embedding.weight"]  # (V, E)
        E = embedding.shape[1]
        w_ih = weight("weight_ih")  # (G·H, E), or (G·H, H + E) above layer 0
        w_symbol = cell.laid_out(w_ih[:, -E:])  # (G·H, E)
        w_below = cell.laid_out(w_ih[:, :-E])  # (G·H, 0 or H)
        w_hh = cell.laid_out(weight("weight_hh"))  # (G·H, H)
        b_ih = weight("bias_ih")  # (G·H,)
        b_hh = weight("bias_hh")  # (G·H,)
        inner_bias = b_hh[:0]
        if cell.has_inner_bias:
            inner_bias = b_hh[-H:].copy()  # (H,)
            b_hh = b_hh.copy()
            b_hh[-H:] = 0
        bias = cell.laid_out(b_ih + b_hh)  # (G·H,)
        table = embedding @ w_symbol.T + bias  # (V, G·H)
        recurrent = np.concatenate([w_below.T, w_hh.T])  # (H or 2H, G·H)
        gates = [_blocks(H, gate, gate + 1) for gate in range(len(cell.stored))]
        return Layer(
            table=np.ascontiguousarray(table, np.float32),
            recurrent=np.ascontiguousarray(recurrent, np.float32),
            inner_bias=inner_bias,
            own=_blocks(H, number, number + 1),
            inputs=_blocks(H, max(0, number - 1), number + 1),
            gates=tuple(gates),
            sigmoids=_blocks(H, 0, len(cell.sigmoid)),
        )


def _blocks(size: int, start: int, stop: int) -> Index:
    """The blocks ``start`` to ``stop`` of the last axis; built once, since that is slow."""
    columns = slice(start * size, stop * size)
    return (..., columns)


def _raise_recalled(logits: Array, vocab_size: int, memories: Sequence[Memory]) -> None:
    """Raise the logits of the symbols that the memories recall, in place.

    Args:
        logits: (V + K,) or (B, V + K), or wider, of which the K after the first V say how far to
            trust the symbol that each order recalls. A symbol recalled by two orders is raised by
            both.
        vocab_size: V.
        memories: of each stream.
    """
    if logits.ndim == 1:
        beliefs = logits[vocab_size : vocab_size + len(ORDERS)]  # (K,)
        for symbol, belief in zip(memories[0].followers, beliefs, strict=True):
            if symbol >= 0:
                logits[symbol] += belief
        return
    B, width = logits.shape
    symbols = np.array([memory.followers for memory in memories])  # (B, K)
    recalled = symbols >= 0  # (B, K)
    beliefs = logits[:, vocab_size : vocab_size + len(ORDERS)]  # (B, K)
    # in one dimension, in which NumPy's add.at is fast
    row_starts = np.arange(B)[:, None] * width  # (B, 1)
    places = symbols + row_starts  # (B, K)
    np.add.at(logits.reshape(-1), places[recalled], beliefs[recalled])
