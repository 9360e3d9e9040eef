"""The verdict on a run: is it any good, is it over-fitted or under-trained, what to do next. Knows
nothing of how it was trained.

It rests on three numbers: the loss on held-out text, the loss of a count-based model on the same
(the yardstick), and the loss, taken alike, on the end of the training text; and on where in the run
the best of the first was found.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

from charrnn.config.escapes import escaped
from charrnn.config.run_config import RunConfig, run_knobs
from charrnn.config.shell import command, option
from charrnn.errors import ConfigError
from charrnn.storage.checkpoint import read_about
from charrnn.storage.run import RUNS_DIR, Run, read_yaml_beside

RISE_OF_OVERFITTING = 0.01  # nats that the validation loss rose after its best, to count as turned
# nats between training and validation loss that show a network which has not learned all it could
SMALL_GAP = 0.06
LARGE_GAP = 0.25  # nats between them that show one that learned its text by heart
FEW_PASSES = 3.0  # over the training text
NEGLIGIBLE_LOSS = 1e-3  # nats; a text that counting foretells as well as this is no measure
MORE_DROPOUT, MOST_DROPOUT = 0.2, 0.6
LONGEST_CONFIG, MOST_CONFIG = (
    32 << 10,
    4_000,
)  # bytes, and names and values, of a run's config.yaml that are read for a verdict
SETTLED = {
    "minutes",
    "steps",
    "patience",
    "keep",
    "threads",
    "device",
    "precision",
    "name",
    "runs_dir",
}


@dataclass(frozen=True)
class Verdict:
    """What there is to say of a run.

    Args:
        kind: ``over-fitted``, ``under-trained``, ``at its best``, ``unfinished``.
        text: one short paragraph.
        command: what to do next, fit for a shell.
    """

    kind: str
    text: str
    command: str


def verdict(run: Run) -> Verdict | None:
    """The verdict on a run, from its best checkpoint and its metrics; None where nothing was
    validated."""
    about = read_about(run.best())["about"]
    validated = [line for line in run.validations() if line.get("val_loss") is not None]
    best = next((line for line in validated if line["step"] == about["step"]), None)
    if best is None:
        return None
    final = run.final()
    last, steps = (
        validated[-1]["step"],
        read_about(run.steps()[-1])["about"]["steps"],
    )  # a later end may have been asked for since
    whole = final is not None and final["step"] == about["step"]
    loss = final["final_val_loss"] if whole and final else about["val_loss"]
    alike = whole and final and "final_train_loss" in final  # both without dropout, in one stream
    gap = (
        loss - final["final_train_loss"]
        if alike and final
        else best["val_loss"] - best["train_loss"]
    )
    rise = validated[-1]["val_loss"] - best["val_loss"]
    kind = "unfinished" if final is None and last < steps else _kind(gap, rise, about["epochs"])
    written = _written(run)
    smaller = kind == "over-fitted" and written["dropout"] >= MOST_DROPOUT
    text = f"{_against(loss, about.get('yardstick'))} {_words(kind, gap, rise, about, last, steps, smaller)}"
    return Verdict(kind, text, _command(kind, run, about, steps, written, smaller))


def _kind(gap: float, rise: float, epochs: float) -> str:
    if epochs >= 1 and (
        rise > RISE_OF_OVERFITTING or gap > LARGE_GAP
    ):  # what was not read once is not learned by heart
        return "over-fitted"
    if gap < SMALL_GAP or epochs < FEW_PASSES:
        return "under-trained"
    return "at its best"


def _against(loss: float, yardstick: dict[str, Any] | None) -> str:
    bits = f"{loss / math.log(2):.3f} bits per character"
    if yardstick is None or yardstick["nats_per_character"] < NEGLIGIBLE_LOSS:
        return f"{bits}."
    counts, share = yardstick["nats_per_character"], loss / yardstick["nats_per_character"] - 1
    how = (
        "about as good as"
        if abs(share) < 0.005
        else f"{abs(share):.0%} {'worse' if share > 0 else 'better'} than"
    )
    return (
        f"{bits}: {how} counting which characters follow which, which reaches {counts / math.log(2):.3f} "
        f"(learned from {yardstick['train_characters']:,} characters)."
    )


def _words(
    kind: str, gap: float, rise: float, about: dict[str, Any], last: int, steps: int, smaller: bool
) -> str:
    passes = f"{about['epochs']:.1f} passes over the text"
    apart = f"{gap:.2f} nats apart" if gap >= 0 else "no worse on the new"
    if kind == "unfinished":
        return f"Not finished: step {last:,} of {steps:,}."
    if kind == "over-fitted":
        why = (
            f"the validation loss was best at step {about['step']:,} and {rise:.2f} higher at step {last:,}"
            if rise > RISE_OF_OVERFITTING
            else f"it does {gap:.2f} nats better on the text it learned from than on held-out text"
        )
        what = "a smaller network" if smaller else "more dropout"
        return f"Over-fitted: {why}; the best checkpoint is kept. More text would help most; else {what}."
    if kind == "under-trained":
        return f"Under-trained: after {passes} it does nearly as well on new text as on its own ({apart}); go on for longer."
    return f"At its best for this length: {passes}, new text and its own are {apart}; a much longer run gains a little."


def _command(
    kind: str, run: Run, about: dict[str, Any], steps: int, written: dict[str, Any], smaller: bool
) -> str:
    path = run.path if run.path.name else run.path.resolve()
    where = Run(path).runs_dir_option
    corpus = about["corpus"] or ["FILE"]
    text = (
        corpus if corpus in (["FILE"], ["-"]) else []
    )  # what was piped in has to be piped in again
    if kind in ("unfinished", "under-trained"):
        later = (
            ["--steps", str(4 * steps), "--patience", "none"] if kind == "under-trained" else []
        )  # the loss rises before it falls
        return command(["train"], text, ["--resume", *option("--name", path.name), *later, *where])
    name = next(
        name
        for name in (f"{path.name}-{number}" for number in itertools.count(2))
        if not (path.parent / name).exists()
    )
    if kind == "over-fitted":  # the same run but for one knob
        dropout, size = written["dropout"], written["hidden_size"]
        knob = (
            ["--hidden-size", f"{max(1, size // 2)}"]
            if smaller
            else ["--dropout", f"{min(MOST_DROPOUT, dropout + MORE_DROPOUT):.2g}"]
        )
        where = where or ["--runs-dir", RUNS_DIR] * (
            written["runs_dir"] != RUNS_DIR
        )  # the run may have been moved
        config = option("--config", str(path / "config.yaml"))
        return command(["train"], text, [*config, *knob, *option("--name", name), *where])
    own = (
        ("batch_size", "copy_window") if written["separator"] is not None else ()
    )  # of records, the defaults are others
    flags = [
        _flag(knob, value) for knob, value in written.items() if _chosen(knob, value) or knob in own
    ]
    return command(
        ["train"], corpus, [*flags, "--steps", str(6 * steps), *option("--name", name), *where]
    )


def _flag(knob: str, value: Any) -> str:
    if (knob, value) == ("separator", "\n"):
        return "--records"
    spelled = (
        "none" if value is None else escaped(value) if run_knobs()[knob].escaped else str(value)
    )
    return f"--{knob.replace('_', '-')}={spelled}"


def _written(run: Run) -> dict[str, Any]:
    """The run's configuration, as it was written beside it; the defaults where that is gone."""
    try:
        return RunConfig.from_flat(read_yaml_beside(run.config, LONGEST_CONFIG, MOST_CONFIG)).flat()
    except ConfigError:  # each knob is possible, but not all of them together
        return RunConfig().flat()


def _chosen(name: str, value: Any) -> bool:
    """Whether a knob was somebody's choice: not the default, and nothing that the machine, the
    run's length or the autopilot settles."""
    settled = (
        name in SETTLED
        or name.endswith("_every")
        or name not in run_knobs()
        or run_knobs()[name].planned
    )
    return not settled and value != run_knobs()[name].default
