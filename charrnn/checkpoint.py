"""Checkpoint: a committed directory, safetensors and JSON, that is the whole model. No pickle.

    config.json  model.safetensors  tokenizer.json  generation_config.json      the model
    trainer.json  trainer.safetensors                                           to go on training; may be left out
    manifest.json                                                               size and SHA-256 of each, written last

Knows nothing of torch, and not how to train.
"""

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from charrnn.config import ModelConfig
from charrnn.errors import CharRNNError, CheckpointError
from charrnn.files import commit_directory
from charrnn.vocab import Vocabulary

FORMAT = 2
MANIFEST = "manifest.json"
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "generation_config.json")
TRAINER_FILES = ("trainer.json", "trainer.safetensors")

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
    config = {"model_type": "charrnn", "format": FORMAT, "model": asdict(checkpoint.model), "vocab_size": len(vocabulary)}
    files = {
        "config.json": _dump(config | {"about": checkpoint.about}),
        "model.safetensors": _save(checkpoint.weights),
        "tokenizer.json": _dump({"unit": vocabulary.unit, "symbols": vocabulary.symbols}),
        "generation_config.json": _dump({"prime": checkpoint.prime}),
    }
    if checkpoint.trainer is not None:
        files |= {"trainer.json": _dump(checkpoint.trainer), "trainer.safetensors": _save(checkpoint.trainer_tensors)}
    entries = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    files[MANIFEST] = _dump({"files": entries, "sha256": _digest(entries)})
    commit_directory(path, files)


def read(path: Path, *, trainer: bool = False) -> Checkpoint:
    """Open a checkpoint; every file that the manifest lists is verified before any is used.

    Args:
        path: a committed directory.
        trainer: also read what is needed to go on training.

    Raises:
        CheckpointError: missing, damaged, of another format, or (with ``trainer``) a model without trainer files.
    """
    entries = _manifest(path)
    shared = not any((path / name).exists() for name in TRAINER_FILES)  # somebody left them out to share the model
    if trainer and (shared or "trainer.json" not in entries):
        raise CheckpointError(
            f"{path} holds no trainer.json and trainer.safetensors: it is a model to share and cannot be trained on; start a new run"
        )
    files = {name: _verified(path, name, entry) for name, entry in entries.items() if not (shared and name in TRAINER_FILES)}
    try:
        config = _config(path, files["config.json"])
        tokenizer, generation = _load_json(files["tokenizer.json"]), _load_json(files["generation_config.json"])
        checkpoint = Checkpoint(
            vocabulary=Vocabulary(tokenizer["unit"], tokenizer["symbols"]),
            model=ModelConfig(**config["model"]),
            weights=load(files["model.safetensors"]),
            prime=int(generation["prime"]),
            about=config["about"],
            trainer=_load_json(files["trainer.json"]) if trainer else None,
            trainer_tensors=load(files["trainer.safetensors"]) if trainer else {},
            sha256=entries["model.safetensors"]["sha256"],
        )
        _check(path, checkpoint, config["vocab_size"])
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, CharRNNError, SafetensorError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is no checkpoint that this version can read: {_first_line(error)}; look at its files, or use another one"
        ) from None
    return checkpoint


def is_whole(path: Path) -> bool:
    """Whether the model in a checkpoint can be read."""
    try:
        read(path)
    except CheckpointError:
        return False
    return True


def read_about(path: Path) -> dict[str, Any]:
    """What a checkpoint says about itself, without reading its weights: ``config.json``, verified.

    Raises:
        CheckpointError: as ``read``.
    """
    return _config(path, _verified(path, "config.json", _manifest(path)["config.json"]))


def _check(path: Path, checkpoint: Checkpoint, vocab_size: int) -> None:
    vocabulary = checkpoint.vocabulary
    if len(vocabulary) != vocab_size or not 0 <= checkpoint.prime < vocab_size:
        raise CheckpointError(
            f"{path}: the vocabulary has {len(vocabulary)} symbols, the model {vocab_size}; "
            "the checkpoint is not of one piece, use another one"
        )
    for name, weight in checkpoint.weights.items():
        if weight.dtype != np.float32 or not np.isfinite(weight).all():
            raise CheckpointError(
                f"{path}: the weight {name} is {weight.dtype} or holds a value that is not a number; use another checkpoint"
            )


def _manifest(path: Path) -> dict[str, dict[str, Any]]:
    try:
        manifest = _load_json(_regular(path / MANIFEST).read_bytes())
        entries: dict[str, dict[str, Any]] = manifest["files"]
        names = set(entries)
        intact = manifest["sha256"] == _digest(entries) and set(MODEL_FILES) <= names <= {*MODEL_FILES, *TRAINER_FILES}
        intact = intact and all(entry.keys() == {"bytes", "sha256"} for entry in entries.values())
    except FileNotFoundError:
        raise CheckpointError(f"{path} is no checkpoint: it has no {MANIFEST}; give a run or a step-... directory") from None
    except (OSError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or _first_line(error)
        raise CheckpointError(f"{path / MANIFEST} cannot be read: {why}; use another checkpoint") from None
    if not intact:
        raise CheckpointError(f"{path / MANIFEST} is damaged: it does not match its own checksum; use another checkpoint")
    return entries


def _verified(path: Path, name: str, entry: Mapping[str, Any]) -> bytes:
    try:
        file = _regular(path / name)
        size = file.stat().st_size
        data = file.read_bytes() if size == entry["bytes"] else b""
    except OSError as error:
        raise CheckpointError(
            f"{path / name} cannot be read: {error.strerror or error}; copy the whole directory again, or use another checkpoint"
        ) from None
    if size != entry["bytes"]:
        raise CheckpointError(
            f"{path / name} is damaged: {size} bytes, {entry['bytes']} were written; copy it again, or use another checkpoint"
        )
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise CheckpointError(f"{path / name} is damaged: its SHA-256 is not the one written; copy it again, or use another checkpoint")
    return data


def _regular(path: Path) -> Path:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(None, "it is no regular file")
    return path


def _config(path: Path, data: bytes) -> dict[str, Any]:
    try:
        config = _load_json(data)
        kind, known = config["model_type"], config["format"] == FORMAT
        if not isinstance(config["about"], dict):
            raise TypeError("about is no object")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path / 'config.json'} cannot be read: {_first_line(error)}; use another checkpoint") from None
    if kind != "charrnn":
        raise CheckpointError(f"{path} is a model of type {kind!r}, not of charrnn; use another one")
    if not known:
        raise CheckpointError(f"{path} has format {config['format']!r}, this version reads {FORMAT}; install the charrnn that wrote it")
    return config


def _save(tensors: Tensors) -> bytes:
    """Plain ``save`` mixes up the numbers of an array that is not contiguous."""
    return save({name: value.copy(order="C") for name, value in tensors.items()})


def _dump(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False, sort_keys=True) + "\n").encode("utf-8", "surrogatepass")


def _digest(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def _load_json(data: bytes) -> dict[str, Any]:
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    value = json.loads(data.decode("utf-8", "surrogatepass"), parse_constant=refuse)
    if not isinstance(value, dict):
        raise TypeError("the top of the file is no object")
    return value


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
