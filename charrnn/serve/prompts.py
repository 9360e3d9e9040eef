"""Reads a prompt in steps, so that a long one does not hold up other requests."""

from collections.abc import Generator, Sequence
from typing import Any

from charrnn.errors import GenerationError
from charrnn.generation.network import State
from charrnn.text_model import TextModel

STEPS = 256  # symbols that are read at once


def read_in_steps(
    model: TextModel,
    ids: Sequence[int],
) -> Generator[None, None, tuple[Any, State]]:
    """The logits (V,) and the state after some ids, which the model's prefixes keep."""
    prefixes = model.generator.prefixes
    if prefixes is None:
        raise GenerationError("the model has no cache of prefixes")
    begun = prefixes.length_of_longest(ids)
    for end in range(begun + STEPS, len(ids), STEPS):
        prefixes.read(model.network, ids[:end])
        yield None
    logits, state = prefixes.read(model.network, ids)
    return logits, state
