"""Adaptive loss: each piece of a text is scored, then learned from.

Dynamic evaluation (Mikolov et al. 2010, Krause et al. 2017): gradient steps scaled by the running
mean square of the gradients (RMSprop, Tieleman and Hinton 2012), with a decay toward the trained
weights, so that what was learned from a piece fades.

How fast to learn depends on the text, so several copies of the model learn at different rates, one
of them not at all. Their predictions are mixed, weighted by how well each predicted so far (fixed
share, Herbster and Warmuth 1998). All copies see the same counts of contexts, which are updated
after each symbol.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.config.arguments import ignore
from charrnn.context_mixing.count_table import CountTable
from charrnn.context_mixing.updated_counts import UpdatedCounts
from charrnn.copy_window import NOTHING, recall
from charrnn.corpus.batches import Batch
from charrnn.corpus.records import encode_known
from charrnn.errors import CheckpointError
from charrnn.storage.checkpoint import LARGEST_WEIGHT, Checkpoint, is_within
from charrnn.training.evaluate import Evaluation, OnProgress, load_model
from charrnn.training.loss import Inputs, symbol_losses, to_device
from charrnn.training.model import CharRNN
from charrnn.vocab import Ids

PIECE = 32  # characters between updates, and as far as gradients reach back
RATES = (0.0, 3e-4, 1e-3)  # learning rates of the copies
DECAY = 1e-3  # toward the trained weights, at each update
MEMORY = 0.999  # of the mean square
TINY = 1e-8
# Share of the weight that is divided equally after each symbol, so that a copy that was bad on one
# part of the text can be good on the next.
SHARE = 0.002


def adapt(
    model: CharRNN,
    ids: Ids,
    prime: int,
    *,
    records: bool = False,
    rates: Sequence[float] = RATES,
    updated: UpdatedCounts | None = None,
    on_progress: OnProgress = ignore,
) -> Evaluation:
    """The adaptive loss of a text; each symbol is scored before anything is learned from it.

    Args:
        model: afterwards, it has the weights of the copy that predicted the text best; its mode
            and its counts are not changed.
        ids: (n,) the text.
        prime: id of the symbol read before the first one.
        records: the text consists of records, each followed by ``prime`` and read from a zero
            state; no piece crosses the end of one.
        rates: learning rates of the copies of the model whose predictions are mixed.
        updated: the counts to update from the text; by default a copy of the model's.
        on_progress: called with the number of characters after each piece; an exception from it
            ends the reading.
    """
    end = prime if records else NOTHING
    learners = [_Learner(copy.deepcopy(model), rate) for rate in rates]
    mixture = _Mixture(len(learners))
    if updated is None and model.table is not None:
        updated = UpdatedCounts(model.table)
    losses = np.zeros(len(learners))
    total = 0.0
    with _differentiable_evaluation([learner.model for learner in learners]):
        for piece in _pieces(ids, prime, end, model, updated):
            scores = np.stack([learner.read(piece) for learner in learners])  # (K, T)
            total -= mixture.score(scores)
            losses -= scores.sum(1)
            on_progress(len(piece.y))
    best = learners[int(losses.argmin())]
    model.load_state_dict(best.model.state_dict())
    return Evaluation(len(ids), total / len(ids), int((ids == end).sum()))


class _Learner:
    """A copy of the model that learns from each piece of a text after it has scored it.

    Args:
        model: changed, unless the learning rate is 0.
        rate: the learning rate.
    """

    def __init__(self, model: CharRNN, rate: float) -> None:
        self.model = model
        self.weights = list(model.parameters())
        self.optimizer = _DecayingRMSprop(self.weights, rate) if rate else None
        self.state: Tensor | None = None  # (L, P, 1, H)

    def read(self, piece: Inputs) -> NDArray[np.float64]:
        """The log-probability of each symbol of a piece, (T,), given those before it."""
        with torch.set_grad_enabled(self.optimizer is not None):
            losses, state = symbol_losses(self.model, piece, self.state)  # (T,)
        self.state = state.detach()
        if self.optimizer is not None:
            gradients = torch.autograd.grad(losses.mean(), self.weights, allow_unused=True)
            self.optimizer.step(gradients)
        scores: NDArray[np.float64] = -losses.detach().double().cpu().numpy()
        return scores


class _Mixture:
    """A mixture of K predictions, weighted by how well each predicted so far."""

    def __init__(self, count: int) -> None:
        self.weights = np.full(count, 1 / count)

    def score(self, scores: NDArray[np.float64]) -> float:
        """The log-probability of some symbols, summed.

        Args:
            scores: (K, T) log-probabilities of each symbol by each copy.
        """
        total = 0.0
        for column in scores.T:  # (K,)
            largest = column.max()
            joint = self.weights * np.exp(column - largest)
            mixed = joint.sum()
            total += largest + np.log(mixed)
            self.weights = (1 - SHARE) * joint / mixed + SHARE / len(joint)
        return total


class _DecayingRMSprop:
    """RMSprop with a decay toward the initial weights."""

    def __init__(self, weights: Sequence[Tensor], rate: float) -> None:
        self.weights = weights
        self.rate = rate
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
            weight.addcdiv_(gradient, root, value=-self.rate)
            weight.lerp_(trained, DECAY)


@contextmanager
def _differentiable_evaluation(models: Sequence[CharRNN]) -> Iterator[None]:
    """Evaluation mode, without cuDNN, which computes gradients in training mode only."""
    cudnn_enabled = torch.backends.cudnn.enabled
    for model in models:
        model.eval()
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = cudnn_enabled


def _pieces(
    ids: Ids,
    prime: int,
    end: int,
    model: CharRNN,
    updated: UpdatedCounts | None,
) -> Iterator[Inputs]:
    """A text in pieces of up to PIECE symbols each; none crosses the end of a record.

    What the updated counts predict is part of them.
    """
    device = model.head.weight.device
    symbols = np.concatenate([[prime], ids]).astype(np.int64)  # (n + 1,)
    x = symbols[:-1, None]  # (n, 1)
    y = symbols[1:, None]  # (n, 1)
    starts = x[:, 0] == end  # (n,) after which a record begins
    recalled = None
    if model.copy_window is not None:
        recalled = recall(symbols[:-1], model.copy_window, end)[:, None]  # (n, 1, K)
    contexts = np.zeros(0, np.uint32)
    if updated is not None:
        contexts = updated.reader.of_text(symbols[:-1])  # (n, K)
    whole = Batch(x, y, np.ones(1, np.bool_), recalled)
    for first, last in _bounds(y == end):
        batch = replace(whole.steps(first, last), fresh=starts[first : first + 1])
        predicted = None
        if updated is not None:
            predicted = updated.read(contexts[first:last], batch.y[:, 0])
        yield to_device(batch, device, predicted)


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
) -> tuple[dict[str, NDArray[Any]], CountTable | None]:
    """A checkpoint's weights (float32, by name) and counts after it adapted to a text.

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
    updated = None
    if model.table is not None:
        updated = UpdatedCounts(model.table)
    adapt(
        model,
        ids,
        checkpoint.prime,
        records=records,
        updated=updated,
        on_progress=on_progress,
    )
    weights = {name: weight.numpy().copy() for name, weight in model.state_dict().items()}
    if not all(is_within(weight, LARGEST_WEIGHT) for weight in weights.values()):
        raise CheckpointError(
            "adapting to the text diverged: weights are no longer finite; use another checkpoint"
        )
    if updated is None:
        return weights, None
    return weights, updated.merge()
