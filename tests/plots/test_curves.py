"""Curves are read as far as the files of a run can be."""

import json
import shutil
from pathlib import Path

import pytest

from charrnn.errors import CheckpointError
from charrnn.plots.curves import read_curves
from charrnn.storage.run import Run

LINES = [
    {"step": 1, "learning_rate": 0.1, "train_loss": 3.0, "grad_norm": 1.0, "val_loss": None},
    {"step": 2, "learning_rate": 0.2, "train_loss": 2.0, "grad_norm": 1.0, "val_loss": 2.5},
    {"step": 2, "final_val_loss": 2.4, "characters": 90},
]  # fmt: skip


def write(path: Path, lines: list[dict], more: str = "") -> Run:
    path.mkdir()
    text = "".join(f"{json.dumps(line)}\n" for line in lines) + more
    (path / "metrics.jsonl").write_text(text)
    (path / "config.yaml").write_text("batch_size: 4\nsequence_length: 20\n")
    return Run(path)


def test_a_run_without_a_checkpoint_has_its_losses(tmp_path: Path) -> None:
    curves = read_curves(write(tmp_path / "run", LINES))
    assert (curves.name, curves.characters) == ("run", 80)
    assert curves.train == [(1, 3.0), (2, 2.0)]
    assert curves.val == [(2, 2.5)]
    assert curves.rates == [(1, 0.1), (2, 0.2)]
    assert (curves.best, curves.yardstick) == (None, None)
    assert curves.notices == ["run: no checkpoint yet, so no best step is marked"]


@pytest.mark.parametrize(
    "damage",
    ['{"step": 3, "train_l\n', "\0\0\n", '{"step": 3, "train_loss": "x"}\n', "[]\n", '{"step": -1}\n', '{"step": 3, "train_loss": 1e999}\n'],
)  # fmt: skip
def test_damaged_lines_are_skipped_and_counted(damage: str, tmp_path: Path) -> None:
    curves = read_curves(write(tmp_path / "run", LINES[:1], damage))
    assert curves.train == [(1, 3.0)]
    assert curves.notices[:2] == [
        f"{tmp_path}/run/metrics.jsonl: skipped 1 damaged line",
        "run: no validation, so only its training loss is shown",
    ]


def test_the_best_step_and_the_baseline_come_from_the_checkpoint(tmp_path: Path) -> None:
    golden = Path(__file__).parent.parent / "reliability/golden/format-3/checkpoints/run"
    shutil.copytree(golden, tmp_path / "run")
    curves = read_curves(Run(tmp_path / "run"))
    assert curves.best is not None
    assert curves.best[0] == 6
    assert curves.yardstick is not None
    assert curves.characters > 1
    assert curves.notices == []


@pytest.mark.parametrize("lines", [[], LINES[2:]])
def test_a_run_without_a_loss_is_an_error(lines: list[dict], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has no training loss yet"):
        read_curves(write(tmp_path / "run", lines))
