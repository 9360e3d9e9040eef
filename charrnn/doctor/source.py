"""A file as blocks of text, whatever is wrong with it, and what is wrong with its bytes."""

import codecs
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.corpus.cleaning import LINE_ENDS, count_line_ends, with_lf
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
from charrnn.doctor.finding import EXCERPT, Finding, Place, counted
from charrnn.doctor.invalid_bytes import Faults, find_faults
from charrnn.errors import CorpusError

UTF_8 = "utf-8"
MARKED = set(BYTE_ORDER_MARKS.values())  # encodings that a mark names
BLOCK = 1 << 20  # characters of a block, unless a line is longer
LINES_SHOWN = 3  # candidates for an encoding, each with a line
SHOWN = 50  # characters of such a line
REPLACE_INVALID = "--encoding-errors replace"  # what fixes invalid bytes in train

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
            shown = self.text[index : index + min(length, EXCERPT)]
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
        for whole in load(self.path) if self.held is None else self.held:
            for begin in range(0, len(whole), BLOCK):
                block = whole[begin : begin + BLOCK]
                if left is not None:
                    block = block[:left]
                    left -= len(block)
                if not block:
                    return
                yield block

    @cached_property
    def size(self) -> int:
        """Bytes on the disk, for a progress bar."""
        if self.held is not None:
            return sum(map(len, self.held))
        return os.path.getsize(self.path)

    @cached_property
    def head(self) -> bytes:
        """The first HEAD bytes."""
        head = b""
        for block in self.bytes_blocks():
            head += block
            if len(head) >= HEAD:
                break
        return head[:HEAD]

    @cached_property
    def is_text(self) -> bool:
        """Whether it is no document, archive or image."""
        return file_kind(self.head) is None

    @cached_property
    def encoding(self) -> str:
        """The encoding in which it is read."""
        if self.given:
            return codecs.lookup(self.given).name
        for mark, encoding in BYTE_ORDER_MARKS.items():
            if self.head.startswith(mark):
                return encoding
        wide = guess_wide(self.head)
        if wide:
            return wide
        if self.faults is None or is_flawed_utf8(self.faults.around):
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
        if self.head.startswith(codecs.BOM_UTF8) and self.encoding == UTF_8:
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
        """Blocks of about BLOCK characters with LF line ends; the line ends are counted.

        Raises:
            CorpusError: the encoding needs a byte order mark, and there is none.
        """
        self.line_ends.clear()
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        is_beginning = True
        last = ""
        for data in self.bytes_blocks():
            try:
                text = last + decoder.decode(data)
            except UnicodeError:
                raise CorpusError(
                    f"{self.path} does not begin with a byte order mark, which {self.encoding} "
                    f'needs; try `encoding="{guess_wide(self.head) or self.encoding + "-le"}"`'
                ) from None
            on_progress(len(data))
            if is_beginning and text:
                text = text.removeprefix(BYTE_ORDER_MARK)
                is_beginning = False
            last = "\r" if text.endswith("\r") else ""
            yield self._with_lf(text.removesuffix("\r"))
        yield self._with_lf(last + decoder.decode(b"", final=self.most_bytes is None))

    def _with_lf(self, text: str) -> str:
        count_line_ends(text, self.line_ends)
        return with_lf(text)

    def _not_text(self) -> Finding:
        kind = file_kind(self.head)
        assert kind is not None
        is_plain_file = self.held is None and not self.path.endswith(".gz")
        source = self.path if is_plain_file else None
        fix = convert_command(kind, source) or kind.advice
        return Finding("not-text", f"{self.path} is {kind.name}, not plain text", 1, (), fix)

    # --- bytes that do not fit the encoding ---

    @cached_property
    def faults(self) -> Faults | None:
        """What is not valid in the given encoding, or in UTF-8."""
        is_cut = self.most_bytes is not None
        return find_faults(self.bytes_blocks(), self.given or UTF_8, is_cut=is_cut)

    @cached_property
    def _candidates(self) -> dict[str, str]:
        """Likely encodings, the best first, with the line of the first fault in each."""
        assert self.faults is not None
        lines = {}
        for encoding in rank_encodings(self.faults.around):
            text = self.faults.around.decode(encoding, "replace")
            lines[encoding] = _foreign_line(text)
        return lines

    def _encoding_findings(self) -> Iterator[Finding]:
        is_marked = self.head.startswith(tuple(BYTE_ORDER_MARKS))
        if self.given is None and (is_marked or self.encoding in WIDE):
            mark = "with" if is_marked else "without"
            yield Finding(
                "encoding",
                f"{self.path} looks like {self.encoding.upper()} {mark} a byte order mark",
                count=1,
                fix=f"--encoding {self.encoding}",
            )
            return
        faults = self.faults
        if faults is None:
            return
        places = tuple(Place(self.path, line, byte, text) for line, byte, text in faults.places)
        name = self.encoding.upper()
        invalid = counted(faults.number, "byte sequence")
        if self.given or self.encoding == UTF_8:
            yield Finding(
                "encoding",
                f"{self.path} is not valid {name}: {invalid} cannot be read, the first at byte "
                f"{faults.first_byte:,}",
                count=faults.number,
                places=places,
                fix=REPLACE_INVALID,
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


def _foreign_line(text: str) -> str:
    """The part of the first line with a character beyond ASCII, quoted."""
    match = re.search("[^\x00-\x7f\ufffd]", text)
    place = match.start() if match else 0
    begin = max(text.rfind("\n", 0, place) + 1, place - SHOWN // 2)
    return repr(text[begin:].split("\n")[0][:SHOWN])
