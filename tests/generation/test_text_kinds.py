"""The differences between continuous text and records, and between characters and bytes."""

from charrnn.generation.constraints.forms import Length
from charrnn.generation.text_kinds import (
    can_write,
    form_of_length,
    has_one_id_each,
    ids_in_text,
    max_ids,
    primed,
    sums_by_character,
    whole_ids,
)
from charrnn.vocab import Vocabulary

CHARS = Vocabulary("char", "abé")
BYTES = Vocabulary("byte")
RECORDS = Vocabulary("char", "abé", records=True)
BYTE_RECORDS = Vocabulary("byte", records=True)


def test_the_prime_is_read_before_a_record_and_in_place_of_an_empty_prompt() -> None:
    assert primed(CHARS, 9, [0, 1]) == [0, 1]
    assert primed(CHARS, 9, []) == [9]
    assert primed(RECORDS, 3, [0, 1]) == [3, 0, 1]
    assert primed(RECORDS, 3, []) == [3]


def test_a_prompt_is_part_of_a_record_and_not_of_running_text() -> None:
    assert ids_in_text(RECORDS, [0, 1]) == 2
    assert ids_in_text(CHARS, [0, 1]) == 0


def test_a_character_is_one_id_or_up_to_four_bytes() -> None:
    assert max_ids(CHARS, 5) == 5
    assert max_ids(BYTES, 5) == 20


def test_bytes_can_write_any_text_and_characters_only_known_ones() -> None:
    assert can_write(CHARS, "aé")
    assert not can_write(CHARS, "ax")
    assert can_write(BYTES, "a😀")
    assert has_one_id_each(CHARS, "aé")
    assert has_one_id_each(BYTES, "ab")
    assert not has_one_id_each(BYTES, "aé")


def test_a_record_may_be_shorter_than_its_length_and_bytes_have_no_form() -> None:
    running, record = form_of_length(CHARS, 7), form_of_length(RECORDS, 7)
    assert isinstance(running, Length)
    assert isinstance(record, Length)
    assert (str(running), str(record)) == (str(Length(7)), str(Length(0, 7)))
    assert form_of_length(BYTES, 7) is None


def test_the_ids_of_a_record_include_its_end() -> None:
    assert whole_ids(CHARS, "bé") == [1, 2]
    assert whole_ids(RECORDS, "bé") == [1, 2, 3]
    assert whole_ids(BYTE_RECORDS, "é") == [0xC3, 0xA9, 256]


def test_the_values_of_the_bytes_of_a_character_are_summed() -> None:
    assert sums_by_character(CHARS, "aé", [1, 2]).tolist() == [1, 2]
    assert sums_by_character(BYTES, "aé", [1, 2, 4]).tolist() == [1, 6]
    assert sums_by_character(BYTE_RECORDS, "aé", [1, 2, 4, 8]).tolist() == [1, 6, 8]
    assert sums_by_character(BYTES, "", []).tolist() == []
    assert sums_by_character(BYTE_RECORDS, "", [8]).tolist() == [8]
