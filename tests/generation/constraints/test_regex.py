"""Regular expressions match the same texts as in Python's ``re``; unsupported syntax is an
error."""

import pickle
import random
import re
import unicodedata

import pytest

from charrnn.errors import ConfigError
from charrnn.generation.constraints.character_class import MINOR_CATEGORIES
from charrnn.generation.constraints.forms import Length, Match
from charrnn.generation.constraints.regex import (
    MAX_CHARACTERS,
    MAX_NODES,
    MAX_PARTS,
    Regex,
)

SYMBOLS = "abAB0 9_-\n.é٣"


def matches(pattern: str, text: str) -> bool:
    return accepts(Regex(pattern), text)


def accepts(regex: Regex, text: str) -> bool:
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


def test_matches_agree_with_python() -> None:
    rng, found = random.Random(0), [0, 0]
    for _ in range(1500):
        pattern = random_pattern(rng)
        regex = Regex(pattern)
        for _ in range(20):
            text = "".join(rng.choice(SYMBOLS) for _ in range(rng.randrange(7)))
            expected = re.fullmatch(pattern, text) is not None
            assert accepts(regex, text) == expected, (pattern, text)
            found[expected] += 1
    assert min(found) > 2000  # matches, and texts that do not match


@pytest.mark.parametrize(("major", "minors"), MINOR_CATEGORIES.items())
def test_categories_are_those_of_the_unicode_database(major: str, minors: str) -> None:
    for name in [major, *(major + minor for minor in minors)]:
        for char in "aA1é٣ _-([«»$+^ \n\u0301Ⅷ½中":
            expected = unicodedata.category(char)[: len(name)] == name
            assert matches(rf"\p{{{name}}}", char) == expected
            assert matches(rf"\P{{{name}}}", char) != expected
            assert matches(rf"[^\p{{{name}}}x]", char) == (not expected)
            assert matches(rf"[\P{{{name}}}x]", char) == (not expected)


def test_repeating_a_group_that_may_be_empty_is_fast() -> None:
    for pattern in (
        "(a?){1000}",
        "( ?[a-z]*){200}",
        "(a?b?c?){300}",
        "(((a{0}){19999}){19999}){19999}b",
    ):
        regex = Regex(pattern)
        state = regex.start
        for _ in range(300):
            state = regex.step(state, regex.passed("a")) or regex.start
    assert matches("(a?){3}", "aaa")
    assert not matches("(a?){3}", "aaaa")


def test_braces_without_a_count_are_literal() -> None:
    for pattern in ("a{}", "a{x}", "{", "}", "a{,x}", "a{٣}"):
        for text in ("a{}", "a{x}", "{", "}", "a{,x}", "a", "a{٣}", "aaa"):
            assert matches(pattern, text) == (re.fullmatch(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"\0", "\0"),
        (r"\01", "\x01"),
        (r"\012", "\n"),
        (r"\0123", "\n3"),
        (r"\08", "\x008"),
        (r"\101", "A"),
        (r"\1018", "A8"),
        (r"\377", "ÿ"),
        (r"[\1]", "\x01"),
        (r"[\12]", "\n"),
        (r"[\101-\103]", "B"),
        (r"[\08]{2}", "8\0"),
        (r"[\b]", "\b"),
        (r"\x41\u0041\U00000041", "AAA"),
        (r"\N{EM DASH}\N{latin small letter a}", "—a"),
        (r"[\N{DIGIT ONE}-\N{DIGIT THREE}]", "2"),
        (r"\é\٣\_\ \-", "é٣_ -"),
        ("\\\n", "\n"),
        ("a{0000000002}", "aa"),
        (r"[]-a]", "^"),
        (r"[^]-a]", "b"),
        (r"[\d-]", "-"),
        (r"[a-]", "-"),
        (r"[--/]", "."),
    ],
)
def test_escapes_mean_the_same_as_in_python(pattern: str, text: str) -> None:
    assert re.fullmatch(pattern, text)
    assert matches(pattern, text)
    assert not matches(pattern, text + "x")


def test_a_class_with_overlapping_ranges_is_their_union() -> None:
    for pattern in ("[a-ec-gx]", "[c-ga-e]", "[a-zc-d]", "[ab-bcd-e]"):
        for char in "@abcdefghxyz{":
            assert matches(pattern, char) == (re.fullmatch(pattern, char) is not None)


def test_a_match_can_be_pickled() -> None:
    match, both = pickle.loads(pickle.dumps((Match("a+b"), Match("a+b") & Length(3))))
    state = match.start
    for char in "aab":
        state = match.step(state, char)
    assert match.accepts(state)
    assert match.step(match.start, "b") is None
    assert str(both) == "`match` 'a+b' and `exact_length` 3"


def test_a_lazy_repetition_matches_the_shortest_text() -> None:
    assert Regex("a*?b").shortest
    assert Regex("a{1,3}?").shortest
    assert not Regex("a?b*").shortest


