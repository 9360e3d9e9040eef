"""Copies: what a text copies word for word from a corpus, and what a corpus repeats."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from charrnn.config.arguments import ignore
from charrnn.config.run_config import DataConfig
from charrnn.corpus.corpus import Corpus
from charrnn.originality.alphabet import alphabet_of
from charrnn.originality.corpus_index import Index, Place
from charrnn.originality.suffix_array import (
    OnProgress,
    Span,
    Suffixes,
    packed,
    symbol_width,
)

LENGTHS = (20, 40, 80)  # symbols; the shares of passages of these lengths are reported
REPEATED = 80  # symbols of the shortest passage that is reported as repeated
MOST_PASSAGES = 10

Shares = dict[int, float]


class Copy(NamedTuple):
    """A passage of a text that occurs in the corpus.

    Args:
        start: where it begins in the text, in symbols, counted from 0.
        length: in symbols.
        place: where it first occurs in the corpus.
    """

    start: int
    length: int
    place: Place


@dataclass(frozen=True)
class Copies:
    """What a text copies from the corpus.

    Args:
        characters: the number of characters in the text.
        shares: by length: the share of the characters that are in a copied passage of this length
            or longer.
        longest: the first of the longest passages; None if no character is in the corpus.
        copies: the passages of at least the given length, in order, none inside another.
    """

    characters: int
    shares: Shares
    longest: Copy | None
    copies: tuple[Copy, ...]

    @property
    def share(self) -> float:
        """The share of the characters that are in one of the passages."""
        return _share(self.copies, self.characters)


class Passage(NamedTuple):
    """A passage that occurs in the corpus more than once: its length, two places, and its text."""

    length: int
    places: tuple[Place, Place]
    text: str


@dataclass(frozen=True)
class HeldOut:
    """What the validation part has in common with the training part.

    Args:
        characters: the number of characters in the validation part, without the ends of records.
        shares: by length: the share of the characters that are in a passage of this length or
            longer, within one record, that also occurs in the training part.
        longest: the longest passage, and where it first occurs in the corpus; None if no character
            is in the training part.
        text: the text of the longest passage.
    """

    characters: int
    shares: Shares
    longest: Copy | None
    text: str


@dataclass(frozen=True)
class Leaks:
    """What a corpus repeats.

    Args:
        characters: the number of characters in the corpus.
        repeated: the share of its characters that are in a passage of ``REPEATED`` or more that
            also occurs elsewhere in the corpus.
        passages: the longest of these, each once.
        held: what of the validation part is also in the training part; None without a validation
            part.
    """

    characters: int
    repeated: float
    passages: tuple[Passage, ...]
    held: HeldOut | None


def find_copies(
    index: Index,
    text: str | bytes,
    least: int = LENGTHS[0],
    on_progress: OnProgress = ignore,
) -> Copies:
    """What a text copies from an indexed corpus.

    Args:
        index: of the corpus.
        text: characters; or bytes, if the corpus consists of bytes.
        least: symbols of the shortest passage that is listed.
        on_progress: called now and then with the number of symbols done since the last call.
    """
    suffixes = index.suffixes
    data = index.encode(text)
    num_symbols = len(data) // suffixes.width
    spans = list(suffixes.spans(data, min(least, LENGTHS[0]), on_progress=on_progress))
    longest = _longest(suffixes, data, spans, least)
    listed = [span for span in spans if span.length >= least]
    return Copies(
        characters=num_symbols,
        shares=_shares(spans, num_symbols),
        longest=None if longest is None else _copy(index, longest),
        copies=tuple(_copy(index, span) for span in listed),
    )


def find_leaks(
    index: Index,
    data: DataConfig,
    on_progress: OnProgress = ignore,
) -> Leaks:
    """What an indexed corpus, split as in the configuration, repeats.

    ``on_progress`` is called as in ``find_copies``, for the corpus and for its validation part.
    """
    suffixes = index.suffixes
    whole = bytes(suffixes.text[:])
    repeats = list(suffixes.spans(whole, REPEATED, times=2, on_progress=on_progress))
    corpus = Corpus.of(index.text, data.val_fraction, data.separator)
    held_out = _held_out(index, corpus, on_progress) if len(corpus.val) else None
    return Leaks(
        characters=len(index),
        repeated=_share(repeats, len(index)),
        passages=tuple(_passages(index, whole, repeats)),
        held=held_out,
    )


def pieces(text: str | bytes, copies: Iterable[Copy]) -> Iterator[tuple[str, Copy | None]]:
    """Cut a text where copied passages begin and end.

    Yields each piece and the passage that it is part of; the first one if two overlap.
    """
    done = 0
    for copy in copies:
        start = _character_start(text, copy.start)
        if start > done:
            yield as_str(text[done:start]), None
            done = start
        end = _character_start(text, copy.start + copy.length)
        if end > done:
            yield as_str(text[done:end]), copy
            done = end
    if done < len(text):
        yield as_str(text[done:]), None


def _character_start(text: str | bytes, place: int) -> int:
    """The place, or the end of the UTF-8 character that it is inside of."""
    if isinstance(text, str):
        return place
    while place < len(text) and text[place] & 0xC0 == 0x80:
        place += 1
    return place


def as_str(text: str | bytes) -> str:
    """A text as a string, to show it; bytes are decoded as UTF-8."""
    if isinstance(text, str):
        return text
    return text.decode("utf-8", "replace")


def _copy(index: Index, span: Span) -> Copy:
    return Copy(span.start, span.length, index.place(span.position))


def _longest(
    suffixes: Suffixes,
    data: bytes,
    spans: list[Span],
    least: int,
) -> Span | None:
    """The first of the longest spans; searches for shorter ones if there are none yet."""
    below = min(least, LENGTHS[0])
    while not spans and below > 1:
        below //= 2
        spans = list(suffixes.spans(data, below))
    return max(spans, key=lambda span: span.length, default=None)


def _shares(spans: list[Span], num_symbols: int) -> Shares:
    shares: Shares = {}
    for length in LENGTHS:
        long_spans = [span for span in spans if span.length >= length]
        shares[length] = _share(long_spans, num_symbols)
    return shares


def _share(spans: Iterable[Span | Copy], num_symbols: int) -> float:
    """The share of the symbols that are in at least one of these spans, which are in order."""
    if not num_symbols:
        return 0.0
    covered = 0
    until = 0
    for span in spans:
        end = span.start + span.length
        covered += max(0, end - max(until, span.start))
        until = end
    return covered / num_symbols


def _passages(
    index: Index,
    whole: bytes,
    repeats: list[Span],
) -> Iterator[Passage]:
    """The longest repeated passages, each once, none inside another."""
    width = index.suffixes.width
    chosen: list[bytes] = []
    for span in sorted(repeats, key=_longest_first):
        if len(chosen) == MOST_PASSAGES:
            return
        end = span.start + span.length
        data = whole[span.start * width : end * width]
        if any(_is_inside(data, other, width) for other in chosen):
            continue
        chosen.append(data)
        yield Passage(
            length=span.length,
            places=_first_two_places(index, data),
            text=as_str(index.text[span.start : end]),
        )


def _longest_first(span: Span) -> tuple[int, int]:
    return -span.length, span.start


def _first_two_places(index: Index, data: bytes) -> tuple[Place, Place]:
    """The first two places of symbols that occur at least twice."""
    lo, hi = index.suffixes.find(data)
    positions = index.suffixes.order[lo:hi]
    lowest = np.partition(positions, 1)[:2]
    first, second = lowest.tolist()
    return index.place(first), index.place(second)


def _is_inside(data: bytes, other: bytes, width: int) -> bool:
    """Whether some symbols occur among others, aligned with the bytes of a symbol."""
    place = other.find(data)
    while place >= 0 and place % width:
        place = other.find(data, place + 1)
    return place >= 0


def _held_out(
    index: Index,
    corpus: Corpus,
    on_progress: OnProgress,
) -> HeldOut:
    width = symbol_width(len(corpus.vocabulary))
    suffixes = Suffixes.of(corpus.train, width)
    is_symbol = corpus.val != corpus.vocabulary.end  # (n,)
    num_symbols = int(is_symbol.sum())
    # an unused number for the end of a record, so that no passage extends over it
    ids = np.where(is_symbol, corpus.val, np.uint32(len(corpus.vocabulary)))
    data = packed(ids, width)
    spans = list(suffixes.spans(data, LENGTHS[0], on_progress=on_progress))
    shares = _shares(spans, num_symbols)
    longest = _longest(suffixes, data, spans, LENGTHS[0])
    if longest is None:
        return HeldOut(num_symbols, shares, None, "")
    end = longest.start + longest.length
    text = alphabet_of(corpus.vocabulary).text(corpus.val[longest.start : end])
    _, position = index.suffixes.longest_at(index.encode(text), 0)
    return HeldOut(
        characters=num_symbols,
        shares=shares,
        longest=Copy(longest.start, longest.length, index.place(position)),
        text=as_str(text),
    )
