"""A text that was begun before costs only its end, and is the same text bit for bit."""

import numpy as np
import pytest

from charrnn.generation.network import Network
from charrnn.generation.prefix_cache import PrefixCache
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


def plain(network, ids):
    state = network.zero_state()
    for idx in ids:
        logits, state = network.step(idx, state)
    return logits, state


@pytest.mark.parametrize("ids", [[1], [1, 2, 3], [1, 2, 0, 1, 2, 3, 1, 2]])
def test_what_is_read_is_the_same_bit_for_bit(ids):
    network = make_model().network
    cache = PrefixCache()
    cache.read(network, ids[:1])
    cache.read(network, [*ids, 2])
    for _ in range(2):
        logits, state = cache.read(network, ids)
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
        cache.read(network, ids)
        costs.append(len(steps) - before)
    assert costs == [2, 1, 0, 2, 1, 1]


def test_the_states_that_were_not_used_for_longest_are_dropped(steps):
    network = make_model().network
    cache = PrefixCache(2)
    cache.read(network, [1])
    cache.read(network, [2])
    cache.read(network, [1])
    cache.read(network, [3])
    before = len(steps)
    cache.read(network, [1])
    assert len(steps) == before
    cache.read(network, [2])
    assert len(steps) == before + 1


def test_a_text_is_the_same_with_and_without_a_cache():
    model = make_model()
    expected = [model.generate("abc", length=30, seed=seed) for seed in range(3)]
    model.generator.prefixes = PrefixCache()
    model.generate("ab", length=3, seed=0)
    assert [model.generate("abc", length=30, seed=seed) for seed in range(3)] == expected
    assert np.array_equal(model.score("abc"), make_model().score("abc"))
