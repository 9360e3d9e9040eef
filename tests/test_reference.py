"""Every layer, forward and backward, against the formulas of reference.py, and those against
numerical gradients."""

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.training.device import autocast, pick_precision
from charrnn.training.model import CELLS
from tests.reference import REFERENCE

pytestmark = pytest.mark.usefixtures("one_thread")

W, H = 4, 5
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
PARTS = {"lstm": 2, "gru": 1, "rnn": 1}
WEIGHTS = {
    "w_ih": "weight_ih_l0",
    "w_hh": "weight_hh_l0",
    "b_ih": "bias_ih_l0",
    "b_hh": "bias_hh_l0",
}
# each at least ten roundings
TOLERANCE = {torch.float64: 1e-13, torch.float32: 2e-6, torch.bfloat16: 5e-2}

Array = NDArray[np.float64]
cells = pytest.mark.parametrize("cell", CELLS)
shapes = pytest.mark.parametrize(
    "shape",
    list(itertools.product([1, 2, 7], [1, 3])),
    ids=lambda shape: "T={}, B={}".format(*shape),
)
states = pytest.mark.parametrize("given", [True, False], ids=["state", "no state"])


def draw(sizes: dict[str, tuple[int, ...]], seed: int) -> dict[str, Array]:
    """Random numbers that are exact in float32, so that every precision starts from the same."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(0, 0.5, size).astype(np.float32).astype(np.float64)
        for name, size in sizes.items()
    }


def inputs(cell: str, shape: tuple[int, int], given: bool = True) -> dict[str, Array]:
    """The arguments of forward, in order; a state that is not given is zeros."""
    (T, B), G, P = shape, GATES[cell], PARTS[cell]
    sizes = {
        "x": (T, B, W),
        "state": (P, B, H),
        "w_ih": (G * H, W),
        "w_hh": (G * H, H),
        "b_ih": (G * H,),
        "b_hh": (G * H,),
    }
    drawn = draw(sizes, seed=0)
    return drawn if given else {**drawn, "state": np.zeros((P, B, H))}


def signals(cell: str, shape: tuple[int, int]) -> dict[str, Array]:
    """The gradients dy and dstate that reach the outputs, y and the last state."""
    T, B = shape
    return draw({"y": (T, B, H), "last": (PARTS[cell], B, H)}, seed=1)


def by_formulas(cell: str, values: dict[str, Array], signal: dict[str, Array]) -> dict[str, Array]:
    """y, the last state, and by name the gradients of the arguments of forward."""
    y, last, saved = REFERENCE[cell].forward(*values.values())
    return {
        "y": y,
        "last": last,
        **REFERENCE[cell].backward(signal["y"], signal["last"], saved)._asdict(),
    }


class Pass:
    """A forward pass over x, and the state if given, of a layer with the weights in ``values``.

    Args:
        wanted: the inputs that require a gradient; by default all.
    """

    def __init__(
        self,
        cell: str,
        values: dict[str, Array],
        *,
        given: bool = True,
        dtype: torch.dtype = torch.float32,
        precision: str = "fp32",
        wanted: Iterable[str] = (),
    ) -> None:
        layer = CELLS[cell](W, H).to(dtype)
        weights = {name: layer.rnn.get_parameter(parameter) for name, parameter in WEIGHTS.items()}
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(torch.from_numpy(values[name]))
        read = {
            name: torch.tensor(values[name], dtype=dtype)
            for name in ("x", "state")
            if given or name == "x"
        }
        self.inputs: dict[str, Tensor] = read | weights
        for name, value in self.inputs.items():
            value.requires_grad_(not wanted or name in wanted)
        with autocast("cpu", precision):
            y, last = layer(read["x"], read.get("state"))
        self.outputs: dict[str, Tensor] = {"y": y, "last": last}

    def gradients(self, signal: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
        """The gradient of every input that requires one, from those of one or both outputs."""
        leaves = {name: value for name, value in self.inputs.items() if value.requires_grad}
        outputs = [self.outputs[name] for name in signal]
        arriving = [torch.from_numpy(signal[name]).to(self.outputs[name].dtype) for name in signal]
        found = torch.autograd.grad(outputs, list(leaves.values()), arriving, retain_graph=True)
        return dict(zip(leaves, found, strict=True))


def assert_close(found: dict[str, Tensor], expected: dict[str, Array], tolerance: float) -> None:
    """The tolerance is relative to the largest number of an array, or to 1."""
    for name, value in found.items():
        atol = tolerance * max(1, np.abs(expected[name]).max())
        np.testing.assert_allclose(
            value.detach().double().numpy(), expected[name], atol=atol, rtol=0, err_msg=name
        )


# The formulas


@cells
def test_the_gradients_of_the_formulas_match_numerical_ones(cell: str) -> None:
    values, signal = inputs(cell, (3, 2)), signals(cell, (3, 2))
    step = (
        1e-5  # the curvature adds an error of step², rounding one of 1e-16 / step: each about 1e-10
    )

    def loss() -> float:
        y, last, _ = REFERENCE[cell].forward(*values.values())
        return float((y * signal["y"]).sum() + (last * signal["last"]).sum())

    found = by_formulas(cell, values, signal)
    for name, value in values.items():
        slope = np.empty_like(value)
        for at in np.ndindex(value.shape):
            middle = value[at]
            value[at] = middle + step
            above = loss()
            value[at] = middle - step
            slope[at] = (above - loss()) / (2 * step)
            value[at] = middle
        np.testing.assert_allclose(found[name], slope, atol=1e-9, rtol=0, err_msg=name)


# The layers


@cells
@shapes
@states
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_a_layer_matches_the_formulas_forward_and_backward(
    cell: str, shape: tuple[int, int], given: bool, dtype: torch.dtype
) -> None:
    values, signal = inputs(cell, shape, given), signals(cell, shape)
    expected = by_formulas(cell, values, signal)
    try:
        layer = Pass(cell, values, given=given, dtype=dtype)
    except (RuntimeError, TypeError) as error:
        if dtype == torch.float32:
            raise
        pytest.skip(f"no {cell} in {dtype}: {error}")
    found = layer.gradients(signal)
    assert found.keys() == values.keys() - (set() if given else {"state"})
    assert_close({"y": layer.outputs["y"], **found}, expected, TOLERANCE[dtype])
    # all of which return float32
    assert_close({"last": layer.outputs["last"]}, expected, TOLERANCE[torch.float32])


@cells
@shapes
@states
def test_a_layer_trained_in_bf16_matches_the_formulas(
    cell: str, shape: tuple[int, int], given: bool
) -> None:
    if pick_precision("auto", "cpu") != "bf16":
        pytest.skip(f"a {cell} is not trained in bf16 here")
    values, signal = inputs(cell, shape, given), signals(cell, shape)
    layer = Pass(cell, values, given=given, precision="bf16")
    assert layer.outputs["last"].dtype == torch.float32
    assert_close(
        layer.outputs | layer.gradients(signal),
        by_formulas(cell, values, signal),
        TOLERANCE[torch.bfloat16],
    )


@cells
@pytest.mark.parametrize("output", ["y", "last"])
def test_a_gradient_for_a_single_output_is_enough(cell: str, output: str) -> None:
    values, signal = inputs(cell, (7, 3)), signals(cell, (7, 3))
    alone = {
        name: value if name == output else np.zeros_like(value) for name, value in signal.items()
    }
    found = Pass(cell, values).gradients({output: signal[output]})
    assert_close(found, by_formulas(cell, values, alone), TOLERANCE[torch.float32])


@cells
@pytest.mark.parametrize("name", ["x", "state", *WEIGHTS])
def test_a_single_input_that_requires_a_gradient_gets_it(cell: str, name: str) -> None:
    values, signal = inputs(cell, (7, 3)), signals(cell, (7, 3))
    found = Pass(cell, values, wanted=[name]).gradients(signal)
    assert found.keys() == {name}
    assert_close(found, by_formulas(cell, values, signal), TOLERANCE[torch.float32])


@cells
def test_a_layer_overwrites_neither_its_inputs_nor_its_outputs(cell: str) -> None:
    values, signal = inputs(cell, (7, 3)), signals(cell, (7, 3))
    layer = Pass(cell, values)
    before = {
        name: value.detach().clone() for name, value in (layer.inputs | layer.outputs).items()
    }
    # which the layer shares, it is not converted
    arriving = {name: value.astype(np.float32) for name, value in signal.items()}
    first, second = layer.gradients(arriving), layer.gradients(arriving)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(
        torch.equal(value, before[name]) for name, value in (layer.inputs | layer.outputs).items()
    )
    for name, value in signal.items():
        np.testing.assert_array_equal(arriving[name], value)
