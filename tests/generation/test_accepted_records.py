"""Which records are kept, and why the others are dropped."""

import itertools

import pytest

from charrnn.errors import GenerationError
from charrnn.generation.accepted_records import AcceptedRecords, Tally
from charrnn.generation.record_sampler import Record


def stream(*texts, whole=True):
    return (Record(text, number, -1.0, whole) for number, text in enumerate(texts))


def test_without_a_condition_the_first_are_kept():
    kept = AcceptedRecords(stream("a", "a", "b"), 2, "\n", 10)
    assert [record.text for record in kept] == ["a", "a"]
    assert kept.tally == Tally(drawn=2, kept=2)
    assert str(kept.tally) == "drew 2 records, kept 2"


def test_each_condition_drops_and_counts():
    records = itertools.chain(
        stream("x", whole=False), stream("a", "", "a", "old", "a", "x\ny", "bad", "b", "c")
    )
    kept = AcceptedRecords(
        records, 2, "\n", 10, unique=True, known={"old"}, accept=lambda text: text != "bad"
    )
    assert [(record.text, record.number) for record in kept] == [("a", 0), ("b", 7)]
    assert kept.tally == Tally(
        drawn=9, kept=2, too_long=1, not_one=2, not_unique=2, not_new=1, not_accepted=1
    )
    assert str(kept.tally) == (
        "drew 9 records, kept 2; dropped: 1 that did not end in time, 2 empty or with a separator in it, 2 repeated, 1 of the corpus, "
        "1 not accepted"
    )


def test_what_was_dropped_for_another_reason_is_not_repeated():
    answers = iter([False, True])
    kept = AcceptedRecords(
        stream("a", "a", "b"), 1, "\n", 10, unique=True, accept=lambda _: next(answers)
    )
    assert [record.number for record in kept] == [1]
    assert kept.tally == Tally(drawn=2, kept=1, not_accepted=1)


def test_fewer_than_asked_is_an_error_that_says_why():
    kept = AcceptedRecords(stream("a", "a", "a", "b"), 2, "\n", 3, unique=True)
    assert next(kept).text == "a"
    with pytest.raises(GenerationError) as error:
        next(kept)
    assert str(error.value) == (
        "1 of 2 records were kept: drew 3 records, kept 1; dropped: 2 repeated; "
        "give more --max-tries, another --temperature, or fewer conditions"
    )


def test_none_is_asked_for_and_none_drawn():
    kept = AcceptedRecords(stream("a"), 0, "\n", 0)
    assert list(kept) == []
    assert kept.tally == Tally()
