"""A text computed in pieces has the values of the whole, and only a few pieces are kept."""

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn import piecewise
from charrnn.piecewise import Piecewise


class Squares:
    """Computes (stop - start, 2) values, and records for which pieces."""

    def __init__(self) -> None:
        self.computed: list[tuple[int, int]] = []

    def __call__(self, start: int, stop: int) -> NDArray[np.int64]:
        self.computed.append((start, stop))
        places = np.arange(start, stop)
        return np.stack([places, places**2], axis=1)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of more than 40 symbols are computed in pieces of at least 10."""
    monkeypatch.setattr(piecewise, "WHOLE", 40)
    monkeypatch.setattr(piecewise, "MIN_PIECE", 10)


def test_a_text_that_is_not_long_is_computed_once() -> None:
    compute = Squares()
    values = Piecewise(1000, 5, compute)
    for _ in range(3):
        assert values[np.array([[3, 999], [0, 3]])].tolist() == [
            [[3, 9], [999, 998_001]],
            [[0, 0], [3, 9]],
        ]
    assert compute.computed == [(0, 1000)]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("length", [1, 39, 40, 41, 95, 100])
@pytest.mark.parametrize("shape", [(3, 4), (7,), (200,), (2, 3, 5)])
def test_places_of_any_shape_and_order_have_the_values_of_the_whole(
    length: int, shape: tuple[int, ...]
) -> None:
    values = Piecewise(length, 3, Squares())
    rng = np.random.default_rng(length)
    for _ in range(5):
        places = rng.integers(0, length, shape)
        np.testing.assert_array_equal(values[places], Squares()(0, length)[places])


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("reach", "size"), [(3, 10), (10, 10), (25, 25)])
def test_pieces_are_as_long_as_their_reach_or_longer(reach: int, size: int) -> None:
    compute = Squares()
    values = Piecewise(95, reach, compute)
    values[np.arange(95)]
    starts = range(0, 95, size)
    assert compute.computed == [(start, min(start + size, 95)) for start in starts]


@pytest.mark.usefixtures("short")
def test_the_last_pieces_are_kept_and_the_least_recently_used_are_dropped() -> None:
    compute = Squares()
    values = Piecewise(1000, 3, compute)
    for place in (5, 15, 25, 35, 5, 45):  # four pieces of 10 are kept, the first was used again
        values[np.array([place])]
    assert compute.computed == [(0, 10), (10, 20), (20, 30), (30, 40), (40, 50)]
    values[np.array([1, 21, 31, 41])]
    assert len(compute.computed) == 5
    values[np.array([11])]
    assert compute.computed[5:] == [(10, 20)]


@pytest.mark.usefixtures("short")
def test_as_many_pieces_are_kept_as_were_just_used() -> None:
    compute = Squares()
    values = Piecewise(1000, 3, compute)
    places = np.arange(0, 1000, 50)
    for _ in range(3):
        values[places]
    assert len(compute.computed) == len(values.pieces) == 20
