"""The memory that a large text takes: how much more a training run uses than on a small text.

    python benchmarks/memory.py --data DIRECTORY

Trains for a few steps on a megabyte of text and on a gigabyte (the same text repeated, with a number
before each copy), each by `charrnn train` in a separate process, and prints the peak of anonymous
memory of each (RssAnon of /proc: memory mapped from files can be reclaimed at any time, and is not
counted).
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe
from texts import data_parser, read

SIZES = (1_000_000, 1_000_000_000)  # characters
KNOBS = ("--steps", "200", "--name", "run", "--overwrite", "--sample-every", "none")


def anonymous(process: int) -> int:
    """Bytes of memory not mapped from a file; 0 once the process has gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    line = next(
        (line for line in status.splitlines() if line.startswith("RssAnon")), "RssAnon: 0 kB"
    )
    return int(line.split()[1]) * 1024


def main() -> None:
    args = data_parser(__doc__).parse_args()
    print(describe())
    text = read(args.data / "tinyshakespeare.txt")
    most: list[int] = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "text.txt"
        for size in SIZES:
            with path.open("w", encoding="utf-8", newline="") as file:
                for copy in range(-(-size // len(text))):
                    file.write(f"{copy}\n{text}"[: size - copy * len(text)])
            begin, seen = time.perf_counter(), 0
            words = [sys.executable, "-m", "charrnn", "train", "text.txt", *KNOBS]
            with subprocess.Popen(words, cwd=directory, stderr=subprocess.DEVNULL) as started:
                while started.poll() is None:
                    seen = max(seen, anonymous(started.pid))
                    time.sleep(0.02)
            assert started.returncode == 0
            most.append(seen)
            print(
                f"{path.stat().st_size:13,} bytes: {seen / 1e6:6,.0f} MB peak, {time.perf_counter() - begin:4.0f} s",
                flush=True,
            )
    print(f"growth: {(most[1] - most[0]) / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
