"""Lines that repeat, head the pages of a book, or end in the middle of a word."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.doctor.finding import MOST_PLACES, Finding, Place, counted
from charrnn.doctor.line_hashes import stretch_hashes
from charrnn.doctor.source import Block

MOST_LINES = 1 << 22  # of a longer text, the first are compared
NEWLINE = 10
LONG_LINE = 20  # characters; shorter lines repeat in any text
SHORT_LINE = 3
MUCH_REPEATED = 0.05  # of the characters, in long lines that occurred before
# Running heads and page numbers recur at a steady distance.
FEWEST_PAGES = 8
PAGE_LINES = (15, 120)  # lines of a page, at least and at most
STEADY = 0.3  # share of the median by which most distances differ at most
MOST_DISTANCES = 0.8
FEWESTHYPHENS = 10
MANYHYPHENS = 0.01  # of the lines
_PAGE_NUMBER = re.compile(
    r"^[^\w\n]{0,3}(?:page +|p\. ?)?(\d{1,4})[^\w\n]{0,3}$", re.MULTILINE | re.I
)
HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u2010\u00ad]\n(?=[^\W\d_])")
LICENCE = re.compile(
    r"^.*(?:project gutenberg|creative commons|\*\*\* ?(?:start|end) of).*$", re.MULTILINE | re.I
)
FEWEST_LICENCE_LINES = 2
SHORTEST_TEXT = 5_000  # characters; a shorter text may repeat lines as it likes

Array = NDArray[Any]


class Lines:
    """Compares the lines of a text by their hashes."""

    def __init__(self) -> None:
        self.hashes: list[Array] = []
        self.lengths: list[Array] = []
        self.num_lines = 0
        self.num_characters = 0
        self.num_repeated = 0
        self.repeated_share = 0.0
        self.numbers: list[_Numbered] = []  # lines that are only a number
        self.hyphens = 0
        self.first_hyphens: list[Place] = []
        self.licence = 0
        self.first_licence: list[Place] = []

    def read(self, block: Block) -> None:
        """Take the lines of a block into account."""
        self._search(block)
        if self.num_lines >= MOST_LINES:
            return
        starts, ends, hashes = hashes_of_lines(block)
        for match in _PAGE_NUMBER.finditer(block.text):
            line = self.num_lines + int(np.searchsorted(ends, match.start()))
            place = block.place(match.start(), len(match[0]))
            self.numbers.append(_Numbered(line, int(match[1]), place))
        self.hashes.append(hashes)
        self.lengths.append((ends - starts).astype(np.int32))
        self.num_lines += len(ends)
        self.num_characters += len(block.text)

    def _search(self, block: Block) -> None:
        for match in HYPHEN.finditer(block.text):
            self.hyphens += 1
            if len(self.first_hyphens) < MOST_PLACES:
                self.first_hyphens.append(block.place(match.start()))
        for match in LICENCE.finditer(block.text):
            self.licence += 1
            if len(self.first_licence) < MOST_PLACES:
                self.first_licence.append(block.place(match.start(), len(match[0])))

    def repeated(self) -> "tuple[list[Repeated], list[Repeated]]":
        """The running heads, and the long lines that occur most often.

        Also counts ``num_repeated`` lines and the characters in them.
        """
        if not self.hashes:
            return [], []
        hashes = np.concatenate(self.hashes)
        lengths = np.concatenate(self.lengths)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        counts = np.diff(np.append(begins, len(ordered)))
        lengths = lengths[order[begins]]
        groups = np.flatnonzero((counts > 1) & (lengths >= LONG_LINE))
        again = counts[groups] - 1
        self.num_repeated = int(again.sum())
        self.repeated_share = float((again * lengths[groups]).sum()) / max(1, self.num_characters)
        most = groups[np.argsort(-again, kind="stable")[:MOST_PLACES]]
        heads = []
        for group in np.flatnonzero((counts >= FEWEST_PAGES) & (lengths >= SHORT_LINE)):
            places = order[begins[group] : begins[group] + counts[group]]
            if is_steady(np.diff(places)):
                heads.append(group)

        def listed(chosen: Iterable[Any]) -> list[Repeated]:
            return [Repeated(int(ordered[begins[k]]), int(counts[k])) for k in chosen]

        return listed(heads), listed(most)

    def findings(self) -> Iterator[Finding]:
        """Findings that need no second reading: page numbers, hyphens and licences."""
        pages = self.pages()
        if pages:
            yield Finding(
                "repeated-lines",
                f"{counted(len(pages), 'line')} {'is' if len(pages) == 1 else 'are'} page numbers",
                count=len(pages),
                places=tuple(number.place for number in pages[:MOST_PLACES]),
                fix="--fix repeated-lines",
            )
        if self.licence >= FEWEST_LICENCE_LINES:
            yield Finding(
                "repeated-lines",
                f"{counted(self.licence, 'line')} belong to a licence or a publisher's notice",
                count=self.licence,
                places=tuple(self.first_licence),
                fix="--fix repeated-lines",
            )
        if self.hyphens >= max(FEWESTHYPHENS, MANYHYPHENS * self.num_lines):
            yield Finding(
                "hyphenation",
                f"{counted(self.hyphens, 'word')} are divided at the end of a line",
                count=self.hyphens,
                places=tuple(self.first_hyphens),
                fix="--fix hyphenation",
            )

    def pages(self) -> "list[_Numbered]":
        """The lines that are page numbers: they count up, at a steady distance."""
        run: list[_Numbered] = []
        longest: list[_Numbered] = []
        for number in self.numbers:
            if run and number.value != run[-1].value + 1:
                run = []
            run.append(number)
            if len(run) > len(longest):
                longest = list(run)
        if len(longest) < FEWEST_PAGES:
            return []
        distances = np.diff([number.line for number in longest])
        return longest if is_steady(distances) else []


class _Numbered(NamedTuple):
    """A line that is only a number.

    Args:
        line: its number, over all files.
        value: the number.
        place: of the line.
    """

    line: int
    value: int
    place: Place


class Repeated(NamedTuple):
    """A line that occurs several times.

    Args:
        hash: of the line.
        times: how often it occurs.
    """

    hash: int
    times: int


def hashes_of_lines(block: Block) -> tuple[Array, Array, Array]:
    """Where the lines of a block begin and end, and their hashes: (L,) each."""
    codes = block.codes
    ends = np.flatnonzero(codes == NEWLINE)
    if not block.text.endswith("\n"):
        ends = np.append(ends, len(codes))
    starts = np.append(0, ends[:-1] + 1)
    return starts, ends, stretch_hashes(codes, starts, ends)


def is_steady(distances: Array) -> bool:
    """Whether distances in lines are those of the pages of a book."""
    middle = float(np.median(distances))
    if not PAGE_LINES[0] <= middle <= PAGE_LINES[1]:
        return False
    is_near = np.abs(distances - middle) <= STEADY * middle
    return bool(is_near.mean() >= MOST_DISTANCES)
