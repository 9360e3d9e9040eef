"""A small checkpoint that needs no PyTorch, and processes that write it until they are killed or
fail. Used by several tests."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from charrnn.config.run_config import ModelConfig
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.run import Run
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

MODEL = ModelConfig(hidden_size=4, num_layers=1, embedding_size=2)
VOCABULARY = Vocabulary.of("\nab")


def example(step: int, val_loss: float | None = None) -> Checkpoint:
    """A checkpoint in which every number is its step."""
    weights = {
        name: np.full(shape, step, np.float32)
        for name, shape in shapes(MODEL, len(VOCABULARY)).items()
    }
    return Checkpoint(
        VOCABULARY,
        MODEL,
        weights,
        0,
        {"step": step, "steps": 10**6, "val_loss": val_loss},
        trainer={"step": step},
        trainer_tensors={"state": weights["head.bias"]},
    )


def save(run: Run, step: int, keep: int = 2) -> None:
    """Save like a trainer."""
    checkpoints.write(run.step(step), example(step))
    run.prune(keep)


def is_of(path: Path, step: int) -> bool:
    """Whether every number of a checkpoint is its step."""
    found = checkpoints.read(path, trainer=True)
    return found.trainer == {"step": step} and all(
        (weight == step).all() for weight in found.weights.values()
    )


def forked(work: Callable[[], None]) -> int:
    """The process id of a child that does some work and exits: with 0, or with 1 and a traceback if
    it raised."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
    raise AssertionError


def ended(child: int) -> int:
    """The exit code of a child, or minus the signal that killed it."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
