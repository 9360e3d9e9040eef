"""The forecast of a loss rests on a trial of the same text and on measured runs."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from charrnn.advice import similar_runs
from charrnn.advice.measured import Row
from charrnn.advice.similar_runs import relative_cost
from charrnn.config.run_config import ModelConfig, RunConfig
from charrnn.corpus.corpus import Corpus, read_corpus
from charrnn.errors import DivergedError
from charrnn.training import forecast as forecasting
from charrnn.training.forecast import (
    Trial,
    TrialClues,
    clues_of,
    expected_loss,
    forecast,
    try_out,
)
from charrnn.training.loop import TrainingLoop
from charrnn.training.resolve import fit_to_machine, with_intervals

pytestmark = pytest.mark.usefixtures("one_thread")

# The ratio to counting falls by a tenth of itself from 1 to 4 passes, and as much again to 16.
ROWS = [
    Row(1_000, 1.0, 2, 256, 0.0, 1.0),
    Row(1_000, 4.0, 2, 256, 0.1, 0.9),
    Row(1_000, 16.0, 2, 256, 0.3, 0.81),
]
TRIAL = Trial(
    characters=1_000,
    unigram_loss=3.0,
    counting_loss=2.0,
    early=2.5,
    late=2.0,
    passes=1.0,
)
FELL = math.log(1.25)
TEXT = "".join(np.random.default_rng(0).choice(list("abcd \n"), 2_000))


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar_runs, "MEASURED", ROWS)
    monkeypatch.setattr(forecasting, "WEIGHTS", TrialClues(measured=1.0, fall=0.5))


@pytest.fixture
def short_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty steps of a tiny network, evaluated after ten and thirty."""
    monkeypatch.setattr(forecasting, "TRIAL", {"num_layers": 1, "hidden_size": 8, "dropout": 0.0})
    monkeypatch.setattr(forecasting, "EARLY", 10)
    monkeypatch.setattr(forecasting, "LATE", 30)


def resolved(corpus: Corpus, **knobs: Any) -> RunConfig:
    given = {"steps": 40, "threads": 1, "batch_size": 4, "sequence_length": 20} | knobs
    return with_intervals(fit_to_machine(RunConfig.from_flat(given)), corpus)


@pytest.mark.parametrize(
    ("passes", "measured", "fall"),
    [
        (4, 0.1 / 2, FELL * math.log(4)),  # half of the loss can be learned
        (16, 0.19 / 2, FELL * math.log(16)),
        (99, 0.19 / 2, FELL * math.log(16)),  # nothing is known of longer runs
        (1, 0.0, 0.0),
    ],
)
def test_the_clues_are_what_measured_runs_gained_and_how_fast_the_trial_fell(
    rows: None, passes: float, measured: float, fall: float
) -> None:
    assert clues_of(TRIAL, passes) == pytest.approx((measured, fall))


def test_the_expected_loss_is_below_that_of_the_trial(rows: None) -> None:
    gain = 0.05 + 0.5 * FELL * math.log(4)
    assert expected_loss(TRIAL, 4) == pytest.approx(2.0 * math.exp(-gain))


def test_a_trial_trains_a_small_network_on_the_text(short_trial: None) -> None:
    corpus = Corpus.of(TEXT, 0.1)
    assert corpus.yardstick is not None
    config = resolved(corpus, hidden_size=64, dropout=0.5)
    trial = try_out(config, corpus)
    cost = relative_cost(ModelConfig(num_layers=1, hidden_size=8))
    assert trial == Trial(
        characters=1_800,
        unigram_loss=pytest.approx(corpus.unigram_loss),
        counting_loss=corpus.yardstick.nats_per_character,
        early=trial.early,
        late=trial.late,
        passes=pytest.approx(30 * 80 / 1_800 * cost),
    )
    assert 0.5 < trial.late <= trial.early < 2.5
    assert try_out(config, corpus) == trial


