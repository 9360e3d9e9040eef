"""Trainer: a run in progress. Knows nothing of printing, progress bars and sampling.

Whatever depends on time is a function of ``step``: the batch, the learning rate, the dropout masks. So the state of a
run is its weights, its optimizer, the state of each lane, the step, and the running mean of the loss.
"""

import json
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from charrnn import __version__
from charrnn import checkpoint as checkpoints
from charrnn.checkpoint import Checkpoint
from charrnn.config import RunConfig
from charrnn.corpus.batches import PADDING, Lanes
from charrnn.corpus.store import Corpus
from charrnn.errors import DivergedError, RunExistsError
from charrnn.files import not_written
from charrnn.runs import Run
from charrnn.training.device import autocast, settled
from charrnn.training.evaluate import Cancelled, evaluate, load_model, load_weights
from charrnn.training.model import CharRNN
from charrnn.training.report import Report
from charrnn.training.schedule import learning_rate

BETAS = (0.9, 0.99)  # the second is shorter than Adam's 0.999: runs of minutes have few steps
EVAL_CHARACTERS = 50_000  # the most that a validation while training reads
EVAL_LANES = 16
WORSE = 1.01  # times the best validation loss, to count as worse: one as good may get better yet as the learning rate falls


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
        recalled = corpus.recalled(config.model.copy_window)
        self.lanes = Lanes(corpus.train, knobs.batch_size, knobs.sequence_length, knobs.seed, recalled)
        self.model = CharRNN(config.model, len(corpus.vocabulary), knobs.seed).to(self.device)
        self.optimizer = _optimizer(self.model, knobs.weight_decay)
        self.state: Tensor | None = None  # (L, P, B, H)
        self.loss_sum, self.loss_count = 0.0, 0  # since the last line of metrics.jsonl
        self.stale = 0  # validations worse than the best, since it was found and the text has been read
        self.metrics_bytes = 0
        self.last = Report(0, self.steps, math.nan, 0.0, math.nan)

    @property
    def turned(self) -> bool:
        """Whether the validation loss has turned: it was worse than its best for as long as patience lasts."""
        patience = self.config.train.patience
        return patience is not None and self.stale >= patience

    def run(self) -> Iterator[Report]:
        """Train to the end, or until the validation loss has turned, or until ``stop_requested``; the step under way is finished and saved.

        Raises:
            DivergedError: a loss or gradient is no number; nothing was updated with it.
            CheckpointError: a checkpoint could not be written; the earlier ones are untouched.
        """
        assert self.directory is not None
        try:
            with settled(self.threads, self.device), open(self.directory.metrics, "ab") as metrics:
                yield from self._steps(metrics)
        except OSError as error:
            raise not_written(Path(error.filename or self.directory.metrics), error) from None
        finally:
            if not self.directory.steps():
                with suppress(RunExistsError, OSError):
                    self.directory.remove()  # nothing was saved: nothing shall stand in the way of another try

    def _steps(self, metrics: BinaryIO) -> Iterator[Report]:
        assert self.directory is not None
        while self.step < self.steps and not self.turned and not self.stop_requested:
            yield self._reported(*self.train_step(), metrics)
        if self.stop_requested and self.step > 0 and not self.directory.step(self.step).exists():
            self._save(None, metrics)  # the wish came after the step had been reported
        ended = (self.step == self.steps or self.turned) and not self.stop_requested
        if ended and len(self.corpus.val) and self.directory.final() is None:
            yield from self._finish(metrics)

    def train_step(self) -> tuple[float, float, float]:
        """Make one step: ``(loss, learning rate, gradient norm)``; nothing is updated where one of them is no number."""
        knobs = self.config.train
        lr = learning_rate(self.step, self.steps, knobs.learning_rate)
        loss_, state = self._loss()
        self.optimizer.zero_grad(set_to_none=True)
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
            return evaluate(self.model, self.corpus.val[:EVAL_CHARACTERS], self.corpus.prime, lanes=EVAL_LANES).nats_per_character

    def checkpoint(self, val_loss: float | None = None) -> Checkpoint:
        """The run as it stands: everything needed to generate or to go on."""
        optimizer = {f"optimizer.{part}.{name}": value for name, parts in self._optimizer_state().items() for part, value in parts.items()}
        assert self.state is not None
        return Checkpoint(
            vocabulary=self.corpus.vocabulary,
            model=self.config.model,
            weights=self.weights(),
            prime=self.corpus.prime,
            about=self._about(val_loss),
            trainer={
                "config": self.config.flat(),
                "step": self.step,
                "loss_sum": self.loss_sum,
                "loss_count": self.loss_count,
                "stale": self.stale,
                "metrics_bytes": self.metrics_bytes,
                "corpus": {"fingerprint": self.corpus.fingerprint, "characters": len(self.corpus), "symbols": len(self.corpus.vocabulary)},
                "torch": torch.__version__,
            },
            trainer_tensors={name: _array(value) for name, value in optimizer.items()} | {"state": _array(self.state)},
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take over a checkpoint of the same configuration, every piece of it; a missing one is a KeyError or RuntimeError."""
        assert checkpoint.trainer is not None
        self.step = checkpoint.trainer["step"]
        self.last = replace(self.last, step=self.step)
        self.loss_sum, self.loss_count = checkpoint.trainer["loss_sum"], checkpoint.trainer["loss_count"]
        self.stale = checkpoint.trainer["stale"]
        self.metrics_bytes = checkpoint.trainer["metrics_bytes"]
        tensors = {name: torch.from_numpy(value.copy()) for name, value in checkpoint.trainer_tensors.items()}
        load_weights(self.model, checkpoint)
        for name, weight in self.model.named_parameters():
            parts = {part: tensors[f"optimizer.{part}.{name}"] for part in ("step", "exp_avg", "exp_avg_sq")}
            if any(parts[part].shape != weight.shape for part in ("exp_avg", "exp_avg_sq")):
                raise KeyError(f"optimizer of {name}, of shape {tuple(weight.shape)}")
            self.optimizer.state[weight] = {part: value.to(self.device) for part, value in parts.items()}
        L, P, H = self.model.state_shape
        if tensors["state"].shape != (L, P, self.config.train.batch_size, H):
            raise KeyError(f"state of {self.config.train.batch_size} lanes")
        self.state = tensors["state"].to(self.device)

    def weights(self) -> dict[str, Any]:
        """A copy of the weights, by name, as NumPy arrays in float32."""
        return {name: _array(value) for name, value in self.model.state_dict().items()}

    def _loss(self) -> tuple[Tensor, Tensor]:
        batch = self.lanes.batch(self.step)
        x, y = torch.from_numpy(batch.x).to(self.device), torch.from_numpy(batch.y).to(self.device)  # (T, B)
        state = self.state
        if state is not None and batch.fresh.any():
            state = state * torch.from_numpy(~batch.fresh).to(self.device)[:, None]  # (L, P, B, H) * (B, 1)
        self.model.train()
        self.model.seed_dropout(_mix(self.config.train.seed, self.step))
        with autocast(self.device, self.config.train.precision):
            logits, state = self.model(x, state, None if batch.recalled is None else torch.from_numpy(batch.recalled).to(self.device))
        total = functional.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=PADDING, reduction="sum")
        return total / max(1, int((batch.y != PADDING).sum())), state

    def _reported(self, loss: float, lr: float, grad_norm: float, metrics: BinaryIO) -> Report:
        assert self.directory is not None
        knobs = self.config.train
        self.loss_sum, self.loss_count = self.loss_sum + loss, self.loss_count + 1
        last = self.step == self.steps
        val_loss = self.validate() if len(self.corpus.val) and (last or _due(knobs.eval_every, self.step)) else None
        if val_loss is not None and not math.isfinite(val_loss):
            raise DivergedError(f"after step {self.step} the validation loss is {val_loss:g}; {self._advice()}")
        better = False
        if val_loss is not None:
            best = self.directory.best_val_loss()  # which reads files, so not at every step
            better = val_loss < best
            if better or self.step < self.lanes.steps_per_epoch:  # what has not been read once cannot be known by heart
                self.stale = 0
            elif val_loss > WORSE * best:
                self.stale += 1
        train_loss = None
        if last or val_loss is not None or _due(knobs.report_every, self.step):
            train_loss = self.loss_sum / self.loss_count
            self.loss_sum, self.loss_count = 0.0, 0
            line = {"step": self.step, "learning_rate": lr, "train_loss": train_loss, "grad_norm": grad_norm, "val_loss": val_loss}
            self._write_line(metrics, line)
        saved = self._save(val_loss, metrics) if better or self._save_due(last) else None
        self.last = Report(self.step, self.steps, loss, lr, grad_norm, train_loss, val_loss, saved=saved, turned=self.turned)
        return self.last

    def _save_due(self, last: bool) -> bool:
        return last or self.turned or self.stop_requested or self.save_requested or _due(self.config.train.save_every, self.step)

    def _save(self, val_loss: float | None, metrics: BinaryIO) -> Path:
        assert self.directory is not None
        metrics.flush()
        os.fsync(metrics.fileno())
        path = self.directory.step(self.step)
        self.save_requested = False  # before writing, so that a wish that comes meanwhile is not lost
        checkpoints.write(path, self.checkpoint(val_loss))
        self.directory.prune(self.config.train.keep)
        return path

    def _finish(self, metrics: BinaryIO) -> Iterator[Report]:
        """The loss of the whole validation text in one stream, read by the best checkpoint, in fp32."""
        assert self.directory is not None
        found = checkpoints.read(self.directory.best())
        model, prime = load_model(found, self.device), self.corpus.prime
        try:
            final = evaluate(model, self.corpus.val, prime, each=self._cancel)
            learned = evaluate(model, self.corpus.train[-EVAL_CHARACTERS:], prime, each=self._cancel)
        except Cancelled:
            return  # the run is whole but for this line; going on with it writes it
        line = {"step": found.about["step"], "final_val_loss": final.nats_per_character, "characters": final.characters}
        self._write_line(metrics, line | {"final_train_loss": learned.nats_per_character})
        metrics.flush()
        yield replace(self.last, train_loss=None, val_loss=None, saved=None, final=final)

    def _cancel(self, characters: int) -> None:
        if self.stop_requested:
            raise Cancelled

    def _write_line(self, metrics: BinaryIO, line: dict[str, Any]) -> None:
        self.metrics_bytes += metrics.write((json.dumps(line, allow_nan=False) + "\n").encode())
        metrics.flush()  # for whoever follows the file

    def _about(self, val_loss: float | None) -> dict[str, Any]:
        return {
            "charrnn": __version__,
            "step": self.step,
            "steps": self.steps,
            "val_loss": val_loss,
            "parameters": sum(weight.numel() for weight in self.model.parameters()),
            "corpus": list(self.config.corpus),
            "data": asdict(self.config.data),
            "train_characters": len(self.corpus.train),
            "val_characters": len(self.corpus.val),
            "epochs": self.step / self.lanes.steps_per_epoch,
            "yardstick": asdict(self.corpus.yardstick) if self.corpus.yardstick else None,
        }

    def _optimizer_state(self) -> dict[str, dict[str, Tensor]]:
        return {name: self.optimizer.state[weight] for name, weight in self.model.named_parameters()}

    def _diverged(self, loss: float, lr: float, grad_norm: float) -> DivergedError:
        return DivergedError(
            f"step {self.step + 1} was not made: the loss is {loss:g} and the gradient norm {grad_norm:g} at learning rate {lr:.3g}; "
            + self._advice()
        )

    def _advice(self) -> str:
        last = self.directory.steps()[-1:] if self.directory else []
        good = f"the last good checkpoint is {last[0]}" if last else "no checkpoint was saved yet"
        return f"{good}; train again with a smaller --learning-rate (a third of it) or --clip-norm, or with --precision fp32"


def _optimizer(model: CharRNN, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); biases are not decayed."""
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    biases = [weight for weight in model.parameters() if weight.ndim == 1]
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=BETAS, fused=matrices[0].device.type in ("cpu", "cuda"))


def _due(every: int | str | None, step: int) -> bool:
    return isinstance(every, int) and step % every == 0


def _mix(seed: int, step: int) -> int:
    """One 64-bit seed of two numbers, unlike that of any other pair in practice."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1)


def _array(tensor: Tensor) -> Any:
    return tensor.detach().to("cpu", torch.float32).numpy().copy()
