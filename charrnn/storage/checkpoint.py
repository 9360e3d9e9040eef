"""Checkpoint: a directory that holds a whole model, as safetensors and JSON.

    config.json  model.safetensors  tokenizer.json  generation_config.json
    counts.safetensors                   of a model with counts; all checkpoints of a run share it
    trainer.json  trainer.safetensors    to continue training; may be left out
    manifest.json                        size and SHA-256 of each; written last

None of the files is a pickle: a checkpoint is safe to open.
"""

import math
import re
import time
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.count_table import CountTable
from charrnn.errors import CharRNNError, CheckpointError, DamagedError
from charrnn.storage import strict_json
from charrnn.storage.atomic import commit_directory
from charrnn.storage.count_file import map_verified, open_counts, to_bytes
from charrnn.storage.manifest import (
    COUNTS,
    FILES,
    MANIFEST,
    TRAINER_FILES,
    Entries,
    first_line,
    load_object,
    make_entry,
    make_manifest,
    read_manifest,
    read_verified,
)
from charrnn.storage.metadata import checked_metadata
from charrnn.storage.weight_shapes import check_shapes, shapes
from charrnn.vocab import Vocabulary

# Another kind of context needs a new format, and drops the old one from READABLE: a resumed run
# counts its text again.
FORMAT = 3
READABLE = (2, 3)  # format 2 has no counts
UNCHANGED_AFTER = 2 * 10**9  # nanoseconds after which a changed file has a new time stamp
LARGEST_WEIGHT = 1e9  # far beyond any learned weight; larger ones could overflow in a step
MAX_HEADER_BYTES = 1 << 20  # for the names and shapes in a file of tensors

Tensors = dict[str, NDArray[Any]]


class StoredCounts(NamedTuple):
    """A file of counts in a checkpoint, and its entry in the manifest."""

    path: Path
    entry: dict[str, Any]

    def is_damaged(self) -> bool:
        """Whether the file is missing, or differs from its entry."""
        try:
            map_verified(self.path.parent, self.entry)
        except DamagedError:
            return True
        except CheckpointError:  # it cannot be read at the moment
            return False
        return False


@dataclass(frozen=True)
class Checkpoint:
    """Everything needed to generate text, or with a trainer to continue training.

    Args:
        vocabulary: the symbols.
        model: the sizes.
        weights: by name, float32.
        prime: id of the symbol that the network reads first if there is no prompt.
        about: what the model was trained on and how well it does, for ``info``; JSON values.
        table: the counts that are mixed in; None for a model without them, or if they were not
            opened.
        trainer: counters and configuration; None for a model to share.
        trainer_tensors: the optimizer's state, and the network's state in each lane.
        sha256: of model.safetensors; set when a checkpoint is read.
        counts: the file of the same counts in another checkpoint, to link to, and its entry in
            the manifest; set when a checkpoint is read.
    """

    vocabulary: Vocabulary
    model: ModelConfig
    weights: Tensors
    prime: int
    about: dict[str, Any]
    table: CountTable | None = None
    trainer: dict[str, Any] | None = None
    trainer_tensors: Tensors = field(default_factory=dict)
    sha256: str = ""
    counts: StoredCounts | None = None


