"""charrnn sample: the text on stdout and nothing else, had again by its seed; streams, files, pipes
and encodings."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.config.run_config import ModelConfig
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary
from tests.command import call

ROOT = str(Path(charrnn.__file__).parents[1])
STEP = "checkpoints/corpus/step-00000004"


@pytest.fixture
def model(two_steps: Path, monkeypatch: pytest.MonkeyPatch) -> charrnn.TextModel:
    """The best checkpoint, the working directory being that of the run."""
    monkeypatch.chdir(two_steps)
    return charrnn.load(STEP)


def arguments(*args: str) -> list[str]:
    return [sys.executable, "-m", "charrnn", "sample", *args]


def environment(**values: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "LC_", "LANG", "CHARRNN"))
    }
    return kept | {"PYTHONPATH": ROOT} | values


# The text


def test_stdout_is_the_text_and_a_newline_and_stderr_the_checkpoint_and_the_seed(
    model: charrnn.TextModel,
) -> None:
    result = call("sample", "-n", "80", "-s", "3")
    assert (result.exit_code, result.stdout) == (0, model.generate(length=80, seed=3) + "\n")
    assert result.stderr == f"{STEP}, seed 3\n"


def test_the_prompt_stands_before_the_text(model: charrnn.TextModel) -> None:
    for flags in (["-p", "the time"], ["--prompt", "the time"], ["--prompt=the time"]):
        result = call("sample", "-n", "80", "-s", "3", *flags)
        assert result.stdout == "the time" + model.generate("the time", length=80, seed=3) + "\n"
        assert result.stderr == f"{STEP}, seed 3\n"


def test_the_length_is_500_new_characters_unless_given(model: charrnn.TextModel) -> None:
    assert len(call("sample", "-p", "the time").stdout) == len("the time") + 500 + 1
    assert len(call("sample", "--length", "7").stdout) == 7 + 1


def test_hide_prompt_shows_the_new_text_alone(model: charrnn.TextModel) -> None:
    assert (
        call("sample", "-n", "80", "-s", "3", "-p", "the time", "--hide-prompt").stdout
        == model.generate("the time", length=80, seed=3) + "\n"
    )


def test_length_0_is_the_prompt_alone(model: charrnn.TextModel) -> None:
    assert call("sample", "-n", "0").stdout == "\n"
    assert call("sample", "-n", "0", "-p", "the time").stdout == "the time\n"


def test_the_seed_that_is_shown_writes_the_same_text_again(model: charrnn.TextModel) -> None:
    first, other = call("sample", "-n", "80"), call("sample", "-n", "80")
    seed = re.fullmatch(re.escape(STEP) + r", seed (\d+)\n", first.stderr)
    assert seed
    assert other.stderr != first.stderr
    assert other.stdout != first.stdout
    assert call("sample", "-n", "80", "--seed", seed[1]).stdout == first.stdout


def test_the_ith_of_several_texts_has_seed_plus_i_minus_1(model: charrnn.TextModel) -> None:
    result = call("sample", "-n", "30", "-s", "7", "-p", "the ", "--num-samples", "3")
    assert result.stdout == f"{'-' * 40}\n".join(
        call("sample", "-n", "30", "-p", "the ", "-s", seed).stdout for seed in ("7", "8", "9")
    )
    assert result.stderr == f"{STEP}, seeds 7 to 9\n"


@pytest.mark.parametrize("flags", [["-p", "the\n"], ["-p", "the\n", "--hide-prompt"], ["-n", "0"]])
def test_a_divider_is_a_line_of_its_own_whatever_the_texts_are(
    flags: list[str], model: charrnn.TextModel
) -> None:
    flags = ["-n", "0", "-s", "7", *flags]
    alone = call("sample", *flags).stdout
    result = call("sample", *flags, "--num-samples", "2")
    assert result.stdout == f"{alone}{'-' * 40}\n{alone}"


def test_temperature_0_is_the_same_text_whatever_the_seed(model: charrnn.TextModel) -> None:
    one, two = (call("sample", "-n", "80", "-t", "0", "-s", seed) for seed in ("1", "2"))
    assert one.stdout == two.stdout == model.generate(length=80, temperature=0) + "\n"


SETTINGS: dict[str, Any] = {"temperature": 1.5, "top_k": 3, "top_p": 0.3, "min_p": 0.3}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_the_sampler_is_a_flag_and_a_variable(
    name: str, model: charrnn.TextModel
) -> None:
    expected = model.generate(length=80, seed=3, **{name: SETTINGS[name]}) + "\n"
    assert expected != call("sample", "-n", "80", "-s", "3").stdout
    assert (
        call(
            "sample", "-n", "80", "-s", "3", f"--{name.replace('_', '-')}", str(SETTINGS[name])
        ).stdout
        == expected
    )
    variables = {f"CHARRNN_SAMPLE_{name.upper()}": str(SETTINGS[name])}
    assert call("sample", "-n", "80", "-s", "3", env=variables).stdout == expected
    assert (
        call(
            "sample", "-n", "80", "-s", "3", f"--{name.replace('_', '-')}", "1", env=variables
        ).stdout
        != expected
    )


def test_short_flags_are_the_long_ones(model: charrnn.TextModel) -> None:
    long = call(
        "sample",
        "--length",
        "80",
        "--temperature",
        "1.2",
        "--top-k",
        "4",
        "--seed",
        "3",
        "--prompt",
        "the",
    )
    assert (
        call("sample", "-n", "80", "-t", "1.2", "-k", "4", "-s", "3", "-p", "the").stdout
        == long.stdout
    )


def test_a_variable_stands_for_any_option(model: charrnn.TextModel) -> None:
    expected = call("sample", "-n", "80", "-s", "3", "-p", "the")
    result = call(
        "sample",
        env={
            "CHARRNN_SAMPLE_LENGTH": "80",
            "CHARRNN_SAMPLE_SEED": "3",
            "CHARRNN_SAMPLE_PROMPT": "the",
        },
    )
    assert (result.stdout, result.stderr) == (expected.stdout, expected.stderr)


# Stop strings


def test_a_stop_string_ends_the_text_before_itself(model: charrnn.TextModel) -> None:
    text = model.generate(length=80, seed=3)
    stop = text[20:22]
    assert (
        call("sample", "-n", "80", "-s", "3", "--stop", stop).stdout
        == text[: text.index(stop)] + "\n"
    )


def test_of_several_stop_strings_the_first_to_come_ends_the_text(model: charrnn.TextModel) -> None:
    text = model.generate(length=80, seed=3)
    late, early = text[40:43], text[20:23]
    assert text.index(early) < text.index(late)
    result = call("sample", "-n", "80", "-s", "3", "--stop", late, "--stop", early)
    assert result.stdout == text[: text.index(early)] + "\n"


def test_backslash_n_in_a_stop_string_is_a_newline(model: charrnn.TextModel) -> None:
    text = model.generate("t", length=500, seed=3)
    assert "\n" in text
    assert (
        call("sample", "-p", "t", "-s", "3", "--stop", r"\n").stdout
        == "t" + text[: text.index("\n")] + "\n"
    )


def test_a_stop_string_in_the_prompt_ends_nothing(model: charrnn.TextModel) -> None:
    text = model.generate("time", length=80, seed=3, stop="time")
    assert (
        call("sample", "-n", "80", "-p", "time", "-s", "3", "--stop", "time").stdout
        == "time" + text + "\n"
    )
    assert text


def test_an_empty_stop_string_is_one_line(model: charrnn.TextModel) -> None:
    result = call("sample", "--stop", "")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: --stop must have at least one character, got ''\n"


# The prompt


@pytest.mark.parametrize("how", ["file", "stdin"])
def test_a_prompt_file_is_read_exactly_its_last_newline_too(
    how: str, model: charrnn.TextModel, tmp_path: Path
) -> None:
    prompt = "said the clock;\n\nthe "
    for end in ("", "\n"):
        path = tmp_path / "prompt.txt"
        path.write_bytes((prompt + end).encode())
        given = (
            {"args": ("--prompt-file", str(path))}
            if how == "file"
            else {"args": ("--prompt-file", "-"), "input": prompt + end}
        )
        result = call("sample", "-n", "40", "-s", "3", *given.pop("args"), **given)
        assert (
            result.stdout == prompt + end + model.generate(prompt + end, length=40, seed=3) + "\n"
        )


def test_newlines_of_a_prompt_file_are_not_translated(
    model: charrnn.TextModel, tmp_path: Path
) -> None:
    (tmp_path / "prompt.txt").write_bytes(b"the\r\n")
    result = call("sample", "--prompt-file", str(tmp_path / "prompt.txt"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(
        r"Error: the model has not seen the character '\r' (U+000D), at position 4 of the text; "
    )


def test_a_prompt_that_cannot_be_read_is_one_line(model: charrnn.TextModel, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"the caf\xe9")
    for name, error in (
        (
            "nothing.txt",
            "cannot read the prompt file {path}: No such file or directory; check the name",
        ),
        ("latin.txt", "the prompt in {path} is not UTF-8: 0xe9 at byte 7; save it as UTF-8"),
    ):
        path = tmp_path / name
        result = call("sample", "--prompt-file", str(path))
        assert (result.exit_code, result.stdout, result.stderr) == (
            1,
            "",
            f"Error: {error.format(path=path)}\n",
        )


def test_a_prompt_and_a_prompt_file_are_refused_together(model: charrnn.TextModel) -> None:
    result = call("sample", "-p", "the", "--prompt-file", "-", input="the")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: --prompt and --prompt-file cannot be combined; leave one of them out\n"
    )


def test_an_unknown_character_of_the_file_to_adapt_to_is_an_error_with_its_name(
    model: charrnn.TextModel,
) -> None:
    Path("letters.txt").write_text("the #")
    result = call("sample", "--adapt-to", "letters.txt")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: --adapt-to letters.txt: the model has not seen the character '#' (U+0023, NUMBER SIGN), at position 5 "
        "of the text; leave it out with `--unknown skip`\n"
    )


def test_standard_input_cannot_be_the_prompt_and_what_is_adapted_to(
    model: charrnn.TextModel,
) -> None:
    result = call("sample", "--prompt-file", "-", "--adapt-to", "-", input="the")
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        result.stderr
        == "Error: --prompt-file and --adapt-to cannot both read standard input; give a file for one of them\n"
    )


# Escapes


def test_escapes_are_read_in_the_prompt_if_asked_for(model: charrnn.TextModel) -> None:
    text = model.generate("bell.\nthe", length=20, seed=3)
    for flag in ("-e", "--escapes"):
        result = call("sample", "-n", "20", "-s", "3", flag, "-p", r"bell.\nthe")
        assert result.stdout == f"bell.\nthe{text}\n"
    found = json.loads(call("sample", "-n", "0", "-e", "-p", r"\nthe", "--json").stdout)
    assert found["prompt"] == "\nthe"


def test_the_environment_may_ask_for_escapes_once_and_for_all(model: charrnn.TextModel) -> None:
    env = {"CHARRNN_SAMPLE_ESCAPES": "1"}
    assert call("sample", "-n", "0", "-p", r"the\n", env=env).stdout == "the\n\n"
    assert call("sample", "-n", "0", env=env).stdout == "\n"
    assert call("sample", "-n", "0", "--prompt-file", "-", input="the", env=env).stdout == "the\n"


BACKSLASH = r"'\\' (U+005C, REVERSE SOLIDUS)"
READ_N = r"add --escapes to read \n in --prompt as a newline"


def test_an_escape_that_the_model_does_not_know_suggests_the_flag(
    model: charrnn.TextModel,
) -> None:
    result = call("sample", "-p", r"the\n")
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        f"Error: the model has not seen the character {BACKSLASH}, at position 4 of the text; "
        f"leave it out with `--unknown skip`; {READ_N}\n",
    )
    result = call("sample", "-n", "0", "-s", "3", "-p", r"the\n", "--unknown", "skip")
    assert result.stderr == (
        f"left out {BACKSLASH} once: the model does not know it\n{READ_N}\n{STEP}, seed 3\n"
    )


@pytest.mark.parametrize(
    "flags",
    [["-p", r"the\d"], ["-p", "th€"], ["-e", "-p", r"the\\n"]],
    ids=["no escape", "no backslash", "escaped"],
)
def test_the_flag_is_not_suggested_where_it_would_not_help(
    flags: list[str], model: charrnn.TextModel
) -> None:
    result = call("sample", *flags)
    assert result.exit_code == 1
    assert result.stderr.endswith("leave it out with `--unknown skip`\n")


def test_a_backslash_of_a_prompt_file_does_not_suggest_the_flag(model: charrnn.TextModel) -> None:
    result = call("sample", "--prompt-file", "-", input=r"the\n")
    assert result.stderr.endswith("leave it out with `--unknown skip`\n")


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ([], "--escapes has no effect without --prompt; give one, or leave it out"),
        (
            ["--prompt-file", "-"],
            "--escapes has no effect on --prompt-file, which is read byte for byte; leave it out",
        ),
    ],
)
def test_escapes_without_a_prompt_are_refused(
    flags: list[str], error: str, model: charrnn.TextModel
) -> None:
    result = call("sample", "--escapes", *flags, input="the")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {error}\n")


E_ACUTE = "'é' (U+00E9, LATIN SMALL LETTER E WITH ACUTE)"
EURO = "the model has not seen the character '€' (U+20AC, EURO SIGN), at position 3 of the text; leave it out with "


def test_an_unknown_character_of_the_prompt_is_an_error_that_names_the_nearest(
    model: charrnn.TextModel,
) -> None:
    error = (
        f"Error: the model has not seen the character {E_ACUTE}, at position 3 of the text; "
        "type 'e' instead, or use `--unknown replace` or `--unknown skip`\n"
    )
    for flags in ([], ["--unknown", "error"]):
        result = call("sample", "-p", "thé", *flags)
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", error)


def test_an_unknown_character_with_none_near_is_an_error_of_replace_too(
    model: charrnn.TextModel,
) -> None:
    for flags in ([], ["--unknown", "replace"]):
        result = call("sample", "-p", "th€", *flags)
        assert (result.exit_code, result.stdout, result.stderr) == (
            1,
            "",
            f"Error: {EURO}`--unknown skip`\n",
        )


def test_an_unknown_character_may_be_left_out_or_replaced_and_is_said(
    model: charrnn.TextModel,
) -> None:
    skipped = call("sample", "-n", "20", "-s", "3", "-p", "théé", "--unknown", "skip")
    assert skipped.stdout == "th" + model.generate("th", length=20, seed=3) + "\n"
    assert (
        skipped.stderr
        == f"left out {E_ACUTE} 2 times: the model does not know it\n{STEP}, seed 3\n"
    )
    replaced = call("sample", "-n", "20", "-s", "3", "-p", "théé", "--unknown", "replace")
    assert replaced.stdout == "thee" + model.generate("thee", length=20, seed=3) + "\n"
    assert (
        replaced.stderr
        == f"wrote 'e' instead of 'é': the model does not know {E_ACUTE}\n{STEP}, seed 3\n"
    )


# Files and JSON


def test_output_writes_a_file_and_nothing_on_stdout(
    model: charrnn.TextModel, tmp_path: Path
) -> None:
    path = tmp_path / "story.txt"
    path.write_text("old")
    result = call(
        "sample", "-n", "30", "-s", "3", "-p", "the ", "--num-samples", "2", "-o", str(path)
    )
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"{STEP}, seeds 3 to 4\n")
    assert (
        path.read_bytes().decode()
        == call("sample", "-n", "30", "-s", "3", "-p", "the ", "--num-samples", "2").stdout
    )
    assert list(tmp_path.iterdir()) == [path]


def test_output_minus_is_stdout(model: charrnn.TextModel) -> None:
    for flags in ([], ["--json"], ["--num-samples", "2"]):
        assert (
            call("sample", "-n", "30", "-s", "3", *flags, "-o", "-").stdout
            == call("sample", "-n", "30", "-s", "3", *flags).stdout
        )
    assert not Path("-").exists()


def test_an_output_that_cannot_be_written_says_which_and_what_to_do(
    model: charrnn.TextModel,
) -> None:
    result = call("sample", "-n", "3", "-o", "/dev/full")
    assert (result.exit_code, result.stdout) == (1, "")
    error = result.stderr.splitlines()[-1]
    assert error.startswith(
        "Error: --output: /dev/full could not be written: No space left on device"
    )
    assert "; " in error  # and what to do
    assert "--runs-dir" not in error  # that is where runs are, not where the text goes


@pytest.mark.parametrize("flag", ["--output", "--save-state"])
def test_a_directory_is_refused_before_anything_is_written(
    model: charrnn.TextModel, tmp_path: Path, flag: str
) -> None:
    result = call("sample", "-n", "3", flag, str(tmp_path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {flag}: {tmp_path} is a directory; give the name of a file\n"
    result = call("sample", "-n", "3", flag, str(tmp_path / "none" / "file"))
    assert (
        result.stderr
        == f"Error: {flag}: the directory {tmp_path / 'none'} does not exist; create it, or give another path\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_state_is_not_saved_if_the_output_fails(model: charrnn.TextModel, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    assert call("sample", "-n", "20", "-s", "1", "--save-state", state).exit_code == 0
    before = Path(state).read_bytes()
    result = call(
        "sample", "-n", "20", "--load-state", state, "--save-state", state, "-o", "/dev/full"
    )
    assert result.exit_code == 1
    assert "saved the state" not in result.stderr
    assert Path(state).read_bytes() == before
    Path("link").symlink_to(state)  # one's own link is followed both ways
    assert call("sample", "-n", "20", "--load-state", "link", "--save-state", "link").exit_code == 0
    assert Path("link").is_symlink()
    assert Path(state).read_bytes() != before


def test_dry_length_may_be_set_if_the_state_has_dry(
    model: charrnn.TextModel, tmp_path: Path
) -> None:
    for name, flags in (("dry", ["--dry", "1"]), ("plain", [])):
        assert (
            call("sample", "-n", "5", *flags, "--save-state", str(tmp_path / name)).exit_code == 0
        )
    assert (
        call(
            "sample", "-n", "5", "--load-state", str(tmp_path / "dry"), "--dry-length", "8"
        ).exit_code
        == 0
    )
    result = call("sample", "-n", "5", "--load-state", str(tmp_path / "plain"), "--dry-length", "8")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: --dry-length has no effect without --dry; give that too, such as `--dry 1`\n",
    )


def test_a_ban_without_effect_is_reported(model: charrnn.TextModel) -> None:
    result = call("sample", "-n", "5", "-s", "1", "--ban", "e\u0301\u2603a")
    assert result.stderr.splitlines()[:-1] == [
        "--ban has no effect on 'é' (U+00E9, LATIN SMALL LETTER E WITH ACUTE): the model never writes that character",
        "--ban has no effect on '\u2603' (U+2603, SNOWMAN): the model never writes that character",
    ]
    assert "a" not in result.stdout


def test_output_into_a_pipe_is_read_at_its_other_end(
    model: charrnn.TextModel, tmp_path: Path
) -> None:
    """As into /dev/stdout or /dev/null: what is no regular file is written to, never replaced by
    one."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(reading, "rb") as pipe:
        result = call("sample", "-n", "30", "-s", "3", "-o", str(path))
        assert path.is_fifo()
        assert pipe.read().decode() == model.generate(length=30, seed=3) + "\n"
    assert (result.exit_code, result.stdout) == (0, "")


