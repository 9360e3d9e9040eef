"""The verdict on a run: whether it is over-fitted or under-trained, and what to do next.

It compares three losses, in nats per character: that on the validation text, that of a count-based
model on the same text (the yardstick), and that on the end of the training text. It also considers
when the validation loss was lowest.
"""

import math
from dataclasses import dataclass
from typing import Any

from charrnn.config.arguments import short_repr
from charrnn.config.escapes import escaped
from charrnn.config.examples import example_flags
from charrnn.config.run_config import AUTO_COUNTS, RunConfig, run_knobs
from charrnn.config.shell import command, option
from charrnn.errors import ConfigError
from charrnn.storage.checkpoint import read_about
from charrnn.storage.run import RUNS_DIR, Run, free_path, read_yaml_beside

RISE_OF_OVERFITTING = 0.01  # nats above the best: the validation loss stopped improving
SMALL_GAP = 0.06  # nats between training and validation loss: there is more to learn
LARGE_GAP = 0.25  # nats between them: the network has memorized its text
FEW_PASSES = 3.0  # over the training text
NEGLIGIBLE_LOSS = 1e-3  # nats; if the count-based model is this good, a comparison says nothing
# The mean loss of N characters is uncertain. Its standard error, measured with a trained model as
# the standard deviation of the means of stretches of N characters of new text, was 0.55 nats for
# N = 10, 0.27 for 50, 0.20 for 100 and 0.12 for 1,000 (the losses of neighbours are correlated, so
# it falls more slowly than with the square root of N). For fewer characters than these it exceeds
# LARGE_GAP, so that even memorizing could not be told from chance.
FEWEST_CHARACTERS = 60
MOST_VAL_FRACTION = 0.5
MORE_DROPOUT = 0.2  # what the next run adds
MOST_DROPOUT = 0.6
# Longer config.yaml files are not read for a verdict.
MAX_CONFIG_BYTES = 32 << 10
MAX_CONFIG_ITEMS = 4_000  # names and values
# Knobs that depend on the machine or the run, and are not copied to the next one.
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
    """What a run's losses show.

    Args:
        kind: ``over-fitted``, ``under-trained``, ``at its best``, ``unfinished``, ``too short``.
        text: one short paragraph.
        command: what to do next, quoted for a shell.
    """

    kind: str
    text: str
    command: str

    def __repr__(self) -> str:
        text = short_repr(self.text)
        return f"Verdict({self.kind!r}, text={text}, command={short_repr(self.command)})"


@dataclass(frozen=True)
class _Findings:
    """What a run's best checkpoint, metrics and configuration say.

    Args:
        about: the metadata of the best checkpoint.
        loss: the validation loss of the best checkpoint.
        gap: how much higher it is than the training loss.
        rise: how much higher the validation loss was at the last validation.
        last_step: the step of the last validation.
        steps: the number of steps that the run should take.
        finished: whether the run has ended.
        knobs: the run's configuration.
    """

    about: dict[str, Any]
    loss: float
    gap: float
    rise: float
    last_step: int
    steps: int
    finished: bool
    knobs: dict[str, Any]

    @property
    def has_most_dropout(self) -> bool:
        """Whether dropout is at its limit, so that only a smaller network can help."""
        return bool(self.knobs["dropout"] >= MOST_DROPOUT)

    @property
    def is_too_short(self) -> bool:
        """Whether the validation part is too short to tell good from bad luck."""
        return bool(self.about["val_characters"] < FEWEST_CHARACTERS)

    @property
    def needed_val_fraction(self) -> float:
        """The share of the text that is long enough, in hundredths; 0 if half of it is not."""
        count = self.about["val_characters"]
        total = max(1, count + self.about["train_characters"])
        # Records that occur more than once are a smaller part of the validation than of the text.
        growth = FEWEST_CHARACTERS / max(1, count)
        needed = max(FEWEST_CHARACTERS / total, growth * self.knobs["val_fraction"])
        share = math.ceil(100 * needed) / 100
        return share if share <= MOST_VAL_FRACTION else 0.0


def verdict(run: Run) -> Verdict | None:
    """The verdict on a run; None if its best checkpoint was not validated."""
    findings = _findings(run)
    if findings is None:
        return None
    kind = _kind(findings)
    comparison = _too_short(findings)
    if not findings.is_too_short:
        comparison = _comparison(findings.loss, findings.about.get("yardstick"))
    return Verdict(kind, f"{comparison} {_diagnosis(kind, findings)}", _advice(kind, run, findings))


