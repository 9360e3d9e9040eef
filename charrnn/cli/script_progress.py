"""Progress of a run that a script or a notebook trains with ``charrnn.train(progress=True)``."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from charrnn.cli.console import tell
from charrnn.cli.progress import Progress
from charrnn.cli.train import first_line, result_lines
from charrnn.storage.run import Run
from charrnn.training.step_report import Report
from charrnn.training.trainer import Trainer


@contextmanager
def shown_run(trainer: Trainer, started: float) -> Iterator[Callable[[Report], None]]:
    """Show a run on stderr as ``charrnn train`` does: its sizes, each step, and its result.

    Args:
        trainer: the run.
        started: when its minutes began, by ``time.monotonic``.

    Yields:
        a function that shows the report of a step.
    """
    final = None
    run = trainer.directory
    tell(first_line(trainer, run))

    def show(report: Report) -> None:
        nonlocal final
        final = report.final
        progress.show(report)

    with closing(Progress(trainer)) as progress:
        yield show
    if trainer.stop_requested and final is None:
        tell(_stopped(run))
        return
    minutes = (time.monotonic() - started) / 60
    for line in result_lines(run, final, minutes):
        tell(line)


def _stopped(run: Run) -> str:
    """How to continue a run that was stopped by a callback or Ctrl-C."""
    steps = run.steps()
    if not steps:
        return "stopped before the first step"
    return f"stopped after saving {steps[-1]}; continue with `resume=True`"
