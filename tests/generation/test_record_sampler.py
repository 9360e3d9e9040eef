"""Records are drawn with the probabilities of the network, independently of their number."""

import itertools
from collections import Counter
from itertools import islice

import numpy as np
import pytest

from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.counting import count_followers
from charrnn.generation.network import CELLS, Network
from charrnn.generation.record_sampler import BLOCK, draw_records
from charrnn.generation.sampling import Sampler, log_probabilities
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

AB = Vocabulary("char", "ab", records=True)
over_cells = pytest.mark.parametrize("cell", CELLS)
over_windows = pytest.mark.parametrize("window", [None, 9])


def make_network(cell="lstm", vocabulary=AB, window=None, scale=1.0, counts=None):
    config = ModelConfig(
        cell=cell,
        hidden_size=8,
        num_layers=2,
        embedding_size=3,
        copy_window=window,
        counts=counts,
    )
    rng, V = np.random.default_rng(0), len(vocabulary)
    table = None
    if counts is not None:
        # records of up to four letters, which end in b
        ids = np.concatenate(
            [
                [*vocabulary.encode("aabb"[start:4]).tolist(), vocabulary.end]
                for start in rng.integers(0, 4, 50)
            ]
        )
        table = count_followers(Contexts(vocabulary), ids.astype(np.uint8), counts).table
    weights = {
        name: (scale * rng.standard_normal(shape)).astype(np.float32)
        for name, shape in shapes(config, V).items()
    }
    if counts is not None:
        weights["mixer.weights.weight"] *= 0.2
        weights["mixer.weights.bias"][:] = [1.0, 0.3, 0.3]
    return Network(config, V, weights, table)


def draw(network, number, *, vocabulary=AB, prompt=(), seed=1, longest=30, **sampling):
    return list(
        islice(
            draw_records(
                network,
                vocabulary,
                prompt,
                Sampler(**({"temperature": 1} | sampling)),
                seed,
                longest,
            ),
            number,
        )
    )


def by_hand(network, vocabulary, text):
    """The log-probability of each symbol of a record, including its end."""
    logits, state = network.step(vocabulary.end, network.zero_state())
    scores = []
    for idx in [*vocabulary.encode(text).tolist(), vocabulary.end]:
        scores.append(log_probabilities(logits.astype(np.float64))[idx])
        logits, state = network.step(idx, state)
    return scores


@over_windows
@over_cells
def test_a_record_does_not_depend_on_the_number_of_records(cell, window):
    network = make_network(cell, window=window)
    all_of_them = draw(network, 300)
    assert [record.number for record in all_of_them] == list(range(300))
    for number in (1, 2, BLOCK - 1, BLOCK + 1, 100):
        assert draw(network, number) == all_of_them[:number]
    assert draw(network, 300, seed=2) != all_of_them
    assert len({record.text for record in all_of_them}) > 4


@over_windows
@over_cells
def test_the_log_probability_of_a_record_matches_reading_it(cell, window):
    network = make_network(cell, window=window)
    for record in draw(network, 100, top_k=2):
        if record.whole:
            assert record.log_probability == pytest.approx(
                sum(by_hand(network, AB, record.text)), abs=1e-3
            )
    for record in draw(network, 50, prompt=[0, 1]):
        assert record.text.startswith("ab")
        if record.whole:
            assert record.log_probability == pytest.approx(
                sum(by_hand(network, AB, record.text)[2:]), abs=1e-3
            )


@over_windows
@over_cells
def test_with_counts_a_record_has_the_log_probability_of_reading_it_alone(cell, window):
    network = make_network(cell, window=window, scale=0.2, counts=1)
    longer = {"bias": ((AB.end, -2.0),)}  # which does not change what the network itself says
    records = draw(network, 100, **longer)
    whole = [record for record in records if record.whole]
    assert len({record.text for record in whole}) > 4
    for record in whole:
        assert record.log_probability == pytest.approx(
            sum(by_hand(network, AB, record.text)), abs=1e-3
        )
    for number in (1, BLOCK + 1):
        assert draw(network, number, **longer) == records[:number]
    alone = make_network(cell, window=window, scale=0.2, counts=1)
    alone.mixer = None
    assert draw(alone, 100, **longer) != records


@over_cells
def test_records_have_the_probabilities_of_the_network(cell):
    network, number = make_network(cell, scale=0.7), 20_000
    found = Counter(record.text for record in draw(network, number))
    texts = [
        "".join(letters) for size in range(4) for letters in itertools.product("ab", repeat=size)
    ]
    checked = 0
    for text in texts:
        p = float(np.exp(sum(by_hand(network, AB, text))))
        checked += p > 0.001
        assert abs(found[text] - number * p) < 5 * (number * p * (1 - p)) ** 0.5 + 1, text
    assert checked >= 5


def test_records_with_the_same_seed_are_independent():
    records = draw(make_network(scale=0.7), 20_000)
    firsts = np.array([record.text[:1] == "a" for record in records])
    for apart in (1, 2, BLOCK):
        assert abs(np.corrcoef(firsts[:-apart], firsts[apart:])[0, 1]) < 0.03


def test_a_record_that_does_not_end_in_time_is_marked_incomplete():
    network = make_network()
    for longest in (3, 8):
        records = draw(network, 2000, longest=longest)
        assert {record.whole for record in records} == {True, False}
        # the end counts
        assert max(len(record.text) for record in records if record.whole) == longest - 1
        assert {len(record.text) for record in records if not record.whole} == {longest}


def test_a_longer_limit_does_not_change_finished_records():
    network = make_network()
    short, long = draw(network, BLOCK, longest=6), draw(network, BLOCK, longest=60)
    assert [(a.text, a.whole) for a, b in zip(short, long, strict=True) if a.whole] == [
        (b.text, b.whole) for a, b in zip(short, long, strict=True) if a.whole
    ]


def test_records_of_bytes_are_text_and_may_be_empty():
    vocabulary = Vocabulary("byte", records=True)
    network = make_network(vocabulary=vocabulary)
    records = draw(network, 100, vocabulary=vocabulary)
    assert all(isinstance(record.text, str) for record in records)
    biased = draw(network, 3, vocabulary=vocabulary, bias=((256, 1e6),))
    assert [record.text for record in biased] == [""] * 3


def test_filters_that_look_back_see_only_the_record():
    seen = []

    def watch(ids, logits):
        seen.append(ids.tolist())
        return logits

    records = draw(make_network(), 40, processors=(watch,))
    assert all(ids[0] == AB.end and AB.end not in ids[1:] for ids in seen)
    prefixes = {(AB.end, *AB.encode(record.text).tolist()) for record in records if record.whole}
    assert len(prefixes) > 4
    assert prefixes <= {tuple(ids) for ids in seen}
    assert records == draw(make_network(), 40)
