"""Whole pieces of text, boundaries and stop strings: with scripted symbols, and against brute
force."""

from itertools import product

import numpy as np
import pytest

from charrnn.errors import ConfigError, GenerationError
from charrnn.generation.decode import Symbol
from charrnn.generation.pieces import (
    BOUNDARIES,
    MOST_BEYOND,
    End,
    Piece,
    pieces,
    until_boundary,
    until_stop,
)
from charrnn.vocab import Vocabulary

ABC = Vocabulary.of("abc")
BYTES = Vocabulary("byte")


def script(ids):
    """Scripted symbols; the n-th has the log-probability -n."""
    return (Symbol(int(idx), -float(number)) for number, idx in enumerate(ids, 1))


def single(text):
    """Pieces of one character; the n-th has the log-probability -n."""
    return [Piece(char, -float(number)) for number, char in enumerate(text, 1)]


def chunks(text, size):
    return [Piece(text[start : start + size], -1.0) for start in range(0, len(text), size)]


def consumed(stream):
    """The text of a stream, and its return value."""
    given = []
    while True:
        try:
            given.append(next(stream).text)
        except StopIteration as end:
            return "".join(given), end.value


def joined(stream):
    return "".join(piece.text for piece in stream)


# Pieces


def test_each_symbol_of_a_character_vocabulary_is_a_piece():
    assert list(pieces(ABC.decoder(), script([2, 0, 0, 1]), 4)) == [
        Piece("c", -1),
        Piece("a", -2),
        Piece("a", -3),
        Piece("b", -4),
    ]


def test_a_multibyte_character_comes_when_complete_with_the_sum_of_log_probabilities():
    # a: 1 byte, é: 2, €: 3, 😀: 4; the n-th byte scores -n: -1, -2 -3, -4 -5 -6, -7 -8 -9 -10
    assert list(pieces(BYTES.decoder(), script("aé€😀".encode()), 4)) == [
        Piece("a", -1),
        Piece("é", -5),
        Piece("€", -15),
        Piece("😀", -34),
    ]


def test_a_byte_that_invalidates_the_previous_one_yields_two_characters():
    assert list(pieces(BYTES.decoder(), script(b"\xc3ab"), 3)) == [
        Piece("\ufffda", -3),
        Piece("b", -3),
    ]


def test_two_characters_at_once_are_truncated_to_the_length():
    assert list(pieces(BYTES.decoder(), script(b"\xc3a"), 1)) == [Piece("\ufffd", -3)]


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_pieces_consume_only_the_symbols_they_need(length):
    symbols = script([0, 1, 2, 0, 1, 2])
    assert joined(pieces(ABC.decoder(), symbols, length)) == "abcab"[:length]
    assert len(list(symbols)) == 6 - length


BYTE_SCRIPTS = {
    "ascii": b"plain",
    "two bytes": "éàü".encode(),
    "mixed": "aé€😀z".encode(),
    "continuations alone": b"\x80\xbf\x80",
    "starts alone": b"\xc3\xc3\xe2\xf0a",
    "cut short": b"\xe2\x82\xf0\x9f\x98a",
    "overlong": b"\xc0\xafa",
    "surrogate": b"\xed\xa0\x80a",
    "beyond unicode": b"\xf4\x90\x80\x80a",
    "never utf-8": b"\xfe\xff",
    "byte order mark": b"\xef\xbb\xbfa",
}


@pytest.mark.parametrize("data", BYTE_SCRIPTS.values(), ids=BYTE_SCRIPTS)
def test_joined_pieces_of_bytes_equal_the_decoded_text_at_every_length(data):
    text = data.decode("utf-8", "replace")
    for length in range(len(text) + 1):
        found = list(pieces(BYTES.decoder(), script(data + b"."), length))
        assert joined(found) == text[:length]
        assert all(piece.text for piece in found)


@pytest.mark.parametrize("vocabulary", [Vocabulary.of("ab\né€😀"), BYTES], ids=["char", "byte"])
def test_random_symbols_give_whole_pieces_of_exactly_the_length(vocabulary):
    ids = np.random.default_rng(0).integers(0, len(vocabulary), 2000)
    for length in (0, 1, 2, 3, 50, 400):
        found = list(pieces(vocabulary.decoder(), script(ids), length))
        assert len(joined(found)) == length
        assert joined(found) == vocabulary.decode(ids)[:length]
        assert all(piece.text for piece in found)
        joined(found).encode("utf-8")  # no partial characters


