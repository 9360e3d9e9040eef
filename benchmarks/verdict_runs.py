"""Runs on many kinds of text, from which verdicts are fitted and tested.

    python benchmarks/verdict_runs.py --data DIRECTORY
    python benchmarks/verdict_runs.py --data DIRECTORY --only "shakespeare, 100 kB"

Each text is trained for one to 16 minutes, with no other option than `--records` where it is a
list, and for some of these lengths also with 0.2 more and 0.2 less dropout. A few steps of the
network alone show what bad models write. Each run is appended to results/verdicts.jsonl with what a verdict
needs to know of it: its metrics, its configuration and what its best checkpoint says about itself.
Runs already there are skipped.

On a machine with several cores, run one process on each, for different texts (`taskset -c 0`): two
threads gain less than two processes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from ledger import Ledger
from machine import describe
from texts import TEXTS, data_parser, read

LEDGER = Ledger("verdicts")
CORPORA = Path(__file__).parent.parent / "corpora"
SAMPLE = ("sample", "run", "--temperature", "0.8", "--length", "2000", "--seed", "1", "--json")
SHOWN = 1000  # characters of a sample that are kept
DROPOUT = 0.2  # more and less


FEW_STEPS = (10, 30, 100, 300)
NETWORK_ALONE = ("--counts", "none", "--copy-window", "none")  # writes badly at first
SHORT = (1, 2, 4)  # minutes of the runs on a text that is soon learned
LONG = (1, 4, 16)


class Text(NamedTuple):
    """A text to train on.

    Args:
        read: from the data directory to the text.
        records: each line is a record.
        minutes: of the runs.
        varied: the minutes of those that are repeated with another dropout.
    """

    read: Callable[[Path], str]
    records: bool = False
    minutes: tuple[int, ...] = SHORT
    varied: tuple[int, ...] = (1, 4)


def part(text: str, start: int, length: int) -> Callable[[Path], str]:
    """Some characters of one of TEXTS."""
    return lambda data: TEXTS[text](data)[start : start + length]


def file(name: str, start: int = 0, length: int | None = None) -> Callable[[Path], str]:
    """Some characters of a file in the data directory; the rest of it without a length."""
    end = None if length is None else start + length
    return lambda data: read(data / name)[start:end]


def bundled(name: str) -> Callable[[Path], str]:
    """A text that comes with charrnn."""
    return lambda data: read(CORPORA / name)


def sums(data: Path) -> str:
    """Sums of two numbers, one to a line."""
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 1000, (20_000, 2)).tolist()
    return "".join(f"{a} + {b} = {a + b}\n" for a, b in pairs)


VERDICT_TEXTS = {
    "shakespeare": Text(TEXTS["shakespeare"], minutes=LONG, varied=(1,)),
    "fables": Text(bundled("fables.txt"), minutes=LONG),
    "russian": Text(file("dead_souls_ru.txt"), minutes=LONG, varied=(1,)),
    "names": Text(file("names.txt"), records=True),
    "chinese": Text(file("song_ci_zh.txt"), minutes=LONG, varied=(1,)),
    "python": Text(part("python", 0, 2_000_000), minutes=LONG, varied=(1,)),
    "molecules": Text(file("smiles_chembl22.txt", length=500_000), records=True),
    "plays": Text(bundled("plays.txt")),
    "penn": Text(TEXTS["penn"], minutes=(1, 4), varied=(1,)),
    "russian, 50 kB": Text(file("dead_souls_ru.txt", 200_000, 50_000)),
    "chinese, 150 kB": Text(file("song_ci_zh.txt", 300_000, 150_000), minutes=(1, 4, 8)),
    "python, 200 kB": Text(part("python", 3_000_000, 200_000)),
    "shakespeare, 100 kB": Text(part("shakespeare", 300_000, 100_000)),
    "shakespeare, 10 kB": Text(part("shakespeare", 600_000, 10_000)),
    "names, 20 kB": Text(file("names.txt", 100_000, 20_000), records=True),
    "sums": Text(sums),
}


def source(name: str) -> str:
    """The file that a text is a part of: what is fitted to one part also fits another."""
    return name.partition(",")[0]


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """Options for the data directory and the names of the texts."""
    parser = data_parser(description)
    parser.add_argument("--only", nargs="*", choices=VERDICT_TEXTS, default=list(VERDICT_TEXTS))
    return parser


def main() -> None:
    args = argument_parser(__doc__).parse_args()
    print(describe())
    for name in args.only:
        collect(name, args.data)


def collect(name: str, data: Path) -> None:
    """Train the runs of a text."""
    text = VERDICT_TEXTS[name]
    for steps in FEW_STEPS:
        trained(name, ["--steps", f"{steps}", *NETWORK_ALONE], data)
    for minutes in text.minutes:
        first = trained(name, length(minutes), data)
        if minutes not in text.varied:
            continue
        for change in (DROPOUT, -DROPOUT):
            dropout = first["about"]["dropout"] + change
            if 0 <= dropout < 0.9:
                trained(name, [*length(minutes), *network(first, dropout)], data)


def network(run: Mapping[str, Any], dropout: float) -> list[str]:
    """The options for the network of a run, with another dropout."""
    return [
        *("--num-layers", f"{run['about']['num_layers']}"),
        *("--hidden-size", f"{run['about']['hidden_size']}"),
        *("--dropout", f"{round(dropout, 2):g}"),
    ]


def length(minutes: float) -> list[str]:
    """The option for the length of a run."""
    return ["--minutes", f"{minutes:g}"]


def trained(name: str, flags: Sequence[str], data: Path) -> dict[str, Any]:
    """The run of a text with these flags: an earlier one, or else a new one."""
    found = LEDGER.find(text=name, flags=list(flags))
    if found is None:
        found = train(name, list(flags), data)
        LEDGER.append(found)
        print(describe_run(found), flush=True)
    return found


def train(name: str, flags: list[str], data: Path) -> dict[str, Any]:
    """Train a run, and describe it."""
    case = VERDICT_TEXTS[name]
    text = case.read(data)
    kind = ["--records"] if case.records else []
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        with open(home / "text.txt", "w", encoding="utf-8", newline="") as file:
            file.write(text)
        begin = time.perf_counter()
        charrnn(home, "train", "text.txt", "--name", "run", *kind, *flags)
        seconds = time.perf_counter() - begin
        about = json.loads(charrnn(home, "info", "run", "--json"))
        about["vocab_size"] = len(about.pop("symbols"))
        run = home / "checkpoints" / "run"
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        knobs = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        written = json.loads(charrnn(home, *SAMPLE))["text"]
    return {
        "text": name,
        "flags": flags,
        "seconds": round(seconds, 1),
        "about": about,
        "validations": [line for line in lines if line.get("val_loss") is not None],
        "final": lines[-1],
        "knobs": knobs,
        "sample": written[:SHOWN],
        "machine": describe(),
    }


def charrnn(home: Path, *words: str) -> str:
    """What a command prints on stdout."""
    finished = subprocess.run(
        [sys.executable, "-m", "charrnn", *words],
        cwd=home,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    return finished.stdout


def describe_run(run: dict[str, Any]) -> str:
    about = run["about"]
    return (
        f"{run['text']:20} {' '.join(run['flags']):28} loss {about['final_val_loss']:.4f}  "
        f"{about['num_layers']} x {about['hidden_size']}  dropout {about['dropout']:g}  "
        f"{about['epochs']:6.1f} passes  best at {about['step'] / about['steps']:4.0%}  "
        f"{run['seconds']:4.0f} s"
    )


if __name__ == "__main__":
    main()
