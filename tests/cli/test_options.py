"""Knobs from flags, environment and YAML: the same values, the same errors, in their order."""

import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from charrnn.cli.evaluate import READING, evaluate
from charrnn.cli.main import cli
from charrnn.cli.options import given, knob_options, metavar, spelled
from charrnn.cli.sample import sample
from charrnn.cli.train import train
from charrnn.config.knobs import Knob, knobs
from charrnn.config.run_config import run_knobs
from charrnn.errors import ConfigError
from charrnn.generation.sampling import Sampler
from tests.command import SMALL as SMALL_RUN
from tests.command import Trained, call

KNOBS = run_knobs()


def values(*args: str, config: str | None = None) -> dict[str, Any]:
    """What ``charrnn train ARGS`` takes as given."""
    return given(
        train.make_context("train", list(args), parent=click.Context(cli, **cli.context_settings)),
        KNOBS,
        config,
    )


# A second value for every knob, as it is spelled and as it is meant.
SPELLED: dict[str, tuple[str, Any]] = {
    "unit": ("byte", "byte"),
    "encoding": ("cp1252", "cp1252"),
    "encoding_errors": ("replace", "replace"),
    "newlines": ("lf", "lf"),
    "normalize": ("nfc", "nfc"),
    "separator": (";", ";"),
    "column": ("a text", "a text"),
    "min_count": ("7", 7),
    "val_fraction": ("0.25", 0.25),
    "val": ("other.txt", "other.txt"),
    "cell": ("gru", "gru"),
    "hidden_size": ("3", 3),
    "num_layers": ("4", 4),
    "embedding_size": ("5", 5),
    "copy_window": ("none", None),
    "counts": ("3", 3),
    "dropout": ("0", 0.0),
    "minutes": ("1e-1", 0.1),
    "steps": ("7", 7),
    "batch_size": ("8", 8),
    "sequence_length": ("9", 9),
    "learning_rate": ("1e-3", 0.001),
    "weight_decay": ("0", 0.0),
    "clip_norm": ("none", None),
    "rehearse": ("0.1", 0.1),
    "seed": ("4294967295", 4294967295),
    "report_every": ("10", 10),
    "eval_every": ("none", None),
    "patience": ("2", 2),
    "save_every": ("NONE", None),
    "sample_every": ("auto", "auto"),
    "keep": ("1", 1),
    "on_save_error": ("Continue", "continue"),
    "threads": (" 2 ", 2),
    "device": ("CPU", "cpu"),
    "precision": ("fp32", "fp32"),
    "base": ("earlier", "earlier"),
    "name": ("a b", "a b"),
    "runs_dir": ("runs", "runs"),
}


def test_the_table_of_values_has_every_knob() -> None:
    assert list(SPELLED) == list(KNOBS)


