"""A run is determined by its configuration, never saves a bad state, and documents itself in its
files."""

import errno
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

import charrnn
from charrnn.context_mixing.counted_text import Selected
from charrnn.context_mixing.counting import count_followers
from charrnn.errors import CheckpointError, DivergedError, ResumeError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.count_file import to_bytes
from charrnn.storage.manifest import COUNTS
from charrnn.storage.run import Run
from charrnn.training.evaluate import evaluate, load_model
from charrnn.training.lr_schedule import learning_rate
from charrnn.training.model import CELLS
from charrnn.training.start import launch
from charrnn.training.trainer import Report, Trainer

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
# 924 characters, 831 of them for training: 4 lanes of 207, 5 chunks of 40 per epoch
KNOBS = {
    "name": "run", "steps": 6, "batch_size": 4, "sequence_length": 40, "hidden_size": 8, "num_layers": 2, "embedding_size": 4,
    "dropout": 0.0, "learning_rate": 0.01, "patience": None, "eval_every": None, "save_every": None, "sample_every": None, "threads": 1,
    "device": "cpu", "precision": "fp32", "counts": 2,
}  # fmt: skip


# Training makes this validation text ever less likely: its symbols do not occur in the training part.
WORSENING = "ab" * 90 + "cd" * 10

cells = pytest.mark.parametrize("cell", CELLS)
pytestmark = pytest.mark.usefixtures("here", "one_thread")


def new(text: str = TEXT, **knobs: Any) -> Trainer:
    trainer = launch(KNOBS | knobs, text=text, overwrite=True)
    trainer.release()  # several trainers exist at once in these tests
    return trainer


def trained(text: str = TEXT, **knobs: Any) -> tuple[Trainer, list[Report]]:
    trainer = new(text, **knobs)
    return trainer, list(trainer.run())


def files() -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(Path("checkpoints/run").rglob("*"))
        if path.is_file()
    }


def metrics() -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in Path("checkpoints/run/metrics.jsonl").read_text().splitlines()
    ]


def steps_kept() -> list[str]:
    return [path.name for path in Run(Path("checkpoints/run")).steps()]


# A run is determined by its configuration


@cells
@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.bf16)])
def test_two_fresh_runs_give_the_same_bytes(cell: str, precision: str) -> None:
    knobs = {
        "cell": cell,
        "precision": precision,
        "dropout": 0.3,
        "eval_every": 2,
        "save_every": 3,
        "keep": 9,
    }
    trained(**knobs)
    first = files()
    trained(**knobs)
    assert files() == first
    # config.yaml, metrics.jsonl, and eight files for each of the steps 2, 3, 4 and 6
    assert len(first) == 2 + 4 * 8


@cells
def test_the_loss_of_a_periodic_text_falls_from_chance_to_almost_zero(cell: str) -> None:
    _, reports = trained(
        "abc\n" * 100, cell=cell, steps=60, learning_rate=0.05, sequence_length=20, counts=None
    )
    assert reports[0].loss == pytest.approx(math.log(4), abs=0.7)
    final = reports[-1].final
    assert final is not None
    assert final.characters == 40
    assert final.nats_per_character < 0.07


def test_a_step_reports_what_it_did() -> None:
    _, reports = trained()
    *steps, last = reports
    assert [(report.step, report.steps) for report in steps] == [(step, 6) for step in range(1, 7)]
    assert [report.learning_rate for report in steps] == [
        learning_rate(step, 6, 0.01) for step in range(6)
    ]
    assert all(math.isfinite(report.loss) and report.grad_norm > 0 for report in steps)
    assert (last.step, last.final is not None, last.train_loss, last.val_loss, last.saved) == (
        6,
        True,
        None,
        None,
        None,
    )


@cells
@pytest.mark.bf16
def test_bf16_stays_close_to_fp32(cell: str) -> None:
    losses = {
        precision: trained(cell=cell, precision=precision)[1][:6] for precision in ("fp32", "bf16")
    }
    for one, other in zip(losses["fp32"], losses["bf16"], strict=True):
        assert one.loss != other.loss
        assert one.loss == pytest.approx(other.loss, rel=0.01)


# metrics.jsonl


