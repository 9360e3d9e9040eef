"""Where a resumed run ends: in the minutes it was given, and bit for bit where it would have."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charrnn.config.yaml import read_yaml
from charrnn.errors import CheckpointError, ResumeError
from charrnn.storage import checkpoint as checkpoints
from charrnn.training import resumed_end
from charrnn.training.start import launch
from charrnn.training.time_budget import EXIT, Allowance, TimeBudget
from charrnn.training.timing import Timing
from charrnn.training.trainer import Report, Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
KNOBS: dict[str, Any] = {
    "name": "run", "steps": 12, "batch_size": 4, "sequence_length": 40, "hidden_size": 8, "num_layers": 1, "embedding_size": 4,
    "dropout": 0.3, "learning_rate": 0.01, "report_every": 4, "eval_every": 4, "save_every": 4, "sample_every": None, "patience": None,
    "threads": 1, "device": "cpu", "precision": "fp32",
}  # fmt: skip
SECONDS = 25 + EXIT
RUN = Path("checkpoints/run")


def budgeted(resume: bool = False, **knobs: Any) -> Trainer:
    """A run of 25 seconds that takes a second for a step, of which 12 were planned."""
    given = {"name": "run"} if resume else KNOBS
    run = launch(given | knobs, text=TEXT, resume=resume)
    now = float(run.step)
    allowance = Allowance(
        SECONDS, now, step_seconds=1.0, pause_seconds=0.0, final_steps=0.0, most_steps=None
    )
    run.budget = TimeBudget(allowance, now, clock=lambda: float(run.step))
    return run


def train(run: Trainer, stop_at: int | None = None) -> list[Report]:
    reports = []
    for report in run.run():
        reports.append(report)
        if report.step == stop_at:
            run.stop_requested = True
    return reports


def stored(step: int) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((RUN / f"step-{step:08d}/trainer.json").read_text())
    return values


def outcome() -> dict[str, bytes]:
    """The bytes of the last checkpoint, the metrics and the configuration."""
    step = RUN / "step-00000025"
    names = ("model.safetensors", "trainer.safetensors", "config.json")
    files = {name: (step / name).read_bytes() for name in names}
    files["metrics"] = (RUN / "metrics.jsonl").read_bytes()
    return files


@pytest.fixture
def whole(here: Path) -> dict[str, bytes]:
    """The outcome of a run that was not interrupted; its directory is free again."""
    train(budgeted())
    files = outcome()
    shutil.rmtree(RUN)
    return files


def test_the_end_moves_with_a_checkpoint_and_is_stored_in_it(here: Path) -> None:
    reports = train(budgeted(keep=99))
    # after a second, 24 of the 25 are left, so a checkpoint is saved to move the end
    assert [(report.step, report.steps) for report in reports[:2]] == [(1, 25), (2, 25)]
    assert reports[-1].step == 25
    assert stored(1)["schedule"] == [[0, 12], [1, 25]]
    assert stored(1)["budget"] == {
        "seconds": SECONDS,
        "spent": 1.0,
        "step_seconds": 1.0,
        "pause_seconds": 0.0,
        "final_steps": 0.0,
        "most_steps": None,
        "before": 0.0,
    }
    about = json.loads((RUN / "step-00000001/config.json").read_text())["about"]
    assert about["steps"] == 25
    assert about["minutes"] == SECONDS / 60


def test_config_yaml_has_the_number_of_steps_that_were_made(here: Path) -> None:
    train(budgeted())
    assert read_yaml((RUN / "config.yaml").read_text(), "config.yaml")["steps"] == 25


def test_the_learning_rate_reaches_its_end_without_a_jump(here: Path) -> None:
    rates = [report.learning_rate for report in train(budgeted())[:-1]]
    assert rates[-1] < 0.03 * max(rates)
    assert rates == sorted(rates, reverse=True)


def test_a_decision_that_could_not_be_saved_is_not_made(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = budgeted(on_save_error="continue")
    write = checkpoints.write

    def fail_early(path: Path, checkpoint: Any) -> None:
        if run.step < 3:
            raise CheckpointError("the disk is full")
        write(path, checkpoint)

    monkeypatch.setattr(checkpoints, "write", fail_early)
    ends = [report.steps for report in train(run)]
    assert ends[:4] == [12, 12, 25, 25]


@pytest.mark.parametrize("stop_at", [1, 3, 8, 13, 24])
def test_a_stopped_run_ends_in_the_same_bytes(stop_at: int, whole: dict[str, bytes]) -> None:
    train(budgeted(), stop_at)
    train(budgeted(resume=True))
    assert outcome() == whole


class Killed(BaseException):
    """In place of SIGKILL."""


@pytest.mark.parametrize("killed_at", [4, 8, 12, 16, 20, 24])
@pytest.mark.parametrize("written", [False, True], ids=["before the save", "after the save"])
def test_a_run_killed_between_a_decision_and_its_save_ends_in_the_same_bytes(
    killed_at: int, written: bool, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = checkpoints.write

    def kill(path: Path, checkpoint: Any) -> None:
        if written:
            write(path, checkpoint)
        if checkpoint.about["step"] == killed_at:
            raise Killed
        if not written:
            write(path, checkpoint)

    monkeypatch.setattr(checkpoints, "write", kill)
    with pytest.raises(Killed):
        train(budgeted())
    monkeypatch.setattr(checkpoints, "write", write)
    train(budgeted(resume=True))
    assert outcome() == whole


def test_a_resumed_run_counts_the_seconds_already_spent(here: Path) -> None:
    train(budgeted(), stop_at=8)
    run = launch({"name": "run"}, text=TEXT, resume=True)
    assert run.steps == 25
    assert run.budget is not None
    assert run.budget.allowance.seconds == SECONDS
    assert 8.0 <= run.budget.spent < 8.0 + 60


# --- more minutes, or another number of steps ---


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that takes half a second for a step and nothing else."""
    timing = Timing(step=0.5, pause=0.0, final=0.0, threads=1)
    monkeypatch.setattr(resumed_end, "measure_speed", lambda *_: timing)
    monkeypatch.setattr("charrnn.training.resolve.time.monotonic", lambda: 0.0)


