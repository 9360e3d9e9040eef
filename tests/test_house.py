"""The rules of the house: imports go one way, only the command line prints, the docs match the
code and their examples run."""

import ast
import itertools
import os
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
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "corpora").glob("*.md")),
]

# Who may import whom, inside the package: subpackages and single modules. From charrnn itself,
# only __version__ is imported.
ARROWS = {
    "errors": set(),
    "config": {"errors"},
    "vocab": {"errors"},
    "copy_window": {"piecewise"},
    "piecewise": set(),
    "context_mixing": {"piecewise", "vocab"},
    "storage": {"config", "context_mixing", "copy_window", "errors", "vocab"},
    "advice": {"config", "errors", "storage", "vocab"},
    "corpus": {"config", "context_mixing", "copy_window", "errors", "vocab"},
    "doctor": {"config", "corpus", "errors", "vocab"},
    "originality": {"config", "corpus", "errors", "storage", "vocab"},
    "generation": {
        "config",
        "context_mixing",
        "copy_window",
        "errors",
        "originality",
        "storage",
        "vocab",
    },
    "training": {
        "advice",
        "charrnn",
        "config",
        "context_mixing",
        "copy_window",
        "corpus",
        "errors",
        "piecewise",
        "storage",
        "vocab",
    },
    "pages": {"errors"},
    "plots": {"errors", "storage"},
    "surprise": {"config", "corpus", "errors", "generation", "pages", "vocab"},
    "serve": {
        "charrnn",
        "config",
        "copy_window",
        "corpus",
        "errors",
        "generation",
        "storage",
        "surprise",
        "text_model",
        "vocab",
    },
    "llm_plugin": {"errors", "generation", "storage", "text_model"},
    "text_model": {
        "config",
        "corpus",
        "errors",
        "generation",
        "originality",
        "storage",
        "surprise",
        "training",
        "vocab",
    },
    "api": {"cli", "config", "generation", "text_model", "training"},  # cli: for progress=True
    "cli": {
        "advice",
        "api",
        "charrnn",
        "config",
        "corpus",
        "doctor",
        "errors",
        "generation",
        "originality",
        "pages",
        "plots",
        "serve",
        "storage",
        "surprise",
        "text_model",
        "training",
    },
    "__main__": {"cli"},
    "__init__": {"api", "config", "doctor", "errors", "generation", "text_model", "vocab"},
}
# Who may import what from outside.
OUTSIDE = {
    "torch": {"training"},
    "click": {"cli"},
    "tqdm": {"cli"},
    "yaml": {"config"},
    "safetensors": {"storage"},
    "charset_normalizer": {"corpus"},
    "jinja2": {"pages"},
    "llm": {"llm_plugin"},
    "pydantic": {"llm_plugin"},
    "starlette": {"serve"},
    "uvicorn": {"cli", "serve"},
    "h11": {"serve"},
    "markupsafe": {"pages"},
    "matplotlib": {"plots"},
    "numpy": {
        "advice",
        "context_mixing",
        "copy_window",
        "corpus",
        "doctor",
        "generation",
        "originality",
        "piecewise",
        "storage",
        "serve",
        "surprise",
        "text_model",
        "training",
        "vocab",
    },
}
PUBLIC = [
    "CharRNNError", "CheckpointError", "ConfigError", "CorpusError", "DivergedError", "GenerationError", "MissingPackageError",
    "ResumeError", "RunExistsError", "Sampler", "SamplingOptions", "SessionOptions", "TextModel", "TrainingOptions", "Vocabulary",
    "VocabularyError", "__version__", "inspect", "load", "train",
]  # fmt: skip


def room(path: Path) -> str:
    """The subpackage (called a room here) or top-level module that a file belongs to."""
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
    """The subpackage or module that an imported name belongs to; ``charrnn`` for the names of the
    package itself."""
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


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("text_model.py", "training"),  # which needs PyTorch
        ("api.py", "training"),
        ("api.py", "cli"),  # which imports it, and prints
    ],
)
def test_a_facade_imports_a_package_only_inside_functions_or_for_types(
    module: str, package: str
) -> None:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not [node for node in top if str(node.module).startswith(f"charrnn.{package}")]


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
        # these test no module: rules of the code, bundled texts, formulas, training on a GPU
        others = {"house.py", "serve/page.py", "corpora.py", "reference.py", "training/cuda.py"}
        of_no_module = about.parts[0] in ("examples", "reliability")
        assert (PACKAGE / about).exists() or str(about) in others or of_no_module, about


