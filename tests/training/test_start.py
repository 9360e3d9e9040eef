"""A new run starts in its own directory, and errors come before anything is written or deleted."""

from pathlib import Path
from typing import Any

import pytest
import torch

import charrnn
from charrnn.errors import (
    CharRNNError,
    CheckpointError,
    ConfigError,
    CorpusError,
    ResumeError,
    RunExistsError,
)
from charrnn.training.start import launch
from charrnn.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

# Everything that the plan would choose is given, so no second is spent measuring speed.
KNOBS = {
    "corpus": ("corpus.txt",), "steps": 2, "batch_size": 4, "sequence_length": 20, "hidden_size": 8, "num_layers": 1,
    "embedding_size": 4, "dropout": 0.1, "threads": 1, "device": "cpu", "precision": "fp32",
}  # fmt: skip


def files(where: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(where)): path.read_bytes()
        for path in sorted(where.rglob("*"))
        if path.is_file()
    }


def finish(trainer: Trainer) -> None:
    for _ in trainer.run():
        pass


@pytest.fixture
def run(corpus: Path, here: Path) -> Path:
    """A finished run of corpus.txt."""
    finish(launch(KNOBS))
    return here / "checkpoints/corpus"


# A new run


def test_a_new_run_is_a_configuration_and_empty_metrics(corpus: Path, here: Path) -> None:
    trainer = launch(KNOBS)
    lock, run = "checkpoints/.corpus.lock", "checkpoints/corpus"
    assert sorted(files(here)) == [lock, f"{run}/config.yaml", f"{run}/metrics.jsonl", "corpus.txt"]
    assert (here / "checkpoints/corpus/metrics.jsonl").read_bytes() == b""
    assert (trainer.step, trainer.steps) == (0, 2)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({}, "checkpoints/corpus"),
        ({"name": "mine"}, "checkpoints/mine"),
        ({"runs_dir": "runs/of/mine"}, "runs/of/mine/corpus"),
        ({"runs_dir": "runs", "name": "mine"}, "runs/mine"),
    ],
)
def test_a_run_is_in_runs_dir_under_its_name_or_that_of_the_corpus(
    given: dict[str, Any], place: str, corpus: Path, here: Path
) -> None:
    trainer = launch(KNOBS | given)
    assert trainer.directory.path == Path(place)
    assert (here / place / "config.yaml").exists()
    assert trainer.config.name == Path(place).name


def test_a_run_on_a_text_is_called_text(here: Path) -> None:
    trainer = launch(KNOBS | {"corpus": ()}, text="now is the time\n" * 20)
    assert trainer.directory.path == Path("checkpoints/text")


# An existing run


def test_an_existing_run_is_refused_and_unchanged(corpus: Path, here: Path) -> None:
    finish(launch(KNOBS))
    before = files(here)
    with pytest.raises(RunExistsError) as error:
        launch(KNOBS | {"seed": 1})
    assert str(error.value) == (
        "the run checkpoints/corpus already exists; continue it with `resume=True`, start another with `name`, "
        "or delete it with `overwrite=True`"
    )
    assert files(here) == before


def test_a_run_that_ends_without_a_checkpoint_does_not_block_the_next(
    corpus: Path, here: Path
) -> None:
    trainer = launch(KNOBS)
    trainer.stop_requested = True
    assert list(trainer.run()) == []
    assert not Path("checkpoints/corpus").exists()
    finish(launch(KNOBS))


def test_another_name_starts_a_second_run(run: Path, here: Path) -> None:
    before = files(run)
    finish(launch(KNOBS | {"name": "other", "seed": 1}))
    assert files(run) == before
    assert len(files(here / "checkpoints/other")) == len(before)


def test_overwrite_leaves_nothing_of_the_old_run(run: Path) -> None:
    finish(launch(KNOBS | {"steps": 3, "save_every": 1, "keep": 9}, overwrite=True))
    assert (run / "step-00000001").exists()
    launch(KNOBS, overwrite=True)
    assert sorted(files(run)) == ["config.yaml", "metrics.jsonl"]
    assert sorted(path.name for path in run.iterdir()) == ["config.yaml", "metrics.jsonl"]


def test_overwrite_also_removes_leftovers_and_damaged_checkpoints(run: Path) -> None:
    for name in (".step-00000002.tmp-123", ".step-00000001.tmp-gone", "damaged-step-00000002"):
        (run / name).mkdir()
        (run / name / "config.json").write_text("{}")
    (run / ".config.yaml.tmp-123").write_text("")
    launch(KNOBS, overwrite=True)
    assert sorted(path.name for path in run.iterdir()) == ["config.yaml", "metrics.jsonl"]


def test_overwrite_without_an_old_run_starts_a_new_run(corpus: Path, here: Path) -> None:
    assert launch(KNOBS, overwrite=True).step == 0


@pytest.mark.parametrize(
    "name", ["notes.txt", "metrics.png", "step-by-step.md", "config.yaml.orig", ".git"]
)
def test_overwrite_refuses_to_delete_foreign_files(name: str, run: Path, here: Path) -> None:
    (run / name).write_text("mine")
    before = files(here)
    with pytest.raises(RunExistsError) as error:
        launch(KNOBS, overwrite=True)
    assert str(error.value) == (
        f"checkpoints/corpus was not deleted: it contains files that charrnn did not write ({name}); move them, or choose another `name`"
    )
    assert files(here) == before


def test_overwrite_refuses_a_directory_that_is_not_a_run(corpus: Path, here: Path) -> None:
    (here / "checkpoints/corpus").mkdir(parents=True)
    (here / "checkpoints/corpus/thesis.tex").write_text("mine")
    with pytest.raises(RunExistsError):
        launch(KNOBS, overwrite=True)
    assert (here / "checkpoints/corpus/thesis.tex").read_text() == "mine"


