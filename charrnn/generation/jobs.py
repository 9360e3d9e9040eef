"""Texts and records that several processes draw, the same ones in the same order as one process."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np

from charrnn.config.arguments import shown_value, whole_number
from charrnn.config.cores import available_threads
from charrnn.errors import ConfigError
from charrnn.generation.form_options import FormOptions
from charrnn.generation.generator import Sample, TextGenerator
from charrnn.generation.pieces import End
from charrnn.generation.record_sampler import BLOCK, Record
from charrnn.generation.share import WHOLE, Share

T = TypeVar("T")
ONE_BY_ONE = 16  # texts; a block takes longer than a few of them one after another
AUTO = "auto"  # as many processes as there are cores


def num_processes(jobs: int | str, sampling: Mapping[str, Any], rounds: int) -> int:
    """The number of processes: ``jobs``, or fewer if there is not a round for each of them.

    Raises:
        ConfigError: ``jobs`` is invalid, or cannot be combined with a setting.
    """
    if isinstance(jobs, str) and jobs != AUTO:
        raise ConfigError(
            f"`jobs` must be a whole number of at least 1 or 'auto', got {shown_value(jobs)}"
        )
    most = available_threads() if jobs == AUTO else whole_number("jobs", jobs, 1)
    count = max(1, min(most, rounds))
    if count > 1 and sampling.get("processors"):
        raise ConfigError(
            "`processors` cannot be combined with several `jobs`, since other processes cannot "
            "call them; leave one of them out"
        )
    return count


def draw_records(
    generator: TextGenerator,
    prompt: str,
    sampling: Mapping[str, Any],
    seed: int,
    longest: int,
    *,
    count: int,
    jobs: int | str,
) -> Iterator[Record]:
    """Draw records without end, like ``TextGenerator.records``, whose other arguments these are.

    Args:
        count: about as many are wanted.
        jobs: the number of processes, or ``"auto"``.
    """
    options, _ = FormOptions.split(sampling)
    size = 1 if options else BLOCK
    processes = num_processes(jobs, sampling, -(-count // size))
    records = generator.records(prompt, sampling, seed, longest)  # checks every argument
    if processes == 1:
        return records
    draw = partial(generator.records, prompt, sampling, seed, longest)
    return _in_processes(generator, draw, processes, size)


def draw_samples(
    generator: TextGenerator,
    prompt: str,
    end: End,
    sampling: Mapping[str, Any],
    seeds: range,
    *,
    best_of: int,
    jobs: int | str,
) -> Iterator[Sample]:
    """Draw a text for each seed.

    Args:
        generator, prompt, end, sampling: as for ``TextGenerator.best``.
        seeds: of the texts. Those after the first ONE_BY_ONE are drawn side by side, unless they
            are constrained or have processors.
        best_of: as for ``TextModel.generate``.
        jobs: the number of processes, or ``"auto"``.
    """
    num_processes(jobs, sampling, len(seeds))  # checks the argument
    # This text is never drawn: it checks every argument.
    generator.pieces(prompt, end, np.random.default_rng(), sampling, scored=True)
    options, _ = FormOptions.split(sampling)
    is_alone = bool(options) or bool(sampling.get("processors"))
    first = seeds if is_alone else seeds[:ONE_BY_ONE]
    others = seeds[len(first) :]

    def drawn(part: range, size: int) -> Iterator[Sample]:
        draw = partial(_samples, generator, prompt, end, sampling, part, best_of, size)
        processes = num_processes(jobs, sampling, -(-len(part) // size))
        if processes == 1:
            return draw(WHOLE)
        return _in_processes(generator, draw, processes, size)

    return _one_after_another(drawn(first, 1), drawn(others, BLOCK))


def _one_after_another(first: Iterator[T], second: Iterator[T]) -> Iterator[T]:
    """The items of both; closing it ends the processes that draw them."""
    yield from first
    yield from second


def _samples(
    generator: TextGenerator,
    prompt: str,
    end: End,
    sampling: Mapping[str, Any],
    seeds: range,
    best_of: int,
    size: int,
    share: Share,
) -> Iterator[Sample]:
    """The texts of a share, in rounds of ``size``."""
    for turn in share.numbers(1):
        part = seeds[turn * size : (turn + 1) * size]
        if not part:
            return
        if size == 1:
            yield generator.best(prompt, end, part[0], best_of, sampling)
        else:
            yield from generator.side_by_side(prompt, end, part, best_of, sampling)


def _in_processes(
    generator: TextGenerator,
    draw: Callable[[Share], Iterator[T]],
    processes: int,
    size: int,
) -> Iterator[T]:
    """Draw in processes; the symbols that they take back are added to those of the generator."""
    from charrnn.generation.processes import drawn_in_processes

    counted = partial(_with_taken_back, generator, draw)
    for item, taken_back in drawn_in_processes(counted, processes, size):
        generator.taken_back += taken_back
        yield item


def _with_taken_back(
    generator: TextGenerator,
    draw: Callable[[Share], Iterator[T]],
    share: Share,
) -> Iterator[tuple[T, int]]:
    """Each item of a share, and the number of symbols that were taken back for it."""
    before = generator.taken_back
    for item in draw(share):
        yield item, generator.taken_back - before
        before = generator.taken_back
