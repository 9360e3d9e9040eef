"""The smoothing follows the formula, as checked against a slow and plain implementation."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.corpus import kneser_ney as yardstick
from charrnn.corpus.kneser_ney import ORDER, Yardstick, measure

Gram = tuple[int, ...]
Array = NDArray[np.int64]


class Plain:
    """Interpolated modified Kneser-Ney with dictionaries instead of arrays (Chen and Goodman
    1999)."""

    def __init__(self, ids: Sequence[int], vocab_size: int, order: int) -> None:
        self.vocab_size, self.order = vocab_size, min(order, len(ids) - 1)
        places = [
            [tuple(ids[i : i + k + 1]) for i in range(len(ids) - k)] for k in range(self.order + 1)
        ]
        before: dict[Gram, set[int]] = defaultdict(set)
        for gram in (gram for grams in places for gram in grams):
            before[gram[1:]].add(gram[0])
        self.counts: list[dict[Gram, int]] = []  # counts of the (k + 1)-grams
        for k, grams in enumerate(places):
            longest = k == self.order
            self.counts.append(
                {
                    gram: count if longest else len(before[gram]) or 1
                    for gram, count in Counter(grams).items()
                }
            )
        self.discounts = [self.discounts_of(list(counts.values())) for counts in self.counts]

    @staticmethod
    def discounts_of(counts: list[int]) -> list[float]:
        """For counts of 1, 2, and 3 or more; clamped between 0.05 and the count less 0.05, and
        halfway where the formula is undefined."""
        n1, n2, n3, n4 = (counts.count(n) for n in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2) if n1 else 0.5
        first = 1 - 2 * y * n2 / n1 if n1 else 0.5
        second = 2 - 3 * y * n3 / n2 if n2 else 0.75
        third = 3 - 4 * y * n4 / n3 if n3 else 1.0
        return [min(max(d, 0.05), n - 0.05) for n, d in ((1, first), (2, second), (3, third))]

    def probability(self, symbol: int, context: Gram) -> float:
        """Of a symbol after its context, of which at most ``order`` symbols are used."""
        found = 1 / self.vocab_size
        for k in range(min(self.order, len(context)) + 1):
            seen = context[len(context) - k :]
            following = {
                gram[-1]: count for gram, count in self.counts[k].items() if gram[:-1] == seen
            }
            if not following:
                return found
            taken = {
                each: self.discounts[k][min(count, 3) - 1] for each, count in following.items()
            }
            total = sum(following.values())
            found = (following.get(symbol, 0) - taken.get(symbol, 0.0)) / total + sum(
                taken.values()
            ) / total * found
        return found


def texts(seed: int, number: int = 6, longest: int = 40) -> Iterator[tuple[Array, Array, int]]:
    """Random texts to count, texts to score that have unseen contexts, and the vocabulary size."""
    rng = np.random.default_rng(seed)
    for vocab_size in (1, 2, 3, 5, 300)[:number]:
        high = min(vocab_size, 6)
        ids = rng.integers(0, high, int(rng.integers(1, longest + 1)))
        read = rng.integers(0, high, int(rng.integers(1, longest + 1)))
        yield ids, read, vocab_size
        yield np.resize(ids[:4], 30), np.concatenate([ids[:4], read, ids[:4]]), vocab_size
        yield ids, np.concatenate([read, [vocab_size - 1], ids]), vocab_size


def next_probabilities(model: Yardstick, context: Sequence[int]) -> list[float]:
    """The probability of each symbol after a context, which is the whole text before it."""
    return [
        math.exp(model.score(np.array([*context, symbol]))[-1])
        for symbol in range(model.vocab_size)
    ]


# By hand


def test_a_tiny_text_matches_a_calculation_by_hand() -> None:
    # "aab", V = 2, one symbol of context. Pairs: aa 1, ab 1. Distinct predecessors: of a {a}: 1, of
    # b {a}: 1. For both lengths n1 = 2, n2 = 0: Y = 1, the discount of 1 is 1 - 0 = 1, clamped to
    # 0.95. P_0(a) = (1 - 0.95) / 2 + 1.9 / 2 * 1/2 = 0.025 + 0.475 = 0.5, P_0(b) = 0.5.
    # P_1(a | a) = (1 - 0.95) / 2 + 1.9 / 2 * 0.5 = 0.5; nothing follows b, so P_1(a | b) = P_0(a).
    assert np.exp(
        Yardstick(np.array([0, 0, 1]), 2, 1).score(np.array([0, 0, 1, 0]))
    ) == pytest.approx([0.5] * 4, abs=1e-12)


def test_another_tiny_text_matches_a_calculation_by_hand() -> None:
    # "abababac", V = 4 (no d), one symbol of context.
    # Pairs: ab 3, ba 3, ac 1. n1 = 1, n2 = 0, n3 = 2, n4 = 0: Y = 1 / (1 + 0) = 1. D1 = 1 - 2 * 1 *
    # 0 / 1 = 1, clamped to 0.95. D3 = 3 - 4 * 1 * 0 / 2 = 3, clamped to 2.95. Distinct predecessors:
    # of a {b}: 1, of b {a}: 1, of c {a}: 1. n1 = 3, n2 = 0: D1 = 1, clamped to 0.95.
    # P_0(a) = P_0(b) = P_0(c) = 0.05 / 3 + 2.85 / 3 / 4 = 0.0166667 + 0.2375 = 0.2541667, P_0(d) =
    # 0.2375. After a, 4 pairs: P_1(b | a) = 0.05 / 4 + (2.95 + 0.95) / 4 * 0.2541667 = 0.0125 +
    # 0.975 * 0.2541667 = 0.2603125, P_1(c | a) = 0.05 / 4 + 0.2478125 = 0.2603125, P_1(a | a) =
    # 0.2478125, P_1(d | a) = 0.975 * 0.2375 = 0.2315625. After b, 3 pairs: P_1(a | b) = 0.05 / 3 +
    # 2.95 / 3 * 0.2541667 = 0.0166667 + 0.2499306 = 0.2665972.
    model = Yardstick(np.array([0, 1, 0, 1, 0, 1, 0, 2]), 4, 1)
    assert next_probabilities(model, []) == pytest.approx([0.25416667] * 3 + [0.2375], abs=1e-7)
    assert next_probabilities(model, [0]) == pytest.approx(
        [0.2478125, 0.2603125, 0.2603125, 0.2315625], abs=1e-9
    )
    assert next_probabilities(model, [1])[0] == pytest.approx(0.2665972, abs=1e-7)
    assert (
        next_probabilities(model, [2])
        == next_probabilities(model, [3])
        == next_probabilities(model, [])
    )


def test_discounts_within_the_limits_follow_the_formula() -> None:
    # No context, so plain counts: 4 symbols once, 2 twice, 1 three times, 1 four times; 4 + 4 + 3 +
    # 4 = 15 in total, V = 8. Y = 4 / (4 + 2 * 2) = 1/2; D1 = 1 - 2 * 1/2 * 2/4 = 0.5; D2 = 2 - 3 *
    # 1/2 * 1/2 = 1.25; D3 = 3 - 4 * 1/2 * 1/1 = 1. The discounts leave (4 * 0.5 + 2 * 1.25 + 1 + 1)
    # / 15 = 6.5 / 15, of which each symbol gets 1/8: 0.8125 / 15.
    ids = np.array([0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 7, 7, 7, 7])
    expected = (
        [(0.5 + 0.8125) / 15] * 4
        + [(0.75 + 0.8125) / 15] * 2
        + [(2 + 0.8125) / 15, (3 + 0.8125) / 15]
    )
    assert next_probabilities(Yardstick(ids, 8, 0), []) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("order", [0, 1, 7])
def test_a_single_symbol_is_almost_discounted_away(order: int) -> None:
    # one symbol once: the discount is 1, clamped to 0.95; P(a) = 0.05 + 0.95 / 4, and 0.95 / 4 for
    # each of the other three
    model = Yardstick(np.array([2], np.uint8), 4, order)
    assert next_probabilities(model, []) == pytest.approx(
        [0.2375, 0.2375, 0.2875, 0.2375], abs=1e-12
    )
    assert next_probabilities(model, [2, 2]) == next_probabilities(model, [])


# Against the slow implementation


@pytest.mark.parametrize("order", range(9))
def test_scores_match_the_plain_implementation(order: int) -> None:
    for ids, read, vocab_size in texts(order):
        plain = Plain(ids.tolist(), vocab_size, order)
        expected = [
            plain.probability(idx, tuple(read[:place].tolist()))
            for place, idx in enumerate(read.tolist())
        ]
        np.testing.assert_allclose(
            np.exp(Yardstick(ids, vocab_size, order).score(read)), expected, rtol=1e-9
        )


def test_scores_of_all_texts_of_up_to_five_symbols_match_the_plain_implementation() -> None:
    for n in range(1, 6):
        for ids in product(range(2), repeat=n):
            plain, model = Plain(ids, 3, 3), Yardstick(np.array(ids), 3, 3)
            for read in product(range(3), repeat=3):
                expected = [plain.probability(idx, read[:place]) for place, idx in enumerate(read)]
                np.testing.assert_allclose(np.exp(model.score(np.array(read))), expected, rtol=1e-9)


def test_the_comparison_detects_raw_counts_below_the_longest_length() -> None:
    ids, read, vocab_size = list(texts(0))[6]
    plain = Plain(ids.tolist(), vocab_size, 2)
    plain.counts[0] = dict(Counter((idx,) for idx in ids.tolist()))
    expected = [
        plain.probability(idx, tuple(read[:place].tolist()))
        for place, idx in enumerate(read.tolist())
    ]
    assert not np.allclose(np.exp(Yardstick(ids, vocab_size, 2).score(read)), expected, rtol=1e-3)


# Probabilities


@pytest.mark.parametrize("order", range(9))
def test_the_probabilities_of_the_next_symbol_sum_to_one_after_any_context(
    order: int,
) -> None:
    for ids, read, vocab_size in texts(20 + order, number=4):
        model = Yardstick(ids, vocab_size, order)
        for place in range(min(len(read), 15)):
            assert sum(next_probabilities(model, read[:place].tolist())) == pytest.approx(
                1, abs=1e-12
            )
        for place in range(min(len(ids), 15)):  # contexts that were all seen in training
            assert sum(next_probabilities(model, ids[:place].tolist())) == pytest.approx(
                1, abs=1e-12
            )


@pytest.mark.parametrize("order", range(9))
def test_every_symbol_is_possible_and_no_score_is_above_zero(order: int) -> None:
    for ids, read, vocab_size in texts(40 + order):
        for text in (read, ids, np.arange(vocab_size), np.full(20, vocab_size - 1)):
            score = Yardstick(ids, vocab_size, order).score(text)
            assert score.shape == text.shape
            assert score.dtype == np.float64
            assert np.isfinite(score).all()
            assert (score <= 1e-12).all()


def test_the_only_symbol_of_an_alphabet_is_certain() -> None:
    for n in (1, 2, 30):
        np.testing.assert_allclose(
            Yardstick(np.zeros(n, np.uint8), 1).score(np.zeros(9, np.uint8)), 0, atol=1e-12
        )


# The context of a score


@pytest.mark.parametrize("order", range(9))
def test_a_score_depends_on_exactly_order_symbols_of_context(
    order: int,
) -> None:
    rng = np.random.default_rng(order)
    ids = rng.integers(0, 3, 200)
    model, read = Yardstick(ids, 3, order), ids[50:100].copy()
    before = model.score(read)
    read[20] = (read[20] + 1) % 3
    changed = np.flatnonzero(model.score(read) != before)
    assert changed.min() == 20
    assert changed.max() <= 20 + order
    if order in (1, 2):  # such short contexts have all been seen
        assert changed.max() == 20 + order


def test_the_first_symbols_are_scored_with_the_context_available() -> None:
    ids = np.random.default_rng(0).integers(0, 3, 100)
    model, whole = Yardstick(ids, 3, 4), ids[10:40]
    scores = model.score(whole)
    for start in range(1, 20):
        cut = model.score(whole[start:])
        # from position ``order`` on, the removed symbols are too far back
        np.testing.assert_allclose(cut[4:], scores[start + 4 :], atol=1e-12)
    # the first symbol alone: P_0, whatever is at the end or the beginning of the counted text
    assert scores[0] == pytest.approx(
        math.log(Plain(ids.tolist(), 3, 4).probability(int(whole[0]), ())), abs=1e-12
    )


def test_scores_of_a_part_do_not_depend_on_what_follows() -> None:
    ids = np.random.default_rng(1).integers(0, 4, 100)
    model = Yardstick(ids[:60], 4)
    whole = model.score(ids[60:])
    for end in range(41):
        np.testing.assert_array_equal(model.score(ids[60 : 60 + end]), whole[:end])


def test_an_empty_text_has_no_scores() -> None:
    assert Yardstick(np.array([0, 1]), 2).score(np.zeros(0, np.uint8)).shape == (0,)


def test_a_longer_context_predicts_a_repeated_text_better() -> None:
    ids = np.resize(np.random.default_rng(2).integers(0, 4, 25), 500)
    losses = [-Yardstick(ids, 4, order).score(ids).mean() for order in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[4] < 0.2 < 1 < losses[0]


# Inputs


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.int64])
def test_the_type_of_the_ids_does_not_matter_and_they_are_not_modified(kind: type) -> None:
    rng = np.random.default_rng(3)
    ids, read = rng.integers(0, 200, 300), rng.integers(0, 200, 300)
    given: NDArray[Any] = ids.astype(kind)
    also: NDArray[Any] = read.astype(kind)
    given.flags.writeable = also.flags.writeable = False
    np.testing.assert_array_equal(
        Yardstick(given, 256).score(also), Yardstick(ids, 256).score(read)
    )


def test_ids_of_a_large_alphabet_are_distinguished() -> None:
    ids = np.array([70_000, 3, 109_999, 70_000, 3, 109_999, 70_000, 4, 0], np.uint32)
    order, small = np.unique(ids, return_inverse=True)
    plain = Plain(small.tolist(), 110_000, 7)
    expected = [
        plain.probability(int(idx), tuple(small[:place].tolist()))
        for place, idx in enumerate(small)
    ]
    np.testing.assert_allclose(np.exp(Yardstick(ids, 110_000).score(ids)), expected, rtol=1e-9)
    assert len(order) == 5


# The yardstick


def test_the_yardstick_is_the_mean_loss_of_the_validation_part() -> None:
    rng = np.random.default_rng(4)
    train, val = rng.integers(0, 3, 300).astype(np.uint8), rng.integers(0, 3, 50).astype(np.uint8)
    plain = Plain(train.tolist(), 3, ORDER)
    losses = [
        -math.log(plain.probability(int(idx), tuple(val[:place].tolist())))
        for place, idx in enumerate(val)
    ]
    found = measure(train, val, 3)
    assert found.nats_per_character == pytest.approx(np.mean(losses), abs=1e-9)
    assert (found.train_characters, found.val_characters) == (300, 50)


def test_only_the_end_of_a_long_text_is_counted_but_all_held_out_text_is_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    train, val = rng.integers(0, 3, 300).astype(np.uint8), rng.integers(0, 3, 50).astype(np.uint8)
    expected = measure(train[-100:], val, 3)
    monkeypatch.setattr(yardstick, "SAMPLE", 100)
    assert measure(train, val, 3) == expected
    assert (expected.train_characters, expected.val_characters) == (100, 50)


# Records


def test_records_are_counted_separately_with_their_ends() -> None:
    # "ab" is nine of ten records, "cd" one; the previous record must not be seen
    rng, end = np.random.default_rng(0), 4
    records = [[0, 1] if rng.random() < 0.9 else [2, 3] for _ in range(4000)]
    train, val = (
        np.array([idx for record in part for idx in (*record, end)], np.uint8)
        for part in (records[:3000], records[3000:])
    )
    found = measure(train, val, 5, end)
    share = sum(record == [0, 1] for record in records[3000:]) / 1000
    # only the first symbol is uncertain
    expected = -(share * math.log(0.9) + (1 - share) * math.log(0.1)) / 3
    assert found.nats_per_character == pytest.approx(expected, rel=0.02)
    assert (found.train_characters, found.val_characters) == (9000, 3000)


def test_the_order_of_the_records_hardly_matters() -> None:
    rng, end = np.random.default_rng(1), 3
    records = [rng.integers(0, 3, int(rng.integers(1, 9))).tolist() for _ in range(300)]

    def ids(order: list[list[int]]) -> Any:
        return np.array([idx for record in order for idx in (*record, end)], np.uint8)

    one = measure(ids(records[:250]), ids(records[250:]), 4, end)
    other = measure(ids(records[:250][::-1]), ids(records[250:][::-1]), 4, end)
    # equal except for the first record
    assert one.nats_per_character == pytest.approx(other.nats_per_character, rel=2e-3)
