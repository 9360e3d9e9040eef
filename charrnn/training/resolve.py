"""Resolves the knobs that a user set to a configuration without ``auto``.

In this order: RunConfig checks the given values, the corpus and the machine decide theirs, the
autopilot plans, the minutes become steps, and the intervals follow from the steps.
"""

import math
import time
from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any, NamedTuple

from charrnn.advice.similar_runs import rate_of_continuing
from charrnn.config.cores import available_threads
from charrnn.config.run_config import AUTO_COUNTS, SIZES, RunConfig, is_auto
from charrnn.corpus.batches import MAX_RECORDS, MIN_RECORDS
from charrnn.corpus.corpus import MAX_JUDGED, Corpus, RecordCorpus, Tell, read_corpus
from charrnn.corpus.records import looks_like_list
from charrnn.errors import ConfigError
from charrnn.training.base import (
    Arrays,
    Base,
    fit_corpus,
    fit_to_base,
    grown_weights,
    loss_before,
    open_base,
)
from charrnn.training.device import pick_device, pick_precision
from charrnn.training.loop import EVAL_CHARACTERS, layout
from charrnn.training.memory import estimate_memory
from charrnn.training.plan import DEFAULT_MINUTES, Plan, plan
from charrnn.training.time_budget import EXIT, Allowance
from charrnn.training.timing import Timing, measure_speed, seconds_per_step, thread_choices

# How often in a run, for intervals that are auto.
EVERY = {"report_every": 100, "eval_every": 20, "save_every": 20, "sample_every": 5}
LONGEST_INTERVAL = 5000  # most steps between validations with eval_every auto: some minutes
PAUSES = 0.08  # most of the time that validations and checkpoints take
# Without a timing: between two validations on a long text, at least this times as many symbols
# are trained on as one reads. Reading costs about a third of training.
TRAINED_PER_READ = 5
LONG = 10_000  # symbols of such a validation text
# Symbols of the shortest training part that is counted. With the counts of 300 names (2,000
# characters), the loss was 0.04 nats higher.
MIN_COUNTED = 5_000
# Symbols of the largest vocabulary that is counted. With the counts of Chinese poems (5,000
# symbols), the loss after the same minutes was 0.08 nats higher.
MAX_COUNTED_VOCABULARY = 1_000
MAX_GPU_BATCH = 128  # the most for which PyTorch uses cuDNN's fastest kernel
MIN_STEPS_PER_PASS = 200  # with larger batches, too few updates are made
# A batch of twice the size is as good as 1.4 times the steps or more (benchmarks/batch_size.py), so
# it is used if a step takes less than this factor longer, in runs of a few passes over the text.
WORTH_DOUBLING = 1.3
MOST_PASSES_TO_DOUBLE = 5.0
LEAST_SECONDS_TO_DOUBLE = 30.0  # of a run; finding out takes two
# Symbols of the final evaluation for each minute of a run.
JUDGED_PER_MINUTE = 100_000
# A run that reads less than the whole text is useful if it reads this many symbols.
USEFUL_SYMBOLS = 1_000_000


class NewRun(NamedTuple):
    """A run that can be trained.

    Args:
        config: resolved.
        corpus: the text to train on.
        plan: what was planned, and why.
        allowance: the time it may take; None if the number of steps was given.
        automatic: the names of the knobs that were left to charrnn: intervals and those planned.
        base: the model to continue from, if any.
        weights: of that model, with rows for new characters.
        before: its loss on the validation part before training.
    """

    config: RunConfig
    corpus: Corpus
    plan: Plan
    allowance: Allowance | None
    automatic: tuple[str, ...]
    base: Base | None = None
    weights: Arrays | None = None
    before: float | None = None


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
    automatic = [name for name in EVERY if getattr(config.train, name) == "auto"]
    fixed = {name for name, value in given.items() if not is_auto(name, value)}
    base = open_base(config)
    if base is not None:
        config = fit_to_base(config, {name: given[name] for name in fixed}, base)
        fixed |= set(SIZES)
    corpus = read_corpus(config, text, tell, base.symbols if base else "")
    if config.train.steps is None:
        corpus = _judged_in_time(corpus, config.train.minutes or DEFAULT_MINUTES)
    if "counts" not in fixed:
        automatic.append("counts")
    if base is not None:
        corpus = fit_corpus(corpus, base, config)
    config = fit_to_machine(config)
    batch_size = config.train.batch_size
    config = fit_to_corpus(config, fixed, corpus, tell)
    if config.train.device == "cuda" and config.train.batch_size > batch_size:
        automatic.append("batch_size")  # chosen for the GPU
    if corpus.old is not None and config.train.batch_size == 1:
        raise ConfigError("`rehearse` needs batches of at least 2 texts, but `batch_size` is 1")
    advice = plan(config, fixed, corpus, started)
    config = config.replace(**advice.values)
    automatic += advice.values
    weights = None
    before = None
    if base is not None:
        weights = grown_weights(corpus, base)
        before = loss_before(config, corpus, weights)
        if "learning_rate" not in fixed and before and advice.of_new_model:
            rate = rate_of_continuing(before, advice.of_new_model)
            config = config.replace(learning_rate=rate)
            automatic.append("learning_rate")
    timing = None
    allowance = None
    if config.train.steps is None:
        choices = thread_choices(config, fixed)
        timing = measure_speed(config, corpus, choices)
        if "batch_size" not in fixed and base is None and config.train.device == "cpu":
            larger, its_timing = with_larger_batch(config, corpus, timing, choices, started)
            if larger is not config:
                automatic.append("batch_size")  # chosen for this machine
                advice = _with_batch_of(advice, config, timing, larger, its_timing, corpus)
                config, timing = larger, its_timing
        config, allowance = with_steps(config, corpus, timing, advice.most_passes, tell, started)
        _warn_if_too_short(config, corpus, timing, allowance, tell)
    config = with_intervals(config, corpus, timing)
    return NewRun(config, corpus, advice, allowance, tuple(automatic), base, weights, before)


