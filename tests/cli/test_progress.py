"""How a run is shown: a bar on a terminal, plain lines elsewhere."""

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
from tests.command import call

SMALL = [
    "--steps=4", "--hidden-size=8", "--embedding-size=4", "--batch-size=4", "--sequence-length=20",
    "--device=cpu", "--precision=fp32", "--threads=1", "--num-layers=2", "--dropout=0.1",
]  # fmt: skip
RATE = r"[\d,]+ characters/s, \d+:\d\d left"


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, *args: str) -> str:
    """What a command writes to stderr where that is a terminal."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    said: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(master, 1024):
                said.append(piece)
        except OSError:  # Linux says so when the other end is closed
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
        (math.log(2), "0.6931 nats (1.000 bits) per character"),
        (0.0, "0.0000 nats (0.000 bits) per character"),
        (3.0, "3.0000 nats (4.328 bits) per character"),
    ],
)
def test_a_loss_is_shown_in_nats_and_bits(nats: float, words: str) -> None:
    assert format_loss(nats) == words


def test_lines_come_with_each_validation_and_say_whether_it_was_saved(corpus: Path) -> None:
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
    assert two["val_loss"] > four["val_loss"]  # else the last step is saved, but not as the best
    first, *shown, reading, done, _, write = result.stderr.splitlines()  # between them the verdict
    assert first.startswith("checkpoints/corpus: 831 characters to learn from")
    for found, line in zip(shown, (two, four), strict=True):
        words = f"step {line['step']} of 4: loss {line['train_loss']:.4f}, validation {format_loss(line['val_loss'])}, "
        assert re.fullmatch(re.escape(words) + RATE + ", saved", found)
    assert reading == "reading the 93 held-out characters in one stream"
    assert done.startswith("done in ")
    assert write == "write with: charrnn sample corpus"


def test_samples_are_shown_apart_and_are_what_the_model_of_that_step_writes(corpus: Path) -> None:
    result = call("train", "corpus.txt", *SMALL, "--sample-every=2")
    expected = []
    for step in (2, 4):
        model = charrnn.load(f"checkpoints/corpus/step-{step:08d}")
        expected += [
            "  | " + line for line in model.generate(length=200, seed=step).strip().split("\n")
        ]
    assert [line for line in result.stderr.split("\n") if line.startswith("  | ")] == expected


def test_without_validation_a_plain_line_comes_now_and_then(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--sample-every=none", "--eval-every=none", "--report-every=1", "--val-fraction=0"]
    # the first line and the last two
    assert len(call("train", "corpus.txt", *SMALL, *flags).stderr.splitlines()) == 3
    monkeypatch.setattr("charrnn.cli.progress.EVERY_SECONDS", -1.0)  # now and then is always
    shown = call("train", "corpus.txt", *SMALL, *flags, "--overwrite").stderr.splitlines()[1:-2]
    for found, line in zip(shown, metrics(), strict=True):
        assert re.fullmatch(
            re.escape(f"step {line['step']} of 4: loss {line['train_loss']:.4f}, ")
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
        r"\| *\S+ characters/s, (\d\d:)?\d\d:\d\d left, loss \d\.\d{3} nats, \d\.\d{3} bits",
        bars[-1],
    )
    # on a line of its own
    assert re.search(r"\rstep 2 of 4: loss .+, validation .+ left, saved\r\n", said)
    assert "\r\n  | " in said or "\r  | " in said
    assert said.endswith("write with: charrnn sample corpus\r\n")


def test_the_bar_of_a_run_gone_on_with_begins_where_it_stood(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("train", "corpus.txt", *SMALL, "--sample-every=none").exit_code == 0
    said = on_a_terminal(monkeypatch, "train", "--resume", "--steps", "8")
    bars = re.findall(r"(\d+)%\|", said)
    assert bars[0] == "50"
    assert bars[-1] == "100"


def test_no_bar_is_drawn_where_stderr_is_no_terminal(corpus: Path) -> None:
    said = call("train", "corpus.txt", *SMALL).stderr
    assert "\r" not in said
    assert "%|" not in said


def test_evaluate_shows_its_bar_on_a_terminal_only_and_takes_it_away(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("train", "corpus.txt", *SMALL).exit_code == 0
    assert call("evaluate", "corpus", "corpus.txt").stderr == "checkpoints/corpus/step-00000004\n"
    said = on_a_terminal(monkeypatch, "evaluate", "corpus", "corpus.txt")
    assert "0.00 characters [00:00, ? characters/s]" in said
    assert re.search(r"\r +\rcheckpoints/corpus/step-00000004\r\n$", said)
