"""Share: the part of a numbered sequence that one of several processes computes."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Every ``count``-th round of a sequence, from round ``index``.

    Args:
        index: from 0 to ``count - 1``.
        count: the number of shares.
    """

    index: int
    count: int

    def numbers(self, size: int) -> Iterator[int]:
        """The numbers in its rounds of ``size`` numbers each, without end."""
        for turn in itertools.count(self.index, self.count):
            yield from range(turn * size, (turn + 1) * size)


WHOLE = Share(0, 1)
