"""Static loss: a text is read with the state carried along, and fixed weights and counts."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from charrnn.config.arguments import ignore
from charrnn.context_mixing.counted_text import CountedPlaces, Selected, look_up
from charrnn.copy_window import recall
from charrnn.corpus.batches import PADDING, Batch, Records
from charrnn.errors import CheckpointError
from charrnn.storage.checkpoint import Checkpoint
from charrnn.training.loss import batch_loss, to_device
from charrnn.training.model import CharRNN
from charrnn.vocab import Ids

# Symbols that a lane reads before its piece, so that its loss is that of a single stream.
WARM_UP = 1024
CHUNK = 1024  # most characters of a stream read at once; the state is carried between chunks
MAX_RECORDS_TOGETHER = 256  # most records read in parallel
MAX_SYMBOLS_TOGETHER = 1 << 14  # most symbols of records read in parallel
# Most logits computed at once: 32 MiB in float32. Fewer symbols are read at once if V is large.
MAX_LOGITS = 1 << 23

OnProgress = Callable[[int], object]


@dataclass(frozen=True)
class Evaluation:
    """A loss, and the amount of text it was measured on.

    Args:
        characters: the number of symbols predicted, including the ends of records.
        nats_per_character: their mean negative log-probability.
        records: the number of records; 0 for continuous text.
    """

    characters: int
    nats_per_character: float
    records: int = 0

    @property
    def bits_per_character(self) -> float:
        return self.nats_per_character / math.log(2)

    @property
    def nats_per_record(self) -> float:
        """Loss of a whole record, including its end."""
        return self.nats_per_character * self.characters / self.records


class Cancelled(Exception):  # noqa: N818, not an error
    """An evaluation was stopped before its loss was known."""


@torch.no_grad()
def evaluate(
    model: CharRNN,
    ids: Ids,
    prime: int,
    *,
    lanes: int = 1,
    warm_up: int = 0,
    records: bool = False,
    learned: Selected | None = None,
    on_progress: OnProgress = ignore,
) -> Evaluation:
    """The static loss of a text, over all of its symbols.

    Args:
        model: its weights and mode are not changed.
        ids: (n,) the text.
        prime: id of the symbol read before the first one.
        lanes: 1 reads the text in one stream. More cut it into that many pieces, read in
            parallel, each from a zero state: faster, with a slightly higher loss. The copy
            window still sees the earlier pieces.
        warm_up: symbols before its piece that each lane reads first.
        records: the text consists of records, each followed by ``prime`` and read from a zero
            state; ``lanes`` is ignored.
        learned: for a part of the training text, its places: the counts of their surroundings are
            left out, as in training. None for other texts.
        on_progress: called with the number of characters after each chunk; an exception from it
            ends the evaluation.
    """
    num_records = 0
    if records:
        num_records = int((ids == prime).sum())
        batches = _record_batches(ids, prime, model, learned)
    else:
        batches = _lane_batches(ids, prime, lanes, warm_up, model, learned)
    device = model.head.weight.device
    was_training = model.training
    model.eval()
    state = None
    total = 0.0
    try:
        for batch in batches:
            loss, state = batch_loss(model, to_device(batch, device), state)
            total += loss.item()
            on_progress(batch.num_targets)
    finally:
        model.train(was_training)
    return Evaluation(len(ids), total / len(ids), num_records)


def _lane_batches(
    ids: Ids,
    prime: int,
    lanes: int,
    warm_up: int,
    model: CharRNN,
    learned: Selected | None,
) -> Iterator[Batch]:
    """A text cut into lanes that are read in parallel, chunk by chunk."""
    lanes = max(1, min(lanes, len(ids) // max(CHUNK, 4 * warm_up)))
    if lanes == 1:
        warm_up = 0
    piece = -(-(len(ids) - warm_up) // lanes)
    padded = np.full(warm_up + lanes * piece, PADDING, dtype=np.int64)
    padded[: len(ids)] = ids
    read = np.concatenate([[prime], padded[:-1].clip(min=0)])  # (n,) the symbol before each
    starts = piece * np.arange(lanes)
    places = np.arange(warm_up + piece)[:, None] + starts  # (T, lanes)
    x = read[places]
    y = padded[places]  # PADDING at the very end
    y[:warm_up, 1:] = PADDING  # an earlier lane predicts these
    recalled = None
    if model.copy_window is not None:
        recalled = recall(read, model.copy_window)[places]  # (T, lanes, K)
    counted = None
    if learned is not None:
        before = np.maximum(places - 1, 0)  # of the symbol that is read
        counted = learned[np.minimum(before, len(ids) - 1)]
    elif model.table is not None:
        counted = look_up(model.table, read)[places]
    whole = Batch(x, y, np.ones(lanes, np.bool_), recalled, counted)
    yield from _chunks(whole, model)


def _record_batches(
    ids: Ids,
    end: int,
    model: CharRNN,
    learned: Selected | None,
) -> Iterator[Batch]:
    """Whole records, those of similar length in parallel."""
    recalled = None
    if model.copy_window is not None:
        recalled = recall(ids, model.copy_window, end)
    counted: CountedPlaces | None = learned
    if counted is None and model.table is not None:
        counted = look_up(model.table, ids)
    layout = Records(ids, end, MAX_RECORDS_TOGETHER, 0, recalled, counted)
    lengths = layout.ends - layout.starts + 1
    order = np.argsort(lengths, kind="stable")
    max_symbols = min(MAX_SYMBOLS_TOGETHER, _max_symbols(model))
    place = 0
    while place < len(order):
        chosen = order[place : place + MAX_RECORDS_TOGETHER]
        counts = np.arange(1, len(chosen) + 1)
        symbols = counts * lengths[chosen]  # in the first records; the last is the longest
        fitting = int((symbols <= max_symbols).sum())
        count = max(1, fitting)
        batch = layout.lay_out(chosen[:count], count)
        yield from _chunks(batch, model)
        place += count


def _max_symbols(model: CharRNN) -> int:
    """The most symbols read at once, to stay within MAX_LOGITS."""
    return max(1, MAX_LOGITS // model.head.out_features)


def _chunks(batch: Batch, model: CharRNN) -> Iterator[Batch]:
    """A batch in pieces of CHUNK time steps, or fewer to stay within MAX_LOGITS."""
    T, B = batch.x.shape
    length = max(1, min(CHUNK, _max_symbols(model) // B))
    for start in range(0, T, length):
        yield batch.steps(start, start + length)


def load_model(checkpoint: Checkpoint, device: str) -> CharRNN:
    """The PyTorch network of a checkpoint."""
    model = CharRNN(checkpoint.model, len(checkpoint.vocabulary)).to(device)
    load_weights(model, checkpoint.weights)
    model.table = checkpoint.table
    return model


def load_weights(model: CharRNN, weights: dict[str, NDArray[Any]]) -> None:
    """Copy weights, by name, into a model.

    Raises:
        CheckpointError: one is missing, unexpected, or has another shape.
    """
    tensors = {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"the weights do not match the configuration: {reason}; use another checkpoint"
        ) from None
