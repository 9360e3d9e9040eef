"""R17: an invalid value gives the same error, with its name, from a flag, the environment, YAML and
Python; never a traceback."""

import decimal
import fractions
import json
import math
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

import charrnn
from charrnn.cli.main import cli
from charrnn.cli.options import given
from charrnn.config.knobs import Knob, knobs
from charrnn.config.run_config import RunConfig, run_knobs
from charrnn.config.yaml import read_yaml
from charrnn.errors import ConfigError
from charrnn.generation.sampling import Sampler
from charrnn.storage import checkpoint as checkpoints
from tests.reliability.saving import example

# like a called command: its variables and its -h come from there
PARENT = click.Context(cli, **cli.context_settings)

TEXTS = [
    "", " ", "-1", "0", "-0", "1e-3", "1e3", "1e999", "-1e999", "nan", "NaN", "inf", "-Infinity", "9" * 400, "0x10", "1_000", "１", "1,5",
    "true", "no", "null", "none", "auto", "\x00", "\x1b[2J", "../../x", "a\nb", "12:30", "é" * 300, "[1]", "{}", "1 2", "--steps",
]  # fmt: skip
OBJECTS: list[Any] = [
    None, True, False, -1, 0, 10**400, 1.5, -0.0, 1e-320, math.nan, math.inf, -math.inf, "", "abc", "1", b"1", [], [1], (), {}, {1},
    object(),
    1j, decimal.Decimal("1"), fractions.Fraction(1, 2), np.float64(1.0), np.int64(1), np.array([1, 2]), lambda: 1, int, Path("x"), "\ud800",
]  # fmt: skip
KNOBS = run_knobs()
SAMPLING = knobs(Sampler)


def outcome(call: Any) -> tuple[str, Any]:
    """The result for the user: the value, or the error without its source."""
    try:
        return "value", call()
    except ConfigError as error:
        assert "\n" not in str(error)
        return "error", str(error)


def from_flag(name: str, knob: Knob, text: str, command: str, these: dict[str, Knob]) -> Any:
    found = cli.get_command(PARENT, command)
    assert found
    return given(found.make_context(command, [f"{knob.flag}={text}"], parent=PARENT), these)[name]


