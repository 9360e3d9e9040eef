"""Checks before a run begins and while it is saved: disk space, disk errors, non-finite numbers."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from charrnn.errors import CheckpointError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.run import Run
from charrnn.training.snapshot import not_a_number
from charrnn.training.start import launch
from charrnn.training.step_report import Report
from charrnn.training.trainer import Trainer
from tests.disk import Disk

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
KNOBS = {
    "name": "run", "steps": 6, "batch_size": 4, "sequence_length": 40, "hidden_size": 8, "num_layers": 2, "embedding_size": 4,
    "dropout": 0.1, "patience": None, "eval_every": None, "save_every": 1, "sample_every": None, "threads": 1, "device": "cpu",
    "precision": "fp32", "keep": 2, "report_every": 1, "counts": 2,
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("here", "one_thread")


def steps(run: Run) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in run.steps()]


# Round trip


def test_a_restored_run_is_identical_in_every_tensor() -> None:
    trainer = launch(KNOBS, text=TEXT)
    for _ in range(3):
        trainer.loop.train_step()
    found = trainer.checkpoint(1.5)
    assert found.about["val_loss"] == 1.5
    assert not_a_number(found) is None
    trainer.release()
    other = launch(KNOBS, text=TEXT, overwrite=True)
    other.restore(found)
    again = other.checkpoint(1.5)
    assert (again.about, again.trainer) == (found.about, found.trainer)
    for name, value in (found.weights | found.trainer_tensors).items():
        np.testing.assert_array_equal((again.weights | again.trainer_tensors)[name], value)
    assert other.loop.train_step() == trainer.loop.train_step()


# Disk space


def free(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=room))


def test_a_run_that_will_not_fit_on_the_disk_is_refused_before_it_begins(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        free(patch, 10_000)
        with pytest.raises(CheckpointError) as error:
            launch(KNOBS, text=TEXT)
    assert str(error.value) == (
        "checkpoints/run needs 0.2 MiB for 4 checkpoints, but only 0.0 MiB are free; "
        "free some space, lower `keep`, or choose another `runs_dir`"
    )
    assert not Path("checkpoints/run").exists()
    list(launch(KNOBS, text=TEXT).run())  # the lock has been released


def test_the_required_disk_space_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of a checkpoint times four: two that are kept, the best, and the one being written;
    and once that of the counts."""
    trainer = launch(KNOBS, text=TEXT)
    for _ in range(2):
        trainer.loop.train_step()
    found = trainer.checkpoint()
    trainer.release()
    one = sum(
        value.nbytes
        for name, value in (found.weights | found.trainer_tensors).items()
        if "optimizer.step" not in name
    )
    table = found.table
    assert table is not None
    shared = sum(
        array.nbytes for array in (table.contexts, table.starts, table.symbols, table.counts)
    )
    free(monkeypatch, 4 * one + shared)
    launch(KNOBS, text=TEXT, overwrite=True).release()
    shutil.rmtree("checkpoints/run")
    free(monkeypatch, 4 * one + shared - 1)
    with pytest.raises(CheckpointError, match="free some space"):
        launch(KNOBS, text=TEXT)
    launch(KNOBS | {"on_save_error": "continue"}, text=TEXT).release()


def test_space_already_used_by_the_run_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = launch(KNOBS | {"keep": 9}, text=TEXT)
    list(trainer.run())
    free(monkeypatch, 0)
    launch({"name": "run", "steps": 8, "keep": 1}, text=TEXT, resume=True).release()
    launch(KNOBS, text=TEXT, overwrite=True).release()


# Disk errors


def failing(
    monkeypatch: pytest.MonkeyPatch, at: Callable[[int], bool], code: int = errno.ENOSPC
) -> None:
    """Make the saves of these steps fail."""
    write = checkpoints.write

    def refused(path: Path, checkpoint: Any) -> Any:
        if at(checkpoint.about["step"]):
            raise CheckpointError(
                f"{path} could not be written: {os.strerror(code)} (0 MiB free on that disk); free some space"
            )
        return write(path, checkpoint)

    monkeypatch.setattr(checkpoints, "write", refused)


def reports(trainer: Trainer) -> list[Report]:
    return [report for report in trainer.run() if report.final is None]


def test_stop_ends_the_run_which_is_resumed_to_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    list(launch(KNOBS | {"name": "whole"}, text=TEXT).run())
    with monkeypatch.context() as patch:
        failing(patch, lambda step: step == 3)
        with pytest.raises(CheckpointError, match="No space left on device"):
            list(launch(KNOBS, text=TEXT).run())
    run = Run(Path("checkpoints/run"))
    assert steps(run) == [1, 2]
    list(launch({"name": "run"}, text=TEXT, resume=True).run())
    for name in ("model.safetensors", "trainer.safetensors"):
        assert (run.step(6) / name).read_bytes() == (
            Path("checkpoints/whole/step-00000006") / name
        ).read_bytes()
    assert run.metrics.read_bytes() == Path("checkpoints/whole/metrics.jsonl").read_bytes()


