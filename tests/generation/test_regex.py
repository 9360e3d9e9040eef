"""The regular expressions: the same texts as Python's own module says, and an error for what is not there."""

import random
import re
import unicodedata

import pytest

from charrnn.errors import ConfigError
from charrnn.generation.regex import CATEGORIES, MOST_NODES, Regex

SYMBOLS = "abAB0 9_-\n.é٣"


def matches(pattern: str, text: str) -> bool:
    regex = Regex(pattern)
    state = regex.start
    for char in text:
        state = regex.step(state, regex.passed(char))
    return regex.accepts(state)


def random_pattern(rng: random.Random, depth: int = 3) -> str:
    atoms = [
        "a",
        "b",
        "A",
        ".",
        r"\d",
        r"\w",
        r"\s",
        r"\D",
        r"\W",
        r"\S",
        "[ab]",
        "[^a]",
        "[a-zA]",
        r"[\d_-]",
        "[]a]",
        "[^]a]",
        r"\n",
        r"\.",
        "é",
        r"\x61",
    ]
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(atoms)
    kind = rng.randrange(4)
    parts = [random_pattern(rng, depth - 1) for _ in range(rng.randrange(1, 4))]
    if kind == 0:
        return "".join(parts)
    if kind == 1:
        return f"({'|'.join(parts)})"
    count = rng.choice(["*", "+", "?", "{2}", "{1,2}", "{,2}", "{1,}", "{0}"])
    return f"(?:{''.join(parts)}){count}" if kind == 2 else f"({'|'.join([*parts, ''])}){count}"


def test_a_text_matches_where_python_says_so() -> None:
    rng, found = random.Random(0), [0, 0]
    for _ in range(1500):
        pattern = random_pattern(rng)
        for _ in range(20):
            text = "".join(rng.choice(SYMBOLS) for _ in range(rng.randrange(7)))
            expected = re.fullmatch(pattern, text) is not None
            assert matches(pattern, text) == expected, (pattern, text)
            found[expected] += 1
    assert min(found) > 2000  # of either kind


@pytest.mark.parametrize(("major", "minors"), CATEGORIES.items())
def test_a_category_is_that_of_the_unicode_database(major: str, minors: str) -> None:
    for name in [major, *(major + minor for minor in minors)]:
        for char in "aA1é٣ _-([«»$+^ \n\u0301Ⅷ½中":
            expected = unicodedata.category(char)[: len(name)] == name
            assert matches(rf"\p{{{name}}}", char) == expected
            assert matches(rf"\P{{{name}}}", char) != expected
            assert matches(rf"[^\p{{{name}}}x]", char) == (not expected)


def test_a_group_that_may_be_empty_is_repeated_in_no_time() -> None:
    for pattern in ("(a?){1000}", "( ?[a-z]*){200}", "(a?b?c?){300}", "(((a{0}){19999}){19999}){19999}b"):
        regex = Regex(pattern)
        state = regex.start
        for _ in range(300):
            state = regex.step(state, regex.passed("a")) or regex.start
    assert matches("(a?){3}", "aaa")
    assert not matches("(a?){3}", "aaaa")


def test_braces_that_count_nothing_are_themselves() -> None:
    for pattern in ("a{}", "a{x}", "{", "}", "a{,x}", "a{٣}"):
        for text in ("a{}", "a{x}", "{", "}", "a{,x}", "a", "a{٣}", "aaa"):
            assert matches(pattern, text) == (re.fullmatch(pattern, text) is not None)


def test_a_lazy_repetition_asks_for_the_shortest_text() -> None:
    assert Regex("a*?b").shortest
    assert Regex("a{1,3}?").shortest
    assert not Regex("a?b*").shortest


def test_the_literals_are_what_must_be_known() -> None:
    assert Regex(r"ab[cd]\.(e|f)?").literals == "ab.ef"


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(a", "lacks a )"),
        ("a)", "has a ) too many"),
        ("[a", "lacks a ]"),
        ("*a", "has a * with nothing before it"),
        ("a|+", "has a + with nothing before it"),
        ("{2}", "has a count with nothing before it"),
        ("a**", "repeats a repetition"),
        ("a{2}{3}", "repeats a repetition"),
        ("a++", "repeats a repetition"),
        ("a{3,2}", "counts from 3 to 2"),
        ("[b-a]", "has a range that runs backwards"),
        (r"[a-\d]", "has a range that runs backwards, or to no character"),
        ("a{999999}", "counts further than 20,000"),
        ("a{" + "9" * 5000 + "}", "counts further than 20,000"),
        ("^a", "has a ^; the whole text is matched anyway"),
        ("a$", "has a $; the whole text is matched anyway"),
        (r"(a)\1", r"has \1, which is not there; back-references are not possible"),
        (r"\bword", r"has \b, which is not there"),
        ("a\\", "has \\, which is not there"),
        ("(?=a)", "has a group of a kind that is not there"),
        ("(?P<x>a)", "has a group of a kind that is not there"),
        ("(?i)a", "has a group of a kind that is not there"),
        (r"\pL", r"has a \p without a category"),
        (r"\p{Lx}", r"has a \p without a category"),
        (r"\p{Greek}", r"has a \p without a category"),
        (r"\x6", r"has \x6, which is no code point"),
        (r"\U00110000", r"has \U00110000, which is no code point"),
        ("(" * 5000 + ")" * 5000, "nests too deeply"),
    ],
)
def test_what_is_not_there_is_said(pattern: str, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        Regex(pattern)
    assert str(error.value).startswith(f"match: {pattern[:200]!r} {what}")
    assert "docs/constraints.md" in str(error.value)


def test_counts_that_are_too_large_are_refused_before_memory_is_gone() -> None:
    with pytest.raises(ConfigError, match=f"too large: more than {MOST_NODES:,} places"):
        Regex("(a{1000}){1000}")
