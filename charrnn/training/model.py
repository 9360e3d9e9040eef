"""The network in PyTorch: CELLS, a table of recurrent layers, and CharRNN, which stacks them.

The NumPy twin of every cell is in generation/network.py.

    T  sequence_length     B  batch_size        V  vocab_size
    E  embedding_size      H  hidden_size       L  num_layers
    P  parts of a layer's state: 2 for lstm (h, c), 1 for gru and rnn (h)
    W  width of a layer's input
    K  symbols recalled at each position (copy_window.ORDERS)
    G  predictions from counts, F their features (context_mixing/count_table.py)
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import GROUPS
from charrnn.context_mixing.count_table import MIXER_SIZE, NUM_FEATURES, CountTable
from charrnn.copy_window import ORDERS
from charrnn.training.kernels import GRUKernel, RNNKernel, run_kernel

INITIAL_TRUST = 0.1  # in each prediction of the counts
WITHOUT_COUNTS = 0.1  # share of the lanes that a training step reads without counts
ALIGNMENT = 128  # of the width of an LSTM's input, for cuDNN
FORGET_BIAS = 1.0  # start by remembering (Gers et al. 2000, Jozefowicz et al. 2015)


class RecurrentLayer(nn.Module):
    """One recurrent layer: ``(x (T, B, W), state (P, B, H) or None) -> (y (T, B, H), state)``.

    Built on PyTorch's one-layer modules, so that their fused kernels are used where they exist;
    kernels.py has the others. Any other module will do for ``rnn`` that has their four weights,
    with a block of H rows for each gate: weight_ih_l0 (G·H, W), weight_hh_l0 (G·H, H),
    bias_ih_l0 (G·H,) and bias_hh_l0 (G·H,).
    """

    rnn: nn.Module
    num_parts: int = 1  # P, of the state

    @property
    def hidden_size(self) -> int:
        """H."""
        return self.rnn.get_parameter("weight_hh_l0").shape[1]

    def init_weights(self) -> None:
        """Orthogonal recurrent blocks, Xavier input blocks, zero biases.

        Saxe et al. 2014; Glorot and Bengio 2010.
        """
        for name, weight in self.rnn.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(weight)
                continue
            init = nn.init.xavier_uniform_
            if name.startswith("weight_hh"):
                init = nn.init.orthogonal_
            num_gates = len(weight) // self.hidden_size
            for block in weight.chunk(num_gates):
                init(block)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Read x; a state of None means zeros."""
        y, h = self.rnn(x, state)
        return y, h.float()  # (T, B, H), (1, B, H)


class LSTMLayer(RecurrentLayer):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000)."""

    num_parts = 2  # h, c

    def __init__(self, width: int, hidden_size: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(width, hidden_size)

    def init_weights(self) -> None:
        """As every layer, with a forget gate that starts open.

        The two biases add up, so one of them is enough.
        """
        super().init_weights()
        H = self.hidden_size
        with torch.no_grad():
            self.rnn.get_parameter("bias_ih_l0")[H : 2 * H] = FORGET_BIAS

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """As every layer, with h and c as the state."""
        hc = None
        if state is not None:
            hc = (state[0:1], state[1:2])
        if x.device.type == "cuda" and torch.is_autocast_enabled("cuda"):
            y, h, c = self._aligned(x, hc)
        else:
            y, (h, c) = self.rnn(x, hc)
        return y, torch.cat([h, c]).float()  # (T, B, H), (2, B, H)

    def _aligned(
        self,
        x: Tensor,
        hc: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same with zeros appended to x, up to a multiple of ALIGNMENT.

        PyTorch uses cuDNN's persistent kernel, which is several times as fast, only for such
        widths, and only if the batch size is a multiple of 8 of at most 128.
        """
        w_ih, *others = self.rnn.parameters()
        missing = -x.shape[-1] % ALIGNMENT
        x = functional.pad(x, (0, missing))
        if hc is None:
            zeros = x.new_zeros(1, x.shape[1], self.hidden_size)
            hc = (zeros, zeros)
        weights: list[Tensor] = [functional.pad(w_ih, (0, missing)), *others]
        y, h, c = torch.lstm(x, hc, weights, True, 1, 0.0, self.training, False, False)
        return y, h, c


