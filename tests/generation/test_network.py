"""The NumPy network against its PyTorch twin, which shares no code with it, and against a pencil."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from charrnn.config import ModelConfig
from charrnn.errors import CheckpointError
from charrnn.generation import network
from charrnn.generation.network import CELLS, Network, shapes
from charrnn.training import model as training
from charrnn.training.model import CharRNN

V, T, B = 11, 200, 3
SIZES = [(cell, num_layers) for cell in CELLS for num_layers in (1, 3)]
GATE_PAIRS = [(cell, *pair) for cell in CELLS for pair in combinations(range(CELLS[cell].gates), 2)]
over_sizes = pytest.mark.parametrize(("cell", "num_layers"), SIZES)


def make_config(cell, num_layers):
    return ModelConfig(cell=cell, hidden_size=12, num_layers=num_layers, embedding_size=5, dropout=0.1)


def lively(config):
    """A CharRNN with larger weights than a new one has, and biases, so that every gate works and the logits spread."""
    model = CharRNN(config, V, seed=1).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "bias" in name:
                weight.normal_(0, 0.5, generator=generator)
            else:
                weight.mul_(5 if name.startswith("head") else 2)
    return model


def weights_of(model):
    return {name: weight.numpy().copy() for name, weight in model.state_dict().items()}


def random_weights(config, scale, seed=0):
    rng = np.random.default_rng(seed)
    return {name: (scale * rng.standard_normal(shape)).astype(np.float32) for name, shape in shapes(config, V).items()}


def torch_logits(model, idx):
    with torch.no_grad():
        return model(torch.from_numpy(idx))[0].numpy()  # (T, B, V)


def numpy_logits(numpy_network, idx):
    """Step by step: a stream of ints for idx (T,), B streams for idx (T, B)."""
    state, rows = numpy_network.zero_state(*idx.shape[1:]), []
    for now in idx:
        logits, state = numpy_network.step(int(now) if now.ndim == 0 else now, state)
        rows.append(logits)
    return np.stack(rows)


def random_idx(*shape):
    return np.random.default_rng(3).integers(0, V, shape)


def test_the_tables_of_both_networks_name_the_same_cells():
    assert list(network.CELLS) == list(training.CELLS)


@over_sizes
def test_one_stream_has_the_logits_of_pytorch_for_200_steps(cell, num_layers):
    config = make_config(cell, num_layers)
    model, idx = lively(config), random_idx(T)
    expected = torch_logits(model, idx[:, None])[:, 0]
    assert expected.std() > 1  # else any network would be near
    found = numpy_logits(Network(config, V, weights_of(model)), idx)
    assert found.dtype == np.float32
    assert found.shape == (T, V)
    assert np.abs(found - expected).max() < 1e-4


@over_sizes
def test_many_streams_have_the_logits_of_pytorch_for_200_steps(cell, num_layers):
    config = make_config(cell, num_layers)
    model, idx = lively(config), random_idx(T, B)
    expected = torch_logits(model, idx)
    assert expected.std() > 1
    found = numpy_logits(Network(config, V, weights_of(model)), idx)
    assert found.dtype == np.float32
    assert found.shape == (T, B, V)
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize(("cell", "first", "second"), GATE_PAIRS)
def test_the_comparison_sees_any_two_gates_swapped(cell, first, second, num_layers):
    config = make_config(cell, num_layers)
    model, idx = lively(config), random_idx(T, B)
    weights = weights_of(model)
    for name in weights:
        if ".rnn." in name:
            gates = np.split(weights[name], CELLS[cell].gates)
            gates[first], gates[second] = gates[second], gates[first]
            weights[name] = np.concatenate(gates)
    assert np.abs(numpy_logits(Network(config, V, weights), idx) - torch_logits(model, idx)).max() > 1e-2


@over_sizes
@pytest.mark.parametrize("batch", [(), (B,)], ids=["stream", "batch"])
def test_a_step_leaves_the_state_it_is_given_as_it_was(cell, num_layers, batch):
    config = make_config(cell, num_layers)
    numpy_network = Network(config, V, random_weights(config, 1))
    idx = random_idx(*batch)
    _, state = numpy_network.step(idx, numpy_network.zero_state(*batch))
    h, c = state.h.copy(), state.c.copy()
    logits, later = numpy_network.step(idx, state)
    again, _ = numpy_network.step(idx, state)
    np.testing.assert_array_equal(state.h, h)
    np.testing.assert_array_equal(state.c, c)
    np.testing.assert_array_equal(again, logits)
    assert not np.array_equal(later.h, h)


@over_sizes
def test_the_state_begins_as_zeros_for_one_stream_and_for_many(cell, num_layers):
    config = make_config(cell, num_layers)
    numpy_network = Network(config, V, random_weights(config, 1))
    c_size = num_layers * 12 if CELLS[cell].has_c else 0
    one, many = numpy_network.zero_state(), numpy_network.zero_state(B)
    assert (one.h.shape, one.c.shape) == ((num_layers * 12,), (c_size,))
    assert (many.h.shape, many.c.shape) == ((B, num_layers * 12), (B, c_size))
    assert not any(part.any() for part in (*one, *many))


@over_sizes
def test_shapes_are_those_of_the_trained_model(cell, num_layers):
    config = make_config(cell, num_layers)
    assert shapes(config, V) == {name: tuple(weight.shape) for name, weight in CharRNN(config, V).state_dict().items()}


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
    assert str(error.value) == f"the weight {name} has shape {wrong}, its config implies shape {right}; use another checkpoint"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", shapes(make_config("lstm", 2), V))
def test_a_missing_weight_is_an_error_that_names_it(cell, name):
    config = make_config(cell, 2)
    weights = random_weights(config, 1)
    del weights[name]
    with pytest.raises(CheckpointError, match=f"the weight {name} "):
        Network(config, V, weights)


@pytest.mark.parametrize("name", ["layers.2.rnn.weight_ih_l0", "layers.0.rnn.weight_hr_l0", "a"])
def test_a_weight_too_many_is_an_error_that_names_it(name):
    config = make_config("lstm", 2)
    with pytest.raises(CheckpointError, match=f"the weight {name} "):
        Network(config, V, random_weights(config, 1) | {name: np.zeros(1, np.float32)})


def test_an_rnn_of_one_unit_does_what_a_pencil_does():
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
    config = ModelConfig(cell="rnn", hidden_size=1, num_layers=1, embedding_size=1)
    pencil = Network(config, 2, {name: np.array(value, np.float32) for name, value in values.items()})
    first, state = pencil.step(0, pencil.zero_state())
    np.testing.assert_allclose(first, [1.3, -0.4], atol=1e-6)
    np.testing.assert_allclose(state.h, [0.6], atol=1e-6)
    second, state = pencil.step(1, state)
    np.testing.assert_allclose(second, [1.7, -0.6], atol=1e-6)
    np.testing.assert_allclose(state.h, [0.8], atol=1e-6)


@over_sizes
@pytest.mark.parametrize("batch", [(), (B,)], ids=["stream", "batch"])
def test_extreme_weights_give_finite_logits_in_silence(cell, num_layers, batch):
    config = make_config(cell, num_layers)
    logits = numpy_logits(Network(config, V, random_weights(config, 1e4)), random_idx(50, *batch))
    assert np.isfinite(logits).all()
    assert np.abs(logits).max() > 1e4
