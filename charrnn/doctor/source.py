"""A file as blocks of text, whatever is wrong with it, and what is wrong with its bytes."""

import codecs
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.corpus.encoding import (
    BYTE_ORDER_MARKS,
    WIDE,
    guess_wide,
    is_flawed_utf8,
    rank_encodings,
)
from charrnn.corpus.file_kinds import HEAD, convert_command, file_kind, is_binary
from charrnn.corpus.files import STDIN
from charrnn.corpus.reading import BYTE_ORDER_MARK, load
from charrnn.doctor.finding import MOST_PLACES, Finding, Place, counted
from charrnn.errors import CorpusError

UTF_8 = "utf-8"
MARKED = set(BYTE_ORDER_MARKS.values())  # encodings that a mark names
BLOCK = 1 << 20  # characters of a block, unless a line is longer
GUESSED_FROM = 1 << 16  # bytes around the first invalid one
LINES_SHOWN = 3  # candidates for an encoding, each with a line
SHOWN = 50  # characters of such a line
LINE_ENDS = ("CRLF", "LF", "CR")

OnProgress = Callable[[int], object]


class Block(NamedTuple):
    """A part of a text, which ends with a line unless a line is very long.

    Args:
        file: its name.
        text: with LF line ends.
        start: characters of all files before it.
        line: the number of its first line, from 1.
        column: of its first character, from 1.
    """

    file: str
    text: str
    start: int
    line: int
    column: int

    @property
    def codes(self) -> NDArray[np.uint32]:
        """(n,) the code points."""
        return np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), np.uint32)

    def place(self, index: int, length: int = 0) -> Place:
        """A place in the block, with ``length`` characters from it on, or its surroundings."""
        begin = self.text.rfind("\n", 0, index) + 1
        column = index - begin + 1
        if begin == 0:
            column += self.column - 1
        line = self.line + self.text.count("\n", 0, index)
        if length:
            shown = self.text[index : index + length]
        else:
            first = max(begin, index - 20)
            end = self.text.find("\n", index)
            last = index + 20 if end < 0 else min(end, index + 20)
            shown = self.text[first:last]
        return Place(self.file, line, column, shown)


