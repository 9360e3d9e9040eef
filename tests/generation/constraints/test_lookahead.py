"""Lookahead: exact near the end (see test_dfa.py, by enumeration), regular far from it, and
bounded."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.errors import ConfigError
from charrnn.generation.constraints import lookahead
from charrnn.generation.constraints.dfa import Table
from charrnn.generation.constraints.lookahead import Lookahead

# columns: a, other symbols; states: after another symbol, after an a, dead
NO_AA = np.array([[1, 0], [2, 0], [2, 2]])
ALWAYS = np.array([True, True, False])
HALVES = np.array([0.5, 0.5])


def table(after: NDArray[Any], accepts: NDArray[Any]) -> Table:
    """A table with one symbol per class, in which no symbol is boosted and none ends a text."""
    num_states, num_classes = after.shape
    return Table(
        next=after,
        accepts=accepts,
        classes=np.arange(num_classes),
        boosts=np.ones(num_states),
        ending=np.zeros(after.shape, np.bool_),
    )


def test_far_from_the_end_the_log_probability_falls_linearly() -> None:
    result = Lookahead(table(NO_AA, ALWAYS), HALVES, None, 100_000, 100_000)
    steps, falls, chance = np.array([[0.5, 0.5], [0.5, 0.0]]), [0.0], np.ones(2)
    for _ in range(2000):
        chance = steps @ chance
        falls.append(falls[-1] + math.log(chance.max()))
        chance /= chance.max()
    for before in (5, 100, 1000, 2000):
        written = 100_000 - before
        assert result.layer(written)[1][0] + result.offset(written) == pytest.approx(
            falls[before], rel=3e-3
        )
    assert result.offset(0) == pytest.approx(50 * falls[2000], rel=3e-3)
    assert result.layer(0)[0] == result.layer(50_000)[0]  # no new layer was stored


def test_a_record_is_finished_by_its_end_symbol() -> None:
    result = Lookahead(
        table(np.array([[0], [1]]), np.array([True, False])), np.array([0.9]), 0.1, 0, 3
    )
    for written, chance in (
        (3, 0.1),
        (2, 0.1 + 0.09),
        (1, 0.1 + 0.9 * 0.19),
        (0, 0.1 + 0.9 * 0.271),
    ):
        assert result.layer(written)[1][0] == pytest.approx(math.log(chance), abs=1e-3)


def test_without_restrictions_a_text_is_finished_with_probability_1() -> None:
    after = np.array([[0, 0], [1, 1]])
    result = Lookahead(table(after, np.array([True, False])), np.array([0.3, 0.7]), None, 500, 500)
    for written in (0, 250, 500):
        assert result.layer(written)[1][0] + result.offset(written) == 0.0


def test_a_probability_below_the_smallest_float_stays_possible() -> None:
    rows = 400  # a text that repeats one symbol with a share of a ten-billionth
    after = np.stack([np.minimum(np.arange(rows + 1) + 1, rows), np.full(rows + 1, rows)], axis=1)
    accepts = np.arange(rows + 1) == rows - 1
    result = Lookahead(table(after, accepts), np.array([1e-10, 1 - 1e-10]), None, 0, rows)
    assert all(np.isfinite(result.layer(state)[1][state]) for state in range(rows))


def test_too_much_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookahead, "MAX_WORK", 1 << 25)
    rows = 1 << 17
    after = np.stack([np.minimum(np.arange(rows + 1) + 1, rows)] * 30, axis=1)
    accepts = np.arange(rows + 1) == rows - 1
    with pytest.raises(
        ConfigError,
        match=r"^`length` 1,000,000 is too large for a constraint with 131,072 states",
    ):
        Lookahead(table(after, accepts), np.full(30, 1 / 30), None, 0, 1_000_000)
