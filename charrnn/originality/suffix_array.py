"""Suffixes: every stretch of a text, found at once, exactly. Knows nothing of files, runs and
models.

A suffix array: the places of a text, in the order of what stands from there on. First they are
sorted by as many symbols as fit into a number; then, among those that are still alike, by the order
of what stands behind that, twice as far each time (Manber & Myers 1993; only what is not settled
yet is sorted again: Larsson & Sadakane 2007).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from mmap import mmap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 63  # of the number that the first symbols of a suffix are packed into
FIRST = 8  # symbols that are tried first where a length is looked for
WIDTHS = (1, 2, 4)  # bytes of a symbol

Array = NDArray[Any]


def suffix_array(ids: Array) -> NDArray[np.uint32]:
    """The places of a text in the order of the suffixes that begin there; one that ends is before
    one that goes on.

    It takes some 40 bytes a symbol meanwhile, and n log n at worst log n times over.

    Args:
        ids: (n,) the symbols, whole numbers from 0 on, fewer than 2**32 of them.
    """
    keys, known = _packed(ids)
    order = np.argsort(keys).astype(np.uint32)
    keys = keys[order]
    rank = np.zeros(
        len(ids) + 1, np.uint32
    )  # of each place: where its group begins, from 1 on; 0 is the end of the text
    at = np.arange(len(ids), dtype=np.uint32)  # places in the order that are not settled
    at = _settle(at, order, keys, rank)
    while len(at):
        who = order[at]
        behind = np.minimum(who.astype(np.int64) + known, len(ids))
        keys = rank[who].astype(np.uint64) << np.uint64(32) | rank[behind]
        del behind
        by = np.argsort(
            keys, kind="stable"
        )  # fast where little is out of order, as in a text that repeats itself
        order[at] = who[by]
        keys = keys[by]
        del who, by
        at = _settle(at, order, keys, rank)
        known *= 2
    return order


def _packed(ids: Array) -> tuple[NDArray[np.uint64], int]:
    """The first symbols from each place on as one number, and how many they are; beyond the end
    stands 0."""
    there = np.bincount(ids) > 0
    number = np.cumsum(there, dtype=np.uint32)  # of each id, from 1 on
    bits = int(there.sum()).bit_length() or 1
    dense = number[ids] if len(ids) else np.zeros(0, np.uint32)
    keys = np.zeros(len(ids), np.uint64)
    many = BITS // bits
    for offset in range(many):
        keys <<= np.uint64(bits)
        keys[: max(0, len(ids) - offset)] |= dense[offset:]
    return keys, many


def _settle(at: Array, order: Array, keys: Array, rank: Array) -> Array:
    """Give each place the rank of its group, of equal keys; and which places in the order stand in
    groups of more than one."""
    fresh = np.ones(len(at) + 1, np.bool_)  # the first of a group; one more stands behind the last
    np.not_equal(keys[1:], keys[:-1], out=fresh[1:-1])
    first = np.maximum.accumulate(np.where(fresh[:-1], at, np.uint32(0)))
    rank[order[at]] = first + np.uint32(1)
    return at[~(fresh[:-1] & fresh[1:])]


class Span(NamedTuple):
    """A stretch of a text that stands in the corpus.

    Args:
        start: where it begins in the text, in symbols.
        length: in symbols.
        position: where it stands first in the corpus, in symbols.
    """

    start: int
    length: int
    position: int


class Suffixes:
    """A text and the order of its suffixes.

    Args:
        text: each symbol in ``width`` bytes, the highest first, so that bytes are ordered as
            symbols are.
        width: 1, 2 or 4.
        order: (n,) of ``suffix_array``.
    """

    def __init__(self, text: bytes | mmap, width: int, order: Array) -> None:
        assert width in WIDTHS and len(text) == width * len(order)
        self.text, self.width, self.order = text, width, order
        self._order = np.ascontiguousarray(
            order, np.uint32
        ).data  # gives Python's own numbers, fast

    @classmethod
    def of(cls, ids: Array, width: int) -> "Suffixes":
        """Of some ids, each below ``256**width``."""
        return cls(packed(ids, width), width, suffix_array(ids))

    def __len__(self) -> int:
        return len(self.order)

    def find(self, pattern: bytes, lo: int = 0, hi: int | None = None) -> tuple[int, int]:
        """Where the suffixes that begin with a pattern stand in the order, from and until; looked
        for between two places of it."""
        key = self._key(len(pattern))
        lo = bisect_left(self._order, pattern, lo, len(self) if hi is None else hi, key=key)
        return lo, bisect_right(
            self._order, pattern, lo, len(self) if hi is None else hi, key=key
        ) if self._begins(lo, pattern) else lo

    def stands(self, pattern: bytes, times: int = 1) -> bool:
        """Whether a pattern stands in the text, at so many places at least."""
        at = bisect_left(self._order, pattern, key=self._key(len(pattern))) + times - 1
        return self._begins(at, pattern)

    def continuations(self, pattern: bytes) -> list[int]:
        """The symbols that stand behind a pattern in the text, in order, each once."""
        (lo, hi), size, width = self.find(pattern), len(pattern), self.width
        found = []
        while lo < hi:
            place = self._order[lo] * width + size
            if symbol := self.text[place : place + width]:
                found.append(int.from_bytes(symbol, "big"))
                lo = bisect_right(
                    self._order, pattern + symbol, lo, hi, key=self._key(size + width)
                )
            else:  # the pattern is the end of the text
                lo += 1
        return found

    def longest_at(self, text: bytes, place: int, times: int = 1) -> tuple[int, int]:
        """How long the longest stretch of another text from a place on is that stands here, at so
        many places; and the first of them.

        Of a stretch of no symbol, the place is 0.
        """
        start, (lo, hi) = place * self.width, (0, len(self))

        def stands(length: int) -> bool:
            nonlocal lo, hi
            found = self.find(
                text[start : start + length * self.width], lo, hi
            )  # inside of what shorter ones gave
            if enough := found[1] - found[0] >= times:
                lo, hi = found
            return enough

        length = most(stands, len(text) // self.width - place)
        return length, int(self.order[lo:hi].min()) if length else 0

    def longest_end(self, text: bytes, times: int = 1) -> int:
        """How long the longest end of another text is that stands here, at so many places."""
        return most(
            lambda length: self.stands(text[len(text) - length * self.width :], times),
            len(text) // self.width,
        )

    def spans(
        self,
        text: bytes,
        least: int = 1,
        times: int = 1,
        each: Callable[[int], object] = lambda _: None,
    ) -> Iterator[Span]:
        """The stretches of another text that stand here, none of them inside of another, in order.

        Args:
            text: in symbols of as many bytes; one that is not here matches nothing.
            least: shorter ones are left out, and most of them not even looked at.
            times: at how many places they have to stand; 2 where the text is this one itself.
            each: called with the number of symbols that were read, now and then.
        """
        width, until = self.width, len(text) // self.width
        start = 0
        while start + least <= until:
            length, position = 0, 0
            if self.stands(text[start * width : (start + least) * width], times):
                length, position = self.longest_at(text, start, times)
                yield Span(start, length, position)
            # The next one goes over the symbol that this one, or that the shortest from here on,
            # breaks off before.
            end = start + max(length + 1, least)
            behind = (
                end - self.longest_end(text[(start + 1) * width : end * width], times)
                if end <= until
                else until
            )
            each(behind - start)
            start = behind
        each(until - start)

    def _key(self, size: int) -> Callable[[int], bytes]:
        text, width = self.text, self.width
        if width == 1:
            return lambda place: text[place : place + size]
        return lambda place: text[place * width : place * width + size]

    def _begins(self, at: int, pattern: bytes) -> bool:
        """Whether the suffix at a place in the order is there, and begins with a pattern."""
        if at >= len(self):
            return False
        place = self._order[at] * self.width
        return self.text[place : place + len(pattern)] == pattern


def packed(ids: Array, width: int) -> bytes:
    """Ids as bytes whose order is theirs."""
    return ids.astype(f">u{width}").tobytes()


def most(holds: Callable[[int], bool], limit: int) -> int:
    """The highest number up to a limit that something holds for, which holds for all below it too,
    and for 0."""
    found, step = 0, FIRST
    while found + step <= limit and holds(found + step):
        found, step = found + step, 2 * step
    while step > 1:
        step //= 2
        if found + step <= limit and holds(found + step):
            found += step
    return found
