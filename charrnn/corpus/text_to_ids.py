"""Text to ids, block by block: memory does not grow with the text. Knows nothing of files of text
and of how it is split.

A symbol gets a number when it is first seen; once all have been seen, the numbers are put into the
vocabulary's order. Up to IN_MEMORY bytes of ids are kept in memory; more stand in a temporary file
that has no name, and are mapped from there.
"""

import tempfile
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import CorpusError
from charrnn.vocab import Ids, Vocabulary, smallest_dtype

IN_MEMORY = 64 << 20  # bytes
POINTS = 0x110000  # code points that there are


def encode(blocks: Iterable[str | bytes]) -> tuple[Vocabulary, Ids]:
    """The vocabulary of a text, and its ids (n,); blocks of bytes are ids already.

    Raises:
        CorpusError: there is no room for the ids.
    """
    number = np.full(POINTS, -1, np.int32)
    symbols: list[int] = []  # code points, in the order in which they were seen
    lengths: list[
        tuple[int, type[np.unsignedinteger]]
    ] = []  # of each block: symbols, and how their numbers are written
    raw, where = False, "a directory for temporary files"
    try:
        where = tempfile.gettempdir()
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
            for block in blocks:
                if isinstance(block, bytes):
                    raw, numbers = True, np.frombuffer(block, np.uint8)
                else:
                    numbers = _numbered(
                        np.frombuffer(block.encode("utf-32-le", "surrogatepass"), np.uint32),
                        number,
                        symbols,
                    )
                lengths.append((len(numbers), numbers.dtype.type))
                spool.write(numbers.tobytes())
            spool.seek(0)
            raw = raw or not symbols
            vocabulary = (
                Vocabulary("byte")
                if raw
                else Vocabulary("char", "".join(map(chr, sorted(symbols))))
            )
            order = np.arange(256) if raw else np.argsort(np.argsort(symbols))
            final = order.astype(smallest_dtype(len(vocabulary)))  # id of each number
            pieces = (
                final[np.frombuffer(spool.read(length * kind().itemsize), kind)]
                for length, kind in lengths
            )
            return vocabulary, _gathered(pieces, sum(length for length, _ in lengths), final.dtype)
    except OSError as error:
        raise CorpusError(
            f"the encoded text could not be put into {where}: {error.strerror or error}; make room there, or set TMPDIR"
        ) from None


def _numbered(points: NDArray[np.uint32], number: NDArray[np.int32], symbols: list[int]) -> Ids:
    """The numbers of some code points; those not seen before get the next ones."""
    numbers = number[points]
    if numbers.size and numbers.min() < 0:
        fresh = np.unique(points[numbers < 0])
        number[fresh] = np.arange(len(symbols), len(symbols) + len(fresh))
        symbols.extend(fresh.tolist())
        numbers = number[points]
    return numbers.astype(smallest_dtype(len(symbols)))


def _gathered(pieces: Iterator[Ids], length: int, dtype: np.dtype[np.unsignedinteger]) -> Ids:
    """All the pieces as one array, in memory or mapped from a file."""
    if length * dtype.itemsize <= IN_MEMORY:
        return np.concatenate([np.empty(0, dtype), *pieces])
    with tempfile.TemporaryFile() as file:  # the map keeps it
        for piece in (
            pieces
        ):  # written, and not through the map, so that a full disk is an error and no crash
            file.write(piece.tobytes())
        file.flush()
        return np.asarray(np.memmap(file, dtype, "r", shape=(length,)))
