"""Records: the loss on names, compared with makemore, and the share of valid molecules, compared
with MOSES.

    python benchmarks/records.py --data DIRECTORY
    python benchmarks/records.py --data DIRECTORY --only names

Names: makemore's split of names.txt (``torch.randperm``, seed 3407, the last 1,000 for the test)
and its loss (mean over the characters and the end of each name): `charrnn train FILE --records
--minutes 5 --val-fraction 0.05 --cell C`, then `charrnn evaluate`. Molecules: `charrnn train
smiles_chembl22.txt --records --minutes 30 --val-fraction 0.02 --hidden-size 384 --dropout 0.3`
(--dropout: another rate; --planned: without the last two; --run: a run trained like this by hand),
then `charrnn sample --num-samples 10000 --temperature 1` without any filter. No other knob is set.
Valid molecules are those that RDKit (in the `bench` extra) reads; unique ones are distinct valid
molecules (by canonical SMILES); novel ones are unique and not in the file under any spelling. The
number of repeats in 10,000 varies by chance, so three seeds are drawn and the medians are given;
"expected" is the share of unique molecules that follows from the mean probability of the valid ones.

Each run is appended to results/records.jsonl, and runs already there are skipped.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ledger import Ledger
from machine import describe
from texts import DATA, existing, read

LEDGER = Ledger("records")
CELLS = ("lstm", "gru", "rnn")
NAMES_MINUTES, MOLECULES_MINUTES = 5, 30
DRAWN, DRAWS = 10_000, 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", choices=["names", "molecules"])
    parser.add_argument(
        "--planned", action="store_true", help="train on molecules without setting the network"
    )
    parser.add_argument("--dropout", default="0.3", help="dropout of the network for molecules")
    parser.add_argument("--run", type=Path, help="draw molecules from an existing run")
    args = parser.parse_args()
    print(describe())
    for cell in CELLS if args.only != "molecules" else ():
        if LEDGER.find(text="names", cell=cell) is None:
            keep(names(args.data, cell))
    knobs = [] if args.planned else ["--hidden-size", "384", "--dropout", args.dropout]
    if args.run is not None:
        run, here = str(args.run.resolve()), args.run.parent
        keep(judged(args.data, run, here) | about(here, run) | {"knobs": None})
    elif args.only != "names" and LEDGER.find(text="molecules", knobs=knobs) is None:
        keep(molecules(args.data, knobs))
    for result in LEDGER.results():
        size = f"{result['cell']} {result['num_layers']} x {result['hidden_size']}, dropout {result['dropout']:g}"
        took = f"{result['steps']:,} steps" + (
            f" in {result['seconds']:.0f} s" if "seconds" in result else ", by hand"
        )
        if result["text"] == "names":
            print(f"names      {size}: {result['nats']:.4f} nats per character; {took}")
        else:
            shares = ", ".join(
                f"{name} {result[name]:.4f}"
                for name in ("valid", "unique", "expected", "novel")
                if name in result
            )
            print(
                f"molecules  {size}: {shares} of {DRAWN:,}, drawn in {result['drawing']:.0f} s; {took}"
            )


def keep(result: dict[str, Any]) -> None:
    LEDGER.append(result)
    print(json.dumps(result), flush=True)


def names(data: Path, cell: str) -> dict[str, Any]:
    import torch

    words = [word.strip() for word in read(data / "names.txt").splitlines()]
    torch.manual_seed(3407)
    order = torch.randperm(len(words)).tolist()
    with tempfile.TemporaryDirectory() as directory:
        for name, part in (("learned", order[:-1000]), ("test", order[-1000:])):
            (Path(directory) / f"{name}.txt").write_text(
                "\n".join(words[place] for place in part) + "\n"
            )
        result = train(
            directory, "learned.txt", NAMES_MINUTES, "--val-fraction", "0.05", "--cell", cell
        )
        found = json.loads(charrnn(directory, "evaluate", "run", "test.txt", "--json"))
    return {"text": "names", "nats": found["nats_per_character"], **result}


def molecules(data: Path, knobs: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        path = existing(data / "smiles_chembl22.txt").resolve()
        result = train(directory, str(path), MOLECULES_MINUTES, "--val-fraction", "0.02", *knobs)
        return judged(data, "run", directory) | result | {"knobs": knobs}


def judged(data: Path, run: str, directory: str | Path) -> dict[str, Any]:
    """Judge the molecules that a run draws: the medians of DRAWS seeds, and the figures of each."""
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")

    def canonical(text: str) -> str | None:
        molecule = Chem.MolFromSmiles(text)
        return None if molecule is None else Chem.MolToSmiles(molecule)

    corpus = {canonical(text) for text in read(data / "smiles_chembl22.txt").splitlines()}
    found: list[dict[str, float]] = []
    for seed in range(DRAWS):
        begin, ask = (
            time.perf_counter(),
            ("--num-samples", str(DRAWN), "--temperature", "1", "--seed", str(seed), "--json"),
        )
        drawn = [json.loads(line) for line in charrnn(directory, "sample", run, *ask).splitlines()]
        drawing = round(time.perf_counter() - begin, 1)
        spelled = [(canonical(each["text"]), math.exp(each["log_probability"])) for each in drawn]
        valid = [(text, chance) for text, chance in spelled if text is not None]
        unique = {text for text, _ in valid}
        expected = 1 - statistics.fmean(chance for _, chance in valid) * (DRAWN - 1) / 2
        shares = {
            "valid": len(valid) / DRAWN,
            "unique": len(unique) / len(valid),
            "expected": expected,
        }
        found.append({**shares, "novel": len(unique - corpus) / len(unique), "drawing": drawing})
        print(json.dumps(found[-1] | {"seed": seed}), flush=True)
    medians = {name: statistics.median(each[name] for each in found) for name in found[0]}
    return {"text": "molecules", **medians, "draws": found}


def train(directory: str, path: str, minutes: int, *words: str) -> dict[str, Any]:
    begin = time.perf_counter()
    charrnn(
        directory, "train", path, "--records", "--minutes", str(minutes), "--name", "run", *words
    )
    seconds = time.perf_counter() - begin
    return about(directory, "run") | {"minutes": minutes, "seconds": round(seconds, 1)}


def about(directory: str | Path, run: str) -> dict[str, Any]:
    found = json.loads(charrnn(directory, "info", run, "--json"))
    kept = (
        "cell",
        "num_layers",
        "hidden_size",
        "dropout",
        "step",
        "steps",
        "epochs",
        "parameters",
        "final_val_loss",
    )
    return {**{name: found[name] for name in kept}, "machine": describe()}


def charrnn(directory: str | Path, *words: str) -> str:
    command = [sys.executable, "-m", "charrnn", *words]
    return subprocess.run(
        command, cwd=directory, check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ).stdout


if __name__ == "__main__":
    main()
