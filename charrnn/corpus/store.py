"""Corpus: a text as ids, split, with a fingerprint. Knows nothing of batches and models."""

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn import recall
from charrnn.corpus.yardstick import Measure, measure
from charrnn.errors import CorpusError
from charrnn.vocab import Ids, Vocabulary

SMALLEST = 4  # two characters to learn from, two to validate on


@dataclass(frozen=True)
class Corpus:
    """A vocabulary and two id arrays, one-dimensional: train, and validation, the end of the text."""

    vocabulary: Vocabulary
    train: Ids
    val: Ids
    _recalled: dict[int, NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, text: str | bytes, val_fraction: float) -> "Corpus":
        """Encode a text and hold out its end.

        Raises:
            CorpusError: too small to learn anything from.
        """
        if len(text) < SMALLEST:
            raise CorpusError(f"the corpus is too small: {len(text)} characters, at least {SMALLEST} are needed; give more text")
        if isinstance(text, str) and (half := re.search("[\ud800-\udfff]", text)):
            place = f"U+{ord(half[0]):04X}, at character {half.start() + 1}"
            raise CorpusError(f"the corpus holds half a surrogate pair, {place}; leave it out")
        vocabulary = Vocabulary.of(text)
        ids = vocabulary.encode(text)
        num_train = min(int(len(ids) * (1 - val_fraction) + 1e-6), len(ids) - 2) if val_fraction else len(ids)
        return cls(vocabulary, ids[:num_train], ids[num_train:])

    def __len__(self) -> int:
        return len(self.train) + len(self.val)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what is trained on: symbols, ids, and where they are split."""
        digest = hashlib.sha256(f"{self.vocabulary.unit} {len(self.train)} {len(self.val)} {self.vocabulary.symbols}".encode())
        digest.update(self.train.tobytes())
        digest.update(self.val.tobytes())
        return digest.hexdigest()

    def recalled(self, window: int | None) -> NDArray[Any] | None:
        """What ``recall`` finds in the training part, (n, K), worked out once; None for no window."""
        if window is not None and window not in self._recalled:
            self._recalled[window] = recall.recall(self.train, window)
        return None if window is None else self._recalled[window]

    @cached_property
    def yardstick(self) -> Measure | None:
        """The loss of a count-based model of the training part on the validation part; None without one."""
        return measure(self.train, self.val, len(self.vocabulary)) if len(self.val) else None

    @cached_property
    def prime(self) -> int:
        """What a network reads before a text without a prompt: a newline, else the most frequent symbol; an id."""
        newline = self.vocabulary.newline
        return newline if newline >= 0 else int(np.bincount(self.train).argmax())
