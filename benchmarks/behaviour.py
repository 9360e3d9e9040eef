"""Hashes of what charrnn trains and writes, to show that a change of the code did not change its
behaviour.

    python benchmarks/behaviour.py > before.txt        # at the old commit
    python benchmarks/behaviour.py | diff before.txt - # after the change, on the same machine

Each line is a name and a SHA-256: of the weights and the trainer's state after 60 steps, for every
cell, one and three layers, with dropout and with records; of 2,000 sampled characters, free,
constrained, guarded and as records; and of the flags of every command. Floating-point results
differ between machines, versions of PyTorch and thread counts, so lines are only compared on one
machine.
"""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import charrnn
from charrnn.generation.constraints.forms import Contains, Lines, Match, Without

ROOT = Path(__file__).resolve().parent.parent
KNOBS: dict[str, Any] = {
    "steps": 60,
    "hidden_size": 32,
    "embedding_size": 16,
    "threads": 1,
    "device": "cpu",
    "precision": "fp32",
}
RUNS: dict[str, dict[str, Any]] = {
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "rnn": {"cell": "rnn"},
    "one-layer": {"num_layers": 1},
    "three-layers": {"num_layers": 3, "dropout": 0.3},
    "no-window": {"copy_window": None, "dropout": 0.5},
    "bytes": {"unit": "byte"},
}
RECORDS: dict[str, dict[str, Any]] = {
    "records": {"separator": "\n"},
    "records-gru": {"separator": "\n", "cell": "gru", "copy_window": 512},
}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def show(name: str, data: bytes | str) -> None:
    print(f"{name:32} {sha256(data.encode() if isinstance(data, str) else data)}", flush=True)


def trained(name: str, text: str, knobs: dict[str, Any]) -> charrnn.TextModel:
    """Train a run, stopped after 25 steps and resumed, and show the content of its last checkpoint."""
    settings = KNOBS | {"num_layers": 2, "dropout": 0.1} | knobs

    def stop(report: Any) -> bool:
        return bool(report.step < 25)

    charrnn.train(text=text, name=name, on_report=stop, **settings)
    charrnn.train(text=text, name=name, resume=True)
    last = sorted(Path("checkpoints", name).glob("step-*"))[-1]
    for file in ("model.safetensors", "trainer.safetensors", "trainer.json", "config.json"):
        show(f"{name} {file}", (last / file).read_bytes())
    show(f"{name} metrics.jsonl", Path("checkpoints", name, "metrics.jsonl").read_bytes())
    return charrnn.load(last)


def sampled(name: str, model: charrnn.TextModel) -> None:
    """Show what a model of continuous text writes."""
    show(f"{name} free", model.generate(length=2000, seed=1))
    show(
        f"{name} cold",
        model.generate(
            "The ", length=2000, seed=1, temperature=0.5, top_k=20, top_p=0.9, min_p=0.01, dry=0.5
        ),
    )
    show(f"{name} score", model.score("The ferry is late again.").tobytes())
    session = model.session("The ", seed=3)
    story = session.write(500) + session.write(500, until="line")
    show(f"{name} session", story + session.undo().write(300))
    if model.vocabulary.unit == "char":
        constraint = Lines(40, 10, 60) & Contains("the") & Without("q")
        show(
            f"{name} constrained",
            model.generate(length=2400, seed=1, constraint=constraint, particles=4),
        )
        show(
            f"{name} matched",
            model.generate(length=200, seed=1, constraint=Match(r"[A-Z][a-z ,]+[.!?]")),
        )


def guarded(text: str) -> None:
    """Show what a model writes that may copy at most 8 characters."""
    Path("corpus.txt").write_text(text, encoding="utf-8")
    model = charrnn.train("corpus.txt", name="guarded", num_layers=1, **KNOBS)
    show("guarded", model.generate(length=2000, seed=1, max_copy=8, temperature=0.5))


def of_records(name: str, model: charrnn.TextModel) -> None:
    """Show what a model of records writes."""
    show(
        f"{name} records",
        "\n".join(record.text for record in model.records(150, seed=1, unique=True, new=True)),
    )
    show(
        f"{name} constrained",
        "\n".join(record.text for record in model.records(5, seed=1, constraint=Contains("e"))),
    )


def main() -> None:
    plays = (ROOT / "corpora/plays.txt").read_text(encoding="utf-8")[:40_000]
    places = (ROOT / "corpora/places.txt").read_text(encoding="utf-8")[:20_000]
    show("reference.md", (ROOT / "docs/reference.md").read_bytes())
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
        for name, knobs in RUNS.items():
            sampled(name, trained(name, plays, knobs))
        for name, knobs in RECORDS.items():
            of_records(name, trained(name, places, knobs))
        guarded(plays)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
