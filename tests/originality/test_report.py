"""Reports are exact, as checked by plain search on many small texts."""

import random

import numpy as np
import pytest

from charrnn.config.run_config import DataConfig
from charrnn.originality.corpus_index import Index, Place
from charrnn.originality.report import (
    Copies,
    Copy,
    HeldOut,
    Passage,
    _is_inside,
    find_copies,
    find_leaks,
    pieces,
)

LINE = "It was the best of times, it was the worst of times, it was the age of wisdom, it was.\n"


def of(*texts: str | bytes) -> Index:
    starts = [sum(map(len, texts[:number])) for number in range(len(texts))]
    return Index.of(texts, list(zip("abcdefgh", starts, strict=False)), "")


def covered(text: str, corpus: str, length: int, times: int = 1) -> float:
    """The share of characters in passages of this length that occur in the corpus, by brute force."""
    inside = np.zeros(len(text), np.bool_)
    for start in range(len(text) - length + 1):
        part = text[start : start + length]
        if sum(corpus.startswith(part, place) for place in range(len(corpus))) >= times:
            inside[start : start + length] = True
    return float(inside.mean()) if len(text) else 0.0


def test_shares_and_the_longest_passage_match_brute_force() -> None:
    rng = random.Random(0)
    for _ in range(60):
        corpus = "".join(rng.choices("ab", k=rng.randint(4, 120)))
        text = "".join(rng.choices("abc", weights=(9, 9, 1), k=rng.randint(0, 60))) + corpus[10:70]
        found = find_copies(of(corpus), text, least=1)
        assert found.shares == {length: covered(text, corpus, length) for length in (20, 40, 80)}
        lengths = [
            max(
                n
                for n in range(len(text) + 1)
                if text[start : start + n] in corpus and start + n <= len(text)
            )
            for start in range(len(text))
        ]
        if max(lengths, default=0):
            start = int(np.argmax(lengths))
            assert found.longest == Copy(start, lengths[start], Place("a", 1))
        else:
            assert found.longest is None


def test_a_passage_is_reported_with_its_position_its_file_and_its_line() -> None:
    found = find_copies(
        of("one\ntwo\nthree\n", "four\nfive and six\n"), "xx five and xx three\n", least=6
    )
    assert found.characters == 21
    assert found.longest == Copy(3, 9, Place("b", 2))
    assert found.copies == (Copy(3, 9, Place("b", 2)), Copy(15, 6, Place("a", 3)))


@pytest.mark.parametrize("least", [1, 7, 30, 200])
def test_the_minimum_length_affects_only_the_list_of_passages(
    least: int,
) -> None:
    index, text = (
        of(LINE * 2),
        "It was. it was the age of wisdom, it is the worst of times, it was the age of reason",
    )
    found, all_of_them = find_copies(index, text, least), find_copies(index, text, 1)
    assert found.copies == tuple(copy for copy in all_of_them.copies if copy.length >= least)
    assert (found.shares, found.longest) == (all_of_them.shares, all_of_them.longest)


@pytest.mark.parametrize("text", ["", "xyz", "123" * 50])
def test_a_text_that_shares_nothing_with_the_corpus(text: str) -> None:
    assert find_copies(of("abcde"), text) == Copies(
        len(text), {20: 0.0, 40: 0.0, 80: 0.0}, None, ()
    )


def test_bytes_are_counted_as_bytes() -> None:
    found = find_copies(of("äöü\nßß".encode()), "ööü\nß", least=5)
    assert (found.characters, found.copies) == (9, (Copy(2, 7, Place("a", 1)),))


def test_pieces_are_the_text_with_the_first_passage_of_each() -> None:
    rng = random.Random(1)
    for _ in range(200):
        text = "".join(rng.choices("abcdä", k=30))
        copies = find_copies(of("abcdä" * 3 + "bcdabä"), text, 3).copies
        cut = list(pieces(text, copies))
        assert "".join(piece for piece, _ in cut) == text
        owners = [copy for piece, copy in cut for _ in piece]
        assert owners == [
            next((c for c in copies if c.start <= at < c.start + c.length), None)
            for at in range(len(text))
        ]


def test_pieces_of_bytes_are_split_between_characters() -> None:
    text = "aäöb".encode()
    assert list(pieces(text, [Copy(2, 2, Place("a", 1))])) == [
        ("aä", None),
        ("ö", Copy(2, 2, Place("a", 1))),
        ("b", None),
    ]


# --- repetitions within a corpus ---


def test_repeated_passages_are_those_that_occur_elsewhere() -> None:
    rng = random.Random(2)
    for _ in range(25):
        parts = ["".join(rng.choices("ab", k=rng.randint(60, 140))) for _ in range(2)]
        corpus = "".join(rng.choice(parts) for _ in range(4))
        assert find_leaks(of(corpus), DataConfig()).repeated == pytest.approx(
            covered(corpus, corpus, 80, times=2)
        )


