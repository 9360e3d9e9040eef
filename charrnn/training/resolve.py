"""Every auto of a configuration made a value, by what the corpus and the machine are. Knows nothing
of runs that are gone on with."""

import math
import time
from collections.abc import Callable, Iterable, Set

from charrnn.config.run_config import RunConfig
from charrnn.config.yaml import write_yaml
from charrnn.corpus.batches import MIN_RECORDS, check_lengths, fit, fit_records
from charrnn.corpus.corpus import Corpus
from charrnn.corpus.reading import stream, take
from charrnn.corpus.records import looks_like_list
from charrnn.errors import ConfigError
from charrnn.storage.atomic import write_file
from charrnn.storage.run import Run
from charrnn.training.device import available_threads, pick_device, pick_precision
from charrnn.training.plan import DEFAULT_MINUTES
from charrnn.training.timing import LONGEST_INTERVAL, steps_for
from charrnn.training.trainer import layout

EVERY = {
    "report_every": 100,
    "eval_every": 20,
    "save_every": 20,
    "sample_every": 5,
}  # how often in a run, where auto

Tell = Callable[[str], object]


def read_corpus(config: RunConfig, text: str | bytes | None, tell: Tell) -> Corpus:
    """The corpus that a configuration names, or the text given instead of one."""
    if text is not None and config.corpus:
        raise ConfigError("corpus: both a path and text= are given; leave one of them out")
    notices: list[str] = []
    if text is None:
        blocks: Iterable[str | bytes] = stream(config.corpus, config.data, notices)
    else:
        reading = take(text, config.data)
        notices.extend(reading.notices)
        blocks = [reading.text]
    corpus = Corpus.of(blocks, config.data.val_fraction, config.data.separator, notices.append)
    for notice in notices:
        tell(notice)
    return corpus


def settle(config: RunConfig, given: Set[str], corpus: Corpus, tell: Tell) -> RunConfig:
    """Made values: what hangs on the machine and the corpus, and not on the time that there is;
    ``given`` are the knobs that were set."""
    knobs = config.train
    fitting = (
        _sizes_for_records(config, given, corpus, tell)
        if corpus.vocabulary.records
        else _sizes_for_text(config, corpus, tell)
    )
    device = pick_device(knobs.device)
    return config.replace(
        **fitting,
        device=device,
        precision=pick_precision(knobs.precision, device),
        threads=available_threads() if knobs.threads == "auto" else knobs.threads,
    )


def _sizes_for_text(config: RunConfig, corpus: Corpus, tell: Tell) -> dict[str, int | None]:
    knobs = config.train
    batch_size, sequence_length = fit(len(corpus.train), knobs.batch_size, knobs.sequence_length)
    if (batch_size, sequence_length) != (knobs.batch_size, knobs.sequence_length):
        tell(
            f"{len(corpus.train):,} characters to train on are too few for batches of {knobs.batch_size} x {knobs.sequence_length}; "
            f"took --batch-size {batch_size} --sequence-length {sequence_length}"
        )
    if looks_like_list(corpus.vocabulary, corpus.train):
        tell(
            "this text looks like a list, one item a line; with --records each is learned by itself, and samples are whole items"
        )
    return {"batch_size": batch_size, "sequence_length": sequence_length}


def _sizes_for_records(
    config: RunConfig, given: Set[str], corpus: Corpus, tell: Tell
) -> dict[str, int | None]:
    asked = config.train.batch_size if "batch_size" in given else None
    lengths = corpus.lengths(corpus.train)
    check_lengths(corpus.lengths(corpus.val), "held-out")
    batch_size = fit_records(lengths, asked)
    if batch_size < (asked or MIN_RECORDS):
        tell(
            f"batches of {asked or MIN_RECORDS:,} records of which one has {lengths.max():,} characters take too much memory; "
            f"took --batch-size {batch_size}; without the longest records there could be more"
        )
    return {"batch_size": batch_size} | ({} if "copy_window" in given else {"copy_window": None})


def resolve(
    config: RunConfig, corpus: Corpus, tell: Tell, started: float, most_passes: float = math.inf
) -> RunConfig:
    """Every auto made a value: what is left is enough to make the same run again.

    Args:
        config: settled, with every knob that was set or planned.
        corpus: what will be trained on.
        tell: called with what the user should know.
        started: by ``time.monotonic``, when the minutes began.
        most_passes: over the training text, that minutes are turned into; steps that were asked for
            stand.
    """
    knobs = config.train
    if knobs.steps is None:
        minutes = knobs.minutes or DEFAULT_MINUTES
        steps = steps_for(minutes * 60 - (time.monotonic() - started), config, corpus)
        tell(f"{steps:,} steps fit into --minutes {minutes:g} on this machine")
        most = most_passes * len(corpus.train) / layout(config, corpus).symbols_per_step
        if steps > most:
            steps = max(1, round(most))
            tell(
                f"{steps:,} of them, {most_passes:.0f} passes over the text, are planned: more would learn it by heart "
                "(--steps N asks for more)"
            )
        config = config.replace(minutes=None, steps=steps)
    return resolve_intervals(config)


def resolve_intervals(config: RunConfig) -> RunConfig:
    """The intervals that are auto, as steps; checkpoints fall on the steps of the validations."""
    steps = config.train.steps
    assert steps is not None
    found = {name: min(-(-steps // times), LONGEST_INTERVAL) for name, times in EVERY.items()}
    if config.train.eval_every != "auto" and config.train.eval_every is not None:
        found["save_every"] = config.train.eval_every
    return config.replace(
        **{name: every for name, every in found.items() if getattr(config.train, name) == "auto"}
    )


def write_config(run: Run, config: RunConfig) -> None:
    """Put config.yaml into a run's directory, which is made where it is not there."""
    head = "# The resolved configuration of this run. `charrnn train --config config.yaml --name another` trains it again.\n"
    write_file(run.config, (head + write_yaml(config)).encode())
