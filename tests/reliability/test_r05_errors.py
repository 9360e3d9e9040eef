"""R5: an I/O error at any system call of a save is reported; the earlier checkpoint is kept, and
nothing half-written is visible. R6: what is reported as saved is on the disk, because it is written
and flushed in the right order.

``strace`` attaches to a process that is ready to save, and fails one of its system calls.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import CheckpointError
from charrnn.storage.run import Run
from tests.reliability.saving import ended, forked, is_of, save

CALLS = "open,openat,mkdir,mkdirat,write,fsync,close,rename,renameat,renameat2,unlink,unlinkat,rmdir,newfstatat,lstat,stat,getdents64"
FAULTS = ("error=EIO", "error=ENOSPC", "error=EDQUOT", "signal=SIGKILL")
SAVED, REFUSED = 0, 3

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


def traced(run: Run, *options: str) -> tuple[int, str]:
    """Run the third save of a run under strace with these options; return the exit code of the
    process and the trace."""
    reads, writes = os.pipe()
    trace = Path(tempfile.mkdtemp()) / "trace"

    def saves() -> None:
        os.read(reads, 1)
        try:
            save(run, 3)
        except CheckpointError as error:
            text = str(error)
            # the latter two only about older checkpoints
            reason = re.search("MiB free|cannot be read: |could not be removed: ", text)
            assert str(run.path) in text and reason and "\n" not in text, text
            os._exit(REFUSED)
        os._exit(SAVED)

    child = forked(saves)
    os.close(reads)
    command = ["strace", "-f", "-y", "-qq", "-o", str(trace), "-p", str(child), *options]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 10
    while "TracerPid:\t0" in Path(f"/proc/{child}/status").read_text():
        if tracer.poll() is not None or time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            ended(child)
            pytest.skip(f"strace cannot attach here: {tracer.communicate()[1].strip()}")
        time.sleep(0.002)
    os.write(writes, b"\n")
    os.close(writes)
    found = ended(child)
    tracer.communicate()
    return found, trace.read_text()


def fresh(path: Path) -> Run:
    """A run with two checkpoints."""
    run = Run(path)
    save(run, 1)
    save(run, 2)
    return run


def calls_of_a_save(tmp_path: Path) -> list[tuple[str, int]]:
    """The system calls of a save, as ``(name, number of its calls so far)``, without those before
    the save."""
    code, trace = traced(fresh(tmp_path / "dry"), "-e", f"trace={CALLS}")
    assert code == SAVED
    names = re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE)
    first = next(number for number, line in enumerate(trace.splitlines()) if "dry" in line)
    return [
        (name, names[: number + 1].count(name))
        for number, name in enumerate(names)
        if number >= first
    ]


@needs_strace
def test_a_fault_at_any_system_call_of_a_save_is_reported(
    tries_of: Callable[[int], Sequence[int]], tmp_path: Path, tally: Any
) -> None:
    faults = [(name, when, fault) for name, when in calls_of_a_save(tmp_path) for fault in FAULTS]
    assert len(faults) > 100
    ends: dict[int, int] = {}
    for number in tries_of(len(faults)):
        name, when, fault = faults[number]
        run = fresh(tmp_path / f"run-{number}")
        code, trace = traced(
            run, "-e", f"trace={CALLS}", "-e", f"inject={name}:{fault}:when={when}"
        )
        what = f"{fault} at {name} {when}: exit {code}\n{trace}"
        ends[code] = ends.get(code, 0) + 1
        assert code in ((-signal.SIGKILL,) if "SIGKILL" in fault else (SAVED, REFUSED)), what
        steps = {int(path.name.removeprefix("step-")): path for path in run.steps()}
        assert all(is_of(path, step) for step, path in steps.items()), what
        assert 2 in steps, what  # the earlier one is unchanged
        if code == SAVED:
            assert 3 in steps, what  # what was reported as saved exists
            # it was only read
            assert not re.search(
                r"((write|fsync|rename|unlink|rmdir)\w*\(|O_CREAT).*INJECTED", trace
            ), what
        run.clean()
        assert {path.name for path in run.path.iterdir()} == {
            path.name for path in steps.values()
        }, what
        save(run, 4)
        assert is_of(run.step(4), 4), what
        shutil.rmtree(run.path)
    assert ends[REFUSED] and ends[-signal.SIGKILL]
    tally(sum(ends.values()), "faults, of each kind, at the system calls of a save")


@needs_strace
def test_what_is_reported_as_saved_is_on_the_disk(tmp_path: Path, tally: Any) -> None:
    run = fresh(tmp_path / "run")
    code, trace = traced(run, "-e", f"trace={CALLS}")
    assert code == SAVED
    events = [
        (name, re.findall(r'"([^"]+)"|<([^>]+)>', rest))
        for name, rest in re.findall(r"^\d+ +(\w+)\((.*)$", trace, re.MULTILINE)
    ]
    staged = next(
        path
        for name, found in events
        if name.startswith("mkdir")
        for path, _ in found
        if ".tmp-" in path
    )
    synced = [next(path for _, path in found if path) for name, found in events if name == "fsync"]
    written = [
        next(path for _, path in found if path)
        for name, found in events
        if name == "write" and staged in str(found)
    ]
    assert len(set(written)) == 7
    rename = next(
        number
        for number, (name, found) in enumerate(events)
        if name.startswith("rename") and staged in str(found[0])
    )
    assert str(run.step(3)) in str(events[rename])
    for path in set(written):
        last_write = max(
            number
            for number, (name, found) in enumerate(events)
            if name == "write" and path in str(found)
        )
        sync = max(
            number
            for number, (name, found) in enumerate(events)
            if name == "fsync" and path in str(found)
        )
        assert last_write < sync < rename, path
    syncs = [number for number, (name, _) in enumerate(events) if name == "fsync"]
    assert synced[7] == staged  # the staged directory after its files, and before the rename
    assert syncs[7] < rename < syncs[8]
    assert synced[8] == str(run.path)
    tally(len(synced), "files and directories flushed to the disk in order")


@needs_strace
def test_the_names_of_new_directories_are_flushed_to_the_disk(tmp_path: Path, tally: Any) -> None:
    run = Run(tmp_path / "new" / "runs" / "run")
    tmp_path.joinpath("new").mkdir()
    code, trace = traced(run, "-e", f"trace={CALLS}")
    assert code == SAVED
    events = re.findall(r"(fsync|rename)\w*\((?:\d+<|[^\"]*\")([^>\"]+)", trace)
    commit = next(
        number for number, (name, path) in enumerate(events) if name == "rename" and ".tmp-" in path
    )
    synced = {path for name, path in events[:commit] if name == "fsync"}
    assert {str(tmp_path / "new"), str(tmp_path / "new" / "runs")} <= synced
    tally(2, "new directories flushed to the disk")


def refusal(run: Run) -> str:
    """The error of the third save of a run; empty if it succeeded."""
    try:
        save(run, 3)
    except CheckpointError as error:
        return str(error)
    return ""


def test_a_full_disk_is_reported(tmp_path: Path, tally: Any) -> None:
    """With a real disk: a tmpfs of a megabyte that is almost full."""
    where = tmp_path / "small"
    where.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(where)],
        capture_output=True,
        check=False,
    ).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        run = fresh(where / "run")
        free = shutil.disk_usage(where).free
        for left in range(0, 32_768, 4_096):
            filler = where / "filler"
            filler.write_bytes(b"\0" * max(0, free - left))
            refused = refusal(run)
            if not refused:
                break
            assert refused.startswith(
                f"{run.step(3)} could not be written: No space left on device ("
            )
            assert sorted(path.name for path in run.path.iterdir()) == [
                run.step(1).name,
                run.step(2).name,
            ]
            assert all(is_of(run.step(step), step) for step in (1, 2))
        assert left > 0  # it did not fit at once
        assert is_of(run.step(3), 3)
        tally(left // 4096, "saves on a full disk")
    finally:
        subprocess.run(["umount", str(where)], check=True)
