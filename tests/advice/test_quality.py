"""A loss has a plain word, which depends on what kind of text it is."""

import pytest

from charrnn.advice.quality import OF_SYMBOLS, OF_WORDS, SCALE, learnable, quality


@pytest.mark.parametrize(
    ("loss", "word"),
    [
        (3.2, "noise"),  # that of the frequencies
        (2.76, "noise"),
        (2.74, "scraps"),
        (1.99, "scraps"),
        (1.98, "rough"),
        (1.51, "rough"),
        (1.50, "good"),
        (0.97, "good"),
        (0.95, "fluent"),
        (0.0, "fluent"),
    ],
)
def test_prose_is_judged_by_its_share_of_the_loss_of_the_frequencies(
    loss: float, word: str
) -> None:
    assert quality(loss, 3.2, 1.5, has_words=True) == word


@pytest.mark.parametrize(
    ("loss", "word"),
    [
        (3.9, "noise"),
        (3.5, "noise"),
        (3.3, "scraps"),
        (2.5, "rough"),
        (2.1, "good"),
        (1.8, "fluent"),
    ],
)
def test_a_list_is_judged_by_its_way_from_the_frequencies_to_counting(
    loss: float, word: str
) -> None:
    assert quality(loss, 4.0, 2.0, has_words=False) == word


def test_so_is_a_script_of_thousands_of_characters() -> None:
    assert quality(4.8, 6.1, 4.4, has_words=True) == "rough"
    assert quality(4.8, 6.1, 4.4, has_words=False) == "rough"


@pytest.mark.parametrize(
    ("unigram_loss", "share"), [(3.0, 0.5), (None, 1.0), (1.9, 0.0), (2.0, 0.0), (99.0, 3.0)]
)
def test_what_can_be_learned_is_between_the_frequencies_and_counting(
    unigram_loss: float | None, share: float
) -> None:
    assert learnable(unigram_loss, counting_loss=2.0, loss=2.0) == share


def test_an_older_model_and_too_simple_a_text_have_no_word() -> None:
    assert quality(1.0, None, 1.5, has_words=True) is None
    assert quality(0.0, 0.0, 0.0, has_words=True) is None
    assert quality(2.0, 2.0, 2.0, has_words=False) is None  # nothing but frequencies can be learned


def test_each_word_has_a_limit() -> None:
    assert len(SCALE) - 1 == len(OF_WORDS) == len(OF_SYMBOLS)
