"""The verdict fits the run, its numbers are those of the run, and its next command works."""

import json
import math
import random
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pytest
import torch

from charrnn.advice.verdict import Verdict, verdict
from charrnn.cli.main import cli
from charrnn.cli.options import given
from charrnn.config.run_config import RunConfig, run_knobs
from charrnn.config.yaml import read_yaml, write_yaml
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.run import Run
from charrnn.storage.weight_shapes import shapes
from charrnn.training.start import launch
from charrnn.vocab import Vocabulary
from tests.command import TEXT, call

LOG2 = math.log(2)
# 2 bits
COUNTED = {"nats_per_character": 2 * LOG2, "train_characters": 1234567, "val_characters": 1000}
ABOUT = {
    "charrnn": "0", "step": 20, "steps": 40, "val_loss": 1.5, "parameters": 1, "corpus": ["my.txt"], "data": asdict(RunConfig().data),
    "train_characters": 900, "val_characters": 100, "epochs": 4.0, "yardstick": COUNTED,
}  # fmt: skip


def test_the_repr_of_a_verdict_is_short() -> None:
    verdict = Verdict("at its best", "x" * 1000, "charrnn train")
    assert repr(verdict) == (
        f"Verdict('at its best', text='{'x' * 27}...{'x' * 28}', command='charrnn train')"
    )


def line(step: int, train_loss: float, val_loss: float | None) -> dict[str, Any]:
    return {
        "step": step,
        "learning_rate": 0.01,
        "train_loss": train_loss,
        "grad_norm": 1.0,
        "val_loss": val_loss,
    }


def save(run: Run, about: dict[str, Any], knobs: dict[str, Any] | None = None) -> None:
    """A checkpoint of a small network, and the configuration beside it."""
    own = {
        "corpus": about["corpus"],
        "name": run.path.name,
        "runs_dir": str(run.path.parent),
        "steps": about["steps"],
    }
    config = RunConfig.from_flat(
        own | {"hidden_size": 2, "num_layers": 1, "embedding_size": 2, **(knobs or {})}
    )
    vocabulary = Vocabulary.of("ab\n")
    weights = {
        name: np.zeros(shape, np.float32)
        for name, shape in shapes(config.model, len(vocabulary)).items()
    }
    checkpoints.write(
        run.step(about["step"]),
        Checkpoint(vocabulary, config.model, weights, 0, about | {"data": asdict(config.data)}),
    )
    # as in runs from before there were counts
    without = write_yaml(config).replace("counts: none\n", "")
    run.config.write_text(without, encoding="utf-8")


def log(run: Run, *lines: dict[str, Any]) -> None:
    run.metrics.write_text("".join(json.dumps(each) + "\n" for each in lines))


def final(val_loss: float, train_loss: float | None = None, step: int = 20) -> dict[str, Any]:
    """The line that a whole run ends with; one of an older version has no training loss."""
    learned = {} if train_loss is None else {"final_train_loss": train_loss}
    return {"step": step, "final_val_loss": val_loss, "characters": 100} | learned


def written(
    where: Path,
    *,
    train_loss: float = 1.4,
    val_loss: float = 1.5,
    last: float | None = None,
    ended: bool = True,
    knobs: dict[str, Any] | None = None,
    **about: Any,
) -> Run:
    """A run by hand: its best checkpoint at step 20 of 40, a line there, and one at step 40, with
    the same loss or ``last``.

    Where it has not ``ended``, the line at step 20 is the last one.
    """
    where.mkdir(parents=True, exist_ok=True)
    run = Run(where)
    save(run, ABOUT | {"val_loss": val_loss} | about, knobs)
    end = [line(40, 0.2, val_loss if last is None else last)] * ended
    log(run, line(10, 3.0, 3.0), line(15, 0.1, None), line(20, train_loss, val_loss), *end)
    return run


def found(run: Run) -> Verdict:
    what = verdict(run)
    assert what
    return what


def words(command: str) -> list[str]:
    """A command's words after ``charrnn``."""
    first, *rest = shlex.split(command)
    assert first == "charrnn"
    return rest


def parsed(command: str) -> dict[str, Any]:
    """What a command sets, by name, as ``charrnn train`` reads it."""
    name, *rest = words(command)
    assert name == "train"
    # with the group's settings: click makes a command's help option once, for the first context
    parent = click.Context(cli, **cli.context_settings)
    found = cli.get_command(parent, name)
    assert found
    context = found.make_context(name, rest, parent=parent)
    values = given(context, run_knobs(), context.params["config"])
    return values | {
        name: context.params[name]
        for name in ("corpus", "resume", "overwrite")
        if context.params[name]
    }


