"""Descriptions of checkpoints and runs as dictionaries, the JSON objects of ``charrnn info``."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from charrnn.advice.other_runs import OtherRun
from charrnn.advice.verdict import verdict
from charrnn.config.run_config import ModelConfig
from charrnn.errors import CharRNNError, CheckpointError, DamagedError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage import strict_json
from charrnn.storage.manifest import (
    TRAINER_FILES,
    check_size,
    first_line,
    load_object,
    read_manifest,
    read_verified,
)
from charrnn.storage.run import Run
from charrnn.vocab import Vocabulary


@dataclass(frozen=True)
class _Model:
    """What a description needs of a checkpoint.

    Args:
        sizes: of the network.
        vocabulary: the symbols.
        about: the metadata.
        sha256: of model.safetensors.
    """

    sizes: ModelConfig
    vocabulary: Vocabulary
    about: dict[str, Any]
    sha256: str


def describe_checkpoint(path: Path) -> dict[str, Any]:
    """The description of a checkpoint, and of the run it is in.

    Raises:
        CheckpointError: it cannot be read, or a file in it is damaged.
    """
    checkpoint = checkpoints.read(path)
    model = _Model(
        sizes=checkpoint.model,
        vocabulary=checkpoint.vocabulary,
        about=checkpoint.about,
        sha256=checkpoint.sha256,
    )
    return _describe(path, model)


def describe_run(run: Run, runs: Sequence[OtherRun] | None = None) -> dict[str, Any]:
    """The description of a run's best checkpoint; of a damaged run, what is wrong with it.

    The weights are not read, so that a hundred runs are described in a second or two: of their
    files only the sizes are checked.

    Args:
        run: the run.
        runs: those beside it, if they are known.
    """
    try:
        path = run.best()
        return _describe(path, _read_without_weights(path), runs)
    except CheckpointError as error:
        return {
            "run": run.path.name,
            "error": str(error),
            "problem": _problem(run, error),
            **_on_disk(run),
        }


def _problem(run: Run, error: CheckpointError) -> str:
    """What is wrong with a run, in a word or two."""
    if not run.steps():
        return "half removed" if run.is_half_removed() else "no checkpoint"
    return "damaged" if isinstance(error, DamagedError) else "unreadable"


def _describe(
    path: Path,
    model: _Model,
    runs: Sequence[OtherRun] | None = None,
) -> dict[str, Any]:
    run = Run(path.parent)
    step = model.about["step"]
    final = run.final()
    final_val_loss = None
    if final is not None and final.get("step") == step:
        final_val_loss = final.get("final_val_loss")
    judgement = verdict(run, runs) if _is_best(path, run) else None
    is_in_run = path in run.steps()
    return {
        "run": path.parent.name,
        "checkpoint": str(path),
        "cell": model.sizes.cell,
        "num_layers": model.sizes.num_layers,
        "hidden_size": model.sizes.hidden_size,
        "embedding_size": model.sizes.embedding_size,
        "copy_window": model.sizes.copy_window,
        "counts": model.sizes.counts,
        "dropout": model.sizes.dropout,
        "unit": model.vocabulary.unit,
        "vocab_size": len(model.vocabulary),
        "symbols": model.vocabulary.symbols,
        "sha256": model.sha256,
        "final_val_loss": final_val_loss,
        **model.about,
        "verdict": asdict(judgement) if judgement else None,
        "trained_steps": _last_step(run, step),
        # A checkpoint that was copied out of its run may be in any directory.
        **_on_disk(run if is_in_run else Run(path)),
    }


def _read_without_weights(path: Path) -> _Model:
    """A checkpoint's description of itself; of its other files only the sizes are checked.

    Raises:
        CheckpointError: it is missing, damaged, or of another format.
    """
    entries = read_manifest(path)
    has_trainer = any((path / name).exists() for name in TRAINER_FILES)
    for name, entry in entries.items():
        if has_trainer or name not in TRAINER_FILES:
            check_size(path, name, entry)
    config = checkpoints.read_about(path)
    entry = entries["tokenizer.json"]
    try:
        tokenizer = load_object(read_verified(path, "tokenizer.json", entry, strict_json.LONGEST))
        return _Model(
            sizes=ModelConfig(**config["model"]),
            vocabulary=checkpoints.vocabulary_of(tokenizer),
            about=config["about"],
            sha256=entries["model.safetensors"]["sha256"],
        )
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, CharRNNError, RecursionError) as error:
        raise DamagedError(
            f"{path} is not a checkpoint that this version can read: {first_line(error)}; "
            "check its files, or use another checkpoint"
        ) from None


def _is_best(path: Path, run: Run) -> bool:
    """Whether a checkpoint is the best of its run; one copied out of its run is not."""
    try:
        return path == run.best()
    except CheckpointError:
        return False


def _last_step(run: Run, default: int) -> int:
    """The last step a run saved."""
    steps = run.steps()
    if not steps:
        return default
    return int(steps[-1].name.removeprefix("step-"))


def _on_disk(run: Run) -> dict[str, Any]:
    """When a run's last checkpoint was saved, in UTC, and the bytes of all its files."""
    saved = run.last_saved()
    date = None
    if saved is not None:
        date = datetime.fromtimestamp(saved, UTC).isoformat(timespec="seconds")
    return {"saved": date, "disk_bytes": run.size() + Run(run.half_removed).size()}
