"""Each constraint against plain string code, on all short texts and many random ones."""

import random
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from charrnn.errors import ConfigError
from charrnn.generation.constraints.forms import (
    Acrostic,
    All,
    Constraint,
    Contains,
    Length,
    Lines,
    Match,
    Without,
    bounds,
)

SYMBOLS = "ab\n"


def satisfies(constraint: Constraint, text: str) -> bool:
    state: Any = constraint.start
    for char in text:
        state = constraint.step(state, char)
        if state is None:
            return False
    return constraint.accepts(state)


def lines_are(text: str, count: int | None, shortest: int, longest: int | None) -> bool:
    lines = text.split("\n")
    return (count is None or len(lines) == count) and all(
        shortest <= len(line) <= (longest or len(line)) for line in lines
    )


def acrostic_is(text: str, word: str) -> bool:
    return "".join(line[:1] or "\n" for line in text.split("\n")).startswith(word)


CASES: list[tuple[Constraint, Callable[[str], bool]]] = [
    (Contains("ab"), lambda text: "ab" in text),
    (Contains("aab"), lambda text: "aab" in text),
    (Contains("aba"), lambda text: "aba" in text),
    (Without("a"), lambda text: "a" not in text),
    (Without("aa"), lambda text: "aa" not in text),
    (Without("ab\n"), lambda text: "ab\n" not in text),
    (Lines(2), lambda text: lines_are(text, 2, 1, None)),
    (Lines(1), lambda text: lines_are(text, 1, 1, None)),
    (Lines(3, 0, 1), lambda text: lines_are(text, 3, 0, 1)),
    (Lines(None, 1, 2), lambda text: lines_are(text, None, 1, 2)),
    (Lines(2, 2, 2), lambda text: lines_are(text, 2, 2, 2)),
    (Lines(None, 2), lambda text: lines_are(text, None, 2, None)),
    (Acrostic("a"), lambda text: acrostic_is(text, "a")),
    (Acrostic("ab"), lambda text: acrostic_is(text, "ab")),
    (Acrostic("baa"), lambda text: acrostic_is(text, "baa")),
    (Match("(a|b\n)*"), lambda text: set(text.replace("b\n", "")) <= {"a"}),
    (
        Contains("ab") & Without("bb") & Lines(2),
        lambda text: "ab" in text and "bb" not in text and lines_are(text, 2, 1, None),
    ),
]


@pytest.mark.parametrize(
    ("constraint", "plain"),
    CASES,
    ids=lambda case: str(case) if isinstance(case, Constraint) else "",
)
def test_constraints_agree_with_plain_code_on_every_short_text(
    constraint: Constraint, plain: Callable[[str], bool]
) -> None:
    found = {False: 0, True: 0}
    for size in range(8):
        for chars in product(SYMBOLS, repeat=size):
            text = "".join(chars)
            assert satisfies(constraint, text) == plain(text), text
            found[plain(text)] += 1
    assert min(found.values()) > 0


def test_a_string_that_overlaps_itself_is_found_and_avoided() -> None:
    rng = random.Random(1)
    for _ in range(2000):
        wanted = "".join(rng.choice("ab") for _ in range(rng.randrange(1, 6)))
        text = "".join(rng.choice("ab") for _ in range(rng.randrange(15)))
        assert satisfies(Contains(wanted), text) == (wanted in text)
        assert satisfies(Without(wanted), text) == (wanted not in text)


def test_equivalent_characters_lead_to_the_same_state() -> None:
    for constraint, _ in CASES:
        states, waiting = {constraint.start}, [constraint.start]
        for state in waiting:
            for one, other in product("abcd\n", repeat=2):
                after = constraint.step(state, one)
                if constraint.alike(one) == constraint.alike(other):
                    assert after == constraint.step(state, other)
                if after is not None and after not in states and len(states) < 100:
                    states.add(after)
                    waiting.append(after)


def test_a_lazy_expression_ends_where_it_first_matches() -> None:
    assert satisfies(Match("a*?b"), "ab")
    assert satisfies(Match(".*?b"), "ab")
    assert not satisfies(Match(".*?b"), "abb")
    assert satisfies(Match(".*b"), "abb")


def test_combined_constraints_are_one_flat_list() -> None:
    a, b, c = Contains("a"), Without("b"), Lines(2)
    assert (a & b & c).parts() == (a & (b & c)).parts() == All(a, b, c).parts() == (a, b, c)
    assert str(a & b & c) == "`contains` 'a' and `without` 'b' and `lines` 2"
    assert (a & c).ends
    assert not (a & b).ends
    assert (a & c).needs == "a\n"


def test_a_constraint_is_shown_as_its_parameters_with_values() -> None:
    named = {
        Length(5): "`exact_length` 5", Length(2, 5): "`length_between` 2 5", Lines(3, 2, 5): "`lines` 3 and `line_length` 2 5",
        Lines(None, 2, 5): "`line_length` 2 5", Lines(None, 3): "`line_length` 3",
        Match("a+"): "`match` 'a+'", Acrostic("ab"): "`acrostic` 'ab'",
    }  # fmt: skip
    assert [str(constraint) for constraint in named] == list(named.values())


def test_the_bounds_are_the_length_unless_a_constraint_sets_them() -> None:
    assert bounds(Contains("a"), 500, ends=False) == (500, 500)
    assert bounds(Contains("a"), 500, ends=True) == (0, 500)
    assert bounds(Match("a*"), 500, ends=False) == (0, 500)
    assert bounds(Length(7), 500, ends=False) == (7, 7)
    assert bounds(Length(7, 900), 500, ends=False) == (7, 900)
    assert bounds(Length(7, 900) & Length(3, 10) & Lines(2), 500, ends=False) == (7, 10)
    with pytest.raises(ConfigError) as error:
        bounds(Length(7) & Length(8), 500, ends=False)
    assert (
        str(error.value)
        == "no length satisfies `exact_length` 7 and `exact_length` 8; leave one of them out"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Contains(""),
            "`contains` must be a string of at least one character, got ''",
        ),
        (
            lambda: Without(""),
            "`without` must be a string of at least one character, got ''",
        ),
        (
            lambda: Contains(5),
            "`contains` must be a string of at least one character, got 5",
        ),
        (lambda: Match(5), "`match` must be a regular expression as a string, got 5"),
        (
            lambda: Acrostic(5),
            "`acrostic` must be a word, one character for each line, got 5",
        ),
        (
            lambda: Acrostic(""),
            "`acrostic` must be a word, one character for each line, got ''",
        ),
        (
            lambda: Acrostic("a\nb"),
            "`acrostic` must be a word, one character for each line, got 'a\\nb'",
        ),
        (lambda: Lines(0), "`lines` must be a whole number of at least 1, got 0"),
        (
            lambda: Lines(2, 5, 4),
            "`line_length` must give the smaller number first, got 5 and 4",
        ),
        (lambda: Lines(2, -1), "`line_length` must be a whole number of at least 0, got -1"),
        (
            lambda: Length(5, 4),
            "`length_between` must give the smaller number first, got 5 and 4",
        ),
        (lambda: Length(2.5), "`length` must be a whole number of at least 0, got 2.5"),
    ],
)
def test_an_invalid_argument_is_an_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        make()
    assert str(error.value) == message


def test_searching_for_a_repetitive_string_takes_few_hops_per_character() -> None:
    """With the shortest possible fallbacks, each of 20,000 states took one hop per character."""
    fallbacks = Contains("a" * 20_000 + "b")._fallbacks
    for state in (1, 100, 19_999, 20_000):
        hops = 0
        while state:
            state = fallbacks[state]
            hops += 1
        assert hops <= 2
