"""Files to text: opens, decodes and joins the files of a corpus, block by block.

The locale's encoding is never used, and whatever is left out, replaced or inserted is either
requested or reported. OPENERS is the table of file formats.
"""

import codecs
import gzip
import io
import itertools
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from charrnn.config.run_config import DataConfig, RunConfig
from charrnn.corpus.cleaning import Cleaner
from charrnn.corpus.columns import TABLES, column_as_records, table_suffix
from charrnn.corpus.encoding import bad_byte, check_byte_order, check_encoding, guess_encoding
from charrnn.corpus.file_kinds import HEAD, check_is_text
from charrnn.corpus.files import STDIN as STDIN
from charrnn.corpus.files import check_files, corpus_files, joined_notices, unreadable
from charrnn.corpus.separators import finish_last_record
from charrnn.errors import ConfigError, CorpusError
from charrnn.vocab import Vocabulary

IN_HAND = "the text"  # the name in messages of a text that is not from a file
BLOCK = 4 << 20  # bytes read at once
TAIL = 1 << 16  # characters at the end of a file in which its last separator is searched
BYTE_ORDER_MARK = "\ufeff"
# A text is full of NULs if it contains this many, and more than this share of it.
MANY_NULS = 10
MOST_NULS = 0.001

Opener = Callable[[str], AbstractContextManager[io.BufferedIOBase]]
OnFile = Callable[[str], object]


@dataclass(frozen=True)
class Reading:
    """A text that was read, and what the user should know about it.

    Args:
        text: str, or bytes if the unit is the byte.
        notices: plain sentences.
    """

    text: str | bytes
    notices: tuple[str, ...] = ()


def stream(
    paths: Sequence[str | Path],
    config: DataConfig,
    notices: list[str],
    on_file: OnFile | None = None,
) -> Iterator[str | bytes]:
    """Read files, block by block, and join them in the order of the paths.

    No line or record extends over two files: a newline or a separator is inserted between two files
    if the first one does not end with it.

    Args:
        paths: text files, compressed ones (see OPENERS), directories for their ``*.txt`` files, or
            ``-`` for standard input.
        config: how they are read.
        notices: a list to which sentences for the user are appended, the last ones after the last
            block.
        on_file: called with the name of each file before its first block.

    Raises:
        CorpusError: a file is missing or cannot be read or decoded, or all files are empty.
        ConfigError: the encoding is unknown, or a knob for characters is given for raw bytes.
    """
    check_encoding(config)
    files = corpus_files(paths, notices)
    num_before = len(notices)
    cleaner = Cleaner(config, notices)
    is_empty = True
    for number, file in enumerate(files, 1):
        if on_file is not None:
            on_file(file)
        blocks = _read_file(file, config, cleaner)
        if number < len(files):
            blocks = _finished(blocks, file, config, cleaner)
        for block in blocks:
            if block:
                is_empty = False
                yield block
    cleaner.finish()
    notices[num_before:] = joined_notices(notices[num_before:], files)
    if is_empty:
        if files == [STDIN]:
            raise CorpusError("standard input is empty; pipe in a text, or give a file")
        raise CorpusError(f"there is no text in {', '.join(files)}; give another file")


def read(paths: Sequence[str | Path], config: DataConfig) -> Reading:
    """The same as ``stream``, all at once."""
    notices: list[str] = []
    blocks = list(stream(paths, config, notices))
    return Reading(_joined(blocks), tuple(notices))


def take(text: str | bytes, config: DataConfig) -> Reading:
    """A text that is not from a file, cleaned like one; bytes are decoded first.

    Raises:
        CorpusError, ConfigError: as ``stream``.
    """
    check_encoding(config)
    if config.unit == "byte":
        return Reading(Vocabulary("byte").encode(text).tobytes())
    notices: list[str] = []
    texts: Iterable[str] = (
        [text] if isinstance(text, str) else _decoded([text], IN_HAND, config, notices)
    )
    cleaned = Cleaner(config, notices).clean(texts, IN_HAND)
    return Reading("".join(cleaned), tuple(notices))


def check_corpus(config: RunConfig) -> None:
    """Find out quickly, without reading it, whether a corpus can be opened.

    Raises:
        CorpusError: a file is missing or cannot be opened, or a directory has no ``*.txt`` files.
        ConfigError: the encoding is unknown, or a knob for characters is given for raw bytes.
    """
    check_encoding(config.data)
    check_files(config.corpus)
    if config.data.val is not None:
        check_files([config.data.val])
    check_column(config)


def check_column(config: RunConfig) -> None:
    """Refuse a column if no file is a table.

    Raises:
        ConfigError: none is.
    """
    column = config.data.column
    if column is not None and not any(map(table_suffix, config.corpus)):
        raise ConfigError(
            f"`column={column!r}` needs a table: a file that ends with {', '.join(TABLES)}, "
            f"got {', '.join(config.corpus) or 'none'}"
        )


