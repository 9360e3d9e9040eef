"""The records that a run has seen, in a file next to its checkpoints.

The file holds the records in plain text: one JSON string per line, sorted, gzipped. It is not part
of a checkpoint, so whoever shares a model does not share its corpus.
"""

import gzip
import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from charrnn.errors import CheckpointError, DamagedError
from charrnn.storage.atomic import read_regular, write_file

MOST = 1 << 30  # bytes, unpacked
GZIP = 31  # the window bits that tell zlib to expect a gzip header
REWRITE = (
    "`charrnn train --resume` of its run writes it anew where it is missing, "
    "be the run at its end or not"
)


def write_seen_records(path: Path, records: Iterable[str]) -> None:
    """Write the distinct records into a file, whole or not at all.

    Raises:
        CheckpointError: it could not be written.
    """
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in sorted(set(records))]
    data = "".join(lines).encode("utf-8", "surrogatepass")
    write_file(path, gzip.compress(data, mtime=0))


def read_seen_records(path: Path) -> frozenset[str]:
    """The records in a file.

    Raises:
        CheckpointError: it is missing, damaged, or cannot be read.
    """
    try:
        return _parse_records(read_regular(path, MOST))
    except FileNotFoundError:
        raise CheckpointError(
            f"there is no {path}, which says what stands in the corpus; {REWRITE}"
        ) from None
    except (ValueError, TypeError, RecursionError, zlib.error) as error:
        reason = " ".join(str(error).split())[:200]
        raise DamagedError(f"{path} is damaged: {reason}; delete it, {REWRITE}") from None
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror or error}; "
            "see to it, or leave the condition out"
        ) from None


def _parse_records(packed: bytes) -> frozenset[str]:
    unpacking = zlib.decompressobj(wbits=GZIP)
    data = unpacking.decompress(packed, MOST)
    if not unpacking.eof:
        raise ValueError("it breaks off, or is longer than can be kept")
    lines = data.decode("utf-8", "surrogatepass").split("\n")[:-1]
    records = frozenset(json.loads(line) for line in lines)
    if not all(isinstance(record, str) for record in records):
        raise ValueError("a line is no text")
    return records
