"""The autopilot advises what did best in the measurements, respects what is given, and predicts
the result."""

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from charrnn.advice import similar_runs
from charrnn.advice.measured import MEASURED, Row
from charrnn.advice.similar_runs import best_row, expected_ratio, most_passes, relative_cost
from charrnn.config.run_config import ModelConfig, RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.training import plan as planning
from charrnn.training.plan import plan

pytestmark = pytest.mark.usefixtures("one_thread")

ROWS = [
    Row(1_000, 10.0, 1, 8, 0.1, 0.90),
    Row(1_000, 10.0, 2, 16, 0.3, 0.95),
    Row(1_000, 40.0, 2, 16, 0.3, 0.80),
    Row(1_000, 160.0, 2, 16, 0.3, 0.99),
    Row(100_000, 1.0, 2, 16, 0.0, 1.00),
    Row(100_000, 4.0, 2, 32, 0.2, 0.70),
]
TEXT = "".join(np.random.default_rng(0).choice(list("abcd \n"), 2_000))


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six rows that are easy to calculate with by hand."""
    monkeypatch.setattr(similar_runs, "MEASURED", ROWS)


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that takes a millisecond per character at 2 x 256, and in proportion to the cost
    of another network."""
    monkeypatch.setattr(
        planning,
        "_seconds_per_character",
        lambda config, given, corpus: 1e-3 * relative_cost(config.model),
    )


def advised(given: dict[str, Any], seconds_ago: float = 0.0) -> Any:
    return plan(
        RunConfig.from_flat(given), set(given), Corpus.of(TEXT, 0.1), time.monotonic() - seconds_ago
    )


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


# The whole plan: 1,800 training characters, a millisecond each at 2 x 256


# 3.3 passes, 33, 2,000
@pytest.mark.parametrize(("minutes", "row"), [(0.1, 0), (1.0, 2), (60.0, 2)])
def test_minutes_choose_the_row(rows: None, speed: None, minutes: float, row: int) -> None:
    chosen = ROWS[row]
    found = advised({"minutes": minutes})
    assert found.values == {
        "hidden_size": chosen.hidden_size,
        "num_layers": chosen.num_layers,
        "dropout": chosen.dropout,
    }


def test_steps_choose_the_row_by_their_work(rows: None, speed: None) -> None:
    # 16 x 64 = 1,024 characters per step: 29 steps are 16.5 passes at 2 x 256, 57 are 32.4
    assert advised({"steps": 29}).values["dropout"] == 0.1
    assert advised({"steps": 57}).values["dropout"] == 0.3


def test_given_values_are_kept_and_the_rest_is_planned(rows: None, speed: None) -> None:
    found = advised({"minutes": 1.0, "hidden_size": 15})
    assert found.values == {"num_layers": 2, "dropout": 0.3}
    assert [line.partition(" did best ")[0] for line in found.reasons] == [
        "2 layers and dropout 0.3"
    ]
    # nothing was measured for the user's choice
    assert (found.expected, found.outlook) == (None, {})
    # like the nearest measured size
    assert advised({"minutes": 1.0, "hidden_size": 7}).values == {"num_layers": 1, "dropout": 0.1}
    everything = {"minutes": 1.0, "hidden_size": 5, "num_layers": 1, "dropout": 0.0}
    assert advised(everything).values == {}
    assert advised(everything).reasons == []


def test_elapsed_time_is_subtracted(rows: None, speed: None) -> None:
    assert advised({"minutes": 1.0}).values["dropout"] == 0.3
    assert advised({"minutes": 1.0}, seconds_ago=50).values["dropout"] == 0.1


def test_the_expected_loss_is_the_ratio_times_the_yardstick(rows: None, speed: None) -> None:
    corpus = Corpus.of(TEXT, 0.1)
    assert corpus.yardstick is not None
    counts = corpus.yardstick.nats_per_character
    found = plan(RunConfig.from_flat({"steps": 48}), {"steps"}, corpus, time.monotonic())
    assert found.expected == pytest.approx(counts * expected_ratio(1_800, 48 * 1_024 / 1_800))
    assert found.outlook == {
        minutes: pytest.approx(counts * expected_ratio(1_800, minutes * 60e3 / 1_800))
        for minutes in (5, 30, 180)
    }
    nothing = plan(
        RunConfig.from_flat({"steps": 48}), {"steps"}, Corpus.of(TEXT, 0), time.monotonic()
    )
    assert (nothing.expected, nothing.outlook) == (None, {})


def test_the_limit_on_passes_is_weighted_by_the_cost_of_the_network(
    rows: None, speed: None
) -> None:
    cost = relative_cost(ModelConfig(hidden_size=16))
    assert advised({"minutes": 1.0}).most_passes == pytest.approx(50 / cost)


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
