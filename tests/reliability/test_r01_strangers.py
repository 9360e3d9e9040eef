"""R1, R2: a checkpoint from a stranger runs no code and does no harm: one line of error, quickly,
in little memory, and no other file is opened."""

import ast
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.advice.verdict import verdict
from charrnn.cli.main import cli
from charrnn.errors import CharRNNError
from charrnn.generation.network import Network
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.run import Run
from charrnn.text_model import load
from tests.reliability.hostile import DIRECTORIES, OPENED
from tests.reliability.saving import ended, example, forked

PACKAGE = Path(charrnn.__file__).parent
SECONDS, MEMORY = 1.0, 64 << 20
WATCHED = (
    "open",
    "os.listdir",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "socket.connect",
    "pickle.find_class",
    "exec",
    "compile",
)
OURS = ("/proc/", "/sys/", "/dev/null", str(PACKAGE), sys.prefix, sys.base_prefix)


def opened_by(path: Path, report: Path) -> None:
    """In a separate process: open a directory in every possible way, and report what happened."""
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
    longest = 0.0
    for call in (load, lambda it: checkpoints.read(it, trainer=True), checkpoints.read_about):
        begin = time.monotonic()
        try:
            call(path)
            errors.append("")
        except CharRNNError as error:
            errors.append(str(error))
        longest = max(longest, time.monotonic() - begin)
    watching = False
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    report.write_text(
        json.dumps({"errors": errors, "seconds": longest, "grown": grown, "events": events})
    )


def of_training(name: str) -> bool:
    """Whether only the training state is bad: the model may be read without it."""
    return name.startswith("trainer.") or "of the state" in name or "the state of" in name


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_directory_from_a_stranger_is_refused_without_harm(
    name: str, tmp_path: Path, tally: Any
) -> None:
    path, report = tmp_path / "model", tmp_path / "report.json"
    DIRECTORIES[name](path)
    size = sum(512 * file.lstat().st_blocks for file in path.rglob("*"))
    assert ended(forked(lambda: opened_by(path, report))) == 0
    found = json.loads(report.read_text())
    loading, whole, about = found["errors"]
    assert whole
    assert loading or of_training(name)
    for error in (loading, whole, about):
        assert "\n" not in error and "\x1b" not in error and len(error) < 1000
    assert found["events"] == []
    assert found["seconds"] < SECONDS
    assert found["grown"] < MEMORY + 2 * size
    assert not (path / "touched").exists()
    tally(1, "directories from strangers")


@pytest.mark.parametrize("name", DIRECTORIES)
def test_the_command_line_prints_one_line_of_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    monkeypatch.chdir(tmp_path)
    DIRECTORIES[name](tmp_path / "model")
    for words in (("sample", "model", "-n", "1"), ("info", "model")):
        result = CliRunner().invoke(cli, words)
        if of_training(name) and result.exit_code == 0:
            continue
        assert (result.exit_code, result.stdout) == (1, ""), result
        assert (
            result.stderr.startswith("Error: ")
            and result.stderr.count("\n") == 1
            and result.stderr.strip().isprintable()
        )


EXTRA_FILES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a directory": Path.mkdir,
    "a link out": lambda path: path.symlink_to("/etc/hostname"),
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a gigabyte of zero bytes": lambda path: path.touch() or os.truncate(path, 10**9),
    "deep": lambda path: path.write_text("[" * 100_000),
    "wide": lambda path: path.write_text("[1," * 100_000 + "\n"),
    "many names": lambda path: path.write_text("corpus: [" + "a," * 15_000 + "a]\n"),
    "empty lines": lambda path: path.write_bytes(b"\n" * 8_000_000),
    "many lines": lambda path: path.write_text(
        '{"step": 1, "train_loss": 1.0, "val_loss": 1.0}\n' * 400_000
    ),
    "aliases of aliases": lambda path: path.write_text(
        "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n"
    ),
    "a Python tag": lambda path: path.write_text(
        "!!python/object/apply:os.system ['touch touched']\n"
    ),
    "escape sequences": lambda path: path.write_text('{"step": "\x1b[2J"}\n'),
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe: \xff"),
}


