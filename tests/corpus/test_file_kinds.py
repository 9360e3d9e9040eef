"""Files that are not plain text are recognized by their first bytes, and plain texts are not."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from charrnn.config.run_config import DataConfig
from charrnn.corpus.file_kinds import file_kind
from charrnn.corpus.reading import read, take
from charrnn.errors import CorpusError


def zipped(*names: str, mimetype: str = "") -> bytes:
    """A ZIP archive of small files, after that of its type if it has one."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype, zipfile.ZIP_STORED)
        for name in names:
            archive.writestr(name, "some text")
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return file.getvalue()


OFFICE = ("[Content_Types].xml", "_rels/.rels")
OPEN = "application/vnd.oasis.opendocument."
EXPORT = "export its text from the program that wrote it, as plain text or CSV"
NO_TEXT = "it has no text to learn; give a text file"


def convert(command: str) -> str:
    return f"convert it to plain text first, such as with `{command}`"


def unpack(command: str) -> str:
    return f"unpack it, such as with `{command}`, and give the text files in it"


# The first bytes, the kind, and the advice.
FILES = {
    "PDF": (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "a PDF document", convert("pdftotext old.txt old-2.txt")),
    "PDF of ASCII": (b"%PDF-1.4\n1 0 obj\n", "a PDF document", convert("pdftotext old.txt old-2.txt")),
    "RTF": (rb"{\rtf1\ansi caf\'e9}", "an RTF document", convert("pandoc -f rtf -t plain old.txt -o old-2.txt")),
    "docx": (zipped(*OFFICE, "word/document.xml"), "a Word document", convert("pandoc -f docx -t plain old.txt -o old-2.txt")),
    "epub": (zipped("a.xhtml", mimetype="application/epub+zip"), "an EPUB book",
             convert("pandoc -f epub -t plain old.txt -o old-2.txt")),
    "odt": (zipped("content.xml", mimetype=OPEN + "text"), "an OpenDocument text",
            convert("pandoc -f odt -t plain old.txt -o old-2.txt")),
    "ods": (zipped("content.xml", mimetype=OPEN + "spreadsheet"), "an OpenDocument file", EXPORT),
    "xlsx": (zipped(*OFFICE, "xl/workbook.xml"), "an Excel workbook", EXPORT),
    "pptx": (zipped(*OFFICE, "ppt/presentation.xml"), "a PowerPoint presentation", EXPORT),
    "doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(9), "an old Microsoft Office document", convert("catdoc old.txt > old-2.txt")),
    "mobi": (b"A book".ljust(60, b"\0") + b"BOOKMOBI", "a Kindle book", convert("ebook-convert old.txt old-2.txt")),
    "ZIP": (zipped("sword/a.txt"), "a ZIP archive", unpack("unzip")),
    "gzip": (gzip.compress(b"text"), "a gzip file", "rename it to end in .gz, and it will be unpacked"),
    "bzip2": (bz2.compress(bytes(range(256)) * 9), "a bzip2 file", convert("bzip2 -dc old.txt > old-2.txt")),
    "xz": (lzma.compress(b"text"), "an xz file", convert("xz -dc old.txt > old-2.txt")),
    "tar": (tar(), "a tar archive", unpack("tar -xf")),
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image", convert("tesseract old.txt stdout > old-2.txt")),
    "JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a JPEG image", convert("tesseract old.txt stdout > old-2.txt")),
    "GIF": (b"GIF89a\x01\0\x01\0\0\0\0,", "a GIF image", convert("tesseract old.txt stdout > old-2.txt")),
    "BMP": (b"BM\x46\0\0\0\0\0\0\0\x36\0", "a BMP image", convert("tesseract old.txt stdout > old-2.txt")),
    "WAVE": (b"RIFF\x24\0\0\0WAVEfmt ", "an audio file", NO_TEXT),
    "MP3": (b"ID3\x03\0\0\0\0\0\x21", "an audio file", NO_TEXT),
    "MP4": (b"\0\0\0\x20ftypisom", "a video", NO_TEXT),
    "SQLite": (b"SQLite format 3\0\x10", "an SQLite database", convert("sqlite3 old.txt .dump > old-2.txt")),
    "ELF": (b"\x7fELF\x02\x01\x01\0", "a program", NO_TEXT),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_named_txt_that_is_not_one_is_refused_with_what_to_do(name: str, here: Path) -> None:
    data, kind, advice = FILES[name]
    Path("old.txt").write_bytes(data)
    for encoding in ("utf-8", "latin-1"):
        with pytest.raises(CorpusError) as caught:
            read(["old.txt"], DataConfig(encoding=encoding))
        assert str(caught.value) == f"old.txt is {kind}, not plain text; {advice}"


@pytest.mark.parametrize("name", FILES)
def test_its_bytes_can_be_read(name: str, here: Path) -> None:
    data, *_ = FILES[name]
    Path("old.txt").write_bytes(data)
    assert read(["old.txt"], DataConfig(unit="byte")).text == data


@pytest.mark.parametrize(
    "start",
    ["GIF89a", "BM", "MZ", "PK", "ID3", "PAR1", "RIFF", "{", "%PDF", "7z", "SQLite format 3"],
)
def test_a_text_that_begins_like_another_kind_is_a_text(start: str) -> None:
    assert file_kind(f"{start} is how this story begins, é.\n\t\f\x1b[0m".encode()) is None


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("my book.pdf", "pdftotext 'my book.pdf' 'my book.txt'"),
        ("-p.pdf", "pdftotext ./-p.pdf ./-p.txt"),
        ("book.pdf.gz", "pdftotext FILE FILE.txt"),
    ],
)
def test_the_command_is_for_that_file_if_the_tool_can_read_it(
    path: str, command: str, here: Path
) -> None:
    data = b"%PDF-1.4\n"
    Path(path).write_bytes(gzip.compress(data) if path.endswith(".gz") else data)
    with pytest.raises(CorpusError) as caught:
        read([path], DataConfig())
    assert str(caught.value) == f"{path} is a PDF document, not plain text; {convert(command)}"


def test_the_command_never_overwrites_a_file(here: Path) -> None:
    for name in ("a.pdf", "a.txt", "a-2.txt"):
        Path(name).write_bytes(b"%PDF-1.4\n")
    with pytest.raises(CorpusError) as caught:
        read(["a.pdf"], DataConfig())
    assert str(caught.value).endswith("`pdftotext a.pdf a-3.txt`")


def test_bytes_from_python_are_recognized_too(here: Path) -> None:
    Path("the text").touch()  # not what was given
    with pytest.raises(CorpusError) as caught:
        take(b"%PDF-1.4\n", DataConfig())
    assert str(caught.value) == (
        f"the text is a PDF document, not plain text; {convert('pdftotext FILE FILE.txt')}"
    )
