"""R3: any change to any file of a checkpoint is detected before it is used."""

import random
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import CheckpointError
from charrnn.storage.checkpoint import read, write
from tests.reliability.saving import example


def is_found(path: Path) -> bool:
    """Whether reading the whole checkpoint fails with one line."""
    try:
        read(path, trainer=True)
    except CheckpointError as error:
        return "\n" not in str(error)
    return False


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "step-00000007"
    write(path, example(7))
    read(path, trainer=True)
    return path


@pytest.mark.counted(20_000)
def test_a_flipped_bit_is_detected(tries: int, checkpoint: Path, tally: Any) -> None:
    rng, files = (
        random.Random(3),
        {path: path.read_bytes() for path in sorted(checkpoint.iterdir())},
    )
    missed = []
    for _ in range(tries):
        path = rng.choice(list(files))
        data = bytearray(files[path])
        place, bit = rng.randrange(len(data)), rng.randrange(8)
        data[place] ^= 1 << bit
        path.write_bytes(data)
        missed += [] if is_found(checkpoint) else [(path.name, place, bit)]
        path.write_bytes(files[path])
    assert missed == []
    read(checkpoint, trainer=True)
    tally(tries, "bits flipped, one at a time")


def test_a_truncated_file_is_detected_at_every_length(
    tries_of: Any, checkpoint: Path, tally: Any
) -> None:
    cuts = [
        (path, length)
        for path in sorted(checkpoint.iterdir())
        for length in range(path.stat().st_size)
    ]
    missed = []
    for number in tries_of(len(cuts)):
        path, length = cuts[number]
        data = path.read_bytes()
        path.write_bytes(data[:length])
        missed += [] if is_found(checkpoint) else [(path.name, length)]
        path.write_bytes(data)
    assert missed == []
    read(checkpoint, trainer=True)
    tally(len(tries_of(len(cuts))), "files truncated, at every length")


def test_appended_bytes_are_detected(checkpoint: Path, tally: Any) -> None:
    for path in sorted(checkpoint.iterdir()):
        data = path.read_bytes()
        for more in (b"\0", b" ", b"\n", b"{}", data):
            path.write_bytes(data + more)
            assert is_found(checkpoint), (path.name, more)
        path.write_bytes(data)
    tally(5 * 7, "files with appended bytes")
