"""How a run is shown: a bar on a terminal, a plain line now and then elsewhere. Everything goes to
stderr."""

import math
import sys
import time
from contextlib import suppress

from tqdm import tqdm

from charrnn.cli.console import shown, tell
from charrnn.training.step_report import Report
from charrnn.training.trainer import Trainer

EVERY_SECONDS = 20.0  # between plain lines
SMOOTHING = 0.02  # share that a step's loss has in the one shown


def in_words(nats: float) -> str:
    """A loss as people are shown it."""
    return f"{nats:.4f} nats ({nats / math.log(2):.3f} bits) per character"


class Progress:
    """Shows the reports of one run."""

    def __init__(self, trainer: Trainer) -> None:
        self.per_step = round(trainer.loop.batches.symbols_per_step)
        self.held_out = len(trainer.corpus.judged)
        self.how = "record by record" if trainer.corpus.vocabulary.records else "in one stream"
        self.terminal = sys.stderr.isatty()
        self.loss = math.nan
        self.begin, self.first_step, self.said = time.monotonic(), trainer.step, time.monotonic()
        self.bar = tqdm(
            total=trainer.steps * self.per_step,
            initial=trainer.step * self.per_step,
            unit=" characters",
            unit_scale=True,
            disable=not self.terminal,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}",
        )

    def show(self, report: Report) -> None:
        """One step; nothing of it is worth more than the training itself."""
        if report.final is None:
            with suppress(OSError):
                self._show(report)

    def _show(self, report: Report) -> None:
        self.loss = (
            report.loss
            if math.isnan(self.loss)
            else (1 - SMOOTHING) * self.loss + SMOOTHING * report.loss
        )
        self.bar.set_postfix_str(
            f"loss {self.loss:.3f} nats, {self.loss / math.log(2):.3f} bits", refresh=False
        )
        self.bar.update(report.step * self.per_step - self.bar.n)
        due = not self.terminal and time.monotonic() - self.said > EVERY_SECONDS
        if report.val_loss is not None or due:
            self.say(self._line(report))
        if report.trouble is not None:
            self.say(f"{report.trouble}; training goes on")
        if report.sample is not None:
            for line in report.sample.strip().split("\n"):
                self.say(f"  | {line}")
        if report.turned and report.step < report.steps:
            self.say(
                "the validation loss has turned: more steps would only learn the text by heart, so the run ends here"
            )
        if (report.turned or report.step == report.steps) and self.held_out:
            self.say(f"reading the {self.held_out:,} held-out characters {self.how}")

    def say(self, line: str) -> None:
        """A line of its own, above the bar where there is one."""
        self.said = time.monotonic()
        if self.terminal:
            self.bar.write(shown(line), file=sys.stderr)
        else:
            tell(line)

    def close(self) -> None:
        with suppress(OSError):
            self.bar.close()

    def _line(self, report: Report) -> str:
        line = f"step {report.step:,} of {report.steps:,}: loss {self.loss if report.train_loss is None else report.train_loss:.4f}"
        if report.val_loss is not None:
            line += f", validation {in_words(report.val_loss)}"
        seconds = time.monotonic() - self.begin
        rate = (report.step - self.first_step) / max(seconds, 1e-9)
        line += f", {rate * self.per_step:,.0f} characters/s, {_clock((report.steps - report.step) / max(rate, 1e-9))} left"
        return line + (", saved" if report.saved else "")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
        if minutes >= 60
        else f"{minutes}:{rest:02d}"
    )
