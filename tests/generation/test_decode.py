"""The decoding loop: ids in, ids out."""

from itertools import islice

import numpy as np
import pytest

from charrnn.config.run_config import ModelConfig
from charrnn.generation.decode import History, decode
from charrnn.generation.network import CELLS, Network
from charrnn.generation.sampling import Sampler, log_probabilities
from charrnn.storage.weight_shapes import shapes

V = 5

over_cells = pytest.mark.parametrize("cell", CELLS)


def make_network(cell):
    config = ModelConfig(cell=cell, hidden_size=8, num_layers=2, embedding_size=3)
    rng = np.random.default_rng(0)
    return Network(
        config,
        V,
        {
            name: rng.standard_normal(shape).astype(np.float32)
            for name, shape in shapes(config, V).items()
        },
    )


def read(network, ids):
    """The logits and the state after reading these ids."""
    logits, state = None, network.zero_state()
    for idx in ids:
        logits, state = network.step(idx, state)
    return logits, state


@over_cells
def test_greedy_decoding_always_takes_the_likeliest_symbol(cell):
    network = make_network(cell)
    logits, state = read(network, [1, 3])
    expected = []
    for _ in range(30):
        expected.append(int(logits.argmax()))
        logits, state = network.step(expected[-1], state)
    drawn = islice(decode(network, [1, 3], Sampler(temperature=0), np.random.default_rng(0)), 30)
    assert [symbol.idx for symbol in drawn] == expected


@over_cells
def test_each_symbol_uses_the_generator_once(cell):
    used, counted = np.random.default_rng(0), np.random.default_rng(0)
    list(islice(decode(make_network(cell), [0], Sampler(), used), 20))
    counted.random(20)
    assert used.bit_generator.state == counted.bit_generator.state


@over_cells
def test_log_probabilities_are_those_of_the_network_whatever_the_sampler(cell):
    network = make_network(cell)
    drawn = list(
        islice(
            decode(
                network,
                [0, 1],
                Sampler(temperature=2, top_k=3),
                np.random.default_rng(0),
                scored=True,
            ),
            40,
        )
    )
    logits, state = read(network, [0, 1])
    expected = []
    for symbol in drawn:
        expected.append(log_probabilities(logits.astype(np.float64))[symbol.idx])
        logits, state = network.step(symbol.idx, state)
    assert [symbol.log_probability for symbol in drawn] == expected
    assert sum(symbol.log_probability for symbol in drawn) == sum(expected) < -10


@over_cells
def test_scoring_does_not_change_the_symbols_and_is_zero_when_off(cell):
    def drawn(scored):
        return list(
            islice(
                decode(make_network(cell), [0], Sampler(), np.random.default_rng(0), scored=scored),
                40,
            )
        )

    assert [symbol.idx for symbol in drawn(False)] == [symbol.idx for symbol in drawn(True)]
    assert {symbol.log_probability for symbol in drawn(False)} == {0}


def test_a_history_returns_its_last_ids_and_grows(monkeypatch):
    history = History([1, 2])
    for idx in range(200):
        history.append(idx)
    assert history.ids == [1, 2, *range(200)]
    monkeypatch.setattr("charrnn.generation.decode.REACH", 3)
    assert history.last.tolist() == [197, 198, 199]


@pytest.mark.parametrize(
    "settings",
    [
        {"dry": 1.0, "dry_length": 2},
        {"processors": (lambda ids, logits: logits - np.bincount(ids, minlength=V),)},
    ],
)
def test_a_sampler_that_looks_back_sees_the_whole_history(settings):
    network, sampler = make_network("lstm"), Sampler(temperature=0, **settings)
    drawn = [
        symbol.idx
        for symbol in islice(decode(network, [1, 3], sampler, np.random.default_rng(0)), 60)
    ]
    ids, expected = [1, 3], []
    logits, state = read(network, ids)
    for _ in range(60):
        expected.append(sampler(logits, np.random.default_rng(0), np.array(ids)))
        ids.append(expected[-1])
        logits, state = network.step(expected[-1], state)
    assert drawn == expected
    assert drawn != [
        symbol.idx
        for symbol in islice(
            decode(network, [1, 3], Sampler(temperature=0), np.random.default_rng(0)), 60
        )
    ]
