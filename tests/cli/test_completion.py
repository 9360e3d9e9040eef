"""charrnn completion: the scripts in the shells themselves, and what the Tab key completes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

import charrnn
from charrnn.cli import completion  # noqa: F401  (registers its shells)
from charrnn.cli.main import COMMANDS, COMPLETE_VARIABLE, cli
from tests.command import Trained, call

ROOT = str(Path(charrnn.__file__).parents[1])
SHELLS = ["bash", "zsh", "fish"]
# Loads the script as users do, then completes the words of each line, in which | separates them
# as bash does. What readline would complete itself is printed as <default> or <dirnames>.
BASH = """
eval "$(charrnn completion bash)"
compopt() { echo "<$2>"; }
while IFS='|' read -r -a COMP_WORDS; do
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    [[ ${COMP_WORDS[COMP_CWORD]} == TAB ]] && COMP_WORDS[COMP_CWORD]=
    COMPREPLY=()
    _charrnn_completion charrnn
    printf '%s\\n' "${COMPREPLY[@]}"
    echo END
done
"""


@pytest.fixture
def runs(text_run: Trained, here: Path) -> Path:
    """A working directory with the runs ``corpus`` and, newer, ``my stories``, and ``far`` in the
    directory ``other``; with the command ``charrnn`` in ``bin``."""
    for run in ("checkpoints/corpus", "checkpoints/my stories", "other/far"):
        shutil.copytree(text_run.where / "checkpoints/corpus", run)
    for step in Path("checkpoints/corpus").glob("step-*"):
        os.utime(step, (1000, 1000))
    Path("bin").mkdir()
    command = Path("bin/charrnn")
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m charrnn "$@"\n')
    command.chmod(0o755)
    return here


def environment(**variables: str) -> dict[str, str]:
    path = f"{Path.cwd()}/bin:{os.environ['PATH']}"
    home = {"HOME": str(Path.cwd()), "XDG_CONFIG_HOME": str(Path.cwd() / ".config")}
    return os.environ | home | {"PYTHONPATH": ROOT, "PATH": path} | variables


def shell(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def completed(name: str, words: str, number: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that answer a shell, which gives the words and the number of the last one."""
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(number))
    complete = get_completion_class(name)
    assert complete is not None
    return complete(cli, {}, "charrnn", COMPLETE_VARIABLE).complete().splitlines()


