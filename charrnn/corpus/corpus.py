"""Corpus: a text as ids, continuous or as records, with a training and a validation part."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config.arguments import ignore
from charrnn.config.run_config import DataConfig, RunConfig
from charrnn.context_mixing.count_table import CountTable
from charrnn.context_mixing.counted_text import CountedText
from charrnn.context_mixing.counting import FoldedCounts
from charrnn.copy_window import Recalled
from charrnn.corpus.batches import (
    Lanes,
    Layout,
    Records,
    SideBySide,
    check_lengths,
    fit,
    fit_records,
)
from charrnn.corpus.kneser_ney import Measure, measure
from charrnn.corpus.reading import check_column, read, stream, take
from charrnn.corpus.records import (
    each_record,
    encode_known,
    places_of_some_records,
    quantiles,
    some_records,
    split,
    without_known_records,
)
from charrnn.corpus.text_to_ids import encode
from charrnn.errors import ConfigError, CorpusError
from charrnn.vocab import Ids, Vocabulary

MIN_CHARACTERS = 4  # two for training, two for validation
MIN_VALIDATION = 2  # symbols of a file for validation
MOST_SHOWN = 3  # changes in a notice
MAX_JUDGED = 1_000_000  # characters
BLOCK = 1 << 24  # symbols counted at once
SHORTEST_REPEAT = 20  # characters of the shortest line that is counted as repeated

Tell = Callable[[str], object]


@dataclass(frozen=True)
class Corpus(ABC):
    """A vocabulary and two arrays of its ids: ``train`` (n,) and ``val`` (m,).

    ``Corpus.of`` creates one of two kinds: RunningText, read from left to right, with its end as
    the validation part; or RecordCorpus, independent records, with a random choice of them as the
    validation part.
    """

    vocabulary: Vocabulary
    train: Ids
    val: Ids
    max_judged: int = MAX_JUDGED  # symbols that a finished model is evaluated on
    # Of a model that is trained further on this text: what it reads first; the counts of both its
    # texts, and the number of this text's first fold in them; the earlier text, if it is rehearsed,
    # and the share of the lanes that read it.
    base_prime: int | None = None
    shared_counts: FoldedCounts | None = None
    first_fold: int = 0
    old: "Corpus | None" = None
    rehearse: float = 0.0
    _recalled: dict[int, Recalled] = field(default_factory=dict, repr=False, compare=False)
    _counted: dict[int, CountedText] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(
        text: str | bytes | Iterable[str | bytes],
        val_fraction: float,
        separator: str | None = None,
        tell: Tell = ignore,
        min_count: int = 1,
        known: str = "",
    ) -> "Corpus":
        """Encode a text, or the blocks of one, and split it into training and validation.

        Args:
            text: str, bytes, or blocks of one of them.
            val_fraction: the share of the validation part.
            separator: between records; None for continuous text.
            tell: called with notices for the user.
            min_count: rarer characters are replaced or left out.
            known: the characters of a model that is trained further.

        Raises:
            CorpusError: it is too small to learn from.
        """
        blocks = [text] if isinstance(text, str | bytes) else text
        vocabulary, ids = encode(blocks, min_count, (separator or "") + "\r\n", tell, known)
        if len(ids) < MIN_CHARACTERS:
            raise CorpusError(
                f"the corpus must have at least {MIN_CHARACTERS} characters, got {len(ids)}; "
                "give more text"
            )
        _check_surrogates(vocabulary, ids)
        if separator is None:
            return RunningText.split(vocabulary, ids, val_fraction)
        return RecordCorpus.split(vocabulary, ids, separator, val_fraction, tell, len(known))

    def __len__(self) -> int:
        return len(self.train) + len(self.val)

    # --- where continuous text and records differ ---

    @property
    @abstractmethod
    def prime(self) -> int:
        """The id that a network reads before a text without a prompt."""

    @abstractmethod
    def beginning(self, most: int) -> Ids:
        """The validation part, cut to about ``most`` symbols."""

    @abstractmethod
    def learned_places(self, most: int) -> NDArray[np.int64]:
        """The places of about ``most`` symbols of the training text: (m,)."""

    @abstractmethod
    def fit_batch(self, batch_size: int | None, sequence_length: int) -> tuple[int, int]:
        """Batch size and sequence length, reduced if the corpus is too small for them.

        Raises:
            CorpusError: a record is too long to be read whole.
        """

    @abstractmethod
    def lanes(
        self,
        batch_size: int,
        sequence_length: int,
        seed: int,
        copy_window: int | None,
        least_count: int | None,
    ) -> Lanes | Records:
        """The training part in parallel lanes."""

    @property
    @abstractmethod
    def item_end(self) -> int:
        """The id that ends a line or a record; -1 if there is none."""

    @property
    @abstractmethod
    def shortest_repeat(self) -> int:
        """Characters of the shortest line or record whose repetition is worth counting."""

    @property
    @abstractmethod
    def record_summary(self) -> dict[str, Any] | None:
        """The numbers of records and the quantiles of their lengths; None for continuous text."""

    # --- what they share ---

    def layout(
        self,
        batch_size: int,
        sequence_length: int,
        seed: int,
        copy_window: int | None,
        least_count: int | None,
    ) -> Layout:
        """The training part laid out as batches, with some lanes for a text that is rehearsed."""
        if self.old is None:
            return self.lanes(batch_size, sequence_length, seed, copy_window, least_count)
        num_old = round(self.rehearse * batch_size)
        if not self.vocabulary.records:
            num_old = min(num_old, len(self.old.train) // sequence_length)
        num_old = min(max(1, num_old), batch_size - 1)
        num_new = batch_size - num_old
        new = self.lanes(num_new, sequence_length, seed, copy_window, least_count)
        old = self.old.lanes(num_old, sequence_length, seed, copy_window, least_count)
        return SideBySide(new, old)

    def learned(self, most: int) -> Ids:
        """About ``most`` symbols of the training text, to compare with the validation loss."""
        learned: Ids = self.train[self.learned_places(most)]
        return learned

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the symbols, the ids, and where they are split."""
        vocabulary = self.vocabulary
        sizes = f"{vocabulary.unit} {len(self.train)} {len(self.val)} {vocabulary.symbols}"
        digest = hashlib.sha256(sizes.encode())
        digest.update(np.ascontiguousarray(self.train).data)
        digest.update(np.ascontiguousarray(self.val).data)
        return digest.hexdigest()

    @property
    def judged(self) -> Ids:
        """The text a finished model is evaluated on: the validation part, cut if very long."""
        return self.beginning(self.max_judged)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each symbol occurs in the whole text: (V,)."""
        return self._counts(self.train) + self._counts(self.val)

    def _counts(self, part: Ids) -> NDArray[np.int64]:
        """How often each symbol occurs in a part: (V,).

        Counted block by block, since a part may be a file mapped into memory.
        """
        counts = np.zeros(len(self.vocabulary), np.int64)
        for start in range(0, len(part), BLOCK):
            counts += np.bincount(part[start : start + BLOCK], minlength=len(counts))
        return counts

    def recalled(self, window: int | None) -> Recalled | None:
        """What the copy window recalls in the training part, cached; None without a window."""
        if window is None:
            return None
        if window not in self._recalled:
            vocabulary = self.vocabulary
            recalled = Recalled(self.train, window, len(vocabulary), vocabulary.end)
            self._recalled[window] = recalled
        return self._recalled[window]

    def counted(self, least: int | None) -> CountedText | None:
        """The counts of the contexts in the training part, cached; None without counts.

        Args:
            least: a context that occurs less often is not counted.
        """
        if least is None:
            return None
        if least not in self._counted:
            self._counted[least] = CountedText(
                self.train, self.vocabulary, least, self.shared_counts, self.first_fold
            )
        return self._counted[least]

    def table(self, least: int | None) -> CountTable | None:
        """The same counts, for reading other texts."""
        counted = self.counted(least)
        if counted is None:
            return None
        return counted.table

    @cached_property
    def yardstick(self) -> Measure | None:
        """The validation loss of a count-based model of the training part."""
        if not len(self.val):
            return None
        return measure(self.train, self.judged, len(self.vocabulary), self.vocabulary.end)

    @cached_property
    def unigram_loss(self) -> float | None:
        """The validation loss of the frequencies of the symbols; each counts half a time more."""
        if not len(self.val):
            return None
        counts = self._counts(self.train) + 0.5
        losses = np.log(counts.sum()) - np.log(counts)
        return float(np.dot(self._counts(self.judged), losses) / len(self.judged))


class RunningText(Corpus):
    """A text that is read from left to right; its end is the validation part."""

    @classmethod
    def split(cls, vocabulary: Vocabulary, ids: Ids, val_fraction: float) -> "RunningText":
        """Split off the end of a text for validation."""
        num_train = len(ids)
        if val_fraction:
            num_train = min(int(len(ids) * (1 - val_fraction) + 1e-6), len(ids) - 2)
        return cls(vocabulary, ids[:num_train], ids[num_train:])

    @cached_property
    def prime(self) -> int:
        """A newline, or the most frequent symbol if nothing follows a newline in the text.

        After a symbol that it never read, the network would write garbage.
        """
        if self.base_prime is not None:
            return self.base_prime
        followed = self.train[:-1]
        newline = self.vocabulary.newline
        if newline >= 0 and _contains(followed, newline):
            return newline
        return int(self._counts(followed).argmax())

    def beginning(self, most: int) -> Ids:
        """The first symbols of the validation part."""
        return self.val[:most]

    def learned_places(self, most: int) -> NDArray[np.int64]:
        """Those of the last symbols of the training part."""
        n = len(self.train)
        return np.arange(max(0, n - most), n)

    def fit_batch(self, batch_size: int | None, sequence_length: int) -> tuple[int, int]:
        """As given, reduced for a short text."""
        assert batch_size is not None
        return fit(len(self.train), batch_size, sequence_length)

    def lanes(
        self,
        batch_size: int,
        sequence_length: int,
        seed: int,
        copy_window: int | None,
        least_count: int | None,
    ) -> Lanes:
        """Parallel lanes, each read from left to right."""
        recalled = self.recalled(copy_window)
        counted = self.counted(least_count)
        return Lanes(self.train, batch_size, sequence_length, seed, recalled, counted)

    @property
    def item_end(self) -> int:
        """A newline."""
        return self.vocabulary.newline

    @property
    def shortest_repeat(self) -> int:
        """Short lines are ignored: they repeat by chance."""
        return SHORTEST_REPEAT

    @property
    def record_summary(self) -> None:
        """There are no records."""
        return None


class RecordCorpus(Corpus):
    """Independent records, each followed by the vocabulary's end; some are for validation."""

    @classmethod
    def split(
        cls,
        vocabulary: Vocabulary,
        ids: Ids,
        separator: str,
        val_fraction: float,
        tell: Tell,
        num_known: int = 0,
    ) -> "RecordCorpus":
        """Cut a text at its separator; a random share of the distinct records is for validation."""
        parts = split(vocabulary, ids, separator, val_fraction, num_known)
        for notice in parts.notices:
            tell(notice)
        return cls(parts.vocabulary, parts.train, parts.val)

    @property
    def prime(self) -> int:
        """The end of the previous record."""
        return self.vocabulary.end

    def beginning(self, most: int) -> Ids:
        """Validation records, evenly spread."""
        return some_records(self.val, self.vocabulary.end, most)

    def learned_places(self, most: int) -> NDArray[np.int64]:
        """Those of training records, evenly spread."""
        return places_of_some_records(self.train, self.vocabulary.end, most)

    def fit_batch(self, batch_size: int | None, sequence_length: int) -> tuple[int, int]:
        """The number of records given, or a good default; fewer if they are long."""
        check_lengths(self.lengths(self.val), "validation")
        return fit_records(self.lengths(self.train), batch_size), sequence_length

    def lanes(
        self,
        batch_size: int,
        sequence_length: int,
        seed: int,
        copy_window: int | None,
        least_count: int | None,
    ) -> Records:
        """Records of similar length in parallel."""
        recalled = self.recalled(copy_window)
        counted = self.counted(least_count)
        return Records(self.train, self.vocabulary.end, batch_size, seed, recalled, counted)

    @property
    def item_end(self) -> int:
        """The end of a record."""
        return self.vocabulary.end

    @property
    def shortest_repeat(self) -> int:
        """Every record counts."""
        return 1

    @cached_property
    def record_summary(self) -> dict[str, Any]:
        """The number of records in each part, and quantiles of their lengths in characters."""
        train = self._lengths_in_characters(self.train)
        val = self._lengths_in_characters(self.val)
        return {
            "train": len(train),
            "val": len(val),
            "lengths": quantiles([*train.tolist(), *val.tolist()]),
        }

    def lengths(self, part: Ids) -> NDArray[np.int64]:
        """The number of symbols of each record in a part, without its end."""
        ends = np.flatnonzero(part == self.vocabulary.end)
        return np.diff(ends, prepend=-1) - 1

    def _lengths_in_characters(self, part: Ids) -> NDArray[np.int64]:
        if self.vocabulary.unit == "byte":
            # in UTF-8, all but the first byte of a character are from 0x80 to 0xBF
            part = part[(part < 0x80) | (part > 0xBF)]
        return self.lengths(part)

    def records(self) -> Iterator[str]:
        """The texts of all records, of both parts."""
        for part in (self.train, self.val):
            for record in each_record(part, self.vocabulary.end):
                yield self.vocabulary.decode(record[:-1])