# Stop strings

STOPS = [
    ("abcabc", ["c"], "ab"),
    ("abcabc", ["ca"], "ab"),
    ("abcabc", [], "abcabc"),
    ("abcabc", ["x", "cc"], "abcabc"),
    ("abcabc", ["abcabc"], ""),
    ("abcabc", ["bcabc"], "a"),
    ("abcabc", ["abcabca"], "abcabc"),
    ("abcabc", ["a"], ""),
    ("aaab", ["aab"], "a"),
    ("ababab", ["abab"], ""),
    ("aababab", ["abab"], "a"),
    ("abaabab", ["abab"], "aba"),
    ("aabaabaaab", ["aabaaa"], "aab"),
    ("aaaa", ["aa"], ""),
    ("abcd", ["bc", "d"], "a"),
    ("abcd", ["abcd", "bc"], "a"),  # bc ends first, though abcd begins first
    ("abcd", ["cd", "abcd", "d"], ""),  # all end together: the longest
    ("abcd", ["b", "ab"], ""),
    ("xaby", ["aby", "ab"], "x"),
    ("abab", ["abac"], "abab"),  # begun, never ended
    ("ab", ["abc"], "ab"),
    ("", ["a"], ""),
]


@pytest.mark.parametrize(("text", "stops", "expected"), STOPS)
@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_a_text_ends_before_the_stop_string_that_is_completed_first(text, stops, expected, size):
    assert joined(until_stop(chunks(text, size), stops)) == expected


def test_text_that_cannot_begin_a_stop_string_comes_at_once():
    # aab in xaaab: x cannot begin it. a, aa may; at the third a, the first of the three no longer
    # can.
    stream = until_stop(single("xaaa"), ["aab"])
    assert next(stream) == Piece("x", -1)
    assert next(stream) == Piece("a", -2 - 3 - 4)
    assert next(stream) == Piece("aa", 0)
    assert list(stream) == []


def test_an_unfinished_stop_string_comes_at_the_end():
    assert list(until_stop(single("xab"), ["abc"])) == [Piece("x", -1), Piece("ab", -2 - 3)]


def test_without_stop_strings_the_pieces_are_unchanged():
    assert list(until_stop(single("aab"), [])) == single("aab")


def test_nothing_is_read_after_the_stop_string():
    symbols = iter(single("xaby"))
    assert joined(until_stop(symbols, ["ab"])) == "x"
    assert list(symbols) == [Piece("y", -4)]


def test_the_log_probability_counts_the_stop_string():
    # x, a and b were all drawn: -1 - 2 - 3
    assert sum(piece.log_probability for piece in until_stop(single("xaby"), ["ab"])) == -6
    assert sum(piece.log_probability for piece in until_stop(single("aby"), ["a"])) == -1


def by_brute_force(text, stops):
    """The shortest beginning that ends with a stop string, without the longest stop string that it
    ends with."""
    for end in range(len(text) + 1):
        found = [len(stop) for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(found)], end
    return text, len(text)


STOP_SETS = [
    "a",
    "ab",
    "aa",
    "aab",
    "aba",
    "abab",
    "abaab",
    "b,aa",
    "ab,ba",
    "aab,ab",
    "bbb,abba,aaa",
    "aabaa,ba",
]


@pytest.mark.parametrize("stops", STOP_SETS)
def test_stop_strings_agree_with_brute_force_on_every_text_of_a_and_b(stops):
    stops = stops.split(",")
    texts = ["".join(letters) for size in range(8) for letters in product("ab", repeat=size)]
    assert len(texts) == 255  # 1 + 2 + 4 + ... + 128
    for text in texts:
        expected, used = by_brute_force(text, stops)
        found = list(until_stop(single(text), stops))
        assert joined(found) == expected
        assert sum(piece.log_probability for piece in found) == -used * (used + 1) / 2
        # the last piece may carry only the log-probability of a stop string
        assert all(piece.text for piece in found[:-1])
        for size in (2, 3):
            assert joined(until_stop(chunks(text, size), stops)) == expected


# The end of a record


def test_the_end_of_a_record_has_a_log_probability_but_no_text():
    records = Vocabulary("char", "abc", records=True)
    assert list(pieces(records.decoder(), script([0, 1, 3, 2]), 9, 3)) == [
        Piece("a", -1),
        Piece("b", -2),
        Piece("", -3),
    ]


