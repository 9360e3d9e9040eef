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
# Where a word changes its script. Digits and signs end a word, as in formulas.
_CHANGE = re.compile(f"[{LATIN}][{CYRILLIC}{GREEK}]|[{CYRILLIC}{GREEK}][{LATIN}]")
_LETTERS = re.compile(f"[{LATIN}{CYRILLIC}{GREEK}]*")
LONGEST_WORD = 60  # letters before and after that place
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
MOST_RIGHT = 0.2  # of the places of a lead character, at which it is a character of its own


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
        self.first_misread: dict[str, list[Place]] = {}  # by the lead character

    def read(self, block: Block) -> None:
        """Search a block."""
        text = block.text
        if text.isascii():
            return
        self._read_decomposed(block)
        for start, word in _mixed_words(text):
            if in_one_script(word) is not None:
                self.mixed[word] += 1
                if word not in self.first_mixed:
                    self.first_mixed[word] = block.place(start, len(word))
        for match in _MISREAD.finditer(text):
            if decoded_again(match[0]) is not None:
                self.misread[match[0]] += 1
                places = self.first_misread.setdefault(match[0][0], [])
                if len(places) < MOST_PLACES:
                    places.append(block.place(match.start()))

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
        number = num_composed(text, unicodedata.normalize("NFC", text))
        self.num_decomposed += number
        if not number or len(self.first_decomposed) == MOST_PLACES:
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
        num_whole = 0
        for code in (np.flatnonzero(self.characters.counts[128:]) + 128).tolist():
            char = chr(code)
            is_composed = len(unicodedata.normalize("NFD", char)) > 1
            if is_composed and unicodedata.normalize("NFC", char) == char:
                num_whole += int(self.characters.counts[code])
        if not num_whole:
            return
        yield Finding(
            "normalization",
            f"accented letters are written in two ways: {num_whole:,} as one character, "
            f"{self.num_decomposed:,} as a letter and a mark",
            count=min(num_whole, self.num_decomposed),
            places=tuple(self.first_decomposed),
            fix="--normalize nfc",
        )

    def misread_leads(self) -> frozenset[str]:
        """The characters with which characters of UTF-8 begin that were decoded wrongly.

        Without those that mostly stand for themselves, such as the É of CAFÉ».
        """
        leads = Counter[str]()
        for sequence, number in self.misread.items():
            leads[sequence[0]] += number
        return frozenset(
            lead
            for lead, number in leads.items()
            if number >= (1 - MOST_RIGHT) * self.characters.counts[ord(lead)]
        )

    def _mojibake(self) -> Iterator[Finding]:
        leads = self.misread_leads()
        misread = Counter[str]()
        for sequence, times in self.misread.items():
            if sequence[0] in leads:
                misread[sequence] = times
        number = misread.total()
        if number < FEWEST_MISREAD:
            return
        examples = []
        for sequence, _ in misread.most_common(3):
            examples.append(f"{sequence} for {decoded_again(sequence)}")
        places = [place for lead in sorted(leads) for place in self.first_misread[lead]]
        places.sort(key=lambda place: (place.file, place.line, place.column))
        yield Finding(
            "encoding",
            f"{counted(number, 'character')} of UTF-8 were decoded as another encoding before: "
            f"{', '.join(examples)}",
            count=number,
            places=tuple(places[:MOST_PLACES]),
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


def without_misread(text: str, leads: frozenset[str]) -> tuple[str, int]:
    """A text in which characters that were decoded wrongly are right, and how many there were.

    Args:
        text: the text.
        leads: the characters with which they begin.
    """
    number = 0

    def right(match: re.Match[str]) -> str:
        nonlocal number
        char = decoded_again(match[0]) if match[0][0] in leads else None
        if char is None:
            return match[0]
        number += 1
        return char

    return _MISREAD.sub(right, text), number


def without_mixed_words(text: str) -> tuple[str, int]:
    """A text in which look-alike letters are in the script of their word, and the words changed."""
    number = 0
    pieces = []
    end = 0
    for start, word in _mixed_words(text):
        right = in_one_script(word)
        if right is not None:
            number += 1
            pieces += [text[end:start], right]
            end = start + len(word)
    pieces.append(text[end:])
    return "".join(pieces), number


def num_composed(text: str, composed: str) -> int:
    """How many marks were composed with the letter before them.

    A few characters are longer when they are composed; these are not counted.
    """
    longer = 0
    for char in set(text):
        longer += text.count(char) * (len(unicodedata.normalize("NFC", char)) - 1)
    return max(0, len(text) + longer - len(composed))


def _mixed_words(text: str) -> Iterator[tuple[int, str]]:
    """The words with letters of two scripts, and where each begins."""
    end = 0
    for change in _CHANGE.finditer(text):
        if change.start() < end:  # in the word before
            continue
        before = text[max(end, change.start() - LONGEST_WORD) : change.start()][::-1]
        letters = _LETTERS.match(before)
        start = change.start() - (len(letters[0]) if letters else 0)
        after = _LETTERS.match(text, change.start(), change.start() + LONGEST_WORD)
        end = after.end() if after else change.end()
        yield start, text[start:end]
