"""The kernels reproduce the same bits, with and without gradients, and overwrite nothing."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from charrnn.training import kernels

pytestmark = pytest.mark.usefixtures("one_thread")

T, B, W, H = 9, 3, 4, 5
KERNELS = {
    "gru": (partial(kernels.apply, kernels.GRUKernel), 3),
    "rnn": (partial(kernels.apply, kernels.RNNKernel), 1),
}
Kernel = Callable[..., tuple[Tensor, Tensor]]

both = pytest.mark.parametrize("name", KERNELS)
precisions = pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str
)


def given(name: str, *, wanting: bool = True) -> tuple[Kernel, Tensor, Tensor, list[Tensor]]:
    """A kernel, x, h and weights, large enough for rounding to show."""
    kernel, G = KERNELS[name]
    generator = torch.Generator().manual_seed(0)
    sizes = [(T, B, W), (B, H), (G * H, W), (G * H, H), (G * H,), (G * H,)]
    x, h, *weights = (
        torch.randn(size, generator=generator).requires_grad_(wanting) for size in sizes
    )
    return kernel, x, h, weights


def gradients(name: str, dtype: torch.dtype) -> tuple[Tensor, ...]:
    kernel, x, h, weights = given(name)
    y, last = kernel(x, h, weights, dtype)
    loss: Tensor = (y.double() ** 2).sum() + (last.double() ** 3).sum()
    return torch.autograd.grad(loss, [x, h, *weights])


@both
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)], ids=str
)
def test_outputs_and_gradients_equal_those_of_pytorch(
    name: str, dtype: torch.dtype, tolerance: float
) -> None:
    kernel, x, h, weights = given(name)
    module = {"gru": nn.GRU, "rnn": nn.RNN}[name](W, H, dtype=torch.float64)
    for parameter, weight in zip(module.parameters(), weights, strict=True):
        parameter.data = weight.detach().double()
    wide = [value.detach().double().requires_grad_() for value in (x, h)]
    expected, end = module(wide[0], wide[1][None])
    y, last = kernel(x, h, weights, dtype)
    generator = torch.Generator().manual_seed(1)
    dy = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    dlast = torch.randn(last.shape, generator=generator, dtype=torch.float64)
    arriving = [dy.to(y.dtype), dlast.to(last.dtype)]
    found = torch.autograd.grad([y, last], [x, h, *weights], arriving)
    right = torch.autograd.grad([expected, end[0]], [*wide, *module.parameters()], [dy, dlast])
    close = partial(torch.testing.assert_close, atol=tolerance, rtol=tolerance)
    close(y.double(), expected)
    for gradient, other in zip(found, right, strict=True):
        close(gradient.double(), other)


@both
@precisions
def test_repeating_a_pass_gives_the_same_bits(name: str, dtype: torch.dtype) -> None:
    assert all(
        torch.equal(one, other)
        for one, other in zip(gradients(name, dtype), gradients(name, dtype), strict=True)
    )


@both
@precisions
def test_results_are_bit_identical_with_and_without_gradients(
    name: str, dtype: torch.dtype
) -> None:
    kernel, *inputs = given(name)
    y, last = kernel(*inputs, dtype)
    with torch.no_grad():
        found = kernel(*inputs, dtype)
    other, *frozen = given(name, wanting=False)
    for one in (found, other(*frozen, dtype)):
        assert not one[0].requires_grad
        assert torch.equal(one[0], y)
        assert torch.equal(one[1], last)


@both
@precisions
@pytest.mark.parametrize("cut", [1, 4, 8])
def test_two_chunks_equal_one_pass(name: str, dtype: torch.dtype, cut: int) -> None:
    kernel, x, h, weights = given(name, wanting=False)
    y, last = kernel(x, h, weights, dtype)
    first, state = kernel(x[:cut], h, weights, dtype)
    second, end = kernel(x[cut:], state, weights, dtype)
    # products of other shapes may be summed in another order
    tolerance = 1e-6 if dtype != torch.bfloat16 else 1e-2
    torch.testing.assert_close(torch.cat([first, second]), y, atol=tolerance, rtol=0)
    torch.testing.assert_close(end, last, atol=tolerance, rtol=0)


@both
@precisions
def test_y_is_in_the_dtype_of_the_products_and_the_state_in_float32(
    name: str, dtype: torch.dtype
) -> None:
    kernel, *inputs = given(name)
    y, last = kernel(*inputs, dtype)
    assert (y.dtype, last.dtype) == (dtype, torch.float32)
    assert (tuple(y.shape), tuple(last.shape)) == ((T, B, H), (B, H))


@both
@precisions
def test_gradients_have_the_dtype_of_their_inputs(name: str, dtype: torch.dtype) -> None:
    assert {gradient.dtype for gradient in gradients(name, dtype)} == {torch.float32}


@both
@precisions
def test_inputs_are_not_modified(name: str, dtype: torch.dtype) -> None:
    kernel, x, h, weights = given(name)
    before = [value.detach().clone() for value in (x, h, *weights)]
    y, last = kernel(x, h, weights, dtype)
    dy, dlast = torch.randn(y.shape).to(y.dtype), torch.randn(last.shape)
    arriving = dy.clone(), dlast.clone()
    y_before, last_before = y.detach().clone(), last.detach().clone()
    torch.autograd.grad([y, last], [x, h, *weights], [dy, dlast])
    assert all(torch.equal(value, old) for value, old in zip((x, h, *weights), before, strict=True))
    assert torch.equal(dy, arriving[0])
    assert torch.equal(dlast, arriving[1])
    assert torch.equal(y, y_before)
    assert torch.equal(last, last_before)


@both
def test_the_last_state_equals_the_last_y_before_rounding(name: str) -> None:
    kernel, *inputs = given(name, wanting=False)
    y, last = kernel(*inputs, torch.bfloat16)
    assert torch.equal(last.bfloat16(), y[-1])
    assert torch.equal(last, y[-1].float()) == (name == "rnn")


@both
def test_a_second_derivative_is_refused(name: str) -> None:
    kernel, x, h, weights = given(name)
    y, _ = kernel(x, h, weights, torch.float32)
    (dx,) = torch.autograd.grad((y**2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dx.sum().backward()
