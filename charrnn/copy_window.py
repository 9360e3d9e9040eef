"""Copy window: the symbol that followed the last time the same few symbols were read.

It lets the network spell a name that is not in the corpus as soon as it has read it once. For each
k in ORDERS, the network is shown the symbol that followed the previous occurrence of the newest k
symbols within a window, and learns how far to trust it (a match model, Mahoney 2005, instead of a
pointer network's attention, Vinyals et al. 2015). With a window of 12 and k = 3:

    t h e _ c a t , _ t h e | _        after "the" came "_" the last time

``recall`` takes a whole text at once, for training; ``Memory`` takes one symbol at a time, for
generation. Both find the same symbols.

    n  symbols of a text      W  window      K  the number of ORDERS
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.piecewise import Piecewise

ORDERS = (3, 4, 5, 6, 8, 11)  # k, the number of symbols that must be equal
LONGEST_ORDER = ORDERS[-1]
NOTHING = -1
BLOCK = 1 << 20  # symbols searched together, so that memory does not grow with the text
# Before the first symbol; no vocabulary is large enough for a symbol to have this number.
PADDING = chr(0x10FFFF)
SUFFIXES = tuple(slice(-order, None) for order in ORDERS)  # the newest k symbols
LONGEST_BRANCH = 512  # symbols; a longer one is joined with its base when it branches
TRAIL_SLACK = 4096  # symbols that a trail may keep beyond twice its reach

Array = NDArray[Any]


def recall(ids: Array, window: int, end: int = NOTHING) -> Array:
    """For each place in a text, what followed its newest k symbols the last time.

    Args:
        ids: (n,) the text.
        window: W; the earlier occurrence ends fewer than W symbols back.
        end: for records, the symbol at the end of each: nothing is recalled from another record.

    Returns:
        (n, K) ids; NOTHING if there was no earlier occurrence.
    """
    largest = int(ids.max()) if len(ids) else 0
    return _recall_range(ids, 0, len(ids), window, end, _id_dtype(largest))


def _id_dtype(largest: int) -> type[np.signedinteger[Any]]:
    """The smaller integer type that holds the ids and NOTHING."""
    if largest < 2**15:
        return np.int16
    return np.int32


def _recall_range(ids: Array, start: int, stop: int, window: int, end: int, dtype: Any) -> Array:
    """``recall(ids, ...)[start:stop]``, block by block."""
    followers = np.empty((stop - start, len(ORDERS)), dtype)
    reach = window + LONGEST_ORDER
    for first in range(start, stop, BLOCK):
        last = min(first + BLOCK, stop)
        before = max(0, first - reach)
        block = ids[before:last].astype(np.int64)
        recalled = _recall_block(block, window, end, dtype)
        rows = slice(first - start, last - start)
        followers[rows] = recalled[first - before :]
    return followers


def _recall_block(ids: Array, window: int, end: int, dtype: Any) -> Array:
    """``recall`` for one block: sorting puts equal grams next to each other."""
    n = len(ids)
    followers = np.full((n, len(ORDERS)), NOTHING, dtype)
    symbols = int(ids.max()) + 1
    record = None
    if end >= 0:
        record = np.cumsum(ids == end)  # (n,) the number of each symbol's record
    number = np.zeros(n, np.int64)  # (n,) of the gram of length k - 1 that begins here
    for k in range(1, min(LONGEST_ORDER, n) + 1):
        gram, places = _sort_grams(number[: n - k + 1] * symbols + ids[k - 1 :])
        same = gram[1:] == gram[:-1]
        earlier = places[:-1]
        later = places[1:]
        number[places[0]] = 0
        number[later] = np.cumsum(~same)
        if k not in ORDERS:
            continue
        near = same & (later - earlier < window)
        if record is not None:
            near &= record[later] == record[earlier]
        newest = later[near] + k - 1  # the place of the last symbol of the later gram
        follower = earlier[near] + k  # the place of the symbol after the earlier one
        followers[newest, ORDERS.index(k)] = ids[follower]
    return followers


def _sort_grams(gram: Array) -> tuple[Array, Array]:
    """(m,) grams by place to (m,) sorted grams, and (m,) their places.

    Equal grams are in the order of their places. Gram and place are packed into one integer of at
    most 62 bits: 22 for the place, 22 for the number of the gram without its last symbol, and 18
    for that symbol.
    """
    bits = len(gram).bit_length()
    packed = np.sort(gram << bits | np.arange(len(gram)))
    places = packed & ((1 << bits) - 1)
    return packed >> bits, places


class Recalled(Piecewise):
    """What ``recall`` finds in a text, for any places: (...) places to (..., K) ids.

    Args:
        ids: (n,) the text.
        window: W.
        vocab_size: V.
        end: as for ``recall``.
    """

    def __init__(self, ids: Array, window: int, vocab_size: int, end: int = NOTHING) -> None:
        self.ids = ids
        self.window = window
        self.end = end
        self.dtype = _id_dtype(vocab_size)
        super().__init__(len(ids), window, self._recall)

    def _recall(self, start: int, stop: int) -> Array:
        return _recall_range(self.ids, start, stop, self.window, self.end, self.dtype)


class Trail:
    """Symbols in the order of reading, and the last place of each run of k symbols.

    It only grows; ``Memory`` begins a new one when it gets too long. A branch of a trail holds only
    what was read after it, so branching costs little; then the trail itself must not grow any more.

    Args:
        window: W.
        ids: what was read before; only the last ``window + LONGEST_ORDER`` are used.
        base: of which this is a branch.
    """

    def __init__(
        self,
        window: int,
        ids: Sequence[int] = (),
        base: "Trail | None" = None,
    ) -> None:
        self.window = window
        self.reach = window + LONGEST_ORDER
        self.max_length = 2 * self.reach + TRAIL_SLACK
        self.base = base
        self.is_branched = False  # whether others are branches of it
        self.first = 0 if base is None else len(base)  # the place of its first symbol
        self.ids: list[int] = []  # those that are not in the base
        # The newest LONGEST_ORDER symbols, each as the character of that number.
        self.newest: str = PADDING * LONGEST_ORDER if base is None else base.newest
        # For each run of k symbols, the place of what followed its last occurrence; those that did
        # not occur since the base are in its places.
        self.places: dict[str, int] = {}
        self._places_before = {} if base is None else base.places
        for idx in ids[-self.reach :]:
            self.append(idx)

    def __len__(self) -> int:
        return self.first + len(self.ids)

    def branch(self) -> "Trail":
        """An independent trail that continues this one."""
        if self.base is None:
            self.is_branched = True
            return Trail(self.window, base=self)
        if len(self.ids) < LONGEST_BRANCH:
            other = Trail(self.window, base=self.base)
            other.ids = self.ids.copy()
            other.places = self.places.copy()
        else:
            other = Trail(self.window)
            other.ids = self.base.ids + self.ids
            other.places = self.base.places | self.places
        other.newest = self.newest
        return other

    def last(self, length: int) -> list[int]:
        """The symbols within reach after the first ``length``."""
        start = max(0, length - self.reach)
        before: list[int] = []
        if self.base is not None and start < self.first:
            before = self.base.ids[start : min(length, self.first)]
        return before + self.ids[max(0, start - self.first) : max(0, length - self.first)]

    def append(self, idx: int) -> tuple[int, ...]:
        """Read one more symbol.

        Returns:
            what followed the newest k symbols the last time, for each of ORDERS; NOTHING if they
            were not read within the window.
        """
        places = self.places
        self.ids.append(idx)
        n = len(self)
        too_far = n - self.window
        self.newest = newest = (self.newest + chr(idx))[-LONGEST_ORDER:]
        followers = []
        for suffix in SUFFIXES:
            run = newest[suffix]
            place = places.get(run)
            if place is None:
                place = self._places_before.get(run, too_far)
            places[run] = n
            followers.append(self._symbol(place) if place > too_far else NOTHING)
        return tuple(followers)

    def _symbol(self, place: int) -> int:
        if self.base is not None and place < self.first:
            return self.base.ids[place]
        return self.ids[place - self.first]


class Memory(NamedTuple):
    """What one stream has read so far: a trail, and the number of its symbols that belong to it.

    Memories derived from one another share their trail; one that is not the newest begins a new
    one when it reads another symbol, so a memory that several streams will continue is forked.

    Args:
        trail: the symbols.
        length: the number of them that this stream has read.
        followers: what followed the newest symbols the last time, for each of ORDERS.
    """

    trail: Trail
    length: int = 0
    followers: tuple[int, ...] = (NOTHING,) * len(ORDERS)

    @classmethod
    def of(cls, window: int, ids: Sequence[int] = ()) -> "Memory":
        """The memory of a stream that has read ``ids``."""
        if not ids:
            return cls(Trail(window))
        trail = Trail(window, ids[:-1])
        return cls(trail, len(trail)).after(ids[-1])

    def after(self, idx: int) -> "Memory":
        """The memory of the stream after one more symbol."""
        trail = self.trail
        length = self.length
        if len(trail) != length or length > trail.max_length:
            trail = Trail(trail.window, self.ids)
            length = len(trail)
        elif trail.is_branched:
            trail = trail.branch()
        return Memory(trail, length + 1, trail.append(idx))

    def fork(self) -> "Memory":
        """A copy that can continue independently of this one."""
        if len(self.trail) != self.length:
            return self
        return self._replace(trail=self.trail.branch())

    @property
    def ids(self) -> list[int]:
        """The symbols read, as far back as the window reaches."""
        return self.trail.last(self.length)
