"""Files and directories are written whole or not at all; only what charrnn wrote is deleted."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from charrnn.errors import CheckpointError
from charrnn.storage.atomic import commit_directory, remove_directory, write_file, write_output

FILES = {"a": b"first", "b": b"", "last": bytes(range(256))}


def content(path: Path) -> Any:
    """The bytes of a file, or the content of a directory by name."""
    return (
        path.read_bytes()
        if path.is_file()
        else {entry.name: content(entry) for entry in path.iterdir()}
    )


def refusal(call: Callable[..., object], *args: Any) -> str:
    """The message of the error that a call raises."""
    with pytest.raises(CheckpointError) as caught:
        call(*args)
    return str(caught.value)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A disk with 3 MiB free. It counts its fsyncs and renames in ``calls``, from 1 on, and fails
    those whose numbers are in ``fails``."""
    state = SimpleNamespace(fails=frozenset[int](), calls=0)

    def on_disk(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            state.calls += 1
            if state.calls in state.fails:
                raise OSError(errno.ENOSPC, "No space left on device")
            return call(*args)

        return counted

    for name in ("fsync", "rename", "replace"):
        monkeypatch.setattr(os, name, on_disk(getattr(os, name)))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3 * 2**20))
    return state


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


# One file


def test_a_file_is_written_and_replaced(here: Path) -> None:
    for data in (b"old", b"", b"new and longer"):
        write_file(here / "a", data)
        assert content(here) == {"a": data}


@pytest.mark.parametrize("fails", [1, 2])
def test_a_file_that_cannot_be_written_leaves_the_old_one(
    here: Path, disk: SimpleNamespace, fails: int
) -> None:
    write_file(here / "a", b"old")
    disk.calls, disk.fails = 0, {fails}  # the file's fsync, its rename
    message = f"{here / 'a'} could not be written: No space left on device (3 MiB free on that disk); free some space, or choose another path"
    assert refusal(write_file, here / "a", b"new") == message
    assert content(here) == {"a": b"old"}


def test_a_file_is_whole_if_its_directory_could_not_be_synced(
    here: Path, disk: SimpleNamespace
) -> None:
    disk.fails = {3}
    refusal(write_file, here / "a", b"new")
    assert content(here) == {"a": b"new"}


def test_a_file_does_not_replace_a_directory(here: Path, disk: SimpleNamespace) -> None:
    (here / "a").mkdir()
    message = f"{here / 'a'} could not be written: Is a directory; check the path and its permissions, or choose another path"
    assert refusal(write_file, here / "a", b"new") == message
    assert content(here) == {"a": {}}


@pytest.mark.parametrize("write", [write_file, commit_directory])
def test_a_path_below_a_file_is_an_error(here: Path, write: Callable[..., object]) -> None:
    (here / "file").write_bytes(b"old")
    message = refusal(write, here / "file" / "a", b"new" if write is write_file else FILES)
    assert message.startswith(f"{here / 'file' / 'a'} could not be written: ")
    assert message.endswith("; check the path and its permissions, or choose another path")
    assert content(here) == {"file": b"old"}


# A directory


def test_a_directory_is_committed_with_its_parents(here: Path) -> None:
    commit_directory(here / "runs" / "poems" / "step", FILES)
    assert content(here) == {"runs": {"poems": {"step": FILES}}}


def test_a_directory_is_replaced_as_a_whole(here: Path) -> None:
    commit_directory(here / "step", {"b": b"1", "a": b"2"})
    commit_directory(here / "step", FILES)
    assert content(here) == {"step": FILES}


# 3 files, their directory, the rename, the parent: the first five may fail before the new directory
# exists
@pytest.mark.parametrize("fails", [1, 2, 3, 4, 5])
def test_a_directory_that_cannot_be_written_leaves_nothing(
    here: Path, disk: SimpleNamespace, fails: int
) -> None:
    disk.fails = {fails}
    message = f"{here / 'step'} could not be written: No space left on device (3 MiB free on that disk); free some space, or choose another path"
    assert refusal(commit_directory, here / "step", FILES) == message
    assert content(here) == {}


def test_a_directory_is_whole_if_its_parent_could_not_be_synced(
    here: Path, disk: SimpleNamespace
) -> None:
    disk.fails = {6}
    refusal(commit_directory, here / "step", FILES)
    assert content(here) == {"step": FILES}


