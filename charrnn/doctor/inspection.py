"""Inspects the files of a corpus: reads them once or twice, and collects what is found."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.config.arguments import ignore
from charrnn.config.run_config import DataConfig
from charrnn.corpus.encoding import check_encoding
from charrnn.corpus.files import check_files, corpus_files
from charrnn.doctor.characters import Characters
from charrnn.doctor.duplicates import Duplicates, Passage
from charrnn.doctor.finding import EXCERPT, MOST_PLACES, Finding, Place, by_severity, counted
from charrnn.doctor.letters import Letters
from charrnn.doctor.lines import (
    MUCH_REPEATED,
    SHORTEST_TEXT,
    Lines,
    Repeated,
    Repeats,
    hashes_of_lines,
)
from charrnn.doctor.shape import EXAMINED, shape_findings
from charrnn.doctor.source import REPLACE_INVALID, OnProgress, Source
from charrnn.doctor.wrapping import Wrapped
from charrnn.errors import CharRNNError, CorpusError

VAL_FRACTION = 0.1  # the end of a text, which is for validation
MUCH_SHARED = 0.05  # of the validation part
MOST_PASSAGES = 3
# What is said about a text as prose says nothing about one that looks like these.
NO_PROSE = {"columns", "markup"}
OF_PROSE = {"hyphenation", "repeated-lines", "duplicates", "wrapped-lines"}
# For a first look, before a corpus is read.
FIRST_LOOK = 2 << 20  # bytes of all files together
MOST_FILES = 8
REPORTED_BY_READING = {"not-text", "bom", "line-ends", "list", "rare-characters"}
HARMLESS = {"wrapped-lines"}


@dataclass(frozen=True)
class Inspection:
    """What was found in the files of a corpus.

    Args:
        files: their names.
        characters: in all of them, without those that are not text.
        findings: the most serious first.
    """

    files: tuple[str, ...]
    characters: int
    findings: tuple[Finding, ...]


def inspect(
    paths: str | Path | Sequence[str | Path],
    *,
    encoding: str | None = None,
    on_progress: OnProgress = ignore,
) -> Inspection:
    """Find what may be wrong with text files before a model is trained on them.

    Args:
        paths: one or several text files, .gz files, directories, or - for standard input.
        encoding: of the files; by default UTF-8, or what fits best.
        on_progress: called with the number of bytes of each block read; each file is read once or
            twice.

    Raises:
        CorpusError: a file cannot be read, or there is no text.
        ConfigError: the encoding is unknown.
    """
    if isinstance(paths, str | Path):
        paths = [paths]
    if encoding is not None:
        check_encoding(DataConfig(encoding=encoding))
    check_files(paths)
    files = corpus_files(paths, [])
    return inspect_sources([Source(file, encoding) for file in files], on_progress)


def inspect_sources(sources: Sequence[Source], on_progress: OnProgress = ignore) -> Inspection:
    """The same for files that are open to be read."""
    examination = Examination()
    findings = list[Finding]()
    for source in sources:
        findings += source.findings()
        if source.is_text:
            findings += examination.read(source, on_progress)
    if examination.is_empty and all(source.is_text for source in sources):
        names = ", ".join(source.path for source in sources)
        raise CorpusError(f"there is no text in {names}; give another file")
    texts = [source for source in sources if source.is_text]
    kinds = {finding.kind for finding in findings}
    findings += examination.findings(
        texts,
        on_progress,
        is_prose=not kinds & NO_PROSE,
        is_whole=all(source.most_bytes is None for source in sources),
    )
    return Inspection(
        files=tuple(source.path for source in sources),
        characters=examination.characters.total,
        findings=tuple(by_severity(findings)),
    )


def first_look(paths: Sequence[str | Path], config: DataConfig) -> list[Finding]:
    """What is found at the beginning of a corpus that is about to be read.

    Without what reading it reports, repairs or refuses; empty if it cannot be read.

    Args:
        paths: of the corpus; what comes from a pipe is not read.
        config: how it will be read.
    """
    if config.unit == "byte" or config.column is not None:
        return []
    try:
        files = [file for file in corpus_files(paths, []) if os.path.isfile(file)]
        files = files[:MOST_FILES]
        most = FIRST_LOOK // max(1, len(files))
        sources = [Source(file, config.encoding, most) for file in files]
        findings = inspect_sources(sources).findings
    except (CharRNNError, OSError):
        return []
    if config.encoding_errors == "strict" and any(source.faults for source in sources):
        return []  # it is refused
    left_out = REPORTED_BY_READING | HARMLESS
    if config.separator is not None:
        left_out |= OF_PROSE
    if config.normalize is not None:
        left_out.add("normalization")
    return [
        finding
        for finding in findings
        if finding.kind not in left_out and finding.fix != REPLACE_INVALID
    ]


class Examination:
    """Everything that is counted while the files are read.

    Attributes:
        characters, letters, lines, duplicates: the checks.
        length: characters read so far.
    """

    def __init__(self) -> None:
        self.characters = Characters()
        self.letters = Letters(self.characters)
        self.lines = Lines()
        self.duplicates = Duplicates()
        self.length = 0

    @property
    def is_empty(self) -> bool:
        """Whether no character was read."""
        return not self.length

    def read(self, source: Source, on_progress: OnProgress) -> list[Finding]:
        """Read a file; returns what its shape and its line ends say."""
        head = ""
        for block in source.blocks(on_progress, self.length):
            self.characters.read(block)
            self.letters.read(block)
            self.lines.read(block)
            self.duplicates.read(block)
            self.length += len(block.text)
            if len(head) < EXAMINED:
                head += block.text[: EXAMINED - len(head)]
        return [*source.line_end_findings(), *shape_findings(source.path, head)]

    def findings(
        self,
        sources: Sequence[Source],
        on_progress: OnProgress,
        *,
        is_prose: bool,
        is_whole: bool,
    ) -> Iterator[Finding]:
        """What was found; the files are read again if something in them must be located.

        Args:
            sources: the files that were read.
            on_progress: called with the number of bytes of each block read.
            is_prose: whether lines and passages are those of a text.
            is_whole: whether the files were read to their ends.
        """
        yield from self.characters.findings()
        yield from self.letters.findings()
        if not is_prose or self.length < SHORTEST_TEXT:
            return
        yield from self.lines.findings()
        repeats = self.lines.repeats()
        is_repeated = repeats.share >= MUCH_REPEATED
        most = repeats.most if is_repeated else []
        first_wrapped = list[int]()
        passages = self.duplicates.passages
        shown = passages[:MOST_PASSAGES]
        wrapped = self.lines.wrapped()
        hashes = [group.hash for group in repeats.heads + most]
        if wrapped is not None:
            first_wrapped = self.lines.hashes_at(wrapped.lines[:MOST_PLACES])
            hashes += first_wrapped
        located = Located(hashes, _ends_of(shown))
        if located.is_needed:
            located.read(sources, on_progress)
        for head in repeats.heads:
            yield _running_head(head, located)
        if is_repeated:
            yield _repeated_lines(repeats, located)
        if passages:
            yield _passages(passages, shown, self.length, located)
        if wrapped is not None:
            yield _wrapped_lines(wrapped, first_wrapped, located, self.lines.are_hyphenated)
        if is_whole:
            yield from self._shared()

    def _shared(self) -> Iterator[Finding]:
        boundary = round((1 - VAL_FRACTION) * self.length)
        shared = self.duplicates.shared(boundary)
        share = shared / max(1, self.length - boundary)
        if share >= MUCH_SHARED:
            yield Finding(
                "duplicates",
                f"{share:.0%} of the last tenth, which is for validation, also occurs before it, "
                "so the validation loss will look too good",
                count=shared,
                fix="--fix duplicates",
            )


class Located:
    """The places of some lines and passages, found in a second reading.

    Args:
        hashes: of the lines.
        offsets: where passages begin, in characters over all files.
    """

    def __init__(self, hashes: Iterable[int], offsets: Iterable[int]) -> None:
        self.of_lines: dict[int, list[Place]] = {line: [] for line in hashes}
        self.of_passages: dict[int, Place] = {}
        self.offsets = sorted(offsets)

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to find."""
        return bool(self.of_lines or self.offsets)

    def read(self, sources: Sequence[Source], on_progress: OnProgress) -> None:
        """Read the files again."""
        wanted = np.array(list(self.of_lines), np.uint64)
        start = 0
        for source in sources:
            for block in source.blocks(on_progress, start):
                start = block.start + len(block.text)
                starts, ends, hashes = hashes_of_lines(block)
                for number in np.flatnonzero(np.isin(hashes, wanted)).tolist():
                    places = self.of_lines[int(hashes[number])]
                    if len(places) < MOST_PLACES:
                        length = max(1, int(ends[number] - starts[number]))
                        places.append(block.place(int(starts[number]), length))
                for offset in self.offsets:
                    if block.start <= offset < start:
                        place = block.place(offset - block.start, EXCERPT)
                        self.of_passages[offset] = place


