"""Contexts: what was read before a symbol, as numbers by which its followers are counted.

A context is the last k symbols, or the current word as far as it was read, alone or with the words
before it. A word begins at each symbol that is neither a letter nor a digit, and includes that
symbol; words are compared without case. After "The old ma":

    last 3: " ma"      word: " ma"      word and the one before it: " old ma"

A context is identified by its kind and a hash of 29 bits, so it is possible, but rare, that two
share their counts. ``of_text`` hashes a whole text at once; ``after`` and ``after_each`` read one
or several streams symbol by symbol. All give the same numbers. A piece of text s_1 ... s_m has the
hash s_1 b^(m-1) + ... + s_m modulo 2^64, in which b is BASE, so that the hash of any piece follows
from sums over the text's beginning.

    n  symbols of a text     K  the number of KINDS     B  streams
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.vocab import Ids, Vocabulary


class Kind(NamedTuple):
    """A kind of context.

    Args:
        symbols: k, the number of last symbols; 0 for a context of words.
        words: the number of words before the current one.
    """

    symbols: int = 0
    words: int = 0


# Kinds whose counts make one prediction, each from the most general context to the most specific.
LAST_SYMBOLS = (Kind(2), Kind(3), Kind(5))
LAST_WORDS = (Kind(words=0), Kind(words=1), Kind(words=2))
GROUPS = (LAST_SYMBOLS, LAST_WORDS)
KINDS = LAST_SYMBOLS + LAST_WORDS
LONGEST = max(kind.symbols for kind in KINDS)
NO_END = -1
# What the end of a record is hashed as; every other symbol is hashed as its id plus one. So the
# contexts stay the same if symbols are added.
END_NUMBER = 1 << 22

Array = NDArray[Any]

BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse
# Of the finalizer of SplitMix64 (Steele, Lea and Flood 2014).
MULTIPLIER = 0xBF58476D1CE4E5B9
MODULUS = 1 << 64
MASK = MODULUS - 1
# The number of its kind is in the upper bits of a context, a hash in the others.
KIND_BITS = 3
HASH_BITS = 32 - KIND_BITS
KIND_NUMBERS = np.arange(len(KINDS), dtype=np.uint64) << np.uint64(HASH_BITS)
LAST_KINDS = tuple(number for number, kind in enumerate(KINDS) if kind.symbols)
# (LONGEST, number of kinds of last symbols): what each of the last symbols, newest last, is
# multiplied by.
LAST_FACTORS = np.array(
    [
        [pow(BASE, back, MODULUS) if back < KINDS[number].symbols else 0 for number in LAST_KINDS]
        for back in reversed(range(LONGEST))
    ],
    np.uint64,
)


class Reading(NamedTuple):
    """What the contexts of one stream are computed from, as Python integers, which are faster.

    Args:
        last: the numbers of the LONGEST last symbols, newest last; 0 before the first.
        word: the hash of the current word.
        scale: BASE to the power of the word's length: an earlier hash is multiplied by it to
            append the word.
        one: the hash of the word before it.
        two: the hash of the two words before it.
    """

    last: tuple[int, ...] = (0,) * LONGEST
    word: int = 0
    scale: int = 1
    one: int = 0
    two: int = 0


class Readings(NamedTuple):
    """The same for B streams, as arrays: last (B, LONGEST) and four of (B,), all of uint64."""

    last: Array
    word: Array
    scale: Array
    one: Array
    two: Array

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> "Readings":
        """Several streams side by side."""
        columns = zip(*readings, strict=True)
        return cls(*(np.array(column, np.uint64) for column in columns))

    def taken(self, rows: Any) -> "Readings":
        """Some of the streams, by number; one may be taken more than once."""
        return Readings(*(part[rows].copy() for part in self))

    def put(self, rows: Any, others: "Readings") -> None:
        """Replace some of the streams by the same ones of other readings."""
        for part, other in zip(self, others, strict=True):
            part[rows] = other[rows]


class Contexts:
    """The contexts in texts of a vocabulary.

    Args:
        vocabulary: of the ids.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocab_size = len(vocabulary)
        self.end = vocabulary.end
        folded, begins_word = _fold(vocabulary)
        self.numbers = np.arange(1, self.vocab_size + 1, dtype=np.uint64)  # (V,)
        if self.end != NO_END:
            self.numbers[self.end] = END_NUMBER
            folded[self.end] = END_NUMBER
        self.number_list: list[int] = self.numbers.tolist()
        self.folded = folded  # (V,) uint64, the same for upper and lower case
        self.begins_word = begins_word  # (V,) bool
        self.folded_list: list[int] = folded.tolist()
        self.begins_word_list: list[bool] = begins_word.tolist()

    def of_text(self, ids: Ids) -> NDArray[np.uint32]:
        """The contexts (n, K) after each symbol of a text; of records, none reaches into another.

        Args:
            ids: (n,) the text, from its beginning.
        """
        if self.end != NO_END:
            # the first record follows the end of another, as every record does
            return self._of_text(np.append(self.end, ids))[1:]
        return self._of_text(ids)

    def _of_text(self, ids: Ids) -> NDArray[np.uint32]:
        n = len(ids)
        contexts = np.empty((n, len(KINDS)), np.uint32)
        if n == 0:
            return contexts
        places = np.arange(n)
        first = np.zeros(n, np.int64)  # where the text or the record of each symbol begins
        if self.end != NO_END:
            first = np.maximum.accumulate(np.where(ids == self.end, places, 0))
        symbols = self.numbers[ids]
        is_start = self.begins_word[ids]
        is_start[0] = True
        starts = np.maximum.accumulate(np.where(is_start, places, 0))  # of each symbol's word
        powers = _powers(BASE, n)  # (n + 1,)
        sums = self._sums(ids)  # (n + 1,)
        for number, kind in enumerate(KINDS):
            if kind.symbols:
                hashed = _hash_last(symbols, first, kind.symbols, powers)
            else:
                start = starts
                for _ in range(kind.words):
                    before = np.maximum(start - 1, first)
                    start = np.where(start > first, starts[before], start)
                hashed = (sums[1:] - sums[start]) * powers[places]  # (n,)
            contexts[:, number] = _finished(hashed, KIND_NUMBERS[number])
        return contexts

    def after(self, reading: Reading, idx: int) -> Reading:
        """A stream after one more symbol; a record begins with ``Reading()``."""
        last, word, scale, one, two = reading
        last = (*last[1:], self.number_list[idx])
        symbol = self.folded_list[idx]
        if self.begins_word_list[idx]:
            two = (one * scale + word) & MASK
            return Reading(last, symbol, BASE, word, two)
        word = (word * BASE + symbol) & MASK
        return Reading(last, word, scale * BASE & MASK, one, two)

    def of_reading(self, reading: Reading) -> list[int]:
        """The contexts of a stream: K numbers."""
        last, word, scale, one, two = reading
        before = (0, one, two)
        hashed = 0
        contexts = []
        for number, kind in enumerate(KINDS):
            if kind.symbols:
                hashed = 0
                for symbol in last[-kind.symbols :]:
                    hashed = hashed * BASE + symbol
            else:
                hashed = before[kind.words] * scale + word
            contexts.append(number << HASH_BITS | _finished_one(hashed & MASK))
        return contexts

    def after_each(self, readings: Readings, idx: Array) -> Readings:
        """B streams after one more symbol each, (B,)."""
        last, word, scale, one, two = readings
        newest = self.numbers[idx]
        last = np.concatenate([last[:, 1:], newest[:, None]], axis=1)
        base = np.uint64(BASE)
        symbol = self.folded[idx]
        is_start = self.begins_word[idx]
        return Readings(
            last=last,
            word=np.where(is_start, symbol, word * base + symbol),
            scale=np.where(is_start, base, scale * base),
            one=np.where(is_start, word, one),
            two=np.where(is_start, one * scale + word, two),
        )

    def of_readings(self, readings: Readings) -> NDArray[np.uint32]:
        """The contexts (B, K) of B streams."""
        last, word, scale, one, two = readings
        before = (np.zeros_like(word), one, two)
        hashed = np.empty((len(word), len(KINDS)), np.uint64)
        hashed[:, LAST_KINDS] = last @ LAST_FACTORS
        for number, kind in enumerate(KINDS):
            if not kind.symbols:
                hashed[:, number] = before[kind.words] * scale + word
        return _finished(hashed, KIND_NUMBERS)

    def _sums(self, ids: Ids) -> Array:
        """(n + 1,) sums of the folded symbols, each divided by BASE to the power of its place."""
        n = len(ids)
        inverse = _powers(pow(BASE, -1, MODULUS), n)[:n]
        sums = np.zeros(n + 1, np.uint64)
        np.cumsum(self.folded[ids] * inverse, out=sums[1:])
        return sums


