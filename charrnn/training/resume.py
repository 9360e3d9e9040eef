"""Going on with a run: which one, from which checkpoint, and whether it is still the same. Knows
nothing of new runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from charrnn.config.run_config import RunConfig
from charrnn.config.shell import command, option
from charrnn.corpus.batches import fit, fit_records
from charrnn.corpus.corpus import Corpus
from charrnn.corpus.reading import STDIN, default_name
from charrnn.errors import CheckpointError, CorpusError, DamagedError, ResumeError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.atomic import not_written
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.run import Run, all_runs, check_runs_dir, read_yaml_beside
from charrnn.storage.seen_records import write_seen_records
from charrnn.training.device import available_threads, bf16_works, pick_device
from charrnn.training.resolve import Tell, read_corpus, resolve_intervals, write_config
from charrnn.training.snapshot import check_room, restore
from charrnn.training.trainer import Trainer

# What may be another when a run is gone on with; all the rest would make it another run.
FREE = {
    "minutes", "steps", "eval_every", "save_every", "sample_every", "report_every", "patience", "keep", "on_save_error", "threads",
    "device", "name", "runs_dir",
}  # fmt: skip


def resume_run(given: Mapping[str, Any], text: str | bytes | None, tell: Tell) -> Trainer:
    """A Trainer that goes on where the run's last whole checkpoint stands; arguments and errors as
    for ``launch``."""
    RunConfig.from_flat(given)  # whatever is given must be possible
    run = _find(given, text)
    lock = run.lock()
    try:
        trainer = _resumed(run, given, text, tell)
    except BaseException as error:
        if lock is not None:
            lock.release()
        if isinstance(error, OSError):  # of what is cleaned away, set aside or cut off
            raise not_written(Path(error.filename or run.path), error) from None
        raise
    trainer.lock = lock
    return trainer


def _resumed(run: Run, given: Mapping[str, Any], text: str | bytes | None, tell: Tell) -> Trainer:
    run.clean()
    checkpoint = _newest(run, tell)
    assert checkpoint.trainer is not None
    stored = RunConfig.from_flat(checkpoint.trainer["config"])
    if stored.corpus == (STDIN,) and not given.get("corpus"):
        raise ResumeError(
            f"the run {run.path} read its text from standard input; pipe it in again, with - as the PATH"
        )
    free = {name: value for name, value in given.items() if name in FREE - {"name", "minutes"}}
    config = stored.replace(
        **free, name=run.path.name, corpus=tuple(given.get("corpus") or stored.corpus)
    )
    try:
        corpus = read_corpus(config, text, tell)
    except CorpusError as error:
        if given.get("corpus") or text is not None:
            raise
        raise ResumeError(
            f"the text of the run {run.path} cannot be read: {error}; or give its new place as the PATH"
        ) from None
    _same_corpus(run, checkpoint, corpus)
    if corpus.vocabulary.records and not run.seen_records.exists():  # of a run at its end too
        write_seen_records(run.seen_records, corpus.records())
        tell(f"{run.seen_records} was missing; it was written anew")
    _same_knobs(run, stored, given, corpus)
    device = pick_device(config.train.device)
    config = config.replace(
        device=device,
        precision="bf16" if stored.train.precision == "bf16" and bf16_works(device) else "fp32",
        threads=available_threads() if config.train.threads == "auto" else config.train.threads,
    )
    config = resolve_intervals(_with_end(run, stored, config, given.get("steps"), checkpoint, tell))
    _tell_differences(stored, config, checkpoint, tell)
    trainer = Trainer(config, corpus, run)
    try:
        restore(trainer, checkpoint)
    except (KeyError, RuntimeError, TypeError) as error:
        raise ResumeError(
            f"{run.step(checkpoint.about['step'])} lacks a piece that is needed to go on: {str(error).splitlines()[0]}; "
            "go on from another checkpoint"
        ) from None
    check_room(trainer, run.path, run.size())
    _cut_metrics(run, trainer)
    write_config(run, config)
    tell(f"going on with {run.path} after step {trainer.step:,} of {trainer.steps:,}")
    return trainer


def _find(given: Mapping[str, Any], text: str | bytes | None) -> Run:
    """The run to go on with: by name, by corpus, or the newest."""
    runs_dir = check_runs_dir(given.get("runs_dir", RunConfig().runs_dir))
    corpus = tuple(given.get("corpus", ()))
    if given.get("name"):
        run = Run(runs_dir / given["name"])
    elif corpus or text is not None:
        same = (
            other
            for other in all_runs(runs_dir)
            if corpus and read_yaml_beside(other.config).get("corpus") == corpus
        )
        run = next(same, Run(runs_dir / default_name(corpus)))
    else:
        run = next(iter(all_runs(runs_dir)), Run(runs_dir))
    if not run.steps():
        names = ", ".join(other.path.name for other in all_runs(runs_dir)) or "none"
        what = "has no checkpoint yet" if run.config.exists() else "does not exist"
        raise ResumeError(
            f"there is nothing to go on with: the run {run.path} {what} (runs in {runs_dir}: {names}); "
            f"start it {'with --overwrite' if run.exists() else 'without --resume'}"
        )
    return run


def _newest(run: Run, tell: Tell) -> Checkpoint:
    """The last checkpoint that can be gone on with; damaged ones are set aside, and said."""
    newest = None
    for path in run.steps():
        try:
            newest = checkpoints.read(path, trainer=True)
        except DamagedError as error:
            tell(f"{error}; it was set aside as {run.set_aside(path).name}")
        except CheckpointError as error:
            tell(f"{error}; it was passed over")
    if newest is None:
        raise ResumeError(
            f"there is nothing to go on with: no checkpoint of {run.path} is whole; start again with --overwrite"
        )
    return newest


def _same_knobs(run: Run, stored: RunConfig, given: Mapping[str, Any], corpus: Corpus) -> None:
    if given.get("minutes") is not None:
        raise ResumeError(
            f"minutes: {given['minutes']:g} is given, but the run {run.path} has its end at step {stored.train.steps}; "
            "leave it out to go on to there, or give --steps for another end"
        )
    old = stored.flat()
    wanted = dict(given)
    sizes = (
        wanted.get("batch_size", old["batch_size"]),
        wanted.get("sequence_length", old["sequence_length"]),
    )
    records = corpus.vocabulary.records
    sizes = (
        (fit_records(corpus.lengths(corpus.train), sizes[0]), sizes[1])
        if records
        else fit(len(corpus.train), *sizes)
    )
    wanted |= {
        name: size
        for name, size in zip(("batch_size", "sequence_length"), sizes, strict=True)
        if name in wanted
    }
    for name, value in wanted.items():
        if name not in FREE and name != "corpus" and value != old[name] and value != "auto":
            raise ResumeError(
                f"{name}: {value!r} is given, but the run {run.path} has {old[name]!r}; "
                "leave it out to go on, or start another run with --name"
            )


def _same_corpus(run: Run, checkpoint: Checkpoint, corpus: Corpus) -> None:
    assert checkpoint.trainer is not None
    old = checkpoint.trainer["corpus"]
    if old["fingerprint"] == corpus.fingerprint:
        return
    new = {"characters": len(corpus), "symbols": len(corpus.vocabulary)}
    gone = sorted(set(checkpoint.vocabulary.symbols) ^ set(corpus.vocabulary.symbols))
    what = f"{old['characters']:,} characters and {old['symbols']} symbols then, {new['characters']:,} and {new['symbols']} now"
    if gone:
        what += f" (in one of them only: {' '.join(map(repr, gone[:8]))})"
    elif old["characters"] == new["characters"]:
        what += ", but other ones"
    raise ResumeError(
        f"the corpus is not the one that the run {run.path} began with: {what}; bring the old text back, or start another run with --name"
    )


def _with_end(
    run: Run,
    stored: RunConfig,
    config: RunConfig,
    given_steps: int | None,
    checkpoint: Checkpoint,
    tell: Tell,
) -> RunConfig:
    """The configuration with the run's own end, or the later one that was given."""
    step, old, final = checkpoint.about["step"], stored.train.steps, run.final()
    assert old is not None
    end = given_steps or max(
        old, read_yaml_beside(run.config).get("steps") or 0
    )  # a later end may have been asked for and not reached
    if end < step:
        raise ResumeError(
            f"steps: {end} is given, but the run {run.path} is at step {step} already; give more"
        )
    patience, stale = config.train.patience, (checkpoint.trainer or {}).get("stale", 0)
    if step < end and final is not None and patience is not None and stale >= patience:
        raise ResumeError(
            f"the run {run.path} stopped at step {step} of {end}: the validation loss had turned, its best is at step {final['step']}; "
            f"`{_resuming(run, '--patience', 'none')}` continues anyway"
        )
    if step == end and (final is not None or config.data.val_fraction == 0):
        raise ResumeError(
            f"the run {run.path} is at its end, step {step} of {end}; `{_resuming(run, '--steps', str(2 * end))}` continues to a later one"
        )
    if end != old:
        tell(
            f"the end is now step {end:,}, it was {old:,}; the learning rate goes on as in a run of {end:,} steps"
        )
    return config.replace(steps=end)


