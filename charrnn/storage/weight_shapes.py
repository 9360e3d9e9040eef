"""The shape of every weight that a model's sizes imply. Knows nothing of what is computed with
them.

E embedding_size, H hidden_size, L num_layers, V vocab_size, K symbols recalled, G gates of a cell.
"""

from collections.abc import Mapping

from charrnn.config.run_config import ModelConfig
from charrnn.copy_window import ORDERS
from charrnn.errors import CheckpointError

GATES = {"lstm": 4, "gru": 3, "rnn": 1}

Shape = tuple[int, ...]


def shapes(config: ModelConfig, vocab_size: int) -> dict[str, Shape]:
    """Shapes by name."""
    E, H, L, V, G, K = (
        config.embedding_size,
        config.hidden_size,
        config.num_layers,
        vocab_size,
        GATES[config.cell],
        len(ORDERS),
    )
    expected: dict[str, Shape] = {
        "embedding.weight": (V, E),
        "head.weight": (V, L * H),
        "head.bias": (V,),
    }
    if config.copy_window is not None:
        expected |= {"copy.weight": (K, L * H), "copy.bias": (K,)}
    for number in range(L):
        parts = {
            "weight_ih": (G * H, E + (H if number else 0)),
            "weight_hh": (G * H, H),
            "bias_ih": (G * H,),
            "bias_hh": (G * H,),
        }
        expected |= {f"layers.{number}.rnn.{name}_l0": shape for name, shape in parts.items()}
    return expected


def check_shapes(config: ModelConfig, vocab_size: int, found: Mapping[str, Shape]) -> None:
    """Refuse weights that are not those of the sizes.

    Raises:
        CheckpointError: a weight is missing, of another shape, or one too many.
    """
    expected = shapes(config, vocab_size)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            what = f"has shape {found[name]}" if name in found else "is missing"
            right = f"shape {expected[name]}" if name in expected else "that there is none"
            raise CheckpointError(
                f"the weight {ascii(name)[1:-1][:100]} {what}, its config implies {right}; use another checkpoint"
            )
