"""Evidence: what is known of a trained run, on which its verdict rests."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from charrnn.advice.quality import quality
from charrnn.config.run_config import AUTO_COUNTS, RunConfig
from charrnn.errors import ConfigError
from charrnn.storage.checkpoint import read_about
from charrnn.storage.run import Run, read_yaml_beside

# The mean loss of N characters is uncertain. Its standard error, measured with a trained model as
# the standard deviation of the means of stretches of N characters of new text, was 0.55 nats for
# N = 10, 0.27 for 50, 0.20 for 100 and 0.12 for 1,000 (the losses of neighbours are correlated, so
# it falls more slowly than with the square root of N). With fewer characters than these, even
# memorizing cannot be told from chance.
FEWEST_CHARACTERS = 60
MOST_VAL_FRACTION = 0.5
# Longer config.yaml files are not read for a verdict.
MAX_CONFIG_BYTES = 32 << 10
MAX_CONFIG_ITEMS = 4_000  # names and values
TINY = 1e-9  # nats


@dataclass(frozen=True)
class Evidence:
    """What a run's best checkpoint, metrics and configuration say.

    Args:
        about: the metadata of the best checkpoint.
        knobs: the run's configuration.
        validations: the step and the loss of each validation, in order.
        loss: the validation loss of the best checkpoint; the final one, if it was measured.
        old_loss: of a run that rehearsed the text of another, its final loss on that.
        steps: the number of steps that the run should take.
        minutes: the minutes that it was given; None if the number of steps was.
        finished: whether the run has ended.
    """

    about: Mapping[str, Any]
    knobs: Mapping[str, Any]
    validations: Sequence[tuple[int, float]]
    loss: float
    steps: int
    minutes: float | None
    finished: bool
    old_loss: float | None = None

    @property
    def last_step(self) -> int:
        """The step of the last validation."""
        return self.validations[-1][0]

    @property
    def passes(self) -> float:
        """Passes over the training text until the last validation."""
        step = max(1, self.about["step"])
        return float(self.about["epochs"] * self.last_step / step)

    @property
    def planned_passes(self) -> float:
        """Passes over the training text if the run makes all of its steps."""
        return self.passes * self.steps / max(1, self.last_step)

    @property
    def has_ended(self) -> bool:
        """Whether it is finished, or has made all of its steps."""
        return self.finished or self.last_step >= self.steps

    @property
    def fall(self) -> float:
        """The share of the loss halfway by which the best one was lower."""
        halfway = self.validations[0][1]
        for step, loss in self.validations:
            if 2 * step > self.last_step:
                break
            halfway = loss
        return float(1 - self.about["val_loss"] / max(TINY, halfway))

    @property
    def rise(self) -> float:
        """The share of the loss by which the last validation was above the best one."""
        return float(self.validations[-1][1] / max(TINY, self.about["val_loss"]) - 1)

    @property
    def counting_loss(self) -> float | None:
        """That of counting which characters follow which, the yardstick, if it is known."""
        yardstick = self.about.get("yardstick")
        if yardstick is None:
            return None
        return float(yardstick["nats_per_character"])

    @property
    def quality(self) -> str | None:
        """A plain word for the loss; None for an older model, or for too simple a text."""
        if self.counting_loss is None or self.is_too_short:
            return None
        return quality(
            self.loss,
            self.about.get("unigram_loss"),
            self.counting_loss,
            has_words=self.about["records"] is None and self.about["data"]["unit"] == "char",
        )

    @property
    def is_too_short(self) -> bool:
        """Whether the validation part is too short to tell good from bad luck."""
        return bool(self.about["val_characters"] < FEWEST_CHARACTERS)

    @property
    def needed_val_fraction(self) -> float:
        """The share of the text that is long enough, in hundredths; 0 if half of it is not."""
        count = self.about["val_characters"]
        total = max(1, count + self.about["train_characters"])
        # Records that occur more than once are a smaller part of the validation than of the text.
        growth = FEWEST_CHARACTERS / max(1, count)
        needed = max(FEWEST_CHARACTERS / total, growth * self.knobs["val_fraction"])
        share = math.ceil(100 * needed) / 100
        return share if share <= MOST_VAL_FRACTION else 0.0


def evidence_of(run: Run) -> Evidence | None:
    """What is known of a run; None if its best checkpoint was not validated.

    Raises:
        CheckpointError: the run has no checkpoint, or one cannot be read.
    """
    best = read_about(run.best())
    # The run may have been extended since the best checkpoint.
    newest = read_about(run.steps()[-1])["about"]
    return gathered(
        about=best["about"],
        # what the checkpoint says itself, it says even if config.yaml is missing
        knobs=_stored_knobs(run) | best["about"]["data"] | _network(best["model"]),
        lines=run.validations(),
        final=run.final(),
        steps=newest["steps"],
        minutes=newest["minutes"],
    )


def gathered(
    about: Mapping[str, Any],
    knobs: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    final: Mapping[str, Any] | None,
    steps: int,
    minutes: float | None,
) -> Evidence | None:
    """Evidence from what a run's files say; None if its best checkpoint was not validated.

    Args:
        about: the metadata of the best checkpoint.
        knobs: the run's configuration.
        lines: of the metrics, those with a validation; others are ignored.
        final: the last line of the metrics of a finished run.
        steps: the number of steps that the run should take.
        minutes: that it was given; None if the number of steps was.
    """
    validated = [line for line in lines if line.get("val_loss") is not None]
    if about["step"] not in [line["step"] for line in validated]:
        return None
    loss = about["val_loss"]
    if final is not None and final["step"] == about["step"]:
        loss = final["final_val_loss"]
    return Evidence(
        about=about,
        knobs=knobs,
        validations=[(line["step"], line["val_loss"]) for line in validated],
        loss=loss,
        steps=steps,
        minutes=minutes,
        finished=final is not None,
        old_loss=(final or {}).get("final_old_val_loss"),
    )


def _network(model: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs of a network, without the counts, which older runs lack."""
    return {name: value for name, value in model.items() if name != "counts"}


def _stored_knobs(run: Run) -> dict[str, Any]:
    """The run's configuration; the defaults if it cannot be read."""
    stored = read_yaml_beside(run.config, MAX_CONFIG_BYTES, MAX_CONFIG_ITEMS)
    unchosen = {"counts": AUTO_COUNTS}  # in runs from before there were counts
    try:
        return RunConfig.from_flat(unchosen | stored).flat()
    except ConfigError:  # each knob is valid, but the combination is not
        return RunConfig.from_flat(unchosen).flat()
