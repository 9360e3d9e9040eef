"""How fast text is written, in one run: cold start, a single stream, and what they are held against.

    python benchmarks/sampling.py

The model is an LSTM 2 x 256 over 65 symbols with random weights: speed does not depend on what they are.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as `charrnn sample` does

import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from machine import describe
from charrnn import checkpoint as checkpoints
from charrnn import load
from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig
from charrnn.generation.network import shapes
from charrnn.vocab import Vocabulary

ROUNDS = 9  # of each measurement, taken in turn; medians are printed
SYMBOLS = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def make_model(path: Path) -> None:
    """A checkpoint of the size that the figures are about."""
    config, rng = ModelConfig(hidden_size=256, num_layers=2, embedding_size=64), np.random.default_rng(0)
    weights = {name: rng.normal(0, 0.06, shape).astype(np.float32) for name, shape in shapes(config, len(SYMBOLS)).items()}
    about = {"step": 1, "steps": 1, "val_loss": None, "data": {}}
    checkpoints.write(path, Checkpoint(Vocabulary("char", SYMBOLS), config, weights, prime=0, about=about))


def seconds(command: list[str], cwd: str) -> float:
    begin = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def cold_starts(runs: str) -> None:
    charrnn = [sys.executable, "-m", "charrnn"]
    commands = {
        "import torch": [sys.executable, "-c", "import torch"],
        "charrnn sample -n 200": [*charrnn, "sample", "-n", "200"],
        "charrnn --help": [*charrnn, "--help"],
        "charrnn --version": [*charrnn, "--version"],
    }
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _, name in itertools.product(range(ROUNDS), commands):
        took[name].append(seconds(commands[name], runs))
    for name, values in took.items():
        share = statistics.median(value / torch for value, torch in zip(values, took["import torch"], strict=True))
        print(f"{name:24} {1000 * statistics.median(values):7.0f} ms   {share:5.2f} of import torch")


def rate(work: Callable[[int], None], count: int) -> float:
    begin = time.perf_counter()
    work(count)
    return count / (time.perf_counter() - begin)


def numpy_stream(runs: str) -> Callable[[int], None]:
    model = load("model", runs_dir=f"{runs}/checkpoints")
    return lambda count: [None for _ in model.stream(length=count, seed=1)] and None


def torch_loop(threads: int) -> Callable[[int], None]:
    """The usual loop over nn.LSTM: one character in, one drawn."""
    import torch
    from torch import nn

    embedding, lstm, head = nn.Embedding(65, 64), nn.LSTM(64, 256, num_layers=2), nn.Linear(256, 65)

    def work(count: int) -> None:
        torch.set_num_threads(threads)
        idx, state = torch.zeros(1, 1, dtype=torch.long), None
        with torch.inference_mode():
            for _ in range(count):
                y, state = lstm(embedding(idx), state)
                idx = torch.multinomial(torch.softmax(head(y[0, 0]) / 0.8, dim=-1), 1)[None]

    return work


def matrix_vector(runs: str) -> Callable[[int], None]:
    """What the memory allows: one NumPy product of a matrix, of as many bytes as the stream reads, with a vector."""
    network = load("model", runs_dir=f"{runs}/checkpoints").network
    size = sum(layer.recurrent.size for layer in network.layers) + network.head.size
    matrix, vector = np.ones((512, size // 512), np.float32), np.ones(512, np.float32)

    def work(count: int) -> None:
        for _ in range(count):
            vector @ matrix

    return work


def streams(runs: str) -> None:
    cores = len(os.sched_getaffinity(0))
    works = {
        "charrnn, 1 thread": (numpy_stream(runs), 4000),
        "nn.LSTM stepped, 1 thread": (torch_loop(1), 300),
        f"nn.LSTM stepped, {cores} threads": (torch_loop(cores), 300),
        "NumPy matrix-vector, 1 thread": (matrix_vector(runs), 4000),
    }
    for work, count in works.values():
        work(count // 10)
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _, (name, (work, count)) in itertools.product(range(ROUNDS), works.items()):
        rates[name].append(rate(work, count))
    for name, values in rates.items():
        print(f"{name:32} {statistics.median(values):7,.0f} characters/s")
    ours = rates["charrnn, 1 thread"]
    for name, values in list(rates.items())[1:]:
        print(f"charrnn / {name:32} {statistics.median(a / b for a, b in zip(ours, values, strict=True)):5.2f}")


def main() -> None:
    print(describe())
    print(f"LSTM 2 x 256, 65 symbols; medians of {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as runs:
        make_model(Path(runs) / "checkpoints/model/step-00000001")
        cold_starts(runs)
        streams(runs)


if __name__ == "__main__":
    main()