def write(path: Path, checkpoint: Checkpoint) -> StoredCounts | None:
    """Commit a checkpoint as the directory ``path``.

    Returns:
        the file of its counts, for the next checkpoint of the run to link to.

    Raises:
        CheckpointError: it could not be written; nothing half-written is left.
    """
    vocabulary = checkpoint.vocabulary
    config = {
        "model_type": "charrnn",
        "format": FORMAT,
        "model": asdict(checkpoint.model),
        "vocab_size": len(vocabulary),
        "about": checkpoint.about,
    }
    tokenizer: dict[str, Any] = {"unit": vocabulary.unit, "symbols": vocabulary.symbols}
    if vocabulary.records:
        tokenizer["records"] = True
    if vocabulary.replaced:
        tokenizer["replaced"] = dict(vocabulary.replaced)
    files: dict[str, bytes | Path] = {
        "config.json": strict_json.dumps(config),
        "model.safetensors": _save(checkpoint.weights),
        "tokenizer.json": strict_json.dumps(tokenizer),
        "generation_config.json": strict_json.dumps({"prime": checkpoint.prime}),
    }
    if checkpoint.trainer is not None:
        files["trainer.json"] = strict_json.dumps(checkpoint.trainer)
        files["trainer.safetensors"] = _save(checkpoint.trainer_tensors)
    entries = {name: make_entry(data) for name, data in files.items() if isinstance(data, bytes)}
    counts = None
    if checkpoint.table is not None:
        stored = checkpoint.counts
        if stored is not None and stored.path.exists():
            files[COUNTS] = stored.path
            entries[COUNTS] = stored.entry
        else:
            data = to_bytes(checkpoint.table)
            files[COUNTS] = data
            entries[COUNTS] = make_entry(data)
        counts = StoredCounts(path / COUNTS, entries[COUNTS])
    files[MANIFEST] = make_manifest(entries)
    commit_directory(path, files, FILES)
    return counts


def restore_counts(paths: Iterable[Path], table: CountTable) -> tuple[list[Path], list[Path]]:
    """Recreate the counts of checkpoints in which the file is missing or damaged.

    The checkpoints of a run share the file, so damage to it affects all of them.

    Args:
        paths: the checkpoints.
        table: the counts of the run's text. Other counts cannot be recreated.

    Returns:
        the checkpoints that are whole again, and those that had other counts.

    Raises:
        CheckpointError: a file could not be written.
    """
    damaged = []
    for path in paths:
        with suppress(CheckpointError):
            entries = read_manifest(path)
            if COUNTS in entries and StoredCounts(path / COUNTS, entries[COUNTS]).is_damaged():
                damaged.append((path, entries))
    if not damaged:
        return [], []
    data = to_bytes(table)
    entry = make_entry(data)
    restored = list[Path]()
    lost = list[Path]()
    for path, entries in damaged:
        if entries[COUNTS] != entry:
            lost.append(path)
            continue
        files: dict[str, bytes | Path] = {
            name: path / name for name in FILES if (path / name).exists()
        }
        files[COUNTS] = restored[0] / COUNTS if restored else data
        files[MANIFEST] = files.pop(MANIFEST)  # written last
        commit_directory(path, files, FILES)
        restored.append(path)
    return restored, lost


def read(path: Path, *, trainer: bool = False, counts: bool = True) -> Checkpoint:
    """Open a checkpoint.

    Every file that the manifest lists is verified before it is used.

    Args:
        path: a committed directory.
        trainer: also read what is needed to continue training.
        counts: also open its counts; not needed for training, which counts its text again.

    Raises:
        CheckpointError: missing, damaged, of another format, or (with ``trainer``) a model without
            trainer files.
    """
    entries = read_manifest(path)
    if not any((path / name).exists() for name in TRAINER_FILES):
        # They were left out to share the model, though the manifest still lists them.
        entries = {name: entry for name, entry in entries.items() if name not in TRAINER_FILES}
    if trainer and "trainer.json" not in entries:
        raise CheckpointError(
            f"{path} cannot be trained further: it has no trainer.json and trainer.safetensors, "
            "as in a model that was shared; start a new run"
        )
    try:
        checkpoint, vocab_size = _read_files(path, entries, trainer, counts)
        _check_vocabulary(path, checkpoint, vocab_size)
        _check_weights(path, checkpoint, vocab_size)
    except CheckpointError:
        raise
    except MemoryError:
        raise CheckpointError(
            f"{path} does not fit into this machine's memory; "
            "close other programs, or use a smaller model"
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
            f"{path} is not a checkpoint that this version can read: {first_line(error)}; "
            "check its files, or use another checkpoint"
        ) from None
    return checkpoint


