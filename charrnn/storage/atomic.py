"""Files that are there whole or not at all: write beside, fsync, rename. Knows nothing of what is
in them."""

import contextlib
import errno
import os
import platform
import shutil
import stat
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import BinaryIO

from charrnn.errors import CheckpointError

DISK_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
)  # where it helps to know how much room is left


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that after a kill or a power cut either the old one or the new one exists,
    whole.

    A file that is replaced keeps its permissions.

    Raises:
        CheckpointError: it could not be written; the old one is untouched.
    """
    staged = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        _make_directory(path.parent)
        with contextlib.suppress(FileNotFoundError):
            staged.unlink()
        _write_synced(staged, data, like=path)
        os.replace(staged, path)
        sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            staged.unlink()
        raise not_written(path, error) from None


def write_output(path: Path, data: bytes) -> None:
    """Write a file that a user named: whole or not at all, links followed; a pipe or a device is
    written to directly.

    Raises:
        CheckpointError: it could not be written, or its directory does not exist; an old file is
            untouched.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        target = path.resolve()
        if not target.parent.is_dir():
            raise CheckpointError(
                f"{path} could not be written: there is no directory {path.parent}; create it, or name another place"
            )
        write_file(target, data)
    except OSError as error:
        raise not_written(path, error) from None


def commit_directory(path: Path, files: Mapping[str, bytes], names: Collection[str] = ()) -> None:
    """Write a directory of files, the last one last, so that it exists whole or not at all.

    One that exists is replaced and keeps its permissions.

    Args:
        path: the directory.
        files: what to write, by name.
        names: of all files that may be replaced, if there are more; any other file in the old
            directory is moved to the new one.

    Raises:
        CheckpointError: it could not be written; nothing half-written is left.
    """
    staged = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    old = path.with_name(f".{path.name}.tmp-{os.getpid()}-old")
    try:
        _make_directory(path.parent)
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        for name, data in files.items():
            _write_synced(staged / name, data, like=path / name)
        sync_directory(staged)
        if path.exists():
            shutil.copymode(path, staged)
            os.rename(path, old)
        try:
            os.rename(staged, path)
        except OSError:
            if old.exists():
                os.rename(old, path)
            raise
        sync_directory(path.parent)
    except OSError as error:
        shutil.rmtree(staged, ignore_errors=True)
        raise not_written(path, error) from None
    finally:
        with contextlib.suppress(OSError):  # what is left over, the next trainer removes or keeps
            if path.exists() and old.exists():
                _remove_replaced(old, path, {*files, *names})


def _remove_replaced(old: Path, new: Path, ours: Collection[str]) -> None:
    """Delete an old directory; files in it that are not ours are moved to the new one."""
    for name in remove_directory(old, ours):
        os.rename(old / name, new / name)
    if old.exists():
        old.rmdir()


def remove_directory(path: Path, ours: Collection[str]) -> list[str]:
    """Delete the files of these names in a directory, and the directory itself where nothing else
    is in it.

    Returns:
        the names of whatever else is in it, which is left alone.

    Raises:
        OSError: a file cannot be deleted.
    """
    others = []
    for entry in sorted(path.iterdir()):
        if entry.name not in ours or (entry.is_dir() and not entry.is_symlink()):
            others.append(entry.name)
        else:
            entry.unlink(missing_ok=True)
    if not others:
        path.rmdir()
    return others


def read_regular(path: Path, most: int) -> bytes:
    """A file's bytes. A link, a pipe or a device is not opened, and no more than ``most`` bytes are
    taken.

    Raises:
        OSError: it is none, is longer, or cannot be read.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(None, f"it has {size:,} bytes, and {most:,} are the most that are read")
        return file.read(size)


def read_end(path: Path, most: int) -> bytes:
    """As ``read_regular``; of a longer file the last lines.

    Raises:
        OSError: it is none, or cannot be read.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        left_out = max(0, size - most)
        file.seek(left_out)
        data = file.read(size - left_out)
        return data[data.find(b"\n") + 1 :] if left_out else data


def _opened(path: Path) -> BinaryIO:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(None, "it is no regular file")
    flags = sum(
        getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
    )  # another may stand there by now
    return open(os.open(path, os.O_RDONLY | flags), "rb")


class FileLock:
    """A lock file that no other process can hold meanwhile; ``release``, or the end of the process
    however it comes, gives it back.

    The file stays where it is, so that there is always one to hold.

    Raises:
        BlockingIOError: another holds it; its ``strerror`` is what that one wrote there.
        OSError: it cannot be made, or the file system knows no locks.
    """

    handle = -1

    def __init__(self, path: Path) -> None:
        _make_directory(path.parent)
        holder = f"process {os.getpid()} on {platform.node()}".encode()
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(self.handle, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(self.handle, holder)
            os.truncate(self.handle, len(holder))
        except OSError as error:
            told = b"" if sys.platform == "win32" else os.read(self.handle, 200)
            os.close(self.handle)
            self.handle = -1
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise BlockingIOError(
                    error.errno, told.decode("utf-8", "replace") or "another process"
                ) from None
            raise

    def release(self) -> None:
        """Let others hold it; may be called again."""
        handle, self.handle = self.handle, -1
        if handle >= 0:
            with contextlib.suppress(OSError):
                os.truncate(handle, 0)
            os.close(handle)

    __del__ = release


def sync_directory(path: Path) -> None:
    """Put a directory's entries on the disk (a system without that needs none)."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _make_directory(path: Path) -> None:
    """A directory and those above it; the name of each that was not there is put on the disk
    too."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync_directory(made.parent)


def _write_synced(path: Path, data: bytes, like: Path) -> None:
    """Write a new file, with the permissions and the owner that the file ``like`` has, where there
    is one."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with open(handle, "wb") as file:
        _copy_permissions(like, handle)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _copy_permissions(source: Path, handle: int) -> None:
    try:
        info = os.stat(source)
    except OSError:
        return
    if os.name == "posix":
        with contextlib.suppress(OSError):  # only root may give a file away
            os.fchown(handle, info.st_uid, info.st_gid)
        os.fchmod(handle, stat.S_IMODE(info.st_mode))


def not_written(path: Path, error: OSError) -> CheckpointError:
    """The error that says what could not be written, why, and what to do about it."""
    if error.errno not in DISK_ERRORS:
        advice = "check the path and its permissions, or name another place"
        return CheckpointError(f"{path} could not be written: {error.strerror or error}; {advice}")
    parent = next((parent for parent in path.parents if parent.exists()), Path("."))
    free = shutil.disk_usage(parent).free / 2**20
    return CheckpointError(
        f"{path} could not be written: {error.strerror or error} ({free:,.0f} MiB free there); make room there, or name another place"
    )