def resumed(**given: Any) -> tuple[Trainer, list[str]]:
    notices: list[str] = []
    run = launch({"name": "run"} | given, text=TEXT, resume=True, tell=notices.append, started=0.0)
    run.release()
    return run, notices


MORE = int((60 - EXIT) / 0.5)  # steps of half a second in a minute, less the time to exit


@pytest.mark.usefixtures("timed")
def test_minutes_at_the_end_of_a_run_are_more_minutes(here: Path) -> None:
    train(budgeted())
    run, notices = resumed(minutes=1.0)
    assert run.steps == 25 + MORE
    assert run.budget is not None
    assert run.budget.allowance.seconds == 60.0
    earlier = stored(25)["budget"]["spent"]
    assert run.checkpoint().about["minutes"] == (earlier + 60.0) / 60
    assert (
        f"the run will end at step {25 + MORE} instead of 25; the learning rate is that of a run of "
        f"{25 + MORE} steps"
    ) in notices


@pytest.mark.usefixtures("timed")
def test_the_minutes_of_an_unfinished_run_are_not_added_again(here: Path) -> None:
    train(budgeted(), stop_at=8)
    run, notices = resumed(minutes=SECONDS / 60)
    assert run.steps == 25
    assert "continuing with the 0.3 of 0.426667 minutes that are left" in notices
    assert resumed(minutes=1.0)[0].steps == 8 + MORE


def test_steps_replace_the_minutes(here: Path) -> None:
    train(budgeted(), stop_at=8)
    run, notices = resumed(steps=40)
    assert run.steps == 40
    assert run.budget is None
    assert (
        "the run will end at step 40 instead of 25; the learning rate is that of a run of 40 steps"
    ) in notices


def test_intervals_that_were_auto_fit_the_new_length(here: Path) -> None:
    auto = dict.fromkeys(("report_every", "eval_every", "save_every"), "auto")
    train(launch(KNOBS | auto | {"steps": 40}, text=TEXT))
    knobs = resumed(steps=400)[0].config.train
    assert (knobs.report_every, knobs.eval_every, knobs.save_every) == (4, 20, 20)


def test_intervals_that_were_given_stay(here: Path) -> None:
    train(launch(KNOBS, text=TEXT))
    knobs = resumed(steps=400)[0].config.train
    assert (knobs.report_every, knobs.eval_every, knobs.save_every) == (4, 4, 4)


def test_an_end_asked_for_and_not_reached_is_kept(here: Path) -> None:
    train(launch(KNOBS, text=TEXT))
    resumed(steps=40)
    assert resumed()[0].steps == 40


@pytest.mark.parametrize(
    "damage",
    [
        {"schedule": [[0]]},
        {"schedule": []},
        {"schedule": [["a", "b"]]},
        {"schedule": [[0, 9], [9, 9]]},
        {"budget": {}},
        {
            "budget": dict.fromkeys(
                ("seconds", "spent", "step_seconds", "pause_seconds", "final_steps", "most_steps"),
                0,
            )
        },
        {"budget": 7},
    ],
    ids=repr,
)
def test_an_invalid_end_is_an_error_that_names_the_checkpoint(
    damage: dict[str, Any], here: Path
) -> None:
    train(launch(KNOBS, text=TEXT), stop_at=4)
    path = RUN / "step-00000004"
    checkpoint = checkpoints.read(path, trainer=True)
    assert checkpoint.trainer is not None
    damaged = replace(checkpoint, trainer=checkpoint.trainer | damage)
    shutil.rmtree(path)
    checkpoints.write(path, damaged)
    with pytest.raises(ResumeError) as error:
        resumed()
    assert str(error.value) == (
        f"{path} cannot be resumed: its schedule or its minutes are invalid; move it away to resume "
        "from an earlier checkpoint"
    )


def test_a_saved_request_does_not_move_the_end(here: Path) -> None:
    run = budgeted()
    ends = []
    for report in run.run():
        ends.append(report.steps)
        if report.step == 5:
            assert run.budget is not None
            run.budget.allowance = replace(run.budget.allowance, seconds=100.0)
            run.budget.decided = 6.0
            run.save_requested = True
    # at step 6 the request is saved; the regular checkpoint at step 8 decides
    assert (RUN / "step-00000006").exists() or len(ends) > 8
    assert ends[5:8] == [25, 25, 99]


def test_a_run_that_stopped_early_needs_to_be_told_to_continue(here: Path) -> None:
    text = "ab" * 90 + "cd" * 10  # what is learned makes the validation text less likely
    knobs = KNOBS | {"steps": 60, "eval_every": 1, "patience": 1, "learning_rate": 0.05}
    stopped = train(launch(knobs, text=text))[-1].step
    for given, flags in (
        ({}, ""),
        ({"minutes": 2.5}, "--minutes 2.5 "),
        ({"steps": 90}, "--steps 90 "),
    ):
        with pytest.raises(ResumeError) as error:
            launch({"name": "run"} | given, text=text, resume=True)
        message = str(error.value)
        assert message.startswith(
            f"the run checkpoints/run stopped at step {stopped} of 60 because"
        )
        assert message.endswith(f"run `charrnn train --resume --name run {flags}--patience none`")
