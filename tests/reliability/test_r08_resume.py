"""R8: a run that was stopped or killed anywhere and resumed leaves the same bytes as an
uninterrupted one. R9: watching a run changes nothing. R10: the same seed gives the same bytes.
"""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.storage.manifest import COUNTS

N = 12
TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
BASE_TEXT = (
    "W\u00e4hrend die Uhr schl\u00e4gt, l\u00e4utet die Glocke des Turmes ein zweites Mal.\n" * 9
)
# Knobs that a run takes over from the one it continues from.
OF_A_BASE = ("cell", "hidden_size", "num_layers", "embedding_size", "copy_window", "counts")
# TEXT has 924 characters, 832 of them for training: 4 lanes of 208, 10 chunks of 20 per epoch
KNOBS = {
    "corpus": ["corpus.txt"], "name": "run", "steps": N, "batch_size": 4, "sequence_length": 20, "hidden_size": 8, "num_layers": 2,
    "embedding_size": 4, "dropout": 0.1, "learning_rate": 0.01, "report_every": 4, "eval_every": 3, "save_every": None,
    "sample_every": None, "threads": 1, "keep": 2,
}  # fmt: skip


def prepare(where: Path) -> str:
    """Create a directory that contains the corpus."""
    where.mkdir(parents=True)
    (where / "corpus.txt").write_text(TEXT)
    return str(where)


def with_base(rng: random.Random, places: list[Path], knobs: dict[str, Any], processes: Any) -> Any:
    """The same knobs for a run that continues from another, which is trained in each directory."""
    of_base = {
        "name": "base",
        "steps": 3,
        "corpus": ["base.txt"],
        "eval_every": None,
        "save_every": None,
        "patience": None,
    }
    for where in places:
        (where / "base.txt").write_text(BASE_TEXT)
        processes.run(cwd=str(where), knobs=knobs | of_base)
    further = {name: value for name, value in knobs.items() if name not in OF_A_BASE}
    return further | {"base": "base", "rehearse": rng.choice([0.0, 0.25])}


def outcome(where: Path, step: int = N) -> dict[str, bytes]:
    """Everything that a run leaves at its last step, and the text that the model generates."""
    path = where / "checkpoints/run" / f"step-{step:08d}"
    names = ("model.safetensors", "trainer.safetensors", "trainer.json", "config.json")
    files = {name: (path / name).read_bytes() for name in names}
    if (path / COUNTS).exists():
        files[COUNTS] = (path / COUNTS).read_bytes()
    files["metrics.jsonl"] = (where / "checkpoints/run/metrics.jsonl").read_bytes()
    files["sample"] = charrnn.load(path).generate(length=40, seed=1).encode()
    return files


def random_knobs(rng: random.Random) -> dict[str, Any]:
    """The knobs of a random run."""
    return KNOBS | {
        "cell": rng.choice(["lstm", "gru", "rnn"]),
        "num_layers": rng.choice([1, 2, 3]),
        "dropout": rng.choice([0.0, 0.3]),
        "copy_window": rng.choice([None, 50, 8192]),
        "counts": rng.choice([None, 1, 2]),
        "separator": rng.choice([None, " "]),
        "clip_norm": rng.choice([None, 0.5]),
        "precision": rng.choice(["fp32", "auto"]),
        "eval_every": rng.choice([None, 1, 3, 5]),
        "save_every": rng.choice([None, 1, 2, 5]),
        "patience": rng.choice([None, 2]),
        "report_every": rng.choice([1, 4, 7]),
        "seed": rng.randrange(1000),
    }


