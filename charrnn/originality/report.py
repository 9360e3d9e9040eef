"""Copies: what of a text stands in a corpus word for word, and what a corpus repeats of itself.
Knows nothing of runs and of printing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from charrnn.config.run_config import DataConfig
from charrnn.corpus.corpus import Corpus
from charrnn.originality.corpus_index import Index, Place
from charrnn.originality.suffix_array import WIDTHS, Span, Suffixes, packed

LENGTHS = (20, 40, 80)  # of the stretches whose shares are told, in symbols
REPEATED = 80  # of a passage of the corpus that stands there twice
MOST_PASSAGES = 10

Each = Callable[[int], object]


class Copy(NamedTuple):
    """A stretch of a text that stands in the corpus.

    Args:
        start: where it begins in the text, in symbols, from 0 on.
        length: in symbols.
        place: where it stands first in the corpus.
    """

    start: int
    length: int
    place: Place


@dataclass(frozen=True)
class Copies:
    """What of a text stands in the corpus.

    Args:
        characters: of the text.
        shares: of its characters that stand in a copied stretch of so many at least.
        longest: the first of the longest stretches; None where the corpus has not even one of its
            characters.
        copies: the stretches of a least length, none inside of another, in order.
    """

    characters: int
    shares: dict[int, float]
    longest: Copy | None
    copies: tuple[Copy, ...]


class Passage(NamedTuple):
    """A passage that stands in the corpus more than once: two of its places, and its text."""

    length: int
    places: tuple[Place, Place]
    text: str


@dataclass(frozen=True)
class HeldOut:
    """What of the validation part stands in the training part.

    Args:
        characters: of the validation part; of records their ends are none.
        shares: of them that stand in a stretch of so many at least that the training part has too;
            of records, inside of one.
        longest: the longest stretch, and where it stands in the corpus first; None where there is
            none.
        text: of the longest stretch.
    """

    characters: int
    shares: dict[int, float]
    longest: Copy | None
    text: str


@dataclass(frozen=True)
class Leaks:
    """What a corpus repeats of itself.

    Args:
        characters: of the corpus.
        repeated: share of them that stand in a stretch of ``REPEATED`` or more that stands
            elsewhere in the corpus too.
        passages: the longest such, each once.
        held: of the validation part; None where nothing was held out.
    """

    characters: int
    repeated: float
    passages: tuple[Passage, ...]
    held: HeldOut | None


def find_copies(
    index: Index, text: str | bytes, least: int = LENGTHS[0], each: Each = lambda _: None
) -> Copies:
    """What of a text stands in an indexed corpus.

    Args:
        index: of the corpus.
        text: characters, or bytes where the corpus is bytes.
        least: length of the stretches that are listed.
        each: called with the number of symbols that were read, now and then.
    """
    data = index.encode(text)
    spans = list(index.suffixes.spans(data, min(least, LENGTHS[0]), each=each))
    characters, longest = (
        len(data) // index.suffixes.width,
        _longest(index.suffixes, data, spans, least),
    )
    copies = tuple(_copy(index, span) for span in spans if span.length >= least)
    return Copies(characters, _shares(spans, characters), longest and _copy(index, longest), copies)


def find_leaks(index: Index, data: DataConfig, each: Each = lambda _: None) -> Leaks:
    """What an indexed corpus, read and split as the configuration says, repeats of itself; ``each``
    as above, of about twice as many."""
    suffixes = index.suffixes
    whole = bytes(suffixes.text[:])
    repeats = list(suffixes.spans(whole, REPEATED, times=2, each=each))
    corpus = Corpus.of(index.text, data.val_fraction, data.separator)
    held = _held(index, corpus, each) if len(corpus.val) else None
    return Leaks(
        len(index), _share(repeats, len(index)), tuple(_passages(index, whole, repeats)), held
    )


def pieces(text: str | bytes, copies: Iterable[Copy]) -> Iterator[tuple[str, Copy | None]]:
    """A text cut where copied stretches begin and end, and the stretch that each piece is of; where
    two overlap, the first."""
    done = 0
    for copy in copies:
        for until, which in ((copy.start, None), (copy.start + copy.length, copy)):
            until = _whole(text, until)
            if until > done:
                yield _decoded(text[done:until]), which
                done = until
    if done < len(text):
        yield _decoded(text[done:]), None


def _whole(text: str | bytes, place: int) -> int:
    """A place in bytes, or the next one that is not inside of a character."""
    while isinstance(text, bytes) and place < len(text) and text[place] & 0xC0 == 0x80:
        place += 1
    return place


def _decoded(text: str | bytes) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _copy(index: Index, span: Span) -> Copy:
    return Copy(span.start, span.length, index.place(span.position))


def _longest(suffixes: Suffixes, data: bytes, spans: list[Span], least: int) -> Span | None:
    """The first of the longest spans; where none has been found yet, of shorter ones."""
    below = min(least, LENGTHS[0])
    while not spans and below > 1:
        below //= 2
        spans = list(suffixes.spans(data, below))
    return max(spans, key=lambda span: span.length, default=None)


def _shares(spans: list[Span], characters: int) -> dict[int, float]:
    return {
        length: _share([span for span in spans if span.length >= length], characters)
        for length in LENGTHS
    }


def _share(spans: Iterable[Span], characters: int) -> float:
    """Of the characters that stand in one of some spans, which are in order."""
    covered = until = 0
    for span in spans:
        covered += max(0, span.start + span.length - max(until, span.start))
        until = span.start + span.length
    return covered / characters if characters else 0.0


def _passages(index: Index, whole: bytes, repeats: list[Span]) -> Iterator[Passage]:
    """The longest repeated passages, each once, and none that is a part of another."""
    width, suffixes, kept = index.suffixes.width, index.suffixes, list[bytes]()
    for span in sorted(repeats, key=lambda span: (-span.length, span.start)):
        data = whole[span.start * width : (span.start + span.length) * width]
        if len(kept) == MOST_PASSAGES:
            return
        if not any(_inside(data, other, width) for other in kept):
            kept.append(data)
            first, second = np.partition(suffixes.order[slice(*suffixes.find(data))], 1)[
                :2
            ].tolist()
            yield Passage(
                span.length,
                (index.place(first), index.place(second)),
                _decoded(index.text[span.start : span.start + span.length]),
            )


def _inside(data: bytes, other: bytes, width: int) -> bool:
    """Whether some symbols stand among others, and not across the bytes of two."""
    place = other.find(data)
    while place >= 0 and place % width:
        place = other.find(data, place + 1)
    return place >= 0


def _held(index: Index, corpus: Corpus, each: Each) -> HeldOut:
    end, spare = corpus.vocabulary.end, len(corpus.vocabulary)
    width = next(width for width in WIDTHS if spare < 256**width)
    suffixes = Suffixes.of(corpus.train, width)
    ids = corpus.val.astype(np.uint32)
    ids[ids == end] = spare  # which matches nothing: no stretch goes from one record to the next
    data = packed(ids, width)
    spans = list(suffixes.spans(data, LENGTHS[0], each=each))
    longest, characters = _longest(suffixes, data, spans, LENGTHS[0]), int((ids != spare).sum())
    if longest is None:
        return HeldOut(characters, _shares(spans, characters), None, "")
    part = corpus.val[longest.start : longest.start + longest.length]
    text = (
        part.astype(np.uint8).tobytes()
        if corpus.vocabulary.unit == "byte"
        else corpus.vocabulary.decode(part)
    )
    _, position = index.suffixes.longest_at(index.encode(text), 0)
    return HeldOut(
        characters,
        _shares(spans, characters),
        Copy(longest.start, longest.length, index.place(position)),
        _decoded(text),
    )
