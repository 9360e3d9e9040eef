"""Alphabet: how the symbols of a corpus, characters or bytes, are encoded for its suffix array.

Each symbol is a number of ``width`` bytes, big-endian.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.originality.suffix_array import packed, symbol_width
from charrnn.vocab import Vocabulary

Ids = NDArray[Any]


class Characters:
    """Characters, numbered in the order of their code points.

    Args:
        symbols: all that occur in the corpus, sorted.
    """

    def __init__(self, symbols: str) -> None:
        self.symbols = symbols
        self.width = symbol_width(len(symbols))

    @cached_property
    def points(self) -> NDArray[np.uint32]:
        """The code point of each symbol: (V,)."""
        return np.array([ord(char) for char in self.symbols], np.uint32)

    def text(self, ids: Ids) -> str:
        """The text of some ids."""
        points = self.points[ids].astype("<u4")  # (n,)
        return points.tobytes().decode("utf-32-le")

    def encode(self, text: str | bytes) -> bytes:
        """A text as symbols; a character that is not in the corpus matches nothing."""
        assert isinstance(text, str)
        data = text.encode("utf-32-le", "surrogatepass")
        points = np.frombuffer(data, "<u4")  # (n,)
        num_symbols = len(self.points)
        ids = np.searchsorted(self.points, points)
        nearest = np.minimum(ids, num_symbols - 1)
        is_known = self.points[nearest] == points
        ids = np.where(is_known, ids, num_symbols)
        return packed(ids, self.width)

    def codes(self, vocabulary: Vocabulary) -> list[bytes]:
        """The bytes of each symbol of another vocabulary; empty if it is not in the corpus."""
        codes: list[bytes] = []
        for char in vocabulary.symbols:
            idx = self.symbols.find(char)
            code = b""
            if idx >= 0:
                code = idx.to_bytes(self.width, "big")
            codes.append(code)
        return codes


class Bytes:
    """All 256 bytes."""

    width = 1

    def text(self, ids: Ids) -> bytes:
        """The text of some ids."""
        return ids.astype(np.uint8, copy=False).tobytes()

    def encode(self, text: str | bytes) -> bytes:
        """A text as symbols; characters are written as UTF-8."""
        if isinstance(text, str):
            return text.encode("utf-8", "surrogatepass")
        return text

    def codes(self, vocabulary: Vocabulary) -> list[bytes]:
        """The bytes of each symbol of another vocabulary, which also consists of bytes."""
        return [bytes([byte]) for byte in range(256)]


Alphabet = Characters | Bytes


def alphabet_of(vocabulary: Vocabulary) -> Alphabet:
    """The alphabet of a vocabulary's symbols."""
    if vocabulary.unit == "byte":
        return Bytes()
    return Characters(vocabulary.symbols)
