"""Finds long passages that occur twice, in a text of any length.

Windows of WINDOW characters are hashed, and those whose hash is a multiple of EVERY are kept, so
that of two equal passages, the same windows are (Manber 1994). Kept windows that occur again at the
same distance, one after another, are a passage.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.doctor.line_hashes import stretch_hashes
from charrnn.doctor.source import Block

WINDOW = 64  # characters
EVERY = 64
MOST_WINDOWS = 1 << 22  # of a longer text, the first are compared
FARTHEST = 20 * EVERY  # characters between two windows of the same passage
FEWEST_WINDOWS = 4
SHORTEST = 500  # characters of a passage that is reported

Array = NDArray[Any]


class Passage(NamedTuple):
    """A passage that occurred before.

    Args:
        start: its place in the text, in characters over all files.
        earlier: where it occurred before.
        length: in characters, about.
    """

    start: int
    earlier: int
    length: int


class Duplicates:
    """Compares the windows of a text."""

    def __init__(self) -> None:
        self.hashes: list[Array] = []
        self.places: list[Array] = []
        self.num_windows = 0

    def read(self, block: Block) -> None:
        """Take the windows of a block into account."""
        codes = block.codes
        if len(codes) < WINDOW or self.num_windows >= MOST_WINDOWS:
            return
        starts = np.arange(len(codes) - WINDOW + 1)
        hashes = stretch_hashes(codes, starts, starts + WINDOW)
        kept = np.flatnonzero(_mixed(hashes) % np.uint64(EVERY) == 0)
        self.hashes.append(hashes[kept])
        self.places.append(block.start + kept)
        self.num_windows += len(kept)

    @cached_property
    def passages(self) -> list[Passage]:
        """The passages that occurred before, the longest first; to be used after reading."""
        found = [passage for passage in self._passages() if passage.length >= SHORTEST]
        return sorted(found, key=lambda passage: -passage.length)

    def shared(self, boundary: int) -> int:
        """Characters from a place on that also occur before it, about."""
        shared = 0
        for passage in self.passages:
            begin = max(passage.start, boundary)
            end = min(passage.start + passage.length, boundary + passage.start - passage.earlier)
            shared += max(0, end - begin)
        return shared

    def _passages(self) -> Iterator[Passage]:
        if not self.hashes:
            return
        hashes = np.concatenate(self.hashes)
        places = np.concatenate(self.places)
        order = np.argsort(hashes, kind="stable")
        is_again = hashes[order][1:] == hashes[order][:-1]
        later = places[order[1:][is_again]]
        if not len(later):
            return
        distances = later - places[order[:-1][is_again]]
        # consecutive windows at the same distance
        by_distance = np.lexsort((later, distances))
        later = later[by_distance]
        distances = distances[by_distance]
        is_new = np.ones(len(later), np.bool_)
        is_new[1:] = (np.diff(distances) != 0) | (np.diff(later) > FARTHEST)
        begins = np.flatnonzero(is_new)
        ends = np.append(begins[1:], len(later))
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            if end - begin >= FEWEST_WINDOWS:
                start = int(later[begin])
                length = int(later[end - 1]) - start + WINDOW
                yield Passage(start, start - int(distances[begin]), length)


def _mixed(hashes: Array) -> Array:
    """Hashes whose low bits depend on all bits."""
    mixed = (hashes ^ (hashes >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    low: Array = mixed ^ (mixed >> np.uint64(32))
    return low
