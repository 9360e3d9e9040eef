"""The file in which a session is saved: JSON with a checksum and packed arrays."""

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.errors import CheckpointError, DamagedError
from charrnn.storage import strict_json
from charrnn.storage.atomic import read_regular, write_output

FORMAT = 1


class NewerError(Exception):
    """A state has something that only a newer charrnn can have written; the message names it."""


def write_state(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON values to a file, whole or not at all; or to a pipe or a device.

    Raises:
        CheckpointError: it could not be written; an existing file is unchanged.
    """
    signed = {"charrnn": "state", "format": FORMAT, **values}
    signed["sha256"] = _digest(signed)
    write_output(path, strict_json.dumps(signed))


def read_state(path: Path) -> dict[str, Any]:
    """Read the values in a file and verify its checksum.

    Raises:
        CheckpointError: the file is missing, cannot be read, is damaged, or is of a newer version.
    """
    try:
        target = Path(os.path.realpath(path))  # a link to a file is followed
        data = read_regular(target, strict_json.LONGEST)
        values = strict_json.loads(data)
        checksum = values.pop("sha256")
        if checksum != _digest(values):
            raise ValueError("its checksum does not match")
        _check_format(values)
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} does not exist; check the name, or save a session there first"
        ) from None
    except NewerError as error:
        raise from_newer(path, error) from None
    except OSError as error:
        raise CheckpointError(
            f"cannot read {path}: {error.strerror or error}; check the name"
        ) from None
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        is_json = not isinstance(error, json.JSONDecodeError | UnicodeDecodeError)
        raise damaged(path, str(error) if is_json else "it is not JSON") from None
    return dict(values)


def damaged(path: Path, why: str) -> DamagedError:
    """The error for a file that is not a saved state, or is damaged."""
    return DamagedError(
        f"{path} is not a saved state, or is damaged ({ascii(why)[1:-1][:200]}); use another file"
    )


def from_newer(path: Path, error: NewerError) -> CheckpointError:
    """The error for a state that a newer charrnn saved."""
    return CheckpointError(
        f"{path} was saved by a newer charrnn: {ascii(str(error))[1:-1][:200]}, which this "
        "version does not know; update charrnn, or use another file"
    )


def _check_format(values: Mapping[str, Any]) -> None:
    if values["charrnn"] != "state":
        raise ValueError(f"it is of the kind {values['charrnn']!r}")
    number = values["format"]
    if type(number) is int and number > FORMAT:
        raise NewerError(f"it has format {number}")
    if number != FORMAT:
        raise ValueError(f"it has format {number!r}, but this version reads {FORMAT}")


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(strict_json.dumps(values)).hexdigest()


def packed(array: Any) -> str:
    """An array as text: its numbers in little-endian order, compressed, in base64."""
    numbers = np.asarray(array)
    little_endian = numbers.dtype.newbyteorder("<")
    data = numbers.astype(little_endian).tobytes()
    return base64.b64encode(zlib.compress(data)).decode()


def unpacked(text: str, kind: Any, most: int) -> Any:
    """The array (n,) that ``packed`` made a text of.

    Args:
        text: from ``packed``.
        kind: the dtype.
        most: the largest n, so that a small file cannot fill the memory.

    Raises:
        ValueError, TypeError, zlib.error: it is damaged.
    """
    dtype = np.dtype(kind)
    most_bytes = most * dtype.itemsize
    compressed = base64.b64decode(text, validate=True)
    decompressor = zlib.decompressobj()
    data = decompressor.decompress(compressed, most_bytes + 1)
    if not decompressor.eof or len(data) > most_bytes:
        raise ValueError("an array is too long")
    return np.frombuffer(data, dtype.newbyteorder("<")).astype(kind)
