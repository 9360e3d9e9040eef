"""Draw records side by side, each with its own random stream.

Records are always computed in blocks of BLOCK rows, since the product of one row and that of many
differ in their last bits. So do the rows of one product, as OpenBLAS computes some of them by other
kernels. Therefore record i is always in row i mod BLOCK: it is the same regardless of how many are
drawn. Of N blocks that draw them, each draws every Nth round of BLOCK records.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from charrnn.context_mixing.contexts import Readings
from charrnn.generation.interruption import pause_point
from charrnn.generation.network import Network, State
from charrnn.generation.sampling import Sampler, log_probabilities
from charrnn.generation.share import WHOLE, Share
from charrnn.vocab import Ids, Vocabulary

BLOCK = 32
MARKS = 64  # random numbers drawn at once for a record


class Record(NamedTuple):
    """A record that was drawn.

    Args:
        text: including the prompt.
        number: from 0; with the seed and the settings it reproduces the record.
        log_probability: in nats, of what follows the prompt, and of the end, under the model
            itself.
        whole: whether it ended before it was too long.
        stuck: whether it was given up because everything that could follow copied too much.
    """

    text: str
    number: int
    log_probability: float
    whole: bool
    stuck: bool = False


class Streams:
    """Random numbers for BLOCK rows, each from its own generator; for Sampler."""

    def __init__(self) -> None:
        self.generators: list[Any] = [None] * BLOCK
        self.marks = np.empty((BLOCK, MARKS))
        self.used = np.zeros(BLOCK, np.int64)  # marks used of each row

    def begin(self, row: int, seed: Any) -> None:
        """Begin a record or text in a row, with a seed for ``numpy.random.default_rng``."""
        self.generators[row] = np.random.default_rng(seed)
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
        prefix: ids that are read before each record: the end of the previous one, and the prompt.
        seed: of all records.
        share: which records it draws.
    """

    def __init__(self, prefix: Sequence[int], seed: int, share: Share) -> None:
        first = len(prefix)
        self.first = first  # index of the first symbol drawn
        self.rows = np.arange(BLOCK)
        self.numbers = share.index * BLOCK + self.rows
        self.numbers_apart = share.count * BLOCK
        self.ids = np.zeros((BLOCK, 2 * first + MARKS), np.int32)  # grows
        self.ids[:, :first] = prefix
        self.lengths = np.full(BLOCK, first)
        self.scores = np.zeros(BLOCK)
        self.seed = seed
        self.streams = Streams()
        for row in range(BLOCK):
            self.streams.begin(row, [seed, int(self.numbers[row])])

    def read(self) -> list[Ids]:
        """The ids of each record so far."""
        rows = zip(self.ids, self.lengths, strict=True)
        return [ids[:length] for ids, length in rows]

    def append(self, idx: Any, logits: Any) -> None:
        """Add ids (BLOCK,) that were drawn from logits (BLOCK, V)."""
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
        for row in rows:
            number = int(self.numbers[row]) + self.numbers_apart
            self.numbers[row] = number
            self.lengths[row] = self.first
            self.scores[row] = 0.0
            self.streams.begin(row, [self.seed, number])


def draw_records(
    network: Network,
    vocabulary: Vocabulary,
    prompt: Sequence[int],
    sampler: Sampler,
    seed: int,
    longest: int,
    share: Share = WHOLE,
) -> Iterator[Record]:
    """Draw records without end, in the order of their numbers.

    Args:
        network: predicts.
        vocabulary: of records.
        prompt: ids with which each record begins; may be empty.
        sampler: how a symbol is drawn.
        seed: the same seed, prompt and settings give the same records.
        longest: symbols of a record, including the prompt and the end, after which it is given up.
        share: which rounds of BLOCK records are drawn.
    """
    prefix = [vocabulary.end, *prompt]
    block = Block(prefix, seed, share)
    start_logits, start_state = read_in_a_block(network, prefix)
    logits = start_logits  # (BLOCK, V)
    state = start_state
    looks_back = sampler.looks_back
    numbers = share.numbers(BLOCK)
    next_number = next(numbers)
    waiting = dict[int, Record]()  # finished before a record with a smaller number
    while True:
        pause_point()
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
            next_number = next(numbers)
        logits, state = network.step(idx, state)
        if ended_rows:
            block.begin_next(ended_rows)
            logits = np.where(ended[:, None], start_logits, logits)
            state = _begun_again(ended, state, start_state)


def read_in_a_block(network: Network, ids: Sequence[int]) -> tuple[Any, State]:
    """The logits (BLOCK, V) and the state after some ids."""
    state = network.zero_state(BLOCK)
    logits = None
    for idx in ids:
        pause_point()
        logits, state = network.step(np.full(BLOCK, idx), state)
    return logits, state


def _begun_again(ended: Any, state: State, start: State) -> State:
    """The state, in which the rows (BLOCK,) that ended are reset to the start."""
    column = ended[:, None]  # (BLOCK, 1)
    h = np.where(column, start.h, state.h)
    c = np.where(column, start.c, state.c)
    memories = list(state.memories)
    if memories:
        for row in np.flatnonzero(ended):
            memories[row] = start.memories[row]
    reading = state.reading
    if isinstance(reading, Readings) and isinstance(start.reading, Readings):
        reading = reading.taken(slice(None))
        reading.put(ended, start.reading)
    return State(h, c, tuple(memories), reading)
