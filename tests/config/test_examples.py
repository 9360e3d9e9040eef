"""The bundled texts are found in a clone and in an installed package."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from charrnn.cli.main import cli
from charrnn.cli.options import given_for_run
from charrnn.cli.train import train
from charrnn.config import examples
from charrnn.errors import ConfigError
from tests.command import SMALL, call

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the contents of a wheel that was built from a copy of the tree."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("charrnn", "corpora"):
        shutil.copytree(ROOT / folder, tree / folder)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=tree, capture_output=True, check=True)
    (wheel,) = (tree / "dist").glob("charrnn-*.whl")
    target = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(target)
    return target


def test_every_text_has_an_entry() -> None:
    names = {path.stem for path in (ROOT / "corpora").glob("*.txt")}
    assert set(examples.EXAMPLES) == names


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_a_clone_has_the_texts_next_to_the_package(name: str) -> None:
    assert examples.example_path(name) == ROOT / "corpora" / f"{name}.txt"


def test_a_wheel_has_every_module_and_text(installed: Path) -> None:
    kinds = ("*.py", "*.html", "*.css", "templates/*.md", "page/*.js", "page/*.svg")
    files = [path for kind in kinds for path in (ROOT / "charrnn").rglob(kind)]
    modules = {path.relative_to(ROOT) for path in files}
    texts = {Path("charrnn") / path.relative_to(ROOT) for path in (ROOT / "corpora").iterdir()}
    packed = {path.relative_to(installed) for path in (installed / "charrnn").rglob("*.*")}
    assert packed == modules | texts | {Path("charrnn/py.typed")}


def test_an_installed_package_trains_on_an_example(installed: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "charrnn", "train", "--example=places", *SMALL],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    config = yaml.safe_load((tmp_path / "checkpoints/places/config.yaml").read_text())
    assert config["corpus"] == [str(installed / "charrnn/corpora/places.txt")]
    assert config["separator"] == "\n"


def test_the_knobs_of_an_example_can_be_overridden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("train", "--example=places", "--separator=none", "--name=other", *SMALL)
    assert result.exit_code == 0, result.stderr
    config = yaml.safe_load(Path("checkpoints/other/config.yaml").read_text())
    assert config["separator"] == "none"


def test_an_example_and_a_path_exclude_each_other() -> None:
    result = call("train", "--example=plays", "my.txt")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: --example plays and the path my.txt exclude each other; give one of them\n",
    )


def given_with(yaml: str, *flags: str) -> dict[str, Any]:
    """What ``charrnn train --example=places`` takes as given, with a file for --config."""
    Path("my.yaml").write_text(yaml)
    context = train.make_context("train", list(flags), parent=click.Context(cli))
    return given_for_run(context, (), "places", False, "my.yaml")


PLACES = {"corpus": (str(ROOT / "corpora/places.txt"),)}


@pytest.mark.parametrize(
    ("yaml", "flags", "separator"),
    [
        ("separator: none\n", [], "\n"),  # the default, as in the config.yaml of a run
        ('separator: ";"\n', [], ";"),
        ("separator: none\n", ["--separator=none"], None),
    ],
)
def test_a_yaml_file_overrides_an_example_with_what_is_no_default(
    yaml: str, flags: list[str], separator: str | None, here: Path
) -> None:
    assert given_with(yaml, *flags) == PLACES | {"separator": separator}


def test_an_example_and_the_corpus_of_a_yaml_file_exclude_each_other(here: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        given_with("corpus: [my.txt]\n")
    assert str(caught.value) == (
        "--example places and the corpus in my.yaml exclude each other; give one of them"
    )
    same = f"corpus: [{ROOT}/corpora/places.txt]\n"
    assert given_with(same) == PLACES | {"separator": "\n"}


def test_the_path_of_an_example_is_named_by_its_flag() -> None:
    assert examples.example_flags([str(ROOT / "corpora/plays.txt")]) == ["--example", "plays"]
    assert examples.example_flags(["plays.txt"]) == []
    assert examples.example_flags([str(ROOT / "corpora/plays.txt"), "other.txt"]) == []


def test_a_missing_text_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(examples, "FOLDERS", (tmp_path,))
    result = call("plan", "--example=plays")
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: the example text plays.txt is missing; install charrnn again\n",
    )
