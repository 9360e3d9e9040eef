"""Curves: the losses and the learning rate of a run over the characters that it read."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from charrnn.errors import CharRNNError, CheckpointError
from charrnn.storage import strict_json
from charrnn.storage.checkpoint import read_about
from charrnn.storage.read_metrics import is_report
from charrnn.storage.run import Run, read_yaml_beside


@dataclass
class Curves:
    """What a run's metrics.jsonl has of each step.

    Args:
        name: of the run.
        characters: read in a step.
        train, val, rates: (step, value) of the training loss, the validation loss and the learning
            rate.
        best: the step and the validation loss of the best checkpoint; None without one.
        yardstick: the loss of the count-based baseline, if known.
        notices: what is missing.
    """

    name: str
    characters: float = 1.0
    train: list[tuple[int, float]] = field(default_factory=list)
    val: list[tuple[int, float]] = field(default_factory=list)
    rates: list[tuple[int, float]] = field(default_factory=list)
    best: tuple[int, float] | None = None
    yardstick: float | None = None
    notices: list[str] = field(default_factory=list)


def read_curves(run: Run) -> Curves:
    """The curves of a run, as far as its files can be read.

    Raises:
        CheckpointError: it has no metrics.
    """
    curves = Curves(run.path.resolve().name)
    num_damaged = _read_metrics(run.metrics, curves)
    if not curves.train:
        raise CheckpointError(f"{run.metrics} has no training loss yet; train the run for longer")
    if num_damaged:
        lines = "line" if num_damaged == 1 else "lines"
        curves.notices.append(f"{run.metrics}: skipped {num_damaged:,} damaged {lines}")
    if not curves.val:
        curves.notices.append(f"{curves.name}: no validation, so only its training loss is shown")
    _read_checkpoint(run, curves)
    return curves


def _read_metrics(path: Path, curves: Curves) -> int:
    """Add the lines of a file; returns the number of those that are damaged."""
    num_damaged = 0
    try:
        with open(path, "rb") as file:
            for line in file:
                try:
                    report = strict_json.loads(line)
                except (ValueError, RecursionError):
                    report = None
                if not is_report(report):
                    num_damaged += 1
                elif "train_loss" in report:
                    _add(curves, report)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    return num_damaged


def _add(curves: Curves, report: dict[str, Any]) -> None:
    step = report["step"]
    curves.train.append((step, report["train_loss"]))
    if report.get("val_loss") is not None:
        curves.val.append((step, report["val_loss"]))
    if report.get("learning_rate") is not None:
        curves.rates.append((step, report["learning_rate"]))


def _read_checkpoint(run: Run, curves: Curves) -> None:
    """Add what the best checkpoint says about the run."""
    settings = read_yaml_beside(run.config)
    size = settings.get("batch_size")
    length = settings.get("sequence_length")
    if type(size) is int and type(length) is int:
        curves.characters = size * length
    if not run.steps():
        curves.notices.append(f"{curves.name}: no checkpoint yet, so no best step is marked")
        return
    try:
        about = read_about(run.best())["about"]
    except CharRNNError as error:
        curves.notices.append(f"{curves.name}: no best step is marked: {error}")
        return
    if about["step"]:
        curves.characters = about["epochs"] * about["train_characters"] / about["step"]
    if about["val_loss"] is not None:
        curves.best = (about["step"], about["val_loss"])
    if about.get("yardstick"):
        curves.yardstick = about["yardstick"]["nats_per_character"]
