"""Writes the first files of a run, and checks the disk space for its checkpoints."""

import itertools
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.config.run_config import RunConfig
from charrnn.config.yaml import write_yaml
from charrnn.corpus.corpus import Corpus, RecordCorpus
from charrnn.errors import CheckpointError, RunExistsError
from charrnn.storage.atomic import free_bytes, write_file
from charrnn.storage.run import Run
from charrnn.storage.seen_records import read_seen_records, write_seen_records

if TYPE_CHECKING:
    from charrnn.training.trainer import Trainer

HEAD = (
    "# The resolved configuration of this run. "
    "`charrnn train --config config.yaml --name another` trains it again.\n"
)


def begin(run: Run, config: RunConfig, corpus: Corpus) -> None:
    """Write the first files of a run, or none if one of them fails."""
    try:
        write_config(run, config)
        write_records(run, corpus, config.base)
        write_file(run.metrics, b"")
    except BaseException:
        with suppress(RunExistsError, OSError):
            run.remove()
        raise


def write_config(run: Run, config: RunConfig) -> None:
    """Write config.yaml into a run's directory, which is created if needed."""
    write_file(run.config, (HEAD + write_yaml(config)).encode())


def write_records(run: Run, corpus: Corpus, base: str | None) -> None:
    """Write the set of the corpus's records, if any, so that sampling can tell new ones apart.

    Args:
        run: to which the file belongs.
        corpus: of the run.
        base: path of the checkpoint that it continues from; its run's records are added.
    """
    if not isinstance(corpus, RecordCorpus):
        return
    records: Iterable[str] = corpus.records()
    if base is not None:
        earlier = Run(Path(base).parent).seen_records
        with suppress(CheckpointError):  # a model that was shared comes without them
            records = itertools.chain(records, read_seen_records(earlier))
    write_seen_records(run.seen_records, records)


def check_disk_space(trainer: "Trainer") -> None:
    """Check that a run's checkpoints will fit on the disk.

    The run's own bytes count as free: a new run deletes them, a resumed one prunes.

    Raises:
        CheckpointError: they will not fit, unless ``on_save_error`` is ``"continue"``.
    """
    knobs = trainer.config.train
    path = trainer.directory.path
    size = _checkpoint_bytes(trainer)
    count = _checkpoints_kept(trainer)
    needed = count * size + _counts_bytes(trainer)
    available = free_bytes(trainer.directory.config) + trainer.directory.size()
    if needed > available and knobs.on_save_error == "stop":
        raise CheckpointError(
            f"{path} needs {needed / 2**20:,.1f} MiB for {count} checkpoints, but only "
            f"{available / 2**20:,.1f} MiB are free; free some space, lower `keep`, or choose "
            "another `runs_dir`"
        )


def _checkpoint_bytes(trainer: "Trainer") -> int:
    """Weights, their two moments, and the state of each lane (h and c)."""
    model = trainer.config.model
    lanes = trainer.config.train.batch_size
    state = 2 * lanes * model.num_layers * model.hidden_size
    return 4 * (3 * trainer.loop.num_parameters + state)


def _counts_bytes(trainer: "Trainer") -> int:
    """The counts of contexts, which all checkpoints share."""
    table = trainer.loop.model.table
    if table is None:
        return 0
    arrays = (table.contexts, table.starts, table.symbols, table.counts)
    return sum(array.nbytes for array in arrays)


def _checkpoints_kept(trainer: "Trainer") -> int:
    """The most that exist at once: the last ones, the best, and one being written."""
    knobs = trainer.config.train
    steps_left = trainer.steps - trainer.step
    if trainer.budget is not None:  # which adds checkpoints when its end moves
        return knobs.keep + 2
    still_to_come = 1
    for every in (knobs.save_every, knobs.eval_every):
        if isinstance(every, int):
            still_to_come += steps_left // every
    return min(knobs.keep, still_to_come) + 2
