"""`llm -m charrnn/RUN` continues a prompt, as `charrnn sample` does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import charrnn
from tests.command import SMALL, TEXT, call


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the run ``clock``."""
    where = tmp_path_factory.mktemp("llm")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        Path("clock.txt").write_text(TEXT)
        assert call("train", "clock.txt", *SMALL).exit_code == 0
    return where


def llm(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "LLM_USER_PATH": str(home / "llm"),
        "LLM_LOAD_PLUGINS": "charrnn",
    }
    return subprocess.run(
        [sys.executable, "-m", "llm", *words],
        cwd=home,
        capture_output=True,
        text=True,
        env=environment | variables,
    )


def test_a_prompt_is_continued_with_options(home: Path) -> None:
    expected = charrnn.load(home / "checkpoints/clock").generate("the ", length=40, seed=3, top_k=5)
    options = ["-o", "max_tokens", "40", "-o", "seed", "3", "-o", "top_k", "5"]
    for flags in ([], ["--no-stream"]):
        ran = llm(home, "-m", "charrnn/clock", "the ", *options, *flags)
        assert (ran.returncode, ran.stdout) == (0, f"{expected}\n"), ran.stderr


def test_a_conversation_is_one_text_that_is_continued(home: Path) -> None:
    model = charrnn.load(home / "checkpoints/clock")
    options = ["-o", "max_tokens", "30", "-o", "seed", "3"]
    first = llm(home, "-m", "charrnn/clock", "the ", *options).stdout.removesuffix("\n")
    second = llm(home, "-c", "the ", *options).stdout.removesuffix("\n")
    assert second == model.generate(f"the {first}the ", length=30, seed=3)


def test_a_system_prompt_is_refused(home: Path) -> None:
    ran = llm(home, "-m", "charrnn/clock", "-s", "be nice", "the ")
    assert ran.returncode == 1
    assert "take no system prompt" in ran.stderr


def test_other_commands_of_llm_do_not_load_models_nor_fail(home: Path, tmp_path: Path) -> None:
    script = (
        "import sys, charrnn.llm_plugin as plugin; plugin.register_models(print); "
        "print('charrnn.text_model' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=home, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert ran.stdout == "charrnn/clock\nFalse\n"
    (tmp_path / "checkpoints").write_text("not a directory")
    assert llm(tmp_path, "models").returncode == 0


def test_the_seed_is_in_the_log(home: Path) -> None:
    assert llm(home, "-m", "charrnn/clock", "the ", "-o", "seed", "5").returncode == 0
    (entry,) = json.loads(llm(home, "logs", "-n", "1", "--json").stdout)
    assert json.dumps(entry["response_json"]) == '{"seed": 5}'


def test_runs_elsewhere_are_found_by_a_variable(home: Path, tmp_path: Path) -> None:
    listed = llm(tmp_path, "models", CHARRNN_LLM_RUNS_DIR=str(home / "checkpoints")).stdout
    assert "charrnn/clock" in listed
    assert "charrnn" not in llm(tmp_path, "models").stdout


def test_an_error_is_one_line(home: Path) -> None:
    ran = llm(home, "-m", "charrnn/clock", "Ж")
    assert ran.returncode == 1
    assert ran.stderr.startswith("Error: the model has not seen the character 'Ж'")
    assert ran.stderr.count("\n") == 1
