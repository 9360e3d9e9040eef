"""Adaptive loss: each piece of a text is scored, then learned from.

Dynamic evaluation (Mikolov et al. 2010, Krause et al. 2017): gradient steps scaled by the running
mean square of the gradients (RMSprop, Tieleman and Hinton 2012), with a decay toward the trained
weights, so that what was learned from a piece fades.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.config.arguments import ignore
from charrnn.copy_window import NOTHING, recall
from charrnn.corpus.batches import Batch
from charrnn.corpus.records import encode_known
from charrnn.errors import CheckpointError
from charrnn.storage.checkpoint import LARGEST_WEIGHT, Checkpoint, is_within
from charrnn.training.evaluate import Evaluation, OnProgress, load_model
from charrnn.training.loss import batch_loss
from charrnn.training.model import CharRNN
from charrnn.vocab import Ids

PIECE = 32  # characters between updates, and as far as gradients reach back
LEARNING_RATE = 3e-4
DECAY = 1e-3  # toward the trained weights, at each update
MEMORY = 0.999  # of the mean square
TINY = 1e-8


def adapt(
    model: CharRNN,
    ids: Ids,
    prime: int,
    *,
    records: bool = False,
    on_progress: OnProgress = ignore,
) -> Evaluation:
    """The adaptive loss of a text; each symbol is scored before anything is learned from it.

    Args:
        model: its weights are changed toward the text; its mode is not.
        ids: (n,) the text.
        prime: id of the symbol read before the first one.
        records: the text consists of records, each followed by ``prime`` and read from a zero
            state; no piece crosses the end of one.
        on_progress: called with the number of characters after each piece; an exception from it
            ends the reading.
    """
    end = prime if records else NOTHING
    weights = list(model.parameters())
    optimizer = _DecayingRMSprop(weights)
    state = None
    total = 0.0
    with _differentiable_evaluation(model):
        for batch in _pieces(ids, prime, end, model.copy_window):
            count = len(batch.y)
            summed, state = batch_loss(model, batch, state)
            loss = summed / count
            gradients = torch.autograd.grad(loss, weights, allow_unused=True)
            state = state.detach()
            total += loss.item() * count
            optimizer.step(gradients)
            on_progress(count)
    return Evaluation(len(ids), total / len(ids), int((ids == end).sum()))


class _DecayingRMSprop:
    """RMSprop with a decay toward the initial weights."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self.weights = weights
        self.trained = [weight.detach().clone() for weight in weights]
        self.squares = [torch.zeros_like(weight) for weight in weights]
        self.steps = 0

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Update each weight that has a gradient."""
        self.steps += 1
        correction = 1 - MEMORY**self.steps
        rows = zip(self.weights, gradients, self.squares, self.trained, strict=True)
        for weight, gradient, square, trained in rows:
            if gradient is None:
                continue
            square.mul_(MEMORY).addcmul_(gradient, gradient, value=1 - MEMORY)
            root = (square / correction).sqrt_().add_(TINY)
            weight.addcdiv_(gradient, root, value=-LEARNING_RATE)
            weight.lerp_(trained, DECAY)


@contextmanager
def _differentiable_evaluation(model: CharRNN) -> Iterator[None]:
    """Evaluation mode, without cuDNN, which computes gradients in training mode only."""
    was_training = model.training
    cudnn_enabled = torch.backends.cudnn.enabled
    model.eval()
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        model.train(was_training)
        torch.backends.cudnn.enabled = cudnn_enabled


def _pieces(ids: Ids, prime: int, end: int, copy_window: int | None) -> Iterator[Batch]:
    """A text as batches of one lane: up to PIECE symbols each; none crosses the end of a record."""
    symbols = np.concatenate([[prime], ids]).astype(np.int64)  # (n + 1,)
    x = symbols[:-1, None]  # (n, 1)
    y = symbols[1:, None]  # (n, 1)
    starts = x[:, 0] == end  # (n,) after which a record begins
    recalled = None
    if copy_window is not None:
        recalled = recall(symbols[:-1], copy_window, end)[:, None]  # (n, 1, K)
    fresh = np.ones(1, np.bool_)
    whole = Batch(x, y, fresh, recalled)
    for first, last in _bounds(y == end):
        piece = whole.steps(first, last)
        yield replace(piece, fresh=starts[first : first + 1])


def _bounds(is_end: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Where each piece begins and stops."""
    ends = np.flatnonzero(is_end) + 1
    start = 0
    for stop in [*ends.tolist(), len(is_end)]:
        for first in range(start, stop, PIECE):
            last = min(first + PIECE, stop)
            yield first, last
        start = stop


def adapted(
    checkpoint: Checkpoint,
    text: str | bytes,
    unknown: str,
    *,
    on_progress: OnProgress = ignore,
    tell: Callable[[str], object] = ignore,
) -> dict[str, NDArray[Any]]:
    """The weights of a checkpoint after it adapted to a text, float32, by name.

    Args:
        checkpoint: the model to start from.
        text: the text to read.
        unknown: what to do with an unknown character: ``"error"``, ``"skip"`` or ``"replace"``.
        on_progress: as for ``adapt``.
        tell: called with a notice about each change made to the text.

    Raises:
        VocabularyError, CorpusError: a character is unknown, or the text is empty.
        CheckpointError: the weights are no longer finite.
    """
    separator = checkpoint.about["data"].get("separator")
    ids, changes = encode_known(checkpoint.vocabulary, text, separator, unknown)
    for change in changes:
        tell(change)
    model = load_model(checkpoint, "cpu")
    records = checkpoint.vocabulary.records
    adapt(model, ids, checkpoint.prime, records=records, on_progress=on_progress)
    weights = {name: weight.numpy().copy() for name, weight in model.state_dict().items()}
    if not all(is_within(weight, LARGEST_WEIGHT) for weight in weights.values()):
        raise CheckpointError(
            "adapting to the text diverged: weights are no longer finite; use another checkpoint"
        )
    return weights
