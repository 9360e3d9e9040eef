"""Base: the model that a run continues from, fitted to another text.

Fine-tuning: the network keeps its sizes and weights. The new text's characters are added to the
vocabulary, and its counts to those of the earlier text.

    V  vocab_size    E  embedding_size    H  hidden_size    L  num_layers
"""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from charrnn.config.arguments import ignore
from charrnn.config.run_config import FURTHER_LEARNING_RATE, SIZES, DataConfig, RunConfig
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.count_table import CountTable
from charrnn.context_mixing.counting import (
    FOLDS,
    fold_counts,
    grow_table,
    merge_tables,
)
from charrnn.corpus.corpus import Corpus, read_corpus
from charrnn.corpus.reading import STDIN
from charrnn.errors import ConfigError, CorpusError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.find_run import find_checkpoint
from charrnn.storage.run import Run
from charrnn.training.device import settled
from charrnn.training.evaluate import load_model, load_weights
from charrnn.training.loop import TrainingLoop
from charrnn.vocab import Vocabulary

# Knobs of the text that the base was trained with as well.
READING = ("separator", "newlines", "normalize")

MOST_SHOWN = 20  # new characters in a sentence
SAMPLE = 2_000  # symbols that the base reads

Arrays = dict[str, NDArray[Any]]


class Base(NamedTuple):
    """A model to continue from.

    Args:
        path: of its checkpoint.
        checkpoint: the model.
    """

    path: Path
    checkpoint: Checkpoint

    @property
    def symbols(self) -> str:
        """Its characters."""
        return self.checkpoint.vocabulary.symbols

    @property
    def name(self) -> str:
        """Of its run, or of the directory of a checkpoint that is in no run."""
        if self.path in Run(self.path.parent).steps():
            return self.path.resolve().parent.name
        return self.path.resolve().name

    def lineage(self, loss: float | None = None, old_loss: float | None = None) -> dict[str, Any]:
        """What the checkpoints of the new run say about it.

        Args:
            loss: on the new text, before training; None without a validation part.
            old_loss: on the base's own text; None if it is not rehearsed.
        """
        return {
            "name": self.name,
            "step": self.checkpoint.about["step"],
            "sha256": self.checkpoint.sha256,
            "corpus": self.checkpoint.about["corpus"],
            "data": self.checkpoint.about["data"],
            "val_loss": loss,
            "old_val_loss": old_loss,
        }


def open_base(config: RunConfig) -> Base | None:
    """The model that a configuration continues from, if any.

    Raises:
        CheckpointError: it does not exist, or cannot be read.
    """
    if config.base is None:
        return None
    path = find_checkpoint(config.base, config.runs_dir)
    return Base(path, checkpoints.read(path))


def fit_to_base(config: RunConfig, given: Mapping[str, Any], base: Base) -> RunConfig:
    """Read the text as the base's was read, and use its network.

    Args:
        config: of the new run.
        given: the knobs that the user set, which must not contradict the base.
        base: to continue from.

    Raises:
        ConfigError: one of them does.
    """
    about = base.checkpoint.about["data"]
    needed: dict[str, Any] = {name: getattr(base.checkpoint.model, name) for name in SIZES}
    needed["unit"] = base.checkpoint.vocabulary.unit
    for name in READING:
        needed[name] = about.get(name, getattr(config.data, name))
    for name, value in needed.items():
        if name in given and given[name] != value:
            raise _contradicts(name, value, given[name], base)
    if config.data.column is not None and needed["separator"] is None:
        raise _contradicts("column", None, config.data.column, base)
    values = needed | {"base": str(base.path)}
    if "learning_rate" not in given:
        values["learning_rate"] = FURTHER_LEARNING_RATE
    return config.replace(**values)


def _contradicts(name: str, value: Any, given: Any, base: Base) -> ConfigError:
    if name in ("separator", "column") and base.checkpoint.vocabulary.records:
        reason = f"{base.path} writes records"
    elif name in ("separator", "column"):
        reason = f"{base.path} writes continuous text, not records"
    else:
        reason = f"that is what {base.path} has"
    return ConfigError(
        f"`{name}` must be {value!r}, got {given!r}: {reason}; leave it out, or train a new model "
        "without `base`"
    )


def fit_corpus(corpus: Corpus, base: Base, config: RunConfig) -> Corpus:
    """A corpus that begins as the base's texts do, with the counts of both texts.

    Args:
        corpus: its vocabulary begins with the base's symbols.
        base: to continue from.
        config: of the new run.

    Raises:
        CorpusError: the base's text is to be rehearsed, but cannot be read.
    """
    checkpoint = base.checkpoint
    corpus = beginning_as(checkpoint, corpus)
    if config.train.rehearse:
        corpus = with_old_text(corpus, base.lineage(), config)
    new = corpus.table(config.model.counts)
    if new is None or checkpoint.table is None:
        return corpus
    reader = Contexts(corpus.vocabulary)
    grown = grow_table(checkpoint.table, checkpoint.vocabulary.end, reader)
    return with_shared_counts(corpus, merge_tables(grown, new), config.model.counts)


def beginning_as(checkpoint: Checkpoint, corpus: Corpus) -> Corpus:
    """A corpus that begins as the texts of a checkpoint do, and replaces the same characters."""
    vocabulary = corpus.vocabulary
    known = set(vocabulary.symbols) | {char for char, _ in vocabulary.replaced}
    kept = [entry for entry in checkpoint.vocabulary.replaced if entry[0] not in known]
    replaced = (*vocabulary.replaced, *kept)
    corpus = replace(corpus, vocabulary=replace(vocabulary, replaced=replaced))
    if vocabulary.records:
        return corpus
    return replace(corpus, base_prime=checkpoint.prime)


