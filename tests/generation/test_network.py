"""The NumPy network against its PyTorch twin, which shares no code with it, and against
calculations by hand."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from charrnn.config.cells import GATES
from charrnn.config.run_config import ModelConfig
from charrnn.copy_window import NOTHING, ORDERS, recall
from charrnn.errors import CheckpointError
from charrnn.generation import network
from charrnn.generation.network import CELLS, Network
from charrnn.generation.sampling import log_probabilities
from charrnn.storage.weight_shapes import shapes
from charrnn.training import model as training
from charrnn.training.model import CharRNN

V, T, B, W = 11, 200, 3, 40
SIZES = [(cell, num_layers) for cell in CELLS for num_layers in (1, 3)]
GATE_PAIRS = [(cell, *pair) for cell in CELLS for pair in combinations(range(len(GATES[cell])), 2)]
over_sizes = pytest.mark.parametrize(("cell", "num_layers"), SIZES)
over_windows = pytest.mark.parametrize("window", [None, 2, W, 2 * T])


def make_config(cell, num_layers, copy_window=W):
    return ModelConfig(
        cell=cell,
        hidden_size=12,
        num_layers=num_layers,
        embedding_size=5,
        copy_window=copy_window,
        dropout=0.1,
    )


def lively(config):
    """A CharRNN with larger weights than a new one, and biases, so that every gate matters and the
    logits differ."""
    model = CharRNN(config, V, seed=1).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "bias" in name:
                weight.normal_(0, 0.5, generator=generator)
            else:
                weight.normal_(0, 1, generator=generator) if name.startswith(
                    "copy"
                ) else weight.mul_(5 if name.startswith("head") else 2)
    return model


def weights_of(model):
    return {name: weight.numpy().copy() for name, weight in model.state_dict().items()}


def random_weights(config, scale, seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: (scale * rng.standard_normal(shape)).astype(np.float32)
        for name, shape in shapes(config, V).items()
    }


def recalled_in(idx, window):
    """The symbols recalled in each of B streams, computed from the whole stream: (T, B, K); None
    without a window."""
    return (
        None if window is None else np.stack([recall(stream, window) for stream in idx.T], axis=1)
    )


def torch_logits(model, idx):
    recalled = recalled_in(idx, model.copy_window)
    with torch.no_grad():
        # (T, B, V)
        return model(
            torch.from_numpy(idx), None, None if recalled is None else torch.from_numpy(recalled)
        )[0].numpy()


def numpy_logits(numpy_network, idx):
    """Step by step: a stream of ints for idx (T,), B streams for idx (T, B)."""
    state, rows = numpy_network.zero_state(*idx.shape[1:]), []
    for now in idx:
        logits, state = numpy_network.step(int(now) if now.ndim == 0 else now, state)
        rows.append(logits)
    return np.stack(rows)


def random_idx(*shape):
    """Random ids in which some runs of 12 repeat 25 or 50 symbols later, within the window and
    beyond it."""
    idx = np.random.default_rng(3).integers(0, V, shape)
    for start in range(60, len(idx) - 12 if shape else 0, 30):
        idx[start : start + 12] = idx[start - (25 if start % 60 else 50) :][:12]
    return idx


def test_both_networks_have_the_same_cells():
    assert list(network.CELLS) == list(training.CELLS) == list(GATES)


def test_the_ids_of_these_tests_recall_in_every_order_and_exceed_the_window():
    for idx in (random_idx(T)[:, None], random_idx(T, B)):
        found, further = recalled_in(idx, W), recalled_in(idx, T)
        assert (found != NOTHING).any(axis=(0, 1)).all()
        assert ((found == NOTHING) & (further != NOTHING)).any(axis=(0, 1)).all()


@over_windows
@over_sizes
def test_one_stream_matches_the_logits_of_pytorch_for_200_steps(cell, num_layers, window):
    config = make_config(cell, num_layers, window)
    model, idx = lively(config), random_idx(T)
    expected = torch_logits(model, idx[:, None])[:, 0]
    assert expected.std() > 1  # otherwise any network would be close
    found = numpy_logits(Network(config, V, weights_of(model)), idx)
    assert found.dtype == np.float32
    assert found.shape == (T, V)
    assert np.abs(found - expected).max() < 1e-4


@over_windows
@over_sizes
def test_many_streams_match_the_logits_of_pytorch_for_200_steps(cell, num_layers, window):
    config = make_config(cell, num_layers, window)
    model, idx = lively(config), random_idx(T, B)
    expected = torch_logits(model, idx)
    assert expected.std() > 1
    found = numpy_logits(Network(config, V, weights_of(model)), idx)
    assert found.dtype == np.float32
    assert found.shape == (T, B, V)
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize(("cell", "first", "second"), GATE_PAIRS)
def test_the_comparison_detects_any_two_swapped_gates(cell, first, second, num_layers):
    config = make_config(cell, num_layers)
    model, idx = lively(config), random_idx(T, B)
    weights = weights_of(model)
    for name in weights:
        if ".rnn." in name:
            gates = np.split(weights[name], len(GATES[cell]))
            gates[first], gates[second] = gates[second], gates[first]
            weights[name] = np.concatenate(gates)
    assert (
        np.abs(numpy_logits(Network(config, V, weights), idx) - torch_logits(model, idx)).max()
        > 1e-2
    )


@over_sizes
@pytest.mark.parametrize("batch", [(), (B,)], ids=["stream", "batch"])
def test_a_step_does_not_change_its_input_state(cell, num_layers, batch):
    config = make_config(cell, num_layers)
    numpy_network = Network(config, V, random_weights(config, 1))
    idx = np.full(batch, 4)
    state = numpy_network.zero_state(*batch)
    for _ in range(5):  # the same symbol, so that it is recalled
        _, state = numpy_network.step(idx, state)
    before = [
        state.h.copy(),
        state.c.copy(),
        [(memory.length, memory.followers, memory.ids) for memory in state.memories],
    ]
    logits, later = numpy_network.step(idx, state)
    again, _ = numpy_network.step(idx, state)
    np.testing.assert_array_equal(state.h, before[0])
    np.testing.assert_array_equal(state.c, before[1])
    assert [(memory.length, memory.followers, memory.ids) for memory in state.memories] == before[2]
    np.testing.assert_array_equal(numpy_network.logits(later), logits)
    np.testing.assert_array_equal(again, logits)
    assert not np.array_equal(later.h, state.h)
    assert all(memory.ids == [4] * 6 for memory in later.memories)


@over_sizes
def test_the_initial_state_is_zeros_for_one_stream_and_many(cell, num_layers):
    config = make_config(cell, num_layers)
    numpy_network = Network(config, V, random_weights(config, 1))
    c_size = num_layers * 12 if CELLS[cell].has_c else 0
    one, many = numpy_network.zero_state(), numpy_network.zero_state(B)
    assert (one.h.shape, one.c.shape) == ((num_layers * 12,), (c_size,))
    assert (many.h.shape, many.c.shape) == ((B, num_layers * 12), (B, c_size))
    assert (len(one.memories), len(many.memories)) == (1, B)
    assert not any(part.any() for state in (one, many) for part in (state.h, state.c))
    assert all(
        memory.ids == [] and set(memory.followers) == {NOTHING}
        for state in (one, many)
        for memory in state.memories
    )


@over_windows
@over_sizes
def test_the_shapes_match_the_trained_model(cell, num_layers, window):
    config = make_config(cell, num_layers, window)
    assert shapes(config, V) == {
        name: tuple(weight.shape) for name, weight in CharRNN(config, V).state_dict().items()
    }


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", shapes(make_config("lstm", 2), V))
def test_a_weight_of_another_shape_is_an_error_that_names_it(cell, name):
    config = make_config(cell, 2)
    weights = random_weights(config, 1)
    right = weights[name].shape
    wrong = (right[0] - 1, *right[1:])
    weights[name] = weights[name][:-1]
    with pytest.raises(CheckpointError) as error:
        Network(config, V, weights)
    assert (
        str(error.value)
        == f"the weight {name} has shape {wrong}, but the model in its config needs shape {right}; use another checkpoint"
    )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", shapes(make_config("lstm", 2), V))
def test_a_missing_weight_is_an_error_that_names_it(cell, name):
    config = make_config(cell, 2)
    weights = random_weights(config, 1)
    del weights[name]
    with pytest.raises(CheckpointError, match=f"the weight {name} "):
        Network(config, V, weights)


@pytest.mark.parametrize("name", ["copy.weight", "copy.bias"])
def test_copy_weights_without_a_copy_window_are_an_error(name):
    config = make_config("lstm", 2, copy_window=None)
    with pytest.raises(
        CheckpointError,
        match=f"^the weight {name} has shape .*, but the model in its config has no such weight; use another",
    ):
        Network(
            config,
            V,
            random_weights(config, 1) | {name: random_weights(make_config("lstm", 2), 1)[name]},
        )


@pytest.mark.parametrize("name", ["layers.2.rnn.weight_ih_l0", "layers.0.rnn.weight_hr_l0", "a"])
def test_an_unexpected_weight_is_an_error_that_names_it(name):
    config = make_config("lstm", 2)
    with pytest.raises(CheckpointError, match=f"the weight {name} "):
        Network(config, V, random_weights(config, 1) | {name: np.zeros(1, np.float32)})


def test_an_rnn_of_one_unit_matches_a_calculation_by_hand():
    # tanh(ln 2) = (2 - 1/2) / (2 + 1/2) = 0.6 and tanh(ln 3) = (3 - 1/3) / (3 + 1/3) = 0.8.
    # Symbol 0, from h = 0:      tanh(1 * (ln 2 - 0.5) + 0.2 + 0.3 + 0.5 * 0)     = tanh(ln 2) = 0.6
    # Symbol 1, from h = 0.6:    tanh(1 * (ln 3 - 0.8) + 0.2 + 0.3 + 0.5 * 0.6)   = tanh(ln 3) = 0.8
    # logits = [2, -1] h + [0.1, 0.2]: [1.3, -0.4], then [1.7, -0.6].
    values = {
        "embedding.weight": [[math.log(2) - 0.5], [math.log(3) - 0.8]],
        "layers.0.rnn.weight_ih_l0": [[1]],
        "layers.0.rnn.weight_hh_l0": [[0.5]],
        "layers.0.rnn.bias_ih_l0": [0.2],
        "layers.0.rnn.bias_hh_l0": [0.3],
        "head.weight": [[2], [-1]],
        "head.bias": [0.1, 0.2],
    }
    config = ModelConfig(
        cell="rnn", hidden_size=1, num_layers=1, embedding_size=1, copy_window=None
    )
    pencil = Network(
        config, 2, {name: np.array(value, np.float32) for name, value in values.items()}
    )
    first, state = pencil.step(0, pencil.zero_state())
    np.testing.assert_allclose(first, [1.3, -0.4], atol=1e-6)
    np.testing.assert_allclose(state.h, [0.6], atol=1e-6)
    second, state = pencil.step(1, state)
    np.testing.assert_allclose(second, [1.7, -0.6], atol=1e-6)
    np.testing.assert_allclose(state.h, [0.8], atol=1e-6)


@over_sizes
@pytest.mark.parametrize("batch", [(), (B,)], ids=["stream", "batch"])
def test_extreme_weights_give_finite_logits_without_warnings(cell, num_layers, batch):
    config = make_config(cell, num_layers)
    logits = numpy_logits(Network(config, V, random_weights(config, 1e4)), random_idx(50, *batch))
    assert np.isfinite(logits).all()
    assert np.abs(logits).max() > 1e4


# The copy window


def copying(window, weights=None, believed=(1, 10, 100, 1000, 10_000, 100_000)):
    """A network that raises recalled symbols by ``believed``, whatever its state; its other
    weights are zeros by default."""
    config = make_config("rnn", 1, window)
    weights = weights or {
        name: np.zeros(shape, np.float32) for name, shape in shapes(config, V).items()
    }
    copy = {
        "copy.weight": np.zeros((len(ORDERS), 12), np.float32),
        "copy.bias": np.array(believed, np.float32),
    }
    return Network(config, V, weights | copy)


def test_a_symbol_recalled_in_several_orders_is_raised_by_their_sum():
    # 1 2 3 4 | 5, then 2 3 4 | 6, then 1 2 3 4: last time 2 3 4 was followed by 6, and 1 2 3 4 by 5
    logits = numpy_logits(copying(99), np.array([1, 2, 3, 4, 5, 0, 2, 3, 4, 6, 0, 1, 2, 3, 4]))
    assert logits[-1].tolist() == [0, 0, 0, 0, 0, 10, 1, 0, 0, 0, 0]
    # 7 read five times: what followed 7 7 7 is 7, and what followed 7 7 7 7 is 7: 1 + 10
    assert numpy_logits(copying(99), np.full(5, 7))[-1].tolist() == [0] * 7 + [11] + [0] * 3
    # read many times: all the orders
    assert numpy_logits(copying(99), np.full(99, 7))[-1].tolist() == [0] * 7 + [111_111] + [0] * 3


def test_parallel_streams_recall_independently():
    idx = np.stack([np.full(5, 7), np.arange(5), np.full(5, 10)], axis=1)
    expected = np.zeros((B, V))
    expected[0, 7] = expected[2, 10] = 11
    np.testing.assert_array_equal(numpy_logits(copying(2), idx)[-1], expected)


@pytest.mark.parametrize("batch", [(), (B,)], ids=["stream", "batch"])
def test_nothing_is_raised_if_nothing_is_recalled(batch):
    plain_config = make_config("rnn", 1, None)
    weights = random_weights(plain_config, 1)
    idx = np.arange(V) if not batch else np.stack([np.arange(V)] * B, axis=1)
    plain = numpy_logits(Network(plain_config, V, weights), idx)
    np.testing.assert_allclose(numpy_logits(copying(99, weights), idx), plain, atol=1e-5)


@over_sizes
def test_with_zero_copy_weights_the_window_has_no_effect(cell, num_layers):
    config, plain_config = make_config(cell, num_layers), make_config(cell, num_layers, None)
    weights, idx = random_weights(plain_config, 1), random_idx(T, B)
    zeros = {
        name: np.zeros(shape, np.float32)
        for name, shape in shapes(config, V).items()
        if name.startswith("copy")
    }
    plain = numpy_logits(Network(plain_config, V, weights), idx)
    np.testing.assert_allclose(
        numpy_logits(Network(config, V, weights | zeros), idx), plain, atol=1e-4
    )
    assert (
        sorted(zeros)
        == sorted(shapes(config, V).keys() - shapes(plain_config, V).keys())
        == ["copy.bias", "copy.weight"]
    )


def test_the_window_size_changes_the_logits():
    weights, idx = random_weights(make_config("lstm", 2), 1), random_idx(T)
    found = [
        numpy_logits(Network(make_config("lstm", 2, window), V, weights), idx).tobytes()
        for window in (2, W, 2 * T)
    ]
    assert len(set(found)) == 3


@over_sizes
def test_probabilities_sum_to_one_with_recalled_symbols(cell, num_layers):
    config = make_config(cell, num_layers)
    logits = numpy_logits(Network(config, V, random_weights(config, 1)), random_idx(T))
    for row in logits.astype(np.float64):
        assert math.fsum(np.exp(log_probabilities(row))) == pytest.approx(1, abs=1e-12)


def test_without_a_window_the_state_contains_no_symbols():
    config = make_config("lstm", 1, None)
    numpy_network = Network(config, V, random_weights(config, 1))
    for batch in ((), (B,)):
        _, state = numpy_network.step(np.zeros(batch, int), numpy_network.zero_state(*batch))
        assert state.memories == ()
