"""A training text is counted once, and its contexts are found at any place, in any shape."""

import numpy as np
import pytest

from charrnn import piecewise
from charrnn.context_mixing import counted_text
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.count_table import NUM_FEATURES
from charrnn.context_mixing.counted_text import Counted, CountedText, Selected, look_up
from charrnn.context_mixing.counting import FOLDS, count_followers, folds_of
from charrnn.vocab import Ids, Vocabulary
from tests.context_mixing.test_count_table import probabilities

CHARS = Vocabulary.of("ab c")
RECORDS = Vocabulary("char", CHARS.symbols, records=True)
BYTES = Vocabulary("byte")
VOCABULARIES = [CHARS, BYTES, RECORDS]
vocabularies = pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=["char", "byte", "records"])


def sample(vocabulary: Vocabulary, length: int, seed: int = 0) -> Ids:
    """Short words, or records of them."""
    ids = np.random.default_rng(seed).choice(vocabulary.encode("ab c"), length)
    if vocabulary.records:
        ids[::7] = vocabulary.end
        ids[-1] = vocabulary.end
    return ids


@vocabularies
def test_places_of_any_shape_have_the_rows_and_folds_of_the_text(vocabulary: Vocabulary) -> None:
    ids = sample(vocabulary, 200)
    text = CountedText(ids, vocabulary, 2)
    table = count_followers(Contexts(vocabulary), ids, 2).table
    assert text.table.contexts.tolist() == table.contexts.tolist()
    places = np.random.default_rng(1).integers(0, 200, (7, 3))
    counted = text[places]
    np.testing.assert_array_equal(counted.rows, table.rows_of_text(ids)[places])
    assert counted.folds is not None
    # the fold is that of the symbol to predict; none is left out after the last symbol
    folds = np.append(folds_of(ids, vocabulary.end), FOLDS)
    assert counted.folds.tolist() == folds[places + 1].tolist()
    assert text[np.array([[199]])].folds == [[FOLDS]]


@vocabularies
def test_the_steps_of_a_batch_are_predicted_as_in_the_whole(vocabulary: Vocabulary) -> None:
    ids = sample(vocabulary, 200)
    text = CountedText(ids, vocabulary, 2)
    places = np.arange(60).reshape(20, 3)
    for counted in (text[places], look_up(text.table, ids)[places]):
        whole = counted.predicted
        assert whole.features.shape == (60, NUM_FEATURES)
        p = probabilities(whole, len(vocabulary))
        for start in range(0, 20, 5):
            part = counted.steps(start, start + 5).predicted
            rows = slice(3 * start, 3 * (start + 5))
            np.testing.assert_array_equal(part.features, whole.features[rows])
            found = probabilities(part, len(vocabulary))
            np.testing.assert_allclose(found, p[rows], rtol=1e-6)


def test_a_training_text_leaves_out_its_surroundings_and_another_text_does_not() -> None:
    # the last tenth has a word that occurs nowhere else
    ids = np.concatenate([sample(CHARS, 900) % 2, CHARS.encode("c c " * 25)])
    text = CountedText(ids, CHARS, 1)
    places = np.arange(910, 990)[:, None]
    learned = probabilities(text[places].predicted, 4)
    read = probabilities(look_up(text.table, ids)[places].predicted, 4)
    target = ids[places[:, 0] + 1]
    steps = np.arange(80)
    # learned: as if the symbols had never been seen, so no better than chance
    assert learned[steps, 0, target].max() < 0.2501
    assert read[steps, 0, target].min() > 0.5


# Long texts


@pytest.fixture
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of more than 64 symbols are computed in pieces of 32, which reach back by 32."""
    monkeypatch.setattr(piecewise, "WHOLE", 64)
    monkeypatch.setattr(piecewise, "MIN_PIECE", 8)
    monkeypatch.setattr(counted_text, "REACH", 32)


@pytest.mark.usefixtures("short_pieces")
@vocabularies
def test_a_text_in_pieces_has_the_rows_of_the_whole(vocabulary: Vocabulary) -> None:
    ids = sample(vocabulary, 500)
    text = CountedText(ids, vocabulary, 2)
    expected = text.table.rows_of_text(ids)
    places = np.random.default_rng(2).integers(0, 500, (50, 4))
    np.testing.assert_array_equal(text[places].rows, expected[places])
    whole = np.arange(500)[:, None]
    np.testing.assert_array_equal(text[whole].rows, expected[whole])


@vocabularies
def test_only_the_end_of_a_long_text_is_counted(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted_text, "MAX_COUNTED", 300)
    ids = sample(vocabulary, 500)
    text = CountedText(ids, vocabulary, 2)
    end = CountedText(ids[200:], vocabulary, 2)
    assert text.num_counted == 300
    assert text.table.contexts.tolist() == end.table.contexts.tolist()
    assert text.table.counts.tolist() == end.table.counts.tolist()
    places = np.arange(500)[:, None]
    counted = text[places]
    # contexts are those of the whole text
    np.testing.assert_array_equal(counted.rows, text.table.rows_of_text(ids)[places])
    assert counted.folds is not None
    folds = counted.folds[:, 0]
    assert folds[:199].tolist() == [FOLDS] * 199
    assert folds[199:].tolist() == [*folds_of(ids[200:], vocabulary.end), FOLDS]
    # nothing is left out where nothing was counted
    outside = Counted(text.table, counted.rows[:199]).predicted
    inside = counted.steps(0, 199).predicted
    np.testing.assert_allclose(inside.raised, outside.raised, rtol=1e-6)
    np.testing.assert_array_equal(inside.symbols, outside.symbols)


def test_a_selection_has_the_counts_of_its_places() -> None:
    text = CountedText(sample(CHARS, 200), CHARS, 2)
    chosen = np.array([5, 6, 7, 150, 151])
    selected = Selected(text, chosen)[np.array([[0, 3], [4, 2]])]
    expected = text[np.array([[5, 150], [151, 7]])]
    assert selected.counts is expected.counts is text.counts
    np.testing.assert_array_equal(selected.rows, expected.rows)
    assert selected.folds is not None and expected.folds is not None
    np.testing.assert_array_equal(selected.folds, expected.folds)