def _fold(vocabulary: Vocabulary) -> tuple[Array, Array]:
    """(V,) numbers of the symbols, equal in both cases, and (V,) whether each begins a word."""
    characters = vocabulary.symbols or [chr(byte) for byte in range(256)]
    numbers = {character: number for number, character in enumerate(characters)}
    folded = np.arange(1, len(vocabulary) + 1, dtype=np.uint64)
    begins_word = np.ones(len(vocabulary), np.bool_)
    for number, character in enumerate(characters):
        if vocabulary.unit == "byte" and not character.isascii():
            begins_word[number] = False  # part of a letter outside ASCII, most likely
            continue
        begins_word[number] = not (character.isalnum() or character == "_")
        lower = numbers.get(character.lower(), number)
        folded[number] = lower + 1
    return folded, begins_word


def _powers(base: int, n: int) -> Array:
    """(n + 1,) the powers 0 to n of a base, modulo 2^64."""
    factors = np.full(n + 1, base, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


def _hash_last(symbols: Array, first: Array, count: int, powers: Array) -> Array:
    """(n,) the hash of the last ``count`` symbols up to each, from ``first`` (n,) on."""
    hashed = symbols.copy()
    for back in range(1, min(count, len(symbols))):
        places = np.arange(back, len(symbols))
        is_inside = places - back >= first[back:]
        hashed[back:] += np.where(is_inside, symbols[:-back] * powers[back], np.uint64(0))
    return hashed


def _finished_one(mixed: int) -> int:
    """The upper HASH_BITS bits of a hash, well mixed."""
    mixed ^= mixed >> 31
    mixed = mixed * MULTIPLIER & MASK
    mixed ^= mixed >> 29
    return mixed >> (64 - HASH_BITS)


def _finished(hashed: Array, kinds: Array) -> NDArray[np.uint32]:
    """The contexts of these hashes and of kinds with these KIND_NUMBERS."""
    mixed = hashed ^ (hashed >> np.uint64(31))
    mixed *= np.uint64(MULTIPLIER)
    mixed ^= mixed >> np.uint64(29)
    mixed >>= np.uint64(64 - HASH_BITS)
    contexts: NDArray[np.uint32] = (mixed | kinds).astype(np.uint32)
    return contexts