# Which of the four


@pytest.mark.parametrize(
    ("losses", "epochs", "kind"),
    [
        # train, validation, validation at the end; the loss rose by 0.01 at most, exactly, and by
        # more
        ((0.0, 0.0, 0.01), 9.0, "under-trained"),
        ((0.0, 0.0, 0.0101), 9.0, "over-fitted"),
        # one pass at least, exactly, and less
        ((0.0, 0.0, 0.0101), 1.0, "over-fitted"),
        ((0.0, 0.0, 0.0101), 0.99, "under-trained"),
        ((1.0, 1.2501, 1.2501), 1.0, "over-fitted"),
        ((1.0, 1.2501, 1.2501), 0.99, "under-trained"),
        # 0.25 apart at most, exactly, and more
        ((1.0, 1.25, 1.25), 9.0, "at its best"),
        ((1.0, 1.2501, 1.2501), 9.0, "over-fitted"),
        # 0.06 apart at least, exactly, and less
        ((0.0, 0.06, 0.06), 9.0, "at its best"),
        ((0.0, 0.0599, 0.0599), 9.0, "under-trained"),
        ((1.1, 1.0, 1.0), 9.0, "under-trained"),  # dropout makes the training loss the higher one
        # three passes at least, exactly, and fewer
        ((1.0, 1.1, 1.1), 3.0, "at its best"),
        ((1.0, 1.1, 1.1), 2.99, "under-trained"),
    ],
)
def test_the_kind_is_that_of_the_thresholds(
    losses: tuple[float, float, float], epochs: float, kind: str, tmp_path: Path
) -> None:
    train_loss, val_loss, last = losses
    run = written(
        tmp_path / "run", train_loss=train_loss, val_loss=val_loss, last=last, epochs=epochs
    )
    assert found(run).kind == kind


def test_a_text_that_has_not_been_read_once_is_not_memorized(tmp_path: Path) -> None:
    """Validation text may simply be harder: its beginning has nothing to copy from."""
    run = written(tmp_path / "run", train_loss=1.0, val_loss=1.5, epochs=0.4)
    assert found(run).kind == "under-trained"


def test_losses_are_compared_at_the_best_step_not_at_the_last(tmp_path: Path) -> None:
    run = written(tmp_path / "run", train_loss=1.4, val_loss=1.5, last=1.505)
    assert found(run).kind == "at its best"  # 0.1 apart at step 20; 1.305 at step 40


@pytest.mark.parametrize(
    ("train_loss", "learned", "kind"),
    [
        (2.0, 1.4, "at its best"),
        (2.0, 1.0, "over-fitted"),
        (1.0, 1.49, "under-trained"),
        (1.4, 1.6, "under-trained"),
    ],
)
def test_the_loss_without_dropout_decides_whatever_dropout_did(
    train_loss: float, learned: float, kind: str, tmp_path: Path
) -> None:
    run = written(tmp_path / "run", train_loss=train_loss)
    log(run, line(20, train_loss, 1.5), line(40, train_loss, 1.5), final(1.5, learned))
    assert found(run).kind == kind


def test_the_losses_are_compared_only_if_both_are_in_the_final_line(tmp_path: Path) -> None:
    run = written(tmp_path / "run")
    lines = [line(20, 1.4, 1.5), line(40, 1.4, 1.5)]
    log(run, *lines, final(1.9, 1.8))
    assert found(run).kind == "at its best"
    log(run, *lines, final(1.9))  # of an older version; 0.5 from the training loss at step 20
    assert found(run).kind == "at its best"
    log(run, *lines, final(1.9, 1.0, step=40))  # of another checkpoint; 0.9 apart
    assert found(run).kind == "at its best"


ANY_LOSSES = [{"train_loss": 1.49}, {"train_loss": 0.1}, {"epochs": 0.1}, {}]


