"""R11: a signal at any moment, while a run is planned, its text encoded, the network trained or a
checkpoint written. R4: the same with SIGKILL, which cannot be handled: the run is resumed from its
newest checkpoint to the same bytes.
"""

import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.run import Run

# one after another: the moments are fractions of the time that a run takes
pytestmark = pytest.mark.xdist_group("signals at any moment")

N = 30
FEW = 20  # so few tries that, by chance, none may hit the training itself
TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
WORDS = [
    "train", "corpus.txt", "--hidden-size=8", "--num-layers=2", "--embedding-size=4", "--batch-size=4", "--sequence-length=20",
    "--device=cpu", "--precision=fp32", "--threads=1", "--dropout=0.3", "--patience=none", "--eval-every=2", "--save-every=1",
    f"--steps={N}",
]  # fmt: skip
AGAIN = ["train", "--resume", "--name", "corpus"]
STOPS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, processes: Any) -> Path:
    """A directory with an undisturbed run."""
    where = prepare(tmp_path_factory.mktemp("undisturbed") / "whole")
    assert processes.run(cwd=str(where), words=WORDS) == {"code": 0}
    return where


@pytest.fixture(scope="module")
def longest(whole: Path, processes: Any) -> float:
    """The seconds that such a run takes."""
    begin = time.monotonic()
    assert processes.run(cwd=str(whole), words=[*WORDS, "--name", "other"]) == {"code": 0}
    return time.monotonic() - begin


def prepare(where: Path) -> Path:
    """Create a directory that contains the text."""
    where.mkdir()
    (where / "corpus.txt").write_text(TEXT)
    return where


def bytes_of(where: Path) -> dict[str, bytes]:
    path = where / "checkpoints/corpus" / f"step-{N:08d}"
    return {file.name: file.read_bytes() for file in path.iterdir()} | {
        "metrics": (path.parent / "metrics.jsonl").read_bytes()
    }


@pytest.mark.parametrize("name", STOPS)
@pytest.mark.counted(50)
def test_a_signal_at_any_moment_saves_and_stops(
    name: str, tries: int, whole: Path, longest: float, tmp_path: Path, processes: Any, tally: Any
) -> None:
    rng, amid, expected = random.Random(name), 0, bytes_of(whole)
    for number in range(tries):
        where = prepare(tmp_path / str(number))
        run = Run(where / "checkpoints/corpus")
        how = {"signum": signal.Signals[name].value, "after": rng.uniform(0, longest)}
        found = processes.run(cwd=str(where), words=WORDS, run=str(run.path), **how)
        said = (where / "said").read_text()
        assert "Traceback" not in said
        # nobody listens any more once the run has ended
        late = found["ended"] and found["code"] in (0, -how["signum"])
        assert found["code"] == STOPS[name] or late, said
        assert all(checkpoints.is_whole(path) for path in run.steps())
        if not run.steps():
            assert not run.path.exists(), said
            assert processes.run(cwd=str(where), words=WORDS) == {"code": 0}
        elif run.final() is None:
            amid += 1
            assert (
                f"stopped after saving {run.steps()[-1].relative_to(where)}; continue with: charrnn train --resume --name corpus"
                in said
            )
            assert processes.run(cwd=str(where), words=AGAIN) == {"code": 0}, (
                where / "said"
            ).read_text()
        assert bytes_of(where) == expected
        shutil.rmtree(where)
    assert tries < FEW or amid >= tries / 5
    tally(tries, f"signals {name} at random moments")


@pytest.mark.counted(50)
def test_a_save_request_at_any_moment_adds_a_checkpoint(
    tries: int, tmp_path: Path, processes: Any, tally: Any
) -> None:
    """SIGUSR1 adds a checkpoint and changes nothing else."""
    words = [word for word in WORDS if not word.startswith(("--save-every", "--eval-every"))] + [
        "--save-every=none",
        "--eval-every=none",
    ]
    prepare(tmp_path / "undisturbed")
    begin = time.monotonic()
    assert processes.run(cwd=str(tmp_path / "undisturbed"), words=words) == {"code": 0}
    longest = time.monotonic() - begin
    rng, amid, expected = random.Random(1), 0, bytes_of(tmp_path / "undisturbed")
    for number in range(tries):
        where = prepare(tmp_path / str(number))
        how = {"signum": signal.SIGUSR1.value, "after": rng.uniform(0, longest)}
        run = Run(where / "checkpoints/corpus")
        found = processes.run(cwd=str(where), words=words, run=str(run.path), **how)
        # nobody listens any more once the run has ended
        late = found["ended"] and found["code"] == -signal.SIGUSR1
        assert found["code"] == 0 or late, (where / "said").read_text()
        amid += len(run.steps()) == 2
        assert all(checkpoints.is_whole(path) for path in run.steps())
        assert bytes_of(where) == expected
        shutil.rmtree(where)
    assert tries < FEW or amid >= tries / 10
    tally(tries, "signals SIGUSR1 at random moments")


@pytest.mark.parametrize("name", STOPS)
@pytest.mark.counted(20)
def test_a_signal_before_the_first_step_leaves_nothing(
    name: str, tries: int, tmp_path: Path, processes: Any, tally: Any
) -> None:
    """While a text of 2 MB is read, encoded and counted, and steps are timed for a second; nothing
    remains of the run."""
    rng, words = (
        random.Random(name),
        [word for word in WORDS if not word.startswith(("--dropout", "--eval-every"))],
    )
    for number in range(tries):
        where = prepare(tmp_path / str(number))
        (where / "corpus.txt").write_text(TEXT * 2000)
        run = Run(where / "checkpoints/corpus")
        found = processes.run(
            cwd=str(where),
            words=words,
            signum=signal.Signals[name].value,
            after=rng.uniform(0, 0.95),
        )
        said = (where / "said").read_text()
        assert found == {"code": STOPS[name]}, said
        assert "Traceback" not in said
        assert not run.path.exists()
        shutil.rmtree(where)
    tally(tries, f"signals {name} while a text is read and a run is planned")


@pytest.mark.counted(50)
def test_a_trainer_killed_at_any_moment_is_resumed_to_the_same_bytes(
    tries: int, whole: Path, longest: float, tmp_path: Path, processes: Any, tally: Any
) -> None:
    rng, expected, amid = random.Random(4), bytes_of(whole), 0
    for number in range(tries):
        where = prepare(tmp_path / str(number))
        run = Run(where / "checkpoints/corpus")
        code = processes.run(
            cwd=str(where), words=WORDS, signum=signal.SIGKILL.value, after=rng.uniform(0, longest)
        )["code"]
        assert code in (-signal.SIGKILL, 0)
        assert all(checkpoints.is_whole(path) for path in run.steps())
        if run.final() is None:
            amid += bool(run.steps())
            words = AGAIN if run.steps() else [*WORDS, "--overwrite"]
            assert processes.run(cwd=str(where), words=words) == {"code": 0}, (
                where / "said"
            ).read_text()
        assert bytes_of(where) == expected
        assert not list(run.path.glob(".*.tmp-*"))
        shutil.rmtree(where)
    assert tries < FEW or amid >= tries / 5
    tally(tries, "trainers killed at random moments, and resumed bit for bit")
