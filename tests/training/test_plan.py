"""The autopilot advises what did best in the measurements, and respects what is given."""

import time
from typing import Any

import numpy as np
import pytest

from charrnn.advice import similar_runs
from charrnn.advice.similar_runs import relative_cost
from charrnn.config.run_config import ModelConfig, RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.training import plan as planning
from charrnn.training.plan import plan
from tests.advice.test_similar_runs import ROWS

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = "".join(np.random.default_rng(0).choice(list("abcd \n"), 2_000))


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six rows that are easy to calculate with by hand; a hundredth of the passes is the dropout."""
    monkeypatch.setattr(similar_runs, "MEASURED", ROWS)
    monkeypatch.setattr(planning, "suited_dropout", lambda _, passes: round(passes / 100, 2))


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


# The whole plan: 1,800 training characters, a millisecond each at 2 x 256


# 3.3 passes, 33, and 2,000, of which 50 are used
@pytest.mark.parametrize(
    ("minutes", "row", "dropout"), [(0.1, 0, 0.03), (1.0, 2, 0.33), (60.0, 2, 0.5)]
)
def test_minutes_choose_the_row_and_the_dropout(
    rows: None, speed: None, minutes: float, row: int, dropout: float
) -> None:
    chosen = ROWS[row]
    found = advised({"minutes": minutes})
    assert found.values == {
        "hidden_size": chosen.hidden_size,
        "num_layers": chosen.num_layers,
        "dropout": dropout,
    }


def test_steps_choose_the_row_by_their_work(rows: None, speed: None) -> None:
    # 16 x 64 = 1,024 characters per step: 29 steps are 16.5 passes at 2 x 256, 57 are 32.4
    few = advised({"steps": 29}).values
    many = advised({"steps": 57}).values
    assert (few["hidden_size"], few["dropout"]) == (8, 0.16)
    assert (many["hidden_size"], many["dropout"]) == (16, 0.32)


def test_given_values_are_kept_and_the_rest_is_planned(rows: None, speed: None) -> None:
    found = advised({"minutes": 1.0, "hidden_size": 15})
    assert found.values == {"num_layers": 2, "dropout": 0.33}
    assert found.reasons == [
        "2 layers did best in measurements on a text of 1,000 characters",
        "dropout 0.33 suits a run of this length on a text of this size, judging by measurements",
    ]
    # like the nearest measured size
    assert advised({"minutes": 1.0, "hidden_size": 7}).values["num_layers"] == 1
    everything = {"minutes": 1.0, "hidden_size": 5, "num_layers": 1, "dropout": 0.0}
    assert advised(everything).values == {}
    assert advised(everything).reasons == []


def test_elapsed_time_is_subtracted(rows: None, speed: None) -> None:
    assert advised({"minutes": 1.0}).values["hidden_size"] == 16
    assert advised({"minutes": 1.0}, seconds_ago=50).values["hidden_size"] == 8


def test_the_speed_is_that_of_2_x_256(rows: None, speed: None) -> None:
    assert advised({"minutes": 1.0}).speed == pytest.approx(1e-3)
    everything = {"steps": 48, "hidden_size": 5, "num_layers": 1, "dropout": 0.0}
    assert advised(everything).speed is None  # nothing is timed


def test_the_limit_on_passes_is_weighted_by_the_cost_of_the_network(
    rows: None, speed: None
) -> None:
    cost = relative_cost(ModelConfig(hidden_size=16))
    assert advised({"minutes": 1.0}).most_passes == pytest.approx(50 / cost)