@pytest.mark.parametrize("name", KNOBS)
def test_a_value_is_the_same_from_flag_environment_and_yaml(
    name: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, meant = SPELLED[name]
    Path("run.yaml").write_text(f'{name}: "{text}"\n')
    assert values() == {}
    assert values(KNOBS[name].flag, text) == {name: meant}
    assert values(config="run.yaml") == {name: meant}
    monkeypatch.setenv(f"CHARRNN_TRAIN_{KNOBS[name].variable}", text)
    assert values() == {name: meant}


def test_flag_goes_before_environment_before_yaml_before_default(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("run.yaml").write_text("hidden_size: 1\nnum_layers: 1\nbatch_size: 1\n")
    monkeypatch.setenv("CHARRNN_TRAIN_HIDDEN_SIZE", "2")
    monkeypatch.setenv("CHARRNN_TRAIN_NUM_LAYERS", "2")
    assert values("--hidden-size", "3", config="run.yaml") == {
        "hidden_size": 3,
        "num_layers": 2,
        "batch_size": 1,
    }


def test_a_flag_that_repeats_the_default_still_goes_before_the_rest(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("run.yaml").write_text("cell: rnn\n")
    monkeypatch.setenv("CHARRNN_TRAIN_CELL", "gru")
    assert values("--cell", "lstm", config="run.yaml") == {"cell": "lstm"}


def test_of_a_flag_given_twice_the_last_counts() -> None:
    assert values("--steps", "1", "--steps", "2") == {"steps": 2}


def test_an_empty_environment_variable_is_none_at_all(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("run.yaml").write_text("steps: 5\n")
    monkeypatch.setenv("CHARRNN_TRAIN_STEPS", "")
    assert values(config="run.yaml") == {"steps": 5}


def test_a_variable_of_another_command_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_STEPS", "5")
    monkeypatch.setenv("CHARRNN_SAMPLE_STEPS", "5")
    assert values() == {}


# What no knob of its kind can be, and how the error shows it.
SMALL = {
    "-1": "-1",
    "-inf": "'-inf'",
    "inf": "'inf'",
    "nan": "'nan'",
    "1e999": "'1e999'",
    "abc": "'abc'",
    "1.5": "'1.5'",
    "": "''",
}
HOSTILE: dict[type, dict[str, str]] = {
    int: SMALL | {"9" * 400: "9" * 400},
    float: {
        "-1": "-1.0",
        "-inf": "-inf",
        "inf": "inf",
        "nan": "nan",
        "1e999": "inf",
        "abc": "'abc'",
        "": "''",
    },
    str: {"-1": "'-1'", "nan": "'nan'", "abc": "'abc'", "": "''"},
}


def hostile(these: dict[str, Knob]) -> list[Any]:
    """Every knob with every text that it must refuse; a text without choices may be anything but
    empty."""
    return [
        pytest.param(knob, text, shown, id=f"{knob.name}={text[:8]}")
        for knob in these.values()
        for text, shown in (
            {"": "''"} if knob.kind is str and not knob.choices else HOSTILE[knob.kind]
        ).items()
    ]


def place(knob: Knob, source: str) -> str:
    """How an error names the source of a value; a flag is named already."""
    return "" if source == knob.flag else f" in {source}"


@pytest.mark.parametrize(("knob", "text", "shown"), hostile(KNOBS))
def test_a_bad_value_is_the_same_error_from_flag_environment_and_yaml(
    knob: Knob, text: str, shown: str, here: Path
) -> None:
    Path("run.yaml").write_text(f'{knob.name}: "{text}"\n')
    variable = f"CHARRNN_TRAIN_{knob.name.upper()}"
    sources = {
        knob.flag: call("train", f"{knob.flag}={text}"),
        "run.yaml": call("train", "-c", "run.yaml"),
    }
    if text:  # an empty variable is none at all
        sources[variable] = call("train", env={variable: text})
    for source, result in sources.items():
        assert (result.exit_code, result.stdout) == (2, "")
        assert (
            result.stderr == f"Error: {knob.flag} {knob.complaint()} {shown}{place(knob, source)}\n"
        )
    assert [path.name for path in here.iterdir()] == ["run.yaml"]


@pytest.mark.parametrize(("knob", "text", "shown"), hostile(knobs(Sampler)))
def test_a_bad_value_of_the_sampler_is_the_same_error_from_flag_and_environment(
    knob: Knob, text: str, shown: str, here: Path
) -> None:
    variable = f"CHARRNN_SAMPLE_{knob.name.upper()}"
    sources = {knob.flag: call("sample", f"{knob.flag}={text}")} | (
        {variable: call("sample", env={variable: text})} if text else {}
    )
    for source, result in sources.items():
        assert (result.exit_code, result.stdout) == (2, "")
        assert (
            result.stderr == f"Error: {knob.flag} {knob.complaint()} {shown}{place(knob, source)}\n"
        )


@pytest.mark.parametrize("flag", ["-c", "--config"])
def test_a_config_that_cannot_be_read_is_a_usage_error(flag: str, here: Path) -> None:
    Path("latin.yaml").write_bytes(b"name: caf\xe9\n")
    for name, why in (("none.yaml", "No such file or directory"), (".", "Is a directory")):
        result = call("train", flag, name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"Error: --config: {name} cannot be read: {why}; give a YAML file\n"
    result = call("train", flag, "latin.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: --config: latin.yaml cannot be read: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("stpes: 5\n", "unknown option 'stpes' in run.yaml; did you mean steps?"),
        (
            "steps: 5\nsteps: 6\n",
            "steps is set twice in run.yaml, the second time on line 2; remove one",
        ),
        ("- 5\n", "run.yaml must have one option per line, such as `hidden_size: 256`"),
        ("steps: [5]\n", "steps in run.yaml, line 1, must be a single value; write `steps: value`"),
        (
            "steps: no\n",
            "--steps must be a whole number from 1 to 1,000,000,000, or none; got 'no' in run.yaml",
        ),
        (
            "steps:\n",
            "--steps must be a whole number from 1 to 1,000,000,000, or none; got '' in run.yaml",
        ),
    ],
)
def test_a_config_that_makes_no_sense_is_a_usage_error(text: str, error: str, here: Path) -> None:
    Path("run.yaml").write_text(text)
    result = call("train", "-c", "run.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {error}\n")


BOTH = "Error: --minutes 2 and --steps 3 exclude each other; give one of them\n"


def test_minutes_and_steps_are_refused_where_one_level_gives_both(here: Path) -> None:
    Path("run.yaml").write_text("minutes: 2\nsteps: 3\n")
    for result in (
        call("train", "--minutes", "2", "--steps", "3"),
        call("train", env={"CHARRNN_TRAIN_MINUTES": "2", "CHARRNN_TRAIN_STEPS": "3"}),
        call("train", "-c", "run.yaml"),
    ):
        assert (result.exit_code, result.stdout, result.stderr) == (2, "", BOTH)


def test_a_level_that_gives_both_is_refused_whatever_is_above_it(here: Path) -> None:
    Path("run.yaml").write_text("minutes: 2\nsteps: 3\n")
    for result in (call("train", "--steps", "4", "-c", "run.yaml"),):
        assert (result.exit_code, result.stdout, result.stderr) == (2, "", BOTH)


def test_of_minutes_and_steps_on_two_levels_the_higher_wins(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("steps.yaml").write_text("steps: 3\nminutes: none\n")
    Path("minutes.yaml").write_text("minutes: 2\n")
    assert values("--minutes", "1", config="steps.yaml") == {"minutes": 1.0}
    assert values("--steps", "4", config="minutes.yaml") == {"steps": 4}
    monkeypatch.setenv("CHARRNN_TRAIN_MINUTES", "5")
    assert values(config="steps.yaml") == {"minutes": 5.0}
    assert values("--steps", "4", config="steps.yaml") == {"steps": 4}


def test_minutes_none_with_steps_is_no_contradiction() -> None:
    assert values("--minutes", "none", "--steps", "4") == {"minutes": None, "steps": 4}


@pytest.mark.parametrize(
    ("command", "these"),
    [(train, KNOBS), (sample, knobs(Sampler)), (evaluate, READING)],
    ids=["train", "sample", "evaluate"],
)
def test_every_knob_is_a_flag_in_the_order_in_which_it_is_written(
    command: click.Command, these: dict[str, Knob]
) -> None:
    names = [param.name for param in command.params]
    places = [names.index(name) for name in these]
    assert places == list(range(places[0], places[0] + len(these)))


@pytest.mark.parametrize(
    ("knob", "expected"),
    [
        (Knob("n", int, 1, "of"), "N"),
        (Knob("x", float, 1.0, "of", none=True), "X|none"),
        (Knob("n", int, "auto", "of", auto=True, none=True), "N|auto|none"),
        (Knob("t", str, "", "of"), "TEXT"),
        (Knob("c", str, "a", "of", choices=("a", "b"), none=True), "a|b|none"),
    ],
)
def test_metavar_says_what_may_stand_after_the_flag(knob: Knob, expected: str) -> None:
    assert metavar(knob) == expected


@pytest.mark.parametrize(
    ("value", "text"), [(None, "none"), (0.004, "0.004"), (1.0, "1"), (3, "3"), ("auto", "auto")]
)
def test_spelled_writes_a_default_as_it_would_be_typed(value: object, text: str) -> None:
    assert spelled(value) == text


def test_a_knob_of_ones_own_becomes_an_option_with_its_short_name_and_default() -> None:
    @click.command()
    @knob_options({"half": Knob("half", float, 0.5, "a share", low=0, high=1, short="-f")})
    @click.pass_context
    def command(ctx: click.Context, half: str) -> None:
        click.echo(given(ctx, {"half": Knob("half", float, 0.5, "a share", low=0, high=1)}))

    runner = CliRunner()
    assert runner.invoke(command, ["-f", "0.25"]).stdout == "{'half': 0.25}\n"
    assert runner.invoke(command, []).stdout == "{}\n"
    assert "-f, --half X  a share  [default: 0.5]" in runner.invoke(command, ["--help"]).stdout
    refused = runner.invoke(command, ["--half", "2"]).exception
    assert isinstance(refused, ConfigError)
    assert str(refused) == "`half` must be a number from 0 to 1, got 2.0"


def test_defaults_in_the_help_are_those_of_the_knobs() -> None:
    shown = " ".join(call("train", "-h").output.split())
    for knob in KNOBS.values():
        default = "auto" if knob.planned else spelled(knob.default)
        assert f"{' '.join(knob.help.split())} [default: {default}]" in shown
        assert knob.parse(spelled(knob.default)) == knob.default


def test_quiet_leaves_only_the_results(text_run: Trained, here: Path) -> None:
    shutil.copytree(text_run.where, here, dirs_exist_ok=True)
    for words in (
        ["sample", "corpus", "--seed=1", "--length=20", "--max-copy=9"],
        ["sample", "corpus", "--seed=1", "--length=20", "--adapt-to=corpus.txt"],
        ["sample", "corpus", "--seed=1", "--length=20", "--save-state=state"],
        ["evaluate", "corpus", "corpus.txt"],
        ["originality", "corpus", "corpus.txt", "--html=page.html"],
        ["plan", "corpus.txt", *SMALL_RUN],
    ):
        loud = call(*words)
        quiet = call(*words, "--quiet")
        assert loud.stderr, words
        assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, loud.stdout, ""), words
    assert call("info", "--runs-dir=elsewhere", "-q").stderr == ""


def test_quiet_leaves_a_report_that_was_asked_for(text_run: Trained, here: Path) -> None:
    shutil.copytree(text_run.where, here, dirs_exist_ok=True)
    words = ["sample", "corpus", "--seed=1", "--length=20", "--originality"]
    loud = call(*words).stderr.splitlines()
    place = next(number for number, line in enumerate(loud) if line.startswith("nothing of "))
    assert call(*words, "-q").stderr.splitlines() == loud[place:]
