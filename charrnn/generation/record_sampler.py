"""Records drawn side by side, each with its own random stream, and which of them are kept. Knows
nothing of files.

They are always computed in blocks of BLOCK rows, since a product of one row and of many differ in
their last bits. Where a record ends the next one begins in its row, so that which record stands in
which row hangs on the seed alone: record i is the same however many are asked for.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from charrnn.errors import GenerationError
from charrnn.generation.network import Network, State
from charrnn.generation.sampling import Sampler, log_probabilities
from charrnn.vocab import Vocabulary

BLOCK = 32
LONGEST_RECORD = (
    1 << 14
    # characters of a record, unless a longer one is asked for; a model may claim any length for its
    # corpus
)
SHORTEST_LIMIT = 1 << 9  # characters that a record may have, however small the model
MOST_UNENDED = (
    1 << 15
    # characters of records that did not end, drawn since the last one that was kept; or BLOCK
    # records
)
MARKS = 64  # random numbers drawn at once for a record


class Record(NamedTuple):
    """A record that was drawn.

    Args:
        text: all of it, the prompt too.
        number: which one, from 0; with the seed and the settings it makes the record again.
        log_probability: in nats, of what was drawn behind the prompt and of its end, under the
            model itself.
        whole: whether it came to its end before it was too long.
        stuck: whether it did not since all that could follow copied too much.
    """

    text: str
    number: int
    log_probability: float
    whole: bool
    stuck: bool = False


class Streams:
    """The random numbers of BLOCK rows, of each record its own: a generator for ``Sampler``."""

    def __init__(self, seed: int) -> None:
        self.seed, self.marks, self.used = seed, np.empty((BLOCK, MARKS)), np.zeros(BLOCK, np.int64)
        self.generators: list[Any] = [None] * BLOCK

    def begin(self, row: int, number: int) -> None:
        """Let a record begin in a row."""
        self.generators[row] = np.random.default_rng([self.seed, number])
        self.used[row] = MARKS

    def random(self, size: Any = None) -> Any:
        """The next number of each row: (BLOCK,)."""
        for row in np.flatnonzero(self.used == MARKS):
            self.marks[row], self.used[row] = self.generators[row].random(MARKS), 0
        found = self.marks[np.arange(BLOCK), self.used]
        self.used += 1
        return found


def draw_records(
    network: Network,
    vocabulary: Vocabulary,
    prompt: Sequence[int],
    sampler: Sampler,
    seed: int,
    longest: int,
) -> Iterator[Record]:
    """Draw records without end, in the order of their numbers.

    Args:
        network: what predicts.
        vocabulary: with an end of records.
        prompt: ids with which each begins; may be none.
        sampler: how a symbol is drawn.
        seed: the same seed, prompt and settings give the same records.
        longest: symbols of a record, the prompt's and the end counted, after which it is given up.
    """
    end, first = vocabulary.end, len(prompt)
    begin, state = _read_in_a_block(network, [end, *prompt])
    ids = np.zeros((BLOCK, 2 * first + MARKS), np.int32)  # as long as it has to be
    ids[:, : first + 1] = [end, *prompt]
    numbers, lengths, scores = np.arange(BLOCK), np.full(BLOCK, first + 1), np.zeros(BLOCK)
    rows, streams = np.arange(BLOCK), Streams(seed)
    for row in range(BLOCK):
        streams.begin(row, row)
    logits, start, given, waiting = begin, state, 0, dict[int, Record]()
    while True:
        idx = sampler(
            logits,
            streams,
            [each[:length] for each, length in zip(ids, lengths, strict=True)]
            if _looks_back(sampler)
            else (),
        )
        scores += log_probabilities(logits.astype(np.float64))[rows, idx]
        if lengths.max() == ids.shape[1]:
            ids = np.concatenate([ids, np.zeros_like(ids)], axis=1)
        ids[rows, lengths] = idx
        lengths += 1
        ended = (idx == end) | (lengths > longest)
        for row in np.flatnonzero(ended).tolist():
            whole = idx[row] == end
            text = vocabulary.decode(ids[row, 1 : lengths[row] - whole].tolist())
            waiting[int(numbers[row])] = Record(
                text, int(numbers[row]), float(scores[row]), bool(whole)
            )
        while given in waiting:
            yield waiting.pop(given)
            given += 1
        logits, state = network.step(idx, state)
        if ended.any():
            for number, row in enumerate(np.flatnonzero(ended).tolist(), int(numbers.max()) + 1):
                numbers[row], lengths[row], scores[row] = number, first + 1, 0.0
                streams.begin(row, number)
            logits, state = _begun_again(ended, logits, state, begin, start)


def _read_in_a_block(network: Network, ids: Sequence[int]) -> tuple[Any, State]:
    state, logits = network.zero_state(BLOCK), None
    for idx in ids:
        logits, state = network.step(np.full(BLOCK, idx), state)
    return logits, state


def _begun_again(
    ended: Any, logits: Any, state: State, begin: Any, start: State
) -> tuple[Any, State]:
    """What stands behind the prompt in the rows that ended, and what stood there in the others."""
    h, c = (
        np.where(ended[:, None], old, new) for old, new in ((start.h, state.h), (start.c, state.c))
    )
    memories = tuple(
        old if over else new
        for over, old, new in zip(ended, start.memories, state.memories, strict=False)
    )
    return np.where(ended[:, None], begin, logits), State(h, c, memories)


def _looks_back(sampler: Sampler) -> bool:
    return sampler.dry is not None or bool(sampler.processors)


@dataclass
class Tally:
    """How many records were drawn and kept, and how many dropped for which reason, the first of
    these that held."""

    drawn: int = 0
    kept: int = 0
    stuck: int = 0
    too_long: int = 0
    not_one: int = 0
    not_unique: int = 0
    not_new: int = 0
    not_accepted: int = 0

    def __str__(self) -> str:
        reasons = {
            "that could only have copied": self.stuck,
            "that did not end in time": self.too_long,
            "empty or with a separator in it": self.not_one,
            "repeated": self.not_unique,
            "of the corpus": self.not_new,
            "not accepted": self.not_accepted,
        }
        dropped = ", ".join(f"{count:,} {why}" for why, count in reasons.items() if count)
        return f"drew {self.drawn:,} records, kept {self.kept:,}" + (
            f"; dropped: {dropped}" if dropped else ""
        )


class AcceptedRecords:
    """The first ``count`` records that are whole and pass; an iterator, whose ``tally`` says what
    became of the others.

    Args:
        records: what is drawn.
        count: how many are wanted.
        separator: what stands between two of them, its line ends LF, and in none, however its line
            ends are written.
        max_tries: how many may be drawn for them.
        unique: drop one that was kept before.
        known: drop these.
        accept: drop that for which it says False.
        most_unended: characters of records that did not end that may be drawn before the next
            record is kept; None for any number.
    """

    def __init__(
        self,
        records: Iterator[Record],
        count: int,
        separator: str,
        max_tries: int,
        *,
        unique: bool = False,
        known: Container[str] = (),
        accept: Callable[[str], bool] | None = None,
        most_unended: int | None = None,
    ) -> None:
        self.records = records
        self.count = count
        self.separator = separator
        self.max_tries = max_tries
        self.unique = unique
        self.known = known
        self.accept = accept
        self.most_unended = most_unended
        self.tally = Tally()
        self._seen = set[str]()
        self._unended = (
            0  # characters of records that did not end, since the last one that was kept
        )

    def __iter__(self) -> "AcceptedRecords":
        return self

    def __next__(self) -> Record:
        """The next one.

        Raises:
            GenerationError: fewer than wanted were kept of those that may be drawn.
        """
        tally = self.tally
        while tally.kept < self.count:
            if tally.drawn == self.max_tries:
                raise GenerationError(
                    f"{tally.kept:,} of {self.count:,} records were kept: {tally}; "
                    "give more --max-tries, another --temperature, or fewer conditions"
                )
            if self.most_unended is not None and self._unended > self.most_unended:
                raise GenerationError(
                    f"{tally.kept:,} of {self.count:,} records were kept: the model does not end its records ({tally}); "
                    "give a smaller --length or a lower --temperature, or --max-tries to draw on"
                )
            record = next(self.records)
            tally.drawn += 1
            if self._keeps(record):
                tally.kept += 1
                self._unended = 0
                return record
            if not record.whole:
                self._unended += len(record.text)
        raise StopIteration

    def _keeps(self, record: Record) -> bool:
        tally, text = self.tally, record.text
        if record.stuck:
            tally.stuck += 1
        elif not record.whole:
            tally.too_long += 1
        elif not text or self.separator in text.replace("\r\n", "\n"):
            tally.not_one += 1
        elif self.unique and text in self._seen:
            tally.not_unique += 1
        elif text in self.known:
            tally.not_new += 1
        elif self.accept is not None and not self.accept(text):
            tally.not_accepted += 1
        else:
            if self.unique:
                self._seen.add(text)
            return True
        return False
