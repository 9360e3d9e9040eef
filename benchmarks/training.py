"""The speed of training: characters per second, the share of the machine's matrix-product rate, and
a comparison with the usual loop.

    python benchmarks/training.py
    python benchmarks/training.py --device cuda --batch-size 64
    python benchmarks/training.py --memory

For each cell and size: whole steps of charrnn's Trainer (including batch, copy window, dropout,
clipping and optimizer), and whole steps of the usual loop, `nn.LSTM`, `nn.GRU` or `nn.RNN` with the
same number of layers, an embedding, a head, Adam and clipping, in fp32. The share is 6 x matrix
weights x characters per second (a multiplication and an addition per weight, forward once and
backward twice) divided by the rate of a large product in the precision of the run. All take turns
for several rounds; medians are printed.

`--memory` compares steps of fresh processes that keep freed memory for the next step, as training
does, with steps of processes that leave it to malloc: time and page faults, by turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from machine import describe
from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.training import device as devices
from charrnn.config.cores import available_threads
from charrnn.training.device import pick_precision, settled
from charrnn.training.loop import TrainingLoop

ROUNDS = 5
SECONDS = 1.0
SIZE = 2048  # rows of the square matrices
SIZES = ((1, 128), (2, 256), (2, 512))
PROCESSES = 5  # of each kind, for --memory
STEPS = 20  # of each process that are measured, after as many that are not
CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Usual(nn.Module):
    """The model of a typical tutorial."""

    def __init__(self, cell: str, num_layers: int, hidden_size: int, vocab_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, 64)
        self.rnn = CELLS[cell](64, hidden_size, num_layers)
        self.head = nn.Linear(hidden_size, vocab_size)
        self.optimizer = torch.optim.Adam(self.parameters(), 2e-3)
        self.state = None

    def train_step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        output, state = self.rnn(self.embedding(x), self.state)
        loss = functional.cross_entropy(self.head(output).flatten(0, 1), y.flatten())
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters(), 1.0)
        self.optimizer.step()
        loss.item()
        self.state = (
            tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        )


def each(work: Callable[[], object], device: str) -> float:
    """Seconds per call."""
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < SECONDS:
        work()
        count += 1
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / count


def gemm(dtype: torch.dtype, device: str) -> Callable[[], float]:
    a, b = torch.randn(SIZE, SIZE).to(device, dtype), torch.randn(SIZE, SIZE).to(device, dtype)
    return lambda: 2 * SIZE**3 / each(lambda: torch.mm(a, b), device)


def random_corpus() -> Corpus:
    symbols = np.random.default_rng(0).integers(0, 65, 200_000)
    return Corpus.of("".join(chr(33 + symbol) for symbol in symbols), 0.1)


def steps_of_a_process(cell: str, num_layers: int, hidden_size: int, keep: bool) -> None:
    """Print the median milliseconds of a step, and page faults per step."""
    import resource

    if not keep:
        devices.keep_freed_memory = lambda: None
    threads = available_threads()
    config = RunConfig().replace(
        cell=cell, hidden_size=hidden_size, num_layers=num_layers, steps=10**9,
        precision=pick_precision("auto", "cpu"), threads=threads, device="cpu",
    )  # fmt: skip
    loop = TrainingLoop(config, random_corpus())
    times = []
    with settled(threads, "cpu"):
        for _ in range(STEPS):
            loop.train_step()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(STEPS):
            begin = time.perf_counter()
            loop.train_step()
            times.append(time.perf_counter() - begin)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    print(json.dumps([1000 * statistics.median(times), faults / STEPS]))


def compare_memory() -> None:
    for cell in ("lstm", "gru"):
        for size in SIZES:
            found: dict[str, list[list[float]]] = {"malloc": [], "keep": []}
            for _ in range(PROCESSES):
                for kind, results in found.items():
                    child = [sys.executable, __file__, "--process", cell, *map(str, size), kind]
                    output = subprocess.run(child, capture_output=True, text=True, check=True)
                    results.append(json.loads(output.stdout))
            parts = []
            for kind, results in found.items():
                times = sorted(milliseconds for milliseconds, _ in results)
                faults = max(count for _, count in results)
                parts.append(
                    f"{kind} {statistics.median(times):.1f} ms ({times[0]:.1f} to {times[-1]:.1f}), "
                    f"at most {faults:,.0f} page faults a step"
                )
            print(f"{cell} {size[0]} x {size[1]:<4} {'; '.join(parts)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=RunConfig().train.batch_size)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--process", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.process:
        cell, num_layers, hidden_size, kind = args.process
        steps_of_a_process(cell, int(num_layers), int(hidden_size), kind == "keep")
        return
    print(describe())
    if args.memory:
        compare_memory()
        return
    corpus = random_corpus()
    works: dict[str, Callable[[], float]] = {
        name: gemm(getattr(torch, kind), args.device) for name, kind in GEMMS.items()
    }
    weights, precisions, characters = {}, {}, args.batch_size * RunConfig().train.sequence_length
    for cell in CELLS:
        for num_layers, hidden_size in SIZES:
            name = f"{cell} {num_layers} x {hidden_size}"
            precisions[name] = pick_precision("auto", args.device)
            config = RunConfig().replace(
                cell=cell, hidden_size=hidden_size, num_layers=num_layers, batch_size=args.batch_size, steps=10**9,
                precision=precisions[name], threads=available_threads(), device=args.device,
            )  # fmt: skip
            loop, usual = (
                TrainingLoop(config, corpus),
                Usual(cell, num_layers, hidden_size, 65).to(args.device),
            )
            weights[name] = sum(
                w.numel()
                for n, w in loop.model.named_parameters()
                if w.ndim > 1 and n != "embedding.weight"
            )
            batch = loop.batches.batch(0)
            x, y = (
                torch.from_numpy(batch.x).to(args.device),
                torch.from_numpy(batch.y).to(args.device).clamp(min=0),
            )
            works[name] = lambda loop=loop: characters / each(loop.train_step, args.device)
            works[f"usual {name}"] = lambda usual=usual, x=x, y=y: (
                characters / each(lambda: usual.train_step(x, y), args.device)
            )
    rates: dict[str, list[float]] = {name: [] for name in works}
    with settled(available_threads(), args.device):
        for _ in range(ROUNDS):
            for name, work in works.items():
                rates[name].append(work())
    print(
        f"medians of {ROUNDS} rounds, {available_threads()} threads, batch {args.batch_size}, T = {RunConfig().train.sequence_length}"
    )
    for name in GEMMS:
        print(f"{name}: {statistics.median(rates[name]) / 1e9:,.0f} GFLOP/s")
    for name, count in weights.items():
        speed = statistics.median(rates[name])
        share = statistics.median(
            6 * count * s / g
            for s, g in zip(rates[name], rates[f"{precisions[name]} GEMM"], strict=True)
        )
        times = statistics.median(
            s / u for s, u in zip(rates[name], rates[f"usual {name}"], strict=True)
        )
        kind = precisions[name]
        size = name.split(maxsplit=1)[1]
        as_long = statistics.median(
            lstm / s for lstm, s in zip(rates[f"lstm {size}"], rates[name], strict=True)
        )
        print(
            f"{name:13} {speed:9,.0f} characters/s  {share:.2f} of the {kind} GEMM rate  "
            f"{times:4.1f} x the usual loop  {as_long:.2f} x the time of an LSTM"
        )


GEMMS = {"fp32 GEMM": "float32", "bf16 GEMM": "bfloat16"}

if __name__ == "__main__":
    main()
