"""The filters on four symbols, worked out by hand, and drawn frequencies against probabilities."""

import dataclasses
import math

import numpy as np
import pytest

from charrnn.errors import ConfigError, GenerationError
from charrnn.generation.sampling import (
    LONGEST_SPAN,
    MOST_PENALTY,
    Sampler,
    apply_bias,
    apply_dry,
    apply_min_p,
    apply_temperature,
    apply_top_k,
    apply_top_p,
    draw,
    log_probabilities,
    probabilities,
)

FOUR = np.log([0.5, 0.25, 0.15, 0.1])
SHUFFLED = np.log([0.15, 0.5, 0.1, 0.25])
FILTERS = {
    "temperature": (apply_temperature, 0.7),
    "top_k": (apply_top_k, 2),
    "top_p": (apply_top_p, 0.8),
    "min_p": (apply_min_p, 0.3),
}
KINDS = {
    "plain": {},
    "greedy": {"temperature": 0},
    "cold": {"temperature": 1e-6},
    "hot": {"temperature": 1e6},
    "top_k": {"top_k": 2},
    "top_p": {"top_p": 0.8},
    "min_p": {"min_p": 0.3},
    "all": {"temperature": 0.9, "top_k": 3, "top_p": 0.9, "min_p": 0.1},
}
BELOW_ONE = math.nextafter(1.0, 0.0)

over_filters = pytest.mark.parametrize(("apply", "value"), FILTERS.values(), ids=FILTERS)
over_kinds = pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)


def kept(logits):
    return np.flatnonzero(logits > -np.inf).tolist()


class Always:
    """A generator that always returns the same number."""

    def __init__(self, number):
        self.number = number

    def random(self, size=None):
        return self.number if size is None else np.full(size, self.number)


# Softmax


def test_probabilities_are_the_softmax():
    # e^0 : e^ln3 = 1 : 3
    np.testing.assert_allclose(probabilities(np.array([0, math.log(3)])), [0.25, 0.75], rtol=1e-15)


def test_log_probabilities_are_the_logarithm_of_the_softmax():
    np.testing.assert_allclose(
        log_probabilities(np.array([7, 7 + math.log(3)])),
        [math.log(0.25), math.log(0.75)],
        rtol=1e-14,
    )


def test_softmax_of_large_logits_neither_overflows_nor_warns():
    large = np.array([1e30, 0, -1e30, -np.inf])
    np.testing.assert_array_equal(probabilities(large), [1, 0, 0, 0])
    np.testing.assert_array_equal(log_probabilities(large), [0, -1e30, -2e30, -np.inf])


# Temperature


def test_temperature_one_has_no_effect():
    np.testing.assert_allclose(
        probabilities(apply_temperature(FOUR, 1)), [0.5, 0.25, 0.15, 0.1], rtol=1e-14
    )


def test_temperature_one_half_squares_the_probabilities():
    # .5² : .25² : .15² : .1² = 2500 : 625 : 225 : 100, total 3450
    np.testing.assert_allclose(
        probabilities(apply_temperature(FOUR, 0.5)),
        np.array([2500, 625, 225, 100]) / 3450,
        rtol=1e-14,
    )


def test_temperature_two_takes_the_square_roots_of_the_probabilities():
    # √16 : √9 : √4 : √1 = 4 : 3 : 2 : 1, total 10
    np.testing.assert_allclose(
        probabilities(apply_temperature(np.log([16, 9, 4, 1]), 2)), [0.4, 0.3, 0.2, 0.1], rtol=1e-14
    )


def test_temperature_zero_keeps_only_the_likeliest_symbol():
    assert kept(apply_temperature(SHUFFLED, 0)) == [1]


def test_temperature_zero_keeps_the_first_of_ties():
    assert kept(apply_temperature(np.array([0.0, 2, 1, 2]), 0)) == [1]


@pytest.mark.parametrize("temperature", [1e-6, 1e-310])
def test_a_tiny_temperature_is_greedy_without_warnings(temperature):
    np.testing.assert_array_equal(
        probabilities(apply_temperature(SHUFFLED, temperature)), [0, 1, 0, 0]
    )


