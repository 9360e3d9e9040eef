"""charrnn remove: what it deletes, what it asks, and what it refuses."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.cli import remove
from charrnn.cli.descriptions import size_in_words
from charrnn.storage.run import Run
from tests.command import Trained, call

NAMES = Path("checkpoints/names")


@pytest.fixture
def runs(text_run: Trained, here: Path) -> Path:
    """The working directory, with the run ``corpus`` and a copy of it, ``names``."""
    for name in ("corpus", "names"):
        shutil.copytree(text_run.where / "checkpoints/corpus", Path("checkpoints") / name)
    return here


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input counts as a terminal."""
    monkeypatch.setattr(remove, "_can_ask", lambda: True)


def size(name: str) -> str:
    return size_in_words(Run(Path("checkpoints") / name).size())


def left() -> list[str]:
    return sorted(path.name for path in Path("checkpoints").iterdir() if path.is_dir())


@pytest.mark.parametrize("name", ["names", "checkpoints/names"])
def test_with_yes_a_run_is_deleted_and_reported(name: str, runs: Path) -> None:
    deleted = f"deleted checkpoints/names ({size('names')})\n"
    result = call("remove", name, name, "--yes")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", deleted)
    assert left() == ["corpus"]


def test_several_runs_are_deleted(runs: Path) -> None:
    assert call("remove", "names", "corpus", "-y").exit_code == 0
    assert left() == []


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("answer", "end", "code", "kept"),
    [
        ("y\n", f"deleted {NAMES}", 0, ["corpus"]),
        ("n\n", "nothing was deleted", 1, ["corpus", "names"]),
        ("\n", "nothing was deleted", 1, ["corpus", "names"]),
        ("", "nothing was deleted", 1, ["corpus", "names"]),
    ],
)
def test_the_question_shows_steps_loss_and_disk_use(
    answer: str, end: str, code: int, kept: list[str], runs: Path
) -> None:
    loss = call("info", "names").stdout.splitlines()[5].removeprefix("loss:       ")
    shown = f"{NAMES}: step 4 of 4, best at step 4, {loss}, {size('names')}"
    result = call("remove", "names", input=answer)
    lines = result.stderr.splitlines()
    assert lines[0] == shown
    assert lines[1].startswith("delete this run? [y/N]: ")
    assert (result.exit_code, left()) == (code, kept)
    assert end in result.stderr


@pytest.mark.usefixtures("terminal")
def test_of_several_runs_even_damaged_ones_are_asked_about_together(runs: Path) -> None:
    for step in NAMES.glob("step-*"):
        (step / "config.json").unlink()
    lines = call("remove", "corpus", "names", input="n\n").stderr.splitlines()
    assert lines[1] == f"{NAMES}: damaged, {size('names')}"
    assert lines[2].startswith("delete these 2 runs? [y/N]: ")


def test_without_a_terminal_and_without_yes_nothing_is_deleted(runs: Path) -> None:
    result = call("remove", "names", "corpus")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: there is no terminal to ask on whether to delete checkpoints/names, "
        "checkpoints/corpus; give --yes to delete without a question\n"
    )
    assert left() == ["corpus", "names"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("nothing", "there is no run 'nothing'; runs in checkpoints: "),
        (
            "names/step-00000004",
            f"{NAMES}/step-00000004 is a checkpoint, not a run; give {NAMES} for the whole run\n",
        ),
        ("corpus.txt", "corpus.txt is a file, not a run; give the name or directory of a run\n"),
        (
            "folder",
            "folder is not a run: it has no checkpoint and no configuration of charrnn; "
            "give the name or directory of a run\n",
        ),
    ],
)
def test_what_is_not_a_run_is_refused_before_anything_is_deleted(
    name: str, error: str, runs: Path
) -> None:
    Path("corpus.txt").touch()
    Path("folder").mkdir()
    (Path("folder") / "config.yaml").write_text("title: mine\n")
    result = call("remove", "corpus", name, "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {error}")
    assert left() == ["corpus", "names"]


def test_a_run_with_files_of_the_user_is_refused(runs: Path) -> None:
    (NAMES / "notes.txt").write_text("mine")
    result = call("remove", "corpus", "names", "--yes")
    assert (result.exit_code, left()) == (1, ["corpus", "names"])
    assert result.stderr == (
        f"Error: {NAMES} was not deleted: it contains files that charrnn did not write "
        "(notes.txt); move them\n"
    )


def test_a_run_that_is_being_trained_is_refused(runs: Path) -> None:
    code = "import sys; from pathlib import Path; from charrnn.storage.run import Run\n"
    code += f"lock = Run(Path('{NAMES}')).lock(); print('locked', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
    ) as trainer:
        assert trainer.stdout
        assert trainer.stdout.readline() == b"locked\n"
        result = call("remove", "corpus", "names", "--yes")
    assert (result.exit_code, left()) == (1, ["corpus", "names"])
    assert result.stderr == (
        f"Error: the run {NAMES} is being trained by process {trainer.pid} on {os.uname().nodename}; "
        "wait until it is done or stop it\n"
    )


def test_an_interrupted_removal_is_finished_by_the_same_command(runs: Path) -> None:
    deleted = f"deleted checkpoints/names ({size('names')})\n"
    NAMES.rename("checkpoints/.names.gone")
    result = call("remove", "names", "--yes")
    assert (result.exit_code, result.stderr, left()) == (0, deleted, ["corpus"])
