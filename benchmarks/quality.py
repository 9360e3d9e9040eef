"""Validation loss against time: trains with the defaults on a text file.

    python benchmarks/quality.py my.txt --minutes 3
    python benchmarks/quality.py my.txt --minutes 3 --tune --set hidden_size=384

Prints the loss in nats per character against the time by the clock, and at the end that of the whole held-out text (the
last 10 %) in one stream, by the best checkpoint. ``--tune`` leaves the last 10 % out altogether and holds out the last 5 % of
the rest instead: settings are chosen there, never on the reported part.
"""

import argparse
import tempfile
import time
from typing import Any

import charrnn
from machine import describe
from charrnn.config import run_knobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--characters", type=int, help="take only so many, from the beginning")
    parser.add_argument("--strip", action="store_true", help="take the spaces at both ends off each line (character-level PTB)")
    parser.add_argument("--tune", action="store_true", help="hold out the last 5 %% of the training part instead")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE", help="another value than the default")
    args = parser.parse_args()
    print(describe())
    text = read(args)
    knobs: dict[str, Any] = {"minutes": args.minutes, "seed": args.seed}
    for setting in args.set:
        name, value = setting.split("=")
        knobs[name] = run_knobs()[name].parse(value)
    if args.tune:
        text, knobs["val_fraction"] = text[: int(len(text) * 0.9)], 0.05
    if knobs.get("steps"):
        del knobs["minutes"]
    train(text, knobs)


def read(args: argparse.Namespace) -> str:
    with open(args.corpus, encoding="utf-8", newline="") as file:
        text = file.read()
    if args.strip:
        text = "\n".join(line.strip(" ") for line in text.split("\n"))
    return text[: args.characters]


def train(text: str, knobs: dict[str, Any]) -> None:
    begin = time.perf_counter()

    def show(report: Any) -> None:
        seconds = time.perf_counter() - begin
        if report.final is not None:
            final = report.final
            print(f"{seconds:7.1f} s  whole held-out text, {final.characters:,} characters: ", end="")
            print(f"{final.nats_per_character:.4f} nats = {final.bits_per_character:.4f} bits per character")
        elif report.val_loss is not None:
            print(f"{seconds:7.1f} s  step {report.step:6,}  train {report.train_loss:.4f}  validation {report.val_loss:.4f}")

    with tempfile.TemporaryDirectory() as runs:
        charrnn.train(text=text, runs_dir=runs, name="quality", on_report=show, on_notice=print, **knobs)
    print(f"{time.perf_counter() - begin:7.1f} s  in all")


if __name__ == "__main__":
    main()