@pytest.mark.counted(60)
def test_a_run_interrupted_anywhere_ends_in_the_same_bytes(
    tries: int, tmp_path: Path, processes: Any, tally: Any
) -> None:
    rng = random.Random(8)
    interrupted = 0
    continued = 0
    for number in range(tries):
        knobs, k, killed = random_knobs(rng), rng.randrange(1, N), bool(number % 2)
        if killed:
            knobs["save_every"] = rng.choice([1, 2, 3])
            k = max(k, knobs["save_every"])  # otherwise there is nothing to resume
        whole, broken = tmp_path / f"{number}/whole", tmp_path / f"{number}/broken"
        prepare(whole)
        prepare(broken)
        has_base = number % 3 == 2
        if has_base:
            knobs = with_base(rng, [whole, broken], knobs, processes)
        processes.run(cwd=str(whole), knobs=knobs)
        # patience may end it
        end = max(
            int(path.name.removeprefix("step-"))
            for path in (whole / "checkpoints/run").glob("step-*")
        )
        first = processes.run(
            cwd=str(broken), knobs=knobs, **{"kill_at" if killed else "stop_at": min(k, end)}
        )
        assert first in ({"killed": True}, {"steps": min(k, end)})
        if (
            not killed
            and min(k, end) == end
            and (broken / "checkpoints/run" / f"step-{end:08d}").exists()
            and is_finished(broken)
        ):
            continue  # it was already finished
        if has_base:
            shutil.rmtree(broken / "checkpoints/base")  # a run needs its base only to begin
        resumed_with = {"name": "run"} if has_base or number % 4 < 2 else knobs
        processes.run(cwd=str(broken), knobs=resumed_with, resume=True)
        assert outcome(broken, end) == outcome(whole, end), (knobs, k, killed)
        interrupted += 1
        continued += has_base
        shutil.rmtree(tmp_path / str(number))
    assert interrupted > tries / 2
    tally(
        interrupted,
        f"runs interrupted by a stop or a kill, and resumed bit for bit, {continued} of them "
        "continued from another",
    )


def is_finished(where: Path) -> bool:
    """Whether the run has computed its final loss."""
    lines = (where / "checkpoints/run/metrics.jsonl").read_text().splitlines()
    return bool(lines) and "final_val_loss" in json.loads(lines[-1])


def test_ten_interruptions_of_one_run_leave_no_trace(
    tmp_path: Path, processes: Any, tally: Any
) -> None:
    rng = random.Random(10)
    for cell in ("lstm", "gru"):
        knobs = KNOBS | {"cell": cell, "dropout": 0.3, "save_every": 1, "patience": None}
        whole, broken = tmp_path / cell / "whole", tmp_path / cell / "broken"
        processes.run(cwd=prepare(whole), knobs=knobs)
        prepare(broken)
        for k in range(1, 11):
            processes.run(
                cwd=str(broken),
                knobs=knobs,
                resume=k > 1,
                **{rng.choice(["stop_at", "kill_at"]): k},
            )
        processes.run(cwd=str(broken), knobs=knobs, resume=True)
        assert outcome(broken) == outcome(whole)
    tally(20, "interruptions, ten in each of two runs")


WATCHING: list[dict[str, Any]] = [
    {"report_every": 1}, {"report_every": 100}, {"eval_every": None}, {"eval_every": 1}, {"eval_every": 5}, {"save_every": 1},
    {"save_every": 5}, {"sample_every": 1}, {"sample_every": 5}, {"keep": 1}, {"keep": 9}, {"on_save_error": "continue"},
]  # fmt: skip


@pytest.mark.counted(3)
def test_watching_a_run_changes_nothing(
    tries: int, tmp_path: Path, processes: Any, tally: Any
) -> None:
    watching = WATCHING if tries > 1 else WATCHING[::3]
    for seed in range(tries):
        weights = set()
        for number, knobs in enumerate([{}, *watching]):
            where = tmp_path / f"{seed}-{number}"
            processes.run(
                cwd=prepare(where),
                knobs=KNOBS | {"seed": seed, "dropout": 0.3, "patience": None} | knobs,
            )
            weights.add(outcome(where)["model.safetensors"])
        assert len(weights) == 1
    tally(tries * len(watching), "ways to watch a run that change nothing")


@pytest.mark.counted(20)
def test_the_same_seed_gives_the_same_bytes_and_another_different_ones(
    tries: int, tmp_path: Path, processes: Any, tally: Any
) -> None:
    found = []
    for seed in range(tries):
        pair = []
        for twin in "ab":
            processes.run(
                cwd=prepare(tmp_path / f"{seed}{twin}"),
                knobs=KNOBS | {"seed": seed, "dropout": 0.3},
            )
            pair.append(outcome(tmp_path / f"{seed}{twin}"))
        assert pair[0] == pair[1]
        found.append(pair[0]["model.safetensors"])
    assert len(set(found)) == tries
    tally(tries, "seeds, each trained twice to the same bytes")
