"""Bytes of a file that are not valid in its encoding: how many, where, and what is around them."""

import codecs
from collections.abc import Iterable
from typing import NamedTuple

from charrnn.doctor.finding import MOST_PLACES

AROUND = 1 << 16  # bytes around the first fault, from which an encoding is guessed


class Faults(NamedTuple):
    """Bytes that are not valid in an encoding.

    Args:
        number: of sequences, about.
        first_byte: the place of the first one, from 0.
        places: line, byte of the line, and bytes of the first ones, as hexadecimal numbers.
        around: whole lines around the first one.
    """

    number: int
    first_byte: int
    places: list[tuple[int, int, str]]
    around: bytes


def find_faults(blocks: Iterable[bytes], encoding: str, *, is_cut: bool) -> Faults | None:
    """The bytes that are not valid; None if all are.

    Args:
        blocks: of the file.
        encoding: in which they should be valid.
        is_cut: whether the last character may be incomplete, since the file goes on.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    found: Faults | None = None
    start = 0  # of the block, in bytes
    line = 1  # in which it begins
    line_start = 0  # the place of that line's first byte
    pending = b""  # at its beginning: an incomplete character of the block before
    for block in blocks:
        data = pending + block
        if found is None:
            try:
                decoder.decode(block)
            except UnicodeError:
                found = _faults_in(data, start, line, line_start, encoding)
            pending = decoder.getstate()[0] if found is None else b""
        else:
            found = found._replace(number=found.number + _num_faults(block, encoding))
        passed = data[: len(data) - len(pending)]
        newline = passed.rfind(b"\n")
        if newline >= 0:
            line_start = start + newline + 1
        line += passed.count(b"\n")
        start += len(passed)
    if found is None and pending and not is_cut:
        place = (line, start - line_start + 1, pending.hex(" "))
        return Faults(1, start, [place], b"")
    return found


def _faults_in(
    data: bytes,
    start: int,
    line: int,
    line_start: int,
    encoding: str,
) -> Faults | None:
    """The faults in a block.

    Args:
        data: the block.
        start: bytes of the file before it.
        line: in which it begins.
        line_start: the place of that line's first byte in the file.
        encoding: of the text.
    """
    places: list[tuple[int, int, str]] = []
    first_byte = -1
    position = 0
    while len(places) < MOST_PLACES:
        try:
            codecs.getincrementaldecoder(encoding)().decode(data[position:])
        except UnicodeDecodeError as error:
            begin = position + error.start
            end = position + max(error.end, error.start + 1)
            if first_byte < 0:
                first_byte = begin
            newline = data.rfind(b"\n", 0, begin)
            of_line = line_start if newline < 0 else start + newline + 1
            number = line + data.count(b"\n", 0, begin)
            places.append((number, start + begin - of_line + 1, data[begin:end].hex(" ")))
            position = end
        except UnicodeError:
            break
        else:
            break
    if first_byte < 0:
        return None
    around = _whole_lines(data, first_byte)
    return Faults(_num_faults(data, encoding), start + first_byte, places, around)


def _whole_lines(data: bytes, place: int) -> bytes:
    """About AROUND bytes around a place, from the beginning of a line to the end of one."""
    begin = data.rfind(b"\n", 0, max(0, place - AROUND // 2)) + 1
    if place - begin > AROUND:  # in a very long line
        begin = data.rfind(b"\n", 0, place) + 1
    end = data.rfind(b"\n", place, begin + AROUND) + 1
    return data[begin : end or begin + AROUND]


def _num_faults(data: bytes, encoding: str) -> int:
    """About how many byte sequences of a block are not valid."""
    make = codecs.getincrementaldecoder(encoding)
    replaced = make("replace").decode(data).count("\ufffd")
    return replaced - make("ignore").decode(data).count("\ufffd")
