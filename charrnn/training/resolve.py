"""Resolves the knobs that a user set to a configuration without ``auto``.

In this order: RunConfig checks the given values, the corpus and the machine decide theirs, the
autopilot plans, the minutes become steps, and the intervals follow from the steps.
"""

import time
from collections.abc import Mapping, Set
from typing import Any, NamedTuple

from charrnn.config.run_config import RunConfig, is_auto
from charrnn.corpus.batches import MIN_RECORDS
from charrnn.corpus.corpus import Corpus, RecordCorpus, Tell, read_corpus
from charrnn.corpus.records import looks_like_list
from charrnn.training.device import available_threads, pick_device, pick_precision
from charrnn.training.loop import layout
from charrnn.training.plan import DEFAULT_MINUTES, Plan, plan
from charrnn.training.timing import LONGEST_INTERVAL, steps_for

# How often in a run, for intervals that are auto.
EVERY = {"report_every": 100, "eval_every": 20, "save_every": 20, "sample_every": 5}


class NewRun(NamedTuple):
    """A run that can be trained: its resolved configuration, its corpus, and the plan."""

    config: RunConfig
    corpus: Corpus
    plan: Plan


def resolve(
    given: Mapping[str, Any],
    text: str | bytes | None,
    tell: Tell,
    started: float,
) -> NewRun:
    """Read the corpus of a new run, and give every knob a value.

    The configuration is enough to train the same run again.

    Args:
        given: the knobs that the user set, by name.
        text: the corpus itself, instead of ``given["corpus"]``.
        tell: called with notices for the user.
        started: when the minutes began, by ``time.monotonic``.

    Raises:
        CharRNNError: a knob or the corpus is invalid, or they do not fit together.
    """
    config = RunConfig.from_flat(given)
    corpus = read_corpus(config, text, tell)
    fixed = {name for name, value in given.items() if not is_auto(name, value)}
    config = fit_to_corpus(config, fixed, corpus, tell)
    config = fit_to_machine(config)
    advice = plan(config, fixed, corpus, started)
    config = config.replace(**advice.values)
    if config.train.steps is None:
        config = with_steps(config, corpus, advice.most_passes, tell, started)
    return NewRun(with_intervals(config), corpus, advice)


def fit_to_corpus(config: RunConfig, given: Set[str], corpus: Corpus, tell: Tell) -> RunConfig:
    """Fit the batches to the corpus; ``given`` are the knobs that the user set."""
    if isinstance(corpus, RecordCorpus):
        return _fit_to_records(config, given, corpus, tell)
    return _fit_to_text(config, corpus, tell)


def _fit_to_text(config: RunConfig, corpus: Corpus, tell: Tell) -> RunConfig:
    knobs = config.train
    batch_size, sequence_length = corpus.fit_batch(knobs.batch_size, knobs.sequence_length)
    if (batch_size, sequence_length) != (knobs.batch_size, knobs.sequence_length):
        tell(
            f"the training text of {len(corpus.train):,} characters is too short for batches of "
            f"{knobs.batch_size} x {knobs.sequence_length} characters; "
            f"using `batch_size={batch_size}` and `sequence_length={sequence_length}`"
        )
    if looks_like_list(corpus.vocabulary, corpus.train):
        tell(
            "this text looks like a list with one item per line; "
            "use `separator='\\n'` to learn each item separately and generate whole items"
        )
    return config.replace(batch_size=batch_size, sequence_length=sequence_length)


def _fit_to_records(
    config: RunConfig,
    given: Set[str],
    corpus: RecordCorpus,
    tell: Tell,
) -> RunConfig:
    knobs = config.train
    wanted = knobs.batch_size if "batch_size" in given else None
    batch_size, _ = corpus.fit_batch(wanted, knobs.sequence_length)
    smallest = wanted or MIN_RECORDS
    if batch_size < smallest:
        longest = corpus.lengths(corpus.train).max()
        tell(
            f"batches of {smallest:,} records take too much memory, since one has {longest:,} "
            f"characters; using `batch_size={batch_size}`; remove the longest records for "
            "larger batches"
        )
    config = config.replace(batch_size=batch_size)
    if "copy_window" not in given:
        config = config.replace(copy_window=None)
    return config


def fit_to_machine(config: RunConfig) -> RunConfig:
    """Set device, precision and threads to those of this machine, if they are auto.

    Raises:
        ConfigError: this machine lacks the device or precision asked for.
    """
    knobs = config.train
    device = pick_device(knobs.device)
    precision = pick_precision(knobs.precision, device)
    return config.replace(device=device, precision=precision, threads=threads_of(config))


def threads_of(config: RunConfig) -> int:
    """The number of threads asked for, or one per core."""
    threads = config.train.threads
    if isinstance(threads, int):
        return threads
    return available_threads()


def with_steps(
    config: RunConfig,
    corpus: Corpus,
    most_passes: float,
    tell: Tell,
    started: float,
) -> RunConfig:
    """The steps that fit into the minutes.

    Args:
        config: resolved, except for the steps and the intervals.
        corpus: the text to train on.
        most_passes: over the training text; the run gets no more steps than that.
        tell: called with notices for the user.
        started: when the minutes began, by ``time.monotonic``.
    """
    minutes = config.train.minutes or DEFAULT_MINUTES
    steps = steps_for(minutes * 60 - (time.monotonic() - started), config, corpus)
    unit = "minute" if minutes == 1 else "minutes"
    count = "1 step fits" if steps == 1 else f"{steps:,} steps fit"
    fit = f"{count} into {minutes:g} {unit} on this machine"
    most_steps = most_passes * len(corpus.train) / layout(config, corpus).symbols_per_step
    if steps > most_steps:
        steps = max(1, round(most_steps))
        fit += (
            f", but {steps:,} are enough: more would only memorize the text "
            "(set `steps` to train longer)"
        )
    tell(fit)
    return config.replace(minutes=None, steps=steps)


def passes_over_text(config: RunConfig, corpus: Corpus) -> float:
    """How often a run with these steps reads the training text."""
    symbols = (config.train.steps or 0) * layout(config, corpus).symbols_per_step
    return symbols / len(corpus.train)


def plan_line(new_run: NewRun) -> str:
    """The planned network and length in one line."""
    model = new_run.config.model
    passes = passes_over_text(new_run.config, new_run.corpus)
    return (
        f"plan: {model.cell.upper()} {model.num_layers} x {model.hidden_size}, "
        f"dropout {model.dropout:g}, {passes_in_words(passes)}"
    )


def passes_in_words(passes: float) -> str:
    """A number of passes over the text, rounded."""
    if passes < 0.1:
        return "less than 0.1 passes over the text"
    if passes < 9.5:
        return f"about {passes:.1f} passes over the text"
    return f"about {passes:,.0f} passes over the text"


def with_intervals(config: RunConfig) -> RunConfig:
    """Set the intervals that are auto, in steps; checkpoints are saved with the validations."""
    steps = config.train.steps
    assert steps is not None
    intervals: dict[str, int] = {}
    for name, times in EVERY.items():
        intervals[name] = min(-(-steps // times), LONGEST_INTERVAL)
    eval_every = config.train.eval_every
    if isinstance(eval_every, int):
        intervals["save_every"] = eval_every
    auto = {name: n for name, n in intervals.items() if getattr(config.train, name) == "auto"}
    return config.replace(**auto)
