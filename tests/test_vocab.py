"""Text survives the round trip through ids; an unknown character is reported, never silently
changed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from charrnn.errors import ConfigError, VocabularyError
from charrnn.vocab import Vocabulary, describe, smallest_dtype

BYTES = Vocabulary("byte")


def refusal(call: Callable[..., object], *args: Any) -> str:
    """The message of the error that a call raises."""
    with pytest.raises(VocabularyError) as caught:
        call(*args)
    return str(caught.value)


# Characters


def test_symbols_are_the_distinct_code_points_in_order() -> None:
    assert Vocabulary.of("hello, Öl\n") == Vocabulary("char", "\n ,ehloÖ")
    assert Vocabulary.of("banana") == Vocabulary("char", "abn")
    assert len(Vocabulary.of("banana")) == 3


def test_a_text_survives_the_round_trip() -> None:
    vocabulary = Vocabulary("char", "abn")
    ids = vocabulary.encode("banana")
    assert (ids.tolist(), ids.dtype, ids.shape) == ([1, 0, 2, 0, 2, 0], np.uint8, (6,))
    assert vocabulary.decode(ids) == "banana"


@pytest.mark.parametrize(
    "text",
    [
        "\0\n\r\t \x7f",
        "e\u0301é",
        "👩‍👩‍👧",
        "漢字かな",
        "עברית",
        "\U0010ffff\ue000",
        "\ud800\udc00",
    ],
)
def test_any_text_is_preserved_code_point_by_code_point(text: str) -> None:
    vocabulary = Vocabulary.of(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert len(vocabulary.encode(text)) == len(text)


@pytest.mark.parametrize("vocabulary", [Vocabulary("char", "abn"), BYTES])
def test_an_empty_text_has_no_ids(vocabulary: Vocabulary) -> None:
    assert vocabulary.encode("").tolist() == []
    assert vocabulary.decode([]) == ""


@pytest.mark.parametrize(
    ("size", "dtype"),
    [(1, np.uint8), (256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)],
)
def test_ids_have_the_smallest_type_that_fits(size: int, dtype: type) -> None:
    assert smallest_dtype(size) is dtype
    vocabulary = Vocabulary("char", "".join(map(chr, range(size))))
    ids = vocabulary.encode(chr(0) + chr(size - 1))
    assert (ids.tolist(), ids.dtype) == ([0, size - 1], dtype)


@pytest.mark.parametrize(
    ("unit", "symbols"), [("char", "aba"), ("char", ""), ("byte", "ab"), ("word", "ab")]
)
def test_a_vocabulary_has_a_known_unit_and_each_symbol_once(unit: str, symbols: str) -> None:
    with pytest.raises(VocabularyError):
        Vocabulary(unit, symbols)


def test_bytes_are_refused_by_a_vocabulary_of_characters() -> None:
    assert (
        refusal(Vocabulary.of("abc").encode, b"abc")
        == "`text` must be a string for a vocabulary of characters, got 3 bytes; decode them first"
    )


# Unknown characters


@pytest.mark.parametrize(
    ("char", "words"),
    [
        ("é", "'é' (U+00E9, LATIN SMALL LETTER E WITH ACUTE)"),
        ("\n", r"'\n' (U+000A)"),
        ("'", '"\'" (U+0027, APOSTROPHE)'),
        ("\ud800", r"'\ud800' (U+D800)"),
        ("😀", "'😀' (U+1F600, GRINNING FACE)"),
    ],
)
def test_a_character_is_described_with_its_code_point(char: str, words: str) -> None:
    assert describe(char) == words


@pytest.mark.parametrize(
    ("known", "text", "message"),
    [
        (
            "ab'",
            "ab\u2019a",  # a right single quotation mark
            "the model has not seen the character '\u2019' (U+2019, RIGHT SINGLE QUOTATION MARK), at position 3 of the text; "
            'type "\'" instead, or use `unknown="replace"` or `unknown="skip"`',
        ),
        (
            "ABC",
            "BAb",
            "the model has not seen the character 'b' (U+0062, LATIN SMALL LETTER B), at position 3 of the text; "
            'type \'B\' instead, or use `unknown="replace"` or `unknown="skip"`',
        ),
        (
            "café",
            "a\u2603\u2603",
            "the model has not seen the character '\u2603' (U+2603, SNOWMAN), at position 2 of the text; "
            'leave it out with `unknown="skip"`',
        ),
        (
            "eé",
            "e\u0301",
            "the model has not seen the character '\u0301' (U+0301, COMBINING ACUTE ACCENT), at position 2 of the text; "
            'type \'é\' instead, or use `unknown="replace"` or `unknown="skip"`',
        ),
        (
            "ab",
            "ab\ud83d",
            r"the model has not seen the character '\ud83d' (U+D83D), at position 3 of the text; "
            'leave it out with `unknown="skip"`',
        ),
    ],
)
def test_an_unknown_character_is_reported_with_its_position_and_the_nearest(
    known: str, text: str, message: str
) -> None:
    vocabulary = Vocabulary.of(known)
    assert refusal(vocabulary.repair, text) == message
    # where --unknown has no effect
    assert refusal(vocabulary.encode, text) == without_choices(message)


def without_choices(message: str) -> str:
    return message.removesuffix(' with `unknown="skip"`').removesuffix(
        ', or use `unknown="replace"` or `unknown="skip"`'
    )


@pytest.mark.parametrize("char", ["a", "c", "z", "\uffff", "\U0010ffff"])
def test_code_points_before_between_and_after_the_known_are_unknown(char: str) -> None:
    vocabulary = Vocabulary.of("bd")
    assert refusal(vocabulary.encode, "b" + char) == without_choices(
        refusal(vocabulary.repair, "b" + char)
    )


@pytest.mark.parametrize(
    ("known", "text", "repaired"),
    [
        ("it's", "it\u2019s", "it's"),  # curly to straight
        ('"a', "\u201ca\u201d", '"a"'),
        ("it\u2019s", "it's", "it\u2019s"),  # and back
        ("a-b", "a\u2014b", "a-b"),
        ("a b", "a\u00a0b\tb", "a b b"),
        ("a\n", "a\u2028", "a\n"),
        ("cafeé", "cafe\u0301", "café"),  # decomposed to composed
        ("cafe\u0301", "café", "cafe\u0301"),  # composed to decomposed
        ("ABC", "abc", "ABC"),  # other case
        ("abc", "ABC", "abc"),
        ("naive", "naïve", "naive"),  # accent dropped
        ("NAIVE", "ï", "I"),  # both
        ("eé", "É", "é"),  # the other case takes precedence over the accent
        ("fi", "ﬁ", "fi"),  # compatibility form
        ("a1", "ａ１", "a1"),
        ("abc", "cab", "cab"),  # all known
    ],
)
def test_replace_uses_the_nearest_known_spelling(known: str, text: str, repaired: str) -> None:
    vocabulary = Vocabulary.of(known)
    assert vocabulary.repair(text, "replace")[0] == repaired
    assert vocabulary.decode(vocabulary.encode(repaired)) == repaired


@pytest.mark.parametrize(
    ("known", "text", "repaired"),
    [
        ("é!", "e\u0301!", "é!"),  # the letter alone is unknown
        ("Eé", "e\u0301", "é"),  # nor replaced by another
        ("eệ", "e\u0323\u0302", "ệ"),  # two marks on one letter
        ("한국", "\u1112\u1161\u11ab", "한"),  # Hangul, whose parts are not combining marks
        # the accent of a decomposed letter is dropped like that of a composed one
        ("man", "n\u0303", "n"),
    ],
)
def test_replace_composes_what_it_can(known: str, text: str, repaired: str) -> None:
    assert Vocabulary.of(known).repair(text, "replace")[0] == repaired


def test_replace_reports_each_kind_of_change_once() -> None:
    assert Vocabulary.of("it's").repair("it\u2019s it\u2019s".replace(" ", ""), "replace") == (
        "it'sit's",
        [
            "wrote \"'\" instead of '\u2019': the model does not know '\u2019' (U+2019, RIGHT SINGLE QUOTATION MARK)"
        ],
    )
    assert Vocabulary.of("eéA").repair("ae\u0301a", "replace") == (
        "AéA",
        [
            "wrote 'A' instead of 'a': the model does not know 'a' (U+0061, LATIN SMALL LETTER A)",
            "wrote 'é' instead of 'e\u0301': the model does not know '\u0301' (U+0301, COMBINING ACUTE ACCENT)",
        ],
    )


def test_replace_refuses_a_character_without_a_near_one() -> None:
    assert refusal(Vocabulary.of("ab").repair, "A\u2603", "replace") == (
        "the model has not seen the character '\u2603' (U+2603, SNOWMAN), at position 2 of the text; "
        'leave it out with `unknown="skip"`'
    )


def test_skip_reports_what_it_leaves_out() -> None:
    assert Vocabulary.of("ab").repair("\u2603axbx\u2603x", "skip") == (
        "ab",
        [
            "left out 'x' (U+0078, LATIN SMALL LETTER X) 3 times: the model does not know it",
            "left out '\u2603' (U+2603, SNOWMAN) 2 times: the model does not know it",
        ],
    )


@pytest.mark.parametrize("unknown", ["error", "skip", "replace"])
@pytest.mark.parametrize(
    ("vocabulary", "text"),
    [(Vocabulary.of("abc"), "cab"), (Vocabulary.of("abc"), ""), (BYTES, "any \u2603 at all")],
)
def test_a_known_text_is_not_changed(vocabulary: Vocabulary, text: str, unknown: str) -> None:
    assert vocabulary.repair(text, unknown) == (text, [])


@pytest.mark.parametrize("vocabulary", [Vocabulary.of("abc"), BYTES])
def test_an_invalid_choice_for_unknown_is_refused(vocabulary: Vocabulary) -> None:
    with pytest.raises(ConfigError) as caught:
        vocabulary.repair("abc", "ignore")
    assert str(caught.value) == "`unknown` must be one of error, skip, replace, got 'ignore'"


# Bytes


def test_the_id_of_a_byte_is_its_value() -> None:
    assert Vocabulary.of(b"any") == BYTES
    assert len(BYTES) == 256
    assert BYTES.encode(bytes(range(256))).tolist() == list(range(256))
    assert BYTES.encode("a\u20ac").tolist() == [0x61, 0xE2, 0x82, 0xAC]  # the euro sign in UTF-8
    assert BYTES.encode(b"\xff").dtype == np.uint8
    assert BYTES.decode([0x61, 0xE2, 0x82, 0xAC]) == "a\u20ac"


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([0xFF, 0x61], "\ufffda"),  # never the start of anything
        ([0xE2, 0x82], "\ufffd"),  # cut off
        ([0xE2, 0x82, 0x61], "\ufffda"),
        ([0xED, 0xA0, 0x80], "\ufffd\ufffd\ufffd"),  # a surrogate, which UTF-8 does not have
    ],
)
def test_invalid_utf8_becomes_replacement_characters(ids: list[int], text: str) -> None:
    assert BYTES.decode(ids) == text


@pytest.mark.parametrize("char", ["a", "é", "\u20ac", "😀"])
def test_an_unfinished_character_is_held_back(char: str) -> None:
    decoder = BYTES.decoder()
    pieces = [decoder.decode([byte]) for byte in char.encode() + b"!"]
    assert pieces == [""] * (len(char.encode()) - 1) + [char, "!"]
    assert decoder.flush() == ""


def test_an_unfinished_character_at_the_end_becomes_a_replacement_character() -> None:
    decoder = BYTES.decoder()
    assert [decoder.decode([byte]) for byte in (0x61, 0xF0, 0x9F)] == ["a", "", ""]
    assert decoder.flush() == "\ufffd"


def test_joined_pieces_equal_the_whole_text() -> None:
    ids = [*np.random.default_rng(0).integers(0, 256, 500).tolist(), 0xF0]
    decoder = BYTES.decoder()
    assert "".join([*(decoder.decode([idx]) for idx in ids), decoder.flush()]) == BYTES.decode(ids)


@pytest.mark.parametrize("text", ["ab\ud800", "ab\udcffc"])
def test_half_a_surrogate_pair_is_refused_by_a_vocabulary_of_bytes(text: str) -> None:
    assert (
        refusal(BYTES.encode, text)
        == f"{describe(text[2])} at position 3 is half a surrogate pair and cannot be written as UTF-8; remove it"
    )


# --- characters that were too rare to be learned ---

RARE = Vocabulary("char", "aeit v", replaced=(("\u00e9", "e"), ("\u2603", "")))


def test_rare_characters_are_repaired_as_they_were_learned() -> None:
    assert RARE.repair("t\u00e9\u2603a") == ("tea", [])
    assert RARE.without_rare("t\u00e9\u2603a") == "tea"
    assert RARE.without_rare(b"t\xc3\xa9") == b"t\xc3\xa9"
    with pytest.raises(VocabularyError, match="has not seen the character 'x'"):
        RARE.repair("t\u00e9x")
    with pytest.raises(VocabularyError, match="has not seen the character '\u00e9'"):
        RARE.encode("t\u00e9")  # as in a bias, which would be that of another character


def test_the_most_similar_symbol_is_a_single_one_that_is_not_excluded() -> None:
    known = Vocabulary("char", "\ne\u0301|SfI")
    assert known.similar("\u00e9") == "e"  # not the two characters that compose to it
    assert known.similar("\ufb01") == ""  # only two letters
    assert known.similar("\u2028") == "\n"
    assert known.similar("\u2028", excluded="\n") == ""
    assert known.similar("s") == "S"


def test_bytes_have_no_replacements() -> None:
    with pytest.raises(VocabularyError, match="`replaced` must give unknown characters"):
        Vocabulary("byte", replaced=(("a", ""),))


@pytest.mark.parametrize(
    "replaced", [(("a", "e"),), (("\u00e9", "x"),), (("\u00e9\u00e9", "e"),), (("", "e"),)]
)
def test_replacements_of_other_characters_are_refused(
    replaced: tuple[tuple[str, str], ...],
) -> None:
    with pytest.raises(VocabularyError, match="`replaced` must give unknown characters"):
        Vocabulary("char", "ae", replaced=replaced)
