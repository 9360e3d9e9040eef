"""Vocabulary: text to ids and back."""

import codecs
import operator
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError, VocabularyError

Ids = NDArray[Any]  # one-dimensional, an unsigned integer type

# Characters that people type or paste, and what plain texts use instead.
LOOKALIKES = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
    **dict.fromkeys("\u00a0\u2009\u202f\u3000\t", " "),
    **dict.fromkeys("\r\u2028\u2029\u0085", "\n"),
    "\u2026": ".",
    # The reverse, for a text that has only typographic characters.
    "'": "\u2019",
    '"': "\u201d",
    "-": "\u2013",
    " ": "\u00a0",
    "\n": "\r",
}

NUM_BYTES = 256
MOST_BYTES = 4  # of a character in UTF-8
# Characters that compose to one: a base and three marks, or the parts of a Hangul syllable.
LONGEST_SEQUENCE = 4


def describe(char: str) -> str:
    """A character in an error: ``'\u00e9' (U+00E9, LATIN SMALL LETTER E WITH ACUTE)``."""
    details = f"U+{ord(char):04X}"
    name = unicodedata.name(char, "")
    if name:
        details += f", {name}"
    return f"{char!r} ({details})"


def composed(text: str, place: int) -> Iterator[tuple[str, str]]:
    """The characters that a sequence starting at ``place`` composes to, longest sequence first.

    Yields:
        the composed character, and the sequence.
    """
    last = min(place + LONGEST_SEQUENCE, len(text))
    for end in range(last, place + 1, -1):
        sequence = text[place:end]
        whole = unicodedata.normalize("NFC", sequence)
        if len(whole) == 1:
            yield whole, sequence


def smallest_dtype(vocab_size: int) -> type[np.unsignedinteger[Any]]:
    """The smallest unsigned integer type that can hold every id."""
    if vocab_size <= 2**8:
        return np.uint8
    if vocab_size <= 2**16:
        return np.uint16
    return np.uint32


