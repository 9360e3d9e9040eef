"""GRU and RNN on a CPU, forward and backward by hand: all input gates in one product, one product a
step, one for the weights.

PyTorch has a fused kernel for the LSTM alone; its GRU and RNN make an autograd graph of every step.
What a step does here is one product and a few point-wise operations in place, since each call costs
more than its arithmetic. Whatever is linear in the gradient that comes back through time is
computed for all steps at once.

Knows nothing of modules, of autocast's rules and of other devices: it computes its products in the
dtype that it is given.

    T  time     B  lanes     W  width of what is read     H  hidden size
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

sigmoid_backward: Any = torch.ops.aten.sigmoid_backward  # (d, s): d · s · (1 - s)
tanh_backward: Any = torch.ops.aten.tanh_backward  # (d, n): d · (1 - n²)


def gru(
    x: Tensor, h: Tensor, weights: Sequence[Tensor], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Read x (T, B, W) from the state h (B, H): y (T, B, H) in the dtype of the products, and the
    last state (B, H).

    Args:
        x: what is read.
        h: the state before it.
        weights: as PyTorch names and stacks them: weight_ih (3H, W), weight_hh (3H, H), bias_ih
            (3H,), bias_hh (3H,).
        dtype: of the products and of y. The state is kept, and added up, in float32 at least.
    """
    return _apply(_GRU, x, h, weights, dtype)


