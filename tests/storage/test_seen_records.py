"""The set of records that a run has seen is exact, and damage is reported."""

import gzip
import os
import random
from pathlib import Path

import pytest

from charrnn.errors import CheckpointError, DamagedError
from charrnn.storage.seen_records import read_seen_records, write_seen_records

STRANGE = [
    "",
    "a",
    "a\nb",
    "\u2028",
    "\x85",
    "\\n",
    '"',
    "\ud83d",
    "\U0001f600",
    " a ",
    "a\r",
    "\0",
]


def test_exactly_the_written_records_are_read(tmp_path: Path) -> None:
    rng = random.Random(0)
    records = [
        *STRANGE,
        *("".join(rng.choices('ab\n"\u2029é', k=rng.randrange(9))) for _ in range(500)),
    ]
    write_seen_records(tmp_path / "known.gz", records * 2)
    assert read_seen_records(tmp_path / "known.gz") == frozenset(records)


def test_records_in_any_order_give_the_same_bytes_one_per_line(tmp_path: Path) -> None:
    write_seen_records(tmp_path / "one.gz", ["b", "a", "c"])
    write_seen_records(tmp_path / "two.gz", ["c", "b", "a", "b"])
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
    assert gzip.decompress((tmp_path / "one.gz").read_bytes()) == b'"a"\n"b"\n"c"\n'


def test_an_empty_set_survives_the_round_trip(tmp_path: Path) -> None:
    write_seen_records(tmp_path / "known.gz", [])
    assert read_seen_records(tmp_path / "known.gz") == frozenset()


def test_any_flipped_bit_is_an_error_or_harmless(tmp_path: Path) -> None:
    write_seen_records(tmp_path / "known.gz", ["ana", "bo", "ben"])
    data = (tmp_path / "known.gz").read_bytes()
    refused = 0
    for place in range(len(data)):
        for bit in range(8):
            (tmp_path / "known.gz").write_bytes(
                data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
            )
            try:
                assert read_seen_records(tmp_path / "known.gz") == {"ana", "bo", "ben"}
            except DamagedError:
                refused += 1
    assert refused > 4 * len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no gzip",
        gzip.compress(b"5\n"),
        gzip.compress(b"[1]\n"),
        gzip.compress(b"{\n"),
        gzip.compress(b"\xff\n"),
    ],
    ids=["empty", "not gzip", "a number", "a list", "truncated", "not UTF-8"],
)
def test_a_damaged_file_is_an_error_with_advice(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "known.gz").write_bytes(data)
    with pytest.raises(
        DamagedError,
        match=r"known.gz is damaged: .*; delete it, and resume its run \(`charrnn train --resume`\) to recreate it",
    ):
        read_seen_records(tmp_path / "known.gz")


def test_a_missing_or_closed_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"none.gz, the list of records in the corpus, is missing; "
    ):
        read_seen_records(tmp_path / "none.gz")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_seen_records(tmp_path)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.storage.seen_records.MOST", 1000)
    write_seen_records(tmp_path / "known.gz", ["a" * 900])
    assert len(read_seen_records(tmp_path / "known.gz")) == 1
    write_seen_records(tmp_path / "known.gz", ["a" * 1100])
    with pytest.raises(DamagedError, match="it is truncated or too long"):
        read_seen_records(tmp_path / "known.gz")


def test_links_and_pipes_are_not_opened(tmp_path: Path) -> None:
    write_seen_records(tmp_path / "known.gz", ["a"])
    (tmp_path / "link.gz").symlink_to("known.gz")
    os.mkfifo(tmp_path / "pipe.gz")
    for name in ("link.gz", "pipe.gz"):
        with pytest.raises(CheckpointError):
            read_seen_records(tmp_path / name)
