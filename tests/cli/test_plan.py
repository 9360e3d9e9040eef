"""charrnn plan says what train would do, writes nothing, and train then does it."""

import json
import math
from pathlib import Path

import click
import pytest

from charrnn.advice.evidence import evidence_of
from charrnn.advice.next_command import new_run_command
from charrnn.cli.console import format_loss
from charrnn.cli.main import cli
from charrnn.cli.plan import _outlook, _train_line, plan
from charrnn.config.yaml import read_yaml
from charrnn.storage.run import Run
from charrnn.training import forecast as forecasting
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

LONGER = ["--steps", "90", *QUICK[2:]]


@pytest.fixture(autouse=True)
def short_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions rest on a trial of thirty steps."""
    monkeypatch.setattr(forecasting, "EARLY", 10)
    monkeypatch.setattr(forecasting, "LATE", 30)


@pytest.fixture
def text(here: Path) -> Path:
    (here / "clock.txt").write_text(TEXT)
    return here


def test_a_plan_says_these_things_and_writes_nothing(text: Path) -> None:
    result = call("plan", "clock.txt", *LONGER)
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
    assert (words[:3], sorted(words[3:])) == (["charrnn", "train", "clock.txt"], sorted(LONGER))
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


def test_a_plan_predicts_an_interval_of_the_loss(text: Path) -> None:
    lines = dict(
        line.split(": ", 1) for line in call("plan", "clock.txt", *LONGER).stdout.splitlines()
    )
    advice = json.loads(call("plan", "clock.txt", *LONGER, "--json").stdout)["advice"]
    low, high = advice["interval"]
    assert (low, high) == pytest.approx((0.92 * advice["expected"], 1.08 * advice["expected"]))
    nats = advice["expected"]
    assert lines["expected"] == (
        f"validation loss of about {nats:.2f} ({nats / math.log(2):.2f} bits per character), most "
        f"likely {low:.2f} to {high:.2f}; lower is better"
    )
    assert list(advice["outlook"]) == ["5.0", "30.0", "180.0"]


def test_the_loss_of_records_is_predicted(text: Path) -> None:
    (text / "list.txt").write_text("".join(f"item {n}\n" for n in range(200)))
    batch = [*LONGER[:2], *LONGER[6:]]
    advice = json.loads(call("plan", "list.txt", "--records", *batch, "--json").stdout)["advice"]
    assert advice["interval"][0] < advice["expected"] < advice["interval"][1]


def test_the_loss_of_a_network_that_the_user_chose_is_not_predicted(text: Path) -> None:
    result = call("plan", "clock.txt", *LONGER, "--hidden-size", "9", "--json")
    advice = json.loads(result.stdout)["advice"]
    assert (advice["expected"], advice["interval"], advice["outlook"]) == (None, None, {})


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


# --from


@pytest.fixture
def base(text: Path) -> str:
    """A run on the text, and the path of its checkpoint."""
    sizes = ["--hidden-size", "8", "--num-layers", "1", "--embedding-size", "4"]
    assert call("train", "clock.txt", "--name", "base", "-q", *QUICK, *sizes).exit_code == 0
    (text / "bell.txt").write_text("Ring, bell! \u00c9t\u00e9, the clock said: ring.\n" * 20)
    return "checkpoints/base/step-00000003"


def test_a_plan_to_continue_says_what_the_base_is_and_what_a_new_model_would_do(base: str) -> None:
    result = call("plan", "bell.txt", "--from", "base", *QUICK)
    assert result.exit_code == 0
    lines = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    path, loss, added = lines["from"].split("; ")
    assert path == base
    assert loss.startswith("before training, its loss on this text is ")
    assert added == '7 new characters: "!:Rgr\u00c9\u00e9"'
    assert lines["network"].startswith("LSTM with 1 layer of 8 units")
    assert lines["expected"].startswith("validation loss of about ")
    assert lines["without --from"].startswith("a new model would reach about ")
    assert not Path("checkpoints/bell").exists()
    as_json = json.loads(call("plan", "bell.txt", "--from", "base", "--json", *QUICK).stdout)
    assert as_json["knobs"]["base"] == base
    assert 5e-4 <= as_json["knobs"]["learning_rate"] <= 4e-3
    advice = as_json["advice"]
    assert advice["expected"] == pytest.approx(0.83 * advice["of_new_model"])


def test_info_says_what_a_run_continued_from(base: str) -> None:
    assert call("train", "bell.txt", "--from", "base", "-q", *QUICK).exit_code == 0
    lines = dict(line.split(": ", 1) for line in call("info", "bell").stdout.splitlines())
    found = json.loads(call("info", "bell", "--json").stdout)["from"]
    sha256 = json.loads(call("info", "base", "--json").stdout)["sha256"]
    assert (found["name"], found["step"], found["sha256"]) == ("base", 3, sha256)
    before = found["val_loss"]
    assert lines["from"].strip() == (
        f"base, step 3 (sha256 {sha256[:12]}...); before training, its loss on this text was "
        f"{format_loss(before)}"
    )


def test_the_verdict_says_how_good_the_base_was(base: str) -> None:
    assert call("train", "bell.txt", "--from", "base", "-q", *QUICK).exit_code == 0
    found = json.loads(call("info", "bell", "--json").stdout)
    bits = found["from"]["val_loss"] / math.log(2)
    assert f" Before training on this text, base had {bits:.3f}. " in found["verdict"]["text"]


def test_the_next_command_of_a_run_that_continued_continues_too(base: str) -> None:
    assert call("train", "bell.txt", "--from", "base", "-q", *QUICK).exit_code == 0
    evidence = evidence_of(Run(Path("checkpoints/bell")))
    assert evidence is not None
    proposed = new_run_command(Run(Path("checkpoints/bell")), evidence, [], 4)
    assert proposed == (
        f"charrnn train bell.txt --from={base} --batch-size=4 --sequence-length=20 --steps 12 "
        "--name bell-2"
    )
