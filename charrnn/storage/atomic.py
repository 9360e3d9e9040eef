"""Atomic writes of files and directories, and lock files.

Data is written under a temporary name, fsynced and renamed: a kill or a power cut leaves either
the old content or the new, never a part of it.
"""

import contextlib
import errno
import os
import platform
import shutil
import stat
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from charrnn.errors import CheckpointError

# Errors where the free space belongs in the message.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
LOCKED = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
MAX_HOLDER_BYTES = 200

Data = bytes | Iterable[bytes]  # the content of a file, whole or in blocks


def write_file(path: Path, data: Data) -> None:
    """Write a file, whole or not at all; its content may come in blocks.

    After a kill or a power cut, either the old file exists or the new one. A file that is replaced
    keeps its permissions.

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
    except BaseException:  # while the blocks were made
        with contextlib.suppress(OSError):
            staged.unlink()
        raise


def write_output(path: Path, data: Data) -> None:
    """Write a file that the user named, whole or not at all.

    Links are followed; a pipe or a device is written to directly.

    Raises:
        CheckpointError: it could not be written, or its directory does not exist; an old file is
            untouched.
    """
    try:
        if path.exists() and not path.is_file():
            with open(path, "wb") as file:
                file.writelines(_blocks(data))
            return
        target = path.resolve()
        if not target.parent.is_dir():
            raise CheckpointError(
                f"{path} could not be written: the directory {path.parent} does not exist; "
                "create it, or choose another path"
            )
        write_file(target, data)
    except OSError as error:
        raise not_written(path, error) from None


def commit_directory(
    path: Path,
    files: Mapping[str, bytes | Path],
    names: Collection[str] = (),
) -> None:
    """Write a directory of files in the given order, whole or not at all.

    A directory that is replaced keeps its permissions.

    Args:
        path: the directory.
        files: the content of each file, by name; or a file that never changes, to share its
            content by a hard link.
        names: further file names that may be replaced; all other files in the old directory are
            moved to the new one.

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
            if isinstance(data, Path):
                _link_or_copy(data, staged / name)
            else:
                _write_synced(staged / name, data, like=path / name)
        sync_directory(staged)
        _move_into_place(staged, path, old)
        sync_directory(path.parent)
    except OSError as error:
        shutil.rmtree(staged, ignore_errors=True)
        raise not_written(path, error) from None
    finally:
        # Whatever cannot be removed now is removed or restored the next time the run is trained.
        with contextlib.suppress(OSError):
            if path.exists() and old.exists():
                _remove_replaced(old, path, {*files, *names})


def _link_or_copy(source: Path, path: Path) -> None:
    """A hard link to a file, or a copy of it on a file system that has no links."""
    try:
        os.link(source, path)
    except OSError:
        _write_synced(path, source.read_bytes(), like=source)


def _move_into_place(staged: Path, path: Path, old: Path) -> None:
    """Rename ``path``, if it exists, to ``old``, and ``staged`` to ``path``; undone on failure."""
    if path.exists():
        shutil.copymode(path, staged)
        os.rename(path, old)
    try:
        os.rename(staged, path)
    except OSError:
        if old.exists():
            os.rename(old, path)
        raise


def _remove_replaced(old: Path, new: Path, ours: Collection[str]) -> None:
    """Delete an old directory; files that are not ours move to the new one."""
    for name in remove_directory(old, ours):
        os.rename(old / name, new / name)
    if old.exists():
        old.rmdir()


def remove_directory(path: Path, ours: Collection[str]) -> list[str]:
    """Delete our files in a directory, and then the directory if it is empty.

    Args:
        path: the directory.
        ours: the names of the files to delete.

    Returns:
        the names of everything else in it, which is not touched.

    Raises:
        OSError: a file cannot be deleted.
    """
    others = []
    for entry in sorted(path.iterdir()):
        is_real_directory = entry.is_dir() and not entry.is_symlink()
        if entry.name not in ours or is_real_directory:
            others.append(entry.name)
        else:
            entry.unlink(missing_ok=True)
    if not others:
        path.rmdir()
    return others


def read_regular(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file; a link, a pipe or a device is not opened.

    Raises:
        OSError: it is not a regular file, is longer than ``max_bytes``, or cannot be read.
    """
    with _open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise OSError(None, f"it has {size:,} bytes, more than the limit of {max_bytes:,}")
        return file.read(size)


def read_end(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file, or the last lines of one longer than ``max_bytes``.

    Raises:
        OSError: it is not a regular file, or cannot be read.
    """
    with _open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = max(0, size - max_bytes)
        file.seek(start)
        data = file.read(size - start)
    if start == 0:
        return data
    # The first line may be cut off.
    return data[data.find(b"\n") + 1 :]


def _open_regular(path: Path) -> BinaryIO:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(None, "it is not a regular file")
    # Another process may have replaced it since: do not follow a link or wait for a pipe.
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)  # not every system has all of them
    return open(os.open(path, flags), "rb")


class FileLock:
    """A lock file that only one process can hold.

    The lock is released by ``release`` or when the process ends, even by a kill. The file itself is
    never deleted: all processes must lock the same one.

    Raises:
        BlockingIOError: another process holds it; ``strerror`` says which.
        OSError: the file cannot be created, or the file system does not support locks.
    """

    handle = -1

    def __init__(self, path: Path) -> None:
        _make_directory(path.parent)
        holder = f"process {os.getpid()} on {platform.node()}".encode()
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(self.handle)
            os.write(self.handle, holder)
            os.truncate(self.handle, len(holder))
        except OSError as error:
            other = _read_holder(self.handle)
            os.close(self.handle)
            self.handle = -1
            if error.errno in LOCKED:
                raise BlockingIOError(error.errno, other or "another process") from None
            raise

    def release(self) -> None:
        """Release the lock; may be called more than once."""
        handle = self.handle
        self.handle = -1
        if handle >= 0:
            with contextlib.suppress(OSError):
                os.truncate(handle, 0)
            os.close(handle)

    __del__ = release


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read_holder(handle: int) -> str:
    """The text that the process holding a lock wrote into the file."""
    if sys.platform == "win32":  # a locked file cannot be read there
        return ""
    return os.read(handle, MAX_HOLDER_BYTES).decode("utf-8", "replace")


def sync_directory(path: Path) -> None:
    """Flush a directory's entries to disk; only POSIX systems need it."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _make_directory(path: Path) -> None:
    """Create a directory and its missing parents, and flush the entry of each."""
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for directory in missing:
        sync_directory(directory.parent)


def _write_synced(path: Path, data: Data, like: Path) -> None:
    """Write a new file and flush it.

    It gets the permissions and the owner of ``like``, if that exists.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags, 0o666)
    with open(handle, "wb") as file:
        _copy_permissions(like, handle)
        file.writelines(_blocks(data))
        file.flush()
        os.fsync(file.fileno())


def _blocks(data: Data) -> Iterable[bytes]:
    return [data] if isinstance(data, bytes) else data


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
    """The error for a path that could not be written: why, and what to do about it."""
    reason = error.strerror or error
    if error.errno in DISK_ERRORS:
        reason = f"{reason} ({free_bytes(path) / 2**20:,.0f} MiB free on that disk)"
        advice = "free some space, or choose another path"
    else:
        advice = "check the path and its permissions, or choose another path"
    return CheckpointError(f"{path} could not be written: {reason}; {advice}")


def free_bytes(path: Path) -> int:
    """The free space on the disk that a file is or would be on."""
    for parent in path.parents:
        if parent.exists():
            return shutil.disk_usage(parent).free
    return shutil.disk_usage(Path(".")).free