def read_corpus(
    config: RunConfig,
    text: str | bytes | None,
    tell: Tell,
    known: str = "",
) -> Corpus:
    """The corpus of a configuration, or the text given instead.

    Args:
        config: of the run.
        text: the text, unless the configuration names files.
        tell: called with notices for the user.
        known: the characters of a model that is trained further.

    Raises:
        ConfigError: both are given, or a column without a table.
        CorpusError: it cannot be read, or is too small.
    """
    if text is not None and config.corpus:
        raise ConfigError("`corpus` and `text` cannot both be given; leave one of them out")
    check_column(config)
    notices: list[str] = []
    if text is None:
        blocks: Iterable[str | bytes] = stream(config.corpus, config.data, notices)
    else:
        reading = take(text, config.data)
        notices.extend(reading.notices)
        blocks = [reading.text]
    data = config.data
    corpus = Corpus.of(
        blocks,
        data.val_fraction,
        data.separator,
        notices.append,
        data.min_count,
        known,
    )
    if data.val is not None:
        corpus = _with_validation(corpus, data, notices)
    for notice in notices:
        tell(notice)
    return corpus


def _with_validation(corpus: Corpus, data: DataConfig, notices: list[str]) -> Corpus:
    """A corpus with the text of a file as its validation part.

    Characters that do not occur in the corpus are left out, and of records, the repeated ones.
    """
    assert data.val is not None
    reading = read([data.val], data)
    notices += reading.notices
    vocabulary = corpus.vocabulary
    ids, changes = encode_known(
        vocabulary, reading.text, data.separator, unknown="skip", source=data.val
    )
    if changes:
        notices.append(f"in {data.val}, {'; '.join(changes[:MOST_SHOWN])}")
        if len(changes) > MOST_SHOWN:
            notices[-1] += f"; and {len(changes) - MOST_SHOWN:,} other characters"
    if vocabulary.records:
        ids, num_left_out = without_known_records(ids, corpus.train, vocabulary.end)
        if num_left_out:
            notices.append(
                f"{num_left_out:,} records of {data.val} were left out: they are repeated, or in "
                "the training text"
            )
    if len(ids) < MIN_VALIDATION:
        raise CorpusError(f"too little is left of {data.val} to validate on; give another file")
    return replace(corpus, val=ids)


def _check_surrogates(vocabulary: Vocabulary, ids: Ids) -> None:
    """Refuse half a surrogate pair, which no file can contain."""
    half = re.search("[\ud800-\udfff]", vocabulary.symbols)
    if half is None:
        return
    character = int(np.argmax(ids == half.start())) + 1
    raise CorpusError(
        f"the corpus contains half a surrogate pair, U+{ord(half[0]):04X}, at character "
        f"{character}; remove it"
    )


def _contains(ids: Ids, idx: int) -> bool:
    """Whether an id occurs; block by block, since the ids may be a file mapped into memory."""
    for start in range(0, len(ids), BLOCK):
        if (ids[start : start + BLOCK] == idx).any():
            return True
    return False
