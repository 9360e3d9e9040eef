"""EarlyStopping: when the validation loss has stopped improving."""

# A loss up to this times the best does not count as worse: it may still improve as the learning
# rate falls.
WORSE = 1.01


class EarlyStopping:
    """Counts the validations that were worse than the best one.

    Args:
        patience: stop after this many worse validations; None never stops.
    """

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.stale = 0  # worse validations since the best one

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.stale >= self.patience

    def update(self, val_loss: float, best: float, *, first_pass: bool) -> None:
        """Take a validation loss into account.

        Args:
            val_loss: the new one.
            best: the best one so far.
            first_pass: the text has not been read once yet, so the model cannot over-fit.
        """
        if val_loss < best or first_pass:
            self.stale = 0
        elif val_loss > WORSE * best:
            self.stale += 1