def from_environment(
    name: str,
    knob: Knob,
    text: str,
    command: str,
    these: dict[str, Knob],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    found = cli.get_command(PARENT, command)
    assert found
    with monkeypatch.context() as patch:
        patch.setenv(f"CHARRNN_{command.upper()}_{these[name].variable}", text)
        return given(found.make_context(command, [], parent=PARENT), these)[name]


def without_source(found: tuple[str, Any], source: str) -> tuple[str, Any]:
    """The outcome without the source named in an error."""
    kind, value = found
    return (kind, value.removesuffix(f" in {source}")) if kind == "error" else found


@pytest.mark.parametrize(
    ("command", "these", "name"),
    [("train", KNOBS, name) for name in KNOBS] + [("sample", SAMPLING, name) for name in SAMPLING],
)
def test_a_text_means_the_same_from_every_source(
    command: str, these: dict[str, Knob], name: str, monkeypatch: pytest.MonkeyPatch, tally: Any
) -> None:
    knob, checked = these[name], 0
    for text in TEXTS:
        flag = without_source(
            outcome(lambda text=text: from_flag(name, knob, text, command, these)), knob.flag
        )
        assert flag[0] == "value" or flag[1].startswith(f"`{name}` must ")
        checked += 1
        if text and "\x00" not in text:  # an empty variable counts as unset, and none contains NUL
            variable = f"CHARRNN_{command.upper()}_{knob.variable}"
            found = outcome(
                lambda text=text: from_environment(name, knob, text, command, these, monkeypatch)
            )
            assert without_source(found, variable) == flag
            checked += 1
        if command == "train" and text.isprintable():
            found = outcome(
                lambda text=text: read_yaml(
                    f"{name}: {json.dumps(text, ensure_ascii=False)}\n", "run.yaml"
                )[name]
            )
            assert without_source(found, "run.yaml") == flag
            checked += 1
        if flag[0] == "value" and command == "train":  # and an accepted value can be used
            flat = outcome(lambda value=flag[1]: RunConfig.from_flat({name: value}).flat()[name])
            assert flat[0] == "error" or flat[1] == flag[1] or flag[1] == "auto"
    tally(checked, "texts given for a knob by flag, environment and YAML")


@pytest.mark.parametrize("name", KNOBS)
def test_an_object_is_a_valid_value_or_an_error_that_names_the_knob(name: str, tally: Any) -> None:
    for thing in OBJECTS:
        kind, found = outcome(lambda thing=thing: RunConfig.from_flat({name: thing}).flat()[name])
        if kind == "error":
            assert found.startswith(f"`{name}` "), found
        else:
            assert type(found) in (type(None), int, float, str)
            assert not isinstance(found, float) or math.isfinite(found)
    tally(len(OBJECTS), "objects given for a knob in Python")


@pytest.mark.parametrize("name", SAMPLING)
def test_an_object_is_a_valid_sampler_setting_or_an_error_that_names_it(
    name: str, tally: Any
) -> None:
    for thing in OBJECTS:
        kind, found = outcome(lambda thing=thing: getattr(Sampler(**{name: thing}), name))
        assert found is None or kind == "error" or math.isfinite(found)
        assert kind == "value" or found.startswith(f"`{name}` must ")
    tally(len(OBJECTS), "objects given to the sampler")


@pytest.mark.parametrize("option", ["--length", "--seed", "--num-samples"])
def test_an_option_that_is_not_a_knob_is_valid_or_an_error_that_names_it(
    option: str, here: Path, tally: Any
) -> None:
    checkpoints.write(here / "model", example(1))
    for text in TEXTS:
        for words, variables in (
            ([f"{option}={text}"], {}),
            ([], {f"CHARRNN_SAMPLE_{option[2:].replace('-', '_').upper()}": text}),
        ):
            if (variables and (not text or "\x00" in text)) or (
                text in ("1e3", "9" * 400) and option == "--length"
            ):
                continue
            size = [] if option == "--length" else ["--length", "1"]
            result = CliRunner().invoke(cli, ["sample", "model", *size, *words], env=variables)
            assert result.exit_code in (0, 2), result
            assert result.exit_code == 0 or result.stderr.startswith(
                f"Error: {option} must be a whole number from "
            )
            assert result.exit_code == 0 or result.stderr.count("\n") == 1
            assert not isinstance(result.exception, Exception)
    tally(len(TEXTS), "texts given for an option of sample by flag and environment")


@pytest.mark.parametrize("name", ["length", "seed"])
def test_an_object_is_a_valid_length_or_seed_or_an_error_that_names_it(
    name: str, here: Path, tally: Any
) -> None:
    checkpoints.write(here / "model", example(1))
    model = charrnn.load("model")
    for thing in OBJECTS:
        if thing is not OBJECTS[5] or name == "seed":  # it would write such a long text
            kind, found = outcome(lambda thing=thing: model.generate(**{"length": 3, name: thing}))
            assert kind == "value" or found.startswith(f"`{name}` must ")
    assert model.generate(length=np.int64(5), seed=np.uint8(1)) == model.generate(length=5, seed=1)
    tally(len(OBJECTS), "objects given for a length or a seed")


def test_errors_are_the_same_on_the_command_line_and_in_python(here: Path, tally: Any) -> None:
    """Exit code 2, and the message of the ConfigError."""
    checkpoints.write(here / "model", example(1))
    bad = {"temperature": -1.0, "top_k": 0, "top_p": 2.0, "min_p": -0.5}
    for name, value in bad.items():
        with pytest.raises(ConfigError) as error:
            Sampler(**{name: value})
        result = CliRunner().invoke(cli, ["sample", "model", f"--{name.replace('_', '-')}={value}"])
        assert (result.exit_code, result.stdout) == (2, "")
        message = str(error.value).replace(f"`{name}`", SAMPLING[name].flag)
        assert result.stderr == f"Error: {message}\n"
    tally(len(bad), "errors that are the same on the command line and in Python")


YAML = [
    "steps: 1e-3", "steps: no", "steps: 12:30", "steps: 0o10", "steps: 5\nsteps: 6", "a: &a 1\nsteps: *a", "<<: {steps: 1}", "- 1",
    "steps: [1]", "steps: {a: 1}", "? [1]\n: 2", "!!python/object/apply:os.system ['touch touched']", "{", "steps: 'a",
    "steps: !!python/name:os.system 1\nsteps: 2", "%YAML 9.9\n---\nsteps: x", "steps: 5\n---\nsteps: 6", "[" * 5000, "a: " * 2000, "\x00",
    "steps:\n  - 1", "'': 1", "5: 5", "\ufeff{", "&a [*a]", "steps: !!binary abc", "~: 1",
]  # fmt: skip


@pytest.mark.parametrize("text", YAML, ids=range(len(YAML)))
def test_a_yaml_pitfall_is_one_line_of_error_and_has_no_effect(
    text: str, here: Path, tally: Any
) -> None:
    Path("run.yaml").write_text(text)
    result = CliRunner().invoke(cli, ["train", "-c", "run.yaml"])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1), result
    assert result.stderr.startswith("Error: ")
    assert [path.name for path in here.iterdir()] == ["run.yaml"]
    tally(1, "pitfalls of YAML")
