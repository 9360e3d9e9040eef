"""Index: finds any passage of a corpus, and the file and line of each place.

On disk it is a directory:

text.bin    the symbols, numbered in the order of their code points, 1, 2 or 4 bytes each,
            big-endian
order.bin   the suffix array, 4 bytes per place, little-endian
about.json  what the numbers mean, where the files begin, and the SHA-256 of the other two and of
            itself; written last
"""

import hashlib
import stat
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.arguments import ignore
from charrnn.corpus.text_to_ids import encode
from charrnn.errors import CharRNNError, CheckpointError, CorpusError, DamagedError
from charrnn.originality.alphabet import Alphabet, alphabet_of
from charrnn.originality.suffix_array import OnProgress, Suffixes
from charrnn.storage import strict_json
from charrnn.storage.atomic import commit_directory, read_regular
from charrnn.vocab import Vocabulary

FORMAT = 1
MOST = 1 << 28  # characters
MOST_FILES = 20_000
PLACE_BYTES = 4  # in order.bin
MOST_REASON = 200  # characters of a reason that an error shows
WRONG_CHECKSUM = "about.json does not match its own checksum"
AGAIN = "delete the directory to have it rebuilt"
# what reading a damaged or foreign description may raise
MALFORMED = (
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ValueError,
    RecursionError,
    CharRNNError,
)


