"""How much of the machine training uses: characters a second, and the share of its matrix-product rate.

    python benchmarks/training.py

The share is 6 x matrix weights x characters a second (a multiplication and an addition for each weight, forward once and
backward twice, the whole step counted: batch, clipping and optimizer too) over the rate of a large product of the same type.
"""

import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from machine import describe
from charrnn.config import RunConfig
from charrnn.corpus.store import Corpus
from charrnn.training.device import pick_precision, settled
from charrnn.training.trainer import Trainer

ROUNDS = 5
SECONDS = 2.0
SIZE = 2048  # of the square matrices


def gemm(dtype: torch.dtype) -> Callable[[], float]:
    a, b = torch.randn(SIZE, SIZE).to(dtype), torch.randn(SIZE, SIZE).to(dtype)
    return lambda: 2 * SIZE**3 / each(lambda: torch.mm(a, b))


def each(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < SECONDS:
        work()
        count += 1
    return (time.perf_counter() - begin) / count


def training(cell: str, precision: str, hidden_size: int, num_layers: int, batch_size: int) -> Callable[[], float]:
    """Floating-point operations a second of whole training steps."""
    rng = np.random.default_rng(0)
    corpus = Corpus.of("".join(chr(33 + symbol) for symbol in rng.integers(0, 65, 200_000)), 0.1)
    config = RunConfig().replace(
        cell=cell, hidden_size=hidden_size, num_layers=num_layers, batch_size=batch_size, steps=10**9, precision=precision,
        threads=len(os.sched_getaffinity(0)), device="cpu",
    )  # fmt: skip
    trainer = Trainer(config, corpus, run=None)
    weights = sum(weight.numel() for name, weight in trainer.model.named_parameters() if weight.ndim > 1 and name != "embedding.weight")
    characters = batch_size * config.train.sequence_length
    for _ in range(3):
        trainer.train_step()
    return lambda: 6 * weights * characters / each(trainer.train_step)


def main() -> None:
    print(describe())
    threads = len(os.sched_getaffinity(0))
    works: dict[str, Callable[[], float]] = {"fp32 GEMM": gemm(torch.float32), "bf16 GEMM": gemm(torch.bfloat16)}
    for cell in ("lstm", "gru", "rnn"):
        precision = pick_precision("auto", "cpu", cell)
        works[f"{cell} 2x256 B=32 {precision}"] = training(cell, precision, 256, 2, 32)
    works["lstm 2x256 B=16 bf16"] = training("lstm", pick_precision("auto", "cpu", "lstm"), 256, 2, 16)
    rates: dict[str, list[float]] = {name: [] for name in works}
    with settled(threads, "cpu"):
        for _ in range(ROUNDS):
            for name, work in works.items():
                rates[name].append(work())
    print(f"medians of {ROUNDS} rounds, {threads} threads, T = {RunConfig().train.sequence_length}")
    for name, values in rates.items():
        limit = rates["bf16 GEMM" if "bf16" in name else "fp32 GEMM"]
        share = statistics.median(value / most for value, most in zip(values, limit, strict=True))
        print(f"{name:24} {statistics.median(values) / 1e9:7.0f} GFLOP/s   {share:.2f} of the GEMM rate")


if __name__ == "__main__":
    main()
