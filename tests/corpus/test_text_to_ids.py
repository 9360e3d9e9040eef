"""Encoding block by block, in memory or in a file, equals encoding at once."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from charrnn.corpus import text_to_ids as encoding
from charrnn.corpus.text_to_ids import encode
from charrnn.errors import CorpusError
from charrnn.vocab import Vocabulary

TEXTS = {
    "few": "the cat, the\n" * 5,
    "more than a byte holds, near the end": "ab" * 100
    + "".join(map(chr, range(0x4E00, 0x4F30)))
    + "ba",
    "more than two bytes hold": "".join(chr(0x10000 + number) for number in range(66_000, 0, -1))
    + "z\0",
    "one": "a",
    "half a pair": "a\ud800b",
}


def blocks(text: str | bytes, size: int) -> Iterator[str | bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.parametrize("most", [0, 1000, 1 << 30])
@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_encoding_in_blocks_matches_the_vocabulary(
    text: str, size: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = max(size, len(text) // 1000)
    monkeypatch.setattr(encoding, "IN_MEMORY", most)
    vocabulary, ids = encode(blocks(text, size))
    expected = Vocabulary.of(text)
    assert vocabulary == expected
    assert ids.dtype == expected.encode(text).dtype
    np.testing.assert_array_equal(ids, expected.encode(text))
    assert type(ids) is np.ndarray  # not a memmap, which is slow to index
    assert (ids.base is None) == (ids.nbytes <= most)  # above that it is mapped from a file


@pytest.mark.parametrize("most", [0, 1 << 30])
def test_bytes_are_their_own_ids(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "IN_MEMORY", most)
    vocabulary, ids = encode(blocks(bytes(range(256)) * 3, 100))
    assert vocabulary == Vocabulary("byte")
    assert ids.tobytes() == bytes(range(256)) * 3


def test_an_empty_text_has_no_ids() -> None:
    assert len(encode([])[1]) == 0


def test_a_mapped_text_outlives_its_file_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(encoding, "IN_MEMORY", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _, ids = encode(["abc" * 1000])
    assert list(tmp_path.iterdir()) == []
    assert ids.tolist() == [0, 1, 2] * 1000


def test_a_write_error_names_the_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(encoding, "IN_MEMORY", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(CorpusError) as error:
        encode(["abc"])
    where = tmp_path / "gone"
    assert str(error.value) == (
        f"the encoded text could not be written to {where}: No such file or directory; free some space, or set TMPDIR to another directory"
    )


# --- rare characters ---

RARE = "the cat \u00e9t\u00e9 na\u00efve \u2603 E\n" * 2 + "the cat et naive E\n" * 8


@pytest.mark.parametrize("most", [0, 1 << 30])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_rare_characters_become_the_most_similar_one_or_are_left_out(
    size: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "IN_MEMORY", most)
    said: list[str] = []
    vocabulary, ids = encode(blocks(RARE, size), min_count=5, tell=said.append)
    assert vocabulary.replaced == (("\u00e9", "e"), ("\u00ef", "i"), ("\u2603", ""))
    assert said == [
        "3 characters are too rare for `min_count`: "
        "'\u00e9' (U+00E9, LATIN SMALL LETTER E WITH ACUTE) became 'e' (4 times), "
        "'\u00ef' (U+00EF, LATIN SMALL LETTER I WITH DIAERESIS) became 'i' (2 times), "
        "'\u2603' (U+2603, SNOWMAN) was left out (2 times)"
    ]
    expected = RARE.replace("\u00e9", "e").replace("\u00ef", "i").replace("\u2603", "")
    assert vocabulary.decode(ids) == expected
    assert vocabulary.symbols == Vocabulary.of(expected).symbols
    assert ids.dtype == vocabulary.encode(expected).dtype


def test_a_character_is_rare_if_it_occurs_less_often() -> None:
    assert encode(["aaabb"], min_count=2)[0].symbols == "ab"
    assert encode(["aaabb"], min_count=3)[0].symbols == "a"
    assert encode(["aaab\n|"], min_count=3, kept="|\n")[0].symbols == "\na|"
    assert encode([b"aab"], min_count=2)[0] == Vocabulary("byte")
    with pytest.raises(
        CorpusError, match="no character occurs 4 times; give a smaller `min_count`"
    ):
        encode(["aaabb"], min_count=4)