def test_a_line_is_written_for_every_report_with_a_mean() -> None:
    _, reports = trained(report_every=4, eval_every=3, steps=10)
    lined = [report for report in reports if report.train_loss is not None]
    assert [report.step for report in lined] == [3, 4, 6, 8, 9, 10]
    assert metrics()[:-1] == [
        {
            "step": report.step,
            "learning_rate": report.learning_rate,
            "train_loss": report.train_loss,
            "grad_norm": report.grad_norm,
            "val_loss": report.val_loss,
        }
        for report in lined
    ]
    assert [line["step"] for line in metrics()[:-1] if line["val_loss"] is not None] == [
        3,
        6,
        9,
        10,
    ]


def test_train_loss_is_the_mean_of_the_losses_since_the_previous_line() -> None:
    _, reports = trained(report_every=4, eval_every=3, steps=10)
    losses = [report.loss for report in reports[:-1]]
    spans = [(0, 3), (3, 4), (4, 6), (6, 8), (8, 9), (9, 10)]
    means = [sum(losses[start:end]) / (end - start) for start, end in spans]
    assert [line["train_loss"] for line in metrics()[:-1]] == pytest.approx(means, rel=1e-12)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.bf16)])
def test_the_last_line_is_the_loss_of_the_best_checkpoint_on_the_whole_validation_text(
    precision: str,
) -> None:
    trainer, reports = trained(WORSENING, eval_every=2, precision=precision)
    best = Path("checkpoints/run/step-00000002")
    expected = evaluate(
        load_model(checkpoints.read(best), "cpu"), trainer.corpus.val, trainer.corpus.prime
    )
    model = load_model(checkpoints.read(best), "cpu")
    counted = trainer.corpus.counted(2)
    assert counted is not None
    places = np.arange(len(trainer.corpus.train))
    learned = evaluate(
        model, trainer.corpus.train, trainer.corpus.prime, learned=Selected(counted, places)
    ).nats_per_character
    # the counts of the text itself would be too good
    assert evaluate(model, trainer.corpus.train, trainer.corpus.prime).nats_per_character < learned
    assert reports[-1].final == expected
    line = {
        "step": 2,
        "final_val_loss": expected.nats_per_character,
        "characters": 20,
        "final_train_loss": learned,
    }
    assert metrics()[-1] == line


def test_a_finished_run_does_nothing_more() -> None:
    trainer, _ = trained()
    before = files()
    assert list(trainer.run()) == []
    assert files() == before


# Counts


RECREATED = "was missing or damaged and has been recreated"


def inodes() -> set[int]:
    """The files of counts in the run's checkpoints."""
    return {(path / COUNTS).stat().st_ino for path in Run(Path("checkpoints/run")).steps()}


def damage_counts(damage: str) -> None:
    """Damage the counts of all checkpoints of the run."""
    for path in Run(Path("checkpoints/run")).steps():
        file = path / COUNTS
        if damage == "deleted":
            file.unlink()
        elif damage == "shortened":
            file.write_bytes(file.read_bytes()[:-9])
        else:
            file.write_bytes(bytes(file.stat().st_size))


def lose_counts(path: Path) -> None:
    """Give a checkpoint the counts of another text, and damage them."""
    found = checkpoints.read(path, trainer=True)
    assert found.table is not None
    other = count_followers(found.table.reader, found.vocabulary.encode("the bell"))
    checkpoints.write(path, replace(found, table=other.table, counts=None))
    (path / COUNTS).write_bytes(b"damaged")


def test_the_checkpoints_of_a_run_share_their_counts() -> None:
    trainer, _ = trained(eval_every=1, keep=2)
    assert len(steps_kept()) >= 2
    assert len(inodes()) == 1
    table = checkpoints.read(Run(Path("checkpoints/run")).steps()[0]).table
    expected = trainer.corpus.table(2)
    assert table is not None and expected is not None
    assert to_bytes(table) == to_bytes(expected)


def test_a_resumed_run_shares_the_counts_of_the_run_before() -> None:
    trained(steps=3, save_every=1)
    resumed = launch({"name": "run", "steps": 5}, text=TEXT, resume=True)
    list(resumed.run())
    assert steps_kept() == [f"step-0000000{step}" for step in (3, 4, 5)]
    assert len(inodes()) == 1


