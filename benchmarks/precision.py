"""The cost of bf16: trains the same steps in fp32 and in bf16 with several seeds, and prints both
loss curves.

    python benchmarks/precision.py my.txt --steps 1000 --seeds 3

Compare the difference between the two precisions with the spread between seeds.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import charrnn
from machine import describe


def curve(text: str, steps: int, seed: int, precision: str) -> list[float]:
    losses = []
    with tempfile.TemporaryDirectory() as runs:
        charrnn.train(
            text=text, runs_dir=runs, name="run", steps=steps, seed=seed, precision=precision, sample_every=None, eval_every=-(-steps // 5),
            on_report=lambda report: losses.append(report.val_loss) if report.val_loss is not None and report.final is None else None,
        )  # fmt: skip
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print(describe())
    text = args.corpus.read_text(encoding="utf-8")
    curves: dict[str, list[list[float]]] = {"fp32": [], "bf16": []}
    for seed in range(args.seeds):
        for precision in curves:
            curves[precision].append(curve(text, args.steps, seed, precision))
            print(
                f"seed {seed} {precision}: "
                + " ".join(f"{loss:.4f}" for loss in curves[precision][-1]),
                flush=True,
            )
    differences = [b[-1] - a[-1] for a, b in zip(curves["fp32"], curves["bf16"], strict=True)]
    spread = (
        statistics.stdev(losses[-1] for losses in curves["fp32"])
        if args.seeds > 1
        else float("nan")
    )
    print(f"at the end, bf16 - fp32: {statistics.mean(differences):+.4f} nats on average")
    print(f"spread of fp32 between seeds: {spread:.4f} nats (standard deviation)")


if __name__ == "__main__":
    main()
