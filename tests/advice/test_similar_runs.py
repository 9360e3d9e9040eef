"""The measured runs are looked up by the size of the text and the time there is."""

import math
from collections.abc import Sequence

import pytest

from charrnn.advice import similar_runs
from charrnn.advice.measured import MEASURED, Row
from charrnn.advice.similar_runs import (
    best_row,
    expected_ratio,
    gain_of_continuing,
    longest_measured,
    most_passes,
    rate_of_continuing,
    relative_cost,
    relative_time,
    suited_dropout,
)
from charrnn.config.run_config import ModelConfig, RunConfig

ROWS = [
    Row(1_000, 10.0, 1, 8, 0.1, 0.90),
    Row(1_000, 10.0, 2, 16, 0.3, 0.95),
    Row(1_000, 40.0, 2, 16, 0.3, 0.80),
    Row(1_000, 160.0, 2, 16, 0.3, 0.99),
    Row(100_000, 1.0, 2, 16, 0.0, 1.00),
    Row(100_000, 4.0, 2, 32, 0.2, 0.70),
]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six rows that are easy to calculate with by hand."""
    monkeypatch.setattr(similar_runs, "MEASURED", ROWS)


@pytest.mark.parametrize(
    ("characters", "passes", "expected"),
    [
        (1_000, 10, 0),  # the better of two with the same work
        (1_000, 5, 0),  # less than was measured: the least work
        (1_000, 26, 0),  # 40 is above 1.5 x 26
        (1_000, 27, 2),  # but not above 1.5 x 27
        (1_000, 1e6, 2),  # the best, though more work was measured
        (9_999, 12, 0),  # closer to 1,000 than to 100,000 on a log scale
        (10_001, 12, 5),
        # more than three times the 4 measured on 100,000: like the smaller text
        (10_001, 13, 0),
        (10_001, 1e6, 5),  # more than on any text
        (999, 1e6, 2),  # but never like a larger text
        (5e9, 0.1, 4),
    ],
)
def test_the_best_row_is_that_of_the_nearest_size_with_at_most_this_much_work(
    rows: None, characters: int, passes: float, expected: int
) -> None:
    assert best_row(characters, passes) == ROWS[expected]


def test_passes_are_limited_only_if_all_rows_with_more_did_worse(
    rows: None,
) -> None:
    assert most_passes(ROWS[2]) == 1.25 * 40  # 160 were worse
    assert most_passes(ROWS[0]) == math.inf  # 40 were better
    assert most_passes(ROWS[5]) == math.inf  # none measured
    # nor here, but the smallest texts are soon memorized
    assert most_passes(ROWS[3]) == 1.25 * 160


@pytest.mark.parametrize(
    ("characters", "passes", "dropout"),
    [
        (1_000, 10, 0.1),
        (1_000, 100, 0.3),
        (1_000, 1_000, 0.5),
        (1_000, 10**6, 0.7),  # at most
        (1_000, 1, 0.0),  # at least
        (100_000, 10, 0.05),
        (100_000, 100, 0.25),
        (10**7, 10, 0.0),
        (1_000, 11, 0.1),  # in steps of 0.05
        (1_000, 15, 0.15),
    ],
)
def test_dropout_is_on_a_line_through_the_best_runs_that_have_any(
    characters: int, passes: float, dropout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = [
        Row(1_000, 10.0, 2, 16, 0.1, 0.8),
        Row(1_000, 100.0, 2, 16, 0.3, 0.8),
        Row(100_000, 10.0, 2, 16, 0.05, 0.8),
    ]
    others = [
        Row(1_000, 10.0, 2, 32, 0.6, 0.9),  # worse
        Row(100_000, 1.0, 2, 16, 0.0, 0.8),  # as little as possible
    ]
    monkeypatch.setattr(similar_runs, "MEASURED", best + others)
    assert suited_dropout(characters, passes) == dropout


@pytest.mark.parametrize(
    ("characters", "passes", "ratio"),
    [
        (1_000, 10, 0.90),
        (1_000, 20, 0.85),  # halfway on a log scale from 0.90 at 10 to 0.80 at 40
        (1_000, 160, 0.80),  # the best checkpoint is kept, whatever comes later
        (1_000, 1e9, 0.80),
        (1_000, 5, 0.95),  # the line is extended to the left
        (100_000, 2, 0.85),
        # halfway between the sizes
        (10_000, 4, (0.90 + (math.log(10 / 4) / math.log(4)) * 0.10 + 0.70) / 2),
        (10, 10, 0.90),
        (1e9, 4, 0.70),
    ],
)
def test_the_expected_ratio_is_interpolated_linearly_between_measurements(
    rows: None, characters: int, passes: float, ratio: float
) -> None:
    assert expected_ratio(characters, passes) == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("characters", "passes"), [(1_000, 160), (10, 160), (100_000, 4), (1e9, 4), (10_000, 25.298)]
)
def test_the_longest_measured_run_is_interpolated_by_size(
    rows: None, characters: int, passes: float
) -> None:
    assert longest_measured(characters) == pytest.approx(passes, rel=1e-4)


def test_the_cost_of_the_reference_is_one_and_grows_with_every_size() -> None:
    reference = ModelConfig(hidden_size=256, num_layers=2, embedding_size=64)
    assert relative_cost(reference) == 1
    for larger in ({"hidden_size": 257}, {"num_layers": 3}, {"embedding_size": 65}):
        assert (
            relative_cost(
                ModelConfig(**{"hidden_size": 256, "num_layers": 2, "embedding_size": 64} | larger)
            )
            > 1
        )


def test_networks_of_up_to_2_x_1024_take_as_long_as_each_other_on_a_gpu() -> None:
    def time(hidden_size: int, num_layers: int = 2) -> float:
        sizes = ModelConfig(hidden_size=hidden_size, num_layers=num_layers, embedding_size=64)
        return relative_time(sizes, "cuda")

    assert time(8) == time(256) == time(1024) == 1
    assert time(2048) == pytest.approx(4, rel=0.05)
    assert time(1024, num_layers=4) == pytest.approx(2.3, rel=0.05)


def test_a_gpu_affords_rows_of_larger_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    small = Row(1_000, 10.0, 2, 256, 0.1, 0.90)
    large = Row(1_000, 64.0, 2, 512, 0.3, 0.80)  # 20 passes of its own
    monkeypatch.setattr(similar_runs, "MEASURED", [small, large])
    assert best_row(1_000, 14) == small
    assert best_row(1_000, 14, device="cuda") == large  # up to 1.5 times the passes
    assert best_row(1_000, 13, device="cuda") == small


@pytest.mark.parametrize(
    ("before", "rate"),
    [(0.1, 5e-4), (0.65, 5e-4), (0.8832, 1.4e-3), (1.2, 4e-3), (9.0, 4e-3)],
)
def test_a_model_that_knows_such_texts_already_changes_little(before: float, rate: float) -> None:
    assert rate_of_continuing(2 * before, 2.0) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("characters", "gain"),
    [(100, 0.17), (6_000, 0.17), (24_495, 0.103), (100_000, 0.036), (10**6, 0.0), (10**9, 0.0)],
)
def test_continuing_gains_less_on_a_longer_text(characters: int, gain: float) -> None:
    assert gain_of_continuing(characters) == pytest.approx(gain, abs=1e-4)


# The table of the package


def sizes(rows: Sequence[Row]) -> set[int]:
    return {row.characters for row in rows}


def test_the_table_covers_several_sizes_of_texts_and_networks() -> None:
    assert min(sizes(MEASURED)) <= 20_000
    assert all(0.3 < row.ratio < 1.3 and row.passes > 0 for row in MEASURED)
    assert all(
        RunConfig().replace(
            hidden_size=row.hidden_size, num_layers=row.num_layers, dropout=row.dropout
        )
        for row in MEASURED
    )
    assert len(set(MEASURED)) == len(MEASURED)