def _findings(run: Run) -> _Findings | None:
    about = read_about(run.best())["about"]
    validated = [line for line in run.validations() if line.get("val_loss") is not None]
    at_best = [line for line in validated if line["step"] == about["step"]]
    if not at_best:
        return None
    best = at_best[0]
    last = validated[-1]
    final = run.final()
    finished = final is not None
    if final is not None and final["step"] != about["step"]:
        final = None  # the final losses belong to another checkpoint
    return _Findings(
        about=about,
        loss=about["val_loss"] if final is None else final["final_val_loss"],
        gap=_gap(best, final),
        rise=last["val_loss"] - best["val_loss"],
        last_step=last["step"],
        # From the newest checkpoint: the run may have been extended since the best one.
        steps=read_about(run.steps()[-1])["about"]["steps"],
        finished=finished,
        knobs=_stored_knobs(run),
    )


def _gap(best: dict[str, Any], final: dict[str, Any] | None) -> float:
    """Validation minus training loss."""
    # The final losses compare better: both are measured without dropout.
    if final is not None and "final_train_loss" in final:
        gap = final["final_val_loss"] - final["final_train_loss"]
    else:
        gap = best["val_loss"] - best["train_loss"]
    return float(gap)


def _kind(findings: _Findings) -> str:
    if not findings.finished and findings.last_step < findings.steps:
        return "unfinished"
    if findings.is_too_short:
        return "too short"
    gap = findings.gap
    epochs = findings.about["epochs"]
    # A text that has not been read once cannot have been memorized.
    if epochs >= 1 and (findings.rise > RISE_OF_OVERFITTING or gap > LARGE_GAP):
        return "over-fitted"
    if gap < SMALL_GAP or epochs < FEW_PASSES:
        return "under-trained"
    return "at its best"


def _comparison(loss: float, yardstick: dict[str, Any] | None) -> str:
    """The loss in bits, compared with that of the count-based model."""
    bits = f"{loss / math.log(2):.3f} bits per character of new text (lower is better)"
    if yardstick is None or yardstick["nats_per_character"] < NEGLIGIBLE_LOSS:
        return f"{bits}."
    counted_loss = yardstick["nats_per_character"]
    excess = loss / counted_loss - 1
    if abs(excess) < 0.005:
        how = "about as good as"
    elif excess > 0:
        how = f"{excess:.0%} worse than"
    else:
        how = f"{-excess:.0%} better than"
    return (
        f"{bits}, {how} simply counting which characters follow which "
        f"({counted_loss / math.log(2):.3f})."
    )


def _too_short(findings: _Findings) -> str:
    """That the loss says nothing."""
    count = findings.about["val_characters"]
    unit = "character" if count == 1 else "characters"
    return f"The validation part has only {count:,} {unit}, too few to judge the run."


def _diagnosis(kind: str, findings: _Findings) -> str:
    if kind == "unfinished":
        return f"Unfinished: the run is at step {findings.last_step:,} of {findings.steps:,}."
    if kind == "too short":
        if findings.needed_val_fraction:
            return "Keep a larger share of the text for validation, or give more text."
        return "Give more text, or train on all of it."
    if kind == "over-fitted":
        return _overfitting(findings)
    passes = f"{findings.about['epochs']:.1f} passes over the text"
    if kind == "at its best":
        return (
            f"At its best for this length: {passes} were enough to learn most of what it can "
            "without memorizing the text. A much longer run would improve it a little."
        )
    epochs = findings.about["epochs"]
    if epochs < 1:
        share = f"only {epochs:.0%}" if epochs >= 0.01 else "less than 1%"
        return f"Under-trained: it has read {share} of the text so far. Train it longer."
    if findings.gap < SMALL_GAP:
        return (
            f"Under-trained: after {passes}, it predicts new text about as well as the text it "
            "learned from, so it can still learn more. Train it longer."
        )
    return f"Under-trained: {passes} are too few. Train it longer."


def _overfitting(findings: _Findings) -> str:
    if findings.rise > RISE_OF_OVERFITTING:
        sign = (
            f"It was best on new text at step {findings.about['step']:,} and had become worse by "
            f"step {findings.last_step:,}."
        )
    else:
        sign = "It predicts the text it learned from much better than new text."
    remedy = "a smaller network" if findings.has_most_dropout else "more dropout"
    return (
        "Over-fitted: it has begun to memorize the text instead of learning its patterns. "
        f"{sign} The best checkpoint is kept. More text would help most; otherwise try {remedy}."
    )


