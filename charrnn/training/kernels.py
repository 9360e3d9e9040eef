"""GRU and RNN on a CPU, forward and backward by hand.

PyTorch has a fused kernel only for the LSTM; its GRU and RNN build an autograd graph of every
step. Here one product computes all input gates. Each step is one product and a few point-wise
operations in place, since a call costs more than its arithmetic. One product computes the
gradients of the weights. Whatever is linear in the gradient that comes back through time is
computed for all steps at once.

    T  time     B  lanes     W  width of the input     H  hidden size
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import Function, once_differentiable

WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")  # as PyTorch names them
sigmoid_backward: Any = torch.ops.aten.sigmoid_backward  # (d, s): d · s · (1 - s)
tanh_backward: Any = torch.ops.aten.tanh_backward  # (d, n): d · (1 - n²)


def run_kernel(
    kernel: type[Function],
    module: nn.Module,
    x: Tensor,
    state: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Read x (T, B, W) with a module's weights: y (T, B, H), state (1, B, H).

    The products are computed in the precision that autocast asks for.
    """
    weights = [module.get_parameter(name) for name in WEIGHTS]
    dtype = weights[0].dtype
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
    if state is None:
        _, w_hh, _, _ = weights
        h = x.new_zeros(x.shape[1], w_hh.shape[1], dtype=torch.float32)  # (B, H)
    else:
        h = state[0]
    y, last = apply(kernel, x, h, weights, dtype)
    return y, last[None]


