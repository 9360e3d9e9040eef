"""The loss of a checkpoint on a text file, static or adaptive."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from charrnn.config.arguments import ignore
from charrnn.config.run_config import DataConfig
from charrnn.corpus.reading import read
from charrnn.corpus.records import encode_known
from charrnn.corpus.separators import items
from charrnn.errors import CheckpointError
from charrnn.storage import checkpoint as checkpoints
from charrnn.training.dynamic_evaluation import adapt
from charrnn.training.evaluate import Evaluation, OnProgress, evaluate, load_model
from charrnn.vocab import Vocabulary, describe

MOST_FREQUENT = 10  # skipped characters that are listed


@dataclass(frozen=True)
class Skipped:
    """The characters of a file that were left out, because the model does not know them.

    Args:
        characters: their number.
        share: the same, as a share of the file's characters, without separators of records.
        records: the number of records of which nothing was left, and which were left out, too.
        most_frequent: the most frequent of them, each with its count; at most MOST_FREQUENT.
    """

    characters: int = 0
    share: float = 0.0
    records: int = 0
    most_frequent: tuple[tuple[str, int], ...] = ()

    def described(self, most: int) -> list[tuple[str, int]]:
        """The most frequent characters with code point and name, each with its count."""
        return [(describe(char), count) for char, count in self.most_frequent[:most]]


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
        skipped = _skipped(vocabulary, reading.text, data.separator)
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


def _skipped(vocabulary: Vocabulary, text: str | bytes, separator: str | None) -> Skipped:
    """What ``encode_known`` leaves out of a text."""
    if vocabulary.unit == "byte" or isinstance(text, bytes):
        return Skipped()
    known = {*vocabulary.symbols, *(char for char, _ in vocabulary.replaced)}
    counts: Counter[str] = Counter()
    num_characters = 0
    num_records = 0
    for _, item in items(text, separator):
        assert isinstance(item, str)
        num_characters += len(item)
        distinct = set(item)
        if distinct <= known:
            continue
        counts.update(item)
        if distinct.isdisjoint(known):
            num_records += 1
    unknown = Counter({char: count for char, count in counts.items() if char not in known})
    return Skipped(
        characters=unknown.total(),
        share=unknown.total() / max(1, num_characters),
        records=num_records,
        most_frequent=tuple(unknown.most_common(MOST_FREQUENT)),
    )
