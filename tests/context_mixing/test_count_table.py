"""The counts predict by the formula of the table's docstring."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from charrnn.context_mixing import count_table
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


pytestmark = pytest.mark.usefixtures("unlimited")


def sample(vocabulary: Vocabulary, length: int = 1000, seed: int = 0) -> Ids:
    """A text of words in random order."""
    rng = np.random.default_rng(seed)
    words = rng.choice(WORDS.split(" "), length)
    ids = vocabulary.encode(" ".join(words.tolist()))[:length]
    if vocabulary.records:
        ids[rng.random(length) < 0.1] = vocabulary.end
        ids[-1] = vocabulary.end
    return ids


def probabilities(predicted: Predicted, vocab_size: int) -> Any:
    """What was predicted, as p (M, G, V)."""
    raised = np.zeros((len(predicted.features), G, vocab_size))
    raised[predicted.places, predicted.groups, predicted.symbols] = predicted.raised
    p = np.exp(raised)
    return p / p.sum(-1, keepdims=True)


def by_group(features: Any) -> tuple[Any, Any, Any, Any, Any]:
    """(M, F) features: log n_k, whether it was seen, the share of p_{k-1}, each (M, K); and the
    entropy and the highest log-probability of each group, (M, G)."""
    split = features.reshape(-1, G, 11)
    parts = [split[:, :, 3 * part : 3 * part + 3].reshape(-1, K) for part in range(3)]
    return parts[0], parts[1], parts[2], split[:, :, 9], split[:, :, 10]


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
    p = probabilities(table.predict(table.rows(contexts)), 4)
    # "ab" was followed by c and by d, so n = d = 2: (1 + 2/4) / 4 = 3/8 for each, and 1/8 for a and
    # b. At the beginning of a text, "ab" is also all of the last three symbols, and of the last
    # five, followed by c: (1 + 3/8) / 2 = 11/16 and (1 + 11/16) / 2 = 27/32, and a quarter of the
    # rest.
    expected = [1 / 32, 1 / 32, 27 / 32, 3 / 32]
    np.testing.assert_allclose(p[0, 0], expected, rtol=1e-6)
    # "ab" is the beginning of the only word, alone and with the words before it
    # (1 + 1/4) / 2 = 5/8, (1 + 5/8) / 2 = 13/16, (1 + 13/16) / 2 = 29/32; 1/4 / 8 = 1/32
    np.testing.assert_allclose(p[0, 1], [1 / 32, 1 / 32, 29 / 32, 1 / 32], rtol=1e-6)


def by_hand(rows: list[list[tuple[int, int]]]) -> Predicted:
    """What counts predict: for each of K contexts of one place, its followers as (symbol, count)."""
    pairs = [pair for row in rows for pair in row]
    symbols, counts = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    sizes = np.array([[len(row) for row in rows]])
    return blend(4, symbols, counts, sizes)


def test_kinds_are_mixed_from_the_most_general_to_the_most_specific() -> None:
    # V = 4: p_{-1} = 1/4; then n = 3, d = 2: p_0 = (2 + 2/4) / 5 = 1/2, (1 + 2/4) / 5 = 3/10,
    # and 2/4 / 5 = 1/10 twice; the second context was never seen; the third: n = d = 1:
    # p_2 = half of p_0, and (1 + 1/10) / 2 = 11/20 for symbol 2
    predicted = by_hand([[(0, 2), (1, 1)], [], [(2, 1)], [], [], [(3, 4)]])
    first = [1 / 4, 3 / 20, 11 / 20, 1 / 20]
    # the words: only the last kind was seen: n = 4, d = 1: 1/4 / 5 = 1/20, and (4 + 1/4) / 5
    second = [1 / 20, 1 / 20, 1 / 20, 17 / 20]
    np.testing.assert_allclose(probabilities(predicted, 4)[0], [first, second], rtol=1e-6)
    # which of the others are as likely as each other, and not listed
    assert predicted.groups.tolist() == [0, 0, 0, 1]
    assert predicted.symbols.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(predicted.raised, np.log([5, 3, 11, 17]), rtol=1e-6)
    expected = []
    for n, seen, shares, p in (
        ([3, 0, 1], [1, 0, 1], [2 / 5, 0, 1 / 2], first),
        ([0, 0, 4], [0, 0, 1], [0, 0, 1 / 5], second),
    ):
        expected += [*(0.25 * np.log1p(n)), *seen, *shares]
        expected += [-sum(p * np.log(p)), np.log(max(p))]
    np.testing.assert_allclose(predicted.features[0], expected, rtol=1e-6)


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
    predicted = table.predict(table.rows(contexts[280:]))
    p = probabilities(predicted, len(vocabulary))
    np.testing.assert_allclose(p, expected, rtol=1e-5)
    assert predicted.features.shape == (len(wanted), NUM_FEATURES)
    logs, seen, shares, entropy, highest = by_group(predicted.features)
    n, d = np.moveaxis(np.array(sizes), 2, 0)  # (M, K) each
    np.testing.assert_allclose(logs, 0.25 * np.log1p(n), rtol=1e-6)
    assert (seen == (n > 0)).all()
    np.testing.assert_allclose(shares, d / np.maximum(1, n + d), rtol=1e-6)
    log_p = np.log(expected)
    np.testing.assert_allclose(entropy, -(expected * log_p).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(highest, log_p.max(-1), rtol=1e-5)
    assert (n == 0).any() and (n > 5).any()


@vocabularies
def test_predictions_sum_to_one(vocabulary: Vocabulary) -> None:
    V = len(vocabulary)
    table = count_followers(Contexts(vocabulary), sample(vocabulary, 3000), 2).table
    rng = np.random.default_rng(0)
    rows = rng.integers(UNSEEN, len(table.contexts), (200, K)).astype(np.int32)
    predicted = table.predict(rows)
    assert predicted.raised.dtype == predicted.features.dtype == np.float32
    assert (predicted.raised > 0).all()
    *_, highest = by_group(predicted.features.astype(np.float64))
    # the symbols that are not listed have the same probability, which follows from the highest
    raised = np.zeros((200, G, V))
    raised[predicted.places, predicted.groups, predicted.symbols] = predicted.raised
    log_base = highest - raised.max(-1)
    total = np.exp(raised + log_base[:, :, None]).sum(-1)
    np.testing.assert_allclose(total, 1, rtol=1e-5)


@vocabularies
def test_a_sum_over_all_symbols_and_one_over_those_listed_are_equal(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = count_followers(Contexts(vocabulary), sample(vocabulary, 1000), 2).table
    rows = table.rows_of_text(sample(vocabulary, 50, seed=1))
    found = []
    for sparseness in (0, 10**9):
        monkeypatch.setattr(count_table, "MAX_SPARSENESS", sparseness)
        found.append(table.predict(rows))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@vocabularies
def test_one_stream_is_predicted_as_several(vocabulary: Vocabulary) -> None:
    reader = Contexts(vocabulary)
    table = count_followers(reader, sample(vocabulary, 2000), 2).table
    readings = []
    reading = Reading()
    for idx in sample(vocabulary, 200, seed=1).tolist():
        reading = reader.after(reading, idx)
        readings.append(reading)
    predicted = table.predict(table.rows(reader.of_readings(Readings.of(readings))))
    p = probabilities(predicted, len(vocabulary))
    for _ in range(2):  # what was predicted is kept
        for place, one in enumerate(readings):
            contexts = np.array(reader.of_reading(one), np.uint32)
            found = table.predict_one(table.rows(contexts).tolist())
            features = np.concatenate([of_group.features for of_group in found])
            np.testing.assert_allclose(features, predicted.features[place], rtol=1e-5, atol=1e-7)
            for group, of_group in enumerate(found):
                raised = np.zeros(len(vocabulary))
                raised[of_group.symbols] = of_group.raised
                expected = np.exp(raised) / np.exp(raised).sum()
                np.testing.assert_allclose(p[place, group], expected, rtol=1e-5)
    _, seen, *_ = by_group(predicted.features)
    assert 0 < seen.mean() < 1


def test_only_some_of_what_was_predicted_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_table, "MAX_KEPT", 7)
    reader = Contexts(CHARS)
    table = count_followers(reader, sample(CHARS, 500), 2).table
    whole = table.rows_of_text(sample(CHARS, 100, seed=1)).tolist()
    expected = [table.predict_one(rows) for rows in whole]
    for rows, before in zip(whole, expected, strict=True):
        for one, other in zip(table.predict_one(rows), before, strict=True):
            assert [part.tolist() for part in one] == [part.tolist() for part in other]
        assert len(table._kept) <= 7


@pytest.mark.parametrize("length", [0, 1])
def test_a_text_without_a_pair_has_an_empty_table_that_predicts_nothing(length: int) -> None:
    table = count_followers(Contexts(CHARS), CHARS.encode("a"[:length])).table
    assert [len(array) for array in (table.contexts, table.symbols, table.counts)] == [0, 0, 0]
    assert table.starts.tolist() == [0]
    assert len(table.totals) == 0
    rows = table.rows_of_text(CHARS.encode("the cat"))
    assert (rows == UNSEEN).all()
    predicted = table.predict(rows)
    assert len(predicted.symbols) == 0
    logs, seen, shares, entropy, highest = by_group(predicted.features)
    assert not (logs.any() or seen.any() or shares.any())
    np.testing.assert_allclose(entropy, np.log(len(CHARS)), rtol=1e-6)
    np.testing.assert_allclose(highest, -np.log(len(CHARS)), rtol=1e-6)
    found = table.predict_one([UNSEEN] * len(KINDS))
    features = np.concatenate([of_group.features for of_group in found])
    np.testing.assert_allclose(features, predicted.features[0], rtol=1e-6)
    assert [len(of_group.symbols) for of_group in found] == [0, 0]
