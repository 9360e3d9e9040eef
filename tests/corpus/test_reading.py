"""Bytes become the text that they are, whatever the locale; what is odd is said, what cannot be
read is named exactly."""

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.config.run_config import DataConfig
from charrnn.corpus import reading as reader
from charrnn.corpus.corpus import Corpus
from charrnn.corpus.encoding import guess_encoding
from charrnn.corpus.reading import Reading, default_name, read, stream
from charrnn.errors import CharRNNError, ConfigError, CorpusError

ENCODINGS = "such as utf-8, cp1252, latin-1, cp1251, shift_jis or gb18030"


def reading(data: bytes, name: str = "a.txt", **knobs: Any) -> Reading:
    """Read these bytes from a file in the working directory."""
    Path(name).write_bytes(data)
    return read([name], DataConfig(**knobs))


def refusal(*paths: str, **knobs: Any) -> str:
    """What reading is refused with."""
    with pytest.raises(CorpusError) as caught:
        read(paths, DataConfig(**knobs))
    return str(caught.value)


def refusal_of(data: bytes, name: str = "a.txt", **knobs: Any) -> str:
    Path(name).write_bytes(data)
    return refusal(name, **knobs)


@pytest.fixture(autouse=True)
def _here(here: Path) -> None:
    """Files are named as they are in the working directory."""


# Text


@pytest.mark.parametrize(
    "text",
    [
        "plain\n",
        "no newline",
        "\n",
        " ",
        "a\n\n\nb",
        "é e\u0301 ﬁ",
        "漢字 😀 עברית",
        "a\0b",
        "a\x1ab",
        "a\u2028b\x85c\x0bd\x0ce",
        "\ufffd",
        "a\ufeffb",
    ],
)
def test_a_text_is_read_as_it_is(text: str) -> None:
    assert reading(text.encode()) == Reading(text, ())


@pytest.mark.parametrize("text", ["a\nb\n", "a\r\nb\r\n", "a\rb\r", "\n\r\n\r"[1:]])
def test_newlines_are_kept(text: str) -> None:
    assert reading(text.encode()).text == text


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("a\r\nb\n", "1 CRLF, 1 LF"),
        ("a\r\nb\r\nc\rd", "2 CRLF, 1 CR"),
        ("a\n\rb", "1 LF, 1 CR"),
        ("a\r\r\nb\nc\n", "1 CRLF, 2 LF, 1 CR"),
    ],
)
def test_mixed_newlines_are_kept_and_said(text: str, counts: str) -> None:
    said = (
        f'a.txt mixes line endings ({counts}), which were kept; `newlines="lf"` converts all to LF'
    )
    assert reading(text.encode()) == Reading(text, (said,))


def test_newlines_mixed_between_files_are_said_too() -> None:
    Path("a.txt").write_bytes(b"a\r\n")
    Path("b.txt").write_bytes(b"b\n")
    found = read(["a.txt", "b.txt"], DataConfig())
    assert found.text == "a\r\nb\n"
    assert len(found.notices) == 1


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a\r\nb\nc\rd", "a\nb\nc\nd"),
        ("\r\r\n\n", "\n\n\n"),
        ("a\n", "a\n"),
        ("a\u2028b", "a\u2028b"),
    ],
)
def test_newlines_lf_makes_each_line_end_one_lf(text: str, made: str) -> None:
    assert reading(text.encode(), newlines="lf") == Reading(made, ())


@pytest.mark.parametrize(
    ("normalize", "text"),
    [(None, "e\u0301 é ﬁ ²"), ("nfc", "é é ﬁ ²"), ("nfkc", "é é fi 2")],
)
def test_nothing_is_normalized_unless_asked_for(normalize: str | None, text: str) -> None:
    assert reading("e\u0301 é ﬁ ²".encode(), normalize=normalize) == Reading(text, ())


def test_a_byte_order_mark_is_left_out_and_said() -> None:
    assert reading(b"\xef\xbb\xbfabc") == Reading(
        "abc", ("a.txt begins with a byte order mark, which was left out",)
    )
    assert reading(b"\xef\xbb\xbf\xef\xbb\xbfa").text == "\ufeffa"  # only the first is a mark


