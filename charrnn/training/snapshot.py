"""A Trainer as a checkpoint, and back: everything that is needed to generate and to go on to the
bit; and the room that a run's take."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from charrnn import __version__
from charrnn.errors import CheckpointError
from charrnn.storage.checkpoint import LARGEST_WEIGHT, Checkpoint, is_within
from charrnn.training.evaluate import load_weights

if TYPE_CHECKING:
    from charrnn.training.trainer import Trainer

LARGEST_FLOAT = float(np.finfo(np.float32).max)
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # of the optimizer, for each weight


def snapshot(trainer: Trainer, val_loss: float | None = None) -> Checkpoint:
    """The run as it stands; its validation loss where one was taken with this step."""
    corpus, state = trainer.corpus, trainer.state
    assert state is not None
    moments = {
        f"optimizer.{part}.{name}": to_array(trainer.optimizer.state[weight][part])
        for name, weight in trainer.model.named_parameters()
        for part in MOMENTS
    }
    return Checkpoint(
        vocabulary=corpus.vocabulary,
        model=trainer.config.model,
        weights=trainer.weights(),
        prime=corpus.prime,
        about={
            "charrnn": __version__,
            "step": trainer.step,
            "steps": trainer.steps,
            "val_loss": val_loss,
            "parameters": sum(weight.numel() for weight in trainer.model.parameters()),
            "corpus": list(trainer.config.corpus),
            "data": asdict(trainer.config.data),
            "train_characters": len(corpus.train),
            "val_characters": len(corpus.val),
            "epochs": trainer.step / trainer.layout.steps_per_epoch,
            "records": corpus.of_records,
            "yardstick": asdict(corpus.yardstick) if corpus.yardstick else None,
        },
        trainer={
            "config": trainer.config.flat(),
            "step": trainer.step,
            "loss_sum": trainer.loss_sum,
            "loss_count": trainer.loss_count,
            "stale": trainer.stale,
            "metrics_bytes": trainer.metrics_bytes,
            "unwritten": trainer.unwritten.decode(),
            "corpus": {
                "fingerprint": corpus.fingerprint,
                "characters": len(corpus),
                "symbols": len(corpus.vocabulary),
            },
            "torch": torch.__version__,
        },
        trainer_tensors=moments | {"state": to_array(state)},
    )


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Take over a checkpoint of the same configuration, every piece of it; a missing one is a
    KeyError, TypeError or RuntimeError."""
    assert checkpoint.trainer is not None
    kept = checkpoint.trainer
    trainer.step, trainer.stale, trainer.metrics_bytes = (
        kept["step"],
        kept["stale"],
        kept["metrics_bytes"],
    )
    trainer.unwritten = kept.get("unwritten", "").encode()  # which older checkpoints do not have
    trainer.last = replace(trainer.last, step=trainer.step)
    trainer.loss_sum, trainer.loss_count = kept["loss_sum"], kept["loss_count"]
    tensors = {
        name: torch.from_numpy(value.copy()) for name, value in checkpoint.trainer_tensors.items()
    }
    load_weights(trainer.model, checkpoint)
    for name, weight in trainer.model.named_parameters():
        parts = {part: tensors[f"optimizer.{part}.{name}"] for part in MOMENTS}
        if any(parts[part].shape != weight.shape for part in MOMENTS[1:]):
            raise KeyError(f"optimizer of {name}, of shape {tuple(weight.shape)}")
        trainer.optimizer.state[weight] = {
            part: value.to(trainer.device) for part, value in parts.items()
        }
    L, P, H = trainer.model.state_shape
    lanes = trainer.config.train.batch_size
    if tensors["state"].shape != (L, P, lanes, H):
        raise KeyError(f"state of {lanes} lanes")
    trainer.state = tensors["state"].to(trainer.device)


def not_a_number(checkpoint: Checkpoint) -> str | None:
    """The name of a tensor that holds NaN or infinity, or of a weight too large to be used; None if
    there is none."""
    for name, value in checkpoint.weights.items():
        if not is_within(value, LARGEST_WEIGHT):
            return name
    return next(
        (
            name
            for name, value in checkpoint.trainer_tensors.items()
            if not is_within(value, LARGEST_FLOAT)
        ),
        None,
    )


def check_room(trainer: Trainer, path: Path, there: int) -> None:
    """See that a run's checkpoints will fit on the disk.

    Args:
        trainer: of the run, at any step.
        path: the run's directory.
        there: bytes that the run has already, or that are given back before it begins.

    Raises:
        CheckpointError: they will not; not where ``--on-save-error continue`` was given.
    """
    knobs, sizes = trainer.config.train, [weight.numel() for weight in trainer.model.parameters()]
    one = 4 * (
        3 * sum(sizes)
        + 2 * knobs.batch_size * trainer.config.model.num_layers * trainer.config.model.hidden_size
    )
    left = trainer.steps - trainer.step
    to_come = 1 + sum(
        left // every for every in (knobs.save_every, knobs.eval_every) if isinstance(every, int)
    )
    count = min(knobs.keep, to_come) + 2  # the last ones, the best, and one that is being written
    free = shutil.disk_usage(
        next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    ).free
    if count * one > free + there and knobs.on_save_error == "stop":
        raise CheckpointError(
            f"{path}: {count} checkpoints of {one / 2**20:,.1f} MiB have to fit there, and {(free + there) / 2**20:,.1f} MiB "
            "are free; make room, give a smaller --keep, or another --runs-dir"
        )


def to_array(tensor: Tensor) -> Any:
    """A copy in memory of its own, float32."""
    return tensor.detach().to("cpu", torch.float32).numpy().copy()
