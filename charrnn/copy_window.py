"""Recall: what followed the last time that the same few symbols were read, in the text just read.

A name that the corpus never held is spelled again as soon as it has been read once: beside its
state, the network is shown, for each of ORDERS, the symbol that followed the last occurrence of its
last k symbols within a window, and learns how far to believe it (a match model, Mahoney 2005, in
the place of a pointer network's attention, Vinyals et al. 2015). With a window of 12 and k = 3:

    t h e _ c a t , _ t h e | _        after "the" there stood "_" the last time

Two ways to the same symbols: ``recall`` takes a whole text at once, for training; ``Memory`` takes
one symbol at a time, for writing. Knows nothing of networks.

    n  symbols of a text      W  window      K  how many ORDERS there are
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ORDERS = (3, 4, 5, 6, 8, 11)  # k, how many symbols must be the same
NOTHING = -1
WHOLE = 1 << 23  # symbols of a text whose finds are all kept
PIECE = 1 << 15  # symbols of a longer one that are looked at together, or as many as the window has
BLOCK = (
    1 << 20
)  # symbols taken at once, and a window before them, so that memory does not grow with the text
BEFORE = chr(
    0x10FFFF
)  # stands before the first symbol; no vocabulary is so large that a symbol has this number
NEWEST = tuple(slice(-order, None) for order in ORDERS)  # the last so many symbols
SHORT = 4096  # symbols of a trail beyond those that count, before it is made anew without them

Array = NDArray[Any]


def recall(ids: Array, window: int, end: int = NOTHING) -> Array:
    """For each place of a text, what followed the last time that its last k symbols were read.

    Args:
        ids: (n,) the text.
        window: W, how many symbols back the earlier occurrence may end: less than so many.
        end: of records, the symbol at the end of each: nothing is recalled from the one before.

    Returns:
        (n, K) ids; NOTHING where there was no such time.
    """
    found = np.full(
        (len(ids), len(ORDERS)),
        NOTHING,
        np.int16 if len(ids) == 0 or ids.max() < 2**15 else np.int32,
    )
    for start in range(0, len(ids), BLOCK):
        before = max(0, start - window - ORDERS[-1])
        piece = _recall_block(
            ids[before : start + BLOCK].astype(np.int64), window, found.dtype, end
        )
        found[start : start + BLOCK] = piece[start - before :]
    return found


def _recall_block(ids: Array, window: int, kind: Any, end: int) -> Array:
    """As ``recall``, all at once: the places of equal grams are neighbours once grams are sorted
    with their places."""
    n = len(ids)
    found = np.full((n, len(ORDERS)), NOTHING, kind)
    symbols = int(ids.max()) + 1 if n else 1
    bits = (
        n.bit_length()
    )  # of a place: 22 at most; with 22 for a gram's number and 18 for a symbol, 62 in all
    record = np.cumsum(ids == end) if end >= 0 else None  # the number of each symbol's record
    number = np.zeros(n, np.int64)  # of the gram of length k - 1 that begins here
    for k in range(1, min(ORDERS[-1], n) + 1):
        gram = number[: n - k + 1] * symbols + ids[k - 1 :]
        order = np.sort(gram << bits | np.arange(n - k + 1))
        places, gram = order & ((1 << bits) - 1), order >> bits
        same = gram[1:] == gram[:-1]
        number[places[0]] = 0
        number[places[1:]] = np.cumsum(~same)
        if k in ORDERS:
            near = same & (places[1:] - places[:-1] < window)
            if record is not None:
                near &= record[places[1:]] == record[places[:-1]]
            found[places[1:][near] + k - 1, ORDERS.index(k)] = ids[places[:-1][near] + k]
    return found


class Recalled:
    """What ``recall`` finds in a text, to be taken at any places: ``recalled[places] -> (..., K)``.

    Of a text up to WHOLE symbols it is worked out at once; of a longer one in pieces where they are
    asked for, and kept for a while.

    Args:
        ids: (n,) the text.
        window: W.
        vocab_size: V.
        end: as for ``recall``.
    """

    def __init__(self, ids: Array, window: int, vocab_size: int, end: int = NOTHING) -> None:
        self.ids, self.window, self.end = ids, window, end
        self.kind = np.int16 if vocab_size < 2**15 else np.int32
        self.pieces: dict[int, Array] = {}  # by number, the one that was used last at the end
        self.size = max(1, len(ids)) if len(ids) <= WHOLE else max(PIECE, window)

    def __getitem__(self, places: Array) -> Array:
        """(...) places to (..., K) ids."""
        if self.size >= len(self.ids):
            return self._piece(0)[places]
        flat = places.reshape(-1)
        order = np.argsort(flat, kind="stable")
        wanted, starts = np.unique(flat[order] // self.size, return_index=True)
        found = np.empty((len(flat), len(ORDERS)), self.kind)
        for number, here in zip(wanted.tolist(), np.split(order, starts[1:]), strict=True):
            found[here] = self._piece(number)[flat[here] - number * self.size]
        while len(self.pieces) > max(
            WHOLE // self.size, len(wanted) + 1
        ):  # places that go on find theirs again
            self.pieces.pop(next(iter(self.pieces)))
        return found.reshape(*places.shape, len(ORDERS))

    def _piece(self, number: int) -> Array:
        piece = self.pieces.pop(number, None)
        if piece is None:
            start = number * self.size
            before = max(0, start - self.window - ORDERS[-1])
            piece = recall(self.ids[before : start + self.size], self.window, self.end)[
                start - before :
            ].astype(self.kind)
        self.pieces[number] = piece
        return piece


class Trail:
    """Symbols in the order in which they were read, and where each of their runs stood last; only
    ever longer.

    Args:
        window: W.
        ids: what was read before, of which the last ``window + ORDERS[-1]`` count.
    """

    def __init__(self, window: int, ids: Sequence[int] = ()) -> None:
        self.window, self.longest = (
            window,
            2 * (window + ORDERS[-1]) + SHORT,
        )  # symbols, after which it is made anew
        self.ids: list[int] = []
        self.newest = (
            BEFORE * ORDERS[-1]
        )  # the last ORDERS[-1] symbols, each as the character of that number
        self.places: dict[
            str, int
        ] = {}  # of each run of so many as an order says: where what followed it stands
        for idx in ids[-(window + ORDERS[-1]) :]:
            self.append(idx)

    def copy(self) -> "Trail":
        """Another of the same symbols."""
        other = Trail(self.window)
        other.ids, other.newest, other.places = self.ids.copy(), self.newest, self.places.copy()
        return other

    def append(self, idx: int) -> tuple[int, ...]:
        """Read one symbol more: what followed the last time, for each of ORDERS; NOTHING where
        there was none within the window."""
        ids, places = self.ids, self.places
        ids.append(idx)
        n = len(ids)
        too_far = n - self.window
        self.newest = newest = (self.newest + chr(idx))[-ORDERS[-1] :]
        found = []
        for newest_few in NEWEST:
            run = newest[newest_few]
            place = places.get(run, too_far)
            places[run] = n
            found.append(ids[place] if place > too_far else NOTHING)
        return tuple(found)


class Memory(NamedTuple):
    """What one stream has read, as it was at some moment: a trail, and how much of it had been read
    then.

    Memories that come from one another share their trail; where one that is not the newest is gone
    on from, it takes a copy.

    Args:
        trail: the symbols.
        length: how many of them count.
        followers: what followed the last time that the newest few were read, for each of ORDERS.
    """

    trail: Trail
    length: int = 0
    followers: tuple[int, ...] = (NOTHING,) * len(ORDERS)

    @classmethod
    def of(cls, window: int, ids: Sequence[int] = ()) -> "Memory":
        """Of a stream that has read these, of which the last ``window + ORDERS[-1]`` count."""
        memory = cls(Trail(window, ids[:-1]))
        return memory._replace(length=len(memory.trail.ids)).after(ids[-1]) if ids else memory

    def after(self, idx: int) -> "Memory":
        """With one symbol more."""
        trail, length = self.trail, self.length
        if len(trail.ids) != length or length > trail.longest:
            trail = Trail(trail.window, self.ids)
            length = len(trail.ids)
        return Memory(trail, length + 1, trail.append(idx))

    def fork(self) -> "Memory":
        """The same, to be gone on with beside this one."""
        return (
            self._replace(trail=self.trail.copy()) if len(self.trail.ids) == self.length else self
        )

    @property
    def ids(self) -> list[int]:
        """What was read, as far back as it counts."""
        return self.trail.ids[max(0, self.length - self.trail.window - ORDERS[-1]) : self.length]
