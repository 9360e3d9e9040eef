"""The file of a saved session: values come back, and other files are refused."""

import os
import random
from pathlib import Path

import numpy as np
import pytest

from charrnn.errors import CheckpointError
from charrnn.generation.session_file import packed, read_state, unpacked, write_state

VALUES = {"a": 1, "text": "é\n", "list": [1.5, "x"]}


def test_values_come_back(tmp_path: Path) -> None:
    write_state(tmp_path / "state", VALUES)
    assert read_state(tmp_path / "state") == VALUES | {"charrnn": "state", "format": 1}


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_arrays_come_back_bit_for_bit(kind: type) -> None:
    array = np.random.default_rng(0).normal(0, 1e6, 1000).astype(kind)
    found = unpacked(packed(array), kind, 1000)
    assert found.tobytes() == array.tobytes()
    assert found.dtype == kind


def test_a_small_file_does_not_unpack_to_a_large_array() -> None:
    assert len(unpacked(packed(np.zeros(1000, np.float32)), np.float32, 1000)) == 1000
    for size in (1001, 1_000_000):
        with pytest.raises(ValueError, match=r"^an array is too long$"):
            unpacked(packed(np.zeros(size, np.float32)), np.float32, 1000)


def test_random_bytes_and_random_json_are_refused(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(300):
        (tmp_path / "state").write_bytes(
            rng.choice([rng.randbytes(50), b'{"sha256": 5}', b"[]", b'{"charrnn": "state"}', b""])
        )
        with pytest.raises(CheckpointError):
            read_state(tmp_path / "state")


def test_a_link_is_followed_and_a_device_is_not_replaced(
    tmp_path: Path,
) -> None:
    (tmp_path / "link").symlink_to("state")
    write_state(tmp_path / "link", VALUES)
    assert (tmp_path / "link").is_symlink()
    assert read_state(tmp_path / "state")["a"] == read_state(tmp_path / "link")["a"] == 1
    write_state(Path(os.devnull), VALUES)
    assert not Path(os.devnull).is_file()
