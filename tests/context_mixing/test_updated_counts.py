"""The counts of a model, updated from a text, predict by the formula of the table."""

import numpy as np
import pytest

from charrnn.context_mixing import count_table, updated_counts
from charrnn.context_mixing.contexts import KINDS, Contexts
from charrnn.context_mixing.count_table import UNSEEN, Predicted
from charrnn.context_mixing.counting import count_followers
from charrnn.context_mixing.updated_counts import WEIGHT, UpdatedCounts
from charrnn.storage.count_file import to_bytes
from charrnn.vocab import Ids, Vocabulary
from tests.context_mixing.test_count_table import (
    CHARS,
    by_group,
    probabilities,
    sample,
    slow_predictions,
    vocabularies,
)

pytestmark = pytest.mark.usefixtures("unlimited")


def read_all(updated: UpdatedCounts, ids: Ids, piece: int = 32) -> list[Predicted]:
    """Read a text in pieces: what was predicted in each."""
    contexts = updated.reader.of_text(ids)[:-1]
    predicted = []
    for start in range(0, len(contexts), piece):
        next_symbols = ids[1:][start : start + piece]
        predicted.append(updated.read(contexts[start : start + piece], next_symbols))
    return predicted


@vocabularies
def test_a_place_is_predicted_from_the_counts_of_both_texts_before_it(
    vocabulary: Vocabulary,
) -> None:
    reader = Contexts(vocabulary)
    ids = sample(vocabulary, 300)
    new = sample(vocabulary, 80, seed=1)
    predicted = read_all(UpdatedCounts(count_followers(reader, ids).table), new)
    p = np.concatenate([probabilities(part, len(vocabulary)) for part in predicted])
    features = np.concatenate([part.features for part in predicted])
    contexts = np.concatenate([reader.of_text(ids)[:-1], reader.of_text(new)[:-1]])
    followers = np.concatenate([ids[1:], new[1:]])
    weights = np.repeat([1, WEIGHT], [len(ids) - 1, len(new) - 1])
    for place in range(0, len(new) - 1, 6):
        at = len(ids) - 1 + place
        counted = np.where(np.arange(len(weights)) < at, weights, 0)
        expected, sizes = slow_predictions(vocabulary, contexts, followers, counted, [at], 1)
        np.testing.assert_allclose(p[place], expected[0], rtol=1e-5)
        logs, *_ = by_group(features[place : place + 1])
        totals = [n for n, _ in sizes[0]]
        np.testing.assert_allclose(logs[0], 0.25 * np.log1p(totals), rtol=1e-6)


@vocabularies
def test_the_table_of_all_counts_is_that_of_both_texts(vocabulary: Vocabulary) -> None:
    reader = Contexts(vocabulary)
    ids = sample(vocabulary, 400)
    new = sample(vocabulary, 200, seed=1)
    table = count_followers(reader, ids).table
    before = to_bytes(table)
    updated = UpdatedCounts(table)
    read_all(updated, new)
    found = updated.merge()
    counted = dict[tuple[int, int], int]()
    for text, weight in ((ids, 1), (new, WEIGHT)):
        for row, follower in zip(
            reader.of_text(text)[:-1].tolist(), text[1:].tolist(), strict=True
        ):
            for context in row:
                counted[context, follower] = counted.get((context, follower), 0) + weight
    pairs = sorted(counted)
    owners = np.repeat(found.contexts, np.diff(found.starts)).tolist()
    assert list(zip(owners, found.symbols.tolist(), strict=True)) == pairs
    assert found.counts.tolist() == [counted[pair] for pair in pairs]
    assert (np.diff(found.contexts.astype(np.int64)) > 0).all()
    assert to_bytes(table) == before  # the model's own table is unchanged
    assert updated.merge() is found
    # reading continues from the merged table
    more = sample(vocabulary, 50, seed=2)
    at_once = UpdatedCounts(found)
    for one, other in zip(read_all(updated, more), read_all(at_once, more), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@vocabularies
def test_moving_the_updates_to_a_table_changes_no_prediction(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = count_followers(Contexts(vocabulary), sample(vocabulary, 500), 2).table
    new = sample(vocabulary, 300, seed=1)
    whole = UpdatedCounts(table)
    expected = read_all(whole, new)
    monkeypatch.setattr(updated_counts, "MERGE_EVERY", 40)
    moved = UpdatedCounts(table)
    found = read_all(moved, new)
    assert len(moved._updated) < len(whole._updated)
    for one, other in zip(found, expected, strict=True):
        p = probabilities(one, len(vocabulary))
        np.testing.assert_allclose(p, probabilities(other, len(vocabulary)), rtol=1e-6)
        np.testing.assert_allclose(one.features, other.features, rtol=1e-6)
    assert to_bytes(moved.merge()) == to_bytes(whole.merge())


def test_a_model_without_a_context_learns_all_of_them() -> None:
    reader = Contexts(CHARS)
    empty = count_followers(reader, CHARS.encode("")).table
    updated = UpdatedCounts(empty)
    text = CHARS.encode("the cat sat on the ")
    read_all(updated, text)
    table = updated.merge()
    p = probabilities(table.predict(table.rows_of_text(text)[-1:]), len(CHARS))
    # "the " was followed by a c
    assert CHARS.decode(p[0].argmax(-1)) == "cc"
    nothing = UpdatedCounts(empty)
    assert nothing.merge() is empty


def test_counts_that_grow_too_large_are_scaled_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_table, "MAX_COUNT", 50)
    table = count_followers(Contexts(CHARS), CHARS.encode("a " * 30 + "ac")).table
    updated = UpdatedCounts(table)
    read_all(updated, CHARS.encode("a " * 20 + "at"))
    found = updated.merge()
    row = int(found.rows_of_text(CHARS.encode("a a"))[-1, 0])
    counts = found.counts[found.starts[row] : found.starts[row + 1]]
    # after " a" came 29 + 2 * 19 spaces, a c and twice a t: divided by 2, and rounded up
    assert CHARS.decode(found.symbols[found.starts[row] : found.starts[row + 1]]) == " ct"
    assert counts.tolist() == [34, 1, 1]


def test_the_rarest_contexts_are_left_out_of_a_table_that_would_be_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = count_followers(Contexts(CHARS), sample(CHARS, 300)).table
    new = sample(CHARS, 300, seed=1)
    whole = UpdatedCounts(table)
    read_all(whole, new)
    all_counts = whole.merge()
    largest = len(to_bytes(all_counts)) // 2
    monkeypatch.setattr(updated_counts, "MAX_BYTES", largest)
    limited = UpdatedCounts(table)
    read_all(limited, new)
    found = limited.merge()
    assert 0.9 * largest < len(to_bytes(found)) < largest + 1000  # with its header
    rows = all_counts.rows(found.contexts)
    assert (rows != UNSEEN).all()
    assert np.array_equal(found.totals, all_counts.totals[rows])
    left_out = np.setdiff1d(np.arange(len(all_counts.contexts)), rows)
    assert all_counts.totals[left_out].max() <= found.totals.min()


def test_each_kind_is_updated() -> None:
    updated = UpdatedCounts(count_followers(Contexts(CHARS), sample(CHARS, 100)).table)
    new = CHARS.encode("dog; dog; ")
    read_all(updated, new)
    rows = updated.merge().rows(updated.reader.of_text(new)[:-1])
    assert rows.shape == (len(new) - 1, len(KINDS))
    assert (rows >= 0).all()
