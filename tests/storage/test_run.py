"""A run stands for its best checkpoint, and keeps what it must."""

import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.config.run_config import ModelConfig
from charrnn.errors import CharRNNError, CheckpointError, DamagedError, RunExistsError
from charrnn.originality.corpus_index import Index
from charrnn.storage import checkpoint, manifest
from charrnn.storage.atomic import read_regular
from charrnn.storage.checkpoint import Checkpoint, write
from charrnn.storage.run import INDEX_FILES, Run, val_loss
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

MODEL = ModelConfig(hidden_size=1, num_layers=1, embedding_size=1)
WEIGHTS = {name: np.zeros(shape, np.float32) for name, shape in shapes(MODEL, 2).items()}


def run_of(
    losses: dict[int, float | None], name: str = "poems", runs_dir: str = "checkpoints"
) -> Run:
    """A run in the working directory, with checkpoints of these steps and validation losses."""
    run = Run(Path(runs_dir) / name)
    run.path.mkdir(parents=True)
    run.config.write_text("seed: 0\n")
    for step, loss in losses.items():
        save(run, step, loss)
    return run


def save(run: Run, step: int, loss: float | None = None) -> Path:
    write(
        run.step(step),
        Checkpoint(Vocabulary("char", "ab"), MODEL, WEIGHTS, 0, {"step": step, "val_loss": loss}),
    )
    return run.step(step)


def numbers(run: Run) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in run.steps()]


def refusal(
    call: Callable[..., object], *args: Any, kind: type[CharRNNError] = CheckpointError
) -> str:
    """What a call is refused with."""
    with pytest.raises(kind) as caught:
        call(*args)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _here(here: Path) -> None:
    """Runs stand below an empty working directory."""


# Steps


def test_a_step_has_eight_digits() -> None:
    assert str(Run(Path("poems")).step(2000)) == "poems/step-00002000"


def test_steps_are_the_committed_checkpoints_the_oldest_first() -> None:
    run = run_of({30: None, 2: None, 100: None})
    for name in (
        "step-5",
        "step-00000005x",
        ".step-00000006.tmp-1",
        "damaged-step-00000007",
        "step-",
    ):
        (run.path / name).mkdir()
    (run.path / "step-00000008").touch()
    assert numbers(run) == [2, 30, 100]


def test_a_hundred_million_steps_are_more_than_ninety_nine() -> None:
    assert numbers(run_of({100_000_000: None, 99_999_999: None})) == [99_999_999, 100_000_000]


def test_a_missing_run_has_no_steps() -> None:
    run = Run(Path("nowhere"))
    assert (run.steps(), run.exists(), run.final(), run.best_val_loss()) == (
        [],
        False,
        None,
        math.inf,
    )


def test_a_run_exists_with_its_configuration_or_a_checkpoint() -> None:
    run = Run(Path("poems"))
    run.path.mkdir()
    assert not run.exists()
    run.config.touch()
    assert run.exists()
    run.config.unlink()
    save(run, 1)
    assert run.exists()


# The best


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ({1: 3.0, 2: 1.0, 3: 2.0}, 2),  # not the last
        ({1: 3.0, 2: 2.0, 3: 1.0}, 3),
        ({1: 1.0, 2: 2.0, 3: 3.0}, 1),
        ({1: 2.0, 2: 1.0, 3: 1.0, 4: 2.0}, 2),  # of two alike the earlier
        ({1: None, 2: None, 3: None}, 3),  # no validation: the last
        ({1: 2.0, 2: 1.0, 3: None}, 2),  # the last was saved without a validation
        ({1: None, 2: 0.0, 3: 1.0}, 2),  # nothing is a loss too
        ({7: 5.0}, 7),
    ],
)
def test_the_best_has_the_lowest_validation_loss(
    losses: dict[int, float | None], best: int
) -> None:
    run = run_of(losses)
    assert run.best() == run.step(best)
    assert run.best_val_loss() == min(
        (loss for loss in losses.values() if loss is not None), default=math.inf
    )
    assert val_loss(run.best()) == losses[best]


def test_a_run_without_a_checkpoint_has_no_best() -> None:
    assert (
        refusal(run_of({}).best)
        == "the run checkpoints/poems has no checkpoint yet; wait for its first one, or start it again with `overwrite=True`"
    )


