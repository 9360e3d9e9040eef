"""What `charrnn train --from` gains: training further on another text, compared with a new model.

    python benchmarks/finetuning.py --data DIRECTORY
    python benchmarks/finetuning.py --data DIRECTORY --only "penn shakespeare"

For each pair of texts, a base is trained on the first and kept in --bases. For each size of the
second text, runs of the same number of steps begin with a new model, or with the base at several
learning rates, and once with a fifth of each batch from the base's text (`--rehearse 0.2`); all have 2 x 256 units and the dropout that the autopilot chooses. The loss is that
on the 50,000 characters (or as many as the text has, if fewer) after the target, by the best of ten
validations. "Steps" is the first validation at which a run is as good as the new model's best.
`old` is the loss on 20,000 characters of the base's text that no run has trained on.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import charrnn
from charrnn.advice.similar_runs import suited_dropout
from charrnn.config.examples import example_path
from charrnn.errors import VocabularyError
from charrnn.storage.run import Run
from ledger import RECIPE, Ledger
from machine import describe
from texts import DATA, TEXTS

LEDGER = Ledger("finetuning")
HELD_OUT = 50_000
STEP = 16 * 64  # characters
BASE_CHARACTERS = 4_000_000
BASE_STEPS = 8_000
VALIDATIONS = 10
RATES = (5e-4, 1e-3, 2e-3, 4e-3)
# Characters of a target, and steps.
SIZES = {6_000: 500, 20_000: 1_000, 100_000: 3_000, 900_000: 6_000}
PAIRS = (
    ("penn", "shakespeare"),
    ("shakespeare", "penn"),
    ("python", "package"),
    ("shakespeare", "fables"),
    ("shakespeare", "plays"),
    ("plays", "places"),
)
BUNDLED = ("fables", "plays", "places")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--bases", type=Path, default=Path("/tmp/charrnn-bases"))
    parser.add_argument("--only", default="", help="run only the cases with these words")
    args = parser.parse_args()
    print(describe())
    for first, second in PAIRS:
        for size, steps in SIZES.items():
            for rate, rehearse in ((None, 0.0), *((rate, 0.0) for rate in RATES), (2e-3, 0.2)):
                case = {
                    "base": first, "text": second, "characters": size, "steps": steps,
                    "learning_rate": rate, "rehearse": rehearse, "recipe": RECIPE,
                }  # fmt: skip
                if not all(word in json.dumps(case) for word in args.only.split()):
                    continue
                if size + min(HELD_OUT, size) > len(text_of(args.data, second)):
                    continue
                result = LEDGER.find(**case)
                if result is None:
                    result = case | run(args.data, args.bases, case) | {"machine": describe()}
                    LEDGER.append(result)
                print(json.dumps(result), flush=True)
    table()


def text_of(data: Path, name: str) -> str:
    """A text; the last tenth of each, on which other benchmarks report figures, is not used."""
    if name in BUNDLED:
        whole = example_path(name).read_text(encoding="utf-8")
    elif name == "package":
        whole = TEXTS["python"](data)[12_000_000:14_000_000]
    else:
        whole = TEXTS[name](data)[:BASE_CHARACTERS]
    return whole[: int(0.9 * len(whole))]


def base_of(data: Path, bases: Path, name: str) -> Path:
    """The directory of a model of a text, trained if it is not there."""
    run = bases / name
    if not run.exists():
        bases.mkdir(exist_ok=True)
        path = bases / f"{name}.txt"
        path.write_text(text_of(data, name)[:-HELD_OUT], encoding="utf-8", newline="")
        charrnn.train(
            path, steps=BASE_STEPS, num_layers=2, hidden_size=256,
            dropout=0.1, val_fraction=0.02, name=name, runs_dir=bases, threads=1,
        )  # fmt: skip
    return Run(run).best()


def run(data: Path, bases: Path, case: dict[str, Any]) -> dict[str, Any]:
    whole = text_of(data, case["text"])
    size = case["characters"]
    held_out = min(HELD_OUT, size)
    text = whole[: size + held_out]
    passes = case["steps"] * STEP / size
    losses: list[tuple[int, float]] = []

    def follow(report: Any) -> None:
        if report.val_loss is not None:
            losses.append((report.step, report.val_loss))

    knobs: dict[str, Any] = {
        "steps": case["steps"], "val_fraction": held_out / len(text), "dropout": suited_dropout(size, passes),
        "eval_every": case["steps"] // VALIDATIONS, "save_every": None, "sample_every": None, "patience": None,
        "name": f"{case['base']}-{case['text']}", "runs_dir": bases / "runs", "threads": 1, "overwrite": True,
    }  # fmt: skip
    if case["learning_rate"] is None:
        knobs |= {"num_layers": 2, "hidden_size": 256}
    else:
        knobs |= {
            "base": base_of(data, bases, case["base"]),
            "learning_rate": case["learning_rate"],
            "rehearse": case["rehearse"],
        }
    begin = time.perf_counter()
    model = charrnn.train(text=text, on_report=follow, **knobs)
    seconds = time.perf_counter() - begin
    lineage = model.about["from"] or {}
    return {
        "losses": losses,
        "loss": min(loss for _, loss in losses),
        "before": lineage.get("val_loss"),
        "old": old_loss(data, bases, case, model),
        "seconds": round(seconds),
    }


def old_loss(data: Path, bases: Path, case: dict[str, Any], model: charrnn.TextModel) -> Any:
    """The loss on the base's text, if the model knows its characters."""
    text = text_of(data, case["base"])[-20_000:]
    try:
        return -float(model.score(text).mean())
    except VocabularyError:
        return None


def table() -> None:
    print("\nbase -> text, characters: new model; base as it is; then with each learning rate")
    results = LEDGER.results()
    keys = dict.fromkeys((r["base"], r["text"], r["characters"]) for r in results)
    for base, text, characters in keys:
        rows = {
            (r["learning_rate"], r["rehearse"]): r
            for r in results
            if (r["base"], r["text"], r["characters"]) == (base, text, characters)
        }
        new = rows.pop((None, 0.0), None)
        if new is None:
            continue
        parts = []
        for (rate, rehearse), row in rows.items():
            reached = [step for step, loss in row["losses"] if loss <= new["loss"]]
            as_good = f"step {reached[0]:,}" if reached else "never"
            kind = f"{rate:g}, rehearse {rehearse:g}" if rehearse else f"{rate:g}"
            parts.append(
                f"{kind}: {row['loss']:.4f} ({row['loss'] / new['loss'] - 1:+.1%}, as good at {as_good}, "
                f"old {row['old'] or 0:.3f}, before {row['before']:.4f})"
            )
        print(
            f"{base} -> {text} {characters:,}: {new['loss']:.4f} after {new['steps']:,}; "
            + "; ".join(parts)
        )


if __name__ == "__main__":
    main()
