"""The records that are kept, and the reasons for dropping the others."""

import itertools

import pytest

from charrnn.errors import GenerationError
from charrnn.generation.accepted_records import AcceptedRecords, Tally
from charrnn.generation.record_sampler import Record


def stream(*texts, whole=True):
    return (Record(text, number, -1.0, whole) for number, text in enumerate(texts))


def test_without_conditions_the_first_records_are_kept():
    kept = AcceptedRecords(stream("a", "a", "b"), 2, "\n", 10)
    assert [record.text for record in kept] == ["a", "a"]
    assert kept.tally == Tally(drawn=2, kept=2)
    assert str(kept.tally) == "kept 2 of 2 records"


def test_each_condition_drops_records_and_counts_them():
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
        "kept 2 of 9 records; dropped 1 too long, 2 empty or containing the separator, "
        "2 repeated, 1 in the corpus, 1 not accepted"
    )


def test_a_record_dropped_for_another_reason_does_not_count_as_repeated():
    answers = iter([False, True])
    kept = AcceptedRecords(
        stream("a", "a", "b"), 1, "\n", 10, unique=True, accept=lambda _: next(answers)
    )
    assert [record.number for record in kept] == [1]
    assert kept.tally == Tally(drawn=2, kept=1, not_accepted=1)


def test_too_few_records_are_an_error_that_lists_the_reasons():
    kept = AcceptedRecords(stream("a", "a", "a", "b"), 2, "\n", 3, unique=True)
    assert next(kept).text == "a"
    with pytest.raises(GenerationError) as error:
        next(kept)
    assert str(error.value) == (
        "found only 1 of 2 records in 3 tries (dropped 2 repeated); "
        "give a larger `max_tries`, or a higher `temperature`"
    )


def test_no_record_is_drawn_if_none_is_requested():
    kept = AcceptedRecords(stream("a"), 0, "\n", 0)
    assert list(kept) == []
    assert kept.tally == Tally()


@pytest.mark.parametrize(
    ("tally", "advice"),
    [
        (Tally(stuck=2, too_long=1), "give a larger `max_copy` or `max_tries`"),
        (Tally(too_long=3, not_unique=2), "give a larger `length`, or a lower `temperature`"),
        (Tally(not_unique=2, not_new=2, too_long=3), "give a larger `max_tries`, or a higher `temperature`"),
        (Tally(not_accepted=1), "give a larger `max_tries`, or a looser `accept`"),
    ],
)  # fmt: skip
def test_the_advice_is_about_the_most_frequent_reason(tally: Tally, advice: str) -> None:
    records = AcceptedRecords(stream(), 1, "\n", 0)
    records.tally = tally
    with pytest.raises(GenerationError) as error:
        next(records)
    assert str(error.value).endswith(f"; {advice}")
