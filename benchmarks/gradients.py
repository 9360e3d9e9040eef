"""How far back a gradient reaches in the three cells, and the picture of it in docs/learn.md.

    python benchmarks/gradients.py

Each cell (1 layer of 128 units, no copy window, no counts) is trained on the fables for 1,500 steps.
Then the loss of one prediction is differentiated by the inputs of earlier steps: the norm of the
gradient with respect to the embedded character k steps before, relative to that of the last one.
Medians over 64 places of the validation part.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from machine import describe

import charrnn
from charrnn.config.examples import example_path
from charrnn.storage import checkpoint as checkpoints
from charrnn.training.evaluate import load_model
from charrnn.training.model import CELLS

FAR = 60  # steps
PLACES = 64
STEPS = 1_500
SHOWN = (1, 2, 5, 10, 20, 40, 60)
COLOURS = {"rnn": "#d55e00", "gru": "#009e73", "lstm": "#0072b2"}
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "gradients.svg"


def main() -> None:
    print(describe())
    norms = {}
    with tempfile.TemporaryDirectory() as runs:
        for cell in CELLS:
            model = charrnn.train(
                example_path("fables"), name=cell, runs_dir=runs, cell=cell, steps=STEPS,
                num_layers=1, hidden_size=128, dropout=0.0, copy_window=None, counts=None,
                sample_every=None, patience=None,
            )  # fmt: skip
            norms[cell] = relative_norms(model)
            loss = model.about["val_loss"]
            listed = "  ".join(f"{k}: {norms[cell][k]:.1e}" for k in SHOWN)
            print(f"{cell:5} loss {loss:.3f}  {listed}", flush=True)
    draw(norms)
    print(f"wrote {PICTURE}")


def relative_norms(model: charrnn.TextModel) -> np.ndarray:
    """The norms (FAR + 1,) of the gradient k steps back, relative to k = 0."""
    text = example_path("fables").read_text(encoding="utf-8")
    held_out = model.vocabulary.encode(text[-model.about["val_characters"] :])
    network = load_model(checkpoints.read(model.path), "cpu")
    rng = np.random.default_rng(0)
    norms = []
    for start in rng.integers(0, len(held_out) - 4 * FAR, PLACES):
        ids = torch.from_numpy(held_out[start : start + 3 * FAR + 1].astype(np.int64))
        norms.append(gradient_norms(network, ids))
    relative = np.array(norms) / np.array(norms)[:, :1]
    return np.median(relative, axis=0)


def gradient_norms(network: torch.nn.Module, ids: torch.Tensor) -> list[float]:
    """The norms (FAR + 1,) of the gradient of the last prediction, from the last input back."""
    embedded = []

    def keep(module: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
        leaf = output.detach().requires_grad_()
        embedded.append(leaf)
        return leaf

    handle = network.embedding.register_forward_hook(keep)
    logits, _ = network(ids[:-1, None])  # (T, 1, V)
    handle.remove()
    loss = torch.nn.functional.cross_entropy(logits[-1], ids[-1:])
    (gradient,) = torch.autograd.grad(loss, embedded)  # (T, 1, E)
    backwards = gradient[:, 0].norm(dim=-1).flip(0)
    return backwards[: FAR + 1].tolist()


def draw(norms: dict[str, np.ndarray]) -> None:
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", {"svg.hashsalt": "charrnn", "axes.spines.top": False}]):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for cell, values in norms.items():
            axes.semilogy(range(FAR + 1), values, color=COLOURS[cell], label=cell.upper())
        axes.set_xlabel("characters back")
        axes.set_ylabel("gradient, relative to the last character")
        axes.legend(frameon=False)
        PICTURE.parent.mkdir(exist_ok=True)
        figure.savefig(PICTURE, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
