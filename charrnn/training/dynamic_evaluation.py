"""Adaptive loss: each piece of a text is scored first, then learned from. Knows nothing of runs and
of training's own schedule.

Dynamic evaluation (Mikolov et al. 2010, Krause et al. 2017): gradient steps scaled by the running
mean square of the gradients (RMSprop, Tieleman and Hinton 2012), with a decay toward the trained
weights, so that what was learned from a piece fades.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from charrnn import copy_window as recall
from charrnn.corpus.records import encode_known
from charrnn.errors import CheckpointError
from charrnn.storage.checkpoint import LARGEST_WEIGHT, Checkpoint, is_within
from charrnn.training.evaluate import Evaluation, load_model
from charrnn.training.model import CharRNN
from charrnn.vocab import Ids

PIECE = 32  # characters between updates; gradients reach back so far
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
    each: Callable[[int], object] = lambda _: None,
) -> Evaluation:
    """The adaptive loss of a text, every symbol of it counted before anything is learned from it.

    Args:
        model: its weights are changed, and lean toward the text afterwards; left in the mode in
            which it was.
        ids: (n,) the text.
        prime: id of the symbol that is read before the first.
        records: the text is records, each with ``prime`` behind it and read from a zero state; no
            piece reaches over an end.
        each: called with the number of characters after each piece; what it raises ends the
            reading.
    """
    device = model.head.weight.device
    symbols = np.concatenate([[prime], ids]).astype(np.int64)
    x, y = (
        torch.from_numpy(symbols[:-1, None]).to(device),
        torch.from_numpy(symbols[1:]).to(device),
    )  # (n, 1), (n,)
    window, end = model.copy_window, prime if records else recall.NOTHING
    recalled = (
        None
        if window is None
        else torch.from_numpy(recall.recall(symbols[:-1], window, end))[:, None].to(device)
    )  # (n, 1, K)
    weights = list(model.parameters())
    trained = [weight.detach().clone() for weight in weights]
    squares = [torch.zeros_like(weight) for weight in weights]
    training, state, total = model.training, None, 0.0
    model.eval()
    cudnn, torch.backends.cudnn.enabled = (
        torch.backends.cudnn.enabled,
        False,
    )  # it goes back through a network in training only
    try:
        for number, here in enumerate(_pieces(symbols[1:], end)):
            if symbols[here.start] == end:
                state = None
            logits, state = model(x[here], state, None if recalled is None else recalled[here])
            loss = functional.cross_entropy(logits[:, 0], y[here])
            gradients = torch.autograd.grad(loss, weights, allow_unused=True)
            state, total = state.detach(), total + loss.item() * len(logits)
            with torch.no_grad():
                correction = 1 - MEMORY ** (number + 1)
                for weight, gradient, square, home in zip(
                    weights, gradients, squares, trained, strict=True
                ):
                    if gradient is not None:
                        square.mul_(MEMORY).addcmul_(gradient, gradient, value=1 - MEMORY)
                        weight.addcdiv_(
                            gradient, (square / correction).sqrt_().add_(TINY), value=-LEARNING_RATE
                        )
                        weight.lerp_(home, DECAY)
            each(len(logits))
    finally:
        model.train(training)
        torch.backends.cudnn.enabled = cudnn
    return Evaluation(len(ids), total / len(ids), int((ids == end).sum()))


def _pieces(ids: NDArray[np.int64], end: int) -> Iterator[slice]:
    """Up to PIECE symbols each, and none behind an end."""
    start = 0
    for stop in [*(np.flatnonzero(ids == end) + 1).tolist(), len(ids)]:
        yield from (slice(place, min(place + PIECE, stop)) for place in range(start, stop, PIECE))
        start = stop


def adapted(
    checkpoint: Checkpoint,
    text: str | bytes,
    unknown: str,
    *,
    each: Callable[[int], object] = lambda _: None,
    tell: Callable[[str], object] = lambda _: None,
) -> dict[str, NDArray[Any]]:
    """The weights of a checkpoint after reading a text so, float32 by name; ``tell`` is called with
    what was changed in the text.

    Raises:
        VocabularyError, CorpusError: a character is unknown, or nothing is left of the text.
        CheckpointError: the weights are no longer numbers.
    """
    ids, changes = encode_known(
        checkpoint.vocabulary, text, checkpoint.about["data"].get("separator"), unknown
    )
    for change in changes:
        tell(change)
    model = load_model(checkpoint, "cpu")
    adapt(model, ids, checkpoint.prime, records=checkpoint.vocabulary.records, each=each)
    weights = {name: weight.numpy().copy() for name, weight in model.state_dict().items()}
    if not all(is_within(weight, LARGEST_WEIGHT) for weight in weights.values()):
        raise CheckpointError(
            "the weights of this model are no longer numbers after it learned from the text; use another checkpoint"
        )
    return weights
