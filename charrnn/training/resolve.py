"""From the knobs that a user set to a configuration without ``auto``.

There is one way: given values, checked by RunConfig; what the corpus and the machine decide; what
the autopilot plans; steps for the minutes; and last, the intervals.
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

# Times in a run, for intervals that are auto.
EVERY = {"report_every": 100, "eval_every": 20, "save_every": 20, "sample_every": 5}


class NewRun(NamedTuple):
    """A run that can be trained: its resolved configuration, its corpus, and the reasons."""

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

    What results is enough to train the same run again.

    Args:
        given: the knobs that the user set, by name.
        text: the corpus itself, instead of ``given["corpus"]``.
        tell: called with a sentence on whatever the user should know.
        started: by ``time.monotonic``, when the minutes began.

    Raises:
        CharRNNError: a knob, the corpus, or both together are impossible.
    """
    config = RunConfig.from_flat(given)
    corpus = read_corpus(config, text, tell)
    fixed = {name for name, value in given.items() if not is_auto(name, value)}
    config = fit_to_corpus(config, fixed, corpus, tell)
    config = fit_to_machine(config)
    advice = plan(config, fixed, corpus, started)
    for reason in advice.reasons:
        tell(reason)
    config = config.replace(**advice.values)
    if config.train.steps is None:
        config = with_steps(config, corpus, advice.most_passes, tell, started)
    return NewRun(with_intervals(config), corpus, advice)


def fit_to_corpus(config: RunConfig, given: Set[str], corpus: Corpus, tell: Tell) -> RunConfig:
    """Batches that fit the corpus; ``given`` are the knobs that the user set."""
    if isinstance(corpus, RecordCorpus):
        return _fit_to_records(config, given, corpus, tell)
    return _fit_to_text(config, corpus, tell)


def _fit_to_text(config: RunConfig, corpus: Corpus, tell: Tell) -> RunConfig:
    knobs = config.train
    batch_size, sequence_length = corpus.fit_batch(knobs.batch_size, knobs.sequence_length)
    if (batch_size, sequence_length) != (knobs.batch_size, knobs.sequence_length):
        tell(
            f"{len(corpus.train):,} characters to train on are too few for batches of "
            f"{knobs.batch_size} x {knobs.sequence_length}; "
            f"took --batch-size {batch_size} --sequence-length {sequence_length}"
        )
    if looks_like_list(corpus.vocabulary, corpus.train):
        tell(
            "this text looks like a list, one item a line; with --records each is learned by "
            "itself, and samples are whole items"
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
            f"batches of {smallest:,} records of which one has {longest:,} characters take too "
            f"much memory; took --batch-size {batch_size}; without the longest records there "
            "could be more"
        )
    config = config.replace(batch_size=batch_size)
    if "copy_window" not in given:
        config = config.replace(copy_window=None)
    return config


def fit_to_machine(config: RunConfig) -> RunConfig:
    """Device, precision and threads of this machine, where they are auto.

    Raises:
        ConfigError: it does not have what was asked for.
    """
    knobs = config.train
    device = pick_device(knobs.device)
    precision = pick_precision(knobs.precision, device)
    return config.replace(device=device, precision=precision, threads=threads_of(config))


def threads_of(config: RunConfig) -> int:
    """The threads asked for, or one for each core."""
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
        config: with a value for every knob but the steps and the intervals.
        corpus: what will be trained on.
        most_passes: over the training text, for which the minutes are used.
        tell: called with what the user should know.
        started: by ``time.monotonic``, when the minutes began.
    """
    minutes = config.train.minutes or DEFAULT_MINUTES
    steps = steps_for(minutes * 60 - (time.monotonic() - started), config, corpus)
    tell(f"{steps:,} steps fit into --minutes {minutes:g} on this machine")
    most_steps = most_passes * len(corpus.train) / layout(config, corpus).symbols_per_step
    if steps > most_steps:
        steps = max(1, round(most_steps))
        tell(
            f"{steps:,} of them, {most_passes:.0f} passes over the text, are planned: more would "
            "learn it by heart (--steps N asks for more)"
        )
    return config.replace(minutes=None, steps=steps)


def with_intervals(config: RunConfig) -> RunConfig:
    """The intervals that are auto, in steps; checkpoints are saved with the validations."""
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
