"""Gains are predicted from measured runs, for the changes that are possible."""

from typing import Any

import pytest

from charrnn.advice import gains, similar_runs
from charrnn.advice.evidence import Evidence
from charrnn.advice.gains import Clues, clues_of_longer, expected_gains, next_dropout
from charrnn.advice.measured import Row
from charrnn.config.run_config import RunConfig

# The loss falls by a tenth of itself from 1 to 4 passes, and by as much again from 4 to 16; then it
# stays. Dropout grows by 0.2 with every fourfold of the passes.
ROWS = [
    Row(1_000, 1.0, 2, 256, 0.0, 1.0),
    Row(1_000, 4.0, 2, 256, 0.1, 0.9),
    Row(1_000, 16.0, 2, 256, 0.3, 0.81),
    Row(1_000, 64.0, 2, 256, 0.5, 0.81),
    Row(100_000, 4.0, 2, 256, 0.1, 0.9),
]


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows above; what they gained is expected, and half of the fall."""
    monkeypatch.setattr(similar_runs, "MEASURED", ROWS)
    monkeypatch.setattr(gains, "WEIGHTS", Clues(measured=1.0, fall=0.5))


def evidence(
    passes: float,
    dropout: float,
    *,
    minutes: float | None = None,
    loss: float = 2.0,
    fall: float = 0.0,
    rise: float = 0.0,
    automatic: list[str] | None = None,
    yardstick: float | None = None,
    unigram_loss: float | None = None,
    **knobs: Any,
) -> Evidence:
    """A finished run of 40 steps on a thousand characters, the last of which rose."""
    rises = [(40, loss * (1 + rise))] if rise else []
    return Evidence(
        about={
            "step": 40,
            "val_loss": loss,
            "epochs": passes,
            "train_characters": 1_000,
            "automatic": automatic,
            "yardstick": None if yardstick is None else {"nats_per_character": yardstick},
            "unigram_loss": unigram_loss,
        },
        knobs=RunConfig.from_flat({"dropout": dropout} | knobs).flat(),
        validations=[(20, loss / (1 - fall)), (40, loss), *rises],
        loss=loss,
        steps=40,
        minutes=minutes,
        finished=True,
    )


@pytest.mark.parametrize(
    ("passes", "gain"), [(1, 0.1), (4, 0.1), (8, 0.0526), (16, 0.0), (99, 0.0)]
)
def test_four_times_the_time_gains_what_it_did_in_the_measured_runs(
    passes: float, gain: float
) -> None:
    found = expected_gains(evidence(passes, dropout=0.3))
    assert found["longer"] == pytest.approx(gain, abs=1e-3)


def test_a_run_that_was_still_falling_is_expected_to_gain_more() -> None:
    assert expected_gains(evidence(16, dropout=0.3, fall=0.2))["longer"] == pytest.approx(0.1)
    falling = evidence(1, dropout=0.0, fall=0.1)
    assert clues_of_longer(falling) == pytest.approx((0.1, 0.1))
    assert expected_gains(falling)["longer"] == pytest.approx(0.15)


def test_a_loss_that_rises_is_no_clue() -> None:
    assert clues_of_longer(evidence(16, dropout=0.3, fall=-0.1)) == pytest.approx((0.0, 0.0))


def test_a_gain_is_less_than_the_whole_loss() -> None:
    assert expected_gains(evidence(1, dropout=0.0, fall=0.99, yardstick=0.1))["longer"] == 0.9


@pytest.mark.parametrize(
    ("unigram_loss", "gain"),
    [
        (4.0, 0.1),  # 4 - 2 nats can be learned, which is the loss
        (3.0, 0.05),
        (99.0, 0.3),
        (1.9, 0.0),
        (None, 0.1),  # of an older model
    ],
)
def test_where_little_can_be_learned_little_can_be_gained(
    unigram_loss: float | None, gain: float
) -> None:
    run = evidence(4, dropout=0.1, loss=2.0, yardstick=2.0, unigram_loss=unigram_loss)
    assert expected_gains(run)["longer"] == pytest.approx(gain)


def test_a_run_that_is_worse_than_counting_is_expected_to_gain_that_too() -> None:
    worse = evidence(4, dropout=0.1, loss=2.0, yardstick=1.6, fall=0.03)
    assert expected_gains(worse)["longer"] == pytest.approx(0.1 + 0.015 + 0.2)
    flat = evidence(4, dropout=0.1, loss=2.0, yardstick=1.6, fall=0.001)
    assert expected_gains(flat)["longer"] == pytest.approx(0.1 + 0.0005 + 0.01)
    better = evidence(4, dropout=0.1, loss=2.0, yardstick=2.5)
    assert expected_gains(better)["longer"] == pytest.approx(0.1)
    after_many_passes = evidence(16, dropout=0.3, loss=2.0, yardstick=1.6)
    assert expected_gains(after_many_passes)["longer"] == 0.0


def test_more_time_does_not_help_a_run_whose_loss_rose_with_a_chosen_dropout() -> None:
    assert "longer" in expected_gains(evidence(1, dropout=0.0, rise=0.004))
    assert "longer" not in expected_gains(evidence(1, dropout=0.0, rise=0.006))
    assert "longer" not in expected_gains(evidence(1, dropout=0.0, rise=0.006, automatic=[]))


def test_a_run_whose_loss_rose_gets_more_dropout_with_more_time() -> None:
    rose = evidence(1, dropout=0.0, rise=0.006, fall=0.1, automatic=["dropout"])
    assert clues_of_longer(rose) == pytest.approx((0.1, 0.0))


def test_a_chosen_dropout_suits_a_longer_run_less() -> None:
    chosen = expected_gains(evidence(4, dropout=0.1, automatic=[]))
    planned = expected_gains(evidence(4, dropout=0.1, automatic=["dropout"]))
    assert planned["longer"] == pytest.approx(0.1)
    assert chosen["longer"] == pytest.approx(0.1 - 0.02)  # half of the square of 0.3 - 0.1


def test_a_smaller_network_makes_more_passes_in_the_same_time() -> None:
    small = expected_gains(evidence(8, dropout=0.3, hidden_size=128))
    assert small["longer"] == pytest.approx(0.1, abs=1e-3)  # as 4 passes of 2 x 256


def test_a_longer_run_is_not_expected_if_the_autopilot_would_cut_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worse = [row for row in ROWS if row.passes < 64] + [Row(1_000, 64.0, 2, 256, 0.5, 0.9)]
    monkeypatch.setattr(similar_runs, "MEASURED", worse)  # at most 1.25 times 16 passes
    assert "longer" not in expected_gains(evidence(16, dropout=0.3, minutes=1.0))
    assert "longer" in expected_gains(evidence(16, dropout=0.3))  # with steps, nothing is cut
    assert "longer" in expected_gains(evidence(4, dropout=0.1, minutes=1.0))


@pytest.mark.parametrize(
    ("passes", "dropout", "suited", "change", "gain"),
    [
        (4, 0.1, 0.1, None, 0.0),
        (16, 0.3, 0.3, None, 0.0),
        (16, 0.1, 0.3, "more dropout", 0.02),  # half of 0.2 squared
        (16, 0.0, 0.3, "more dropout", 0.045),
        (16, 0.5, 0.3, "less dropout", 0.02),
        (1, 0.2, 0.0, "less dropout", 0.02),
    ],
)
def test_dropout_gains_half_the_square_of_its_distance_from_what_suits(
    passes: float, dropout: float, suited: float, change: str | None, gain: float
) -> None:
    run = evidence(passes, dropout)
    assert next_dropout(run) == suited
    found = {name: value for name, value in expected_gains(run).items() if name != "longer"}
    assert found == ({change: pytest.approx(gain)} if change else {})


def test_a_text_that_is_almost_certain_has_no_gains() -> None:
    assert expected_gains(evidence(4, 0.0, loss=1e-4)) == {}
