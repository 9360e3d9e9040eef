"""charrnn remove: delete runs, after a question. Needs no PyTorch."""

import sys
from collections.abc import Sequence

import click

from charrnn.advice.describe import describe_run
from charrnn.cli.console import print_on_stderr, tell
from charrnn.cli.descriptions import loss_in_words, size_in_words, steps_in_words
from charrnn.cli.options import quiet_option, runs_dir_option
from charrnn.errors import ConfigError
from charrnn.storage.find_run import find_run
from charrnn.storage.run import Run


@click.command(context_settings={"max_content_width": 110})
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="delete without a question")
@runs_dir_option
@quiet_option
def remove(runs: tuple[str, ...], yes: bool, runs_dir: str) -> None:
    """Delete each RUN with all of its checkpoints. This cannot be undone.

    RUN is the name or directory of a run. A run that is being trained is not deleted, nor is one
    whose directory contains files that charrnn did not write: move them first. If the removal is
    interrupted, the same command finishes it.

    \b
      charrnn remove shakespeare
      charrnn remove shakespeare-2 shakespeare-3 --yes
    """
    chosen = _distinct([find_run(run, runs_dir) for run in runs])
    for run in chosen:
        _check(run)
    if not yes:
        _ask(chosen)
    for run in chosen:
        size = size_in_words(describe_run(run)["disk_bytes"])
        _remove(run)
        tell(f"deleted {run.path} ({size})")


def _distinct(runs: Sequence[Run]) -> list[Run]:
    """The runs without those that are given twice."""
    by_path = {run.path.resolve(): run for run in runs}
    return list(by_path.values())


def _check(run: Run) -> None:
    """Refuse a run that is being trained or contains other files, before anything is deleted."""
    run.check_removable("")
    lock = run.lock("")
    if lock:
        lock.release()


def _ask(runs: Sequence[Run]) -> None:
    """Show what would be deleted, and end the command unless the user agrees."""
    if not _can_ask():
        raise ConfigError(
            "there is no terminal to ask on whether to delete "
            f"{', '.join(str(run.path) for run in runs)}; give --yes to delete without a question"
        )
    for run in runs:
        print_on_stderr(_summary(run))  # part of the question: shown even with --quiet
    question = "delete this run?" if len(runs) == 1 else f"delete these {len(runs)} runs?"
    agreed = False
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        tell("")
    if not agreed:
        tell("nothing was deleted")
        sys.exit(1)


def _can_ask() -> bool:
    """Whether standard input is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def _summary(run: Run) -> str:
    """A run in a line: its steps, its loss and its disk use."""
    description = describe_run(run)
    size = size_in_words(description["disk_bytes"])
    if "error" in description:
        return f"{run.path}: {description['problem']}, {size}"
    steps = steps_in_words(description)
    return f"{run.path}: {steps}, {loss_in_words(description)}, {size}"


def _remove(run: Run) -> None:
    """Delete a run, unless it has been changed or a training has begun since it was checked."""
    lock = run.lock("")
    try:
        run.remove("")
    finally:
        if lock:
            lock.release()
