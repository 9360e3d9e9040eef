"""Trainer: a run in progress. Knows nothing of printing, progress bars and sampling.

Whatever depends on time is a function of ``step``: the batch, the learning rate, the dropout masks.
So the state of a run is its weights, its optimizer, the state of each lane, the step, and the
running mean of the loss.
"""

import json
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from charrnn.config.run_config import RunConfig
from charrnn.corpus.batches import PADDING, Lanes, Layout, Records
from charrnn.corpus.corpus import Corpus
from charrnn.errors import CheckpointError, DivergedError, RunExistsError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.atomic import FileLock, not_written
from charrnn.storage.run import Run
from charrnn.training.device import autocast, settled
from charrnn.training.evaluate import Cancelled, Evaluation, evaluate, load_model
from charrnn.training.lr_schedule import learning_rate
from charrnn.training.model import CharRNN
from charrnn.training.snapshot import not_a_number, snapshot, to_array
from charrnn.training.step_report import Report
from charrnn.vocab import Ids

BETAS = (0.9, 0.99)  # the second is shorter than Adam's 0.999: runs of minutes have few steps
EVAL_CHARACTERS = 50_000  # the most that a validation while training reads
EVAL_LANES = 16
# times the best validation loss, to count as worse: one as good may get better yet as the learning
# rate falls
WORSE = 1.01