def test_a_trial_that_gets_worse_counts_as_it_was_before(
    short_trial: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([1.5, 1.7])
    monkeypatch.setattr(TrainingLoop, "validate", lambda *_: next(losses))
    corpus = Corpus.of(TEXT, 0.1)
    trial = try_out(resolved(corpus), corpus)
    assert (trial.early, trial.late) == pytest.approx((1.5, 1.5), abs=1e-5)


def test_a_forecast_has_an_interval_and_other_lengths(
    rows: None, short_trial: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasting, "INTERVAL", (0.5, 2.0))
    monkeypatch.setattr(forecasting, "OUTLOOK", (1.0, 2.0))
    monkeypatch.setattr(forecasting, "try_out", lambda config, corpus: TRIAL)
    corpus = Corpus.of(TEXT, 0.1)
    config = resolved(corpus, num_layers=2, hidden_size=256)
    # 40 steps of 80 characters out of 1,800; a minute makes 3 passes over 1,000
    found = forecast(config, corpus, speed=0.02)
    assert found is not None
    expected = expected_loss(TRIAL, 40 * 80 / 1_800)
    assert found.expected == pytest.approx(expected)
    assert (found.low, found.high) == pytest.approx((expected / 2, expected * 2))
    assert found.outlook == {
        1.0: pytest.approx(expected_loss(TRIAL, 3)),
        2.0: pytest.approx(expected_loss(TRIAL, 6)),
    }


@pytest.mark.parametrize("given", [{}, {"separator": "\n"}])
def test_running_text_and_records_are_predicted(
    short_trial: None, given: Mapping[str, Any]
) -> None:
    config = RunConfig.from_flat(given)
    corpus = read_corpus(config, "one two\nthree four\nfive six\n" * 40, lambda notice: None)
    found = forecast(resolved(corpus, **given), corpus, speed=0.001)
    assert found is not None
    assert 0 < found.low < found.expected < found.high
    assert list(found.outlook) == [5.0, 30.0, 180.0]


def test_a_trial_that_learns_nothing_predicts_nothing(
    short_trial: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = Corpus.of(TEXT, 0.1)
    for loss in (9.0, math.nan):
        bad = TRIAL._replace(early=loss, late=loss)
        monkeypatch.setattr(forecasting, "try_out", lambda config, corpus, bad=bad: bad)
        assert forecast(resolved(corpus), corpus, speed=0.01) is None


def test_a_trial_that_diverges_predicts_nothing(
    short_trial: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(loop: TrainingLoop) -> None:
        raise DivergedError("training diverged at step 1")

    monkeypatch.setattr(TrainingLoop, "train_step", diverge)
    corpus = Corpus.of(TEXT, 0.1)
    assert forecast(resolved(corpus), corpus, speed=0.001) is None


def test_a_run_that_is_shorter_than_its_trial_is_not_predicted(
    short_trial: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasting, "try_out", lambda config, corpus: TRIAL)
    corpus = Corpus.of(TEXT, 0.1)
    small = {"num_layers": 1, "hidden_size": 8}
    assert forecast(resolved(corpus, steps=29, **small), corpus, speed=0.001) is None
    assert forecast(resolved(corpus, steps=31, **small), corpus, speed=0.001) is not None


def test_a_trial_of_more_than_half_a_minute_is_not_made(
    short_trial: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasting, "try_out", lambda config, corpus: TRIAL)
    corpus = Corpus.of(TEXT, 0.1)
    config = resolved(corpus, num_layers=1, hidden_size=8)
    trial = 30 * 80 * relative_cost(config.model)  # characters at 2 x 256
    assert forecast(config, corpus, speed=31 / trial) is None
    assert forecast(config, corpus, speed=29 / trial) is not None


def test_a_text_that_is_certain_has_a_forecast(short_trial: None) -> None:
    corpus = Corpus.of("a" * 2_000, 0.1)
    found = forecast(resolved(corpus), corpus, speed=0.01)
    assert found is not None
    assert 0 < found.expected < 0.01
