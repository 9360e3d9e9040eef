"""From what a user asked for to a Trainer: a new run, or one gone on with. Knows nothing of printing."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from charrnn.config import RunConfig
from charrnn.corpus.reading import default_name
from charrnn.errors import ConfigError, RunExistsError
from charrnn.files import write_file
from charrnn.runs import Run
from charrnn.training.resolve import Tell, read_corpus, resolve, write_config
from charrnn.training.resume import resume_run
from charrnn.training.trainer import Trainer


def launch(
    given: Mapping[str, Any], *, text: str | bytes | None = None, resume: bool = False, overwrite: bool = False, tell: Tell = lambda _: None
) -> Trainer:
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
        return resume_run(given, text, tell)
    config = RunConfig.from_flat(given)
    run = Run(Path(config.runs_dir) / (config.name or default_name(config.corpus)))
    if run.exists() and not overwrite:
        goes_on = "--resume goes on with it, " if run.steps() else ""
        raise RunExistsError(f"the run {run.path} exists; {goes_on}--name NAME starts another beside it, --overwrite deletes it")
    corpus = read_corpus(config, text, tell)
    config = resolve(config.replace(name=run.path.name), corpus, tell, started)
    trainer = Trainer(config, corpus, run)
    if run.path.exists() and overwrite:
        run.remove()
    write_config(run, config)
    write_file(run.metrics, b"")
    return trainer
