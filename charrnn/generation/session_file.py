"""The file that a session is kept in: JSON with a checksum of its own, arrays packed. Knows nothing
of networks."""

import base64
import hashlib
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.config.shell import command, option
from charrnn.errors import CheckpointError, DamagedError
from charrnn.storage import strict_json
from charrnn.storage.atomic import read_regular, write_output

FORMAT = 1


def write_state(path: Path, values: Mapping[str, Any]) -> None:
    """Put these values, of JSON, into a file, whole or not at all; into a pipe or a device as they
    are.

    Raises:
        CheckpointError: it could not be written; what stood there stands there.
    """
    values = {"charrnn": "state", "format": FORMAT, **values}
    write_output(path, strict_json.dumps(values | {"sha256": _digest(values)}))


def read_state(path: Path) -> dict[str, Any]:
    """The values in a file, once its checksum is right.

    Raises:
        CheckpointError: it is missing, cannot be read, or is damaged.
    """
    try:
        values = strict_json.loads(read_regular(Path(os.path.realpath(path)), strict_json.LONGEST))
        told = values.pop("sha256")
        if told != _digest(values):
            raise ValueError("it does not match its own checksum")
        if values["charrnn"] != "state" or values["format"] != FORMAT:
            raise ValueError(f"it has format {values['format']}, this version reads {FORMAT}")
    except FileNotFoundError:
        writes = command(["sample"], flags=option("--save-state", str(path)))
        raise CheckpointError(f"there is no file {path}; `{writes}` writes one") from None
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror or error}; check the name"
        ) from None
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise damaged(path, str(error)) from None
    return dict(values)


def damaged(path: Path, why: str) -> DamagedError:
    """The error of a file that holds something else."""
    return DamagedError(
        f"{path} is no state that can be gone on with: {ascii(why)[1:200]}; use another file"
    )


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(strict_json.dumps(values)).hexdigest()


def packed(array: Any) -> str:
    """An array as text: its numbers, the least byte first, compressed."""
    data = np.asarray(array)
    return base64.b64encode(
        zlib.compress(data.astype(data.dtype.newbyteorder("<")).tobytes())
    ).decode()


def unpacked(text: str, kind: Any, most: int) -> Any:
    """The array (n,) of a kind in a text, of at most so many numbers.

    Raises:
        ValueError, TypeError, zlib.error: it is none.
    """
    decompressor = zlib.decompressobj()
    data = decompressor.decompress(
        base64.b64decode(text, validate=True), most * np.dtype(kind).itemsize + 1
    )
    if not decompressor.eof or len(data) > most * np.dtype(kind).itemsize:
        raise ValueError("an array is longer than any that is written")
    return np.frombuffer(data, np.dtype(kind).newbyteorder("<")).astype(kind)
