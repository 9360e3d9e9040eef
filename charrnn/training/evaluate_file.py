"""The loss of a checkpoint on a text file, static or adaptive."""

import math
from pathlib import Path
from typing import NamedTuple

from charrnn.config.arguments import ignore
from charrnn.config.run_config import DataConfig
from charrnn.corpus.reading import read
from charrnn.corpus.records import encode_known
from charrnn.corpus.skipped import Skipped, skipped_characters
from charrnn.errors import CheckpointError
from charrnn.storage import checkpoint as checkpoints
from charrnn.training.dynamic_evaluation import adapt
from charrnn.training.evaluate import Evaluation, OnProgress, evaluate, load_model


class FileEvaluation(NamedTuple):
    """The result of evaluating a file.

    Args:
        evaluation: the loss.
        skipped: what it does not include.
        notices: sentences for the user about how the file was read.
    """

    evaluation: Evaluation
    skipped: Skipped
    notices: tuple[str, ...]


def evaluate_file(
    path: Path,
    file: str,
    data: DataConfig,
    unknown: str,
    *,
    adaptive: bool = False,
    on_progress: OnProgress = ignore,
) -> FileEvaluation:
    """The loss of a checkpoint on a text file, in one stream, or record by record.

    A skipped character is left out of the text: it is not predicted, and the characters around it
    become neighbours. So is a record without any known character, with its end.

    Args:
        path: the checkpoint's directory.
        file: a path as ``charrnn train`` takes it.
        data: how to read it.
        unknown: what to do with a character the model has not seen: ``"error"``, ``"skip"`` or
            ``"replace"``.
        adaptive: learn from each piece after it is scored; otherwise weights and counts stay fixed.
        on_progress: called with the number of characters after each chunk.

    Raises:
        CharRNNError: the file or the checkpoint cannot be read, nothing of it is left, or a
            character is unknown.
    """
    checkpoint = checkpoints.read(path)
    vocabulary = checkpoint.vocabulary
    reading = read([file], data)
    ids, changes = encode_known(vocabulary, reading.text, data.separator, unknown, file)
    skipped = Skipped()
    if unknown == "skip":
        skipped = skipped_characters(vocabulary, reading.text, data.separator)
        changes = []  # a sentence on each character would be too much
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
    return FileEvaluation(evaluation, skipped, (*reading.notices, *changes))
