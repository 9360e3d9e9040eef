"""Recall: what followed the last time that the same few symbols were read, in the text just read.

A name that the corpus never held is spelled again as soon as it has been read once: beside its state, the network is shown,
for each of ORDERS, the symbol that followed the last occurrence of its last k symbols within a window, and learns how far to
believe it (a match model, Mahoney 2005, in the place of a pointer network's attention, Vinyals et al. 2015). With a window of
12 and k = 3:

    t h e _ c a t , _ t h e | _        after "the" there stood "_" the last time

Two ways to the same symbols: ``recall`` takes a whole text at once, for training; ``remember`` and ``followers`` take one symbol
at a time, for writing. Knows nothing of networks.

    n  symbols of a text      W  window      K  how many ORDERS there are
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ORDERS = (3, 4, 5, 6, 8, 11)  # k, how many symbols must be the same
NOTHING = -1
WHOLE = 1 << 23  # symbols of a text whose finds are all kept
PIECE = 1 << 15  # symbols of a longer one that are looked at together, or as many as the window has
BLOCK = 1 << 20  # symbols taken at once, and a window before them, so that memory does not grow with the text

Array = NDArray[Any]


def recall(ids: Array, window: int) -> Array:
    """For each place of a text, what followed the last time that its last k symbols were read.

    Args:
        ids: (n,) the text.
        window: W, how many symbols back the earlier occurrence may end: less than so many.

    Returns:
        (n, K) ids; NOTHING where there was no such time.
    """
    found = np.full((len(ids), len(ORDERS)), NOTHING, np.int16 if len(ids) == 0 or ids.max() < 2**15 else np.int32)
    for start in range(0, len(ids), BLOCK):
        before = max(0, start - window - ORDERS[-1])
        piece = _recall_block(ids[before : start + BLOCK].astype(np.int64), window, found.dtype)
        found[start : start + BLOCK] = piece[start - before :]
    return found


def _recall_block(ids: Array, window: int, kind: Any) -> Array:
    """As ``recall``, all at once: the places of equal grams are neighbours once grams are sorted with their places."""
    n = len(ids)
    found = np.full((n, len(ORDERS)), NOTHING, kind)
    symbols = int(ids.max()) + 1 if n else 1
    bits = n.bit_length()  # of a place: 22 at most; with 22 for a gram's number and 18 for a symbol, 62 in all
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
            found[places[1:][near] + k - 1, ORDERS.index(k)] = ids[places[:-1][near] + k]
    return found


class Recalled:
    """What ``recall`` finds in a text, to be taken at any places: ``recalled[places] -> (..., K)``.

    Of a text up to WHOLE symbols it is worked out at once; of a longer one in pieces where they are asked for, and kept for a while.

    Args:
        ids: (n,) the text.
        window: W.
        vocab_size: V.
    """

    def __init__(self, ids: Array, window: int, vocab_size: int) -> None:
        self.ids, self.window = ids, window
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
        while len(self.pieces) > max(WHOLE // self.size, len(wanted) + 1):  # places that go on find theirs again
            self.pieces.pop(next(iter(self.pieces)))
        return found.reshape(*places.shape, len(ORDERS))

    def _piece(self, number: int) -> Array:
        piece = self.pieces.pop(number, None)
        if piece is None:
            start = number * self.size
            before = max(0, start - self.window - ORDERS[-1])
            piece = recall(self.ids[before : start + self.size], self.window)[start - before :].astype(self.kind)
        self.pieces[number] = piece
        return piece


def blank(window: int, *batch: int) -> tuple[Array, Array]:
    """What ``remember`` begins with: ``read`` (..., W) of NOTHING, and ``matched`` (..., W)."""
    return np.full((*batch, window), NOTHING, np.int32), np.zeros((*batch, window), np.uint8)


def remember(idx: Any, read: Array, matched: Array) -> tuple[Array, Array]:
    """Read one symbol more.

    Args:
        idx: its id, an int; or (B,) for B streams.
        read: (..., W) the last W symbols, the newest last.
        matched: (..., W) at each of them: how many symbols up to it are the same as the last ones read, at most ORDERS[-1].
    """
    idx = np.asarray(idx, np.int32)[..., None]
    read = np.concatenate([read[..., 1:], idx], axis=-1)
    # A symbol stands one place further left than before, so that ``matched`` of the symbol before it is at its own place now.
    matched = (np.minimum(matched, ORDERS[-1] - 1) + 1) * (read == idx)
    matched[..., -1:] = 0  # the newest is no earlier occurrence of itself
    return read, matched


def followers(read: Array, matched: Array) -> Array:
    """What followed the last match of each of ORDERS: (..., K) ids, NOTHING where there is none."""
    if read.ndim > 1:
        return np.array([followers(*each) for each in zip(read, matched, strict=True)]).reshape(*read.shape[:-1], len(ORDERS))
    ends = np.flatnonzero(matched >= ORDERS[0])[::-1]  # the newest first
    longest = np.maximum.accumulate(matched[ends])
    first = np.searchsorted(longest, ORDERS)  # of each order, the newest match that is long enough
    symbols = np.append(read[ends + 1], NOTHING)
    return np.where(first < len(ends), symbols[np.minimum(first, len(ends))], NOTHING)