@dataclass
class Source:
    """A file to inspect.

    Args:
        path: its name, or - for standard input.
        given: the encoding that the user gave; None to find it out.
        most_bytes: at its beginning that are read; None for all.
    """

    path: str
    given: str | None = None
    most_bytes: int | None = None
    line_ends: Counter[str] = field(default_factory=Counter)

    @cached_property
    def held(self) -> list[bytes] | None:
        """The bytes of standard input or a pipe, which can be read only once; None of a file."""
        if self.path != STDIN and os.path.isfile(self.path):
            return None
        return list(load(self.path))

    def bytes_blocks(self) -> Iterator[bytes]:
        """The bytes, block by block."""
        left = self.most_bytes
        for block in load(self.path) if self.held is None else self.held:
            if left is None:
                yield block
            elif left > 0:
                yield block[:left]
                left -= len(block)
            else:
                return

    @cached_property
    def size(self) -> int:
        """Bytes on the disk, for a progress bar."""
        if self.held is not None:
            return sum(map(len, self.held))
        return os.path.getsize(self.path)

    @cached_property
    def head(self) -> bytes:
        """The first HEAD bytes or more."""
        head = b""
        for block in self.bytes_blocks():
            head += block
            if len(head) >= HEAD:
                break
        return head

    @cached_property
    def is_text(self) -> bool:
        """Whether it is no document, archive or image."""
        return file_kind(self.head[:HEAD]) is None

    @cached_property
    def encoding(self) -> str:
        """The encoding in which it is read."""
        if self.given:
            return self.given
        for mark, encoding in BYTE_ORDER_MARKS.items():
            if self.head.startswith(mark):
                return encoding
        wide = guess_wide(self.head)
        if wide:
            return wide
        if not self._faults or is_flawed_utf8(self._around_fault):
            return UTF_8
        return next(iter(self._candidates), UTF_8)

    def findings(self) -> Iterator[Finding]:
        """What is wrong with the bytes."""
        if not self.is_text:
            yield self._not_text()
            return
        if is_binary(self.head) and self.encoding not in WIDE and self.encoding not in MARKED:
            raise CorpusError(
                f"{self.path} is not plain text: many of its bytes are not characters in any "
                "encoding; give a text file"
            )
        yield from self._encoding_findings()
        mark = self.head.startswith((codecs.BOM_UTF8, *BYTE_ORDER_MARKS))
        if mark and self.encoding == UTF_8:
            yield Finding(
                "bom",
                f"{self.path} begins with a byte order mark, which is left out when it is read",
                count=1,
                places=(Place(self.path, 1, 1, ""),),
                fix="--fix bom",
            )

    def blocks(self, on_progress: OnProgress, start: int = 0) -> Iterator[Block]:
        """The text, block by block; invalid bytes become U+FFFD.

        Args:
            on_progress: called with the number of bytes of each block read.
            start: characters of the files before this one.
        """
        line = 1
        column = 1
        held_back = ""
        for text in self._decoded(on_progress):
            text = held_back + text
            cut = text.rfind("\n") + 1
            if cut == 0 and len(text) > BLOCK:
                cut = len(text)
            held_back = text[cut:]
            if cut:
                yield Block(self.path, text[:cut], start, line, column)
                start += cut
                line += text.count("\n", 0, cut)
                column = 1 if text[cut - 1] == "\n" else column + cut
        if held_back:
            yield Block(self.path, held_back, start, line, column)

    def line_end_findings(self) -> Iterator[Finding]:
        """Mixed line ends, and those of old Macs; known after the blocks were read."""
        kinds = [kind for kind in LINE_ENDS if self.line_ends[kind]]
        listed = ", ".join(f"{self.line_ends[kind]:,} {kind}" for kind in kinds)
        if len(kinds) > 1:
            rarest = min(self.line_ends[kind] for kind in kinds)
            yield Finding(
                "line-ends",
                f"{self.path} mixes line ends: {listed}",
                count=rarest,
                fix="--newlines lf",
            )
        elif kinds == ["CR"]:
            yield Finding(
                "line-ends",
                f"the lines of {self.path} end with CR, as on old Macs",
                count=self.line_ends["CR"],
                fix="--newlines lf",
            )

    def _decoded(self, on_progress: OnProgress) -> Iterator[str]:
        """Blocks of about BLOCK characters with LF line ends; the line ends are counted."""
        self.line_ends.clear()
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        is_beginning = True
        last = ""
        for data in self.bytes_blocks():
            for begin in range(0, len(data), BLOCK):
                piece = data[begin : begin + BLOCK]
                text = last + decoder.decode(piece)
                on_progress(len(piece))
                if is_beginning and text:
                    text = text.removeprefix(BYTE_ORDER_MARK)
                    is_beginning = False
                last = "\r" if text.endswith("\r") else ""
                yield self._with_lf(text.removesuffix("\r"))
        yield self._with_lf(last + decoder.decode(b"", final=True))

    def _with_lf(self, text: str) -> str:
        num_crlf = text.count("\r\n")
        self.line_ends["CRLF"] += num_crlf
        self.line_ends["LF"] += text.count("\n") - num_crlf
        self.line_ends["CR"] += text.count("\r") - num_crlf
        if "\r" not in text:
            return text
        return re.sub("\r\n?", "\n", text)

    def _not_text(self) -> Finding:
        kind = file_kind(self.head[:HEAD])
        assert kind is not None
        source = None if self.held is not None else self.path
        fix = convert_command(kind, source) or kind.advice
        return Finding("not-text", f"{self.path} is {kind.name}, not plain text", 1, (), fix)

    # --- bytes that do not fit the encoding ---

    @cached_property
    def _faults(self) -> "_Faults | None":
        """What is not valid in the given encoding, or in UTF-8."""
        return _find_faults(self.bytes_blocks(), self.given or UTF_8)

    @cached_property
    def _around_fault(self) -> bytes:
        assert self._faults is not None
        return self._faults.around

    @cached_property
    def _candidates(self) -> dict[str, str]:
        """Likely encodings, the best first, with the line of the first fault in each."""
        lines = {}
        for encoding in rank_encodings(self._around_fault):
            text = self._around_fault.decode(encoding, "replace")
            lines[encoding] = _foreign_line(text)
        return lines

    def _encoding_findings(self) -> Iterator[Finding]:
        faults = self._faults
        is_wide = self.encoding not in (UTF_8, self.given) and b"\0" in self.head
        if is_wide and not self.head.startswith(tuple(BYTE_ORDER_MARKS)):
            yield Finding(
                "encoding",
                f"{self.path} looks like {self.encoding.upper()} without a byte order mark",
                count=1,
                fix=f"--encoding {self.encoding}",
            )
        if faults is None or is_wide or self.head.startswith(tuple(BYTE_ORDER_MARKS)):
            return
        places = tuple(Place(self.path, line, byte, text) for line, byte, text in faults.first)
        name = (self.given or UTF_8).upper()
        invalid = counted(faults.number, "byte sequence")
        if self.given or self.encoding == UTF_8:
            yield Finding(
                "encoding",
                f"{self.path} is not valid {name}: {invalid} cannot be read, the first at byte "
                f"{faults.first_byte:,}",
                count=faults.number,
                places=places,
                fix="--encoding-errors replace",
            )
            return
        likely = []
        for encoding, line in list(self._candidates.items())[:LINES_SHOWN]:
            likely.append(f"{encoding} ({line})")
        yield Finding(
            "encoding",
            f"{self.path} is not valid UTF-8: {invalid} cannot be read, the first at byte "
            f"{faults.first_byte:,}; it may be {', or '.join(likely)}",
            count=faults.number,
            places=places,
            fix=f"--encoding {self.encoding}",
        )


