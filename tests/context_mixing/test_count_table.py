"""The counts predict by the formula of the table's docstring."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from charrnn.context_mixing import counting
from charrnn.context_mixing.contexts import GROUPS, KINDS, Contexts, Reading, Readings
from charrnn.context_mixing.count_table import NUM_FEATURES, UNSEEN, Predicted, blend
from charrnn.context_mixing.counting import count_followers
from charrnn.vocab import Ids, Vocabulary

K = len(KINDS)
G = len(GROUPS)
WORDS = "the cat sat on the mat. The dog sat on the log; a cat is a cat.\n"
CHARS = Vocabulary.of(WORDS)
BYTES = Vocabulary("byte")
RECORDS = Vocabulary("char", CHARS.symbols, records=True)
VOCABULARIES = [CHARS, BYTES, RECORDS]
vocabularies = pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=["char", "byte", "records"])


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of any size, so that a context is left out only because it is rare."""
    monkeypatch.setattr(counting, "MAX_BYTES_PER_SYMBOL", 10**6)


def sample(vocabulary: Vocabulary, length: int = 1000, seed: int = 0) -> Ids:
    """A text of words in random order."""
    rng = np.random.default_rng(seed)
    words = rng.choice(WORDS.split(" "), length)
    ids = vocabulary.encode(" ".join(words.tolist()))[:length]
    if vocabulary.records:
        ids[rng.random(length) < 0.1] = vocabulary.end
        ids[-1] = vocabulary.end
    return ids


def slow_predictions(
    vocabulary: Vocabulary,
    contexts: Any,
    followers: Ids,
    is_counted: Any,
    wanted: Sequence[int],
    least: int,
) -> tuple[list[list[list[float]]], list[list[tuple[int, int]]]]:
    """The formula in plain Python, from dictionaries: p (M, G, V), and n_k and d_k (M, K).

    Args:
        contexts: (n, K) after each symbol.
        followers: (n,) what followed them.
        is_counted: (n,) whether it is counted.
        wanted: (M,) places of the contexts.
    """
    V = len(vocabulary)
    counters: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for row, follower, counted in zip(
        contexts.tolist(), followers.tolist(), is_counted, strict=True
    ):
        for kind in range(K):
            counters[kind, row[kind]][follower] += int(counted)
    predictions = []
    sizes = []
    for place in wanted:
        by_group = []
        totals = []
        kind = 0
        for kinds in GROUPS:
            p = [1 / V] * V
            for _ in kinds:
                counter = counters[kind, int(contexts[place, kind])]
                n = counter.total()
                d = sum(count > 0 for count in counter.values())
                if n >= least:
                    p = [(counter[symbol] + d * p[symbol]) / (n + d) for symbol in range(V)]
                    totals.append((n, d))
                else:
                    totals.append((0, 0))
                kind += 1
            by_group.append(p)
        predictions.append(by_group)
        sizes.append(totals)
    return predictions, sizes


# The formula


def test_an_example_by_hand() -> None:
    vocabulary = Vocabulary.of("abcd")
    table = count_followers(Contexts(vocabulary), vocabulary.encode("abcabdab")).table
    contexts = table.reader.of_text(vocabulary.encode("ab"))[-1:]
    log_p, _ = table.predict(table.rows(contexts))
    # "ab" was followed by c and by d, so n = d = 2: (1 + 2/4) / 4 = 3/8 for each, and 1/8 for a and
    # b. At the beginning of a text, "ab" is also all of the last three symbols, and of the last
    # five, followed by c: (1 + 3/8) / 2 = 11/16 and (1 + 11/16) / 2 = 27/32, and a quarter of the
    # rest.
    expected = [1 / 32, 1 / 32, 27 / 32, 3 / 32]
    np.testing.assert_allclose(np.exp(log_p[0, 0]), expected, rtol=1e-6)
    # "ab" is the beginning of the only word, alone and with the words before it
    # (1 + 1/4) / 2 = 5/8, (1 + 5/8) / 2 = 13/16, (1 + 13/16) / 2 = 29/32; 1/4 / 8 = 1/32
    np.testing.assert_allclose(np.exp(log_p[0, 1]), [1 / 32, 1 / 32, 29 / 32, 1 / 32], rtol=1e-6)


def by_hand(rows: list[list[tuple[int, int]]]) -> Predicted:
    """What counts predict: for each of K contexts of one place, its followers as (symbol, count)."""
    pairs = [(owner, *pair) for owner, row in enumerate(rows) for pair in row]
    owners, symbols, counts = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    return blend(1, 4, symbols, counts, owners)


