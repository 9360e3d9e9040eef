"""Looks up MEASURED, the results of ``benchmarks/autopilot.py``: which run did best on texts of
several sizes with several amounts of work.

Work is counted in passes over the training text with 2 layers of 256 units ("2 x 256"); a slower
network makes fewer passes in the same time. A text is compared with the measured texts nearest in
size (by logarithm) that were measured with as much work.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from charrnn.advice.measured import MEASURED, Row
from charrnn.config.run_config import ModelConfig

# With time for more passes than this times the most measured on a text, the runs on a smaller text
# are used.
MAX_EXTRAPOLATION = 3.0
# A run may be planned with up to this factor less work than it was measured with.
TOLERANCE = 1.5
MOST_DROPOUT = 0.7
DROPOUT_STEP = 0.05
# A run makes at most this factor more passes than the best one measured, where more did worse.
MORE_PASSES = 1.25
# Texts of up to this many characters are soon memorized.
SHORT = 20_000
GPU_WEIGHTS = 13_107_200  # of 2 x 1024; on a GPU, smaller networks take as long per character
# Weights of the layers, with an embedding of 64, and time per character relative to 2 x 256, of
# 1 x 128, 2 x 128, 2 x 256, 2 x 384, 2 x 512.
COSTS = ((98_304, 0.25), (262_144, 0.5), (917_504, 1.0), (1_966_080, 1.6), (3_407_872, 3.2))


# The best peak learning rates of runs that continued from a model: by its loss on the new text
# before training, divided by that of a new model after it (benchmarks/finetuning.py). A model that
# knows such texts already should change little.
RATES_OF_CONTINUING = ((0.65, 5e-4), (1.2, 4e-3))
# The share by which continuing from a model of another text was better than a new model in the same
# number of steps, by characters of the new text (benchmarks/finetuning.py).
CONTINUING = ((6_000, 0.17), (100_000, 0.036))


def rate_of_continuing(before: float, of_new_model: float) -> float:
    """The peak learning rate of a run that continues from a model, rounded to two digits.

    Args:
        before: the model's loss on the new text.
        of_new_model: the loss that a new model is expected to reach.
    """
    (near, low), (far, high) = RATES_OF_CONTINUING
    distance = min(max(before / of_new_model, near), far)
    share = math.log(distance / near) / math.log(far / near)
    return float(f"{low * (high / low) ** share:.1e}")


def gain_of_continuing(characters: int) -> float:
    """The share by which continuing from another model should lower the loss on a text.

    On a line over the logarithm of the size; 0 for a text that is long enough to be learned alone.
    """
    (small, its_gain), (large, other_gain) = CONTINUING
    slope = (other_gain - its_gain) / math.log(large / small)
    gain = its_gain + slope * math.log(max(characters, small) / small)
    return max(0.0, gain)


def relative_cost(model: ModelConfig) -> float:
    """The time per character relative to 2 x 256 on a CPU, roughly.

    Small products cost more per weight.
    """
    weights = _matrix_weights(model)
    largest, its_cost = COSTS[-1]
    if weights > largest:
        return its_cost * weights / largest
    sizes, costs = np.log(COSTS).T
    return float(np.exp(np.interp(np.log(weights), sizes, costs)))


def relative_time(model: ModelConfig, device: str) -> float:
    """The time per character relative to 2 x 256 on a device, roughly.

    On a GPU, it is the time to launch the operations, whatever their size, up to GPU_WEIGHTS.
    """
    if device == "cuda":
        return max(1.0, _matrix_weights(model) / GPU_WEIGHTS)
    return relative_cost(model)


def _matrix_weights(model: ModelConfig) -> int:
    """Weights of the layers, counted with the four gates of an LSTM."""
    H = model.hidden_size
    E = model.embedding_size
    first = 4 * H * (H + E)
    further = 4 * H * (H + E + H)
    return first + (model.num_layers - 1) * further


def best_row(
    characters: int,
    passes: float,
    given: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> Row:
    """The best run measured on a text of about this size, with about as much work or less.

    Args:
        characters: length of the training text.
        passes: the passes over it, at 2 x 256, that fit into the time.
        given: planned knobs that the user set: only runs nearest to them are considered.
        device: that computes the passes.
    """
    rows = _nearest(characters, passes)
    for name, value in (given or {}).items():
        rows = _closest(rows, name, value)
    needed = [_passes_on(row, device) for row in rows]
    limit = max(min(needed), TOLERANCE * passes)
    affordable = [row for row, least in zip(rows, needed, strict=True) if least <= limit]
    return min(affordable, key=lambda row: row.ratio)


def _passes_on(row: Row, device: str) -> float:
    """The passes at 2 x 256 that a device makes in the time that it takes for a row."""
    model = ModelConfig(num_layers=row.num_layers, hidden_size=row.hidden_size)
    return row.passes * relative_time(model, device) / relative_cost(model)


def _closest(rows: list[Row], name: str, value: float) -> list[Row]:
    """The rows in which a knob is nearest to a value, by logarithm."""
    distances = []
    for row in rows:
        ratio = (getattr(row, name) + 0.1) / (value + 0.1)
        distances.append(abs(math.log(ratio)))
    smallest = min(distances)
    return [row for row, distance in zip(rows, distances, strict=True) if distance == smallest]


def suited_dropout(characters: int, passes: float) -> float:
    """The dropout for a number of passes over a text of this size, in steps of 0.05.

    In the best of the measured runs, it grows with the logarithm of the passes, and falls with that
    of the size; it is a line through those that have any.
    """
    places = []
    dropouts = []
    for size in _measured_sizes():
        for row in _best_of_each_length(size):
            if row.dropout > 0:
                places.append(_place(row.characters, row.passes))
                dropouts.append(row.dropout)
    line, *_ = np.linalg.lstsq(np.array(places), np.array(dropouts), rcond=None)
    dropout = float(np.dot(line, _place(characters, passes)))
    steps = round(min(max(dropout, 0.0), MOST_DROPOUT) / DROPOUT_STEP)
    return round(steps * DROPOUT_STEP, 2)


def _place(characters: int, passes: float) -> tuple[float, float, float]:
    return 1.0, math.log(max(passes, 1e-3)), math.log(characters)


def _best_of_each_length(size: int) -> list[Row]:
    """Of one measured size, the best run of each number of passes."""
    best: dict[float, Row] = {}
    for row in _rows(size):
        if row.passes not in best or row.ratio < best[row.passes].ratio:
            best[row.passes] = row
    return list(best.values())


def most_passes(best: Row) -> float:
    """Passes at 2 x 256 beyond which every measured run did worse; infinity if one did better.

    If no longer run was measured it is infinity too, except for SHORT texts.
    """
    longer = [row.ratio for row in _rows(best.characters) if row.passes > best.passes]
    if longer:
        over_fits = min(longer) > best.ratio
    else:
        over_fits = best.characters <= SHORT
    if not over_fits:
        return math.inf
    return MORE_PASSES * best.passes


def expected_ratio(characters: int, passes: float) -> float:
    """The loss divided by the yardstick's, interpolated between the measured runs.

    Beyond the longest run it stays constant.
    """
    below, above, share = _between(characters)
    return (1 - share) * _on_curve(below, passes) + share * _on_curve(above, passes)


def longest_measured(characters: int) -> float:
    """The passes of the longest run, interpolated between the measured sizes."""
    below, above, share = _between(characters)
    longest = {}
    for size in (below, above):
        longest[size] = max(row.passes for row in _rows(size))
    return float(longest[below] ** (1 - share) * longest[above] ** share)


def _rows(size: int) -> list[Row]:
    """The rows of one measured size."""
    return [row for row in MEASURED if row.characters == size]


def _measured_sizes() -> list[int]:
    """The characters of the measured texts, ascending."""
    return sorted({row.characters for row in MEASURED})


def _between(characters: int) -> tuple[int, int, float]:
    """The nearest measured sizes below and above, and how near a text is to the one above.

    At the ends, both are the same, and it is 0; else from 0 to 1 by logarithm.
    """
    sizes = _measured_sizes()
    below = max((size for size in sizes if size <= characters), default=sizes[0])
    above = min((size for size in sizes if size >= characters), default=sizes[-1])
    if above == below:
        return below, above, 0.0
    return below, above, math.log(characters / below) / math.log(above / below)


def _nearest(characters: int, passes: float) -> list[Row]:
    """The rows of the nearest size, or of a smaller one that was measured with more passes.

    A smaller one is used if there is time for more than MAX_EXTRAPOLATION times the passes.
    """
    sizes = _measured_sizes()
    sizes.sort(key=lambda size: abs(math.log(characters / size)))
    candidates = [size for size in sizes if size <= sizes[0]]
    for size in candidates:
        longest = max(row.passes for row in _rows(size))
        if MAX_EXTRAPOLATION * longest >= passes:
            return _rows(size)
    return _rows(candidates[0])


def _on_curve(size: int, passes: float) -> float:
    """The best ratio of one measured size with at most this many passes.

    Interpolated linearly over the logarithm of the passes.
    """
    best = _best_by_passes(size)
    places = np.log(list(best))
    ratios = list(best.values())
    place = math.log(max(passes, 1e-3))
    beyond = places[0] - place
    if beyond > 0 and len(ratios) > 1:  # extrapolate to the left, where the loss rises fast
        rise = ratios[0] - ratios[1]
        run = places[1] - places[0]
        return float(ratios[0] + rise / run * beyond)
    return float(np.interp(place, places, ratios))


def _best_by_passes(size: int) -> dict[float, float]:
    """The best ratio of one measured size with at most N passes, for each measured N."""
    best_by_passes: dict[float, float] = {}
    best = math.inf
    for row in sorted(_rows(size), key=lambda row: row.passes):
        best = min(best, row.ratio)
        best_by_passes[row.passes] = best
    return best_by_passes