def test_output_through_a_link_writes_what_it_points_to(
    model: charrnn.TextModel, tmp_path: Path
) -> None:
    (tmp_path / "link.txt").symlink_to("story.txt")
    assert call("sample", "-n", "30", "-s", "3", "-o", str(tmp_path / "link.txt")).exit_code == 0
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "story.txt").read_text() == model.generate(length=30, seed=3) + "\n"


def test_json_is_one_object_a_line_with_these_keys(model: charrnn.TextModel) -> None:
    result = call(
        "sample",
        "-n",
        "30",
        "-s",
        "3",
        "-p",
        "the ",
        "-k",
        "5",
        "--stop",
        "zz",
        "--num-samples",
        "2",
        "--json",
    )
    assert result.stderr == f"{STEP}, seeds 3 to 4\n"
    for number, line in enumerate(result.stdout.splitlines()):
        written = model.sample("the ", length=30, seed=3 + number, top_k=5, stop=["zz"])
        assert json.loads(line) == {
            "text": written.text,
            "prompt": "the ",
            "seed": 3 + number,
            "settings": {
                "length": 30,
                "stop": ["zz"],
                "until": None,
                "best_of": 1,
                "temperature": 0.8,
                "top_k": 5,
                "top_p": None,
                "min_p": None,
                "dry": None,
                "dry_base": 1.2,
                "dry_length": 16,
            },
            "adapt_to": None,
            "model": hashlib.sha256(Path(f"{STEP}/model.safetensors").read_bytes()).hexdigest(),
            "log_probability": written.log_probability,
        }
        assert list(json.loads(line)) == [
            "text",
            "prompt",
            "seed",
            "settings",
            "adapt_to",
            "model",
            "log_probability",
        ]
    assert result.stdout.count("\n") == 2


