"""Progress of a run on stderr: a bar on a terminal, plain lines elsewhere."""

import math
import sys
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

import click
from tqdm import tqdm

from charrnn.api import reports
from charrnn.cli.console import can_show_bars, format_loss, hides_bars, is_quiet, shown
from charrnn.cli.flags import with_flags
from charrnn.training.evaluate import Evaluation
from charrnn.training.step_report import Report
from charrnn.training.trainer import Trainer

EVERY_SECONDS = 20.0  # between plain lines in a run without validations; before the first one
LOSS_SMOOTHING = 0.02  # weight of a step's loss in the running mean that is shown
# Seconds over which the speed is averaged: long enough to include some pauses for validations.
SPEED_WINDOW = 60.0


def run_with_progress(trainer: Trainer) -> Evaluation | None:
    """Train to the end, showing each step; with ``--quiet``, only what went wrong.

    Returns:
        the final evaluation; None if the run was stopped or has no validation text.
    """
    progress = Progress(trainer)
    stream = trainer.run() if is_quiet() else reports(trainer)  # without samples, or with them
    final = None
    try:
        for report in stream:
            progress.show(report)
            final = report.final
    finally:
        progress.close()
    return final


class Speed:
    """Steps per second, averaged with weights that decay over SPEED_WINDOW."""

    def __init__(self, step: int, time: float) -> None:
        self.step = step
        self.time = time
        self.steps = 0.0
        self.seconds = 0.0

    def update(self, step: int, time: float) -> None:
        """Take a step into account, done at this time."""
        seconds = time - self.time
        decay = math.exp(-seconds / SPEED_WINDOW)
        self.steps = decay * self.steps + (step - self.step)
        self.seconds = decay * self.seconds + seconds
        self.step = step
        self.time = time

    @property
    def steps_per_second(self) -> float:
        return self.steps / max(self.seconds, 1e-9)


class Progress:
    """Shows the reports of one run."""

    def __init__(self, trainer: Trainer) -> None:
        self.characters_per_step = round(trainer.loop.batches.symbols_per_step)
        budget = trainer.budget
        # The final evaluation, in steps that take as long; known if the run was timed.
        self.final_steps = 0.0 if budget is None else budget.allowance.final_steps
        self.val_characters = len(trainer.corpus.judged)
        self.on_terminal = can_show_bars()
        self.has_validations = False  # so far
        self.loss = math.nan  # running mean
        self.last_line_time = monotonic()
        self.speed = Speed(trainer.step, self.last_line_time)
        self.bar = tqdm(
            total=trainer.steps,
            initial=trainer.step,
            disable=hides_bars(),
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar}|{desc}",
        )

    def show(self, report: Report) -> None:
        """Show one step. A failure to write is ignored, so that training continues."""
        if report.final is not None:
            return
        now = monotonic()
        with suppress(OSError):
            self.speed.update(report.step, now)
            self._update_loss(report.loss)
            self._update_bar(report)
            for line in self._lines(report, now):
                self._write(line)

    def close(self) -> None:
        """Leave the bar on the screen, and end its line."""
        with suppress(OSError):
            self.bar.close()

    def _update_loss(self, loss: float) -> None:
        if math.isnan(self.loss):
            self.loss = loss
        else:
            self.loss = (1 - LOSS_SMOOTHING) * self.loss + LOSS_SMOOTHING * loss

    def _update_bar(self, report: Report) -> None:
        bits = self.loss / math.log(2)
        text = f" {self._speed_and_time(report)}, loss {self.loss:.3f} ({bits:.3f} bits)"
        self.bar.set_description_str(text, refresh=False)
        self.bar.total = report.steps  # minutes may move the end
        self.bar.update(report.step - self.bar.n)

    def _lines(self, report: Report, now: float) -> Iterator[str]:
        """What to report about a step besides the bar."""
        if is_quiet():
            yield from _trouble(report)
            return
        if report.val_loss is not None:
            self.has_validations = True
        if report.val_loss is not None or self._is_line_due(now):
            self.last_line_time = now
            yield self._step_line(report)
        yield from _trouble(report)
        if report.sample is not None:
            for line in report.sample.strip().split("\n"):
                yield f"  | {line}"
        is_last_step = report.step == report.steps
        if report.turned and not is_last_step:
            yield (
                "the validation loss stopped improving, so training ends here; "
                "more steps would only memorize the text"
            )
        if (report.turned or is_last_step) and self.val_characters:
            yield f"measuring the final validation loss on {self.val_characters:,} characters"

    def _is_line_due(self, now: float) -> bool:
        """Whether it is time for a line without a validation; a terminal has the bar instead."""
        if self.on_terminal or self.has_validations:
            return False
        return now - self.last_line_time > EVERY_SECONDS

    def _step_line(self, report: Report) -> str:
        loss = self.loss if report.train_loss is None else report.train_loss
        line = f"step {report.step:,} of {report.steps:,}: training loss {loss:.4f}"
        if report.val_loss is not None:
            line += f", validation loss {format_loss(report.val_loss)}"
        line += f", {self._speed_and_time(report)}"
        if report.saved:
            line += ", saved"
        return line

    def _speed_and_time(self, report: Report) -> str:
        """The speed and the time left, the same in the bar and in the lines."""
        steps_per_second = self.speed.steps_per_second
        characters = steps_per_second * self.characters_per_step
        steps_left = report.steps - report.step + self.final_steps
        seconds_left = steps_left / max(steps_per_second, 1e-9)
        return f"{characters:,.0f} characters/s, {_clock(seconds_left)} left"

    def _write(self, line: str) -> None:
        """Write a line, above the bar if there is one."""
        if self.on_terminal:
            self.bar.write(shown(line), file=sys.stderr)
        else:
            click.echo(shown(line), err=True)


def _trouble(report: Report) -> Iterator[str]:
    """What went wrong at a step, if anything did."""
    if report.trouble is not None:
        yield with_flags(f"{report.trouble}; training continues")


def _clock(seconds: float) -> str:
    """A time as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
