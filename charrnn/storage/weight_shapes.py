"""The shape of every weight that a model's sizes imply.

E embedding_size, H hidden_size, L num_layers, V vocab_size, K orders of the copy window,
G gates of a cell.
"""

from collections.abc import Mapping

from charrnn.config.cells import GATES
from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import GROUPS
from charrnn.context_mixing.count_table import MIXER_SIZE, NUM_FEATURES
from charrnn.copy_window import ORDERS
from charrnn.errors import CheckpointError

Shape = tuple[int, ...]


def shapes(config: ModelConfig, vocab_size: int) -> dict[str, Shape]:
    """The shape of each weight, by name."""
    E = config.embedding_size
    H = config.hidden_size
    L = config.num_layers
    G = len(GATES[config.cell])
    V = vocab_size
    K = len(ORDERS)
    expected: dict[str, Shape] = {
        "embedding.weight": (V, E),
        "head.weight": (V, L * H),
        "head.bias": (V,),
    }
    if config.copy_window is not None:
        expected["copy.weight"] = (K, L * H)
        expected["copy.bias"] = (K,)
    if config.counts is not None:
        expected["mixer.output.weight"] = (MIXER_SIZE, L * H)
        expected["mixer.output.bias"] = (MIXER_SIZE,)
        expected["mixer.features.weight"] = (MIXER_SIZE, NUM_FEATURES)
        expected["mixer.weights.weight"] = (1 + len(GROUPS), MIXER_SIZE)
        expected["mixer.weights.bias"] = (1 + len(GROUPS),)
    for layer in range(L):
        input_size = (
            E if layer == 0 else E + H
        )  # each layer reads the embedding and the layer below
        for name, shape in _layer_shapes(G, input_size, H).items():
            expected[f"layers.{layer}.rnn.{name}_l0"] = shape
    return expected


def _layer_shapes(gates: int, input_size: int, hidden_size: int) -> dict[str, Shape]:
    rows = gates * hidden_size
    return {
        "weight_ih": (rows, input_size),
        "weight_hh": (rows, hidden_size),
        "bias_ih": (rows,),
        "bias_hh": (rows,),
    }


def check_shapes(config: ModelConfig, vocab_size: int, actual: Mapping[str, Shape]) -> None:
    """Refuse weights whose names or shapes are not those that the sizes imply.

    Raises:
        CheckpointError: a weight is missing, unknown or of another shape.
    """
    expected = shapes(config, vocab_size)
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) == actual.get(name):
            continue
        what = f"has shape {actual[name]}" if name in actual else "is missing"
        right = f"needs shape {expected[name]}" if name in expected else "has no such weight"
        raise CheckpointError(
            f"the weight {ascii(name)[1:-1][:100]} {what}, but the model in its config {right}; "
            "use another checkpoint"
        )
