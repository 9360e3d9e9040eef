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
from charrnn.training.resolve import with_intervals, with_steps
from charrnn.training.time_budget import Allowance
from charrnn.training.timing import Timing, measure_speed
from charrnn.training.trainer import stored_schedule


class End(NamedTuple):
    """The configuration with the last step and the intervals, and the time that is allowed."""

    config: RunConfig
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
    planned, stored = _stored_end(run, checkpoint)
    minutes = given.get("minutes")
    if minutes is not None and step < planned and stored and stored.seconds == 60 * minutes:
        minutes = None  # those that the run was started with are not more minutes
    timing = None
    if minutes is not None:
        timing = _speed(config, corpus)
        end, allowance = _more_minutes(config, corpus, minutes, timing, step, tell, started)
    elif given.get("steps") is not None:
        end, allowance = given["steps"], None
    else:
        end = _planned_end(run, checkpoint, planned)
        allowance = _since(stored, started) if end == planned else None
    if end < step:
        raise ResumeError(
            f"`steps` must be at least {step}, where the run {run.path} already is, got {end}"
        )
    _check_not_finished(run, config, checkpoint, end)
    config = config.replace(steps=end)
    if end == planned:
        return End(config, allowance)
    tell(
        f"the run now ends at step {end:,} instead of {planned:,}; the learning rate continues "
        f"as in a run of {end:,} steps"
    )
    return End(_with_new_intervals(config, given, corpus, checkpoint, timing), allowance)


def _stored_end(run: Run, checkpoint: Checkpoint) -> tuple[int, Allowance | None]:
    """The last step of the run when the checkpoint was saved, and the minutes it may take."""
    assert checkpoint.trainer is not None
    budget = checkpoint.trainer.get("budget")  # older checkpoints lack it
    try:
        allowance = None if budget is None else Allowance(**budget)
        return stored_schedule(checkpoint).steps, allowance
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
    """The last step that fits into so many minutes from now on."""
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
    assert checkpoint.trainer is not None
    stored = checkpoint.trainer.get("auto_intervals", [])  # older checkpoints lack it
    auto = {name: "auto" for name in stored if name not in given}
    return with_intervals(config.replace(**auto), corpus, timing)


def _check_not_finished(run: Run, config: RunConfig, checkpoint: Checkpoint, end: int) -> None:
    """Refuse to resume a run that stopped early or is finished."""
    step = checkpoint.about["step"]
    final = run.final()
    patience = config.train.patience
    stale = (checkpoint.trainer or {}).get("stale", 0)
    if step < end and final is not None and patience is not None and stale >= patience:
        raise ResumeError(
            f"the run {run.path} stopped at step {step} of {end} because the validation loss "
            f"stopped improving (best at step {final['step']}); to continue anyway, run "
            f"`{_resuming(run, '--patience', 'none')}`"
        )
    if step == end and (final is not None or config.data.val_fraction == 0):
        raise ResumeError(
            f"the run {run.path} has finished its {step:,} steps; to train longer, run "
            f"`{_resuming(run, '--minutes', '5', '--patience', 'none')}`"
        )


def _resuming(run: Run, *flags: str) -> str:
    """The command that resumes a run with these flags."""
    name = option("--name", run.path.name)
    return command(["train", "--resume"], flags=[*name, *flags, *run.runs_dir_option])
