"""Index: a corpus as it was read, with every stretch of it findable, and the files and lines that
they stand in. Knows nothing of runs.

text.bin       the symbols, numbered in the order of their code points, each in 1, 2 or 4 bytes, the
highest first order.bin      its suffix array, each place in 4 bytes, the lowest first about.json
what the numbers stand for, where the files begin, and SHA-256 of the others and of itself; written
last
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

from charrnn.corpus.text_to_ids import encode
from charrnn.errors import CharRNNError, CheckpointError, CorpusError, DamagedError
from charrnn.originality.suffix_array import WIDTHS, Suffixes, packed
from charrnn.storage import strict_json
from charrnn.storage.atomic import commit_directory, read_regular
from charrnn.vocab import Vocabulary

FORMAT = 1
MOST = 1 << 28  # characters
MOST_FILES = 20_000
AGAIN = "delete the directory; it is made anew where it is needed"


class Place(NamedTuple):
    """Where something stands: a file as it was named, and a line, from 1 on."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line:,}"


@dataclass(frozen=True)
class Index:
    """A corpus, findable.

    Args:
        suffixes: of its symbols, in the order of the files.
        vocabulary: all its symbols, what stands between records among them.
        files: the name of each, and the position of its first symbol.
        fingerprint: of the ``Corpus`` that was made of it.
    """

    suffixes: Suffixes
    vocabulary: Vocabulary
    files: tuple[tuple[str, int], ...]
    fingerprint: str

    @classmethod
    def of(
        cls, blocks: Iterable[str | bytes], files: Sequence[tuple[str, int]], fingerprint: str
    ) -> "Index":
        """Of the blocks of a text.

        Raises:
            CorpusError: it is longer than can be indexed, or stands in too many files.
        """
        vocabulary, ids = encode(blocks)
        if len(ids) > MOST or len(files) > MOST_FILES:
            raise CorpusError(
                f"the corpus is too long for an index: {len(ids):,} characters in {len(files):,} files, {MOST:,} in {MOST_FILES:,} are "
                "the most; join its files, or use a model of a part of it"
            )
        return cls(Suffixes.of(ids, _width(vocabulary)), vocabulary, tuple(files), fingerprint)

    def __len__(self) -> int:
        return len(self.suffixes)

    @cached_property
    def ids(self) -> NDArray[Any]:
        """The whole text, (n,), as ids of ``vocabulary``."""
        return np.frombuffer(self.suffixes.text, f">u{self.suffixes.width}")

    @cached_property
    def text(self) -> str | bytes:
        """The whole text, as it was read."""
        if self.vocabulary.unit == "byte":
            return self.ids.tobytes()
        return str(self._points[self.ids].astype("<u4").tobytes().decode("utf-32-le"))

    def encode(self, text: str | bytes) -> bytes:
        """Another text as ``suffixes`` takes it; a symbol that the corpus lacks becomes one that
        matches nothing."""
        if self.vocabulary.unit == "byte":
            return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        assert isinstance(text, str)
        points, wanted = (
            self._points,
            np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4"),
        )
        ids = np.searchsorted(points, wanted)
        there = points[np.minimum(ids, len(points) - 1)] == wanted
        return packed(np.where(there, ids, len(points)), self.suffixes.width)

    def codes(self, vocabulary: Vocabulary) -> list[bytes]:
        """Of each id of another vocabulary the bytes of its symbol here; none for what the corpus
        lacks, and for the end of a record."""
        if self.vocabulary.unit == "byte":
            codes = [bytes([byte]) for byte in range(256)]
        else:
            known, width = self.vocabulary.symbols, self.suffixes.width
            codes = [
                known.find(char).to_bytes(width, "big") if char in known else b""
                for char in vocabulary.symbols
            ]
        return codes + [b""] * vocabulary.records

    def place(self, position: int) -> Place:
        """The file and the line that a symbol of the corpus stands in."""
        file, start = self.files[bisect_right(self.files, position, key=lambda file: file[1]) - 1]
        before, here = np.searchsorted(self._newlines, [start, position]).tolist()
        return Place(file, here - before + 1)

    def write(self, path: Path) -> None:
        """Commit it as a directory.

        Raises:
            CheckpointError: it could not be written.
        """
        data = {
            "text.bin": bytes(self.suffixes.text[:]),
            "order.bin": self.suffixes.order.astype("<u4").tobytes(),
        }
        about = {
            "format": FORMAT,
            "characters": len(self),
            "unit": self.vocabulary.unit,
            "symbols": self.vocabulary.symbols,
            "files": [list(file) for file in self.files],
            "fingerprint": self.fingerprint,
            "sha256": {name: hashlib.sha256(each).hexdigest() for name, each in data.items()},
        }
        commit_directory(
            path, data | {"about.json": strict_json.dumps(about | {"self": _digest(about)})}
        )

    @classmethod
    def read(cls, path: Path) -> "Index":
        """Open a committed one, mapped from the disk; every byte is verified before any is used.

        Raises:
            DamagedError: it is not as it was written.
            CheckpointError: the disk does not give it.
        """
        try:
            about = _about(path)
            vocabulary, files = (
                Vocabulary(about["unit"], about["symbols"]),
                tuple((str(file), int(at)) for file, at in about["files"]),
            )
            width, characters = _width(vocabulary), about["characters"]
            text = _mapped(path / "text.bin", width * characters, about["sha256"]["text.bin"])
            order = np.frombuffer(
                _mapped(path / "order.bin", 4 * characters, about["sha256"]["order.bin"]), "<u4"
            )
            index = cls(Suffixes(text, width, order), vocabulary, files, str(about["fingerprint"]))
            starts = [at for _, at in files]
            if order.max() >= characters or index.ids.max() >= len(vocabulary):
                raise ValueError("a number in it is too high")
            if starts[0] != 0 or starts != sorted(starts) or starts[-1] > characters:
                raise ValueError("its files begin where they cannot")
        except FileNotFoundError as error:
            raise DamagedError(
                f"{path} is damaged: there is no {Path(error.filename).name} in it; {AGAIN}"
            ) from None
        except OSError as error:
            raise CheckpointError(
                f"{path} cannot be read: {error.strerror or error}; see to it, or {AGAIN}"
            ) from None
        except (
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
            ValueError,
            RecursionError,
            CharRNNError,
        ) as error:
            raise DamagedError(
                f"{path} is damaged: {ascii(str(error))[1:-1][:200]}; {AGAIN}"
            ) from None
        return index

    @cached_property
    def _points(self) -> NDArray[np.uint32]:
        return np.array([ord(char) for char in self.vocabulary.symbols], np.uint32)

    @cached_property
    def _newlines(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.ids == self.vocabulary.newline)


