"""Every follower of every context is counted, rare contexts are left out, and a place is predicted
without its surroundings."""

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest

from charrnn.context_mixing import counting
from charrnn.context_mixing.contexts import KINDS, NO_END, Contexts
from charrnn.context_mixing.count_table import MAX_COUNT, CountTable, Predicted
from charrnn.context_mixing.counting import FOLDS, FoldedCounts, count_followers, folds_of
from charrnn.vocab import Ids, Vocabulary
from tests.context_mixing.test_count_table import (
    BYTES,
    CHARS,
    RECORDS,
    by_group,
    probabilities,
    sample,
    slow_predictions,
    vocabularies,
)

K = len(KINDS)


pytestmark = pytest.mark.usefixtures("unlimited")


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
        monkeypatch.setattr(counting, name, value)
    counts = count_followers(Contexts(CHARS), ids, 1)
    assert num_bytes(counts.table) <= most + 4  # the end of the last context
    assert counts.table.contexts.tolist() == whole.contexts[whole.totals >= counts.least].tolist()
    monkeypatch.undo()
    monkeypatch.setattr(counting, "MAX_BYTES_PER_SYMBOL", 10**6)
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
    p = probabilities(table.predict(table.rows(context)), 2)
    # after "aa", (50,001 + 2 / 2) / 50,004 = 0.99996 for a; after "aaa", (50,001 + 1.99992) / 50,004
    assert p[0, 0, 0] == pytest.approx(0.99998, abs=5e-6)


# Folds


def test_folds_of_running_text_are_ten_stretches_of_equal_length() -> None:
    assert folds_of(np.zeros(20, np.uint8), NO_END).tolist() == [
        fold for fold in range(10) for _ in range(2)
    ]
    assert folds_of(np.zeros(3, np.uint8), NO_END).tolist() == [0, 3, 6]
    assert folds_of(np.zeros(0, np.uint8), NO_END).tolist() == []


def records_of(words: list[str]) -> Ids:
    """Words of the letters a to z, each followed by an end, 26."""
    return np.array([ord(letter) - 97 for letter in "{".join(words) + "{"], np.uint8)


def test_records_are_divided_into_folds_at_random_with_their_ends() -> None:
    words = ["".join(letters) for letters in itertools.product("abcdefgh", repeat=4)]  # sorted
    ids = records_of(words)
    folds = folds_of(ids, 26).reshape(len(words), 5)
    assert (folds == folds[:, :1]).all()
    sizes = np.bincount(folds[:, 0], minlength=FOLDS)
    assert sizes.min() > 0.08 * len(words) and sizes.max() < 0.12 * len(words)
    neighbors_share_a_fold = (folds[1:, 0] == folds[:-1, 0]).mean()
    assert neighbors_share_a_fold < 0.15
    last = folds_of(ids[:-3], 26)  # a record without its end is one, too
    assert last[:-2].tolist() == folds_of(ids, 26)[:-5].tolist()
    assert last[-1] == last[-2]


def test_equal_records_are_in_the_same_fold_and_their_letters_have_an_order() -> None:
    words = ["".join(letters) for letters in itertools.product("abc", repeat=5)]
    once = folds_of(records_of(words), 26).reshape(-1, 6)[:, 0]
    again = folds_of(records_of(words[::-1]), 26).reshape(-1, 6)[::-1, 0]
    assert again.tolist() == once.tolist()
    mirrored = folds_of(records_of([word[::-1] for word in words]), 26).reshape(-1, 6)[:, 0]
    assert (mirrored != once).mean() > 0.5


def test_no_records_have_no_folds() -> None:
    assert folds_of(np.zeros(0, np.uint8), 26).tolist() == []


def folded(counts: FoldedCounts, ids: Ids) -> Predicted:
    """What the counts predict after each symbol of their own text."""
    rows = counts.table.rows_of_text(ids)
    folds = folds_of(ids, counts.table.reader.end)
    return counts.predict(rows, np.append(folds[1:], FOLDS))


@vocabularies
@pytest.mark.parametrize("least", [1, 3])
def test_a_place_is_predicted_from_the_other_nine_tenths(
    vocabulary: Vocabulary, least: int
) -> None:
    ids = sample(vocabulary, 400)
    reader = Contexts(vocabulary)
    predicted = folded(count_followers(reader, ids, least), ids)
    p = probabilities(predicted, len(vocabulary))
    logs, *_ = by_group(predicted.features)
    contexts = reader.of_text(ids)
    followers = np.append(ids[1:], 0)
    own = np.append(folds_of(ids, vocabulary.end)[1:], FOLDS)  # of the follower
    for fold in range(FOLDS):
        is_counted = (own != fold) & (np.arange(400) < 399)
        wanted = np.flatnonzero(own == fold)
        expected, sizes = slow_predictions(
            vocabulary, contexts, followers, is_counted, wanted.tolist(), least
        )
        np.testing.assert_allclose(p[wanted], expected, rtol=1e-5)
        n = np.array(sizes)[:, :, 0]
        np.testing.assert_allclose(logs[wanted], 0.25 * np.log1p(n), rtol=1e-6)


def test_a_record_is_predicted_from_the_records_of_other_folds() -> None:
    ids = sample(RECORDS, 1000)
    reader = Contexts(RECORDS)
    folds = folds_of(ids, RECORDS.end)
    left_out = int(folds[-1])
    assert left_out != folds[0]
    places = np.flatnonzero(folds[1:] == left_out)
    contexts = reader.of_text(ids)[places]
    counts = count_followers(reader, ids)
    found = counts.predict(counts.table.rows(contexts), np.full(len(places), left_out))
    others = count_followers(reader, ids[folds != left_out]).table
    expected = others.predict(others.rows(contexts))
    V = len(RECORDS)
    np.testing.assert_allclose(probabilities(found, V), probabilities(expected, V), rtol=1e-6)


@pytest.mark.parametrize("vocabulary", [CHARS, BYTES], ids=["char", "byte"])
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
    V = len(vocabulary)
    np.testing.assert_allclose(probabilities(after, V), probabilities(before, V), rtol=1e-6)
    np.testing.assert_allclose(after.features, before.features, rtol=1e-6)
    # while the whole table changes
    one, two = (each.table.predict(each.table.rows(contexts)) for each in (counts, other))
    assert np.abs(np.log(probabilities(one, V) / probabilities(two, V))).max() > 0.5


def test_outside_of_the_counted_text_nothing_is_left_out() -> None:
    ids = sample(CHARS)
    counts = count_followers(Contexts(CHARS), ids, 2)
    rows = counts.table.rows_of_text(sample(CHARS, 50, seed=1))
    found = counts.predict(rows, np.full(50, FOLDS))
    expected = counts.table.predict(rows)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_counts_of_the_folds_sum_to_those_of_the_text() -> None:
    counts = count_followers(Contexts(CHARS), sample(CHARS), 2)
    assert counts.fold_counts.sum(axis=1).tolist() == counts.counts.tolist()
    assert not counts.fold_counts[:, FOLDS].any()
    assert counts.counts.tolist() == counts.table.counts.tolist()
