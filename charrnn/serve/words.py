"""The words that are likely to come next, found by following the likeliest characters."""

import heapq
import math
from collections.abc import Generator
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from charrnn.generation.network import State, forked
from charrnn.generation.sampling import probabilities
from charrnn.generation.text_kinds import primed
from charrnn.serve.prefix_cache import PrefixCache
from charrnn.text_model import TextModel
from charrnn.vocab import Vocabulary

MOST_STEPS = 300  # of the network
MOST_NEXT = 8  # characters that are followed after each
LEAST = 1e-4  # probability of a beginning that is followed
LONGEST_WORD = 40  # characters
LINE_END = "\n"


class Word(NamedTuple):
    """A word, or the rest of one, that may come next.

    Args:
        text: with the space before it, if there is one; ``\\n`` for the end of the line or record.
        probability: of all ways in which it can end.
    """

    text: str
    probability: float


class Beginning(NamedTuple):
    """The beginning of a word; the likeliest is the smallest.

    Args:
        cost: its negative log-probability.
        number: so that those of the same cost can be ordered.
        ids: of its symbols.
        state: before the last of them; of the empty beginning, after the prompt.
        logits: of the empty beginning.
    """

    cost: float
    number: int
    ids: tuple[int, ...]
    state: State
    logits: Any


def next_words(
    model: TextModel,
    prefixes: PrefixCache,
    prompt: str,
    number: int,
) -> Generator[None, None, list[Word]]:
    """The likeliest words after a prompt, the likeliest first; yields between the steps.

    A word ends where anything but a letter comes; its probability is the sum over these. A prompt
    that ends within a word is continued by the rest of it.
    """
    vocabulary = model.vocabulary
    ids = vocabulary.encode(prompt).tolist()
    read = primed(vocabulary, model.prime, ids)
    logits, state = yield from prefixes.read(model.network, read)
    letters = _letters(vocabulary)
    line_ends = _line_ends(vocabulary)
    words: dict[str, float] = {}
    numbers = count()
    heap = [Beginning(0.0, next(numbers), (), state, logits)]
    for _ in range(MOST_STEPS):
        if not heap or _is_done(words, number, heap[0].cost):
            break
        beginning = heapq.heappop(heap)
        state = beginning.state
        logits = beginning.logits
        if beginning.ids:
            logits, state = model.network.step(beginning.ids[-1], forked(state))
            yield None
        of_text = math.exp(-beginning.cost)
        shares = of_text * probabilities(logits.astype(np.float64))  # (V,)
        text = vocabulary.decode(beginning.ids)
        if text.strip():
            words[text] = words.get(text, 0.0) + of_text - float(shares[letters].sum())
        elif not text:
            words[LINE_END] = float(shares[line_ends].sum())
        if len(beginning.ids) >= LONGEST_WORD:
            continue
        for idx in np.argsort(-shares, kind="stable")[:MOST_NEXT].tolist():
            is_space = not beginning.ids and _is_space(vocabulary, idx)
            if shares[idx] >= LEAST and (letters[idx] or is_space):
                cost = -math.log(shares[idx])
                following = (*beginning.ids, idx)
                heapq.heappush(heap, Beginning(cost, next(numbers), following, state, None))
    best = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:number]
    return [Word(text, probability) for text, probability in best if probability > 0]


def _is_done(words: dict[str, float], number: int, cost: float) -> bool:
    """Whether nothing that is still followed can be among the best."""
    if len(words) < number:
        return False
    least = sorted(words.values(), reverse=True)[number - 1]
    return math.exp(-cost) < least


def _letters(vocabulary: Vocabulary) -> Any:
    """Which ids (V,) are part of a word; of bytes, those beyond ASCII."""
    letters = np.zeros(len(vocabulary), np.bool_)
    if vocabulary.unit == "byte":
        letters[:256] = [value >= 128 or _is_letter(chr(value)) for value in range(256)]
    else:
        letters[: len(vocabulary.symbols)] = [_is_letter(char) for char in vocabulary.symbols]
    return letters


def _line_ends(vocabulary: Vocabulary) -> list[int]:
    """The ids that end a line, or a record."""
    return [idx for idx in (vocabulary.newline, vocabulary.end) if idx >= 0]


def _is_space(vocabulary: Vocabulary, idx: int) -> bool:
    return idx != vocabulary.end and vocabulary.decode([idx]) == " "


def _is_letter(char: str) -> bool:
    return char.isalnum() or char in "'\u2019-" or "\u0300" <= char <= "\u036f"