class Place(NamedTuple):
    """The name of a file as it was read, and a line, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line:,}"


@dataclass(frozen=True)
class Index:
    """A corpus with its suffix array.

    Args:
        suffixes: of the corpus's symbols, in the order of the files.
        vocabulary: all its symbols, including those between records.
        files: the name of each file, and the position of its first symbol.
        fingerprint: of the ``Corpus`` that was read from the same text.
    """

    suffixes: Suffixes
    vocabulary: Vocabulary
    files: tuple[tuple[str, int], ...]
    fingerprint: str

    @classmethod
    def of(
        cls,
        blocks: Iterable[str | bytes],
        files: Sequence[tuple[str, int]],
        fingerprint: str,
        on_progress: OnProgress = ignore,
    ) -> "Index":
        """Build the index of a text from its blocks.

        ``on_progress`` is called with the number of symbols that each step has put in their place.

        Raises:
            CorpusError: it is longer, or has more files, than can be indexed.
        """
        vocabulary, ids = encode(blocks)
        if len(ids) > MOST or len(files) > MOST_FILES:
            raise CorpusError(
                f"the corpus is too large for an index: {len(ids):,} characters in "
                f"{len(files):,} files, the limits are {MOST:,} and {MOST_FILES:,}; "
                "join its files, or use a model trained on a part of it"
            )
        suffixes = Suffixes.of(ids, alphabet_of(vocabulary).width, on_progress)
        return cls(suffixes, vocabulary, tuple(files), fingerprint)

    def __len__(self) -> int:
        return len(self.suffixes)

    @cached_property
    def alphabet(self) -> Alphabet:
        """How symbols are encoded in ``suffixes``."""
        return alphabet_of(self.vocabulary)

    @cached_property
    def ids(self) -> NDArray[Any]:
        """The whole text as ids of ``vocabulary``: (n,)."""
        return np.frombuffer(self.suffixes.text, f">u{self.suffixes.width}")

    @cached_property
    def text(self) -> str | bytes:
        """The whole text, as it was learned."""
        return self.alphabet.text(self.ids)

    def encode(self, text: str | bytes) -> bytes:
        """Another text for ``suffixes``; a symbol that is not in the corpus matches nothing."""
        return self.alphabet.encode(text)

    def codes(self, vocabulary: Vocabulary) -> list[bytes]:
        """The bytes in ``suffixes`` of each id of another vocabulary.

        Empty for a symbol that is not in the corpus, and for the end of a record.
        """
        codes = self.alphabet.codes(vocabulary)
        if vocabulary.records:
            codes.append(b"")
        return codes

    def place(self, position: int) -> Place:
        """The file and the line of a symbol of the corpus."""
        number = bisect_right(self.files, position, key=_start_of) - 1
        file, start = self.files[number]
        first, here = np.searchsorted(self._newlines, [start, position]).tolist()
        return Place(file, here - first + 1)

    @cached_property
    def _newlines(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.ids == self.vocabulary.newline)

    def write(self, path: Path) -> None:
        """Commit the index as a directory.

        Raises:
            CheckpointError: it could not be written.
        """
        files = {
            "text.bin": bytes(self.suffixes.text[:]),
            "order.bin": self.suffixes.order.astype("<u4").tobytes(),
        }
        description = {
            "format": FORMAT,
            "characters": len(self),
            "unit": self.vocabulary.unit,
            "symbols": self.vocabulary.symbols,
            "files": [list(file) for file in self.files],
            "fingerprint": self.fingerprint,
            "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        }
        description["self"] = _digest(description)
        files["about.json"] = strict_json.dumps(description)
        commit_directory(path, files)

    @classmethod
    def read(cls, path: Path) -> "Index":
        """Open an index, mapped from disk; every byte is verified before any is used.

        Raises:
            DamagedError: it was changed since it was written.
            CheckpointError: it cannot be read.
        """
        try:
            index = cls._read(path)
            index._check()
        except FileNotFoundError as error:
            name = Path(error.filename).name
            raise DamagedError(f"{path} is damaged: {name} is missing; {AGAIN}") from None
        except OSError as error:
            raise CheckpointError(
                f"{path} cannot be read: {error.strerror or error}; "
                f"check its permissions, or {AGAIN}"
            ) from None
        except MALFORMED as error:
            reason = ascii(str(error))[1:-1][:MOST_REASON]
            raise DamagedError(f"{path} is damaged: {reason}; {AGAIN}") from None
        return index

    @classmethod
    def _read(cls, path: Path) -> "Index":
        description = _read_description(path)
        num_symbols = description["characters"]
        sha256 = description["sha256"]
        vocabulary = Vocabulary(description["unit"], description["symbols"])
        width = alphabet_of(vocabulary).width
        text = _map_file(path / "text.bin", width * num_symbols, sha256["text.bin"])
        order = _map_file(path / "order.bin", PLACE_BYTES * num_symbols, sha256["order.bin"])
        return cls(
            suffixes=Suffixes(text, width, np.frombuffer(order, "<u4")),
            vocabulary=vocabulary,
            files=tuple((str(file), int(start)) for file, start in description["files"]),
            fingerprint=str(description["fingerprint"]),
        )

    def _check(self) -> None:
        """Refuse numbers that point outside the text, even if their checksum is right."""
        highest_place = self.suffixes.order.max()
        highest_id = self.ids.max()
        if highest_place >= len(self) or highest_id >= len(self.vocabulary):
            raise ValueError("it contains a number that is too high")
        starts = [start for _, start in self.files]
        if starts[0] != 0 or starts != sorted(starts) or starts[-1] > len(self):
            raise ValueError("the start of a file in it is impossible")


def _start_of(file: tuple[str, int]) -> int:
    _, start = file
    return start


def _read_description(path: Path) -> dict[str, Any]:
    """The content of about.json, verified against its checksum."""
    data = read_regular(path / "about.json", strict_json.LONGEST)
    description = strict_json.loads(data)
    if strict_json.dumps(description) != data:  # byte for byte
        raise ValueError(WRONG_CHECKSUM)
    if description.pop("self") != _digest(description):
        raise ValueError(WRONG_CHECKSUM)
    _check_description(description)
    return dict(description)


def _check_description(description: dict[str, Any]) -> None:
    if description["format"] != FORMAT:
        raise ValueError(
            f"it has format {description['format']!r}, but this version reads {FORMAT}"
        )
    num_symbols = description["characters"]
    is_number = type(num_symbols) is int and 0 < num_symbols <= MOST
    symbols = description["symbols"]
    if not is_number or list(symbols) != sorted(symbols):
        raise ValueError("about.json contains impossible values")


def _map_file(path: Path, size: int, sha256: str) -> mmap:
    """Map a file of this size and checksum; a link, a pipe or a device is not opened."""
    info = path.lstat()
    if not stat.S_ISREG(info.st_mode) or info.st_size != size:
        raise ValueError(f"{path.name} is not a file of {size:,} bytes")
    with open(path, "rb") as file:
        data = mmap(file.fileno(), size, access=ACCESS_READ)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"the SHA-256 of {path.name} does not match about.json")
    return data


def _digest(description: dict[str, Any]) -> str:
    return hashlib.sha256(strict_json.dumps(description)).hexdigest()
