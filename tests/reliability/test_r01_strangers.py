"""R1, R2: a checkpoint from a stranger runs no code and cannot harm: one line of error, soon, in little memory, and nothing else opened."""

import ast
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn import checkpoint as checkpoints
from charrnn.cli.main import cli
from charrnn.errors import CharRNNError
from charrnn.text_model import load
from tests.reliability.hostile import DIRECTORIES
from tests.reliability.saving import ended, forked

PACKAGE = Path(charrnn.__file__).parent
SECONDS, MEMORY = 1.0, 64 << 20
WATCHED = ("open", "os.listdir", "subprocess.Popen", "os.system", "os.exec", "socket.connect", "pickle.find_class", "exec", "compile")
OURS = ("/proc/", "/sys/", "/dev/null", str(PACKAGE), sys.prefix, sys.base_prefix)


def opened_by(path: Path, report: Path) -> None:
    """In a process of its own: open a directory in every way there is, and write down what happened."""
    events: list[str] = []

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if event in WATCHED and watching:
            name = args[0] if args else ""
            name = os.fspath(name) if isinstance(name, str | bytes | os.PathLike) else ""
            name = name.decode() if isinstance(name, bytes) else name
            inside = not name or os.path.abspath(name).startswith((str(path), *OURS))
            if event not in ("open", "os.listdir") or not inside:
                events.append(f"{event} {name}")

    errors: list[str] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    watching = True
    sys.addaudithook(watch)
    begin = time.monotonic()
    for call in (load, lambda it: checkpoints.read(it, trainer=True), checkpoints.read_about):
        try:
            call(path)
            errors.append("")
        except CharRNNError as error:
            errors.append(str(error))
    seconds = time.monotonic() - begin
    watching = False
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    report.write_text(json.dumps({"errors": errors, "seconds": seconds, "grown": grown, "events": events}))


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_directory_from_a_stranger(name: str, tmp_path: Path, tally: Any) -> None:
    path, report = tmp_path / "model", tmp_path / "report.json"
    DIRECTORIES[name](path)
    size = sum(file.lstat().st_size for file in path.rglob("*"))
    assert ended(forked(lambda: opened_by(path, report))) == 0
    found = json.loads(report.read_text())
    loading, whole, _ = found["errors"]
    assert loading and whole
    for error in (loading, whole):
        assert "\n" not in error and "\x1b" not in error and len(error) < 1000
    assert found["events"] == []
    assert found["seconds"] < 3 * SECONDS  # all three of them
    assert found["grown"] < MEMORY + 2 * size
    assert not (path / "touched").exists()
    tally(1, "directories from strangers")


@pytest.mark.parametrize("name", DIRECTORIES)
def test_the_command_line_says_it_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    monkeypatch.chdir(tmp_path)
    DIRECTORIES[name](tmp_path / "model")
    for words in (("sample", "model", "-n", "1"), ("info", "model")):
        result = CliRunner().invoke(cli, words)
        assert (result.exit_code, result.stdout) == (1, ""), result
        assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1 and result.stderr.strip().isprintable()


def test_there_are_at_least_eighty() -> None:
    assert len(DIRECTORIES) >= 80


CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "torch.save",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
}
FORBIDDEN = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_in_the_package_can_run_what_it_reads(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name.split(".")[0] for alias in node.names} | {str(getattr(node, "module", "")).split(".")[0]}
            assert not names & FORBIDDEN
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {
                "eval",
                "exec",
                "compile",
                "__import__",
                "torch.load",
                "torch.save",
                "yaml.load",
                "yaml.unsafe_load",
                "os.system",
            }
            assert not called.endswith("full_load")
            assert not any(keyword.arg in ("allow_pickle", "shell") for keyword in node.keywords)