def _advice(kind: str, run: Run, findings: _Findings) -> str:
    """The command to run next."""
    if not run.path.name:  # as of the working directory
        run = Run(run.path.resolve())
    if kind in ("unfinished", "under-trained"):
        return _resume_command(kind, run, findings)
    if kind == "too short":
        share = f"{findings.needed_val_fraction:g}"
        return _changed_command(run, findings, ["--val-fraction", share])
    if kind == "over-fitted":
        return _changed_command(run, findings, _regularization(findings))
    return _longer_command(run, findings)


def _corpus(findings: _Findings) -> list[str]:
    """The run's corpus, as arguments."""
    return findings.about["corpus"] or ["FILE"]


def _piped_corpus(findings: _Findings) -> list[str]:
    """The run's corpus as arguments, if it was piped in and is not in the configuration."""
    corpus = _corpus(findings)
    if corpus in (["FILE"], ["-"]):
        return corpus
    return []


def _resume_command(kind: str, run: Run, findings: _Findings) -> str:
    flags = ["--resume", *option("--name", run.path.name)]
    if kind == "under-trained":
        # Without patience, since the loss may rise before it falls again.
        flags += ["--steps", str(4 * findings.steps), "--patience", "none"]
    return command(["train"], _piped_corpus(findings), [*flags, *run.runs_dir_option])


def _regularization(findings: _Findings) -> list[str]:
    """The flag against over-fitting: more dropout, or a smaller network."""
    knobs = findings.knobs
    if findings.has_most_dropout:
        return ["--hidden-size", f"{max(1, knobs['hidden_size'] // 2)}"]
    return ["--dropout", f"{min(MOST_DROPOUT, knobs['dropout'] + MORE_DROPOUT):.2g}"]


def _changed_command(run: Run, findings: _Findings, change: list[str]) -> str:
    """A new run with the configuration of this one, but for one knob."""
    where = run.runs_dir_option
    if not where and findings.knobs["runs_dir"] != RUNS_DIR:
        where = ["--runs-dir", RUNS_DIR]  # the run has been moved since it was configured
    config = option("--config", str(run.config))
    name = option("--name", free_path(run.path).name)
    return command(["train"], _piped_corpus(findings), [*config, *change, *name, *where])


def _longer_command(run: Run, findings: _Findings) -> str:
    """A new, longer run with the flags that were chosen for this one."""
    knobs = findings.knobs
    flags = []
    for knob, value in knobs.items():
        # For records, these knobs have other defaults.
        is_of_records = knob in ("batch_size", "copy_window") and knobs["separator"] is not None
        if is_of_records or _is_chosen(knob, value):
            flags.append(_flag(knob, value))
    flags += ["--steps", str(6 * findings.steps)]
    flags += option("--name", free_path(run.path).name)
    corpus = _corpus(findings)
    example = example_flags(corpus)
    if example:
        corpus = []
    return command(["train"], corpus, [*example, *flags, *run.runs_dir_option])


def _flag(name: str, value: Any) -> str:
    if (name, value) == ("separator", "\n"):
        return "--records"
    knob = run_knobs()[name]
    text = str(value)
    if value is None:
        text = "none"
    elif knob.escaped:
        text = escaped(value)
    return f"{knob.flag}={text}"


def _stored_knobs(run: Run) -> dict[str, Any]:
    """The run's configuration; the defaults if it cannot be read."""
    stored = read_yaml_beside(run.config, MAX_CONFIG_BYTES, MAX_CONFIG_ITEMS)
    unchosen = {"counts": AUTO_COUNTS}  # in runs from before there were counts
    try:
        return RunConfig.from_flat(unchosen | stored).flat()
    except ConfigError:  # each knob is valid, but the combination is not
        return RunConfig.from_flat(unchosen).flat()


def _is_chosen(name: str, value: Any) -> bool:
    """Whether somebody chose a knob's value.

    Not if it is the default, or was set by the machine, the run's length or the autopilot.
    """
    if name == "counts":
        return bool(value != AUTO_COUNTS)
    knob = run_knobs().get(name)
    if knob is None or knob.planned:
        return False
    if name in SETTLED or name.endswith("_every"):
        return False
    return bool(value != knob.default)