def test_best_refuses_a_damaged_checkpoint() -> None:
    run = run_of({1: 1.0, 2: 2.0})
    (run.step(1) / "config.json").write_bytes(b"")
    assert refusal(run.best).startswith(
        "checkpoints/poems/step-00000001/config.json is damaged: it has 0 bytes instead of "
    )


# Keeping


@pytest.mark.parametrize(
    ("losses", "keep", "kept"),
    [
        ({1: 3.0, 2: 1.0, 3: 2.0, 4: 2.5}, 1, [2, 4]),
        ({1: 3.0, 2: 1.0, 3: 2.0, 4: 2.5}, 2, [2, 3, 4]),
        ({1: 3.0, 2: 1.0, 3: 2.0, 4: 2.5}, 3, [2, 3, 4]),
        ({1: 3.0, 2: 1.0, 3: 2.0, 4: 2.5}, 4, [1, 2, 3, 4]),
        ({1: 3.0, 2: 1.0, 3: 2.0, 4: 2.5}, 9, [1, 2, 3, 4]),
        ({1: 3.0, 2: 2.0, 3: 1.0}, 1, [3]),
        ({1: 1.0, 2: 1.0, 3: 1.0}, 1, [1, 3]),
        ({1: None, 2: None, 3: None}, 2, [2, 3]),
        ({}, 1, []),
    ],
)
def test_the_best_and_the_last_are_kept(
    losses: dict[int, float | None], keep: int, kept: list[int]
) -> None:
    run = run_of(losses)
    run.prune(keep)
    assert numbers(run) == kept
    assert sorted(path.name for path in run.path.iterdir()) == [
        "config.yaml",
        *(f"step-{step:08d}" for step in kept),
    ]