def rnn(
    x: Tensor, h: Tensor, weights: Sequence[Tensor], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """As ``gru``, with tanh and (H, ...) weights; nothing adds up in its state, which is kept in
    the dtype of the products."""
    return _apply(_RNN, x, h, weights, dtype)


def _apply(
    kernel: type[Function], x: Tensor, h: Tensor, weights: Sequence[Tensor], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    keep = torch.is_grad_enabled() and any(value.requires_grad for value in (x, h, *weights))
    y, last = kernel.apply(x, h, *weights, dtype, keep)  # type: ignore[no-untyped-call]
    return y, last


class _GRU(Function):
    """h' = n + z (h - n), where n = tanh(a) = 2 sigmoid(2a) - 1: PyTorch's tanh is slow. The rows
    of n are doubled for it."""

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
        (T, B, W), H = x.shape, w_hh.shape[1]
        exact = torch.promote_types(dtype, torch.float32)
        xs = x.to(dtype).reshape(T * B, W)
        w_ih, w_hh, b_ih, b_hh = (value.to(dtype, copy=True) for value in (w_ih, w_hh, b_ih, b_hh))
        for value in (w_ih, w_hh, b_ih, b_hh):
            value[2 * H :] *= 2
        b_ih[: 2 * H] += b_hh[: 2 * H]
        with torch.autocast("cpu", enabled=False):
            gates = torch.addmm(b_ih, xs, w_ih.t()).view(T, B, 3 * H)
            new = gates[..., 2 * H :].to(exact, copy=True)  # (T, B, H)
            gates[..., 2 * H :] = b_hh[2 * H :]
            steps = T if keep else 1
            a = torch.empty(steps, B, 3 * H, dtype=exact)  # r, z, W h of n
            hs = torch.empty(steps + 1, B, H, dtype=exact)
            y = torch.empty(T + 1, B, H, dtype=dtype)
            hs[0], y[0] = h, h
            _gru_steps(gates, new, a, hs, y, w_hh.t().contiguous())
        if keep:
            ctx.save_for_backward(xs, w_ih, w_hh, a, new, hs, y)
        return y[1:], hs[T if keep else T % 2].to(torch.float32, copy=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        xs, w_ih, w_hh, a, n, hs, y = ctx.saved_tensors
        T, B, H = n.shape
        dtype, exact = xs.dtype, n.dtype
        r, z, hn = a.split(H, dim=-1)
        half = torch.tensor(0.5, dtype=exact)
        by = torch.empty(T, B, 3, H, dtype=exact)  # d of r, z, W h of n: of each unit of dh
        dn = torch.add(half, z, alpha=-0.5)
        tanh_backward.grad_input(dn, n, grad_input=dn)
        part = dn * hn
        sigmoid_backward.grad_input(part, r, grad_input=by[:, :, 0])
        sigmoid_backward.grad_input(torch.sub(hs[:-1], n, out=part), z, grad_input=by[:, :, 1])
        torch.mul(dn, r, out=by[:, :, 2])
        d = torch.empty(T, B, 3, H, dtype=dtype)
        dh = torch.empty(T + 1, B, H, dtype=exact)
        dh[0], dh[1:] = 0, dy
        dh[T] += dlast
        _gru_steps_back(by, z, d, dh, w_hh)
        flat = d.view(T * B, 3 * H)
        dw_hh, db_hh = (flat.t() @ y[:-1].view(T * B, H)).to(exact), flat.sum(0).to(exact)
        torch.mul(dh[1:], dn, out=d[:, :, 2])
        dw_ih, db_ih = (
            (flat.t() @ xs).to(exact),
            torch.cat([db_hh[: 2 * H], flat[:, 2 * H :].sum(0).to(exact)]),
        )
        for gradient in (dw_ih, dw_hh, db_ih, db_hh):
            gradient[2 * H :] *= 2
        dx = (flat @ w_ih).view(T, B, -1).to(exact) if ctx.needs_input_grad[0] else None
        return dx, dh[0], dw_ih, dw_hh, db_ih, db_hh, None, None


def _gru_steps(gates: Tensor, new: Tensor, a: Tensor, hs: Tensor, y: Tensor, w: Tensor) -> None:
    """Fill y and the states, and make of ``new`` n; without a place for every state, the two in
    ``hs`` take turns."""
    H = new.shape[-1]
    minus = torch.tensor(-1.0, dtype=new.dtype)
    keep = len(hs) == len(y)
    slots = list(
        zip(
            a.unbind(),
            a[..., : 2 * H].unbind(),
            *(part.unbind() for part in a.chunk(3, dim=-1)),
            strict=True,
        )
    )
    states, outputs = hs.unbind(), y.unbind()
    for t, (gate, n) in enumerate(zip(gates.unbind(), new.unbind(), strict=True)):
        whole, rz, r, z, hn = slots[t if keep else 0]
        h, after = (states[t], states[t + 1]) if keep else (states[t % 2], states[(t + 1) % 2])
        gate.addmm_(outputs[t], w)
        whole.copy_(gate)
        rz.sigmoid_()
        n.addcmul_(r, hn).sigmoid_()
        torch.add(minus, n, alpha=2, out=n)
        torch.lerp(n, h, z, out=after)
        outputs[t + 1].copy_(after)


def _gru_steps_back(by: Tensor, z: Tensor, d: Tensor, dh: Tensor, w: Tensor) -> None:
    """Fill d, and add to dh, which holds what reaches each state from y, what reaches it through
    time."""
    T, B, H = z.shape
    product, exact = dh.new_empty(B, H, dtype=d.dtype), dh.new_empty(B, H)
    zs, bys, ds, flat = z.unbind(), by.unbind(), d.unbind(), d.view(T, B, 3 * H).unbind()
    dhs, wide = dh.unbind(), dh[:, :, None].unbind()
    for t in range(T - 1, -1, -1):
        torch.mul(bys[t], wide[t + 1], out=ds[t])
        torch.mm(flat[t], w, out=product)
        exact.copy_(product)
        dhs[t].addcmul_(dhs[t + 1], zs[t]).add_(exact)


class _RNN(Function):
    """h' = tanh(a)."""

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
        (T, B, W), H = x.shape, w_hh.shape[1]
        xs, w_ih, w_hh = x.to(dtype).reshape(T * B, W), w_ih.to(dtype), w_hh.to(dtype)
        with torch.autocast("cpu", enabled=False):
            gates = torch.addmm((b_ih + b_hh).to(dtype), xs, w_ih.t()).view(T, B, H)
            y = torch.empty(T + 1, B, H, dtype=dtype)
            y[0] = h
            w, outputs = w_hh.t().contiguous(), y.unbind()
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
        d, by = (
            torch.empty_like(dy, memory_format=torch.contiguous_format),
            tanh_backward(torch.ones_like(dy), y[1:]),
        )
        ds, bys, dhs = d.unbind(), by.unbind(), dh.unbind()
        for t in range(T - 1, -1, -1):
            torch.mul(bys[t], dhs[t + 1], out=ds[t])
            dhs[t].addmm_(ds[t], w_hh)
        flat = d.view(T * B, H)
        dw_ih, dw_hh, db = (
            (flat.t() @ xs).to(exact),
            (flat.t() @ y[:-1].view(T * B, H)).to(exact),
            flat.sum(0).to(exact),
        )
        dx = (flat @ w_ih).view(T, B, -1).to(exact) if ctx.needs_input_grad[0] else None
        return dx, dh[0].to(exact), dw_ih, dw_hh, db, db.clone(), None, None
