"""Trainer: the training loop with its metrics, checkpoints and early stopping."""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

from charrnn.config.run_config import RunConfig
from charrnn.context_mixing.counted_text import Selected
from charrnn.corpus.corpus import Corpus
from charrnn.errors import CheckpointError, DivergedError, RunExistsError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.atomic import FileLock, not_written
from charrnn.storage.checkpoint import Checkpoint, StoredCounts
from charrnn.storage.run import Run
from charrnn.training.device import settled
from charrnn.training.early_stopping import EarlyStopping
from charrnn.training.evaluate import WARM_UP, Cancelled, Evaluation, evaluate, load_model
from charrnn.training.loop import (
    ADVICE,
    EVAL_CHARACTERS,
    EVAL_LANES,
    StepResult,
    TrainingLoop,
)
from charrnn.training.lr_schedule import Schedule
from charrnn.training.metrics_log import MetricsLog
from charrnn.training.model import CharRNN
from charrnn.training.plan import PLANNED
from charrnn.training.run_files import write_config
from charrnn.training.snapshot import not_a_number, snapshot
from charrnn.training.step_report import Report
from charrnn.training.time_budget import TimeBudget
from charrnn.vocab import Ids

# Least share of an automatic interval between a validation and that of the last step.
SHORTEST_INTERVAL = 0.2


