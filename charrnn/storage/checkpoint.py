"""Checkpoint: a committed directory, safetensors and JSON, that is the whole model. No pickle.

    config.json  model.safetensors  tokenizer.json  generation_config.json      the model
    trainer.json  trainer.safetensors                                           to go on training;
    may be left out manifest.json                                                               size
    and SHA-256 of each, written last

Knows nothing of torch, and not how to train.
"""

import errno
import hashlib
import json
import math
import re
import stat
import time
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from charrnn.config.run_config import ModelConfig
from charrnn.errors import CharRNNError, CheckpointError, DamagedError
from charrnn.storage import strict_json
from charrnn.storage.atomic import commit_directory, read_regular
from charrnn.storage.metadata import checked
from charrnn.storage.weight_shapes import check_shapes, shapes
from charrnn.vocab import Vocabulary

FORMAT = 2
UNCHANGED_AFTER = 2 * 10**9  # nanoseconds after which a file that changes has another date
LARGEST_WEIGHT = 1e9  # far beyond any that is learned; with larger ones a step could overflow
MOST_HEADER = 1 << 20  # bytes of the names and shapes in a file of tensors
MANIFEST = "manifest.json"
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "generation_config.json")
TRAINER_FILES = ("trainer.json", "trainer.safetensors")
FILES = (*MODEL_FILES, *TRAINER_FILES, MANIFEST)

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """Everything needed to generate, and, with the two trainer fields, to go on training.

    Args:
        vocabulary: the symbols.
        model: the sizes.
        weights: by name, float32.
        prime: id of the symbol that the network reads before a text without a prompt.
        about: what the model was trained on and how well it does, for ``info``; JSON values.
        trainer: counters and configuration; None for a model to share.
        trainer_tensors: optimizer, and state of each lane.
        sha256: of model.safetensors, once written or read.
    """

    vocabulary: Vocabulary
    model: ModelConfig
    weights: Tensors
    prime: int
    about: dict[str, Any]
    trainer: dict[str, Any] | None = None
    trainer_tensors: Tensors = field(default_factory=dict)
    sha256: str = ""


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Commit a checkpoint as the directory ``path``.

    Raises:
        CheckpointError: it could not be written; nothing half-written is left.
    """
    vocabulary = checkpoint.vocabulary
    config = {
        "model_type": "charrnn",
        "format": FORMAT,
        "model": asdict(checkpoint.model),
        "vocab_size": len(vocabulary),
    }
    files = {
        "config.json": strict_json.dumps(config | {"about": checkpoint.about}),
        "model.safetensors": _save(checkpoint.weights),
        "tokenizer.json": strict_json.dumps(
            {"unit": vocabulary.unit, "symbols": vocabulary.symbols}
            | ({"records": True} if vocabulary.records else {})
        ),
        "generation_config.json": strict_json.dumps({"prime": checkpoint.prime}),
    }
    if checkpoint.trainer is not None:
        files |= {
            "trainer.json": strict_json.dumps(checkpoint.trainer),
            "trainer.safetensors": _save(checkpoint.trainer_tensors),
        }
    entries = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    }
    files[MANIFEST] = strict_json.dumps({"files": entries, "sha256": _digest(entries)})
    commit_directory(path, files, FILES)


def read(path: Path, *, trainer: bool = False) -> Checkpoint:
    """Open a checkpoint; every file that the manifest lists is verified before any is used.

    Args:
        path: a committed directory.
        trainer: also read what is needed to go on training.

    Raises:
        CheckpointError: missing, damaged, of another format, or (with ``trainer``) a model without
            trainer files.
    """
    entries = _manifest(path)
    shared = not any(
        (path / name).exists() for name in TRAINER_FILES
    )  # somebody left them out to share the model
    if trainer and (shared or "trainer.json" not in entries):
        raise CheckpointError(
            f"{path} holds no trainer.json and trainer.safetensors: it is a model to share and cannot be trained on; start a new run"
        )
    wanted = [name for name in entries if not (shared and name in TRAINER_FILES)]
    try:
        files = {
            name: _verified(path, name, entries[name], strict_json.LONGEST)
            for name in wanted
            if name.endswith(".json")
        }
        config = _config(path, files["config.json"])
        tokenizer, generation = (
            _load_object(files["tokenizer.json"]),
            _load_object(files["generation_config.json"]),
        )
        vocabulary = Vocabulary(
            tokenizer["unit"], tokenizer["symbols"], tokenizer.get("records", False) is True
        )
        model = ModelConfig(**config["model"])
        state = _load_object(files["trainer.json"]) if trainer else None
        weights = sum(map(math.prod, shapes(model, config["vocab_size"]).values()))
        most = {
            "model.safetensors": 4 * weights,
            "trainer.safetensors": 8 * weights + _state_bytes(model, files.get("trainer.json")),
        }
        for name in set(wanted) - set(files):
            files[name] = _verified(path, name, entries[name], MOST_HEADER + most[name])
        checkpoint = Checkpoint(
            vocabulary=vocabulary,
            model=model,
            weights=_load(files["model.safetensors"]),
            prime=generation["prime"],
            about=config["about"],
            trainer=state,
            trainer_tensors=_load(files["trainer.safetensors"]) if trainer else {},
            sha256=entries["model.safetensors"]["sha256"],
        )
        _check(path, checkpoint, config["vocab_size"])
    except CheckpointError:
        raise
    except MemoryError:
        raise CheckpointError(
            f"{path} does not fit into this machine's memory; close what else needs it, or use a smaller model"
        ) from None
    except (
        KeyError,
        TypeError,
        ValueError,
        CharRNNError,
        SafetensorError,
        RecursionError,
    ) as error:
        raise DamagedError(
            f"{path} is no checkpoint that this version can read: {_first_line(error)}; look at its files, or use another one"
        ) from None
    return checkpoint


def _state_bytes(model: ModelConfig, trainer_json: bytes | None) -> int:
    """The most that the state of a trainer's lanes takes."""
    config = _load_object(trainer_json).get("config") if trainer_json else None
    lanes = config.get("batch_size") if isinstance(config, dict) else 0
    return 8 * model.num_layers * model.hidden_size * (lanes if isinstance(lanes, int) else 0)