class _Faults(NamedTuple):
    """Bytes that are not valid in an encoding.

    Args:
        number: about how many sequences.
        first_byte: the place of the first one, from 0.
        first: line, byte of the line, and bytes of the first ones.
        around: bytes around the first one.
    """

    number: int
    first_byte: int
    first: list[tuple[int, int, str]]
    around: bytes


def _find_faults(blocks: Iterable[bytes], encoding: str) -> _Faults | None:
    """The bytes that are not valid; None if all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    before = 0  # bytes of earlier blocks
    lines = 0
    found: _Faults | None = None
    for data in blocks:
        if found is None:
            pending, _ = decoder.getstate()
            try:
                decoder.decode(data)
            except UnicodeError:
                found = _faults_in(pending + data, before - len(pending), lines, encoding)
        else:
            found = found._replace(number=found.number + _num_faults(data, encoding))
        before += len(data)
        lines += data.count(b"\n")
    if found is None:
        pending, _ = decoder.getstate()
        if pending:
            text = pending.hex(" ")
            found = _Faults(1, before - len(pending), [(lines + 1, 1, text)], pending)
    return found


def _faults_in(data: bytes, before: int, lines: int, encoding: str) -> _Faults | None:
    """The faults in a block with at least one.

    Args:
        data: the block.
        before: bytes before it.
        lines: lines before it.
        encoding: of the text.
    """
    first: list[tuple[int, int, str]] = []
    first_byte = -1
    position = 0
    while len(first) < MOST_PLACES:
        try:
            data[position:].decode(encoding)
        except UnicodeDecodeError as error:
            start = position + error.start
            end = position + max(error.end, error.start + 1)
            if first_byte < 0:
                first_byte = start
            begin = data.rfind(b"\n", 0, start) + 1
            line = lines + data.count(b"\n", 0, start) + 1
            first.append((line, start - begin + 1, data[start:end].hex(" ")))
            position = end
        except UnicodeError:
            break
        else:
            break
    if first_byte < 0:
        return None
    around = data[max(0, first_byte - GUESSED_FROM // 2) :][:GUESSED_FROM]
    return _Faults(_num_faults(data, encoding), before + first_byte, first, around)


def _num_faults(data: bytes, encoding: str) -> int:
    """About how many byte sequences of a block are not valid."""
    replaced = data.decode(encoding, "replace").count("\ufffd")
    return replaced - data.decode(encoding, "ignore").count("\ufffd")


def _foreign_line(text: str) -> str:
    """The part of the first line with a character beyond ASCII, quoted."""
    match = re.search("[^\x00-\x7f\ufffd]", text)
    place = match.start() if match else 0
    begin = max(text.rfind("\n", 0, place) + 1, place - SHOWN // 2)
    return repr(text[begin:].split("\n")[0][:SHOWN])
