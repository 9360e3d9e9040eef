"""``charrnn.train(progress=True)`` shows what the command line shows, in a script or a notebook."""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import charrnn
from charrnn.training import start
from charrnn.training.step_report import Report
from charrnn.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

KNOBS: dict[str, Any] = {
    "steps": 4, "batch_size": 4, "sequence_length": 20, "hidden_size": 8, "num_layers": 2, "embedding_size": 4, "dropout": 0.1,
    "threads": 1, "device": "cpu", "precision": "fp32", "eval_every": 4, "sample_every": None,
}  # fmt: skip
FIRST = (
    r"training checkpoints/corpus: LSTM with 2 layers of 8 units on 831 characters "
    r"\(93 more for validation\), fp32 on cpu, 1 thread"
)
STEP = r"step 4 of 4: training loss .+, validation loss .+ characters/s, 0:00 left, saved"
FINAL = "measuring the final validation loss on 93 characters"
DONE = r"done in 0\.0 minutes; the best checkpoint is checkpoints/corpus/step-00000004"
VERDICT = r".+ bits per character of new text .+"


def matched(lines: list[str], patterns: list[str]) -> bool:
    """Whether each line matches its pattern."""
    pairs = zip(lines, patterns, strict=True)
    return all(re.fullmatch(pattern, line) for line, pattern in pairs)


def test_a_script_shows_the_lines_of_the_command_line(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    charrnn.train(corpus, progress=True, **KNOBS)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert matched(printed.err.splitlines(), [FIRST, STEP, FINAL, DONE, VERDICT])


def test_notices_are_printed_unless_a_function_takes_them(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    knobs = KNOBS | {"steps": 1, "batch_size": 400}
    notices: list[str] = []
    charrnn.train(corpus, progress=True, on_notice=notices.append, **knobs)
    assert notices
    told = capsys.readouterr().err.splitlines()
    charrnn.train(corpus, progress=True, overwrite=True, **knobs)
    assert capsys.readouterr().err.splitlines()[: len(notices)] == notices
    assert re.fullmatch(FIRST, told[0])


def test_a_run_that_is_stopped_says_how_to_continue(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    charrnn.train(corpus, progress=True, on_report=lambda report: report.step < 2, **KNOBS)
    assert capsys.readouterr().err.splitlines()[-1] == (
        "stopped after saving checkpoints/corpus/step-00000002; continue with `resume=True`"
    )


def test_a_run_that_is_stopped_before_the_final_evaluation_is_not_done(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    charrnn.train(corpus, progress=True, on_report=lambda report: report.step < 4, **KNOBS)
    assert capsys.readouterr().err.splitlines()[-1] == (
        "stopped after saving checkpoints/corpus/step-00000004; continue with `resume=True`"
    )


def test_the_minutes_begin_with_the_call(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real_launch = start.launch
    clock = time.monotonic

    def launch(*args: Any, **options: Any) -> Trainer:
        trainer = real_launch(*args, **options)
        monkeypatch.setattr(time, "monotonic", lambda: clock() + 90)
        return trainer

    monkeypatch.setattr(start, "launch", launch)
    charrnn.train(corpus, progress=True, **KNOBS)
    done = "done in 1.5 minutes; the best checkpoint is checkpoints/corpus/step-00000004"
    assert capsys.readouterr().err.splitlines()[-2] == done


def test_ctrl_c_before_the_first_step_says_so(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(trainer: object) -> Iterator[Report]:
        os.kill(os.getpid(), signal.SIGINT)
        yield from ()

    monkeypatch.setattr("charrnn.api.reports", interrupted)
    with pytest.raises(KeyboardInterrupt):
        charrnn.train(corpus, progress=True, **KNOBS)
    assert capsys.readouterr().err.splitlines()[-1] == "stopped before the first step"


def test_an_error_of_a_callback_ends_the_display_without_a_result(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(report: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        charrnn.train(corpus, progress=True, on_report=fail, **KNOBS)
    assert matched(capsys.readouterr().err.splitlines(), [FIRST])


def test_a_notebook_has_the_bar_although_it_is_no_terminal(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    charrnn.train(corpus, progress=True, **KNOBS)
    shown = re.split("[\r\n]+", capsys.readouterr().err)
    bars = [line for line in shown if re.match(r" *\d+%\|", line)]
    assert re.match(r"  0%\|", bars[0])
    assert re.match(r"100%\|.+ characters/s, 0:00 left, loss ", bars[-1])
    assert [line for line in shown if re.fullmatch(STEP, line)]