@pytest.mark.parametrize(
    "failure", [OSError(errno.EIO, os.strerror(errno.EIO)), MemoryError()], ids=["disk", "memory"]
)
@pytest.mark.parametrize("step", [1, 2])
def test_an_unreadable_checkpoint_is_not_removed(
    step: int, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the best, and be read another time; only what is known to be worse, or damaged,
    goes."""
    run = run_of({1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0})

    def unreadable(path: Path, most: int) -> bytes:
        if path.parent == run.step(step) and path.name == "model.safetensors":
            raise failure
        return read_regular(path, most)

    with monkeypatch.context() as patch:
        patch.setattr(manifest, "read_regular", unreadable)
        with pytest.raises(CheckpointError) as error:
            checkpoint.read(run.step(step))
        assert not isinstance(error.value, DamagedError)
        run.prune(1)
    assert numbers(run) == [1, 2, 4]
    run.prune(1)
    assert numbers(run) == [1, 4]


def test_a_checkpoint_is_read_again_only_if_it_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that has not changed for some seconds is not: each save would read all that are kept."""
    run, times = run_of({1: 1.0}), []
    read = checkpoint.read
    monkeypatch.setattr(checkpoint, "read", lambda path: times.append(path) or read(path))
    for _ in range(3):
        assert checkpoint.is_whole(run.step(1))
    assert len(times) == 3  # it may have been changed without another date as yet
    for file in run.step(1).iterdir():
        os.utime(file, (10**9, 10**9))
    for _ in range(3):
        assert checkpoint.is_whole(run.step(1))
    assert len(times) == 4
    weights = run.step(1) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    os.utime(weights, (10**9, 10**9))  # as a copy that keeps the date would
    assert not checkpoint.is_whole(run.step(1))


def test_set_aside_keeps_the_files_but_not_as_a_checkpoint() -> None:
    run = run_of({1: None, 2: None})
    aside = run.set_aside(run.step(2))
    assert str(aside) == "checkpoints/poems/damaged-step-00000002"
    assert len(list(aside.iterdir())) == 5
    assert numbers(run) == [1]


def test_set_aside_makes_room_for_the_same_step_again() -> None:
    run = run_of({1: None})
    run.set_aside(run.step(1))
    save(run, 1, 2.5)
    assert val_loss(run.set_aside(run.step(1))) == 2.5
    assert [path.name for path in run.path.glob("*step*")] == ["damaged-step-00000001"]


def test_clean_removes_partial_files() -> None:
    run = run_of({1: None})
    (run.path / ".step-00000002.tmp-77").mkdir()
    (run.path / ".step-00000000.tmp-gone").mkdir()  # half removed
    run.clean()
    assert sorted(path.name for path in run.path.iterdir()) == ["config.yaml", "step-00000001"]


def test_clean_restores_what_was_being_replaced_and_keeps_other_files() -> None:
    run = run_of({1: None, 2: None})
    run.step(1).rename(run.path / ".step-00000001.tmp-77-old")
    (run.path / ".step-00000002.tmp-77-old").mkdir()
    (run.path / ".step-00000002.tmp-77-old" / "notes.txt").write_text("mine")
    for name in (".notes.tmp-77", ".hidden"):
        (run.path / name).touch()
    run.clean()
    names = [
        ".hidden",
        ".notes.tmp-77",
        "config.yaml",
        "kept-step-00000002",
        "step-00000001",
        "step-00000002",
    ]
    assert sorted(path.name for path in run.path.iterdir()) == names
    assert (run.path / "kept-step-00000002" / "notes.txt").read_text() == "mine"


def test_clean_does_nothing_without_a_run(here: Path) -> None:
    Run(here / "nowhere").clean()
    assert list(here.iterdir()) == []


# Files that charrnn did not write


def test_pruning_keeps_foreign_files_and_reports_them() -> None:
    run = run_of({1: 3.0, 2: 2.0, 3: 1.0})
    for step in (1, 2):
        (run.step(step) / "notes.txt").write_text(f"mine {step}")
    said = run.prune(1)
    kept = run.path / "kept-step-00000001"
    assert said[0] == f"{kept} was kept: it contains files that charrnn did not write (notes.txt)"
    assert [path.name for path in kept.iterdir()] == ["notes.txt"]
    assert [
        (run.path / f"kept-step-0000000{step}" / "notes.txt").read_text() for step in (1, 2)
    ] == ["mine 1", "mine 2"]
    assert (len(said), numbers(run)) == (2, [3])
    save(run, 1, None)
    (run.step(1) / "notes.txt").write_text("more")
    assert "kept-step-00000001-2" in run.prune(1)[0]


def test_setting_aside_twice_keeps_foreign_files() -> None:
    run = run_of({1: None})
    (run.set_aside(run.step(1)) / "notes.txt").write_text("mine")
    save(run, 1, 2.5)
    run.set_aside(run.step(1))
    assert (run.path / "kept-damaged-step-00000001" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "place",
    ["step-00000001/notes.txt", "originality/notes.txt", "damaged-step-00000002/plots/a.png"],
)
def test_a_run_with_a_foreign_file_is_not_deleted(place: str) -> None:
    run = run_of({1: None})
    file = run.path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    first = "/".join(place.split("/")[:2])
    message = f"checkpoints/poems was not deleted: it contains files that charrnn did not write ({first}); move them, or choose another `name`"
    assert refusal(run.remove, kind=RunExistsError) == message
    assert (file.read_text(), numbers(run)) == ("mine", [1])


def test_index_files_are_the_files_that_an_index_writes(here: Path) -> None:
    Index.of(["abcab"], [("a.txt", 0)], "").write(here / "index")
    assert sorted(path.name for path in (here / "index").iterdir()) == sorted(INDEX_FILES)


# Removing


def test_remove_deletes_all_that_a_run_writes() -> None:
    run = run_of({1: None, 2: None})
    run.metrics.touch()
    run.set_aside(run.step(2))
    (run.path / ".step-00000003.tmp-77").mkdir()
    (run.path / ".config.yaml.tmp-77").touch()
    (run.path / ".metrics.jsonl.tmp-77").touch()
    run.remove()
    assert not run.path.exists()


def test_remove_refuses_a_directory_with_foreign_files() -> None:
    run = run_of({1: None})
    for name in ("notes.txt", "thesis", "b", "a"):
        (run.path / name).touch()
    message = (
        "checkpoints/poems was not deleted: it contains files that charrnn did not write "
        "(a, b, notes.txt); move them, or choose another `name`"
    )
    assert refusal(run.remove, kind=RunExistsError) == message
    assert (numbers(run), len(list(run.path.iterdir()))) == ([1], 6)


@pytest.mark.parametrize(
    "name",
    [
        "step-by-step.txt",
        "step-1",
        "metrics-2025.csv",
        "config.yaml.bak",
        "damaged-goods.txt",
        ".gitignore",
        ".step-notes",
    ],
)
def test_remove_refuses_files_with_names_similar_to_its_own(name: str) -> None:
    run = run_of({1: None})
    (run.path / name).touch()
    message = f"checkpoints/poems was not deleted: it contains files that charrnn did not write ({name}); move them, or choose another `name`"
    assert refusal(run.remove, kind=RunExistsError) == message


def test_a_removal_that_is_cut_short_is_finished_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = run_of({1: None, 2: None})

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            run.remove()
    gone = run.half_removed
    assert (run.path.exists(), gone.name, gone.is_dir()) == (False, ".poems.gone", True)
    save(run, 1)  # a new run of that name
    run.remove()
    assert (run.path.exists(), gone.exists()) == (False, False)


def test_a_removal_that_fails_leaves_the_rest_under_the_name_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = run_of({1: None})

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", denied)
    message = refusal(run.remove, "", kind=RunExistsError)
    assert (
        message
        == "checkpoints/poems could not be deleted: Permission denied; check its permissions"
    )
    assert (numbers(run), run.half_removed.exists()) == ([1], False)


def test_what_is_left_of_a_removal_is_not_deleted_with_a_foreign_file(here: Path) -> None:
    run = run_of({1: None})
    run.path.rename(run.half_removed)
    (run.half_removed / "notes.txt").touch()
    message = (
        f"{here}/checkpoints/.poems.gone was not deleted: it contains files that charrnn did not "
        "write (notes.txt); move them"
    )
    assert refusal(run.remove, "", kind=RunExistsError) == message
    save(run, 1)
    assert refusal(run.remove, "", kind=RunExistsError) == message
    assert numbers(run) == [1]


def test_an_error_names_the_file_that_could_not_be_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = run_of({})

    def denied(path: Path, **_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", denied)
    assert refusal(run.remove, "", kind=RunExistsError) == (
        "checkpoints/poems/config.yaml could not be deleted: Permission denied; "
        "check its permissions"
    )


def test_a_link_to_a_run_is_removed_with_the_run(here: Path) -> None:
    run = run_of({1: None}, runs_dir="elsewhere")
    Path("link").symlink_to(run.path)
    Run(Path("link")).remove()
    assert (list(here.iterdir()), list(Path("elsewhere").iterdir())) == (
        [Path("elsewhere").absolute()],
        [],
    )


def test_a_run_is_told_from_other_directories() -> None:
    run = run_of({})
    assert not run.is_run()  # the configuration of some other program
    run.config.write_text("corpus: [a.txt]\nhidden_size: 8\nsteps: 4\n")
    assert not run.is_run()  # a file for --config
    run.metrics.touch()
    assert run.is_run()
    assert run_of({1: None}, "tales").is_run()
    assert not Run(Path("nowhere")).is_run()


# The end


FINAL = {"step": 2, "final_val_loss": 1.5, "characters": 100}


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("", None),
        (json.dumps({"step": 1, "val_loss": 2.0}) + "\n", None),
        (json.dumps({"step": 1, "val_loss": 2.0}) + "\n" + json.dumps(FINAL) + "\n", FINAL),
        # it was gone on with
        (
            json.dumps(FINAL)
            + "\n"
            + json.dumps({"step": 3, "train_loss": 1.0, "val_loss": None})
            + "\n",
            None,
        ),
        (json.dumps(FINAL)[:-1], None),  # cut
        ("3\n", None),
        ("\n", None),
    ],
)
def test_a_run_is_finished_once_metrics_end_with_the_final_loss(
    text: str, final: dict[str, Any] | None
) -> None:
    run = run_of({})
    run.metrics.write_text(text)
    assert run.final() == final


def test_metrics_that_are_not_text_have_no_final_line() -> None:
    run = run_of({})
    run.metrics.write_bytes(b"\xff\n")
    assert run.final() is None
