"""From what a user asked for to a Trainer: a new run, or one gone on with. Knows nothing of printing."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from charrnn import checkpoint as checkpoints
from charrnn.checkpoint import Checkpoint
from charrnn.config import RunConfig, knobs, read_yaml, write_yaml
from charrnn.config import DataConfig, ModelConfig, TrainConfig
from charrnn.corpus.batches import fit
from charrnn.corpus.reading import Reading, default_name, read
from charrnn.corpus.store import Corpus
from charrnn.errors import CheckpointError, ConfigError, ResumeError, RunExistsError
from charrnn.files import write_file
from charrnn.runs import Run, all_runs
from charrnn.training.device import available_threads, pick_device, pick_precision
from charrnn.training.timing import steps_for
from charrnn.training.trainer import Trainer

DEFAULT_MINUTES = 5.0
# What may be another when a run is gone on with; all the rest would make it another run.
FREE_ON_RESUME = {"minutes", "steps", "eval_every", "save_every", "sample_every", "report_every", "keep", "threads", "device", "name", "runs_dir"}
EVERY = {"report_every": 100, "eval_every": 10, "save_every": 10, "sample_every": 5}  # how often in a run, where auto

Tell = Callable[[str], None]


def launch(given: Mapping[str, Any], *, text: str | bytes | None = None, resume: bool = False, overwrite: bool = False, tell: Tell = lambda _: None) -> Trainer:
    """Make a run ready to train.

    Args:
        given: the knobs that somebody set, by name; the others have their defaults, or, on resuming, the run's values.
        text: the corpus itself, instead of ``given["corpus"]``.
        resume: go on with the run of that name, or of that corpus, or else the newest.
        overwrite: delete a run that stands in the way.
        tell: called with a sentence on whatever the user should know.

    Raises:
        CharRNNError: any of its kinds; nothing has been written or deleted then.
    """
    started = time.monotonic()
    if resume and overwrite:
        raise ConfigError("resume and overwrite: both are given; leave one of them out")
    if resume:
        return _resume(given, text, tell, started)
    config = RunConfig.from_flat(given)
    run = Run(Path(config.runs_dir) / (config.name or default_name(config.corpus)))
    if run.exists() and not overwrite:
        raise RunExistsError(f"the run {run.path} exists; --resume goes on with it, --name NAME starts another beside it, --overwrite deletes it")
    corpus = _corpus(config, text, tell)
    config = _resolve(config.replace(name=run.path.name), corpus, tell, started)
    if run.path.exists() and overwrite:
        run.remove()
    trainer = Trainer(config, corpus, run)
    _write_config(run, config)
    write_file(run.metrics, b"")
    return trainer


def _resume(given: Mapping[str, Any], text: str | bytes | None, tell: Tell, started: float) -> Trainer:
    run = _find(given, text)
    run.clean()
    checkpoint = _newest(run, tell)
    assert checkpoint.trainer is not None
    stored = RunConfig.from_flat(checkpoint.trainer["config"])
    _same_knobs(run, stored, given)
    config = stored.replace(**{name: value for name, value in given.items() if name in FREE_ON_RESUME - {"minutes", "steps"}}, name=run.path.name)
    config = config.replace(corpus=tuple(given.get("corpus") or stored.corpus))
    corpus = _corpus(config, text, tell)
    _same_corpus(run, checkpoint, corpus)
    config = _resolve_again(run, config, given, checkpoint, corpus, tell, started)
    trainer = Trainer(config, corpus, run)
    try:
        trainer.restore(checkpoint)
    except (KeyError, RuntimeError, TypeError) as error:
        raise ResumeError(f"{run.step(checkpoint.about['step'])} lacks a piece that is needed to go on: {str(error).splitlines()[0]}; go on from another checkpoint") from None
    _cut_metrics(run, trainer)
    _write_config(run, config)
    tell(f"going on with {run.path} after step {trainer.step:,} of {trainer.steps:,}")
    return trainer


def _find(given: Mapping[str, Any], text: str | bytes | None) -> Run:
    """The run to go on with: by name, by corpus, or the newest."""
    runs_dir = Path(given.get("runs_dir", RunConfig().runs_dir))
    corpus = tuple(given.get("corpus", ()))
    if given.get("name"):
        run = Run(runs_dir / given["name"])
    elif corpus or text is not None:
        run = Run(runs_dir / default_name(corpus))
        if not run.exists():
            run = next((other for other in all_runs(runs_dir) if _corpus_of(other) == corpus), run)
    else:
        run = next(iter(all_runs(runs_dir)), Run(runs_dir))
    if not run.steps():
        names = ", ".join(other.path.name for other in all_runs(runs_dir)) or "none"
        what = "has no checkpoint yet" if run.exists() else "does not exist"
        raise ResumeError(f"there is nothing to go on with: the run {run.path} {what} (runs in {runs_dir}: {names}); start it without --resume{' but with --overwrite' if run.exists() else ''}")
    return run


def _corpus_of(run: Run) -> tuple[str, ...]:
    try:
        return tuple(read_yaml(run.config.read_text(encoding="utf-8"), str(run.config)).get("corpus", ()))
    except (OSError, ValueError):
        return ()


def _newest(run: Run, tell: Tell) -> Checkpoint:
    """The last checkpoint that is whole; damaged ones are set aside, and said."""
    newest = None
    for path in run.steps():
        try:
            newest = checkpoints.read(path, trainer=True)
        except CheckpointError as error:
            tell(f"{error}; it was set aside as {run.set_aside(path).name}")
    if newest is None:
        raise ResumeError(f"there is nothing to go on with: no checkpoint of {run.path} is whole; start again with --overwrite")
    return newest


def _same_knobs(run: Run, stored: RunConfig, given: Mapping[str, Any]) -> None:
    RunConfig.from_flat(given)  # whatever is given must be possible
    old = stored.flat()
    for name, value in given.items():
        if name in FREE_ON_RESUME or name == "corpus" or value == old[name] or value == "auto":
            continue
        raise ResumeError(f"{name}: {value!r} is given, but the run {run.path} has {old[name]!r}; leave it out to go on, or start another run with --name")


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
    raise ResumeError(f"the corpus is not the one that the run {run.path} began with: {what}; bring the old text back, or start another run with --name")


def _corpus(config: RunConfig, text: str | bytes | None, tell: Tell) -> Corpus:
    if text is not None and config.corpus:
        raise ConfigError("corpus: both a path and text= are given; leave one of them out")
    reading = read(config.corpus, config.data) if text is None else Reading(text.encode() if isinstance(text, str) and config.data.unit == "byte" else text)
    for notice in reading.notices:
        tell(notice)
    return Corpus.of(reading.text, config.data.val_fraction)


def _resolve(config: RunConfig, corpus: Corpus, tell: Tell, started: float) -> RunConfig:
    """Every auto made a value: what is left is enough to make the same run again."""
    knobs = config.train
    batch_size, sequence_length = fit(len(corpus.train), knobs.batch_size, knobs.sequence_length)
    if (batch_size, sequence_length) != (knobs.batch_size, knobs.sequence_length):
        tell(
            f"{len(corpus.train):,} characters to train on are too few for batches of {knobs.batch_size} x {knobs.sequence_length}; "
            f"took --batch-size {batch_size} --sequence-length {sequence_length}"
        )
    device = pick_device(knobs.device)
    config = config.replace(
        batch_size=batch_size,
        sequence_length=sequence_length,
        device=device,
        precision=pick_precision(knobs.precision, device, config.model.cell),
        threads=available_threads() if knobs.threads == "auto" else knobs.threads,
    )
    if knobs.steps is None:
        minutes = knobs.minutes or DEFAULT_MINUTES
        steps = steps_for(minutes * 60 - (time.monotonic() - started), config, corpus)
        tell(f"{steps:,} steps fit into {minutes:g} minutes on this machine")
        config = config.replace(minutes=None, steps=steps)
    return _every(config)


def _resolve_again(run: Run, config: RunConfig, given: Mapping[str, Any], checkpoint: Checkpoint, corpus: Corpus, tell: Tell, started: float) -> RunConfig:
    """As _resolve, for a run that is gone on with: its own values, but for what may be another."""
    step, steps = checkpoint.about["step"], config.train.steps
    assert isinstance(steps, int)
    config = config.replace(device=pick_device(config.train.device))
    _tell_threads(config, given, checkpoint, tell)
    config = config.replace(threads=available_threads() if config.train.threads == "auto" else config.train.threads)
    end = given.get("steps") or steps
    if given.get("minutes"):
        end = step + steps_for(given["minutes"] * 60 - (time.monotonic() - started), config, corpus)
    if end < step:
        raise ResumeError(f"steps: {end} is given, but the run {run.path} is at step {step} already; give more")
    if step == end and (run.final() is not None or not len(corpus.val)):
        raise ResumeError(f"the run {run.path} is at its end, step {step} of {end}; `--resume --steps {2 * end}` goes on to a later one")
    if end != steps:
        tell(f"the end is now step {end:,}, it was {steps:,}; the learning rate goes on as in a run of {end:,} steps")
    return _every(config.replace(steps=end))


def _tell_threads(config: RunConfig, given: Mapping[str, Any], checkpoint: Checkpoint, tell: Tell) -> None:
    assert checkpoint.trainer is not None
    old = checkpoint.trainer["config"]["threads"]
    if "threads" in given and config.train.threads != old:
        tell(f"the run was trained with --threads {old}; with another number it goes on well, but not to the bit")
    elif available_threads() != old:
        tell(f"this machine has {available_threads()} cores; the run goes on with its {old} threads, so that it stays exact to the bit")
    for what, then, now in (("PyTorch", checkpoint.trainer["torch"], torch.__version__), ("device", checkpoint.trainer["config"]["device"], config.train.device)):
        if then != now:
            tell(f"the run was trained with {what} {then}, this is {now}; it goes on well, but not to the bit")


def _every(config: RunConfig) -> RunConfig:
    """The intervals that are auto, as steps; validation and checkpoints fall on the same steps."""
    steps = config.train.steps
    assert steps is not None
    return config.replace(**{name: -(-steps // times) for name, times in EVERY.items() if getattr(config.train, name) == "auto"})


def _cut_metrics(run: Run, trainer: Trainer) -> None:
    """Bring metrics.jsonl back to what it was when the checkpoint was made."""
    size = run.metrics.stat().st_size if run.metrics.exists() else 0
    if size < trainer.metrics_bytes:
        raise ResumeError(f"{run.metrics} has {size} bytes, {trainer.metrics_bytes} were written by step {trainer.step}; bring it back, or start another run with --name")
    with open(run.metrics, "r+b" if size else "wb") as file:
        file.truncate(trainer.metrics_bytes)


def _write_config(run: Run, config: RunConfig) -> None:
    run.path.mkdir(parents=True, exist_ok=True)
    head = "# The resolved configuration of this run. `charrnn train --config config.yaml --name another` trains it again.\n"
    write_file(run.config, (head + write_yaml(config)).encode())
