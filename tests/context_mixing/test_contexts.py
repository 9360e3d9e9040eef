"""Contexts are the last symbols and words: read as a whole, one by one, or in several streams."""

import re

import numpy as np
import pytest

from charrnn.context_mixing.contexts import KINDS, Contexts, Kind, Reading, Readings
from charrnn.vocab import Ids, Vocabulary

PROSE = "The old man, the OLD dog; émile and Émile.\n\nIn 1999 a_b a-b Don't don't  stop" * 3
CHARS = Vocabulary.of(PROSE)
BYTES = Vocabulary("byte")
RECORDS = Vocabulary("char", CHARS.symbols, records=True)
END = "\0"  # the end of a record, in the strings of these tests
KIND_NAMES = [
    f"{kind.symbols} symbols" if kind.symbols else f"{kind.words} words" for kind in KINDS
]


def slow_contexts(text: str, kind: Kind) -> list[str]:
    """What was read before each place of a text, cut from its string."""
    contexts = []
    for place in range(1, len(text) + 1):
        record_start = max(0, text.rfind(END, 0, place))
        read = text[record_start:place]
        if kind.symbols:
            contexts.append(read[-kind.symbols :])
        else:
            words = re.findall(r"^\w+|\W\w*", read.lower())
            contexts.append("".join(words[-1 - kind.words :]))
    return contexts


def spelled(vocabulary: Vocabulary) -> tuple[Ids, str]:
    """Ids of a vocabulary, and the string whose substrings are their contexts."""
    if vocabulary.unit == "byte":
        data = PROSE.encode()
        # of the bytes of letters outside of ASCII, each is a letter of its own, with one case
        return vocabulary.encode(data), data.translate(LETTERS).decode("latin-1")
    if not vocabulary.records:
        return vocabulary.encode(PROSE), PROSE
    records = PROSE.split(" ")
    ids = [np.append(vocabulary.encode(record), vocabulary.end) for record in records]
    return np.concatenate(ids), "".join(record + END for record in records)


# 0xc3 0xa9 is é and 0xc3 0x89 is É: their bytes become ª, º and ß, letters without another case
LETTERS = bytes.maketrans(b"\xc3\xa9\x89", b"\xaa\xba\xdf")
VOCABULARIES = [CHARS, BYTES, RECORDS]
vocabularies = pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=["char", "byte", "records"])


@vocabularies
@pytest.mark.parametrize("number", range(len(KINDS)), ids=KIND_NAMES)
def test_two_contexts_are_equal_exactly_if_their_strings_are(
    vocabulary: Vocabulary, number: int
) -> None:
    ids, text = spelled(vocabulary)
    found = Contexts(vocabulary).of_text(ids)[:, number].tolist()
    if vocabulary.records:
        expected = slow_contexts(END + text, KINDS[number])[1:]
    else:
        expected = slow_contexts(text, KINDS[number])
    assert len(found) == len(expected) == len(ids)
    distinct = len(set(expected))
    assert 20 < distinct < len(ids)
    assert len(set(zip(found, expected, strict=True))) == len(set(found)) == distinct


@vocabularies
def test_kinds_share_no_hash_even_if_their_strings_are_equal(vocabulary: Vocabulary) -> None:
    ids, _ = spelled(vocabulary)
    found = Contexts(vocabulary).of_text(ids)
    assert all(len(set(row)) == len(KINDS) for row in found.tolist())


def readings_of(contexts: Contexts, ids: Ids) -> list[Reading]:
    """A stream after each symbol; each record is read from the end of the one before it."""
    reading = Reading()
    if contexts.end >= 0:
        reading = contexts.after(reading, contexts.end)
    readings = []
    for idx in ids.tolist():
        if idx == contexts.end:
            reading = Reading()
        reading = contexts.after(reading, idx)
        readings.append(reading)
    return readings


@vocabularies
def test_symbol_by_symbol_the_contexts_are_those_of_the_whole_text(vocabulary: Vocabulary) -> None:
    ids, _ = spelled(vocabulary)
    contexts = Contexts(vocabulary)
    found = [contexts.of_reading(reading) for reading in readings_of(contexts, ids)]
    assert found == contexts.of_text(ids).tolist()