# --- the README and the docs ---


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def shell_lines(page: str) -> list[str]:
    """The lines of a page that are typed into a shell, without prompts."""
    lines = []
    for block in blocks(page, "sh"):
        lines += block.replace("\\\n", " ").splitlines()
    for block in blocks(page, "console"):
        typed = block.replace("\\\n", " ").splitlines()
        lines += [line.removeprefix("$ ") for line in typed if line.startswith("$ ")]
    return lines


def charrnn_commands(page: str) -> list[list[str]]:
    """The arguments of each ``charrnn`` on those lines, between pipes, ``&&`` and redirections."""
    found = []
    for line in shell_lines(page):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        for is_operator, words in itertools.groupby(lexer, lambda word: word[0] in "|&;<>"):
            command = list(words)
            if not is_operator and command[0] == "charrnn":
                found.append(command[1:])
    return found


def parse(words: list[str]) -> None:
    """Parse the arguments of ``charrnn`` as the command line does, values included."""
    parent = click.Context(cli, **cli.context_settings)
    command = cli.get_command(parent, words[0])
    assert command, words
    context = command.make_context(words[0], words[1:], parent=parent)
    options = {"train": run_knobs(), "plan": run_knobs(), "sample": knobs(Sampler)}
    given(context, options.get(words[0], {}))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_the_docs_parses(page: Path) -> None:
    for words in charrnn_commands(page.read_text(encoding="utf-8")):
        parse(words)


@pytest.mark.parametrize(
    ("page", "commands"),
    [
        ("```sh\ncharrnn info\n```\n", [["info"]]),
        ("```sh\ncharrnn a 'b | c' && charrnn d  # e\n```\n", [["a", "b | c"], ["d"]]),
        ("```sh\nx=1\ncharrnn a \\\n  b > c\n```\n", [["a", "b"]]),
        ("```console\n$ charrnn a --b '#' | wc\ncharrnn c\n```\n", [["a", "--b", "#"]]),
        ("```text\ncharrnn a\n```\n", []),
    ],
    ids=["one", "two on a line", "redirected", "console", "output"],
)
def test_commands_are_found_in_a_page(page: str, commands: list[list[str]]) -> None:
    assert charrnn_commands(page) == commands


def test_the_readme_shows_every_command() -> None:
    shown = {words[0] for words in charrnn_commands(README)}
    # one sets up a shell, which docs/guide.md shows; the other runs until it is stopped
    assert shown == set(COMMANDS) - {"completion", "serve"}


def test_the_readme_fits_on_one_page() -> None:
    assert len(README.split()) <= 1500


def test_the_readme_is_filled() -> None:
    assert "FIGURES" not in README
    assert re.search(
        r"<!-- made by benchmarks/readme.py -->\n```text\n.{400,}?```", README, re.DOTALL
    )


# In place of the minutes of the docs.
TINY_RUN = "--steps 150 --hidden-size 32 --num-layers 1 --dropout 0 --threads 1"


def test_the_readme_runs_from_top_to_bottom(tmp_path: Path) -> None:
    """In one shell, without the installation, and with tiny runs in place of a minute's."""
    first, *lines = shell_lines(README)
    first = " ".join(first.split())
    install = (
        "python3 -m venv .venv && . .venv/bin/activate && pip install -c constraints.txt . && "
    )
    assert first.startswith(install)  # one line installs and does the main job
    lines.insert(0, first.removeprefix(install))
    assert lines.pop().endswith(".venv/bin/pytest")
    assert "#" not in "".join(lines)  # zsh does not take comments when they are pasted
    shutil.copytree(ROOT / "corpora", tmp_path / "corpora")
    charrnn_command = f'charrnn() {{ {shlex.quote(sys.executable)} -m charrnn "$@"; }}'
    script = "\n".join(["set -e", charrnn_command, *lines]).replace("--minutes 1", TINY_RUN)
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        # a seed where the README gives none; threads, so that plan times no choice of them
        env=os.environ | {"CHARRNN_SAMPLE_SEED": "1", "CHARRNN_PLAN_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    (code,) = blocks(README, "python")
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout) > 500
    assert ran.stderr == ""