def _ends_of(passages: Iterable[Passage]) -> Iterator[int]:
    """Where passages begin, and where they occurred before."""
    for passage in passages:
        yield passage.start
        yield passage.earlier


def _running_head(head: Repeated, located: Located) -> Finding:
    places = located.of_lines[head.hash]
    text = places[0].text if places else ""
    return Finding(
        "repeated-lines",
        f"{text!r} recurs {counted(head.times, 'time')} at a steady distance, like the "
        "head of a page",
        count=head.times,
        places=tuple(places),
        fix="--fix repeated-lines",
    )


def _repeated_lines(repeats: Repeats, located: Located) -> Finding:
    firsts = [place for group in repeats.most for place in located.of_lines[group.hash][:1]]
    times = counted(repeats.most[0].times, "time")
    most = f"{firsts[0].text!r} ({times})" if firsts else times
    return Finding(
        "repeated-lines",
        f"{repeats.share:.0%} of the text are lines that occurred before, most often {most}",
        count=repeats.lines,
        places=tuple(firsts),
        fix="--fix duplicates",
    )


def _wrapped_lines(
    wrapped: Wrapped,
    hashes: Iterable[int],
    located: Located,
    are_hyphenated: bool,
) -> Finding:
    places = [place for line in hashes for place in located.of_lines[line][:1]]
    return Finding(
        "wrapped-lines",
        f"{counted(len(wrapped.lines), 'line')} are wrapped at {wrapped.width} characters, and the "
        "model will write such lines too",
        count=len(wrapped.lines),
        places=tuple(places),
        fix="--fix hyphenation,wrapped-lines" if are_hyphenated else "--fix wrapped-lines",
    )


def _passages(
    passages: Sequence[Passage],
    shown: Sequence[Passage],
    length: int,
    located: Located,
) -> Finding:
    total = sum(passage.length for passage in passages)
    longest = shown[0]
    earlier = located.of_passages.get(longest.earlier, "an earlier place")
    occur = "passage occurs" if len(passages) == 1 else "passages occur"
    return Finding(
        "duplicates",
        f"{len(passages):,} long {occur} twice, about {total / length:.1%} of the text; the "
        f"longest has about {longest.length:,} characters, and is in {earlier} too",
        count=len(passages),
        places=tuple(
            located.of_passages[passage.start]
            for passage in shown
            if passage.start in located.of_passages
        ),
        fix="--fix duplicates",
    )
