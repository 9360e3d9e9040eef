"""R26: a model of each released format loads for ever, gives the same logits and writes the same
text.

``golden/format-N`` was written by the first version that wrote that format (``make_golden.py``
there); never again.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.training.start import launch

GOLDEN = sorted((Path(__file__).parent / "golden").glob("format-*"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_model_of_an_old_format_does_what_it_did(path: Path, tally: Any) -> None:
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
def test_a_run_of_an_old_format_is_gone_on_with(path: Path, here: Path) -> None:
    import shutil

    shutil.copytree(path / "checkpoints", here / "checkpoints")
    shutil.copy(path / "corpus.txt", here)
    trainer = launch({"name": "run", "steps": 8, "threads": 1}, resume=True)
    assert [report.step for report in trainer.run() if report.final is None] == [7, 8]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_story_of_an_old_format_is_continued(path: Path) -> None:
    """``story.state`` was saved after 20 characters at temperature 1 with seed 3, and then reduced to
    the settings of an early version: without dry and min-p."""
    model = charrnn.load(path / "checkpoints" / "run")
    prompt = json.loads((path / "expected.json").read_bytes())["prompt"]
    story = model.generate(prompt, length=60, seed=3, temperature=1.0)
    assert model.load_session(path / "story.state").write(40) == story[20:]


def test_there_is_one_of_the_present_format() -> None:
    assert f"format-{charrnn.storage.checkpoint.FORMAT}" in [path.name for path in GOLDEN]