def test_literals_are_the_characters_that_must_be_known() -> None:
    assert Regex(r"ab[cd]\.(e|f)?").literals == "ab.ef"


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(a", "is missing a )"),
        ("a)", "has an unmatched )"),
        ("[a", "is missing a ]"),
        ("[]", "is missing a ]"),
        ("[a-", "is missing a ]"),
        ("*a", "has a * with nothing before it"),
        ("a|+", "has a + with nothing before it"),
        ("{2}", "has a count with nothing before it"),
        ("a**", "repeats a repetition"),
        ("a{2}{3}", "repeats a repetition"),
        ("a++", "has a possessive repetition, which is not supported"),
        ("a{3,2}", "has a count {3,2} whose second number is below its first"),
        ("[b-a]", "has a range whose last character comes before its first"),
        (r"[a-\d]", "has a range from or to a class"),
        (r"[\d-z]", "has a range from or to a class"),
        ("a{999999}", "has a count above 20,000"),
        ("a{" + "9" * 5000 + "}", "has a count above 20,000"),
        (
            "^a",
            "has a ^, which is not needed, since the whole text is always matched; remove it, or write \\^ for",
        ),
        (
            "a$",
            "has a $, which is not needed, since the whole text is always matched; remove it, or write \\$ for",
        ),
        (r"(a)\1", r"has \1, a back-reference, which is not supported"),
        (r"(a)\18", r"has \1, a back-reference, which is not supported"),
        (r"\8", r"has \8, a back-reference, which is not supported"),
        (r"\400", r"has \400, but octal escapes end at \377"),
        (r"[\400]", r"has \400, but octal escapes end at \377"),
        (r"[\8]", r"has \8, which is not an octal number"),
        (r"\bword", r"has \b, which is not supported; remove it, since the whole text is always"),
        (r"\Aword", r"has \A, which is not supported; remove it, since the whole text is always"),
        (r"[\A]", r"has \A, which is not a known escape"),
        (r"\q", r"has \q, which is not a known escape"),
        ("a\\", "ends with a backslash"),
        ("(?=a)", "has an unsupported kind of group; use (...) or (?:...)"),
        ("(?P<x>a)", "has an unsupported kind of group; use (...) or (?:...)"),
        ("(?i)a", "has an unsupported kind of group; use (...) or (?:...)"),
        (r"\pL", r"has \p without a category"),
        (r"\p{Lx}", r"has \p without a category"),
        (r"\p{Greek}", r"has \p without a category"),
        (r"\x6", r"has \x6, which needs 2 hexadecimal digits"),
        (r"\u00e", r"has \u00e, which needs 4 hexadecimal digits"),
        (r"\U00110000", r"has \U00110000, which is not a code point"),
        (r"\N", r"has \N without a name"),
        (r"\N{EM DASH", r"has \N without a name"),
        (r"\N{}", r"has \N with '', which is not the name of a character"),
        (
            r"\N{NO SUCH CHARACTER}",
            r"has \N with 'NO SUCH CHARACTER', which is not the name of a character",
        ),
        (
            r"\N{KEYCAP DIGIT ONE}",
            r"has \N with 'KEYCAP DIGIT ONE', which is not the name of a character",
        ),
        ("\\N{\ud800}", r"has \N with '\ud800', which is not the name of a character"),
        ("(" * 5000 + ")" * 5000, "nests too deeply"),
        ("(" * 250 + "a" + "|b)?" * 250, "nests too deeply"),
    ],
)
def test_an_unsupported_or_malformed_pattern_is_an_error(pattern: str, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        Regex(pattern)
    assert str(error.value).startswith(f"`match` {pattern[:200]!r} {what}")
    assert "docs/constraints.md" in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [
        ("(a{1000}){1000}", f"{MAX_NODES:,} places; give smaller counts"),
        ("(a" + "()" * 20_000 + "){2000}", f"{MAX_PARTS:,} parts; give smaller counts"),
        ("(a" + "|" * 20_000 + "){2000}", f"{MAX_PARTS:,} parts; give smaller counts"),
        ("a" * (MAX_CHARACTERS + 1), f"{MAX_CHARACTERS:,} characters; give a shorter one"),
    ],
    ids=["places", "empty groups", "empty alternatives", "characters"],
)
def test_a_pattern_that_is_too_large_is_refused_before_memory_runs_out(
    pattern: str, limit: str
) -> None:
    with pytest.raises(ConfigError) as error:
        Regex(pattern)
    assert str(error.value) == f"`match` {pattern[:60]!r} is too large: more than {limit}"


def test_the_work_per_character_is_the_number_of_classes_not_of_characters() -> None:
    named = Regex("".join(map(chr, range(0x4E00, 0x4E00 + 10_000))))
    before = named.work
    for code in range(0x4E00, 0x4E00 + 1000):
        named.passed(chr(code))
    assert named.work - before < 10 * 1000
    assert Regex(r"\w[\w]\w[ab][ba]").passed("c") == (None, b"\1\0")  # in \w, not in [ab]


def test_steps_are_counted_as_work() -> None:
    regex = Regex("(.{1,100}){1,100}")
    state = regex.start
    for _ in range(50):
        before = regex.work
        state = regex.step(state, regex.passed("a"))
        assert regex.work - before > len(state)
