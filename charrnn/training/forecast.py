"""Forecast: the loss that a planned run should reach, from a short trial on the same text.

The trial trains a small network for some steps. How much lower a whole run ends was fitted to runs
on many kinds of text (``benchmarks/forecasts.py``).
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from charrnn.advice.quality import learnable
from charrnn.advice.similar_runs import expected_ratio, longest_measured, relative_cost
from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.errors import DivergedError
from charrnn.training.device import settled
from charrnn.training.evaluate import WARM_UP
from charrnn.training.loop import TrainingLoop, layout

TRIAL = {"num_layers": 2, "hidden_size": 128, "dropout": 0.1}
# The trial is the beginning of a longer run, in which the learning rate is at its peak.
TRIAL_SCHEDULE = 1000
EARLY = 50  # steps
LATE = 200
MOST_SECONDS = 30.0  # of a trial; one with long sequences would take longer
JUDGED = 100_000  # characters
TINY = 1e-6  # nats, added to each loss, since that of a text which is certain is 0
OUTLOOK = (5.0, 30.0, 180.0)  # minutes
# Of the runs that the weights were not fitted to, four fifths ended within these factors.
INTERVAL = (0.92, 1.08)


class TrialClues(NamedTuple):
    """By how much a run ends below its trial, as logarithms of the loss; or their weights.

    Args:
        measured: what longer runs gained on measured texts of this size.
        fall: how much the loss fell in the trial, times the logarithm of how much longer the run
            is; up to the longest of those runs.
    """

    measured: float
    fall: float


WEIGHTS = TrialClues(0.62, 0.44)


class Trial(NamedTuple):
    """What a short run on a text showed. Losses are of the validation part, in nats per character.

    Args:
        characters: of the training part.
        unigram_loss: of the frequencies of the characters.
        counting_loss: of counting which characters follow which.
        early: after EARLY steps.
        late: after LATE steps, or after EARLY if that is lower.
        passes: over the training text, at 2 x 256.
    """

    characters: int
    unigram_loss: float
    counting_loss: float
    early: float
    late: float
    passes: float


@dataclass(frozen=True)
class Forecast:
    """Validation losses in nats per character.

    Args:
        expected: of the planned run.
        low, high: where it should be.
        outlook: the expected losses of other runs, by their minutes.
    """

    expected: float
    low: float
    high: float
    outlook: dict[float, float] = field(default_factory=dict)


def forecast(config: RunConfig, corpus: Corpus, speed: float) -> Forecast | None:
    """What a run should reach; None if that cannot be told from a trial.

    It cannot if the trial would take long, if it learns nothing, as with a learning rate that is
    too high, or if the run is shorter than the trial.

    Args:
        config: resolved.
        corpus: the text to train on, with a validation part.
        speed: seconds per character at 2 x 256.
    """
    trial_passes = _passes(config.replace(**TRIAL), corpus, LATE)
    assert config.train.steps is not None
    passes = _passes(config, corpus, config.train.steps)
    takes_long = trial_passes * len(corpus.train) * speed > MOST_SECONDS
    if takes_long or passes < trial_passes:
        return None
    try:
        trial = try_out(config, corpus)
    except DivergedError:
        return None
    if not trial.late <= trial.unigram_loss + TINY:
        return None
    expected = expected_loss(trial, passes)
    low, high = INTERVAL
    outlook = {}
    for minutes in OUTLOOK:
        outlook[minutes] = expected_loss(trial, minutes * 60 / speed / trial.characters)
    return Forecast(expected, low * expected, high * expected, outlook)


def try_out(config: RunConfig, corpus: Corpus) -> Trial:
    """Train a small network for LATE steps.

    Args:
        config: resolved.
        corpus: the text to train on, with a validation part.
    """
    config = config.replace(**TRIAL, minutes=None, steps=TRIAL_SCHEDULE)
    threads = config.train.threads
    assert isinstance(threads, int) and corpus.yardstick and corpus.unigram_loss is not None
    judged = min(JUDGED, len(corpus.judged))
    losses = []
    with settled(threads, config.train.device):
        loop = TrainingLoop(config, corpus)
        try:
            for steps in (EARLY, LATE):
                while loop.step < steps:
                    loop.train_step()
                losses.append(loop.validate(judged, WARM_UP) + TINY)
        finally:
            loop.close()
    return Trial(
        characters=len(corpus.train),
        unigram_loss=corpus.unigram_loss,
        counting_loss=corpus.yardstick.nats_per_character,
        early=losses[0],
        late=min(losses),
        passes=_passes(config, corpus, LATE),
    )


def _passes(config: RunConfig, corpus: Corpus, steps: int) -> float:
    """Over the training text, as many as 2 x 256 would make in the same time."""
    symbols = steps * layout(config, corpus).symbols_per_step
    return symbols / len(corpus.train) * relative_cost(config.model)


def expected_loss(trial: Trial, passes: float) -> float:
    """The validation loss of a run of some passes at 2 x 256."""
    clues = clues_of(trial, passes)
    gain = WEIGHTS.measured * clues.measured + WEIGHTS.fall * clues.fall
    return trial.late * math.exp(-gain)


def clues_of(trial: Trial, passes: float) -> TrialClues:
    """On how much lower the loss of a run, which is longer, ends than that of its trial."""
    passes = max(trial.passes, min(passes, longest_measured(trial.characters)))
    before = expected_ratio(trial.characters, trial.passes)
    gained = 1 - expected_ratio(trial.characters, passes) / before
    share = learnable(trial.unigram_loss, trial.counting_loss, trial.late)
    fell = math.log(trial.early / trial.late)
    return TrialClues(gained * share, fell * math.log(passes / trial.passes))
