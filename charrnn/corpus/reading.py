"""Bytes to text: encoding, byte order mark, newlines, normalisation; precise errors. Knows nothing of ids.

The locale's encoding is never used, and nothing is changed without being asked for or said.
"""

import codecs
import gzip
import os
import re
import sys
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from charrnn.config import DataConfig
from charrnn.errors import ConfigError, CorpusError
from charrnn.vocab import Vocabulary

STDIN = "-"


@dataclass(frozen=True)
class Reading:
    """A text as it was read, and what there is to say about it.

    Args:
        text: str, or bytes where the unit is the byte.
        notices: plain sentences for the user.
    """

    text: str | bytes
    notices: tuple[str, ...] = ()


def read(paths: Sequence[str | Path], config: DataConfig) -> Reading:
    """Read text files, a directory's ``*.txt``, ``.gz`` files or ``-`` (standard input), joined in that order.

    Raises:
        CorpusError: a file is missing, cannot be read or decoded, or nothing is in it.
        ConfigError: the encoding is unknown, or a knob for characters is given for raw bytes.
    """
    check_encoding(config)
    files = [file for path in paths for file in _expand(str(path))]
    if not files:
        raise CorpusError("no corpus was given; name a text file, a directory of *.txt files, or - for standard input")
    notices: list[str] = []
    parts = [_decode(_load(file), file, config, notices) for file in files]
    if config.unit == "byte":
        whole: str | bytes = b"".join(part for part in parts if isinstance(part, bytes))
    else:
        whole = _join([part for part in parts if isinstance(part, str)], files, notices)
        if not any("mixes line ends" in notice for notice in notices):
            _newlines(whole, "the corpus", config, notices)  # each file alike in itself, but not one like another
    if not whole:
        raise CorpusError(f"the corpus is empty: 0 characters in {', '.join(files)}; give a file with text in it")
    return Reading(whole, tuple(notices))


def take(text: str | bytes, config: DataConfig) -> Reading:
    """A text that somebody has in hand, read as it would be from a file; what is str already needs no encoding.

    Raises:
        CorpusError, ConfigError: as ``read``.
    """
    check_encoding(config)
    notices: list[str] = []
    if config.unit == "byte":
        text = Vocabulary("byte").encode(text).tobytes()
    else:
        text = _decode(text, "the text", config, notices) if isinstance(text, bytes) else _clean(text, "the text", config, notices)
    return Reading(text, tuple(notices))


def read_known(file: str, config: DataConfig, vocabulary: Vocabulary, unknown: str) -> Reading:
    """A text file for a model that stands: only what its vocabulary has is left.

    Args:
        file: as ``charrnn train`` takes them.
        config: how it is read.
        vocabulary: the model's.
        unknown: a character that it lacks: ``"error"``, ``"skip"`` or ``"replace"``.

    Raises:
        CorpusError, ConfigError: as ``read``, or nothing is left.
        VocabularyError: a character is unknown.
    """
    reading = read([file], config)
    if isinstance(reading.text, bytes):
        return reading
    text, changes = vocabulary.repair(reading.text, unknown)
    if not text:
        raise CorpusError(f"nothing is left of {file}: the model has seen none of its characters; give another file")
    return Reading(text, (*reading.notices, *changes))


def default_name(paths: Sequence[str | Path]) -> str:
    """A run's name: the stem of its first corpus file, or the directory's name."""
    if not paths:
        return "text"
    if str(paths[0]) == STDIN:
        return "stdin"
    path = Path(paths[0]).resolve()
    if path.is_dir():
        return path.name or "corpus"
    name = path.name.removesuffix(".gz")
    return Path(name).stem or name


def check_encoding(config: DataConfig) -> None:
    """Refuse an encoding that Python does not have, and text knobs for raw bytes."""
    try:
        known = codecs.lookup(config.encoding)._is_text_encoding
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ConfigError(
            f"encoding: {config.encoding!r} is not a text encoding; give one such as utf-8, cp1252, latin-1, cp1251, shift_jis or gb18030"
        )
    plain = DataConfig()
    for name in ("encoding", "encoding_errors", "newlines", "normalize"):
        if config.unit == "byte" and getattr(config, name) != getattr(plain, name):
            raise ConfigError(
                f"{name}: {getattr(config, name)!r} cannot be had with unit byte, which takes the bytes as they are; leave one of them out"
            )


def _expand(path: str) -> list[str]:
    if not path:
        raise CorpusError("'' names no file; name a text file, a directory of *.txt files, or - for standard input")
    if path == STDIN or not os.path.isdir(path):  # unlike Path.is_dir, it answers for a name that is too long
        return [path]
    found = sorted(str(file) for file in Path(path).glob("*.txt") if file.is_file() and not file.name.startswith("."))
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


def _load(path: str) -> bytes:
    try:
        data = read_stdin() if path == STDIN else Path(path).read_bytes()
        return gzip.decompress(data) if path.endswith(".gz") else data
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


