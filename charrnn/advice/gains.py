"""Predicts how much better a run would be with more time or another dropout, by measured runs.

Both predictions look up the runs in measured.py: what longer ones on a text of this size gained,
and which dropout suited them. A run whose own loss was still falling fast is expected to gain more.
"""

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
# While the learning rate falls, in the second half of a run, even one that has learned all it can
# gains about this share of its loss. What it gains beyond that, it would go on to gain.
ANNEALING = 0.05
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
    if longer is not None:
        gains[LONGER] = max(longer, evidence.fall - ANNEALING)
    dropout = evidence.knobs["dropout"]
    distance = next_dropout(evidence) - dropout
    if distance:
        change = MORE_DROPOUT if distance > 0 else LESS_DROPOUT
        gains[change] = CURVATURE * distance**2
    return gains


def next_dropout(evidence: Evidence) -> float:
    """The dropout that suits a run of this length on its text."""
    return suited_dropout(_characters(evidence), _passes(evidence))


def _gain_of_longer(evidence: Evidence) -> float | None:
    """The gain of a run of TIMES_LONGER the time; None if the autopilot would cut it."""
    characters = _characters(evidence)
    passes = _passes(evidence)
    longer = TIMES_LONGER * passes
    if evidence.about["minutes"] is not None:
        longer = min(longer, most_passes(best_row(characters, longer)))
    if longer < LEAST_LONGER * passes:
        return None
    return 1 - expected_ratio(characters, longer) / expected_ratio(characters, passes)


def _characters(evidence: Evidence) -> int:
    return max(1, int(evidence.about["train_characters"]))


def _passes(evidence: Evidence) -> float:
    """The passes that a network of 2 x 256 would have made in the same time."""
    knobs = evidence.knobs
    sizes = {name: knobs[name] for name in ("hidden_size", "num_layers", "embedding_size")}
    return evidence.passes * relative_cost(ModelConfig(**sizes))
