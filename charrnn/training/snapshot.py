"""A run in progress as a checkpoint: enough to generate, and to resume bit for bit."""

from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from charrnn import __version__
from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.storage.checkpoint import LARGEST_WEIGHT, Checkpoint, is_within
from charrnn.training.loop import TrainingLoop

LARGEST_FLOAT = float(np.finfo(np.float32).max)


def snapshot(
    config: RunConfig,
    corpus: Corpus,
    loop: TrainingLoop,
    progress: dict[str, Any],
    about: dict[str, Any],
) -> Checkpoint:
    """A run as a checkpoint.

    Args:
        config: resolved.
        corpus: the text being learned.
        loop: its state after a step.
        progress: what the Trainer needs to continue, besides the loop's state.
        about: what the Trainer says about the run; its corpus is added.
    """
    return Checkpoint(
        vocabulary=corpus.vocabulary,
        model=config.model,
        weights=loop.weights(),
        prime=corpus.prime,
        about=about | _description(config, corpus, loop),
        table=corpus.table(config.model.counts),
        trainer={
            "config": config.flat(),
            "step": loop.step,
            **progress,
            "corpus": {
                "fingerprint": corpus.fingerprint,
                "characters": len(corpus),
                "symbols": len(corpus.vocabulary),
                "judged": corpus.max_judged,
            },
            "torch": torch.__version__,
        },
        trainer_tensors=loop.state_dict(),
    )


def _description(
    config: RunConfig,
    corpus: Corpus,
    loop: TrainingLoop,
) -> dict[str, Any]:
    """What a checkpoint says about its corpus and its network."""
    yardstick = corpus.yardstick
    return {
        "charrnn": __version__,
        "parameters": loop.num_parameters,
        "corpus": list(config.corpus),
        "data": asdict(config.data),
        "train_characters": len(corpus.train),
        "val_characters": len(corpus.val),
        "epochs": loop.step / loop.batches.steps_per_epoch,
        "records": corpus.record_summary,
        "yardstick": None if yardstick is None else asdict(yardstick),
        "unigram_loss": corpus.unigram_loss,
    }


def not_a_number(checkpoint: Checkpoint) -> str | None:
    """The name of a tensor with NaN or infinity, or of a weight too large to use, or None."""
    for name, value in checkpoint.weights.items():
        if not is_within(value, LARGEST_WEIGHT):
            return name
    for name, value in checkpoint.trainer_tensors.items():
        if not is_within(value, LARGEST_FLOAT):
            return name
    return None
