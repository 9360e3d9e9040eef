"""Predicts how much better a run would be with more time or another dropout, by measured runs.

Both predictions look up the runs in measured.py: what longer ones on a text of this size gained,
and which dropout suited them. A run whose own loss was still falling fast is expected to gain more.
"""

from collections.abc import Mapping
from typing import Any

from charrnn.advice.evidence import Evidence
from charrnn.advice.similar_runs import (
    best_row,
    expected_ratio,
    most_passes,
    relative_cost,
    suited_dropout,
)
from charrnn.config.run_config import ModelConfig

TIMES_LONGER = 4
# A longer run that the autopilot would cut to fewer times the passes is not worth its time.
LEAST_LONGER = 2
# In the measured runs, the loss is higher by about this factor of itself times the square of the
# distance from the dropout that suits.
CURVATURE = 0.5
# In the second half of a run, while the learning rate falls, even a run that has learned all it can
# gains up to this share of its loss. What it gains beyond that, a longer run should gain, too.
ANNEALING = 0.05
RISE = 0.005  # share of the loss by which a run became worse, so that more time would not help
MOST_GAIN = 0.9
NEGLIGIBLE_LOSS = 1e-3  # nats; the losses of a text that is almost certain are not compared

LONGER = "longer"
MORE_DROPOUT = "more dropout"
LESS_DROPOUT = "less dropout"


def expected_gains(evidence: Evidence) -> dict[str, float]:
    """The share of its loss by which each possible change would make a run better."""
    if evidence.loss < NEGLIGIBLE_LOSS:
        return {}
    gains = {}
    longer = _gain_of_longer(evidence)
    if longer is not None and evidence.rise <= RISE:
        gains[LONGER] = min(MOST_GAIN, max(longer, evidence.fall - ANNEALING))
    distance = next_dropout(evidence) - evidence.knobs["dropout"]
    if distance:
        change = MORE_DROPOUT if distance > 0 else LESS_DROPOUT
        gains[change] = CURVATURE * distance**2
    return gains


def next_dropout(evidence: Evidence) -> float:
    """The dropout that suits a run of this length on its text."""
    passes = evidence.planned_passes * cost_of(evidence.knobs)
    return suited_dropout(_characters(evidence), passes)


def cost_of(knobs: Mapping[str, Any]) -> float:
    """The time per character of a network, relative to 2 x 256."""
    sizes = {name: knobs[name] for name in ("hidden_size", "num_layers", "embedding_size")}
    return relative_cost(ModelConfig(**sizes))


def _gain_of_longer(evidence: Evidence) -> float | None:
    """The gain of a run of TIMES_LONGER the time; None if the autopilot would cut it."""
    characters = _characters(evidence)
    passes = evidence.passes * cost_of(evidence.knobs)
    longer = TIMES_LONGER * passes
    if evidence.minutes is not None:
        longer = min(longer, most_passes(best_row(characters, longer)))
    if longer < LEAST_LONGER * passes:
        return None
    gain = 1 - expected_ratio(characters, longer) / expected_ratio(characters, passes)
    automatic = evidence.about["automatic"]
    if automatic is None or "dropout" in automatic:
        return gain
    # the dropout that was chosen is kept, and suits a longer run more or less
    distance = suited_dropout(characters, longer) - float(evidence.knobs["dropout"])
    return gain - CURVATURE * distance**2


def _characters(evidence: Evidence) -> int:
    return max(1, int(evidence.about["train_characters"]))
