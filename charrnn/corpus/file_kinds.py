"""Kinds of files that are not plain text, recognized by their first bytes. KINDS is their table.

A document, an archive or an image is garbage if it is read as text, whatever its name, and an
encoding that happens to fit its bytes would only mislead.
"""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from charrnn.errors import CorpusError

HEAD = 1 << 16  # bytes at the beginning of a file that are looked at
# Bytes that plain text in UTF-8 or in an 8-bit encoding does not contain, and the largest share of
# them in a text that is damaged.
_NOT_IN_TEXT = re.compile(rb"[\x00-\x06\x0e-\x1a]")
MOST_NOT_IN_TEXT = 0.05


class Kind(NamedTuple):
    """A kind of file.

    Args:
        name: with its article.
        pattern: a regular expression that matches its first bytes.
        command: converts {source} to the plain text {target}; empty if no usual tool does.
        advice: what to do, if there is no command.
        is_text: whether such a file may consist of plain characters only.
    """

    name: str
    pattern: bytes
    command: str = ""
    advice: str = ""
    is_text: bool = False


_OCR = "tesseract {source} stdout > {target}"
_NO_TEXT = "it has no text to learn; give a text file"
_EXPORT = "export its text from the program that wrote it, as plain text or CSV"
_UNPACK = "unpack it, such as with `{}`, and give the text files in it"

# The first that matches is the kind of a file: those that are packed as ZIP come before ZIP.
KINDS = (
    # documents
    Kind("a PDF document", rb"%PDF-\d", "pdftotext {source} {target}", is_text=True),
    Kind(
        "an RTF document",
        rb"\{\\rtf\d",
        "pandoc -f rtf -t plain {source} -o {target}",
        is_text=True,
    ),
    Kind(
        "a Word document",
        rb"PK\x03\x04.*\x00word/",
        "pandoc -f docx -t plain {source} -o {target}",
    ),
    Kind(
        "an EPUB book",
        rb"PK\x03\x04.{26}mimetypeapplication/epub\+zip",
        "pandoc -f epub -t plain {source} -o {target}",
    ),
    Kind(
        "an OpenDocument text",
        rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.text",
        "pandoc -f odt -t plain {source} -o {target}",
    ),
    Kind(
        "an OpenDocument file",
        rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.",
        advice=_EXPORT,
    ),
    Kind("an Excel workbook", rb"PK\x03\x04.*\x00xl/", advice=_EXPORT),
    Kind("a PowerPoint presentation", rb"PK\x03\x04.*\x00ppt/", advice=_EXPORT),
    Kind(
        "an old Microsoft Office document",
        rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "catdoc {source} > {target}",
    ),
    Kind("a DjVu document", rb"AT&TFORM....DJV", "djvutxt {source} {target}"),
    Kind("a Kindle book", rb".{60}BOOKMOBI", "ebook-convert {source} {target}"),
    # archives
    Kind("a ZIP archive", rb"PK(\x03\x04|\x05\x06)", advice=_UNPACK.format("unzip")),
    Kind(
        "a gzip file", rb"\x1f\x8b\x08", advice="rename it to end in .gz, and it will be unpacked"
    ),
    Kind("a bzip2 file", rb"BZh\d(1AY&SY|\x17rE8P\x90)", "bzip2 -dc {source} > {target}"),
    Kind("an xz file", rb"\xfd7zXZ\x00", "xz -dc {source} > {target}"),
    Kind("a Zstandard file", rb"\x28\xb5\x2f\xfd", "zstd -dc {source} > {target}"),
    Kind("a 7z archive", rb"7z\xbc\xaf\x27\x1c", advice=_UNPACK.format("7z x")),
    Kind("a RAR archive", rb"Rar!\x1a\x07", advice=_UNPACK.format("unrar x")),
    Kind("a tar archive", rb".{257}ustar", advice=_UNPACK.format("tar -xf")),
    # images
    Kind("a PNG image", rb"\x89PNG\r\n\x1a\n", _OCR),
    Kind("a JPEG image", rb"\xff\xd8\xff", _OCR),
    Kind("a GIF image", rb"GIF8[79]a", _OCR),
    Kind("a TIFF image", rb"II\*\x00|MM\x00\*", _OCR),
    Kind("a WebP image", rb"RIFF....WEBP", _OCR),
    Kind("a BMP image", rb"BM.{4}\x00{4}", _OCR),
    Kind("a HEIC or AVIF image", rb"....ftyp(hei[cs]|mif1|avif)", advice=_NO_TEXT),
    # sound and films
    Kind("an audio file", rb"RIFF....WAVE|fLaC|ID3[\x02-\x04]\x00|....ftypM4A", advice=_NO_TEXT),
    Kind("an audio or video file", rb"OggS\x00", advice=_NO_TEXT),
    Kind("a video", rb"RIFF....AVI |\x1aE\xdf\xa3|....ftyp", advice=_NO_TEXT),
    # data and programs
    Kind("an SQLite database", rb"SQLite format 3\x00", "sqlite3 {source} .dump > {target}"),
    Kind("a Parquet file", rb"PAR1", advice="export its column of texts, such as with pandas"),
    Kind("a program", rb"\x7fELF|MZ.{58}..\x00\x00|\xca\xfe\xba\xbe", advice=_NO_TEXT),
)


def check_is_text(head: bytes, path: str, source: str | None) -> None:
    """Refuse a file whose first bytes are those of another kind of file.

    Args:
        head: its first HEAD bytes or more.
        path: its name.
        source: the file that contains exactly these bytes; None if there is none.

    Raises:
        CorpusError: it is of another kind; the message names it and how to convert it.
    """
    kind = file_kind(head[:HEAD])
    if kind is None:
        return
    command = convert_command(kind, source)
    advice = kind.advice
    if command:
        advice = f"convert it to plain text first, such as with `{command}`"
    raise CorpusError(f"{path} is {kind.name}, not plain text; {advice}")


def convert_command(kind: Kind, source: str | None) -> str:
    """The command that converts a file of a kind to plain text, or ``""``."""
    return kind.command.format(**_names(source)) if kind.command else ""


def is_binary(head: bytes) -> bool:
    """Whether a file has too many bytes that do not occur in text."""
    return len(_NOT_IN_TEXT.findall(head)) > MOST_NOT_IN_TEXT * len(head)


def file_kind(head: bytes) -> Kind | None:
    """The kind of a file that is not plain text, by its first bytes; None for any other file.

    A text that happens to begin with the same letters, such as "GIF89a is a format", is not one.
    """
    is_plain = not _NOT_IN_TEXT.search(head)
    for kind in KINDS:
        if is_plain and not kind.is_text:
            continue
        if re.match(kind.pattern, head, re.DOTALL):
            return kind
    return None


def _names(source: str | None) -> dict[str, str]:
    """A file, and a new text file next to it, quoted for a shell."""
    if source is None:
        return {"source": "FILE", "target": "FILE.txt"}
    stem = Path(source).with_suffix("")
    target = Path(f"{stem}.txt")
    number = 1
    while target.exists():
        number += 1
        target = Path(f"{stem}-{number}.txt")
    return {
        "source": shlex.quote(_as_argument(source)),
        "target": shlex.quote(_as_argument(str(target))),
    }


def _as_argument(path: str) -> str:
    """A path that no command takes for an option."""
    return f"./{path}" if path.startswith("-") else path
