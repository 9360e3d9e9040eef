"""MetricsLog: a run's metrics.jsonl, one JSON object per line, unbuffered."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any


class MetricsLog:
    """Appends lines to a file; lines that failed on a full disk are written with the next one.

    Attributes:
        size: bytes of whole lines in the file.
        unwritten: lines that could not be written yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.unwritten = b""
        self._file: FileIO | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Keep the file open for ``append`` and ``sync``."""
        with open(self.path, "ab", buffering=0) as file:
            self._file = file
            try:
                yield
            finally:
                self._file = None

    def append(self, line: dict[str, Any]) -> None:
        """Write a line, after any that could not be written before.

        Raises:
            OSError: it could not be written; it stays in ``unwritten``.
        """
        assert self._file is not None
        self.unwritten += (json.dumps(line, allow_nan=False) + "\n").encode()
        self._file.truncate(self.size)  # drop a partly written line
        rest = self.unwritten
        while rest:
            rest = rest[self._file.write(rest) :]
        self.size += len(self.unwritten)
        self.unwritten = b""

    def sync(self) -> None:
        """Wait until everything written is on the disk."""
        assert self._file is not None
        os.fsync(self._file.fileno())
