"""Corpus: a text as ids, split, with a fingerprint. Knows nothing of batches and models."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn import copy_window as recall
from charrnn.copy_window import Recalled
from charrnn.corpus.kneser_ney import Measure, measure
from charrnn.corpus.records import quantiles, some_records, split
from charrnn.corpus.text_to_ids import encode
from charrnn.errors import CorpusError
from charrnn.vocab import Ids, Vocabulary

SMALLEST = 4  # two characters to learn from, two to validate on
MOST_JUDGED = 1_000_000  # characters
BLOCK = 1 << 24  # symbols counted at once

Tell = Callable[[str], object]


@dataclass(frozen=True)
class Corpus:
    """A vocabulary and two id arrays, one-dimensional: train, and validation: the end of the text,
    or some of its records.

    Of records, each has the vocabulary's end behind it, and stands by itself.
    """

    vocabulary: Vocabulary
    train: Ids
    val: Ids
    _recalled: dict[int, Recalled] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        text: str | bytes | Iterable[str | bytes],
        val_fraction: float,
        separator: str | None = None,
        tell: Tell = lambda _: None,
    ) -> "Corpus":
        """Encode a text, or the blocks of one, and hold out its end, or a random share of its
        records.

        Args:
            text: str, bytes, or blocks of one of them.
            val_fraction: that is held out.
            separator: of records; None for running text.
            tell: called with a sentence on whatever the user should know.

        Raises:
            CorpusError: too small to learn anything from.
        """
        vocabulary, ids = encode([text] if isinstance(text, str | bytes) else text)
        if len(ids) < SMALLEST:
            raise CorpusError(
                f"the corpus is too small: {len(ids)} characters, at least {SMALLEST} are needed; give more text"
            )
        if half := re.search("[\ud800-\udfff]", vocabulary.symbols):
            place = f"U+{ord(half[0]):04X}, at character {int(np.argmax(ids == half.start())) + 1}"
            raise CorpusError(f"the corpus holds half a surrogate pair, {place}; leave it out")
        if separator is not None:
            vocabulary, train, val, notices = split(vocabulary, ids, separator, val_fraction)
            for notice in notices:
                tell(notice)
            return cls(vocabulary, train, val)
        num_train = (
            min(int(len(ids) * (1 - val_fraction) + 1e-6), len(ids) - 2)
            if val_fraction
            else len(ids)
        )
        return cls(vocabulary, ids[:num_train], ids[num_train:])

    def __len__(self) -> int:
        return len(self.train) + len(self.val)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what is trained on: symbols, ids, and where they are split."""
        digest = hashlib.sha256(
            f"{self.vocabulary.unit} {len(self.train)} {len(self.val)} {self.vocabulary.symbols}".encode()
        )
        digest.update(np.ascontiguousarray(self.train).data)
        digest.update(np.ascontiguousarray(self.val).data)
        return digest.hexdigest()

    @property
    def judged(self) -> Ids:
        """What a finished model is judged on: the validation part, of a very long one its
        beginning, or some of its records."""
        return self.beginning(MOST_JUDGED)

    def beginning(self, most: int) -> Ids:
        """The first symbols of the validation part, about so many at most; of records some of them
        all, evenly spread."""
        return (
            some_records(self.val, self.vocabulary.end, most)
            if self.vocabulary.records
            else self.val[:most]
        )

    def learned(self, most: int) -> Ids:
        """The last symbols of the training part, about so many at most; of records some of them
        all, evenly spread."""
        return (
            some_records(self.train, self.vocabulary.end, most)
            if self.vocabulary.records
            else self.train[-most:]
        )

    def lengths(self, ids: Ids) -> NDArray[np.int64]:
        """Of records in a part, how many symbols each has, its end not counted."""
        return np.diff(np.flatnonzero(ids == self.vocabulary.end), prepend=-1) - 1

    @cached_property
    def of_records(self) -> dict[str, Any] | None:
        """Of records: how many there are, and how many characters each has, without its end."""
        if not self.vocabulary.records:
            return None
        parts = [self.train, self.val]
        if (
            self.vocabulary.unit == "byte"
        ):  # in UTF-8 the first byte of a character is none from 0x80 to 0xBF
            parts = [part[(part < 0x80) | (part > 0xBF)] for part in parts]
        train, val = (self.lengths(part) for part in parts)
        return {
            "train": len(train),
            "val": len(val),
            "lengths": quantiles([*train.tolist(), *val.tolist()]),
        }

    def records(self) -> Iterator[str]:
        """The texts of all records, of both parts."""
        for part in (self.train, self.val):
            for record in np.split(part, np.flatnonzero(part == self.vocabulary.end) + 1)[:-1]:
                yield self.vocabulary.decode(record[:-1])

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each symbol occurs in the whole text: (V,)."""
        return self._counts(self.train) + self._counts(self.val)

    def _counts(self, part: Ids) -> NDArray[np.int64]:
        """How often each symbol occurs in a part: (V,); block by block, since a part may be a file
        mapped into memory."""
        counts = np.zeros(len(self.vocabulary), np.int64)
        for start in range(0, len(part), BLOCK):
            counts += np.bincount(part[start : start + BLOCK], minlength=len(counts))
        return counts

    def recalled(self, window: int | None) -> Recalled | None:
        """What ``recall`` finds in the training part, worked out once; None for no window."""
        if window is not None and window not in self._recalled:
            self._recalled[window] = recall.Recalled(
                self.train, window, len(self.vocabulary), self.vocabulary.end
            )
        return None if window is None else self._recalled[window]

    @cached_property
    def yardstick(self) -> Measure | None:
        """The loss of a count-based model of the training part on the validation part; None without
        one."""
        return (
            measure(self.train, self.judged, len(self.vocabulary), self.vocabulary.end)
            if len(self.val)
            else None
        )

    @cached_property
    def prime(self) -> int:
        """The id that a network reads before a text without a prompt: a newline; before a record,
        the end of one.

        Where the training part has no newline with something after it, the symbol most frequent
        there: after a symbol that the network never read, it would write garbage.
        """
        if self.vocabulary.records:
            return self.vocabulary.end
        followed = self.train[:-1]
        newline = self.vocabulary.newline
        blocks = (followed[start : start + BLOCK] for start in range(0, len(followed), BLOCK))
        if newline >= 0 and any((block == newline).any() for block in blocks):
            return newline
        return int(self._counts(followed).argmax())