def test_the_byte_order_mark_of_each_file_is_left_out() -> None:
    Path("a.txt").write_bytes(b"\xef\xbb\xbfa\n")
    Path("b.txt").write_bytes(b"\xef\xbb\xbfb\n")
    assert read(["a.txt", "b.txt"], DataConfig()) == Reading(
        "a\nb\n",
        tuple(
            f"{name} begins with a byte order mark, which was left out"
            for name in ("a.txt", "b.txt")
        ),
    )


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "UTF8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "gb18030"],
)
def test_a_byte_order_mark_is_left_out_in_every_encoding(encoding: str) -> None:
    plain = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding, encoding)
    assert reading("\ufeffabc".encode(plain), encoding=encoding).text == "abc"


# Encodings

SAMPLES = {
    "cp1252": "No. 1\nLes élèves étudient à la bibliothèque; c’est l’été, et où êtes-vous?\n",
    "cp1251": "No. 1\nНочь, улица, фонарь, аптека, бессмысленный и тусклый свет.\n",
    "koi8-r": "No. 1\nНочь, улица, фонарь, аптека, бессмысленный и тусклый свет.\n",
    "shift_jis": "No. 1\n吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。\n",
    "euc-jp": "No. 1\n吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。\n",
    "gb18030": "No. 1\n床前明月光，疑是地上霜。举头望明月，低头思故乡。\n",
    "big5": "No. 1\n床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。\n",
    "euc-kr": "No. 1\n동해물과 백두산이 마르고 닳도록 하느님이 보우하사 우리나라 만세.\n",
    "utf-16": "No. 1\nAny text at all.\n",
}


@pytest.mark.parametrize("encoding", SAMPLES)
def test_a_text_is_read_in_its_encoding(encoding: str) -> None:
    assert reading(SAMPLES[encoding].encode(encoding), encoding=encoding) == Reading(
        SAMPLES[encoding], ()
    )


@pytest.mark.parametrize("encoding", SAMPLES)
def test_the_encoding_that_fits_is_proposed(encoding: str) -> None:
    assert guess_encoding(SAMPLES[encoding].encode(encoding)) == encoding


@pytest.mark.parametrize(
    ("encoding", "place"),
    [
        ("cp1252", "0xe9 at byte 10 (line 2)"),  # "No. 1\nLes " is 10 bytes, é is E9
        ("cp1251", "0xcd at byte 6 (line 2)"),  # Н is CD, and о, EE, does not go on with it
        ("shift_jis", "0x8c at byte 6 (line 2)"),  # 吾 is 8C E1; nothing begins with 8C in UTF-8
        ("gb18030", "0xb4 at byte 6 (line 2)"),  # 床 is B4 B2
        ("utf-16", "0xff at byte 0 (line 1)"),  # its mark, FF FE
    ],
)
def test_an_invalid_byte_is_reported_with_its_place_and_a_fitting_encoding(
    encoding: str, place: str
) -> None:
    assert refusal_of(SAMPLES[encoding].encode(encoding)) == (
        f'a.txt is not valid utf-8: {place}; try `encoding="{encoding}"` and check the text, '
        'or replace invalid bytes by U+FFFD with `encoding_errors="replace"`'
    )


@pytest.mark.parametrize(
    ("data", "place"),
    [
        # cut after 15 letters of 2 bytes and 5 of 1
        ("Ночь, улица, фонарь\n".encode() + b"\xe2\x82", "0xe2 0x82 at byte 35 (line 2)"),
        # 4 letters of 2 bytes and 4 of 1
        (
            "Ночь, \n\n".encode() + b"\xff" + "улица, фонарь\n".encode() * 3,
            "0xff at byte 12 (line 3)",
        ),
    ],
    ids=["cut", "one byte"],
)
def test_no_other_encoding_is_proposed_for_utf8_with_a_flaw(data: bytes, place: str) -> None:
    assert (
        refusal_of(data)
        == f'a.txt is not valid utf-8: {place}; replace invalid bytes by U+FFFD with `encoding_errors="replace"`'
    )


def test_the_failed_encoding_is_not_suggested_again() -> None:
    # two bytes a character: 61 00, 62 00, and 63 alone
    assert refusal_of(b"a\0b\0c", encoding="utf-16-le") == (
        'a.txt is not valid utf-16-le: 0x63 at byte 4 (line 1); replace invalid bytes by U+FFFD with `encoding_errors="replace"`'
    )


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe\x00", b"\xfe\xff\xd8\x00", b"\0a\0b\xd8\0", b"\0\0\0"]
)
def test_no_encoding_is_proposed_that_does_not_fit(data: bytes) -> None:
    assert guess_encoding(data) == ""


