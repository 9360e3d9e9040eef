"""How well `charrnn plan` predicts the memory of a run: planned and measured, for alphabets of 65,
5,000 and 60,000 symbols.

    python benchmarks/plan_memory.py

Generates texts of random symbols with frequencies by rank (Zipf), continuous or as records. On
each it runs `charrnn train` in a separate process for a few steps with two validations, two
checkpoints and two samples, and then `charrnn plan` with the same flags. It prints the peak memory
of the training process: resident (VmHWM of /proc, as reported by `time -v`) and anonymous (RssAnon,
sampled every few milliseconds: without memory mapped from files, such as PyTorch's code, which can
be reclaimed at any time). The two ratios are the plan's figure divided by each.

The run is stopped, as by Ctrl-C, when its last checkpoint is written: the final evaluation takes
minutes with 60,000 symbols, and less memory than the training. On two cores everything takes about
20 minutes, most of them with 60,000 symbols; `--symbols 65` and `--symbols 5000` take two minutes
each.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from machine import describe

# symbols and validation characters; few for 60,000 symbols, which are read slowly
HELD_OUT = {65: 20_000, 5_000: 20_000, 60_000: 4_000}
STEPS = 4
LINE = 30  # characters per line or record
# code points; those that are not printable are left out, and a newline is added
LETTERS = range(0x21, 0x20000)


class Case(NamedTuple):
    symbols: int
    characters: int
    kind: str  # "text" or "records"
    hidden_size: int


CASES = [
    Case(symbols, *others)
    for symbols in HELD_OUT
    for others in (
        (200_000, "text", 256),
        (200_000, "records", 256),
        (2_000_000, "text", 256),
        (200_000, "text", 512),
    )
]


class Peak(NamedTuple):
    resident: int  # bytes
    anonymous: int  # bytes


def write_text(path: Path, symbols: int, characters: int) -> None:
    """Write a text in which each symbol occurs at least once."""
    rng = np.random.default_rng(0)
    letters = np.array(
        [point for point in LETTERS if chr(point).isprintable() and not chr(point).isspace()][
            : symbols - 1
        ]
    )
    shares = 1 / np.arange(1, len(letters) + 1)
    drawn = rng.choice(len(letters), characters - len(letters), p=shares / shares.sum())
    places = rng.permutation(np.concatenate([np.arange(len(letters)), drawn]))
    text = [chr(point) for point in letters[places]]
    text[LINE::LINE] = "\n" * len(text[LINE::LINE])
    path.write_text("".join(text), encoding="utf-8", newline="")


def flags(case: Case) -> list[str]:
    held_out = HELD_OUT[case.symbols] / case.characters
    words = f"--steps {STEPS} --eval-every {STEPS // 2} --sample-every {STEPS // 2} --val-fraction {held_out:g}".split()
    words += f"--hidden-size {case.hidden_size} --num-layers 2 --dropout 0.1".split()
    return words + ["--records"] * (case.kind == "records")


def memory(process: int) -> Peak | None:
    """The memory of a process according to /proc; None when it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        sizes = {
            line.split(":")[0]: int(line.split()[1]) * 1024
            for line in lines
            if line.endswith(" kB")
        }
        return Peak(sizes["VmHWM"], sizes["RssAnon"])
    except (OSError, KeyError):
        return None


def measure(directory: Path, case: Case) -> Peak:
    """The peak memory of a training process."""
    name = f"{case.symbols}-{case.characters}-{case.kind}-{case.hidden_size}"
    last = directory / "checkpoints" / name / f"step-{STEPS:08d}"
    words = [sys.executable, "-m", "charrnn", "train", "text.txt", "--name", name, *flags(case)]
    resident = anonymous = 0
    stopped = False
    with subprocess.Popen(words, cwd=directory, stderr=subprocess.DEVNULL) as training:
        while training.poll() is None:
            now = memory(training.pid)
            if now is not None:
                resident = max(resident, now.resident)
                anonymous = max(anonymous, now.anonymous)
            if not stopped and last.exists():
                time.sleep(1)  # for the sample
                training.send_signal(signal.SIGINT)
                stopped = True
            time.sleep(0.005)
    assert training.returncode in (0, 128 + signal.SIGINT), training.returncode
    return Peak(resident, anonymous)


def planned(directory: Path, case: Case) -> float:
    """The plan's figure, in bytes."""
    words = [sys.executable, "-m", "charrnn", "plan", "text.txt", *flags(case), "--json"]
    output = subprocess.run(
        words, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    ).stdout
    figure: float = json.loads(output)["advice"]["memory"]
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--symbols",
        type=int,
        choices=HELD_OUT,
        help="run only the cases with this number of symbols",
    )
    args = parser.parse_args()
    print(describe())
    print(
        "symbols  characters  kind     network  planned MB  resident MB  ratio  anonymous MB  ratio",
        flush=True,
    )
    for case in CASES:
        if args.symbols not in (None, case.symbols):
            continue
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            write_text(directory / "text.txt", case.symbols, case.characters)
            peak = measure(directory, case)
            figure = planned(directory, case)
        network = f"2 x {case.hidden_size}"
        print(
            f"{case.symbols:7,}  {case.characters:10,}  {case.kind:7}  {network:7}  {figure / 1e6:10,.0f}  "
            f"{peak.resident / 1e6:11,.0f}  {figure / peak.resident:5.2f}  {peak.anonymous / 1e6:12,.0f}  {figure / peak.anonymous:5.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
