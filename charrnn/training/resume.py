"""Resumes a run: finds it and its checkpoint, and checks that it is still the same run."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from charrnn.config.cores import available_threads
from charrnn.config.run_config import RunConfig
from charrnn.context_mixing.count_table import CountTable
from charrnn.corpus.corpus import MAX_JUDGED, Corpus, RecordCorpus, Tell, read_corpus
from charrnn.corpus.reading import STDIN, default_name
from charrnn.errors import CheckpointError, CorpusError, DamagedError, ResumeError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.atomic import not_written
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.find_run import all_runs, check_runs_dir, find_checkpoint
from charrnn.storage.manifest import COUNTS
from charrnn.storage.run import RUNS_DIR, Run, read_yaml_beside
from charrnn.training.base import beginning_as, with_old_text, with_shared_counts
from charrnn.training.device import bf16_works, pick_device
from charrnn.training.lr_schedule import Schedule
from charrnn.training.resolve import threads_of
from charrnn.training.resumed_end import resumed_end
from charrnn.training.run_files import check_disk_space, write_config, write_records
from charrnn.training.time_budget import TimeBudget
from charrnn.training.trainer import Trainer, automatic_knobs

# Knobs that may change when a run is resumed; any other change would make it another run.
FREE = {
    "minutes",
    "steps",
    "eval_every",
    "save_every",
    "sample_every",
    "report_every",
    "patience",
    "keep",
    "on_save_error",
    "threads",
    "device",
    "name",
    "runs_dir",
    "val",  # the file may have moved; its text must be the same
}


def resume_run(
    given: Mapping[str, Any],
    text: str | bytes | None,
    tell: Tell,
    started: float,
) -> Trainer:
    """A Trainer that continues from a run's last usable checkpoint.

    Arguments and errors are those of ``launch``.
    """
    RunConfig.from_flat(given)  # checks the values
    run = _find(given, text)
    lock = run.lock()
    try:
        trainer = _resumed(run, given, text, tell, started)
    except BaseException as error:
        if lock is not None:
            lock.release()
        if isinstance(error, OSError):  # from removing, moving or truncating a file
            raise not_written(Path(error.filename or run.path), error) from None
        raise
    trainer.lock = lock
    return trainer


def _resumed(
    run: Run,
    given: Mapping[str, Any],
    text: str | bytes | None,
    tell: Tell,
    started: float,
) -> Trainer:
    run.clean()
    checkpoint = _newest(run, tell)
    assert checkpoint.trainer is not None
    stored = RunConfig.from_flat(checkpoint.trainer["config"])
    config = _changed(stored, given, run)
    known = ""
    if config.base is not None:
        known = checkpoint.vocabulary.symbols
    corpus = _corpus_of_run(
        run, config, text, known, has_new_corpus=bool(given.get("corpus")), tell=tell
    )
    if config.base is not None:
        corpus = _with_both_texts(run, checkpoint, corpus, config)
    _check_same_corpus(run, checkpoint, corpus)
    if isinstance(corpus, RecordCorpus) and not run.seen_records.exists():
        write_records(run, corpus, config.base)
        tell(f"{run.seen_records} was missing and has been recreated")
    _check_same_knobs(run, stored, given, corpus)
    config = _on_this_machine(config, stored)
    corpus = replace(corpus, max_judged=checkpoint.trainer["corpus"].get("judged", MAX_JUDGED))
    _restore_counts(run, checkpoint, config, corpus, tell)
    end = resumed_end(run, config, given, corpus, checkpoint, tell, started)
    config = end.config
    _tell_differences(stored, config, checkpoint, tell)
    budget = None
    if end.allowance is not None:
        budget = TimeBudget(end.allowance, time.monotonic())
    trainer = Trainer(config, corpus, run, budget, automatic_knobs(checkpoint))
    _restore(trainer, checkpoint, end.schedule)
    check_disk_space(trainer)
    _cut_metrics(trainer)
    write_config(run, config)
    tell(f"resuming {run.path} after step {trainer.step:,} of {trainer.steps:,}")
    return trainer


def _find(given: Mapping[str, Any], text: str | bytes | None) -> Run:
    """The run to resume: by name, by corpus, or the newest."""
    runs_dir = check_runs_dir(given.get("runs_dir", RunConfig().runs_dir))
    corpus = tuple(given.get("corpus", ()))
    if given.get("name"):
        run = Run(runs_dir / given["name"])
    elif corpus or text is not None:
        run = _run_of_corpus(runs_dir, corpus)
    else:
        run = next(iter(all_runs(runs_dir)), Run(runs_dir))
    if run.steps():
        return run
    names = ", ".join(other.path.name for other in all_runs(runs_dir)) or "none"
    what = "has no checkpoint yet" if run.config.exists() else "does not exist"
    advice = "with `overwrite=True`" if run.exists() else "without `resume=True`"
    raise ResumeError(
        f"nothing to resume: the run {run.path} {what} (runs in {runs_dir}: {names}); "
        f"start it {advice}"
    )


def _run_of_corpus(runs_dir: Path, corpus: tuple[str, ...]) -> Run:
    """The newest run trained on these files, or else the one named after them."""
    if corpus:
        for run in all_runs(runs_dir):
            if read_yaml_beside(run.config).get("corpus") == corpus:
                return run
    return Run(runs_dir / default_name(corpus))


def _newest(run: Run, tell: Tell) -> Checkpoint:
    """The last usable checkpoint; damaged ones are renamed, with a notice. Counts are not read."""
    newest = None
    for path in run.steps():
        try:
            newest = checkpoints.read(path, trainer=True, counts=False)
        except DamagedError as error:
            tell(f"{error}; it was renamed to {run.set_aside(path).name}")
        except CheckpointError as error:
            tell(f"{error}; it was skipped")
    if newest is None:
        raise ResumeError(
            f"nothing to resume: the run {run.path} has no usable checkpoint; "
            "start it again with `overwrite=True`"
        )
    return newest


def _restore_counts(
    run: Run,
    checkpoint: Checkpoint,
    config: RunConfig,
    corpus: Corpus,
    tell: Tell,
) -> None:
    """Recreate missing or damaged counts; a checkpoint whose counts cannot be is renamed.

    Raises:
        ResumeError: they cannot be recreated for the checkpoint to resume from.
    """
    table = corpus.table(config.model.counts)
    if table is None:
        return
    try:
        restored, lost = checkpoints.restore_counts(run.steps(), table)
    except CheckpointError as error:
        if config.train.on_save_error == "stop":
            raise
        tell(str(error))
        return
    for path in restored:
        tell(f"{path / COUNTS} was missing or damaged and has been recreated")
    chosen = run.step(checkpoint.about["step"])
    if chosen in lost:
        raise ResumeError(
            f"{chosen / COUNTS} is damaged, and counting the text again gives other counts; "
            "copy the file again, or start another run with `name`"
        )
    for path in lost:
        tell(
            f"{path / COUNTS} is damaged and cannot be recreated from this text; "
            f"{path} was renamed to {run.set_aside(path).name}"
        )


def _changed(stored: RunConfig, given: Mapping[str, Any], run: Run) -> RunConfig:
    """The run's configuration, with the given knobs that may change."""
    if stored.corpus == (STDIN,) and not given.get("corpus"):
        raise ResumeError(
            f"the run {run.path} read its text from standard input; "
            "pipe the same text in again, with - as the path"
        )
    changeable = FREE - {"name", "minutes"}
    changes = {name: value for name, value in given.items() if name in changeable}
    corpus = tuple(given.get("corpus") or stored.corpus)
    return stored.replace(**changes, name=run.path.name, corpus=corpus)


