"""The network against the textbook's equations, its initial weights, and the paths of its
signals."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import GROUPS
from charrnn.context_mixing.count_table import NUM_FEATURES
from charrnn.copy_window import NOTHING, ORDERS
from charrnn.training.model import CELLS, CharRNN, LockedDropout, Prediction

pytestmark = pytest.mark.usefixtures("one_thread")

V, E, H, B, T, K = 7, 4, 6, 3, 10, len(ORDERS)
G, F = len(GROUPS), NUM_FEATURES
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
PARTS = {"lstm": 2, "gru": 1, "rnn": 1}

Array = NDArray[np.float64]
cells = pytest.mark.parametrize("cell", CELLS)


def network(
    cell: str = "lstm",
    num_layers: int = 2,
    seed: int = 0,
    dropout: float = 0.0,
    copy_window: int | None = 8192,
    counts: int | None = None,
) -> CharRNN:
    sizes = ModelConfig(
        cell=cell,
        hidden_size=H,
        num_layers=num_layers,
        embedding_size=E,
        copy_window=copy_window,
        counts=counts,
        dropout=dropout,
    )
    return CharRNN(sizes, V, seed).eval()


def scaled(model: CharRNN) -> CharRNN:
    """The model with weights and biases large enough to spread its logits."""
    generator = torch.Generator().manual_seed(1)
    for weight in model.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.7
    return model


def symbols(seed: int = 0, length: int = T) -> Tensor:
    return torch.randint(V, (length, B), generator=torch.Generator().manual_seed(seed))  # (T, B)


def recalled_of(idx: Tensor, seed: int = 0) -> Tensor:
    """Random recalled symbols, some of them nothing, and some the same in several orders:
    (T, B, K)."""
    return torch.randint(
        NOTHING,
        V,
        (*idx.shape, K),
        generator=torch.Generator().manual_seed(seed),
        dtype=torch.int16,
    )


def weights(model: CharRNN) -> list[tuple[str, bytes]]:
    return [(name, value.numpy().tobytes()) for name, value in model.state_dict().items()]


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


# Initial weights


def test_one_bias_opens_the_forget_gate_and_all_others_are_zero() -> None:
    model = network("lstm")
    for layer in model.layers:
        # input, forget, cell, output
        assert layer.rnn.bias_ih_l0.tolist() == [0] * H + [1] * H + [0] * 2 * H
        assert layer.rnn.bias_hh_l0.tolist() == [0] * 4 * H
    assert model.head.bias.tolist() == [0] * V


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell != "lstm"])
def test_the_biases_of_other_cells_start_at_zero(cell: str) -> None:
    assert all(not weight.any() for weight in network(cell).parameters() if weight.ndim == 1)


@cells
def test_every_recurrent_block_is_orthogonal(cell: str) -> None:
    for layer in network(cell).layers:
        assert layer.rnn.weight_hh_l0.shape == (GATES[cell] * H, H)
        for block in layer.rnn.weight_hh_l0.split(H):
            torch.testing.assert_close(block @ block.T, torch.eye(H), atol=1e-5, rtol=0)


@cells
def test_every_input_block_is_uniform_within_glorots_bound(cell: str) -> None:
    wide = CharRNN(ModelConfig(cell=cell, hidden_size=40, num_layers=2, embedding_size=20), V)
    for layer, width in zip(wide.layers, (20, 60), strict=True):
        bound = math.sqrt(6 / (width + 40))
        for block in layer.rnn.weight_ih_l0.split(40):
            # the largest of 800 is below 0.99 once in 3000 blocks
            assert 0.99 * bound < block.abs().max() <= bound


def test_the_embedding_starts_with_unit_variance() -> None:
    wide = CharRNN(ModelConfig(hidden_size=1, embedding_size=100), 100)
    # 10,000 values: a standard error of 0.007
    assert wide.embedding.weight.std() == pytest.approx(1, abs=0.03)


@cells
def test_the_same_seed_gives_the_same_weights_whatever_the_global_generator(cell: str) -> None:
    torch.manual_seed(1)
    first = weights(network(cell, seed=3))
    torch.manual_seed(2)
    assert weights(network(cell, seed=3)) == first


@cells
def test_another_seed_changes_every_matrix(cell: str) -> None:
    pairs = zip(
        network(cell, seed=0).named_parameters(), network(cell, seed=1).parameters(), strict=True
    )
    # which starts as zeros
    drawn = [(one, other) for (name, one), other in pairs if one.ndim > 1 and name != "copy.weight"]
    assert len(drawn) == 2 + 2 * 2
    assert all(not torch.equal(one, other) for one, other in drawn)


@cells
def test_a_new_network_ignores_recalled_symbols(cell: str) -> None:
    model = network(cell)
    assert torch.equal(model.copy.weight, torch.zeros(K, 2 * H))
    assert torch.equal(model.copy.bias, torch.zeros(K))
    assert torch.equal(model(symbols(), None, recalled_of(symbols()))[0], model(symbols())[0])


@cells
def test_the_global_generator_is_not_changed(cell: str) -> None:
    before = torch.get_rng_state()
    model = network(cell, dropout=0.5).train()
    model.seed_dropout(1)
    model(symbols())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA is not available")
def test_the_global_generator_of_cuda_is_not_changed() -> None:
    torch.cuda.manual_seed(5)
    before = torch.cuda.get_rng_state()
    network()
    assert torch.equal(torch.cuda.get_rng_state(), before)


# Shapes


@cells
@pytest.mark.parametrize("num_layers", [1, 3])
def test_layers_read_the_embedding_and_the_layer_below_and_the_head_reads_all(
    cell: str, num_layers: int
) -> None:
    model = network(cell, num_layers)
    widths = [tuple(layer.rnn.weight_ih_l0.shape) for layer in model.layers]
    assert widths == [(GATES[cell] * H, E)] + [(GATES[cell] * H, H + E)] * (num_layers - 1)
    assert tuple(model.head.weight.shape) == (V, num_layers * H)


@cells
@pytest.mark.parametrize("num_layers", [1, 3])
def test_logits_and_state_have_the_documented_shapes(cell: str, num_layers: int) -> None:
    model = network(cell, num_layers)
    logits, state = model(symbols())
    assert tuple(logits.shape) == (T, B, V)
    assert tuple(state.shape) == (num_layers, PARTS[cell], B, H)
    assert model.state_shape == (num_layers, PARTS[cell], H)


# The state


@cells
@pytest.mark.parametrize("num_layers", [1, 3])
def test_two_halves_with_the_carried_state_equal_one_pass(cell: str, num_layers: int) -> None:
    model, idx = scaled(network(cell, num_layers)), symbols()
    whole, end = model(idx)
    first, state = model(idx[:4])
    second, last = model(idx[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(last, end, atol=1e-6, rtol=1e-6)


@cells
def test_every_part_of_the_state_is_carried(cell: str) -> None:
    model, idx = scaled(network(cell)), symbols()
    _, state = model(idx)
    whole, _ = model(idx, state)
    for layer, part in np.ndindex(2, PARTS[cell]):
        without = state.clone()
        without[layer, part] = 0
        assert not torch.equal(model(idx, without)[0], whole)


@cells
def test_the_default_state_is_zeros(cell: str) -> None:
    model, idx = scaled(network(cell)), symbols()
    for one, other in zip(model(idx), model(idx, torch.zeros(2, PARTS[cell], B, H)), strict=True):
        assert torch.equal(one, other)


@cells
def test_a_symbol_affects_only_its_own_lane_from_its_time_on(cell: str) -> None:
    model, idx = scaled(network(cell)), symbols()
    before, _ = model(idx)
    idx[5, 1] = (idx[5, 1] + 1) % V
    changed = (model(idx)[0] != before).any(dim=-1)  # (T, B)
    assert changed.any(dim=0).tolist() == [False, True, False]
    assert changed[:, 1].tolist() == [False] * 5 + [True] * 5


# The paths from the embedding to the head, in two layers


def cut(model: CharRNN, path: str) -> None:
    if path == "embedding to layer 1":
        model.layers[1].rnn.weight_ih_l0[:, H:] = 0
    elif path == "layer 0 to layer 1":
        model.layers[1].rnn.weight_ih_l0[:, :H] = 0
    elif path == "layer 0 to the head":
        model.head.weight[:, :H] = 0
    else:
        raise AssertionError(path)


PATHS = ("embedding to layer 1", "layer 0 to layer 1", "layer 0 to the head")


@cells
@pytest.mark.parametrize("path", PATHS)
def test_each_path_alone_carries_the_input_to_the_logits(cell: str, path: str) -> None:
    model = scaled(network(cell))
    for other in PATHS:
        if other != path:
            cut(model, other)
    assert not torch.equal(model(symbols(0))[0], model(symbols(1))[0])
    cut(model, path)
    assert torch.equal(model(symbols(0))[0], model(symbols(1))[0])


@cells
def test_layer_1_reaches_the_head(cell: str) -> None:
    model, idx = scaled(network(cell)), symbols()
    before, _ = model(idx)
    model.head.weight[:, H:] = 0
    assert not torch.equal(model(idx)[0], before)


# Recalled symbols


@cells
@pytest.mark.parametrize("kind", [torch.int16, torch.int32])
def test_a_recalled_symbol_is_raised_by_the_sum_over_its_orders(
    cell: str, kind: torch.dtype
) -> None:
    model, idx = scaled(network(cell)), symbols()
    recalled = recalled_of(idx)
    outputs: list[Tensor] = []
    model.copy.register_forward_hook(lambda _module, inputs, by: outputs.append(by))
    logits, state = model(idx, None, recalled.to(kind))
    expected, end = model(idx)
    for time, lane, order in np.ndindex(T, B, K):
        symbol = int(recalled[time, lane, order])
        if symbol != NOTHING:
            expected[time, lane, symbol] += outputs[0][time, lane, order]
    assert outputs[0].std() > 0.5
    assert len({int(symbol) for symbol in recalled.flatten()}) == V + 1
    assert any(len(set(row)) < K for row in recalled.flatten(0, 1).tolist())
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    assert torch.equal(state, end)


@cells
def test_nothing_is_raised_if_nothing_is_recalled(cell: str) -> None:
    model, idx = scaled(network(cell)), symbols()
    nothing = torch.full((T, B, K), NOTHING, dtype=torch.int16)
    assert torch.equal(model(idx, None, nothing)[0], model(idx)[0])


@cells
def test_the_boost_of_recalled_symbols_depends_on_every_layer(
    cell: str,
) -> None:
    idx, recalled = symbols(), recalled_of(symbols())
    for layer in range(2):
        model = scaled(network(cell))
        before = model(idx, None, recalled)[0]
        model.copy.weight[:, layer * H : (layer + 1) * H] = 0
        assert not torch.equal(model(idx, None, recalled)[0], before)


@cells
def test_recalled_symbols_affect_only_their_lane_and_time_and_are_not_modified(
    cell: str,
) -> None:
    model, idx, recalled = scaled(network(cell)), symbols(), recalled_of(symbols())
    before = recalled.clone()
    logits, _ = model(idx, None, recalled)
    assert torch.equal(recalled, before)
    recalled[5, 1] = (recalled[5, 1] + 1) % V
    changed = (model(idx, None, recalled)[0] != logits).any(dim=-1)  # (T, B)
    assert changed.nonzero().tolist() == [[5, 1]]


def test_probabilities_sum_to_one_with_recalled_symbols() -> None:
    logits, _ = scaled(network())(symbols(), None, recalled_of(symbols()))
    torch.testing.assert_close(logits.log_softmax(-1).exp().sum(-1), torch.ones(T, B))


@cells
def test_without_a_copy_window_there_are_no_copy_weights_and_nothing_is_raised(cell: str) -> None:
    model, idx = scaled(network(cell, copy_window=None)), symbols()
    assert not [name for name, _ in model.named_parameters() if name.startswith("copy")]
    assert model.copy_window is None
    assert torch.equal(model(idx, None, recalled_of(idx))[0], model(idx)[0])


@cells
def test_without_a_copy_window_the_logits_are_those_of_recalling_nothing(
    cell: str,
) -> None:
    model, plain, idx = scaled(network(cell)), network(cell, copy_window=None), symbols()
    plain.load_state_dict(
        {name: value for name, value in model.state_dict().items() if not name.startswith("copy.")}
    )
    for one, other in zip(plain(idx), model(idx), strict=True):
        assert torch.equal(one, other)


@cells
def test_each_order_that_recalled_something_gets_a_gradient(cell: str) -> None:
    with torch.enable_grad():
        model, idx, recalled = network(cell), symbols(), recalled_of(symbols())
        recalled[..., 2] = NOTHING
        logits, _ = model(idx, None, recalled)
        functional.cross_entropy(logits.flatten(0, 1), idx.flatten()).backward()
    assert (model.copy.bias.grad != 0).tolist() == [True, True, False, True, True, True]
    assert model.copy.weight.grad[[0, 1, 3, 4, 5]].any(dim=1).all()


# Counts


def counted_of(idx: Tensor, seed: int = 0) -> Prediction:
    """Random predictions at T * B places, of several symbols in each group."""
    generator = torch.Generator().manual_seed(seed)
    is_listed = torch.rand(idx.numel(), G, V, generator=generator) < 0.4
    is_listed[..., 0] = True
    places, groups, symbols = is_listed.nonzero(as_tuple=True)
    raised = torch.rand(len(places), generator=generator) * 3
    features = torch.randn(idx.numel(), F, generator=generator)
    return Prediction(places, groups, symbols, raised, features)


@cells
def test_the_mixed_logits_are_a_weighted_sum(cell: str) -> None:
    model, idx = scaled(network(cell, counts=1)), symbols()
    counted = counted_of(idx)
    outputs: list[Tensor] = []
    assert model.mixer is not None
    model.mixer.weights.register_forward_hook(lambda _module, inputs, by: outputs.append(by))
    mixed, state = model(idx, None, None, counted)
    own, end = model(idx)
    (weights,) = outputs
    assert weights.shape == (T, B, 1 + G)
    expected = own * weights[..., :1]
    listed = zip(counted.places, counted.groups, counted.symbols, counted.raised, strict=True)
    for place, group, symbol, raised in listed:
        time, lane = divmod(int(place), B)
        expected[time, lane, symbol] += weights[time, lane, 1 + group] * raised
    torch.testing.assert_close(mixed, expected, atol=1e-5, rtol=0)
    assert weights.std() > 0.5
    assert torch.equal(state, end)


@cells
def test_a_new_network_trusts_itself_and_each_prediction_of_the_counts_a_little(cell: str) -> None:
    model, idx = network(cell, counts=1), symbols()
    counted = counted_of(idx)
    expected = model(idx)[0].reshape(T * B, V)
    cells = (counted.places, counted.symbols)
    expected = expected.index_put(cells, 0.1 * counted.raised, accumulate=True)
    mixed = model(idx, None, None, counted)[0]
    torch.testing.assert_close(mixed, expected.view(T, B, V))


@cells
def test_trust_depends_on_every_layer_and_on_every_feature(cell: str) -> None:
    idx = symbols()
    counted = counted_of(idx)
    for columns in range(2):
        model = scaled(network(cell, counts=1))
        before = model(idx, None, None, counted)[0]
        assert model.mixer is not None
        model.mixer.output.weight[:, columns * H : (columns + 1) * H] = 0
        assert not torch.equal(model(idx, None, None, counted)[0], before)
    model = scaled(network(cell, counts=1))
    before = model(idx, None, None, counted)[0]
    for feature in range(F):
        other = counted.features.clone()
        other[:, feature] += 1
        mixed = model(idx, None, None, counted._replace(features=other))[0]
        assert not torch.equal(mixed, before)


def test_counts_affect_only_their_lane_and_time() -> None:
    model, idx = scaled(network(counts=1)), symbols()
    counted = counted_of(idx)
    before = model(idx, None, None, counted)[0]
    at = (counted.places == 5 * B + 1) & (counted.groups == 1) & (counted.symbols == 0)
    assert at.sum() == 1
    other = counted._replace(raised=counted.raised + at)
    changed = model(idx, None, None, other)[0] != before
    assert changed.nonzero().tolist() == [[5, 1, 0]]


@cells
def test_without_counts_there_are_no_mixer_weights_and_nothing_is_mixed_in(cell: str) -> None:
    model, idx = scaled(network(cell)), symbols()
    assert not [name for name, _ in model.named_parameters() if name.startswith("mixer")]
    assert model.mixer is None
    assert torch.equal(model(idx, None, None, counted_of(idx))[0], model(idx)[0])


def test_some_lanes_are_trained_without_counts_and_the_seed_decides_which() -> None:
    lanes = 1000
    model = scaled(network(counts=1)).train()
    idx = torch.zeros(2, lanes, dtype=torch.long)
    counted = counted_of(idx)

    def without(seed: int) -> list[int]:
        model.seed_dropout(seed)
        mixed = model(idx, None, None, counted)[0]
        is_own = mixed == model(idx)[0]  # (T, B, V); the dropout rate is 0
        assert (is_own.all(-1) == is_own[0].all(-1)).all()
        return is_own.all(-1)[0].nonzero().flatten().tolist()

    drawn = without(1)
    assert len(drawn) == pytest.approx(100, abs=40)  # a tenth; a standard deviation is 9.5
    torch.manual_seed(5)
    assert without(1) == drawn != without(2)
    before = torch.get_rng_state()
    without(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_in_evaluation_every_lane_is_mixed() -> None:
    model = scaled(network(counts=1)).eval()
    idx = torch.zeros(2, 1000, dtype=torch.long)
    mixed = model(idx, None, None, counted_of(idx))[0]
    assert not (mixed == model(idx)[0]).all(-1).any()


@cells
def test_every_weight_of_the_mixer_gets_a_gradient(cell: str) -> None:
    with torch.enable_grad():
        model, idx = scaled(network(cell, counts=1)), symbols()
        logits, _ = model(idx, None, None, counted_of(idx))
        functional.cross_entropy(logits.flatten(0, 1), idx.flatten()).backward()
    assert model.mixer is not None
    for weight in model.mixer.parameters():
        assert weight.grad is not None
        assert (weight.grad != 0).all()


# Dropout

ONES = torch.ones(5, 3, 1000)  # (T, B, units)


def dropped(seed: int, rate: float = 0.25, x: Tensor = ONES) -> Tensor:
    dropout = LockedDropout(rate)
    dropout.generator.manual_seed(seed)
    return dropout(x)


def test_a_mask_is_constant_over_time_and_differs_between_lanes() -> None:
    y = dropped(1)
    assert all(torch.equal(y[time], y[0]) for time in range(5))
    assert not torch.equal(y[0, 0], y[0, 1])


def test_kept_units_are_scaled_to_preserve_the_mean() -> None:
    y = dropped(1)
    assert y.unique().tolist() == [0.0, pytest.approx(4 / 3)]  # 1 / (1 - 0.25)
    assert y.mean() == pytest.approx(1, abs=0.04)  # 3,000 units: a standard error of 0.011


def test_a_mask_depends_only_on_the_seed() -> None:
    torch.manual_seed(1)
    first = dropped(1)
    torch.manual_seed(2)
    assert torch.equal(dropped(1), first)
    assert not torch.equal(dropped(2), first)


def test_dropout_is_off_in_evaluation_and_at_rate_zero() -> None:
    assert LockedDropout(0.25).eval()(ONES) is ONES
    assert LockedDropout(0.0).train()(ONES) is ONES


@cells
def test_the_masks_of_a_training_pass_depend_only_on_the_seed(cell: str) -> None:
    model, idx = network(cell, dropout=0.5).train(), symbols()

    def logits(seed: int) -> Tensor:
        model.seed_dropout(seed)
        return model(idx)[0]

    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))
    model.eval()
    assert torch.equal(logits(1), logits(2))


@cells
def test_the_embedding_and_every_layer_have_separate_masks(cell: str) -> None:
    model = network(cell, dropout=0.5).train()
    masks: list[Tensor] = []
    model.dropout.register_forward_hook(lambda _module, inputs, y: masks.append(y / inputs[0]))
    model(symbols())
    assert [mask.shape[-1] for mask in masks] == [E, H, H]
    assert not torch.equal(masks[1], masks[2])


# The textbook's equations, one lane and one time step at a time, in float64


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def lstm(x: Array, state: Array, weight: dict[str, Array]) -> Array:
    """Hochreiter and Schmidhuber 1997, Gers et al. 2000."""
    h, c = state
    a = weight["weight_ih"] @ x + weight["bias_ih"] + weight["weight_hh"] @ h + weight["bias_hh"]
    i, f, g, o = (
        sigmoid(a[:H]),
        sigmoid(a[H : 2 * H]),
        np.tanh(a[2 * H : 3 * H]),
        sigmoid(a[3 * H :]),
    )
    c = f * c + i * g
    return np.stack([o * np.tanh(c), c])


def gru(x: Array, state: Array, weight: dict[str, Array]) -> Array:
    """Cho et al. 2014, the reset gate after the product."""
    (h,) = state
    a, b = weight["weight_ih"] @ x + weight["bias_ih"], weight["weight_hh"] @ h + weight["bias_hh"]
    r, z = sigmoid(a[:H] + b[:H]), sigmoid(a[H : 2 * H] + b[H : 2 * H])
    n = np.tanh(a[2 * H :] + r * b[2 * H :])
    return np.stack([(1 - z) * n + z * h])


def rnn(x: Array, state: Array, weight: dict[str, Array]) -> Array:
    """Elman 1990."""
    (h,) = state
    return np.stack(
        [
            np.tanh(
                weight["weight_ih"] @ x
                + weight["bias_ih"]
                + weight["weight_hh"] @ h
                + weight["bias_hh"]
            )
        ]
    )


TEXTBOOK: dict[str, Callable[[Array, Array, dict[str, Array]], Array]] = {
    "lstm": lstm,
    "gru": gru,
    "rnn": rnn,
}


def by_hand(model: CharRNN, cell: str, idx: Any, num_layers: int) -> tuple[Array, Array]:
    named = {name: value.double().numpy() for name, value in model.state_dict().items()}
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    layers = [
        {part: named[f"layers.{layer}.rnn.{part}_l0"] for part in parts}
        for layer in range(num_layers)
    ]
    logits, states = np.zeros((*idx.shape, V)), np.zeros((num_layers, PARTS[cell], B, H))
    for lane in range(B):
        for time in range(len(idx)):
            embedded = named["embedding.weight"][idx[time, lane]]
            below = embedded[:0]  # nothing is below the first layer
            for layer in range(num_layers):
                states[layer, :, lane] = TEXTBOOK[cell](
                    np.concatenate([below, embedded]), states[layer, :, lane], layers[layer]
                )
                below = states[layer, 0, lane]
            outputs = states[:, 0, lane].reshape(-1)
            logits[time, lane] = named["head.weight"] @ outputs + named["head.bias"]
    return logits, states


@cells
@pytest.mark.parametrize("num_layers", [1, 3])
def test_the_network_matches_the_textbooks_equations(cell: str, num_layers: int) -> None:
    model, idx = scaled(network(cell, num_layers)), symbols()
    expected, end = by_hand(model, cell, idx.numpy(), num_layers)
    logits, state = model(idx)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(logits.numpy(), expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(state.numpy(), end, atol=1e-5, rtol=0)
