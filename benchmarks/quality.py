"""Quality after some minutes of training: losses on unseen text, compared with two compressors.

    python benchmarks/quality.py --data DIRECTORY
    python benchmarks/quality.py --data DIRECTORY --only "shakespeare 3"
    python benchmarks/quality.py --data DIRECTORY --only "penn 3" --trained RUN --on "an H200"

For each case, `charrnn train FILE --minutes M --val-fraction 0.05 --seed S` trains on the first 90%
of a text, with no other knob set, so the last 5% of it select the checkpoint. Then `charrnn
evaluate`, static and `--adaptive`, reads the last 10% (for Penn Treebank, its test file) in one
stream. PPMd (order 6, in the `bench` extra) reads the same 90% first. It learns while it reads, so
reading straight through is compared with the adaptive loss, and restarting after every 8 KB with the
static one. zpaq (method 5, a mixture of many predictions; the program of that name) reads straight
through only, since it is slow to begin; without the program, its column is empty.

With `--trained`, the run was trained in the same way on another machine, for example on a GPU, and is
only evaluated here.

Each run is appended to results/quality.jsonl, and runs already there are skipped; runs of an
earlier recipe stay there, but are not printed.
"""

import argparse
import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ledger import RECIPE, Ledger
from machine import describe
from texts import DATA, TEXTS, penn