def test_replace_inserts_a_replacement_character_per_bad_byte_and_reports_them() -> None:
    # the U+FFFD that stands in the file itself is not counted
    assert reading(b"a\xffb\xe2\x82\n\xef\xbf\xbd", encoding_errors="replace") == Reading(
        "a\ufffdb\ufffd\n\ufffd", ("a.txt is not valid utf-8 in 2 places, which became U+FFFD",)
    )
    assert reading("é\ufffd".encode(), encoding_errors="replace") == Reading("é\ufffd", ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "gb18030"])
def test_a_replacement_character_of_the_file_is_not_counted_in_any_encoding(encoding: str) -> None:
    own = "é\ufffd漢\ufffd\n".encode(encoding)
    cut = "é".encode(encoding)[:-1]
    found = reading(own + cut, encoding=encoding, encoding_errors="replace")
    assert found.notices[-1] == f"a.txt is not valid {encoding} in one place, which became U+FFFD"
    assert found.text == "é\ufffd漢\ufffd\n\ufffd"


@pytest.mark.parametrize("encoding", ["shift_jis", "cp1251", "ascii", "utf-16-le"])
def test_bytes_that_happen_to_be_those_of_u_fffd_in_utf8_are_not_counted(encoding: str) -> None:
    text = b"\xef\xbf\xbd".decode(encoding, "replace")
    found = reading(b"\xef\xbf\xbd", encoding=encoding, encoding_errors="replace")
    num_bad = text.count("\ufffd")
    places = "one place" if num_bad == 1 else f"{num_bad} places"
    said = f"a.txt is not valid {encoding} in {places}, which became U+FFFD"
    assert found == Reading(text, (said,) if num_bad else ())


@pytest.mark.parametrize(
    "encoding", ["nope", "rot13", "base64", "hex", "punycode", "idna", "a\0b", "utf 99", "é"]
)
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(ConfigError) as caught:
        reading(b"abc", encoding=encoding)
    assert str(caught.value) == f"`encoding` must be a text encoding, {ENCODINGS}, got {encoding!r}"


def test_half_a_surrogate_pair_is_refused_with_its_place() -> None:
    assert refusal_of(rb"ab\ud800c", encoding="raw_unicode_escape") == (
        "a.txt contains half a surrogate pair, U+D800, at character 3; try another `encoding` than raw_unicode_escape"
    )


def test_the_locale_does_not_matter() -> None:
    Path("é.txt").write_bytes("é\r\n漢".encode())
    environment = os.environ | {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONPATH": str(Path(charrnn.__file__).parents[1]),
    }
    program = (
        "import locale; from charrnn.config.run_config import DataConfig; from charrnn.corpus.reading import read;"
        "assert locale.getencoding().lower() != 'utf-8'; print(ascii([read([path], DataConfig()).text for path in ('.', '-')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input="é\n".encode(), env=environment, capture_output=True
    )
    assert (done.stdout, done.stderr) == (rb"['\xe9\r\n\u6f22', '\xe9\n']" + b"\n", b"")


# Two or four bytes a character, and NULs

WIDE = {
    "English": "Now is the time, said the clock.\n",
    "Russian": "Ночь, улица, фонарь, аптека.\n",
    "Korean": "동해물과 백두산이 마르고 닳도록.\n",
    "Chinese": "一床前明月光，疑是地上霜。\n　一举头望明月。\n",
}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("language", WIDE)
def test_utf_16_and_utf_32_without_a_mark_are_recognized(language: str, encoding: str) -> None:
    data = (WIDE[language] * 3).encode(encoding)
    said = f'looks like {encoding.upper()} without a byte order mark; try `encoding="{encoding}"`'
    for wrong in ("utf-8", "cp1252", "utf-16-be" if encoding == "utf-16-le" else "utf-16-le"):
        if wrong != encoding:
            assert refusal_of(data, encoding=wrong) == f"a.txt is not {wrong}, but {said}"
    assert reading(data, encoding=encoding) == Reading(WIDE[language] * 3, ())


