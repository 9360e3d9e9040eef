"""Minutes become steps by a clock that ticks each time it is read, so every number can be derived
by hand."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.errors import ConfigError
from charrnn.training import timing
from charrnn.training.model import CELLS
from charrnn.training.timing import steps_for

pytestmark = pytest.mark.usefixtures("one_thread")

# 198 characters, 20 of them for validation
TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 3
KNOBS = {
    "batch_size": 2, "sequence_length": 5, "hidden_size": 4, "num_layers": 1, "embedding_size": 4, "threads": 1, "device": "cpu",
    "precision": "fp32",
}  # fmt: skip


def steps(seconds: float, val_fraction: float = 0.1, **knobs: Any) -> int:
    return steps_for(
        seconds,
        RunConfig.from_flat(KNOBS | {"dropout": 0.3} | knobs),
        Corpus.of(TEXT, val_fraction),
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that advances one second each time it is read."""
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=itertools.count().__next__))


# Readings: 0 start; 1 start of the steps; one after each step until 4 seconds are over, so with
# 100 s (4 s are 0.04 of it) four steps of a second and readings 2 to 5; 6, 7, 8: a validation takes
# 1 s, the stream at the end 1 s; 9 the end. Left: 100 - 1 - 9 = 90 s.


@pytest.mark.parametrize(
    ("seconds", "eval_every", "expected"),
    [
        (100, "auto", 67),  # 90 - 20 (1 + 0.15) = 67
        (200, "auto", 167),  # 190 - 23
        (100, None, 90),
        (100, 1, 41),  # 90 / (1 + 1.15) = 41.9
        (100, 5, 73),  # 90 / (1 + 0.23) = 73.2
        # 25 s: one second of timing, one step and reading 2; reading 6 is the end. Left: 25 - 1 - 6 = 18
        (25, "auto", 1),  # nothing is left: 18 - 23
        (25, None, 18),
    ],
)
def test_the_steps_are_the_time_left_divided_by_the_time_per_step(
    clock: None, seconds: float, eval_every: Any, expected: int
) -> None:
    assert steps(seconds, eval_every=eval_every) == expected


def test_without_validation_text_only_checkpoints_are_subtracted(clock: None) -> None:
    # reading 6 is the end: 100 - 6 = 94 s; 94 - 20 * 0.15 = 91
    assert steps(100, val_fraction=0) == 91


def test_only_a_piece_of_a_long_validation_text_is_timed(
    clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 20 characters, 5 of them timed: the stream takes 4 s; 100 - 4 - 9 - 23 = 64
    monkeypatch.setattr(timing, "TIMED_CHARACTERS", 5)
    assert steps(100) == 64


@pytest.mark.parametrize("seconds", [-10, 0, 1e-9, 1, 7])
@pytest.mark.parametrize("eval_every", ["auto", 1, None])
def test_there_is_at_least_one_step_however_little_time_is_left(
    clock: None, seconds: float, eval_every: Any
) -> None:
    assert steps(seconds, eval_every=eval_every) == 1


@pytest.mark.parametrize("cell", CELLS)
def test_there_is_at_least_one_step_by_the_real_clock(cell: str) -> None:
    assert steps(1e-6, cell=cell) == 1
    assert steps(3, cell=cell, eval_every=None) >= 1


def test_timing_has_no_side_effects(clock: None, here: Path) -> None:
    corpus, config = (
        Corpus.of(TEXT, 0.1),
        RunConfig.from_flat(KNOBS | {"minutes": 5.0, "dropout": 0.3}),
    )
    before, generator = (corpus.train.tobytes(), corpus.val.tobytes()), torch.get_rng_state()
    steps_for(100, config.replace(threads=2), corpus)
    assert torch.equal(torch.get_rng_state(), generator)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (1, False)
    assert list(here.iterdir()) == []
    assert (corpus.train.tobytes(), corpus.val.tobytes()) == before
    assert (config.train.minutes, config.train.steps) == (5.0, None)


def test_the_steps_are_timed_with_the_threads_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, threads = itertools.count(), list[int]()

    def look() -> int:
        threads.append(torch.get_num_threads())
        return next(seconds)

    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=look))
    steps(100, threads=2)
    assert threads == [1] + [2] * 8 + [1]  # readings 0 to 9 from above


@pytest.mark.usefixtures("clock")
def test_a_final_validation_that_takes_most_of_the_time_is_refused() -> None:
    # 673,200 characters, half of them for validation: 336,600 are 41.09 pieces of 8,192, a second
    # each
    text = TEXT * 3400
    with pytest.raises(ConfigError) as error:
        steps_for(60, RunConfig.from_flat(KNOBS | {"val_fraction": 0.5}), Corpus.of(text, 0.5))
    assert str(error.value) == (
        "the final validation on 336,600 characters would take 0.7 of the 1.0 minutes left; "
        "raise `minutes`, or set `val_fraction=0.2`"  # 0.5 x 60 / 41.09 / 4 = 0.18
    )
