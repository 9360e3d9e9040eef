"""Encodings: which there are, what is wrong with a byte, and which encoding a text may be in. Knows
nothing of files."""

import codecs
import re

from charrnn.config.run_config import DataConfig
from charrnn.errors import ConfigError, CorpusError

FOR_DOMAIN_NAMES = (
    "punycode",
    "idna",
)  # Python counts them as text encodings; punycode takes quadratic time


def check_encoding(config: DataConfig) -> None:
    """Refuse an encoding that Python does not have, and text knobs for raw bytes."""
    try:
        codec = codecs.lookup(config.encoding)
        known = codec._is_text_encoding and codec.name not in FOR_DOMAIN_NAMES
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


def bad_byte(data: bytes, path: str, config: DataConfig, error: UnicodeError) -> CorpusError:
    """The error that names the first byte that cannot be read, its place, and the encoding that
    fits."""
    place = error.start if isinstance(error, UnicodeDecodeError) else 0
    end = error.end if isinstance(error, UnicodeDecodeError) else 1
    line = data.count(b"\n", 0, place) + 1
    found = (
        " ".join(f"0x{byte:02x}" for byte in data[place : max(end, place + 1)][:8])
        or "the end of the file"
    )
    guess = guess_encoding(data)
    try_this = (
        f"--encoding {guess}, which fits the whole file, or "
        if guess and guess != config.encoding
        else ""
    )
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
_SHARE = {
    "cp1252": 0.3,
    "latin-1": 0.3,
}  # the largest share of foreign characters that a text in Latin letters has
# Letters that no text in another encoding would show so many of.
_TELLING = {
    "shift_jis": ("[ぁ-ん]", 0.25),
    "euc-jp": ("[ぁ-ん]", 0.25),
    "euc-kr": ("[가-힣]", 0.95),
}


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
