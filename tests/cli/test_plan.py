"""charrnn plan says what train would do, writes nothing, and train then does it."""

import json
from pathlib import Path

import click
import pytest

from charrnn.cli.main import cli
from charrnn.cli.plan import _outlook, _train_line, plan
from charrnn.config.yaml import read_yaml
from tests.command import call

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14  # 924 characters
QUICK = [
    "--steps",
    "3",
    "--batch-size",
    "4",
    "--sequence-length",
    "20",
    "--device",
    "cpu",
    "--precision",
    "fp32",
    "--threads",
    "1",
]


@pytest.fixture
def text(here: Path) -> Path:
    (here / "clock.txt").write_text(TEXT)
    return here


def test_a_plan_says_these_things_and_writes_nothing(text: Path) -> None:
    result = call("plan", "clock.txt", *QUICK)
    assert result.exit_code == 0
    starts = [line.partition(":")[0] for line in result.stdout.splitlines()]
    assert starts == [
        "text",
        "baseline",
        "network",
        "why",
        "why",
        "training",
        "length",
        "memory",
        "expected",
    ]
    # 13 lines of 65
    assert result.stdout.startswith(
        "text: 924 characters (21 different ones); 91.5% of it consists of repeated lines"
    )
    last = result.stderr.splitlines()[-1]
    words = last.removeprefix("train it with: ").split()
    assert (words[:3], sorted(words[3:])) == (["charrnn", "train", "clock.txt"], sorted(QUICK))
    assert [path.name for path in text.iterdir()] == ["clock.txt"]


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ({5.0: 1.31, 30.0: 1.27, 180.0: 1.25}, "1.31 after 5 minutes, 1.27 after 30, 1.25 after 180"),
        ({5.0: 1.31, 30.0: 1.274, 180.0: 1.27}, "1.31 after 5 minutes, 1.27 after 30; longer does not help"),
        ({5.0: 1.68, 30.0: 1.68, 180.0: 1.68}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_the_outlook_ends_where_the_loss_no_longer_falls(
    losses: dict[float, float], words: str
) -> None:
    assert _outlook(losses) == words


def test_train_does_what_the_plan_says(text: Path) -> None:
    planned = json.loads(call("plan", "clock.txt", *QUICK, "--json").stdout)
    trained = call("train", "clock.txt", *QUICK, "--sample-every", "none")
    assert trained.exit_code == 0
    written = read_yaml((text / "checkpoints/clock/config.yaml").read_text(), "config.yaml")
    same = {
        name: planned["knobs"][name]
        for name in planned["knobs"]
        if name not in ("corpus", "sample_every")
    }
    assert {name: written[name] for name in same} == same
    # 3 steps of 4 x 20 characters out of 831
    assert trained.stderr.startswith(
        f"plan: LSTM {same['num_layers']} x {same['hidden_size']}, dropout {same['dropout']:g}, "
        "about 0.3 passes over the text\n"
    )


def test_a_knob_that_is_given_stands_and_auto_is_none_given(text: Path) -> None:
    own = json.loads(call("plan", "clock.txt", *QUICK, "--hidden-size", "9", "--json").stdout)[
        "knobs"
    ]
    assert own["hidden_size"] == 9
    auto = json.loads(call("plan", "clock.txt", *QUICK, "--hidden-size", "auto", "--json").stdout)[
        "knobs"
    ]
    assert auto == json.loads(call("plan", "clock.txt", *QUICK, "--json").stdout)["knobs"]


def test_without_validation_text_nothing_is_expected(text: Path) -> None:
    result = call("plan", "clock.txt", *QUICK, "--val-fraction", "0")
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == [
        "text",
        "network",
        "why",
        "why",
        "training",
        "length",
        "memory",
    ]


def train_line(*args: str) -> str:
    """The last line of a plan, which needs no measurement."""
    settings = cli.context_settings
    with click.Context(cli, **settings) as parent:
        context = plan.make_context("plan", [*args, *QUICK], parent=parent)
    return _train_line(context, context.params["corpus"], context.params["config"])


FLAGS = "--steps 3 --batch-size 4 --sequence-length 20 --threads 1 --device cpu --precision fp32"


@pytest.fixture
def chapters(here: Path) -> list[str]:
    """Twenty files in a directory, in the order of a shell."""
    Path("a novel").mkdir()
    paths = [f"a novel/chapter {number}.md" for number in range(10, 30)]
    for path in paths:
        Path(path).write_text(TEXT)
    return paths


def test_the_command_for_many_files_is_their_wildcard(chapters: list[str]) -> None:
    line = f"train it with: charrnn train 'a novel/'*.md {FLAGS}"
    assert call("plan", *chapters, *QUICK).stderr.splitlines()[-1] == line


def test_the_command_for_other_long_paths_says_what_to_fill_in(chapters: list[str]) -> None:
    """If it is pasted with the dots, it fails instead of training on one file."""
    assert train_line(*chapters[1:]) == (
        "train it with the other 18 paths in place of the dots: "
        f"charrnn train 'a novel/chapter 11.md' ... {FLAGS}"
    )


def test_the_command_for_a_few_paths_has_them_all(chapters: list[str]) -> None:
    assert train_line(*chapters[:2]) == (
        f"train it with: charrnn train 'a novel/chapter 10.md' 'a novel/chapter 11.md' {FLAGS}"
    )


def test_the_command_has_the_example_and_what_the_environment_sets(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_PLAN_SEED", "7")
    flags = FLAGS.replace("--threads", "--seed 7 --threads")
    assert train_line("--example", "places") == (
        f"train it with: charrnn train {flags} --example places"
    )


@pytest.mark.parametrize("words", [[], ["nowhere.txt"], ["clock.txt", "--hidden-size", "0"]])
def test_what_cannot_be_planned_is_one_line(text: Path, words: list[str]) -> None:
    result = call("plan", *words)
    assert result.exit_code in (1, 2)
    assert (result.stdout, len(result.stderr.splitlines())) == ("", 1)