LEDGER = Ledger("quality")
CASES = [
    *(("shakespeare", 3.0, seed) for seed in range(3)),
    *(("molecules", 3.0, seed) for seed in range(3)),
    ("shakespeare", 30.0, 0),
    ("penn", 30.0, 0),
    ("python", 30.0, 0),
]
MOST = {"molecules": 2_000_000, "python": 2_000_000}  # characters of a text
PIECE = 8192  # bytes
NAMES = (
    "cell", "num_layers", "hidden_size", "dropout", "step", "steps", "epochs", "parameters",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument(
        "--only", default="", help="run only the cases with this text and these minutes"
    )
    parser.add_argument("--trained", type=Path, help="a run that was trained on another machine")
    parser.add_argument("--on", default="", help="that machine, in words")
    args = parser.parse_args()
    print(describe())
    if args.trained:
        text, minutes = args.only.split()
        _, reported = parts(args.data, text)
        result = evaluated(args.trained, reported)
        keep(
            {"text": text, "minutes": float(minutes), "seed": 0, "recipe": RECIPE, "on": args.on}
            | result
        )
        table()
        return
    wanted = args.only.split()
    for text, minutes, seed in CASES:
        if all(word in (text, f"{minutes:g}") for word in wanted) and not is_done(
            text, minutes, seed
        ):
            keep(run(*parts(args.data, text), text, minutes, seed))
    for text in dict.fromkeys(text for text, _, _ in CASES):
        if LEDGER.find(text=text, model="PPMd") is None:
            keep(ppmd(*parts(args.data, text), text))
        if shutil.which("zpaq") and LEDGER.find(text=text, model="zpaq") is None:
            keep(zpaq(*parts(args.data, text), text))
    table()


def is_done(text: str, minutes: float, seed: int) -> bool:
    """Whether a case was measured, with training on a machine like this one."""
    key = {"text": text, "minutes": minutes, "seed": seed, "recipe": RECIPE}
    return any(key.items() <= row.items() and "on" not in row for row in LEDGER.results())


def keep(result: dict[str, Any]) -> None:
    LEDGER.append(result)
    print(json.dumps(result), flush=True)


def parts(data: Path, text: str) -> tuple[str, str]:
    """The part for training and the part for the reported figures."""
    whole = TEXTS[text](data)[: MOST.get(text)]
    if text == "penn":
        return whole, penn(data, "test")
    return whole[: int(len(whole) * 0.9)], whole[int(len(whole) * 0.9) :]


def charrnn(directory: Path, *words: str) -> Any:
    """Run a command of charrnn in a directory, and return what it prints."""
    program = [sys.executable, "-m", "charrnn", *words]
    return subprocess.run(program, cwd=directory, check=True, stdout=subprocess.PIPE).stdout


def evaluated(run: Path, reported: str) -> dict[str, Any]:
    """The losses of a run, and what it says about itself."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        (path / "reported.txt").write_text(reported, encoding="utf-8", newline="")
        words = ["evaluate", str(run.resolve()), "reported.txt", "--json"]
        static = json.loads(charrnn(path, *words))
        adaptive = json.loads(charrnn(path, *words, "--adaptive"))
        about = json.loads(charrnn(path, "info", str(run.resolve()), "--json"))
    return {
        "model": "charrnn",
        "static": static["nats_per_character"],
        "adaptive": adaptive["nats_per_character"],
        "characters": static["characters"],
        "chosen_by": about["final_val_loss"],
        **{name: about[name] for name in NAMES},
        "machine": describe(),
    }


def run(learned: str, reported: str, text: str, minutes: float, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        (path / "learned.txt").write_text(learned, encoding="utf-8", newline="")
        begin = time.perf_counter()
        charrnn(
            path, "train", "learned.txt", "--minutes", f"{minutes:g}", "--val-fraction", "0.05",
            "--seed", str(seed), "--name", "run",
        )  # fmt: skip
        seconds = time.perf_counter() - begin
        result = evaluated(path / "checkpoints" / "run", reported)
    key = {"text": text, "minutes": minutes, "seed": seed, "recipe": RECIPE}
    return key | result | {"seconds": round(seconds, 1)}


def ppmd(learned: str, reported: str, text: str) -> dict[str, Any]:
    import pyppmd

    def size(data: bytes) -> int:
        encoder = pyppmd.Ppmd8Encoder(6, 64 << 20, 0)
        return len(encoder.encode(data) + encoder.flush())

    before, after = learned.encode(), reported.encode()
    start = size(before)
    nats = 8 * math.log(2) / len(reported)
    pieces = sum(
        size(before + after[place : place + PIECE]) - start for place in range(0, len(after), PIECE)
    )
    return {
        "text": text,
        "model": "PPMd",
        "static": nats * pieces,
        "adaptive": nats * (size(before + after) - start),
    }


def zpaq(learned: str, reported: str, text: str) -> dict[str, Any]:
    """The bytes that the reported part adds to an archive of the learned part.

    An archive also holds a name, a date and the hashes of about 64 KB each: some 30 bytes for each of
    them, which zpaq is charged for.
    """

    def size(data: bytes) -> int:
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "text").write_bytes(data)
            subprocess.run(
                ["zpaq", "add", "archive.zpaq", "text", "-method", "5", "-threads", "1"],
                cwd=directory,
                check=True,
                capture_output=True,
            )
            return (Path(directory) / "archive.zpaq").stat().st_size

    before, after = learned.encode(), reported.encode()
    nats = 8 * math.log(2) / len(reported)
    return {"text": text, "model": "zpaq", "adaptive": nats * (size(before + after) - size(before))}


def table() -> None:
    print(
        f"\n{'text':12} {'minutes':>7} {'seeds':>5}  {'static':>14} {'adaptive':>14}"
        f"  {'PPMd, each 8 KB':>15} {'PPMd, straight':>14} {'zpaq, straight':>14}  seconds"
    )
    results = [result for result in LEDGER.results() if result.get("recipe") == RECIPE]
    cases = sorted({(r["text"], r["minutes"], r.get("on", "")) for r in results})
    for text, minutes, on in cases:
        found = [
            r for r in results if (r["text"], r["minutes"], r.get("on", "")) == (text, minutes, on)
        ]
        other = LEDGER.find(text=text, model="PPMd")
        mixed = LEDGER.find(text=text, model="zpaq")
        if found and other:
            static, adaptive, seconds = (
                statistics.median(result.get(name, 0) for result in found)
                for name in ("static", "adaptive", "seconds")
            )
            low, high = (f"{pick(result['static'] for result in found):.4f}" for pick in (min, max))
            print(
                f"{text:12} {minutes:7g} {len(found):5}  {both(static)} {both(adaptive)}"
                f"  {both(other['static']):>15} {both(other['adaptive'])}"
                f" {both(mixed['adaptive']) if mixed else '':14}  {seconds:7.0f}   static from {low} to {high} {on}"
            )


def both(nats: float) -> str:
    return f"{nats:.4f} ({nats / math.log(2):.3f})"


if __name__ == "__main__":
    main()
