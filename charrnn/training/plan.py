"""The autopilot: size, dropout and length of a run, from the text, the machine and the minutes.
Knows nothing of printing.

Its advice rests on MEASURED: for texts of several sizes and several amounts of work, the run that
did best, as ``benchmarks/autopilot.py`` printed them. Work is counted in passes over the training
text at 2 x 256; another network makes as many fewer as it is slower. A text is planned like the
nearest one that was measured with so much work, in the logarithm of its size.
"""

import math
import time
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from charrnn.config.run_config import ModelConfig, RunConfig, run_knobs
from charrnn.corpus.corpus import Corpus
from charrnn.training.device import settled
from charrnn.training.measured import MEASURED, Row
from charrnn.training.memory import estimate_memory
from charrnn.training.timing import seconds_per_character
from charrnn.training.trainer import layout

PLANNED = tuple(name for name, knob in run_knobs().items() if knob.planned)
DEFAULT_MINUTES = 5.0
OUTLOOK = (5.0, 30.0, 180.0)  # minutes
# where there is time for more passes than this times those measured on a text, runs on a smaller
# text are looked at
MAX_EXTRAPOLATION = 3.0
# a run is advised even where there is so much less time than it was measured with, and for so much
# more
TOLERANCE = 1.25
# Weights of the layers, with an embedding of 64, and time a character beside 2 x 256: 1 x 128, 2 x
# 128, 2 x 256, 2 x 384, 2 x 512.
COSTS = ((98_304, 0.25), (262_144, 0.5), (917_504, 1.0), (1_966_080, 1.6), (3_407_872, 3.2))
LINE = 20  # characters, of a line whose repetition says something
RARE = 10  # times
SURVEYED = 1 << 24  # characters whose lines are looked at


@dataclass(frozen=True)
class Plan:
    """What is advised, and why.

    Args:
        values: of the planned knobs.
        most_passes: over the training text, beyond which more steps harm; infinity where that was
            not seen.
        reasons: a line for each piece of advice.
        expected: nats per character on the validation part; None without one, or of records, on
            which no such runs were measured.
        outlook: the same for other minutes.
        memory: the most resident bytes of the run, roughly.
    """

    values: dict[str, Any]
    most_passes: float
    reasons: list[str] = field(default_factory=list)
    expected: float | None = None
    outlook: dict[float, float] = field(default_factory=dict)
    memory: float = 0.0


def plan(config: RunConfig, given: Set[str], corpus: Corpus, started: float) -> Plan:
    """Plan a run around the knobs that somebody set.

    Args:
        config: settled, with every knob that was set; the others at their defaults.
        given: the names of those that were set.
        corpus: what will be trained on.
        started: by ``time.monotonic``, when the minutes began.
    """
    characters = len(corpus.train)
    if config.train.steps is not None and given >= set(PLANNED):
        return Plan({}, math.inf, memory=estimate_memory(config, corpus))
    speed = _speed(config, corpus) / relative_cost(config.model)  # seconds a character at 2 x 256
    if config.train.steps is not None:
        seconds = (
            config.train.steps
            * layout(config, corpus).symbols_per_step
            * speed
            * relative_cost(config.model)
        )
    else:
        seconds = (config.train.minutes or DEFAULT_MINUTES) * 60 - (time.monotonic() - started)
    passes = max(0.0, seconds) / speed / characters
    set_ = {name: getattr(config.model, name) for name in PLANNED if name in given}
    row = best_row(characters, passes, set_)
    values = {name: getattr(row, name) for name in PLANNED if name not in given}
    chosen = config.replace(**values)
    return Plan(
        values,
        most_passes(row) / relative_cost(chosen.model),
        _reasons(row, values, passes),
        *(
            (None, {})
            if set_ or corpus.vocabulary.records
            else _expectations(corpus, passes, speed)
        ),
        memory=estimate_memory(chosen, corpus),
    )


def survey(corpus: Corpus) -> dict[str, Any]:
    """What a text is: characters, symbols, how many of these are rare, and the share of its first
    ones that repeats earlier lines.

    Of records it is the share that repeats earlier ones, however short, and how many there are;
    their ends are characters and symbols.
    """
    counts, train = corpus.counts, corpus.train[:SURVEYED]
    ids = np.concatenate([train, corpus.val[: SURVEYED - len(train)]])
    records = corpus.vocabulary.records
    mark, shortest = (corpus.vocabulary.end, 1) if records else (corpus.vocabulary.newline, LINE)
    ends = np.append(np.flatnonzero(ids == mark) if mark >= 0 else [], len(ids)).astype(np.int64)
    seen: set[bytes] = set()
    repeated = start = 0
    for end in ends:
        line = ids[start:end].tobytes()
        if end - start >= shortest:
            repeated += int(end - start) if line in seen else 0
            seen.add(line)
        start = int(end) + 1
    rare = int(((counts > 0) & (counts < RARE)).sum())
    symbols = int((counts > 0).sum())
    found = {
        "characters": len(corpus),
        "symbols": symbols,
        "rare": rare,
        "surveyed": len(ids),
        "repeated": repeated / len(ids),
    }
    return found | (
        {"records": sum(len(corpus.lengths(part)) for part in (corpus.train, corpus.val))}
        if records
        else {}
    )


