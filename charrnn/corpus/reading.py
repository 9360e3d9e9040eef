"""Bytes to text: encoding, byte order mark, newlines, normalisation; precise errors. Knows nothing
of ids.

The locale's encoding is never used, and nothing is changed without being asked for or said.
"""

import codecs
import gzip
import itertools
import os
import re
import sys
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from charrnn.config.run_config import DataConfig
from charrnn.corpus.encoding import bad_byte, check_encoding, guess_encoding
from charrnn.corpus.records import ended
from charrnn.errors import CorpusError
from charrnn.vocab import Vocabulary

STDIN = "-"
IN_HAND = "the text"  # what stands for the file of a text that was given itself
BLOCK = 4 << 20  # bytes read at once
TAIL = 1 << 16  # characters of a file's end in which its last separator is looked for


@dataclass(frozen=True)
class Reading:
    """A text as it was read, and what there is to say about it.

    Args:
        text: str, or bytes where the unit is the byte.
        notices: plain sentences for the user.
    """

    text: str | bytes
    notices: tuple[str, ...] = ()


def stream(
    paths: Sequence[str | Path],
    config: DataConfig,
    notices: list[str],
    begins: Callable[[str], object] = lambda _: None,
) -> Iterator[str | bytes]:
    """Read text files, a directory's ``*.txt``, ``.gz`` files or ``-`` (standard input), joined in
    that order, block by block.

    Where a file ends, a line ends, and a record, with what stands between two of them.

    Args:
        paths: of the files.
        config: how they are read.
        notices: plain sentences for the user are put there; all of them have come when the last
            block has.
        begins: called with each file's name before its first block.

    Raises:
        CorpusError: a file is missing, cannot be read or decoded, or nothing is in it.
        ConfigError: the encoding is unknown, or a knob for characters is given for raw bytes.
    """
    check_encoding(config)
    files = [file for path in paths for file in _expand(str(path))]
    if not files:
        raise CorpusError(
            "no corpus was given; name a text file, a directory of *.txt files, or - for standard input"
        )
    empty, kinds = True, Counter[str]()
    for number, file in enumerate(files):
        last = ""
        begins(file)
        blocks = (
            _load(file)
            if config.unit == "byte"
            else _text(_load(file), file, config, notices, kinds)
        )
        more = number < len(files) - 1
        for block in (
            blocks if config.separator is None or not more else _ended(blocks, config.separator)
        ):
            if block:
                empty, last = False, str(block[-1:])
                yield block
        if (
            config.unit == "char"
            and config.separator is None
            and more
            and last
            and last not in "\r\n"
        ):
            notices.append(f"{file} does not end with a newline; one was put before the next file")
            kinds["LF"] += 1
            yield "\n"
    if not any("mixes line ends" in notice for notice in notices):
        _tell_newlines(
            kinds, "the corpus", config, notices
        )  # each file alike in itself, but not one like another
    if empty:
        raise CorpusError(
            f"the corpus is empty: 0 characters in {', '.join(files)}; give a file with text in it"
        )


def read(paths: Sequence[str | Path], config: DataConfig) -> Reading:
    """As ``stream``, all at once."""
    notices: list[str] = []
    blocks = list(stream(paths, config, notices))
    return Reading(_joined(blocks), tuple(notices))


def take(text: str | bytes, config: DataConfig) -> Reading:
    """A text that somebody has in hand, read as it would be from a file; what is str already needs
    no encoding.

    Raises:
        CorpusError, ConfigError: as ``stream``.
    """
    check_encoding(config)
    notices: list[str] = []
    if config.unit == "byte":
        return Reading(Vocabulary("byte").encode(text).tobytes())
    texts = _decoded([text], IN_HAND, config, notices) if isinstance(text, bytes) else [text]
    return Reading(
        _joined(list(_clean(texts, IN_HAND, config, notices, Counter()))), tuple(notices)
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
    if is_directory:
        return path.name.lstrip(".") or "corpus"
    name = path.name.lstrip(".").removesuffix(".gz")
    return Path(name).stem or name or "text"


def _expand(path: str) -> list[str]:
    if not path:
        raise CorpusError(
            "'' names no file; name a text file, a directory of *.txt files, or - for standard input"
        )
    if path == STDIN or not os.path.isdir(
        path
    ):  # unlike Path.is_dir, it answers for a name that is too long
        return [path]
    found = sorted(
        str(file)
        for file in Path(path).glob("*.txt")
        if file.is_file() and not file.name.startswith(".")
    )
    if not found:
        raise CorpusError(f"the directory {path} holds no *.txt file; name the files themselves")
    return found


def read_stdin() -> bytes:
    """All of standard input.

    Raises:
        CorpusError: it is closed.
    """
    if sys.stdin is None:
        raise CorpusError("standard input is closed; pipe a text in, or name a file")
    return sys.stdin.buffer.read()


def _load(path: str) -> Iterator[bytes]:
    """The bytes of a file, block by block; of standard input and of a pipe, which cannot be read
    twice, all at once."""
    try:
        if path == STDIN:
            yield read_stdin()
            return
        with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
            size = BLOCK if os.path.isfile(path) else -1
            while block := file.read(size):
                yield block
    except FileNotFoundError:
        raise CorpusError(f"there is no file {path} (in {Path.cwd()}); check the name") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(
            f"{path} is not a whole gzip file: {error}; unpack it by hand to see, or take .gz off its name if it is plain text"
        ) from None
    except (OSError, ValueError) as error:
        raise CorpusError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}; check the name and its permissions"
        ) from None