def test_a_huge_temperature_makes_all_symbols_equally_likely():
    # the logits differ by at most ln 5 / 10⁶
    np.testing.assert_allclose(probabilities(apply_temperature(FOUR, 1e6)), [0.25] * 4, atol=1e-6)


@pytest.mark.parametrize("temperature", [0, 1e-6, 0.8, 1e6])
def test_temperature_never_restores_a_removed_symbol(temperature):
    cooled = apply_temperature(np.array([-np.inf, 1, 1.5, -np.inf]), temperature)
    assert set(kept(cooled)) <= {1, 2}
    assert int(np.argmax(cooled)) == 2


# Top-k


@pytest.mark.parametrize(
    ("top_k", "expected"),
    [
        (1, [1]),
        (2, [1, 3]),
        (3, [0, 1, 3]),
        (4, [0, 1, 2, 3]),
        (5, [0, 1, 2, 3]),
        (10**9, [0, 1, 2, 3]),
    ],
)
def test_top_k_keeps_the_k_likeliest(top_k, expected):
    assert kept(apply_top_k(SHUFFLED, top_k)) == expected


@pytest.mark.parametrize("top_k", [1, 2, 3, 4])
def test_top_k_keeps_exactly_k_of_ties_with_the_smallest_ids(top_k):
    assert kept(apply_top_k(np.zeros(4), top_k)) == list(range(top_k))


def test_top_k_breaks_ties_only_at_its_limit():
    assert kept(apply_top_k(np.array([1.0, 2, 1, 1]), 2)) == [0, 1]


def test_top_k_does_not_change_the_kept_logits():
    np.testing.assert_array_equal(
        apply_top_k(SHUFFLED, 2), [-np.inf, SHUFFLED[1], -np.inf, SHUFFLED[3]]
    )


def test_top_k_never_restores_a_removed_symbol():
    assert kept(apply_top_k(np.array([-np.inf, 1, -np.inf, 0]), 3)) == [1, 3]


# Top-p


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [
        # sums, the likeliest first: .5 (id 1), .75 (id 3), .9 (id 0), 1 (id 2)
        (1e-9, [1]),
        (0.3, [1]),
        (0.499, [1]),
        (0.5, [1]),
        (0.501, [1, 3]),
        (0.749, [1, 3]),
        (0.75, [1, 3]),
        (0.751, [0, 1, 3]),
        (0.899, [0, 1, 3]),
        (0.9, [0, 1, 3]),
        (0.901, [0, 1, 2, 3]),
        (1, [0, 1, 2, 3]),
    ],
)
def test_top_p_keeps_the_fewest_likeliest_that_reach_p(top_p, expected):
    assert kept(apply_top_p(SHUFFLED, top_p)) == expected


@pytest.mark.parametrize("tenths", range(1, 11))
def test_top_p_of_k_tenths_keeps_k_of_ten_ties_despite_rounding(tenths):
    assert kept(apply_top_p(np.zeros(10), tenths / 10)) == list(range(tenths))


@pytest.mark.parametrize(("top_p", "expected"), [(0.5, 1), (0.75, 2), (0.875, 3)])
def test_top_p_stops_where_a_sum_equals_p(top_p, expected):
    assert len(kept(apply_top_p(np.log(2) * np.array([-1, -2, -3, -3]), top_p))) == expected


def test_top_p_one_keeps_even_symbols_too_unlikely_to_change_the_sum():
    # e^-50 is less than half the last bit of 1
    assert kept(apply_top_p(np.array([-50.0, 0, -60, -np.inf]), 1)) == [0, 1, 2]


def test_top_p_does_not_change_the_kept_logits():
    np.testing.assert_array_equal(
        apply_top_p(SHUFFLED, 0.6), [-np.inf, SHUFFLED[1], -np.inf, SHUFFLED[3]]
    )


def test_top_p_never_restores_a_removed_symbol():
    assert kept(apply_top_p(np.array([-np.inf, 1, -np.inf, 0]), 0.999)) == [1, 3]


# Min-p


