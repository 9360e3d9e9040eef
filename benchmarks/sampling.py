"""The speed of generation: cold start, one stream and many with their baselines, and the cost of
each filter.

    python benchmarks/sampling.py

The models are LSTMs with 65 symbols, a copy window and random weights, since speed does not depend on
the weights. One stream is compared with a NumPy matrix-vector product over the same number of bytes
of weights, on one thread; many streams with the rate of NumPy's products of large fp32 matrices, on
all cores. Each measurement runs in a separate process, all of them in turn, ROUNDS times; medians are
printed.
"""

import os
import sys

THREADS = int(sys.argv[2]) if len(sys.argv) > 2 else 1
os.environ["OPENBLAS_NUM_THREADS"] = str(
    THREADS
)  # one thread for one stream, like `charrnn sample`

import itertools
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from machine import describe
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.config.run_config import ModelConfig
from charrnn.generation.network import Network
from charrnn.generation.sampling import Sampler
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

ROUNDS = 5
SYMBOLS = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
V = len(SYMBOLS)
SIZES = [(1, 128), (2, 256), (2, 512)]
STREAMS = [1, 16, 64, 256]
CORES = len(os.sched_getaffinity(0))
SECONDS = 0.7  # per measurement
FILTERS: dict[str, dict[str, Any]] = {
    "temperature only": {}, "--top-k 40": {"top_k": 40}, "--top-p 0.9": {"top_p": 0.9}, "--min-p 0.05": {"min_p": 0.05},
    "--dry 1": {"dry": 1.0}, "--bias, --ban": {"bias": ((3, -1.0), (5, -np.inf))},
}  # fmt: skip


def network(num_layers: int, hidden_size: int, copy_window: int | None = 8192) -> Network:
    config = ModelConfig(
        hidden_size=hidden_size, num_layers=num_layers, embedding_size=64, copy_window=copy_window
    )
    rng = np.random.default_rng(0)
    return Network(
        config,
        V,
        {
            name: rng.normal(0, 0.06, shape).astype(np.float32)
            for name, shape in shapes(config, V).items()
        },
    )


def rate(step: Callable[[], object]) -> float:
    """Calls per second."""
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < SECONDS / 3:
        step()
    begin = time.perf_counter()
    while time.perf_counter() - begin < SECONDS:
        step()
        count += 1
    return count / (time.perf_counter() - begin)


def charrnn_streams(
    num_layers: int, hidden_size: int, streams: int, window: int | None = 8192
) -> float:
    net, sampler, rng = (
        network(num_layers, hidden_size, window),
        Sampler(),
        np.random.default_rng(1),
    )
    batch = () if streams == 1 else (streams,)
    logits, state = net.step(np.zeros(batch, int) if batch else 0, net.zero_state(*batch))

    def step() -> None:
        nonlocal logits, state
        logits, state = net.step(sampler(logits, rng), state)

    return streams * rate(step)


def torch_lstm(num_layers: int, hidden_size: int, streams: int) -> float:
    """The usual loop over nn.LSTM: one character in, one character drawn."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    embedding, lstm, head = (
        nn.Embedding(V, 64),
        nn.LSTM(64, hidden_size, num_layers=num_layers),
        nn.Linear(hidden_size, V),
    )
    idx, state = torch.zeros(1, streams, dtype=torch.long), None

    def step() -> None:
        nonlocal idx, state
        y, state = lstm(embedding(idx), state)
        idx = torch.multinomial(torch.softmax(head(y[0]) / 0.8, dim=-1), 1).T

    with torch.no_grad():
        return streams * rate(step)


def torch_cells(num_layers: int, hidden_size: int, streams: int) -> float:
    """The same with a loop over nn.LSTMCell."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    embedding, head = nn.Embedding(V, 64), nn.Linear(hidden_size, V)
    cells = [nn.LSTMCell(hidden_size if layer else 64, hidden_size) for layer in range(num_layers)]
    idx, states = torch.zeros(streams, dtype=torch.long), [None] * num_layers

    def step() -> None:
        nonlocal idx
        x = embedding(idx)
        for layer, cell in enumerate(cells):
            states[layer] = cell(x, states[layer])
            x = states[layer][0]
        idx = torch.multinomial(torch.softmax(head(x) / 0.8, dim=-1), 1)[:, 0]

    with torch.no_grad():
        return streams * rate(step)


def weights_of(num_layers: int, hidden_size: int) -> int:
    net = network(num_layers, hidden_size)
    return sum(layer.recurrent.size for layer in net.layers) + net.head.size


def matrix_vector(num_layers: int, hidden_size: int, kind: str) -> float:
    """Products per second of a vector with a matrix of as many weights as a character needs."""
    width = weights_of(num_layers, hidden_size) // 512
    if kind in ("fp32", "fp16"):
        matrix, vector = (
            np.ones(shape, {"fp32": np.float32, "fp16": np.float16}[kind])
            for shape in ((512, width), 512)
        )
        return rate(lambda: vector @ matrix)
    import torch

    torch.set_num_threads(THREADS)
    linear: Any = torch.nn.Linear(512, width, bias=False)
    x = torch.ones(1, 512)
    if kind == "torch bf16":
        linear, x = linear.bfloat16(), x.bfloat16()
    elif kind == "torch int8":
        import warnings

        warnings.simplefilter("ignore")
        linear = torch.ao.quantization.quantize_dynamic(
            torch.nn.Sequential(linear), {torch.nn.Linear}, dtype=torch.qint8
        )
    with torch.no_grad():
        return rate(lambda: linear(x))


