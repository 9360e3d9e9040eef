"""A text as ids, its end held out, with a fingerprint of everything that training depends on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.config.run_config import RunConfig
from charrnn.copy_window import recall
from charrnn.corpus.corpus import Corpus, read_corpus
from charrnn.errors import ConfigError, CorpusError
from charrnn.vocab import Vocabulary


def text_of(length: int) -> str:
    """A text of this length in which neighbours differ."""
    return ("abcdefghij" * (length // 10 + 1))[:length]


@pytest.mark.parametrize(
    ("length", "val_fraction", "num_train", "num_val"),
    [
        (100, 0.1, 90, 10),
        (1000, 0.1, 900, 100),
        (29, 0.1, 26, 3),  # 26.1 rounded down
        (10, 0.1, 8, 2),  # a validation text has at least two characters
        (4, 0.1, 2, 2),
        (4, 0.5, 2, 2),
        (5, 0.5, 2, 3),
        (100, 0.5, 50, 50),
        (100, 0.25, 75, 25),
        (90, 0.3, 63, 27),  # 0.7 * 90 is a little less than 63 in floating point
        (100, 0.34, 66, 34),
        (100, 0, 100, 0),
        (4, 0, 4, 0),
    ],
)
def test_the_end_of_the_text_is_held_out(
    length: int, val_fraction: float, num_train: int, num_val: int
) -> None:
    text = text_of(length)
    corpus = Corpus.of(text, val_fraction)
    assert (len(corpus.train), len(corpus.val), len(corpus)) == (num_train, num_val, length)
    assert corpus.vocabulary.decode(corpus.train) == text[:num_train]
    assert corpus.vocabulary.decode(corpus.val) == text[num_train:]


def test_a_split_of_nine_tenths_is_exact_for_every_length() -> None:
    ids = np.zeros(3000, np.uint8).tobytes()
    for length in range(20, 3000):
        assert len(Corpus.of(ids[:length], 0.1).train) == length * 9 // 10


@pytest.mark.parametrize("text", ["", "a", "abc", b"abc"])
def test_a_text_of_fewer_than_four_characters_is_refused(
    text: str | bytes,
) -> None:
    with pytest.raises(CorpusError) as caught:
        Corpus.of(text, 0.1)
    assert (
        str(caught.value)
        == f"the corpus must have at least 4 characters, got {len(text)}; give more text"
    )


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(CorpusError):
        Corpus.of("abcd\ud800efgh", 0.1)


def test_a_corpus_may_have_a_single_symbol() -> None:
    corpus = Corpus.of("a" * 20, 0.1)
    assert (corpus.vocabulary, corpus.prime) == (Vocabulary("char", "a"), 0)
    assert (corpus.train.tolist(), corpus.val.tolist()) == ([0] * 18, [0] * 2)


def test_symbols_that_occur_only_in_the_held_out_part_are_known() -> None:
    assert Corpus.of("a" * 18 + "xy", 0.1).vocabulary.symbols == "axy"


@pytest.mark.parametrize(("symbols", "dtype"), [(256, np.uint8), (257, np.uint16)])
def test_ids_have_the_smallest_type(symbols: int, dtype: type) -> None:
    corpus = Corpus.of("".join(map(chr, range(symbols))), 0.1)
    assert (corpus.train.dtype, corpus.val.dtype) == (dtype, dtype)


def test_bytes_are_their_own_ids() -> None:
    corpus = Corpus.of(bytes([255, 0, 255, 7]), 0.5)
    assert corpus.vocabulary == Vocabulary("byte")
    assert (corpus.train.tolist(), corpus.val.tolist()) == ([255, 0], [255, 7])


# Fingerprint


def test_the_same_text_has_the_same_fingerprint() -> None:
    assert Corpus.of("abcd" * 10, 0.1).fingerprint == Corpus.of("abcd" * 10, 0.1).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        Corpus.of("abcd" * 9 + "abcc", 0.1),  # one character of the held-out end
        Corpus.of("bacd" + "abcd" * 9, 0.1),  # two characters swapped
        Corpus.of("abce" * 10, 0.1),  # the same ids, another symbol
        Corpus.of("abcd" * 11, 0.1),
        Corpus.of("abcd" * 10, 0.2),
        Corpus.of("abcd" * 10, 0),
        Corpus.of(b"abcd" * 10, 0.1),
    ],
    ids=["end", "order", "symbol", "length", "split", "no split", "unit"],
)
def test_any_difference_changes_the_fingerprint(other: Corpus) -> None:
    assert other.fingerprint != Corpus.of("abcd" * 10, 0.1).fingerprint


def test_a_fingerprint_is_a_sha256() -> None:
    assert len(bytes.fromhex(Corpus.of("abcd", 0).fingerprint)) == 32


# Prime


@pytest.mark.parametrize(
    ("text", "prime"),
    [
        ("aaaa\nb", "\n"),  # a newline, however rare
        ("abbbaa bbb", "b"),  # 3 a, 6 b, 1 space
        ("a\rb\rc\rab\r\r", "\r"),  # no LF: the most frequent symbol
        (b"aaaa", "a"),  # no newline, though the vocabulary of bytes has one
        (b"aa\na", "\n"),
        # the newline is the last character: the model never saw what follows it
        ("abbb\n", "b"),
    ],
)
def test_the_prime_is_a_newline_or_the_most_frequent_symbol(text: str | bytes, prime: str) -> None:
    corpus = Corpus.of(text, 0)
    assert corpus.vocabulary.decode([corpus.prime]) == prime


@pytest.mark.parametrize(
    "text", ["abbb" * 4 + "\naaaaaaaaaaaaaaa", b"abbb" * 4 + b"\naaaaaaaaaaaaaaa"]
)
def test_the_prime_is_a_symbol_of_the_training_part(text: str | bytes) -> None:
    """A newline or a frequent symbol in the held-out part does not count: the network has not read
    it."""
    corpus = Corpus.of(text, 0.5)
    assert corpus.vocabulary.decode([corpus.prime]) == "b"


# Recalled symbols


@pytest.mark.parametrize("window", [2, 5, 8192])
def test_recalled_symbols_are_computed_once_per_window_from_the_training_part_only(
    window: int,
) -> None:
    corpus = Corpus.of("aaaaa abababab abcabcabc; the cat, the dog, the cat; " * 4, 0.25)
    found = corpus.recalled(window)
    assert found is not None
    np.testing.assert_array_equal(found[np.arange(len(corpus.train))], recall(corpus.train, window))
    assert len(found.ids) == len(corpus.train) < len(corpus)
    assert corpus.recalled(None) is None
    assert not np.array_equal(corpus.recalled(3), found)
    assert corpus.recalled(window) is found


def test_recalled_symbols_do_not_affect_the_fingerprint() -> None:
    corpus = Corpus.of("abcd" * 10, 0.1)
    before = corpus.fingerprint
    corpus.recalled(9)
    assert corpus.fingerprint == Corpus.of("abcd" * 10, 0.1).fingerprint == before


# A file for validation


def with_val(train: str, val: str, **knobs: Any) -> tuple[Corpus, list[str]]:
    """The corpus of a text and of a file for validation, and the notices."""
    Path("train.txt").write_text(train, encoding="utf-8")
    Path("val.txt").write_text(val, encoding="utf-8")
    config = RunConfig.from_flat({"corpus": ["train.txt"], "val": "val.txt"} | knobs)
    notices: list[str] = []
    return read_corpus(config, None, notices.append), notices


def test_a_file_for_validation_leaves_the_whole_text_for_training(here: Path) -> None:
    corpus, notices = with_val("abcdefgh", "hgfe")
    assert corpus.vocabulary.decode(corpus.train) == "abcdefgh"
    assert corpus.vocabulary.decode(corpus.val) == "hgfe"
    assert notices == []


def test_its_unknown_characters_are_left_out_and_reported(here: Path) -> None:
    corpus, notices = with_val("abcdefgh", "a\u00e9bXXcd")
    assert corpus.vocabulary.decode(corpus.val) == "abcd"
    assert notices == [
        "in val.txt, left out 'X' (U+0058, LATIN CAPITAL LETTER X) 2 times: the model does not know "
        "it; "
        "left out '\u00e9' (U+00E9, LATIN SMALL LETTER E WITH ACUTE) once: the model does not know it"
    ]


def test_its_records_are_new_ones_and_each_is_used_once(here: Path) -> None:
    corpus, notices = with_val("ab\ncd\nef\n", "ab\nfe\ndc\nfe\n", separator="\n")
    end = corpus.vocabulary.end
    records = np.split(corpus.val, np.flatnonzero(corpus.val == end) + 1)[:-1]
    assert [corpus.vocabulary.decode(record[:-1]) for record in records] == ["fe", "dc"]
    assert notices == [
        "2 records of val.txt were left out: they are repeated, or in the training text"
    ]


@pytest.mark.parametrize("val", ["", "XYZ", "aXYZ"])
def test_a_file_of_which_too_little_is_left_is_an_error(val: str, here: Path) -> None:
    with pytest.raises(CorpusError, match=r"val\.txt"):
        with_val("abcdefgh", val)


def test_a_file_and_a_share_exclude_each_other(here: Path) -> None:
    with pytest.raises(ConfigError) as error:
        with_val("abcdefgh", "abc", val_fraction=0.2)
    assert str(error.value) == (
        "`val` and `val_fraction` cannot both be given, got 'val.txt' and 0.2; "
        "leave one of them out"
    )
    assert with_val("abcdefgh", "abc", val_fraction=0)


def test_the_unigram_loss_is_that_of_the_frequencies_of_the_characters() -> None:
    corpus = Corpus.of("aaaaaabc" + "ab", 0.2)  # a 6, b 1, c 1; each counts half a time more
    assert corpus.unigram_loss == pytest.approx(-(np.log(6.5 / 9.5) + np.log(1.5 / 9.5)) / 2)
    assert Corpus.of("aaaaaabc", 0.0).unigram_loss is None


def test_the_ends_of_records_count_as_symbols() -> None:
    config = RunConfig.from_flat({"separator": "\n", "val_fraction": 0.5})
    corpus = read_corpus(config, "aa\nab\n" * 50 + "b\n", lambda notice: None)
    train = np.bincount(corpus.train, minlength=len(corpus.vocabulary)) + 0.5
    losses = -np.log(train / train.sum())
    assert corpus.unigram_loss == pytest.approx(losses[corpus.val].mean())
    assert corpus.vocabulary.end in corpus.val
