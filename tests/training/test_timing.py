"""The speed of a run, by a clock that ticks once at each look, so that every number is derived by
hand."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.training import timing
from charrnn.training.model import CELLS
from charrnn.training.timing import Timing, measure_speed, thread_choices

pytestmark = pytest.mark.usefixtures("one_thread")

# 198 characters, 20 of them to validate on
TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 3
KNOBS = {
    "batch_size": 2, "sequence_length": 5, "hidden_size": 4, "num_layers": 1, "embedding_size": 4, "dropout": 0.3, "threads": 1,
    "device": "cpu", "precision": "fp32",
}  # fmt: skip


def speed(val_fraction: float = 0.1, threads: tuple[int, ...] = (1,), **knobs: Any) -> Timing:
    config = RunConfig.from_flat(KNOBS | knobs)
    return measure_speed(config, Corpus.of(TEXT, val_fraction), threads)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves by one second at each look."""
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=itertools.count().__next__))


@pytest.mark.usefixtures("clock")
def test_a_step_a_validation_and_the_end_are_timed() -> None:
    # a second each; the end reads the 20 validation characters and 178 of the training text
    assert speed() == Timing(1.0, 1.15, 1.0 / 20 * (20 + 178), 1)


@pytest.mark.usefixtures("clock")
def test_without_a_validation_text_only_the_checkpoint_is_a_pause() -> None:
    assert speed(val_fraction=0) == Timing(1.0, 0.15, 0.0, 1)


@pytest.mark.usefixtures("clock")
def test_a_piece_of_a_long_validation_text_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "TIMED_CHARACTERS", 5)
    assert speed().final == 1.0 / 5 * (20 + 178)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({1: 2.0, 2: 1.0}, 2),
        ({1: 1.0, 2: 2.0}, 1),
        ({1: 0.98, 2: 1.0}, 2),  # the gain is too small to be sure of
        ({1: 3.0, 2: 1.0, 4: 2.0}, 2),
    ],
)
def test_the_fastest_number_of_threads_is_chosen(
    seconds: dict[int, float], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "_seconds_per_step", lambda *_: seconds[torch.get_num_threads()])
    assert speed(threads=tuple(seconds)).threads == expected
    assert speed(threads=tuple(seconds)).step == seconds[expected]


@pytest.mark.parametrize(
    ("given", "knobs", "expected"),
    [
        (set(), {"minutes": 1.0, "threads": 2}, (1, 2)),
        (set(), {"minutes": 1.0, "threads": 7}, (1, 4, 7)),
        (set(), {"minutes": 1.0, "threads": 1}, (1,)),
        ({"threads"}, {"minutes": 1.0, "threads": 2}, (2,)),
        (set(), {"steps": 9, "threads": 2}, (2,)),
        (set(), {"minutes": 1.0, "threads": 2, "device": "cuda"}, (2,)),
    ],
    ids=["two cores", "seven cores", "one core", "given", "steps", "gpu"],
)
def test_a_run_of_minutes_on_a_cpu_chooses_its_threads(
    given: set[str], knobs: dict[str, Any], expected: tuple[int, ...]
) -> None:
    assert thread_choices(RunConfig.from_flat(KNOBS | knobs), given) == expected


@pytest.mark.parametrize("cell", CELLS)
def test_by_the_true_clock_everything_takes_time(cell: str) -> None:
    measured = speed(cell=cell)
    assert min(measured.step, measured.pause, measured.final) > 0


@pytest.mark.usefixtures("clock")
def test_timing_changes_nothing(here: Path) -> None:
    corpus = Corpus.of(TEXT, 0.1)
    config = RunConfig.from_flat(KNOBS | {"minutes": 5.0})
    before = (corpus.train.tobytes(), corpus.val.tobytes())
    generator = torch.get_rng_state()
    measure_speed(config, corpus, (1, 2))
    assert torch.equal(torch.get_rng_state(), generator)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (1, False)
    assert list(here.iterdir()) == []
    assert (corpus.train.tobytes(), corpus.val.tobytes()) == before
    assert (config.train.minutes, config.train.steps) == (5.0, None)
