"""Turns the knobs a user set into a Trainer, for a new run or a resumed one."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from charrnn.config.arguments import ignore
from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Tell
from charrnn.corpus.reading import STDIN, default_name
from charrnn.errors import ConfigError, RunExistsError
from charrnn.storage.find_run import check_runs_dir, find_checkpoint
from charrnn.storage.run import Run
from charrnn.training.base import Base, in_words
from charrnn.training.evaluate import load_weights
from charrnn.training.resolve import NewRun, plan_line, resolve
from charrnn.training.resume import resume_run
from charrnn.training.run_files import begin, check_disk_space
from charrnn.training.time_budget import TimeBudget
from charrnn.training.trainer import Trainer


def launch(
    given: Mapping[str, Any],
    *,
    text: str | bytes | None = None,
    resume: bool = False,
    overwrite: bool = False,
    tell: Tell = ignore,
    made: Callable[[Trainer], object] = ignore,
    started: float | None = None,
) -> Trainer:
    """Prepare a run for training.

    Args:
        given: the knobs that the user set, by name; the others get their defaults or, when
            resuming, the run's values.
        text: the corpus itself, instead of ``given["corpus"]``.
        resume: continue the run of that name, or of that corpus, or else the newest.
        overwrite: delete an existing run of that name.
        tell: called with notices for the user.
        made: called with the new trainer just before anything is written to the disk.
        started: when the minutes began, by ``time.monotonic``; now if None.

    Raises:
        CharRNNError: any of its kinds; nothing was written or deleted.
    """
    if started is None:
        started = time.monotonic()
    if not resume:
        return _new_run(given, text, overwrite, tell, made, started)
    if overwrite:
        raise ConfigError("`resume` and `overwrite` exclude each other; give one of them")
    return resume_run(given, text, tell, started)


def _new_run(
    given: Mapping[str, Any],
    text: str | bytes | None,
    overwrite: bool,
    tell: Tell,
    made: Callable[[Trainer], object],
    started: float,
) -> Trainer:
    config = RunConfig.from_flat(given)
    run = Run(check_runs_dir(config.runs_dir) / (config.name or default_name(config.corpus)))
    config = config.replace(name=run.path.name)  # a name from the corpus is checked too
    _check_free(run, config.corpus, overwrite)
    if overwrite and config.base is not None:
        _check_is_not_base(run, config)
    resolved = resolve(given, text, tell, started)
    if resolved.plan.values:
        tell(plan_line(resolved))
    config = resolved.config.replace(name=run.path.name)
    budget = None
    if resolved.allowance is not None:
        budget = TimeBudget(resolved.allowance, started + resolved.allowance.spent)
    trainer = Trainer(config, resolved.corpus, run, budget, resolved.automatic)
    if resolved.base is not None:
        _continue_from(resolved.base, resolved, trainer, tell)
    trainer.lock = run.lock()
    try:
        if run.exists() and not overwrite:
            raise _exists(run)  # another process created it in the meantime
        check_disk_space(trainer)
        if run.path.exists() and overwrite:
            run.remove()
        made(trainer)
        begin(run, config, resolved.corpus)
    except BaseException:
        trainer.release()
        raise
    return trainer


def _continue_from(base: Base, resolved: NewRun, trainer: Trainer, tell: Tell) -> None:
    """Give a trainer the weights of the model that a run continues from."""
    assert resolved.weights is not None
    load_weights(trainer.loop.model, resolved.weights)
    tell(f"continuing from {in_words(trainer.corpus, base, resolved.before)}")
    trainer.lineage = base.lineage(resolved.before, trainer.old_loss(trainer.loop.model))


def _check_free(run: Run, corpus: Sequence[str], overwrite: bool) -> None:
    """Refuse a name that is taken, or a directory that must not be deleted."""
    if not overwrite:
        if run.exists():
            raise _exists(run)
        return
    if run.path.exists():
        run.check_removable()
        _check_not_in_run(corpus, run)


def _check_is_not_base(run: Run, config: RunConfig) -> None:
    """Refuse to delete the run that the new one continues from."""
    assert config.base is not None
    base = find_checkpoint(config.base, config.runs_dir).resolve()
    if run.path.resolve() in base.parents:
        raise ConfigError(
            f"the run {run.path}, which `overwrite` would delete, is the one to continue from; "
            "choose another `name`"
        )


def _check_not_in_run(corpus: Sequence[str], run: Run) -> None:
    """Refuse to delete a run that contains the new run's corpus."""
    directory = run.path.resolve()
    for path in corpus:
        if path != STDIN and directory in Path(path).resolve().parents:
            raise ConfigError(
                f"{path} is inside the run {run.path}, which `overwrite` would delete; "
                "move it elsewhere, or choose another `name`"
            )


def _exists(run: Run) -> RunExistsError:
    resume = "continue it with `resume=True`, " if run.steps() else ""
    return RunExistsError(
        f"the run {run.path} already exists; {resume}start another with `name`, "
        "or delete it with `overwrite=True`"
    )