def relative_cost(model: ModelConfig) -> float:
    """How much longer a character takes than at 2 x 256, about: small products are slower than
    their size says."""
    weights = _matrix_weights(model)
    sizes, costs = zip(*COSTS, strict=True)
    if weights > sizes[-1]:
        return float(costs[-1] * weights / sizes[-1])
    return float(np.exp(np.interp(np.log(weights), np.log(sizes), np.log(costs))))


def _matrix_weights(model: ModelConfig) -> int:
    """Of the layers, with the four gates of an LSTM."""
    H, L, E = model.hidden_size, model.num_layers, model.embedding_size
    return sum(4 * H * (H + E + (H if layer else 0)) for layer in range(L))


def best_row(characters: int, passes: float, given: Mapping[str, Any] | None = None) -> Row:
    """The best measured run with about so much work or less, on a text of about this size.

    Args:
        characters: of training text.
        passes: over it, at 2 x 256, that there is time for.
        given: planned knobs that somebody set: only runs that come nearest to them are looked at.
    """
    rows = _nearest(characters, passes)
    for name, value in (given or {}).items():
        off = [abs(math.log((getattr(row, name) + 0.1) / (value + 0.1))) for row in rows]
        rows = [row for row, distance in zip(rows, off, strict=True) if distance == min(off)]
    fewest = min(row.passes for row in rows)
    return min(
        (row for row in rows if row.passes <= max(fewest, TOLERANCE * passes)),
        key=lambda row: row.ratio,
    )


def most_passes(best: Row) -> float:
    """Passes at 2 x 256 beyond which every measured run did worse; infinity where one did better.

    Where none was measured: infinity too, but for the smallest texts, which are soon known by
    heart.
    """
    more = [
        row.ratio
        for row in MEASURED
        if row.characters == best.characters and row.passes > best.passes
    ]
    smallest = best.characters == min(row.characters for row in MEASURED)
    return TOLERANCE * best.passes if (min(more) > best.ratio if more else smallest) else math.inf


def expected_ratio(characters: int, passes: float) -> float:
    """The loss over the yardstick's, between the measured runs; beyond the last of them, that of
    the last."""
    below, above = _around(characters)
    share = 0.0 if above == below else math.log(characters / below) / math.log(above / below)
    return (1 - share) * _on_curve(below, passes) + share * _on_curve(above, passes)


def _around(characters: int) -> tuple[int, int]:
    """The measured sizes on both sides; twice the same at the ends."""
    sizes = sorted({row.characters for row in MEASURED})
    return max((size for size in sizes if size <= characters), default=sizes[0]), min(
        (size for size in sizes if size >= characters), default=sizes[-1]
    )


def _nearest(characters: int, passes: float) -> list[Row]:
    """The rows of the nearest size, by the logarithm, or of a smaller one that was measured with
    anything like so many passes."""
    sizes = sorted(
        {row.characters for row in MEASURED}, key=lambda size: abs(math.log(characters / size))
    )
    groups = [
        [row for row in MEASURED if row.characters == size] for size in sizes if size <= sizes[0]
    ]
    return next(
        (rows for rows in groups if MAX_EXTRAPOLATION * max(row.passes for row in rows) >= passes),
        groups[0],
    )


def _on_curve(size: int, passes: float) -> float:
    """Of one measured size: the best ratio with so many passes or fewer, straight lines over the
    logarithm between them."""
    rows = [row for row in MEASURED if row.characters == size]
    measured = sorted({row.passes for row in rows})
    best = np.minimum.accumulate(
        [min(row.ratio for row in rows if row.passes == each) for each in measured]
    )
    places, here = np.log(measured), math.log(max(passes, 1e-3))
    if here < places[0] and len(best) > 1:  # a line goes on to the left, where the loss rises fast
        return float(best[0] + (best[1] - best[0]) / (places[1] - places[0]) * (here - places[0]))
    return float(np.interp(here, places, best))


def _speed(config: RunConfig, corpus: Corpus) -> float:
    threads = config.train.threads
    assert threads != "auto"
    with settled(threads, config.train.device):
        return seconds_per_character(config.replace(minutes=None, steps=10**9), corpus)


def _reasons(row: Row, values: dict[str, Any], passes: float) -> list[str]:
    words = {
        "num_layers": f"{row.num_layers} layers",
        "hidden_size": f"{row.hidden_size} units",
        "dropout": f"dropout {row.dropout:g}",
    }
    if not values:
        return []
    what = ", ".join(
        words[name] for name in ("num_layers", "hidden_size", "dropout") if name in values
    )
    return [
        f"planned {what}: the best of the runs measured on {row.characters:,} characters of text; it read them {row.passes:.3g} times, "
        f"here there is time for {passes:.3g} (both counted at 2 x 256)"
    ]


def _expectations(
    corpus: Corpus, passes: float, speed: float
) -> tuple[float | None, dict[float, float]]:
    """The expected loss, and that of other minutes where several lengths were measured."""
    if corpus.yardstick is None:
        return None, {}
    counts, characters = corpus.yardstick.nats_per_character, len(corpus.train)
    several = all(
        len({row.passes for row in MEASURED if row.characters == size}) > 1
        for size in _around(characters)
    )
    outlook = {
        minutes: counts * expected_ratio(characters, minutes * 60 / speed / characters)
        for minutes in OUTLOOK
        if several
    }
    return counts * expected_ratio(characters, passes), outlook
