"""The loss of a batch, for training and evaluation alike."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from charrnn.context_mixing.count_table import Predicted
from charrnn.corpus.batches import PADDING, Batch
from charrnn.training.model import CharRNN, Prediction


def batch_loss(model: CharRNN, batch: Batch, state: Tensor | None) -> tuple[Tensor, Tensor]:
    """Read a batch: the cross-entropy in nats, summed over its targets, and the state after it.

    Args:
        model: in the mode and precision that the caller chose.
        batch: x (T, B), y (T, B); its fresh lanes start from a zero state.
        state: (L, P, B, H) after the previous batch; None for zeros.
    """
    predicted = None
    if batch.counted is not None:
        predicted = batch.counted.predicted
    return _read(model, batch, predicted, state, "sum")


def symbol_losses(
    model: CharRNN,
    batch: Batch,
    predicted: Predicted | None,
    state: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The same with the cross-entropy of each target: (T * B,), 0 where there is none.

    Args:
        predicted: what the counts predict, in place of the batch's own.
    """
    return _read(model, batch, predicted, state, "none")


def _read(
    model: CharRNN,
    batch: Batch,
    predicted: Predicted | None,
    state: Tensor | None,
    reduction: str,
) -> tuple[Tensor, Tensor]:
    device = model.head.weight.device
    x = _to(device, batch.x)
    y = _to(device, batch.y)
    recalled = None
    if batch.recalled is not None:
        recalled = _to(device, batch.recalled)
    counted = None
    if predicted is not None:
        counted = Prediction(*(_to(device, array) for array in predicted))
    before = _carried(state, batch)
    logits, state = model(x, before, recalled, counted)  # (T, B, V), (L, P, B, H)
    loss = functional.cross_entropy(
        logits.flatten(0, 1),
        y.flatten(),
        ignore_index=PADDING,
        reduction=reduction,
    )
    return loss, state


def _carried(state: Tensor | None, batch: Batch) -> Tensor | None:
    """The state a batch starts with: zeros in its fresh lanes."""
    if state is None or batch.fresh.all():
        return None
    if not batch.fresh.any():
        return state
    keep = _to(state.device, ~batch.fresh)[:, None]  # (B, 1)
    return state * keep


def _to(device: torch.device, array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(array).to(device)
