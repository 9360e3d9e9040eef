"""Records drawn side by side, each with its own random stream, and which of them are kept.

Records are always computed in blocks of BLOCK rows, since a product of one row and one of many
differ in their last bits. Where a record ends, the next one begins in its row, so which record is
in which row depends on the seed alone: record i is the same however many are drawn.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from charrnn.errors import GenerationError
from charrnn.generation.network import Network, State
from charrnn.generation.sampling import Sampler, log_probabilities
from charrnn.vocab import Ids, Vocabulary

BLOCK = 32
# characters of a record, without a longer limit; a model may claim any length for its corpus
LONGEST_RECORD = 1 << 14
SHORTEST_LIMIT = 1 << 9  # characters that a record may have, however small the model
# characters of records that did not end, drawn since the last one kept; or those of BLOCK records
MOST_UNENDED = 1 << 15
MARKS = 64  # random numbers drawn at once for a record


class Record(NamedTuple):
    """A record that was drawn.

    Args:
        text: including the prompt.
        number: from 0; with the seed and the settings it draws the record again.
        log_probability: in nats, of what follows the prompt, and of the end, under the model
            itself.
        whole: whether it ended before it was too long.
        stuck: whether it did not end because all that could follow copied too much.
    """

    text: str
    number: int
    log_probability: float
    whole: bool
    stuck: bool = False


class Streams:
    """Random numbers for BLOCK rows, from each record's own generator: a generator for Sampler."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.generators: list[Any] = [None] * BLOCK
        self.marks = np.empty((BLOCK, MARKS))
        self.used = np.zeros(BLOCK, np.int64)  # marks of each row

    def begin(self, row: int, number: int) -> None:
        """Begin a record in a row."""
        self.generators[row] = np.random.default_rng([self.seed, number])
        self.used[row] = MARKS

    def random(self, size: Any = None) -> Any:
        """The next number of each row: (BLOCK,)."""
        for row in np.flatnonzero(self.used == MARKS):
            self.marks[row] = self.generators[row].random(MARKS)
            self.used[row] = 0
        marks = self.marks[np.arange(BLOCK), self.used]
        self.used += 1
        return marks


