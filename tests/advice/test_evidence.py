"""What a verdict rests on is computed from the right lines of a run's files."""

from typing import Any

import pytest

from charrnn.advice.evidence import Evidence, gathered

ABOUT = {"step": 20, "val_loss": 2.0, "epochs": 3.0, "val_characters": 100, "train_characters": 900}


def lines(*losses: float) -> list[dict[str, Any]]:
    """Lines of the metrics, ten steps apart."""
    return [{"step": 10 * number, "val_loss": loss} for number, loss in enumerate(losses, 1)]


def evidence(*losses: float, final: dict[str, Any] | None = None, **about: Any) -> Evidence:
    found = gathered(
        ABOUT | about, {"val_fraction": 0.1}, lines(*losses), final, steps=40, minutes=None
    )
    assert found
    return found


def test_the_passes_are_those_until_the_last_validation() -> None:
    assert evidence(3.0, 2.0, 2.5, 2.6).passes == 6.0
    assert evidence(3.0, 2.0).passes == 3.0


@pytest.mark.parametrize(
    ("losses", "fall", "rise"),
    [
        ((3.0, 2.0, 2.1, 2.2), 0.0, 0.1),  # the best one is halfway
        ((3.0, 2.0), 1 / 3, 0.0),
        ((2.5, 2.0, 2.5), 0.2, 0.25),  # halfway is between the first and the second
        ((2.0,), 0.0, 0.0),
    ],
)
def test_fall_and_rise_are_shares_of_the_loss_before(
    losses: tuple[float, ...], fall: float, rise: float
) -> None:
    found = evidence(*losses, step=10 if len(losses) == 1 else 20)
    assert found.fall == pytest.approx(fall)
    assert found.rise == pytest.approx(rise)


def test_the_loss_is_the_final_one_if_that_is_of_the_best_checkpoint() -> None:
    final = {"step": 20, "final_val_loss": 1.9, "characters": 100}
    assert evidence(3.0, 2.0, 2.5, final=final).loss == 1.9
    assert evidence(3.0, 2.0, 2.5, final=final | {"step": 30}).loss == 2.0
    assert evidence(3.0, 2.0, 2.5).loss == 2.0


def test_a_loss_of_zero_is_not_divided_by() -> None:
    found = evidence(0.0, 0.0, val_loss=0.0)
    assert (found.fall, found.rise) == (1.0, -1.0)


def test_a_run_has_ended_if_it_has_a_final_line_or_made_all_steps() -> None:
    final = {"step": 20, "final_val_loss": 1.9, "characters": 100}
    assert not evidence(3.0, 2.0).has_ended
    assert evidence(3.0, 2.0, final=final).has_ended
    assert evidence(3.0, 2.0, 2.0, 2.0).has_ended


def test_there_is_no_evidence_without_a_validation_of_the_checkpoint() -> None:
    assert gathered(ABOUT, {}, lines(3.0), None, steps=40, minutes=None) is None
    assert gathered(ABOUT, {}, [], None, steps=40, minutes=None) is None
