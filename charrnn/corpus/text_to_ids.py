"""Text to ids, block by block, so that memory does not grow with the text.

A symbol gets a number when it is first seen. Once all blocks have been read, the numbers become ids
in the vocabulary's order. Up to IN_MEMORY bytes of ids are kept in memory; more are written to a
temporary file without a name and memory-mapped.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config.arguments import ignore
from charrnn.errors import CorpusError
from charrnn.vocab import Ids, Vocabulary, describe, smallest_dtype

IN_MEMORY = 64 << 20  # bytes
CODE_POINTS = 0x110000  # all that Unicode has
MOST_SHOWN = 5  # rare characters in a notice

DType = np.dtype[Any]


def encode(
    blocks: Iterable[str | bytes],
    min_count: int = 1,
    kept: str = "",
    tell: Callable[[str], object] = ignore,
    known: str = "",
) -> tuple[Vocabulary, Ids]:
    """The vocabulary of a text, and its ids (n,); bytes are their own ids.

    Args:
        blocks: of the text.
        min_count: characters that occur less often become the most similar one that does not, or
            are left out.
        kept: characters that are never rare.
        tell: called with a sentence on rare characters.
        known: symbols that the vocabulary begins with; those of the text follow, sorted.

    Raises:
        CorpusError: the disk is too full for the ids.
    """
    directory = "the directory for temporary files"
    try:
        directory = tempfile.gettempdir()
        return _encode(blocks, min_count, kept, tell, known)
    except OSError as error:
        raise CorpusError(
            f"the encoded text could not be written to {directory}: {error.strerror or error}; "
            "free some space, or set TMPDIR to another directory"
        ) from None


def _encode(
    blocks: Iterable[str | bytes],
    min_count: int,
    kept: str,
    tell: Callable[[str], object],
    known: str,
) -> tuple[Vocabulary, Ids]:
    numbering = _Numbering()
    layout: list[tuple[int, DType]] = []  # of each block: its size in bytes, and its dtype
    num_symbols = 0
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
        for block in blocks:
            numbers = numbering.numbers(block)
            num_symbols += len(numbers)
            layout.append((numbers.nbytes, numbers.dtype))
            spool.write(numbers.tobytes())
        spool.seek(0)
        whole = numbering.vocabulary(known)
        ids = numbering.ids(whole)  # of each number
        if min_count <= 1 or whole.unit == "byte":
            ids = ids.astype(smallest_dtype(len(whole)))
            pieces = (ids[numbers] for numbers in _spooled(spool, layout))
            return whole, _joined(pieces, num_symbols, ids.dtype)
        counts = np.zeros(len(whole), np.int64)
        for numbers in _spooled(spool, layout):
            counts += np.bincount(ids[numbers], minlength=len(whole))
        spool.seek(0)
        vocabulary, new_ids = _without_rare(whole, counts, min_count, kept, known)
        ids = new_ids[ids]
        num_dropped = int(counts[new_ids < 0].sum())
        dtype = np.dtype(smallest_dtype(len(vocabulary)))
        pieces = (_known(ids[numbers], dtype) for numbers in _spooled(spool, layout))
        if vocabulary.replaced:
            rare = [whole.symbols.index(char) for char, _ in vocabulary.replaced]
            tell(_replacements(vocabulary, counts[rare]))
        return vocabulary, _joined(pieces, num_symbols - num_dropped, dtype)


def _without_rare(
    whole: Vocabulary,
    counts: NDArray[np.int64],
    min_count: int,
    kept: str,
    known: str,
) -> tuple[Vocabulary, NDArray[np.int64]]:
    """The vocabulary without rare characters, and the new id of each symbol (V,); -1: left out."""
    numbered = zip(whole.symbols, counts.tolist(), strict=True)
    common = {char for char, count in numbered if count >= min_count or char in kept + known}
    if not common:
        raise CorpusError(
            f"no character occurs {min_count:,} times; give a smaller `min_count`, or more text"
        )
    left = Vocabulary("char", "".join(char for char in whole.symbols if char in common))
    new_id_of = {char: idx for idx, char in enumerate(left.symbols)}
    new_ids = np.full(len(whole), -1, np.int64)
    replaced = []
    for old_id, char in enumerate(whole.symbols):
        symbol = char
        if char not in common:
            symbol = left.similar(char, kept)
            replaced.append((char, symbol))
        if symbol:
            new_ids[old_id] = new_id_of[symbol]
    return Vocabulary("char", left.symbols, replaced=tuple(replaced)), new_ids


def _replacements(vocabulary: Vocabulary, counts: NDArray[np.int64]) -> str:
    """What became of the characters that are too rare, in a sentence."""
    order = np.argsort(-counts, kind="stable")
    shown = []
    for number in order[:MOST_SHOWN].tolist():
        char, symbol = vocabulary.replaced[number]
        became = f"became {symbol!r}" if symbol else "was left out"
        times = "once" if counts[number] == 1 else f"{counts[number]:,} times"
        shown.append(f"{describe(char)} {became} ({times})")
    if len(order) > MOST_SHOWN:
        shown.append(f"and {len(order) - MOST_SHOWN:,} more")
    number = "1 character is" if len(order) == 1 else f"{len(order):,} characters are"
    return f"{number} too rare for `min_count`: {', '.join(shown)}"


def _known(ids: NDArray[np.int64], dtype: DType) -> Ids:
    """The ids that are not left out."""
    return ids[ids >= 0].astype(dtype)


class _Numbering:
    """Numbers the symbols of a text in the order in which they are first seen."""

    def __init__(self) -> None:
        self._number = np.full(CODE_POINTS, -1, np.int32)  # of each code point; -1: not seen yet
        self._points: list[int] = []  # the code point of each number
        self._is_bytes = False

    def numbers(self, block: str | bytes) -> Ids:
        """The numbers of a block's symbols; those of bytes are their values."""
        if isinstance(block, bytes):
            self._is_bytes = True
            return np.frombuffer(block, np.uint8)
        data = block.encode("utf-32-le", "surrogatepass")
        points = np.frombuffer(data, np.uint32)
        numbers = self._number[points]
        if numbers.size and numbers.min() < 0:
            self._add(np.unique(points[numbers < 0]))
            numbers = self._number[points]
        return numbers.astype(smallest_dtype(len(self._points)))

    def _add(self, points: NDArray[np.uint32]) -> None:
        """Give new code points the next numbers."""
        start = len(self._points)
        self._points.extend(points.tolist())
        end = len(self._points)
        self._number[points] = np.arange(start, end)

    def vocabulary(self, known: str) -> Vocabulary:
        """The known symbols, and all others seen so far; that of bytes if there were none."""
        if self._is_bytes or not self._points:
            return Vocabulary("byte")
        others = set(map(chr, self._points)) - set(known)
        return Vocabulary("char", known + "".join(sorted(others)))

    def ids(self, vocabulary: Vocabulary) -> NDArray[np.int64]:
        """The id of each number: (number of symbols seen,); of bytes, (256,)."""
        if vocabulary.unit == "byte":
            return np.arange(256)
        id_of = {char: idx for idx, char in enumerate(vocabulary.symbols)}
        return np.array([id_of[chr(point)] for point in self._points], np.int64)


def _spooled(spool: IO[bytes], layout: list[tuple[int, DType]]) -> Iterator[Ids]:
    """Read the numbers back, block by block."""
    for num_bytes, dtype in layout:
        data = spool.read(num_bytes)
        yield np.frombuffer(data, dtype)


def _joined(pieces: Iterator[Ids], length: int, dtype: DType) -> Ids:
    """All the pieces as one array, in memory or mapped from a file."""
    if length * dtype.itemsize <= IN_MEMORY:
        return np.concatenate([np.empty(0, dtype), *pieces])
    with tempfile.TemporaryFile() as file:  # the map keeps it open
        # Written to the file, not through the map, where a full disk would crash the process.
        for piece in pieces:
            file.write(piece.tobytes())
        file.flush()
        ids = np.memmap(file, dtype, "r", shape=(length,))
        return np.asarray(ids)  # indexing a memmap is slow
