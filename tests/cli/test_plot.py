"""charrnn plot: where it writes, what it says, and what it refuses."""

import shutil
from pathlib import Path

import pytest

from tests.command import Trained, call


@pytest.fixture(autouse=True)
def home(text_run: Trained, byte_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    for where in (text_run.where, byte_run.where):
        shutil.copytree(where, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def test_the_plot_is_in_the_directory_of_the_run() -> None:
    result = call("plot", "corpus")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0, "checkpoints/corpus/plot.svg\n", ""
    )  # fmt: skip
    assert Path("checkpoints/corpus/plot.svg").read_bytes().startswith(b"<?xml")
    first = Path("checkpoints/corpus/plot.svg").read_bytes()
    assert call("plot", "corpus").exit_code == 0
    assert Path("checkpoints/corpus/plot.svg").read_bytes() == first


@pytest.mark.parametrize(("name", "head"), [("a.png", b"\x89PNG"), ("a.PDF", b"%PDF"), ("a.svg", b"<?xml")])  # fmt: skip
def test_the_suffix_is_the_format(name: str, head: bytes) -> None:
    result = call("plot", "corpus", "-o", name)
    assert (result.exit_code, result.stdout) == (0, f"{name}\n")
    assert Path(name).read_bytes().startswith(head)


def test_several_runs_and_what_they_lack() -> None:
    with open("checkpoints/corpus/metrics.jsonl", "a") as file:
        file.write('{"step": 9, "tr')
    result = call("plot", "corpus", "bytes", "--output", "both.svg")
    assert (result.exit_code, result.stdout) == (0, "both.svg\n")
    assert result.stderr == (
        "checkpoints/corpus/metrics.jsonl: skipped 1 damaged line\n"
        "bytes: no validation, so only its training loss is shown\n"
    )
    assert "training (corpus)" in Path("both.svg").read_text()


def test_pictures_are_removed_with_their_run() -> None:
    assert call("plot", "corpus").exit_code == 0
    assert call("report", "corpus").exit_code == 0
    assert call("report", "corpus", "--markdown").exit_code == 0
    assert call("info", "corpus").exit_code == 0
    assert call("remove", "corpus", "--yes").exit_code == 0
    assert not Path("checkpoints/corpus").exists()


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["none"], "there is no run 'none'"),
        (["corpus", "-o", "a.gif"], "--output must end with .svg, .png or .pdf, got 'a.gif'"),
        (["corpus", "-o", "none/a.svg"], "--output: "),
        (["corpus", "-o", "checkpoints/corpus/config.svg/a.svg"], "--output"),
    ],
)
def test_an_error_is_one_line(args: list[str], error: str) -> None:
    result = call("plot", *args)
    assert (result.exit_code > 0, result.stdout) == (True, "")
    assert result.stderr.startswith(f"Error: {error}")
    assert result.stderr.count("\n") == 1


def test_a_run_that_has_read_nothing_is_an_error() -> None:
    Path("checkpoints/corpus/metrics.jsonl").write_text("")
    result = call("plot", "corpus")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "has no training loss yet" in result.stderr