@pytest.mark.parametrize("fails", range(1, 9))
def test_whatever_fails_either_the_old_or_the_new_directory_exists(
    here: Path, disk: SimpleNamespace, fails: int
) -> None:
    old, others = {"a": b"old", "z": b"mine"}, {"z": b"mine"}
    commit_directory(here / "step", old)
    disk.calls, disk.fails = 0, {fails}
    with contextlib.suppress(CheckpointError):
        commit_directory(here / "step", FILES)
    # for the next trainer
    not_moved = {"step": FILES, f".step.tmp-{os.getpid()}-old": others}
    assert content(here) in ({"step": old}, {"step": FILES | others}, not_moved)


def test_a_kill_before_the_last_write_leaves_no_directory(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, fsync = [], os.fsync

    def watched(handle: int) -> None:
        fsync(handle)
        seen.append(
            sorted(name for staged in here.iterdir() for name in content(staged))
            if not (here / "step").exists()
            else "committed"
        )

    monkeypatch.setattr(os, "fsync", watched)
    commit_directory(here / "step", FILES)
    assert seen == [["a"], ["a", "b"], ["a", "b", "last"], ["a", "b", "last"], "committed"]


def test_leftovers_of_the_same_process_are_not_committed(here: Path) -> None:
    staged = here / f".step.tmp-{os.getpid()}"
    staged.mkdir()
    (staged / "stale").touch()
    commit_directory(here / "step", FILES)
    assert content(here) == {"step": FILES}


def test_permissions_follow_the_umask(here: Path, umask: int) -> None:
    write_file(here / "file", b"data")
    commit_directory(here / "run" / "step", FILES)
    modes = {str(path.relative_to(here)): path.stat().st_mode & 0o777 for path in here.rglob("*")}
    file, directory = 0o666 & ~umask, 0o777 & ~umask
    assert modes == {"file": file, "run": directory, "run/step": directory} | {
        f"run/step/{name}": file for name in FILES
    }


@pytest.mark.parametrize("write", [write_file, write_output])
def test_a_file_that_is_replaced_keeps_its_permissions(
    here: Path, umask: int, write: Callable[..., object]
) -> None:
    for mode in (0o600, 0o640, 0o444):
        (here / "private").write_bytes(b"old")
        (here / "private").chmod(mode)
        write(here / "private", b"new")
        assert (content(here / "private"), (here / "private").stat().st_mode & 0o7777) == (
            b"new",
            mode,
        )
        (here / "private").unlink()


def test_a_directory_that_is_replaced_keeps_its_permissions(here: Path) -> None:
    commit_directory(here / "step", FILES)
    (here / "step").chmod(0o700)
    (here / "step" / "a").chmod(0o600)
    commit_directory(here / "step", FILES)
    assert [(here / name).stat().st_mode & 0o777 for name in ("step", "step/a")] == [0o700, 0o600]


def test_an_output_follows_links_and_creates_no_directory(here: Path) -> None:
    (here / "target").write_bytes(b"old")
    (here / "link").symlink_to("target")
    write_output(here / "link", b"new")
    assert (here / "link").is_symlink()
    assert content(here / "target") == b"new"
    message = f"{here / 'no' / 'a'} could not be written: the directory {here / 'no'} does not exist; create it, or choose another path"
    assert refusal(write_output, here / "no" / "a", b"new") == message
    assert sorted(path.name for path in here.iterdir()) == ["link", "target"]


# Foreign files


def test_a_replaced_directory_keeps_foreign_files(here: Path) -> None:
    commit_directory(here / "step", FILES)
    (here / "step" / "notes.txt").write_bytes(b"mine")
    (here / "step" / "plots").mkdir()
    commit_directory(here / "step", FILES | {"a": b"second"})
    assert content(here) == {"step": FILES | {"a": b"second", "notes.txt": b"mine", "plots": {}}}


def test_only_files_of_the_given_names_are_deleted(here: Path) -> None:
    commit_directory(here / "step", FILES)
    (here / "step" / "notes.txt").write_bytes(b"mine")
    (here / "step" / "b").unlink()
    (here / "step" / "b").mkdir()
    assert remove_directory(here / "step", FILES) == ["b", "notes.txt"]
    assert content(here) == {"step": {"b": {}, "notes.txt": b"mine"}}
    (here / "step" / "notes.txt").unlink()
    (here / "step" / "b").rmdir()
    assert remove_directory(here / "step", FILES) == []
    assert content(here) == {}