@pytest.mark.parametrize("settings", ANY_LOSSES)
def test_a_run_that_was_stopped_is_unfinished_whatever_its_losses(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    assert found(written(tmp_path / "run", ended=False, **settings)).kind == "unfinished"


@pytest.mark.parametrize("settings", ANY_LOSSES)
def test_a_run_at_its_last_step_or_with_a_final_line_is_not_unfinished(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    assert found(written(tmp_path / "end", **settings)).kind != "unfinished"
    run = written(tmp_path / "early", ended=False, **settings)
    log(run, *run.validations(), final(1.5, 1.4))
    assert found(run).kind != "unfinished"


def test_a_run_whose_loss_had_risen_when_it_was_stopped_is_unfinished(tmp_path: Path) -> None:
    run = written(tmp_path / "run", ended=False)
    log(run, line(20, 1.4, 1.5), line(30, 1.4, 2.0))
    assert found(run).kind == "unfinished"


def test_a_run_that_was_extended_is_unfinished(tmp_path: Path) -> None:
    run = written(tmp_path / "run")
    save(run, ABOUT | {"step": 50, "steps": 160, "val_loss": None})
    assert found(run).text.endswith("Unfinished: the run is at step 40 of 160.")


# What it says


NEW_TEXT = "bits per character of new text (lower is better)"
YARDSTICK = "simply counting which characters follow which (2.000)."
WORSE = f"2.164 {NEW_TEXT}, 8% worse than {YARDSTICK}"
OVERFITTED = "Over-fitted: it has begun to memorize the text instead of learning its patterns."


def test_the_text_of_an_over_fitted_run_whose_loss_rose(tmp_path: Path) -> None:
    run = written(tmp_path / "run", train_loss=1.4, val_loss=1.5, last=1.627, step=1200, steps=4000)
    log(run, line(1200, 1.4, 1.5), line(4000, 0.2, 1.627))
    assert found(run).text == (
        f"{WORSE} {OVERFITTED} It was best on new text at step 1,200 and had become worse by step 4,000. "
        "The best checkpoint is kept. More text would help most; otherwise try more dropout."
    )


@pytest.mark.parametrize(
    ("dropout", "advice"), [(0.59, "more dropout"), (0.6, "a smaller network")]
)
def test_the_text_of_an_over_fitted_run_advises_what_the_command_does(
    dropout: float, advice: str, tmp_path: Path
) -> None:
    verdict = found(written(tmp_path / "run", train_loss=1.0, knobs={"dropout": dropout}))
    assert verdict.text.endswith(f"More text would help most; otherwise try {advice}.")
    assert ("--dropout" in words(verdict.command), "--hidden-size" in words(verdict.command)) == (
        dropout < 0.6,
        dropout == 0.6,
    )


def test_the_text_of_an_over_fitted_run_whose_loss_did_not_rise(tmp_path: Path) -> None:
    assert found(written(tmp_path / "run", train_loss=1.0)).text == (
        f"{WORSE} {OVERFITTED} It predicts the text it learned from much better than new text. "
        "The best checkpoint is kept. More text would help most; otherwise try more dropout."
    )


@pytest.mark.parametrize("train_loss", [1.45, 1.6])
def test_the_text_of_an_under_trained_run_that_predicts_new_text_as_well(
    train_loss: float, tmp_path: Path
) -> None:
    assert found(written(tmp_path / "run", train_loss=train_loss, epochs=5.26)).text == (
        f"{WORSE} Under-trained: after 5.3 passes over the text, it predicts new text about as well as the text it learned from, "
        "so it can still learn more. Train it longer."
    )


def test_the_text_of_an_under_trained_run_with_few_passes(tmp_path: Path) -> None:
    assert found(written(tmp_path / "run", train_loss=1.4, epochs=1.26)).text == (
        f"{WORSE} Under-trained: 1.3 passes over the text are too few. Train it longer."
    )


def test_the_text_of_an_unfinished_run(tmp_path: Path) -> None:
    run = written(tmp_path / "run", step=1200, steps=4000)
    log(run, line(1200, 1.4, 1.5), line(2300, 0.2, 1.627))
    assert found(run).text == f"{WORSE} Unfinished: the run is at step 2,300 of 4,000."


@pytest.mark.parametrize(
    ("epochs", "share"), [(0.0, "less than 1%"), (0.01, "only 1%"), (0.28, "only 28%")]
)
def test_below_one_pass_the_share_that_was_read_is_given(
    epochs: float, share: str, tmp_path: Path
) -> None:
    assert found(written(tmp_path / "run", epochs=epochs)).text == (
        f"{WORSE} Under-trained: it has read {share} of the text so far. Train it longer."
    )


def test_the_text_of_a_run_at_its_best(tmp_path: Path) -> None:
    assert found(written(tmp_path / "run", epochs=12.34)).text == (
        f"{WORSE} At its best for this length: 12.3 passes over the text were enough to learn most of what it can "
        "without memorizing the text. A much longer run would improve it a little."
    )


@pytest.mark.parametrize(
    ("bits", "comparison"),
    [
        (1.0, "50% better than"),
        (1.6, "20% better than"),
        (1.988, "1% better than"),
        (1.992, "about as good as"),
        (2.0, "about as good as"),
        (2.008, "about as good as"),
        (2.012, "1% worse than"),
        (2.5, "25% worse than"),
        (5.0, "150% worse than"),
    ],
)
def test_percentages_are_relative_to_the_yardstick(
    bits: float, comparison: str, tmp_path: Path
) -> None:
    assert found(written(tmp_path / "run", val_loss=bits * LOG2)).text.startswith(
        f"{bits:.3f} {NEW_TEXT}, {comparison} {YARDSTICK} "
    )


@pytest.mark.parametrize(
    "yardstick", [{"yardstick": None}, {"yardstick": COUNTED | {"nats_per_character": 0.0}}]
)
def test_without_a_yardstick_or_with_one_of_zero_bits_only_the_loss_is_shown(
    yardstick: dict[str, Any], tmp_path: Path
) -> None:
    assert found(written(tmp_path / "run", **yardstick)).text.startswith(
        f"2.164 {NEW_TEXT}. At its best"
    )


def test_a_checkpoint_without_a_yardstick_has_a_verdict_too(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    save(run, {name: value for name, value in ABOUT.items() if name != "yardstick"})
    log(run, line(20, 1.4, 1.5), line(40, 1.4, 1.5))
    assert found(run).text.startswith(f"2.164 {NEW_TEXT}. At its best")


def test_the_loss_is_the_final_one_if_it_belongs_to_the_best_checkpoint(
    tmp_path: Path,
) -> None:
    run = written(tmp_path / "run")
    lines = [line(20, 1.4, 1.5), line(40, 1.4, 1.505)]
    log(run, *lines, final(LOG2, LOG2 - 0.1))
    assert found(run).text.startswith(f"1.000 {NEW_TEXT}, 50% better ")
    log(run, *lines, final(LOG2, LOG2 - 0.1, step=40))
    assert found(run).text.startswith(f"2.164 {NEW_TEXT}, 8% worse ")


TOO_FEW = "too few to judge the run."


@pytest.mark.parametrize("settings", [{"train_loss": 1.49}, {"train_loss": 0.1}, {"last": 9.0}])
def test_a_short_validation_part_is_not_judged_whatever_its_losses(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = written(Path("checkpoints/run"), train_characters=531, val_characters=59, **settings)
    what = found(run)
    assert what == Verdict(
        "too short",
        f"The validation part has only 59 characters, {TOO_FEW} "
        "Keep a larger share of the text for validation, or give more text.",
        # 60 of 590 characters are more than 0.10 of them, as 60 / 59 of 0.1 is
        "charrnn train --config checkpoints/run/config.yaml --val-fraction 0.11 --name run-2",
    )
    assert parsed(what.command)["val_fraction"] == 0.11


def test_60_characters_are_judged(tmp_path: Path) -> None:
    run = written(tmp_path / "run", train_characters=540, val_characters=60)
    assert found(run).kind == "at its best"


@pytest.mark.parametrize(
    ("lengths", "count", "fraction"),
    [
        ((100, 20), "20 characters", "0.5"),
        ((100, 19), "19 characters", "0"),  # half of them are fewer than 60
        ((500, 15), "15 characters", "0.4"),  # 0.1 gave a fourth, of records that are repeated
        ((900, 11), "11 characters", "0"),
        ((3, 1), "1 character", "0"),
        ((0, 0), "0 characters", "0"),
    ],
)
def test_a_text_too_short_to_be_judged_may_all_be_trained_on(
    lengths: tuple[int, int], count: str, fraction: str, tmp_path: Path
) -> None:
    train, val = lengths
    what = found(written(tmp_path / "run", train_characters=train, val_characters=val))
    advice = "Keep a larger share of the text for validation, or give more text."
    if fraction == "0":
        advice = "Give more text, or train on all of it."
    assert what.text == f"The validation part has only {count}, {TOO_FEW} {advice}"
    assert f" --val-fraction {fraction} --name run-2 " in what.command


def test_an_unfinished_run_with_a_short_validation_part_is_resumed(tmp_path: Path) -> None:
    what = found(written(tmp_path / "run", ended=False, val_characters=59))
    assert what.kind == "unfinished"
    assert what.text == (
        f"The validation part has only 59 characters, {TOO_FEW} "
        "Unfinished: the run is at step 20 of 40."
    )
    assert parsed(what.command)["resume"] is True


def test_there_is_no_verdict_without_a_validation(tmp_path: Path) -> None:
    run = written(tmp_path / "run")
    log(run, line(20, 1.4, None))
    assert verdict(run) is None
    log(run, line(10, 1.4, 1.5), line(40, 1.4, 1.5))  # not at the step of the checkpoint
    assert verdict(run) is None
    run.metrics.unlink()
    assert verdict(run) is None


# What to do next


KINDS: dict[str, dict[str, Any]] = {
    "over-fitted": {"last": 2.0}, "under-trained": {"epochs": 1.0}, "at its best": {}, "unfinished": {"ended": False},
}  # fmt: skip
RESUMED = ("under-trained", "unfinished")


def test_an_unfinished_run_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    what = found(written(Path("checkpoints/run"), ended=False))
    assert what == Verdict(
        "unfinished",
        f"{WORSE} Unfinished: the run is at step 20 of 40.",
        "charrnn train --resume --name run",
    )
    assert parsed(what.command) == {"resume": True, "name": "run"}


def test_an_over_fitted_run_is_trained_again_with_more_dropout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with nothing else that differs."""
    monkeypatch.chdir(tmp_path)
    knobs = {
        "learning_rate": 0.01,
        "seed": 7,
        "cell": "gru",
        "device": "cpu",
        "threads": 3,
        "patience": None,
        "eval_every": 5,
    }
    run = written(Path("checkpoints/run"), last=2.0, corpus=["a.txt", "b.txt"], knobs=knobs)
    command = found(run).command
    assert words(command) == [
        "train",
        "--config",
        "checkpoints/run/config.yaml",
        "--dropout",
        "0.3",
        "--name",
        "run-2",
    ]
    before = RunConfig.from_flat(read_yaml(run.config.read_text(), "config.yaml"))
    assert before.train.steps == 40
    assert RunConfig.from_flat(parsed(command)) == before.replace(dropout=0.3, name="run-2")


@pytest.mark.parametrize(
    ("dropout", "more"), [(0.0, 0.2), (0.125, 0.33), (0.3, 0.5), (0.5, 0.6), (0.59, 0.6)]
)
def test_dropout_is_raised_by_a_fifth_to_at_most_three_fifths(
    dropout: float, more: float, tmp_path: Path
) -> None:
    values = parsed(found(written(tmp_path / "run", last=2.0, knobs={"dropout": dropout})).command)
    assert values["dropout"] == pytest.approx(more, abs=0.01)
    assert values["dropout"] <= 0.6
    assert values["hidden_size"] == 2


@pytest.mark.parametrize("dropout", [0.6, 0.8])
@pytest.mark.parametrize(("size", "half"), [(256, 128), (7, 3), (1, 1)])
def test_at_the_maximum_dropout_the_size_is_halved_and_dropout_kept(
    dropout: float, size: int, half: int, tmp_path: Path
) -> None:
    values = parsed(
        found(
            written(tmp_path / "run", last=2.0, knobs={"dropout": dropout, "hidden_size": size})
        ).command
    )
    assert (values["dropout"], values["hidden_size"], values["name"]) == (dropout, half, "run-2")


def test_an_under_trained_run_is_resumed_to_four_times_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = found(written(Path("checkpoints/run"), epochs=1.0)).command
    assert words(command) == [
        "train",
        "--resume",
        "--name",
        "run",
        "--steps",
        "160",
        "--patience",
        "none",
    ]
    assert parsed(command) == {"resume": True, "name": "run", "steps": 160, "patience": None}


def test_a_run_at_its_best_is_trained_again_for_six_times_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = parsed(found(written(Path("checkpoints/run"))).command)
    assert values == {"corpus": ("my.txt",), "steps": 240, "name": "run-2", "embedding_size": 2}


def test_a_longer_run_keeps_the_chosen_knobs_and_plans_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = {
        "embedding_size": 3,
        "cell": "gru",
        "copy_window": None,
        "learning_rate": 0.01,
        "seed": 7,
        "encoding": "cp1252",
    }
    planned = {"hidden_size": 5, "num_layers": 3, "dropout": 0.4}
    settled = {
        "threads": 3,
        "device": "cpu",
        "precision": "fp32",
        "patience": 9,
        "keep": 5,
    } | dict.fromkeys(("report_every", "eval_every", "save_every", "sample_every"), 2)
    values = parsed(
        found(written(Path("checkpoints/run"), knobs=chosen | planned | settled)).command
    )
    assert values == {"corpus": ("my.txt",), "steps": 240, "name": "run-2"} | chosen


@pytest.mark.parametrize("counts", [None, 1, 3])
def test_a_longer_run_keeps_the_chosen_counts(counts: int | None, tmp_path: Path) -> None:
    run = written(tmp_path / "run")
    config = run.config.read_text()
    run.config.write_text(config + f"counts: {counts or 'none'}\n")
    assert parsed(found(run).command)["counts"] == counts
    run.config.write_text(config + "counts: 2\n")
    assert "counts" not in parsed(found(run).command)


@pytest.mark.parametrize("kind", KINDS)
def test_the_name_of_the_next_run_is_the_first_free_one(kind: str, tmp_path: Path) -> None:
    run = written(tmp_path / "run", **KINDS[kind])
    names = []
    for taken in ("run-2", "run-3", "run-5"):
        (tmp_path / taken).mkdir()
        names.append(parsed(found(run).command)["name"])
    assert names == (["run"] * 3 if kind in RESUMED else ["run-3", "run-4", "run-4"])


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_paths_that_a_shell_would_split_are_quoted(kind: str, tmp_path: Path) -> None:
    what = found(
        written(
            tmp_path / "my runs" / "it's one", corpus=["my 'own' text.txt", "b.txt"], **KINDS[kind]
        )
    )
    assert what.kind == kind
    values = parsed(what.command)
    assert values["name"] == ("it's one" if kind in RESUMED else "it's one-2")
    assert values["runs_dir"] == str(tmp_path / "my runs")
    assert values.get("corpus", ()) == (() if kind in RESUMED else ("my 'own' text.txt", "b.txt"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_gives_the_runs_directory_if_it_is_not_the_default(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "--runs-dir" not in words(found(written(Path("checkpoints/run"), **KINDS[kind])).command)
    command = found(written(Path("elsewhere/run"), **KINDS[kind])).command
    assert words(command)[-2:] == ["--runs-dir", "elsewhere"]
    assert parsed(command)["runs_dir"] == "elsewhere"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("old", "new"), [("elsewhere", "checkpoints"), ("checkpoints", "elsewhere")]
)
def test_the_next_run_of_a_moved_run_is_next_to_it(
    old: str, new: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(Path(old) / "run", **KINDS[kind])
    Path(old).rename(new)
    assert parsed(found(Run(Path(new) / "run")).command).get("runs_dir", "checkpoints") == new


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_works_from_within_the_directory_of_the_run(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "runs" / "run", **KINDS[kind])
    monkeypatch.chdir(tmp_path / "runs" / "run")
    values = parsed(found(Run(Path())).command)
    assert values["name"].startswith("run")
    assert Path(values["runs_dir"]).resolve() == tmp_path / "runs"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("corpus", "path"), [([], "FILE"), (["-"], "-")])
def test_a_corpus_that_was_no_file_is_an_argument_of_the_command(
    corpus: list[str], path: str, kind: str, tmp_path: Path
) -> None:
    command = found(written(tmp_path / "run", corpus=corpus, **KINDS[kind])).command
    assert words(command)[:2] == ["train", path]
    assert parsed(command)["corpus"] == (path,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content",
    [None, "", "- no\n- mapping\n", "dropout: auto\nhidden_size: auto\n", "steps: 1\nminutes: 1\n"],
)
def test_a_missing_or_edited_config_does_not_prevent_a_verdict(
    content: str | None, kind: str, tmp_path: Path
) -> None:
    run = written(tmp_path / "run", **KINDS[kind])
    run.config.unlink()
    if content is not None:
        run.config.write_text(content)
    assert found(run).kind == kind


# Runs that were trained


KNOBS = {
    "batch_size": 4, "sequence_length": 20, "hidden_size": 16, "num_layers": 1, "embedding_size": 8, "copy_window": None, "counts": None,
    "dropout": 0.0, "learning_rate": 0.02, "sample_every": None, "threads": 1, "device": "cpu", "precision": "fp32", "patience": None,
}  # fmt: skip
WORDS = ["the", "clock", "bell", "time", "said", "now", "is", "to", "and", "sea"]


def babble(length: int) -> str:
    """Words one after another by chance: regular within them, random between them."""
    return " ".join(random.Random(0).choices(WORDS, k=length))[:length]


class Trained(NamedTuple):
    """What was trained on, and how."""

    text: str
    knobs: dict[str, Any]


TRAINED = {
    # noise
    "over-fitted": Trained(
        "".join(random.Random(0).choices("abcdefgh", k=600)), {"steps": 80, "eval_every": 20}
    ),
    "under-trained": Trained(babble(20_000), {"steps": 10, "eval_every": 5, "batch_size": 16}),
    "at its best": Trained(babble(1000), {"steps": 80, "eval_every": 40, "hidden_size": 24}),
    "too short": Trained(babble(400), {"steps": 2, "eval_every": 1}),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory, with a run of each kind, named like its text."""
    where, threads = tmp_path_factory.mktemp("verdict"), torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        for kind, (text, knobs) in TRAINED.items():
            Path(f"{kind}.txt").write_text(text)
            for _ in launch(KNOBS | knobs | {"corpus": [f"{kind}.txt"]}).run():
                pass
        yield where
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", TRAINED)
def test_trained_runs_get_the_right_verdict(kind: str, trained: Path) -> None:
    run = Run(Path("checkpoints") / kind)
    end, what = run.final(), found(run)
    assert what.kind == kind
    assert end
    if kind == "too short":
        assert what.text.startswith(f"The validation part has only 40 characters, {TOO_FEW} ")
        return
    assert what.text.startswith(f"{end['final_val_loss'] / LOG2:.3f} {NEW_TEXT}, ")


@pytest.mark.parametrize("kind", TRAINED)
def test_info_shows_the_verdict_and_the_command(kind: str, trained: Path) -> None:
    what = found(Run(Path("checkpoints") / kind))
    shown = call("info", kind).stdout.splitlines()
    assert shown[7] == f"verdict:    {what.text} Next: `{what.command}`"
    assert json.loads(call("info", kind, "--json").stdout)["verdict"] == asdict(what)


def test_info_of_a_checkpoint_that_is_not_the_best_has_no_verdict(trained: Path) -> None:
    worse = Run(Path("checkpoints/over-fitted")).steps()[-1]
    assert "verdict:" not in call("info", str(worse)).stdout
    assert json.loads(call("info", str(worse), "--json").stdout)["verdict"] is None


def test_info_of_a_model_that_was_copied_out_of_its_run_has_no_verdict(
    trained: Path, tmp_path: Path
) -> None:
    best = Run(Path("checkpoints/under-trained")).best()
    shutil.copytree(best, tmp_path / "shared")
    result = call("info", str(tmp_path / "shared"), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["verdict"] is None


SMALL = [
    "--steps=4", "--hidden-size=8", "--num-layers=1", "--embedding-size=4", "--dropout=0", "--batch-size=4", "--sequence-length=20",
    "--device=cpu", "--precision=fp32", "--threads=1", "--sample-every=none",
]  # fmt: skip


@pytest.mark.usefixtures("one_thread")
def test_train_ends_with_the_verdict_and_its_command_works(here: Path) -> None:
    Path("my own.txt").write_text(TEXT)
    result = call("train", "my own.txt", *SMALL)
    what = found(Run(Path("checkpoints/my own")))
    assert what.kind == "under-trained"
    assert result.stderr.splitlines()[-2:] == [
        f"{what.text} Next: `{what.command}`",
        "generate text with: charrnn sample 'my own'",
    ]
    again = call(*words(what.command))
    assert again.exit_code == 0, again.stderr
    assert Run(Path("checkpoints/my own")).steps()[-1].name == "step-00000016"


@pytest.mark.usefixtures("one_thread")
def test_train_ends_without_a_verdict_without_a_validation_part(corpus: Path) -> None:
    result = call("train", "corpus.txt", *SMALL, "--val-fraction=0")
    assert (result.exit_code, "Next:" in result.stderr) == (0, False)


@pytest.mark.usefixtures("one_thread")
def test_a_text_of_one_symbol_has_a_verdict_without_a_comparison(here: Path) -> None:
    Path("same.txt").write_text("a" * 600)
    result = call("train", "same.txt", *SMALL)
    assert result.exit_code == 0, result.exception
    assert result.stderr.splitlines()[-2].startswith(f"0.000 {NEW_TEXT}. ")
    assert call("info", "same").exit_code == 0


def validated(losses: list[float], given: dict[str, Any], **how: Any) -> Run:
    """A run with these validation losses, whatever it learned."""
    trainer, following = launch(given, **how), iter(losses)
    trainer.loop.validate = lambda: next(following)  # type: ignore[method-assign]
    for _ in trainer.run():
        pass
    return trainer.directory


SLOW = KNOBS | {"corpus": ["corpus.txt"], "name": "run", "hidden_size": 8, "eval_every": 1}


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("length", "num_val"), [(300, 60), (100, 0)])
def test_the_command_of_a_run_that_was_too_short_to_judge_works(
    length: int, num_val: int, here: Path
) -> None:
    Path("short.txt").write_text(babble(length))
    assert call("train", "short.txt", *SMALL).exit_code == 0
    what = found(Run(Path("checkpoints/short")))
    assert what.kind == "too short"
    result = call(*words(what.command))
    assert result.exit_code == 0, result.stderr
    following = Run(Path("checkpoints/short-2"))
    assert checkpoints.read_about(following.best())["about"]["val_characters"] == num_val
    judged = verdict(following)
    assert judged is None if num_val == 0 else judged and judged.kind == "under-trained"


@pytest.mark.usefixtures("corpus", "one_thread")
def test_the_command_of_a_run_that_ended_early_without_a_rise_works() -> None:
    # a step reads it all
    run = validated(
        [0.5, 0.506, 0.506],
        SLOW | {"steps": 9, "patience": 2, "batch_size": 8, "sequence_length": 100},
    )
    assert run.steps()[-1].name == "step-00000003"
    result = call(*words(found(run).command))
    assert result.exit_code == 0, result.stderr


@pytest.mark.usefixtures("corpus", "one_thread")
def test_the_command_of_a_run_that_was_extended_works() -> None:
    validated([2.6, 2.5], SLOW | {"steps": 2})
    run = validated([2.505] * 6, {"name": "run", "steps": 8}, resume=True)
    result = call(*words(found(run).command))
    assert result.exit_code == 0, result.stderr


@pytest.mark.usefixtures("corpus", "one_thread")
def test_the_command_of_a_run_that_was_stopped_works() -> None:
    trainer = launch(SLOW | {"steps": 6})
    for report in trainer.run():
        trainer.stop_requested = report.step == 3
    what = found(trainer.directory)
    assert what.kind == "unfinished"
    assert what.text.endswith("Unfinished: the run is at step 3 of 6.")
    result = call(*words(what.command))
    assert result.exit_code == 0, result.stderr
    assert trainer.directory.steps()[-1].name == "step-00000006"
    assert found(trainer.directory).kind != "unfinished"


@pytest.mark.usefixtures("corpus", "one_thread")
def test_the_command_of_an_over_fitted_run_works() -> None:
    run = validated([2.5, 2.6], SLOW | {"steps": 24, "eval_every": 12})
    what = found(run)
    assert what.kind == "over-fitted"
    result = call(*words(what.command))
    assert result.exit_code == 0, result.stderr
    following = Run(Path("checkpoints/run-2"))
    assert following.steps()[-1].name == "step-00000024"
    assert checkpoints.read(following.best()).model == replace(
        checkpoints.read(run.best()).model, dropout=0.2
    )


@pytest.mark.parametrize(
    ("losses", "kind"), [([2.5, 2.6], "over-fitted"), ([2.6, 2.5], "at its best")]
)
@pytest.mark.usefixtures("one_thread")
def test_the_next_run_reads_the_text_as_this_one_did_and_has_its_cell(
    losses: list[float], kind: str, here: Path
) -> None:
    Path("corpus.txt").write_bytes(("Café. " * 200).encode("cp1252"))
    own = {"encoding": "cp1252", "newlines": "lf", "val_fraction": 0.2, "cell": "gru"}
    run = validated(losses, SLOW | own | {"steps": 40, "eval_every": 20})
    lines, best = run.validations()[:-1], checkpoints.read_about(run.best())["about"]
    log(run, *lines, final(2.5, 2.4, step=best["step"]))
    what = found(run)
    assert what.kind == kind
    following = RunConfig.from_flat(parsed(what.command))
    assert asdict(following.data) == best["data"]
    assert following.model.cell == "gru"