def apply(
    kernel: type[Function],
    x: Tensor,
    h: Tensor,
    weights: Sequence[Tensor],
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Read x (T, B, W) from the state h (B, H): y (T, B, H), and the last state (B, H).

    Args:
        kernel: GRUKernel or RNNKernel.
        x: the input.
        h: the state before the first step.
        weights: as PyTorch stacks them, G = 3 blocks for a GRU and 1 for an RNN: weight_ih
            (G·H, W), weight_hh (G·H, H), bias_ih (G·H,), bias_hh (G·H,).
        dtype: of the products and of y. A GRU's state is accumulated in at least float32.
    """
    keep = torch.is_grad_enabled() and any(value.requires_grad for value in (x, h, *weights))
    y, last = kernel.apply(x, h, *weights, dtype, keep)  # type: ignore[no-untyped-call]
    return y, last


class GRUKernel(Function):
    """h' = n + z (h - n), where n = tanh(a) = 2 sigmoid(2a) - 1, since PyTorch's tanh is slow.

    The rows of n in weights and biases are doubled for this.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
        dtype: torch.dtype,
        keep: bool,
    ) -> tuple[Tensor, Tensor]:
        T, B, W = x.shape
        H = w_hh.shape[1]
        exact = torch.promote_types(dtype, torch.float32)
        xs = x.to(dtype).reshape(T * B, W)
        w_ih = _with_doubled_rows(w_ih, H, dtype)
        w_hh = _with_doubled_rows(w_hh, H, dtype)
        b_ih = _with_doubled_rows(b_ih, H, dtype)
        b_hh = _with_doubled_rows(b_hh, H, dtype)
        b_ih[: 2 * H] += b_hh[: 2 * H]
        with torch.autocast("cpu", enabled=False):
            gates = torch.addmm(b_ih, xs, w_ih.t()).view(T, B, 3 * H)
            gate_n = gates[..., 2 * H :]
            new = gate_n.to(exact, copy=True)  # (T, B, H)
            gate_n[:] = b_hh[2 * H :]
            y = torch.empty(T + 1, B, H, dtype=dtype)
            if dtype == exact:
                activations = gates
                states = y
            else:
                steps = T if keep else 1
                activations = torch.empty(steps, B, 3 * H, dtype=exact)  # r, z, W h of n
                states = torch.empty(steps + 1, B, H, dtype=exact)
            states[0] = h
            y[0] = h
            _gru_steps(gates, new, activations, states, y, w_hh.t().contiguous())
        if keep:
            ctx.save_for_backward(xs, w_ih, w_hh, activations, new, states, y)
        last = states[T % len(states)]
        return y[1:], last.to(torch.float32, copy=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        xs, w_ih, w_hh, activations, n, states, y = ctx.saved_tensors
        T, B, H = n.shape
        exact = n.dtype
        r, z, hn = activations.split(H, dim=-1)

        # the gradient of each pre-activation, per unit of dh
        factors = torch.empty(T, B, 3, H, dtype=exact)
        factor_r, factor_z, factor_hn = factors.unbind(2)
        half = torch.tensor(0.5, dtype=exact)
        dn = torch.add(half, z, alpha=-0.5)
        tanh_backward.grad_input(dn, n, grad_input=dn)
        part = dn * hn
        sigmoid_backward.grad_input(part, r, grad_input=factor_r)
        torch.sub(states[:-1], n, out=part)
        sigmoid_backward.grad_input(part, z, grad_input=factor_z)
        torch.mul(dn, r, out=factor_hn)

        # back through time
        d = torch.empty(T, B, 3, H, dtype=xs.dtype)
        dh = torch.empty(T + 1, B, H, dtype=exact)
        dh[0] = 0
        dh[1:] = dy
        dh[T] += dlast
        _gru_steps_back(factors, z, d, dh, w_hh)

        # the weights; the gradient of n differs between input and recurrent weights
        flat = d.view(T * B, 3 * H)
        hidden = y[:-1].view(T * B, H)
        dw_hh = (flat.t() @ hidden).to(exact)
        db_hh = flat.sum(0).to(exact)
        torch.mul(dh[1:], dn, out=d[:, :, 2])
        dw_ih = (flat.t() @ xs).to(exact)
        db_n = flat[:, 2 * H :].sum(0).to(exact)
        db_ih = torch.cat([db_hh[: 2 * H], db_n])
        for gradient in (dw_ih, dw_hh, db_ih, db_hh):
            gradient[2 * H :] *= 2
        dx = None
        if ctx.needs_input_grad[0]:
            dx = flat @ w_ih
            dx = dx.view(T, B, -1).to(exact)
        return dx, dh[0], dw_ih, dw_hh, db_ih, db_hh, None, None


def _with_doubled_rows(weight: Tensor, H: int, dtype: torch.dtype) -> Tensor:  # noqa: N803
    """A copy of a weight or bias in which the block of n is doubled."""
    doubled = weight.to(dtype, copy=True)
    doubled[2 * H :] *= 2
    return doubled


def _gru_steps(
    gates: Tensor,
    new: Tensor,
    activations: Tensor,
    states: Tensor,
    y: Tensor,
    w: Tensor,
) -> None:
    """Fill y and the states, and turn ``new`` into n.

    The activations and states may be the gates and y themselves. With room for only two states,
    they alternate.
    """
    T, _, H = new.shape
    minus_one = torch.tensor(-1.0, dtype=new.dtype)
    both = activations[..., : 2 * H]  # r and z
    r, z, hn = activations.chunk(3, dim=-1)
    views = [whole.unbind() for whole in (activations, both, r, z, hn)]
    slots = list(zip(*views, strict=True))
    slots *= T // len(slots)
    hs = states.unbind()
    outputs = y.unbind()
    for t, (gate, n) in enumerate(zip(gates.unbind(), new.unbind(), strict=True)):
        whole, rz, r_t, z_t, hn_t = slots[t]
        before = hs[t % len(hs)]
        after = hs[(t + 1) % len(hs)]
        gate.addmm_(outputs[t], w)
        if activations is not gates:
            whole.copy_(gate)
        rz.sigmoid_()
        n.addcmul_(r_t, hn_t).sigmoid_()
        torch.add(minus_one, n, alpha=2, out=n)
        torch.lerp(n, before, z_t, out=after)
        if states is not y:
            outputs[t + 1].copy_(after)


def _gru_steps_back(factors: Tensor, z: Tensor, d: Tensor, dh: Tensor, w: Tensor) -> None:
    """Fill d, and add the gradients from later states to dh, which holds those from y."""
    T, B, H = z.shape
    product = dh.new_empty(B, H, dtype=d.dtype)
    exact = dh.new_empty(B, H)
    zs = z.unbind()
    fs = factors.unbind()
    ds = d.unbind()
    flat = d.view(T, B, 3 * H).unbind()
    dhs = dh.unbind()
    wide = dh[:, :, None].unbind()
    for t in range(T - 1, -1, -1):
        torch.mul(fs[t], wide[t + 1], out=ds[t])
        dhs[t].addcmul_(dhs[t + 1], zs[t])
        if d.dtype == dh.dtype:
            dhs[t].addmm_(flat[t], w)
            continue
        torch.mm(flat[t], w, out=product)
        exact.copy_(product)
        dhs[t].add_(exact)


class RNNKernel(Function):
    """h' = tanh(a); nothing accumulates in the state, so it has the dtype of the products."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
        dtype: torch.dtype,
        keep: bool,
    ) -> tuple[Tensor, Tensor]:
        T, B, W = x.shape
        H = w_hh.shape[1]
        xs = x.to(dtype).reshape(T * B, W)
        w_ih = w_ih.to(dtype)
        w_hh = w_hh.to(dtype)
        bias = (b_ih + b_hh).to(dtype)
        with torch.autocast("cpu", enabled=False):
            gates = torch.addmm(bias, xs, w_ih.t()).view(T, B, H)
            y = torch.empty(T + 1, B, H, dtype=dtype)
            y[0] = h
            w = w_hh.t().contiguous()
            outputs = y.unbind()
            for t, gate in enumerate(gates.unbind()):
                torch.tanh(gate.addmm_(outputs[t], w), out=outputs[t + 1])
        if keep:
            ctx.save_for_backward(xs, w_ih, w_hh, y)
        return y[1:], y[T].to(torch.float32, copy=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        xs, w_ih, w_hh, y = ctx.saved_tensors
        T, B, H = dy.shape
        exact = torch.promote_types(xs.dtype, torch.float32)
        dh = torch.cat([dy.new_zeros(1, B, H), dy])
        dh[T] += dlast
        d = torch.empty_like(dy, memory_format=torch.contiguous_format)
        factors = tanh_backward(torch.ones_like(dy), y[1:]).unbind()  # da per unit of dh
        ds = d.unbind()
        dhs = dh.unbind()
        for t in range(T - 1, -1, -1):
            torch.mul(factors[t], dhs[t + 1], out=ds[t])
            dhs[t].addmm_(ds[t], w_hh)
        flat = d.view(T * B, H)
        hidden = y[:-1].view(T * B, H)
        dw_ih = (flat.t() @ xs).to(exact)
        dw_hh = (flat.t() @ hidden).to(exact)
        db = flat.sum(0).to(exact)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = flat @ w_ih
            dx = dx.view(T, B, -1).to(exact)
        dh0 = dh[0].to(exact)
        return dx, dh0, dw_ih, dw_hh, db, db.clone(), None, None