@pytest.mark.parametrize("flags", [[], ["-t", "0"], ["-t", "2", "-k", "3"]])
def test_the_log_probability_is_that_of_the_model_whatever_the_sampler_does(
    flags: list[str], model: charrnn.TextModel
) -> None:
    found = json.loads(call("sample", "-n", "60", "-s", "3", "--json", *flags).stdout)
    assert found["log_probability"] == pytest.approx(model.score(found["text"]).sum(), rel=1e-9)


def test_the_settings_in_json_write_the_same_text_again(model: charrnn.TextModel) -> None:
    found = json.loads(call("sample", "-n", "60", "--json", "--top-p", "0.7").stdout)
    assert model.generate(found["prompt"], seed=found["seed"], **found["settings"]) == found["text"]


# Which model


@pytest.mark.parametrize("name", ["corpus", "checkpoints/corpus", "checkpoints/corpus/", STEP])
def test_run_is_a_name_a_runs_directory_or_a_checkpoints(
    name: str, model: charrnn.TextModel
) -> None:
    result = call("sample", name, "-n", "30", "-s", "3")
    assert (result.stdout, result.stderr) == (
        model.generate(length=30, seed=3) + "\n",
        f"{STEP}, seed 3\n",
    )


def test_a_run_stands_for_its_best_checkpoint_and_a_later_worse_one_must_be_named(
    model: charrnn.TextModel,
) -> None:
    later = "checkpoints/corpus/step-00000005"
    assert call("sample", "-n", "0", "-s", "3").stderr == f"{STEP}, seed 3\n"
    result = call("sample", later, "-n", "30", "-s", "3")
    assert (result.stdout, result.stderr) == (
        charrnn.load(later).generate(length=30, seed=3) + "\n",
        f"{later}, seed 3\n",
    )
    assert result.stdout != call("sample", "-n", "30", "-s", "3").stdout