def is_whole(path: Path) -> bool:
    """Whether the model in a checkpoint can be read, and has what it takes to be trained on where
    that was not left out.

    Raises:
        CheckpointError: nobody can say, since the disk does not give it.
    """
    try:
        dated = sorted(
            (file.name, info.st_ino, info.st_size, info.st_ctime_ns, info.st_mtime_ns)
            for file in path.iterdir()
            for info in [file.lstat()]
        )
    except OSError:
        dated = []  # reading it will tell
    now = time.time_ns()
    still = dated and now - max(date for *_, date in dated) > UNCHANGED_AFTER
    return _is_whole(path, tuple(dated) if still else now)


@lru_cache(1024)
def _is_whole(path: Path, dated: Hashable) -> bool:
    """By what its files were when they were last looked at: each save would read all that are kept
    otherwise."""
    try:
        read(path)
    except DamagedError:
        return False
    return True


def read_about(path: Path) -> dict[str, Any]:
    """What a checkpoint says about itself, without reading its weights: ``config.json``, verified.

    Raises:
        CheckpointError: as ``read``.
    """
    return _config(
        path, _verified(path, "config.json", _manifest(path)["config.json"], strict_json.LONGEST)
    )


def _check(path: Path, checkpoint: Checkpoint, vocab_size: int) -> None:
    vocabulary = checkpoint.vocabulary
    if half := re.search("[\ud800-\udfff]", vocabulary.symbols):
        raise DamagedError(
            f"{path}: the vocabulary holds half a surrogate pair, U+{ord(half[0]):04X}; use another checkpoint"
        )
    if len(vocabulary) != vocab_size or not (
        type(checkpoint.prime) is int and 0 <= checkpoint.prime < vocab_size
    ):
        raise DamagedError(
            f"{path}: the vocabulary has {len(vocabulary)} symbols, the model {vocab_size}; "
            "the checkpoint is not of one piece, use another one"
        )
    try:
        check_shapes(
            checkpoint.model,
            vocab_size,
            {name: weight.shape for name, weight in checkpoint.weights.items()},
        )
    except CheckpointError as error:
        raise DamagedError(f"{path}: {error}") from None
    for name, weight in checkpoint.weights.items():
        if weight.dtype != np.float32:
            raise DamagedError(
                f"{path}: the weight {name} is {weight.dtype}, not float32; use another checkpoint"
            )
        if not is_within(weight, LARGEST_WEIGHT):
            raise DamagedError(
                f"{path}: the weight {name} holds NaN or a value beyond {LARGEST_WEIGHT:.0e}; use another checkpoint"
            )


