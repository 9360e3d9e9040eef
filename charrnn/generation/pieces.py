"""Turn drawn symbols into pieces of text, and end the text: length, boundary, stop strings."""

import math
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from charrnn.config.arguments import string, whole_number
from charrnn.errors import ConfigError, GenerationError
from charrnn.generation.decode import Symbol
from charrnn.vocab import Decoder, Vocabulary

MOST_BEYOND = 10_000  # characters after the length in which a boundary must come
TAIL = 200  # characters that are kept to search for a boundary
STOPS = ".!?\u2026\u0589\u061f\u06d4\u0964\u0965"  # also Armenian, Arabic, Urdu, Devanagari
CLOSING = "\"'\u201d\u2019\u00bb)\\]"
WIDE_STOPS = "\u3002\uff01\uff1f"
WIDE_CLOSING = "\u300d\u300f\u201d\u2019\uff09"
BOUNDARIES = {
    "sentence": re.compile(
        rf"[{STOPS}]+[{CLOSING}]*(?=\s)"
        rf"|[{WIDE_STOPS}]+[{WIDE_CLOSING}]*(?=[^{WIDE_STOPS}{WIDE_CLOSING}])"
    ),
    "line": re.compile(r"(?=\n)"),
    "paragraph": re.compile(r"(?=\n[ \t\r]*\n)"),
}


class Piece(NamedTuple):
    """Some text, and the log-probability of the symbols drawn for it.

    The text is empty only if all of these belong to a stop string or to the end of a record.
    """

    text: str
    log_probability: float


def pieces(
    decoder: Decoder,
    symbols: Iterator[Symbol],
    length: float,
    end: int = -1,
    on_symbol: Callable[[Symbol], object] | None = None,
) -> Generator[Piece, None, str]:
    """Decode symbols to text; a character of several bytes is yielded once it is whole.

    Args:
        decoder: of the vocabulary.
        symbols: read no further than needed.
        length: in characters; the text is shorter if the symbols or the record end.
        end: id of the end of a record; -1 for continuous text.
        on_symbol: called with each symbol.

    Returns:
        the characters beyond the length that were decoded with the last one.
    """
    if length <= 0:
        return ""
    log_probability = 0.0  # of the symbols since the last piece
    for symbol in symbols:
        if on_symbol is not None:
            on_symbol(symbol)
        log_probability += symbol.log_probability
        if symbol.idx == end:
            break
        text = decoder.decode((symbol.idx,))
        if len(text) >= length:
            cut = int(length)
            yield Piece(text[:cut], log_probability)
            return text[cut:]
        if text:
            yield Piece(text, log_probability)
            length -= len(text)
            log_probability = 0.0
    yield Piece(decoder.flush(), log_probability)
    return ""


def until_boundary(stream: Iterable[Piece], length: int, until: str) -> Generator[Piece, None, str]:
    """Cut a stream at the first boundary at or after ``length`` characters.

    White space is held back until a character follows, since a boundary may be before it.

    Args:
        stream: endless pieces of text.
        length: in characters.
        until: ``"sentence"``, ``"line"`` or ``"paragraph"``, whose last newline is left out; or any
            other string, which is included.

    Returns:
        what was read beyond the boundary.

    Raises:
        GenerationError: no boundary was found; MOST_BEYOND characters were yielded by then.
    """
    boundary = BOUNDARIES.get(until) or re.compile(re.escape(until))
    tail = ""  # the text from character ``start`` on
    start = 0
    given = 0  # characters
    log_probability = 0.0  # of what was read since the last piece
    for piece in stream:
        tail += piece.text
        log_probability += piece.log_probability
        read = start + len(tail)
        if read >= length:
            cut = _boundary_end(boundary, tail, max(length, given) - start)
            if cut >= 0:
                yield Piece(tail[given - start : cut], log_probability)
                return tail[cut:]
        ready = read
        if read < length + MOST_BEYOND:
            ready = max(min(read, length), start + len(tail.rstrip()))
        if ready > given:
            yield Piece(tail[given - start : ready - start], log_probability)
            given = ready
            log_probability = 0.0
        if read >= length + MOST_BEYOND:
            raise _no_boundary(until, length)
        surplus = min(given - start, len(tail) - TAIL - len(until))
        if surplus > 0:
            tail = tail[surplus:]
            start += surplus
    yield Piece(tail[given - start :], log_probability)
    return ""


