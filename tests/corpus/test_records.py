"""Records are read from a text unchanged, and none is used for both training and validation."""

import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.corpus import records
from charrnn.corpus.records import Split, encode_known, looks_like_list, some_records, split
from charrnn.corpus.text_to_ids import encode
from charrnn.errors import CorpusError, VocabularyError
from charrnn.vocab import Ids, Vocabulary

NAMES = ["emma", "olivia", "ava", "emma", "mia", "zoë", "ava", "li"]


def of(text: str | bytes, separator: str = "\n", val_fraction: float = 0.25) -> Split:
    return split(*encode([text]), separator, val_fraction)


def texts(vocabulary: Vocabulary, ids: Ids) -> list[str]:
    """The records of a part; each must end with the end symbol."""
    pieces = np.split(ids, np.flatnonzero(ids == vocabulary.end) + 1)
    assert not len(pieces.pop())
    return [vocabulary.decode(piece[:-1]) for piece in pieces]


def test_each_record_is_in_one_part_and_followed_by_its_end() -> None:
    found = of("\n".join(NAMES))
    train, val = texts(found.vocabulary, found.train), texts(found.vocabulary, found.val)
    assert len(val) == 2  # a quarter of six distinct ones, rounded (1.5 to the even 2)
    assert len(set(val)) == 2
    # in order, duplicates included
    assert train == [name for name in NAMES if name not in val]
    assert found.vocabulary == Vocabulary(
        "char", "".join(sorted(set("".join(NAMES)))), records=True
    )
    assert found.vocabulary.end == len(found.vocabulary) - 1 == len(set("".join(NAMES)))
    assert found.notices == [
        "2 of 8 records repeat an earlier one; no record is in both parts, and validation uses each only once"
    ]


def test_the_held_out_records_depend_only_on_the_records() -> None:
    names = [f"name{number}" for number in range(200)]
    first = of("\n".join(names), val_fraction=0.1)
    held_out = set(texts(first.vocabulary, first.val))
    assert len(held_out) == 20
    shuffled = random.Random(0).sample(names, 200)
    again = of("; ".join(shuffled) + "; ", "; ", 0.1)
    assert set(texts(again.vocabulary, again.val)) == held_out
    # with letters that shift every id
    more = of("\n".join([*names, "another", "zażółć", "and one more"]), val_fraction=0.1)
    assert len(set(texts(more.vocabulary, more.val)) & held_out) >= 18


def test_a_fraction_of_zero_holds_nothing_out_and_a_tiny_one_holds_out_one() -> None:
    assert len(of("a\nb\nc", val_fraction=0.0).val) == 0
    assert len(texts(of("a\nb\nc").vocabulary, of("a\nb\nc", val_fraction=0.01).val)) == 1
    found = of("a\nb", val_fraction=0.5)
    assert (len(found.train), len(found.val)) == (2, 2)


@pytest.mark.parametrize(
    ("text", "separator", "expected"),
    [
        ("a\nb\n", "\n", ["a", "b"]),
        ("a\r\nb\r\n", "\n", ["a", "b"]),
        ("a\r\nb\r", "\n", ["a", "b"]),  # the carriage return of the last line, too
        ("a\rb\nc", "\n", ["a\rb", "c"]),
        ("\n\na\n\n\nb\n\n", "\n", ["a", "b"]),
        ("\r\na\r\nb", "\n", ["a", "b"]),
        ("ab\nc\n\nd\ne", "\n\n", ["ab\nc", "d\ne"]),
        ("a\n\n\nb", "\n\n", ["a", "\nb"]),  # from the left
        ("x--a---b", "--", ["x", "a", "-b"]),
        ("aaaab", "aa", ["b"]),
        ("a%b%%c", "%", ["a", "b", "c"]),
        ("né/ça/né", "/", ["né", "ça", "né"]),
        ("a b\tc d", "\t", ["a b", "c d"]),
        ("abc", "abcd", ["abc"]),
    ],
)
def test_a_text_is_split_at_its_separator(text: str, separator: str, expected: list[str]) -> None:
    more = f"{separator}😀😀{separator}😀"  # so that there are at least two
    found = of(text + more, separator, 0.0)
    assert texts(found.vocabulary, found.train) == [*expected, "😀😀", "😀"]
    raw = of((text + more).encode(), separator, 0.0)
    assert texts(raw.vocabulary, raw.train) == [*expected, "😀😀", "😀"]
    assert (raw.vocabulary.unit, len(raw.vocabulary), raw.vocabulary.end) == ("byte", 257, 256)


