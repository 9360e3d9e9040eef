"""Patience counts validations that are worse than the best, after the first pass."""

import math

import pytest

from charrnn.training.early_stopping import EarlyStopping


def stale(losses: list[float], patience: int | None = 9, *, first_pass: int = 0) -> EarlyStopping:
    """The state after some validations, of which ``first_pass`` are made during the first pass."""
    stopping = EarlyStopping(patience)
    best = math.inf
    for number, loss in enumerate(losses):
        stopping.update(loss, best, first_pass=number < first_pass)
        best = min(best, loss)
    return stopping


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([3.0], 0),
        ([3.0, 2.0, 1.0], 0),
        ([3.0, 4.0, 4.0], 2),
        ([3.0, 4.0, 2.0, 5.0], 1),  # a new best resets the count
        ([3.0, 4.0, 3.5, 3.2], 3),  # better than the previous one is not better than the best
        ([2.0, 2.0, 2.02, 2.019], 0),  # less than a hundredth worse does not count
        ([2.0, 2.021], 1),
    ],
)
def test_it_counts_validations_that_are_worse_than_the_best(
    losses: list[float], expected: int
) -> None:
    assert stale(losses).stale == expected


def test_the_first_pass_does_not_count() -> None:
    assert stale([1.0, 2.0, 2.0, 2.0], first_pass=3).stale == 1


def test_it_stops_when_patience_runs_out() -> None:
    assert not stale([1.0, 2.0], patience=2).should_stop
    assert stale([1.0, 2.0, 2.0], patience=2).should_stop


def test_without_patience_it_never_stops() -> None:
    assert not stale([1.0] + [2.0] * 100, patience=None).should_stop
