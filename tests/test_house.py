"""The house stands as it is drawn: imports go one way, only the command line prints, the docs say
what is there."""

import ast
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import charrnn
from charrnn.cli.main import COMMANDS, cli
from charrnn.cli.options import given
from charrnn.config.knobs import knobs
from charrnn.config.run_config import run_knobs
from charrnn.generation.sampling import Sampler

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "charrnn"
MODULES = sorted(PACKAGE.rglob("*.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")

# Who may import whom, inside the package: rooms and single modules. charrnn itself gives
# __version__ alone.
ARROWS = {
    "errors": set(),
    "config": {"errors"},
    "vocab": {"errors"},
    "copy_window": set(),
    "storage": {"config", "copy_window", "errors", "vocab"},
    "corpus": {"config", "copy_window", "errors", "vocab"},
    "originality": {"config", "corpus", "errors", "storage", "vocab"},
    "generation": {"config", "copy_window", "errors", "originality", "storage", "vocab"},
    "training": {"charrnn", "config", "copy_window", "corpus", "errors", "storage", "vocab"},
    "text_model": {"config", "errors", "generation", "originality", "storage", "training", "vocab"},
    "api": {"config", "generation", "text_model", "training"},
    "cli": {
        "api",
        "charrnn",
        "config",
        "corpus",
        "errors",
        "generation",
        "originality",
        "storage",
        "text_model",
        "training",
    },
    "__main__": {"cli"},
    "__init__": {"api", "errors", "generation", "text_model", "vocab"},
}
# Who may import what from outside.
OUTSIDE = {
    "torch": {"training"},
    "click": {"cli"},
    "tqdm": {"cli"},
    "yaml": {"config"},
    "safetensors": {"storage"},
    "numpy": {
        "copy_window",
        "corpus",
        "generation",
        "originality",
        "storage",
        "text_model",
        "training",
        "vocab",
    },
}
PUBLIC = [
    "CharRNNError", "CheckpointError", "ConfigError", "CorpusError", "DivergedError", "GenerationError", "MissingPackageError",
    "ResumeError", "RunExistsError", "Sampler", "TextModel", "Vocabulary", "VocabularyError", "__version__", "load", "train",
]  # fmt: skip


def room(path: Path) -> str:
    """The room, or the module beside the rooms, that a file belongs to."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, function-local ones included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from submodules if node.module == "charrnn" else [str(node.module)]


def inner(name: str) -> str:
    """The room that an imported name of the package stands in; ``charrnn`` for what the package
    itself holds."""
    part = name.split(".")[1] if "." in name else "charrnn"
    return part if (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").exists() else "charrnn"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_arrows(path: Path) -> None:
    here = room(path)
    used = {inner(name) for name in imports(path) if name.split(".")[0] == "charrnn"}
    assert used - {here} <= ARROWS[here]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_packages_from_outside_are_used_in_their_rooms_only(path: Path) -> None:
    for name in imports(path):
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names and top != "charrnn":
            assert room(path) in OUTSIDE[top]


def test_every_arrow_is_used() -> None:
    for here, allowed in ARROWS.items():
        used = {
            inner(name)
            for path in MODULES
            if room(path) == here
            for name in imports(path)
            if name.split(".")[0] == "charrnn"
        }
        assert allowed <= used, f"{here} does not import {allowed - used}"


def test_the_facade_imports_training_only_inside_functions_or_for_types() -> None:
    tree = ast.parse((PACKAGE / "text_model.py").read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not [node for node in top if str(node.module).startswith("charrnn.training")]


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if room(path) != "cli"],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_only_the_command_line_prints(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
        )
        assert not (isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_and_public_name_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path}: {node.name}"


def test_the_public_list_is_this() -> None:
    assert sorted(charrnn.__all__) == PUBLIC
    assert dir(charrnn) == PUBLIC
    for name in PUBLIC:
        assert getattr(charrnn, name) is not None
    with pytest.raises(AttributeError, match=r"^module 'charrnn' has no attribute 'absent'$"):
        charrnn.absent  # noqa: B018


def test_every_error_is_a_charrnnerror() -> None:
    for name in PUBLIC:
        if name.endswith("Error"):
            assert issubclass(getattr(charrnn, name), charrnn.CharRNNError)


def test_importing_charrnn_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, charrnn; print({'torch', 'numpy', 'click', 'yaml'} & set(sys.modules))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "set()\n"
    )


def test_tests_mirror_the_package() -> None:
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        about = path.relative_to(ROOT / "tests").with_name(path.name.removeprefix("test_"))
        # the house, the texts beside it, formulas
        others = {"house.py", "corpora.py", "reference.py"}
        assert (
            (PACKAGE / about).exists() or str(about) in others or about.parts[0] == "reliability"
        ), about


# --- the README and the docs ---


def readme_commands() -> list[list[str]]:
    """Every ``charrnn ...`` that the README shows in a block of commands."""
    found = []
    for block in re.findall(r"```(?:sh|console|bash)\n(.*?)```", README, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for command in (
                re.split(r"&&", line) if re.match(r"\S*charrnn |python3 -m venv", line) else []
            ):
                words = shlex.split(command, comments=True)
                if words and (words[0] == "charrnn" or words[0].endswith("/charrnn")):
                    found.append(words[1:])
    return found


def test_every_command_of_the_readme_parses() -> None:
    commands = readme_commands()
    assert {command[0] for command in commands} == set(COMMANDS)
    for words in commands:
        parent = click.Context(cli, **cli.context_settings)
        command = cli.get_command(parent, words[0])
        assert command, words
        context = command.make_context(words[0], words[1:], parent=parent)
        # the values too
        given(context, {"train": run_knobs(), "sample": knobs(Sampler)}.get(words[0], {}))


def test_the_readme_is_filled() -> None:
    assert "FIGURES" not in README
    assert re.search(
        r"<!-- made by benchmarks/readme.py -->\n```text\n.{400,}?```", README, re.DOTALL
    )


def test_the_first_blocks_of_the_readme_run_one_after_the_other(tmp_path: Path) -> None:
    """As they are, but without the installation, and with five steps in place of a minute."""
    block = re.search(r"```sh\n(.*?)```", README, re.DOTALL)
    assert block
    line = block[1].strip().replace("\\\n", " ")
    assert "\n" not in line  # one line installs and does the main job
    commands = [command.strip() for command in line.split("&&")]
    assert commands[0] == "python3 -m venv .venv"
    assert commands[1] == ".venv/bin/pip install -c constraints.txt ."
    shutil.copytree(ROOT / "corpora", tmp_path / "corpora")
    outputs = []
    for command in commands[2:]:
        words = shlex.split(
            command.replace("--minutes 1", "--steps 5 --hidden-size 16 --threads 1")
        )
        assert words[0] == ".venv/bin/charrnn"
        ran = subprocess.run(
            [sys.executable, "-m", "charrnn", *words[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        outputs.append(ran.stdout)
    assert len(outputs) == 2
    assert outputs[0] == ""
    assert len(outputs[1]) > 100
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)  # what comes next
    assert block
    ran = subprocess.run(
        [sys.executable, "-c", block[1]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout) > 500
    assert ran.stderr == ""


def test_the_layout_in_the_docs_names_every_module_and_no_other() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    layout = page[page.index("## Layout") : page.index("    corpora/ ")]
    named = set(re.findall(r"\b\w+\.py\b", layout))
    assert named == {path.name for path in MODULES}


def test_no_two_modules_share_a_name() -> None:
    names = [path.name for path in MODULES if room(path) != "cli" and path.name != "__init__.py"]
    assert sorted(names) == sorted(set(names))


def test_every_flag_is_documented() -> None:
    reference = runpy.run_path(str(ROOT / "docs/make_reference.py"))["reference"]()
    assert (ROOT / "docs/reference.md").read_text(encoding="utf-8") == reference, (
        "run python docs/make_reference.py"
    )
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command
        for option in command.params:
            for flag in option.opts if isinstance(option, click.Option) else []:
                assert f"`{flag}`" in reference
                assert isinstance(option, click.Option)
                assert option.help, f"{name} {flag}"


def test_links_of_the_docs_lead_somewhere() -> None:
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "corpora").glob("*.md"),
    ]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_ci_runs_the_line_of_the_readme() -> None:
    line = next(line for line in README.splitlines() if line.endswith(".venv/bin/pytest"))
    assert line in (ROOT / ".ci/run").read_text().splitlines()


def test_the_source_distribution_has_every_file(tmp_path: Path) -> None:
    """So that whoever packages charrnn can run the tests; built as pip does it, but without
    downloading setuptools."""
    copy = tmp_path / "copy"
    leave_out = shutil.ignore_patterns(
        "__pycache__", "*.pyc", "*.egg-info", ".*", "checkpoints", "build", "dist"
    )
    shutil.copytree(ROOT, copy, ignore=leave_out)
    files = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert {
        "constraints.txt",
        "tests/conftest.py",
        "tests/cli/test_train.py",
        "corpora/plays.txt",
    } <= files
    build = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", build, str(tmp_path)],
        cwd=copy,
        capture_output=True,
        check=True,
    )
    with tarfile.open(next(tmp_path.glob("charrnn-*.tar.gz"))) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert files <= inside


# --- the checkers, so that one command serves a person and CI ---

# One worker runs both checks with mypy, so that the second finds the cache of the first.
one_mypy_cache = pytest.mark.xdist_group("mypy")


@one_mypy_cache
def test_mypy_accepts_the_script_of_a_user(tmp_path: Path) -> None:
    """Strict, with the public names imported from the package itself."""
    script = tmp_path / "script.py"
    names = ", ".join(name for name in PUBLIC if name != "__version__")
    script.write_text(
        f"from charrnn import {names}\n"
        "import charrnn\n"
        'model: TextModel = train("poems.txt", minutes=1)\n'
        'text: str = load("poems").generate("Once ", length=300)\n'
        "reveal_type(charrnn.__version__)\n"
    )
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        str(ROOT / ".mypy_cache"),
        str(script),
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert 'Revealed type is "str"' in ran.stdout


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["ruff", "check"], id="ruff check"),
        pytest.param(["ruff", "format", "--check"], id="ruff format --check"),
        pytest.param(["mypy"], id="mypy", marks=one_mypy_cache),
    ],
)
def test_the_checkers_find_nothing(command: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