def with_old_text(corpus: Corpus, lineage: Mapping[str, Any], config: RunConfig) -> Corpus:
    """A corpus that also has the text of the base, to rehearse it.

    Args:
        corpus: the new text.
        lineage: what is stored of the base.
        config: of the new run.

    Raises:
        CorpusError: the text cannot be read, has changed, or is too short.
    """
    try:
        data = DataConfig(**lineage["data"])
        paths = lineage["corpus"]
        if not paths or STDIN in paths:
            raise CorpusError("it was not read from files")
        old = read_corpus(
            RunConfig(corpus=tuple(paths), data=data), None, ignore, corpus.vocabulary.symbols
        )
        if old.vocabulary.symbols != corpus.vocabulary.symbols:
            raise CorpusError("it has changed: it has characters that the model does not know")
        needed = config.train.sequence_length * config.train.batch_size
        if not corpus.vocabulary.records and len(old.train) < needed:
            raise CorpusError(f"it has only {len(old.train):,} characters")
    except CorpusError as error:
        raise CorpusError(
            f"the text of {lineage['name']} cannot be rehearsed: {error}; "
            "restore it, or give `rehearse=0`"
        ) from None
    return replace(corpus, old=old, rehearse=config.train.rehearse)


def with_shared_counts(corpus: Corpus, table: CountTable, least: int | None) -> Corpus:
    """A corpus whose counts are those of both texts.

    Args:
        corpus: the new text, and the old one if it is rehearsed.
        table: the counts of both.
        least: a context that occurs less often is not counted.
    """
    counted = corpus.counted(least)
    assert counted is not None
    texts = [counted.counts]
    old = corpus.old
    if old is not None:
        old_counted = old.counted(least)
        assert old_counted is not None
        texts.append(old_counted.counts)
    assert least is not None
    shared = fold_counts(table, texts, least)
    if old is not None:
        old = replace(old, shared_counts=shared, first_fold=FOLDS, _counted={})
    return replace(corpus, shared_counts=shared, old=old, _counted={})


def loss_before(config: RunConfig, corpus: Corpus, weights: Arrays) -> float | None:
    """The base's loss on the validation part before training; None without one.

    Args:
        config: of the new run, fitted to the machine.
        corpus: the new text.
        weights: by ``grown_weights``.
    """
    if not len(corpus.val):
        return None
    loop = TrainingLoop(config.replace(minutes=None, steps=1), corpus)
    load_weights(loop.model, weights)
    assert isinstance(config.train.threads, int)
    with settled(config.train.threads, config.train.device):
        return loop.validate()


def in_words(corpus: Corpus, base: Base, loss: float | None) -> str:
    """The base, its loss on the new text, and the characters that it does not know."""
    words = str(base.path)
    if loss is not None:
        bits = loss / math.log(2)
        words += f"; before training, its loss on this text is {loss:.4f} ({bits:.3f} bits per "
        words += "character)"
    added = new_symbols(corpus.vocabulary, base)
    if not added:
        return words
    characters = "1 new character" if len(added) == 1 else f"{len(added):,} new characters"
    shown = json.dumps(added[:MOST_SHOWN], ensure_ascii=False)
    more = " and more" if len(added) > MOST_SHOWN else ""
    return f"{words}; {characters}: {shown}{more}"


def new_symbols(vocabulary: Vocabulary, base: Base) -> str:
    """The characters that the base does not know."""
    return vocabulary.symbols[len(base.symbols) :]


def grown_weights(corpus: Corpus, base: Base) -> Arrays:
    """The base's weights, with rows for the characters that it does not know.

    A new character is read as the most similar known one, else as the mean of all. Its probability
    does not depend on the context yet, and is about its share of the text.

    Args:
        corpus: the new text.
        base: to continue from.
    """
    old = base.checkpoint.vocabulary
    weights = dict(base.checkpoint.weights)
    added = new_symbols(corpus.vocabulary, base)
    if not added:
        return weights
    num_known = len(base.symbols)
    embedding = weights["embedding.weight"]  # (V, E)
    rows = []
    for char in added:
        similar = old.similar(char)
        row = embedding[old.symbols.index(similar)] if similar else embedding.mean(axis=0)
        rows.append(row)
    counts = corpus.counts[num_known : num_known + len(added)]
    shares = np.maximum(1, counts) / corpus.counts.sum()
    width = weights["head.weight"].shape[1]  # L·H
    new_rows = {
        "embedding.weight": np.stack(rows),
        "head.weight": np.zeros((len(added), width)),
        "head.bias": np.log(shares) + _log_normalizer(corpus, base),
    }
    for name, more in new_rows.items():
        known = weights[name]
        parts = (known[:num_known], more.astype(np.float32), known[num_known:])  # the end is last
        weights[name] = np.concatenate(parts)
    return weights


def _log_normalizer(corpus: Corpus, base: Base) -> float:
    """The mean logarithm of the sum of the base's exponentiated logits, on known characters.

    The logarithm of a probability is the logit minus this number.
    """
    ids = corpus.train[:SAMPLE].astype(np.int64)
    ids = ids[ids < len(base.symbols)]
    if not len(ids):
        return 0.0
    model = load_model(base.checkpoint, "cpu").eval()
    with torch.no_grad():
        logits, _ = model(torch.from_numpy(ids)[:, None])  # (T, 1, V)
    return float(torch.logsumexp(logits, dim=-1).mean())