class GRULayer(RecurrentLayer):
    """Gated recurrent unit (Cho et al. 2014), reset gate after the product as in cuDNN."""

    def __init__(self, width: int, hidden_size: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(width, hidden_size)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """As every layer, with our own kernel on a CPU."""
        if x.device.type == "cpu":
            return run_kernel(GRUKernel, self.rnn, x, state)
        return super().forward(x, state)


class RNNLayer(RecurrentLayer):
    """The plain recurrent layer with tanh (Elman 1990)."""

    def __init__(self, width: int, hidden_size: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(width, hidden_size, nonlinearity="tanh")

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """As every layer, with our own kernel on a CPU."""
        if x.device.type == "cpu":
            return run_kernel(RNNKernel, self.rnn, x, state)
        return super().forward(x, state)


CELLS: dict[str, Callable[[int, int], RecurrentLayer]] = {
    "lstm": LSTMLayer,
    "gru": GRULayer,
    "rnn": RNNLayer,
}


class LockedDropout(nn.Module):
    """Dropout with one mask for all time steps of a chunk (Gal and Ghahramani 2016).

    Its generator is always on the CPU, so that a seed gives the same masks on every device.
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


class Prediction(NamedTuple):
    """What the counts predict at the T * B places of a batch: Predicted as tensors."""

    places: Tensor
    groups: Tensor
    symbols: Tensor
    raised: Tensor
    features: Tensor


class Mixer(nn.Module):
    """Mixes what the counts of contexts predict into the network's logits.

    The log-probabilities of both are added, multiplied by weights that depend on the layers'
    outputs and on how much each prediction of the counts is based on: logistic mixing (Mahoney
    2005), trained together with the network, as in Mikolov et al. 2011.

    Args:
        width: of the layers' outputs, L·H.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.output = nn.Linear(width, MIXER_SIZE)
        self.features = nn.Linear(NUM_FEATURES, MIXER_SIZE, bias=False)
        self.weights = nn.Linear(MIXER_SIZE, 1 + len(GROUPS))
        nn.init.zeros_(self.weights.weight)
        with torch.no_grad():
            self.weights.bias[:] = INITIAL_TRUST
            self.weights.bias[0] = 1.0

    def forward(
        self,
        logits: Tensor,
        output: Tensor,
        counted: Prediction,
        generator: torch.Generator,
    ) -> Tensor:
        """The mixed logits (T, B, V).

        Args:
            logits: (T, B, V) of the network.
            output: (T, B, L·H) of its layers.
            counted: what the counts predict at the T * B places.
            generator: draws the lanes that are trained without counts, so that the network does
                not rely on them.
        """
        T, B, V = logits.shape
        features = self.features(counted.features).view(T, B, -1)
        hidden = torch.tanh(self.output(output) + features)  # (T, B, MIXER_SIZE)
        weights = self.weights(hidden).float()  # (T, B, 1 + G)
        own = weights[..., :1]
        trust = weights[..., 1:]  # (T, B, G)
        if self.training:
            is_mixed = torch.rand(1, B, 1, generator=generator) >= WITHOUT_COUNTS
            is_mixed = is_mixed.to(logits.device)
            own = torch.where(is_mixed, own, 1.0)
            trust = torch.where(is_mixed, trust, 0.0)
        G = trust.shape[-1]
        belief = trust.reshape(-1)[counted.places * G + counted.groups]  # (R,)
        cells = counted.places * V + counted.symbols
        mixed: Tensor = (logits * own).reshape(-1)
        mixed = mixed.scatter_add(0, cells, belief * counted.raised)
        return mixed.view(T, B, V)


class CharRNN(nn.Module):
    """Embedding, L recurrent layers, head.

    ``forward(idx (T, B), state, recalled) -> (logits (T, B, V), state (L, P, B, H))``; a state of
    None means zeros. The embedding enters every layer, and every layer's output enters the head
    (skip connections: Graves 2013).

    With a copy window, ``recalled`` (T, B, K) is what followed the last time that the same symbols
    were read. The logit of each recalled symbol is raised by an amount computed from the layers'
    outputs. None recalls nothing.

    With counts, ``counted`` is what the counts of contexts predict; see Mixer. None mixes nothing
    in.

    Args:
        config: the sizes.
        vocab_size: V.
        seed: of the initial weights; PyTorch's global generator is not changed.

    Attributes:
        table: the counts, for reading other texts than the training text.
    """

    table: CountTable | None = None

    def __init__(self, config: ModelConfig, vocab_size: int, seed: int = 0) -> None:
        super().__init__()
        E = config.embedding_size
        H = config.hidden_size
        L = config.num_layers
        cell = CELLS[config.cell]
        self.copy_window = config.copy_window
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.embedding = nn.Embedding(vocab_size, E)
            layers = [cell(E, H)]
            layers += [cell(E + H, H) for _ in range(L - 1)]
            self.layers = nn.ModuleList(layers)
            self.head = nn.Linear(L * H, vocab_size)
            self._init_weights()
            # last, so that the other weights do not depend on it
            self.copy: nn.Linear | None = None
            if self.copy_window is not None:
                self.copy = nn.Linear(L * H, len(ORDERS))
                nn.init.zeros_(self.copy.weight)
                nn.init.zeros_(self.copy.bias)
            self.mixer = None if config.counts is None else Mixer(L * H)
        self.dropout = LockedDropout(config.dropout)
        self.state_shape = (L, layers[0].num_parts, H)  # B comes before the last

    def _init_weights(self) -> None:
        # unit variance, since the one-hot vectors that an embedding replaces are far apart
        nn.init.normal_(self.embedding.weight)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        for layer in self.layers:
            layer.init_weights()  # type: ignore[operator]

    def seed_dropout(self, seed: int) -> None:
        """Seed the masks of the next training pass."""
        self.dropout.generator.manual_seed(seed)

    def forward(
        self,
        idx: Tensor,
        state: Tensor | None = None,
        recalled: Tensor | None = None,
        counted: Prediction | None = None,
    ) -> tuple[Tensor, Tensor]:
        embedded = self.dropout(self.embedding(idx))  # (T, B, E)
        outputs: list[Tensor] = []
        states: list[Tensor] = []
        for number, layer in enumerate(self.layers):
            x = embedded  # (T, B, E)
            if outputs:
                below = outputs[-1]
                x = torch.cat([below, embedded], dim=-1)  # (T, B, H + E)
            before = None
            if state is not None:
                before = state[number]
            y, last = layer(x, before)
            outputs.append(self.dropout(y))  # (T, B, H)
            states.append(last)  # (P, B, H)
        output = torch.cat(outputs, dim=-1)  # (T, B, L·H)
        logits = self.head(output).float()  # (T, B, V)
        if self.copy is not None and recalled is not None:
            trust = self.copy(output).float()  # (T, B, K)
            logits = logits + _raised(recalled, trust, logits.shape[-1])
        if self.mixer is not None and counted is not None:
            logits = self.mixer(logits, output, counted, self.dropout.generator)
        return logits, torch.stack(states)  # (T, B, V), (L, P, B, H)


def _raised(recalled: Tensor, trust: Tensor, vocab_size: int) -> Tensor:
    """How much each logit is raised (T, B, V): ``trust`` (T, B, K) at the ``recalled`` symbols.

    Added in one dimension, where PyTorch has a fixed order on a GPU too.
    """
    T, B, _ = recalled.shape
    width = vocab_size + 1  # the last column is for NOTHING, and is dropped
    rows = torch.arange(T * B, device=trust.device).view(T, B, 1)
    columns = recalled.long() % width  # (T, B, K)
    places = rows * width + columns  # (T, B, K)
    zeros = trust.new_zeros(T * B * width)
    raised = zeros.scatter_add(0, places.flatten(), trust.flatten())
    return raised.view(T, B, width)[..., :vocab_size]