@settings(max_examples=200, deadline=None)
@given(
    st.text("ab-\n\ré", max_size=40)
    | st.lists(st.sampled_from(["a", "b", "\n", "\r\n", "--"]), max_size=20).map("".join),
    st.sampled_from(["\n", "--", "a", "-a-", "\n\n", "--\n", "\na\n", "\r\n"]),
)
def test_splitting_matches_a_plain_implementation(text: str, separator: str) -> None:
    expected = cut(text, separator)
    if len(set(expected)) < 2:
        with pytest.raises(CorpusError):
            of(text, separator)
        return
    found = of(text, separator, 0.5)
    both = texts(found.vocabulary, found.train) + texts(found.vocabulary, found.val)
    assert set(both) == set(expected)
    assert not set(texts(found.vocabulary, found.train)) & set(texts(found.vocabulary, found.val))
    assert set(found.vocabulary.symbols) == set("".join(expected))
    ids, changes = encode_known(found.vocabulary, text, separator)
    assert texts(found.vocabulary, ids) == expected
    assert changes == []
    raw = of(text.encode(), separator, 0.0)
    assert texts(raw.vocabulary, raw.train) == expected
    assert (
        texts(raw.vocabulary, encode_known(raw.vocabulary, text.encode(), separator)[0]) == expected
    )


def cut(text: str, separator: str) -> list[str]:
    """From left to right; a line end in the separator matches LF and CRLF; without the final line
    end of the text."""
    ways = [
        "".join(way)
        for way in product(
            *[
                ["\n", "\r\n"] if char == "\n" else [char]
                for char in separator.replace("\r\n", "\n")
            ]
        )
    ]
    pieces, place = [""], 0
    while place < len(text):
        here = next((way for way in ways if text.startswith(way, place)), "")
        pieces = [*pieces, ""] if here else [*pieces[:-1], pieces[-1] + text[place]]
        place += len(here) or 1
    if ways[0] != "\n":
        pieces[-1] = pieces[-1].removesuffix("\n").removesuffix("\r")
    return [piece for piece in pieces if piece]


def test_a_final_separator_is_split_alike_for_training_and_scoring() -> None:
    for text, separator, expected in (
        ("foo\n%\nbar\n%\n", "\n%\n", ["foo", "bar"]),
        ("ana;\nbo;\ncato;\n", ";\n", ["ana", "bo", "cato"]),
        ("a b\r\nc\r\n\r\nd\r\ne\r\n\r\n", "\n\n", ["a b\r\nc", "d\r\ne"]),
    ):
        found = of(text, separator, 0.0)
        assert texts(found.vocabulary, found.train) == expected
        assert (
            texts(found.vocabulary, encode_known(found.vocabulary, text, separator)[0]) == expected
        )


@pytest.mark.parametrize(
    ("text", "separator", "place"),
    [
        ("abc%%de%f%%g", "%%", 8),
        ("ab\ncd\re\nfg", "\n", 6),
        ("ab\ncd\nx", "\n", 7),
        ("abx", None, 3),
        ("ab\r\n\r\nx\n", "\n\n", 7),
    ],
)
def test_an_unknown_character_is_reported_with_its_position_in_the_whole_text(
    text: str, separator: str | None, place: int
) -> None:
    vocabulary = Vocabulary("char", "abcdefg", records=separator is not None)
    with pytest.raises(
        VocabularyError,
        match=f"^the model has not seen the character .*, at position {place} of the text; ",
    ):
        encode_known(vocabulary, text, separator)


def test_a_replacement_never_becomes_a_separator() -> None:
    vocabulary = Vocabulary("char", "abcdefg", records=True)
    for text, separator, unknown in (
        ("ab%\u20ac%cd", "%%", "skip"),
        ("ab\uff05cd", "%", "skip"),
        ("ab\u2028cd", "\n", "skip"),
    ):
        ids, changes = encode_known(vocabulary, text, separator, unknown)
        assert texts(vocabulary, ids) == ["abcd"]
        assert all("does not know it" in change for change in changes)
    with pytest.raises(
        VocabularyError, match=r"^the model has not seen the character '\\n' .*, at position 6"
    ):
        encode_known(vocabulary, "ab|cd\nef|g", "|", "replace")


def test_records_copied_in_several_chunks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of("\n".join(NAMES * 3))
    monkeypatch.setattr(records, "RECORDS_PER_BLOCK", 3)
    again = of("\n".join(NAMES * 3))
    assert (again.train.tolist(), again.val.tolist(), again.vocabulary) == (
        whole.train.tolist(),
        whole.val.tolist(),
        whole.vocabulary,
    )


