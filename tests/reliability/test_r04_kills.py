"""R4: a kill at any instant leaves the newest committed checkpoint loadable, and leftovers are
cleaned up."""

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from charrnn.storage.run import Run
from tests.reliability.saving import ended, forked, is_of, save

POINTS = ("open", "write", "fsync", "mkdir", "rename", "replace", "rmdir", "unlink", "close")


def check(run: Run, reported: int) -> None:
    """Check a run after a kill: it contains only whole checkpoints, including the last one reported
    as saved or a later one."""
    steps = run.steps()
    assert [int(path.name.removeprefix("step-")) for path in steps] == sorted(
        {int(path.name.removeprefix("step-")) for path in steps}
    )
    assert all(is_of(path, int(path.name.removeprefix("step-"))) for path in steps)
    if reported:
        assert int(steps[-1].name.removeprefix("step-")) in (reported, reported + 1)
    run.clean()
    assert not [path.name for path in run.path.iterdir() if not path.name.startswith("step-")]


@pytest.mark.counted(100)
def test_a_kill_at_a_random_moment_of_saving_loses_no_checkpoint(
    tries: int, tmp_path: Path, tally: Any
) -> None:
    rng = random.Random(4)
    for number in range(tries):
        run = Run(tmp_path / f"run-{number}")
        run.path.mkdir()
        reads, writes = os.pipe()

        def saves(run: Run = run, writes: int = writes) -> None:
            for step in range(1, 10**6):
                save(run, step)
                os.write(writes, b"%d\n" % step)

        child = forked(saves)
        os.close(writes)
        reported = os.read(reads, 100)  # it has saved at least once
        time.sleep(rng.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
        while more := os.read(reads, 100_000):
            reported += more
        os.close(reads)
        check(run, int(reported.split()[-1]))
    tally(tries, "kills at random moments of saving")


def counted(monkeypatch: pytest.MonkeyPatch, at: int) -> list[str]:
    """Count the calls that change something on the disk; the process is killed before call number
    ``at``."""
    calls: list[str] = []

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **how: Any) -> Any:
            if len(calls) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            calls.append(name)
            return real(*args, **how)

        return call

    for name in POINTS:
        monkeypatch.setattr(os, name, watched(name, getattr(os, name)))
    return calls


def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The numbers of the calls in the third save of a run, which prunes the first."""
    run = Run(tmp_path / "counted")
    save(run, 1)
    save(run, 2)
    with monkeypatch.context() as patch:
        calls = counted(patch, -1)
        save(run, 3)
    assert {"mkdir", "fsync", "rename", "rmdir", "unlink"} <= set(calls)
    yield from range(len(calls))


def test_a_kill_before_each_call_of_a_replacing_save_loses_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Any
) -> None:
    for at in itertools.count():
        run = Run(tmp_path / f"run-{at}")
        save(run, 1)

        def killed(run: Run = run, at: int = at) -> None:
            counted(pytest.MonkeyPatch(), at)
            save(run, 1)

        code = ended(forked(killed))
        assert code in (-signal.SIGKILL, 0)
        run.clean()
        assert [path.name for path in run.path.iterdir()] == [run.step(1).name]
        assert is_of(run.step(1), 1)
        if code == 0:  # it made fewer calls
            break
    assert at > 25
    tally(at, "kills, one before each call of a save that replaces a checkpoint")


def test_a_kill_before_each_call_of_a_save_loses_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Any
) -> None:
    numbers = list(points(tmp_path, monkeypatch))
    for at in numbers:
        run = Run(tmp_path / f"run-{at}")
        save(run, 1)
        save(run, 2)

        def killed(run: Run = run, at: int = at) -> None:
            counted(pytest.MonkeyPatch(), at)
            save(run, 3)

        assert ended(forked(killed)) == -signal.SIGKILL
        check(run, 2)
        save(run, 4)  # and the run continues
        check(run, 4)
    tally(len(numbers), "kills, one before each call of a save")