@pytest.mark.parametrize("damage", ["changed", "shortened", "deleted"])
def test_damaged_counts_are_recreated_when_a_run_is_resumed(damage: str) -> None:
    trained(steps=3, save_every=1, keep=2)
    run = Run(Path("checkpoints/run"))
    expected = {path.name: (path / COUNTS).read_bytes() for path in run.steps()}
    damage_counts(damage)
    assert not any(checkpoints.is_whole(path) for path in run.steps())
    said: list[str] = []
    resumed = launch({"name": "run", "steps": 5}, text=TEXT, resume=True, tell=said.append)
    assert {path.name: (path / COUNTS).read_bytes() for path in run.steps()} == expected
    assert all(checkpoints.is_whole(path) for path in run.steps())
    assert len(inodes()) == 1
    assert [line for line in said if line.endswith(RECREATED)] == [
        f"checkpoints/run/{name}/{COUNTS} {RECREATED}" for name in sorted(expected)
    ]
    list(resumed.run())
    assert all(checkpoints.is_whole(path) for path in run.steps())


def test_resuming_a_finished_run_recreates_its_counts() -> None:
    trained(steps=3)
    damage_counts("changed")
    said: list[str] = []
    with pytest.raises(ResumeError, match="has finished its 3 steps"):
        launch({"name": "run"}, text=TEXT, resume=True, tell=said.append)
    assert all(checkpoints.is_whole(path) for path in Run(Path("checkpoints/run")).steps())
    assert said[0].endswith(RECREATED)


def test_a_checkpoint_with_other_counts_that_are_damaged_is_renamed() -> None:
    trained(steps=3, save_every=1, keep=3)
    run = Run(Path("checkpoints/run"))
    lose_counts(run.step(1))
    said: list[str] = []
    launch({"name": "run", "steps": 5}, text=TEXT, resume=True, tell=said.append).release()
    assert said[0] == (
        f"checkpoints/run/step-00000001/{COUNTS} is damaged and cannot be recreated from this text; "
        "checkpoints/run/step-00000001 was renamed to damaged-step-00000001"
    )
    assert steps_kept() == ["step-00000002", "step-00000003"]


def test_the_checkpoint_to_resume_from_is_kept_if_its_counts_cannot_be_recreated() -> None:
    trained(steps=3)
    run = Run(Path("checkpoints/run"))
    lose_counts(run.step(3))
    with pytest.raises(ResumeError, match="counting the text again gives other counts"):
        launch({"name": "run", "steps": 5}, text=TEXT, resume=True)
    assert steps_kept() == ["step-00000003"]


def test_a_full_disk_stops_the_resume_of_a_run_with_damaged_counts_unless_it_may_continue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained(steps=3)
    damage_counts("changed")

    def full(*args: Any, **more: Any) -> None:
        raise CheckpointError("the disk is full")

    monkeypatch.setattr(checkpoints, "commit_directory", full)
    with pytest.raises(CheckpointError, match="the disk is full"):
        launch({"name": "run", "steps": 5}, text=TEXT, resume=True)
    said: list[str] = []
    knobs = {"name": "run", "steps": 5, "on_save_error": "continue"}
    launch(knobs, text=TEXT, resume=True, tell=said.append).release()
    assert said[0] == "the disk is full"


def test_counts_that_are_damaged_during_a_run_are_recreated_at_the_next_save() -> None:
    run = Run(Path("checkpoints/run"))
    trainer = new(steps=4, save_every=2, keep=2)
    for report in trainer.run():
        if report.step == 3:
            (run.step(2) / COUNTS).write_bytes(b"damaged")
    assert [path.name for path in run.steps()] == ["step-00000002", "step-00000004"]
    assert all(checkpoints.is_whole(path) for path in run.steps())
    assert len(inodes()) == 1


def test_the_final_loss_is_measured_even_if_the_counts_were_damaged_just_before() -> None:
    trainer = new(steps=3, eval_every=1)
    for report in trainer.run():
        if report.step == 3 and report.saved is not None:
            damage_counts("changed")
    assert "final_val_loss" in metrics()[-1]