def test_single_characters_between_nuls_are_not_taken_for_utf_16() -> None:
    text = "a\0b\0c\0d\0" * 4
    assert reading(text.encode(), separator="\0") == Reading(text, ())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_mark_says_which_of_them_it_is(encoding: str) -> None:
    assert refusal_of(WIDE["English"].encode(encoding)) == (
        f'a.txt is not valid utf-8: 0xff at byte 0 (line 1); try `encoding="{encoding}"` and '
        'check the text, or replace invalid bytes by U+FFFD with `encoding_errors="replace"`'
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (
            "\0".join(f"file number {number}.txt" for number in range(100)),
            "99 NUL characters, 5.2%",
        ),
        ("cat \0dog \0" * 9, "18 NUL characters, 20.0%"),
        ("a\n" * 900 + "\0" * 1000, "1,000 NUL characters, 35.7%"),
    ],
    ids=["names", "short names", "a damaged end"],
)
def test_a_text_full_of_nuls_is_kept_and_said(text: str, count: str) -> None:
    said = f"a.txt contains {count} of it; check that it is plain text, and not damaged"
    assert reading(text.encode()) == Reading(text, (said,))


@pytest.mark.parametrize(
    ("text", "knobs"),
    [("\0" * 9, {}), ("a" * 10_000 + "\0" * 10, {}), ("cat \0dog \0" * 9, {"separator": "\0"})],
    ids=["nine", "one in a thousand", "separators"],
)
def test_a_few_nuls_or_separators_are_not_said(text: str, knobs: dict[str, Any]) -> None:
    assert reading(text.encode(), **knobs) == Reading(text, ())


# Block by block

MIXED = "\ufeff\ufeffe\u0301\r\ne\r\u0301\n\r\r\na\u0323\u0301 ﬁ\u3042\u3099か\uff9e漢\u0301 각 😀\ufffd\r"


def all_of(data: bytes, name: str, knobs: dict[str, Any]) -> Reading | str:
    try:
        return reading(data, name, **knobs)
    except CorpusError as error:
        return str(error)


@pytest.mark.parametrize("block", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(
    ("data", "knobs"),
    [
        *(
            (MIXED.encode(), {"newlines": newlines, "normalize": form})
            for newlines in ("keep", "lf")
            for form in (None, "nfc", "nfkc")
        ),
        *(
            (MIXED.encode(encoding), {"encoding": encoding})
            for encoding in ("utf-16", "utf-32-be", "gb18030", "utf-8-sig", "utf-7")
        ),
        (MIXED.encode() + b"\xff\xef\xbf\xbd\xe2\x82", {"encoding_errors": "replace"}),
        (MIXED.encode() + b"\xff more", {}),
        (MIXED.encode() + b"\xe2\x82", {}),
        ("ab".encode("utf-16-le") + b"c", {"encoding": "utf-16-le"}),
        (rb"ab\u00e9\ud800c", {"encoding": "raw_unicode_escape"}),
        (MIXED.encode(), {"unit": "byte"}),
    ],
)
def test_a_text_is_the_same_in_blocks_of_any_size(
    block: int, data: bytes, knobs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (("a.txt", data), ("a.gz", gzip.compress(data))):
        whole = all_of(content, name, knobs)
        with monkeypatch.context() as patch:
            patch.setattr(reader, "BLOCK", block)
            assert all_of(content, name, knobs) == whole


# Files


def test_standard_input_is_read_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO("é\r\n".encode()), encoding="ascii", newline=None)
    )
    assert read(["-"], DataConfig()) == Reading("é\r\n", ())


def test_standard_input_that_is_closed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert refusal("-") == "standard input is closed; pipe in a text, or give a file"


def test_a_format_is_a_function_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_reversed(path: str) -> io.BytesIO:
        return io.BytesIO(Path(path).read_bytes()[::-1])

    monkeypatch.setitem(reader.OPENERS, ".rev", open_reversed)
    assert reading(b"cba", "a.txt.rev") == Reading("abc", ())
    assert default_name(["a.txt.rev"]) == "a"


def test_a_gz_file_is_unpacked() -> None:
    assert reading(gzip.compress(b"two\r\nlines\r\n"), "a.txt.gz") == Reading(
        "two\r\nlines\r\n", ()
    )
    # members follow one another
    assert reading(gzip.compress(b"one ") + gzip.compress(b"two"), "a.gz").text == "one two"