class Trainer:
    """A run in progress; ``run`` yields a Report for each step.

    Args:
        config: resolved, without ``auto``: numbers of steps, a device, a precision.
        corpus: the text to learn.
        run: the directory for checkpoints and metrics.
        budget: the minutes the run may take, by which its end is moved; None if it has a fixed
            number of steps.
        automatic: the names of the knobs that the user left to charrnn.
    """

    def __init__(
        self,
        config: RunConfig,
        corpus: Corpus,
        run: Run,
        budget: TimeBudget | None = None,
        automatic: Sequence[str] = (),
    ) -> None:
        self.config = config
        self.corpus = corpus
        self.directory = run
        self.budget = budget
        self.automatic = tuple(automatic)
        self.loop = TrainingLoop(config, corpus)
        self.log = MetricsLog(run.metrics)
        self.early_stopping = EarlyStopping(config.train.patience)
        self.stop_requested = False
        self.save_requested = False
        self.loss_sum = 0.0  # over the steps since the last line of the log
        self.loss_count = 0
        self.counts: StoredCounts | None = None  # in the last checkpoint
        self.lock: FileLock | None = None  # on the run
        self.lineage: dict[str, Any] | None = None  # the model that the run continues from
        self.last = Report(0, self.steps, math.nan, 0.0, math.nan)

    @property
    def step(self) -> int:
        """Steps done."""
        return self.loop.step

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.loop.num_steps

    @property
    def turned(self) -> bool:
        """Whether the validation loss stopped improving, so that early stopping ends the run."""
        return self.early_stopping.should_stop

    def run(self) -> Iterator[Report]:
        """Train until the last step, early stopping, or ``stop_requested``.

        On ``stop_requested``, the step in progress is finished and saved.

        Raises:
            DivergedError: a loss or gradient is not finite; the weights were not updated with it.
            CheckpointError: a checkpoint could not be written; earlier ones are untouched.
        """
        threads = self.config.train.threads
        assert isinstance(threads, int)
        try:
            # count now, before gradients and moments need the memory
            _ = self.corpus.yardstick
            with settled(threads, self.config.train.device), self.log.open():
                yield from self._steps()
        except OSError as error:
            raise not_written(Path(error.filename or self.log.path), error) from None
        finally:
            if not self.directory.steps():
                # nothing was saved: do not block another attempt
                with suppress(RunExistsError, OSError):
                    self.directory.remove()
            self.loop.close()
            self.release()

    def release(self) -> None:
        """Release the run's lock, so that another trainer may continue it."""
        if self.lock is not None:
            self.lock.release()

    # --- steps ---

    def _steps(self) -> Iterator[Report]:
        if self.budget is not None:
            self.budget.start()
        while self.step < self.steps and not self.turned and not self.stop_requested:
            yield self._one_step()
        if self.stop_requested:
            if self.step > 0 and not self.directory.step(self.step).exists():
                self._save(None)  # the request came after the step's report
            return
        if self.steps != self.config.train.steps:
            write_config(self.directory, self.config.replace(steps=self.steps))
        if len(self.corpus.val) and self.directory.final() is None:
            yield from self._final_evaluation()

    def _one_step(self) -> Report:
        """Train a step; then validate, log and save if due."""
        result = self._train_step()
        if self.budget is not None:
            self.budget.step_done()
        val_loss = self._validate()
        is_best = val_loss is not None and self._is_best(val_loss)
        train_loss, trouble = self._log_step(result, val_loss)
        saved = None
        decides = self._is_decision_due()
        if is_best or decides or self._save_requested:
            saved, save_trouble = self._save(val_loss, decides)
            if self.log.unwritten and self._must_write:
                raise CheckpointError(trouble)
            trouble = save_trouble or trouble
        if self.budget is not None and (saved or val_loss is not None):
            self.budget.pause_done()
        self.last = Report(
            step=self.step,
            steps=self.steps,
            loss=result.loss,
            learning_rate=result.learning_rate,
            grad_norm=result.grad_norm,
            train_loss=train_loss,
            val_loss=val_loss,
            saved=saved,
            trouble=trouble,
            turned=self.turned,
        )
        return self.last

    def _train_step(self) -> StepResult:
        try:
            result = self.loop.train_step()
        except DivergedError as error:
            raise DivergedError(f"{error}; {self._last_good()}") from None
        self.loss_sum += result.loss
        self.loss_count += 1
        return result

    def _validate(self) -> float | None:
        """The validation loss, if one is due."""
        if not self._is_validation_due() or not len(self.corpus.val):
            return None
        val_loss = self.loop.validate()
        if not math.isfinite(val_loss):
            self._fail(f"the validation loss after step {self.step} is {val_loss:g}")
        return val_loss

    def _is_best(self, val_loss: float) -> bool:
        """Whether a validation loss is the best so far; also updates early stopping."""
        best = self.directory.best_val_loss()
        first_pass = self.step < self.loop.batches.steps_per_epoch
        self.early_stopping.update(val_loss, best, first_pass=first_pass)
        return val_loss < best

    def _log_step(
        self,
        result: StepResult,
        val_loss: float | None,
    ) -> tuple[float | None, str | None]:
        """Log a line if one is due; returns its mean training loss, and any trouble."""
        due = self._is_last_step or _due(self.config.train.report_every, self.step)
        if not due and val_loss is None:
            return None, None
        train_loss = self.loss_sum / self.loss_count
        self.loss_sum = 0.0
        self.loss_count = 0
        trouble = self._write_line(
            {
                "step": self.step,
                "learning_rate": result.learning_rate,
                "train_loss": train_loss,
                "grad_norm": result.grad_norm,
                "val_loss": val_loss,
            }
        )
        return train_loss, trouble

    def _write_line(self, line: dict[str, Any]) -> str | None:
        """Append a line to metrics.jsonl; returns what went wrong if training continues."""
        try:
            self.log.append(line)
        except OSError as error:
            if self.config.train.on_save_error == "stop":
                raise
            return str(not_written(self.log.path, error))
        return None

    @property
    def _is_last_step(self) -> bool:
        return self.step == self.steps

    # --- checkpoints ---

    @property
    def _must_write(self) -> bool:
        """Whether a failed write is an error: no later one would make up for it."""
        stops = self._is_last_step or self.turned or self.stop_requested
        return stops or self.config.train.on_save_error == "stop"

    @property
    def _save_requested(self) -> bool:
        return self.turned or self.stop_requested or self.save_requested

    def _is_decision_due(self) -> bool:
        """Whether a checkpoint is due in which the end may move.

        Not at a request, so that saving a checkpoint by hand changes nothing.
        """
        if self._is_last_step or _due(self.config.train.save_every, self.step):
            return True
        return self.budget is not None and self.budget.is_off(self.step, self.steps, self._pauses)

    def _is_validation_due(self) -> bool:
        """Whether a validation is due: at the last step, and at each interval."""
        every = self.config.train.eval_every
        if self._is_last_step:
            return True
        if not _due(every, self.step):
            return False
        # that of the last step would follow soon
        is_soon = self.steps - self.step < SHORTEST_INTERVAL * every  # type: ignore[operator]
        return not (is_soon and "eval_every" in self.automatic)

    @property
    def _pauses(self) -> int:
        """Steps between two validations or checkpoints."""
        intervals = (self.config.train.eval_every, self.config.train.save_every)
        numbers = [every for every in intervals if isinstance(every, int)]
        return min(numbers, default=self.steps)

    def _new_schedule(self) -> Schedule:
        """The schedule from this step on: the end moves if the time budget says so."""
        schedule = self.loop.schedule
        if self.budget is None or self._is_last_step:
            return schedule
        end = self.budget.end(self.step, self._pauses)
        self.budget.moved()
        if end == self.steps:
            return schedule
        return schedule.moved(self.step, end)

    def _save(
        self,
        val_loss: float | None,
        decides: bool = False,
    ) -> tuple[Path | None, str | None]:
        """Save a checkpoint; returns its path, and any trouble if training continues.

        Args:
            val_loss: after this step.
            decides: whether the end of the run may move.
        """
        path = self.directory.step(self.step)
        self.save_requested = False  # before writing, so that a request made meanwhile is not lost
        schedule = self._new_schedule() if decides else self.loop.schedule
        checkpoint = self.checkpoint(val_loss, schedule)
        name = not_a_number(checkpoint)
        if name is not None:
            self._fail(f"step {self.step} was not saved: {name} has a value that is not finite")
        try:
            self.log.sync()
            self._restore_counts()
            self.counts = checkpoints.write(path, replace(checkpoint, counts=self.counts))
        except (CheckpointError, OSError) as error:
            trouble = error if isinstance(error, CheckpointError) else not_written(path, error)
            if self._must_write:
                raise trouble from None
            return None, str(trouble)
        self.loop.schedule = schedule  # only once the decision is on the disk
        try:
            notices = self.directory.prune(self.config.train.keep)
        except CheckpointError as error:
            return path, str(error)
        return path, "; ".join(notices) or None

    def checkpoint(
        self,
        val_loss: float | None = None,
        schedule: Schedule | None = None,
    ) -> Checkpoint:
        """The run at this step, with the validation loss if it was measured.

        Args:
            val_loss: after this step.
            schedule: from this step on; the present one if None.
        """
        schedule = schedule or self.loop.schedule
        allowance = None
        minutes = None
        if self.budget is not None:
            allowance = asdict(self.budget.stored())
            minutes = self.budget.allowance.minutes
        progress = {
            "schedule": [list(end) for end in schedule.ends],
            "budget": allowance,
            "loss_sum": self.loss_sum,
            "loss_count": self.loss_count,
            "stale": self.early_stopping.stale,
            "metrics_bytes": self.log.size,
            "unwritten": self.log.unwritten.decode(),
        }
        about = {
            "step": self.step,
            "steps": schedule.steps,
            "val_loss": val_loss,
            "minutes": minutes,
            "automatic": list(self.automatic),
            "from": self.lineage,
        }
        return snapshot(self.config, self.corpus, self.loop, progress, about)

    def restore(self, checkpoint: Checkpoint, schedule: Schedule | None = None) -> None:
        """Continue from a checkpoint of the same configuration.

        Args:
            checkpoint: of this run.
            schedule: to follow; by default that of a run with the configured number of steps.

        Raises:
            KeyError, TypeError, RuntimeError: a piece is missing or has another shape.
            CheckpointError: the weights are for another model.
        """
        stored = checkpoint.trainer
        assert stored is not None
        self.counts = checkpoint.counts
        self.lineage = checkpoint.about["from"]
        self.early_stopping.stale = stored["stale"]
        self.log.size = stored["metrics_bytes"]
        self.log.unwritten = stored.get("unwritten", "").encode()  # older checkpoints lack it
        self.loss_sum = stored["loss_sum"]
        self.loss_count = stored["loss_count"]
        self.loop.load_state_dict(stored["step"], checkpoint.weights, checkpoint.trainer_tensors)
        if schedule is not None:
            self.loop.schedule = schedule
        self.last = replace(self.last, step=self.step)

    def _restore_counts(self) -> None:
        """Recreate the counts that the checkpoints share, if they were damaged meanwhile."""
        table = self.loop.model.table
        if table is None or self.counts is None or not self.counts.is_damaged():
            return
        checkpoints.restore_counts(self.directory.steps(), table)
        if self.counts.is_damaged():
            self.counts = None  # the next checkpoint gets its own

    # --- final evaluation ---

    def _final_evaluation(self) -> Iterator[Report]:
        """The loss of the best checkpoint, in fp32."""
        path = self.directory.best()
        table = self.loop.model.table
        if table is not None:
            checkpoints.restore_counts([path], table)
        best = checkpoints.read(path)
        model = load_model(best, self.config.train.device)
        try:
            final = self._evaluate(model, self.corpus.judged)
            ids = self.corpus.learned(EVAL_CHARACTERS)
            learned = self._evaluate(model, ids, self._learned_counts())
            old_loss = self.old_loss(model)
        except Cancelled:
            return  # only the final line is missing; resuming the run writes it
        line = {
            "step": best.about["step"],
            "final_val_loss": final.nats_per_character,
            "characters": final.characters,
            "final_train_loss": learned.nats_per_character,
        }
        if old_loss is not None:
            line["final_old_val_loss"] = old_loss
        trouble = self._write_line(line)
        if trouble is not None:
            raise CheckpointError(trouble)
        yield replace(self.last, train_loss=None, val_loss=None, saved=None, final=final)

    def old_loss(self, model: CharRNN) -> float | None:
        """The loss on the validation part of the text that is rehearsed, if any."""
        old = self.corpus.old
        if old is None or not len(old.val):
            return None
        evaluation = evaluate(
            model,
            old.beginning(EVAL_CHARACTERS),
            self.corpus.prime,
            lanes=EVAL_LANES,
            records=self.corpus.vocabulary.records,
            on_progress=self._cancel_if_stopped,
        )
        return evaluation.nats_per_character

    def _learned_counts(self) -> Selected | None:
        """The counts for the part of the training text that is evaluated; None without counts."""
        counted = self.corpus.counted(self.config.model.counts)
        if counted is None:
            return None
        return Selected(counted, self.corpus.learned_places(EVAL_CHARACTERS))

    def _evaluate(
        self,
        model: CharRNN,
        ids: Ids,
        learned: Selected | None = None,
    ) -> Evaluation:
        return evaluate(
            model,
            ids,
            self.corpus.prime,
            lanes=EVAL_LANES,
            warm_up=WARM_UP,
            records=self.corpus.vocabulary.records,
            learned=learned,
            on_progress=self._cancel_if_stopped,
        )

    def _cancel_if_stopped(self, characters: int) -> None:
        if self.stop_requested:
            raise Cancelled

    # --- divergence ---

    def _fail(self, what: str) -> NoReturn:
        raise DivergedError(f"{what}; {ADVICE}; {self._last_good()}")

    def _last_good(self) -> str:
        saved = self.directory.steps()
        if not saved:
            return "no checkpoint was saved yet"
        return f"the last good checkpoint is {saved[-1]}"


def stored_schedule(checkpoint: Checkpoint) -> Schedule:
    """The schedule of a run when a checkpoint was saved; older checkpoints have a fixed end.

    Raises:
        KeyError, TypeError, ValueError: it is invalid.
    """
    stored = checkpoint.trainer
    assert stored is not None
    ends = stored.get("schedule")
    if ends is None:
        ends = [(0, stored["config"]["steps"])]
    return Schedule(tuple((step, steps) for step, steps in ends))


def automatic_knobs(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The names of the knobs that the user left to charrnn."""
    names = checkpoint.about["automatic"]
    if names is None:  # in an older checkpoint, which does not say which sizes were chosen
        assert checkpoint.trainer is not None
        names = [*checkpoint.trainer.get("auto_intervals", ()), *PLANNED]
    return tuple(names)


def _due(every: int | str | None, step: int) -> bool:
    return isinstance(every, int) and step % every == 0
