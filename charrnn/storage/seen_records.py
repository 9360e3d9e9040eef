"""Known: which records a run has seen, an exact set in a file beside its checkpoints. Knows nothing
of runs and of models.

The file holds the records in plain, one JSON string a line, sorted, in gzip. It is no part of a
checkpoint: a model that is shared does not take its corpus along.
"""

import gzip
import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from charrnn.errors import CheckpointError, DamagedError
from charrnn.storage.atomic import read_regular, write_file

MOST = 1 << 30  # bytes, unpacked


def write_seen_records(path: Path, records: Iterable[str]) -> None:
    """Put the distinct records into a file, whole or not at all.

    Raises:
        CheckpointError: it could not be written.
    """
    lines = "".join(
        f"{json.dumps(record, ensure_ascii=False)}\n" for record in sorted(set(records))
    )
    write_file(path, gzip.compress(lines.encode("utf-8", "surrogatepass"), mtime=0))


def read_seen_records(path: Path) -> frozenset[str]:
    """The records in a file.

    Raises:
        CheckpointError: it is not there, cannot be read, or is damaged.
    """
    again = "`charrnn train --resume` of its run writes it anew where it is missing, be the run at its end or not"
    try:
        unpacking = zlib.decompressobj(wbits=31)  # gzip
        data = unpacking.decompress(read_regular(path, MOST), MOST)
        if not unpacking.eof:
            raise ValueError("it breaks off, or is longer than can be kept")
        records = frozenset(
            json.loads(line) for line in data.decode("utf-8", "surrogatepass").split("\n")[:-1]
        )
        if not all(isinstance(record, str) for record in records):
            raise ValueError("a line is no text")
    except FileNotFoundError:
        raise CheckpointError(
            f"there is no {path}, which says what stands in the corpus; {again}"
        ) from None
    except (ValueError, TypeError, RecursionError, zlib.error) as error:
        raise DamagedError(
            f"{path} is damaged: {' '.join(str(error).split())[:200]}; delete it, {again}"
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror or error}; see to it, or leave the condition out"
        ) from None
    return records