def is_within(array: NDArray[Any], largest: float) -> bool:
    """Whether all values are numbers of at most this size; no second array is made for that."""
    return not array.size or bool(-largest <= array.min() and array.max() <= largest)


def _manifest(path: Path) -> dict[str, dict[str, Any]]:
    try:
        data = read_regular(path / MANIFEST, strict_json.LONGEST)
        manifest = _load_object(data)
        entries: dict[str, dict[str, Any]] = manifest["files"]
        names = set(entries)
        intact = strict_json.dumps(manifest) == data  # to the last space
        intact = (
            intact
            and manifest["sha256"] == _digest(entries)
            and set(MODEL_FILES) <= names <= {*MODEL_FILES, *TRAINER_FILES}
        )
        intact = intact and all(map(_is_entry, entries.values()))
    except FileNotFoundError:
        raise DamagedError(
            f"{path} is no checkpoint: it has no {MANIFEST}; give a run or a step-... directory"
        ) from None
    except OSError as error:
        raise _unread(path / MANIFEST, error) from None
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise DamagedError(
            f"{path / MANIFEST} cannot be read: {_first_line(error)}; use another checkpoint"
        ) from None
    if not intact:
        raise DamagedError(
            f"{path / MANIFEST} is damaged: it does not match its own checksum; use another checkpoint"
        )
    return entries


def _is_entry(entry: dict[str, Any]) -> bool:
    return (
        entry.keys() == {"bytes", "sha256"}
        and type(entry["bytes"]) is int
        and bool(re.fullmatch("[0-9a-f]{64}", entry["sha256"]))
    )


def _verified(path: Path, name: str, entry: Mapping[str, Any], most: int) -> bytes:
    """The bytes of a file, at most so many, once they are known to be those that the manifest
    speaks of."""
    try:
        info = (path / name).lstat()
        if stat.S_ISREG(info.st_mode) and info.st_size != entry["bytes"]:
            raise DamagedError(
                f"{path / name} is damaged: {info.st_size} bytes, {entry['bytes']} were written; copy it again, or use another checkpoint"
            )
        data = read_regular(path / name, most)
    except OSError as error:
        raise _unread(path / name, error) from None
    if len(data) != entry["bytes"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise DamagedError(
            f"{path / name} is damaged: its SHA-256 is not the one written; copy it again, or use another checkpoint"
        )
    return data


def _unread(file: Path, error: OSError) -> CheckpointError:
    """A file that is not there, or is none, is damage; what the disk does not give now it may give
    another time."""
    kind = (
        DamagedError
        if error.errno in (None, errno.ENOENT, errno.ELOOP, errno.ENOTDIR)
        else CheckpointError
    )
    return kind(
        f"{file} cannot be read: {error.strerror or error}; copy the whole directory again, or use another checkpoint"
    )


def _config(path: Path, data: bytes) -> dict[str, Any]:
    try:
        config = _load_object(data)
        kind, known = config["model_type"], config["format"] == FORMAT
        if kind == "charrnn" and known:
            config["about"] = checked(config["about"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedError(
            f"{path / 'config.json'} cannot be read: {_first_line(error)}; use another checkpoint"
        ) from None
    if kind != "charrnn":
        raise CheckpointError(
            f"{path} is a model of type {ascii(kind)[:50]}, not of charrnn; use another one"
        )
    if not known:
        raise CheckpointError(
            f"{path} has format {ascii(config['format'])[:50]}, this version reads {FORMAT}; install the charrnn that wrote it"
        )
    return config


def _load(data: bytes) -> Tensors:
    if int.from_bytes(data[:8], "little") > MOST_HEADER:
        raise ValueError("the header of the tensors is longer than any model needs")
    return load(data)


def _save(tensors: Tensors) -> bytes:
    """Plain ``save`` mixes up the numbers of an array that is not contiguous."""
    return save({name: value.copy(order="C") for name, value in tensors.items()})


def _digest(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def _load_object(data: bytes) -> dict[str, Any]:
    value = strict_json.loads(data)
    if not isinstance(value, dict):
        raise TypeError("the top of the file is no object")
    return value


def _first_line(error: BaseException) -> str:
    return ascii(f"{type(error).__name__}: {error}".splitlines()[0][:200])[
        1:-1
    ]  # it may quote what a stranger wrote