def default_name(paths: Sequence[str | Path]) -> str:
    """A run's name: the stem of its first corpus file, or the directory's name."""
    if not paths:
        return "text"
    if str(paths[0]) == STDIN:
        return "stdin"
    try:
        path = Path(paths[0]).resolve()
        is_directory = path.is_dir()
    except OSError as error:
        raise CorpusError(
            f"{paths[0]} cannot be read: {error.strerror or error}; check the name"
        ) from None
    name = path.name.lstrip(".")
    if is_directory:
        return name or "corpus"
    name = name.removesuffix(_packed_suffix(name))
    return Path(name).stem or name or "text"


# --- opening: names to bytes ---


def open_plain(path: str) -> io.BufferedReader:
    """Open a file that holds the text itself."""
    return open(path, "rb")


@contextmanager
def open_gzip(path: str) -> Iterator[gzip.GzipFile]:
    """Open a gzip file."""
    try:
        with gzip.open(path) as file:
            yield file
    except EOFError:
        raise CorpusError(f"{path} is cut off: its end is missing; copy it again") from None
    except (gzip.BadGzipFile, zlib.error):
        raise CorpusError(
            f"{path} is not a gzip file, or is damaged; copy it again, "
            "or rename it without .gz if it is plain text"
        ) from None


# How to open a file as a stream of the bytes of its text, by the end of its name. An opener raises
# CorpusError for a damaged file. Files with any other name are plain text.
OPENERS: dict[str, Opener] = {
    ".gz": open_gzip,
}


def _packed_suffix(name: str) -> str:
    """The suffix in OPENERS that a name ends with, or ``""``."""
    for suffix in OPENERS:
        if name.endswith(suffix):
            return suffix
    return ""


def read_stdin() -> bytes:
    """All of standard input.

    Raises:
        CorpusError: it is closed.
    """
    if sys.stdin is None:
        raise CorpusError("standard input is closed; pipe in a text, or give a file")
    return sys.stdin.buffer.read()


def load(path: str) -> Iterator[bytes]:
    """The bytes of a file, block by block.

    Standard input and pipes are one block, since they cannot be read again to explain an error.
    """
    try:
        if path == STDIN:
            yield read_stdin()
            return
        opener = OPENERS.get(_packed_suffix(path), open_plain)
        with opener(path) as file:
            size = BLOCK if os.path.isfile(path) else -1
            while block := file.read(size):
                yield block
    except CorpusError:
        raise
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def _is_file(path: str) -> bool:
    """Whether a text is from a file, which can be read again, and not from a pipe or in memory."""
    return path not in (STDIN, IN_HAND) and os.path.isfile(path)


# --- decoding: bytes to text ---


def _read_file(
    file: str,
    config: DataConfig,
    cleaner: Cleaner,
) -> Iterator[str | bytes]:
    """The text of one file, block by block, or its bytes if the unit is the byte."""
    blocks = load(file)
    if config.unit == "byte":
        return blocks
    texts = _decoded(blocks, file, config, cleaner.notices)
    if config.column is not None and table_suffix(file):
        assert config.separator is not None
        texts = column_as_records(texts, file, config.column, config.separator)
    return cleaner.clean(texts, file)


def _decoded(
    blocks: Iterable[bytes],
    path: str,
    config: DataConfig,
    notices: list[str],
) -> Iterator[str]:
    """Bytes to text, without a byte order mark; half a surrogate pair is an error."""
    blocks = _checked(blocks, path, config)
    texts = _decode(blocks, path, config, notices)
    texts = _without_byte_order_mark(texts, path, notices)
    texts = _with_nuls_counted(texts, path, config, notices)
    return _without_half_pairs(texts, path, config)


def _checked(blocks: Iterable[bytes], path: str, config: DataConfig) -> Iterator[bytes]:
    """The same blocks; an error if they begin like another kind of file than a text."""
    blocks = iter(blocks)
    first: list[bytes] = []
    size = 0
    for block in blocks:
        first.append(block)
        size += len(block)
        if size >= HEAD:
            break
    head = b"".join(first)
    source = None
    if _is_file(path) and not _packed_suffix(path):
        source = path
    check_is_text(head, path, source)
    check_byte_order(head, path, config)
    yield from first
    yield from blocks