def test_an_unfinished_character_at_the_end_of_a_record_is_kept():
    records = Vocabulary("byte", records=True)
    assert list(pieces(records.decoder(), script([97, 0xC3, 256]), 9, 256)) == [
        Piece("a", -1),
        Piece("\ufffd", -5),
    ]


# Boundaries


@pytest.mark.parametrize(
    ("until", "text", "length", "expected", "rest"),
    [
        ("sentence", "It was. So it is. And", 3, "It was.", " "),
        # the boundary at the length itself
        ("sentence", "It was. So it is. And", 7, "It was.", " "),
        ("sentence", "It was. So it is. And", 8, "It was. So it is.", " "),
        # a point within a number does not end a sentence
        ("sentence", "It is 3.5 high! he said", 2, "It is 3.5 high!", " "),
        ("sentence", 'He said "No." She', 4, 'He said "No."', " "),
        ("sentence", "What?! (Yes.) No", 8, "What?! (Yes.)", " "),
        ("sentence", "行。「何？」と", 1, "行。", "「"),
        ("sentence", "行。「何？」と", 3, "行。「何？」", "と"),
        ("line", "one\ntwo\n", 2, "one", "\n"),
        ("line", "one\ntwo\n", 3, "one", "\n"),
        ("line", "one\ntwo\n", 4, "one\ntwo", "\n"),
        ("paragraph", "one\ntwo\n\nthree", 1, "one\ntwo", "\n\n"),
        ("paragraph", "one\ntwo\n \t\nthree", 1, "one\ntwo", "\n \t\n"),
        ("END", "the ENDING", 2, "the END", ""),
        (".*", "a.*b", 1, "a.*", ""),  # a string, not a pattern
        ("\n\n", "a\nb\n\nc", 1, "a\nb\n\n", ""),
        ("b", "ababab", 3, "abab", ""),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_a_text_continues_to_the_first_boundary_at_or_after_its_length(
    until, text, length, expected, rest, size
):
    given, left = consumed(until_boundary(chunks(text, size), length, until))
    assert given == expected
    assert (given + left).startswith(expected + rest) or size < len(expected + rest)
    assert text.startswith(given + left)


def test_text_that_may_follow_a_boundary_is_held_back_and_the_rest_comes_at_once():
    seen = []

    def watched():
        for char in "ab c\n\nd":
            yield Piece(char, -1.0)
            seen.append("".join(given))

    given = []
    for piece in until_boundary(watched(), 2, "paragraph"):
        given.append(piece.text)
    # the space comes with the c, the newline never
    assert seen == ["a", "ab", "ab", "ab c", "ab c"]


def test_log_probabilities_up_to_a_boundary_include_everything_drawn():
    found = list(until_boundary(single("ab. c"), 1, "sentence"))
    assert joined(found) == "ab."
    assert sum(piece.log_probability for piece in found) == -(1 + 2 + 3 + 4)


@pytest.mark.parametrize("until", [*BOUNDARIES, "END"])
def test_a_missing_boundary_is_an_error_after_the_text(until):
    stream, given = until_boundary((Piece("a", 0.0) for _ in range(MOST_BEYOND + 50)), 5, until), []
    what = f"no {until} ends"
    advice = "give another `until` or `seed`, or train the model longer"
    if until == "END":
        what = "'END' does not occur"
        advice = "give sentence, line, paragraph or a frequent string as `until`"
    with pytest.raises(GenerationError) as error:
        given.extend(piece.text for piece in stream)
    assert str(error.value) == (f"{what} in the 10,000 characters after the first 5; {advice}")
    assert "".join(given) == "a" * (MOST_BEYOND + 5)


def test_an_end_is_validated_and_combines_boundary_and_stop_strings():
    assert End.of(ABC, 5, "x", None) == End(5, ("x",), None)
    for how in ((-1, (), None), (5, "", None), (5, (), "")):
        with pytest.raises(ConfigError):
            End.of(ABC, *how)
    text = "cab. cab. cab. "
    symbols = Vocabulary.of(text)
    assert (
        joined(End.of(symbols, 5, (), "sentence").of_text(symbols, script(symbols.encode(text))))
        == "cab. cab."
    )
    assert (
        joined(
            End.of(symbols, 5, (". c",), "sentence").of_text(symbols, script(symbols.encode(text)))
        )
        == "cab"
    )
    assert (
        joined(End.of(symbols, 5, (), None).of_text(symbols, script(symbols.encode(text))))
        == "cab. "
    )
