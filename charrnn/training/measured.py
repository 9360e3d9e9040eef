"""What runs of several sizes reached on texts of several sizes: the ground under the autopilot's advice. Knows nothing else.

Written by ``python benchmarks/autopilot.py``, from benchmarks/results/autopilot.jsonl.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """A measured run, mean over the texts of that size.

    Args:
        characters: of training text.
        passes: over it at 2 x 256; what another network does in the same time counts as much.
        num_layers, hidden_size, dropout: the knobs.
        ratio: its loss on held-out text over the yardstick's.
    """

    characters: int
    passes: float
    num_layers: int
    hidden_size: int
    dropout: float
    ratio: float


MEASURED = [
    Row(20_000, 12.5, 2, 128, 0.3, 0.887),
    Row(20_000, 12.5, 2, 128, 0.5, 0.913),
    Row(20_000, 12.5, 2, 256, 0.3, 0.979),
    Row(20_000, 12.5, 2, 256, 0.5, 1.017),
    Row(20_000, 25.0, 2, 128, 0.3, 0.967),
    Row(20_000, 25.0, 2, 128, 0.5, 0.963),
    Row(20_000, 25.0, 2, 256, 0.3, 0.982),
    Row(20_000, 25.0, 2, 256, 0.5, 0.966),
    Row(20_000, 50.0, 2, 128, 0.3, 1.002),
    Row(20_000, 50.0, 2, 128, 0.5, 0.947),
    Row(20_000, 50.0, 2, 256, 0.3, 1.036),
    Row(20_000, 50.0, 2, 256, 0.5, 0.967),
]
