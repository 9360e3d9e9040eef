"""R24: if two trainers start in one run at the same time, one refuses and the other trains it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import RunExistsError
from charrnn.storage.run import Run
from tests.reliability.saving import ended, forked, is_of, save

REFUSED, TRAINED = 3, 0


@pytest.mark.counted(20)
def test_one_of_two_trainers_that_race_for_a_run_refuses(
    tries: int, tmp_path: Path, tally: Any
) -> None:
    for number in range(tries):
        run, (start, started), (end, ends) = Run(tmp_path / f"run-{number}"), os.pipe(), os.pipe()

        def trains(run: Run = run, start: int = start, end: int = end, ends: int = ends) -> None:
            os.close(ends)
            os.read(start, 1)
            try:
                held = run.lock()
            except RunExistsError as error:
                os._exit(
                    REFUSED
                    if str(error).startswith(f"the run {run.path} is being trained by process ")
                    else 1
                )
            assert held
            for step in range(1, 4):
                save(run, step)
            os.read(end, 1)  # keep the run locked until both have tried
            os._exit(TRAINED)

        children = [forked(trains) for _ in range(2)]
        os.write(started, b"go")
        first, status = os.wait()
        assert os.waitstatus_to_exitcode(status) == REFUSED
        os.close(ends)
        (other,) = set(children) - {first}
        assert ended(other) == TRAINED
        assert [is_of(path, step) for path, step in zip(run.steps(), (2, 3), strict=True)] == [
            True,
            True,
        ]
        held = run.lock()  # the lock is free again
        assert held
        held.release()
        for handle in (start, started, end):
            os.close(handle)
    tally(tries, "races of two trainers for a run")


@pytest.mark.counted(20)
def test_one_of_two_commands_in_one_run_refuses(tries: int, here: Path, tally: Any) -> None:
    (here / "text.txt").write_text(
        "Now is the time, said the clock; then is the time, said the bell.\n" * 10
    )
    for number in range(tries):
        small = [
            "--steps",
            "60",
            "--hidden-size",
            "4",
            "--num-layers",
            "1",
            "--embedding-size",
            "2",
            "--dropout",
            "0",
            "--threads",
            "1",
        ]
        words = [
            sys.executable,
            "-m",
            "charrnn",
            "train",
            "text.txt",
            *small,
            "--name",
            f"run-{number}",
        ]
        pair = [
            subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            for _ in range(2)
        ]
        told = [process.communicate()[1] for process in pair]
        assert sorted(process.returncode for process in pair) == [0, 1], told
        refused = told[0] if pair[0].returncode else told[1]
        assert re.search(
            f"is being trained by process|checkpoints/run-{number} (already )?exists",
            refused.splitlines()[-1],
        ), refused
        run = Run(Path(f"checkpoints/run-{number}"))
        assert run.final() is not None
        assert len(run.metrics.read_text().splitlines()) == len(
            set(run.metrics.read_text().splitlines())
        )
    tally(tries, "races of two commands for a run")


def test_a_killed_trainer_releases_its_lock(tmp_path: Path, tally: Any) -> None:
    run = Run(tmp_path / "run")
    said, says = os.pipe()

    def holds() -> None:
        held = run.lock()
        os.write(says, b"held")
        os.read(os.pipe()[0], 1)
        assert held

    child = forked(holds)
    os.read(said, 4)
    with pytest.raises(RunExistsError, match=f"process {child} on "):
        run.lock()
    os.kill(child, 9)
    ended(child)
    assert run.lock()
    tally(1, "lock of a killed trainer that is released at once")