def _judged_in_time(corpus: Corpus, minutes: float) -> Corpus:
    """The corpus with a final evaluation that takes a small share of the minutes."""
    most = max(EVAL_CHARACTERS, round(JUDGED_PER_MINUTE * minutes))
    return replace(corpus, max_judged=min(most, MAX_JUDGED))


def fit_to_corpus(config: RunConfig, given: Set[str], corpus: Corpus, tell: Tell) -> RunConfig:
    """Fit the batches and the counts to the corpus; ``given`` are the knobs that the user set."""
    if "counts" not in given and _is_worth_counting(corpus):
        config = config.replace(counts=AUTO_COUNTS)
    if isinstance(corpus, RecordCorpus):
        return _fit_to_records(config, given, corpus, tell)
    if config.train.device == "cuda" and "batch_size" not in given:
        config = config.replace(batch_size=_gpu_batch_size(config, corpus))
    return _fit_to_text(config, corpus, tell)


def _is_worth_counting(corpus: Corpus) -> bool:
    """Whether counts of its contexts make a model of the corpus better."""
    is_long_enough = len(corpus.train) >= MIN_COUNTED
    return is_long_enough and len(corpus.vocabulary) <= MAX_COUNTED_VOCABULARY


def _gpu_batch_size(config: RunConfig, corpus: Corpus) -> int:
    """As large as the text allows: a GPU takes nearly as long for a smaller batch."""
    size = MAX_GPU_BATCH
    sequences = len(corpus.train) / config.train.sequence_length
    while size > config.train.batch_size and sequences / size < MIN_STEPS_PER_PASS:
        size //= 2
    return size


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


def with_larger_batch(
    config: RunConfig,
    corpus: Corpus,
    timing: Timing,
    threads: tuple[int, ...],
    started: float,
) -> tuple[RunConfig, Timing]:
    """Double the batch as long as a step hardly takes longer; with the timing of the result.

    Some processors are hardly faster with a small batch. It stays as it is in a run of many passes
    over the text, or of a few seconds, and where it would be too large for the text.

    Args:
        config: resolved, except for the steps and the intervals.
        corpus: the text to train on.
        timing: the speed of this run.
        threads: the numbers of threads to choose from.
        started: when the minutes began, by ``time.monotonic``.
    """
    while _may_double(config, corpus, timing, started):
        larger = config.replace(batch_size=2 * config.train.batch_size)
        if seconds_per_step(larger, corpus, timing.threads) > WORTH_DOUBLING * timing.step:
            break
        config = larger
        timing = measure_speed(config, corpus, threads)
    return config, timing


def _may_double(config: RunConfig, corpus: Corpus, timing: Timing, started: float) -> bool:
    seconds = _time_left(config, timing, _time_spent(started))
    if seconds < LEAST_SECONDS_TO_DOUBLE:
        return False
    steps_per_pass = len(corpus.train) / layout(config, corpus).symbols_per_step
    if steps_per_pass < 2 * MIN_STEPS_PER_PASS:
        return False
    if seconds / timing.step > MOST_PASSES_TO_DOUBLE * steps_per_pass:
        return False
    doubled = 2 * config.train.batch_size
    if isinstance(corpus, RecordCorpus) and doubled > MAX_RECORDS:
        return False
    fitting, _ = corpus.fit_batch(doubled, config.train.sequence_length)
    return fitting == doubled


def _with_batch_of(
    advice: Plan,
    config: RunConfig,
    timing: Timing,
    larger: RunConfig,
    its_timing: Timing,
    corpus: Corpus,
) -> Plan:
    """A plan with the memory and the speed of a larger batch."""
    symbols = layout(config, corpus).symbols_per_step
    more_symbols = layout(larger, corpus).symbols_per_step
    times = (its_timing.step / more_symbols) / (timing.step / symbols)
    speed = None if advice.speed is None else advice.speed * times
    return replace(advice, speed=speed, memory=estimate_memory(larger, corpus))