def test_a_model_without_its_trainer_files_is_enough(
    model: charrnn.TextModel, tmp_path: Path
) -> None:
    shutil.copytree(STEP, tmp_path / "shared", ignore=shutil.ignore_patterns("trainer.*"))
    expected = call("sample", "-n", "30", "-s", "3").stdout
    assert call("sample", str(tmp_path / "shared"), "-n", "30", "-s", "3").stdout == expected


def test_runs_dir_is_where_a_name_is_looked_for(
    model: charrnn.TextModel, two_steps: Path, here: Path
) -> None:
    expected = model.generate(length=30, seed=3) + "\n"
    runs = str(two_steps / "checkpoints")
    assert call("sample", "corpus", "-n", "30", "-s", "3", "--runs-dir", runs).stdout == expected
    assert (
        call("sample", "-n", "30", "-s", "3", env={"CHARRNN_SAMPLE_RUNS_DIR": runs}).stdout
        == expected
    )


def test_without_a_run_the_one_that_saved_last_is_taken(
    model: charrnn.TextModel, two_steps: Path, here: Path
) -> None:
    for name, seconds in (("new", 2000), ("old", 1000)):
        shutil.copytree(two_steps / STEP, f"checkpoints/{name}/step-00000004")
        os.utime(f"checkpoints/{name}/step-00000004", (seconds, seconds))
    assert call("sample", "-n", "0", "-s", "3").stderr == "checkpoints/new/step-00000004, seed 3\n"