@pytest.mark.parametrize("file", ["config.yaml", "metrics.jsonl"])
@pytest.mark.parametrize("kind", EXTRA_FILES)
def test_files_next_to_a_model_from_a_stranger_do_no_harm(
    file: str, kind: str, here: Path, tally: Any
) -> None:
    """Files of a run that are not listed in a manifest."""
    from click.testing import CliRunner

    checkpoints.write(here / "run/step-00000007", example(7, 1.5))
    line = {"step": 7, "learning_rate": 0.1, "train_loss": 1.6, "grad_norm": 1.0, "val_loss": 1.5}
    (here / "run/metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert verdict(Run(here / "run"))  # so that both are read
    (here / "run" / file).unlink(missing_ok=True)
    EXTRA_FILES[kind](here / "run" / file)
    for words in (("sample", "run", "-n", "1"), ("info", "run"), ("info", "run", "--json")):
        begin = time.monotonic()
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == 0, result
        assert "\x1b" not in result.output
        assert time.monotonic() - begin < SECONDS
    assert not (here / "touched").exists()
    tally(1, "strange files next to a model")


USES = (
    "sample model", "sample model -n 60 --json -t 0 --dry 1 --top-p 0.5", "sample model -n 20 --best-of 2 --output out",
    "sample model -n 20 --prompt ab --save-state state", "sample model -n 20 --contains b", "sample model -n 20 --adapt-to text.txt",
    "sample model --num-samples 3 --unique --report", "evaluate model text.txt --json", "evaluate model text.txt --json --adaptive",
    "info model", "info model --json", "originality model text.txt", "score model text.txt", "score model text.txt --html out",
    "score model text.txt --compare model --places 2",
)  # fmt: skip
# steps of the network in one use; a default sample takes 500, and records are drawn 32 at a time
MOST_STEPS = 20_000
ENDS = re.compile(r"Error: .+")


@pytest.mark.parametrize("name", OPENED)
def test_a_model_that_opens_does_no_harm_when_used(
    name: str, here: Path, monkeypatch: pytest.MonkeyPatch, tally: Any
) -> None:
    """Each use ends after a bounded number of steps, with finite numbers or one line of error."""
    from click.testing import CliRunner

    steps, step = 0, Network.step

    def counted(network: Network, idx: Any, state: Any) -> Any:
        nonlocal steps
        steps += 1
        assert steps <= MOST_STEPS
        return step(network, idx, state)

    monkeypatch.setattr(Network, "step", counted)
    checkpoints.write(here / "model", OPENED[name])
    (here / "text.txt").write_text(
        "ab\nab\n" * 30 if "\n" in OPENED[name].vocabulary.symbols else "ab" * 90
    )
    for words in USES:
        steps = 0
        result = CliRunner().invoke(cli, words.split())
        assert result.exit_code in (0, 1, 2), (words, result)
        assert result.exception is None or isinstance(result.exception, SystemExit), (words, result)
        last = result.stderr.rstrip("\n").rpartition("\n")[2]
        assert ENDS.fullmatch(last) or not result.exit_code, (words, result)
        assert "\x1b" not in result.stderr
        if words.startswith("score") and Path("out").exists():
            assert "\x1b" not in Path("out").read_text(errors="replace")
        if "--json" in words:
            json.loads(result.stdout or "{}", parse_constant=pytest.fail)
        (here / "out").unlink(missing_ok=True)
    tally(len(USES), "uses of strange models")


@pytest.mark.parametrize("words", ["report model -o out", "report model -o out --markdown"])
@pytest.mark.parametrize(
    "name", ["characters that move the cursor", "large claims", "impossible paths"]
)
def test_a_report_on_the_model_of_a_stranger_is_harmless(name: str, words: str, here: Path) -> None:
    from click.testing import CliRunner

    checkpoints.write(here / "model", OPENED[name])
    result = CliRunner().invoke(cli, words.split())
    assert result.exit_code in (0, 1), result
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if Path("out").exists():
        assert "\x1b" not in Path("out").read_text()


def test_text_can_be_scored_with_the_model_of_a_stranger(tmp_path: Path) -> None:
    for name, checkpoint in OPENED.items():
        if "a" in checkpoint.vocabulary.symbols:
            checkpoints.write(tmp_path / name, checkpoint)
            assert np.isfinite(load(tmp_path / name).score("ab")).all(), name


def test_there_are_at_least_eighty_directories() -> None:
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


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_nothing_in_the_package_can_execute_what_it_reads(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name.split(".")[0] for alias in node.names} | {
                str(getattr(node, "module", "")).split(".")[0]
            }
            assert not names & FORBIDDEN
            module = getattr(node, "module", None)
            # under another name
            assert not {f"{module}.{alias.name}" for alias in node.names} & CALLS
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in CALLS
            # --accept
            own_command = (
                path.name == "records.py"
                and called == "subprocess.run"
                and ast.unparse(node.args[0]) == "command"
            )
            assert (
                not any(keyword.arg in ("allow_pickle", "shell") for keyword in node.keywords)
                or own_command
            )
