"""How many steps fit into a number of minutes, timed on a throwaway copy of the run."""

import statistics
import time

from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.errors import ConfigError
from charrnn.training.device import settled
from charrnn.training.evaluate import evaluate
from charrnn.training.loop import TrainingLoop

WARMUP_STEPS = 3  # the first steps allocate
SHARE = 0.04  # of the time budget, spent on timing
SHORTEST = 1.0  # seconds of timing, for a rough figure
LONGEST = 4.0  # seconds of timing, for a steady figure
EVALUATIONS = 20  # with eval_every auto, unless the run is long
LONGEST_INTERVAL = 5000  # most steps between validations with eval_every auto: some minutes
TIMED_CHARACTERS = 8192  # of the validation text
BEARABLE = 30.0  # seconds that the final validation may always take
OVERHEAD = 0.15  # seconds to write a checkpoint and draw a sample, with each validation
ENDLESS = 10**9  # steps of the copy, so that it stays at the start of its schedule


def seconds_per_character(config: RunConfig, corpus: Corpus) -> float:
    """The time to train on a character, from a few steps; the caller sets the threads.

    Args:
        config: resolved, except for the number of steps.
        corpus: the text to train on.
    """
    copy = _throwaway_copy(config, corpus)
    return _seconds_per_step(copy, SHORTEST) / copy.batches.symbols_per_step


def steps_for(seconds: float, config: RunConfig, corpus: Corpus) -> int:
    """The steps that fit into a time, besides validations, checkpoints and this timing.

    Args:
        seconds: the time left.
        config: resolved, except for the number of steps.
        corpus: the text to train on.

    Raises:
        ConfigError: the final validation alone takes most of the time.
    """
    begin = time.perf_counter()
    seconds = max(0.0, seconds)
    copy = _throwaway_copy(config, corpus)
    threads = config.train.threads
    assert isinstance(threads, int)
    with settled(threads, config.train.device):
        per_step = _seconds_per_step(copy, min(LONGEST, SHARE * seconds))
        per_validation, at_the_end = _seconds_to_validate(copy)
    if at_the_end > max(seconds / 2, BEARABLE):
        raise _validation_too_long(seconds, at_the_end, corpus)
    spent = time.perf_counter() - begin
    left = seconds - at_the_end - spent
    per_save = per_validation + OVERHEAD
    steps = _steps_that_fit(left, per_step, per_save, config.train.eval_every)
    return max(1, int(steps))


def _steps_that_fit(
    left: float,
    per_step: float,
    per_save: float,
    eval_every: int | str | None,
) -> float:
    """Steps that fit into the seconds left, with a validation and a save at each interval."""
    if eval_every is None:
        return left / per_step
    if eval_every == "auto":
        steps = (left - EVALUATIONS * per_save) / per_step
        if steps < EVALUATIONS * LONGEST_INTERVAL + 1:
            return steps
        eval_every = LONGEST_INTERVAL
    assert isinstance(eval_every, int)
    return left / (per_step + per_save / eval_every)


def _validation_too_long(seconds: float, at_the_end: float, corpus: Corpus) -> ConfigError:
    characters = len(corpus.judged)
    smaller = characters / len(corpus) * seconds / at_the_end / 4
    return ConfigError(
        f"the final validation on {characters:,} characters would take {at_the_end / 60:.1f} of "
        f"the {seconds / 60:.1f} minutes left; raise `minutes`, or set `val_fraction={smaller:.1g}`"
    )


def _throwaway_copy(config: RunConfig, corpus: Corpus) -> TrainingLoop:
    return TrainingLoop(config.replace(minutes=None, steps=ENDLESS), corpus)


def _seconds_per_step(copy: TrainingLoop, longest: float) -> float:
    """The median time of a step of mean length.

    The median ignores busy moments of the machine. It is taken per symbol, since a step of long
    records is worth several of short ones.
    """
    for _ in range(WARMUP_STEPS):
        copy.train_step()
    begin = time.perf_counter()
    before = begin
    seconds_per_symbol: list[float] = []
    while not seconds_per_symbol or before - begin < longest:
        length = copy.batches.length(copy.step)
        copy.train_step()
        after = time.perf_counter()
        seconds_per_symbol.append((after - before) / length)
        before = after
    return statistics.median(seconds_per_symbol) * copy.batches.mean_length


def _seconds_to_validate(copy: TrainingLoop) -> tuple[float, float]:
    """For a validation during training, and for the final one."""
    corpus = copy.corpus
    judged = corpus.judged
    if not len(judged):
        return 0.0, 0.0
    begin = time.perf_counter()
    copy.validate()
    middle = time.perf_counter()
    piece = corpus.beginning(TIMED_CHARACTERS)
    evaluate(copy.model, piece, corpus.prime, records=corpus.vocabulary.records)
    per_character = (time.perf_counter() - middle) / len(piece)
    return middle - begin, per_character * len(judged)
