"""R14: any text is reproduced exactly or refused with a position; no file causes a traceback."""

import codecs
import gzip
import io
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn.config.run_config import DataConfig
from charrnn.corpus import reading as reader
from charrnn.corpus.corpus import Corpus
from charrnn.corpus.reading import read, take
from charrnn.errors import CharRNNError, CorpusError
from charrnn.vocab import Vocabulary

# all of Unicode except surrogates
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=60)
HOW = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


@pytest.mark.counted(10_000)
def test_any_text_is_reproduced_in_both_units(tries: int, tally: Any) -> None:
    @settings(max_examples=tries, **HOW)
    @given(TEXTS)
    def round_trip(text: str) -> None:
        for source in (text, text.encode()):
            corpus = Corpus.of(source, 0.25)
            ids = [*corpus.train.tolist(), *corpus.val.tolist()]
            assert corpus.vocabulary.decode(ids) == text
            decoder = corpus.vocabulary.decoder()
            assert "".join(decoder.decode([idx]) for idx in ids) + decoder.flush() == text
        assert Vocabulary.of(text).repair(text, "error") == (text, [])

    round_trip()
    tally(tries, "texts over all of Unicode, each as characters and as bytes")


MARKS = {
    "utf-16": (2, (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
    "utf-32": (4, (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
}


@pytest.mark.counted(10_000)
def test_a_file_of_any_bytes_is_read_or_an_error(
    tries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Any
) -> None:
    monkeypatch.setattr(reader, "BLOCK", 8)
    path = tmp_path / "any.txt"
    encodings = st.sampled_from(
        ["utf-8", "utf-16", "utf-32", "cp1252", "latin-1", "shift_jis", "gb18030", "utf-7", "ascii"]
    )

    @settings(max_examples=tries, **HOW)
    @given(
        st.one_of(st.binary(max_size=40), TEXTS.map(str.encode)),
        encodings,
        st.sampled_from(["strict", "replace"]),
    )
    def is_read(data: bytes, encoding: str, errors: str) -> None:
        width, marks = MARKS.get(encoding, (0, (b"",)))
        if not data.startswith(marks) and len(data) % 2:
            data = marks[0] + data
        path.write_bytes(data)
        try:
            # the others are refused: their byte order is unknown
            known = data.startswith(marks) or len(data) < width
            plain = data.decode(encoding, errors).removeprefix("\ufeff") if known else ""
            plain.encode()  # a surrogate cannot be encoded
        except UnicodeError:
            plain = ""
        try:
            text = read([str(path)], DataConfig(encoding=encoding, encoding_errors=errors)).text
        except CharRNNError as error:
            assert "\n" not in str(error)
            assert not plain
        else:
            assert text == plain

    is_read()
    tally(tries, "files of any bytes")


@pytest.mark.parametrize("data", [b"abcd\xe6\xbc", b"ab\xffcd" * 40, b"a" * 300 + b"\xff"])
def test_a_bad_byte_is_reported_whatever_its_source(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Any
) -> None:
    monkeypatch.setattr(reader, "BLOCK", 64)
    place = data.decode("utf-8", "replace").index("\ufffd")
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[data], daemon=True)
    writer.start()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    for call in (
        lambda: take(data, DataConfig()),
        lambda: read([tmp_path / "pipe"], DataConfig()),
        lambda: read(["-"], DataConfig()),
    ):
        with pytest.raises(
            CorpusError, match=f"is not valid utf-8: 0x[0-9a-f x]+ at byte {place} "
        ):
            call()
    writer.join()
    tally(3, "bad bytes from a pipe, standard input and Python")


BLOCK = 64
EDGE = b"a" * (BLOCK - 1)
FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "there is no text in "),
    "one character": (b"a", "at least 4 characters, got 1;"),
    "three characters": (b"abc", "at least 4 characters, got 3;"),
    "only a byte order mark": (codecs.BOM_UTF8, "there is no text in "),
    "a mark": (codecs.BOM_UTF8 + b"abcd", "abcd"),
    "two marks": (codecs.BOM_UTF8 * 2 + b"abcd", "\ufeffabcd"),
    "a UTF-16 byte order mark": (
        codecs.BOM_UTF16_LE + "abcd".encode("utf-16-le"),
        "is not valid utf-8: 0xff at byte 0",
    ),
    "UTF-16 without a byte order mark": (
        "abcd é".encode("utf-16-le"),
        "is not valid utf-8: 0xe9 at byte 10",
    ),
    "CRLF": (b"a\r\nb\r\n", "a\r\nb\r\n"),
    "CR": (b"a\rb\rc\r", "a\rb\rc\r"),
    "mixed line ends": (b"a\r\nb\nc\rd", "a\r\nb\nc\rd"),
    "NUL": (b"a\0b\0", "a\0b\0"),
    "control characters": (bytes(range(32)), "".join(map(chr, range(32)))),
    "DEL and C1": ("\x7f\x80\x9b\x85".encode(), "\x7f\x80\x9b\x85"),
    "Latin-1": ("déjà vu".encode("latin-1"), "is not valid utf-8: 0xe9 at byte 1"),
    "cp1252 quotes": ("it’s “so”".encode("cp1252"), "is not valid utf-8: 0x92 at byte 2"),
    "an invalid byte before the edge of a block": (
        EDGE[:-1] + b"\xffbcd",
        f"0xff at byte {BLOCK - 2}",
    ),
    "an invalid byte at the edge of a block": (EDGE + b"\xffbcd", f"0xff at byte {BLOCK - 1}"),
    "an invalid byte after the edge of a block": (EDGE + b"a\xffbcd", f"0xff at byte {BLOCK}"),
    "a character across the edge of a block": (EDGE + "é漢😀".encode(), EDGE.decode() + "é漢😀"),
    "a truncated character": (b"abcd\xe6\xbc", "0xe6 0xbc at byte 4"),
    "a surrogate as three bytes": (b"abcd\xed\xa0\x80", "0xed at byte 4"),
    "an overlong form": (b"abcd\xc0\xaf", "0xc0 at byte 4"),
    "beyond Unicode": (b"abcd\xf4\x90\x80\x80", "0xf4 at byte 4"),
    "NFD": ("e\u0301e\u0301".encode(), "e\u0301e\u0301"),
    "a family of emoji": ("👨\u200d👩\u200d👧\u200d👦".encode(), "👨\u200d👩\u200d👧\u200d👦"),
    "bidi": ("\u202eabc\u202c\u2066d\u2069".encode(), "\u202eabc\u202c\u2066d\u2069"),
    "one endless line": (b"ab" * 100_000, "ab" * 100_000),
    "a megabyte of combining marks": (
        ("a" + "\u0301" * 500_000).encode(),
        "a" + "\u0301" * 500_000,
    ),
    "line separators": ("a\u2028b\u2029c\x0bd\x0c".encode(), "a\u2028b\u2029c\x0bd\x0c"),
    "the last code point": ("abc\U0010ffff".encode(), "abc\U0010ffff"),
    "a pickle": (b"\x80\x04N.", "is not valid utf-8: 0x80 at byte 0"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_a_crafted_file_gives_its_text_or_an_exact_error(
    name: str, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Any
) -> None:
    monkeypatch.setattr(reader, "BLOCK", BLOCK)
    data, expected = FILES[name]
    path = tmp_path / ("text.gz" if packed else "text.txt")
    path.write_bytes(gzip.compress(data) if packed else data)
    try:
        notices: list[str] = []
        corpus = Corpus.of(reader.stream([str(path)], DataConfig(), notices), 0.1)
        found = corpus.vocabulary.decode([*corpus.train.tolist(), *corpus.val.tolist()])
        assert found == expected
    except CharRNNError as error:
        message = str(error)
        assert expected in message, message
        assert "\n" not in message
    tally(1, "crafted files, plain and packed")