def _boundary_end(boundary: re.Pattern[str], text: str, least: int) -> int:
    """Where the first boundary ends that ends at ``least`` or later; -1 without one."""
    for match in boundary.finditer(text):
        if match.end() >= least:
            return match.end()
    return -1


def _no_boundary(until: str, length: int) -> GenerationError:
    what = f"{until!r} does not occur"
    advice = f"give {', '.join(BOUNDARIES)} or a frequent string as `until`"
    if until in BOUNDARIES:
        what = f"no {until} ends"
        advice = "give another `until` or `seed`, or train the model longer"
    return GenerationError(
        f"{what} in the {MOST_BEYOND:,} characters after the first {length:,}; {advice}"
    )


def until_stop(stream: Iterable[Piece], stops: Sequence[str]) -> Iterator[Piece]:
    """Cut a stream before the first stop string; text that may begin one is held back."""
    text = ""  # read but not yielded yet
    log_probability = 0.0
    for piece in stream:
        text += piece.text
        log_probability += piece.log_probability
        cut = _stop_begin(text, stops)
        if cut >= 0:
            yield Piece(text[:cut], log_probability)
            return
        ready = len(text) - _begun_stop(text, stops)
        if ready:
            yield Piece(text[:ready], log_probability)
            text = text[ready:]
            log_probability = 0.0
    if text:
        yield Piece(text, log_probability)


def _stop_begin(text: str, stops: Sequence[str]) -> int:
    """Where the stop string that ends first begins (the longest of several); -1 without one."""
    begin = -1
    end = len(text) + 1
    for stop in stops:
        place = text.find(stop)
        if place >= 0 and (place + len(stop), place) < (end, begin):
            begin = place
            end = place + len(stop)
    return begin


def _begun_stop(text: str, stops: Sequence[str]) -> int:
    """The number of characters at the end of a text that may begin a stop string."""
    longest = 0
    for stop in stops:
        for size in range(longest + 1, min(len(stop), len(text) + 1)):
            if text.endswith(stop[:size]):
                longest = size
    return longest


class End(NamedTuple):
    """Where a text ends.

    Args:
        length: in characters.
        stops: strings before which it ends.
        until: the boundary at or after the length; None for the length itself.
    """

    length: int
    stops: tuple[str, ...]
    until: str | None

    @classmethod
    def of(
        cls,
        vocabulary: Vocabulary,
        length: int,
        stop: str | Sequence[str],
        until: str | None,
    ) -> "End":
        """Check the arguments that a user gave.

        Raises:
            ConfigError: a string is empty, or the length is not an integer ≥ 0.
            VocabularyError: the boundary has a character that the model cannot write.
        """
        stops = _strings("stop", stop)
        if until is not None:
            string("until", until)
        if "" in stops:
            raise _empty("stop")
        if until == "":
            raise _empty("until")
        if until is not None and until not in BOUNDARIES:
            vocabulary.encode(until)
        return cls(whole_number("length", length), stops, until)

    def of_text(
        self,
        vocabulary: Vocabulary,
        symbols: Iterator[Symbol],
        on_symbol: Callable[[Symbol], object] | None = None,
    ) -> Iterator[Piece]:
        """Decode symbols to text, cut where it ends."""
        stream: Iterator[Piece]
        if self.until is None:
            stream = pieces(vocabulary.decoder(), symbols, self.length, vocabulary.end, on_symbol)
        else:
            endless = pieces(vocabulary.decoder(), symbols, math.inf, vocabulary.end, on_symbol)
            stream = until_boundary(endless, self.length, self.until)
        if self.stops:
            stream = until_stop(stream, self.stops)
        return stream


def _strings(name: str, value: Any) -> tuple[str, ...]:
    """The strings that a user gave: one, or a list of them."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise ConfigError(f"`{name}` must be a string or a list of strings, got {value!r}")
    return tuple(string(name, part) for part in value)


def _empty(name: str) -> ConfigError:
    return ConfigError(f"`{name}` must have at least one character, got ''")
