"""From what a user asked for to a Trainer: a new run, or one gone on with. Knows nothing of
printing."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from charrnn.config.run_config import RunConfig, is_auto
from charrnn.corpus.corpus import Corpus
from charrnn.corpus.reading import STDIN, default_name
from charrnn.errors import ConfigError, RunExistsError
from charrnn.storage.atomic import write_file
from charrnn.storage.run import Run, check_runs_dir
from charrnn.storage.seen_records import write_seen_records
from charrnn.training.plan import Plan, plan
from charrnn.training.resolve import Tell, read_corpus, resolve, settle, write_config
from charrnn.training.resume import resume_run
from charrnn.training.snapshot import check_room
from charrnn.training.trainer import Trainer


def prepare(
    given: Mapping[str, Any], text: str | bytes | None, tell: Tell, started: float
) -> tuple[RunConfig, Corpus, Plan]:
    """The resolved configuration of a new run, its corpus, and why it is as it is."""
    config = RunConfig.from_flat(given)
    corpus = read_corpus(config, text, tell)
    set_ = {name for name, value in given.items() if not is_auto(name, value)}
    config = settle(config, set_, corpus, tell)
    advice = plan(config, set_, corpus, started)
    for line in advice.reasons:
        tell(line)
    return (
        resolve(config.replace(**advice.values), corpus, tell, started, advice.most_passes),
        corpus,
        advice,
    )


def launch(
    given: Mapping[str, Any],
    *,
    text: str | bytes | None = None,
    resume: bool = False,
    overwrite: bool = False,
    tell: Tell = lambda _: None,
    made: Callable[[Trainer], object] = lambda _: None,
) -> Trainer:
    """Make a run ready to train.

    Args:
        given: the knobs that somebody set, by name; the others have their defaults, or, on
            resuming, the run's values.
        text: the corpus itself, instead of ``given["corpus"]``.
        resume: go on with the run of that name, or of that corpus, or else the newest.
        overwrite: delete a run that stands in the way.
        tell: called with a sentence on whatever the user should know.
        made: called with the new trainer just before its run is begun on the disk.

    Raises:
        CharRNNError: any of its kinds; nothing has been written or deleted then.
    """
    started = time.monotonic()
    if resume and overwrite:
        raise ConfigError("resume and overwrite: both are given; leave one of them out")
    if resume:
        return resume_run(given, text, tell)
    config = RunConfig.from_flat(given)
    run = Run(check_runs_dir(config.runs_dir) / (config.name or default_name(config.corpus)))
    config = config.replace(name=run.path.name)
    if run.exists() and not overwrite:
        raise _exists(run)
    if run.path.exists() and overwrite:
        run.check_removable()
        _check_not_in_run(config.corpus, run)
    config, corpus, _ = prepare(given, text, tell, started)
    config = config.replace(name=run.path.name)
    trainer = Trainer(config, corpus, run)
    trainer.lock = run.lock()
    try:
        if run.exists() and not overwrite:
            raise _exists(run)  # another began it meanwhile
        check_room(trainer, run.path, run.size())
        if run.path.exists() and overwrite:
            run.remove()
        made(trainer)
        _begin(run, config, corpus)
    except BaseException:
        trainer.release()
        raise
    return trainer


def _begin(run: Run, config: RunConfig, corpus: Corpus) -> None:
    """The first files of a run; none where they cannot all be written."""
    try:
        write_config(run, config)
        if corpus.vocabulary.records:
            write_seen_records(run.seen_records, corpus.records())
        write_file(run.metrics, b"")
    except BaseException:
        with suppress(RunExistsError, OSError):
            run.remove()
        raise


def _check_not_in_run(corpus: Sequence[str], run: Run) -> None:
    """Refuse to delete a run with the corpus of the new one in it."""
    directory = run.path.resolve()
    for path in corpus:
        if path != STDIN and directory in Path(path).resolve().parents:
            raise ConfigError(
                f"overwrite: {path} is in the run {run.path}, which would be deleted; move it away, or give another --name"
            )


def _exists(run: Run) -> RunExistsError:
    goes_on = "--resume goes on with it, " if run.steps() else ""
    return RunExistsError(
        f"the run {run.path} exists; {goes_on}--name NAME starts another beside it, --overwrite deletes it"
    )
