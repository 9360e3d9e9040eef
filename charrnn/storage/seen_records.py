"""The records that a run has seen, in a file next to its checkpoints.

The file contains the records in plain text: one JSON string per line, sorted, gzipped. It is not
part of a checkpoint, so that sharing a model does not share its corpus.
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
REWRITE = "resume its run (`charrnn train --resume`) to recreate it, even if the run is finished"


def write_seen_records(path: Path, records: Iterable[str]) -> None:
    """Write the distinct records to a file, whole or not at all.

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
            f"{path}, the list of records in the corpus, is missing; {REWRITE}"
        ) from None
    except (ValueError, TypeError, RecursionError, zlib.error) as error:
        reason = " ".join(str(error).split())[:200]
        raise DamagedError(f"{path} is damaged: {reason}; delete it, and {REWRITE}") from None
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror or error}; "
            "check its permissions, or generate without comparing with the corpus"
        ) from None


def _parse_records(packed: bytes) -> frozenset[str]:
    unpacking = zlib.decompressobj(wbits=GZIP)
    data = unpacking.decompress(packed, MOST)
    if not unpacking.eof:
        raise ValueError("it is truncated or too long")
    lines = data.decode("utf-8", "surrogatepass").split("\n")[:-1]
    records = frozenset(json.loads(line) for line in lines)
    if not all(isinstance(record, str) for record in records):
        raise ValueError("a line is not a string")
    return records
