"""A run is found under each of its names, and stands for its best checkpoint."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.config.run_config import ModelConfig
from charrnn.errors import CheckpointError
from charrnn.storage.checkpoint import Checkpoint, write
from charrnn.storage.find_run import all_runs, find_checkpoint, find_run, half_removed_runs
from charrnn.storage.run import Run
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

MODEL = ModelConfig(hidden_size=1, num_layers=1, embedding_size=1)
WEIGHTS = {name: np.zeros(shape, np.float32) for name, shape in shapes(MODEL, 2).items()}


def run_of(losses: dict[int, float | None], name: str) -> Run:
    """A run under checkpoints/, with checkpoints of these steps and validation losses."""
    run = Run(Path("checkpoints") / name)
    run.path.mkdir(parents=True)
    run.config.write_text("seed: 0\n")
    for step, loss in losses.items():
        about = {"step": step, "val_loss": loss}
        write(run.step(step), Checkpoint(Vocabulary("char", "ab"), MODEL, WEIGHTS, 0, about))
    return run


def refusal(call: Callable[..., object], *args: Any) -> str:
    """The message of the CheckpointError that a call raises."""
    with pytest.raises(CheckpointError) as caught:
        call(*args)
    return str(caught.value)


@pytest.fixture
def runs(here: Path) -> dict[str, Run]:
    """Three runs; tales saved last, though its name is neither first nor last; drafts has no
    checkpoint."""
    by_name = {
        "poems": run_of({1: 2.0, 2: 1.0, 3: 1.5}, "poems"),
        "tales": run_of({5: None, 6: None}, "tales"),
        "verses": run_of({9: 1.0}, "verses"),
    }
    for name, age in (("tales", 1), ("verses", 2), ("poems", 3)):
        for path in by_name[name].steps():
            os.utime(path, (1e9 - age, 1e9 - age))
    run_of({}, "drafts")
    return by_name


def test_runs_are_listed_most_recently_saved_first(runs: dict[str, Run]) -> None:
    assert [run.path.name for run in all_runs()] == ["tales", "verses", "poems"]
    os.utime(runs["poems"].step(2), (2e9, 2e9))
    assert [run.path.name for run in all_runs()] == ["poems", "tales", "verses"]
    assert all_runs("nowhere") == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (None, "checkpoints/tales/step-00000006"),  # the newest run; it has no validation losses
        ("poems", "checkpoints/poems/step-00000002"),  # a name: its best
        ("checkpoints/poems", "checkpoints/poems/step-00000002"),  # a run's directory
        (Path("checkpoints/poems/"), "checkpoints/poems/step-00000002"),
        # a step's directory
        ("checkpoints/poems/step-00000003", "checkpoints/poems/step-00000003"),
        ("poems/step-00000001", "checkpoints/poems/step-00000001"),
        ("./checkpoints/../checkpoints/tales", "checkpoints/../checkpoints/tales/step-00000006"),
    ],
)
def test_a_run_is_found_under_each_of_its_names(
    runs: dict[str, Run], name: str | Path | None, found: str
) -> None:
    assert str(find_checkpoint(name)) == found


def test_a_run_is_found_from_elsewhere(
    runs: dict[str, Run], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert (
        find_checkpoint(here / "checkpoints" / "poems") == here / "checkpoints/poems/step-00000002"
    )
    assert (
        find_checkpoint("poems", here / "checkpoints") == here / "checkpoints/poems/step-00000002"
    )
    assert find_checkpoint(None, here / "checkpoints") == here / "checkpoints/tales/step-00000006"


def test_a_copied_checkpoint_is_found_under_any_name(runs: dict[str, Run], here: Path) -> None:
    runs["poems"].step(3).rename("my-model")
    assert find_checkpoint("my-model") == Path("my-model")


def test_runs_without_a_checkpoint_are_listed_last_on_request(runs: dict[str, Run]) -> None:
    (Path("checkpoints/drafts") / "config.yaml").write_text(
        "corpus: [a.txt]\nhidden_size: 8\nsteps: 4\n"
    )
    (Path("checkpoints/drafts") / "metrics.jsonl").touch()
    listed = [run.path.name for run in all_runs(without_checkpoint=True)]
    assert listed == ["tales", "verses", "poems", "drafts"]


def test_a_run_is_found_to_be_removed_but_not_its_checkpoint(runs: dict[str, Run]) -> None:
    assert find_run("poems") == find_run("checkpoints/poems") == runs["poems"]
    runs["poems"].path.rename(runs["poems"].half_removed)
    assert find_run("poems") == runs["poems"]
    assert half_removed_runs() == [runs["poems"]]
    assert refusal(find_run, "tales/step-00000005") == (
        "checkpoints/tales/step-00000005 is a checkpoint, not a run; "
        "give checkpoints/tales for the whole run"
    )
    assert (
        refusal(find_run, "peoms") == "there is no run 'peoms'; runs in checkpoints: tales, verses"
    )
    assert refusal(find_run, "x" * 5000) == (
        f"there is no run {'x' * 200!r}; runs in checkpoints: tales, verses"
    )


def test_what_is_left_of_a_removed_run_is_not_listed_once_a_new_one_has_its_name(
    runs: dict[str, Run],
) -> None:
    runs["poems"].path.rename(runs["poems"].half_removed)
    new = run_of({1: 2.0}, "poems")
    assert half_removed_runs() == []
    assert find_run("poems") == new
    for path in new.steps():
        path.rename("model")
    assert refusal(find_run, "poems") == (
        "checkpoints/poems is not a run: it has no checkpoint and no configuration of charrnn; "
        "give the name or directory of a run"
    )


def test_an_unknown_run_is_refused_with_a_list_of_runs(runs: dict[str, Run]) -> None:
    message = "there is no run or checkpoint 'peoms'; runs in checkpoints: tales, verses, poems"
    assert refusal(find_checkpoint, "peoms") == message
    assert (
        refusal(find_checkpoint, "peoms", "nowhere")
        == "there is no run or checkpoint 'peoms'; runs in nowhere: none"
    )


@pytest.mark.parametrize("name", ["drafts", "checkpoints/drafts"])
def test_a_run_without_a_checkpoint_says_so(runs: dict[str, Run], name: str) -> None:
    assert (
        refusal(find_checkpoint, name)
        == "the run checkpoints/drafts has no checkpoint yet; wait for its first one, or start it again with `overwrite=True`"
    )


def test_without_any_run_the_error_names_the_directory(here: Path) -> None:
    advice = "train one with `charrnn train FILE`, or give the directory of a run"
    assert refusal(find_checkpoint) == f"there are no runs in {here / 'checkpoints'}; {advice}"
    assert (
        refusal(find_checkpoint, None, "elsewhere")
        == f"there are no runs in {here / 'elsewhere'}; {advice}"
    )
