"""Report: what one step of a run did."""

from dataclasses import dataclass
from pathlib import Path

from charrnn.training.evaluate import Evaluation


@dataclass(frozen=True)
class Report:
    """The result of one step. Losses are in nats per character.

    Args:
        step: steps done, including this one.
        steps: steps of the whole run.
        loss: of this step.
        learning_rate: of this step.
        grad_norm: before clipping.
        train_loss: the mean since the previous line of metrics.jsonl, if this step wrote one.
        val_loss: if this step measured it, on at most 50,000 characters read in parallel lanes.
        final: at the end of the run, the best checkpoint's loss on the validation text (at most
            a million characters).
        saved: the checkpoint that was saved at this step.
        trouble: a failure to write to disk, or to remove an old checkpoint, if training continues.
        turned: whether early stopping ends the run here.
        sample: a short generated text.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    grad_norm: float
    train_loss: float | None = None
    val_loss: float | None = None
    final: Evaluation | None = None
    saved: Path | None = None
    trouble: str | None = None
    turned: bool = False
    sample: str | None = None
