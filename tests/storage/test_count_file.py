"""The file of counts is mapped and shared, and whatever it says about itself is checked."""

import errno
import hashlib
import json
import mmap
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.count_table import CountTable
from charrnn.context_mixing.counting import count_followers
from charrnn.errors import DamagedError
from charrnn.storage import strict_json
from charrnn.storage.checkpoint import Checkpoint, is_whole, read, write
from charrnn.storage.count_file import MAX_HEADER_BYTES, to_bytes
from charrnn.storage.manifest import COUNTS
from charrnn.storage.metadata import ABOUT
from charrnn.storage.run import Run
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

SYMBOLS = Vocabulary.of("\nab cé")
TEXT = "ab cé ab cab\nab é cé abba c\n" * 3
NAMES = ("contexts", "starts", "symbols", "counts")


def table_of(text: str = TEXT, vocabulary: Vocabulary = SYMBOLS) -> CountTable:
    return count_followers(Contexts(vocabulary), vocabulary.encode(text), 1).table


def example(counts: int | None = 1, vocabulary: Vocabulary = SYMBOLS) -> Checkpoint:
    """The checkpoint of a tiny model with counts."""
    model = ModelConfig(hidden_size=2, num_layers=1, embedding_size=3, counts=counts)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in shapes(model, len(vocabulary)).items()
    }
    about = {name: default for name, (default, _) in ABOUT.items()}
    table = None
    if counts is not None:
        table = table_of(vocabulary=vocabulary)
    return Checkpoint(vocabulary, model, weights, 0, about, table)


@pytest.fixture
def path(here: Path) -> Path:
    """A checkpoint with counts, as a path below the working directory."""
    write(Path("step"), example())
    return Path("step")


