"""Hashes of stretches of a text, computed for a whole block at once.

The hash of the code points c_0 ... c_{n-1} is the sum of (c_i + 1) m^i modulo 2^64, for an odd m
(Karp and Rabin 1987). With the sums from the beginning of the block, that of any stretch is a
difference, and since m has an inverse, it does not depend on where the stretch begins.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

MULTIPLIER = 0x9E3779B97F4A7C15  # odd
INVERSE = pow(MULTIPLIER, -1, 1 << 64)

Hashes = NDArray[np.uint64]


def stretch_hashes(codes: NDArray[Any], starts: NDArray[Any], ends: NDArray[Any]) -> Hashes:
    """The hashes of some stretches of a block.

    Args:
        codes: (n,) the code points.
        starts, ends: (m,) the place of the first, and that after the last.
    """
    sums = np.zeros(len(codes) + 1, np.uint64)
    terms = codes.astype(np.uint64) + np.uint64(1)
    terms *= _powers(MULTIPLIER, len(codes))
    np.cumsum(terms, out=sums[1:])
    inverse = _powers(INVERSE, len(codes) + 1)
    hashes: Hashes = (sums[ends] - sums[starts]) * inverse[starts]
    return hashes


def _powers(base: int, number: int) -> Hashes:
    """base^0, base^1, ... modulo 2^64."""
    length = 1 << max(1, number - 1).bit_length()  # few lengths, so that they are kept
    return _kept_powers(base, length)[:number]


@lru_cache(maxsize=4)
def _kept_powers(base: int, length: int) -> Hashes:
    factors = np.full(length, base, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)