def _ended(blocks: Iterable[str | bytes], separator: str) -> Iterator[str | bytes]:
    """A file's blocks with a separator behind its last record, in the place of the file's own line
    end."""
    held: str | bytes | None = None
    for block in blocks:
        whole = block if held is None else held + block  # type: ignore[operator]
        yield whole[:-TAIL]
        held = whole[-TAIL:]
    if held:
        yield ended(held, separator)


def _text(
    blocks: Iterable[bytes], path: str, config: DataConfig, notices: list[str], kinds: Counter[str]
) -> Iterator[str]:
    return _clean(_decoded(blocks, path, config, notices), path, config, notices, kinds)


def _decoded(
    blocks: Iterable[bytes], path: str, config: DataConfig, notices: list[str]
) -> Iterator[str]:
    """Bytes to text, without the mark at its beginning; U+FFFD put for what cannot be decoded is
    counted."""
    decoder = codecs.getincrementaldecoder(config.encoding)(config.encoding_errors)
    done, replaced, begun = 0, 0, False
    # the last two bytes before a block: U+FFFD in the file itself may stand across its beginning
    tail = b""
    last = b""
    for data in itertools.chain(blocks, [None]):
        last = data or last
        try:
            text = decoder.decode(data or b"", final=data is None)
        except UnicodeError as error:
            raise _undecoded(last, path, config, error) from None
        if not begun and text.startswith("\ufeff"):
            text, begun = text[1:], True
            notices.append(f"{path} begins with a byte order mark; it was left out")
        if half := re.search("[\ud800-\udfff]", text):
            raise CorpusError(
                f"{path} holds half a surrogate pair, U+{ord(half[0]):04X}, at character {done + half.start() + 1}; "
                f"give another --encoding than {config.encoding}"
            )
        if config.encoding_errors == "replace":
            replaced += text.count("\ufffd") - (tail + (data or b"")).count(b"\xef\xbf\xbd")
            tail = (tail + (data or b""))[-2:]
        done, begun = done + len(text), begun or bool(text)
        yield text
    if replaced > 0:
        notices.append(
            f"{replaced} places of {path} are not {config.encoding}; U+FFFD stands there now"
        )


def _undecoded(block: bytes, path: str, config: DataConfig, error: UnicodeError) -> CorpusError:
    """The error of a text that cannot be decoded: a file is read once more, whole, to say where and
    why; all else was one block."""
    if codecs.lookup(config.encoding).name in ("utf-16", "utf-32") and not isinstance(
        error, UnicodeDecodeError
    ):
        return CorpusError(
            f"{path} does not begin with a byte order mark, which {config.encoding} needs; "
            f"try --encoding {guess_encoding(block) or config.encoding + '-le'}"
        )
    data = b"".join(_load(path)) if path not in (STDIN, IN_HAND) and os.path.isfile(path) else block
    try:
        data.decode(config.encoding)
    except UnicodeError as error:
        return bad_byte(data, path, config, error)
    return CorpusError(f"{path} has changed while it was read; try again")


def _clean(
    texts: Iterable[str], path: str, config: DataConfig, notices: list[str], kinds: Counter[str]
) -> Iterator[str]:
    here = Counter[str]()
    texts = _line_ends(texts, here, lf=config.newlines == "lf")
    yield from (
        texts
        if config.normalize is None
        else _normalized(texts, "NFC" if config.normalize == "nfc" else "NFKC")
    )
    _tell_newlines(here, path, config, notices)
    kinds.update(here)


def _line_ends(texts: Iterable[str], kinds: Counter[str], *, lf: bool) -> Iterator[str]:
    """Line ends counted, and made LF; a CR at the end of a block waits for what follows."""
    held = ""
    for block in itertools.chain(texts, [None]):
        text = held + (block or "")
        held = "\r" if block is not None and text.endswith("\r") else ""
        text = text.removesuffix("\r") if held else text
        both = text.count("\r\n")
        for kind, count in (
            ("CRLF", both),
            ("LF", text.count("\n") - both),
            ("CR", text.count("\r") - both),
        ):
            kinds[kind] += count
        yield re.sub("\r\n?", "\n", text) if lf else text


def _normalized(texts: Iterable[str], form: Literal["NFC", "NFKC"]) -> Iterator[str]:
    """Unicode normalisation; what stands after the last place where nothing can compose waits for
    the next block."""
    held = ""
    for block in itertools.chain(texts, [None]):
        text = held + (block or "")
        cut = (
            len(text)
            if block is None
            else next(
                (place for place in range(len(text) - 1, 0, -1) if _ALONE.match(text, place)), 0
            )
        )
        held = text[cut:]
        yield unicodedata.normalize(form, text[:cut])


# Characters that never compose with what stands before them: below the combining marks, CJK
# punctuation and ideographs.
_ALONE = re.compile("[\0-\u02ff\u3000-\u3029\u4e00-\u9fff]")


def _tell_newlines(kinds: Counter[str], path: str, config: DataConfig, notices: list[str]) -> None:
    if sum(count > 0 for count in kinds.values()) > 1 and config.newlines != "lf":
        counts = ", ".join(f"{kinds[kind]} {kind}" for kind in ("CRLF", "LF", "CR") if kinds[kind])
        notices.append(
            f"{path} mixes line ends ({counts}); they were kept; --newlines lf makes them all LF"
        )


def _joined(blocks: Sequence[str | bytes]) -> str | bytes:
    texts = [block for block in blocks if isinstance(block, str)]
    return (
        "".join(texts)
        if texts or not blocks
        else b"".join(block for block in blocks if isinstance(block, bytes))
    )
