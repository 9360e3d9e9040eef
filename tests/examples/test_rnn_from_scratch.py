"""The gradients of the example are those of its loss, and it learns."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parent.parent.parent / "examples" / "rnn_from_scratch.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("rnn_from_scratch", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def case(example):
    """Parameters in double precision, a batch, and a state."""
    rng = np.random.default_rng(0)
    V, H, T, B = 5, 7, 6, 3
    p = {
        name: value.astype(np.float64) for name, value in example.new_parameters(V, H, rng).items()
    }
    for name in ("b", "c"):
        p[name] += rng.normal(0, 0.1, p[name].shape)
    x, y = rng.integers(0, V, (2, T, B))
    return p, x, y, rng.normal(0, 0.5, (B, H))


def test_the_gradients_are_those_of_the_loss(example, case):
    p, x, y, h = case
    g = example.backward(p, x, y, *example.forward(p, x, h))
    for name, value in p.items():
        for place in np.ndindex(*value.shape):
            old, losses = value[place], []
            for change in (1e-5, -1e-5):
                value[place] = old + change
                losses.append(example.loss_of(example.forward(p, x, h)[1], y))
            value[place] = old
            assert g[name][place] == pytest.approx((losses[0] - losses[1]) / 2e-5, abs=1e-8)


def test_clipping_bounds_the_norm_and_keeps_the_direction(example, case):
    p, x, y, h = case
    g = example.backward(p, x, y, *example.forward(p, x, h))
    before = {name: value.copy() for name, value in g.items()}
    norm = example.clip(g, 0.01)
    assert np.sqrt(sum((value**2).sum() for value in g.values())) == pytest.approx(0.01)
    for name, value in g.items():
        np.testing.assert_allclose(value, before[name] * 0.01 / norm)
    example.clip(g, 1.0)
    np.testing.assert_allclose(g["Wh"], before["Wh"] * 0.01 / norm)


def test_the_first_step_of_adam_is_the_rate_for_each_weight(example, case):
    p, x, y, h = case
    g = example.backward(p, x, y, *example.forward(p, x, h))
    before = {name: value.copy() for name, value in p.items()}
    example.Adam(p).step(p, g, 0.01)
    used = np.unique(x)
    np.testing.assert_allclose(
        p["Wx"][used] - before["Wx"][used], -0.01 * np.sign(g["Wx"][used]), atol=1e-5
    )


def test_it_learns_a_simple_text_and_writes_it(example, monkeypatch):
    monkeypatch.setattr(example, "H", 32)
    monkeypatch.setattr(example, "T", 16)
    monkeypatch.setattr(example, "B", 4)
    said = []
    p, symbols = example.train("the cat sat. " * 200, 1.5, np.random.default_rng(0), said.append)
    assert float(said[-1].split()[4]) < 0.5  # nats; the text is soon certain
    text = example.sample(p, symbols, 200, 0.5, np.random.default_rng(1), "t")
    assert "the cat sat. the cat sat. " in text
