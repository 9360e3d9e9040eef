"""An index contains the corpus as it was read, locates every passage, and is intact or refused."""

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.errors import CheckpointError, CorpusError, DamagedError
from charrnn.originality import corpus_index as module
from charrnn.originality.corpus_index import Index, Place
from charrnn.storage import strict_json
from charrnn.vocab import Vocabulary

TEXT = "ein Aal,\nein Eis: äß\n\U0001f600 ein Aal"


def of(*texts: str | bytes) -> Index:
    """The index of these files, named a, b and so on."""
    starts = [sum(map(len, texts[:number])) for number in range(len(texts))]
    return Index.of(texts, list(zip("abcdefgh", starts, strict=False)), "f" * 64)


def same(one: Index, other: Index) -> bool:
    texts = (one.text, one.vocabulary, one.files, one.fingerprint) == (
        other.text,
        other.vocabulary,
        other.files,
        other.fingerprint,
    )
    return texts and one.suffixes.order.tolist() == other.suffixes.order.tolist()


TEXTS = {
    "characters": TEXT,
    "bytes": TEXT.encode(),
    "one symbol": "aaaa",
    "symbols of two bytes": "".join(map(chr, range(1, 300))),
    "symbols of four bytes": "".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x13000)])),
}


@pytest.mark.parametrize("name", TEXTS)
def test_an_index_survives_the_round_trip(name: str, tmp_path: Path) -> None:
    index = of(TEXTS[name])
    index.write(tmp_path / "index")
    assert same(Index.read(tmp_path / "index"), index)
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [
        "about.json",
        "order.bin",
        "text.bin",
    ]


@pytest.mark.parametrize("symbols", [255, 256, 300])
def test_an_index_takes_as_few_bytes_per_symbol_as_possible(symbols: int, tmp_path: Path) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + symbols)))
    of(text).write(tmp_path / "index")
    width = 1 if symbols < 256 else 2
    assert (tmp_path / "index/text.bin").stat().st_size + (
        tmp_path / "index/order.bin"
    ).stat().st_size == (4 + width) * symbols


def test_a_passage_is_found_where_it_occurs() -> None:
    rng = random.Random(0)
    for _ in range(300):
        text = "".join(rng.choices("ab\nä\U0001f600", k=rng.randint(1, 40)))
        index, part = of(text), "".join(rng.choices("ab\nä\U0001f600zé", k=3))
        lo, hi = index.suffixes.find(index.encode(part))
        assert sorted(index.suffixes.order[lo:hi].tolist()) == [
            place for place in range(len(text)) if text.startswith(part, place)
        ]


@pytest.mark.parametrize("symbols", [3, 255, 256, 300])
def test_symbols_that_the_corpus_lacks_match_nothing(symbols: int) -> None:
    index = of("".join(map(chr, range(40, 40 + symbols))))
    for char in ("\0", "'", chr(40 + symbols), "\U0010ffff"):
        assert not index.suffixes.occurs(index.encode(char))
        assert index.suffixes.occurs(index.encode("()"))


def test_a_corpus_of_bytes_is_searched_for_bytes_and_utf8() -> None:
    index = of("äöü".encode() + b"\xff\0")
    assert index.suffixes.occurs(index.encode(b"\xff\0"))
    assert index.suffixes.occurs(index.encode("öü"))
    assert not index.suffixes.occurs(index.encode("é"))


def test_codes_map_another_vocabulary_to_the_index() -> None:
    index = of("cab\ncab")
    assert index.codes(Vocabulary("char", "abxc", records=True)) == [b"\1", b"\2", b"", b"\3", b""]
    assert of(b"any").codes(Vocabulary("byte", records=True)) == [
        *(bytes([byte]) for byte in range(256)),
        b"",
    ]
    wide = of("".join(map(chr, range(300))))
    assert wide.codes(Vocabulary("char", "\1\u012b")) == [b"\0\1", b"\1\x2b"]


def test_a_place_is_a_file_and_a_line_counted_from_one() -> None:
    texts = ["a\r\nb\r\n", "c\n", "", "\n\nd\n", "e"]
    index = of(*texts)
    expected = [
        Place(name, 1 + text[:at].count("\n"))
        for name, text in zip("abcde", texts, strict=True)
        for at in range(len(text))
    ]
    assert [index.place(position) for position in range(len(index))] == expected
    assert str(Place("a", 1234)) == "a, line 1,234"


def test_an_index_replaces_another_and_leaves_nothing_behind(tmp_path: Path) -> None:
    of("one text").write(tmp_path / "index")
    of("another text").write(tmp_path / "index")
    assert Index.read(tmp_path / "index").text == "another text"
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_a_text_that_is_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    assert len(of("abcde")) == 5
    with pytest.raises(
        CorpusError,
        match=r"^the corpus is too large for an index: 6 characters in 1 files, the limits are 5 and 20,000; ",
    ):
        of("abcdef")