# Errors before anything is written or deleted


def unchanged(here: Path, given: dict[str, Any], kind: type[CharRNNError], **how: Any) -> str:
    """The message of an error that leaves every file unchanged."""
    before = files(here), sorted(here.rglob("*"))
    with pytest.raises(kind) as error:
        launch(given, **how)
    assert (files(here), sorted(here.rglob("*"))) == before
    return str(error.value)


BAD = [
    (
        {"corpus": ("none.txt",)},
        CorpusError,
        "there is no file none.txt (in {here}); check the name",
    ),
    (
        {"corpus": ("empty.txt",)},
        CorpusError,
        "there is no text in empty.txt; give another file",
    ),
    (
        {"corpus": ("tiny.txt",)},
        CorpusError,
        "the corpus must have at least 4 characters, got 3; give more text",
    ),
    (
        {"corpus": ("bad.txt",)},
        CorpusError,
        "bad.txt is not valid utf-8: 0xe9 at byte 3 (line 1); "
        'try `encoding="cp1252"` and check the text, or replace invalid bytes by U+FFFD with `encoding_errors="replace"`',
    ),
    (
        {"corpus": ()},
        CorpusError,
        "no corpus was given; give a text file, a directory of *.txt files, or - for standard input",
    ),
    (
        {"encoding": "klingon"},
        ConfigError,
        "`encoding` must be a text encoding, such as utf-8, cp1252, latin-1, cp1251, shift_jis or gb18030, got 'klingon'",
    ),
    (
        {"steps": 0},
        ConfigError,
        "`steps` must be a whole number from 1 to 1,000,000,000, or none; got 0",
    ),
    ({"minutes": 1.0}, ConfigError, "`minutes` and `steps` cannot both be given, got 1 and 2"),
    ({"hiden_size": 8}, ConfigError, "unknown option 'hiden_size'; did you mean hidden_size?"),
    (
        {"name": "a/b"},
        ConfigError,
        "`name` must be a directory name of at most 200 characters, without slashes, that does not begin with step- or a dot, got 'a/b'",
    ),
    (
        {"device": "cuda"},
        ConfigError,
        "`device` 'cuda' is not available: PyTorch finds no such device on this machine; choose one of cpu, auto",
    ),
]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("given", "kind", "message"),
    BAD,
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_an_error_leaves_every_file_unchanged(
    given: dict[str, Any],
    kind: type[CharRNNError],
    message: str,
    overwrite: bool,
    run: Path,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name, content in (
        ("empty.txt", b""),
        ("tiny.txt", b"abc"),
        ("bad.txt", b"caf\xe9 au lait\n" * 20),
    ):
        (here / name).write_bytes(content)
    said = unchanged(
        here, KNOBS | {"name": "corpus" if overwrite else "new"} | given, kind, overwrite=overwrite
    )
    assert said == message.format(here=here)


def test_resume_and_overwrite_together_are_refused(run: Path, here: Path) -> None:
    said = unchanged(here, KNOBS, ConfigError, resume=True, overwrite=True)
    assert said == "`resume` and `overwrite` exclude each other; give one of them"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        {"runs_dir": "corpus.txt"},
        {"runs_dir": ".", "name": "corpus.txt"},
        {"runs_dir": ".", "name": "n" * 300},
    ],
    ids=["runs_dir is a file", "run is a file", "name too long"],
)
def test_a_path_that_cannot_be_written_is_a_charrnn_error(
    given: dict[str, Any], overwrite: bool, corpus: Path, here: Path
) -> None:
    unchanged(here, KNOBS | given, CharRNNError, overwrite=overwrite)


# Resuming (see test_resume.py)


def test_resume_continues_the_run_of_the_corpus(run: Path, here: Path) -> None:
    assert launch({"corpus": ("corpus.txt",), "steps": 4}, resume=True).step == 2
    with pytest.raises(CheckpointError):
        launch({"name": "none"}, resume=True)


def test_all_launch_errors_are_charrnn_errors(here: Path) -> None:
    with pytest.raises(charrnn.CharRNNError):
        launch(KNOBS)


def test_a_missing_file_for_validation_is_an_error_before_anything_is_written(
    here: Path,
) -> None:
    (here / "corpus.txt").write_text("ab cd\n" * 200)
    with pytest.raises(CorpusError, match=r"other\.txt"):
        launch({"corpus": ["corpus.txt"], "val": "other.txt", "steps": 2})
    assert not (here / "checkpoints").exists()


def test_a_run_with_a_file_for_validation_is_resumed_wherever_the_file_is(here: Path) -> None:
    (here / "corpus.txt").write_text("ab cd\n" * 200)
    (here / "val.txt").write_text("cd ab\n" * 20)
    knobs = {
        "corpus": ["corpus.txt"], "val": "val.txt", "steps": 4, "hidden_size": 8, "num_layers": 1,
        "batch_size": 4, "sequence_length": 20, "threads": 1, "device": "cpu",
    }  # fmt: skip
    trainer = launch(knobs)
    for report in trainer.run():
        trainer.stop_requested = report.step == 2
    (here / "val.txt").rename(here / "moved.txt")
    trainer = launch({"val": "moved.txt"}, resume=True)
    reports = list(trainer.run())
    assert reports[-1].final is not None
    assert reports[-1].final.characters == 120
    (here / "moved.txt").write_text("another text\n")
    with pytest.raises(ResumeError, match="the text has changed"):
        launch({"val": "moved.txt", "steps": 9}, resume=True)
