"""One recurrent layer in plain NumPy, forward and backward through time: the formulas that every
layer is compared with.

    T  time steps      B  lanes, read in parallel      W  width of x      H  hidden_size
    P  parts of the state: 2 for lstm (h, c), 1 for gru and rnn (h)
    G  gates: the number of blocks of H rows stacked in each weight, in PyTorch's order
       (lstm i, f, g, o; gru r, z, n)

Step t reads x[t] and the previous state h[t] and computes h[t + 1], which is also its output y[t]:

              y[0]                y[1]
               ^                   ^
    h[0] --> step 0 --> h[1] --> step 1 --> h[2] ...     a = x[t] @ w_ih.T + b_ih  # (B, G·H)
               ^                   ^                     b = h[t] @ w_hh.T + b_hh  # (B, G·H)
              x[0]                x[1]

A leading d means the gradient of the loss with respect to that name. Backward, the arrows are
reversed: h[t + 1] was read twice, as y[t] and by step t + 1, so its two gradients are added. All
other gradients follow from da and db in the same way for every cell.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Saved(NamedTuple):
    """The values that forward saves for backward."""

    x: Array  # (T, B, W)
    w_ih: Array  # (G·H, W)
    w_hh: Array  # (G·H, H)
    h: list[Array]  # T + 1 of (B, H)
    c: list[Array]  # T + 1 of (B, H), lstm only
    gates: Sequence[tuple[Array, ...]]  # T of the gates' values, each (B, H)


class Gradients(NamedTuple):
    """Each has the shape of the array it is the gradient of."""

    x: Array  # (T, B, W)
    state: Array  # (P, B, H)
    w_ih: Array  # (G·H, W)
    w_hh: Array  # (G·H, H)
    b_ih: Array  # (G·H,)
    b_hh: Array  # (G·H,)


def sigmoid(a: Array) -> Array:
    """The derivative is s (1 - s), where s is the value; that of tanh is 1 - tanh²."""
    return 1 / (1 + np.exp(-a))


def gradients(saved: Saved, da: list[Array], db: list[Array], dstate: Array) -> Gradients:
    """All gradients, from those of the two products; da and db list the last step first, in the
    order in which backward computes them."""
    a, b = np.stack(da[::-1]), np.stack(db[::-1])  # (T, B, G·H)
    h = np.stack(saved.h[:-1])  # (T, B, H), before each step
    return Gradients(
        x=a @ saved.w_ih,
        state=dstate,
        w_ih=np.einsum("tbg,tbw->gw", a, saved.x),
        w_hh=np.einsum("tbg,tbh->gh", b, h),
        b_ih=a.sum(axis=(0, 1)),
        b_hh=b.sum(axis=(0, 1)),
    )


def lstm_forward(
    x: Array, state: Array, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array
) -> tuple[Array, Array, Saved]:
    """Hochreiter and Schmidhuber 1997, with a forget gate (Gers et al. 2000)."""
    h, c, gates = [state[0]], [state[1]], []
    for t in range(len(x)):
        a = x[t] @ w_ih.T + b_ih  # (B, 4H)
        b = h[t] @ w_hh.T + b_hh  # (B, 4H)
        i, f, g, o = np.split(a + b, 4, axis=1)  # (B, H) each
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        c.append(f * c[t] + i * g)
        h.append(o * np.tanh(c[t + 1]))
        gates.append((i, f, g, o))
    # (T, B, H), (2, B, H)
    return np.stack(h[1:]), np.stack([h[-1], c[-1]]), Saved(x, w_ih, w_hh, h, c, gates)


def lstm_backward(dy: Array, dstate: Array, saved: Saved) -> Gradients:
    """Two paths back from step to step: through h, and through c, scaled only by the forget gate."""
    dh, dc = dstate  # (B, H) each
    das = []
    for t in reversed(range(len(dy))):
        (i, f, g, o), tanh_c = saved.gates[t], np.tanh(saved.c[t + 1])
        dh = dh + dy[t]
        dc = dc + dh * o * (1 - tanh_c**2)
        di = dc * g * i * (1 - i)
        df = dc * saved.c[t] * f * (1 - f)
        dg = dc * i * (1 - g**2)
        do = dh * tanh_c * o * (1 - o)
        # (B, 4H); db is the same, since a and b are only added
        das.append(np.concatenate([di, df, dg, do], axis=1))
        dh, dc = das[-1] @ saved.w_hh, dc * f
    return gradients(saved, das, das, np.stack([dh, dc]))


def gru_forward(
    x: Array, state: Array, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array
) -> tuple[Array, Array, Saved]:
    """Cho et al. 2014, with the reset gate after the product: r times b_n, including its bias."""
    h, gates = [state[0]], []
    for t in range(len(x)):
        a_r, a_z, a_n = np.split(x[t] @ w_ih.T + b_ih, 3, axis=1)  # (B, H) each
        b_r, b_z, b_n = np.split(h[t] @ w_hh.T + b_hh, 3, axis=1)  # (B, H) each
        r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
        n = np.tanh(a_n + r * b_n)
        h.append((1 - z) * n + z * h[t])
        gates.append((r, z, n, b_n))
    return np.stack(h[1:]), h[-1][None], Saved(x, w_ih, w_hh, h, [], gates)  # (T, B, H), (1, B, H)


def gru_backward(dy: Array, dstate: Array, saved: Saved) -> Gradients:
    """Two paths back from step to step: through the product, and around it where z kept h."""
    (dh,) = dstate  # (B, H)
    das, dbs = [], []
    for t in reversed(range(len(dy))):
        r, z, n, b_n = saved.gates[t]
        dh = dh + dy[t]
        dn = dh * (1 - z) * (1 - n**2)
        dz = dh * (saved.h[t] - n) * z * (1 - z)
        dr = dn * b_n * r * (1 - r)
        das.append(np.concatenate([dr, dz, dn], axis=1))  # (B, 3H)
        dbs.append(np.concatenate([dr, dz, dn * r], axis=1))  # (B, 3H)
        dh = dbs[-1] @ saved.w_hh + dh * z
    return gradients(saved, das, dbs, dh[None])


def rnn_forward(
    x: Array, state: Array, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array
) -> tuple[Array, Array, Saved]:
    """Elman 1990, with tanh."""
    h = [state[0]]
    for t in range(len(x)):
        a = x[t] @ w_ih.T + b_ih  # (B, H)
        b = h[t] @ w_hh.T + b_hh  # (B, H)
        h.append(np.tanh(a + b))
    return np.stack(h[1:]), h[-1][None], Saved(x, w_ih, w_hh, h, [], [])  # (T, B, H), (1, B, H)


def rnn_backward(dy: Array, dstate: Array, saved: Saved) -> Gradients:
    """One path back from step to step, through the product."""
    (dh,) = dstate  # (B, H)
    das = []
    for t in reversed(range(len(dy))):
        dh = dh + dy[t]
        das.append(dh * (1 - saved.h[t + 1] ** 2))  # (B, H)
        dh = das[-1] @ saved.w_hh
    return gradients(saved, das, das, dh[None])


class Reference(NamedTuple):
    """A cell: ``forward(x, state, w_ih, w_hh, b_ih, b_hh) -> (y, state, saved)``, ``backward(dy,
    dstate, saved)``."""

    forward: Callable[[Array, Array, Array, Array, Array, Array], tuple[Array, Array, Saved]]
    backward: Callable[[Array, Array, Saved], Gradients]


REFERENCE = {
    "lstm": Reference(lstm_forward, lstm_backward),
    "gru": Reference(gru_forward, gru_backward),
    "rnn": Reference(rnn_forward, rnn_backward),
}
