"""Times a few steps on a throwaway copy of a run, to convert minutes to steps."""

import statistics
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import NamedTuple

from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.training.device import settled
from charrnn.training.evaluate import WARM_UP, evaluate
from charrnn.training.loop import EVAL_CHARACTERS, EVAL_LANES, TrainingLoop

WARMUP_STEPS = 3  # the first steps allocate
SECONDS = 1.0  # of timing, for the speed of a step
SECONDS_PER_CHOICE = 0.4  # the same, to compare numbers of threads
TIMED_CHARACTERS = 1 << 16  # of the final evaluation
SAVE_SECONDS = 0.15  # to write a checkpoint and draw a sample, with each validation
ENDLESS = 10**9  # steps of the copy, so that it stays at the start of its schedule
GAIN = 0.97  # fewer threads are used if a step takes at most this share of the time


class Timing(NamedTuple):
    """Seconds that the parts of a run take, and the threads that they were timed with.

    Args:
        step: a training step.
        pause: a validation during training, and saving a checkpoint.
        final: what follows the last step.
        threads: of the CPU.
    """

    step: float
    pause: float
    final: float
    threads: int


def thread_choices(config: RunConfig, given: Set[str]) -> tuple[int, ...]:
    """The numbers of threads that a run may choose from.

    A run with a number of steps has no choice, so that it is the same run each time.

    Args:
        config: fitted to the machine.
        given: the names of the knobs that the user set.
    """
    threads = config.train.threads
    assert isinstance(threads, int)
    has_choice = "threads" not in given and config.train.steps is None
    if not has_choice or config.train.device != "cpu":
        return (threads,)
    return tuple(sorted({1, -(-threads // 2), threads}))


def seconds_per_character(config: RunConfig, corpus: Corpus, threads: tuple[int, ...]) -> float:
    """The time to train on a character, from a few steps, with the fastest number of threads.

    Args:
        config: resolved, except for the number of steps.
        corpus: the text to train on.
        threads: the numbers to choose from.
    """
    with _throwaway_copy(config, corpus) as copy:
        fastest = _fastest(copy, config.train.device, threads)
        with settled(fastest, config.train.device):
            return _seconds_per_step(copy, SECONDS) / copy.batches.symbols_per_step


def seconds_per_step(config: RunConfig, corpus: Corpus, threads: int) -> float:
    """The time of a training step, from a few.

    Args:
        config: resolved, except for the number of steps.
        corpus: the text to train on.
        threads: of the CPU.
    """
    with _throwaway_copy(config, corpus) as copy, settled(threads, config.train.device):
        return _seconds_per_step(copy, SECONDS_PER_CHOICE)


def measure_speed(config: RunConfig, corpus: Corpus, threads: tuple[int, ...]) -> Timing:
    """Time the parts of a run with the number of threads that is fastest.

    Small networks are faster on one thread than on several.

    Args:
        config: resolved, except for the number of steps.
        corpus: the text to train on.
        threads: the numbers to choose from.
    """
    with _throwaway_copy(config, corpus) as copy:
        chosen = _fastest(copy, config.train.device, threads)
        with settled(chosen, config.train.device):
            step = _seconds_per_step(copy, SECONDS)
            pause = _seconds_to_validate(copy) + SAVE_SECONDS
            final = _seconds_at_the_end(copy)
    return Timing(step, pause, final, chosen)


def _fastest(copy: TrainingLoop, device: str, threads: tuple[int, ...]) -> int:
    """The number of threads with the fastest steps; a larger one unless a smaller one gains."""
    best = max(threads)
    if len(threads) == 1:
        return best
    best_seconds = float("inf")
    for count in sorted(threads, reverse=True):
        with settled(count, device):
            seconds = _seconds_per_step(copy, SECONDS_PER_CHOICE)
        if seconds < GAIN * best_seconds:
            best = count
            best_seconds = seconds
    return best


@contextmanager
def _throwaway_copy(config: RunConfig, corpus: Corpus) -> Iterator[TrainingLoop]:
    copy = TrainingLoop(config.replace(minutes=None, steps=ENDLESS), corpus)
    try:
        yield copy
    finally:
        copy.close()


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


def _seconds_to_validate(copy: TrainingLoop) -> float:
    if not len(copy.corpus.val):
        return 0.0
    begin = time.perf_counter()
    copy.validate()
    return time.perf_counter() - begin


def _seconds_at_the_end(copy: TrainingLoop) -> float:
    """The final evaluation of the validation part, and of a piece of the training part."""
    corpus = copy.corpus
    judged = len(corpus.judged)
    if not judged:
        return 0.0
    piece = corpus.beginning(min(judged, TIMED_CHARACTERS))
    begin = time.perf_counter()
    evaluate(
        copy.model,
        piece,
        corpus.prime,
        lanes=EVAL_LANES,
        warm_up=WARM_UP,
        records=corpus.vocabulary.records,
    )
    per_character = (time.perf_counter() - begin) / len(piece)
    return per_character * (judged + len(corpus.learned(EVAL_CHARACTERS)))
