"""Batches are computed ahead in other threads, and are those of their steps."""

import threading
from typing import Any

import numpy as np
import pytest

from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.training.loop import TrainingLoop
from charrnn.training.prefetch import Prefetch

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
KNOBS: dict[str, Any] = {
    "steps": 100, "batch_size": 4, "sequence_length": 40, "hidden_size": 8, "num_layers": 1, "embedding_size": 4,
    "learning_rate": 0.01, "device": "cpu", "precision": "fp32", "counts": 2, "threads": 1,
}  # fmt: skip


def new(**knobs: Any) -> TrainingLoop:
    config = RunConfig.from_flat(KNOBS | knobs)
    corpus = Corpus.of(TEXT, config.data.val_fraction, separator=config.data.separator)
    return TrainingLoop(config, corpus)


class Recorder:
    """Computes the number of a step, and notes which threads do."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.threads: set[str] = set()

    def __call__(self, step: int) -> Any:
        self.steps.append(step)
        self.threads.add(threading.current_thread().name)
        if step == 13:
            raise OSError("the text is gone")
        return step


def test_each_step_is_computed_once_in_another_thread_and_some_steps_ahead() -> None:
    compute = Recorder()
    prefetch = Prefetch(compute, 2)
    assert [prefetch[step] for step in range(6)] == list(range(6))
    prefetch.pool.shutdown()
    assert sorted(compute.steps) == list(range(6 + 4))  # two for each worker
    assert threading.main_thread().name not in compute.threads


def test_after_a_jump_the_batches_are_those_of_the_new_steps() -> None:
    prefetch = Prefetch(Recorder(), 1)
    assert [prefetch[step] for step in (0, 1, 40, 41, 5)] == [0, 1, 40, 41, 5]
    assert set(prefetch.futures) == {6, 7}


def test_an_error_is_raised_at_its_step() -> None:
    prefetch = Prefetch(Recorder(), 2)
    assert prefetch[12] == 12
    with pytest.raises(OSError, match="the text is gone"):
        prefetch[13]


@pytest.mark.parametrize("separator", [None, " "])
def test_steps_with_batches_of_four_threads_are_the_same_bit_for_bit(
    separator: str | None,
) -> None:
    alone = new(separator=separator)
    ahead = new(separator=separator)
    ahead.prefetch = Prefetch(ahead._read_batch, 4)
    for _ in range(40):  # across epochs
        assert alone.train_step() == ahead.train_step()
    for name, weight in alone.weights().items():
        np.testing.assert_array_equal(weight, ahead.weights()[name])


def test_after_closing_no_batch_is_computed() -> None:
    compute = Recorder()
    prefetch = Prefetch(compute, 1)
    assert prefetch[0] == 0
    prefetch.close()
    count = len(compute.steps)
    assert not prefetch.futures
    with pytest.raises(RuntimeError):
        prefetch[1]
    assert len(compute.steps) == count