class Trainer:
    """A run in progress; ``run`` yields a Report for each step.

    Args:
        config: resolved: numbers of steps, a device and a precision, no ``auto``.
        corpus: what is learned.
        run: where checkpoints go; None saves nothing (a throwaway copy, for timing).
    """

    def __init__(self, config: RunConfig, corpus: Corpus, run: Run | None) -> None:
        self.config, self.corpus, self.directory = config, corpus, run
        knobs = config.train
        assert isinstance(knobs.steps, int) and isinstance(knobs.threads, int)
        self.steps, self.threads, self.device = knobs.steps, knobs.threads, knobs.device
        self.step = 0
        self.stop_requested = self.save_requested = False
        self.layout = layout(config, corpus)
        self.model = CharRNN(config.model, len(corpus.vocabulary), knobs.seed).to(self.device)
        self.optimizer = _optimizer(self.model, knobs.weight_decay)
        self.state: Tensor | None = None  # (L, P, B, H)
        self.loss_sum, self.loss_count = 0.0, 0  # since the last line of metrics.jsonl
        self.stale = (
            0  # validations worse than the best, since it was found and the text has been read
        )
        self.metrics_bytes, self.unwritten = (
            0,
            b"",
        )  # of metrics.jsonl: what stands there, and what the disk did not take yet
        self.lock: FileLock | None = None  # the run's lock
        self.last = Report(0, self.steps, math.nan, 0.0, math.nan)

    @property
    def turned(self) -> bool:
        """Whether the validation loss has turned: it was worse than its best for as long as
        patience lasts."""
        patience = self.config.train.patience
        return patience is not None and self.stale >= patience

    def run(self) -> Iterator[Report]:
        """Train to the end, or until the validation loss has turned, or until ``stop_requested``;
        the step under way is finished and saved.

        Raises:
            DivergedError: a loss or gradient is no number; nothing was updated with it.
            CheckpointError: a checkpoint could not be written; the earlier ones are untouched.
        """
        assert self.directory is not None
        try:
            _ = (
                self.corpus.yardstick
            )  # counted before gradients and moments need the memory, not with the first checkpoint
            with (
                settled(self.threads, self.device),
                open(self.directory.metrics, "ab", buffering=0) as metrics,
            ):
                yield from self._steps(metrics)
        except OSError as error:
            raise not_written(Path(error.filename or self.directory.metrics), error) from None
        finally:
            if not self.directory.steps():
                with suppress(RunExistsError, OSError):
                    # nothing was saved: nothing shall stand in the way of another try
                    self.directory.remove()
            self.release()

    def _steps(self, metrics: FileIO) -> Iterator[Report]:
        assert self.directory is not None
        while self.step < self.steps and not self.turned and not self.stop_requested:
            yield self._reported(*self.train_step(), metrics)
        if self.stop_requested and self.step > 0 and not self.directory.step(self.step).exists():
            self._save(None, metrics)  # the wish came after the step had been reported
        ended = (self.step == self.steps or self.turned) and not self.stop_requested
        if ended and len(self.corpus.val) and self.directory.final() is None:
            yield from self._finish(metrics)

    def release(self) -> None:
        """Give back the run's lock: another trainer may go on with it."""
        if self.lock is not None:
            self.lock.release()

    def train_step(self) -> tuple[float, float, float]:
        """Make one step: ``(loss, learning rate, gradient norm)``; nothing is updated where one of
        them is no number."""
        knobs = self.config.train
        lr = learning_rate(self.step, self.steps, knobs.learning_rate)
        self.optimizer.zero_grad(
            set_to_none=True
        )  # before the forward pass, which so has their room
        loss_, state = self._loss()
        loss_.backward()  # type: ignore[no-untyped-call]
        clip = math.inf if knobs.clip_norm is None else knobs.clip_norm
        grad_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip).item()
        loss = loss_.item()
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            raise self._diverged(loss, lr, grad_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.state = state.detach()
        self.step += 1
        return loss, lr, grad_norm

    def validate(self) -> float:
        """Static loss of the validation text's beginning, over parallel lanes; leaves no trace."""
        with autocast(self.device, self.config.train.precision):
            return self._evaluate(
                self.model, self.corpus.beginning(EVAL_CHARACTERS), lanes=EVAL_LANES
            ).nats_per_character

    def _evaluate(self, model: CharRNN, ids: Ids, **how: Any) -> Evaluation:
        return evaluate(
            model, ids, self.corpus.prime, records=self.corpus.vocabulary.records, **how
        )

    def weights(self) -> dict[str, Any]:
        """A copy of the weights, by name, as NumPy arrays in float32."""
        return {name: to_array(value) for name, value in self.model.state_dict().items()}

    def _loss(self) -> tuple[Tensor, Tensor]:
        batch = self.layout.batch(self.step)
        x, y = (
            torch.from_numpy(batch.x).to(self.device),
            torch.from_numpy(batch.y).to(self.device),
        )  # (T, B)
        state = self.state
        if batch.fresh.all():
            state = None
        elif state is not None and batch.fresh.any():
            state = (
                state * torch.from_numpy(~batch.fresh).to(self.device)[:, None]
            )  # (L, P, B, H) * (B, 1)
        self.model.train()
        self.model.seed_dropout(_mix(self.config.train.seed, self.step))
        with autocast(self.device, self.config.train.precision):
            logits, state = self.model(
                x,
                state,
                None
                if batch.recalled is None
                else torch.from_numpy(batch.recalled).to(self.device),
            )
        total = functional.cross_entropy(
            logits.flatten(0, 1), y.flatten(), ignore_index=PADDING, reduction="sum"
        )
        return total / max(1, int((batch.y != PADDING).sum())), state

    def _reported(self, loss: float, lr: float, grad_norm: float, metrics: FileIO) -> Report:
        assert self.directory is not None
        knobs = self.config.train
        self.loss_sum, self.loss_count = self.loss_sum + loss, self.loss_count + 1
        last = self.step == self.steps
        val_loss = (
            self.validate()
            if len(self.corpus.val) and (last or _due(knobs.eval_every, self.step))
            else None
        )
        if val_loss is not None and not math.isfinite(val_loss):
            raise DivergedError(
                f"after step {self.step} the validation loss is {val_loss:g}; {self._advice()}"
            )
        better = False
        if val_loss is not None:
            best = self.directory.best_val_loss()  # which reads files, so not at every step
            better = val_loss < best
            if (
                better or self.step < self.layout.steps_per_epoch
            ):  # what has not been read once cannot be known by heart
                self.stale = 0
            elif val_loss > WORSE * best:
                self.stale += 1
        train_loss, trouble = None, None
        if last or val_loss is not None or _due(knobs.report_every, self.step):
            train_loss = self.loss_sum / self.loss_count
            self.loss_sum, self.loss_count = 0.0, 0
            line = {
                "step": self.step,
                "learning_rate": lr,
                "train_loss": train_loss,
                "grad_norm": grad_norm,
                "val_loss": val_loss,
            }
            trouble = self._write_line(metrics, line)
        saved = None
        if better or self._save_due(last):
            saved, why = self._save(val_loss, metrics)
            if self.unwritten and self._stops_here:
                raise CheckpointError(trouble)
            trouble = why or trouble
        self.last = Report(
            self.step,
            self.steps,
            loss,
            lr,
            grad_norm,
            train_loss,
            val_loss,
            saved=saved,
            trouble=trouble,
            turned=self.turned,
        )
        return self.last

    @property
    def _stops_here(self) -> bool:
        """Whether what cannot be written now never will be, or shall be an error."""
        return (
            self.config.train.on_save_error == "stop"
            or self.step == self.steps
            or self.turned
            or self.stop_requested
        )

    def _save_due(self, last: bool) -> bool:
        return (
            last
            or self.turned
            or self.stop_requested
            or self.save_requested
            or _due(self.config.train.save_every, self.step)
        )

    def _save(self, val_loss: float | None, metrics: FileIO) -> tuple[Path | None, str | None]:
        """Commit a checkpoint: its path, and what went wrong with the disk where the run is to go
        on all the same."""
        assert self.directory is not None
        path = self.directory.step(self.step)
        self.save_requested = (
            False  # before writing, so that a wish that comes meanwhile is not lost
        )
        checkpoint = snapshot(self, val_loss)
        if (name := not_a_number(checkpoint)) is not None:
            raise DivergedError(
                f"step {self.step} was not saved: {name} holds a value that is not a number; {self._advice()}"
            )
        try:
            os.fsync(metrics.fileno())
            checkpoints.write(path, checkpoint)
        except (CheckpointError, OSError) as error:
            why = error if isinstance(error, CheckpointError) else not_written(path, error)
            if self._stops_here:
                raise why from None
            return None, str(why)
        try:
            notices = self.directory.prune(self.config.train.keep)
        except CheckpointError as error:
            return path, str(error)
        return path, "; ".join(notices) or None

    def _finish(self, metrics: FileIO) -> Iterator[Report]:
        """The loss of what is judged in one stream, read by the best checkpoint, in fp32."""
        assert self.directory is not None
        found = checkpoints.read(self.directory.best())
        model = load_model(found, self.device)
        try:
            final = self._evaluate(model, self.corpus.judged, each=self._cancel)
            learned = self._evaluate(model, self.corpus.learned(EVAL_CHARACTERS), each=self._cancel)
        except Cancelled:
            return  # the run is whole but for this line; going on with it writes it
        line = {
            "step": found.about["step"],
            "final_val_loss": final.nats_per_character,
            "characters": final.characters,
        }
        if (
            trouble := self._write_line(
                metrics, line | {"final_train_loss": learned.nats_per_character}
            )
        ) is not None:
            raise CheckpointError(trouble)
        yield replace(self.last, train_loss=None, val_loss=None, saved=None, final=final)

    def _cancel(self, characters: int) -> None:
        if self.stop_requested:
            raise Cancelled

    def _write_line(self, metrics: FileIO, line: dict[str, Any]) -> str | None:
        """At once, for whoever follows the file; what a full disk does not take goes before the
        next line, and it is said why."""
        self.unwritten += (json.dumps(line, allow_nan=False) + "\n").encode()
        try:
            metrics.truncate(self.metrics_bytes)  # half a line may stand there
            rest = self.unwritten
            while rest:
                rest = rest[metrics.write(rest) :]
        except OSError as error:
            if self.config.train.on_save_error == "stop":
                raise
            assert self.directory is not None
            return str(not_written(self.directory.metrics, error))
        self.metrics_bytes += len(self.unwritten)
        self.unwritten = b""
        return None

    def _diverged(self, loss: float, lr: float, grad_norm: float) -> DivergedError:
        return DivergedError(
            f"step {self.step + 1} was not made: the loss is {loss:g} and the gradient norm {grad_norm:g} at learning rate {lr:.3g}; "
            + self._advice()
        )

    def _advice(self) -> str:
        last = self.directory.steps()[-1:] if self.directory else []
        good = f"the last good checkpoint is {last[0]}" if last else "no checkpoint was saved yet"
        return f"{good}; train again with a smaller --learning-rate (a third of it) or --clip-norm, or with --precision fp32"


def layout(config: RunConfig, corpus: Corpus) -> Layout:
    """The training part laid out for a configuration: Records of records, else Lanes."""
    knobs, recalled = config.train, corpus.recalled(config.model.copy_window)
    if corpus.vocabulary.records:
        return Records(corpus.train, corpus.vocabulary.end, knobs.batch_size, knobs.seed, recalled)
    return Lanes(corpus.train, knobs.batch_size, knobs.sequence_length, knobs.seed, recalled)


def _optimizer(model: CharRNN, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); biases are not decayed."""
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    biases = [weight for weight in model.parameters() if weight.ndim == 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=BETAS, fused=matrices[0].device.type in ("cpu", "cuda"))


def _due(every: int | str | None, step: int) -> bool:
    return isinstance(every, int) and step % every == 0


def _mix(seed: int, step: int) -> int:
    """One 64-bit seed of two numbers, unlike that of any other pair in practice."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1)
