"""Encodings: checking their names, explaining invalid bytes, guessing a likely encoding."""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from charrnn.config.run_config import DataConfig
from charrnn.errors import ConfigError, CorpusError

# Python calls these text encodings, but they are for domain names; punycode takes quadratic time.
FOR_DOMAIN_NAMES = ("punycode", "idna")
TEXT_KNOBS = ("encoding", "encoding_errors", "newlines", "normalize", "column", "min_count")
MOST_BAD_BYTES = 8  # shown in an error

# The encodings with two or four bytes for each character, if no byte order mark names them. UTF-32
# comes first: hardly anything else is valid in it.
WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
GUESSED_FROM = 1 << 16  # bytes
FEWEST_BYTES = 16  # that tell UTF-16 from a text with a few NULs
# In UTF-16, the first or the second byte of many characters is zero, but hardly ever both kinds:
# the largest share of the rarer kind. Text with NULs between its words has as many of each.
MOST_OTHER_ZEROS = 0.1
MOST_ODD = 0.01  # the largest share of characters that no text has
# Characters that nearly every text has; in the other byte order, each would be an unusual one.
_MARKS = re.compile("[\n\r ,.\u3000-\u3002\uff0c]")


def check_encoding(config: DataConfig) -> None:
    """Refuse an encoding unknown to Python, and text knobs for raw bytes."""
    if not _is_text_encoding(config.encoding):
        raise ConfigError(
            "`encoding` must be a text encoding, such as utf-8, cp1252, latin-1, cp1251, shift_jis "
            f"or gb18030, got {config.encoding!r}"
        )
    if config.unit != "byte":
        return
    defaults = DataConfig()
    for name in TEXT_KNOBS:
        value = getattr(config, name)
        if value != getattr(defaults, name):
            raise ConfigError(
                f'`{name}` cannot be used with `unit="byte"`, which reads raw bytes, '
                f"got {value!r}; leave one of them out"
            )


def _is_text_encoding(name: str) -> bool:
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    return codec._is_text_encoding and codec.name not in FOR_DOMAIN_NAMES


def bad_byte(
    data: bytes,
    path: str,
    config: DataConfig,
    error: UnicodeError,
) -> CorpusError:
    """The error for the first undecodable byte: its place, and an encoding that fits."""
    start = 0
    end = 1
    if isinstance(error, UnicodeDecodeError):
        start = error.start
        end = max(error.end, start + 1)
    line = data.count(b"\n", 0, start) + 1
    bad_bytes = " ".join(f"0x{byte:02x}" for byte in data[start:end][:MOST_BAD_BYTES])
    advice = 'replace invalid bytes by U+FFFD with `encoding_errors="replace"`'
    guess = guess_encoding(data)
    if guess and guess != config.encoding:
        advice = f'try `encoding="{guess}"` and check the text, or {advice}'
    return CorpusError(
        f"{path} is not valid {config.encoding}: {bad_bytes or 'the end of the file'} "
        f"at byte {start:,} (line {line:,}); {advice}"
    )


# Encodings that are common in old texts. Among those that fit equally well, the first is preferred.
COMMON = (
    "cp1252",
    "cp1250",
    "cp1251",
    "koi8-r",
    "shift_jis",
    "euc-jp",
    "gb18030",
    "big5",
    "euc-kr",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp874",
    "cp866",
    "mac-roman",
    "cp437",
)
_SPELLINGS = {name.replace("-", "_"): name for name in COMMON}  # by Python's spelling
# Encodings fit equally well if what charset-normalizer measures of them differs by at most this.
SAME_CHAOS = 0.04
SAME_COHERENCE = 0.05


