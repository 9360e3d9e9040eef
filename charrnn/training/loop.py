"""The training loop over tensors: batch, forward, loss, backward, clip, step.

The batch, the learning rate and the dropout masks are functions of ``step``, so the state of the
loop is the step, the weights, Adam's moments and each lane's recurrent state.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.config.run_config import RunConfig
from charrnn.corpus.batches import Layout
from charrnn.corpus.corpus import Corpus
from charrnn.errors import DivergedError
from charrnn.training.device import autocast
from charrnn.training.evaluate import evaluate, load_weights
from charrnn.training.loss import Inputs, batch_loss, to_device
from charrnn.training.lr_schedule import Schedule
from charrnn.training.model import CharRNN
from charrnn.training.prefetch import MAX_WORKERS, Prefetch

BETAS = (0.9, 0.99)  # the second is below Adam's 0.999: runs of minutes have few steps
EVAL_CHARACTERS = 50_000  # most that a validation during training reads
EVAL_LANES = 16
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # Adam's, for each weight
ADVICE = (
    "train again with a smaller `learning_rate` (try a third), a smaller `clip_norm`, "
    'or `precision="fp32"`'
)

Arrays = dict[str, NDArray[Any]]


class StepResult(NamedTuple):
    """A step's loss in nats per character, learning rate, and gradient norm before clipping."""

    loss: float
    learning_rate: float
    grad_norm: float