@pytest.mark.parametrize(
    "data",
    [
        b"plain text",
        gzip.compress(b"abc")[:-8] + bytes(4) + gzip.compress(b"abc")[-4:],
        gzip.compress(b"abc") + b"more",
    ],
    ids=["plain", "changed", "more"],
)
def test_a_broken_gz_file_is_refused(data: bytes) -> None:
    assert refusal_of(data, "a.gz") == (
        "a.gz is not a gzip file, or is damaged; copy it again, "
        "or rename it without .gz if it is plain text"
    )


def test_a_gz_file_that_is_cut_off_is_refused() -> None:
    assert refusal_of(gzip.compress(b"abc")[:-1], "a.gz") == (
        "a.gz is cut off: its end is missing; copy it again"
    )


def text_or_error(data: bytes) -> str | CharRNNError:
    try:
        return str(reading(data, "a.gz").text)
    except CharRNNError as error:
        return error


def test_a_gz_file_with_any_byte_changed_or_cut_off_gives_its_text_or_an_error() -> None:
    data = gzip.compress(b"abcabcabc\n", mtime=0)
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]
        for broken in (changed, data[:place]):
            found = text_or_error(broken)
            assert found == "abcabcabc\n" or (
                isinstance(found, CharRNNError) and "\n" not in str(found)
            )


def test_a_directory_is_its_txt_files_sorted() -> None:
    for name in ("b.txt", "a.txt", "B.txt", "10.txt", "9.txt", "c.md", "d.txt.gz", "txt"):
        Path(name).write_text(name + "\n")
    Path("e.txt").mkdir()
    Path("e.txt/f.txt").write_text("not below\n")
    said = (
        "reading 5 files of .: 10.txt, 9.txt, B.txt and 2 more; skipped c.md, d.txt.gz, e.txt/, txt "
        "(only *.txt files that are not hidden are read)"
    )
    assert read(["."], DataConfig()) == Reading("10.txt\n9.txt\nB.txt\na.txt\nb.txt\n", (said,))


def test_files_are_joined_in_the_order_given() -> None:
    Path("a.txt").write_text("a\n")
    Path("b.txt").write_text("b\n")
    assert read(["b.txt", Path("a.txt"), "b.txt"], DataConfig()) == Reading("b\na\nb\n", ())


@pytest.mark.parametrize(
    ("first", "joined"),
    [("a", "a\nb"), ("a\n", "a\nb"), ("a\r", "a\rb"), ("a\r\n", "a\r\nb"), ("", "b")],
)
def test_a_missing_newline_between_files_is_put_and_said(first: str, joined: str) -> None:
    Path("a.txt").write_bytes(first.encode())
    Path("b.txt").write_bytes(b"b")
    said = ("a.txt does not end with a newline; one was added before the next file",)
    assert read(["a.txt", "b.txt"], DataConfig()) == Reading(joined, said if first == "a" else ())


