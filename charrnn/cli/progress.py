"""Progress of a run on stderr: a bar on a terminal, a plain line now and then elsewhere."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

from tqdm import tqdm

from charrnn.api import reports
from charrnn.cli.console import format_loss, shown, tell
from charrnn.training.evaluate import Evaluation
from charrnn.training.step_report import Report
from charrnn.training.trainer import Trainer

EVERY_SECONDS = 20.0  # between plain lines
SMOOTHING = 0.02  # weight of a step's loss in the running mean that is shown


def run_with_progress(trainer: Trainer) -> Evaluation | None:
    """Train to the end, showing each step.

    Returns:
        the final evaluation; None if the run was stopped, or nothing is held out.
    """
    progress = Progress(trainer)
    final = None
    try:
        for report in reports(trainer):
            progress.show(report)
            final = report.final
    finally:
        progress.close()
    return final


class Progress:
    """Shows the reports of one run."""

    def __init__(self, trainer: Trainer) -> None:
        self.characters_per_step = round(trainer.loop.batches.symbols_per_step)
        self.held_out = len(trainer.corpus.judged)
        self.is_of_records = trainer.corpus.vocabulary.records
        self.on_terminal = sys.stderr.isatty()
        self.loss = math.nan  # running mean
        self.first_step = trainer.step
        self.start_time = time.monotonic()
        self.last_line_time = self.start_time
        self.bar = tqdm(
            total=trainer.steps * self.characters_per_step,
            initial=trainer.step * self.characters_per_step,
            unit=" characters",
            unit_scale=True,
            disable=not self.on_terminal,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}",
        )

    def show(self, report: Report) -> None:
        """Show one step; a failure to write is ignored, so that the training continues."""
        if report.final is not None:
            return
        with suppress(OSError):
            self._update_loss(report.loss)
            self._update_bar(report)
            for line in self._lines(report):
                self._write(line)

    def close(self) -> None:
        """Leave the bar as it is, and end its line."""
        with suppress(OSError):
            self.bar.close()

    def _update_loss(self, loss: float) -> None:
        if math.isnan(self.loss):
            self.loss = loss
        else:
            self.loss = (1 - SMOOTHING) * self.loss + SMOOTHING * loss

    def _update_bar(self, report: Report) -> None:
        bits = self.loss / math.log(2)
        self.bar.set_postfix_str(f"loss {self.loss:.3f} nats, {bits:.3f} bits", refresh=False)
        self.bar.update(report.step * self.characters_per_step - self.bar.n)

    def _lines(self, report: Report) -> Iterator[str]:
        """What a step has to report besides the bar."""
        if report.val_loss is not None or self._is_line_due():
            yield self._step_line(report)
        if report.trouble is not None:
            yield f"{report.trouble}; training goes on"
        if report.sample is not None:
            for line in report.sample.strip().split("\n"):
                yield f"  | {line}"
        is_last_step = report.step == report.steps
        if report.turned and not is_last_step:
            yield (
                "the validation loss has turned: more steps would only learn the text by heart, "
                "so the run ends here"
            )
        if (report.turned or is_last_step) and self.held_out:
            order = "record by record" if self.is_of_records else "in one stream"
            yield f"reading the {self.held_out:,} held-out characters {order}"

    def _is_line_due(self) -> bool:
        """Whether it is time for a plain line; the bar of a terminal replaces them."""
        if self.on_terminal:
            return False
        return time.monotonic() - self.last_line_time > EVERY_SECONDS

    def _step_line(self, report: Report) -> str:
        loss = self.loss if report.train_loss is None else report.train_loss
        line = f"step {report.step:,} of {report.steps:,}: loss {loss:.4f}"
        if report.val_loss is not None:
            line += f", validation {format_loss(report.val_loss)}"
        seconds = time.monotonic() - self.start_time
        steps_per_second = (report.step - self.first_step) / max(seconds, 1e-9)
        remaining = (report.steps - report.step) / max(steps_per_second, 1e-9)
        speed = steps_per_second * self.characters_per_step
        line += f", {speed:,.0f} characters/s, {_clock(remaining)} left"
        if report.saved:
            line += ", saved"
        return line

    def _write(self, line: str) -> None:
        """Write a line, above the bar if there is one."""
        self.last_line_time = time.monotonic()
        if self.on_terminal:
            self.bar.write(shown(line), file=sys.stderr)
        else:
            tell(line)


def _clock(seconds: float) -> str:
    """A time as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
