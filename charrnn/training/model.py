"""The network that is trained: CELLS, a table of recurrent layers, and CharRNN, which stacks them.

Knows nothing of losses, texts or sampling. The NumPy twin of every cell stands in
generation/network.py.

    T  sequence_length     B  batch_size        V  vocab_size
    E  embedding_size      H  hidden_size       L  num_layers
    P  parts of a layer's state: 2 for lstm (h, c), 1 for gru and rnn (h)
    K  symbols recalled at each place (copy_window.ORDERS)
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from charrnn.config.run_config import ModelConfig
from charrnn.copy_window import ORDERS
from charrnn.training import kernels

Kernel = Callable[[Tensor, Tensor, Sequence[Tensor], torch.dtype], tuple[Tensor, Tensor]]
WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
FORGET_BIAS = 1.0  # Gers et al. 2000, Jozefowicz et al. 2015: begin by remembering


class RecurrentLayer(nn.Module):
    """One recurrent layer: ``(x (T, B, width), state (P, B, H) or None) -> (y (T, B, H), state (P,
    B, H))``.

    Built on PyTorch's one-layer modules, so that their fused kernels are used where there are any;
    kernels.py has the others.
    """

    rnn: nn.RNNBase
    num_gates: int  # how many (H, ...) blocks are stacked in the weights
    num_parts: int = 1  # P, of the state

    def init_weights(self) -> None:
        """Orthogonal recurrent blocks (Saxe et al. 2014), Xavier input blocks (Glorot and Bengio
        2010), zero biases."""
        for name, weight in self.rnn.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(weight)
                continue
            init = nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_
            for block in weight.chunk(self.num_gates):
                init(block)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Read x; a state of None means zeros."""
        y, h = self.rnn(x, state)
        return y, h.float()  # (T, B, H), (1, B, H)


class LSTMLayer(RecurrentLayer):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000)."""

    num_gates = 4  # input, forget, cell, output
    num_parts = 2  # h, c

    def __init__(self, width: int, hidden_size: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(width, hidden_size)

    def init_weights(self) -> None:
        """As every layer, with a forget gate that begins open; one of the two biases is enough,
        they add up."""
        super().init_weights()
        size = self.rnn.hidden_size
        with torch.no_grad():
            self.rnn.get_parameter("bias_ih_l0")[size : 2 * size] = FORGET_BIAS

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """As every layer, with h and c for the state."""
        y, (h, c) = self.rnn(x, None if state is None else (state[0:1], state[1:2]))
        return y, torch.cat([h, c]).float()  # (T, B, H), (2, B, H)


class GRULayer(RecurrentLayer):
    """Gated recurrent unit (Cho et al. 2014), with the reset gate after the product, as in cuDNN
    and PyTorch."""

    num_gates = 3  # reset, update, new

    def __init__(self, width: int, hidden_size: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(width, hidden_size)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """As every layer; on a CPU by a kernel of our own."""
        return (
            _on_cpu(kernels.gru, self.rnn, x, state)
            if x.device.type == "cpu"
            else super().forward(x, state)
        )


class RNNLayer(RecurrentLayer):
    """The plain recurrent layer with tanh (Elman 1990)."""

    num_gates = 1

    def __init__(self, width: int, hidden_size: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(width, hidden_size, nonlinearity="tanh")

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """As every layer; on a CPU by a kernel of our own."""
        return (
            _on_cpu(kernels.rnn, self.rnn, x, state)
            if x.device.type == "cpu"
            else super().forward(x, state)
        )


def _on_cpu(
    kernel: Kernel, module: nn.RNNBase, x: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """A layer by one of our kernels, with the module's weights, in the precision that autocast asks
    for."""
    weights = [module.get_parameter(name) for name in WEIGHTS]
    dtype = (
        torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else weights[0].dtype
    )
    h = (
        x.new_zeros(x.shape[1], module.hidden_size, dtype=torch.float32)
        if state is None
        else state[0]
    )  # (B, H)
    y, last = kernel(x, h, weights, dtype)
    return y, last[None]  # (T, B, H), (1, B, H)


CELLS: dict[str, Callable[[int, int], RecurrentLayer]] = {
    "lstm": LSTMLayer,
    "gru": GRULayer,
    "rnn": RNNLayer,
}


class LockedDropout(nn.Module):
    """Dropout with one mask for all time steps of a chunk (Gal and Ghahramani 2016), drawn from a
    generator of its own.

    The generator is on the CPU whatever the device, so that a seed gives the same masks everywhere.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        _, B, size = x.shape
        keep = torch.rand(1, B, size, generator=self.generator) >= self.rate  # (1, B, size)
        return x * (keep.to(x.device, x.dtype) / (1 - self.rate))


