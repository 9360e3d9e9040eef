"""How many steps fit into a number of minutes: a few are timed on a throwaway copy of the run."""

import statistics
import time

from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.errors import ConfigError
from charrnn.training.device import settled
from charrnn.training.evaluate import evaluate
from charrnn.training.loop import TrainingLoop

WARMUP_STEPS = 3  # the first steps allocate
SHARE = 0.04  # of the budget that may go into timing
SHORTEST = 1.0  # seconds; where a rough figure will do
LONGEST = 4.0  # seconds; as much as is needed for a steady figure
EVALUATIONS = 20  # what eval_every auto asks for in a run that is not long
LONGEST_INTERVAL = 5000  # and the most steps that it lets pass: some minutes
TIMED_CHARACTERS = 8192  # of the validation text
BEARABLE = 30.0  # seconds that the final validation may take, however short the budget
OVERHEAD = 0.15  # seconds to write a checkpoint and draw a sample, with each validation
ENDLESS = 10**9  # steps of a copy: its learning rate stays at the beginning of the schedule


def seconds_per_character(config: RunConfig, corpus: Corpus) -> float:
    """What a character of training takes, from a few steps; the caller sets threads and order.

    Args:
        config: resolved, but for the number of steps.
        corpus: what is read.
    """
    copy = _throwaway_copy(config, corpus)
    return _seconds_per_step(copy, SHORTEST) / copy.batches.symbols_per_step


def steps_for(seconds: float, config: RunConfig, corpus: Corpus) -> int:
    """The steps that fit into a time, after validations, checkpoints and the timing itself.

    Args:
        seconds: what is left of the budget.
        config: resolved, but for the number of steps.
        corpus: what will be trained on.

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
    held_out = len(corpus.judged)
    smaller = held_out / len(corpus) * seconds / at_the_end / 4
    return ConfigError(
        f"minutes: {seconds / 60:.1f} are left, and reading the {held_out:,} held-out characters "
        f"at the end takes {at_the_end / 60:.1f}; give more --minutes, or "
        f"--val-fraction {smaller:.1g}"
    )


def _throwaway_copy(config: RunConfig, corpus: Corpus) -> TrainingLoop:
    return TrainingLoop(config.replace(minutes=None, steps=ENDLESS), corpus)


def _seconds_per_step(copy: TrainingLoop, longest: float) -> float:
    """The median time of a step of mean length.

    The median, so that a busy moment of the machine does not matter; per symbol, since a step
    of long records is as good as several of short ones.
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
    """For a validation during training, and for the one at the end, in one stream."""
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