def gemm() -> float:
    """Floating-point operations per second of NumPy's products of large fp32 matrices."""
    a, b = np.ones((2048, 2048), np.float32), np.ones((2048, 2048), np.float32)
    return 2 * 2048**3 * rate(lambda: a @ b)


def one_filter(name: str, vocab_size: int) -> float:
    """Draws per second, with a history of 2,000 symbols."""
    sampler, rng = Sampler(**FILTERS[name]), np.random.default_rng(0)
    logits = rng.normal(0, 3, (64, vocab_size)).astype(np.float32)
    ids = rng.integers(0, min(vocab_size, V), 2000).astype(np.int32)
    turn = itertools.cycle(range(64))
    return rate(lambda: sampler(logits[next(turn)], rng, ids))


WORKS: dict[str, tuple[Callable[[], float], int]] = {
    "gemm": (gemm, CORES)
}  # with the number of threads
for size in SIZES:
    shown = "{} x {}".format(*size)
    for streams in STREAMS:
        WORKS[f"charrnn {shown}, {streams}"] = (
            partial(charrnn_streams, *size, streams),
            1 if streams == 1 else CORES,
        )
    for streams in (1, 64):
        WORKS[f"nn.LSTM {shown}, {streams}"] = (
            partial(torch_lstm, *size, streams),
            1 if streams == 1 else CORES,
        )
        WORKS[f"nn.LSTMCell {shown}, {streams}"] = (
            partial(torch_cells, *size, streams),
            1 if streams == 1 else CORES,
        )
    WORKS[f"matrix-vector fp32 {shown}"] = (partial(matrix_vector, *size, "fp32"), 1)
for streams in (1, 64):
    WORKS[f"charrnn 2 x 256, {streams}, no copy window"] = (
        partial(charrnn_streams, 2, 256, streams, None),
        1 if streams == 1 else CORES,
    )
for kind in ("fp16", "torch fp32", "torch bf16", "torch int8"):
    WORKS[f"matrix-vector {kind} 2 x 256"] = (partial(matrix_vector, 2, 256, kind), 1)
for name in FILTERS:
    for vocab_size in (V, 5000):
        WORKS[f"filter {name}, {vocab_size}"] = (partial(one_filter, name, vocab_size), 1)


def make_model(path: Path) -> None:
    """A checkpoint for the cold start."""
    config, rng = (
        ModelConfig(hidden_size=256, num_layers=2, embedding_size=64),
        np.random.default_rng(0),
    )
    weights = {
        name: rng.normal(0, 0.06, shape).astype(np.float32)
        for name, shape in shapes(config, V).items()
    }
    about = {"step": 1, "steps": 1, "val_loss": None, "data": {}}
    checkpoints.write(
        path, Checkpoint(Vocabulary("char", SYMBOLS), config, weights, prime=0, about=about)
    )


def cold_starts() -> None:
    charrnn = [sys.executable, "-m", "charrnn"]
    commands = {
        "import torch": [sys.executable, "-c", "import torch"],
        "charrnn sample -n 200": [*charrnn, "sample", "-n", "200"],
        "charrnn --help": [*charrnn, "--help"],
    }
    took: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as runs:
        make_model(Path(runs) / "checkpoints/model/step-00000001")
        for _, name in itertools.product(range(ROUNDS), commands):
            begin = time.perf_counter()
            subprocess.run(
                commands[name],
                cwd=runs,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            took[name].append(time.perf_counter() - begin)
    for name, values in took.items():
        share = statistics.median(
            value / other for value, other in zip(values, took["import torch"], strict=True)
        )
        print(
            f"{name:24} {1000 * statistics.median(values):7.0f} ms   {share:5.2f} of import torch"
        )


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in WORKS:  # a single measurement, in its own process
        print(WORKS[sys.argv[1]][0]())
        return
    wanted = [name for name in WORKS if not sys.argv[1:] or name.startswith(sys.argv[1])]
    print(f"{describe()}; medians of {ROUNDS} rounds")
    if not sys.argv[1:]:
        cold_starts()
    rates: dict[str, list[float]] = {name: [] for name in wanted}
    for _, name in itertools.product(range(ROUNDS), wanted):
        ran = subprocess.run(
            [sys.executable, __file__, name, str(WORKS[name][1])],
            capture_output=True,
            text=True,
            check=True,
        )
        rates[name].append(float(ran.stdout))
    for name, values in rates.items():
        unit = (
            "GFLOP/s"
            if name == "gemm"
            else "us a draw"
            if name.startswith("filter")
            else "a second"
        )
        value = statistics.median(values)
        shown = (
            value / 1e9 if name == "gemm" else 1e6 / value if name.startswith("filter") else value
        )
        print(f"{name:42} {shown:12,.1f} {unit}{share_of_limit(name, rates)}")


def share_of_limit(name: str, rates: dict[str, list[float]]) -> str:
    """The share of the machine's limit."""
    family, _, rest = name.partition(" ")
    if family not in ("charrnn", "nn.LSTM", "nn.LSTMCell"):
        return ""
    size, streams = rest.split(", ")[:2]
    limit, flops = (
        rates.get(f"matrix-vector fp32 {size}"),
        2 * weights_of(*(int(number) for number in size.split(" x "))),
    )
    if streams != "1":
        limit = [operations / flops for operations in rates["gemm"]] if "gemm" in rates else None
    if limit is None:
        return ""
    share = statistics.median(ours / most for ours, most in zip(rates[name], limit, strict=True))
    return f"   {share:.2f} of {'the matrix-vector product' if streams == '1' else 'the fp32 GEMM rate'}"


if __name__ == "__main__":
    main()
