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

from charrnn.advice import verdict as judging
from charrnn.advice.gains import LESS_DROPOUT
from charrnn.advice.verdict import Verdict, verdict
from charrnn.cli.main import cli
from charrnn.cli.options import given
from charrnn.config.run_config import RunConfig, run_knobs
from charrnn.config.yaml import write_yaml
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.run import Run
from charrnn.storage.weight_shapes import shapes
from charrnn.training.start import launch
from charrnn.vocab import Vocabulary
from tests.command import TEXT, call
from tests.storage.test_checkpoint import forge_json

LOG2 = math.log(2)
# 2 bits
COUNTED = {"nats_per_character": 2 * LOG2, "train_characters": 1234567, "val_characters": 1000}
ABOUT = {
    "charrnn": "0", "step": 20, "steps": 40, "val_loss": 1.5, "parameters": 1, "corpus": ["my.txt"], "data": asdict(RunConfig().data),
    "train_characters": 900, "val_characters": 100, "epochs": 4.0, "yardstick": COUNTED, "minutes": None, "automatic": None,
}  # fmt: skip
# What a checkpoint says about the model that its run continued from.
OF_BASE = {
    "name": "fables", "step": 7, "sha256": "0" * 64, "corpus": [], "data": {}, "val_loss": LOG2, "old_val_loss": None,
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


def next_words(run: Run) -> list[str]:
    """The words of the command that a verdict proposes, after ``charrnn``."""
    command = found(run).command
    assert command
    return words(command)


def next_values(run: Run) -> dict[str, Any]:
    """What that command sets, by name."""
    command = found(run).command
    assert command
    return parsed(command)


@pytest.fixture
def gains(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What each change is expected to gain in every run of a test, which fills it in.

    The dropout that suits is 0.3, or 0 if less is expected to help.
    """
    expected: dict[str, float] = {}
    monkeypatch.setattr(judging, "expected_gains", lambda _: expected)
    monkeypatch.setattr(judging, "next_dropout", lambda _: 0.0 if LESS_DROPOUT in expected else 0.3)
    return expected


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


# Which kind


@pytest.mark.parametrize(
    ("expected", "kind"),
    [
        ({"longer": 0.0201}, "under-trained"),
        ({"longer": 0.0199}, "at its best"),
        ({"more dropout": 0.02}, "over-fitted"),
        ({"less dropout": 0.02}, "under-fitted"),
        ({"longer": 0.02, "more dropout": 0.03}, "over-fitted"),
        ({"longer": 0.04, "more dropout": 0.03}, "under-trained"),
        ({"longer": -0.2}, "at its best"),
        ({}, "at its best"),
    ],
)
def test_the_kind_is_that_of_the_change_with_the_largest_expected_gain(
    expected: dict[str, float], kind: str, gains: dict[str, float], tmp_path: Path
) -> None:
    gains |= expected
    what = found(written(tmp_path / "run"))
    assert what.kind == kind
    if kind == "at its best":
        assert (what.command, what.expected_gain) == (None, None)
    else:
        assert what.expected_gain == max(expected.values())


ANY_GAINS = [{"longer": 0.1}, {"more dropout": 0.1}, {}]


@pytest.mark.parametrize("expected", ANY_GAINS)
def test_a_run_that_was_stopped_is_unfinished_whatever_it_would_gain(
    expected: dict[str, float], gains: dict[str, float], tmp_path: Path
) -> None:
    gains |= expected
    assert found(written(tmp_path / "run", ended=False)).kind == "unfinished"


@pytest.mark.parametrize("expected", ANY_GAINS)
def test_a_run_at_its_last_step_or_with_a_final_line_is_not_unfinished(
    expected: dict[str, float], gains: dict[str, float], tmp_path: Path
) -> None:
    gains |= expected
    assert found(written(tmp_path / "end")).kind != "unfinished"
    run = written(tmp_path / "early", ended=False)
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


@pytest.mark.parametrize(
    ("about", "expected", "text"),
    [
        (
            {"epochs": 5.26},
            {"longer": 0.054},
            "Under-trained: 5.3 passes over the text are not enough. 160 steps should make it about 5% better.",
        ),
        (
            {"epochs": 0.28, "minutes": 2.5},
            {"longer": 0.156},
            "Under-trained: reading 28% of the text is not enough. 10 minutes should make it about 16% better.",
        ),
        (
            {"epochs": 0.001, "minutes": 0.1},
            {"longer": 0.5},
            "Under-trained: reading less than 1% of the text is not enough. 0.4 minutes should make it about 50% better.",
        ),
        (
            {},
            {"more dropout": 0.03},
            "Over-fitted: it has begun to memorize the text instead of learning its patterns. In the same time, "
            "dropout 0.3 should make it about 3% better; more text would help most.",
        ),
        (
            {},
            {"less dropout": 0.03},
            "Under-fitted: the dropout is too high. In the same time, dropout 0 should make it about 3% better.",
        ),
        (
            {"epochs": 12.34, "train_characters": 500_000},
            {},
            "At its best after 12.3 passes over the text: more time or another dropout would gain little. "
            "More text of the same kind would help most.",
        ),
        (
            {"epochs": 12.34},
            {},
            "At its best after 12.3 passes over the text: more time or another dropout would gain little. "
            "More text of the same kind would help most; so would continuing from the model of a longer text "
            "(`--from`).",
        ),
    ],
)
def test_the_text_says_what_is_wrong_and_what_would_make_it_better(
    about: dict[str, Any],
    expected: dict[str, float],
    text: str,
    gains: dict[str, float],
    tmp_path: Path,
) -> None:
    gains |= expected
    assert found(written(tmp_path / "run", **about)).text == f"{WORSE} {text}"


@pytest.mark.parametrize(
    ("unigram_loss", "word"),
    [(3.0, "rough"), (4.5, "good"), (1.6, "noise"), (None, None)],  # 1.5 nats
)
def test_the_loss_has_a_word_on_a_scale(
    unigram_loss: float | None, word: str | None, tmp_path: Path
) -> None:
    what = found(written(tmp_path / "run", unigram_loss=unigram_loss))
    assert what.quality == word
    scale = f" On the scale noise, scraps, rough, good and fluent, that is {word}."
    assert (scale in what.text) == ("On the scale" in what.text) == (word is not None)


def test_bytes_are_not_judged_by_their_words(tmp_path: Path) -> None:
    what = found(written(tmp_path / "run", unigram_loss=3.0, knobs={"unit": "byte"}))
    assert what.quality == "good"  # 1.5 of 1.61 nats are learned


@pytest.mark.parametrize(
    "about",
    [
        {"from": OF_BASE | {"val_loss": 2.0}},
        {"records": {"train": 9, "val": 1, "lengths": [1, 1, 1, 1, 1]}},
        {"train_characters": 100_000_000},
    ],
)
def test_continuing_is_suggested_only_where_it_should_help(
    about: dict[str, Any], gains: dict[str, float], tmp_path: Path
) -> None:
    assert "--from" in found(written(tmp_path / "short")).text
    what = found(written(tmp_path / "run", **about))
    assert (what.kind, what.text.count("--from")) == ("at its best", 0)


def test_a_loss_that_says_nothing_has_no_word(tmp_path: Path) -> None:
    what = found(written(tmp_path / "run", unigram_loss=3.0, val_characters=59))
    assert what.quality is None


def test_the_text_of_a_run_that_became_worse_says_so(
    gains: dict[str, float], tmp_path: Path
) -> None:
    run = written(tmp_path / "run", last=1.6, step=1200, steps=4000, train_characters=500_000)
    log(run, line(1200, 1.4, 1.5), line(4000, 0.2, 1.6))
    assert found(run).text == (
        f"{WORSE} At its best after 4.0 passes over the text: more time or another dropout would gain little. "
        "It was best at step 1,200, and had become worse by step 4,000; the best checkpoint is kept. "
        "More text of the same kind would help most."
    )


def test_the_text_of_an_unfinished_run(tmp_path: Path) -> None:
    run = written(tmp_path / "run", step=1200, steps=4000)
    log(run, line(1200, 1.4, 1.5), line(2300, 0.2, 1.627))
    assert found(run).text == f"{WORSE} Unfinished: the run is at step 2,300 of 4,000."


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
    yardstick: dict[str, Any], gains: dict[str, float], tmp_path: Path
) -> None:
    assert found(written(tmp_path / "run", **yardstick)).text.startswith(
        f"2.164 {NEW_TEXT}. At its best"
    )


def test_a_checkpoint_without_a_yardstick_has_a_verdict_too(
    gains: dict[str, float], tmp_path: Path
) -> None:
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


def test_a_text_that_is_almost_certain_has_nothing_to_gain(tmp_path: Path) -> None:
    run = written(tmp_path / "run", val_loss=0.0)
    log(run, line(20, 0.0, 0.0), line(40, 0.0, 0.0))
    assert found(run).kind == "at its best"


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
    assert next_values(run)["val_fraction"] == 0.11


def test_60_characters_are_judged(gains: dict[str, float], tmp_path: Path) -> None:
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
    assert f" --val-fraction {fraction} --name run-2 " in str(what.command)


def test_an_unfinished_run_with_a_short_validation_part_is_resumed(tmp_path: Path) -> None:
    run = written(tmp_path / "run", ended=False, val_characters=59)
    what = found(run)
    assert what.kind == "unfinished"
    assert what.text == (
        f"The validation part has only 59 characters, {TOO_FEW} "
        "Unfinished: the run is at step 20 of 40."
    )
    assert next_values(run)["resume"] is True


def test_there_is_no_verdict_without_a_validation(tmp_path: Path) -> None:
    run = written(tmp_path / "run")
    log(run, line(20, 1.4, None))
    assert verdict(run) is None
    log(run, line(10, 1.4, 1.5), line(40, 1.4, 1.5))  # not at the step of the checkpoint
    assert verdict(run) is None
    run.metrics.unlink()
    assert verdict(run) is None


# Other runs on the same text


def beside(run: Run, name: str, *, dropout: float = 0.1, **about: Any) -> Run:
    """Another run next to one, of as many passes, which has ended."""
    other = written(run.path.parent / name, knobs={"dropout": dropout}, **{"epochs": 8.0} | about)
    log(other, *other.validations(), final(1.5))
    return other


@pytest.mark.parametrize(
    ("other", "tried"),
    [
        # 4 passes until step 20 of 40, and 8 in all
        ({"epochs": 32.0}, {"longer"}),
        ({"epochs": 20.0}, set()),  # not even three times as long
        ({"dropout": 0.3}, {"more dropout"}),
        ({"dropout": 0.0}, {"less dropout"}),
        ({"dropout": 0.34, "epochs": 32.0}, {"longer", "more dropout"}),
        ({"dropout": 0.3, "epochs": 1.0}, set()),  # too short to say
        ({"dropout": 0.2}, set()),
        # of another text
        ({"epochs": 32.0, "corpus": ["other.txt"]}, set()),
        ({"epochs": 32.0, "train_characters": 901}, set()),
        ({"epochs": 32.0, "val_loss": None}, set()),
    ],
)
@pytest.mark.parametrize("change", ["longer", "more dropout", "less dropout"])
def test_what_was_tried_without_success_is_not_proposed_again(
    change: str, other: dict[str, Any], tried: set[str], gains: dict[str, float], tmp_path: Path
) -> None:
    gains[change] = 0.1
    run = written(tmp_path / "run")
    beside(run, "other", **other)
    assert (found(run).command is None) == (change in tried)


def test_a_run_that_has_not_ended_has_tried_nothing(
    gains: dict[str, float], tmp_path: Path
) -> None:
    gains["longer"] = 0.1
    run = written(tmp_path / "run")
    other = beside(run, "other", epochs=32.0)
    assert found(run).command is None
    log(other, *other.validations()[:-1])  # without the final line
    assert found(run).kind == "under-trained"


@pytest.mark.parametrize("config", [{"model": [1]}, {"model": {"hidden_size": 2, "cell": "x"}}])
def test_a_hostile_run_does_not_prevent_the_verdict_on_another(
    config: dict[str, Any], gains: dict[str, float], tmp_path: Path
) -> None:
    run = written(tmp_path / "run")
    forge_json(beside(run, "other", val_loss=1.0).best(), "config.json", **config)
    assert found(run).kind == "at its best"


def test_runs_on_a_text_that_is_almost_certain_do_not_surpass_each_other(tmp_path: Path) -> None:
    run = written(tmp_path / "run", val_loss=0.0)
    log(run, line(20, 0.0, 0.0), line(40, 0.0, 0.0))
    beside(run, "other", val_loss=0.0)
    assert found(run).kind == "at its best"


@pytest.mark.parametrize(
    ("minutes", "longer"), [(300.0, "1200"), (0.05, "0.2"), (200_000.0, None), (-1.0, None)]
)
def test_minutes_are_written_out_and_within_their_limits(
    minutes: float, longer: str | None, gains: dict[str, float], here: Path
) -> None:
    gains["longer"] = 0.1
    command = found(written(Path("checkpoints/run"), minutes=minutes)).command
    assert (command is None) == (longer is None)
    assert command is None or f"--minutes {longer} " in command


def test_the_verdict_on_a_run_points_to_a_better_one(gains: dict[str, float], here: Path) -> None:
    gains["longer"] = 0.1
    run = written(Path("checkpoints/run"))
    beside(run, "a little better", val_loss=0.991 * 1.5)
    assert found(run).kind == "under-trained"
    beside(run, "better", val_loss=0.98 * 1.5)
    assert found(run) == Verdict(
        "surpassed",
        f"{WORSE} The run better is 2% better.",
        "charrnn info better",
    )


def test_a_damaged_run_does_not_prevent_the_verdict_on_another(
    gains: dict[str, float], tmp_path: Path
) -> None:
    run = written(tmp_path / "run")
    other = beside(run, "other", val_loss=1.0)
    (other.best() / "config.json").write_text("{")
    assert found(run).kind == "at its best"
    assert "The run other" not in found(run).text


# What to do next


EXPECTED = {
    "under-trained": "longer",
    "over-fitted": "more dropout",
    "under-fitted": "less dropout",
}
PROPOSING = [*EXPECTED, "unfinished"]


def proposing(kind: str, gains: dict[str, float], where: Path, **how: Any) -> Run:
    """A run of a kind that has a command."""
    if kind != "unfinished":
        gains[EXPECTED[kind]] = 0.1
    return written(where, ended=kind != "unfinished", **how)


def test_a_model_that_was_better_before_training_is_named(here: Path) -> None:
    about = {"from": OF_BASE}
    judged = found(written(Path("checkpoints/run"), **about))
    assert judged.kind == "surpassed"
    assert judged.command is None
    assert judged.text.endswith(
        " Before training on this text, fables had 1.000. Training on this text did not help; "
        "fables is the better model."
    )


def test_an_unfinished_run_is_resumed(here: Path) -> None:
    run = written(Path("checkpoints/run"), ended=False)
    assert found(run) == Verdict(
        "unfinished",
        f"{WORSE} Unfinished: the run is at step 20 of 40.",
        "charrnn train --resume --name run",
    )
    assert next_values(run) == {"resume": True, "name": "run"}


@pytest.mark.parametrize("automatic", [[], ["batch_size"]])
def test_a_batch_of_records_is_repeated_unless_it_was_chosen_for_the_machine(
    automatic: list[str], gains: dict[str, float], here: Path
) -> None:
    knobs = {"separator": "\n", "batch_size": 256}
    run = proposing("under-trained", gains, here / "run", knobs=knobs, automatic=automatic)
    assert next_values(run).get("batch_size") == (None if automatic else 256)


@pytest.mark.parametrize(
    ("kind", "dropout"), [("over-fitted", 0.3), ("under-fitted", 0.0), ("under-trained", None)]
)
def test_the_next_run_has_the_change_and_the_chosen_knobs(
    kind: str, dropout: float | None, gains: dict[str, float], here: Path
) -> None:
    chosen = {
        "embedding_size": 3,
        "cell": "gru",
        "copy_window": None,
        "learning_rate": 0.01,
        "seed": 7,
        "encoding": "cp1252",
    }
    settled = {
        "threads": 3,
        "device": "cpu",
        "precision": "fp32",
        "patience": 9,
        "keep": 5,
    } | dict.fromkeys(("report_every", "eval_every", "save_every", "sample_every"), 2)
    knobs = chosen | settled
    run = proposing(kind, gains, Path("checkpoints/run"), knobs=knobs, automatic=["dropout"])
    network = {"hidden_size": 2, "num_layers": 1, "counts": 2}  # not left to charrnn
    expected = chosen | network | {"corpus": ("my.txt",), "name": "run-2", "steps": 40}
    if dropout is None:
        expected["steps"] = 160
    else:
        expected["dropout"] = dropout
    assert next_values(run) == expected


def test_what_was_left_to_charrnn_is_planned_again(gains: dict[str, float], here: Path) -> None:
    automatic = ["hidden_size", "num_layers", "dropout", "counts"]
    run = proposing("under-trained", gains, Path("checkpoints/run"), automatic=automatic)
    values = {"corpus": ("my.txt",), "steps": 160, "name": "run-2", "embedding_size": 2}
    assert next_values(run) == values


def test_another_dropout_is_for_the_same_network(gains: dict[str, float], here: Path) -> None:
    automatic = ["hidden_size", "num_layers", "dropout", "counts"]
    run = proposing("over-fitted", gains, Path("checkpoints/run"), automatic=automatic)
    values = next_values(run)
    assert (values["hidden_size"], values["num_layers"], values["dropout"]) == (2, 1, 0.3)


@pytest.mark.parametrize(
    ("kind", "minutes"), [("under-trained", 6.0), ("over-fitted", 1.5), ("under-fitted", 1.5)]
)
def test_the_next_run_of_one_with_minutes_has_minutes(
    kind: str, minutes: float, gains: dict[str, float], here: Path
) -> None:
    values = next_values(proposing(kind, gains, Path("checkpoints/run"), minutes=1.5))
    assert values["minutes"] == minutes
    assert "steps" not in values


@pytest.mark.parametrize(("counts", "kept"), [(None, True), (1, True), (2, False)])
def test_the_next_run_of_an_older_one_keeps_counts_that_are_not_the_usual(
    counts: int | None, kept: bool, gains: dict[str, float], tmp_path: Path
) -> None:
    run = proposing("under-trained", gains, tmp_path / "run")
    config = run.config.read_text()
    run.config.write_text(config + f"counts: {counts or 'none'}\n")
    assert ("counts" in next_values(run)) == kept


@pytest.mark.parametrize("kind", PROPOSING)
def test_the_name_of_the_next_run_is_the_first_free_one(
    kind: str, gains: dict[str, float], tmp_path: Path
) -> None:
    run = proposing(kind, gains, tmp_path / "run")
    names = []
    for taken in ("run-2", "run-3", "run-5"):
        (tmp_path / taken).mkdir()
        names.append(next_values(run)["name"])
    assert names == (["run"] * 3 if kind == "unfinished" else ["run-3", "run-4", "run-4"])


@pytest.mark.parametrize("kind", PROPOSING)
def test_names_and_paths_that_a_shell_would_split_are_quoted(
    kind: str, gains: dict[str, float], tmp_path: Path
) -> None:
    where = tmp_path / "my runs" / "it's one"
    run = proposing(kind, gains, where, corpus=["my 'own' text.txt", "b.txt"])
    assert found(run).kind == kind
    values = next_values(run)
    is_same = kind == "unfinished"
    assert values["name"] == ("it's one" if is_same else "it's one-2")
    assert values["runs_dir"] == str(tmp_path / "my runs")
    assert values.get("corpus", ()) == (() if is_same else ("my 'own' text.txt", "b.txt"))


@pytest.mark.parametrize("kind", PROPOSING)
def test_the_command_gives_the_runs_directory_if_it_is_not_the_default(
    kind: str, gains: dict[str, float], here: Path
) -> None:
    assert "--runs-dir" not in next_words(proposing(kind, gains, Path("checkpoints/run")))
    run = proposing(kind, gains, Path("elsewhere/run"))
    assert next_words(run)[-2:] == ["--runs-dir", "elsewhere"]
    assert next_values(run)["runs_dir"] == "elsewhere"


@pytest.mark.parametrize("kind", PROPOSING)
@pytest.mark.parametrize(
    ("old", "new"), [("elsewhere", "checkpoints"), ("checkpoints", "elsewhere")]
)
def test_the_next_run_of_a_moved_run_is_next_to_it(
    old: str, new: str, kind: str, gains: dict[str, float], here: Path
) -> None:
    proposing(kind, gains, Path(old) / "run")
    Path(old).rename(new)
    assert next_values(Run(Path(new) / "run")).get("runs_dir", "checkpoints") == new


@pytest.mark.parametrize("kind", PROPOSING)
def test_the_command_works_from_within_the_directory_of_the_run(
    kind: str, gains: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposing(kind, gains, tmp_path / "runs" / "run")
    monkeypatch.chdir(tmp_path / "runs" / "run")
    values = next_values(Run(Path()))
    assert values["name"].startswith("run")
    assert Path(values["runs_dir"]).resolve() == tmp_path / "runs"


@pytest.mark.parametrize("kind", PROPOSING)
@pytest.mark.parametrize(("corpus", "path"), [([], "FILE"), (["-"], "-")])
def test_a_corpus_that_was_no_file_is_an_argument_of_the_command(
    corpus: list[str], path: str, kind: str, gains: dict[str, float], tmp_path: Path
) -> None:
    run = proposing(kind, gains, tmp_path / "run", corpus=corpus)
    assert next_words(run)[:2] == ["train", path]
    assert next_values(run)["corpus"] == (path,)


@pytest.mark.parametrize("kind", PROPOSING)
@pytest.mark.parametrize(
    "content",
    [None, "", "- no\n- mapping\n", "dropout: auto\nhidden_size: auto\n", "steps: 1\nminutes: 1\n"],
)
def test_a_missing_or_edited_config_does_not_prevent_a_verdict(
    content: str | None, kind: str, gains: dict[str, float], tmp_path: Path
) -> None:
    run = proposing(kind, gains, tmp_path / "run")
    run.config.unlink()
    if content is not None:
        run.config.write_text(content)
    assert found(run).kind == kind


# Runs that were trained


KNOBS = {
    "batch_size": 4, "sequence_length": 20, "hidden_size": 16, "num_layers": 1, "embedding_size": 8, "copy_window": None, "counts": None,
    "dropout": 0.1, "learning_rate": 0.02, "sample_every": None, "threads": 1, "device": "cpu", "precision": "fp32", "patience": None,
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
    "whole": Trained(babble(1000), {"steps": 80, "eval_every": 40, "hidden_size": 24}),
    "too short": Trained(babble(400), {"steps": 2, "eval_every": 1}),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory, with the runs, each named like its text."""
    where, threads = tmp_path_factory.mktemp("verdict"), torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        for name, (text, knobs) in TRAINED.items():
            Path(f"{name}.txt").write_text(text)
            for _ in launch(KNOBS | knobs | {"corpus": [f"{name}.txt"]}).run():
                pass
        yield where
    torch.set_num_threads(threads)


def test_the_text_begins_with_the_final_loss(trained: Path) -> None:
    run = Run(Path("checkpoints/whole"))
    end = run.final()
    assert end
    assert found(run).text.startswith(f"{end['final_val_loss'] / LOG2:.3f} {NEW_TEXT}, ")


def test_a_run_whose_validation_part_is_too_short_is_not_judged(trained: Path) -> None:
    what = found(Run(Path("checkpoints/too short")))
    assert what.kind == "too short"
    assert what.text.startswith(f"The validation part has only 40 characters, {TOO_FEW} ")


@pytest.mark.parametrize("expected", [{"longer": 0.1}, {"more dropout": 0.1}, {}])
def test_info_shows_the_verdict_and_the_command(
    expected: dict[str, float], gains: dict[str, float], trained: Path
) -> None:
    gains |= expected
    what = found(Run(Path("checkpoints/whole")))
    shown = call("info", "whole").stdout.splitlines()
    following = f" Next: `{what.command}`" if expected else ""
    assert shown[7] == f"verdict:    {what.text}{following}"
    assert json.loads(call("info", "whole", "--json").stdout)["verdict"] == asdict(what)


def test_info_of_a_checkpoint_that_is_not_the_best_has_no_verdict(trained: Path) -> None:
    steps = Run(Path("checkpoints/whole")).steps()
    worse = next(step for step in steps if step != Run(step.parent).best())
    assert "verdict:" not in call("info", str(worse)).stdout
    assert json.loads(call("info", str(worse), "--json").stdout)["verdict"] is None


def test_info_of_a_model_that_was_copied_out_of_its_run_has_no_verdict(
    trained: Path, tmp_path: Path
) -> None:
    best = Run(Path("checkpoints/whole")).best()
    shutil.copytree(best, tmp_path / "shared")
    result = call("info", str(tmp_path / "shared"), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["verdict"] is None


SMALL = [
    "--steps=4", "--hidden-size=8", "--num-layers=1", "--embedding-size=4", "--dropout=0", "--batch-size=4", "--sequence-length=20",
    "--device=cpu", "--precision=fp32", "--threads=1", "--sample-every=none",
]  # fmt: skip


@pytest.mark.usefixtures("one_thread")
def test_train_ends_with_the_verdict_and_its_command_works(
    gains: dict[str, float], here: Path
) -> None:
    gains["longer"] = 0.1
    Path("my own.txt").write_text(TEXT)
    result = call("train", "my own.txt", *SMALL)
    what = found(Run(Path("checkpoints/my own")))
    assert what.kind == "under-trained"
    assert result.stderr.splitlines()[-2:] == [
        f"{what.text} Next: `{what.command}`",
        "generate text with: charrnn sample 'my own'",
    ]
    again = call(*words(str(what.command)))
    assert again.exit_code == 0, again.stderr
    assert Run(Path("checkpoints/my own-2")).steps()[-1].name == "step-00000016"


@pytest.mark.usefixtures("one_thread")
def test_train_ends_without_a_command_if_nothing_would_help(
    gains: dict[str, float], here: Path
) -> None:
    Path("my.txt").write_text(TEXT)
    *_, judged, sample = call("train", "my.txt", *SMALL).stderr.splitlines()
    assert judged.endswith("so would continuing from the model of a longer text (`--from`).")
    assert sample == "generate text with: charrnn sample my"


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


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("change", ["longer", "more dropout", "less dropout"])
def test_the_command_of_each_change_works(change: str, gains: dict[str, float], here: Path) -> None:
    gains[change] = 0.1
    Path("my.txt").write_text(TEXT)
    small = [flag for flag in SMALL if not flag.startswith("--dropout")]
    assert call("train", "my.txt", *small, "--dropout=0.2").exit_code == 0
    run = Run(Path("checkpoints/my"))
    result = call(*next_words(run))
    assert result.exit_code == 0, result.stderr
    following = Run(Path("checkpoints/my-2"))
    before = checkpoints.read(run.best()).model
    after = checkpoints.read(following.best()).model
    steps = {"longer": "16"}.get(change, "4")
    dropout = {"longer": 0.2, "more dropout": 0.3, "less dropout": 0.0}[change]
    assert following.steps()[-1].name == f"step-{steps:0>8}"
    assert after == replace(before, dropout=dropout)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("length", "num_val"), [(300, 60), (100, 0)])
def test_the_command_of_a_run_that_was_too_short_to_judge_works(
    length: int, num_val: int, here: Path
) -> None:
    Path("short.txt").write_text(babble(length))
    assert call("train", "short.txt", *SMALL).exit_code == 0
    what = found(Run(Path("checkpoints/short")))
    assert what.kind == "too short"
    result = call(*words(str(what.command)))
    assert result.exit_code == 0, result.stderr
    following = Run(Path("checkpoints/short-2"))
    assert checkpoints.read_about(following.best())["about"]["val_characters"] == num_val
    judged = verdict(following)
    assert (judged is None) == (num_val == 0)
    assert judged is None or judged.kind != "too short"


SLOW = KNOBS | {"corpus": ["corpus.txt"], "name": "run", "hidden_size": 8, "eval_every": 1}


@pytest.mark.usefixtures("corpus", "one_thread")
def test_the_command_of_a_run_that_was_stopped_works() -> None:
    trainer = launch(SLOW | {"steps": 6})
    for report in trainer.run():
        trainer.stop_requested = report.step == 3
    what = found(trainer.directory)
    assert what.kind == "unfinished"
    assert what.text.endswith("Unfinished: the run is at step 3 of 6.")
    result = call(*words(str(what.command)))
    assert result.exit_code == 0, result.stderr
    assert trainer.directory.steps()[-1].name == "step-00000006"
    assert found(trainer.directory).kind != "unfinished"


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("change", ["longer", "more dropout"])
def test_the_next_run_reads_the_text_as_this_one_did_and_has_its_cell(
    change: str, gains: dict[str, float], here: Path
) -> None:
    gains[change] = 0.1
    Path("corpus.txt").write_bytes(("Café. " * 200).encode("cp1252"))
    own = {"encoding": "cp1252", "newlines": "lf", "val_fraction": 0.2, "cell": "gru"}
    trainer = launch(SLOW | own | {"steps": 4})
    for _ in trainer.run():
        pass
    run = trainer.directory
    following = RunConfig.from_flat(next_values(run))
    assert asdict(following.data) == checkpoints.read_about(run.best())["about"]["data"]
    assert following.model.cell == "gru"


# Whole verdicts by the measured runs of the package


@pytest.mark.parametrize(
    ("characters", "passes", "dropout", "kind"),
    [
        (20_000, 30, 0.5, "at its best"),
        (20_000, 30, 0.0, "over-fitted"),
        (500_000, 2, 0.0, "under-trained"),
        (500_000, 2, 0.6, "under-fitted"),
        (500_000, 80, 0.5, "at its best"),
        (2_500_000, 1, 0.0, "under-trained"),
    ],
)
def test_a_run_is_judged_by_measured_runs_on_a_text_of_its_size(
    characters: int, passes: float, dropout: float, kind: str, here: Path
) -> None:
    size = {"hidden_size": 256, "num_layers": 2, "embedding_size": 64, "dropout": dropout}
    run = written(
        Path("checkpoints/run"),
        train_characters=characters,
        val_characters=characters // 10,
        epochs=passes / 2,
        knobs=size,
        automatic=["dropout"],
        val_loss=1.3,  # better than counting
        unigram_loss=4.0,
    )
    assert found(run).kind == kind


def test_following_the_verdicts_comes_to_an_end(here: Path) -> None:
    """Each proposed run turns out no better, so it is not proposed again."""
    size = {"hidden_size": 256, "num_layers": 2, "embedding_size": 64}
    text: dict[str, Any] = {
        "train_characters": 500_000, "val_characters": 50_000, "automatic": ["dropout"], "val_loss": 1.3, "unigram_loss": 4.0,
    }  # fmt: skip
    run = written(Path("checkpoints/run"), epochs=1.0, knobs=size | {"dropout": 0.6}, **text)
    kinds = []
    for number in range(4):
        what = found(run)
        kinds.append(what.kind)
        if what.command is None:
            break
        values = next_values(run)
        longer = values["steps"] // 40
        tried = size | {"dropout": values.get("dropout", 0.6)}
        other = written(
            Path(f"checkpoints/other-{number}"), epochs=2.0 * longer, knobs=tried, **text
        )
        log(other, *other.validations(), final(1.3))
    assert kinds == ["under-fitted", "under-trained", "at its best"]