class TrainingLoop:
    """A model, its optimizer and its batches, one step at a time.

    Args:
        config: resolved, without ``auto``: numbers of steps, a device, a precision.
        corpus: the text to learn.
    """

    def __init__(self, config: RunConfig, corpus: Corpus) -> None:
        knobs = config.train
        assert isinstance(knobs.steps, int)
        self.knobs = knobs
        self.corpus = corpus
        self.step = 0
        self.schedule = Schedule(((0, knobs.steps),))
        self.batches = layout(config, corpus)
        self.prefetch: Prefetch | None = None
        if knobs.device == "cuda":
            assert isinstance(knobs.threads, int)
            workers = min(max(1, knobs.threads - 1), MAX_WORKERS)
            self.prefetch = Prefetch(self._read_batch, workers)
        self.model = CharRNN(config.model, len(corpus.vocabulary), knobs.seed).to(knobs.device)
        self.model.table = corpus.table(config.model.counts)
        self.optimizer = _adamw(self.model, knobs.weight_decay)
        self.state: Tensor | None = None  # (L, P, B, H) after the last step

    def train_step(self) -> StepResult:
        """Train on the next batch.

        Raises:
            DivergedError: the loss or the gradient norm is not finite; the weights are unchanged.
        """
        lr = self.schedule.learning_rate(self.step, self.knobs.learning_rate)
        if self.prefetch is None:
            batch = self._read_batch(self.step)
        else:
            batch = self.prefetch[self.step]
        self.model.train()
        self.model.seed_dropout(_seed_of_step(self.knobs.seed, self.step))
        self.optimizer.zero_grad(set_to_none=True)  # before the forward pass, to free memory for it

        with autocast(self.knobs.device, self.knobs.precision):
            summed, state = batch_loss(self.model, batch, self.state)
        loss = summed / max(1, batch.num_targets)
        loss.backward()  # type: ignore[no-untyped-call]
        max_norm = math.inf if self.knobs.clip_norm is None else self.knobs.clip_norm
        grad_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), max_norm)

        result = StepResult(loss.item(), lr, grad_norm.item())
        self._check_finite(result)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.state = state.detach()
        self.step += 1
        return result

    def _read_batch(self, step: int) -> Inputs:
        """The batch of a step, on the device."""
        return to_device(self.batches.batch(step), self.knobs.device)

    def close(self) -> None:
        """Stop the threads that compute batches ahead."""
        if self.prefetch is not None:
            self.prefetch.close()

    def validate(self, characters: int = EVAL_CHARACTERS, warm_up: int = 0) -> float:
        """Static loss on the start of the validation text, in parallel lanes.

        Args:
            characters: to read at most.
            warm_up: before its piece that each lane reads first.
        """
        beginning = self.corpus.beginning(characters)
        with autocast(self.knobs.device, self.knobs.precision):
            evaluation = evaluate(
                self.model,
                beginning,
                self.corpus.prime,
                lanes=EVAL_LANES,
                warm_up=warm_up,
                records=self.corpus.vocabulary.records,
            )
        return evaluation.nats_per_character

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self.schedule.steps

    @property
    def num_parameters(self) -> int:
        """The number of weights of the model."""
        return sum(weight.numel() for weight in self.model.parameters())

    def weights(self) -> Arrays:
        """A copy of the weights, by name, in float32."""
        return {name: _to_array(value) for name, value in self.model.state_dict().items()}

    def state_dict(self) -> Arrays:
        """What the next step needs besides its number and the weights, in float32.

        Adam's moments are ``optimizer.<moment>.<weight>``; ``state`` is each lane's state.
        """
        assert self.state is not None
        arrays = {}
        for name, weight in self.model.named_parameters():
            for moment in MOMENTS:
                value = self.optimizer.state[weight][moment]
                arrays[f"optimizer.{moment}.{name}"] = _to_array(value)
        arrays["state"] = _to_array(self.state)
        return arrays

    def load_state_dict(self, step: int, weights: Arrays, arrays: Arrays) -> None:
        """Continue after a step, from what ``weights`` and ``state_dict`` returned then.

        Raises:
            CheckpointError: the weights do not fit this model.
            KeyError: something is missing or has another shape.
        """
        self.step = step
        load_weights(self.model, weights)
        for name, weight in self.model.named_parameters():
            self.optimizer.state[weight] = self._moments(name, weight, arrays)
        state = arrays["state"]
        L, P, H = self.model.state_shape
        B = self.knobs.batch_size
        if state.shape != (L, P, B, H):
            raise KeyError(f"state of {B} lanes")
        self.state = self._to_device(state)

    def _moments(
        self,
        name: str,
        weight: Tensor,
        arrays: Arrays,
    ) -> dict[str, Tensor]:
        """Adam's moments of a weight."""
        moments = {}
        for moment in MOMENTS:
            value = arrays[f"optimizer.{moment}.{name}"]
            if moment != "step" and value.shape != weight.shape:
                raise KeyError(f"optimizer of {name}, of shape {tuple(weight.shape)}")
            moments[moment] = self._to_device(value)
        return moments

    def _to_device(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array.copy()).to(self.knobs.device)

    def _check_finite(self, result: StepResult) -> None:
        if math.isfinite(result.loss) and math.isfinite(result.grad_norm):
            return
        raise DivergedError(
            f"training diverged at step {self.step + 1}: loss {result.loss:g}, gradient norm "
            f"{result.grad_norm:g} at learning rate {result.learning_rate:.3g}; {ADVICE}"
        )


def layout(config: RunConfig, corpus: Corpus) -> Layout:
    """The training part of a corpus, laid out in batches."""
    knobs = config.train
    return corpus.layout(
        knobs.batch_size,
        knobs.sequence_length,
        knobs.seed,
        config.model.copy_window,
        config.model.counts,
    )


def _adamw(model: CharRNN, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); biases are not decayed."""
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    biases = [weight for weight in model.parameters() if weight.ndim == 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    fused = matrices[0].device.type in ("cpu", "cuda")
    return torch.optim.AdamW(groups, betas=BETAS, fused=fused)


def _seed_of_step(seed: int, step: int) -> int:
    """A 63-bit seed that is, in practice, unique to this pair of seed and step."""
    words = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)
    return int(words[0] >> 1)


def _to_array(tensor: Tensor) -> NDArray[Any]:
    """A float32 copy on the CPU."""
    array: NDArray[Any] = tensor.detach().to("cpu", torch.float32).numpy().copy()
    return array