def test_without_any_run_one_line_says_what_to_do(here: Path) -> None:
    result = call("sample")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: there are no runs in {here}/checkpoints; train one with `charrnn train FILE`, or give the directory of a run\n"
    )


def test_a_run_that_is_not_there_is_one_line_with_those_that_are(model: charrnn.TextModel) -> None:
    result = call("sample", "corpse")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr
        == "Error: there is no run or checkpoint 'corpse'; runs in checkpoints: corpus\n"
    )


def test_a_damaged_checkpoint_is_one_line(
    model: charrnn.TextModel, two_steps: Path, here: Path
) -> None:
    shutil.copytree(two_steps / STEP, "damaged")
    size = Path("damaged/model.safetensors").stat().st_size
    with open("damaged/model.safetensors", "r+b") as file:
        file.truncate(size - 1)
    result = call("sample", "damaged")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: damaged/model.safetensors is damaged: it has {size - 1} bytes instead of {size}; copy it again, or use another checkpoint\n"
    )


@pytest.mark.parametrize(
    ("flag", "value", "error"),
    [
        ("-n", "-1", "--length must be a whole number from 0 to 1,000,000,000, got -1"),
        ("-n", "1.5", "--length must be a whole number from 0 to 1,000,000,000, got '1.5'"),
        ("--num-samples", "0", "--num-samples must be a whole number from 1 to 1,000,000, got 0"),
        ("-s", "-1", "--seed must be a whole number from 0 to 9,223,372,036,854,775,807, got -1"),
        ("--unknown", "maybe", "--unknown must be one of error, skip, replace, got 'maybe'"),
    ],
)
def test_an_impossible_option_is_a_usage_error(
    flag: str, value: str, error: str, model: charrnn.TextModel
) -> None:
    result = call("sample", flag, value)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {error}\n")