class CharRNN(nn.Module):
    """Embedding, L recurrent layers, head: ``forward(idx, state, recalled) -> (logits (T, B, V),
    state (L, P, B, H))``.

    ``idx`` is (T, B); a ``state`` of None means zeros. The embedding enters every layer, and every
    layer's output enters the head (skip connections: Graves 2013). ``recalled`` (T, B, K), with a
    copy window, is what followed the last time that the same symbols were read: the logit of each
    of them is raised by as much as the layers' outputs believe it. Whatever is raised, the softmax
    sums to one. None means that nothing is recalled.

    Args:
        config: the sizes.
        vocab_size: how many symbols there are.
        seed: of the initial weights; PyTorch's global generator is left as it was.
    """

    def __init__(self, config: ModelConfig, vocab_size: int, seed: int = 0) -> None:
        super().__init__()
        E, H, L = config.embedding_size, config.hidden_size, config.num_layers
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.embedding = nn.Embedding(vocab_size, E)
            self.layers = nn.ModuleList(
                CELLS[config.cell](E + (H if l else 0), H) for l in range(L)
            )
            self.head = nn.Linear(L * H, vocab_size)
            self._init_weights()
            self.copy = (
                None if config.copy_window is None else nn.Linear(L * H, len(ORDERS))
            )  # last: the others begin alike without it
        if self.copy is not None:
            nn.init.zeros_(self.copy.weight)
            nn.init.zeros_(self.copy.bias)
        self.copy_window = config.copy_window
        self.dropout = LockedDropout(config.dropout)
        self.state_shape = (
            L,
            self.layers[0].num_parts,
            H,
        )  # without B, which stands before the last

    def _init_weights(self) -> None:
        nn.init.normal_(
            self.embedding.weight
        )  # unit variance, as the one-hot vectors it replaces are far apart
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        for layer in self.layers:
            layer.init_weights()  # type: ignore[operator]

    def seed_dropout(self, seed: int) -> None:
        """Make the masks of the next training pass a function of ``seed``."""
        self.dropout.generator.manual_seed(seed)

    def forward(
        self, idx: Tensor, state: Tensor | None = None, recalled: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        embedded = self.dropout(self.embedding(idx))  # (T, B, E)
        outputs: list[Tensor] = []
        states: list[Tensor] = []
        for number, layer in enumerate(self.layers):
            x = (
                torch.cat([outputs[-1], embedded], dim=-1) if outputs else embedded
            )  # (T, B, H + E) or (T, B, E)
            y, last = layer(x, None if state is None else state[number])
            outputs.append(self.dropout(y))  # (T, B, H)
            states.append(last)  # (P, B, H)
        output = torch.cat(outputs, dim=-1)  # (T, B, L·H)
        logits = self.head(output).float()  # (T, B, V)
        if self.copy is not None and recalled is not None:
            logits = logits + _raised(recalled, self.copy(output).float(), logits.shape[-1])
        return logits, torch.stack(states)  # (T, B, V), (L, P, B, H)


def _raised(recalled: Tensor, by: Tensor, vocab_size: int) -> Tensor:
    """By how much to raise each logit: (T, B, V), where ``by`` (T, B, K) is given to the symbols
    ``recalled`` (T, B, K).

    In one dimension, since only there PyTorch adds in a fixed order on a GPU too.
    """
    T, B, _ = recalled.shape
    width = vocab_size + 1  # the last is for NOTHING, and dropped
    places = torch.arange(T * B, device=by.device).view(T, B, 1) * width + recalled.long() % width
    raised = by.new_zeros(T * B * width).scatter_add(0, places.flatten(), by.flatten())
    return raised.view(T, B, width)[..., :vocab_size]
