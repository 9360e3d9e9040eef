"""Predicts how much better a run would be with more time or another dropout, by measured runs.

Both predictions look up the runs in measured.py: what longer ones on a text of this size gained,
and which dropout suited them. What a longer run gains also depends on the run's own losses; how
much each clue weighs was fitted to runs on many kinds of text (``benchmarks/verdicts.py``).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from charrnn.advice.evidence import Evidence
from charrnn.advice.quality import NEGLIGIBLE_LOSS, learnable
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
FEW_PASSES = 5.0  # after more, a loss above that of counting is not for lack of time
# A longer run gains at most this times the fall of a run: a loss that does not fall will not.
MOST_EXCESS = 10.0
RISE = 0.005  # share of the loss by which a run became worse, so that more time would not help
MOST_GAIN = 0.9


class Clues(NamedTuple):
    """What a run of TIMES_LONGER the time should gain, as shares of its loss; or their weights.

    Args:
        measured: what measured runs on a text of this size gained.
        fall: by how much the loss fell in the second half of the run.
    """

    measured: float
    fall: float


WEIGHTS = Clues(0.61, 0.24)

LONGER = "longer"
MORE_DROPOUT = "more dropout"
LESS_DROPOUT = "less dropout"


def expected_gains(evidence: Evidence) -> dict[str, float]:
    """The share of its loss by which each possible change would make a run better."""
    if evidence.loss < NEGLIGIBLE_LOSS:
        return {}
    gains = {}
    clues = clues_of_longer(evidence)
    if clues is not None:
        gain = WEIGHTS.measured * clues.measured + WEIGHTS.fall * clues.fall
        gains[LONGER] = min(MOST_GAIN, gain + excess(evidence))
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


def clues_of_longer(evidence: Evidence) -> Clues | None:
    """On the gain of a longer run; None if it cannot gain, or if the autopilot would cut it.

    A run that became worse gains nothing from more time, unless the autopilot chooses the dropout:
    then the longer run gets more of it.
    """
    automatic = evidence.about["automatic"]
    is_chosen = automatic is None or "dropout" not in automatic
    if evidence.rise > RISE and is_chosen:
        return None
    characters = _characters(evidence)
    passes = evidence.passes * cost_of(evidence.knobs)
    longer = TIMES_LONGER * passes
    if evidence.minutes is not None:
        longer = min(longer, most_passes(best_row(characters, longer)))
    if longer < LEAST_LONGER * passes:
        return None
    measured = 1 - expected_ratio(characters, longer) / expected_ratio(characters, passes)
    if automatic is not None and is_chosen:
        # the dropout that was chosen is kept, and suits a longer run more or less
        distance = suited_dropout(characters, longer) - float(evidence.knobs["dropout"])
        measured -= CURVATURE * distance**2
    return Clues(
        measured=measured * _learnable(evidence),
        fall=_fall(evidence),
    )


def _learnable(evidence: Evidence) -> float:
    """How much of the text's uncertainty can be learned, as a share of the loss."""
    if evidence.counting_loss is None:
        return 1.0
    return learnable(evidence.about.get("unigram_loss"), evidence.counting_loss, evidence.loss)


def excess(evidence: Evidence) -> float:
    """The share of a loss by which it is above that of counting which characters follow which.

    A longer run gains that, and what other runs gain, if this one made few passes over the text and
    its loss was still falling.
    """
    if evidence.counting_loss is None or evidence.passes > FEW_PASSES:
        return 0.0
    above = 1 - evidence.counting_loss / evidence.loss
    return max(0.0, min(above, MOST_EXCESS * _fall(evidence)))


def _fall(evidence: Evidence) -> float:
    """By how much the loss fell in the second half of a run; 0 if it rose at the end."""
    if evidence.rise > RISE:
        return 0.0
    return max(0.0, evidence.fall)


def _characters(evidence: Evidence) -> int:
    return max(1, int(evidence.about["train_characters"]))
