"""Each character has its probability, its rank, and what was likelier."""

import numpy as np
import pytest

from charrnn.config.run_config import ModelConfig
from charrnn.errors import ConfigError, CorpusError, VocabularyError
from charrnn.generation.network import CELLS, Network
from charrnn.generation.sampling import log_probabilities
from charrnn.storage.weight_shapes import shapes
from charrnn.surprise import explanation as module
from charrnn.text_model import TextModel
from charrnn.vocab import Vocabulary

TEXT = "abba cab a\nbee"


def make_model(vocabulary, cell="lstm"):
    config = ModelConfig(cell=cell, hidden_size=8, num_layers=2, embedding_size=4, copy_window=9)
    V, rng = len(vocabulary), np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.7, shape).astype(np.float32)
        for name, shape in shapes(config, V).items()
    }
    return TextModel(Network(config, V, weights), vocabulary, V - 1 if vocabulary.records else 0)


CHARS = Vocabulary.of("\n abcemé")
BYTES = Vocabulary("byte")
RECORDS = Vocabulary("char", "abc", records=True)


def distributions(model, ids):
    """The log-probabilities (n, V) before each id."""
    state, last, rows = model.network.zero_state(), model.prime, []
    for idx in ids:
        logits, state = model.network.step(last, state)
        rows.append(log_probabilities(logits.astype(np.float64)))
        last = idx
    return np.array(rows)


@pytest.mark.parametrize("cell", CELLS)
def test_the_probabilities_are_those_of_the_score(cell):
    model = make_model(CHARS, cell)
    explanation = model.explain(TEXT)
    assert explanation.text == TEXT
    np.testing.assert_allclose(explanation.log_probabilities, model.score(TEXT), rtol=1e-12)
    assert explanation.nats_per_character == pytest.approx(-model.score(TEXT).mean())


@pytest.mark.parametrize("together", [1, 40, 1 << 20])
def test_rank_entropy_and_alternatives_are_those_of_the_prediction(together, monkeypatch):
    monkeypatch.setattr(module, "MOST_LOGITS", together)
    model = make_model(CHARS)
    ids = CHARS.encode(TEXT).tolist()
    expected = distributions(model, ids)
    for place, character in enumerate(model.explain(TEXT, alternatives=3)):
        of_all = expected[place]
        assert character.character == TEXT[place]
        assert character.rank == 1 + (of_all > of_all[ids[place]]).sum()
        assert character.entropy == pytest.approx(-(np.exp(of_all) * of_all).sum())
        likeliest = np.argsort(-of_all)[:3]
        assert [text for text, _ in character.alternatives] == [CHARS.symbols[i] for i in likeliest]
        probabilities = [probability for _, probability in character.alternatives]
        assert probabilities == pytest.approx(np.exp(of_all[likeliest]))
        assert character.bits == pytest.approx(-of_all[ids[place]] / np.log(2))


def test_a_character_of_several_bytes_is_one():
    model = make_model(BYTES)
    explanation = model.explain("aéb")
    assert [character.character for character in explanation] == ["a", "é", "b"]
    np.testing.assert_allclose(explanation.log_probabilities, model.score("aéb"), rtol=1e-12)
    before = distributions(model, list("aéb".encode()))
    assert explanation[1].rank == 1 + (before[1] > before[1][0xC3]).sum()
    texts = {text for character in explanation for text, _ in character.alternatives}
    assert texts <= {chr(i) for i in range(128)} | {f"\\x{i:02x}" for i in range(128, 256)}


def test_each_record_is_read_on_its_own_and_has_its_end():
    model = make_model(RECORDS)
    model.about = {"data": {"separator": "\n"}}
    explanation = model.explain("abc\n\nba")
    assert explanation.text == "abc\nba\n"
    scores = np.concatenate([model.score("abc"), model.score("ba")])
    np.testing.assert_allclose(explanation.log_probabilities, scores, rtol=1e-12)
    assert explanation.offsets.tolist() == [0, 1, 2, 3, 5, 6, 7]


def test_unknown_characters_are_an_error_or_left_out_or_replaced():
    model = make_model(CHARS)
    with pytest.raises(VocabularyError, match="has not seen the character 'z'"):
        model.explain("abz")
    assert model.explain("azb", unknown="skip").text == "ab"
    assert model.explain("aE", unknown="replace").text == "ae"
    with pytest.raises(CorpusError, match=r"^nothing is left of the text"):
        model.explain("zzz", unknown="skip")
    with pytest.raises(ConfigError, match=r"^`alternatives` must be"):
        model.explain("ab", alternatives=0)


def test_a_part_is_an_explanation_and_the_most_surprising_come_first():
    explanation = make_model(CHARS).explain(TEXT)
    part = explanation[2:5]
    assert (part.text, len(part), part[0]) == (TEXT[2:5], 3, explanation[2])
    assert explanation[-1] == explanation[len(TEXT) - 1]
    order = explanation.most_surprising(4)
    assert sorted(explanation.bits, reverse=True)[:4] == [explanation.bits[i] for i in order]
    assert len(explanation.most_surprising(10**6)) == len(TEXT)


def test_progress_counts_every_symbol():
    counts = []
    make_model(CHARS).explain(TEXT, on_progress=counts.append)
    assert sum(counts) == len(TEXT)


def test_its_repr_is_short_and_its_html_is_escaped():
    model = make_model(Vocabulary.of("<b>&\"' "))
    explanation = model.explain("<b>&\"' " * 20)
    assert len(repr(explanation)) < 150
    page = explanation._repr_html_()
    assert "<b>" not in page
    assert "&lt;" in page
