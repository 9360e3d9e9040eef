"""Where a resumed run ends: as planned, at another step, or after more minutes."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from charrnn.config.run_config import RunConfig
from charrnn.config.shell import command, option
from charrnn.corpus.corpus import Corpus, Tell
from charrnn.errors import ResumeError
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.run import Run, read_yaml_beside
from charrnn.training.lr_schedule import Schedule
from charrnn.training.resolve import EVERY, with_intervals, with_steps
from charrnn.training.time_budget import Allowance
from charrnn.training.timing import Timing, measure_speed
from charrnn.training.trainer import automatic_knobs, stored_schedule


class End(NamedTuple):
    """The end of a resumed run.

    Args:
        config: with the intervals, and with a new number of steps if one was asked for.
        schedule: to follow.
        allowance: the time that is allowed; None if the number of steps was given.
    """

    config: RunConfig
    schedule: Schedule
    allowance: Allowance | None


def resumed_end(
    run: Run,
    config: RunConfig,
    given: Mapping[str, Any],
    corpus: Corpus,
    checkpoint: Checkpoint,
    tell: Tell,
    started: float,
) -> End:
    """The end of a resumed run.

    Args:
        run: to resume.
        config: of the run, with the given knobs that may change.
        given: the knobs that the user set: ``minutes`` from now on, unless the run is unfinished
            and was started with them; or ``steps`` in all.
        corpus: of the run.
        checkpoint: to resume from.
        tell: called with notices for the user.
        started: when the minutes began, by ``time.monotonic``.

    Raises:
        ResumeError: the run is finished, or is past the given step.
    """
    step = checkpoint.about["step"]
    schedule, stored = _stored_end(run, checkpoint)
    planned = schedule.steps
    minutes = given.get("minutes")
    if minutes is not None and step < planned and stored and stored.seconds == 60 * minutes:
        left = max(0.0, stored.seconds - stored.spent) / 60
        tell(f"continuing with the {left:.1f} of {minutes:g} minutes that are left")
        minutes = None
    _check_not_stopped_early(run, config, checkpoint, planned, given)
    timing = None
    if minutes is not None:
        timing = _speed(config, corpus)
        end, allowance = _more_minutes(config, corpus, minutes, timing, step, tell, started)
        if stored is not None:
            allowance = replace(allowance, before=stored.before + stored.spent)
    elif given.get("steps") is not None:
        end, allowance = given["steps"], None
    else:
        end = _planned_end(run, checkpoint, planned)
        allowance = _since(stored, started) if end == planned else None
    if end < step:
        raise ResumeError(
            f"`steps` must be at least {step}, where the run {run.path} already is, got {end}"
        )
    _check_not_finished(run, config, step, end)
    if end == planned:
        return End(config, schedule, allowance)
    tell(
        f"the run will end at step {end:,} instead of {planned:,}; "
        f"the learning rate is that of a run of {end:,} steps"
    )
    config = _with_new_intervals(config.replace(steps=end), given, corpus, checkpoint, timing)
    return End(config, Schedule(((0, end),)), allowance)


def _stored_end(run: Run, checkpoint: Checkpoint) -> tuple[Schedule, Allowance | None]:
    """The schedule of the run when the checkpoint was saved, and the minutes it may take."""
    assert checkpoint.trainer is not None
    budget = checkpoint.trainer.get("budget")  # older checkpoints lack it
    try:
        allowance = None if budget is None else Allowance(**budget)
        return stored_schedule(checkpoint), allowance
    except (KeyError, TypeError, ValueError):
        path = run.step(checkpoint.about["step"])
        raise ResumeError(
            f"{path} cannot be resumed: its schedule or its minutes are invalid; "
            "move it away to resume from an earlier checkpoint"
        ) from None


def _planned_end(run: Run, checkpoint: Checkpoint, planned: int) -> int:
    """The last step of the run, or a later one that was asked for and not reached yet.

    Such a later step is in config.yaml, but not yet in a checkpoint.
    """
    assert checkpoint.trainer is not None
    asked = read_yaml_beside(run.config).get("steps") or 0
    if asked in (checkpoint.trainer["config"]["steps"], planned):
        return planned
    return max(planned, asked)


def _speed(config: RunConfig, corpus: Corpus) -> Timing:
    threads = config.train.threads
    assert isinstance(threads, int)
    return measure_speed(config, corpus, (threads,))


def _more_minutes(
    config: RunConfig,
    corpus: Corpus,
    minutes: float,
    timing: Timing,
    step: int,
    tell: Tell,
    started: float,
) -> tuple[int, Allowance]:
    """The last step that fits into the minutes from now on."""
    timed = config.replace(minutes=minutes, steps=None)
    new, allowance = with_steps(timed, corpus, timing, math.inf, tell, started)
    assert new.train.steps is not None
    spent = time.monotonic() - started
    return step + new.train.steps, replace(allowance, spent=spent)


def _since(allowance: Allowance | None, started: float) -> Allowance | None:
    """An allowance with the seconds spent since the restart."""
    if allowance is None:
        return None
    return replace(allowance, spent=allowance.spent + time.monotonic() - started)


def _with_new_intervals(
    config: RunConfig,
    given: Mapping[str, Any],
    corpus: Corpus,
    checkpoint: Checkpoint,
    timing: Timing | None,
) -> RunConfig:
    """Fit the intervals that were left to charrnn to the new number of steps."""
    automatic = [name for name in automatic_knobs(checkpoint) if name in EVERY]
    auto = {name: "auto" for name in automatic if name not in given}
    return with_intervals(config.replace(**auto), corpus, timing)


def _check_not_stopped_early(
    run: Run,
    config: RunConfig,
    checkpoint: Checkpoint,
    planned: int,
    given: Mapping[str, Any],
) -> None:
    """Refuse to resume a run that early stopping would end again at once."""
    step = checkpoint.about["step"]
    final = run.final()
    patience = config.train.patience
    stale = (checkpoint.trainer or {}).get("stale", 0)
    if patience is None or stale < patience or final is None:
        return
    end_flags = []
    for name in ("minutes", "steps"):
        if given.get(name) is not None:
            end_flags += [f"--{name}", f"{given[name]:.12g}"]
    if step == planned and not end_flags:
        return  # it is finished, too
    flags = [*end_flags, "--patience", "none"]
    raise ResumeError(
        f"the run {run.path} stopped at step {step:,} of {planned:,} because the validation loss "
        f"stopped improving (best at step {final['step']:,}); to continue anyway, run "
        f"`{_resuming(run, *flags)}`"
    )


def _check_not_finished(run: Run, config: RunConfig, step: int, end: int) -> None:
    """Refuse to resume a run that has done all of its steps."""
    has_validation = config.data.val is not None or config.data.val_fraction > 0
    is_evaluated = run.final() is not None or not has_validation
    if step == end and is_evaluated:
        raise ResumeError(
            f"the run {run.path} has finished its {step:,} steps; to train longer, run "
            f"`{_resuming(run, '--minutes', '5', '--patience', 'none')}`"
        )


def _resuming(run: Run, *flags: str) -> str:
    """The command that resumes a run with these flags."""
    name = option("--name", run.path.name)
    return command(["train", "--resume"], flags=[*name, *flags, *run.runs_dir_option])