def check_byte_order(head: bytes, path: str, config: DataConfig) -> None:
    """Refuse UTF-16 or UTF-32 without a byte order mark that would be read as another encoding.

    If it is mostly ASCII, it is valid UTF-8, with a NUL before or after each character. So is a
    list of single characters with NULs between them, which is not checked.

    Args:
        head: the beginning of the file.
        path: its name.
        config: how it will be read.

    Raises:
        CorpusError: it is in another encoding than that of ``config``.
    """
    codec = codecs.lookup(config.encoding).name
    if codec in BYTE_ORDER_MARKS.values() or head.startswith(tuple(BYTE_ORDER_MARKS)):
        return
    if len(head) < FEWEST_BYTES or "\0" in (config.separator or ""):
        return
    wide = guess_wide(head)
    if wide and wide != codec:
        raise CorpusError(
            f"{path} is not {config.encoding}, but looks like {wide.upper()} without a byte order "
            f'mark; try `encoding="{wide}"`'
        )


def guess_encoding(data: bytes) -> str:
    """The common encoding that fits the data best, or ``""``; only ever used as a suggestion."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if data.startswith(mark) and _fits(data, encoding):
            return encoding
    if b"\0" in data:  # no text in an 8-bit encoding
        wide = guess_wide(data)
        return wide if wide and _fits(data, wide) else ""
    if is_flawed_utf8(data):
        return ""
    return next(iter(rank_encodings(data)), "")


def rank_encodings(data: bytes) -> list[str]:
    """The 8-bit and East Asian encodings that a text may be in, the likeliest first.

    The order is that of charset-normalizer, but of those that fit as well as its first one, the
    most common comes first.
    """
    # imported here, since few texts need it
    from charset_normalizer import from_bytes

    matches = list(from_bytes(data))
    if not matches or data.isascii():
        return []
    first = matches[0]
    best = []
    others = []
    for match in matches:
        name = _usual_name(match.could_be_from_charset)
        has_same_chaos = match.chaos <= first.chaos + SAME_CHAOS
        if has_same_chaos and match.coherence >= first.coherence - SAME_COHERENCE:
            best.append(name)
        else:
            others.append(name)
    best.sort(key=_preference)
    return [name for name in best + others if _fits(data, name)]


def _usual_name(names: Sequence[str]) -> str:
    """The most common one of some encodings that read a text alike, as it is usually spelled."""
    spelled = [_SPELLINGS.get(name, name) for name in names]
    return min(spelled, key=_preference)


def _preference(name: str) -> int:
    return COMMON.index(name) if name in COMMON else len(COMMON)


def guess_wide(data: bytes) -> str:
    """UTF-16 or UTF-32, with the byte order that the data is in, or ``""`` if it is in neither."""
    head = data[:GUESSED_FROM]
    if b"\0" not in head:
        return ""
    best = ""
    most_marks = 0
    for encoding in WIDE:
        text = _decoded(head, encoding)
        if not _is_plausible(text):
            continue
        if encoding.startswith("utf-32"):
            return encoding
        num_marks = len(_MARKS.findall(text))
        if num_marks > most_marks and (_has_one_sided_zeros(head) or _is_chinese(text)):
            best = encoding
            most_marks = num_marks
    return best


def _decoded(head: bytes, encoding: str) -> str:
    """The text of the beginning of a file, without a character that is cut; "" if it is invalid."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        return decoder.decode(head)
    except UnicodeDecodeError:
        return ""


def _is_plausible(text: str) -> bool:
    """Whether a text has hardly any character that is unassigned, private, or for control."""
    if not text or "\0" in text:
        return False
    num_odd = 0
    for char, count in Counter(text).items():
        if unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs") and not char.isspace():
            num_odd += count
    return num_odd <= MOST_ODD * len(text)


def _has_one_sided_zeros(data: bytes) -> bool:
    """Whether nearly all zeros are at even places, or nearly all at odd ones."""
    zeros = (data[0::2].count(0), data[1::2].count(0))
    return min(zeros) <= MOST_OTHER_ZEROS * max(zeros)


def _is_chinese(text: str) -> bool:
    """Whether a text has the punctuation of Chinese or Japanese."""
    return len(re.findall("[\u3001\u3002\uff0c]", text)) > 0.01 * len(text)


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def is_flawed_utf8(data: bytes) -> bool:
    """Whether most of what is not ASCII is UTF-8."""
    text = data.decode("utf-8", "replace")
    num_decoded = len(re.findall("[^\x00-\x7f\ufffd]", text))
    return num_decoded > text.count("\ufffd")