@pytest.mark.parametrize(
    ("min_p", "expected"),
    [
        # relative to the likeliest: .3, 1, .2, .5
        (0, [0, 1, 2, 3]),
        (0.199, [0, 1, 2, 3]),
        (0.2, [0, 1, 2, 3]),
        (0.201, [0, 1, 3]),
        (0.299, [0, 1, 3]),
        (0.3, [0, 1, 3]),
        (0.301, [1, 3]),
        (0.499, [1, 3]),
        (0.5, [1, 3]),
        (0.501, [1]),
        (1, [1]),
    ],
)
def test_min_p_keeps_symbols_at_least_p_times_as_likely_as_the_likeliest(min_p, expected):
    assert kept(apply_min_p(SHUFFLED, min_p)) == expected


@pytest.mark.parametrize("tenths", range(1, 11))
def test_min_p_of_k_tenths_keeps_a_symbol_of_exactly_k_tenths_despite_rounding(tenths):
    # probabilities 1/55, 2/55, ..., 10/55: tenths of the likeliest
    assert kept(apply_min_p(np.log(np.arange(1, 11) / 55), tenths / 10)) == list(
        range(tenths - 1, 10)
    )


def test_min_p_one_keeps_all_ties_for_the_likeliest():
    assert kept(apply_min_p(np.array([1.0, 2, 1, 2]), 1)) == [1, 3]


def test_min_p_does_not_change_the_kept_logits():
    np.testing.assert_array_equal(
        apply_min_p(SHUFFLED, 0.4), [-np.inf, SHUFFLED[1], -np.inf, SHUFFLED[3]]
    )


@pytest.mark.parametrize("min_p", [0, 0.5, 1])
def test_min_p_never_restores_a_removed_symbol(min_p):
    assert set(kept(apply_min_p(np.array([-np.inf, 1, -np.inf, 0.9]), min_p))) <= {1, 3}


# Every filter


@over_filters
def test_a_filter_does_not_change_its_input(apply, value):
    logits = SHUFFLED.copy()
    apply(logits, value)
    np.testing.assert_array_equal(logits, SHUFFLED)


@over_filters
def test_a_filter_treats_rows_independently(apply, value):
    rows = np.array([FOUR, SHUFFLED, np.zeros(4), [-np.inf, 3, -np.inf, 2.9]])
    np.testing.assert_array_equal(apply(rows, value), [apply(row, value) for row in rows])


@over_filters
def test_a_filter_never_removes_the_last_symbol(apply, value):
    for alone in (np.array([3.0]), np.array([-np.inf, -5, -np.inf, -np.inf])):
        assert kept(apply(alone, value)) == kept(alone)


# The order of filters


def test_temperature_comes_before_top_p():
    # At T = ½ the sums are 2500/3450 = .72 and 3125/3450 = .91: two symbols reach .8. At T = 1,
    # three are needed: .5, .75, .9.
    assert kept(Sampler(temperature=0.5, top_p=0.8).filtered(FOUR)) == [0, 1]
    assert kept(apply_temperature(apply_top_p(FOUR, 0.8), 0.5)) == [0, 1, 2]


def test_top_k_comes_before_top_p():
    # Among the two likeliest, the first has .5 / .75 = .67 and reaches .6. Among all four it has .5
    # and does not.
    assert kept(Sampler(temperature=1, top_k=2, top_p=0.6).filtered(FOUR)) == [0]
    assert kept(apply_top_k(apply_top_p(FOUR, 0.6), 2)) == [0, 1]


def test_top_p_comes_before_min_p():
    # min_p .4 keeps .5 and .25, among which the first has .67; among all four it has .5 and does not
    # reach .6.
    assert kept(Sampler(temperature=1, top_p=0.6, min_p=0.4).filtered(FOUR)) == [0, 1]
    assert kept(apply_top_p(apply_min_p(FOUR, 0.4), 0.6)) == [0]


# Sampler


def test_only_temperature_is_on_by_default():
    off = {"dry": None, "top_k": None, "top_p": None, "min_p": None, "bias": (), "processors": ()}
    assert (
        dataclasses.asdict(Sampler())
        == {"temperature": 0.8, "dry_base": 1.2, "dry_length": 16} | off
    )
    # p^(1 / 0.8) for p = 16, 1: 2^5 : 1
    np.testing.assert_allclose(
        probabilities(Sampler().filtered(np.log([16, 1]))), [32 / 33, 1 / 33], rtol=1e-14
    )