def test_the_examples_in_python_run(tmp_path: Path) -> None:
    """Those of docs/python.md, one after another, with tiny runs in place of a minute's."""
    code = "\n".join(blocks((ROOT / "docs/python.md").read_text(encoding="utf-8"), "python"))
    assert code.count("minutes=1") == 2
    code = code.replace("minutes=1", "steps=100, hidden_size=24, threads=1")
    shutil.copytree(ROOT / "corpora", tmp_path / "corpora")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""


def test_the_layout_in_the_docs_names_every_module_and_no_other() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    layout = page[page.index("## Layout") : page.index("    corpora/ ")]
    named = set(re.findall(r"\b\w+\.py\b", layout))
    assert named == {path.name for path in MODULES}


def test_no_two_modules_share_a_name() -> None:
    names = [path.name for path in MODULES if room(path) != "cli" and path.name != "__init__.py"]
    assert sorted(names) == sorted(set(names))


def command_options(name: str) -> list[click.Option]:
    """The options of one command."""
    command = cli.get_command(click.Context(cli), name)
    assert command
    return [option for option in command.params if isinstance(option, click.Option)]


def test_every_flag_is_documented() -> None:
    reference = runpy.run_path(str(ROOT / "docs/make_reference.py"))["reference"]()
    assert (ROOT / "docs/reference.md").read_text(encoding="utf-8") == reference, (
        "run python docs/make_reference.py"
    )
    for name in COMMANDS:
        for option in command_options(name):
            assert option.help, f"{name} {option.name}"
            for flag in option.opts:
                assert f"`{flag}`" in reference


def test_options_that_train_and_plan_share_are_documented_once() -> None:
    reference = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    for knob in run_knobs().values():
        flag = knob.flag.removeprefix("--")
        shared = reference[reference.index("## Options of train and plan") :]
        train = reference[
            reference.index("## charrnn train") : reference.index("## charrnn sample")
        ]
        assert len(re.findall(rf"`--{flag}` \|", shared)) == 1
        assert f"`--{flag}` |" not in train


def test_environment_variables_are_named_as_the_reference_says() -> None:
    for name in COMMANDS:
        for option in command_options(name):
            (flag,) = [flag for flag in option.opts if flag.startswith("--")]
            of_knob = getattr(option, "variable", option.name)
            variable = option.envvar or f"CHARRNN_{name}_{of_knob}".upper()
            assert variable == f"CHARRNN_{name}_{flag[2:]}".upper().replace("-", "_")


def anchors(page: Path) -> set[str]:
    """The names of a page's headings in a link."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_of_the_docs_lead_somewhere() -> None:
    for page in PAGES:
        for target, anchor in re.findall(
            r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")
        ):
            path = page.parent / target if target else page
            assert path.exists(), f"{page.name}: {target}"
            if anchor:
                assert anchor in anchors(path), f"{page.name}: {target}#{anchor}"


def test_ci_runs_the_line_of_the_readme() -> None:
    line = next(line for line in README.splitlines() if line.endswith(".venv/bin/pytest"))
    assert line in (ROOT / ".ci/run").read_text().splitlines()


def test_the_source_distribution_has_every_file(tmp_path: Path) -> None:
    """So that packagers of charrnn can run the tests. Built as pip does, but without downloading
    setuptools."""
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


# --- the checkers, so that pytest is the only command needed ---

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
        'options: SamplingOptions = {"temperature": 0.5, "max_copy": 30}\n'
        'knobs: TrainingOptions = {"cell": "gru", "dropout": "auto"}\n'
        'train("poems.txt", **knobs)\n'
        'load("poems").generate(**options)\n'
        # strict: an ignored error that is none is an error
        'load("poems").generate(temprature=0.5)  # type: ignore[call-arg]\n'
        'load("poems").session(max_copy=30)  # type: ignore[call-arg]\n'
        'train("poems.txt", cell="lstn")  # type: ignore[arg-type]\n'
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
