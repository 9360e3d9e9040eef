"""The verdict on a run: is it any good, is it over-fitted or under-trained, what to do next. Knows nothing of how it was trained.

It rests on three numbers: the loss on held-out text, the loss of a count-based model on the same (the yardstick), and the
training loss; and on where in the run the best of the first was found.
"""

import math
import shlex
from dataclasses import asdict, dataclass
from typing import Any

from charrnn.checkpoint import read_about
from charrnn.config import DataConfig, ModelConfig, run_knobs
from charrnn.runs import RUNS_DIR, Run

RISEN = 0.01  # nats that the validation loss rose after its best, to count as turned
CLOSE = 0.06  # nats between training and validation loss that show a network which has not learned all it could
WIDE = 0.25  # nats between them that show one that learned its text by heart
FEW_PASSES = 3.0  # over the training text
SURE = 1e-3  # nats; a text that counting foretells as well as this is no measure
MORE_DROPOUT, MOST_DROPOUT = 0.2, 0.6


@dataclass(frozen=True)
class Verdict:
    """What there is to say of a run.

    Args:
        kind: ``over-fitted``, ``under-trained``, ``at its best``, ``unknown``.
        text: one short paragraph.
        command: what to do next, fit for a shell; empty where there is nothing.
    """

    kind: str
    text: str
    command: str


def verdict(run: Run) -> Verdict | None:
    """The verdict on a run, from its best checkpoint and its metrics; None where nothing was validated."""
    config = read_about(run.best())
    about = config["about"]
    validated = [line for line in run.lines() if line.get("val_loss") is not None]
    best = next((line for line in validated if line["step"] == about["step"]), None)
    if best is None:
        return None
    final = run.final()
    loss = final["final_val_loss"] if final and final.get("step") == about["step"] else about["val_loss"]
    gap, rise = best["val_loss"] - best["train_loss"], validated[-1]["val_loss"] - best["val_loss"]
    kind = _kind(gap, rise, about["epochs"])
    text = f"{_against(loss, about.get('yardstick'))} {_words(kind, gap, rise, about, validated[-1]['step'])}"
    return Verdict(kind, text, _command(kind, run, about, config["model"], validated[-1]["step"]))


def _kind(gap: float, rise: float, epochs: float) -> str:
    if rise > RISEN or (gap > WIDE and epochs >= 1):  # what was not read once is not learned by heart
        return "over-fitted"
    if gap < CLOSE or epochs < FEW_PASSES:
        return "under-trained"
    return "at its best"


def _against(loss: float, yardstick: dict[str, Any] | None) -> str:
    bits = loss / math.log(2)
    if yardstick is None or yardstick["nats_per_character"] < SURE:
        return f"{bits:.3f} bits per character."
    counts = yardstick["nats_per_character"] / math.log(2)
    sample = f" (counted on {yardstick['train_characters']:,} characters)"
    share = bits / counts - 1
    if share > 0:
        return f"{bits:.3f} bits per character: {share:.0%} worse than counting which characters follow which, {counts:.3f}{sample}."
    return f"{bits:.3f} bits per character: {-share:.0%} better than counting which characters follow which, {counts:.3f}{sample}."


def _words(kind: str, gap: float, rise: float, about: dict[str, Any], last: int) -> str:
    passes = f"{about['epochs']:.1f} passes over the text"
    if kind == "over-fitted":
        why = (
            f"the validation loss was best at step {about['step']:,} and {rise:.2f} higher at step {last:,}"
            if rise > RISEN
            else f"it does {gap:.2f} nats better on the text it learned from than on held-out text"
        )
        return f"Over-fitted: {why}; the best checkpoint is kept. More text would help most; else more dropout."
    if kind == "under-trained":
        return f"Under-trained: after {passes} it does nearly as well on new text as on its own ({gap:.2f} nats apart); go on for longer."
    return f"At its best for this length: {passes}, {gap:.2f} nats between its own text and new text; a much longer run gains a little."


def _command(kind: str, run: Run, about: dict[str, Any], model: dict[str, Any], last: int) -> str:
    path = run.path if run.path.name else run.path.resolve()
    steps = read_about(run.steps()[-1])["about"]["steps"]  # a later end may have been asked for since the best
    where = [] if str(path.parent) == RUNS_DIR else ["--runs-dir", str(path.parent)]
    corpus = about["corpus"] or ["FILE"]
    if kind == "under-trained":
        early = ["--patience", "none"] if last < steps and run.final() else []  # it ended before its end
        text = [] if about["corpus"] else corpus
        return shlex.join(["charrnn", "train", *text, "--resume", "--name", path.name, "--steps", str(4 * steps), *early, *where])
    same = asdict(DataConfig()) | asdict(ModelConfig())
    asked = about["data"] | model
    if kind == "over-fitted":
        asked["dropout"] = float(f"{max(asked['dropout'], min(MOST_DROPOUT, asked['dropout'] + MORE_DROPOUT)):.2g}")
    else:  # the autopilot plans the size and dropout anew for so many steps
        asked, steps = {name: value for name, value in asked.items() if not run_knobs()[name].planned}, 6 * steps
    flags = [f"--{name.replace('_', '-')}={'none' if value is None else value}" for name, value in asked.items() if value != same[name]]
    return shlex.join(["charrnn", "train", *corpus, *flags, "--steps", str(steps), "--name", f"{path.name}-2", *where])