@over_kinds
def test_a_sampler_does_not_change_its_logits(settings):
    logits = SHUFFLED.astype(np.float32)
    before = logits.copy()
    Sampler(**settings)(logits, np.random.default_rng(0))
    np.testing.assert_array_equal(logits, before)


@over_kinds
def test_one_distribution_gives_one_id_and_a_batch_one_per_row(settings):
    rows = np.array([FOUR, SHUFFLED, np.zeros(4)], np.float32)
    one, each = (
        Sampler(**settings)(FOUR, np.random.default_rng(0)),
        Sampler(**settings)(rows, np.random.default_rng(0)),
    )
    assert 0 <= int(one) < 4
    assert each.shape == (3,)
    assert set(each.tolist()) <= {0, 1, 2, 3}


@over_kinds
def test_a_batch_draws_the_same_as_its_rows_in_turn(settings):
    rows = np.random.default_rng(0).normal(0, 2, (500, 4)).astype(np.float32)
    sampler, rng = Sampler(**settings), np.random.default_rng(1)
    assert sampler(rows, np.random.default_rng(1)).tolist() == [
        int(sampler(row, rng)) for row in rows
    ]


@over_kinds
def test_a_removed_symbol_is_never_drawn(settings):
    rng = np.random.default_rng(0)
    row = np.array([-np.inf, 1, -np.inf, 1.1])
    assert {int(Sampler(**settings)(row, rng)) for _ in range(200)} <= {1, 3}
    assert set(Sampler(**settings)(np.tile(row, (200, 1)), rng).tolist()) <= {1, 3}


@pytest.mark.parametrize("number", [0.0, 0.5, BELOW_ONE])
@pytest.mark.parametrize(
    ("logits", "possible"),
    [
        ([-np.inf, 0, -np.inf], {1}),
        ([-np.inf, 0, 0, -np.inf, -np.inf], {1, 2}),
        ([-1e4, 0, -1, -1e4], {1, 2}),  # e^-10000 is 0 in float64
        ([0, -np.inf, 0], {0, 2}),
        ([-np.inf, 0.1, 0.2, 0.3, -np.inf], {1, 2, 3}),
    ],
)
def test_zero_probability_is_never_drawn_even_at_the_limits_of_the_generator(
    logits, possible, number
):
    logits = np.array(logits, np.float64)
    assert int(draw(logits, Always(number))) in possible
    assert set(draw(np.tile(logits, (3, 1)), Always(number)).tolist()) <= possible


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, 0), (0.49, 0), (0.51, 1), (0.74, 1), (0.76, 2), (0.89, 2), (0.91, 3), (BELOW_ONE, 3)],
)
def test_a_random_number_selects_the_symbol_by_cumulative_probability(number, expected):
    assert int(draw(FOUR, Always(number))) == expected
    assert draw(np.array([FOUR, FOUR]), Always(number)).tolist() == [expected, expected]


@pytest.mark.parametrize("number", [0.0, 0.5, BELOW_ONE])
def test_greedy_does_not_use_the_generator(number):
    assert int(Sampler(temperature=0)(SHUFFLED, Always(number))) == 1
    assert Sampler(temperature=0)(
        np.array([SHUFFLED, FOUR, np.zeros(4)]), Always(number)
    ).tolist() == [1, 0, 0]


BROKEN = {
    "nan": [0, np.nan, 0],
    "all nan": [np.nan] * 3,
    "infinity": [0, np.inf, 0],
    "nothing left": [-np.inf] * 3,
    "nan and infinity": [np.nan, np.inf, -np.inf],
}


