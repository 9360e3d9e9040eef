"""Progress of a run: a bar on a terminal, plain lines elsewhere."""

import itertools
import json
import math
import os
import re
import sys
import termios
import threading
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.cli.console import format_loss
from charrnn.cli.main import cli
from charrnn.cli.progress import Speed
from charrnn.errors import CheckpointError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from tests.command import call

SMALL = [
    "--steps=4", "--hidden-size=8", "--embedding-size=4", "--batch-size=4", "--sequence-length=20",
    "--device=cpu", "--precision=fp32", "--threads=1", "--num-layers=2", "--dropout=0.1",
]  # fmt: skip
RATE = r"[\d,]+ characters/s, \d+:\d\d left"


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, *args: str) -> str:
    """What a command writes to a stderr that is a terminal."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    said: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(master, 1024):
                said.append(piece)
        except OSError:  # raised by Linux when the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        cli(args, prog_name="charrnn", standalone_mode=False)
        monkeypatch.undo()
    reader.join()
    os.close(master)
    return b"".join(said).decode()


def metrics() -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in Path("checkpoints/corpus/metrics.jsonl").read_text().splitlines()
    ]


@pytest.mark.parametrize(
    ("nats", "words"),
    [
        (math.log(2), "0.6931 (1.000 bits per character)"),
        (0.0, "0.0000 (0.000 bits per character)"),
        (3.0, "3.0000 (4.328 bits per character)"),
    ],
)
def test_a_loss_is_shown_with_its_bits_per_character(nats: float, words: str) -> None:
    assert format_loss(nats) == words


def test_each_validation_has_a_line(corpus: Path) -> None:
    result = call(
        "train",
        "corpus.txt",
        *SMALL,
        "--sample-every=none",
        "--eval-every=2",
        "--report-every=1",
        "--save-every=none",
    )
    two, four = (line for line in metrics() if line.get("val_loss") is not None)
    assert two["val_loss"] > four["val_loss"]  # so the last step is the best
    first, *shown, reading, done, _, write = result.stderr.splitlines()  # between them the verdict
    assert first.startswith("training checkpoints/corpus: LSTM with 2 layers of ")
    for found, line in zip(shown, (two, four), strict=True):
        words = f"step {line['step']} of 4: training loss {line['train_loss']:.4f}, validation loss {format_loss(line['val_loss'])}, "
        assert re.fullmatch(re.escape(words) + RATE + ", saved", found)
    assert reading == "measuring the final validation loss on 93 characters"
    assert done.startswith("done in ")
    assert write == "generate text with: charrnn sample corpus"


def test_samples_are_indented_and_are_those_of_the_model_at_that_step(corpus: Path) -> None:
    result = call("train", "corpus.txt", *SMALL, "--sample-every=2")
    expected = []
    for step in (2, 4):
        model = charrnn.load(f"checkpoints/corpus/step-{step:08d}")
        expected += [
            "  | " + line for line in model.generate(length=200, seed=step).strip().split("\n")
        ]
    assert [line for line in result.stderr.split("\n") if line.startswith("  | ")] == expected


def test_without_validation_there_is_a_line_now_and_then(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--sample-every=none", "--eval-every=none", "--report-every=1", "--val-fraction=0"]
    # the first line and the last two
    assert len(call("train", "corpus.txt", *SMALL, *flags).stderr.splitlines()) == 3
    monkeypatch.setattr("charrnn.cli.progress.EVERY_SECONDS", -1.0)  # a line at every step
    shown = call("train", "corpus.txt", *SMALL, *flags, "--overwrite").stderr.splitlines()[1:-2]
    for found, line in zip(shown, metrics(), strict=True):
        assert re.fullmatch(
            re.escape(f"step {line['step']} of 4: training loss {line['train_loss']:.4f}, ")
            + RATE
            + ", saved",
            found,
        )


def test_a_terminal_shows_a_bar_with_loss_speed_and_time_left(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = on_a_terminal(
        monkeypatch, "train", "corpus.txt", *SMALL, "--sample-every=2", "--eval-every=2"
    )
    bars = [part for part in re.split("[\r\n]+", said) if re.match(r" *\d+%\|", part)]
    assert re.match(r"  0%\|", bars[0])
    assert re.match(r"100%\|", bars[-1])
    assert re.search(
        RATE + r", loss \d\.\d{3} \(\d\.\d{3} bits\)",
        bars[-1],
    )
    # on a line of its own
    assert re.search(r"\rstep 2 of 4: training loss .+, validation loss .+ left, saved\r\n", said)
    assert "\r\n  | " in said or "\r  | " in said
    assert said.endswith("generate text with: charrnn sample corpus\r\n")


def test_the_bar_and_the_lines_show_the_same_time_left(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(step=10)  # seconds: every step takes ten
    monkeypatch.setattr("charrnn.cli.progress.monotonic", lambda: next(clock))
    printed = on_a_terminal(
        monkeypatch, "train", "corpus.txt", *SMALL, "--sample-every=none", "--eval-every=1"
    )
    shown = [re.findall(r"\d+:\d\d left", part) for part in re.split("[\r\n]+", printed)]
    times = [found[0] for found in shown if found]
    left = ["0:30 left", "0:20 left", "0:10 left", "0:00 left"]
    assert [time for time, _ in itertools.groupby(times)] == left
    for step, expected in enumerate(left, 1):
        line = re.search(rf"step {step} of 4: .+, (\d+:\d\d left), saved\r\n\r?([^\r\n]*)", printed)
        assert line is not None
        bar = re.search(r"\d+:\d\d left", line[2])  # drawn again below the line
        assert bar is not None
        assert (line[1], bar[0]) == (expected, expected)


def test_the_speed_is_that_of_about_the_last_minute() -> None:
    speed = Speed(step=0, time=0.0)
    speed.update(step=60, time=60.0)
    assert speed.steps_per_second == pytest.approx(1.0)
    speed.update(step=180, time=120.0)  # 2 steps per second; the first minute counts 1/e
    assert speed.steps_per_second == pytest.approx((60 / math.e + 120) / (60 / math.e + 60))


def test_the_bar_of_a_resumed_run_starts_where_it_stopped(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("train", "corpus.txt", *SMALL, "--sample-every=none").exit_code == 0
    said = on_a_terminal(monkeypatch, "train", "--resume", "--steps", "8")
    bars = re.findall(r"(\d+)%\|", said)
    assert bars[0] == "50"
    assert bars[-1] == "100"


def test_no_bar_is_drawn_if_stderr_is_not_a_terminal(corpus: Path) -> None:
    said = call("train", "corpus.txt", *SMALL).stderr
    assert "\r" not in said
    assert "%|" not in said


def test_evaluate_shows_a_bar_only_on_a_terminal_and_erases_it(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("train", "corpus.txt", *SMALL).exit_code == 0
    assert call("evaluate", "corpus", "corpus.txt").stderr == "checkpoints/corpus/step-00000004\n"
    said = on_a_terminal(monkeypatch, "evaluate", "corpus", "corpus.txt")
    assert "0.00 characters [00:00, ? characters/s]" in said
    assert re.search(r"\r +\rcheckpoints/corpus/step-00000004\r\n$", said)


def test_a_quiet_run_prints_nothing_on_a_terminal_and_elsewhere(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--sample-every=2", "--eval-every=2"]
    result = call("train", "corpus.txt", *SMALL, *flags, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    printed = on_a_terminal(
        monkeypatch, "train", "corpus.txt", *SMALL, *flags, "--quiet", "--overwrite"
    )
    assert printed == ""


def test_a_quiet_run_reports_errors_and_failed_saves(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = checkpoints.write

    def fail_at_step_2(path: Path, checkpoint: Checkpoint) -> None:
        if path.name == "step-00000002":
            raise CheckpointError(f"{path} could not be written: the disk is full")
        write(path, checkpoint)

    monkeypatch.setattr(checkpoints, "write", fail_at_step_2)
    flags = ["--eval-every=none", "--val-fraction=0", "--save-every=2", "--on-save-error=continue"]
    result = call("train", "corpus.txt", *SMALL, *flags, "-q")
    assert (result.exit_code, result.stderr) == (
        0,
        "checkpoints/corpus/step-00000002 could not be written: the disk is full; training continues\n",
    )
    again = call("train", "corpus.txt", *SMALL, "-q")
    assert (again.exit_code, again.stdout, again.stderr) == (
        1,
        "",
        "Error: the run checkpoints/corpus already exists; continue it with --resume, "
        "start another with --name, or delete it with --overwrite\n",
    )