def test_an_index_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="could not be written"):
        of("text").write(tmp_path / "file/index")


# --- damage ---


@pytest.fixture
def path(tmp_path: Path) -> Path:
    of("ab a\n", "ab").write(tmp_path / "index")
    return tmp_path / "index"


def test_a_flipped_bit_in_any_byte_is_an_error(path: Path) -> None:
    for file in sorted(path.iterdir()):
        data = file.read_bytes()
        for place in range(len(data)):
            file.write_bytes(
                data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
            )
            with pytest.raises(
                DamagedError,
                match=r"index is damaged: .*; delete the directory to have it rebuilt$",
            ):
                Index.read(path)
        file.write_bytes(data)
    Index.read(path)


def test_a_truncated_or_extended_file_is_an_error(path: Path) -> None:
    for file in sorted(path.iterdir()):
        data = file.read_bytes()
        for other in (
            *(data[:length] for length in [*range(0, len(data), 7), len(data) - 1]),
            data + b"\0",
            data * 2,
        ):
            file.write_bytes(other)
            with pytest.raises(DamagedError):
                Index.read(path)
        file.write_bytes(data)


@pytest.mark.parametrize("name", ["text.bin", "order.bin", "about.json"])
def test_a_missing_or_irregular_file_is_an_error(name: str, path: Path) -> None:
    (path / name).rename(path.parent / name)
    with pytest.raises(
        DamagedError, match=rf"index is damaged: {name} is missing; delete the directory"
    ):
        Index.read(path)
    (path / name).symlink_to(path.parent / name)
    with pytest.raises(CheckpointError, match=r"index (is damaged|cannot be read)"):
        Index.read(path)
    (path / name).unlink()
    (path / name).mkdir()
    with pytest.raises(CheckpointError, match=r"index (is damaged|cannot be read)"):
        Index.read(path)


def test_a_file_in_place_of_the_directory_is_an_error(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("a file")
    with pytest.raises(CheckpointError):
        Index.read(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"5", b"null", b'"text"', b"{}", b'{"self": 1}', b"\xff", b"[" * 100_000],
)
def test_an_invalid_description_is_an_error(data: bytes, path: Path) -> None:
    (path / "about.json").write_bytes(data)
    with pytest.raises(DamagedError):
        Index.read(path)


FOREIGN: dict[str, Any] = {
    "format": [0, 2, "1", None],
    "characters": [0, -1, 6, 8, 1 << 60, 10**30, "7", 7.0, True, None, []],
    "unit": ["byte", "word", None, 5, [], {}],
    "symbols": ["", "ab", "\nba ", "\n aabb", None, 5, ["a"], "\n abcd" * 2],
    "files": [
        [],
        None,
        5,
        [["a"]],
        [["a", 1]],
        [["a", 0], ["b", 3], ["c", 2]],
        [["a", 0], ["b", 10**30]],
        [["a", -1]],
        [["a", "x"]],
        "a",
    ],
    "sha256": [
        {},
        None,
        [],
        {"text.bin": 5, "order.bin": None},
        {"text.bin": "0" * 64, "order.bin": "0" * 64},
    ],
}


@pytest.mark.parametrize("name", FOREIGN)
def test_an_invalid_value_with_a_correct_checksum_is_an_error(name: str, path: Path) -> None:
    about = strict_json.loads((path / "about.json").read_bytes())
    about.pop("self")
    for value in FOREIGN[name]:
        changed = about | {name: value}
        (path / "about.json").write_bytes(
            strict_json.dumps(changed | {"self": module._digest(changed)})
        )
        with pytest.raises(DamagedError):
            Index.read(path)
        without = {key: kept for key, kept in about.items() if key != name}
        (path / "about.json").write_bytes(
            strict_json.dumps(without | {"self": module._digest(without)})
        )
        with pytest.raises(DamagedError):
            Index.read(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("order.bin", lambda data: np.full(len(data) // 4, len(data) // 4, "<u4").tobytes()),
        ("text.bin", lambda data: b"\4" * len(data)),
    ],
)
def test_a_number_that_is_too_high_is_an_error_despite_a_correct_checksum(
    name: str, change: Callable[[bytes], bytes], path: Path
) -> None:
    data = change((path / name).read_bytes())
    (path / name).write_bytes(data)
    about = strict_json.loads((path / "about.json").read_bytes())
    about.pop("self")
    about["sha256"][name] = hashlib.sha256(data).hexdigest()
    (path / "about.json").write_bytes(strict_json.dumps(about | {"self": module._digest(about)}))
    with pytest.raises(DamagedError, match="it contains a number that is too high"):
        Index.read(path)
