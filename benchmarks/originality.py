"""The time and disk space to index a corpus, and the speed of comparing another text with it.

    python benchmarks/originality.py --data DIRECTORY
    python benchmarks/originality.py --run checkpoints/shakespeare --only guard

Up to MOST characters from the beginning of each text are indexed as by `charrnn originality`, and
read back from the disk. The last tenth is left out (except of the text that repeats itself), and
HELD characters of it are compared with the rest: passages of any length, and of at least 20, as in a
report. Each measurement runs in a separate process, on one thread; memory is the peak of the process
minus its memory before. Finally, a model of tiny Shakespeare, trained for three minutes, or the given
one, writes LENGTH characters at temperature 0.8, alternately freely and with `--max-copy`, ROUNDS
times; medians of the ratio are printed.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import charrnn
from charrnn.originality.corpus_index import Index
from machine import describe
from models import shakespeare
from texts import DATA, TEXTS

MOST = 10_000_000  # characters
HELD = 100_000
LINE = "The same line, over and over again, and there is nothing else in it.\n"
NAMES = ("shakespeare", "molecules", "python", "repeated")
GUARDS = (8, 12, 20, 40)
LENGTH, ROUNDS = 2000, 7


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", choices=[*NAMES, "guard"])
    parser.add_argument("--run", help="a model that is already trained")
    args = parser.parse_args()
    if args.only in NAMES:
        measure(args.only, args.data)
        return
    print(describe(), flush=True)
    for name in NAMES if args.only is None else ():
        subprocess.run(
            [sys.executable, __file__, "--data", str(args.data), "--only", name], check=True
        )
    with tempfile.TemporaryDirectory() as directory:
        guarded(charrnn.load(args.run) if args.run else shakespeare(directory, args.data))


def guarded(model: charrnn.TextModel) -> None:
    model.index(on_notice=print)
    network = model.network
    print(
        f"writing with a guard, {network.num_layers} x {network.hidden_size}, compared with writing freely:"
    )
    for longest in GUARDS:
        ratios, free, taken_back = list[float](), list[float](), model.generator.taken_back
        for seed in range(ROUNDS):
            seconds = [
                timed(
                    lambda most=most, seed=seed: model.generate(
                        length=LENGTH, seed=seed, max_copy=most
                    )
                )[0]
                for most in (None, longest)
            ]
            ratios.append(seconds[0] / seconds[1])
            free.append(LENGTH / seconds[0])
        print(
            f"--max-copy {longest}: {statistics.median(ratios):.2f} of the speed ({min(ratios):.2f} to {max(ratios):.2f}), freely "
            f"{statistics.median(free):,.0f} characters/s; {model.generator.taken_back - taken_back} taken back",
            flush=True,
        )


def measure(name: str, data: Path) -> None:
    text = (LINE * (MOST // len(LINE) + 1) if name == "repeated" else TEXTS[name](data))[:MOST]
    cut = len(text) if name == "repeated" else len(text) * 9 // 10
    corpus, other = text[:cut], text[cut : cut + HELD]
    before = most_memory()
    made, index = timed(lambda: Index.of([corpus], [(name, 0)], ""))
    memory = most_memory() - before
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "originality"
        written, _ = timed(lambda: index.write(path))
        size = sum(file.stat().st_size for file in path.iterdir())
        opened, index = timed(lambda: Index.read(path))
        print(
            f"{name:<12}{cut:>12,} characters: built in {made:.2f} s with {memory / cut:.0f} bytes per character, written in {written:.2f} s, "
            f"{size / cut:.2f} bytes per character on the disk, opened in {1000 * opened:.0f} ms",
            flush=True,
        )
        encoded = index.encode(other)
        for least in (1, 20) if other else ():
            took, spans = timed(lambda least=least: list(index.suffixes.spans(encoded, least)))
            print(
                f"{'':<12}passages of at least {least}: {1e6 * took / len(other):.2f} us per character, {len(spans):,} found",
                flush=True,
            )
        took, spans = timed(
            lambda: list(index.suffixes.spans(bytes(index.suffixes.text[:]), 80, times=2))
        )
        print(
            f"{'':<12}its own repetitions of at least 80: {took:.2f} s, {len(spans):,} found",
            flush=True,
        )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    value = work()
    return time.perf_counter() - begin, value


def most_memory() -> int:
    """The peak memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