def test_a_run_without_hard_links_has_a_copy_of_its_counts_in_each_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_links(*args: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    trained(save_every=1, keep=2)
    paths = Run(Path("checkpoints/run")).steps()
    assert len(inodes()) == len(paths) >= 2
    assert all(checkpoints.is_whole(path) for path in paths)
    assert len({(path / COUNTS).read_bytes() for path in paths}) == 1


def test_without_counts_a_run_has_neither_their_weights_nor_their_file() -> None:
    trainer, _ = trained(counts=None)
    checkpoint = checkpoints.read(Run(Path("checkpoints/run")).steps()[-1])
    assert checkpoint.table is None
    assert not [name for name in checkpoint.weights if name.startswith("mixer.")]
    assert not [name for name in files() if COUNTS in name]
    assert trainer.loop.model.mixer is None


def test_contexts_that_occur_less_often_than_counts_are_not_in_the_file() -> None:
    contents = []
    for least in (1, 30, 60):
        trained(steps=1, counts=least)
        table = checkpoints.read(Run(Path("checkpoints/run")).steps()[-1]).table
        assert table is not None
        assert table.totals.min() >= least
        contents.append(to_bytes(table))
    assert len(contents[0]) > len(contents[1]) > len(contents[2])


# The checkpoints that are kept


def test_the_best_and_the_last_are_kept() -> None:
    _, reports = trained(WORSENING, steps=8, eval_every=1, save_every=1, keep=2)
    losses = [report.val_loss for report in reports[:-1]]
    assert min(losses, key=float) == losses[0]
    assert steps_kept() == ["step-00000001", "step-00000007", "step-00000008"]
    assert Run(Path("checkpoints/run")).best().name == "step-00000001"


def test_the_best_may_be_one_of_the_last() -> None:
    _, reports = trained(
        "abcd" * 100, steps=8, eval_every=1, keep=2, learning_rate=0.02, counts=None
    )
    losses = [report.val_loss for report in reports[:-1]]
    assert losses == sorted(losses, key=float, reverse=True)
    assert steps_kept() == ["step-00000007", "step-00000008"]


@pytest.mark.parametrize(
    ("save_every", "kept"),
    [
        (None, ["step-00000005"]),
        (2, ["step-00000002", "step-00000004", "step-00000005"]),
        (9, ["step-00000005"]),
    ],
)
def test_the_last_step_is_always_saved(save_every: int | None, kept: list[str]) -> None:
    _, reports = trained(steps=5, save_every=save_every)
    assert steps_kept() == kept
    assert [report.saved for report in reports if report.saved] == [
        Path("checkpoints/run") / name for name in kept
    ]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "abcd" * 100,
            ["step-00000002", "step-00000004", "step-00000006"],
        ),  # improving all the time
        # the first is the best; the last is the last
        (WORSENING, ["step-00000002", "step-00000006"]),
    ],
)
def test_a_new_best_is_saved_at_once_if_save_every_is_none(text: str, kept: list[str]) -> None:
    trained(text, eval_every=2, keep=9)
    assert steps_kept() == kept


def test_a_checkpoint_records_its_validation_loss() -> None:
    _, reports = trained(eval_every=2, save_every=1, keep=9)
    about = [checkpoints.read_about(path)["about"] for path in Run(Path("checkpoints/run")).steps()]
    assert [each["val_loss"] for each in about] == [report.val_loss for report in reports[:-1]]
    assert [each["step"] for each in about] == [1, 2, 3, 4, 5, 6]
    # 5 steps per epoch; the remaining figures of info
    assert about[-1]["epochs"] == 6 / 5
    assert (about[-1]["train_characters"], about[-1]["val_characters"], about[-1]["steps"]) == (
        831,
        93,
        6,
    )


# Patience


def validating(losses: list[float], **knobs: Any) -> tuple[Trainer, list[Report]]:
    """A run with this sequence of validation losses."""
    trainer, following = new(**{"steps": 20, "eval_every": 1, "keep": 99} | knobs), iter(losses)
    trainer.loop.validate = lambda: next(following)  # type: ignore[method-assign]
    return trainer, list(trainer.run())


@pytest.mark.parametrize("patience", [1, 3])
def test_a_run_ends_after_patience_validations_without_improvement(
    patience: int,
) -> None:
    trainer, reports = trained(WORSENING, steps=50, eval_every=2, patience=patience, save_every=1)
    *steps, final = reports
    # the first validation, after step 2, is the best
    assert [report.step for report in steps] == list(range(1, 2 + 2 * patience + 1))
    assert [report.turned for report in steps] == [False] * (len(steps) - 1) + [True]
    assert (trainer.step, trainer.turned, final.turned) == (2 + 2 * patience, True, True)
    assert (final.step, final.saved, final.val_loss) == (2 + 2 * patience, None, None)
    expected = evaluate(
        load_model(checkpoints.read(Path("checkpoints/run/step-00000002")), "cpu"),
        trainer.corpus.val,
        trainer.corpus.prime,
    )
    assert final.final == expected
    assert (metrics()[-1]["step"], metrics()[-1]["final_val_loss"]) == (
        2,
        expected.nats_per_character,
    )
    assert Run(Path("checkpoints/run")).best().name == "step-00000002"


def test_an_early_stop_saves_its_step_and_keeps_the_best_and_the_last() -> None:
    trained(WORSENING, steps=50, eval_every=2, patience=3, keep=1)
    assert steps_kept() == ["step-00000002", "step-00000008"]


