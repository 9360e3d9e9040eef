"""Lines are written whole and at once, and none is lost on a full disk."""

import json
from pathlib import Path
from typing import Any

import pytest

from charrnn.training.metrics_log import MetricsLog
from tests.disk import Disk


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_line_is_written_immediately(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    with log.open():
        for step in range(3):
            log.append({"step": step})
            assert lines(path)[-1] == {"step": step}
            assert log.size == path.stat().st_size
        log.sync()


def test_lines_refused_by_a_full_disk_are_written_later(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    with log.open():
        disk: Any = Disk(log._file, 30)
        log._file = disk
        for step in range(5):
            with pytest.raises(OSError, match="No space left"):
                log.append({"step": step, "note": "x" * 10})
        assert log.size == 0  # not even one line fit
        disk.room = 10_000
        log.append({"step": 5, "note": "x" * 10})
    assert [line["step"] for line in lines(path)] == [0, 1, 2, 3, 4, 5]
    assert log.size == path.stat().st_size
    assert log.unwritten == b""


def test_a_partial_line_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"st')
    log = MetricsLog(path)
    log.size = 12
    with log.open():
        log.append({"step": 2})
    assert lines(path) == [{"step": 1}, {"step": 2}]


def test_nan_is_never_written(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    with log.open(), pytest.raises(ValueError, match="not JSON compliant"):
        log.append({"loss": float("nan")})
