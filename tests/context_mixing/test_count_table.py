"""The counts predict by the formula of the table's docstring, and leave out the fold of a place."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from charrnn.context_mixing import count_table
from charrnn.context_mixing.contexts import GROUPS, KINDS, Contexts, Reading, Readings
from charrnn.context_mixing.count_table import (
    FOLDS,
    MAX_COUNT,
    NUM_FEATURES,
    UNSEEN,
    CountTable,
    FoldedCounts,
    Predicted,
    blend,
    count_followers,
    fold_of,
)
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
    monkeypatch.setattr(count_table, "MAX_BYTES_PER_SYMBOL", 10**6)


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
    for row, follower, counted in zip(contexts.tolist(), followers.tolist(), is_counted, strict=True):
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


# The table


def test_contexts_and_followers_are_sorted_and_counted() -> None:
    ids = sample(CHARS)
    reader = Contexts(CHARS)
    table = count_followers(reader, ids).table
    expected: dict[int, Counter[int]] = defaultdict(Counter)
    for row, follower in zip(reader.of_text(ids)[:-1].tolist(), ids[1:].tolist(), strict=True):
        for context in row:
            expected[context][follower] += 1
    assert table.contexts.tolist() == sorted(expected)
    found = {}
    for row, context in enumerate(table.contexts.tolist()):
        part = slice(int(table.starts[row]), int(table.starts[row + 1]))
        symbols = table.symbols[part].tolist()
        assert symbols == sorted(symbols)
        found[context] = dict(zip(symbols, table.counts[part].tolist(), strict=True))
    assert found == expected
    assert table.totals.tolist() == [expected[context].total() for context in sorted(expected)]
    dtypes = [table.contexts.dtype, table.starts.dtype, table.symbols.dtype, table.counts.dtype]
    assert dtypes == [np.uint32, np.uint32, np.uint8, np.uint16]


@pytest.mark.parametrize("least", [1, 2, 7, 1000])
def test_contexts_that_occur_less_often_than_least_are_left_out(least: int) -> None:
    ids = sample(CHARS)
    whole = count_followers(Contexts(CHARS), ids).table
    counts = count_followers(Contexts(CHARS), ids, least)
    assert counts.least == least
    assert counts.table.contexts.tolist() == whole.contexts[whole.totals >= least].tolist()
    assert counts.table.totals.tolist() == whole.totals[whole.totals >= least].tolist()


def num_bytes(table: CountTable) -> int:
    arrays = (table.contexts, table.starts, table.symbols, table.counts)
    return sum(array.nbytes for array in arrays)


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({"MAX_BYTES_PER_SYMBOL": 8}, 8 * 3000),
        ({"MAX_BYTES_PER_SYMBOL": 1}, 3000),
        ({"MAX_BYTES": 5000}, 5000),
        ({"MAX_BYTES": 0}, 0),
    ],
    ids=str,
)
def test_the_rarest_contexts_are_left_out_until_the_table_fits(
    limits: dict[str, int], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = np.random.default_rng(0).integers(0, len(CHARS), 3000).astype(np.uint8)
    whole = count_followers(Contexts(CHARS), ids).table
    assert num_bytes(whole) > most
    for name, value in limits.items():
        monkeypatch.setattr(count_table, name, value)
    counts = count_followers(Contexts(CHARS), ids, 1)
    assert num_bytes(counts.table) <= most + 4  # the end of the last context
    assert counts.table.contexts.tolist() == whole.contexts[whole.totals >= counts.least].tolist()
    monkeypatch.undo()
    monkeypatch.setattr(count_table, "MAX_BYTES_PER_SYMBOL", 10**6)
    assert num_bytes(count_followers(Contexts(CHARS), ids, counts.least - 1).table) > most


def test_the_counts_of_a_frequent_context_are_divided_by_the_same_number() -> None:
    # "aa" occurs 200,003 times before a, and once before b: 200,003 / 65,535 is above 3, so all are
    # divided by 4 and rounded up
    vocabulary = Vocabulary.of("ab")
    ids = np.append(np.zeros(200_005, np.uint8), [1, 0, 1]).astype(np.uint8)
    counts = count_followers(Contexts(vocabulary), ids)
    table = counts.table
    context = table.reader.of_text(np.zeros(9, np.uint8))[-1:]  # (1, K)
    row = int(table.rows(context)[0, 0])
    start = int(table.starts[row])
    assert table.symbols[start : start + 2].tolist() == [0, 1]
    assert table.counts[start : start + 2].tolist() == [50_001, 1]
    assert counts.counts[start : start + 2].tolist() == [200_003, 1]
    assert table.counts.max() <= MAX_COUNT
    log_p, _ = table.predict(table.rows(context))
    np.testing.assert_allclose(np.exp(log_p.astype(np.float64)).sum(-1), 1, rtol=1e-6)


# Folds


def test_folds_are_ten_stretches_of_equal_length() -> None:
    assert fold_of(np.arange(-2, 23), 20).tolist() == [
        *[FOLDS] * 2,
        *[fold for fold in range(10) for _ in range(2)],
        *[FOLDS] * 3,
    ]
    assert fold_of(np.arange(3), 3).tolist() == [0, 3, 6]
    assert fold_of(np.arange(2), 0).tolist() == [FOLDS, FOLDS]


def folded(counts: FoldedCounts, ids: Ids) -> Predicted:
    """What the counts predict after each symbol of their own text."""
    rows = counts.table.rows_of_text(ids)
    return counts.predict(rows, fold_of(np.arange(1, len(ids) + 1), len(ids)))


@vocabularies
@pytest.mark.parametrize("least", [1, 3])
def test_a_place_is_predicted_from_the_other_nine_tenths(
    vocabulary: Vocabulary, least: int
) -> None:
    ids = sample(vocabulary, 400)
    reader = Contexts(vocabulary)
    log_p, features = folded(count_followers(reader, ids, least), ids)
    contexts = reader.of_text(ids)
    followers = np.append(ids[1:], 0)
    fold_size = 40
    own = (np.arange(400) + 1) // fold_size  # of the follower
    for fold in range(FOLDS):
        is_counted = (own != fold) & (np.arange(400) < 399)
        wanted = np.flatnonzero(own == fold)
        expected, sizes = slow_predictions(
            vocabulary, contexts, followers, is_counted, wanted.tolist(), least
        )
        np.testing.assert_allclose(np.exp(log_p[wanted]), expected, rtol=1e-5)
        n = np.array(sizes)[:, :, 0]
        np.testing.assert_allclose(features[wanted, :K], 0.25 * np.log1p(n), rtol=1e-6)


@vocabularies
def test_changing_a_fold_does_not_change_what_is_predicted_there(vocabulary: Vocabulary) -> None:
    ids = sample(vocabulary, 1000)
    reader = Contexts(vocabulary)
    counts = count_followers(reader, ids, 2)
    places = np.arange(299, 399)  # before the symbols of fold 3
    rows = counts.table.rows_of_text(ids)[places]
    before = counts.predict(rows, np.full(100, 3))
    changed = ids.copy()
    # not the last words of the fold, which are contexts of the next one
    changed[300:370] = np.random.default_rng(5).permutation(changed[300:370])
    assert (changed != ids).sum() > 40
    other = count_followers(reader, changed, 2)
    contexts = reader.of_text(ids)[places]
    after = other.predict(other.table.rows(contexts), np.full(100, 3))
    np.testing.assert_allclose(after.log_p, before.log_p, rtol=1e-6)
    np.testing.assert_allclose(after.features, before.features, rtol=1e-6)
    # while the whole table changes
    one, two = (each.table.predict(each.table.rows(contexts)) for each in (counts, other))
    assert np.abs(one.log_p - two.log_p).max() > 0.5


def test_outside_of_the_counted_text_nothing_is_left_out() -> None:
    ids = sample(CHARS)
    counts = count_followers(Contexts(CHARS), ids, 2)
    rows = counts.table.rows_of_text(sample(CHARS, 50, seed=1))
    found = counts.predict(rows, np.full(50, FOLDS))
    expected = counts.table.predict(rows)
    np.testing.assert_allclose(found.log_p, expected.log_p, rtol=1e-6)
    np.testing.assert_allclose(found.features, expected.features, rtol=1e-6)


def test_the_counts_of_the_folds_sum_to_those_of_the_text() -> None:
    counts = count_followers(Contexts(CHARS), sample(CHARS), 2)
    assert counts.fold_counts.sum(axis=1).tolist() == counts.counts.tolist()
    assert not counts.fold_counts[:, FOLDS].any()
    assert counts.counts.tolist() == counts.table.counts.tolist()
