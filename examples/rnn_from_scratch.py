"""A recurrent network from scratch: an Elman cell (Elman 1990) in NumPy, trained on a text.

    python examples/rnn_from_scratch.py                 # the bundled fables, one minute
    python examples/rnn_from_scratch.py my.txt 300      # a text of yours, five minutes

    T  characters in a sequence    B  sequences in a batch    H  hidden units    V  characters known

At each step the network reads a character, updates its hidden state h, which is its memory, and
predicts the next character:

    h[t] = tanh(Wx[x[t]] + h[t-1] @ Wh + b)         logits[t] = h[t] @ Wy + c

docs/learn.md explains it line by line.
"""

import sys
import time
from pathlib import Path

import numpy as np

T = 64
B = 32
H = 256
RATE = 3e-3
FABLES = Path(__file__).parent.parent / "corpora" / "fables.txt"


def new_parameters(V, H, rng):
    """Small random weights, so that the first predictions are nearly uniform."""
    return {
        "Wx": rng.normal(0, 0.1, (V, H)).astype(np.float32),  # row v is what character v adds to h
        "Wh": rng.normal(0, H**-0.5, (H, H)).astype(np.float32),  # keeps the size of h steady
        "b": np.zeros(H, np.float32),
        "Wy": rng.normal(0, H**-0.5, (H, V)).astype(np.float32),
        "c": np.zeros(V, np.float32),
    }


def forward(p, x, h):
    """Read x (T, B) from the state h (B, H): all states (T + 1, B, H), and probabilities (T, B, V).

    The same weights are used at every step: that is what makes the network recurrent.
    """
    hs = np.empty((len(x) + 1, *h.shape), h.dtype)
    hs[0] = h
    for t in range(len(x)):
        hs[t + 1] = np.tanh(p["Wx"][x[t]] + hs[t] @ p["Wh"] + p["b"])
    logits = hs[1:] @ p["Wy"] + p["c"]  # (T, B, V)
    logits -= logits.max(axis=-1, keepdims=True)  # so that exp cannot overflow
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    return hs, probabilities


def loss_of(probabilities, y):
    """The mean negative log-probability of the characters y (T, B) that came."""
    rows, columns = np.indices(y.shape)
    return -np.log(probabilities[rows, columns, y]).mean()


def backward(p, x, y, hs, probabilities):
    """The gradient of the loss: back-propagation through time (Werbos 1990).

    It is truncated: the state before the sequence counts as a constant.
    """
    rows, columns = np.indices(y.shape)
    dlogits = probabilities.copy()  # (T, B, V): softmax and cross-entropy have this simple gradient
    dlogits[rows, columns, y] -= 1
    dlogits /= y.size
    g = {name: np.zeros_like(value) for name, value in p.items()}
    g["Wy"] = np.einsum("tbh,tbv->hv", hs[1:], dlogits, optimize=True)
    g["c"] = dlogits.sum(axis=(0, 1))
    from_above = dlogits @ p["Wy"].T  # (T, B, H)
    from_later = np.zeros_like(hs[0])  # (B, H)
    for t in reversed(range(len(x))):
        dh = from_above[t] + from_later  # h[t] is used by its prediction and by the next step
        da = dh * (1 - hs[t + 1] ** 2)  # the slope of tanh; at most 1, so gradients tend to vanish
        g["Wh"] += hs[t].T @ da
        g["b"] += da.sum(axis=0)
        np.add.at(g["Wx"], x[t], da)  # each character's row gets what its places contribute
        from_later = da @ p["Wh"].T
    return g


def clip(g, most=1.0):
    """Shrink the gradient if its norm is above ``most``: some sequences make it explode."""
    norm = np.sqrt(sum((value**2).sum() for value in g.values()))
    if norm > most:
        for value in g.values():
            value *= most / norm
    return norm


class Adam:
    """Steps scaled for each weight by the recent size of its gradient (Kingma and Ba 2015)."""

    def __init__(self, p):
        self.mean = {name: np.zeros_like(value) for name, value in p.items()}
        self.square = {name: np.zeros_like(value) for name, value in p.items()}
        self.steps = 0

    def step(self, p, g, rate):
        """Change the parameters in place."""
        self.steps += 1
        for name, gradient in g.items():
            self.mean[name] += 0.1 * (gradient - self.mean[name])
            self.square[name] += 0.01 * (gradient**2 - self.square[name])
            mean = self.mean[name] / (1 - 0.9**self.steps)  # both begin at 0: correct for that
            square = self.square[name] / (1 - 0.99**self.steps)
            p[name] -= rate * mean / (np.sqrt(square) + 1e-8)


def sample(p, symbols, length, temperature, rng, start="\n"):
    """Write a text: predict, draw a character, read it, and so on."""
    idx = symbols.index(start) if start in symbols else 0
    h = np.zeros((1, len(p["b"])), np.float32)
    text = []
    for _ in range(length):
        hs, probabilities = forward(p, np.array([[idx]]), h)
        h = hs[-1]
        weights = probabilities[0, 0].astype(np.float64) ** (1 / temperature)
        idx = rng.choice(len(symbols), p=weights / weights.sum())
        text.append(symbols[idx])
    return "".join(text)


def train(text, seconds, rng, report=print):
    """Train on the first nine tenths of a text; returns the parameters and the symbols."""
    symbols = sorted(set(text))
    ids = np.array([symbols.index(char) for char in text])
    cut = len(ids) * 9 // 10
    lanes = ids[: cut // B * B].reshape(B, -1)  # B sequences, each read from beginning to end
    if lanes.shape[1] <= T:
        sys.exit(f"the text has {len(text):,} characters; give one of at least {3 * B * T:,}")
    held_out = ids[cut:]
    p = new_parameters(len(symbols), H, rng)
    adam = Adam(p)
    h = np.zeros((B, H), np.float32)
    begin = time.time()
    last = begin
    place = 0
    while (spent := (time.time() - begin) / seconds) < 1:
        if place + T + 1 > lanes.shape[1]:  # the end of the text: begin again, without a memory
            place = 0
            h = np.zeros_like(h)
        x = lanes[:, place : place + T].T  # (T, B)
        y = lanes[:, place + 1 : place + T + 1].T  # the same, one character later
        hs, probabilities = forward(p, x, h)
        g = backward(p, x, y, hs, probabilities)
        clip(g)
        adam.step(p, g, RATE * (1 - spent))  # the rate falls to 0, so that the end is calm
        h = hs[-1]  # the next sequence continues where this one ended
        place += T
        if time.time() - last > seconds / 6:
            last = time.time()
            report(f"{spent:4.0%}  step {adam.steps:,}  loss {loss_of(probabilities, y):.3f}")
    hs, probabilities = forward(p, held_out[:-1, None], np.zeros((1, H), np.float32))
    report(f"loss on new text: {loss_of(probabilities, held_out[1:, None]):.3f} nats per character")
    return p, symbols


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else FABLES
    seconds_given = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    generator = np.random.default_rng(0)
    weights, known = train(path.read_text(encoding="utf-8"), seconds_given, generator)
    print(sample(weights, known, 500, 0.7, generator))