def _decode(data: bytes, path: str, config: DataConfig, notices: list[str]) -> str | bytes:
    if config.unit == "byte":
        return data
    try:
        text = data.decode(config.encoding, config.encoding_errors)
    except UnicodeError as error:
        raise _bad_byte(data, path, config, error) from None
    if text.startswith("\ufeff"):
        text = text[1:]
        notices.append(f"{path} begins with a byte order mark; it was left out")
    if half := re.search("[\ud800-\udfff]", text):
        raise CorpusError(
            f"{path} holds half a surrogate pair, U+{ord(half[0]):04X}, at character {half.start() + 1}; "
            f"give another --encoding than {config.encoding}"
        )
    replaced = text.count("\ufffd") - (data.count(b"\xef\xbf\xbd") if config.encoding_errors == "replace" else text.count("\ufffd"))
    if replaced > 0:
        notices.append(f"{replaced} places of {path} are not {config.encoding}; U+FFFD stands there now")
    return _clean(text, path, config, notices)


def _clean(text: str, path: str, config: DataConfig, notices: list[str]) -> str:
    return _normalize(_newlines(text, path, config, notices), config)


def _newlines(text: str, path: str, config: DataConfig, notices: list[str]) -> str:
    both = text.count("\r\n")
    kinds = {"CRLF": both, "LF": text.count("\n") - both, "CR": text.count("\r") - both}
    if config.newlines == "lf":
        return re.sub("\r\n?", "\n", text)
    if sum(count > 0 for count in kinds.values()) > 1:
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
        notices.append(f"{path} mixes line ends ({counts}); they were kept; --newlines lf makes them all LF")
    return text


def _normalize(text: str, config: DataConfig) -> str:
    if config.normalize == "nfc":
        return unicodedata.normalize("NFC", text)
    return unicodedata.normalize("NFKC", text) if config.normalize == "nfkc" else text


def _join(parts: list[str], files: list[str], notices: list[str]) -> str:
    for number, part in enumerate(parts[:-1]):
        if part and not part.endswith(("\n", "\r")):
            parts[number] = part + "\n"
            notices.append(f"{files[number]} does not end with a newline; one was put before the next file")
    return "".join(parts)


def _bad_byte(data: bytes, path: str, config: DataConfig, error: UnicodeError) -> CorpusError:
    place = error.start if isinstance(error, UnicodeDecodeError) else 0
    end = error.end if isinstance(error, UnicodeDecodeError) else 1
    line = data.count(b"\n", 0, place) + 1
    found = " ".join(f"0x{byte:02x}" for byte in data[place : max(end, place + 1)][:8]) or "the end of the file"
    guess = guess_encoding(data)
    try_this = f"--encoding {guess}, which fits the whole file, or " if guess and guess != config.encoding else ""
    return CorpusError(
        f"{path} is not {config.encoding}: {found} at byte {place} (line {line}); "
        f"try {try_this}--encoding-errors replace to put U+FFFD there"
    )


# What old texts come in, with the letters that each would show if it were the right one.
_ENCODINGS = {
    "cp1252": "[a-zß-ÿœ\u2018-\u201d\u2013\u2014\u2026£©°«» ]",
    "cp1251": "[а-яё\u2013\u2014«»№]",
    "koi8-r": "[а-яё]",
    "shift_jis": "[ぁ-んァ-ヶ、。一-龠]",
    "euc-jp": "[ぁ-んァ-ヶ、。一-龠]",
    "gb18030": "[一-龠，。、“”]",
    "big5": "[一-龠，。、]",
    "euc-kr": "[가-힣]",
    "latin-1": "[a-zß-ÿ\u00a3\u00a9\u00b0\u00ab\u00bb ]",
}
_SHARE = {"cp1252": 0.3, "latin-1": 0.3}  # the largest share of foreign characters that a text in Latin letters has
# Letters that no text in another encoding would show so many of.
_TELLING = {"shift_jis": ("[ぁ-ん]", 0.25), "euc-jp": ("[ぁ-ん]", 0.25), "euc-kr": ("[가-힣]", 0.95)}


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def guess_encoding(data: bytes) -> str:
    """The usual encoding that fits all of the data best, or ``""``: a proposal, never acted on."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16" if _fits(data, "utf-16") else ""
    if data.count(0) > len(data) // 4:
        utf16 = "utf-16-le" if data[1::2].count(0) > data[0::2].count(0) else "utf-16-be"
        return utf16 if _fits(data, utf16) else ""
    read_anyway = data.decode("utf-8", "replace")
    if len(re.findall("[^\x00-\x7f\ufffd]", read_anyway)) > read_anyway.count("\ufffd"):
        return ""  # it is UTF-8, with a flaw
    best, best_score = "", 0.0
    for encoding, plausible in _ENCODINGS.items():
        try:
            foreign = re.sub("[\x00-\x7f]", "", data.decode(encoding))
        except UnicodeDecodeError:
            continue
        if len(foreign) > _SHARE.get(encoding, 1.0) * len(data):
            continue
        score = len(re.findall(plausible, foreign)) / max(len(foreign), 1)
        letters, share = _TELLING.get(encoding, ("", 1.0))
        score += 0.5 * (bool(letters) and len(re.findall(letters, foreign)) > share * len(foreign))
        if score > best_score:
            best, best_score = encoding, score
    return best