@vocabularies
def test_several_streams_have_the_contexts_of_each(vocabulary: Vocabulary) -> None:
    ids, _ = spelled(vocabulary)
    contexts = Contexts(vocabulary)
    rng = np.random.default_rng(0)
    streams = rng.choice(ids[ids != contexts.end], (5, 60))  # (B, n)
    each = [Reading()] * 5
    readings = Readings.of(each)
    for column in streams.T:
        each = [contexts.after(one, int(idx)) for one, idx in zip(each, column, strict=True)]
        readings = contexts.after_each(readings, column)
        found = contexts.of_readings(readings)
        assert found.dtype == np.uint32
        assert found.tolist() == [contexts.of_reading(reading) for reading in each]
        for part, expected in zip(readings, Readings.of(each), strict=True):
            np.testing.assert_array_equal(part, expected)


def test_a_piece_of_the_text_has_the_contexts_of_the_whole_where_it_reaches_back_far_enough() -> (
    None
):
    # the two words before "stop" begin 14 symbols before the end
    ids = CHARS.encode(PROSE)
    contexts = Contexts(CHARS)
    whole = contexts.of_text(ids)
    for start in range(0, len(ids) - 60, 7):
        np.testing.assert_array_equal(contexts.of_text(ids[start:])[40:], whole[start + 40 :])


def test_words_are_compared_without_case_and_symbols_with_it() -> None:
    contexts = Contexts(CHARS)
    lower, upper = (contexts.of_text(CHARS.encode(text))[-1] for text in ("t émil", "T Émil"))
    same = [kind for kind, is_same in zip(KINDS, lower == upper, strict=True) if is_same]
    assert same == [Kind(2), Kind(3), Kind(words=0), Kind(words=1), Kind(words=2)]


def test_a_letter_whose_other_case_is_unknown_is_a_letter_of_its_own() -> None:
    vocabulary = Vocabulary.of(" aAB")
    contexts = Contexts(vocabulary)
    words = [
        contexts.of_text(vocabulary.encode(text))[-1, KINDS.index(Kind(words=0))]
        for text in (" a", " A", " B")
    ]
    assert words[0] == words[1] != words[2]


def test_a_record_does_not_depend_on_the_records_before_it() -> None:
    contexts = Contexts(RECORDS)
    record = np.append(RECORDS.encode("don't"), RECORDS.end)
    alone = contexts.of_text(record)
    for before in ("", "The", "a_b"):
        other = np.append(RECORDS.encode(before), RECORDS.end)
        both = contexts.of_text(np.concatenate([other, record]))
        np.testing.assert_array_equal(both[len(other) :], alone)


def test_the_contexts_after_every_end_are_the_same() -> None:
    ids, _ = spelled(RECORDS)
    contexts = Contexts(RECORDS)
    after_ends = contexts.of_text(ids)[ids == RECORDS.end]
    first = contexts.of_reading(contexts.after(Reading(), RECORDS.end))
    assert (after_ends == np.array(first, np.uint32)).all()


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_an_empty_text_has_no_contexts(vocabulary: Vocabulary) -> None:
    empty = np.zeros(0, np.uint8)
    assert Contexts(vocabulary).of_text(empty).shape == (0, len(KINDS))


def test_reading_does_not_change_what_was_read_before() -> None:
    contexts = Contexts(CHARS)
    before = Readings.of([contexts.after(Reading(), 3), contexts.after(Reading(), 5)])
    copies = [part.copy() for part in before]
    contexts.after_each(before, np.array([1, 2]))
    contexts.of_readings(before)
    for part, copy in zip(before, copies, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_streams_are_taken_and_put_by_number() -> None:
    contexts = Contexts(CHARS)
    streams = Readings.of([contexts.after(Reading(), idx) for idx in range(3)])
    taken = streams.taken([2, 2, 0])
    assert taken.last[:, -1].tolist() == [3, 3, 1]
    copy = streams.taken(slice(None))
    copy.put(np.array([True, True, True]), taken)
    assert streams.last[:, -1].tolist() == [1, 2, 3]
    streams.put(np.array([True, False, True]), taken)
    assert streams.last[:, -1].tolist() == [3, 2, 1]
    assert streams.word.tolist() == contexts.folded[[2, 1, 0]].tolist()
    assert taken.last[:, -1].tolist() == [3, 3, 1]
