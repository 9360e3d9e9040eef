"""Whether verdicts are right: what a run gains from what its verdict proposes.

    python benchmarks/verdicts.py --data DIRECTORY
    python benchmarks/verdicts.py --data DIRECTORY --only russian

For each text, `charrnn train --minutes M` with no other option, and then, up to three times, the
command that the verdict proposes. A run whose verdict is "at its best" is also trained for twice
the steps, and with 0.2 more and 0.2 less dropout: none of them should be much better. Losses are
those of the best checkpoints on the validation part.

One line for each text is appended to results/verdicts.jsonl, and texts already there are skipped.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ledger import Ledger
from machine import describe
from texts import DATA, TEXTS, read

LEDGER = Ledger("verdicts")
CORPORA = Path(__file__).parent.parent / "corpora"
MAX_PROPOSALS = 3
FINISHED = "at its best"
MIN_GAIN = 0.01  # share of the loss by which a run is better or worse


class Case(NamedTuple):
    """A text to train on.

    Args:
        text: from the data directory to the text.
        records: each line is a record.
        minutes: of the first run.
    """

    text: Callable[[Path], str]
    records: bool = False
    minutes: float = 1.0


def sums(data: Path) -> str:
    """Sums of two numbers, one to a line."""
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 1000, (20_000, 2)).tolist()
    return "".join(f"{a} + {b} = {a + b}\n" for a, b in pairs)


def part(text: str, start: int, length: int) -> Callable[[Path], str]:
    """Some characters of one of TEXTS."""
    return lambda data: TEXTS[text](data)[start : start + length]


def file(name: str, length: int | None = None) -> Callable[[Path], str]:
    """The first characters of a file in the data directory."""
    return lambda data: read(data / name)[:length]


def bundled(name: str) -> Callable[[Path], str]:
    """A text that comes with charrnn."""
    return lambda data: read(CORPORA / name)


CASES = {
    "shakespeare": Case(TEXTS["shakespeare"]),
    "shakespeare, 3 minutes": Case(TEXTS["shakespeare"], minutes=3.0),
    "shakespeare, 100 kB": Case(part("shakespeare", 300_000, 100_000)),
    "shakespeare, 10 kB": Case(part("shakespeare", 600_000, 10_000)),
    "plays": Case(bundled("plays.txt")),
    "fables": Case(bundled("fables.txt")),
    "fables, 3 minutes": Case(bundled("fables.txt"), minutes=3.0),
    "penn": Case(TEXTS["penn"]),
    "russian": Case(file("dead_souls_ru.txt")),
    "russian, 3 minutes": Case(file("dead_souls_ru.txt"), minutes=3.0),
    "russian, 50 kB": Case(file("dead_souls_ru.txt", 50_000)),
    "chinese": Case(file("song_ci_zh.txt")),
    "python": Case(part("python", 0, 2_000_000)),
    "python, 200 kB": Case(part("python", 3_000_000, 200_000)),
    "names": Case(file("names.txt"), records=True),
    "names, 3 minutes": Case(file("names.txt"), records=True, minutes=3.0),
    "molecules": Case(file("smiles_chembl22.txt", 500_000), records=True),
    "sums": Case(sums),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", choices=CASES)
    args = parser.parse_args()
    print(describe())
    for name in CASES if args.only is None else [args.only]:
        if LEDGER.find(text=name) is None:
            result = {"text": name} | follow(CASES[name], args.data) | {"machine": describe()}
            LEDGER.append(result)
            print(json.dumps(result), flush=True)
    table()


def follow(case: Case, data: Path) -> dict[str, Any]:
    """Train on a text, and follow the verdicts."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        with open(home / "text.txt", "w", encoding="utf-8", newline="") as text:
            text.write(case.text(data))
        command = f"charrnn train text.txt --minutes {case.minutes:g} --name run"
        if case.records:
            command += " --records"
        runs = [trained(home, command)]
        while len(runs) <= MAX_PROPOSALS and runs[-1]["kind"] != FINISHED:
            runs.append(trained(home, runs[-1]["proposes"]))
        others = {}
        if runs[-1]["kind"] == FINISHED:
            others = {what: trained(home, words) for what, words in varied(home, runs[-1])}
    return {"minutes": case.minutes, "runs": runs, "others": others}


def trained(home: Path, command: str) -> dict[str, Any]:
    """Run a command of charrnn that trains, and describe the run."""
    words = shlex.split(command)[1:]
    begin = time.perf_counter()
    charrnn(home, *words)
    seconds = time.perf_counter() - begin
    name = words[words.index("--name") + 1]
    about = json.loads(charrnn(home, "info", name, "--json"))
    verdict = about["verdict"]
    if verdict is None or about["final_val_loss"] is None:
        raise SystemExit(f"{name} has no final loss; run `{command}` by hand to see why")
    return {
        "command": command,
        "name": name,
        "seconds": round(seconds, 1),
        "loss": about["final_val_loss"],
        "kind": verdict["kind"],
        "proposes": verdict["command"],
        "steps": about["trained_steps"],
        **{knob: about[knob] for knob in ("hidden_size", "dropout", "epochs")},
    }


def varied(home: Path, run: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Commands that train as a run did, with one change."""
    config = f"charrnn train --config checkpoints/{run['name']}/config.yaml"
    yield "twice the steps", f"{config} --steps {2 * run['steps']} --name longer"
    for what, change in (("more dropout", 0.2), ("less dropout", -0.2)):
        dropout = round(run["dropout"] + change, 2)
        if 0 <= dropout < 0.9:
            name = what.replace(" ", "-")
            yield what, f"{config} --dropout {dropout:g} --name {name}"


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


def gain(before: dict[str, Any], after: dict[str, Any]) -> float:
    """By which share of its loss a run became better."""
    return float(1 - after["loss"] / before["loss"])


def table() -> None:
    """Print each chain of runs, and how many proposals were right."""
    gains = []
    missed = []
    for result in LEDGER.results():
        runs = result["runs"]
        print(f"\n{result['text']}")
        for number, run in enumerate(runs):
            change = ""
            if number:
                gains.append(gain(runs[number - 1], run))
                change = f"{gains[-1]:+.1%}"
            print(
                f"  {run['loss']:.4f} {change:>7} {run['kind']:14} {run['seconds']:5.0f} s  "
                f"{run['epochs']:6.1f} passes  dropout {run['dropout']:g}"
            )
        for what, other in result["others"].items():
            missed.append(gain(runs[-1], other))
            print(f"  {other['loss']:.4f} {missed[-1]:+7.1%} {what}")
    better = sum(value >= MIN_GAIN for value in gains)
    worse = sum(value < -MIN_GAIN for value in gains)
    print(
        f"\nof {len(gains)} proposals, {better} gained 1% or more, "
        f"{worse} made the run worse by more than 1%"
    )
    print(
        f"of {len(missed)} variations of runs called {FINISHED}, "
        f"{sum(value < MIN_GAIN for value in missed)} gained less than 1%"
    )


if __name__ == "__main__":
    main()
