"""Suffix array: finds every passage of a text in logarithmic time, exactly.

A suffix array lists the places of a text in the order of the suffixes that begin there, so all
occurrences of a passage are neighbours in it. It is built by prefix doubling: the suffixes are
first sorted by the symbols that fit into one number, then, where these are equal, by the rank of
the suffix that begins after them, so that the sorted length doubles each time (Manber and Myers
1993). Only groups that are not sorted yet are sorted again (Larsson and Sadakane 2007).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from mmap import mmap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.arguments import ignore

KEY_BITS = 63  # of the number into which the first symbols of a suffix are packed
FIRST_STEP = 8  # symbols of the first step of a galloping search for a length
WIDTHS = (1, 2, 4)  # bytes of a symbol

Array = NDArray[Any]
OnProgress = Callable[[int], object]


def suffix_array(ids: Array, on_progress: OnProgress = ignore) -> NDArray[np.uint32]:
    """The places of a text in the order of the suffixes that begin there: (n,).

    A suffix comes before longer ones that begin with it. Takes about 40 bytes of memory per symbol;
    the time is n log n, times log n for a very repetitive text.

    Args:
        ids: (n,) the symbols, integers from 0 on; n is less than 2**32.
        on_progress: called with the number of suffixes that each step has put in their place.
    """
    keys, sorted_length = _prefix_keys(ids)
    order = np.argsort(keys).astype(np.uint32)  # (n,)
    keys = keys[order]
    # Where the group of each suffix begins in the order, counted from 1; 0 is the empty suffix.
    ranks = np.zeros(len(ids) + 1, np.uint32)
    unsorted = np.arange(len(ids), dtype=np.uint32)  # places in the order
    unsorted = _update_ranks(ranks, order, unsorted, keys)
    on_progress(len(ids) - len(unsorted))
    while len(unsorted):
        num_unsorted = len(unsorted)
        suffixes = order[unsorted]
        keys = _rank_pairs(ranks, suffixes, sorted_length)
        # A stable sort is fast if little is out of order, as in a repetitive text.
        by_key = np.argsort(keys, kind="stable")
        order[unsorted] = suffixes[by_key]
        keys = keys[by_key]
        del suffixes, by_key  # free memory for the next step
        unsorted = _update_ranks(ranks, order, unsorted, keys)
        on_progress(num_unsorted - len(unsorted))
        sorted_length *= 2
    return order


def _prefix_keys(ids: Array) -> tuple[NDArray[np.uint64], int]:
    """The first symbols of each suffix as one number, and the number of these symbols.

    Beyond the end of the text the digit is 0.
    """
    n = len(ids)
    is_used = np.bincount(ids) > 0
    digit_of_id = np.cumsum(is_used, dtype=np.uint32)  # from 1 on
    digits = digit_of_id[ids]  # (n,)
    num_digits = int(is_used.sum())
    bits = num_digits.bit_length() or 1
    length = KEY_BITS // bits
    keys = np.zeros(n, np.uint64)
    for offset in range(length):
        keys <<= np.uint64(bits)
        num_inside = max(0, n - offset)
        keys[:num_inside] |= digits[offset:]
    return keys, length


def _rank_pairs(
    ranks: Array,
    suffixes: Array,
    sorted_length: int,
) -> NDArray[np.uint64]:
    """The rank of each suffix and of the one ``sorted_length`` later, as one number: (m,)."""
    end = len(ranks) - 1
    later = suffixes.astype(np.int64) + sorted_length
    later = np.minimum(later, end)
    keys = ranks[suffixes].astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= ranks[later]
    return keys


def _update_ranks(
    ranks: Array,
    order: Array,
    places: Array,
    keys: Array,
) -> Array:
    """Give each suffix the rank of its group: the suffixes with the same key.

    Args:
        ranks: (n + 1,) changed in place.
        order: (n,) the suffixes.
        places: (m,) the places in the order that were sorted again.
        keys: (m,) their keys, sorted.

    Returns:
        The places that are in a group of more than one suffix.
    """
    is_boundary = np.ones(len(places) + 1, np.bool_)  # of two groups, before each place
    np.not_equal(keys[1:], keys[:-1], out=is_boundary[1:-1])
    is_first = is_boundary[:-1]  # of its group
    is_last = is_boundary[1:]
    group_starts = np.where(is_first, places, np.uint32(0))
    group_starts = np.maximum.accumulate(group_starts)
    suffixes = order[places]
    ranks[suffixes] = group_starts + np.uint32(1)
    is_alone = is_first & is_last
    return places[~is_alone]


class Span(NamedTuple):
    """A passage of another text that occurs in the corpus.

    Args:
        start: where it begins in the other text, in symbols.
        length: in symbols.
        position: where it first occurs in the corpus, in symbols.
    """

    start: int
    length: int
    position: int


class Suffixes:
    """A corpus and its suffix array.

    Args:
        text: ``width`` bytes per symbol, big-endian, so that bytes sort as the symbols do.
        width: 1, 2 or 4.
        order: (n,) the suffix array.
    """

    def __init__(self, text: bytes | mmap, width: int, order: Array) -> None:
        assert width in WIDTHS and len(text) == width * len(order)
        self.text = text
        self.width = width
        self.order = order
        # indexing a memoryview gives Python's own integers, faster than NumPy does
        self._order = np.ascontiguousarray(order, np.uint32).data

    @classmethod
    def of(cls, ids: Array, width: int, on_progress: OnProgress = ignore) -> "Suffixes":
        """Build the suffix array of ids, each less than ``256**width``."""
        return cls(packed(ids, width), width, suffix_array(ids, on_progress))

    def __len__(self) -> int:
        return len(self.order)

    def find(
        self,
        pattern: bytes,
        lo: int = 0,
        hi: int | None = None,
    ) -> tuple[int, int]:
        """The interval of the order whose suffixes begin with a pattern: start and end.

        Args:
            pattern: symbols of ``width`` bytes.
            lo: where the search begins in the order.
            hi: where it ends; None for the end of the order.
        """
        if hi is None:
            hi = len(self)
        key = self._key(len(pattern))
        lo = bisect_left(self._order, pattern, lo, hi, key=key)
        if not self._begins(lo, pattern):
            return lo, lo
        return lo, bisect_right(self._order, pattern, lo, hi, key=key)

    def occurs(self, pattern: bytes, times: int = 1) -> bool:
        """Whether a pattern occurs in the corpus at least ``times`` times."""
        lo = bisect_left(self._order, pattern, key=self._key(len(pattern)))
        return self._begins(lo + times - 1, pattern)

    def continuations(self, pattern: bytes) -> list[int]:
        """The symbols that follow a pattern in the corpus, sorted, each once."""
        lo, hi = self.find(pattern)
        longer_key = self._key(len(pattern) + self.width)
        symbols = []
        while lo < hi:
            place = self._order[lo] * self.width + len(pattern)
            symbol = self.text[place : place + self.width]
            if not symbol:  # the corpus ends with the pattern
                lo += 1
                continue
            symbols.append(int.from_bytes(symbol, "big"))
            lo = bisect_right(self._order, pattern + symbol, lo, hi, key=longer_key)
        return symbols

    def longest_at(
        self,
        text: bytes,
        place: int,
        times: int = 1,
    ) -> tuple[int, int]:
        """The longest passage of another text, from a place on, that occurs in the corpus.

        Args:
            text: the other text, symbols of ``width`` bytes.
            place: in symbols.
            times: the minimum number of occurrences.

        Returns:
            Its length in symbols, and where it first occurs; 0 and 0 if there is none.
        """
        interval = (0, len(self))

        def occurs(length: int) -> bool:
            nonlocal interval
            passage = self._cut(text, place, place + length)
            lo, hi = self.find(passage, *interval)  # inside the interval of a shorter passage
            if hi - lo < times:
                return False
            interval = (lo, hi)
            return True

        num_symbols = len(text) // self.width
        length = galloping_search(occurs, num_symbols - place)
        if not length:
            return 0, 0
        lo, hi = interval
        return length, int(self.order[lo:hi].min())

    def longest_end(self, text: bytes, times: int = 1) -> int:
        """The length of the longest end of another text that occurs at least ``times`` times."""
        num_symbols = len(text) // self.width

        def occurs(length: int) -> bool:
            end = self._cut(text, num_symbols - length, num_symbols)
            return self.occurs(end, times)

        return galloping_search(occurs, num_symbols)

    def spans(
        self,
        text: bytes,
        least: int = 1,
        times: int = 1,
        on_progress: OnProgress = ignore,
    ) -> Iterator[Span]:
        """The passages of another text that occur in the corpus, in order, none inside another.

        Args:
            text: the other text, symbols of ``width`` bytes; a symbol that is not in the corpus
                matches nothing.
            least: symbols of the shortest passage; most shorter ones are skipped without a search.
            times: the minimum number of occurrences; 2 if the text is the corpus itself.
            on_progress: called now and then with the number of symbols done since the last call.
        """
        num_symbols = len(text) // self.width
        start = 0
        while start + least <= num_symbols:
            length = 0
            shortest = self._cut(text, start, start + least)
            if self.occurs(shortest, times):
                length, position = self.longest_at(text, start, times)
                yield Span(start, length, position)
            # The next span must include the symbol at which this one ends, or, without a span
            # here, the last symbol of the shortest passage from here.
            next_start = num_symbols
            end = start + max(length + 1, least)
            if end <= num_symbols:
                covering = self._cut(text, start + 1, end)
                next_start = end - self.longest_end(covering, times)
            on_progress(next_start - start)
            start = next_start
        on_progress(num_symbols - start)

    def _cut(self, text: bytes, start: int, end: int) -> bytes:
        """The symbols of another text from one place to another."""
        return text[start * self.width : end * self.width]

    def _key(self, size: int) -> Callable[[int], bytes]:
        """The function from a place, in symbols, to the ``size`` bytes of the corpus from there."""
        text = self.text
        width = self.width
        if width == 1:
            return lambda place: text[place : place + size]
        return lambda place: text[place * width : place * width + size]

    def _begins(self, at: int, pattern: bytes) -> bool:
        """Whether the suffix at this place in the order exists and begins with a pattern."""
        if at >= len(self):
            return False
        place = self._order[at] * self.width
        return self.text[place : place + len(pattern)] == pattern


def packed(ids: Array, width: int) -> bytes:
    """Ids as big-endian bytes, ``width`` each, which sort as the ids do."""
    return ids.astype(f">u{width}").tobytes()


def symbol_width(num_symbols: int) -> int:
    """The bytes needed per symbol, so that at least one number remains unused."""
    return min(width for width in WIDTHS if num_symbols < 256**width)


def galloping_search(holds: Callable[[int], bool], limit: int) -> int:
    """The highest number up to a limit for which a condition holds, by galloping and bisection.

    Args:
        holds: the condition; true for 0, and if true for a number, true for all below it.
        limit: at least 0.
    """
    number = 0
    step = FIRST_STEP
    while number + step <= limit and holds(number + step):
        number += step
        step *= 2
    while step > 1:
        step //= 2
        if number + step <= limit and holds(number + step):
            number += step
    return number