@dataclass(frozen=True)
class Vocabulary:
    """An immutable sequence of distinct symbols.

    These are the code points of a text, sorted, or the 256 bytes; and for records, their end. If a
    model is trained further on another text, new code points follow those of the first.

    Args:
        unit: ``"char"`` or ``"byte"``.
        symbols: the characters, in the order of their ids; empty for bytes, whose id is their
            value.
        records: whether the last symbol is the end of a record, which is not a character.
        replaced: characters that were too rare to be learned, each with the symbol that stands for
            it, or ``""`` if it is left out; ``repair`` replaces them.
    """

    unit: str
    symbols: str = ""
    records: bool = False
    replaced: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.symbols, str):
            raise VocabularyError(f"`symbols` must be a string, got {type(self.symbols).__name__}")
        distinct = len(set(self.symbols)) == len(self.symbols)
        unit = "char" if self.symbols else "byte"
        if not distinct or self.unit != unit:
            raise VocabularyError(
                "`symbols` must be distinct characters for the unit 'char', or empty for the unit "
                f"'byte', got {len(self.symbols)} for the unit {self.unit!r}"
            )
        for char, symbol in self.replaced:
            is_symbol = not symbol or symbol in self._known
            if len(char) != 1 or char in self._known or not is_symbol or unit == "byte":
                raise VocabularyError(
                    f"`replaced` must give unknown characters symbols or '', got {char!r} and "
                    f"{symbol!r}"
                )

    @classmethod
    def of(cls, text: str | bytes) -> "Vocabulary":
        """The vocabulary of a text: its distinct code points, sorted, or all bytes."""
        _check_text(text)
        if isinstance(text, bytes):
            return cls("byte")
        return cls("char", "".join(sorted(set(text))))

    @property
    def newline(self) -> int:
        """The newline's id; -1 if it is not in the vocabulary."""
        if self.unit == "byte":
            return ord("\n")
        return self.symbols.find("\n")

    @property
    def end(self) -> int:
        """The id of the end of a record; -1 if there are no records."""
        return self._num_characters if self.records else -1

    @property
    def _num_characters(self) -> int:
        """The number of symbols, not counting the end of a record."""
        return len(self.symbols) or NUM_BYTES

    def __len__(self) -> int:
        return self._num_characters + int(self.records)

    @cached_property
    def _lookup(self) -> NDArray[np.int64]:
        """Code point to id, -1 if unknown: (highest code point + 2,).

        The last entry is for all higher code points.
        """
        points = np.array([ord(char) for char in self.symbols], dtype=np.int64)
        size = points.max() + 2
        table = np.full(size, -1, dtype=np.int64)
        table[points] = np.arange(len(points))
        return table

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.symbols)

    def encode(self, text: str | bytes) -> Ids:
        """Text to ids, one-dimensional, of the smallest integer type.

        Args:
            text: bytes only if the unit is the byte.

        Raises:
            VocabularyError: a character is unknown; the message gives its position and the nearest
                known one.
        """
        _check_text(text)
        dtype = smallest_dtype(len(self))
        if self.unit == "byte":
            data = utf8(text) if isinstance(text, str) else text
            values = np.frombuffer(data, dtype=np.uint8)
            return values.astype(dtype, copy=False)
        if isinstance(text, bytes):
            raise VocabularyError(
                f"`text` must be a string for a vocabulary of characters, got {len(text)} bytes; "
                "decode them first"
            )
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        last = len(self._lookup) - 1
        ids = self._lookup[np.minimum(points, last)]
        if ids.size and ids.min() < 0:
            place = int(np.argmax(ids < 0))
            raise self._unknown(text, place)
        return ids.astype(dtype)

    def decode(self, ids: Ids | Sequence[int]) -> str:
        """Ids to text; bytes that are not UTF-8 become U+FFFD.

        Raises:
            VocabularyError: an id is not that of a character.
        """
        try:
            numbers = [operator.index(idx) for idx in ids]
        except TypeError:
            raise VocabularyError("`ids` must be a sequence of whole numbers") from None
        lowest = min(numbers, default=0)
        highest = max(numbers, default=0)
        if lowest < 0 or highest >= self._num_characters:
            wrong = lowest if lowest < 0 else highest
            raise VocabularyError(
                f"`ids` must be from 0 to {self._num_characters - 1}, got {wrong}"
            )
        decoder = self.decoder()
        return decoder.decode(numbers) + decoder.flush()

    def decoder(self) -> "Decoder":
        """A decoder for ids that come one by one."""
        return Decoder(self)

    @cached_property
    def _replacements(self) -> dict[int, str]:
        """Code points to strings, for str.translate."""
        return {ord(char): symbol for char, symbol in self.replaced}

    def without_rare(self, text: str | bytes) -> Any:
        """A text in which characters that were too rare to be learned are replaced or left out."""
        if not self.replaced or isinstance(text, bytes):
            return text
        return text.translate(self._replacements)

    def repair(self, text: str, unknown: str = "error", before: int = 0) -> tuple[str, list[str]]:
        """The text with unknown characters removed or replaced, and a sentence on each change.

        Args:
            text: what the user typed.
            unknown: what to do with an unknown character: ``"error"``, ``"skip"`` (leave it out) or
                ``"replace"`` (by the nearest known one).
            before: the number of characters before it in a longer text, for the position in an
                error.

        Raises:
            VocabularyError: a character is unknown, and may not or cannot be replaced.
            ConfigError: ``unknown`` is none of the three.
        """
        if not isinstance(text, str):
            raise VocabularyError(f"`text` must be a string, got {type(text).__name__}")
        if unknown not in ("error", "skip", "replace"):
            raise ConfigError(f"`unknown` must be one of error, skip, replace, got {unknown!r}")
        known, _, changes = self.traced_repair(text, unknown, before)
        return known, changes

    def traced_repair(
        self,
        text: str,
        unknown: str = "error",
        before: int = 0,
    ) -> tuple[str, Sequence[int], list[str]]:
        """Like ``repair``, but the second result is the place in ``text`` of each character kept.

        A character that replaces several has the place of the first.
        """
        places: Sequence[int] = range(len(text))
        if self.replaced and self.unit == "char":
            text, places = self._without_rare(text)
        if self.unit == "byte" or set(text) <= self._known:
            return text, places, []
        if unknown == "skip":
            kept, changes = self._skip(text)
            known = [place for place, char in zip(places, text, strict=True) if char in self._known]
            return kept, known, changes
        if unknown == "replace":
            return self._replace(text, places, before)
        raise self._unknown(text, self._first_unknown(text), before, choices=True)

    def _without_rare(self, text: str) -> tuple[str, list[int]]:
        """The text without its rare characters, and the place of each character kept."""
        parts = [self._replacements.get(ord(char), char) for char in text]
        places = [place for place, part in enumerate(parts) for _ in part]
        return "".join(parts), places

    def _first_unknown(self, text: str) -> int:
        """The place of the first unknown character; the text's length if all are known."""
        for place, char in enumerate(text):
            if char not in self._known:
                return place
        return len(text)

    def _skip(self, text: str) -> tuple[str, list[str]]:
        """The text without unknown characters, and a sentence on each."""
        changes = []
        counts = Counter(text)
        for char in sorted(counts.keys() - self._known):
            count = counts[char]
            times = "once" if count == 1 else f"{count:,} times"
            changes.append(f"left out {describe(char)} {times}: the model does not know it")
        known_text = "".join(char for char in text if char in self._known)
        return known_text, changes

    def _replace(
        self,
        text: str,
        places: Sequence[int],
        before: int,
    ) -> tuple[str, list[int], list[str]]:
        """The text with unknown characters replaced, their places, and a sentence on each change.

        Args:
            text: to repair.
            places: of its characters.
            before: the number of characters before it in a longer text.
        """
        pieces = []
        kept: list[int] = []
        changes: dict[str, None] = {}  # an ordered set
        place = 0
        while place < len(text):
            new, old = self._replacement(text, place)
            if not new:
                is_mark = place > 0 and unicodedata.combining(text[place]) != 0
                if not is_mark:  # only a mark may be left out
                    raise self._unknown(text, place, before, choices=True)
            if new != old:
                changes[_change(new, old)] = None
            pieces.append(new)
            kept += [places[place]] * len(new)
            place += len(old)
        return "".join(pieces), kept, list(changes)

    def _replacement(self, text: str, place: int) -> tuple[str, str]:
        """The known spelling of the next characters, and these characters.

        A known character is its own spelling; ``""`` if nothing similar is known.
        """
        char = text[place]
        is_known = char in self._known
        following = text[place + 1 : place + 2]
        if not is_known or (following and following not in self._known):
            match = self._composed(text, place)
            if match:
                return match
        if is_known:
            return char, char
        return self.nearest(text, place), char

    def _composed(self, text: str, place: int) -> tuple[str, str] | None:
        """The known character that a sequence at ``place`` composes to, and the sequence."""
        for whole, sequence in composed(text, place):
            if whole in self._known:
                return whole, sequence
        return None

    def nearest(self, text: str, place: int) -> str:
        """The known spelling nearest to the unknown character at ``place``, or ``""``.

        Looks for, in this order: composed with its neighbours, decomposed, look-alike,
        compatibility form, other case, without its accent.
        """
        for start in range(max(0, place - LONGEST_SEQUENCE + 1), place + 1):
            match = self._composed(text, start)
            if match:
                whole, sequence = match
                if start + len(sequence) > place:
                    return whole
        for candidate in _spellings(text[place]):
            if candidate and set(candidate) <= self._known:
                return candidate
        return ""

    def similar(self, char: str, excluded: str = "") -> str:
        """The symbol most similar to a character, other than those that are excluded, or ``""``."""
        for candidate in _spellings(char):
            if candidate in self._known and candidate not in excluded:
                return candidate
        return ""

    def _unknown(
        self,
        text: str,
        place: int,
        before: int = 0,
        *,
        choices: bool = False,
    ) -> VocabularyError:
        """The error for an unknown character.

        Args:
            text: the text.
            place: of the character in it.
            before: the number of characters before the text in a longer one.
            choices: whether the caller has a parameter ``unknown`` that the error can suggest.
        """
        near = self.nearest(text, place)
        hint = f"type {near!r} instead" if near else "leave it out"
        if choices and near:
            hint += ', or use `unknown="replace"` or `unknown="skip"`'
        elif choices:
            hint += ' with `unknown="skip"`'
        position = before + place + 1
        return VocabularyError(
            f"the model has not seen the character {describe(text[place])}, "
            f"at position {position:,} of the text; {hint}"
        )