@over_kinds
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_logits_that_cannot_be_drawn_from_are_an_error(settings, broken):
    for logits in (
        np.array(broken, np.float32),
        np.array([[0, 1, 2], broken], np.float32),
        np.array([broken, [0, 1, 2]], np.float32),
    ):
        with pytest.raises(GenerationError):
            Sampler(**settings)(logits, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            ("temperature", value)
            for value in (-0.1, -1, 1e7, math.nan, math.inf, -math.inf, None, "0.8", True)
        ],
        *[("top_k", value) for value in (0, -1, 1.5, math.nan, "2", True)],
        *[("top_p", value) for value in (0, -0.1, 1.0001, 2, math.nan, math.inf, "0.9")],
        *[("min_p", value) for value in (-0.1, 1.0001, math.nan, math.inf, "0.1")],
    ],
)
def test_an_invalid_value_is_an_error_that_names_the_setting(name, value):
    with pytest.raises(ConfigError, match=f"^`{name}` must be .*[,;] got "):
        Sampler(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", 10**6),
        ("top_k", 1),
        ("top_k", None),
        ("top_p", 1),
        ("top_p", 1e-9),
        ("top_p", None),
        ("min_p", 0),
        ("min_p", 1),
        ("min_p", None),
    ],
)
def test_a_value_at_its_limit_is_accepted(name, value):
    assert getattr(Sampler(**{name: value}), name) == value


# Frequencies. The logits fall by ½ from symbol to symbol; at temperature 0.8 the rarest of the ten
# is still expected 101 times. Draws at 0.85 exceed the expected χ² by Σ n (q - p)² / p = 206, seven
# times the critical value.

LADDER = -0.5 * np.arange(10)
DRAWS = 60_000
CRITICAL = (
    27.877  # of χ² with 10 - 1 = 9 degrees of freedom: exceeded by chance once in 1,000 tests
)


def chi_square(drawn, temperature):
    """Σ (observed - expected)² / expected, where p_i ∝ e^(logit_i / temperature)."""
    weights = [math.exp(logit / temperature) for logit in LADDER]
    expected = DRAWS * np.array(weights) / sum(weights)
    observed = np.bincount(drawn, minlength=10)
    return float(((observed - expected) ** 2 / expected).sum())


def draw_single(temperature):
    sampler, rng = Sampler(temperature=temperature), np.random.default_rng(7)
    return [int(sampler(LADDER, rng)) for _ in range(DRAWS)]


