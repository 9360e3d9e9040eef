"""What `charrnn sample --num-samples N` gains from drawing texts side by side.

    python benchmarks/side_by_side.py RUN

N texts of 200 characters, with seeds one after another: by one call of ``samples``, and by one call
of ``sample`` for each. Medians of three rounds, in turn, on one thread.
"""

import os
import sys

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import statistics
import time

from machine import describe

import charrnn

NUMBERS = (16, 24, 48, 112, 304)
LENGTH = 200
ROUNDS = 3


def main() -> None:
    print(describe())
    model = charrnn.load(sys.argv[1])
    print(model)
    model.generate(length=10)
    for number in NUMBERS:
        together = []
        alone = []
        same = 0
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            samples = list(model.samples(number, length=LENGTH, seed=1))
            together.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            texts = [model.sample(length=LENGTH, seed=1 + place).text for place in range(number)]
            alone.append(time.perf_counter() - begin)
            same = sum(sample.text == text for sample, text in zip(samples, texts, strict=True))
        ratio = statistics.median(a / t for a, t in zip(alone, together, strict=True))
        print(
            f"{number} texts: {statistics.median(together):.2f} s, {ratio:.2f} times as fast as one "
            f"after another; {same} are the same text",
            flush=True,
        )


if __name__ == "__main__":
    main()
