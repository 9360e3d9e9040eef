"""Measured runs of several sizes on texts of several sizes: the basis of the autopilot's advice.

Written by ``python benchmarks/autopilot.py``, from benchmarks/results/autopilot.jsonl. The runs on
20 million characters are from before counts were added, so their ratios are too high.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """A measured run, mean over the texts of that size.

    Args:
        characters: length of the training text.
        passes: over that text with 2 layers of 256 units; for another network, those that such a
            network would have made in the same time.
        num_layers, hidden_size, dropout: the knobs.
        ratio: the validation loss of its best checkpoint, divided by the yardstick's.
    """

    characters: int
    passes: float
    num_layers: int
    hidden_size: int
    dropout: float
    ratio: float


MEASURED = [
    Row(20_000, 12.5, 2, 128, 0.3, 0.845),
    Row(20_000, 12.5, 2, 128, 0.5, 0.836),
    Row(20_000, 12.5, 2, 256, 0.3, 0.849),
    Row(20_000, 12.5, 2, 256, 0.5, 0.841),
    Row(20_000, 25.0, 2, 128, 0.3, 0.849),
    Row(20_000, 25.0, 2, 128, 0.5, 0.831),
    Row(20_000, 25.0, 2, 256, 0.3, 0.850),
    Row(20_000, 25.0, 2, 256, 0.5, 0.837),
    Row(20_000, 50.0, 2, 128, 0.3, 0.851),
    Row(20_000, 50.0, 2, 128, 0.5, 0.833),
    Row(20_000, 50.0, 2, 256, 0.3, 0.850),
    Row(20_000, 50.0, 2, 256, 0.5, 0.837),
    Row(100_000, 10.0, 2, 256, 0.2, 0.905),
    Row(100_000, 10.0, 2, 256, 0.3, 0.900),
    Row(100_000, 30.0, 2, 128, 0.5, 0.891),
    Row(100_000, 30.0, 2, 256, 0.3, 0.903),
    Row(100_000, 30.0, 2, 256, 0.5, 0.892),
    Row(100_000, 60.0, 2, 256, 0.5, 0.893),
    Row(100_000, 60.0, 2, 256, 0.6, 0.889),
    Row(500_000, 1.5, 2, 128, 0.0, 0.906),
    Row(500_000, 1.5, 2, 256, 0.0, 0.914),
    Row(500_000, 4.0, 2, 128, 0.0, 0.900),
    Row(500_000, 4.0, 2, 256, 0.0, 0.895),
    Row(500_000, 8.0, 2, 256, 0.1, 0.888),
    Row(500_000, 8.0, 2, 256, 0.2, 0.886),
    Row(500_000, 8.0, 2, 256, 0.3, 0.892),
    Row(500_000, 8.0, 2, 512, 0.3, 0.910),
    Row(500_000, 26.0, 2, 256, 0.3, 0.867),
    Row(500_000, 26.0, 2, 256, 0.4, 0.866),
    Row(500_000, 26.0, 2, 384, 0.3, 0.870),
    Row(500_000, 26.0, 2, 512, 0.3, 0.885),
    Row(500_000, 26.0, 2, 512, 0.5, 0.901),
    Row(500_000, 80.0, 2, 256, 0.5, 0.854),
    Row(500_000, 80.0, 2, 384, 0.5, 0.856),
    Row(500_000, 80.0, 2, 512, 0.6, 0.875),
    Row(2_500_000, 0.3, 2, 128, 0.0, 0.922),
    Row(2_500_000, 0.3, 2, 256, 0.0, 0.926),
    Row(2_500_000, 1.6, 2, 256, 0.0, 0.910),
    Row(2_500_000, 1.6, 2, 256, 0.1, 0.912),
    Row(2_500_000, 5.2, 2, 256, 0.0, 0.889),
    Row(2_500_000, 5.2, 2, 256, 0.1, 0.886),
    Row(2_500_000, 5.2, 2, 256, 0.2, 0.894),
    Row(2_500_000, 5.2, 2, 384, 0.1, 0.892),
    Row(2_500_000, 20.0, 2, 256, 0.1, 0.876),
    Row(2_500_000, 20.0, 2, 256, 0.2, 0.867),
    Row(2_500_000, 20.0, 2, 384, 0.2, 0.869),
    Row(20_000_000, 0.04, 2, 128, 0.0, 0.959),
    Row(20_000_000, 0.04, 2, 256, 0.0, 0.974),
    Row(20_000_000, 0.2, 2, 256, 0.0, 0.747),
    Row(20_000_000, 0.2, 2, 256, 0.1, 0.763),
    Row(20_000_000, 0.2, 2, 384, 0.1, 0.768),
    Row(20_000_000, 0.2, 2, 512, 0.1, 0.838),
]
