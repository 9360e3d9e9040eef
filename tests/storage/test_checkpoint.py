"""A checkpoint reads back to the same values; damaged, missing or invalid parts are detected before
use."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from charrnn.config.run_config import ModelConfig
from charrnn.errors import CheckpointError
from charrnn.storage import strict_json
from charrnn.storage.checkpoint import Checkpoint, Tensors, is_whole, read, read_about, write
from charrnn.storage.metadata import ABOUT
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

MODEL = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"]
TRAINER = ["trainer.json", "trainer.safetensors"]
ALL = [*MODEL, *TRAINER, "manifest.json"]
DELETE = "(deleted)"
SYMBOLS = Vocabulary("char", "\nabé")
SAYS_NOTHING = {name: default for name, (default, _) in ABOUT.items()}


def tensors(sizes: dict[str, tuple[int, ...]]) -> Tensors:
    """Float32 arrays of these shapes, all numbers distinct."""
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in sizes.items()}


def example(vocabulary: Vocabulary = SYMBOLS, **changes: Any) -> Checkpoint:
    """The checkpoint of a tiny model, with its training state."""
    model = ModelConfig(cell="lstm", hidden_size=2, num_layers=2, embedding_size=3, dropout=0.25)
    checkpoint = Checkpoint(
        vocabulary=vocabulary,
        model=model,
        weights=tensors(shapes(model, len(vocabulary))),
        prime=0,
        about=SAYS_NOTHING | {"step": 7, "val_loss": 1.25, "corpus": ["é.txt", "\udcff.txt"]},
        trainer={"step": 7, "loss_sum": 0.1, "config": {"clip_norm": None}},
        trainer_tensors=tensors({"state": (2, 2, 3, 2), "optimizer.step": ()}),
    )
    return replace(checkpoint, **changes)


def refusal(call: Callable[..., object], *args: Any, **kwargs: Any) -> str:
    """The message of the error that a call raises."""
    with pytest.raises(CheckpointError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


@pytest.fixture
def path(here: Path) -> Path:
    """A checkpoint, as a path below the working directory."""
    write(Path("step-00000007"), example())
    return Path("step-00000007")


def content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def same_tensors(one: Tensors, other: Tensors) -> bool:
    """Whether names, types, shapes and bytes are the same."""
    return {name: (each.dtype, each.shape, each.tobytes()) for name, each in one.items()} == {
        name: (each.dtype, each.shape, each.tobytes()) for name, each in other.items()
    }


def forge(path: Path, name: str, data: bytes) -> None:
    """Replace the bytes of a file, and its entry in the manifest."""
    (path / name).write_bytes(data)
    files = {
        file.name: file.read_bytes() for file in path.iterdir() if file.name != "manifest.json"
    }
    sign(
        path,
        {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        },
    )


def sign(path: Path, entries: Any) -> None:
    """Write a manifest of these entries that matches its own checksum."""
    digest = hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
    (path / "manifest.json").write_bytes(strict_json.dumps({"files": entries, "sha256": digest}))


def forge_json(path: Path, name: str, **changes: object) -> None:
    value = json.loads((path / name).read_bytes()) | changes
    forge(
        path,
        name,
        json.dumps({key: each for key, each in value.items() if each != DELETE}).encode(),
    )


# Round trip


@pytest.mark.parametrize(
    "vocabulary", [SYMBOLS, Vocabulary("char", "\0\"'\\\u2028漢😀"), Vocabulary("byte")]
)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_checkpoint_survives_the_round_trip(
    here: Path, vocabulary: Vocabulary, cell: str
) -> None:
    model = ModelConfig(cell=cell, hidden_size=2, num_layers=3, embedding_size=1, dropout=0.5)
    checkpoint = example(
        vocabulary,
        model=model,
        weights=tensors(shapes(model, len(vocabulary))),
        prime=len(vocabulary) - 1,
    )
    write(here / "step", checkpoint)
    found = read(here / "step", trainer=True)
    for name in ("vocabulary", "model", "prime", "about", "trainer"):
        assert getattr(found, name) == getattr(checkpoint, name)
    assert same_tensors(found.weights, checkpoint.weights)
    assert same_tensors(found.trainer_tensors, checkpoint.trainer_tensors)
    assert (
        found.sha256
        == hashlib.sha256((here / "step" / "model.safetensors").read_bytes()).hexdigest()
    )
    assert read_about(here / "step")["about"] == checkpoint.about


def test_numbers_are_preserved_bit_for_bit(here: Path) -> None:
    numbers = np.array([0.0, -0.0, 1e-45, -1e-38, 3.4028235e38, 1 / 3], np.float32)
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T  # not contiguous
    write(here / "step", example(trainer_tensors={"numbers": numbers, "turned": turned}))
    found = read(here / "step", trainer=True).trainer_tensors
    assert found["numbers"].tobytes() == numbers.tobytes()
    assert found["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_trainer_files_are_only_read_on_request(path: Path) -> None:
    assert (read(path).trainer, read(path).trainer_tensors) == (None, {})


def test_the_files_are_those_of_the_format(path: Path) -> None:
    assert sorted(file.name for file in path.iterdir()) == sorted(ALL)
    write(path, example(trainer=None, trainer_tensors={}))
    assert sorted(file.name for file in path.iterdir()) == sorted([*MODEL, "manifest.json"])


def test_the_manifest_lists_size_and_checksum_of_every_other_file(path: Path) -> None:
    manifest = json.loads((path / "manifest.json").read_bytes())
    assert manifest["files"] == {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in content(path).items()
        if name != "manifest.json"
    }


def test_equal_checkpoints_give_the_same_bytes(path: Path) -> None:
    write(Path("again"), example())
    assert content(Path("again")) == content(path)
    other_order = dict(reversed(example().weights.items()))
    write(Path("again"), example(weights=other_order))
    assert content(Path("again")) == content(path)


def test_a_committed_checkpoint_is_not_changed_by_reading(path: Path) -> None:
    before = content(path)
    read(path, trainer=True)
    assert content(path) == before


# Failed writes


# 7 files, their directory, the parent: the first eight fail before the new checkpoint exists
@pytest.mark.parametrize("fails", range(1, 9))
@pytest.mark.parametrize("there", [False, True])
def test_a_failed_write_leaves_the_old_checkpoint(
    here: Path, monkeypatch: pytest.MonkeyPatch, fails: int, there: bool
) -> None:
    if there:
        write(here / "step", example())
    before = content(here / "step") if there else None
    calls, fsync = iter(range(1, 99)), os.fsync

    def full(handle: int) -> None:
        if next(calls) == fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5 * 2**20))
    message = f"{here / 'step'} could not be written: No space left on device (5 MiB free on that disk); free some space, or choose another path"
    assert refusal(write, here / "step", example(prime=1)) == message
    assert [entry.name for entry in here.iterdir()] == (["step"] if there else [])
    assert before is None or content(here / "step") == before


# Damage


@pytest.mark.parametrize("name", ALL)
def test_a_changed_byte_anywhere_is_detected(path: Path, name: str) -> None:
    data = (path / name).read_bytes()
    for place in {*range(0, len(data), len(data) // 40 + 1), len(data) - 1}:
        (path / name).write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        message = refusal(read, path)
        assert message.startswith(f"{path / name} ")
        assert "\n" not in message
    if name != "manifest.json":
        assert (
            message
            == f"{path / name} is damaged: its SHA-256 does not match the manifest; copy it again, or use another checkpoint"
        )


@pytest.mark.parametrize("name", ALL)
def test_a_truncated_file_is_detected(path: Path, name: str) -> None:
    data = (path / name).read_bytes()
    # the last byte of the JSON is a newline, which does not matter
    for length in (0, 1, len(data) // 2, len(data) - 2):
        (path / name).write_bytes(data[:length])
        message = refusal(read, path)
        if name == "manifest.json":
            assert message.startswith(f"{path / name} cannot be read: JSONDecodeError: ")
            assert "\n" not in message
        else:
            numbers = f"it has {length} bytes instead of {len(data)}"
            assert (
                message
                == f"{path / name} is damaged: {numbers}; copy it again, or use another checkpoint"
            )


def test_additional_bytes_are_detected(path: Path) -> None:
    with open(path / "config.json", "ab") as file:
        file.write(b"\n")
    size = (path / "config.json").stat().st_size
    numbers = f"it has {size} bytes instead of {size - 1}"
    assert (
        refusal(read, path)
        == f"{path}/config.json is damaged: {numbers}; copy it again, or use another checkpoint"
    )


@pytest.mark.parametrize("name", [*MODEL, *TRAINER])
def test_a_missing_file_is_detected(path: Path, name: str) -> None:
    (path / name).unlink()
    why = "No such file or directory"
    assert (
        refusal(read, path)
        == f"{path / name} cannot be read: {why}; copy the whole directory again, or use another checkpoint"
    )


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
@pytest.mark.parametrize("name", ALL)
def test_an_irregular_file_is_detected(
    path: Path, name: str, change: Callable[[Path], None]
) -> None:
    change(path / name)
    advice = "copy the whole directory again, or use another checkpoint"
    assert (
        refusal(read, path) == f"{path / name} cannot be read: it is not a regular file; {advice}"
    )


@pytest.mark.parametrize("name", MODEL)
def test_is_whole_detects_damage(path: Path, name: str) -> None:
    assert is_whole(path)
    (path / name).write_bytes(b"{}")
    assert not is_whole(path)


def test_a_directory_without_a_manifest_is_not_a_checkpoint(path: Path) -> None:
    (path / "manifest.json").unlink()
    message = (
        f"{path} is not a checkpoint: it has no manifest.json; give a run or a step-... directory"
    )
    assert refusal(read, path) == refusal(read_about, path) == message
    assert (
        refusal(read, Path("nowhere"))
        == "nowhere is not a checkpoint: it has no manifest.json; give a run or a step-... directory"
    )


def test_a_manifest_that_does_not_match_itself_is_damaged(path: Path) -> None:
    manifest = json.loads((path / "manifest.json").read_bytes())
    message = f"{path}/manifest.json is damaged: it does not match its own checksum; use another checkpoint"
    for entries in (
        manifest["files"] | {"config.json": {"bytes": 1, "sha256": ""}},
        {},
        manifest["files"] | {"more": {}},
    ):
        (path / "manifest.json").write_bytes(strict_json.dumps(manifest | {"files": entries}))
        assert refusal(read, path) == refusal(read_about, path) == message


@pytest.mark.parametrize("name", ["../config.json", "/etc/passwd", "pickle.bin"])
def test_a_manifest_may_list_only_the_files_of_the_format(path: Path, name: str) -> None:
    entries = json.loads((path / "manifest.json").read_bytes())["files"]
    sign(path, entries | {name: {"bytes": 0, "sha256": ""}})
    assert (
        refusal(read, path)
        == f"{path}/manifest.json is damaged: it does not match its own checksum; use another checkpoint"
    )


@pytest.mark.parametrize(
    "entries",
    [
        MODEL,
        dict.fromkeys(MODEL, 3),
        {name: {} for name in MODEL},
        {name: {"bytes": "x", "sha256": 3} for name in MODEL},
        {},
        3,
        None,
    ],
    ids=["list", "numbers", "empty entries", "wrong entries", "nothing", "number", "null"],
)
def test_an_invalid_manifest_is_refused_in_one_line(path: Path, entries: object) -> None:
    sign(path, entries)
    for call in (read, read_about):
        message = refusal(call, path)
        assert message.startswith(f"{path}/")
        assert "\n" not in message


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"3", b"null", b"{", b"\xff", b'{"files": NaN}', b"[" * 100_000]
)
def test_a_manifest_that_is_not_an_object_is_refused_in_one_line(path: Path, data: bytes) -> None:
    (path / "manifest.json").write_bytes(data)
    message = refusal(read, path)
    assert message.startswith(f"{path}/manifest.json cannot be read: ")
    assert message.endswith("; use another checkpoint")
    assert "\n" not in message


# A model to share


def test_a_model_without_trainer_files_generates_but_cannot_be_trained(path: Path) -> None:
    whole = read(path)
    for name in TRAINER:
        (path / name).unlink()
    assert same_tensors(read(path).weights, whole.weights)
    assert refusal(read, path, trainer=True) == (
        f"{path} cannot be trained further: it has no trainer.json and trainer.safetensors, as in a model that was shared; start a new run"
    )


def test_a_model_written_without_a_trainer_cannot_be_trained(path: Path) -> None:
    write(path, example(trainer=None, trainer_tensors={}))
    assert read(path).trainer is None
    assert refusal(read, path, trainer=True) == (
        f"{path} cannot be trained further: it has no trainer.json and trainer.safetensors, as in a model that was shared; start a new run"
    )


# Files that match the manifest but not each other


@pytest.mark.parametrize("other", [1, 4])
def test_an_unknown_format_is_reported(path: Path, other: int) -> None:
    forge_json(path, "config.json", format=other)
    message = f"{path} has format {other}, but this version reads 2 to 3; install the version of charrnn that wrote it"
    assert refusal(read_about, path) == message
    assert refusal(read, path) == message


def test_an_unknown_kind_of_model_is_reported(path: Path) -> None:
    forge_json(path, "config.json", model_type="gpt2")
    assert "gpt2" in refusal(read, path)


def test_a_vocabulary_of_another_size_is_reported(path: Path) -> None:
    message = f"{path} is inconsistent: its vocabulary has 4 symbols, its model 5, and prime is 0; use another checkpoint"
    forge_json(path, "config.json", vocab_size=5)
    assert refusal(read, path) == message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2e9, -1e30])
def test_a_weight_that_is_nan_or_too_large_is_reported(path: Path, value: float) -> None:
    weights = example().weights
    weights["head.bias"][1] = value
    write(path, example(weights=weights))
    message = (
        f"{path}: the weight head.bias contains NaN or a value above 1e+09; use another checkpoint"
    )
    assert refusal(read, path) == message


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_a_weight_of_another_type_is_reported(path: Path, dtype: type) -> None:
    forge(path, "model.safetensors", save(example().weights | {"head.bias": np.ones(4, dtype)}))
    message = f"{path}: the weight head.bias is {dtype.__name__} instead of float32; use another checkpoint"
    assert refusal(read, path) == message


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("config.json", {"vocab_size": DELETE}),
        ("config.json", {"vocab_size": "4"}),
        ("config.json", {"model_type": DELETE}),
        ("config.json", {"format": DELETE}),
        ("config.json", {"about": DELETE}),
        ("config.json", {"about": [1]}),
        ("config.json", {"model": DELETE}),
        ("config.json", {"model": {"cell": "transformer"}}),
        ("config.json", {"model": {"heads": 3}}),
        ("config.json", {"model": [1]}),
        ("tokenizer.json", {"unit": DELETE}),
        ("tokenizer.json", {"unit": "word"}),
        ("tokenizer.json", {"symbols": DELETE}),
        ("tokenizer.json", {"symbols": "\naab"}),
        ("tokenizer.json", {"symbols": ["\n", "a", "b", "é"]}),
        ("tokenizer.json", {"symbols": 3}),
        ("tokenizer.json", {"replaced": ["x"]}),
        ("tokenizer.json", {"replaced": {"x": 1}}),
        ("tokenizer.json", {"replaced": {"x": "y"}}),
        ("tokenizer.json", {"replaced": {"a": "b"}}),
        ("tokenizer.json", {"replaced": {"xx": "a"}}),
        ("generation_config.json", {"prime": DELETE}),
        ("generation_config.json", {"prime": "a"}),
        ("generation_config.json", {"prime": 4}),
        ("generation_config.json", {"prime": -1}),
        ("generation_config.json", {"prime": [0]}),
    ],
    ids=str,
)
def test_an_invalid_value_is_refused_in_one_line(
    path: Path, name: str, changes: dict[str, object]
) -> None:
    forge_json(path, name, **changes)
    message = refusal(read, path)
    assert message.startswith(str(path))
    assert "\n" not in message


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b'"', b"\xff", b'{"format": NaN}', b"[" * 100_000],
    ids=lambda data: repr(data[:15]),
)
@pytest.mark.parametrize("name", [*MODEL, *TRAINER])
def test_an_invalid_file_is_refused_in_one_line(path: Path, name: str, data: bytes) -> None:
    forge(path, name, data)
    message = refusal(read, path, trainer=True)
    assert message.startswith(str(path))
    assert "\n" not in message


# About


def test_about_is_read_without_the_weights(path: Path) -> None:
    (path / "model.safetensors").unlink()
    assert read_about(path)["about"] == example().about
    assert read_about(path)["vocab_size"] == 4


@pytest.mark.parametrize(
    "data", [b"{}", b"[]", b"\xff", b"[" * 100_000], ids=lambda data: repr(data[:15])
)
def test_about_is_verified(path: Path, data: bytes) -> None:
    (path / "config.json").write_bytes(data)
    assert refusal(read_about, path).startswith(f"{path}/config.json is damaged: ")
    forge(path, "config.json", data)
    assert "\n" not in refusal(read_about, path)