def _resuming(run: Run, *flags: str) -> str:
    """The command that resumes a run with these flags."""
    return command(
        ["train", "--resume"],
        flags=[*option("--name", run.path.name), *flags, *run.runs_dir_option],
    )


def _tell_differences(
    stored: RunConfig, config: RunConfig, checkpoint: Checkpoint, tell: Tell
) -> None:
    """Say what makes the bits differ from those of the run without a break."""
    assert checkpoint.trainer is not None
    old, new = stored.train, config.train
    for what, then, now in (
        ("PyTorch", checkpoint.trainer["torch"], str(torch.__version__)),
        ("device", old.device, new.device),
        ("precision", old.precision, new.precision),
        ("threads", old.threads, new.threads),
    ):
        if then != now:
            tell(
                f"the run was trained with {what} {then}, and goes on with {now}: well, but not to the bit"
            )
    if old.threads == new.threads != available_threads():
        tell(
            f"this machine has {available_threads()} cores; the run goes on with --threads {new.threads}, to the bit"
        )


def _cut_metrics(run: Run, trainer: Trainer) -> None:
    """Bring metrics.jsonl back to what it was when the checkpoint was made."""
    size = run.metrics.stat().st_size if run.metrics.is_file() else 0
    if size < trainer.metrics_bytes:
        raise ResumeError(
            f"{run.metrics} has {size} bytes, {trainer.metrics_bytes} were written by step {trainer.step}; "
            "bring it back, or start another run with --name"
        )
    with open(run.metrics, "r+b" if size else "wb") as file:
        file.truncate(trainer.metrics_bytes)
