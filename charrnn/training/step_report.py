"""Report: what one step of a run did. Knows nothing of how it was done."""

from dataclasses import dataclass
from pathlib import Path

from charrnn.training.evaluate import Evaluation


@dataclass(frozen=True)
class Report:
    """What one step did. Losses are in nats per character.

    Args:
        step: steps done, this one counted.
        steps: steps of the whole run.
        loss: of this step.
        learning_rate: of this step.
        grad_norm: before clipping.
        train_loss: mean since the last line of metrics.jsonl, where one was written with this step.
        val_loss: where one was taken: static, over parallel lanes, at most 50,000 characters.
        final: at the end of the run: the validation text (at most a million characters) in one
            stream, read by the best checkpoint.
        saved: the checkpoint that was committed with this step.
        trouble: what went wrong with the disk (a checkpoint or a line not written, an old one not
            removed), where training goes on.
        turned: whether the run ends here, before its last step, since the validation loss has
            turned.
        sample: a short text, put in by whoever can write one.
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
