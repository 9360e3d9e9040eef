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


def numpy_stream(runs: str, count: int = 4000) -> float:
    """Characters a second of TextModel.stream."""
    model = load("model", runs_dir=f"{runs}/checkpoints")
    return rate(lambda n: sum(1 for _ in model.stream(length=n, seed=1)), count)


def torch_loop(threads: int, count: int = 500) -> float:
    """Characters a second of the usual loop over nn.LSTM: one character in, one drawn."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    embedding, lstm, head = nn.Embedding(65, 64), nn.LSTM(64, 256, num_layers=2), nn.Linear(256, 65)

    def work(n: int) -> None:
        idx, state = torch.zeros(1, 1, dtype=torch.long), None
        with torch.no_grad():
            for _ in range(n):
                y, state = lstm(embedding(idx), state)
                idx = torch.multinomial(torch.softmax(head(y[0, 0]) / 0.8, dim=-1), 1)[None]

    return rate(work, count)


def matrix_vector(runs: str, count: int = 4000) -> float:
    """What the memory allows: NumPy products of a matrix, of as many bytes as a character takes, with a vector, a second."""
    network = load("model", runs_dir=f"{runs}/checkpoints").network
    size = sum(layer.recurrent.size for layer in network.layers) + network.head.size
    matrix, vector = np.ones((512, size // 512), np.float32), np.ones(512, np.float32)
    return rate(lambda n: [vector @ matrix for _ in range(n)] and None, count)


def rate(work: Callable[[int], object], count: int) -> float:
    work(count // 10)
    begin = time.perf_counter()
    work(count)
    return count / (time.perf_counter() - begin)


CORES = len(os.sched_getaffinity(0))
WORKS: dict[str, Callable[[str], float]] = {
    "charrnn, 1 thread": numpy_stream,
    "nn.LSTM stepped, 1 thread": lambda _: torch_loop(1),
    f"nn.LSTM stepped, {CORES} threads": lambda _: torch_loop(CORES),
    "NumPy matrix-vector, 1 thread": matrix_vector,
}


def streams(runs: str) -> None:
    """Each in a process of its own, in turn: PyTorch's speed here depends on what its process has allocated before."""
    rates: dict[str, list[float]] = {name: [] for name in WORKS}
    for _, name in itertools.product(range(ROUNDS), WORKS):
        ran = subprocess.run([sys.executable, __file__, name, runs], capture_output=True, text=True, check=True)
        rates[name].append(float(ran.stdout))
    for name, values in rates.items():
        print(f"{name:32} {statistics.median(values):7,.0f} characters/s ({min(values):,.0f} to {max(values):,.0f})")
    ours = rates["charrnn, 1 thread"]
    for name, values in list(rates.items())[1:]:
        print(f"charrnn / {name:32} {statistics.median(a / b for a, b in zip(ours, values, strict=True)):5.2f}")


def main() -> None:
    if len(sys.argv) == 3:  # one of the above, in its own process
        print(WORKS[sys.argv[1]](sys.argv[2]))
        return
    print(describe())
    print(f"LSTM 2 x 256, 65 symbols; medians of {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as runs:
        make_model(Path(runs) / "checkpoints/model/step-00000001")
        cold_starts(runs)
        streams(runs)


if __name__ == "__main__":
    main()
