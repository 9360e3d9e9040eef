"""The best size, dropout and number of passes for a text of a given length: the table that
`charrnn plan` uses.

    python benchmarks/autopilot.py --data DIRECTORY

Trains on the first N characters of a text and computes the loss on the 50,000 characters (or N, if
that is less) after them. The last 10% of the text, on which other benchmarks report figures, are
not used. The work of a run is given in millions of characters at 2 x 256; a larger network trains on
proportionally fewer, so that runs with the same N and work take the same time. Each run is appended
to results/autopilot.jsonl, and runs already there are skipped; at the end the table is printed. For
each text length, only the runs of its newest recipe are used.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import charrnn
from charrnn.corpus.corpus import Corpus
from charrnn.config.run_config import ModelConfig
from charrnn.advice.similar_runs import relative_cost
from ledger import RECIPE, Ledger
from machine import describe
from texts import DATA, TEXTS

LEDGER = Ledger("autopilot")
MEASURED = Path(__file__).parent.parent / "charrnn" / "advice" / "measured.py"
HELD_OUT = 50_000
STEP = 16 * 64  # characters


def cases() -> Iterator[dict[str, Any]]:
    """The runs, the most informative first."""

    def case(
        text: str, size: int, work: float, sizes: tuple[int, int], dropout: float
    ) -> dict[str, Any]:
        return {
            "text": text,
            "characters": size,
            "work": work,
            "num_layers": sizes[0],
            "hidden_size": sizes[1],
            "dropout": dropout,
            "recipe": RECIPE,
        }

    small, middle, large, wide = (2, 128), (2, 256), (2, 384), (2, 512)
    for text in ("shakespeare", "python"):
        for work in (0.25, 0.5, 1.0):
            for sizes in (small, middle):
                for dropout in (0.3, 0.5):
                    yield case(text, 20_000, work, sizes, dropout)
        for work, sizes, dropout in (
            (1.0, small, 0.6),
            (1.0, small, 0.7),
            (1.0, middle, 0.7),
            (2.0, small, 0.6),
            (2.0, small, 0.7),
            (2.0, middle, 0.7),
        ):
            yield case(text, 20_000, work, sizes, dropout)
    for text in ("shakespeare", "penn"):  # the first files of Python have too little in common
        for work, dropout in (
            (0.03, 0.3),
            (0.03, 0.5),
            (0.1, 0.5),
            (0.1, 0.6),
            (0.25, 0.6),
            (0.25, 0.7),
            (0.75, 0.7),
        ):
            yield case(text, 5_000, work, small, dropout)
    # few passes
    for text, size in (("shakespeare", 20_000), ("python", 20_000), ("shakespeare", 100_000)):
        for passes in (1, 3):
            for sizes in (small, middle):
                for dropout in (0.0, 0.2):
                    yield case(text, size, passes * size / 1e6, sizes, dropout)
    for work, sizes, dropout in (
        (1.0, middle, 0.2),
        (1.0, middle, 0.3),
        (3.0, middle, 0.3),
        (3.0, middle, 0.5),
        (3.0, small, 0.5),
        (6.0, middle, 0.5),
        (6.0, middle, 0.6),
        (3.0, middle, 0.6),
        (6.0, middle, 0.7),
    ):
        yield case("shakespeare", 100_000, work, sizes, dropout)
    for sizes, dropout in ((middle, 0.1), (middle, 0.2), (middle, 0.3), (wide, 0.3)):
        yield case("shakespeare", 500_000, 4.0, sizes, dropout)
    for work, sizes, dropout in (
        (13.0, middle, 0.3),
        (13.0, middle, 0.4),
        (13.0, middle, 0.5),
        (13.0, large, 0.3),
        (13.0, wide, 0.3),
        (13.0, wide, 0.5),
        (40.0, middle, 0.5),
        (40.0, middle, 0.6),
        (40.0, large, 0.5),
        (40.0, wide, 0.6),
    ):
        yield case("shakespeare", 500_000, work, sizes, dropout)
    for sizes, dropout in ((small, 0.3), (middle, 0.3), (middle, 0.5)):
        yield case("python", 100_000, 3.0, sizes, dropout)
    for work, sizes, dropout in (
        (4.0, middle, 0.0),
        (4.0, middle, 0.1),
        (13.0, middle, 0.0),
        (13.0, middle, 0.1),
        (13.0, middle, 0.2),
        (13.0, large, 0.1),
        (50.0, middle, 0.1),
        (50.0, middle, 0.2),
        (50.0, large, 0.2),
    ):
        yield case("penn", 2_500_000, work, sizes, dropout)
    for work in (4.0, 13.0):
        for sizes, dropout in ((middle, 0.0), (middle, 0.1), (large, 0.1), (wide, 0.1)):
            yield case("python", 20_000_000, work, sizes, dropout)
    # a minute or two on a slow machine: too little work for the larger networks
    for work in (0.75, 2.0):
        for sizes in (small, middle):
            yield case("shakespeare", 500_000, work, sizes, 0.0)
    for text, size in (("penn", 2_500_000), ("python", 20_000_000)):
        for sizes in (small, middle):
            yield case(text, size, 0.75, sizes, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument(
        "--only", default="", help="run only cases whose description contains these words"
    )
    args = parser.parse_args()
    print(describe())
    for case in cases():
        if (
            all(word in json.dumps(case) for word in args.only.split())
            and LEDGER.find(**case) is None
        ):
            result = case | run(args.data, case)
            LEDGER.append(result)
            print(row(result), flush=True)
    table()
    write()


def run(data: Path, case: dict[str, Any]) -> dict[str, Any]:
    whole = TEXTS[case["text"]](data)
    size = case["characters"]
    held_out = min(HELD_OUT, size)
    text = whole[: int(len(whole) * 0.9)][: size + held_out]
    assert len(text) == size + held_out, f"{case['text']} has only {len(whole):,} characters"
    knobs = {name: case[name] for name in ("num_layers", "hidden_size", "dropout")}
    steps = round(
        case["work"]
        * 1e6
        / relative_cost(ModelConfig(num_layers=case["num_layers"], hidden_size=case["hidden_size"]))
        / STEP
    )
    losses: list[tuple[float, int]] = []

    def note(report: Any) -> None:
        if report.val_loss is not None:
            losses.append((report.val_loss, report.step))

    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as runs:
        charrnn.train(
            text=text, steps=steps, val_fraction=held_out / len(text), runs_dir=runs, name="run", on_report=note,
            sample_every=None, save_every=None, keep=1, **knobs,
        )  # fmt: skip
    best, step = min(losses)
    counts = Corpus.of(text, held_out / len(text)).yardstick
    assert counts
    return {
        "steps": steps, "best": round(best, 4), "best_step": step, "last": round(losses[-1][0], 4),
        "yardstick": round(counts.nats_per_character, 4), "seconds": round(time.perf_counter() - begin, 1),
    }  # fmt: skip


def row(result: dict[str, Any]) -> str:
    passes = result["steps"] * STEP / result["characters"]
    return (
        f"{result['text']:12} {result['characters']:>10,} {result['work']:6.2f} M  {result['num_layers']} x {result['hidden_size']}  "
        f"dropout {result['dropout']:.1f}  {passes:6.1f} passes  last {result['last']:.4f}  best {result['best']:.4f} at "
        f"{result['best_step'] / result['steps']:.1f}  counts {result['yardstick']:.4f}  {result['seconds']:.0f} s"
    )


def newest() -> list[dict[str, Any]]:
    """The runs of each text length with the newest recipe."""
    recipes: dict[int, int] = {}
    for result in LEDGER.results():
        size = result["characters"]
        recipes[size] = max(recipes.get(size, 1), result.get("recipe", 1))
    return [
        result
        for result in LEDGER.results()
        if result.get("recipe", 1) == recipes[result["characters"]]
    ]


def write() -> None:
    """Rewrite MEASURED in the package."""
    runs: dict[int, dict[str, dict[tuple[Any, ...], float]]] = {}  # by size, text and knobs
    for result in newest():
        passes = round(result["work"] * 1e6 / result["characters"], 2)
        key = passes, result["num_layers"], result["hidden_size"], result["dropout"]
        runs.setdefault(result["characters"], {}).setdefault(result["text"], {})[key] = (
            result["best"] / result["yardstick"]
        )
    ratios: dict[tuple[Any, ...], list[float]] = {}
    for size, texts in runs.items():
        most = max(map(len, texts.values()))
        for found in texts.values():
            # a text with fewer runs would bias the means
            for key, ratio in found.items() if len(found) == most else ():
                ratios.setdefault((size, *key), []).append(ratio)
    rows = (
        f"    Row({size:_}, {rest}, {statistics.mean(ratios[size, *key]):.3f}),\n"
        for size, *key in sorted(ratios)
        if (rest := ", ".join(map(str, key)))
    )
    head, mark, _ = MEASURED.read_text(encoding="utf-8").partition("MEASURED = [\n")
    MEASURED.write_text(head + mark + "".join(rows) + "]\n", encoding="utf-8")


def table() -> None:
    """Print the best run of each text, size and work."""
    best: dict[tuple[str, int, float], dict[str, Any]] = {}
    for result in newest():
        key = result["text"], result["characters"], result["work"]
        if key not in best or result["best"] < best[key]["best"]:
            best[key] = result
    print("the best run of each text, size and work")
    for key in sorted(best):
        print(row(best[key]))


if __name__ == "__main__":
    main()