@pytest.mark.parametrize(("text", "count"), [("abc", 1), ("a\na\na\n", 1), ("\n\n", 0)])
def test_fewer_than_two_distinct_records_are_refused(text: str, count: int) -> None:
    with pytest.raises(CorpusError) as error:
        of(text)
    assert str(error.value) == (
        f"`separator='\\n'` needs at least 2 different lines, but the text has {count}; give another one, or leave it out"
    )


def test_empty_records_are_left_out_and_reported() -> None:
    assert of("a\n\nb\n\n\nc\n").notices == ["3 empty records were left out"]


def test_encoding_reports_changes_and_the_position_of_unknown_characters() -> None:
    vocabulary = Vocabulary("char", "abc", records=True)
    ids, changes = encode_known(vocabulary, "aX\r\nXb\nX", "\n", "skip")
    assert texts(vocabulary, ids) == ["a", "b"]
    assert changes == [
        "left out 'X' (U+0058, LATIN CAPITAL LETTER X) 3 times: the model does not know it"
    ]
    with pytest.raises(
        VocabularyError,
        match=r"^the model has not seen the character 'X' .*, at position 5 of the text",
    ):
        encode_known(vocabulary, "ab\naX", "\n")
    with pytest.raises(CorpusError, match=r"^nothing is left of list.txt: "):
        encode_known(vocabulary, "X\nX", "\n", "skip", "list.txt")
    with pytest.raises(VocabularyError):
        encode_known(vocabulary, "a\rb\nc", "\n")  # a carriage return within a record
    assert texts(vocabulary, encode_known(vocabulary, "a\rb\nc", "\n", "skip")[0]) == ["ab", "c"]


def test_a_line_end_at_the_end_of_a_file_belongs_to_no_record() -> None:
    for end in ("", "\n", "\r\n"):
        found = of(f"ab,ba,aa{end}", ",", 0.0)
        assert texts(found.vocabulary, found.train) == ["ab", "ba", "aa"]
        assert found.vocabulary.symbols == "ab"
        assert texts(
            found.vocabulary, encode_known(found.vocabulary, f"ab,ba,aa{end}", ",")[0]
        ) == ["ab", "ba", "aa"]
    blocks = of("a\nb\n\nc\nd\n", "\n\n", 0.0)
    assert texts(blocks.vocabulary, blocks.train) == ["a\nb", "c\nd"]


def test_a_sample_of_records_is_whole_and_evenly_spread() -> None:
    ids = np.array([idx for number in range(100) for idx in (number % 7, 9)], np.uint8)
    assert some_records(ids, 9, 200) is ids
    assert some_records(ids, 9, 50).tolist() == [
        idx for number in range(0, 100, 4) for idx in (number % 7, 9)
    ]
    assert some_records(ids, 9, 1).tolist() == [0, 9]
    assert some_records(np.array([1, 1, 1, 9, 2, 9], np.uint8), 9, 3).tolist() == [1, 1, 1, 9]


def test_running_text_is_encoded_whole() -> None:
    vocabulary = Vocabulary.of("ab\n")
    assert encode_known(vocabulary, "a\nb", None)[0].tolist() == vocabulary.encode("a\nb").tolist()
    assert encode_known(Vocabulary("byte"), b"a\nb", None)[0].tolist() == [97, 10, 98]


# Detecting lists


def lines(seed: int, number: int, low: int, high: int, alphabet: str) -> str:
    rng = random.Random(seed)
    return "".join(
        "x" + "".join(rng.choices(alphabet, k=rng.randint(low, high))) + "\n" for _ in range(number)
    )


PROSE = "".join(
    word + ("\n" if number % 11 == 10 else " ") for number, word in enumerate(["wording"] * 5000)
)
POEM = "A line of so many words\nand another of them\n\n" * 200
CODE = "def f(x):\n    return x\n" * 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (lines(0, 500, 3, 12, "abcdef"), True),
        (lines(0, 500, 20, 110, "CNOc1()=#"), True),
        (
            lines(0, 500, 10, 10, "0123456789"),
            True,
        ),  # all of the same length, but not wrapped prose
        (lines(0, 500, 3, 30, "abc def"), True),
        (lines(0, 90, 3, 12, "abcdef"), False),  # too few to tell
        (lines(0, 500, 200, 900, "abc def"), False),  # paragraphs
        (PROSE, False),
        (POEM, False),
        (CODE, False),
        ("no line at all", False),
    ],
    ids=[
        "names",
        "molecules",
        "numbers",
        "places",
        "few",
        "paragraphs",
        "prose",
        "poem",
        "code",
        "none",
    ],
)
def test_lists_are_distinguished_from_prose_poems_and_code(text: str, expected: bool) -> None:
    assert looks_like_list(*encode([text])) == expected
    assert looks_like_list(*encode([text.encode()])) == expected
