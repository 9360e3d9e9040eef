"""The other runs on the text of a run, so that nothing is proposed that was tried already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from charrnn.config.run_config import DataConfig, ModelConfig
from charrnn.errors import CharRNNError
from charrnn.storage.checkpoint import read_about
from charrnn.storage.find_run import all_runs
from charrnn.storage.run import Run

# What runs on the same text, read and split in the same way, agree in.
OF_THE_TEXT = ("corpus", "train_characters", "val_characters", "records")


@dataclass(frozen=True)
class OtherRun:
    """The best checkpoint of a run that was validated.

    Args:
        name: of the run.
        about: its metadata.
        model: its sizes and its dropout.
        passes: over the training text, so far.
        has_ended: whether the run has.
    """

    name: str
    about: Mapping[str, Any]
    model: Mapping[str, Any]
    passes: float
    has_ended: bool

    @property
    def val_loss(self) -> float:
        """Measured during training, on the same part of the validation text in each run."""
        return float(self.about["val_loss"])


def validated_runs(runs: Iterable[Run]) -> list[OtherRun]:
    """The best checkpoints of those of some runs that were validated and can be read."""
    readable = []
    for run in runs:
        try:
            other = _read(run)
        except (CharRNNError, OSError, KeyError, TypeError, ValueError):
            continue
        if other.about["val_loss"] is not None:
            readable.append(other)
    return readable


def _read(run: Run) -> OtherRun:
    config = read_about(run.best())
    about = config["about"]
    newest = int(run.steps()[-1].name.removeprefix("step-"))
    return OtherRun(
        name=run.path.name,
        about=about,
        model=vars(ModelConfig(**config["model"])),
        passes=about["epochs"] * newest / max(1, about["step"]),
        has_ended=run.final() is not None,
    )


def runs_beside(run: Run) -> list[OtherRun]:
    """The validated runs in the directory of a run; none if it cannot be listed."""
    try:
        return validated_runs(all_runs(run.path.parent))
    except OSError:
        return []


def of_the_same_text(
    name: str,
    about: Mapping[str, Any],
    runs: Sequence[OtherRun],
) -> list[OtherRun]:
    """Those of some runs that were trained on the text of the run of this name."""
    data = DataConfig(**about["data"])
    return [
        other
        for other in runs
        if other.name != name
        and all(other.about[key] == about[key] for key in OF_THE_TEXT)
        and DataConfig(**other.about["data"]) == data
    ]
