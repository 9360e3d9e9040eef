"""What differs between continuous text and records, and between characters and bytes.

A record begins after the end of another one and includes its prompt. In a model of bytes, a
character takes up to MOST_BYTES ids.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.generation.constraints.forms import Length
from charrnn.vocab import MOST_BYTES, Vocabulary


def primed(vocabulary: Vocabulary, prime: int, ids: list[int]) -> list[int]:
    """The ids, at least one, that the network reads for a prompt.

    Args:
        vocabulary: of the model.
        prime: the id that is read before a text without a prompt, and before a record.
        ids: of the prompt.
    """
    if vocabulary.records or not ids:
        return [prime, *ids]
    return ids


def ids_in_text(vocabulary: Vocabulary, prompt: Sequence[int]) -> int:
    """The number of a prompt's ids that count as part of the text."""
    if vocabulary.records:
        return len(prompt)
    return 0


def max_ids(vocabulary: Vocabulary, length: int) -> int:
    """The most ids that ``length`` characters may take."""
    if vocabulary.unit == "byte":
        return length * MOST_BYTES
    return length


def can_write(vocabulary: Vocabulary, text: str) -> bool:
    """Whether the model has a symbol for every character of a text, or writes bytes."""
    return vocabulary.unit == "byte" or set(text) <= set(vocabulary.symbols)


def has_one_id_each(vocabulary: Vocabulary, chars: str) -> bool:
    """Whether each character is one symbol; in a model of bytes, only ASCII ones are."""
    return vocabulary.unit == "char" or chars.isascii()


def form_of_length(vocabulary: Vocabulary, length: int) -> Length | None:
    """The constraint for a text of which only the length is given; a record may be shorter.

    None for a model of bytes: the form counts ids, and the length is in characters.
    """
    if vocabulary.unit == "byte":
        return None
    if vocabulary.records:
        return Length(0, length)
    return Length(length, length)


def whole_ids(vocabulary: Vocabulary, text: str) -> list[int]:
    """The ids of a whole text; for a record, including its end."""
    ids: list[int] = vocabulary.encode(text).tolist()
    if vocabulary.records:
        ids.append(vocabulary.end)
    return ids


def sums_by_character(
    vocabulary: Vocabulary,
    text: str,
    values: Sequence[float],
) -> NDArray[np.float64]:
    """Sum the values of the ids of each character, and of the end of a record: (n,).

    Args:
        vocabulary: of the model.
        text: n characters, or n - 1 and the end of a record.
        values: one for each of ``whole_ids(vocabulary, text)``.
    """
    array: NDArray[Any] = np.array(values, np.float64)
    if vocabulary.unit == "char" or not values:
        return array
    sizes = [len(char.encode()) for char in text]
    starts = np.cumsum([0, *sizes])  # (n,), and the place after the last id
    if not vocabulary.records:
        starts = starts[:-1]
    sums: NDArray[np.float64] = np.add.reduceat(array, starts)
    return sums