class Decoder:
    """Ids to text, piece by piece; an incomplete UTF-8 sequence is held back."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._symbols = vocabulary.symbols
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")

    def decode(self, ids: Sequence[int]) -> str:
        """The text that these ids complete."""
        if self._symbols:
            return "".join([self._symbols[idx] for idx in ids])
        return self._bytes.decode(bytes(ids))

    @property
    def pending(self) -> bytes:
        """The beginning of an incomplete UTF-8 sequence."""
        return self._bytes.getstate()[0]

    @pending.setter
    def pending(self, data: bytes) -> None:
        self._bytes.setstate((data, 0))

    def flush(self) -> str:
        """What is left at the end: U+FFFD for a sequence that was never finished."""
        if self._symbols:
            return ""
        return self._bytes.decode(b"", final=True)


def _check_text(text: Any) -> None:
    if not isinstance(text, str | bytes):
        raise VocabularyError(f"`text` must be a string or bytes, got {type(text).__name__}")


def utf8(text: str) -> bytes:
    """A text as UTF-8.

    Raises:
        VocabularyError: it has half a surrogate pair.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise VocabularyError(
            f"{describe(text[error.start])} at position {error.start + 1} is half a surrogate pair "
            "and cannot be written as UTF-8; remove it"
        ) from None


def _change(new: str, old: str) -> str:
    """The sentence on a repair: ``old`` was replaced by a known spelling, or left out."""
    action = f"wrote {new!r} instead of" if new else "left out"
    return f"{action} {old!r}: the model does not know {describe(old[-1])}"


def _spellings(char: str) -> Iterator[str]:
    """Other spellings of a character, the nearest first; some are empty."""
    plain = _without_marks(char)
    yield unicodedata.normalize("NFC", char)
    yield unicodedata.normalize("NFD", char)
    yield LOOKALIKES.get(char, "")
    yield unicodedata.normalize("NFKC", char)
    yield char.swapcase()
    yield plain
    yield plain.swapcase()
    yield LOOKALIKES.get(plain, "")


def _without_marks(char: str) -> str:
    """The compatibility form of a character without its accents."""
    parts = unicodedata.normalize("NFKD", char)
    return "".join(part for part in parts if not unicodedata.combining(part))
