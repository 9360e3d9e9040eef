"""A run is described without reading its weights; what is wrong with a damaged one is said."""

from pathlib import Path

import pytest

from charrnn.advice.describe import describe_checkpoint, describe_run
from charrnn.errors import DamagedError
from charrnn.storage.run import Run
from tests.storage.test_run import run_of


@pytest.fixture
def run(here: Path) -> Run:
    """A run of two checkpoints, of which the first is the best."""
    return run_of({1: 1.0, 2: 2.0})


def test_a_run_is_described_as_its_best_checkpoint(run: Run) -> None:
    assert describe_run(run) == describe_checkpoint(run.step(1))
    assert describe_run(run)["trained_steps"] == 2
    assert describe_run(run)["disk_bytes"] == run.size()


def test_weights_are_checked_only_by_describing_the_checkpoint(run: Run) -> None:
    file = run.step(1) / "model.safetensors"
    file.write_bytes(b"\0" * file.stat().st_size)
    assert describe_run(run)["step"] == 1
    with pytest.raises(DamagedError):
        describe_checkpoint(run.step(1))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_file_that_is_missing_or_cut_is_damage(name: str, run: Run) -> None:
    file = run.step(1) / name
    file.write_bytes(file.read_bytes()[:-1])
    assert describe_run(run)["problem"] == "damaged"
    file.unlink()
    assert describe_run(run) == {
        "run": "poems",
        "error": f"{file} cannot be read: No such file or directory; copy the whole directory again, or use another checkpoint",
        "problem": "damaged",
        "saved": describe_run(run)["saved"],
        "disk_bytes": run.size(),
    }


def test_a_run_without_a_checkpoint_is_described_as_such(here: Path) -> None:
    run = run_of({})
    assert describe_run(run) == {
        "run": "poems",
        "error": "the run checkpoints/poems has no checkpoint yet; wait for its first one, or start it again with `overwrite=True`",
        "problem": "no checkpoint",
        "saved": None,
        "disk_bytes": 8,
    }


def test_what_is_left_of_a_half_removed_run_counts(run: Run) -> None:
    size = run.size()
    run.path.rename(run.half_removed)
    found = describe_run(run)
    assert (found["problem"], found["disk_bytes"]) == ("half removed", size)


def test_a_copied_checkpoint_counts_only_its_own_files(run: Run) -> None:
    run.step(2).rename("model")
    Path("large.txt").write_text("x" * 10_000)
    assert describe_checkpoint(Path("model"))["disk_bytes"] == Run(Path("model")).size() < 10_000