def with_steps(
    config: RunConfig,
    corpus: Corpus,
    timing: Timing,
    most_passes: float,
    tell: Tell,
    started: float,
) -> tuple[RunConfig, Allowance]:
    """The steps that fit into the minutes, and the time that the run may take.

    Args:
        config: resolved, except for the steps and the intervals.
        corpus: the text to train on.
        timing: the speed of this run.
        most_passes: over the training text; the run gets no more steps than that.
        tell: called with notices for the user.
        started: when the minutes began, by ``time.monotonic``.
    """
    minutes = config.train.minutes or DEFAULT_MINUTES
    spent = _time_spent(started)
    left = _time_left(config, timing, spent)
    steps = max(1, math.floor(left / _step_with_pauses(config, timing)))
    most_steps = None
    if math.isfinite(most_passes):
        symbols_per_step = layout(config, corpus).symbols_per_step
        most_steps = max(1, round(most_passes * len(corpus.train) / symbols_per_step))
    if left > 0:
        tell(_fit(minutes, steps, most_steps))
    else:
        tell(f"{_minutes(minutes)} over before the first step; training one step")
    if most_steps is not None:
        steps = min(steps, most_steps)
    final_steps = timing.final / timing.step
    allowance = Allowance(60 * minutes, spent, timing.step, timing.pause, final_steps, most_steps)
    return config.replace(minutes=None, steps=steps, threads=timing.threads), allowance


def _time_spent(started: float) -> float:
    return max(0.0, time.monotonic() - started)


def _time_left(config: RunConfig, timing: Timing, spent: float) -> float:
    """Seconds for training steps, of the minutes, after some were spent."""
    minutes = config.train.minutes or DEFAULT_MINUTES
    return 60 * minutes - EXIT - spent - timing.final - timing.pause


def _fit(minutes: float, steps: int, most_steps: int | None) -> str:
    """How many steps fit into the minutes, and whether fewer are enough."""
    unit = "minute" if minutes == 1 else "minutes"
    count = "1 step fits" if steps == 1 else f"{steps:,} steps fit"
    fit = f"{count} into {minutes:g} {unit} on this machine"
    if most_steps is None or steps <= most_steps:
        return fit
    return (
        f"{fit}, but {most_steps:,} are enough: more would only memorize the text "
        "(set `steps` to train longer)"
    )


def _minutes(minutes: float) -> str:
    return "1 minute is" if minutes == 1 else f"{minutes:g} minutes are"


def _step_with_pauses(config: RunConfig, timing: Timing) -> float:
    """Seconds of a step, with its share of the validations and checkpoints."""
    every = config.train.eval_every
    if every is None:
        return timing.step
    if isinstance(every, int):
        return timing.step + timing.pause / every
    return timing.step / (1 - PAUSES)


def _warn_if_too_short(
    config: RunConfig,
    corpus: Corpus,
    timing: Timing,
    allowance: Allowance,
    tell: Tell,
) -> None:
    """Tell the user if the minutes are too few to learn something, and how many are enough."""
    symbols_per_step = layout(config, corpus).symbols_per_step
    needed = min(len(corpus.train), USEFUL_SYMBOLS)
    read = (config.train.steps or 0) * symbols_per_step
    if read >= needed / 2:
        return
    training = needed / symbols_per_step * timing.step / (1 - PAUSES)
    seconds = training + allowance.spent + timing.final + timing.pause
    what = "pass over this text" if needed < USEFUL_SYMBOLS else "million characters"
    tell(
        f"{_minutes(allowance.seconds / 60)} too short for a useful result: "
        f"reading {read:,.0f} of {len(corpus.train):,} characters teaches little; "
        f"`minutes={math.ceil(seconds / 60)}` is enough for one {what}"
    )


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


def with_intervals(config: RunConfig, corpus: Corpus, timing: Timing | None = None) -> RunConfig:
    """Set the intervals that are auto, in steps; checkpoints are saved with the validations.

    Args:
        config: resolved, except for the intervals.
        corpus: the text to train on.
        timing: the speed of the run, if known.
    """
    steps = config.train.steps
    assert steps is not None
    shortest = _shortest_pause_interval(config, corpus, timing)
    intervals: dict[str, int] = {}
    for name, times in EVERY.items():
        intervals[name] = min(-(-steps // times), LONGEST_INTERVAL)
    for name in ("eval_every", "save_every"):
        intervals[name] = max(intervals[name], shortest)
    eval_every = config.train.eval_every
    if isinstance(eval_every, int):
        intervals["save_every"] = eval_every
    auto = {name: n for name, n in intervals.items() if getattr(config.train, name) == "auto"}
    return config.replace(**auto)


def _shortest_pause_interval(config: RunConfig, corpus: Corpus, timing: Timing | None) -> int:
    """Steps between two validations, so that they take a small share of the time."""
    if timing is not None:
        return math.ceil(timing.pause / (PAUSES * timing.step))
    symbols = len(corpus.beginning(EVAL_CHARACTERS))
    if symbols < LONG:
        return 1
    return math.ceil(TRAINED_PER_READ * symbols / layout(config, corpus).symbols_per_step)
