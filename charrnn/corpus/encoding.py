"""Encodings: checking their names, explaining invalid bytes, guessing a likely encoding."""

import codecs
import re
from typing import NamedTuple

from charrnn.config.run_config import DataConfig
from charrnn.errors import ConfigError, CorpusError

# Python calls these text encodings, but they are for domain names; punycode takes quadratic time.
FOR_DOMAIN_NAMES = ("punycode", "idna")
TEXT_KNOBS = ("encoding", "encoding_errors", "newlines", "normalize")
MOST_BAD_BYTES = 8  # shown in an error


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
    advice = '`encoding_errors="replace"` to insert U+FFFD there'
    guess = guess_encoding(data)
    if guess and guess != config.encoding:
        advice = f'`encoding="{guess}"`, which fits the whole file, or {advice}'
    return CorpusError(
        f"{path} is not valid {config.encoding}: {bad_bytes or 'the end of the file'} "
        f"at byte {start} (line {line}); try {advice}"
    )


class _Candidate(NamedTuple):
    """What a text looks like if it is in an encoding.

    Args:
        letters: the characters beyond ASCII that are to be expected.
        most_foreign: the largest share of its bytes that may be characters beyond ASCII.
        telling: letters that are frequent only if this is the right encoding.
        telling_share: their share of the characters beyond ASCII that counts as frequent.
    """

    letters: str
    most_foreign: float = 1.0
    telling: str = ""
    telling_share: float = 1.0


# Encodings that are common in old texts.
CANDIDATES = {
    "cp1252": _Candidate(
        "[a-zß-ÿœ\u2018-\u201d\u2013\u2014\u2026£©°«» ]",
        most_foreign=0.3,
    ),
    "cp1251": _Candidate("[а-яё\u2013\u2014«»№]"),
    "koi8-r": _Candidate("[а-яё]"),
    "shift_jis": _Candidate(
        "[ぁ-んァ-ヶ、。一-龠]",
        telling="[ぁ-ん]",
        telling_share=0.25,
    ),
    "euc-jp": _Candidate(
        "[ぁ-んァ-ヶ、。一-龠]",
        telling="[ぁ-ん]",
        telling_share=0.25,
    ),
    "gb18030": _Candidate("[一-龠，。、“”]"),
    "big5": _Candidate("[一-龠，。、]"),
    "euc-kr": _Candidate(
        "[가-힣]",
        telling="[가-힣]",
        telling_share=0.95,
    ),
    "latin-1": _Candidate(
        "[a-zß-ÿ\u00a3\u00a9\u00b0\u00ab\u00bb ]",
        most_foreign=0.3,
    ),
}


def guess_encoding(data: bytes) -> str:
    """The common encoding that fits the data best, or ``""``; only ever used as a suggestion."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16" if _fits(data, "utf-16") else ""
    if data.count(0) > len(data) // 4:
        utf16 = _utf16_by_zeros(data)
        return utf16 if _fits(data, utf16) else ""
    if _is_flawed_utf8(data):
        return ""
    best = ""
    best_score = 0.0
    for encoding, candidate in CANDIDATES.items():
        score = _score(data, encoding, candidate)
        if score > best_score:
            best = encoding
            best_score = score
    return best


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _utf16_by_zeros(data: bytes) -> str:
    """The byte order that puts more of the zeros into the high bytes."""
    zeros_at_even = data[0::2].count(0)
    zeros_at_odd = data[1::2].count(0)
    return "utf-16-le" if zeros_at_odd > zeros_at_even else "utf-16-be"


def _is_flawed_utf8(data: bytes) -> bool:
    """Whether most of what is not ASCII is UTF-8."""
    text = data.decode("utf-8", "replace")
    num_decoded = len(re.findall("[^\x00-\x7f\ufffd]", text))
    return num_decoded > text.count("\ufffd")


def _score(data: bytes, encoding: str, candidate: _Candidate) -> float:
    """How plausible an encoding is; 0 if it does not fit.

    The share of plausible letters among the characters beyond ASCII, plus 0.5 if the telling ones
    are frequent.
    """
    try:
        foreign = re.sub("[\x00-\x7f]", "", data.decode(encoding))
    except UnicodeDecodeError:
        return 0.0
    if len(foreign) > candidate.most_foreign * len(data):
        return 0.0
    plausible = re.findall(candidate.letters, foreign)
    score = len(plausible) / max(len(foreign), 1)
    if candidate.telling:
        telling = re.findall(candidate.telling, foreign)
        if len(telling) > candidate.telling_share * len(foreign):
            score += 0.5
    return score
