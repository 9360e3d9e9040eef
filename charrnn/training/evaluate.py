"""Static loss on a text: the weights stay as they are while it is read with carried state. Knows
nothing of training."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from charrnn import copy_window as recall
from charrnn.corpus.batches import PADDING, Records
from charrnn.errors import CheckpointError
from charrnn.storage.checkpoint import Checkpoint
from charrnn.training.model import CharRNN
from charrnn.vocab import Ids

CHUNK = (
    1024  # characters of a stream read at once, at most; the state is carried from chunk to chunk
)
MAX_RECORDS_TOGETHER = 256  # records read side by side, at most
MOST = 1 << 14  # symbols of records read side by side, at most
MOST_LOGITS = (
    1 << 23
)  # computed at once: 32 MiB in float32; fewer symbols are read at once where V is large


@dataclass(frozen=True)
class Evaluation:
    """A loss and what it was taken on.

    Args:
        characters: how many symbols were predicted; of records, the end of each among them.
        nats_per_character: their mean negative log-probability.
        records: how many there were; 0 of a running text.
    """

    characters: int
    nats_per_character: float
    records: int = 0

    @property
    def bits_per_character(self) -> float:
        return self.nats_per_character / math.log(2)

    @property
    def nats_per_record(self) -> float:
        """Of a whole record, its end counted."""
        return self.nats_per_character * self.characters / self.records


class Cancelled(Exception):  # noqa: N818, it is no error
    """An evaluation was asked to stop; its loss is not known."""


@torch.no_grad()
def evaluate(
    model: CharRNN,
    ids: Ids,
    prime: int,
    *,
    lanes: int = 1,
    records: bool = False,
    each: Callable[[int], object] = lambda _: None,
) -> Evaluation:
    """The static loss of a text, every symbol of it counted.

    Args:
        model: left in the mode in which it was.
        ids: (n,) the text.
        prime: id of the symbol that is read before the first.
        lanes: 1 reads the text in one stream; more cut it into so many pieces side by side, each
            read from a zero state after the symbol before it, which is faster and a little worse;
            what is recalled may stand in the piece before.
        records: the text is records, each with ``prime`` behind it and read from a zero state,
            whatever the lanes.
        each: called with the number of characters after each chunk; what it raises ends the
            evaluation.
    """
    if records:
        return _evaluate_records(model, ids, prime, each)
    device = model.head.weight.device
    lanes = max(1, min(lanes, len(ids) // CHUNK))
    length = -(-len(ids) // lanes)
    padded = np.full(lanes * length, -1, dtype=np.int64)
    padded[: len(ids)] = ids
    y = torch.from_numpy(padded.reshape(lanes, length).T.copy()).to(
        device
    )  # (n / lanes, lanes), -1 at the very end
    first = torch.cat([torch.tensor([prime], device=device), y[-1, :-1]])[
        None
    ]  # (1, lanes) what stands before each piece
    x = torch.cat([first, y[:-1]]).clamp(min=0)  # (n / lanes, lanes)
    recalled = (
        None
        if model.copy_window is None
        else _recalled(padded, lanes, prime, model.copy_window).to(device)
    )
    chunk = _chunk(lanes, model.head.out_features)
    training, state, total = model.training, None, 0.0
    model.eval()
    try:
        for start in range(0, length, chunk):
            here = slice(start, start + chunk)
            logits, state = model(x[here], state, None if recalled is None else recalled[here])
            total += functional.cross_entropy(
                logits.flatten(0, 1), y[here].flatten(), ignore_index=-1, reduction="sum"
            ).item()
            each(int((y[here] >= 0).sum()))
    finally:
        model.train(training)
    return Evaluation(len(ids), total / len(ids))


def _evaluate_records(
    model: CharRNN, ids: Ids, end: int, each: Callable[[int], object]
) -> Evaluation:
    """Records of like length side by side."""
    found = None if model.copy_window is None else recall.recall(ids, model.copy_window, end)
    layout = Records(ids, end, MAX_RECORDS_TOGETHER, 0, found)
    lengths = layout.ends - layout.starts + 1
    order = np.argsort(lengths, kind="stable")
    device, training, total, place = model.head.weight.device, model.training, 0.0, 0
    most = min(MOST, MOST_LOGITS // model.head.out_features)
    model.eval()
    try:
        while place < len(order):
            chosen = order[place : place + MAX_RECORDS_TOGETHER]
            fitting = (
                np.arange(1, len(chosen) + 1) * lengths[chosen] <= most
            )  # of long ones fewer at once
            chosen = chosen[: max(1, int(fitting.sum()))]
            batch, state = layout.lay_out(chosen, len(chosen)), None
            x, y = torch.from_numpy(batch.x).to(device), torch.from_numpy(batch.y).to(device)
            recalled = (
                None if batch.recalled is None else torch.from_numpy(batch.recalled).to(device)
            )
            chunk = _chunk(len(chosen), model.head.out_features)
            for start in range(0, len(x), chunk):
                here = slice(start, start + chunk)
                logits, state = model(x[here], state, None if recalled is None else recalled[here])
                total += functional.cross_entropy(
                    logits.flatten(0, 1), y[here].flatten(), ignore_index=PADDING, reduction="sum"
                ).item()
            place += len(chosen)
            each(int(lengths[chosen].sum()))
    finally:
        model.train(training)
    return Evaluation(len(ids), total / len(ids), len(order))


def _chunk(streams: int, vocab_size: int) -> int:
    """How many characters of each stream to read at once: CHUNK, or fewer where their logits would
    be more than MOST_LOGITS."""
    return max(1, min(CHUNK, MOST_LOGITS // (streams * vocab_size)))


def _recalled(padded: NDArray[np.int64], lanes: int, prime: int, window: int) -> Tensor:
    """What ``recall`` finds for each symbol that is read, in the text as it goes on over all lanes:
    (n / lanes, lanes, K)."""
    found = recall.recall(np.concatenate([[prime], padded[:-1].clip(min=0)]), window)
    return torch.from_numpy(found.reshape(lanes, -1, found.shape[1]).swapaxes(0, 1).copy())


def load_model(checkpoint: Checkpoint, device: str) -> CharRNN:
    """The PyTorch network of a checkpoint."""
    model = CharRNN(checkpoint.model, len(checkpoint.vocabulary)).to(device)
    load_weights(model, checkpoint)
    return model


def load_weights(model: CharRNN, checkpoint: Checkpoint) -> None:
    """Take over a checkpoint's weights.

    Raises:
        CheckpointError: a weight is missing, of another shape, or one too many.
    """
    try:
        model.load_state_dict(
            {name: torch.from_numpy(value.copy()) for name, value in checkpoint.weights.items()}
        )
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights are not those of the configuration: {' '.join(str(error).split())[:300]}; use another checkpoint"
        ) from None