def _read_files(
    path: Path,
    entries: Entries,
    trainer: bool,
    counts: bool,
) -> tuple[Checkpoint, int]:
    """A checkpoint from its files, and its vocab_size; the caller checks both."""
    texts = {}
    for name, entry in entries.items():
        if name.endswith(".json"):
            texts[name] = read_verified(path, name, entry, strict_json.LONGEST)
    config = _parse_config(path, texts["config.json"])
    tokenizer = load_object(texts["tokenizer.json"])
    generation = load_object(texts["generation_config.json"])
    vocabulary = vocabulary_of(tokenizer)
    model = ModelConfig(**config["model"])
    if (model.counts is not None) != (COUNTS in entries):
        raise ValueError(f"{COUNTS} is missing, or the model has no counts")
    table = None
    stored = None
    if COUNTS in entries:
        stored = StoredCounts(path / COUNTS, entries[COUNTS])
        if counts:
            table = open_counts(path, entries[COUNTS], vocabulary)
    state = load_object(texts["trainer.json"]) if trainer else None
    limits = _size_limits(model, config["vocab_size"], texts.get("trainer.json"))
    tensors = {}
    for name, limit in limits.items():
        if name in entries:
            tensors[name] = read_verified(path, name, entries[name], limit)
    checkpoint = Checkpoint(
        vocabulary=vocabulary,
        model=model,
        weights=_load(tensors["model.safetensors"]),
        prime=generation["prime"],
        about=config["about"],
        table=table,
        trainer=state,
        trainer_tensors=_load(tensors["trainer.safetensors"]) if trainer else {},
        sha256=entries["model.safetensors"]["sha256"],
        counts=stored,
    )
    return checkpoint, config["vocab_size"]


def _size_limits(model: ModelConfig, vocab_size: int, trainer_json: bytes | None) -> dict[str, int]:
    """The maximum number of bytes in each file of tensors, by name."""
    weights = sum(map(math.prod, shapes(model, vocab_size).values()))
    state_bytes = _max_state_bytes(model, trainer_json)
    return {
        "model.safetensors": MAX_HEADER_BYTES + 4 * weights,
        "trainer.safetensors": MAX_HEADER_BYTES + 8 * weights + state_bytes,
    }


def _max_state_bytes(model: ModelConfig, trainer_json: bytes | None) -> int:
    """The maximum number of bytes of the network's state in a trainer's lanes."""
    if not trainer_json:
        return 0
    config = load_object(trainer_json).get("config")
    lanes = config.get("batch_size") if isinstance(config, dict) else None
    if not isinstance(lanes, int):
        return 0
    return 8 * model.num_layers * model.hidden_size * lanes


def is_whole(path: Path) -> bool:
    """Whether a checkpoint is undamaged, including its trainer files unless left out.

    Raises:
        CheckpointError: it could not be read, because the disk failed or memory ran out.
    """
    now = time.time_ns()
    dates = _file_dates(path)
    changed = max((date for *_, date in dates), default=now)
    if now - changed > UNCHANGED_AFTER:
        return _is_whole(path, dates)
    return _is_whole(path, now)  # a key that never occurs again, so it is always read


def _file_dates(path: Path) -> tuple[tuple[Any, ...], ...]:
    """Name, size and time stamps of each file in a directory; empty if it cannot be read."""
    dates = []
    try:
        for file in path.iterdir():
            info = file.lstat()
            dates.append((file.name, info.st_ino, info.st_size, info.st_ctime_ns, info.st_mtime_ns))
    except OSError:
        return ()
    return tuple(sorted(dates))


@lru_cache(1024)
def _is_whole(path: Path, dates: Hashable) -> bool:
    """Cached by the files' dates, since each save checks all checkpoints."""
    try:
        read(path)
    except DamagedError:
        return False
    return True


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary of a checkpoint, verified; its weights are not read.

    Raises:
        CheckpointError: as ``read``.
    """
    entry = read_manifest(path)["tokenizer.json"]
    data = read_verified(path, "tokenizer.json", entry, strict_json.LONGEST)
    try:
        return vocabulary_of(load_object(data))
    except (KeyError, TypeError, ValueError, CharRNNError, RecursionError) as error:
        raise DamagedError(
            f"{path / 'tokenizer.json'} is damaged: {error}; use another checkpoint"
        ) from None


def vocabulary_of(tokenizer: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary in a tokenizer.json.

    Raises:
        KeyError, TypeError, ValueError, VocabularyError: it is invalid.
    """
    replaced = tokenizer.get("replaced", {})
    if not isinstance(replaced, dict) or not all(isinstance(x, str) for x in replaced.values()):
        raise TypeError("replaced is not an object of strings")
    return Vocabulary(
        tokenizer["unit"],
        tokenizer["symbols"],
        tokenizer.get("records", False) is True,
        tuple(sorted(replaced.items())),
    )