@pytest.mark.parametrize(
    ("separator", "files", "expected"),
    [
        ("\n", ["ana\nbo", "cato\ndan\n"], ["ana", "bo", "cato", "dan"]),
        ("\n", ["ana\r\nbo\r\n", "cato\r\ndan"], ["ana", "bo", "cato", "dan"]),
        ("\n\n", ["one\nline\n\ntwo\n", "three\n\nfour\n"], ["one\nline", "two", "three", "four"]),
        ("\n\n", ["one\n\ntwo\n\n", "three\n\n\n", "four"], ["one", "two", "three", "four"]),
        ("\n\n", ["one\r\n\r\ntwo\r\n", "three\r\n\r\nfour\r\n"], ["one", "two", "three", "four"]),
        (
            ";",
            ["ana;bo", "cato;dan\n", "eva;\n", "fay"],
            ["ana", "bo", "cato", "dan", "eva", "fay"],
        ),
        ("\n%\n", ["a\n%\nb\n", "c\n%\n", "", "d"], ["a", "b", "c", "d"]),
        (
            "\n---\n",
            ["a one\n---\nb two\n---", "c three\n---\nd four\n"],
            ["a one", "b two", "c three", "d four"],
        ),
        ("\n---\n", ["a\r\n---\r\nb\r\n---", "c"], ["a", "b", "c"]),
        ("%%", ["a%%b%", "c%%d"], ["a", "b", "c", "d"]),
        ("ab", ["1ab2a", "3ab4"], ["1", "2a", "3", "4"]),
    ],
)
@pytest.mark.parametrize("unit", ["char", "byte"])
def test_a_record_ends_where_its_file_ends(
    separator: str,
    files: list[str],
    expected: list[str],
    unit: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, text in enumerate(files):
        Path(f"{number}.txt").write_bytes(text.encode())
    for block in (1 << 20, 1, 3):  # what a file ends with may come in several
        monkeypatch.setattr("charrnn.corpus.reading.BLOCK", block)
        notices: list[str] = []
        config, told = DataConfig(unit=unit, separator=separator), list[str]()
        corpus = Corpus.of(
            stream([f"{number}.txt" for number in range(len(files))], config, notices),
            0.0,
            separator,
            told.append,
        )
        assert list(corpus.records()) == expected
        assert (notices, told) == ([], [])


def test_one_file_gets_no_newline() -> None:
    assert reading(b"a") == Reading("a", ())


# What cannot be read


def test_a_missing_file_is_named_with_the_directory() -> None:
    assert refusal("nope.txt") == f"there is no file nope.txt (in {Path.cwd()}); check the name"


def test_no_file_is_refused() -> None:
    assert (
        refusal()
        == "no corpus was given; give a text file, a directory of *.txt files, or - for standard input"
    )


def test_an_empty_name_is_not_the_working_directory() -> None:
    Path("a.txt").write_text("private")
    assert "private" not in refusal("")


def test_a_directory_without_text_is_refused() -> None:
    Path("texts").mkdir()
    Path("texts/a.md").write_text("a")
    assert (
        refusal("texts") == "the directory texts contains no *.txt files; give the files themselves"
    )


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"], ids=["nothing", "a mark"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    assert refusal_of(data) == "there is no text in a.txt; give another file"


def test_only_empty_files_are_refused_with_their_names() -> None:
    Path("b.txt").touch()
    assert refusal_of(b"") == "there is no text in a.txt; give another file"
    assert refusal("a.txt", "b.txt") == "there is no text in a.txt, b.txt; give another file"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a\0b", "embedded null byte"),
        ("x" * 300, "File name too long"),
        ("a.txt/b.txt", "Not a directory"),
    ],
    ids=["NUL", "long", "below a file"],
)
def test_what_cannot_be_opened_is_refused(path: str, why: str) -> None:
    Path("a.txt").write_text("a")
    assert refusal(path) == f"{path} cannot be read: {why}; check the name and its permissions"


# Bytes


def test_bytes_are_read_raw() -> None:
    every = bytes(range(256))
    assert reading(b"\xef\xbb\xbf\xff\r\n\n\r" + every, unit="byte") == Reading(
        b"\xef\xbb\xbf\xff\r\n\n\r" + every, ()
    )


def test_files_of_bytes_are_joined_without_anything_between() -> None:
    Path("a.bin").write_bytes(b"\xff")
    Path("b.gz").write_bytes(gzip.compress(b"\xfe"))
    assert read(["a.bin", "b.gz"], DataConfig(unit="byte")) == Reading(b"\xff\xfe", ())


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("encoding", "cp1252"),
        ("encoding_errors", "replace"),
        ("newlines", "lf"),
        ("normalize", "nfc"),
    ],
)
def test_text_knobs_are_refused_for_bytes(knob: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        reading(b"abc", unit="byte", **{knob: value})
    assert (
        str(caught.value)
        == f'`{knob}` cannot be used with `unit="byte"`, which reads raw bytes, got {value!r}; leave one of them out'
    )


# Names


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (["poems.txt"], "poems"),
        (["some/where/poems.tar.txt"], "poems.tar"),
        (["poems.txt.gz"], "poems"),
        (["poems"], "poems"),
        (["b.txt", "a.txt"], "b"),
        (["-"], "stdin"),
        ([], "text"),
        (["texts"], "texts"),
        (["texts/"], "texts"),
        (["texts/.."], "here"),
        (["/"], "corpus"),
    ],
)
def test_a_run_is_named_after_its_first_file(
    paths: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("here/texts").mkdir(parents=True)
    monkeypatch.chdir("here")
    assert default_name(paths) == name