def _corpus_of_run(
    run: Run,
    config: RunConfig,
    text: str | bytes | None,
    known: str,
    *,
    has_new_corpus: bool,
    tell: Tell,
) -> Corpus:
    try:
        return read_corpus(config, text, tell, known)
    except CorpusError as error:
        if has_new_corpus or text is not None:
            raise
        raise ResumeError(
            f"the text of the run {run.path} cannot be read: {error}; "
            "if it was moved, give its new path"
        ) from None


def _with_both_texts(
    run: Run,
    checkpoint: Checkpoint,
    corpus: Corpus,
    config: RunConfig,
) -> Corpus:
    """The corpus of a run that continues from another, with the counts in its checkpoint.

    Those of the base's text cannot be counted again.
    """
    corpus = beginning_as(checkpoint, corpus)
    if config.train.rehearse:
        corpus = with_old_text(corpus, checkpoint.about["from"], config)
    if checkpoint.counts is None:
        return corpus
    return with_shared_counts(corpus, _counts_of_both_texts(run), config.model.counts)


def _counts_of_both_texts(run: Run) -> CountTable:
    """The counts in the newest checkpoint in which they are not damaged."""
    for path in reversed(run.steps()):
        with suppress(CheckpointError):
            table = checkpoints.read(path).table
            if table is not None:
                return table.copy()  # so that the run does not depend on the file
    raise ResumeError(
        f"the counts of {run.path} are damaged, and those of its base's text cannot be counted "
        f"again; copy {COUNTS} again, or start another run with `name`"
    )


