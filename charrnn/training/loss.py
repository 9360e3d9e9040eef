"""The loss of a batch, for training and evaluation alike."""

from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from charrnn.context_mixing.count_table import Predicted
from charrnn.corpus.batches import PADDING, Batch
from charrnn.training.model import CharRNN, Prediction


class Inputs(NamedTuple):
    """A batch as tensors on a device.

    Args:
        x, y, recalled: as in Batch.
        counted: what the counts predict at the T * B places.
        kept: (B, 1) bool, lanes that carry their state on; None if all do.
        is_fresh: whether no lane does.
        num_targets: the number of symbols that have a loss.
    """

    x: Tensor
    y: Tensor
    recalled: Tensor | None
    counted: Prediction | None
    kept: Tensor | None
    is_fresh: bool
    num_targets: int


def to_device(
    batch: Batch,
    device: torch.device | str,
    predicted: Predicted | None = None,
) -> Inputs:
    """Copy a batch to a device, with what the counts predict.

    Args:
        predicted: by other counts than the batch's own.
    """
    device = torch.device(device)
    recalled = None
    if batch.recalled is not None:
        recalled = _to(device, batch.recalled)
    if predicted is None and batch.counted is not None:
        predicted = batch.counted.predicted
    counted = None
    if predicted is not None:
        counted = Prediction(*(_to(device, array) for array in predicted))
    kept = None
    if batch.fresh.any():
        kept = _to(device, ~batch.fresh)[:, None]
    return Inputs(
        x=_to(device, batch.x),
        y=_to(device, batch.y),
        recalled=recalled,
        counted=counted,
        kept=kept,
        is_fresh=bool(batch.fresh.all()),
        num_targets=batch.num_targets,
    )


def batch_loss(model: CharRNN, inputs: Inputs, state: Tensor | None) -> tuple[Tensor, Tensor]:
    """Read a batch: the cross-entropy in nats, summed over its targets, and the state after it.

    Args:
        model: in the mode and precision that the caller chose.
        inputs: x (T, B), y (T, B); its fresh lanes start from a zero state.
        state: (L, P, B, H) after the previous batch; None for zeros.
    """
    return _read(model, inputs, state, "sum")


def symbol_losses(
    model: CharRNN,
    inputs: Inputs,
    state: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The same with the cross-entropy of each target: (T * B,), 0 where there is none."""
    return _read(model, inputs, state, "none")


def _read(
    model: CharRNN,
    inputs: Inputs,
    state: Tensor | None,
    reduction: str,
) -> tuple[Tensor, Tensor]:
    before = _carried(state, inputs)
    logits, state = model(inputs.x, before, inputs.recalled, inputs.counted)  # (T, B, V)
    loss = functional.cross_entropy(
        logits.flatten(0, 1),
        inputs.y.flatten(),
        ignore_index=PADDING,
        reduction=reduction,
    )
    return loss, state  # state: (L, P, B, H)


def _carried(state: Tensor | None, inputs: Inputs) -> Tensor | None:
    """The state a batch starts with: zeros in its fresh lanes."""
    if state is None or inputs.is_fresh:
        return None
    if inputs.kept is None:
        return state
    return state * inputs.kept


def _to(device: torch.device, array: NDArray[Any]) -> Tensor:
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)  # without waiting for the copy
