"""R18: with pipes, closed streams, odd terminals and locales, the text and the exit code are right,
and there is no traceback."""

import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.config.run_config import ModelConfig
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary
from tests.command import call

CHARRNN = f"{sys.executable} -m charrnn"
VOCABULARY = Vocabulary.of("\nab é漢😀")
TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 10
SMALL = "--steps 3 --hidden-size 4 --num-layers 1 --embedding-size 2 --dropout 0 --threads 1"


@pytest.fixture
def home(here: Path) -> Path:
    """A directory with a model that writes all its characters, and a text."""
    config = ModelConfig(hidden_size=2, num_layers=1, embedding_size=2)
    weights = {
        name: np.zeros(shape, np.float32) for name, shape in shapes(config, len(VOCABULARY)).items()
    }
    checkpoints.write(here / "model", Checkpoint(VOCABULARY, config, weights, 0, {}))
    (here / "text.txt").write_text(TEXT)
    return here


def shell(script: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script in a shell that continues after errors; ``charrnn`` runs this package."""
    env = os.environ | {"PYTHONPATH": str(Path(charrnn.__file__).parents[1])} | environment
    script = f'set -o pipefail; charrnn() {{ {CHARRNN} "$@"; }}\n{script}'
    done = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, check=False, timeout=100
    )
    assert b"Traceback" not in done.stderr + done.stdout, done.stderr.decode()
    assert b"Exception ignored" not in done.stderr, done.stderr.decode()
    return done


def test_a_reader_may_close_the_pipe(home: Path, tally: Any) -> None:
    for more in ({}, {"PYTHONUNBUFFERED": "1"}):
        done = shell(
            "charrnn sample model -n 100000 -s 1 | head -c 10; echo ${PIPESTATUS[0]}", **more
        )
        assert done.stdout.decode(errors="replace").endswith("141\n")
    tally(2, "readers that go away")


def test_closed_streams_cause_no_traceback(home: Path, tally: Any) -> None:
    assert shell("charrnn sample model -n 5 -s 1 <&-").returncode == 0
    assert (
        shell("charrnn sample model -n 5 -s 1 2>&-").stdout.decode()
        == charrnn.load("model").generate(length=5, seed=1) + "\n"
    )
    assert shell("charrnn train - <&-").returncode in (1, 2)
    assert shell(f"charrnn train text.txt {SMALL} >&- 2>&-").returncode == 0
    shell("charrnn sample model -n 5 >&-")  # no traceback, whatever the exit code
    tally(5, "commands with closed streams")


def test_writing_to_a_full_device_is_an_error(home: Path, tally: Any) -> None:
    done = shell("charrnn sample model -n 50 -s 1 > /dev/full")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith("Error: ")
    assert shell("charrnn info model --json > /dev/full").returncode == 1
    for words in ("--help", "--version", "sample -h"):
        done = shell(f"charrnn {words} > /dev/full")
        assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    tally(5, "commands that write to a full device")


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "cp1252"},
    ],
    ids=str,
)
def test_text_is_right_in_any_locale(locale: dict[str, str], home: Path, tally: Any) -> None:
    done = shell("charrnn sample model -n 60 -s 1 -p é漢", **locale)
    assert (
        done.stdout.decode()
        == "é漢" + charrnn.load("model").generate("é漢", length=60, seed=1) + "\n"
    )
    tally(1, "locales")


def test_training_works_in_a_narrow_dumb_terminal(home: Path, tally: Any) -> None:
    leader, follower = pty.openpty()
    env = os.environ | {
        "PYTHONPATH": str(Path(charrnn.__file__).parents[1]),
        "TERM": "dumb",
        "COLUMNS": "20",
    }
    words = [sys.executable, "-m", "charrnn", "train", "text.txt", *SMALL.split()]
    with subprocess.Popen(
        words, stdin=follower, stdout=follower, stderr=follower, env=env
    ) as started:
        os.close(follower)
        shown = b""
        try:
            while more := os.read(leader, 4096):
                shown += more
        except OSError:  # the end of a terminal
            pass
        assert started.wait() == 0
    os.close(leader)
    assert b"Traceback" not in shown
    assert b"generate text with: charrnn sample text" in shown
    tally(1, "terminals")


def test_a_run_survives_the_loss_of_its_terminal(home: Path, tally: Any) -> None:
    """The run receives SIGHUP, saves, and can be resumed."""
    leader, follower = pty.openpty()
    env = os.environ | {"PYTHONPATH": str(Path(charrnn.__file__).parents[1])}
    words = [
        sys.executable,
        "-m",
        "charrnn",
        "train",
        "text.txt",
        *SMALL.replace("--steps 3", "--steps 1000000").split(),
        "--eval-every",
        "50",
    ]
    with subprocess.Popen(
        words, stdin=follower, stdout=follower, stderr=follower, env=env, start_new_session=True
    ) as started:
        os.close(follower)
        shown = b""
        while b"saved" not in shown:
            shown += os.read(leader, 4096)
        os.close(leader)
        # like a shell does to its children after the terminal has gone
        started.terminate()
        assert started.wait() in (129, 143)
    assert shell("charrnn info text").returncode == 0
    tally(1, "terminals that go away")


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Make a directory read-only: by its permissions, or by a mount, since root ignores
    permissions."""
    root = os.geteuid() == 0
    if (
        root
        and subprocess.run(
            ["mount", "--bind", "-o", "ro", str(path), str(path)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("root may write anywhere, and this machine forbids mounting")
    mode = stat.S_IMODE(path.stat().st_mode)
    try:
        if not root:
            path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        yield
    finally:
        if root:
            subprocess.run(["umount", str(path)], check=True)
        else:
            path.chmod(mode)


def test_a_read_only_directory_is_an_error(home: Path, tally: Any) -> None:
    assert call("train", "text.txt", *SMALL.split()).exit_code == 0
    before = sorted(path.name for path in (home / "checkpoints/text").iterdir())
    with read_only(home / "checkpoints"):
        for words in (
            ["train", "text.txt", *SMALL.split(), "--name", "other"],
            ["train", "text.txt", *SMALL.split(), "--overwrite"],
            ["train", "--resume"],
        ):
            result = call(*words)
            assert result.exit_code == 1
            assert isinstance(result.exception, SystemExit)  # which shows no traceback
            assert re.search(
                "Read-only file system|Permission denied", result.stderr.splitlines()[-1]
            )
        assert shell("charrnn sample text -n 5").returncode == 0
        assert shell("charrnn info text").returncode == 0
    assert sorted(path.name for path in (home / "checkpoints/text").iterdir()) == before
    tally(5, "commands on a directory that cannot be written to")


def test_a_file_as_runs_dir_is_an_error(home: Path, tally: Any) -> None:
    for runs_dir in ("text.txt", "text.txt/below", "/proc/nothing"):
        result = call("train", "text.txt", *SMALL.split(), "--runs-dir", runs_dir)
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit)  # which shows no traceback
        assert result.stderr.splitlines()[-1].startswith("Error: ")
    tally(3, "impossible run directories")
