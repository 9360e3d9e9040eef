"""Several processes draw the same texts and records as one."""

import os
from itertools import chain, islice

import numpy as np
import pytest

from charrnn.config.run_config import ModelConfig
from charrnn.errors import ConfigError
from charrnn.generation.constraints.forms import Match
from charrnn.generation.jobs import ONE_BY_ONE, num_processes
from charrnn.generation.network import Network
from charrnn.generation.record_sampler import BLOCK
from charrnn.generation.share import Share
from charrnn.storage.weight_shapes import shapes
from charrnn.text_model import TextModel
from charrnn.vocab import Vocabulary


def make_model(records=True, window=None):
    vocabulary = Vocabulary("char", "abc", records=records)
    config = ModelConfig(hidden_size=24, num_layers=2, embedding_size=3, copy_window=window)
    V, rng = len(vocabulary), np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.7, shape).astype(np.float32)
        for name, shape in shapes(config, V).items()
    }
    return TextModel(Network(config, V, weights), vocabulary, V - 1 if records else 0)


@pytest.mark.parametrize("window", [None, 9])
def test_the_shares_of_any_number_are_the_records_bit_for_bit(window):
    generator = make_model(window=window).generator
    settings = ("a", {"temperature": 1.0}, 5, 20)
    whole = list(islice(generator.records(*settings), 6 * BLOCK))
    for count in (2, 3):
        shares = [generator.records(*settings, Share(index, count)) for index in range(count)]
        turns = [islice(shares[turn % count], BLOCK) for turn in range(6)]
        assert list(chain.from_iterable(turns)) == whole


def test_two_processes_draw_the_records_of_one():
    model = make_model()
    options = {"seed": 3, "unique": True, "accept": lambda text: "cc" not in text}
    one = model.records(150, **options)
    two = model.records(150, jobs=2, **options)
    assert list(two) == list(one)
    assert two.tally == one.tally


def test_two_processes_draw_the_constrained_records_of_one():
    settings = {"seed": 3, "constraint": Match("a[bc]*"), "length": 9, "particles": 2}
    model = make_model()
    assert list(model.records(3, jobs=2, **settings)) == list(model.records(3, **settings))


def test_two_processes_draw_the_texts_of_one():
    model = make_model(records=False, window=9)
    count = ONE_BY_ONE + BLOCK + 1  # the last two rounds are drawn side by side
    one = list(model.samples(count, "ab", length=30, seed=7, best_of=2))
    assert one[1] == model.sample("ab", length=30, seed=8, best_of=2)
    assert list(model.samples(count, "ab", length=30, seed=7, best_of=2, jobs=2)) == one


def test_there_are_no_more_processes_than_jobs_cores_and_rounds():
    cores = len(os.sched_getaffinity(0))
    assert num_processes("auto", {}, 1000) == cores
    assert num_processes(5, {}, 1000) == 5
    assert num_processes(5, {}, 3) == 3
    assert num_processes("auto", {}, 0) == 1


@pytest.mark.parametrize("jobs", [0, 1.5, True, "two", None])
def test_other_jobs_are_an_error(jobs):
    with pytest.raises(ConfigError, match=r"^`jobs` must be a whole number of at least 1"):
        make_model().records(3, jobs=jobs)


def test_processors_cannot_be_combined_with_several_jobs():
    model = make_model(records=False)
    with pytest.raises(ConfigError, match=r"^`processors` cannot be combined with several `jobs`"):
        model.samples(3, jobs=2, processors=[lambda ids, logits: logits])
