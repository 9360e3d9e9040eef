"""The autopilot: plans size, dropout and length of a run for a text, a machine and a time.

It times a few steps, and looks up which of the measured runs with as much work did best.
"""

import math
import time
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

from charrnn.advice.measured import Row
from charrnn.advice.similar_runs import (
    best_row,
    expected_ratio,
    gain_of_continuing,
    most_passes,
    relative_cost,
    relative_time,
    suited_dropout,
)
from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus, RecordCorpus
from charrnn.training.loop import layout
from charrnn.training.memory import estimate_memory
from charrnn.training.timing import seconds_per_character, thread_choices

PLANNED = ("hidden_size", "num_layers", "dropout")
DEFAULT_MINUTES = 5.0


@dataclass(frozen=True)
class Plan:
    """What is planned, and why.

    Args:
        values: of the planned knobs.
        most_passes: over the training text, beyond which more steps do harm; infinity if no
            measurement shows that.
        reasons: why these values, one line each.
        speed: seconds per character at 2 x 256, by which measurements count passes; None if nothing
            was timed.
        expected: for a run that continues from another, the validation loss in nats per character;
            None without a validation part, and for records, on which none were measured.
        of_new_model: what a new model should reach in the same time.
        memory: peak resident bytes of the run, roughly.
    """

    values: dict[str, Any]
    most_passes: float
    reasons: list[str] = field(default_factory=list)
    speed: float | None = None
    expected: float | None = None
    of_new_model: float | None = None
    memory: float = 0.0


def plan(config: RunConfig, given: Set[str], corpus: Corpus, started: float) -> Plan:
    """Plan a run around the knobs that the user set.

    Args:
        config: fitted to corpus and machine; knobs that were not set have their defaults.
        given: the names of the knobs that were set.
        corpus: the text to train on.
        started: when the minutes began, by ``time.monotonic``.
    """
    if config.train.steps is not None and given >= set(PLANNED):
        return Plan({}, math.inf, memory=estimate_memory(config, corpus))
    characters = len(corpus.train)
    device = config.train.device
    measured_speed = _seconds_per_character(config, given, corpus)
    speed = measured_speed / relative_time(config.model, device)  # at 2 x 256
    seconds = _time_to_train(config, corpus, measured_speed, started)
    passes = max(0.0, seconds) / speed / characters
    fixed = {name: getattr(config.model, name) for name in PLANNED if name in given}
    row = best_row(characters, passes, fixed, device)
    values = {name: getattr(row, name) for name in PLANNED if name not in given}
    planned = config.replace(**values)
    # The measurements count passes by the time they take on a CPU.
    speed *= relative_time(planned.model, device) / relative_cost(planned.model)
    passes = max(0.0, seconds) / speed / characters
    if "dropout" in values:
        used = min(passes, most_passes(row))
        values["dropout"] = suited_dropout(characters, used)
        planned = config.replace(**values)
    expected = None
    of_new_model = None
    if config.base is not None and not isinstance(corpus, RecordCorpus) and corpus.yardstick:
        of_new_model = corpus.yardstick.nats_per_character * expected_ratio(characters, passes)
        expected = of_new_model * (1 - gain_of_continuing(characters))
    return Plan(
        values=values,
        most_passes=most_passes(row) / relative_cost(planned.model),
        reasons=_reasons(row, values),
        speed=speed,
        expected=expected,
        of_new_model=of_new_model,
        memory=estimate_memory(planned, corpus),
    )


def _seconds_per_character(config: RunConfig, given: Set[str], corpus: Corpus) -> float:
    return seconds_per_character(config, corpus, thread_choices(config, given))


def _time_to_train(config: RunConfig, corpus: Corpus, speed: float, started: float) -> float:
    """Seconds that the given steps will take, or that are left of the minutes."""
    knobs = config.train
    if knobs.steps is not None:
        return knobs.steps * layout(config, corpus).symbols_per_step * speed
    minutes = knobs.minutes or DEFAULT_MINUTES
    return minutes * 60 - (time.monotonic() - started)


def _reasons(row: Row, values: dict[str, Any]) -> list[str]:
    """Why the network has this size, and this dropout."""
    reasons = []
    words = {"num_layers": f"{row.num_layers} layers", "hidden_size": f"{row.hidden_size} units"}
    sizes = [word for name, word in words.items() if name in values]
    if sizes:
        reasons.append(
            f"{' and '.join(sizes)} did best in measurements on a text of {row.characters:,} "
            "characters"
        )
    if "dropout" in values:
        reasons.append(
            f"dropout {values['dropout']:g} suits a run of this length on a text of this size, "
            "judging by measurements"
        )
    return reasons
