"""The decoding loop of one stream: ids in, ids out; and from there to pieces of text, and where it
ends. Knows nothing of files.

Three layers, each on the one before: ``decode`` gives ids, ``pieces`` gives text that is whole,
``until_boundary`` and ``until_stop`` cut it.
"""

import itertools
import math
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from charrnn.config.arguments import string, whole_number
from charrnn.errors import ConfigError, GenerationError
from charrnn.generation.network import Network
from charrnn.generation.sampling import Sampler, log_probabilities
from charrnn.vocab import Decoder, Ids, Vocabulary

REACH = 8192  # symbols that a sampler is shown of what was read
MOST_BEYOND = 10_000  # characters behind the length that a boundary may take
TAIL = 200  # characters in which a boundary is looked for
STOPS = (
    ".!?\u2026\u0589\u061f\u06d4\u0964\u0965"  # with those of Armenian, Arabic, Urdu and Devanagari
)
CLOSING, FULL_STOPS, CLOSING_WIDE = (
    "\"'\u201d\u2019\u00bb)\\]",
    "\u3002\uff01\uff1f",
    "\u300d\u300f\u201d\u2019\uff09",
)
BOUNDARIES = {
    "sentence": re.compile(
        rf"[{STOPS}]+[{CLOSING}]*(?=\s)|[{FULL_STOPS}]+[{CLOSING_WIDE}]*(?=[^{FULL_STOPS}{CLOSING_WIDE}])"
    ),
    "line": re.compile(r"(?=\n)"),
    "paragraph": re.compile(r"(?=\n[ \t\r]*\n)"),
}


class Symbol(NamedTuple):
    """One drawn symbol: its id, and its log-probability in nats under the model itself, whatever
    the sampler does."""

    idx: int
    log_probability: float


class History:
    """Ids in the order in which they were read, the last REACH of which are looked back at.

    Args:
        ids: what was read before.
        forgets: whether those further back are given up, so that memory does not grow.
    """

    def __init__(self, ids: Sequence[int] = (), *, forgets: bool = False) -> None:
        self._ids = np.empty(max(64, 2 * len(ids)), np.int32)
        self._ids[: len(ids)] = ids
        self.length, self.forgets = len(ids), forgets

    def append(self, idx: int) -> None:
        """One more."""
        if self.forgets and self.length == 2 * REACH:
            self._ids[:REACH], self.length = self.last.copy(), REACH
        elif self.length == len(self._ids):
            self._ids = np.concatenate([self._ids, np.empty_like(self._ids)])
        self._ids[self.length] = idx
        self.length += 1

    def back_to(self, length: int, last: Sequence[int] = ()) -> None:
        """As it was when so many were kept, of which these were the last."""
        self.length = length
        self._ids[length - len(last) : length] = last

    def since(self, length: int) -> tuple[int, ...]:
        """Those that have come since so many were kept."""
        return tuple(self._ids[length : self.length].tolist())

    @property
    def ids(self) -> list[int]:
        """All that are kept."""
        ids: list[int] = self._ids[: self.length].tolist()
        return ids

    @property
    def last(self) -> Ids:
        """The last of them: (n,), n at most REACH."""
        return self._ids[max(0, self.length - REACH) : self.length]


class Writer:
    """A network that reads and draws, one symbol after another.

    Args:
        network: what predicts.
        sampler: how a symbol is drawn.
        rng: used once for each symbol.
        forgets: as for ``History``.
    """

    def __init__(
        self, network: Network, sampler: Sampler, rng: np.random.Generator, *, forgets: bool = False
    ) -> None:
        self.network, self.sampler, self.rng = network, sampler, rng
        self.state, self.history = network.zero_state(), History(forgets=forgets)
        self.logits: Any = None  # (V,), once something was read

    def read(self, ids: Iterable[int]) -> None:
        """Go on after these."""
        for idx in ids:
            self.logits, self.state = self.network.step(int(idx), self.state)
            self.history.append(int(idx))

    def draw(self, *, scored: bool = False) -> Symbol:
        """What comes next; it is not read yet. Without ``scored`` its log-probability is 0."""
        idx = int(self.sampler(self.logits, self.rng, self.history.last))
        return Symbol(
            idx, float(log_probabilities(self.logits.astype(np.float64))[idx]) if scored else 0.0
        )


def decode(
    network: Network,
    prompt: Ids | Sequence[int],
    sampler: Sampler,
    rng: np.random.Generator,
    *,
    scored: bool = False,
) -> Iterator[Symbol]:
    """Draw symbols without end.

    Args:
        network: what predicts.
        prompt: ids that are read first, at least one.
        sampler: how a symbol is drawn.
        rng: used once for each symbol.
        scored: whether log-probabilities are wanted; without, they are 0.
    """
    writer, read = Writer(network, sampler, rng, forgets=True), prompt
    while True:
        writer.read(read)
        symbol = writer.draw(scored=scored)
        yield symbol
        read = (symbol.idx,)


class Sample(NamedTuple):
    """A text that was written, the seed that writes it again, and its log-probability in nats.

    The log-probability is that of all symbols drawn (a stop string's too), under the model itself,
    whatever the sampler did.
    """

    text: str
    seed: int
    log_probability: float


