"""A text that was begun before costs only its end, and is the same text bit for bit."""

import numpy as np
import pytest

from charrnn.generation.constraints.forms import Contains
from charrnn.generation.network import Network
from charrnn.generation.pieces import End
from charrnn.serve import prefix_cache
from charrnn.serve.prefix_cache import PrefixCache
from tests.serve.conftest import make_model


@pytest.fixture
def steps(monkeypatch):
    """Counts the steps of the network."""
    taken, step = [], Network.step

    def counted(network, idx, state):
        taken.append(idx)
        return step(network, idx, state)

    monkeypatch.setattr(Network, "step", counted)
    return taken


def read(cache, network, ids):
    """Read a text without letting others have turns."""
    turns = cache.read(network, ids)
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return end.value


def plain(network, ids):
    state = network.zero_state()
    for idx in ids:
        logits, state = network.step(idx, state)
    return logits, state


@pytest.mark.parametrize("ids", [[1], [1, 2, 3], [1, 2, 0, 1, 2, 3, 1, 2]])
def test_what_is_read_is_the_same_bit_for_bit(ids):
    network = make_model().network
    cache = PrefixCache()
    read(cache, network, ids[:1])
    read(cache, network, [*ids, 2])
    for _ in range(2):
        logits, state = read(cache, network, ids)
        expected, of_plain = plain(network, ids)
        assert (logits == expected).all()
        for idx in (3, 1, 2, 0):  # the kept state is not changed by what follows
            logits, state = network.step(idx, state)
            expected, of_plain = network.step(idx, of_plain)
            assert (logits == expected).all()


def test_only_new_symbols_are_read(steps):
    network = make_model().network
    cache = PrefixCache()
    costs = []
    for ids in ([1, 2], [1, 2, 3], [1, 2, 3], [1, 2, 3, 1, 1], [2], [1, 2, 3, 2]):
        before = len(steps)
        read(cache, network, ids)
        costs.append(len(steps) - before)
    assert costs == [2, 1, 0, 2, 1, 1]


def test_the_states_that_were_not_used_for_longest_are_dropped(steps):
    network = make_model().network
    cache = PrefixCache(2)
    read(cache, network, [1])
    read(cache, network, [2])
    read(cache, network, [1])
    read(cache, network, [3])
    before = len(steps)
    read(cache, network, [1])
    assert len(steps) == before
    read(cache, network, [2])
    assert len(steps) == before + 1


def test_a_text_that_differs_late_is_read_from_a_milestone(steps, monkeypatch):
    monkeypatch.setattr(prefix_cache, "MILESTONE", 10)
    network = make_model().network
    cache = PrefixCache()
    ids = [1, 2, 3, 0] * 8
    read(cache, network, ids)
    other = [*ids[:25], 0, 0]
    before = len(steps)
    logits, state = read(cache, network, other)
    assert len(steps) - before == 7  # after the first 20
    expected, of_plain = plain(network, other)
    assert (logits == expected).all()
    for idx in (3, 1, 2, 3, 0, 1):
        logits, state = network.step(idx, state)
        expected, of_plain = network.step(idx, of_plain)
        assert (logits == expected).all()


def test_what_was_read_is_kept_if_nobody_waits_for_the_rest(steps):
    network = make_model().network
    cache = PrefixCache()
    turns = cache.read(network, [1, 2, 3, 0] * 20)
    next(turns)
    next(turns)
    turns.close()
    before = len(steps)
    logits, _ = read(cache, network, [1, 2, 3, 0] * 20)
    assert len(steps) - before == 80 - 2 * prefix_cache.BURST
    assert (logits == plain(network, [1, 2, 3, 0] * 20)[0]).all()


def test_a_text_goes_on_after_what_was_read():
    model = make_model()
    after = read(PrefixCache(), model.network, model.vocabulary.encode("abc").tolist())
    for sampling in ({}, {"constraint": Contains("ab")}):
        end = End.of(model.vocabulary, 30, (), None)
        rng = np.random.default_rng(3)
        pieces = model.generator.pieces("abc", end, rng, sampling, scored=False, after=after)
        text = "".join(piece.text for piece in pieces)
        assert text == make_model().generate("abc", length=30, seed=3, **sampling)
        after = read(PrefixCache(), model.network, model.vocabulary.encode("abc").tolist())