def test_with_patience_none_a_run_never_stops_early() -> None:
    _, reports = trained(WORSENING, steps=12, eval_every=1, patience=None)
    assert [report.step for report in reports] == [*range(1, 13), 12]
    assert not any(report.turned for report in reports)


def test_patience_is_four_validations_by_default() -> None:
    trainer = launch(
        {name: knob for name, knob in KNOBS.items() if name != "patience"}
        | {"steps": 50, "eval_every": 1},
        text=WORSENING,
    )
    assert [report.step for report in trainer.run()] == [1, 2, 3, 4, 5, 5]


@pytest.mark.parametrize(
    ("losses", "patience", "made"),
    [
        ([3.0, 4.0, 2.0, 5.0, 5.0], 2, 5),  # a better one resets the count
        ([3.0, 4.0, 2.0, 5.0, 5.0, 5.0], 3, 6),
        ([2.0, 2.0, 2.019, 2.021, 2.0, 2.03], 2, 6),  # less than a hundredth worse does not count
        ([3.0, 4.0, 3.5, 3.2], 3, 4),  # better than the previous one is not better than the best
        ([3.0, 2.0, 4.0], 1, 3),
    ],
)
def test_validations_are_counted_since_the_best(
    losses: list[float], patience: int, made: int
) -> None:
    # every step reads the whole text
    trainer, reports = validating(losses, patience=patience, batch_size=8, sequence_length=100)
    assert (reports[-1].step, trainer.early_stopping.stale) == (made, patience)
    best = min(range(made), key=losses.__getitem__)  # the first of ties
    assert Run(Path("checkpoints/run")).best().name == f"step-{best + 1:08d}"


def test_patience_starts_after_the_first_pass() -> None:
    # reading it takes five steps: the validations of steps 2 to 4 do not count, those of 5 and 6 do
    trainer, reports = validating([1.0, 2.0, 2.0, 2.0, 2.0, 2.0], steps=9, patience=2)
    assert trainer.loop.batches.steps_per_epoch == 5
    assert (reports[-1].step, reports[-1].turned, trainer.early_stopping.stale) == (6, True, 2)


def test_steps_without_a_validation_do_not_count_towards_patience() -> None:
    _, reports = validating(
        [3.0, 4.0, 4.0], steps=30, eval_every=5, patience=2, report_every=1, save_every=1
    )
    assert [report.step for report in reports if report.val_loss is not None] == [5, 10, 15]
    # the last is the final loss
    assert [report.step for report in reports if report.turned] == [15, 15]


def test_without_validations_a_run_never_stops_early() -> None:
    for watching in ({"val_fraction": 0, "eval_every": 1}, {"eval_every": None}):
        _, reports = trained(WORSENING, patience=1, **watching)
        assert max(report.step for report in reports) == 6
        assert not any(report.turned for report in reports)


# Requests


def test_stopping_saves_the_current_step_and_skips_the_final_loss() -> None:
    trainer = new()
    seen = []
    for report in trainer.run():
        seen.append(report)
        trainer.stop_requested = report.step == 3
    assert [report.step for report in seen] == [1, 2, 3]
    assert steps_kept() == ["step-00000003"]
    assert [line["step"] for line in metrics()] == [1, 2, 3]


def test_stopping_before_a_step_is_reported_saves_that_step() -> None:
    trainer = new()
    trainer.loop.model.head.register_forward_hook(
        lambda *_: setattr(trainer, "stop_requested", trainer.step == 2)
    )
    seen = list(trainer.run())
    assert [(report.step, report.saved) for report in seen] == [
        (1, None),
        (2, None),
        (3, Path("checkpoints/run/step-00000003")),
    ]
    assert steps_kept() == ["step-00000003"]


def test_stopping_before_the_first_step_leaves_no_checkpoint() -> None:
    trainer = new()
    trainer.stop_requested = True
    assert list(trainer.run()) == []
    assert steps_kept() == []


def test_stopping_ends_the_final_evaluation_and_the_run_can_be_resumed() -> None:
    trained()
    expected, trainer, hook = files(), new(), None
    for report in trainer.run():
        if report.step == 6:
            hook = register_module_forward_pre_hook(
                lambda *_: setattr(trainer, "stop_requested", True)
            )
    assert hook is not None
    hook.remove()
    assert report.final is None
    name = "checkpoints/run/metrics.jsonl"
    assert files() == expected | {name: b"".join(expected[name].splitlines(keepends=True)[:-1])}
    assert [
        report.final is not None for report in launch({"name": "run"}, text=TEXT, resume=True).run()
    ] == [True]
    assert files() == expected


