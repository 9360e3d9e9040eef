"""Whether `charrnn train --minutes N` takes N minutes, alone and beside another program.

    python benchmarks/minutes.py                     1 and 3 minutes, alone and beside a program: 40 minutes
    python benchmarks/minutes.py --minutes 10 --load none

Texts of 20 kB, 1 MB and 20 MB are made from corpora/fables.txt. Each run is a process of its own, timed from its
start to its exit. The other program keeps one core busy during the first 30 seconds, the last 30, or all the time.
Run it alone.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SIZES = {"20 kB": 20_000, "1 MB": 1_000_000, "20 MB": 20_000_000}
LOADS = ("none", "first 30 s", "last 30 s", "always")
BUSY = "while True: pass"


def text(size: int) -> str:
    """Fables in random order, again and again, up to a size in characters."""
    fables = (ROOT / "corpora/fables.txt").read_text(encoding="utf-8").split("\n* * *\n")
    shuffler = random.Random(1)
    pieces: list[str] = []
    length = 0
    while length < size:
        shuffler.shuffle(fables)
        pieces += fables
        length += sum(map(len, fables))
    return "\n* * *\n".join(pieces)[:size]


def keep_busy(start: float, seconds: float) -> None:
    """Keep a core busy for some seconds, after waiting."""
    time.sleep(start)
    other = subprocess.Popen([sys.executable, "-c", BUSY])
    time.sleep(seconds)
    other.kill()
    other.wait()


def loaded(load: str, seconds: float) -> tuple[float, float] | None:
    """When the other program starts, and for how long it runs."""
    return {
        "none": None,
        "first 30 s": (0.0, 30.0),
        "last 30 s": (max(0.0, seconds - 30), 30.0),
        "always": (0.0, seconds),
    }[load]


def measure(corpus: Path, minutes: float, load: str, flags: list[str]) -> dict[str, float]:
    """Train, and give the seconds it took, the steps, and the end that was planned first."""
    command = [
        sys.executable,
        "-m",
        "charrnn",
        "train",
        str(corpus),
        "--minutes",
        f"{minutes:g}",
        "--overwrite",
        "--patience",
        "none",
    ]
    when = loaded(load, 60 * minutes)
    if when is not None:
        threading.Thread(target=keep_busy, args=when, daemon=True).start()
    begin = time.monotonic()
    subprocess.run([*command, *flags], cwd=corpus.parent, check=True, capture_output=True)
    seconds = time.monotonic() - begin
    time.sleep(1)
    run = corpus.parent / "checkpoints" / corpus.stem
    last = max(run.glob("step-*"))
    trainer = json.loads((last / "trainer.json").read_text())
    ends = trainer["schedule"]
    return {
        "seconds": seconds,
        "steps": ends[-1][1],
        "planned": ends[0][1],
        "decisions": len(ends) - 1,
        "threads": trainer["config"]["threads"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 3.0])
    parser.add_argument("--size", choices=SIZES, nargs="+", default=list(SIZES))
    parser.add_argument("--load", choices=LOADS, nargs="+", default=list(LOADS))
    parser.add_argument("flags", nargs="*", help="more flags for train, after --")
    options = parser.parse_args()
    print(
        "| text | minutes | other program | took | of the time | steps planned | steps made | decisions | threads |"
    )
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as directory:
        for size in options.size:
            corpus = Path(directory) / f"{size.replace(' ', '')}.txt"
            corpus.write_text(text(SIZES[size]), encoding="utf-8")
            for minutes in options.minutes:
                for load in options.load:
                    result = measure(corpus, minutes, load, options.flags)
                    share = result["seconds"] / (60 * minutes)
                    print(
                        f"| {size} | {minutes:g} | {load} | {result['seconds']:.1f} s | {share:.3f} | {result['planned']:,} | "
                        f"{result['steps']:,} | {result['decisions']} | {result['threads']} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