def draw_batches(temperature):
    sampler, rng = Sampler(temperature=temperature), np.random.default_rng(8)
    return np.concatenate([sampler(np.tile(LADDER, (1000, 1)), rng) for _ in range(DRAWS // 1000)])


@pytest.mark.parametrize("draw_all", [draw_single, draw_batches])
def test_drawn_frequencies_match_the_probabilities(draw_all):
    assert chi_square(draw_all(0.8), 0.8) < CRITICAL


@pytest.mark.parametrize("draw_all", [draw_single, draw_batches])
def test_the_frequencies_distinguish_temperature_085_from_08(draw_all):
    assert chi_square(draw_all(0.85), 0.8) > 3 * CRITICAL


# Bias


def test_a_bias_is_added_and_a_ban_removes_the_symbol():
    logits = np.array([0.0, 1.0, 2.0])
    found = apply_bias(logits, [(0, 3.0), (2, -math.inf)])
    np.testing.assert_array_equal(found, [3, 1, -np.inf])
    np.testing.assert_array_equal(logits, [0, 1, 2])
    np.testing.assert_array_equal(apply_bias(np.tile(logits, (2, 1)), [(1, -1.0)]), [[0, 0, 2]] * 2)


def test_a_bias_of_ln_2_doubles_the_odds():
    sampler = Sampler(temperature=1, bias=((3, math.log(2)),))
    np.testing.assert_allclose(
        probabilities(sampler.filtered(FOUR)), np.array([0.5, 0.25, 0.15, 0.2]) / 1.1, rtol=1e-12
    )


def test_a_banned_symbol_is_never_drawn_whatever_the_settings():
    for settings in KINDS.values():
        sampler = Sampler(**settings, bias=((0, -math.inf),))
        drawn = sampler(np.tile(FOUR, (2000, 1)), np.random.default_rng(0))
        assert 0 not in drawn
    assert Sampler(temperature=0, bias=((0, -math.inf),))(FOUR, np.random.default_rng(0)) == 1


# Repetition penalty (DRY)


def longest_repeats(ids, length):
    """For each symbol that would continue a repetition of at least ``length``: the longest one,
    found by checking every position."""
    found = {}
    for place in range(len(ids) - 1):
        same = 0
        while same <= place and ids[place - same] == ids[-1 - same] and same < LONGEST_SPAN:
            same += 1
        if same >= length:
            found[ids[place + 1]] = max(found.get(ids[place + 1], 0), same)
    return found


def test_the_longest_repetition_is_penalized_most():
    # "abcd" occurs before 1, "bcd" before 2, "cd" before 3: matches of 4, 3 and 2 symbols with the
    # end
    ids = np.array([10, 11, 12, 13, 1, 9, 11, 12, 13, 2, 8, 12, 13, 3, 7, 10, 11, 12, 13])
    found = apply_dry(np.zeros(14), ids, 0.5, 2.0, 3)
    assert found.tolist() == [0, -1.0, -0.5] + [0] * 11  # 0.5 * 2^(4 - 3), 0.5 * 2^0


def test_repetitions_match_an_exhaustive_search():
    rng = np.random.default_rng(0)
    for _ in range(400):
        ids = rng.integers(0, int(rng.choice([1, 2, 3])), int(rng.integers(0, 60)))
        length = int(rng.integers(1, 6))
        expected = np.zeros(3)
        for idx, same in longest_repeats(ids.tolist(), length).items():
            expected[idx] = -min(0.3 * 1.5 ** (same - length), MOST_PENALTY)
        np.testing.assert_allclose(
            apply_dry(np.zeros(3), ids, 0.3, 1.5, length), expected, rtol=1e-12
        )


def test_a_run_of_one_symbol_is_a_repetition_and_its_penalty_stays_finite():
    found = apply_dry(np.zeros(2), np.zeros(5000, int), 1.0, 10.0, 4)
    np.testing.assert_array_equal(found, [-MOST_PENALTY, 0])


def test_short_repetitions_and_an_empty_history_have_no_effect():
    for ids in (np.array([], int), np.array([1]), np.array([1, 2, 3, 1, 2])):
        assert (
            apply_dry(FOUR, ids, 1.0, 1.2, 3) is FOUR
            or (apply_dry(FOUR, ids, 1.0, 1.2, 3) == FOUR).all()
        )


def test_parallel_streams_are_penalized_by_their_own_history():
    sampler = Sampler(temperature=0, dry=9.0, dry_length=2)
    ids = [np.array([1, 2, 0, 1, 2]), np.array([1, 2, 3, 0, 3])]
    assert sampler(np.tile(FOUR, (2, 1)), np.random.default_rng(0), ids).tolist() == [1, 0]


# Processors


def test_processors_are_called_in_order_with_the_history_before_the_filters():
    seen = []

    def first(ids, logits):
        seen.append((ids.tolist(), logits.tolist()))
        return logits + np.array([5, 0, 0, 0])

    def second(ids, logits):
        return np.where(np.arange(4) == 0, -np.inf, logits)

    sampler = Sampler(temperature=0, processors=(first, second), bias=((1, 1.0),))
    assert sampler(FOUR, np.random.default_rng(0), np.array([3, 2])) == 1
    assert seen == [([3, 2], (FOUR + np.array([0, 1, 0, 0])).tolist())]


def test_a_processor_cannot_modify_the_logits_of_the_caller():
    def spoil(ids, logits):
        logits[:] = 0
        return FOUR

    logits = FOUR.copy()
    Sampler(processors=(spoil,))(logits, np.random.default_rng(0), np.array([1]))
    np.testing.assert_array_equal(logits, FOUR)


@pytest.mark.parametrize(
    "given",
    [
        np.zeros(3),
        np.zeros((1, 4)),
        "text",
        None,
        [1, 2, 3, 4],
        np.full(4, -np.inf),
        np.array([0, np.nan, 0, 0]),
        np.array([0, np.inf, 0, 0]),
    ],
    ids=str,
)
def test_a_processor_that_returns_invalid_logits_is_an_error_that_names_it(given):
    def strange(ids, logits):
        return given

    with pytest.raises(GenerationError, match=r"^the processor strange (returned|removed)"):
        Sampler(processors=(strange,))(FOUR, np.random.default_rng(0), np.array([1]))
