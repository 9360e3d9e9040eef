"""The command itself: its help, its start, and how errors, interrupts and closed pipes end."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import charrnn
from charrnn.cli.main import COMMANDS, SYNONYMS, cli
from tests.command import Trained, call

ROOT = str(Path(charrnn.__file__).parents[1])


def run(*args: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": ROOT}
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, env=env, **settings
    )


HELP = """\
Usage: charrnn [OPTIONS] COMMAND [ARGS]...

  Train a character-level language model on a text file, and generate new text
  in its style.

Options:
  --version   Show the version and exit.
  -h, --help  Show this message and exit.

Commands:
  train        Train a model on text files.
  plan         Show what `train` would do with a text, and why.
  sample       Generate text.
  evaluate     Measure how well a model predicts a file.
  score        Show how likely each character of a file is.
  serve        Answer requests for text over HTTP.
  inspect      Find what may be wrong with a text, and repair it in a copy.
  originality  Find what a text copies word for word from a run's corpus.
  plot         Draw the losses of runs.
  report       Write a page, or a model card, about a run.
  info         Describe a model and its quality, or list all runs.
  remove       Delete runs.
  completion   Print a script that completes commands with the Tab key.

    charrnn train my.txt
    charrnn train my.txt --resume --steps 20000
    charrnn sample --temperature 0.8 --prompt "Once "
    charrnn info
