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
def shown_run(trainer: Trainer) -> Iterator[Callable[[Report], None]]:
    """Show a run on stderr as ``charrnn train`` does: its sizes, each step, and its result.

    Yields:
        a function that shows the report of a step.
    """
    started = time.monotonic()
    run = trainer.directory
    tell(first_line(trainer, run))
    reports: list[Report] = []  # the last one

    def show(report: Report) -> None:
        reports[:] = [report]
        progress.show(report)

    with closing(Progress(trainer)) as progress:
        yield show
    if not reports or not _is_last(reports[0]):
        tell(_stopped(run))
        return
    minutes = (time.monotonic() - started) / 60
    for line in result_lines(run, reports[0].final, minutes):
        tell(line)


def _stopped(run: Run) -> str:
    """How to continue a run that was stopped by a callback or Ctrl-C."""
    steps = run.steps()
    if not steps:
        return "stopped before the first step"
    return f"stopped after saving {steps[-1]}; continue with `resume=True`"


def _is_last(report: Report) -> bool:
    """Whether a run ends with this report."""
    return report.final is not None or report.turned or report.step == report.steps
