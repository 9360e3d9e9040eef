"""Corpus: a text as ids, split, with a fingerprint. Knows nothing of batches and models."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from charrnn import recall
from charrnn.corpus.encode import encode
from charrnn.corpus.yardstick import Measure, measure
from charrnn.errors import CorpusError
from charrnn.recall import Recalled
from charrnn.vocab import Ids, Vocabulary

SMALLEST = 4  # two characters to learn from, two to validate on
MOST_JUDGED = 1_000_000  # characters
BLOCK = 1 << 24  # symbols counted at once


@dataclass(frozen=True)
class Corpus:
    """A vocabulary and two id arrays, one-dimensional: train, and validation, the end of the text."""

    vocabulary: Vocabulary
    train: Ids
    val: Ids
    _recalled: dict[int, Recalled] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, text: str | bytes | Iterable[str | bytes], val_fraction: float) -> "Corpus":
        """Encode a text, or the blocks of one, and hold out its end.

        Raises:
            CorpusError: too small to learn anything from.
        """
        vocabulary, ids = encode([text] if isinstance(text, str | bytes) else text)
        if len(ids) < SMALLEST:
            raise CorpusError(f"the corpus is too small: {len(ids)} characters, at least {SMALLEST} are needed; give more text")
        if half := re.search("[\ud800-\udfff]", vocabulary.symbols):
            place = f"U+{ord(half[0]):04X}, at character {int(np.argmax(ids == half.start())) + 1}"
            raise CorpusError(f"the corpus holds half a surrogate pair, {place}; leave it out")
        num_train = min(int(len(ids) * (1 - val_fraction) + 1e-6), len(ids) - 2) if val_fraction else len(ids)
        return cls(vocabulary, ids[:num_train], ids[num_train:])

    def __len__(self) -> int:
        return len(self.train) + len(self.val)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what is trained on: symbols, ids, and where they are split."""
        digest = hashlib.sha256(f"{self.vocabulary.unit} {len(self.train)} {len(self.val)} {self.vocabulary.symbols}".encode())
        digest.update(np.ascontiguousarray(self.train).data)
        digest.update(np.ascontiguousarray(self.val).data)
        return digest.hexdigest()

    @property
    def judged(self) -> Ids:
        """What a finished model is judged on: the validation part, of a very long one its beginning."""
        return self.val[:MOST_JUDGED]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each symbol stands in the whole text: (V,)."""
        counts = np.zeros(len(self.vocabulary), np.int64)
        for part in (self.train, self.val):
            for start in range(0, len(part), BLOCK):
                counts += np.bincount(part[start : start + BLOCK], minlength=len(counts))
        return counts

    def recalled(self, window: int | None) -> Recalled | None:
        """What ``recall`` finds in the training part, worked out once; None for no window."""
        if window is not None and window not in self._recalled:
            self._recalled[window] = recall.Recalled(self.train, window, len(self.vocabulary))
        return None if window is None else self._recalled[window]

    @cached_property
    def yardstick(self) -> Measure | None:
        """The loss of a count-based model of the training part on the validation part; None without one."""
        return measure(self.train, self.judged, len(self.vocabulary)) if len(self.val) else None

    @cached_property
    def prime(self) -> int:
        """What a network reads before a text without a prompt: a newline, else the most frequent symbol; an id."""
        newline = self.vocabulary.newline
        return newline if newline >= 0 else int(self.counts.argmax())