def _decode(
    blocks: Iterable[bytes],
    path: str,
    config: DataConfig,
    notices: list[str],
) -> Iterator[str]:
    decoder_of_encoding = codecs.getincrementaldecoder(config.encoding)
    decoder = decoder_of_encoding(config.encoding_errors)
    without_errors = decoder_of_encoding("ignore")
    num_replaced = 0
    last_block = b""
    for block in itertools.chain(blocks, [None]):  # None is the end
        data = block or b""
        last_block = data or last_block
        try:
            text = decoder.decode(data, final=block is None)
        except UnicodeError as error:
            raise _undecodable(path, last_block, config, error) from None
        if config.encoding_errors == "replace":
            # A U+FFFD of the file itself is in both texts.
            valid = without_errors.decode(data, final=block is None)
            num_replaced += len(text) - len(valid)
        yield text
    if num_replaced:
        places = "one place" if num_replaced == 1 else f"{num_replaced:,} places"
        notices.append(f"{path} is not valid {config.encoding} in {places}, which became U+FFFD")


def _without_byte_order_mark(
    texts: Iterable[str],
    path: str,
    notices: list[str],
) -> Iterator[str]:
    is_beginning = True
    for text in texts:
        if is_beginning and text:
            is_beginning = False
            if text.startswith(BYTE_ORDER_MARK):
                text = text.removeprefix(BYTE_ORDER_MARK)
                notices.append(f"{path} begins with a byte order mark, which was left out")
        yield text


def _with_nuls_counted(
    texts: Iterable[str],
    path: str,
    config: DataConfig,
    notices: list[str],
) -> Iterator[str]:
    """The same text, with a notice if it is full of NULs that do not separate records."""
    num_nuls = 0
    length = 0
    for text in texts:
        num_nuls += text.count("\0")
        length += len(text)
        yield text
    is_separator = "\0" in (config.separator or "")
    if num_nuls >= MANY_NULS and num_nuls > MOST_NULS * length and not is_separator:
        notices.append(
            f"{path} contains {num_nuls:,} NUL characters, {num_nuls / length:.1%} of it; "
            "check that it is plain text, and not damaged"
        )


def _without_half_pairs(
    texts: Iterable[str],
    path: str,
    config: DataConfig,
) -> Iterator[str]:
    """The same text; half a surrogate pair, which some encodings allow, is an error."""
    num_before = 0
    for text in texts:
        if half := re.search("[\ud800-\udfff]", text):
            raise CorpusError(
                f"{path} contains half a surrogate pair, U+{ord(half[0]):04X}, "
                f"at character {num_before + half.start() + 1}; "
                f"try another `encoding` than {config.encoding}"
            )
        num_before += len(text)
        yield text


def _undecodable(
    path: str,
    last_block: bytes,
    config: DataConfig,
    error: UnicodeError,
) -> CorpusError:
    """The error for a text that cannot be decoded: where and why.

    A file is read once more, whole; anything else was read in one block.
    """
    codec = codecs.lookup(config.encoding).name
    if codec in ("utf-16", "utf-32") and not isinstance(error, UnicodeDecodeError):
        guess = guess_encoding(last_block) or config.encoding + "-le"
        return CorpusError(
            f"{path} does not begin with a byte order mark, which {config.encoding} needs; "
            f'try `encoding="{guess}"`'
        )
    data = last_block
    if _is_file(path):
        data = b"".join(load(path))
    try:
        data.decode(config.encoding)
    except UnicodeError as error:
        return bad_byte(data, path, config, error)
    return CorpusError(f"{path} changed while it was being read; try again")


# --- joining: one text of several files ---


def _finished(
    blocks: Iterator[str | bytes],
    file: str,
    config: DataConfig,
    cleaner: Cleaner,
) -> Iterator[str | bytes]:
    """The blocks of a file that is not the last, with its last line or record terminated."""
    if config.separator is not None:
        return _with_separator(blocks, config.separator)
    if config.unit == "char":
        return _with_newline(blocks, file, cleaner)
    return blocks


def _with_separator(blocks: Iterable[str | bytes], separator: str) -> Iterator[str | bytes]:
    """A file's blocks with a separator after the last record, in place of the file's line end."""
    held_back: str | bytes | None = None
    for block in blocks:
        whole = block if held_back is None else held_back + block  # type: ignore[operator]
        yield whole[:-TAIL]
        held_back = whole[-TAIL:]
    if held_back:
        yield finish_last_record(held_back, separator)


def _with_newline(
    blocks: Iterable[str | bytes],
    file: str,
    cleaner: Cleaner,
) -> Iterator[str | bytes]:
    """A file's blocks, with a newline at the end if there is none."""
    last = ""
    for block in blocks:
        if block:
            last = str(block[-1:])
        yield block
    if last and last not in "\r\n":
        cleaner.notices.append(
            f"{file} does not end with a newline; one was added before the next file"
        )
        yield cleaner.add_newline()


def _joined(blocks: Sequence[str | bytes]) -> str | bytes:
    """Blocks as one text; they are all str, or all bytes."""
    raw = [block for block in blocks if isinstance(block, bytes)]
    if raw:
        return b"".join(raw)
    return "".join(block for block in blocks if isinstance(block, str))
