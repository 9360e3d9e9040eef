"""What the counts of contexts are worth: equal minutes with and without them.

    python benchmarks/counts.py --data DIRECTORY
    python benchmarks/counts.py --data DIRECTORY --only shakespeare --copies

For each text, `charrnn train FILE --minutes M --val-fraction 0.05 --counts C` trains on the first
90% of the text, once with counts and once without; no other option is set. Printed are the loss on
the last 5% of those 90% (static, in one stream), the size of the counts, and with `--copies`, what
each model copies: of 100,000 characters at temperature 0.8 and 1.0, the longest span that is in the
training text, and the share in spans of at least 20 and 40 characters. The last 10% of a text are
not read.

Each run is appended to results/counts.jsonl, and runs already there are skipped.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ledger import Ledger
from machine import describe
from texts import DATA, TEXTS, read

LEDGER = Ledger("counts")
MOST = 2_000_000  # characters of a text
LENGTH = 100_000  # characters that are compared with the training text
SPANS = (20, 40)
TEMPERATURES = (0.8, 1.0)
COUNTS = ("2", "none")


def russian(data: Path) -> str:
    """A Russian novel."""
    return read(data / "dead_souls_ru.txt")


CASES = {**TEXTS, "russian": russian}
RECORDS = ("molecules",)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--copies", action="store_true", help="measure what each model copies")
    args = parser.parse_args()
    print(describe())
    for text in CASES if args.only is None else [args.only]:
        for counts in COUNTS:
            if LEDGER.find(text=text, minutes=args.minutes, counts=counts) is None:
                result = run(CASES[text](args.data), text, args.minutes, counts, args.copies)
                LEDGER.append(result)
                print(json.dumps(result), flush=True)
    table(args.minutes)


def run(whole: str, text: str, minutes: float, counts: str, copies: bool) -> dict[str, Any]:
    """Train a model, and measure it."""
    whole = whole[:MOST]
    learned = whole[: int(len(whole) * 0.9)]
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "text.txt").write_text(learned, encoding="utf-8", newline="")

        def charrnn(*words: str) -> str:
            command = [sys.executable, "-m", "charrnn", *words]
            done = subprocess.run(command, cwd=directory, check=True, stdout=subprocess.PIPE)
            return done.stdout.decode()

        separator = ["--separator", "\\n"] if text in RECORDS else []
        options = ["--val-fraction", "0.05", "--counts", counts, *separator]
        begin = time.perf_counter()
        charrnn("train", "text.txt", "--minutes", f"{minutes:g}", *options, "--name", "run")
        seconds = time.perf_counter() - begin
        about = json.loads(charrnn("info", "run", "--json"))
        file = Path(directory) / about["checkpoint"] / "counts.safetensors"
        result = {
            "text": text,
            "minutes": minutes,
            "counts": counts,
            "static": about["final_val_loss"],
            "steps": about["steps"],
            "hidden_size": about["hidden_size"],
            "dropout": about["dropout"],
            "epochs": about["epochs"],
            "bytes": file.stat().st_size if file.exists() else 0,
            "characters": about["train_characters"],
            "seconds": round(seconds, 1),
            "machine": describe(),
        }
        if copies and text not in RECORDS:
            result["copies"] = copied(charrnn, Path(directory))
    return result


def copied(charrnn: Any, directory: Path) -> list[dict[str, Any]]:
    """What a model copies at each temperature."""
    rows = []
    for temperature in TEMPERATURES:
        sampled = charrnn(
            *("sample", "run", "--length", str(LENGTH), "--temperature", f"{temperature:g}"),
            *("--seed", "1"),
        )
        (directory / "sampled.txt").write_text(sampled, encoding="utf-8", newline="")
        report = json.loads(charrnn("originality", "run", "sampled.txt", "--json"))
        row: dict[str, Any] = {"temperature": temperature, "longest": report["longest"]["length"]}
        for span in SPANS:
            row[f"share_{span}"] = report["shares"][str(span)]
        rows.append(row)
    return rows


def table(minutes: float) -> None:
    print(f"\n{'text':12} {'without':>8} {'with':>8} {'gain':>8} {'bytes per character':>20}")
    for text in CASES:
        with_counts, without = (
            LEDGER.find(text=text, minutes=minutes, counts=counts) for counts in COUNTS
        )
        if with_counts is None or without is None:
            continue
        gain = without["static"] - with_counts["static"]
        size = with_counts["bytes"] / with_counts["characters"]
        print(
            f"{text:12} {without['static']:8.4f} {with_counts['static']:8.4f} {gain:8.4f} {size:20.2f}"
        )
        for row, other in zip(
            with_counts.get("copies", []), without.get("copies", []), strict=True
        ):
            spans = ", ".join(
                f"in spans of {span}: {other[f'share_{span}']:.2%} without, {row[f'share_{span}']:.2%} with"
                for span in SPANS
            )
            print(
                f"  temperature {row['temperature']:g}: longest copy {other['longest']} without, {row['longest']} with; {spans}"
            )


if __name__ == "__main__":
    main()
