"""R26: a model in any released format always loads, gives the same logits and writes the same text.

``golden/format-N`` was written once, by the first version with that format (``make_golden.py``
there).
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.manifest import COUNTS
from charrnn.storage.run import Run
from charrnn.training.start import launch

GOLDEN = sorted((Path(__file__).parent / "golden").glob("format-*"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_model_in_an_old_format_gives_the_same_logits_and_text(path: Path, tally: Any) -> None:
    expected = json.loads((path / "expected.json").read_bytes())
    model = charrnn.load(path / "checkpoints" / "run")
    state = model.network.zero_state()
    for idx, logits in zip(
        model.vocabulary.encode(expected["prompt"]), expected["logits"], strict=True
    ):
        found, state = model.network.step(int(idx), state)
        np.testing.assert_allclose(found, logits, atol=1e-4)
    assert (
        model.generate(expected["prompt"], length=len(expected["text"]), temperature=0)
        == expected["text"]
    )
    tally(1, "old formats that load")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_run_in_an_old_format_can_be_resumed(path: Path, here: Path) -> None:
    shutil.copytree(path / "checkpoints", here / "checkpoints")
    shutil.copy(path / "corpus.txt", here)
    trainer = launch({"name": "run", "steps": 8, "threads": 1}, resume=True)
    assert [report.step for report in trainer.run() if report.final is None] == [7, 8]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_story_of_an_old_format_is_continued(path: Path) -> None:
    """``story.state`` was saved after 20 characters at temperature 1 with seed 3. That of format 2 was
    then reduced to the settings of an early version: without dry and min-p."""
    model = charrnn.load(path / "checkpoints" / "run")
    prompt = json.loads((path / "expected.json").read_bytes())["prompt"]
    story = model.generate(prompt, length=60, seed=3, temperature=1.0)
    assert model.load_session(path / "story.state").write(40) == story[20:]


def test_a_model_from_before_there_were_counts_has_none(here: Path) -> None:
    shutil.copytree(GOLDEN[0] / "checkpoints", here / "checkpoints")
    shutil.copy(GOLDEN[0] / "corpus.txt", here)
    run = Run(here / "checkpoints/run")
    old = checkpoints.read(run.steps()[-1])
    assert (old.model.counts, old.table, old.counts) == (None, None, None)
    assert json.loads((run.steps()[-1] / "config.json").read_bytes())["format"] == 2
    trainer = launch({"name": "run", "steps": 7, "threads": 1}, resume=True)
    list(trainer.run())
    new = checkpoints.read(run.step(7))
    assert (new.model.counts, new.table) == (None, None)
    assert new.weights.keys() == old.weights.keys()
    assert COUNTS not in [file.name for file in run.step(7).iterdir()]


def test_the_model_of_format_3_has_counts() -> None:
    (path,) = [path for path in GOLDEN if path.name == "format-3"]
    model = charrnn.load(path / "checkpoints" / "run")
    assert model.network.mixer is not None
    assert len(model.network.mixer.table.contexts) > 50


def test_there_is_a_run_in_the_current_format() -> None:
    assert f"format-{charrnn.storage.checkpoint.FORMAT}" in [path.name for path in GOLDEN]
