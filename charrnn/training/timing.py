"""How many steps fit into a number of minutes: a few are timed on a throwaway copy. Leaves no trace
in a run."""

import itertools
import statistics
import time

from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.errors import ConfigError
from charrnn.training.device import settled
from charrnn.training.evaluate import evaluate
from charrnn.training.trainer import Trainer

WARMUP_STEPS = 3  # the first steps allocate
SHARE = 0.04  # of the budget that may go into timing
SHORTEST = 1.0  # seconds; where a rough figure will do
LONGEST = 4.0  # seconds; as much as is needed for a steady figure
EVALUATIONS = 20  # what eval_every auto asks for in a run that is not long
LONGEST_INTERVAL = 5000  # and the most steps that it lets pass: some minutes
TIMED_CHARACTERS = 8192  # of the validation text
BEARABLE = 30.0  # seconds that the final validation may take however few are asked for
OVERHEAD = 0.15  # seconds to write a checkpoint and draw a sample, with each validation


def seconds_per_character(config: RunConfig, corpus: Corpus) -> float:
    """What a character of training takes, by a few steps; of records, one that is read; the caller
    sees to threads and determinism.

    Args:
        config: resolved.
        corpus: what is read.
    """
    copy = Trainer(config, corpus, run=None)
    return _seconds_per_step(copy, SHORTEST) / copy.layout.symbols_per_step


def steps_for(seconds: float, config: RunConfig, corpus: Corpus) -> int:
    """The steps that fit into so many seconds, with the validations, checkpoints and the timing
    itself taken off.

    Args:
        seconds: what is left of the budget.
        config: resolved but for the number of steps.
        corpus: what will be trained on.

    Raises:
        ConfigError: the final validation alone takes most of the time.
    """
    begin, seconds = time.perf_counter(), max(0.0, seconds)
    copy = Trainer(config.replace(minutes=None, steps=10**9), corpus, run=None)
    with settled(copy.threads, copy.device):
        step = _seconds_per_step(copy, min(LONGEST, SHARE * seconds))
        lanes, stream = _seconds_to_validate(copy)
    if stream > max(seconds / 2, BEARABLE):
        raise ConfigError(
            f"minutes: {seconds / 60:.1f} are left, and reading the {len(corpus.judged):,} held-out characters at the end takes "
            f"{stream / 60:.1f}; give more --minutes, or --val-fraction {len(corpus.judged) / len(corpus) * seconds / stream / 4:.1g}"
        )
    every = config.train.eval_every
    left = seconds - stream - (time.perf_counter() - begin)
    if every is None:
        return max(1, int(left / step))
    if every == "auto":
        steps = max(1, int((left - EVALUATIONS * (lanes + OVERHEAD)) / step))
        if steps <= EVALUATIONS * LONGEST_INTERVAL:
            return steps
        every = LONGEST_INTERVAL
    return max(1, int(left / (step + (lanes + OVERHEAD) / every)))


def _seconds_per_step(copy: Trainer, longest: float) -> float:
    """The median, which a busy moment of the machine does not move; a step of long records counts
    as several of short ones."""
    for _ in range(WARMUP_STEPS):
        copy.train_step()
    first, times = copy.step, [time.perf_counter()]
    while len(times) == 1 or times[-1] - times[0] < longest:
        copy.train_step()
        times.append(time.perf_counter())
    lengths = [copy.layout.length(step) for step in range(first, copy.step)]
    rates = [
        (after - before) / length
        for (before, after), length in zip(itertools.pairwise(times), lengths, strict=True)
    ]
    return statistics.median(rates) * copy.layout.mean_length


def _seconds_to_validate(copy: Trainer) -> tuple[float, float]:
    """For one validation while training, and for the whole text in one stream at the end."""
    val, prime, records = copy.corpus.judged, copy.corpus.prime, copy.corpus.vocabulary.records
    if not len(val):
        return 0.0, 0.0
    begin = time.perf_counter()
    copy.validate()
    middle = time.perf_counter()
    piece = copy.corpus.beginning(TIMED_CHARACTERS)
    evaluate(copy.model, piece, prime, records=records)
    return middle - begin, (time.perf_counter() - middle) * len(val) / len(piece)