# Processes, pipes, encodings


def test_sample_and_info_never_import_torch(model: charrnn.TextModel) -> None:
    for command in ("sample -n 20 -s 3", "sample -n 20 -s 3 --json", "info", "info corpus --json"):
        args = [sys.executable, "-X", "importtime", "-m", "charrnn", *command.split()]
        done = subprocess.run(args, capture_output=True, text=True, env=environment())
        names = {
            name.partition(".")[0]
            for name in re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE)
        }
        assert done.returncode == 0
        assert {"charrnn", "numpy"} <= names
        assert "torch" not in names


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_head_1_gets_its_line_and_the_rest_is_silence(
    unbuffered: str, model: charrnn.TextModel
) -> None:
    command = f"'{sys.executable}' -m charrnn sample -n 50000 -s 3 -p 'the ' | head -1"
    done = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        env=environment(PYTHONUNBUFFERED=unbuffered),
    )
    first = model.generate("the ", length=500, seed=3).partition("\n")[0]
    assert (done.stdout, done.stderr) == (f"the {first}\n", f"{STEP}, seed 3\n")


@pytest.mark.parametrize("flags", [[], ["--json", "--num-samples", "100000"]])
def test_a_reader_that_has_gone_ends_the_process_with_141(
    flags: list[str], model: charrnn.TextModel
) -> None:
    with subprocess.Popen(
        arguments("-n", "50000" if not flags else "50", "-s", "3", *flags),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read().count(b"\n") == 1
    assert process.returncode == 141


def test_the_text_comes_as_it_is_written(model: charrnn.TextModel) -> None:
    with subprocess.Popen(
        arguments("-n", "1000000000", "-s", "3"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as process:
        assert process.stdout
        text = process.stdout.read(100).decode()  # of a thousand million that nobody waits for
        process.kill()
    assert text == model.generate(length=100, seed=3)


def test_ctrl_c_ends_the_text_with_130_and_no_traceback(model: charrnn.TextModel) -> None:
    with subprocess.Popen(
        arguments("-n", "200000", "-s", "3"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        drain = threading.Thread(target=process.stdout.read)
        drain.start()
        errors = process.stderr.read().decode()
        drain.join()
    assert (process.returncode, errors) == (130, f"{STEP}, seed 3\n")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows characters of many scripts."""
    path = tmp_path_factory.mktemp("foreign") / "model"
    vocabulary, config = (
        Vocabulary.of("\n aéж字😀"),
        ModelConfig(hidden_size=8, num_layers=1, embedding_size=4, copy_window=None),
    )
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in shapes(config, len(vocabulary)).items()
    }
    checkpoints.write(path, Checkpoint(vocabulary, config, weights, 0, {}))
    return path


PLACES = {
    "C": {"LC_ALL": "C"},
    "C, and Python takes it at its word": {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    },
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "ascii": {"PYTHONIOENCODING": "ascii:strict", "LANG": "C"},
}


@pytest.mark.parametrize("place", PLACES)
def test_the_text_is_utf_8_whatever_the_environment_says(
    place: str, foreign: Path, tmp_path: Path
) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_bytes("字ж ".encode())
    flags = ["-n", "60", "-s", "3", "--prompt-file"]
    expected = "字ж " + charrnn.load(foreign).generate("字ж ", length=60, seed=3) + "\n"
    assert set("é😀") <= set(expected)
    done = subprocess.run(
        arguments(str(foreign), *flags, str(prompt)),
        capture_output=True,
        env=environment(**PLACES[place]),
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        expected.encode(),
        f"{foreign}, seed 3\n".encode(),
    )
    piped = subprocess.run(
        arguments(str(foreign), *flags, "-", "-o", str(tmp_path / "out")),
        input="字ж ".encode(),
        capture_output=True,
        env=environment(**PLACES[place]),
    )
    assert (piped.returncode, piped.stdout) == (0, b"")
    assert (tmp_path / "out").read_bytes() == expected.encode()


@pytest.mark.parametrize("place", ["C", "cp1252"])
def test_an_error_names_a_character_in_utf_8_whatever_the_environment_says(
    place: str, foreign: Path
) -> None:
    done = subprocess.run(
        arguments(str(foreign), "-p", "ü"), capture_output=True, env=environment(**PLACES[place])
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().startswith(
        "Error: the model has not seen the character 'ü' (U+00FC, LATIN SMALL LETTER U WITH DIAERESIS), at position 1 "
    )


def test_json_keeps_characters_as_they_are(foreign: Path) -> None:
    line = call("sample", str(foreign), "-n", "60", "-s", "3", "-p", "字", "--json").stdout
    assert '"prompt": "字"' in line
    assert "\\u" not in line


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (r"\n", "\n"),
        (r"\nthe", "\nthe"),
        (r"\r\n", "\r\n"),
        (r"\\newpage", r"\newpage"),
        (r"\d", r"\d"),
        ("n", "n"),
    ],
)
def test_a_stop_string_is_spelled_with_these_escapes(
    given: str, meant: str, model: charrnn.TextModel
) -> None:
    result = call("sample", "--json", "-n", "1", "--stop", given)
    assert json.loads(result.stdout)["settings"]["stop"] == [meant]


# Steering


def test_bias_and_ban_are_those_of_python(model: charrnn.TextModel) -> None:
    result = call(
        "sample",
        "-n",
        "200",
        "-s",
        "3",
        "--bias",
        "ti=2.5",
        "--bias",
        "=e=-1",
        "--ban",
        "o\\n",
        "--unknown",
        "skip",
    )
    assert result.exit_code != 0  # the corpus has no =
    result = call(
        "sample", "-n", "200", "-s", "3", "--bias", "ti=2.5", "--bias", "e=-1", "--ban", "o\\n"
    )
    assert (
        result.stdout
        == model.generate(length=200, seed=3, bias={"ti": 2.5, "e": -1}, ban="o\n") + "\n"
    )
    assert "o" not in result.stdout
    found = json.loads(
        call("sample", "-n", "20", "-s", "3", "--bias", "ti=2.5", "--ban", "o", "--json").stdout
    )
    assert (found["settings"]["bias"], found["settings"]["ban"]) == ({"ti": 2.5}, "o")
    assert model.generate(found["prompt"], seed=3, **found["settings"]) == found["text"]


@pytest.mark.parametrize("value", ["e", "=3", "e=", "e=x", ""])
def test_a_bias_that_is_none_is_a_usage_error(value: str, model: charrnn.TextModel) -> None:
    result = call("sample", "--bias", value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        result.stderr
        == f"Error: --bias must be characters and a number, such as --bias 'eE=-2', got {value!r}\n"
    )


def test_until_goes_on_to_the_boundary_and_spells_newlines(model: charrnn.TextModel) -> None:
    for until, meant in (("line", "line"), ("e", "e"), ("l\\n", "l\n"), ("\\n", "\n")):
        result = call("sample", "-n", "30", "-s", "3", "-t", "1.5", "--until", until)
        assert (
            result.stdout == model.generate(length=30, seed=3, temperature=1.5, until=meant) + "\n"
        )
        assert len(result.stdout) > 31


def test_best_of_shows_the_likeliest_of_so_many(model: charrnn.TextModel) -> None:
    result = call("sample", "-n", "30", "-s", "3", "-t", "1.5", "--best-of", "12")
    texts = [
        model.sample(length=30, seed=3, temperature=1.5, best_of=number) for number in range(1, 13)
    ]
    scores = [each.log_probability for each in texts]
    assert scores == sorted(scores)  # of texts of one length: more to choose from is never worse
    assert scores[-1] > scores[0]
    assert result.stdout == texts[-1].text + "\n"
    assert (
        json.loads(
            call("sample", "-n", "30", "-s", "3", "-t", "1.5", "--best-of", "12", "--json").stdout
        )["text"]
        == texts[-1].text
    )


def test_a_saved_story_continues_as_if_it_had_not_stopped(
    model: charrnn.TextModel, tmp_path: Path
) -> None:
    state = str(tmp_path / "a state")
    whole = model.generate("the ", length=90, seed=3, temperature=1.1)
    first = call("sample", "-p", "the ", "-n", "30", "-s", "3", "-t", "1.1", "--save-state", state)
    assert first.stdout == f"the {whole[:30]}\n"
    assert (
        first.stderr
        == f"{STEP}, seed 3\nsaved the state in {state}; continue with: charrnn sample corpus --load-state '{state}'\n"
    )
    second = call("sample", "-n", "20", "--load-state", state, "--save-state", state)
    assert second.stdout == f"{whole[30:50]}\n"
    assert second.stderr.startswith(f"{STEP}, continuing {state}\n")
    third = call("sample", "-n", "40", "--load-state", state)
    assert third.stdout == f"{whole[50:]}\n"
    # what is loaded stays as it was
    assert call("sample", "-n", "40", "--load-state", state).stdout == third.stdout
    assert call("sample", "-n", "40", "--load-state", state, "-s", "9").stdout != third.stdout
    assert call("sample", "-n", "40", "--load-state", state, "-t", "0").stdout != third.stdout
    fed = call("sample", "-n", "40", "--load-state", state, "-p", "bell")
    assert fed.stdout.startswith("bell")
    assert fed.stdout != f"bell{third.stdout}"


@pytest.mark.parametrize(
    ("typed", "again"),
    [
        ([], "corpus --load-state s"),
        (["corpus"], "corpus --load-state s"),
        ([STEP], f"{STEP} --load-state s"),
        (["--runs-dir", "../steps/checkpoints"], "corpus --load-state s --runs-dir ../steps/checkpoints"),
    ],
    ids=["newest", "name", "checkpoint", "runs-dir"],
)  # fmt: skip
def test_the_command_that_continues_a_story_can_be_pasted(
    typed: list[str], again: str, model: charrnn.TextModel
) -> None:
    result = call("sample", *typed, "-n", "3", "--save-state", "s")
    hint = f"saved the state in s; continue with: charrnn sample {again}"
    assert result.stderr.splitlines()[-1] == hint
    continued = call("sample", *again.split(), "-n", "3")
    runs_dir = typed[-1] if "--runs-dir" in typed else "checkpoints"
    path = f"{runs_dir}/corpus/step-00000004"
    assert (continued.exit_code, continued.stderr) == (0, f"{path}, continuing s\n")


def test_a_missing_or_damaged_state_is_a_one_line_error(
    model: charrnn.TextModel, tmp_path: Path
) -> None:
    result = call("sample", "--load-state", "none")
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        "Error: none does not exist; `charrnn sample corpus --save-state none` creates it\n",
    )
    (tmp_path / "text").write_text("no state")
    result = call("sample", "--load-state", str(tmp_path / "text"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: {tmp_path / 'text'} is not a saved state, or is damaged (it is not JSON); "
        "use another file\n"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--save-state", "x", "--stop", "e"], "--save-state and --stop cannot be combined"),
        (
            ["--load-state", "x", "--num-samples", "2"],
            "--load-state and --num-samples cannot be combined",
        ),
        (["--save-state", "x", "--json"], "--save-state and --json cannot be combined"),
        (["--save-state", "x", "--best-of", "2"], "--save-state and --best-of cannot be combined"),
    ],
)
def test_options_that_a_story_cannot_have_are_an_error(
    flags: list[str], message: str, model: charrnn.TextModel
) -> None:
    result = call("sample", *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {message}")


# Several processes


def test_several_jobs_write_the_same_texts(model: charrnn.TextModel) -> None:
    flags = ["sample", "-n", "40", "-s", "3", "--num-samples", "3", "-p", "the time"]
    one = call(*flags)
    two = call(*flags, "--jobs", "2")
    assert (two.exit_code, two.stdout, two.stderr) == (0, one.stdout, one.stderr)


def test_jobs_must_be_a_number_or_auto() -> None:
    for value in ("0", "two"):
        result = call("sample", "--jobs", value)
        assert (result.exit_code, result.stderr) == (
            2,
            f"Error: --jobs must be a whole number from 1 to 1,024 or auto, got '{value}'\n",
        )


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_a_signal_ends_all_processes_without_a_message(
    model: charrnn.TextModel, signum: int, code: int
) -> None:
    command = arguments("-n", "40", "-s", "3", "--num-samples", "100000", "--jobs", "2")
    process = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout and process.stdout.readline()
    os.kill(process.pid, signum)
    # its pipes are closed once the last of its processes has ended
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (code, f"{STEP}, seeds 3 to 100002\n")