"""


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_the_commands_and_gives_examples(flag: str) -> None:
    result = call(flag)
    assert (result.exit_code, result.stdout, result.stderr) == (0, HELP, "")


def test_without_a_command_the_help_is_an_error() -> None:
    result = call()
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", HELP)


def test_version() -> None:
    result = call("--version")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        f"charrnn {charrnn.__version__}\n",
        "",
    )


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("--verbose", "there is no option --verbose; did you mean --version?"),
        ("--version=3", "--version does not take a value; `charrnn -h` describes the options"),
        ("train --hiden-size 3", "there is no option --hiden-size; did you mean --hidden-size?"),
        ("info --xyzzy", "there is no option --xyzzy; `charrnn info -h` describes the options"),
        ("train --steps", "--steps requires an argument; `charrnn train -h` describes the options"),
        ("remove", "RUN is missing; the command is `charrnn remove [OPTIONS] RUN...`"),
        ("info --sort age", "--sort must be one of date, loss, name, size, got 'age'"),
        (
            "evaluate a b c",
            "got unexpected extra argument (c); `charrnn evaluate -h` describes the options",
        ),
    ],
)
def test_a_usage_error_is_one_line(line: str, error: str) -> None:
    result = call(*line.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {error}\n"


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        (
            "ORIGINALITY_MIN_LENGTH",
            "0",
            "--min-length must be a whole number from 1 to 1,000,000,000, got 0",
        ),
        (
            "ORIGINALITY_MIN_LENGTH",
            "x",
            "--min-length must be a whole number from 1 to 1,000,000,000, got 'x'",
        ),
        ("ORIGINALITY_MARKED", "perhaps", "--marked must be true or false, got 'perhaps'"),
    ],
)
def test_a_usage_error_names_the_variable(variable: str, value: str, error: str) -> None:
    result = call("originality", "my", "my.txt", env={f"CHARRNN_{variable}": value})
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {error} in CHARRNN_{variable}\n"


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("trian my.txt", "charrnn train my.txt"),
        ("Train my.txt", "charrnn train my.txt"),
        ("smaple", "charrnn sample"),
        ("generate my --length 20", "charrnn sample my --length 20"),
        ("genrate my", "charrnn sample my"),
        ("write", "charrnn sample"),
        ("eval my my.txt", "charrnn evaluate my my.txt"),
        ("test my my.txt", "charrnn evaluate my my.txt"),
        ("list", "charrnn info"),
        ("ls", "charrnn info"),
        ("show my", "charrnn info my"),
        ("resume --name my", "charrnn train --resume --name my"),
        ("help", "charrnn -h"),
        ("help sample", "charrnn sample -h"),
        ("help me", "charrnn -h"),
        ("version", "charrnn --version"),
        ("my.txt --minutes 3", "charrnn train my.txt --minutes 3"),
        ("poems.gz", "charrnn train poems.gz"),
    ],
)
def test_a_mistaken_command_is_answered_with_the_line_that_was_meant(
    line: str, meant: str, here: Path
) -> None:
    word = line.split()[0]
    result = call(*line.split())
    message = f"Error: there is no command {word!r}; did you mean `{meant}`?\n"
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)


def test_every_suggestion_for_a_synonym_can_be_run() -> None:
    for words in SYNONYMS.values():
        # `remove` is offered once there is such a command
        assert words[0] in {*COMMANDS, "remove", "-h", "--version"}


def test_a_path_or_a_run_in_place_of_a_command_is_trained_on_or_sampled(
    text_run: Trained, here: Path
) -> None:
    shutil.copytree(text_run.where / "checkpoints", "checkpoints")
    Path("poems").mkdir()
    step = "checkpoints/corpus/step-00000004"
    for word, meant in {
        "poems": "train poems",
        "corpus": "sample corpus",
        "checkpoints/corpus": "sample checkpoints/corpus",
        step: f"sample {step}",
        "resume corpus --minutes 1": "train --resume --name corpus --minutes 1",
        "continue checkpoints/corpus": "train --resume --name corpus",
        "resume my.txt": "train --resume my.txt",
    }.items():
        words = word.split()
        message = f"Error: there is no command '{words[0]}'; did you mean `charrnn {meant}`?\n"
        assert call(*words).stderr == message


@pytest.mark.parametrize("word", ["", "xyzzy", "a" * 5000], ids=["empty", "other", "long"])
def test_a_command_that_resembles_none_is_answered_with_all(word: str, here: Path) -> None:
    message = (
        f"Error: there is no command {word!r}; the commands are {', '.join(COMMANDS)}; "
        "`charrnn -h` describes them\n"
    )
    result = call(word)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)


def imported(*args: str, cwd: Path) -> tuple[set[str], int]:
    """The top-level packages that a command imports, and its exit code."""
    done = run("-X", "importtime", "-m", "charrnn", *args, cwd=cwd)
    names = re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE)
    assert "charrnn" in names  # the output is read rightly
    return {name.partition(".")[0] for name in names}, done.returncode


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_neither_torch_nor_numpy(flag: str, here: Path) -> None:
    packages, code = imported(flag, cwd=here)
    assert code == 0
    assert packages & {"torch", "numpy", "safetensors", "yaml", "tqdm"} == set()


@pytest.mark.parametrize("command", ["sample", "info", "remove"])
def test_the_help_of_a_command_without_training_does_not_import_torch(
    command: str, here: Path
) -> None:
    packages, code = imported(command, "-h", cwd=here)
    assert code == 0
    assert "torch" not in packages


def options(command: str) -> list[click.Option]:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    return [param for param in found.params if isinstance(param, click.Option)]


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(command: str, flag: str) -> None:
    result = call(command, flag)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"Usage: charrnn {command} [OPTIONS] ")
    examples = [line for line in lines if line.startswith("    charrnn ")]
    assert examples
    assert all(line.startswith(f"    charrnn {command}") for line in examples)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help_that_is_shown(command: str) -> None:
    shown = " ".join(call(command, "-h").stdout.split())
    for option in options(command):
        assert option.help, option.name
        assert " ".join(option.help.split()) in shown, option.name
        assert all(name in shown for name in option.opts)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_two_options_of_a_command_have_the_same_name(command: str) -> None:
    names = [name for option in options(command) for name in option.opts]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("args", "code"),
    [(["info", "nothing"], 1), (["sample", "--top-k", "0"], 2), (["train", "--steps", "0"], 2)],
)
def test_an_error_is_one_line_and_no_traceback_in_a_real_process(
    args: list[str], code: int, here: Path
) -> None:
    done = run("-m", "charrnn", *args, cwd=here)
    assert (done.returncode, done.stdout) == (code, "")
    assert re.fullmatch(r"Error: .+\n", done.stderr)


def test_the_module_and_the_console_script_are_the_same_command(here: Path) -> None:
    script = run(
        "-c",
        "import sys; sys.argv[0] = 'charrnn'; from charrnn.cli.main import main; main()",
        cwd=here,
    )
    module = run("-m", "charrnn", cwd=here)
    assert (script.returncode, script.stdout, script.stderr) == (2, "", HELP)
    assert (
        module.returncode,
        module.stdout,
        module.stderr.replace("python -m charrnn", "charrnn"),
    ) == (2, "", HELP)


@pytest.mark.parametrize("command", ["--help", "--version", "info --json"])
def test_a_reader_that_has_gone_leaves_no_traceback(command: str, here: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "charrnn", *command.split()],
            stdout=gone,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": ROOT},
            cwd=here,
        )
    assert done.stderr == b""


@pytest.mark.parametrize(
    "words",
    [
        ["train", "c.txt"],
        ["plan", "c.txt"],
        ["evaluate", "run", "c.txt"],
        ["sample", "run", "--adapt-to", "c.txt"],
    ],
)
def test_without_torch_a_command_that_needs_it_says_what_to_install(
    words: list[str], here: Path
) -> None:
    golden = Path(ROOT) / "tests/reliability/golden/format-2/checkpoints/run"
    (here / "c.txt").write_text("abc abc\n" * 20)
    shutil.copytree(golden, here / "checkpoints/run")
    code = "import sys; sys.modules['torch'] = None; from charrnn.cli.main import main; main()"
    done = run("-c", code, *words, cwd=here)
    message = (
        "Error: training, evaluating and adapting need PyTorch, which is not installed; install it with `pip install torch` "
        "(generating text works without it)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


@pytest.mark.parametrize("words", [["info"], ["train", "/nowhere.txt"], ["sample"]])
def test_a_working_directory_that_is_gone_is_an_error(words: list[str], here: Path) -> None:
    (here / "gone").mkdir()
    script = 'cd gone && rmdir ../gone && exec "$@"'
    env = os.environ | {"PYTHONPATH": ROOT}
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "charrnn", *words]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, env=env, check=False)
    message = "Error: the working directory no longer exists; change to another one, such as with `cd ~`\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


@pytest.mark.parametrize(
    "words", [["info"], ["sample"], ["train", "c.txt", "--steps", "1"], ["train", "--resume"]]
)
def test_a_file_for_the_directory_of_the_runs_is_an_error(
    words: list[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "c.txt").write_text("abc abc\n" * 20)
    result = call(*words, "--runs-dir", "c.txt")
    message = "Error: c.txt is a file, not a directory of runs; give another --runs-dir\n"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", message)