def _check_same_corpus(run: Run, checkpoint: Checkpoint, corpus: Corpus) -> None:
    assert checkpoint.trainer is not None
    old = checkpoint.trainer["corpus"]
    if old["fingerprint"] == corpus.fingerprint:
        return
    difference = (
        f"{old['characters']:,} characters and {old['symbols']} symbols then, "
        f"{len(corpus):,} and {len(corpus.vocabulary)} now"
    )
    differing = set(checkpoint.vocabulary.symbols) ^ set(corpus.vocabulary.symbols)
    if differing:
        some = " ".join(map(repr, sorted(differing)[:8]))
        difference += f" (only in one of them: {some})"
    elif old["characters"] == len(corpus):
        difference += ", in another order or number"
    raise ResumeError(
        f"the text has changed since the run {run.path} started: {difference}; "
        "restore the old text, or start another run with `name`"
    )


def _check_same_knobs(
    run: Run,
    stored: RunConfig,
    given: Mapping[str, Any],
    corpus: Corpus,
) -> None:
    old = stored.flat()
    for name, value in _fitted(given, old, corpus).items():
        if name in FREE or name == "corpus" or value == "auto":
            continue
        if value != old[name]:
            raise ResumeError(
                f"`{name}` cannot be changed to {value!r}: the run {run.path} has {old[name]!r}; "
                "leave it out to resume, or start another run with `name`"
            )


def _fitted(given: Mapping[str, Any], old: Mapping[str, Any], corpus: Corpus) -> dict[str, Any]:
    """The given knobs as they were stored: with fitted batches and the path of the base."""
    wanted = dict(given)
    batch_size, sequence_length = corpus.fit_batch(
        wanted.get("batch_size", old["batch_size"]),
        wanted.get("sequence_length", old["sequence_length"]),
    )
    if "batch_size" in wanted:
        wanted["batch_size"] = batch_size
    if "sequence_length" in wanted:
        wanted["sequence_length"] = sequence_length
    if wanted.get("base") is not None and _is_same_base(wanted, old["base"]):
        wanted["base"] = old["base"]
    return wanted


def _is_same_base(given: Mapping[str, Any], stored: str | None) -> bool:
    """Whether the given base is the stored one, which need not exist any more."""
    if stored is None:
        return False
    checkpoint = Path(stored)
    try:
        path = find_checkpoint(given["base"], given.get("runs_dir", RUNS_DIR))
    except CheckpointError:
        return Path(given["base"]).name in (checkpoint.name, checkpoint.parent.name)
    return path.resolve().parent == checkpoint.resolve().parent


def _on_this_machine(config: RunConfig, stored: RunConfig) -> RunConfig:
    """Use the run's device, precision and threads, as far as this machine has them."""
    device = pick_device(config.train.device)
    precision = "fp32"
    if stored.train.precision == "bf16" and bf16_works(device):
        precision = "bf16"
    return config.replace(device=device, precision=precision, threads=threads_of(config))


def _tell_differences(
    stored: RunConfig,
    config: RunConfig,
    checkpoint: Checkpoint,
    tell: Tell,
) -> None:
    """Report what keeps the result from being identical to an uninterrupted run."""
    assert checkpoint.trainer is not None
    old = stored.train
    new = config.train
    for what, then, now in (
        ("PyTorch", checkpoint.trainer["torch"], str(torch.__version__)),
        ("device", old.device, new.device),
        ("precision", old.precision, new.precision),
        ("threads", old.threads, new.threads),
    ):
        if then != now:
            tell(
                f"the run was trained with {what} {then} and continues with {now}; the result is "
                "as good, but not bit for bit that of an uninterrupted run"
            )
    cores = available_threads()
    was_chosen = checkpoint.trainer.get("budget") is not None  # by timing several numbers
    if not was_chosen and old.threads == new.threads and new.threads != cores:
        tell(
            f"this machine has {cores} cores, but the run continues with `threads={new.threads}`, "
            "to stay reproducible bit for bit"
        )


def _restore(trainer: Trainer, checkpoint: Checkpoint, schedule: Schedule) -> None:
    try:
        trainer.restore(checkpoint, schedule)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        path = trainer.directory.step(checkpoint.about["step"])
        missing = str(error).splitlines()[0]
        raise ResumeError(
            f"{path} cannot be resumed: {missing} is missing or invalid; "
            "move it away to resume from an earlier checkpoint"
        ) from None


def _cut_metrics(trainer: Trainer) -> None:
    """Cut metrics.jsonl back to its length when the checkpoint was saved."""
    path = trainer.log.path
    size = path.stat().st_size if path.is_file() else 0
    if size < trainer.log.size:
        raise ResumeError(
            f"{path} has {size} bytes, but {trainer.log.size} were written by step {trainer.step}; "
            "restore the file, or start another run with `name`"
        )
    with open(path, "r+b" if size else "wb") as file:
        file.truncate(trainer.log.size)
