"""The lines of a run's metrics.jsonl, which may be damaged or huge."""

import re
from pathlib import Path
from types import NoneType
from typing import Any

from charrnn.storage import strict_json
from charrnn.storage.atomic import read_end

MAX_METRICS_BYTES = 8 << 20  # at the end of metrics.jsonl
MAX_VALIDATIONS = 20_000
MAX_LINE_BYTES = 1 << 12  # more than any line has
VALIDATION = re.compile(rb'^.*"(?:final_)?val_loss": [0-9].*$', re.MULTILINE)


def read_validations(path: Path) -> list[dict[str, Any]]:
    """The lines with a validation; only the last ones of a very long file.

    An empty list if the file cannot be read.
    """
    matches = VALIDATION.findall(_read_end(path, MAX_METRICS_BYTES))
    return _parse_lines(matches[-MAX_VALIDATIONS:])


def read_final(path: Path) -> dict[str, Any] | None:
    """The last line, with the final losses; None if the run is unfinished."""
    lines = _parse_lines(_read_end(path, MAX_LINE_BYTES).splitlines()[-1:])
    if lines and "final_val_loss" in lines[0]:
        return lines[0]
    return None


def _read_end(path: Path, max_bytes: int) -> bytes:
    try:
        return read_end(path, max_bytes)
    except OSError:
        return b""


def _parse_lines(lines: list[bytes]) -> list[dict[str, Any]]:
    """The lines that a trainer can have written; an empty list if one is not JSON."""
    try:
        values = [strict_json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        return []
    return [value for value in values if is_report(value)]


def is_report(line: Any) -> bool:
    """Whether a trainer can have written a line: the losses of a step, or the final ones."""
    if not isinstance(line, dict) or type(line.get("step")) is not int or line["step"] < 0:
        return False
    if not all(type(value) in (int, float, NoneType) for value in line.values()):
        return False
    if {"train_loss", "val_loss"} <= line.keys() and line["train_loss"] is not None:
        return True
    return {"final_val_loss", "characters"} <= line.keys() and None not in line.values()