def score(network: Network, ids: Sequence[int]) -> list[float]:
    """The log-probability of each of some ids given all before it, but for the first of them."""
    state, scores = network.zero_state(), []
    for previous, idx in itertools.pairwise(ids):
        logits, state = network.step(previous, state)
        scores.append(float(log_probabilities(logits.astype(np.float64))[idx]))
    return scores


class Piece(NamedTuple):
    """Some text, and the log-probability of the symbols that it took; empty only where a stop
    string took them all."""

    text: str
    log_probability: float


def pieces(
    decoder: Decoder, symbols: Iterator[Symbol], length: float, end: int = -1
) -> Generator[Piece, None, str]:
    """The text of the symbols, ``length`` characters in all, or up to the end of a record or of the
    symbols.

    A character of several bytes comes when it is whole.

    Returns:
        characters that came with the last one, and are too many.
    """
    waiting, rest = 0.0, ""
    while length > 0:
        symbol = next(symbols, None)
        waiting += symbol.log_probability if symbol else 0.0
        if symbol is None or symbol.idx == end:
            yield Piece(decoder.flush(), waiting)
            break
        if text := decoder.decode((symbol.idx,)):
            text, rest = (
                (text, "") if len(text) <= length else (text[: int(length)], text[int(length) :])
            )
            yield Piece(text, waiting)
            length, waiting = length - len(text), 0.0
    return rest


def until_boundary(stream: Iterable[Piece], length: int, until: str) -> Generator[Piece, None, str]:
    """An endless stream up to the first boundary at or behind ``length`` characters; space that may
    stand behind it is held back.

    Args:
        stream: of text.
        length: in characters.
        until: ``"sentence"``, ``"line"`` or ``"paragraph"``, whose last newline is left out; or any
            string, which is not.

    Returns:
        what was read beyond the boundary.

    Raises:
        GenerationError: there was none within MOST_BEYOND characters; they have been given.
    """
    boundary = BOUNDARIES.get(until) or re.compile(re.escape(until))
    tail, start, given, waiting = (
        "",
        0,
        0,
        0.0,
    )  # the text from ``start`` on, of which what stands before ``given`` was given
    for piece in stream:
        tail, waiting = tail + piece.text, waiting + piece.log_probability
        here = start + len(tail)
        if here >= length:
            ends = (start + found.end() for found in boundary.finditer(tail))
            if (cut := next((end for end in ends if end >= max(length, given)), None)) is not None:
                yield Piece(tail[given - start : cut - start], waiting)
                return tail[cut - start :]
        whole = here - (len(tail) - len(tail.rstrip()) if here < length + MOST_BEYOND else 0)
        upto = max(given, min(here, length), whole)
        if upto > given:
            yield Piece(tail[given - start : upto - start], waiting)
            given, waiting = upto, 0.0
        if here >= length + MOST_BEYOND:
            raise GenerationError(
                f"until: no {until if until in BOUNDARIES else repr(until)} ended within {MOST_BEYOND:,} characters behind the first "
                f"{length:,}; give another --until, or a --temperature nearer to 1"
            )
        drop = max(0, min(given - start, len(tail) - TAIL - len(until)))
        tail, start = tail[drop:], start + drop
    yield Piece(tail[given - start :], waiting)
    return ""


def until_stop(stream: Iterable[Piece], stops: Sequence[str]) -> Iterator[Piece]:
    """The stream up to the first stop string, which is left out; what may be the beginning of one
    is held back."""
    held, waiting = "", 0.0
    for piece in stream:
        held, waiting = held + piece.text, waiting + piece.log_probability
        ends = [(held.index(stop) + len(stop), held.index(stop)) for stop in stops if stop in held]
        if ends:
            yield Piece(held[: min(ends)[1]], waiting)
            return
        keep = max(
            (
                size
                for stop in stops
                for size in range(min(len(stop), len(held) + 1))
                if held.endswith(stop[:size])
            ),
            default=0,
        )
        if len(held) > keep:
            yield Piece(held[: len(held) - keep], waiting)
            held, waiting = held[len(held) - keep :], 0.0
    if held:
        yield Piece(held, waiting)


def _strings(name: str, value: Any) -> tuple[str, ...]:
    """One string, or a list of them, that somebody gave."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{name}: must be a string, or a list of strings, got {value!r}")
    return tuple(string(name, part) for part in value)


class End(NamedTuple):
    """Where a text ends."""

    length: int
    stops: tuple[str, ...]
    until: str | None

    @classmethod
    def of(
        cls, vocabulary: Vocabulary, length: int, stop: str | Sequence[str], until: str | None
    ) -> "End":
        """Checked.

        Raises:
            ConfigError: a string is empty, or the length no whole number from 0.
            VocabularyError: the boundary could never come.
        """
        stops = _strings("stop", stop)
        if until is not None:
            string("until", until)
        if "" in stops or until == "":
            raise ConfigError(
                f"{'stop' if '' in stops else 'until'}: '' is not possible; give a string of at least one character"
            )
        vocabulary.encode(until if until and until not in BOUNDARIES else "")
        return cls(whole_number("length", length), stops, until)

    def of_text(self, vocabulary: Vocabulary, symbols: Iterator[Symbol]) -> Iterator[Piece]:
        """The text of some symbols up to here."""
        stream: Iterator[Piece] = pieces(
            vocabulary.decoder(), symbols, math.inf if self.until else self.length, vocabulary.end
        )
        stream = until_boundary(stream, self.length, self.until) if self.until else stream
        return until_stop(stream, self.stops) if self.stops else stream
