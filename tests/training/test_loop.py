"""A step does what its definition says, the state is carried, and nothing else has side effects."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from charrnn.config.run_config import RunConfig
from charrnn.context_mixing.counting import FoldedCounts
from charrnn.corpus.batches import PADDING, Lanes
from charrnn.corpus.corpus import Corpus, RunningText
from charrnn.errors import DivergedError
from charrnn.training.evaluate import evaluate
from charrnn.training.loop import TrainingLoop
from charrnn.training.model import CELLS

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
# 924 characters, 831 of them for training: 4 lanes of 207, 5 chunks of 40 per epoch
KNOBS = {
    "steps": 6, "batch_size": 4, "sequence_length": 40, "hidden_size": 8, "num_layers": 2, "embedding_size": 4,
    "dropout": 0.0, "learning_rate": 0.01, "device": "cpu", "precision": "fp32",
}  # fmt: skip

cells = pytest.mark.parametrize("cell", CELLS)
pytestmark = pytest.mark.usefixtures("one_thread")


def new(text: str = TEXT, **knobs: Any) -> TrainingLoop:
    config = RunConfig.from_flat(KNOBS | knobs)
    return TrainingLoop(config, Corpus.of(text, config.data.val_fraction))


def after(count: int, text: str = TEXT, **knobs: Any) -> TrainingLoop:
    """A loop after a number of steps."""
    loop = new(text, **knobs)
    for _ in range(count):
        loop.train_step()
    return loop


def tensors(loop: TrainingLoop) -> dict[str, bytes]:
    """Everything that a step can change: weights, optimizer, the state of the lanes."""
    return {name: value.tobytes() for name, value in (loop.weights() | loop.state_dict()).items()}


# Targets and state


@cells
def test_the_loss_of_a_step_is_the_mean_over_its_targets_excluding_padding(cell: str) -> None:
    loop = new(cell=cell)
    padded = [step for step in range(5) if (loop.batches.batch(step).y == PADDING).any()]
    # once per epoch, which reads all but 31 characters, the last character has no target
    assert len(padded) == 1
    for _ in range(padded[0]):
        loop.train_step()
    batch = loop.batches.batch(loop.step)
    assert batch.recalled is not None
    with torch.no_grad():
        logits, _ = loop.model(
            torch.from_numpy(batch.x), loop.state, torch.from_numpy(batch.recalled)
        )
    each = functional.cross_entropy(
        logits.flatten(0, 1), torch.from_numpy(batch.y).clamp(min=0).flatten(), reduction="none"
    )
    there = batch.y.flatten() != PADDING
    assert there.sum() == 4 * 40 - 1
    loss, _, _ = loop.train_step()
    assert loss == pytest.approx(each.numpy()[there].mean(), abs=1e-6)


def test_a_step_without_targets_does_not_count_and_is_not_divergence() -> None:
    # one lane of one symbol per step: 18 steps per epoch, in one of which the last symbol has no
    # target
    loop = new("abcdefghij" * 2, steps=18, batch_size=1, sequence_length=1)
    without = [step for step in range(18) if loop.batches.batch(step).num_targets == 0]
    assert len(without) == 1
    losses = [loop.train_step().loss for _ in range(18)]
    assert losses[without[0]] == 0
    assert loop.step == 18


@cells
@pytest.mark.parametrize(
    ("step", "fresh"), [(1, False), (4, False), (5, True), (6, False), (10, True)]
)
def test_the_state_is_carried_within_an_epoch_and_dropped_at_its_start(
    cell: str, step: int, fresh: bool
) -> None:
    loop, disturbed = after(step, cell=cell), after(step, cell=cell)
    assert loop.batches.steps_per_epoch == 5
    assert loop.state is not None and disturbed.state is not None
    assert tensors(loop) == tensors(disturbed)
    disturbed.state = disturbed.state + 1
    loop.train_step()
    disturbed.train_step()
    assert (tensors(loop) == tensors(disturbed)) is fresh


@cells
def test_the_state_after_a_step_is_that_after_its_last_symbols(cell: str) -> None:
    loop, batch = new(cell=cell), new(cell=cell).batches.batch(0)
    with torch.no_grad():
        _, state = loop.model(torch.from_numpy(batch.x))
    loop.train_step()
    assert loop.state is not None
    assert not loop.state.requires_grad
    torch.testing.assert_close(loop.state, state, atol=1e-6, rtol=0)


@cells
def test_dropout_differs_between_steps_and_depends_only_on_seed_and_step(
    cell: str,
) -> None:
    loop, masks = new(cell=cell, dropout=0.5), list[Tensor]()
    loop.model.dropout.register_forward_hook(lambda _module, inputs, y: masks.append((y != 0)[0]))
    for _ in range(2):
        loop.train_step()
    first, second = masks[0], masks[3]  # of the embedding; there are three masks per step
    assert not torch.equal(first, second)
    again = after(1, cell=cell, dropout=0.5)
    again.model.dropout.register_forward_hook(lambda _module, inputs, y: masks.append((y != 0)[0]))
    again.train_step()
    assert torch.equal(masks[6], second)


# The optimizer


@cells
def test_weight_decay_acts_on_matrices_only(cell: str) -> None:
    # after one step, only decay makes a difference: rate 0.01 x decay 0.5 of the weight before
    before = new(cell=cell).model.state_dict()
    plain, decayed = (
        after(1, cell=cell, weight_decay=decay).model.state_dict() for decay in (0.0, 0.5)
    )
    for name, weight in before.items():
        if weight.ndim == 1:
            assert torch.equal(plain[name], decayed[name])
        else:
            torch.testing.assert_close(
                plain[name] - decayed[name], 0.005 * weight, atol=1e-6, rtol=0
            )


def gradient(loop: TrainingLoop) -> float:
    return math.sqrt(
        sum(
            float((weight.grad**2).sum())
            for weight in loop.model.parameters()
            if weight.grad is not None
        )
    )


@cells
def test_a_gradient_above_clip_norm_is_scaled_down_to_it(cell: str) -> None:
    loop = new(cell=cell, clip_norm=0.01)
    _, _, norm = loop.train_step()
    assert norm > 0.1
    assert gradient(loop) == pytest.approx(0.01, rel=1e-3)


@cells
def test_a_gradient_below_clip_norm_is_not_changed(cell: str) -> None:
    free, wide = new(cell=cell, clip_norm=None), new(cell=cell, clip_norm=1e6)
    norms = [loop.train_step()[2] for loop in (free, wide)]
    assert norms[0] == norms[1] == pytest.approx(gradient(free), rel=1e-6)
    assert tensors(free) == tensors(wide)


# Counts


@cells
def test_a_step_with_counts_depends_only_on_the_seed(cell: str) -> None:
    torch.manual_seed(1)
    first = tensors(after(3, cell=cell, counts=1))
    torch.manual_seed(2)
    assert tensors(after(3, cell=cell, counts=1)) == first
    assert tensors(after(3, cell=cell, counts=1, seed=1)) != first
    assert tensors(after(3, cell=cell, counts=20)) != first


def test_the_lanes_without_counts_differ_between_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.training.model.WITHOUT_COUNTS", 0.5)
    loop = new(counts=1, batch_size=20, sequence_length=10)
    drawn: list[list[bool]] = []
    forward = loop.model.mixer.forward

    def watching(logits: Tensor, *inputs: Any) -> Tensor:
        mixed: Tensor = forward(logits, *inputs)
        drawn.append((mixed == logits).all(-1).all(0).tolist())
        return mixed

    monkeypatch.setattr(loop.model.mixer, "forward", watching)
    for _ in range(4):
        loop.train_step()
    assert len({tuple(lanes) for lanes in drawn}) == 4
    assert all(0 < sum(lanes) < 20 for lanes in drawn)


def test_a_step_reads_the_counts_without_the_surroundings_of_each_place() -> None:
    loop = new(counts=1)
    counted = loop.batches.batch(0).counted
    assert counted is not None
    assert isinstance(counted.counts, FoldedCounts)
    places = Lanes(np.arange(831), 4, 40, 0).batch(0).x
    assert counted.folds is not None
    assert counted.folds.tolist() == ((places + 1) * 10 // 831).tolist()
    # while a validation reads all of them
    table = loop.corpus.table(1)
    assert table is not None
    assert loop.model.table is table is counted.counts.table


# Evaluation has no side effects


@cells
def test_validate_does_not_change_weights_optimizer_or_state(cell: str) -> None:
    loop = after(3, cell=cell, dropout=0.3)
    before, generator = tensors(loop), torch.get_rng_state()
    loss = loop.validate()
    assert tensors(loop) == before
    assert torch.equal(torch.get_rng_state(), generator)
    assert (loop.step, loop.validate()) == (3, loss)
    loop.train_step()
    assert tensors(loop) == tensors(after(4, cell=cell, dropout=0.3))


def test_a_validation_reads_at_most_50_000_characters_in_16_lanes() -> None:
    corpus = Corpus.of("ab" * 50_010, 0.5)
    tail = RunningText(
        corpus.vocabulary,
        corpus.train,
        np.concatenate([corpus.val[:50_000], 1 - corpus.val[50_000:]]),
    )
    config = RunConfig.from_flat(KNOBS | {"num_layers": 1, "hidden_size": 1, "embedding_size": 1})
    loops = [TrainingLoop(config, each) for each in (corpus, tail)]
    expected = evaluate(
        loops[0].model, corpus.val[:50_000], corpus.prime, lanes=16
    ).nats_per_character
    assert [loop.validate() for loop in loops] == [expected, expected]


# Divergence


def infinite_bias(loop: TrainingLoop) -> Callable[[], None]:
    loop.model.head.bias.data[0] = math.inf
    return lambda: None


def nan_weight(loop: TrainingLoop) -> Callable[[], None]:
    loop.model.embedding.weight.data[:] = math.nan
    return lambda: None


def nan_gradient(loop: TrainingLoop) -> Callable[[], None]:
    return loop.model.head.bias.register_hook(lambda gradient: gradient * math.nan).remove


def infinite_gradient(loop: TrainingLoop) -> Callable[[], None]:
    return loop.model.head.bias.register_hook(lambda gradient: gradient + math.inf).remove


# 100 steps, 3 of which warm up to the rate of 0.03: the second has 0.02
ADVICE = (
    "; train again with a smaller `learning_rate` (try a third), a smaller `clip_norm`, "
    'or `precision="fp32"`'
)


@cells
@pytest.mark.parametrize("clip_norm", [1.0, None])
@pytest.mark.parametrize(
    ("poison", "found"),
    [
        (infinite_bias, "loss nan, gradient norm nan"),
        (nan_weight, "loss nan, gradient norm nan"),
        (nan_gradient, "loss {loss:g}, gradient norm nan"),
        (infinite_gradient, "loss {loss:g}, gradient norm inf"),
    ],
)
def test_a_diverged_step_changes_nothing(
    cell: str,
    clip_norm: float | None,
    poison: Callable[[TrainingLoop], Callable[[], None]],
    found: str,
) -> None:
    knobs = {"cell": cell, "steps": 100, "learning_rate": 0.03, "clip_norm": clip_norm}
    loss, _, _ = after(1, **knobs).train_step()
    loop = after(1, **knobs)
    remove = poison(loop)
    before = tensors(loop)
    with pytest.raises(DivergedError) as error:
        loop.train_step()
    remove()
    assert str(error.value) == (
        f"training diverged at step 2: {found.format(loss=loss)} at learning rate 0.02{ADVICE}"
    )
    assert tensors(loop) == before
    assert loop.step == 1
