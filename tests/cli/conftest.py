"""Small runs, trained once in each process; a test works in a copy of them."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from charrnn.storage import checkpoint as checkpoints
from tests.command import BY_HEART, NAMES, SMALL, TEXT, Trained, call


def train(where: Path, text: str, *args: str) -> Trained:
    """Train on a text in the working directory ``where``; the first argument is its file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        Path(args[0]).write_text(text)
        result = call("train", *args)
    assert result.exit_code == 0, result.stderr
    return Trained(where, result)


@pytest.fixture(scope="session")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The run ``corpus``: 4 steps on TEXT in ``corpus.txt``; not to be changed."""
    return train(tmp_path_factory.mktemp("text"), TEXT, "corpus.txt", *SMALL)


@pytest.fixture(scope="session")
def byte_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The run ``bytes``: a GRU, without validation, that looks old; not to be changed."""
    flags = ["--unit=byte", "--name=bytes", "--val-fraction=0", "--cell=gru", "--dropout=0"]
    trained = train(tmp_path_factory.mktemp("bytes"), TEXT, "corpus.txt", *SMALL, *flags)
    for step in (trained.where / "checkpoints/bytes").glob("step-*"):
        os.utime(step, (1000, 1000))
    return trained


@pytest.fixture(scope="session")
def record_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the run ``names``, of names one a line, and the run ``list``, of the same
    between semicolons; not to be changed."""
    where = tmp_path_factory.mktemp("records")
    train(where, "\n".join(NAMES * 3) + "\n", "names.txt", "--records", *BY_HEART)
    train(where, ";\n".join(NAMES * 3), "list.txt", "--separator", ";\\n", *BY_HEART)
    return where


@pytest.fixture
def two_steps(text_run: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a copy of the run ``corpus`` whose best checkpoint, step 4, is not its last,
    step 5."""
    where = tmp_path_factory.mktemp("two") / "steps"
    shutil.copytree(text_run.where, where)
    run = where / "checkpoints/corpus"
    best = checkpoints.read(run / "step-00000004", trainer=True)
    worse = {name: weight + np.float32(0.5) for name, weight in best.weights.items()}
    later = replace(best, weights=worse, about=best.about | {"step": 5, "val_loss": 9.9})
    checkpoints.write(run / "step-00000005", later)
    return where