def sign(path: Path) -> None:
    """Write a manifest that matches the files."""
    entries = {}
    for file in path.iterdir():
        if file.name != "manifest.json":
            data = file.read_bytes()
            entries[file.name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    digest = hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
    (path / "manifest.json").write_bytes(strict_json.dumps({"files": entries, "sha256": digest}))


def refusal(path: Path) -> str:
    """The one line that a damaged checkpoint is refused with."""
    with pytest.raises(DamagedError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def arrays(table: CountTable) -> dict[str, Any]:
    return {name: getattr(table, name) for name in NAMES}


def same(one: CountTable, other: CountTable) -> bool:
    """Whether two tables have the same bytes."""
    return all(
        array.dtype == arrays(other)[name].dtype and np.array_equal(array, arrays(other)[name])
        for name, array in arrays(one).items()
    )


# Round trip


@pytest.mark.parametrize(
    "vocabulary",
    [
        SYMBOLS,
        Vocabulary("byte"),
        Vocabulary("byte", records=True),  # 257 symbols take two bytes each
        Vocabulary("char", SYMBOLS.symbols, records=True),
    ],
    ids=["char", "byte", "records of bytes", "records"],
)
def test_the_counts_survive_the_round_trip(here: Path, vocabulary: Vocabulary) -> None:
    checkpoint = example(vocabulary=vocabulary)
    write(here / "step", checkpoint)
    found = read(here / "step").table
    assert found is not None and checkpoint.table is not None
    assert same(found, checkpoint.table)
    assert found.reader.vocab_size == len(vocabulary)
    ids = vocabulary.encode("ab ca")
    predicted = [table.predict(table.rows_of_text(ids)) for table in (found, checkpoint.table)]
    assert predicted[0].raised.tobytes() == predicted[1].raised.tobytes()


def test_the_file_is_a_safetensors_file(path: Path) -> None:
    found = load((path / COUNTS).read_bytes())
    table = table_of()
    assert set(found) == set(NAMES)
    for name, array in found.items():
        np.testing.assert_array_equal(array, getattr(table, name))


def test_an_empty_table_survives_the_round_trip(here: Path) -> None:
    empty = table_of("")
    write(here / "step", replace(example(), table=empty))
    found = read(here / "step").table
    assert found is not None
    assert same(found, empty)
    assert len(found.predict(found.rows_of_text(SYMBOLS.encode("ab"))).symbols) == 0


def base(array: Any) -> Any:
    """What the memory of an array belongs to."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


def test_the_counts_are_mapped_and_not_copied(path: Path) -> None:
    table = read(path).table
    assert table is not None
    for array in arrays(table).values():
        assert isinstance(base(array), mmap.mmap)
        assert not array.flags.writeable


def test_a_model_without_counts_has_no_file_of_counts(here: Path) -> None:
    write(here / "step", example(counts=None))
    assert not (here / "step" / COUNTS).exists()
    assert read(here / "step").table is None


# Hostile files, each with a manifest that matches it


def changed(**changes: Any) -> bytes:
    """The file with other arrays."""
    return save({name: np.ascontiguousarray(array) for name, array in changes.items()})


def with_array(name: str, change: Callable[[Any], Any]) -> bytes:
    found = {key: array.copy() for key, array in arrays(table_of()).items()}
    result = change(found[name])
    if result is not None:
        found[name] = result
    return changed(**found)


def put(name: str, place: int, value: int) -> Callable[[], bytes]:
    def change(array: Any) -> None:
        array[place] = value

    return lambda: with_array(name, change)


def swapped(name: str) -> Callable[[], bytes]:
    def change(array: Any) -> None:
        array[[3, 4]] = array[[4, 3]]

    return lambda: with_array(name, change)


def with_header(change: Callable[[dict[str, Any]], Any]) -> Callable[[], bytes]:
    """The file with a changed header, whose arrays keep their places unless it says otherwise."""

    def make() -> bytes:
        data = to_bytes(table_of())
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        result = change(header)
        text = json.dumps(header if result is None else result).encode()
        return len(text).to_bytes(8, "little") + text + data[8 + size :]

    return make


def entry(name: str, **changes: Any) -> Callable[[], bytes]:
    """The file whose header says something else about an array."""
    return with_header(lambda header: header[name].update(changes))


def shifted(name: str, by: int) -> Callable[[], bytes]:
    """An array that begins and ends elsewhere."""

    def change(header: dict[str, Any]) -> None:
        first, last = header[name]["data_offsets"]
        header[name]["data_offsets"] = [first + by, last + by]

    return with_header(change)


def lengthened(name: str, by: int) -> Callable[[], bytes]:
    """An array with more items, and as much more space, which overlaps the next or the end."""

    def change(header: dict[str, Any]) -> None:
        (length,) = header[name]["shape"]
        first, last = header[name]["data_offsets"]
        size = (last - first) // length
        header[name]["shape"] = [length + by]
        header[name]["data_offsets"] = [first, last + by * size]

    return with_header(change)


def as_type(name: str, dtype: Any) -> Callable[[], bytes]:
    return lambda: with_array(name, lambda array: array.astype(dtype))


def without(name: str) -> Callable[[], bytes]:
    found = {key: array for key, array in arrays(table_of()).items() if key != name}
    return lambda: changed(**found)


def raw(length: int, text: bytes = b"{}", body: bytes = b"\0" * 64) -> Callable[[], bytes]:
    return lambda: length.to_bytes(8, "little") + text + body


NUM_PAIRS = len(table_of().symbols)
HUGE = 1 << 60
HOSTILE: dict[str, Callable[[], bytes]] = {
    "contexts out of order": swapped("contexts"),
    "a context twice": lambda: with_array("contexts", lambda array: np.maximum(array, array[1])),
    "starts out of order": swapped("starts"),
    "a context without followers": put("starts", 2, int(table_of().starts[1])),
    "a start beyond the end": put("starts", 3, 2**32 - 1),
    "the first start is not 0": put("starts", 0, 1),
    "the last start is beyond the end": put("starts", -1, NUM_PAIRS + 1),
    "the last start is before the end": put("starts", -1, NUM_PAIRS - 1),
    "a symbol outside of the vocabulary": put("symbols", 5, len(SYMBOLS)),
    "the largest symbol": put("symbols", -1, 255),
    "a count of 0": put("counts", 7, 0),
    "no starts": lambda: with_array("starts", lambda array: array[:0]),
    "a start too few": lambda: with_array("starts", lambda array: array[:-1]),
    "a count too few": lambda: with_array("counts", lambda array: array[:-1]),
    "a symbol too many": lambda: with_array("symbols", lambda array: np.append(array, array[:1])),
    "a table of two dimensions": lambda: with_array("counts", lambda array: array[None]),
    "a number instead of an array": lambda: with_array("counts", lambda array: array[0]),
    **{f"{name} of 8 bits": as_type(name, np.uint8) for name in NAMES if name != "symbols"},
    **{f"{name} of 16 bits": as_type(name, np.uint16) for name in NAMES if name != "counts"},
    **{f"{name} of floats": as_type(name, np.float32) for name in NAMES},
    **{f"{name} with a sign": as_type(name, np.int32) for name in NAMES},
    **{f"no {name}": without(name) for name in NAMES},
    "another array": lambda: changed(**arrays(table_of()), more=np.zeros(1, np.uint8)),
    "metadata": with_header(lambda header: header.update(__metadata__={"a": "b"})),
    **{f"{name} before the beginning": shifted(name, -10_000) for name in NAMES},
    **{f"{name} after the end": shifted(name, 10_000) for name in NAMES},
    **{f"{name} far outside": shifted(name, HUGE) for name in NAMES},
    **{f"{name} one byte further": shifted(name, 1) for name in NAMES},
    **{f"{name} over its neighbour": lengthened(name, 3) for name in NAMES},
    **{f"{name} of {HUGE:,}": lengthened(name, HUGE) for name in NAMES},
    "a gap at the end": lambda: to_bytes(table_of()) + b"\0",
    "all arrays in the same place": lambda: changed(
        **dict.fromkeys(NAMES, np.zeros(1, np.uint32))
    ).replace(b"[4,8]", b"[0,4]"),
    "a negative length": entry("counts", shape=[-1]),
    "a length that is not the size": entry("counts", shape=[NUM_PAIRS - 1]),
    "a fractional length": entry("counts", shape=[0.5]),
    "a length of true": entry("counts", shape=[True], data_offsets=[0, 2]),
    "a length in words": entry("counts", shape=["many"]),
    "a shape that is a word": entry("counts", shape="9"),
    "a shape that is a number": entry("counts", shape=NUM_PAIRS),
    "no shape": with_header(lambda header: header["counts"].pop("shape")),
    "no type": with_header(lambda header: header["counts"].pop("dtype") and None),
    "no place": with_header(lambda header: header["counts"].pop("data_offsets") and None),
    "an unknown type": entry("counts", dtype="F64"),
    "a type that is a list": entry("counts", dtype=["U16"]),
    "one offset": entry("counts", data_offsets=[0]),
    "three offsets": entry("counts", data_offsets=[0, 2, 4]),
    "offsets that are words": entry("counts", data_offsets=["0", "2"]),
    "fractional offsets": entry("counts", data_offsets=[0.0, 2.0], shape=[1]),
    "offsets in the wrong order": entry("counts", data_offsets=[2, 0], shape=[-1]),
    "an array that is a list": with_header(lambda header: header.update(counts=[1])),
    "an array that is nothing": with_header(lambda header: header.update(counts=None)),
    "a header that is a list of the names": with_header(list),
    "a header that is a word": with_header(lambda header: "contexts"),
    "a header that is nothing": with_header(lambda header: 0),
    "a header that is not JSON": raw(4, b"abcd"),
    "a header that is not UTF-8": raw(2, b"\xff\xfe"),
    "a header with a name twice": raw(22, b'{"counts":1,"counts":2'),
    "a deeply nested header": raw(4000, b"[" * 2000 + b"]" * 2000),
    "a header that is a byte too long": raw(MAX_HEADER_BYTES + 1, b" " * (MAX_HEADER_BYTES + 1)),
    "a header longer than the file": raw(100, b"{}", b""),
    "a header of 2^64 bytes": raw(2**64 - 1),
    "a header of no bytes": raw(0),
    "nine bytes": raw(0, b"", b"\0"),
    "eight bytes": raw(0, b"", b""),
    "no bytes": lambda: b"",
    "a pickle": lambda: b"\x80\x04N." * 9,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(path: Path, name: str) -> None:
    (path / COUNTS).write_bytes(HOSTILE[name]())
    sign(path)
    assert refusal(path).startswith("step")
    assert not is_whole(path)


def test_what_is_wrong_is_reported(path: Path) -> None:
    messages = {
        "a symbol outside of the vocabulary": "ValueError: the counts have a symbol outside of the "
        "vocabulary, or a count of 0",
        "contexts out of order": "ValueError: the contexts of the counts are out of order",
        "counts far outside": "ValueError: the array counts is not inside the file of counts",
    }
    for name, message in messages.items():
        (path / COUNTS).write_bytes(HOSTILE[name]())
        sign(path)
        assert refusal(path) == (
            f"step is not a checkpoint that this version can read: {message}; "
            "check its files, or use another checkpoint"
        )


def test_a_file_of_a_gigabyte_is_not_read(path: Path) -> None:
    size = 1 << 30
    os.truncate(path / COUNTS, size)
    entries = json.loads((path / "manifest.json").read_bytes())["files"]
    entries[COUNTS] = {"bytes": size, "sha256": "0" * 64}
    digest = hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
    manifest = {"files": entries, "sha256": digest}
    (path / "manifest.json").write_bytes(strict_json.dumps(manifest))
    assert refusal(path) == (
        f"step/{COUNTS} cannot be read: it has 1,073,741,824 bytes, which no table of counts has; "
        "copy it again, or recreate it by `charrnn train --resume` in its run"
    )


# Damage


def test_a_changed_byte_anywhere_is_detected(path: Path) -> None:
    data = (path / COUNTS).read_bytes()
    for place in {*range(0, len(data), len(data) // 20), len(data) - 1}:
        (path / COUNTS).write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert refusal(path) == (
            f"step/{COUNTS} is damaged: its SHA-256 does not match the manifest; "
            "copy it again, or recreate it by `charrnn train --resume` in its run"
        )


def test_a_truncated_file_is_detected(path: Path) -> None:
    size = (path / COUNTS).stat().st_size
    for length in (0, 8, size - 1):
        os.truncate(path / COUNTS, length)
        assert refusal(path) == (
            f"step/{COUNTS} is damaged: it has {length} bytes instead of {size}; "
            "copy it again, or recreate it by `charrnn train --resume` in its run"
        )
        write(path, example())


def test_a_model_with_counts_is_refused_without_its_file(path: Path) -> None:
    (path / COUNTS).unlink()
    assert refusal(path) == (
        f"step/{COUNTS} cannot be read: No such file or directory; "
        "copy it again, or recreate it by `charrnn train --resume` in its run"
    )
    sign(path)
    assert refusal(path) == (
        "step is not a checkpoint that this version can read: "
        f"ValueError: {COUNTS} is missing, or the model has no counts; "
        "check its files, or use another checkpoint"
    )


def test_a_model_without_counts_is_refused_with_a_file_of_counts(path: Path) -> None:
    write(path, example(counts=None))
    (path / COUNTS).write_bytes(to_bytes(table_of()))
    sign(path)
    assert refusal(path) == (
        "step is not a checkpoint that this version can read: "
        f"ValueError: {COUNTS} is missing, or the model has no counts; "
        "check its files, or use another checkpoint"
    )


def test_counts_of_a_larger_vocabulary_are_refused(path: Path) -> None:
    larger = Vocabulary("byte", records=True)
    (path / COUNTS).write_bytes(to_bytes(table_of(vocabulary=larger)))
    sign(path)
    assert "an array of the counts has another type" in refusal(path)
    larger = Vocabulary("byte")
    (path / COUNTS).write_bytes(to_bytes(table_of(vocabulary=larger)))
    sign(path)
    assert "the counts have a symbol outside of the vocabulary" in refusal(path)


def links(file: Path) -> None:
    file.rename("elsewhere")
    file.symlink_to(Path("elsewhere").resolve())


def becomes_a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def becomes_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("change", [links, becomes_a_directory, becomes_a_pipe])
def test_an_irregular_file_is_detected(path: Path, change: Callable[[Path], None]) -> None:
    change(path / COUNTS)
    assert refusal(path) == (
        f"step/{COUNTS} cannot be read: it is not a regular file; "
        "copy it again, or recreate it by `charrnn train --resume` in its run"
    )


# One file for all checkpoints of a run


def inodes(*paths: Path) -> set[int]:
    return {(path / COUNTS).stat().st_ino for path in paths}


def test_the_checkpoints_of_a_run_share_one_file(here: Path) -> None:
    stored = None
    paths = [here / "run" / f"step-0000000{step}" for step in range(4)]
    for path in paths:
        stored = write(path, replace(example(), counts=stored))
        assert stored is not None
        assert stored.path == path / COUNTS
    assert len(inodes(*paths)) == 1
    assert (paths[0] / COUNTS).stat().st_nlink == 4
    # the newest stays whole while the others are removed
    for path in paths[:-1]:
        shutil.rmtree(path)
        assert is_whole(paths[-1])
    again = write(paths[0], replace(read(paths[-1]), counts=stored))
    assert again == stored._replace(path=paths[0] / COUNTS)
    assert len(inodes(paths[0], paths[-1])) == 1


def test_without_hard_links_each_checkpoint_has_a_copy(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    first = write(here / "first", example())
    write(here / "second", replace(example(), counts=first))
    assert len(inodes(here / "first", here / "second")) == 2
    shutil.rmtree(here / "first")
    table = read(here / "second").table
    assert table is not None
    assert same(table, table_of())


def test_a_file_that_is_gone_is_written_again(here: Path) -> None:
    stored = write(here / "first", example())
    shutil.rmtree(here / "first")
    again = write(here / "second", replace(example(), counts=stored))
    assert stored is not None and again is not None
    assert again.entry == stored.entry
    assert is_whole(here / "second")


def test_a_shared_file_counts_once_in_the_size_of_a_run(here: Path) -> None:
    run = Run(here / "run")
    stored = write(run.step(1), example())
    one = run.size()
    assert one == sum(file.stat().st_size for file in run.step(1).iterdir())
    write(run.step(2), replace(example(), counts=stored))
    others = sum(file.stat().st_size for file in run.step(2).iterdir() if file.name != COUNTS)
    assert run.size() == one + others