def _width(vocabulary: Vocabulary) -> int:
    """Bytes of a symbol, so that of characters there is a number left for one that is not among
    them."""
    return (
        1
        if vocabulary.unit == "byte"
        else next(width for width in WIDTHS if len(vocabulary) < 256**width)
    )


def _about(path: Path) -> dict[str, Any]:
    """What stands in about.json, once it is known to be what was written."""
    data = read_regular(path / "about.json", strict_json.LONGEST)
    about = strict_json.loads(data)
    if strict_json.dumps(about) != data or about.pop("self") != _digest(about):  # to the last space
        raise ValueError("about.json does not match its own checksum")
    if about["format"] != FORMAT:
        raise ValueError(f"it has format {about['format']!r}, this version reads {FORMAT}")
    if (
        type(about["characters"]) is not int
        or not 0 < about["characters"] <= MOST
        or list(about["symbols"]) != sorted(about["symbols"])
    ):
        raise ValueError("about.json says what cannot be")
    return dict(about)


def _mapped(path: Path, size: int, sha256: str) -> mmap:
    """A file of this size and checksum. A link, a pipe or a device is not opened."""
    info = path.lstat()
    if not stat.S_ISREG(info.st_mode) or info.st_size != size:
        raise ValueError(f"{path.name} is no file of {size:,} bytes")
    with open(path, "rb") as file:
        data = mmap(file.fileno(), size, access=ACCESS_READ)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"the SHA-256 of {path.name} is not the one written")
    return data


def _digest(about: dict[str, Any]) -> str:
    return hashlib.sha256(strict_json.dumps(about)).hexdigest()
