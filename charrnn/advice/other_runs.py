"""The other runs on the text of a run, so that nothing is proposed that was tried already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from charrnn.errors import CheckpointError
from charrnn.storage.checkpoint import read_about
from charrnn.storage.find_run import all_runs
from charrnn.storage.run import Run

# What runs on the same text, read and split in the same way, agree in.
OF_THE_TEXT = ("corpus", "data", "train_characters", "val_characters", "records")


@dataclass(frozen=True)
class OtherRun:
    """The best checkpoint of a run that was validated.

    Args:
        name: of the run.
        about: its metadata.
        model: its sizes and its dropout.
    """

    name: str
    about: dict[str, Any]
    model: dict[str, Any]

    @property
    def val_loss(self) -> float:
        """Measured during training, on the same part of the validation text in each run."""
        return float(self.about["val_loss"])

    @property
    def passes(self) -> float:
        """Passes over the text of the whole run, as it was planned."""
        step = max(1, self.about["step"])
        return float(self.about["epochs"] * self.about["steps"] / step)


def validated_runs(runs: Iterable[Run]) -> list[OtherRun]:
    """The best checkpoints of those of some runs that were validated and can be read."""
    found = []
    for run in runs:
        try:
            config = read_about(run.best())
        except CheckpointError:
            continue
        if config["about"]["val_loss"] is not None:
            found.append(OtherRun(run.path.name, config["about"], config["model"]))
    return found


def runs_beside(run: Run) -> list[OtherRun]:
    """The validated runs in the directory of a run."""
    return validated_runs(all_runs(run.path.parent))


def of_the_same_text(
    name: str,
    about: Mapping[str, Any],
    runs: Sequence[OtherRun],
) -> list[OtherRun]:
    """Those of some runs that were trained on the text of the run of this name."""
    return [
        other
        for other in runs
        if other.name != name and all(other.about[key] == about[key] for key in OF_THE_TEXT)
    ]