class Block:
    """BLOCK records that are being drawn, one in each row.

    Args:
        prefix: ids with which each record begins: the end of the one before, and the prompt.
        seed: of all records.
    """

    def __init__(self, prefix: Sequence[int], seed: int) -> None:
        first = len(prefix)
        self.first = first  # where what is drawn begins
        self.rows = np.arange(BLOCK)
        self.numbers = np.arange(BLOCK)
        self.ids = np.zeros((BLOCK, 2 * first + MARKS), np.int32)  # grows
        self.ids[:, :first] = prefix
        self.lengths = np.full(BLOCK, first)
        self.scores = np.zeros(BLOCK)
        self.streams = Streams(seed)
        for row in range(BLOCK):
            self.streams.begin(row, row)

    def read(self) -> list[Ids]:
        """The ids of each record so far."""
        return [ids[:length] for ids, length in zip(self.ids, self.lengths, strict=True)]

    def append(self, idx: Any, logits: Any) -> None:
        """Add ids (BLOCK,) that were drawn by logits (BLOCK, V)."""
        of_all = log_probabilities(logits.astype(np.float64))  # (BLOCK, V)
        self.scores += of_all[self.rows, idx]
        room = self.ids.shape[1]
        if self.lengths.max() == room:
            more = np.zeros_like(self.ids)
            self.ids = np.concatenate([self.ids, more], axis=1)
        self.ids[self.rows, self.lengths] = idx
        self.lengths += 1

    def record(self, row: int, vocabulary: Vocabulary) -> Record:
        """The record of a row that ended, or that is too long."""
        length = self.lengths[row]
        ids = self.ids[row, 1:length].tolist()
        whole = ids[-1] == vocabulary.end
        if whole:
            ids.pop()
        return Record(
            text=vocabulary.decode(ids),
            number=int(self.numbers[row]),
            log_probability=float(self.scores[row]),
            whole=whole,
        )

    def begin_next(self, rows: Sequence[int]) -> None:
        """Begin the next records in some rows."""
        number = int(self.numbers.max())
        for row in rows:
            number += 1
            self.numbers[row] = number
            self.lengths[row] = self.first
            self.scores[row] = 0.0
            self.streams.begin(row, number)


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
        network: predicts.
        vocabulary: of records.
        prompt: ids with which each record begins; may be empty.
        sampler: how a symbol is drawn.
        seed: the same seed, prompt and settings give the same records.
        longest: symbols of a record, including the prompt and the end, after which it is given up.
    """
    prefix = [vocabulary.end, *prompt]
    block = Block(prefix, seed)
    start_logits, start_state = _read_in_a_block(network, prefix)
    logits = start_logits  # (BLOCK, V)
    state = start_state
    looks_back = sampler.looks_back
    next_number = 0
    waiting = dict[int, Record]()  # for one with a smaller number
    while True:
        read = block.read() if looks_back else []
        idx = sampler(logits, block.streams, read)  # (BLOCK,)
        block.append(idx, logits)
        ended = (idx == vocabulary.end) | (block.lengths > longest)  # (BLOCK,)
        ended_rows = np.flatnonzero(ended).tolist()
        for row in ended_rows:
            record = block.record(row, vocabulary)
            waiting[record.number] = record
        while next_number in waiting:
            yield waiting.pop(next_number)
            next_number += 1
        logits, state = network.step(idx, state)
        if ended_rows:
            block.begin_next(ended_rows)
            logits = np.where(ended[:, None], start_logits, logits)
            state = _begun_again(ended, state, start_state)


def _read_in_a_block(network: Network, ids: Sequence[int]) -> tuple[Any, State]:
    """The logits (BLOCK, V) and the state after some ids."""
    state = network.zero_state(BLOCK)
    logits = None
    for idx in ids:
        logits, state = network.step(np.full(BLOCK, idx), state)
    return logits, state


def _begun_again(ended: Any, state: State, start: State) -> State:
    """The state with the rows (BLOCK,) that ended taken from the start."""
    column = ended[:, None]  # (BLOCK, 1)
    h = np.where(column, start.h, state.h)
    c = np.where(column, start.c, state.c)
    memories = list(state.memories)
    if memories:
        for row in np.flatnonzero(ended):
            memories[row] = start.memories[row]
    return State(h, c, tuple(memories))


@dataclass
class Tally:
    """The number of records drawn, kept, and dropped for each reason, the first that applied."""

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
        summary = f"drew {self.drawn:,} records, kept {self.kept:,}"
        dropped = [f"{count:,} {reason}" for reason, count in reasons.items() if count]
        if dropped:
            summary += "; dropped: " + ", ".join(dropped)
        return summary


class AcceptedRecords:
    """An iterator over the first ``count`` records that are whole and pass every condition.

    Its ``tally`` says what became of the others.

    Args:
        records: drawn.
        count: of records wanted.
        separator: the string between two records, with LF line ends; a record that contains it,
            whatever its line ends, is dropped.
        max_tries: the most records to draw.
        unique: drop a record that was kept before.
        known: drop these records.
        accept: drop a record for which it returns False.
        most_unended: characters of unfinished records that may be drawn before the next record is
            kept; None for any number.
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
        self._unended = 0  # characters of unfinished records, since the last one kept

    def __iter__(self) -> "AcceptedRecords":
        return self

    def __next__(self) -> Record:
        """The next record.

        Raises:
            GenerationError: too few of the records that may be drawn were kept.
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
                    f"{tally.kept:,} of {self.count:,} records were kept: "
                    f"the model does not end its records ({tally}); "
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
        tally = self.tally
        text = record.text
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