def test_continue_reports_the_error_and_trains_to_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    list(launch(KNOBS | {"name": "whole"}, text=TEXT).run())
    failing(monkeypatch, lambda step: step in (2, 3))
    trainer = launch(KNOBS | {"on_save_error": "continue"}, text=TEXT)
    found = reports(trainer)
    assert [report.step for report in found] == [1, 2, 3, 4, 5, 6]
    assert [report.step for report in found if report.trouble] == [2, 3]
    assert [report.step for report in found if report.saved] == [1, 4, 5, 6]
    assert str(found[1].trouble).startswith(
        "checkpoints/run/step-00000002 could not be written: No space left on device"
    )
    assert Path("checkpoints/run/step-00000006/model.safetensors").read_bytes() == (
        Path("checkpoints/whole/step-00000006/model.safetensors").read_bytes()
    )


def stopped(trainer: Trainer, after: int | None) -> None:
    """Run, and request a stop after a step."""
    for report in trainer.run():
        trainer.stop_requested = report.step == after


@pytest.mark.parametrize("after", [None, 3])
def test_the_last_checkpoint_of_a_run_must_be_written(
    after: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = after or 6
    failing(monkeypatch, lambda step: step == last)
    trainer = launch(KNOBS | {"on_save_error": "continue"}, text=TEXT)
    with pytest.raises(CheckpointError, match="No space left on device"):
        stopped(trainer, after)
    assert steps(Run(Path("checkpoints/run")))[-1] == last - 1


def fill_disk(trainer: Trainer, at: Callable[[int], bool]) -> None:
    """Make the disk full while the lines of these steps are written."""
    append = trainer.log.append

    def full(line: dict[str, Any]) -> None:
        file = trainer.log._file
        if at(line["step"]):
            trainer.log._file = Disk(file, 0)  # type: ignore[assignment]
        try:
            append(line)
        finally:
            trainer.log._file = file

    trainer.log.append = full  # type: ignore[method-assign]


def test_unwritten_lines_survive_a_resume() -> None:
    list(launch(KNOBS | {"name": "whole"}, text=TEXT).run())
    trainer = launch(KNOBS | {"on_save_error": "continue"}, text=TEXT)
    fill_disk(trainer, lambda step: step in (2, 3))
    found = []
    for report in trainer.run():
        found.append(report)
        if report.step == 3:
            break
    assert ["No space left on device" in str(report.trouble) for report in found] == [
        False,
        True,
        True,
    ]
    assert len(trainer.directory.metrics.read_text().splitlines()) == 1
    trainer.release()
    list(launch({"name": "run"}, text=TEXT, resume=True).run())
    assert (
        trainer.directory.metrics.read_bytes()
        == Path("checkpoints/whole/metrics.jsonl").read_bytes()
    )


def test_an_old_checkpoint_that_cannot_be_removed_is_reported_and_training_continues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = launch(KNOBS, text=TEXT)

    unlink = Path.unlink

    def stuck(path: Path, *rest: Any, **how: Any) -> None:
        if path.parent.name.endswith("-gone"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
        unlink(path, *rest, **how)

    monkeypatch.setattr(Path, "unlink", stuck)
    found = reports(trainer)
    assert [report.step for report in found if report.saved] == [1, 2, 3, 4, 5, 6]
    assert (
        "an old checkpoint in checkpoints/run could not be removed: Device or resource busy"
        in str(found[2].trouble)
    )
    assert steps(Run(Path("checkpoints/run"))) == [5, 6]


@pytest.mark.parametrize("last", [3, 6])
def test_an_unwritten_last_line_does_not_cost_the_checkpoint(last: int) -> None:
    trainer = launch(KNOBS | {"on_save_error": "continue", "save_every": None}, text=TEXT)

    def is_last(step: int) -> bool:
        trainer.stop_requested = step == last  # while this step is reported
        return step == last

    fill_disk(trainer, is_last)
    with pytest.raises(
        CheckpointError, match=r"metrics\.jsonl could not be written: No space left on device"
    ):
        list(trainer.run())
    assert steps(Run(Path("checkpoints/run"))) == [last]


def test_running_out_of_memory_does_not_cost_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    list(launch(KNOBS, text=TEXT).run())

    def full(data: bytes) -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "load", full)
        with pytest.raises(
            CheckpointError, match="the run checkpoints/run has no usable checkpoint"
        ):
            launch({"name": "run", "steps": 8}, text=TEXT, resume=True)
    assert steps(Run(Path("checkpoints/run"))) == [5, 6]
    launch({"name": "run", "steps": 8}, text=TEXT, resume=True).release()
