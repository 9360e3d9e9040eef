"""The shares of a sequence are disjoint, and together they are all of it."""

from itertools import islice

from charrnn.generation.share import WHOLE, Share


def test_a_share_has_every_so_many_rounds():
    assert list(islice(Share(1, 3).numbers(2), 5)) == [2, 3, 8, 9, 14]


def test_the_whole_sequence_is_one_share():
    assert list(islice(WHOLE.numbers(4), 6)) == [0, 1, 2, 3, 4, 5]
