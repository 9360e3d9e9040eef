"""Every knob is checked whatever its source, and a run's YAML round-trips."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest

from charrnn.config.knobs import Knob
from charrnn.config.run_config import (
    DataConfig,
    ModelConfig,
    RunConfig,
    TrainConfig,
    is_auto,
    run_knobs,
)
from charrnn.config.yaml import read_yaml, write_yaml
from charrnn.errors import ConfigError

KNOBS = run_knobs()
NUMBERS = [knob for knob in KNOBS.values() if knob.kind is not str]
TEXTS = [knob for knob in KNOBS.values() if knob.kind is str]
LISTED = ", ".join(["corpus", *KNOBS])

# The limits of every range, written by hand: just below it, the minimum, the maximum, just above
# it.
RANGES: dict[str, tuple[float, float, float, float]] = {
    "min_count": (0, 1, 10**9, 10**9 + 1),
    "val_fraction": (-0.001, 0, 0.5, 0.501),
    "hidden_size": (0, 1, 65536, 65537),
    "num_layers": (0, 1, 64, 65),
    "embedding_size": (0, 1, 65536, 65537),
    "copy_window": (1, 2, 2**20, 2**20 + 1),
    "counts": (0, 1, 1000, 1001),
    "dropout": (-0.01, 0, 0.95, 0.96),
    "minutes": (0.0, 1e-9, 525600, 525600.1),
    "steps": (0, 1, 10**9, 10**9 + 1),
    "batch_size": (0, 1, 65536, 65537),
    "sequence_length": (0, 1, 65536, 65537),
    "learning_rate": (0.0, 1e-9, 100, 100.1),
    "weight_decay": (-1e-9, 0, 100, 100.1),
    "clip_norm": (0.0, 1e-9, 1e9, 1.1e9),
    "rehearse": (-1e-9, 0, 0.9, 0.91),
    "seed": (-1, 0, 2**32 - 1, 2**32),
    "report_every": (0, 1, 10**9, 10**9 + 1),
    "eval_every": (0, 1, 10**9, 10**9 + 1),
    "patience": (0, 1, 10**9, 10**9 + 1),
    "save_every": (0, 1, 10**9, 10**9 + 1),
    "sample_every": (0, 1, 10**9, 10**9 + 1),
    "keep": (0, 1, 10**9, 10**9 + 1),
    "threads": (0, 1, 1024, 1025),
}

# A value other than the default for every knob but steps, which excludes minutes.
OTHER: dict[str, Any] = {
    "unit": "byte",
    "encoding": "cp1252",
    "encoding_errors": "replace",
    "newlines": "lf",
    "normalize": "nfkc",
    "separator": ";\\ ",
    "column": "a text",
    "min_count": 7,
    "val_fraction": 0.0,
    "val": "other.txt",
    "cell": "gru",
    "hidden_size": 3,
    "num_layers": 4,
    "embedding_size": 5,
    "copy_window": 11,
    "counts": 3,
    "dropout": 0.5,
    "minutes": 1e-05,
    "batch_size": 6,
    "sequence_length": 7,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "clip_norm": None,
    "rehearse": 0.5,
    "seed": 2**32 - 1,
    "report_every": 8,
    "eval_every": None,
    "patience": 12,
    "save_every": None,
    "sample_every": None,
    "keep": 9,
    "on_save_error": "continue",
    "threads": 10,
    "device": "cpu",
    "precision": "fp32",
    "base": "earlier",
    "name": "poems",
    "runs_dir": "elsewhere/runs",
}


def by_name(knob: Knob) -> str:
    return knob.name


def refusal(call: Callable[..., object], *args: Any, **kwargs: Any) -> str:
    """The message of the error that a call raises."""
    with pytest.raises(ConfigError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


# Values


@pytest.mark.parametrize("knob", NUMBERS, ids=by_name)
def test_nan_and_infinity_are_refused(knob: Knob) -> None:
    for value in (math.nan, math.inf, -math.inf):
        assert refusal(knob.check, value) == f"`{knob.name}` {knob.complaint()} {value!r}"


@pytest.mark.parametrize("knob", NUMBERS, ids=by_name)
def test_text_for_nan_or_infinity_is_refused(knob: Knob) -> None:
    for word in ("nan", "NaN", "inf", "-inf", "Infinity", "1e999"):
        shown = word if knob.kind is int else float(word)
        assert (
            refusal(knob.parse, word, "run.yaml")
            == f"`{knob.name}` {knob.complaint()} {shown!r} in run.yaml"
        )


@pytest.mark.parametrize("knob", NUMBERS, ids=by_name)
def test_a_number_of_another_type_is_refused(knob: Knob) -> None:
    for value in (True, False, "3", "", b"3", [3], (3,), {3: 3}, 3j):
        assert refusal(knob.check, value) == f"`{knob.name}` {knob.complaint()} {value!r}"


@pytest.mark.parametrize("knob", [knob for knob in NUMBERS if knob.kind is int], ids=by_name)
def test_a_float_is_refused_as_a_whole_number(knob: Knob) -> None:
    assert refusal(knob.check, 2.0) == f"`{knob.name}` {knob.complaint()} 2.0"
    assert refusal(knob.parse, "2.0") == f"`{knob.name}` {knob.complaint()} '2.0'"


@pytest.mark.parametrize("knob", TEXTS, ids=by_name)
def test_a_string_of_another_type_or_an_empty_one_is_refused(knob: Knob) -> None:
    for value in ("", 3, 0.5, True, b"lstm", ["lstm"]):
        assert refusal(knob.check, value) == f"`{knob.name}` {knob.complaint()} {value!r}"


@pytest.mark.parametrize("knob", NUMBERS, ids=by_name)
def test_text_that_is_not_a_number_is_refused(knob: Knob) -> None:
    for word in ("", "three", "1,5", "0x10", "12:30", "1 2", "--1", ".nan", "yes"):
        assert refusal(knob.parse, word) == f"`{knob.name}` {knob.complaint()} {word!r}"


def test_every_number_has_a_range_here() -> None:
    assert RANGES.keys() == {knob.name for knob in NUMBERS}


@pytest.mark.parametrize("name", RANGES)
def test_a_range_includes_its_limits_and_nothing_beyond(name: str) -> None:
    knob = KNOBS[name]
    below, least, most, above = RANGES[name]
    assert [knob.check(least), knob.check(most)] == [least, most]
    assert [knob.parse(str(least)), knob.parse(str(most))] == [least, most]
    for value in (below, above):
        message = f"`{name}` {knob.complaint()} {value!r}"
        assert refusal(knob.check, value) == message
        assert refusal(knob.parse, str(value)) == message


@pytest.mark.parametrize("knob", [knob for knob in TEXTS if knob.choices], ids=by_name)
def test_a_choice_must_be_in_its_list(knob: Knob) -> None:
    assert [knob.check(choice) for choice in knob.choices] == list(knob.choices)
    assert [knob.parse(f" {choice.upper()} ") for choice in knob.choices] == list(knob.choices)
    assert refusal(knob.check, "other") == f"`{knob.name}` {knob.complaint()} 'other'"
    assert (
        refusal(knob.check, knob.choices[0].upper())
        == f"`{knob.name}` {knob.complaint()} {knob.choices[0].upper()!r}"
    )


@pytest.mark.parametrize("knob", KNOBS.values(), ids=by_name)
def test_none_is_accepted_only_where_allowed(knob: Knob) -> None:
    can = knob.name in (
        "normalize", "separator", "column", "val", "copy_window", "counts", "minutes", "steps", "clip_norm", "eval_every", "patience", "save_every",
        "sample_every", "base", "name",
    )  # fmt: skip
    assert can == knob.none
    if can:
        assert [knob.check(None), knob.parse("none"), knob.parse(" None ")] == [None, None, None]
    else:
        assert refusal(knob.check, None) == f"`{knob.name}` {knob.complaint()} None"


@pytest.mark.parametrize("knob", NUMBERS, ids=by_name)
def test_auto_is_accepted_only_where_allowed(knob: Knob) -> None:
    can = knob.name in ("report_every", "eval_every", "save_every", "sample_every", "threads")
    assert can == knob.auto
    if can:
        assert [knob.check("auto"), knob.parse("auto"), knob.parse(" AUTO ")] == [
            "auto",
            "auto",
            "auto",
        ]
        assert refusal(knob.check, "AUTO") == f"`{knob.name}` {knob.complaint()} 'AUTO'"
    else:
        assert refusal(knob.check, "auto") == f"`{knob.name}` {knob.complaint()} 'auto'"


@pytest.mark.parametrize(
    ("name", "word", "value"),
    [
        ("learning_rate", "1e-3", 0.001),
        ("learning_rate", " .5 ", 0.5),
        ("dropout", "0", 0.0),
        ("seed", "010", 10),
        ("hidden_size", " 64\n", 64),
        ("cell", "GRU", "gru"),
        ("device", "auto", "auto"),
        ("encoding", "Latin-1", "Latin-1"),
        ("name", "My Poems", "My Poems"),
    ],
)
def test_text_is_parsed_as_a_value(name: str, word: str, value: object) -> None:
    found = KNOBS[name].parse(word)
    assert (found, type(found)) == (value, type(value))


def test_a_whole_number_becomes_a_float_for_a_float_knob() -> None:
    assert repr(ModelConfig(dropout=0).dropout) == "0.0"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cell", "one of lstm, gru, rnn"),
        ("normalize", "one of nfc, nfkc or none"),
        ("encoding", "a non-empty string"),
        ("name", "a non-empty string or none"),
        ("hidden_size", "a whole number from 1 to 65,536, or auto"),
        ("threads", "a whole number from 1 to 1,024, or auto"),
        ("val_fraction", "a number from 0 to 0.5"),
        ("minutes", "a number above 0 and at most 525,600, or none"),
    ],
)
def test_an_error_lists_the_allowed_values(name: str, words: str) -> None:
    comma = ";" if ", or " in words else ","
    assert refusal(KNOBS[name].check, 1j) == f"`{name}` must be {words}{comma} got 1j"


def test_an_error_names_the_upper_bound() -> None:
    assert (
        refusal(TrainConfig, seed=2**32)
        == "`seed` must be a whole number from 0 to 4,294,967,295, got 4294967296"
    )
    assert refusal(TrainConfig, steps=10**9 + 1) == (
        "`steps` must be a whole number from 1 to 1,000,000,000, or none; got 1000000001"
    )


def test_a_flag_is_the_knobs_name_with_hyphens() -> None:
    assert KNOBS["learning_rate"].flag == "--learning-rate"


# Configurations


@pytest.mark.parametrize(
    ("config", "knob"),
    [(DataConfig, "val_fraction"), (ModelConfig, "dropout"), (TrainConfig, "weight_decay")],
)
def test_a_configuration_is_checked_when_created(config: type, knob: str) -> None:
    assert refusal(config, **{knob: math.nan}) == f"`{knob}` {KNOBS[knob].complaint()} nan"


def test_a_configuration_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().hidden_size = 1  # type: ignore[misc]


def test_minutes_and_steps_exclude_each_other() -> None:
    message = "`minutes` and `steps` cannot both be given, got 5 and 100"
    assert refusal(RunConfig.from_flat, {"minutes": 5, "steps": 100}) == message
    assert refusal(RunConfig.from_flat({"steps": 100}).replace, minutes=5) == message


@pytest.mark.parametrize("name", [".", "..", "a/b", "/", "a\\b", "a\0b", "step-00000001"])
def test_a_name_must_be_a_valid_directory_name(name: str) -> None:
    message = f"`name` must be a directory name of at most 200 characters, without slashes, that does not begin with step- or a dot, got {name!r}"
    assert refusal(RunConfig, name=name) == message


def test_flat_and_from_flat_are_inverses() -> None:
    config = RunConfig.from_flat(OTHER | {"corpus": ("a.txt", "b.txt")})
    assert config.flat() == {"corpus": ["a.txt", "b.txt"], "steps": None} | OTHER
    assert RunConfig.from_flat(config.flat()) == config


def test_replace_changes_only_the_given_knobs() -> None:
    config = RunConfig.from_flat(OTHER)
    assert config.replace(seed=1).flat() == config.flat() | {"seed": 1}
    assert config.train.seed == 2**32 - 1


def test_a_single_corpus_path_is_not_split_into_letters() -> None:
    assert RunConfig.from_flat({"corpus": "my.txt"}).corpus == ("my.txt",)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("hiden_size", "did you mean hidden_size?"),
        ("batch-size", "did you mean batch_size?"),
        ("Seed", "did you mean seed?"),
        ("zzzzz", f"the options are: {LISTED}"),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest_match(name: str, advice: str) -> None:
    assert refusal(RunConfig.from_flat, {name: 3}) == f"unknown option {name!r}; {advice}"
    assert (
        refusal(read_yaml, f"{name}: 3", "run.yaml")
        == f"unknown option {name!r} in run.yaml; {advice}"
    )


# YAML


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# nothing\n", {}),
        ("learning_rate: 1e-3", {"learning_rate": 0.001}),  # a string in YAML 1.1
        ("seed: 010", {"seed": 10}),  # 8 in YAML 1.1
        ("name: no", {"name": "no"}),  # False in YAML 1.1
        ("name: 12:30", {"name": "12:30"}),  # 750 in YAML 1.1
        ("name: 2026-11-20", {"name": "2026-11-20"}),  # a date in YAML 1.1
        ("name: ~", {"name": "~"}),
        ("minutes: none\nsteps: 10", {"minutes": None, "steps": 10}),
        ("dropout: !!str 0.5", {"dropout": 0.5}),
        ("eval_every: AUTO", {"eval_every": "auto"}),
        ("corpus: a.txt", {"corpus": ("a.txt",)}),
        ("corpus: [no, 1e-3, 'a b']", {"corpus": ("no", "1e-3", "a b")}),
        ("corpus:\n- a.txt\n- b.txt", {"corpus": ("a.txt", "b.txt")}),
        ("{seed: 1, keep: 2}", {"seed": 1, "keep": 2}),
    ],
)
def test_yaml_values_are_parsed_like_flags(text: str, values: dict[str, object]) -> None:
    assert read_yaml(text, "run.yaml") == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "dropout: no",
            "`dropout` must be a number from 0 to 0.95, or auto; got 'no' in run.yaml",
        ),
        (
            "hidden_size: 12:30",
            "`hidden_size` must be a whole number from 1 to 65,536, or auto; got '12:30' in run.yaml",
        ),
        (
            "hidden_size: 1e2",
            "`hidden_size` must be a whole number from 1 to 65,536, or auto; got '1e2' in run.yaml",
        ),
        (
            "dropout: .nan",
            "`dropout` must be a number from 0 to 0.95, or auto; got '.nan' in run.yaml",
        ),
        (
            "dropout: nan",
            "`dropout` must be a number from 0 to 0.95, or auto; got nan in run.yaml",
        ),
        (
            "dropout:",
            "`dropout` must be a number from 0 to 0.95, or auto; got '' in run.yaml",
        ),
        (
            "dropout: 'none'",
            "`dropout` must be a number from 0 to 0.95, or auto; got None in run.yaml",
        ),
        (
            "device: no",
            "`device` must be one of auto, cpu, cuda, mps, got 'no' in run.yaml",
        ),
        (
            "seed: 1\nkeep: 2\nseed: 1",
            "seed is set twice in run.yaml, the second time on line 3; remove one",
        ),
        (
            "seed: &one 1\nkeep: *one",
            "run.yaml contains an anchor or alias, which is not supported; write the value out",
        ),
        (
            "seed: &one 1",
            "run.yaml contains an anchor or alias, which is not supported; write the value out",
        ),
        ("seed: [1]", "seed in run.yaml, line 1, must be a single value; write `seed: value`"),
        (
            "keep: 2\nseed:\n  of: 1",
            "seed in run.yaml, line 3, must be a single value; write `seed: value`",
        ),
        (
            "corpus: [[a.txt]]",
            "corpus in run.yaml, line 1, must be a single value; write `corpus: value`",
        ),
        (
            "corpus: {a: b}",
            "corpus in run.yaml, line 1, must be a single value; write `corpus: value`",
        ),
        ("model:\n  cell: gru", f"unknown option 'model' in run.yaml; the options are: {LISTED}"),
        ("<<: {seed: 1}", f"unknown option '<<' in run.yaml; the options are: {LISTED}"),
        ("- seed", "run.yaml must have one option per line, such as `hidden_size: 256`"),
        ("seed", "run.yaml must have one option per line, such as `hidden_size: 256`"),
    ],
)
def test_yaml_pitfalls_are_refused_in_one_line(text: str, message: str) -> None:
    assert refusal(read_yaml, text, "run.yaml") == message


@pytest.mark.parametrize(
    "text",
    [
        "a: b: c",
        "'",
        "\0",
        "\t",
        "seed: *one",
        "seed: 1\n---\nseed: 2",
        "seed: !",
        "seed: 1\n  keep: 2",
        "[" * 2000,
    ],
    ids=[
        "two colons",
        "open quote",
        "NUL",
        "tab",
        "no anchor",
        "two documents",
        "bare tag",
        "indented",
        "deep",
    ],
)
def test_yaml_that_is_not_flat_is_refused_in_one_line(text: str) -> None:
    message = refusal(read_yaml, text, "run.yaml")
    assert "run.yaml" in message
    assert "\n" not in message


def test_yaml_with_too_many_items_is_refused() -> None:
    text = "corpus: [a, b, c, d, e]\n"  # a mapping, a key, a list and five values
    assert read_yaml(text, "run.yaml", 8) == {"corpus": tuple("abcde")}
    assert (
        refusal(read_yaml, text, "run.yaml", 7)
        == "run.yaml has more than 7 names and values; remove some"
    )


def test_a_list_as_a_key_is_refused() -> None:
    assert "Node" not in refusal(read_yaml, "? [seed, keep]\n: 1", "run.yaml")


def test_every_knob_has_another_value_here() -> None:
    assert OTHER.keys() | {"steps"} == KNOBS.keys()
    assert all(knob.default != OTHER[name] for name, knob in KNOBS.items() if name != "steps")


@pytest.mark.parametrize(
    "values", [{}, OTHER, {"steps": 10**9}], ids=["defaults", "others", "steps"]
)
def test_yaml_round_trips(values: dict[str, Any]) -> None:
    config = RunConfig.from_flat(values)
    assert RunConfig.from_flat(read_yaml(write_yaml(config), "config.yaml")) == config


@pytest.mark.parametrize(
    "path",
    [
        "no",
        "1e-3",
        "010",
        "12:30",
        "~",
        "null",
        "- a",
        "a: b",
        "# a",
        "'",
        '"',
        " a ",
        "a\nb",
        "é",
        "😀",
        "x" * 300,
        "a\udcff",
    ],
)
def test_any_path_survives_yaml(path: str) -> None:
    config = RunConfig(corpus=(path, path), runs_dir=path)
    assert RunConfig.from_flat(read_yaml(write_yaml(config), "config.yaml")) == config


@pytest.mark.parametrize(
    "values", [{"name": "Auto"}, {"runs_dir": "Auto"}, {"runs_dir": "None"}], ids=str
)
def test_a_name_that_looks_like_a_keyword_survives_yaml(values: dict[str, str]) -> None:
    config = RunConfig.from_flat(values)
    assert RunConfig.from_flat(read_yaml(write_yaml(config), "config.yaml")) == config


def test_written_yaml_has_one_knob_per_line() -> None:
    lines = write_yaml(RunConfig.from_flat(OTHER | {"corpus": ("é.txt", "b.txt")})).splitlines()
    assert [line.partition(":")[0] for line in lines] == list(RunConfig().flat())
    assert lines[0] == "corpus: [é.txt, b.txt]"
    assert {
        "normalize: nfkc",
        "clip_norm: none",
        "learning_rate: 0.001",
        "minutes: 1.0e-05",
    } <= set(lines)


@pytest.mark.parametrize("name", ["hidden_size", "num_layers", "dropout"])
def test_auto_from_any_source_leaves_a_planned_knob_to_the_autopilot(name: str) -> None:
    knob = run_knobs()[name]
    assert knob.parse("auto") == knob.parse(" AUTO ") == "auto"
    assert read_yaml(f"{name}: auto", "run.yaml") == {name: "auto"}
    assert RunConfig.from_flat({name: "auto"}) == RunConfig()
    assert is_auto(name, "auto") and not is_auto(name, 1) and not is_auto("threads", "auto")
