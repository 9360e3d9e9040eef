"""Texts drawn side by side are those of their seeds, independently of their number."""

import numpy as np
import pytest

from charrnn.config.run_config import ModelConfig
from charrnn.errors import ConfigError, GenerationError
from charrnn.generation.constraints.forms import Match
from charrnn.generation.jobs import ONE_BY_ONE
from charrnn.generation.network import CELLS, Network
from charrnn.generation.record_sampler import BLOCK
from charrnn.storage.weight_shapes import shapes
from charrnn.text_model import TextModel
from charrnn.vocab import Vocabulary

MANY = ONE_BY_ONE + BLOCK + 3


def make_model(cell="lstm", unit="char", window=9):
    vocabulary = Vocabulary(unit, "abc ." if unit == "char" else "")
    config = ModelConfig(
        cell=cell, hidden_size=24, num_layers=2, embedding_size=3, copy_window=window
    )
    V, rng = len(vocabulary), np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in shapes(config, V).items()
    }
    return TextModel(Network(config, V, weights), vocabulary, 0)


def alone(model, count, *arguments, seed, **options):
    return [model.sample(*arguments, seed=seed + n, **options) for n in range(count)]


def assert_same(samples, others):
    """The texts and seeds are equal, the log-probabilities but for rounding."""
    assert [(s.text, s.seed) for s in samples] == [(s.text, s.seed) for s in others]
    scores, of_others = ([s.log_probability for s in part] for part in (samples, others))
    np.testing.assert_allclose(scores, of_others, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_the_text_of_a_seed_is_the_one_that_it_writes_alone(cell):
    model = make_model(cell)
    samples = list(model.samples(MANY, "ab", length=25, seed=7))
    assert_same(samples, alone(model, MANY, "ab", length=25, seed=7))
    assert len({sample.text for sample in samples}) == MANY


@pytest.mark.parametrize(
    "options",
    [
        {"until": "a"},
        {"stop": ["c", "ab"]},
        {"best_of": 3},
        {"dry": 2.0, "dry_length": 2},
        {"temperature": 0.5, "top_k": 3, "ban": "c"},
        {"length": 0},
    ],
)
def test_settings_hold_for_texts_side_by_side(options):
    model = make_model()
    options = {"length": 12, "seed": 3} | options
    assert_same(list(model.samples(24, "ab", **options)), alone(model, 24, "ab", **options))


def test_a_character_of_several_bytes_is_decoded_whole():
    model = make_model(unit="byte", window=None)
    samples = list(model.samples(20, "é", length=10, seed=3))
    assert_same(samples, alone(model, 20, "é", length=10, seed=3))
    assert {len(sample.text) for sample in samples} == {10}


def test_a_text_is_the_same_however_many_are_drawn():
    model = make_model()
    many = list(model.samples(MANY, length=20, seed=7))
    for count in (ONE_BY_ONE + 1, MANY - 1):
        assert list(model.samples(count, length=20, seed=7)) == many[:count]


def test_constrained_texts_are_those_of_their_seeds_bit_for_bit():
    model = make_model()
    options = {"length": 9, "seed": 3, "constraint": Match("a[bc]*"), "particles": 2}
    assert list(model.samples(18, **options)) == alone(model, 18, **options)


def test_a_text_that_does_not_end_as_required_is_an_error_in_its_turn(monkeypatch):
    monkeypatch.setattr("charrnn.generation.pieces.MOST_BEYOND", 40)
    model = make_model()
    samples = model.samples(40, length=0, seed=3, until="aa")
    whole = []
    with pytest.raises(GenerationError, match=r"^'aa' does not occur in the 40 characters"):
        whole.extend(samples)
    assert 0 < len(whole) < 40


def test_a_setting_is_checked_before_the_first_text():
    with pytest.raises(ConfigError, match=r"^`temperature` must be"):
        make_model().samples(20, temperature=-1)
