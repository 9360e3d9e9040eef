"""Lines that repeat, head the pages of a book, are wrapped, or end in the middle of a word."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.doctor.finding import MOST_PLACES, Finding, Place, counted
from charrnn.doctor.line_hashes import stretch_hashes
from charrnn.doctor.source import Block
from charrnn.doctor.wrapping import Wrapped, find_wrapped, first_words

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
MOST_SKIPPED = 3  # from one page number to the next
MOST_NUMBERS = 1 << 18  # lines with a number; more are no page numbers
LONGEST_HEAD = 80  # characters
MOST_TITLES = 0.5  # of the lines are between empty ones; then they are no heads
FEWEST_HYPHENS = 10
MANY_HYPHENS = 0.01  # of the lines
SHORTEST_TEXT = 5_000  # characters; a shorter text may repeat lines as it likes
HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u2010\u00ad]\n(?=[^\W\d_])")
# The lines around a book of Project Gutenberg.
LICENCE = re.compile(
    r"^\*\*\* ?(start|end) of (?:the|this) project gutenberg ebook.*$", re.MULTILINE | re.IGNORECASE
)
_PAGE_NUMBER = re.compile(
    r"^[^\w\n]{0,3}(?:page +|p\. ?)?(\d{1,4})[^\w\n]{0,3}$", re.MULTILINE | re.IGNORECASE
)

# A running head with the number of its page.
_LEFT_HEAD = re.compile(r"(?P<number>\d{1,4})[ \t]+(?P<head>[^\W\d_][^\d]+)")
_RIGHT_HEAD = re.compile(r"(?P<head>[^\W\d_][^\d]+?)[ \t]+(?P<number>\d{1,4})")

Array = NDArray[Any]


class Lines:
    """Compares the lines of a text by their hashes."""

    def __init__(self) -> None:
        self.hashes: list[Array] = []
        self.lengths: list[Array] = []
        self.words: list[Array] = []  # the lengths of the first words
        self.num_lines = 0
        self.num_characters = 0
        self.numbers: list[Numbered] = []
        self.heads: dict[str, list[Numbered]] = defaultdict(list)  # by the text next to the number
        self.num_heads = 0
        self.hyphens = 0
        self.first_hyphens: list[Place] = []
        self.licence: list[Place] = []

    def read(self, block: Block) -> None:
        """Take the lines of a block into account."""
        for match in HYPHEN.finditer(block.text):
            self.hyphens += 1
            if len(self.first_hyphens) < MOST_PLACES:
                self.first_hyphens.append(block.place(match.start()))
        for match in LICENCE.finditer(block.text):
            if len(self.licence) < MOST_PLACES:
                self.licence.append(block.place(match.start(), len(match[0])))
        if self.num_lines >= MOST_LINES:
            return
        starts, ends, hashes = hashes_of_lines(block)
        if len(self.numbers) < MOST_NUMBERS:
            self._find_numbers(block, ends)
        codes = block.codes
        if self.num_heads < MOST_NUMBERS:
            self._find_heads(block, codes, starts, ends)
        self.words.append(first_words(codes, starts, ends).astype(np.int32))
        self.hashes.append(hashes)
        self.lengths.append((ends - starts).astype(np.int32))
        self.num_lines += len(ends)
        self.num_characters += len(block.text)

    def _find_numbers(self, block: Block, ends: Array) -> None:
        matches = list(_PAGE_NUMBER.finditer(block.text))
        places = np.array([match.start() for match in matches], np.int64)
        lines = np.searchsorted(ends, places).tolist()
        for line, match in zip(lines, matches, strict=True):
            place = Place(block.file, block.line + line, 1, match[0])
            self.numbers.append(Numbered(self.num_lines + line, int(match[1]), place))

    def _find_heads(self, block: Block, codes: Array, starts: Array, ends: Array) -> None:
        is_short = (ends - starts > SHORT_LINE) & (ends - starts <= LONGEST_HEAD)
        firsts = codes[starts[is_short]]
        lasts = codes[ends[is_short] - 1]
        may_be_head = _is_digit(firsts) | _is_digit(lasts) | _is_blank(firsts) | _is_blank(lasts)
        for line in np.flatnonzero(is_short)[may_be_head].tolist():
            text = block.text[starts[line] : ends[line]].strip(" \t")
            match = _LEFT_HEAD.fullmatch(text) or _RIGHT_HEAD.fullmatch(text)
            if match is not None:
                place = Place(block.file, block.line + line, 1, text)
                number = Numbered(self.num_lines + line, int(match["number"]), place)
                self.heads[match["head"]].append(number)
                self.num_heads += 1

    @property
    def are_hyphenated(self) -> bool:
        """Whether words are hyphenated at the ends of lines."""
        return self.hyphens >= max(FEWEST_HYPHENS, MANY_HYPHENS * self.num_lines)

    def hashes_at(self, lines: Array) -> list[int]:
        """The hashes of some lines, by their numbers over all files."""
        hashes: list[int] = np.concatenate(self.hashes)[lines].tolist()
        return hashes

    def wrapped(self) -> Wrapped | None:
        """The lines that are wrapped, if most of the text is."""
        if not self.lengths:
            return None
        return find_wrapped(np.concatenate(self.lengths), np.concatenate(self.words))

    def repeats(self) -> "Repeats":
        """The running heads, and what the long lines repeat."""
        if not self.hashes:
            return Repeats([], [], 0, 0.0)
        hashes = np.concatenate(self.hashes)
        lengths = np.concatenate(self.lengths)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        counts = np.diff(np.append(begins, len(ordered)))
        lengths = lengths[order[begins]]
        groups = np.flatnonzero((counts > 1) & (lengths >= LONG_LINE))
        again = counts[groups] - 1
        most = groups[np.argsort(-again, kind="stable")[:MOST_PLACES]]
        heads = []
        for group in np.flatnonzero((counts >= FEWEST_PAGES) & (lengths >= SHORT_LINE)):
            lines = order[begins[group] : begins[group] + counts[group]]
            if is_steady(np.diff(lines)):
                heads.append(group)

        def listed(chosen: Iterable[Any]) -> list[Repeated]:
            return [Repeated(int(ordered[begins[k]]), int(counts[k])) for k in chosen]

        share = float((again * lengths[groups]).sum()) / max(1, self.num_characters)
        return Repeats(listed(heads), listed(most), int(again.sum()), share)

    def findings(self) -> Iterator[Finding]:
        """Findings that need no second reading: page numbers, heads, hyphens and licences."""
        pages = self.pages()
        if pages:
            yield Finding(
                "repeated-lines",
                f"{counted(len(pages), 'line')} are page numbers",
                count=len(pages),
                places=tuple(number.place for number in pages[:MOST_PLACES]),
                fix="--fix repeated-lines",
            )
        heads = self.numbered_heads()
        if heads:
            yield _numbered_heads(heads)
        if self.licence:
            yield Finding(
                "repeated-lines",
                "a licence of Project Gutenberg is before or after the text",
                count=len(self.licence),
                places=tuple(self.licence),
                fix="--fix repeated-lines",
            )
        if self.are_hyphenated:
            yield Finding(
                "hyphenation",
                f"{counted(self.hyphens, 'word')} are hyphenated at the end of a line",
                count=self.hyphens,
                places=tuple(self.first_hyphens),
                fix="--fix hyphenation",
            )

    def pages(self) -> "list[Numbered]":
        """The lines that are only page numbers."""
        if len(self.numbers) >= MOST_NUMBERS:
            return []
        return page_numbers(self.numbers)

    def numbered_heads(self) -> "list[tuple[str, list[Numbered]]]":
        """Running heads with a page number, and where they occur; those of most pages first."""
        if self.num_heads >= MOST_NUMBERS:
            return []
        heads = []
        for head, numbers in self.heads.items():
            pages = page_numbers(numbers)
            if pages and not self._are_titles(pages):
                heads.append((head, pages))
        return sorted(heads, key=lambda item: -len(item[1]))

    def _are_titles(self, numbers: "Sequence[Numbered]") -> bool:
        """Whether most lines are between empty ones, as the title of a sonnet is."""
        lengths = np.concatenate(
            [[0], *self.lengths, [0]]
        )  # of lines, from the one before the first
        places = np.array([number.line + 1 for number in numbers])
        are_apart = (lengths[places - 1] == 0) & (lengths[places + 1] == 0)
        return bool(are_apart.mean() > MOST_TITLES)


class Numbered(NamedTuple):
    """A line with a number: of a page, or of a head.

    Args:
        line: its number, over all files.
        value: the number.
        place: of the line.
    """

    line: int
    value: int
    place: Place


class Repeats(NamedTuple):
    """The lines of a text that occur several times.

    Args:
        heads: running heads.
        most: the long lines that occur most often.
        lines: the number of long lines that occurred before.
        share: of the characters, in these.
    """

    heads: "list[Repeated]"
    most: "list[Repeated]"
    lines: int
    share: float


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


def is_steady(distances: Array | Sequence[float]) -> bool:
    """Whether distances, in lines, are those between the pages of a book."""
    distances = np.asarray(distances)
    middle = float(np.median(distances))
    if not PAGE_LINES[0] <= middle <= PAGE_LINES[1]:
        return False
    is_near = np.abs(distances - middle) <= STEADY * middle
    return bool(is_near.mean() >= MOST_DISTANCES)


def _numbered_heads(heads: "Sequence[tuple[str, list[Numbered]]]") -> Finding:
    total = sum(len(numbers) for _, numbers in heads)
    first, its_numbers = heads[0]
    return Finding(
        "repeated-lines",
        f"{counted(total, 'line')} are heads of pages with the number of the page, most often "
        f"{first!r} ({counted(len(its_numbers), 'time')})",
        count=total,
        places=tuple(number.place for number in its_numbers[:MOST_PLACES]),
        fix="--fix repeated-lines",
    )


def page_numbers(numbers: Iterable[Numbered]) -> list[Numbered]:
    """Those that number pages: runs that count up, at a steady distance."""
    pages: list[Numbered] = []
    run: list[Numbered] = []
    for number in numbers:
        if run and not 1 <= number.value - run[-1].value <= MOST_SKIPPED:
            pages += _if_pages(run)
            run = []
        run.append(number)
    return pages + _if_pages(run)


def _if_pages(run: list[Numbered]) -> list[Numbered]:
    """A run of numbers if they are those of pages, else none."""
    if len(run) < FEWEST_PAGES:
        return []
    lines = []  # from page to page; a head may be on every second one
    for earlier, later in itertools.pairwise(run):
        lines.append((later.line - earlier.line) / (later.value - earlier.value))
    return run if is_steady(lines) else []


def _is_digit(codes: Array) -> NDArray[np.bool_]:
    return np.isin(codes, [ord(digit) for digit in "0123456789"])


def _is_blank(codes: Array) -> NDArray[np.bool_]:
    return np.isin(codes, [ord(" "), ord("\t")])
