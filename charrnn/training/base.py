"""Base: the model that a run continues from, fitted to another text.

Fine-tuning: the network keeps its sizes and weights. The new text's characters are added to the
vocabulary, and its counts to those of the earlier text.

    V  vocab_size    E  embedding_size    H  hidden_size    L  num_layers
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.run_config import FURTHER_LEARNING_RATE, SIZES, RunConfig
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.counting import grow_table, merge_tables
from charrnn.corpus.corpus import Corpus
from charrnn.errors import ConfigError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.find_run import find_checkpoint
from charrnn.training.evaluate import load_weights
from charrnn.training.loop import TrainingLoop
from charrnn.vocab import Vocabulary

# Knobs of the text that the base was trained with as well.
READING = ("separator", "newlines", "normalize")

MOST_SHOWN = 20  # new characters in a sentence

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

    def lineage(self, loss: float | None) -> dict[str, Any]:
        """What the checkpoints of the new run say about it.

        Args:
            loss: on the new text, before training; None without a validation part.
        """
        return {
            "name": self.path.parent.name,
            "step": self.checkpoint.about["step"],
            "sha256": self.checkpoint.sha256,
            "val_loss": loss,
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
        reason = f"{base.path} writes records separated by {value!r}"
    elif name in ("separator", "column"):
        reason = f"{base.path} writes continuous text, not records"
    else:
        reason = f"{base.path} has `{name}={value!r}`"
    return ConfigError(
        f"`{name}` cannot be {given!r}: {reason}; leave it out, or train a new model without `base`"
    )


def fit_corpus(corpus: Corpus, base: Base, least: int | None) -> Corpus:
    """A corpus that begins as the base's texts do, with the counts of both texts.

    Args:
        corpus: its vocabulary begins with the base's symbols.
        base: to continue from.
        least: a context that occurs less often is not counted; None without counts.
    """
    checkpoint = base.checkpoint
    if not checkpoint.vocabulary.records:
        corpus = replace(corpus, base_prime=checkpoint.prime)
    new = corpus.table(least)
    if new is None or checkpoint.table is None:
        return corpus
    reader = Contexts(corpus.vocabulary)
    grown = grow_table(checkpoint.table, checkpoint.vocabulary.end, reader)
    return replace(corpus, all_counts=merge_tables(grown, new), _counted={})


def loss_before(config: RunConfig, corpus: Corpus, base: Base) -> float | None:
    """The base's loss on the validation part before training; None without one."""
    if not len(corpus.val):
        return None
    loop = TrainingLoop(config, corpus)
    load_weights(loop.model, grown_weights(corpus, base))
    return loop.validate()


def in_words(corpus: Corpus, base: Base, loss: float | None) -> str:
    """The base, its loss on the new text, and the characters that it does not know."""
    words = str(base.path)
    if loss is not None:
        words += f"; before training, its loss on this text is {loss:.4f}"
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

    A new character is read as the most similar known one, else as the mean of all. It is predicted
    as often as it occurs.

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
    log_shares = np.log(np.maximum(1, counts) / corpus.counts.sum())
    width = weights["head.weight"].shape[1]  # L·H
    new_rows = {
        "embedding.weight": np.stack(rows),
        "head.weight": np.zeros((len(added), width)),
        "head.bias": log_shares,
    }
    for name, more in new_rows.items():
        known = weights[name]
        parts = (known[:num_known], more.astype(np.float32), known[num_known:])  # the end is last
        weights[name] = np.concatenate(parts)
    return weights