def test_the_longest_passages_are_reported_once_with_two_places() -> None:
    one, other = "".join(map(chr, range(200, 320))), "".join(map(chr, range(400, 490)))
    found = find_leaks(
        of(f"1{one}2\n", f"3\n{other}4", f"5{one}6{other}7{one[5:]}8"), DataConfig(val_fraction=0)
    )
    assert found.passages == (
        Passage(120, (Place("a", 1), Place("c", 1)), one),
        Passage(90, (Place("b", 2), Place("c", 1)), other),
    )
    assert found.held is None
    assert found.repeated == pytest.approx((2 * 120 + 115 + 2 * 90) / found.characters)


def test_a_passage_inside_a_longer_one_is_not_reported_again() -> None:
    found = find_leaks(of(LINE * 30), DataConfig())
    assert [passage.length for passage in found.passages] == [len(LINE) * 29]
    assert found.repeated == 1


def test_at_most_ten_passages_are_reported() -> None:
    parts = [
        "".join(chr(1000 * number + at) for at in range(100 + number)) for number in range(1, 13)
    ]
    found = find_leaks(of("".join(parts) + "-" + "+".join(parts[::-1])), DataConfig(val_fraction=0))
    assert [passage.length for passage in found.passages] == [112 - at for at in range(10)]


def test_passages_are_compared_by_whole_symbols_not_by_bytes() -> None:
    filler = "".join(map(chr, range(0x3000, 0x3200)))  # so that symbols have two bytes
    long, short = "\u4e00\u4e01" * 60, "x" * 80
    assert _is_inside(b"\1\2", b"\0\1\2\0\1\2", 2) is True
    assert _is_inside(b"\1\2", b"\0\1\2\0", 2) is False
    found = find_leaks(of(f"{filler}{long}1{short}2{long}3{short}"), DataConfig(val_fraction=0))
    assert [passage.text for passage in found.passages] == [long, short]


def test_validation_text_unlike_the_training_part_is_reported() -> None:
    held = find_leaks(of("a" * 80 + "b" * 20), DataConfig(val_fraction=0.2)).held
    assert held == HeldOut(20, {20: 0.0, 40: 0.0, 80: 0.0}, None, "")


def test_validation_text_that_is_in_the_training_part_is_reported() -> None:
    rng = random.Random(3)
    for _ in range(30):
        text = "".join(rng.choices("abc", k=400))
        text += text[50 : 50 + rng.randint(0, 90)] + "".join(rng.choices("abc", k=30))
        index, data = of(text[:100] + "\n", text[100:]), DataConfig(val_fraction=0.3)
        whole = text[:100] + "\n" + text[100:]
        cut = int(len(whole) * 0.7 + 1e-6)
        train, val = whole[:cut], whole[cut:]
        held = find_leaks(index, data).held
        assert held is not None
        assert held.longest is not None
        assert (held.characters, held.shares) == (
            len(val),
            {length: covered(val, train, length) for length in (20, 40, 80)},
        )
        longest = max(
            n
            for n in range(len(val))
            if any(val[start : start + n] in train for start in range(len(val) - n + 1))
        )
        assert (held.longest.length, len(held.text)) == (longest, longest)
        assert val[held.longest.start :].startswith(held.text)
        assert held.longest.place == Place(*("a", 1) if whole.find(held.text) <= 100 else ("b", 1))


def test_no_passage_crosses_the_end_of_a_record() -> None:
    rng = random.Random(4)
    records = ["".join(rng.choices("abcd", k=12)) for _ in range(60)]
    held = find_leaks(
        of("\n".join([*records, "x" * 30 + "y", "x" * 30 + "z"]) + "\n"),
        DataConfig(separator="\n", val_fraction=0.5),
    ).held
    assert held is not None
    assert held.longest is not None
    assert held.longest.length in (*range(1, 13), 30)
    assert "\n" not in held.text
    assert held.shares[40] == 0


def test_a_beginning_shared_by_both_parts_of_the_records_is_reported() -> None:
    names = [f"of the same long beginning, number {number}" for number in range(10)]
    held = find_leaks(of("\n".join(names)), DataConfig(separator="\n", val_fraction=0.2)).held
    assert held is not None
    assert held.longest == Copy(0, 35, Place("a", 1))
    # two of ten, 36 characters each
    assert (held.characters, held.text) == (72, "of the same long beginning, number ")
    assert held.shares == {20: 70 / 72, 40: 0.0, 80: 0.0}


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_records_of_bytes_are_reported_alike(unit: str) -> None:
    text = "\n".join(f"of the same long beginning, number {number}" for number in range(10))
    held = find_leaks(
        of(text.encode() if unit == "byte" else text),
        DataConfig(unit=unit, separator="\n", val_fraction=0.2),
    ).held
    assert held is not None
    assert (held.characters, held.text) == (72, "of the same long beginning, number ")


def test_repetitions_are_found_in_bytes_too() -> None:
    found = find_leaks(
        of(("ä" * 50 + "\n").encode() + bytes(range(200)) + b"ab" * 60),
        DataConfig(unit="byte", val_fraction=0.2),
    )
    assert [passage.length for passage in found.passages] == [118, 98]
    assert found.passages[1].text == "ä" * 49
    assert found.held is not None
