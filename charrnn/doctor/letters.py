"""Letters that are written in two ways, in two scripts, or were decoded wrongly."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

import numpy as np

from charrnn.doctor.characters import Characters
from charrnn.doctor.finding import MOST_PLACES, Finding, Place, counted
from charrnn.doctor.source import Block

# Letters of other scripts that look like Latin ones, most of them in every font.
CYRILLIC_AS_LATIN = dict(
    zip("АВЕЅІЈКМНОРСТУХаеорусхіјѕԁѡӏһ", "ABESIJKMHOPCTYXaeopycxijsdwlh", strict=True)
)
GREEK_AS_LATIN = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονικυ", "ABEZHIKMNOPTYXoviku", strict=True))
SHORTEST_WORD = 3  # letters; shorter ones may be units, such as kΩ
LATIN_AS_CYRILLIC = {latin: other for other, latin in CYRILLIC_AS_LATIN.items()}
LATIN_AS_GREEK = {latin: other for other, latin in GREEK_AS_LATIN.items()}
LATIN = "A-Za-z\u00c0-\u024f"
CYRILLIC = "\u0400-\u052f"
GREEK = "\u0370-\u03ff"
# A word with letters of two scripts. Digits and signs end a word, as in formulas.
_MIXED = re.compile(
    f"[{LATIN}{CYRILLIC}{GREEK}]*(?:[{LATIN}][{CYRILLIC}{GREEK}]|[{CYRILLIC}{GREEK}][{LATIN}])"
    f"[{LATIN}{CYRILLIC}{GREEK}]*"
)
# The bytes of a character in UTF-8 that were read as cp1252: a lead byte and those that follow it.
_CONTINUED = "".join(
    bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xC0)
)
_MISREAD = re.compile(
    f"[\u00c2-\u00df][{re.escape(_CONTINUED)}]"
    f"|[\u00e0-\u00ef][{re.escape(_CONTINUED)}]{{2}}"
    f"|[\u00f0-\u00f4][{re.escape(_CONTINUED)}]{{3}}"
)
FEWEST_MISREAD = 3


class Letters:
    """Finds letters that are written inconsistently.

    Args:
        characters: of the same text; read before this.
    """

    def __init__(self, characters: Characters) -> None:
        self.characters = characters
        self.num_decomposed = 0
        self.first_decomposed: list[Place] = []
        self.mixed = Counter[str]()
        self.first_mixed: dict[str, Place] = {}
        self.misread = Counter[str]()
        self.first_misread: list[Place] = []

    def read(self, block: Block) -> None:
        """Search a block."""
        text = block.text
        if text.isascii():
            return
        self._read_decomposed(block)
        for match in _MIXED.finditer(text):
            word = match[0]
            if in_one_script(word) is not None:
                self.mixed[word] += 1
                if word not in self.first_mixed:
                    self.first_mixed[word] = block.place(match.start(), len(word))
        for match in _MISREAD.finditer(text):
            char = decoded_again(match[0])
            if char is not None:
                self.misread[match[0]] += 1
                if len(self.first_misread) < MOST_PLACES:
                    self.first_misread.append(block.place(match.start()))

    def findings(self) -> Iterator[Finding]:
        """What was found."""
        yield from self._mojibake()
        yield from self._normalization()
        if self.mixed:
            number = self.mixed.total()
            words = [word for word, _ in self.mixed.most_common(MOST_PLACES)]
            have = "word has" if number == 1 else "words have"
            yield Finding(
                "mixed-script",
                f"{number:,} {have} look-alike letters of another script: {', '.join(words)}",
                count=number,
                places=tuple(self.first_mixed[word] for word in words),
                fix="--fix mixed-script",
            )

    def _read_decomposed(self, block: Block) -> None:
        text = block.text
        if unicodedata.is_normalized("NFC", text):
            return
        num_composed = len(text) - len(unicodedata.normalize("NFC", text))
        self.num_decomposed += num_composed
        if not num_composed or len(self.first_decomposed) == MOST_PLACES:
            return
        for match in re.finditer("[^\x00-\x7f]", text):
            pair = text[max(0, match.start() - 1) : match.start() + 1]
            if len(unicodedata.normalize("NFC", pair)) < len(pair):
                self.first_decomposed.append(block.place(match.start() - 1, len(pair)))
                if len(self.first_decomposed) == MOST_PLACES:
                    return

    def _normalization(self) -> Iterator[Finding]:
        if not self.num_decomposed:
            return
        num_composed = 0
        for code in np.flatnonzero(self.characters.counts[128:]) + 128:
            decomposition = unicodedata.decomposition(chr(code))
            if decomposition and not decomposition.startswith("<"):
                num_composed += int(self.characters.counts[code])
        if not num_composed:
            return
        yield Finding(
            "normalization",
            f"accented letters are written in two ways: {num_composed:,} as one character, "
            f"{self.num_decomposed:,} as a letter and a mark",
            count=min(num_composed, self.num_decomposed),
            places=tuple(self.first_decomposed),
            fix="--normalize nfc",
        )

    def _mojibake(self) -> Iterator[Finding]:
        number = self.misread.total()
        if number < FEWEST_MISREAD:
            return
        examples = []
        for sequence, _ in self.misread.most_common(3):
            examples.append(f"{sequence} for {decoded_again(sequence)}")
        yield Finding(
            "encoding",
            f"{counted(number, 'character')} of UTF-8 were decoded as another encoding before: "
            f"{', '.join(examples)}",
            count=number,
            places=tuple(self.first_misread),
            fix="--fix encoding",
        )


def in_one_script(word: str) -> str | None:
    """A word of two scripts in that of most of its letters; None if its letters are no look-alikes.

    Of two scripts with as many letters, look-alikes become those of the other one.
    """
    if len(word) < SHORTEST_WORD:
        return None
    tables = (
        (CYRILLIC, CYRILLIC_AS_LATIN, LATIN_AS_CYRILLIC),
        (GREEK, GREEK_AS_LATIN, LATIN_AS_GREEK),
    )
    for script, as_latin, from_latin in tables:
        letters = re.findall(f"[{script}]", word)
        latin = re.findall(f"[{LATIN}]", word)
        if not letters:
            continue
        if len(letters) + len(latin) < len(word):
            return None
        can_be_latin = all(letter in as_latin for letter in letters)
        can_be_other = all(letter in from_latin for letter in latin)
        if can_be_latin and (len(latin) >= len(letters) or not can_be_other):
            return "".join(as_latin.get(letter, letter) for letter in word)
        if can_be_other:
            return "".join(from_latin.get(letter, letter) for letter in word)
        return None
    return None


def decoded_again(sequence: str) -> str | None:
    """The character whose UTF-8 was read as cp1252; None if it was not."""
    data = bytearray()
    for char in sequence:
        data += bytes([ord(char)]) if 0x80 <= ord(char) < 0xA0 else char.encode("cp1252", "ignore")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def without_misread(text: str) -> tuple[str, int]:
    """A text in which characters that were decoded wrongly are right, and how many there were."""
    number = 0

    def right(match: re.Match[str]) -> str:
        nonlocal number
        char = decoded_again(match[0])
        if char is None:
            return match[0]
        number += 1
        return char

    return _MISREAD.sub(right, text), number


def without_mixed_words(text: str) -> tuple[str, int]:
    """A text in which look-alike letters are in the script of their word, and the words changed."""
    number = 0

    def right(match: re.Match[str]) -> str:
        nonlocal number
        word = in_one_script(match[0])
        if word is None:
            return match[0]
        number += 1
        return word

    return _MIXED.sub(right, text), number
