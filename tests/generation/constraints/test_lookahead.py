"""Lookahead: exact near the end (see test_automaton.py, by enumeration), even far from it, and
bounded."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.errors import ConfigError
from charrnn.generation.constraints import lookahead
from charrnn.generation.constraints.lookahead import Lookahead

NO_AA = np.array([[1, 0], [2, 0], [2, 2]])  # of a and of others: after another, after an a, dead
ALWAYS = np.array([True, True, False])
HALVES = np.array([0.5, 0.5])


def none(after: NDArray[Any]) -> NDArray[np.bool_]:
    """Nothing leaves."""
    return np.zeros(after.shape, np.bool_)


def test_far_from_the_end_hope_falls_evenly() -> None:
    found = Lookahead(NO_AA, ALWAYS, np.ones(3), none(NO_AA), HALVES, None, 100_000, 100_000)
    table, falls, chance = np.array([[0.5, 0.5], [0.5, 0.0]]), [0.0], np.ones(2)
    for _ in range(2000):
        chance = table @ chance
        falls.append(falls[-1] + math.log(chance.max()))
        chance /= chance.max()
    for before in (5, 100, 1000, 2000):
        assert found.layer(100_000 - before)[1][0] + found.scale(100_000 - before) == pytest.approx(
            falls[before], rel=3e-3
        )
    assert found.scale(0) == pytest.approx(50 * falls[2000], rel=3e-3)
    assert found.layer(0)[0] == found.layer(50_000)[0]  # nothing new was kept for it


def test_a_record_hopes_for_its_end() -> None:
    found = Lookahead(
        np.array([[0], [1]]),
        np.array([True, False]),
        np.ones(2),
        none(np.array([[0], [1]])),
        np.array([0.9]),
        0.1,
        0,
        3,
    )
    for written, chance in (
        (3, 0.1),
        (2, 0.1 + 0.09),
        (1, 0.1 + 0.9 * 0.19),
        (0, 0.1 + 0.9 * 0.271),
    ):
        assert found.layer(written)[1][0] == pytest.approx(math.log(chance), abs=1e-3)


def test_where_all_is_possible_there_is_nothing_to_hope_for() -> None:
    after = np.array([[0, 0], [1, 1]])
    found = Lookahead(
        after,
        np.array([True, False]),
        np.ones(2),
        none(after),
        np.array([0.3, 0.7]),
        None,
        500,
        500,
    )
    assert [found.layer(written)[1][0] + found.scale(written) for written in (0, 250, 500)] == [
        0.0,
        0.0,
        0.0,
    ]


def test_what_is_unlikely_beyond_all_numbers_stays_possible() -> None:
    rows = 400  # a text of one symbol, whose share is a ten-billionth, over and over
    after = np.stack([np.minimum(np.arange(rows + 1) + 1, rows), np.full(rows + 1, rows)], axis=1)
    accepts = np.arange(rows + 1) == rows - 1
    found = Lookahead(
        after, accepts, np.ones(rows + 1), none(after), np.array([1e-10, 1 - 1e-10]), None, 0, rows
    )
    assert all(np.isfinite(found.layer(state)[1][state]) for state in range(rows))


def test_too_much_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookahead, "MOST_WORK", 1 << 25)
    rows = 1 << 17
    after = np.stack([np.minimum(np.arange(rows + 1) + 1, rows)] * 30, axis=1)
    with pytest.raises(
        ConfigError,
        match=r"^length: 1,000,000 characters are too many for a constraint of 131,072 states",
    ):
        Lookahead(
            after,
            np.arange(rows + 1) == rows - 1,
            np.ones(rows + 1),
            none(after),
            np.full(30, 1 / 30),
            None,
            0,
            1_000_000,
        )
