"""Vocabulary: text to ids and back. Knows nothing of tensors and files."""

import codecs
import operator
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError, VocabularyError

Ids = NDArray[Any]  # one-dimensional, an unsigned integer type

# What people type, and what stands in its place in plain texts.
LOOKALIKES = {
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'", "\u00b4": "'", "`": "'",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2033": '"', "\u00ab": '"', "\u00bb": '"',
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
    "\u2026": ".", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u3000": " ", "\t": " ", "\r": "\n",
    "\u2028": "\n", "\u2029": "\n", "\u0085": "\n",
}  # fmt: skip
LOOKALIKES |= {"'": "\u2019", '"': "\u201d", "-": "\u2013", " ": "\u00a0", "\n": "\r"}

MOST_BYTES = 4  # of a character in UTF-8
LONGEST_SEQUENCE = (
    4  # characters that compose to one: a base and three marks, or the parts of a Hangul syllable
)


def describe(char: str) -> str:
    """A character as an error names it: ``'\u00e9' (U+00E9, LATIN SMALL LETTER E WITH ACUTE)``."""
    name = unicodedata.name(char, "")
    return f"{char!r} (U+{ord(char):04X}{', ' + name if name else ''})"


def composed(text: str, place: int) -> Iterator[tuple[str, str]]:
    """The characters that several from ``place`` on compose to, and those several; the most
    first."""
    for end in range(min(place + LONGEST_SEQUENCE, len(text)), place + 1, -1):
        whole = unicodedata.normalize("NFC", text[place:end])
        if len(whole) == 1:
            yield whole, text[place:end]


def smallest_dtype(vocab_size: int) -> type[np.unsignedinteger[Any]]:
    """The smallest unsigned integer type that can hold every id."""
    return np.uint8 if vocab_size <= 2**8 else np.uint16 if vocab_size <= 2**16 else np.uint32


@dataclass(frozen=True)
class Vocabulary:
    """An immutable sequence of distinct symbols: the code points of a text, sorted, or the 256
    bytes; and, of records, their end.

    Args:
        unit: ``"char"`` or ``"byte"``.
        symbols: the characters, in the order of their ids; empty for bytes, whose id is their
            value.
        records: whether there is one more symbol, the last, which is no character: the end of a
            record.
    """

    unit: str
    symbols: str = ""
    records: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.symbols, str):
            raise VocabularyError(f"symbols: must be a string, got {type(self.symbols).__name__}")
        distinct = len(set(self.symbols)) == len(self.symbols)
        if not distinct or self.unit != ("char" if self.symbols else "byte"):
            raise VocabularyError(
                f"a vocabulary of unit {self.unit!r} with {len(self.symbols)} symbols, some twice or none; give each once"
            )

    @property
    def newline(self) -> int:
        """The newline's id; -1 where there is none."""
        return self.symbols.find("\n") if self.symbols else ord("\n")

    @classmethod
    def of(cls, text: str | bytes) -> "Vocabulary":
        """The vocabulary of a text: its distinct code points, sorted; that of raw bytes is all
        256."""
        _check_text(text)
        return cls("byte") if isinstance(text, bytes) else cls("char", "".join(sorted(set(text))))

    @property
    def end(self) -> int:
        """The id of the end of a record; -1 where there are no records."""
        return (len(self.symbols) or 256) if self.records else -1

    def __len__(self) -> int:
        return (len(self.symbols) or 256) + self.records

    @cached_property
    def _lookup(self) -> NDArray[np.int64]:
        """Code point to id, -1 where there is none; as long as the highest code point asks for."""
        points = np.array([ord(char) for char in self.symbols], dtype=np.int64)
        table = np.full(
            points.max() + 2, -1, dtype=np.int64
        )  # the last entry stands for all beyond
        table[points] = np.arange(len(points))
        return table

    def encode(self, text: str | bytes) -> Ids:
        """Text to ids, one-dimensional, of the smallest integer type; bytes only where the unit is
        the byte.

        Raises:
            VocabularyError: a character is unknown; the message names it, its place, and the
                nearest known one.
        """
        _check_text(text)
        if self.unit == "byte":
            return np.frombuffer(
                _utf8(text) if isinstance(text, str) else text, dtype=np.uint8
            ).astype(smallest_dtype(len(self)), copy=False)
        if isinstance(text, bytes):
            raise VocabularyError(
                f"{len(text)} bytes were given to a vocabulary of characters; decode them first"
            )
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        ids = self._lookup[np.minimum(points, len(self._lookup) - 1)]
        if ids.size and ids.min() < 0:
            raise self._unknown(text, int(np.argmax(ids < 0)))
        return ids.astype(smallest_dtype(len(self)))

    def decode(self, ids: Ids | Sequence[int]) -> str:
        """Ids to text; bytes that are no UTF-8 become U+FFFD.

        Raises:
            VocabularyError: an id is none of a symbol.
        """
        try:
            numbers = [operator.index(idx) for idx in ids]
        except TypeError:
            raise VocabularyError("ids: must be a sequence of whole numbers") from None
        if numbers and not 0 <= min(numbers) <= max(numbers) < len(self) - self.records:
            wrong = min(numbers) if min(numbers) < 0 else max(numbers)
            raise VocabularyError(
                f"ids: {wrong} is not the id of a symbol; they are 0 to {len(self) - self.records - 1}"
            )
        decoder = self.decoder()
        return decoder.decode(numbers) + decoder.flush()

    def decoder(self) -> "Decoder":
        """A decoder for ids that come one by one."""
        return Decoder(self)

    def repair(self, text: str, unknown: str = "error", before: int = 0) -> tuple[str, list[str]]:
        """A text of known characters only, and a sentence on each kind of change made to get it.

        Args:
            text: what somebody typed.
            unknown: ``"error"``, ``"skip"`` (leave unknown characters out) or ``"replace"`` (by the
                nearest known one).
            before: characters that stand before it in a longer text, for the place that an error
                names.

        Raises:
            VocabularyError: a character is unknown, and must not be or cannot be replaced.
            ConfigError: ``unknown`` is none of the three.
        """
        if not isinstance(text, str):
            raise VocabularyError(f"text: must be a string, got {type(text).__name__}")
        if unknown not in ("error", "skip", "replace"):
            raise ConfigError(f"unknown: {unknown!r} is not possible; give error, skip or replace")
        if self.unit == "byte" or set(text) <= self._known:
            return text, []
        if unknown == "error":
            raise self._unknown(
                text,
                next(place for place, char in enumerate(text) if char not in self._known),
                before,
                choices=True,
            )
        return self._skip(text) if unknown == "skip" else self._replace(text, before)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.symbols)

    def _skip(self, text: str) -> tuple[str, list[str]]:
        left_out = sorted(set(text) - self._known)
        kept = "".join(char for char in text if char in self._known)
        return kept, [
            f"left out {describe(char)}, {text.count(char)} times: the model has not seen it"
            for char in left_out
        ]

    def _replace(self, text: str, before: int) -> tuple[str, list[str]]:
        out, changes, place = list[str](), dict[str, None](), 0
        while place < len(text):
            near, old = (text[place], text[place]) if text[place] in self._known else ("", "")
            if not near or (len(text) > place + 1 and text[place + 1] not in self._known):
                near, old = self._composed(text, place) or (near, old)
            if not near:
                near, old = self.nearest(text, place), text[place]
            if not near and not (place and unicodedata.combining(text[place])):
                raise self._unknown(text, place, before, choices=True)
            if near != old:
                changes[
                    f"{f'put {near!r} for' if near else 'left out'} {old!r}: the model has not seen {describe(old[-1])}"
                ] = None
            out, place = [*out, near], place + len(old)
        return "".join(out), list(changes)

    def _composed(self, text: str, place: int) -> tuple[str, str] | None:
        """The known character that a few from ``place`` on compose to, and those few."""
        return next((found for found in composed(text, place) if found[0] in self._known), None)

    def nearest(self, text: str, place: int) -> str:
        """The known spelling nearest to the unknown character at ``place``, or ``""``.

        Tried in this order: composed with its neighbours, decomposed, look-alike, compatibility
        form, other case, without its accent.
        """
        char = text[place]
        for start in range(max(0, place - LONGEST_SEQUENCE + 1), place + 1):
            found = self._composed(text, start)
            if found and start + len(found[1]) > place:
                return found[0]
        plain = "".join(
            c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c)
        )
        candidates = (
            unicodedata.normalize("NFC", char), unicodedata.normalize("NFD", char), LOOKALIKES.get(char, ""),
            unicodedata.normalize("NFKC", char), char.swapcase(), plain, plain.swapcase(), LOOKALIKES.get(plain, ""),
        )  # fmt: skip
        return next(
            (candidate for candidate in candidates if candidate and set(candidate) <= self._known),
            "",
        )

    def _unknown(
        self, text: str, place: int, before: int = 0, *, choices: bool = False
    ) -> VocabularyError:
        """The error, with what --unknown might do about it where there is that choice."""
        near = self.nearest(text, place)
        of = f"of the {len(self) - self.records} that the model knows"
        hint = f"the nearest {of} is {near!r}: type that" if near else f"none {of} is near"
        hint += ", or use --unknown replace" if near and choices else ""
        hint += "; --unknown skip leaves it out" if choices else ""
        return VocabularyError(
            f"unknown character {describe(text[place])} at position {before + place + 1} of the text; {hint}"
        )


class Decoder:
    """Ids to text piece by piece; the end of an unfinished UTF-8 sequence is held back until it is
    whole."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._symbols = vocabulary.symbols
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")

    def decode(self, ids: Sequence[int]) -> str:
        """The text that has become whole with these ids."""
        if self._symbols:
            return "".join([self._symbols[idx] for idx in ids])
        return self._bytes.decode(bytes(ids))

    @property
    def pending(self) -> bytes:
        """The beginning of a sequence that is not whole yet."""
        return self._bytes.getstate()[0]

    @pending.setter
    def pending(self, data: bytes) -> None:
        self._bytes.setstate((data, 0))

    def flush(self) -> str:
        """What is left at the end: U+FFFD where a sequence was never finished."""
        return "" if self._symbols else self._bytes.decode(b"", final=True)


def _check_text(text: Any) -> None:
    if not isinstance(text, str | bytes):
        raise VocabularyError(f"text: must be a string or bytes, got {type(text).__name__}")


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise VocabularyError(
            f"{describe(text[error.start])} at position {error.start + 1} is half a character and cannot be written as UTF-8; leave it out"
        ) from None
