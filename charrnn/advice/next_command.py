"""The command that a verdict proposes to run next."""

from collections.abc import Sequence
from typing import Any

from charrnn.advice.evidence import Evidence
from charrnn.config.escapes import escaped
from charrnn.config.examples import EXAMPLES, example_flags
from charrnn.config.run_config import AUTO_COUNTS, SIZES, run_knobs
from charrnn.config.shell import command, option
from charrnn.storage.run import RUNS_DIR, Run, free_path

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
# Knobs that a run that continues from another takes from it.
FITTED = ("unit", "separator", "newlines", "normalize")


def resume_command(run: Run, evidence: Evidence) -> str:
    """Continue a run that is unfinished."""
    flags = ["--resume", *option("--name", run.path.name)]
    return command(["train"], _piped_corpus(evidence), [*flags, *run.runs_dir_option])


def new_validation_command(run: Run, evidence: Evidence) -> str:
    """The same run with a validation part that is long enough."""
    where = run.runs_dir_option
    if not where and evidence.knobs["runs_dir"] != RUNS_DIR:
        where = ["--runs-dir", RUNS_DIR]  # the run has been moved since it was configured
    config = option("--config", str(run.config))
    name = option("--name", free_path(run.path).name)
    change = ["--val-fraction", f"{evidence.needed_val_fraction:g}"]
    return command(["train"], _piped_corpus(evidence), [*config, *change, *name, *where])


def new_run_command(run: Run, evidence: Evidence, change: Sequence[str], times: int = 1) -> str:
    """A new run with the options that were chosen for this one.

    Args:
        run: with the evidence for it.
        evidence: of the run.
        change: options that differ.
        times: how much longer it is.
    """
    flags = []
    for name, value in evidence.knobs.items():
        if _is_of_records(name, evidence) or _is_chosen(name, value, evidence):
            flags.append(_flag(name, value))
    name, value = _length(evidence, times)
    length = [f"--{name}", f"{value:.12g}"]
    flags = [flag for flag in flags if flag.partition("=")[0] not in change]
    flags += [*change, *length, *option("--name", free_path(run.path).name)]
    corpus = _corpus(evidence)
    example = example_flags(corpus)
    if example:
        corpus = []
        for name, value in EXAMPLES[example[1]].items():
            if evidence.knobs[name] != value:
                flags.append(_flag(name, evidence.knobs[name]))
    return command(["train"], corpus, [*example, *flags, *run.runs_dir_option])


def _is_of_records(name: str, evidence: Evidence) -> bool:
    """Whether a knob has another default for records, and was not chosen for the machine."""
    if evidence.knobs["separator"] is None or name in (evidence.about["automatic"] or ()):
        return False
    return name in ("batch_size", "copy_window")


def _length(evidence: Evidence, times: int) -> tuple[str, float]:
    """The knob for the length of a run, and its value times ``times``."""
    if evidence.minutes is None:
        return "steps", times * evidence.steps
    return "minutes", round(times * evidence.minutes, 1) or times * evidence.minutes


def length_in_words(evidence: Evidence, times: int) -> str:
    """The length of a run, times ``times``, in words."""
    name, value = _length(evidence, times)
    return f"{value:,.12g} {name}"


def has_possible_length(evidence: Evidence, times: int) -> bool:
    """Whether the length of a run, times ``times``, is within the limits of its knob."""
    name, value = _length(evidence, times)
    knob = run_knobs()[name]
    return knob.above < value <= knob.high and value >= knob.low


def sizes_and_dropout(evidence: Evidence, dropout: float) -> list[str]:
    """Options for the network of a run with another dropout."""
    knobs = evidence.knobs
    return [
        "--num-layers",
        str(knobs["num_layers"]),
        "--hidden-size",
        str(knobs["hidden_size"]),
        "--dropout",
        f"{dropout:g}",
    ]


def _corpus(evidence: Evidence) -> list[str]:
    """The run's corpus, as arguments."""
    return evidence.about["corpus"] or ["FILE"]


def _piped_corpus(evidence: Evidence) -> list[str]:
    """The run's corpus as arguments, if it was piped in and is not in the configuration."""
    corpus = _corpus(evidence)
    if corpus in (["FILE"], ["-"]):
        return corpus
    return []


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


def _is_chosen(name: str, value: Any, evidence: Evidence) -> bool:
    """Whether somebody chose a knob's value.

    Not if it is the default, or was set by the machine, the run's length or the autopilot.
    """
    knob = run_knobs().get(name)
    if knob is None or name in SETTLED or name.endswith("_every"):
        return False
    if name == "val_fraction" and evidence.knobs["val"] is not None:
        return False
    if evidence.knobs["base"] is not None and name in (*SIZES, *FITTED):
        return False
    automatic = evidence.about["automatic"]
    if not knob.planned:
        return bool(value != knob.default) and name not in (automatic or ())
    if automatic is not None:
        return name not in automatic
    return name == "counts" and value != AUTO_COUNTS  # in older runs
