"""The file of a model's counts: a safetensors file that is mapped into memory, not read.

Its arrays are those of CountTable. Whatever the file says about itself is checked before it is
used, since a hostile file has a correct checksum too.
"""

import stat
from collections.abc import Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.count_table import MAX_BYTES, CountTable
from charrnn.storage.manifest import COUNTS, check_content, check_size, load_object, unreadable
from charrnn.vocab import Vocabulary, smallest_dtype

LENGTH_BYTES = 8  # of the number at the beginning of a safetensors file: the header's length
MAX_HEADER_BYTES = 4096
DTYPES = {"U8": np.uint8, "U16": np.uint16, "U32": np.uint32}

Arrays = dict[str, NDArray[Any]]


def to_bytes(table: CountTable) -> bytes:
    """The content of the file."""
    arrays = {
        "contexts": table.contexts,
        "starts": table.starts,
        "symbols": table.symbols,
        "counts": table.counts,
    }
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def open_counts(path: Path, entry: Mapping[str, Any], vocabulary: Vocabulary) -> CountTable:
    """The counts of a checkpoint, mapped from its directory.

    Args:
        path: the checkpoint's directory.
        entry: the file's entry in the manifest.
        vocabulary: of the model.

    Raises:
        CheckpointError: the file is missing, damaged, or cannot be read.
    """
    arrays = _arrays(map_verified(path, entry))
    table = CountTable(
        reader=Contexts(vocabulary),
        contexts=arrays["contexts"],
        starts=arrays["starts"],
        symbols=arrays["symbols"],
        counts=arrays["counts"],
    )
    _check(table)
    return table


def map_verified(path: Path, entry: Mapping[str, Any]) -> mmap:
    """The file of a checkpoint's counts, mapped into memory and compared with the manifest.

    Arguments and errors are those of ``open_counts``.
    """
    file = path / COUNTS
    check_size(path, COUNTS, entry)
    try:
        data = _map(file, entry["bytes"])
    except OSError as error:
        raise unreadable(file, error) from None
    check_content(file, data, entry)
    return data


def _map(file: Path, size: int) -> mmap:
    """Map a regular file; a link, a pipe or a device is not opened."""
    if not stat.S_ISREG(file.lstat().st_mode):
        raise OSError(None, "it is not a regular file")
    if not LENGTH_BYTES < size <= MAX_BYTES + MAX_HEADER_BYTES:
        raise OSError(None, f"it has {size:,} bytes, which no table of counts has")
    with open(file, "rb") as opened:
        return mmap(opened.fileno(), size, access=ACCESS_READ)


def _arrays(data: mmap) -> Arrays:
    """The arrays in a safetensors file, without copying them.

    Raises:
        ValueError, TypeError, KeyError: its header is not one that charrnn wrote.
    """
    header_bytes = int.from_bytes(data[:LENGTH_BYTES], "little")
    if header_bytes > MAX_HEADER_BYTES:
        raise ValueError("the header of the counts is too long")
    begin = LENGTH_BYTES + header_bytes
    header = load_object(data[LENGTH_BYTES:begin].rstrip(b" "))
    if set(header) != {"contexts", "starts", "symbols", "counts"}:
        raise ValueError("the file of counts has other arrays than those of counts")
    arrays = {}
    spans = []
    for name, entry in header.items():
        (length,) = entry["shape"]
        first, last = entry["data_offsets"]
        dtype = np.dtype(DTYPES[entry["dtype"]])
        is_inside = 0 <= first <= last <= len(data) - begin
        if not is_inside or last - first != length * dtype.itemsize:
            raise ValueError(f"the array {name} is not inside the file of counts")
        arrays[name] = np.frombuffer(data, dtype, length, begin + first)
        spans.append((first, last))
    spans.sort()
    firsts = [first for first, _ in spans]
    lasts = [last for _, last in spans]
    if [*firsts, len(data) - begin] != [0, *lasts]:
        raise ValueError("the arrays of the counts overlap, or leave a gap")
    return arrays


def _check(table: CountTable) -> None:
    """Refuse arrays that contradict each other or the vocabulary.

    Raises:
        ValueError: they do.
    """
    vocab_size = table.reader.vocab_size
    num_pairs = len(table.symbols)
    dtypes = [array.dtype for array in (table.contexts, table.starts, table.symbols, table.counts)]
    if dtypes != [np.uint32, np.uint32, smallest_dtype(vocab_size), np.uint16]:
        raise ValueError("an array of the counts has another type")
    if len(table.starts) != len(table.contexts) + 1 or len(table.counts) != num_pairs:
        raise ValueError("the arrays of the counts have lengths that do not match")
    if table.starts[0] != 0 or table.starts[-1] != num_pairs:
        raise ValueError("the counts of a context are outside of the file")
    if not (_increases(table.contexts) and _increases(table.starts)):
        raise ValueError("the contexts of the counts are out of order")
    if num_pairs and (int(table.symbols.max()) >= vocab_size or not table.counts.all()):
        raise ValueError("the counts have a symbol outside of the vocabulary, or a count of 0")


def _increases(array: NDArray[Any]) -> bool:
    """Whether each number is larger than the one before it."""
    return bool((array[1:] > array[:-1]).all())