def test_a_save_request_is_served_at_the_next_step_and_training_continues() -> None:
    trainer = new(keep=9)
    saved = []
    for report in trainer.run():
        saved.append(report.saved is not None)
        trainer.save_requested |= report.step == 2 and report.final is None
    # at step 3 and at the last, but not with the final loss
    assert saved == [False, False, True, False, False, True, False]
    assert steps_kept() == ["step-00000003", "step-00000006"]


def test_pytorch_settings_are_restored_when_a_run_is_abandoned() -> None:
    run = new(threads=2).run()
    next(run)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (2, True)
    run.close()  # type: ignore[attr-defined]
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (1, False)


# Divergence


def nan_weight(trainer: Trainer) -> None:
    trainer.loop.model.embedding.weight.data[:] = math.nan


# 100 steps, 3 of which warm up to the rate of 0.03: the second has 0.02
ADVICE = (
    "; train again with a smaller `learning_rate` (try a third), a smaller `clip_norm`, "
    'or `precision="fp32"`'
)


def test_a_diverged_run_reports_its_last_good_checkpoint_and_saves_no_other() -> None:
    trainer = new(steps=100, learning_rate=0.03, save_every=1, report_every=1)
    run = trainer.run()
    next(run)
    before = files()
    nan_weight(trainer)
    with pytest.raises(DivergedError) as error:
        next(run)
    assert str(error.value) == (
        "training diverged at step 2: loss nan, gradient norm nan at learning rate 0.02; "
        f"{ADVICE[2:]}; the last good checkpoint is checkpoints/run/step-00000001"
    )
    assert files() == before
    assert all(
        np.isfinite(weight).all()
        for weight in checkpoints.read(Path("checkpoints/run/step-00000001")).weights.values()
    )
    assert [line["step"] for line in metrics()] == [1]


@pytest.mark.parametrize(
    "watching", [{"eval_every": 1, "save_every": 1}, {"save_every": 1}, {"eval_every": 1}], ids=str
)
def test_a_run_that_overflows_ends_as_diverged_with_readable_checkpoints(
    watching: dict[str, int],
) -> None:
    # at a rate of 1, a decay of 100 multiplies every weight by -99: beyond 1e38 after 19 steps
    trainer = new(
        steps=40, learning_rate=1.0, weight_decay=100.0, clip_norm=None, keep=99, **watching
    )
    with pytest.raises(DivergedError):
        list(trainer.run())
    for path in Run(Path("checkpoints/run")).steps():
        checkpoints.read(path, trainer=True)
    assert all(math.isfinite(line["train_loss"]) for line in metrics())


# Odd corpora


@cells
@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.bf16)])
def test_a_corpus_of_one_symbol_trains_to_certainty_with_finite_numbers(
    cell: str, precision: str
) -> None:
    trainer, reports = trained(
        "a" * 200, cell=cell, eval_every=2, report_every=1, dropout=0.3, precision=precision
    )
    assert [(report.loss, report.grad_norm) for report in reports] == [(0, 0)] * 7
    assert [report.val_loss for report in reports] == [None, 0, None, 0, None, 0, None]
    assert reports[-1].final is not None
    assert (reports[-1].final.characters, reports[-1].final.bits_per_character) == (20, 0)
    assert all(np.isfinite(weight).all() for weight in trainer.loop.weights().values())
    assert charrnn.load("run").generate(length=5) == "aaaaa"


@cells
@pytest.mark.parametrize("text", ["abcd", "aaaa", "ab\n" * 2])
def test_the_smallest_corpora_can_be_trained_on(cell: str, text: str) -> None:
    _, reports = trained(text, cell=cell, steps=20, eval_every=5)
    assert reports[-1].final is not None
    assert reports[-1].final.characters == 2


def test_without_validation_text_the_last_checkpoint_represents_the_run() -> None:
    _, reports = trained(val_fraction=0, eval_every=2, save_every=2)
    assert [report.step for report in reports] == [1, 2, 3, 4, 5, 6]  # without a final loss
    assert all(report.val_loss is None and report.final is None for report in reports)
    assert all(line["val_loss"] is None for line in metrics())
    assert steps_kept() == ["step-00000002", "step-00000004", "step-00000006"]
    assert charrnn.load("run").path == Path("checkpoints/run/step-00000006")