def read_about(path: Path) -> dict[str, Any]:
    """``config.json`` of a checkpoint, verified; its weights are not read.

    Raises:
        CheckpointError: as ``read``.
    """
    entry = read_manifest(path)["config.json"]
    return _parse_config(path, read_verified(path, "config.json", entry, strict_json.LONGEST))


def _check_vocabulary(path: Path, checkpoint: Checkpoint, vocab_size: int) -> None:
    vocabulary = checkpoint.vocabulary
    surrogate = re.search("[\ud800-\udfff]", vocabulary.symbols)
    if surrogate:
        raise DamagedError(
            f"{path}: the vocabulary contains half a surrogate pair, U+{ord(surrogate[0]):04X}; "
            "use another checkpoint"
        )
    prime = checkpoint.prime
    prime_is_symbol = type(prime) is int and 0 <= prime < vocab_size
    if len(vocabulary) != vocab_size or not prime_is_symbol:
        raise DamagedError(
            f"{path} is inconsistent: its vocabulary has {len(vocabulary)} symbols, "
            f"its model {vocab_size}, and prime is {ascii(prime)[:50]}; use another checkpoint"
        )


def _check_weights(path: Path, checkpoint: Checkpoint, vocab_size: int) -> None:
    actual = {name: weight.shape for name, weight in checkpoint.weights.items()}
    try:
        check_shapes(checkpoint.model, vocab_size, actual)
    except CheckpointError as error:
        raise DamagedError(f"{path}: {error}") from None
    for name, weight in checkpoint.weights.items():
        if weight.dtype != np.float32:
            raise DamagedError(
                f"{path}: the weight {name} is {weight.dtype} instead of float32; "
                "use another checkpoint"
            )
        if not is_within(weight, LARGEST_WEIGHT):
            raise DamagedError(
                f"{path}: the weight {name} contains NaN or a value above {LARGEST_WEIGHT:.0e}; "
                "use another checkpoint"
            )


def is_within(array: NDArray[Any], largest: float) -> bool:
    """Whether no value is NaN or larger than ``largest``; allocates no second array."""
    return not array.size or bool(-largest <= array.min() and array.max() <= largest)


def _parse_config(path: Path, data: bytes) -> dict[str, Any]:
    try:
        config = load_object(data)
        model_type = config["model_type"]
        is_known_format = config["format"] in READABLE
        if model_type == "charrnn" and is_known_format:
            config["about"] = checked_metadata(config["about"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedError(
            f"{path / 'config.json'} cannot be read: {first_line(error)}; use another checkpoint"
        ) from None
    if model_type != "charrnn":
        raise CheckpointError(
            f"{path} is a model of type {ascii(model_type)[:50]}, not a charrnn model; "
            "use another checkpoint"
        )
    if not is_known_format:
        raise CheckpointError(
            f"{path} has format {ascii(config['format'])[:50]}, but this version reads "
            f"{READABLE[0]} to {FORMAT}; "
            "install the version of charrnn that wrote it"
        )
    return config


def _load(data: bytes) -> Tensors:
    if int.from_bytes(data[:8], "little") > MAX_HEADER_BYTES:
        raise ValueError("the header of the tensors is longer than any model needs")
    return load(data)


def _save(tensors: Tensors) -> bytes:
    """The bytes of a file of tensors."""
    # safetensors scrambles arrays that are not contiguous.
    return save({name: value.copy(order="C") for name, value in tensors.items()})
