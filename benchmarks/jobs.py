"""The speed of `charrnn sample --jobs`: whole commands that write 1,000 records, and 1,000 texts.

    python benchmarks/jobs.py

The models are LSTMs with 65 symbols and random weights, since speed does not depend on the weights;
the one of texts has a copy window. Records have 50 characters on average. Each command is run ROUNDS
times, in turn; medians are printed, and the output must be the same with any number of jobs.
"""

import hashlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from machine import describe
from charrnn.config.run_config import ModelConfig
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SYMBOLS = " !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SIZES = [(1, 128), (2, 256)]
JOBS = (1, 2)
KINDS = {"records": ["--num-samples", "1000"], "texts": ["--num-samples", "1000", "-n", "200"]}


def make_model(path: Path, kind: str, num_layers: int, hidden_size: int) -> None:
    records = kind == "records"
    vocabulary = Vocabulary("char", SYMBOLS if records else "\n" + SYMBOLS, records=records)
    config = ModelConfig(
        hidden_size=hidden_size,
        num_layers=num_layers,
        embedding_size=64,
        copy_window=None if records else 8192,
    )
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.02, shape).astype(np.float32)
        for name, shape in shapes(config, len(vocabulary)).items()
    }
    about = {"step": 1, "steps": 1, "val_loss": None, "corpus": [], "data": {}}
    if records:
        about["data"] = {"separator": "\n"}
        about["records"] = {"lengths": [1, 20, 50, 80, 500], "train": 1, "val": 0}
    checkpoints.write(path, Checkpoint(vocabulary, config, weights, prime=0, about=about))


def main() -> None:
    print(f"{describe()}; medians of {ROUNDS} rounds")
    cases = list(itertools.product(SIZES, KINDS, JOBS))
    seconds: dict[tuple[tuple[int, int], str, int], list[float]] = {case: [] for case in cases}
    digests: dict[tuple[tuple[int, int], str], set[str]] = {}
    characters: dict[tuple[tuple[int, int], str], int] = {}
    with tempfile.TemporaryDirectory() as runs:
        for size, kind in itertools.product(SIZES, KINDS):
            make_model(Path(runs) / f"{kind}-{size[1]}", kind, *size)
        for _, case in itertools.product(range(ROUNDS), cases):
            size, kind, jobs = case
            words = ["sample", f"{kind}-{size[1]}", "-s", "1", "--jobs", str(jobs), *KINDS[kind]]
            begin = time.perf_counter()
            ran = subprocess.run(
                [sys.executable, "-m", "charrnn", *words],
                cwd=runs,
                check=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            seconds[case].append(time.perf_counter() - begin)
            digests.setdefault((size, kind), set()).add(hashlib.sha256(ran.stdout).hexdigest())
            characters[size, kind] = len(ran.stdout)
    for case, values in seconds.items():
        size, kind, jobs = case
        assert len(digests[size, kind]) == 1, "the output depends on the number of jobs"
        times_as_fast = statistics.median(
            one / this for one, this in zip(seconds[size, kind, 1], values, strict=True)
        )
        print(
            f"{size[0]} x {size[1]}, {kind:8} ({characters[size, kind]:,} characters), jobs {jobs}: "
            f"{statistics.median(values):6.2f} s, {times_as_fast:.2f} times as fast as 1 job"
        )


if __name__ == "__main__":
    main()