def answers_of(command: list[str], typed: str = "") -> list[list[str]]:
    """The lines that a shell prints before each END; it must print no error."""
    done = subprocess.run(
        command, input=typed, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [answer.splitlines() for answer in done.stdout.split("END\n")[:-1]]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("", [*COMMANDS]),
        ("sam", ["sample"]),
        ("--", ["--version", "--help"]),
        ("completion ", SHELLS),
        ("info --", ["--sort", "--json", "--runs-dir", "--quiet", "--help"]),
        ("train --res", ["--resume"]),
        ("train --cell ", ["lstm", "gru", "rnn"]),
        ("train --cell =", ["lstm", "gru", "rnn"]),
        ("train --cell = g", ["gru"]),
        ("train --hidden-size ", ["auto"]),
        ("train --steps ", ["none"]),
        ("train --resume --name c", ["corpus"]),
        ("sample ", ["my stories", "corpus"]),
        ("sample --runs-dir other ", ["far"]),
        ("sample --runs-dir = other ", ["far"]),
        ("sample --runs-dir nowhere ", ["<dir>"]),
        ("sample --runs-dir bin/charrnn ", ["<dir>"]),
        ("sample corpus/", [f"corpus/step-0000000{number}" for number in (2, 3, 4)]),
        ("sample checkpoints/c", ["<dir>"]),
        ("sample corpus ", []),
        ("sample --temperature ", []),
        ("sample --unknown s", ["skip"]),
        ("sample --until ", ["sentence", "line", "paragraph"]),
        ("sample --prompt-file ", ["<file>"]),
        ("evaluate ", ["my stories", "corpus"]),
        ("evaluate corpus ", ["<file>"]),
        ("evaluate --unknown = skip corpus ", ["<file>"]),
        ("originality corpus ", ["<file>"]),
        ("originality --html ", ["<file>"]),
        ("plan ", ["<file>"]),
        ("plan my.txt ", ["<file>"]),
        ("train --runs-dir ", ["<dir>"]),
    ],
)
def test_tab_completes(
    words: str, values: list[str], runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = len(f"charrnn {words}END".split()) - 1
    answers = []
    for line in completed("bash", f"charrnn {words}", number, monkeypatch):
        kind, _, value = line.replace("\\", "").partition(",")
        answers.append(value if kind == "plain" else f"<{kind}>")
    assert answers == values


def test_bash_completes_commands_flags_choices_runs_and_files(runs: Path) -> None:
    cases = {
        "charrnn|TAB": [*COMMANDS],
        "charrnn|train|--cell|=|g": ["gru"],
        "charrnn|train|my": ["<default>", ""],
        "charrnn|info|my\\ s": ["my\\ stories"],
        "charrnn|info|checkpoints/c": ["<dirnames>", ""],
    }
    lines = "".join(f"{line}\n" for line in cases)
    answers = answers_of([shell("bash"), "--norc", "-c", BASH], lines)
    assert dict(zip(cases, answers, strict=True)) == cases


def test_fish_completes_them_too(runs: Path) -> None:
    cases = {
        "charrnn sam": ["sample\tGenerate text."],
        "charrnn info my\\\\ s": ["my stories"],
        "charrnn train --cell=g": ["--cell=gru"],
        "charrnn train --config=checkpoints/corpus/c": ["--config=checkpoints/corpus/config.yaml"],
    }
    lines = [f"complete -C '{line}'; echo END" for line in cases]
    script = "\n".join(["charrnn completion fish | source", *lines])
    answers = answers_of([shell("fish"), "--no-config", "-c", script])
    assert dict(zip(cases, answers, strict=True)) == cases


@pytest.mark.parametrize("name", SHELLS)
def test_each_script_is_accepted_by_its_shell(name: str) -> None:
    script = call("completion", name)
    assert (script.exit_code, script.stderr) == (0, "")
    checked = subprocess.run(
        [shell(name), "-n"], input=script.stdout, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_zsh_gets_the_whole_word_and_the_help(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed("zsh", "charrnn train --cell=g", 2, monkeypatch) == [
        "plain",
        "--cell=gru",
        "_",
    ]
    assert completed("zsh", "charrnn sam", 1, monkeypatch) == ["plain", "sample", "Generate text."]


@pytest.mark.parametrize(
    ("words", "number", "banned"),
    [
        ("charrnn ", 1, {"torch", "numpy", "tqdm", "yaml", "safetensors"}),
        ("charrnn sample --", 2, {"torch"}),
        ("charrnn train --cell ", 3, {"torch"}),
    ],
)
def test_completing_imports_no_torch(words: str, number: int, banned: set[str], here: Path) -> None:
    asked = {"_CHARRNN_COMPLETE": "bash_complete", "COMP_WORDS": words}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "charrnn"],
        env=environment(COMP_CWORD=str(number), **asked),
        capture_output=True,
        text=True,
        check=True,
    )
    names = re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE)
    assert "click" in names
    assert {name.partition(".")[0] for name in names} & banned == set()


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"_CHARRNN_COMPLETE": "bash_complete"}, 1),  # without the words
        ({"_CHARRNN_COMPLETE": "nonsense"}, 1),
        (
            {
                "_CHARRNN_COMPLETE": "bash_complete",
                "COMP_WORDS": "charrnn sample 'a",
                "COMP_CWORD": "x",
            },
            1,
        ),
    ],
    ids=["no words", "no shell", "no number"],
)
def test_a_request_that_makes_no_sense_is_answered_with_nothing(
    variables: dict[str, str], code: int, here: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "charrnn"],
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_another_shell_is_an_error_that_lists_those_that_work() -> None:
    result = call("completion", "tcsh")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: SHELL must be one of bash, zsh, fish, got 'tcsh'\n"
