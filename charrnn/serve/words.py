"""The words that are likely to come next, found by following the likeliest characters."""

import heapq
import math
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from charrnn.generation.sampling import probabilities
from charrnn.generation.text_kinds import primed
from charrnn.serve.completion import BURST
from charrnn.text_model import TextModel

MOST_STEPS = 400  # of the network
MOST_NEXT = 8  # characters that are followed after each
LEAST = 1e-4  # probability of a beginning that is followed
LONGEST_WORD = 40  # characters
LINE_END = "\n"


class Word(NamedTuple):
    """A word, or the rest of one, that may come next.

    Args:
        text: with the space before it, if there is one; ``\\n`` for the end of the line.
        probability: of all ways in which it can end.
    """

    text: str
    probability: float


def next_words(model: TextModel, prompt: str, count: int) -> Generator[None, None, list[Word]]:
    """The likeliest words after a prompt, the likeliest first; yields between the steps.

    A word ends where a space, a line end or a punctuation mark comes; its probability is the sum
    over these. A prompt that ends within a word is continued by the rest of it.
    """
    vocabulary = model.vocabulary
    ids = vocabulary.encode(prompt).tolist()
    read = primed(vocabulary, model.prime, ids)
    prefixes = model.generator.prefixes
    assert prefixes is not None
    logits, state = prefixes.read(model.network, read)
    symbols = [*vocabulary.symbols]
    if vocabulary.unit == "byte":
        symbols = [chr(value) if value < 128 else "\ufffd" for value in range(256)]
    is_letter = np.array([_is_letter(char) for char in symbols])
    found: dict[str, float] = {}
    numbers = iter(range(1 << 30))  # so that equal probabilities compare
    heap: list[tuple[float, int, str, Any, Any]] = [(0.0, next(numbers), "", logits, state)]
    for step in range(MOST_STEPS):
        if not heap or _is_done(found, count, heap[0][0]):
            break
        if step % BURST == 0:
            yield None
        negative, _, text, logits, state = heapq.heappop(heap)
        of_text = math.exp(-negative)
        shares = probabilities(logits.astype(np.float64))[: len(symbols)]  # (V,)
        if text.strip():
            found[text] = found.get(text, 0.0) + of_text * float(shares[~is_letter].sum())
        for idx in np.argsort(-shares, kind="stable")[:MOST_NEXT].tolist():
            probability = of_text * float(shares[idx])
            char = symbols[idx]
            if probability < LEAST or len(text) >= LONGEST_WORD:
                continue
            if char == LINE_END and not text:
                found[LINE_END] = probability
            elif is_letter[idx] or (char == " " and not text):
                following, after = model.network.step(idx, state)
                entry = (-math.log(probability), next(numbers), text + char, following, after)
                heapq.heappush(heap, entry)
    best = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:count]
    return [Word(text, probability) for text, probability in best]


def _is_done(found: dict[str, float], count: int, negative: float) -> bool:
    """Whether nothing that is still followed can be among the best."""
    if len(found) < count:
        return False
    least = sorted(found.values(), reverse=True)[count - 1]
    return math.exp(-negative) < least


def _is_letter(char: str) -> bool:
    return char.isalnum() or char in "'\u2019-" or "\u0300" <= char <= "\u036f"
