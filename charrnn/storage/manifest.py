"""The manifest of a checkpoint: the size and SHA-256 of each of its files.

It is written last, so a directory with a manifest is a committed checkpoint. Files are verified
against it before anything in them is used.
"""

import errno
import hashlib
import json
import re
import stat
from collections.abc import Mapping
from mmap import mmap
from pathlib import Path
from typing import Any

from charrnn.errors import CheckpointError, DamagedError
from charrnn.storage import strict_json
from charrnn.storage.atomic import read_regular

MANIFEST = "manifest.json"
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "generation_config.json")
COUNTS = "counts.safetensors"  # of a model with counts
TRAINER_FILES = ("trainer.json", "trainer.safetensors")
FILES = (*MODEL_FILES, COUNTS, *TRAINER_FILES, MANIFEST)
# Errors that mean damage: the file is missing or not a regular file, and a retry will not help.
LASTING = (None, errno.ENOENT, errno.ELOOP, errno.ENOTDIR)

Entries = dict[str, dict[str, Any]]  # file name to {"bytes": size, "sha256": hexadecimal}


def make_entry(data: bytes) -> dict[str, Any]:
    """The entry of a file in the manifest."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def make_manifest(entries: Entries) -> bytes:
    """The manifest with these entries, as JSON with a checksum of its own."""
    return strict_json.dumps({"files": entries, "sha256": _digest(entries)})


def read_manifest(path: Path) -> Entries:
    """The entries of the manifest in a checkpoint's directory, checked.

    Raises:
        CheckpointError: it is missing, damaged, or cannot be read.
    """
    try:
        data = read_regular(path / MANIFEST, strict_json.LONGEST)
        manifest = load_object(data)
        entries: Entries = manifest["files"]
        intact = _is_intact(manifest, data)
    except FileNotFoundError:
        raise DamagedError(
            f"{path} is not a checkpoint: it has no {MANIFEST}; give a run or a step-... directory"
        ) from None
    except OSError as error:
        raise unreadable(path / MANIFEST, error) from None
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise DamagedError(
            f"{path / MANIFEST} cannot be read: {first_line(error)}; use another checkpoint"
        ) from None
    if not intact:
        raise DamagedError(
            f"{path / MANIFEST} is damaged: it does not match its own checksum; "
            "use another checkpoint"
        )
    return entries


def _is_intact(manifest: Mapping[str, Any], data: bytes) -> bool:
    """Whether a manifest is one that charrnn wrote, byte for byte."""
    entries = manifest["files"]
    names = set(entries)
    if strict_json.dumps(manifest) != data:
        return False
    if manifest["sha256"] != _digest(entries):
        return False
    if not set(MODEL_FILES) <= names <= {*MODEL_FILES, COUNTS, *TRAINER_FILES}:
        return False
    return all(map(_is_entry, entries.values()))


def _is_entry(entry: Mapping[str, Any]) -> bool:
    if entry.keys() != {"bytes", "sha256"} or type(entry["bytes"]) is not int:
        return False
    return bool(re.fullmatch("[0-9a-f]{64}", entry["sha256"]))


def _digest(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def read_verified(path: Path, name: str, entry: Mapping[str, Any], max_bytes: int) -> bytes:
    """The content of a checkpoint's file, compared with the manifest.

    Args:
        path: the checkpoint's directory.
        name: the file in it.
        entry: the file's entry in the manifest.
        max_bytes: a longer file is refused.

    Raises:
        CheckpointError: it is damaged, too long, or cannot be read.
    """
    file = path / name
    check_size(path, name, entry)
    try:
        data = read_regular(file, max_bytes)
    except OSError as error:
        raise unreadable(file, error) from None
    check_content(file, data, entry)
    return data


def check_content(file: Path, data: bytes | mmap, entry: Mapping[str, Any]) -> None:
    """Compare a file's content with its entry in the manifest.

    Raises:
        DamagedError: it differs.
    """
    if len(data) != entry["bytes"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise DamagedError(
            f"{file} is damaged: its SHA-256 does not match the manifest; {_advice(file.name)}"
        )


def check_size(path: Path, name: str, entry: Mapping[str, Any]) -> None:
    """Compare the size of a checkpoint's file with the manifest, without reading the file.

    Args:
        path: the checkpoint's directory.
        name: the file in it.
        entry: the file's entry in the manifest.

    Raises:
        CheckpointError: the size differs, or the file is missing.
    """
    file = path / name
    try:
        info = file.lstat()
    except OSError as error:
        raise unreadable(file, error) from None
    if stat.S_ISREG(info.st_mode) and info.st_size != entry["bytes"]:
        raise DamagedError(
            f"{file} is damaged: it has {info.st_size} bytes instead of {entry['bytes']}; "
            f"{_advice(name)}"
        )


def _advice(name: str) -> str:
    """What to do about a damaged file."""
    if name == COUNTS:  # all checkpoints of a run share it
        return "copy it again, or recreate it by `charrnn train --resume` in its run"
    return "copy it again, or use another checkpoint"


def unreadable(file: Path, error: OSError) -> CheckpointError:
    """The error for a file that cannot be read: damage, or a disk that may recover."""
    kind = DamagedError if error.errno in LASTING else CheckpointError
    advice = "copy the whole directory again, or use another checkpoint"
    if file.name == COUNTS:
        advice = _advice(COUNTS)
    return kind(f"{file} cannot be read: {error.strerror or error}; {advice}")


def load_object(data: bytes) -> dict[str, Any]:
    """Parse JSON that must be an object.

    Raises:
        TypeError, ValueError, RecursionError: it is not, or charrnn cannot have written it.
    """
    value = strict_json.loads(data)
    if not isinstance(value, dict):
        raise TypeError("the file does not contain a JSON object")
    return value


def first_line(error: BaseException) -> str:
    """The first line of an error, as ASCII: it may quote what a stranger wrote."""
    line = f"{type(error).__name__}: {error}".splitlines()[0]
    return ascii(line[:200])[1:-1]
