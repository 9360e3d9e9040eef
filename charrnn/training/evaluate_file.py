"""The loss of a checkpoint on a text file, static or adaptive."""

import math
from pathlib import Path

from charrnn.config.arguments import ignore
from charrnn.config.run_config import DataConfig
from charrnn.corpus.reading import read
from charrnn.corpus.records import encode_known
from charrnn.errors import CheckpointError
from charrnn.storage import checkpoint as checkpoints
from charrnn.training.dynamic_evaluation import adapt
from charrnn.training.evaluate import Evaluation, OnProgress, evaluate, load_model


def evaluate_file(
    path: Path,
    file: str,
    data: DataConfig,
    unknown: str,
    *,
    adaptive: bool = False,
    on_progress: OnProgress = ignore,
) -> tuple[Evaluation, tuple[str, ...]]:
    """The loss of a checkpoint on a text file, in one stream, or record by record.

    Args:
        path: the checkpoint's directory.
        file: a path as ``charrnn train`` takes it.
        data: how to read it.
        unknown: what to do with a character the model has not seen: ``"error"``, ``"skip"`` or
            ``"replace"``.
        adaptive: learn from each piece after it is scored; otherwise the weights stay fixed.
        on_progress: called with the number of characters after each chunk.

    Returns:
        the loss, and notices about the file.

    Raises:
        CharRNNError: the file or the checkpoint cannot be read, or a character is unknown.
    """
    checkpoint = checkpoints.read(path)
    vocabulary = checkpoint.vocabulary
    reading = read([file], data)
    ids, changes = encode_known(vocabulary, reading.text, data.separator, unknown, file)
    model = load_model(checkpoint, "cpu")
    score = adapt if adaptive else evaluate
    evaluation = score(
        model,
        ids,
        checkpoint.prime,
        records=vocabulary.records,
        on_progress=on_progress,
    )
    if not math.isfinite(evaluation.nats_per_character):
        raise CheckpointError(
            f"the loss of {path} on {file} is {evaluation.nats_per_character}; "
            "use another checkpoint"
        )
    return evaluation, (*reading.notices, *changes)