def test_kinds_are_mixed_from_the_most_general_to_the_most_specific() -> None:
    # V = 4: p_{-1} = 1/4; then n = 3, d = 2: p_0 = (2 + 2/4) / 5 = 1/2, (1 + 2/4) / 5 = 3/10,
    # and 2/4 / 5 = 1/10 twice; the second context was never seen; the third: n = d = 1:
    # p_2 = half of p_0, and (1 + 1/10) / 2 = 11/20 for symbol 2
    log_p, features = by_hand([[(0, 2), (1, 1)], [], [(2, 1)], [], [], [(3, 4)]])
    first = [1 / 4, 3 / 20, 11 / 20, 1 / 20]
    # the words: only the last kind was seen: n = 4, d = 1: 1/4 / 5 = 1/20, and (4 + 1/4) / 5
    second = [1 / 20, 1 / 20, 1 / 20, 17 / 20]
    np.testing.assert_allclose(np.exp(log_p[0]), [first, second], rtol=1e-6)
    totals = [3, 0, 1, 0, 0, 4]
    expected = [
        *(0.25 * np.log1p(totals)),
        *[1, 0, 1, 0, 0, 1],
        *[2 / 5, 0, 1 / 2, 0, 0, 1 / 5],
        *[-sum(p * np.log(p) for p in group) for group in (first, second)],
        *[np.log(11 / 20), np.log(17 / 20)],
    ]
    np.testing.assert_allclose(features[0], expected, rtol=1e-6)


@vocabularies
@pytest.mark.parametrize("least", [1, 3])
def test_predictions_are_those_of_the_formula_in_plain_python(
    vocabulary: Vocabulary, least: int
) -> None:
    ids = sample(vocabulary, 300)
    reader = Contexts(vocabulary)
    table = count_followers(reader, ids, least).table
    other = sample(vocabulary, 40, seed=1)
    contexts = np.concatenate([reader.of_text(ids), reader.of_text(other)])
    followers = np.append(ids[1:], [0] * (1 + len(other)))
    is_counted = np.arange(len(contexts)) < len(ids) - 1
    wanted = range(280, 340)
    expected, sizes = slow_predictions(vocabulary, contexts, followers, is_counted, wanted, least)
    log_p, features = table.predict(table.rows(contexts[280:]))
    np.testing.assert_allclose(np.exp(log_p), expected, rtol=1e-5)
    n, d = np.moveaxis(np.array(sizes), 2, 0)  # (M, K) each
    np.testing.assert_allclose(features[:, :K], 0.25 * np.log1p(n), rtol=1e-6)
    assert (features[:, K : 2 * K] == (n > 0)).all()
    np.testing.assert_allclose(features[:, 2 * K : 3 * K], d / np.maximum(1, n + d), rtol=1e-6)
    assert (n == 0).any() and (n > 5).any()


@vocabularies
def test_predictions_sum_to_one(vocabulary: Vocabulary) -> None:
    table = count_followers(Contexts(vocabulary), sample(vocabulary, 3000), 2).table
    rng = np.random.default_rng(0)
    rows = rng.integers(UNSEEN, len(table.contexts), (200, K)).astype(np.int32)
    log_p, features = table.predict(rows)
    assert log_p.shape == (200, G, len(vocabulary))
    assert features.shape == (200, NUM_FEATURES)
    assert log_p.dtype == features.dtype == np.float32
    np.testing.assert_allclose(np.exp(log_p.astype(np.float64)).sum(-1), 1, rtol=1e-6)


@vocabularies
def test_one_stream_is_predicted_as_several(vocabulary: Vocabulary) -> None:
    reader = Contexts(vocabulary)
    table = count_followers(reader, sample(vocabulary, 2000), 2).table
    readings = []
    reading = Reading()
    for idx in sample(vocabulary, 200, seed=1).tolist():
        reading = reader.after(reading, idx)
        readings.append(reading)
    log_p, features = table.predict(table.rows(reader.of_readings(Readings.of(readings))))
    for place, one in enumerate(readings):
        found = table.predict_one(reader.of_reading(one))
        assert found.log_p.dtype == found.features.dtype == np.float32
        np.testing.assert_allclose(found.log_p, log_p[place], rtol=1e-5)
        np.testing.assert_allclose(found.features, features[place], rtol=1e-5, atol=1e-7)
    assert 0 < features[:, K : 2 * K].mean() < 1


@pytest.mark.parametrize("length", [0, 1])
def test_a_text_without_a_pair_has_an_empty_table_that_predicts_nothing(length: int) -> None:
    table = count_followers(Contexts(CHARS), CHARS.encode("a"[:length])).table
    assert [len(array) for array in (table.contexts, table.symbols, table.counts)] == [0, 0, 0]
    assert table.starts.tolist() == [0]
    assert len(table.totals) == 0
    rows = table.rows_of_text(CHARS.encode("the cat"))
    assert (rows == UNSEEN).all()
    log_p, features = table.predict(rows)
    np.testing.assert_allclose(log_p, -np.log(len(CHARS)), rtol=1e-6)
    assert not features[:, : 3 * K].any()
    found = table.predict_one(table.reader.of_reading(Reading()))
    np.testing.assert_allclose(found.log_p, log_p[0], rtol=1e-6)
    np.testing.assert_allclose(found.features, features[0], rtol=1e-6)
