"""Session: a story that is written and read piece by piece, and can be put into a file. Knows nothing of models but the network."""

import base64
import hashlib
import math
import zlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charrnn import strict_json
from charrnn.config import knobs
from charrnn.errors import CharRNNError, CheckpointError, ConfigError, DamagedError
from charrnn.files import not_written, read_regular, write_file
from charrnn.generation.decode import REACH, History, Piece, Symbol, Writer, pieces, until_boundary
from charrnn.generation.network import Network, State
from charrnn.generation.sampling import Sampler
from charrnn.recall import Memory
from charrnn.vocab import Vocabulary

FORMAT = 1
MOST_BYTES = 1 << 28  # of an array in a file
LENGTH = 500  # characters


class Moment(NamedTuple):
    """All that a session is, at some moment."""

    state: State
    logits: Any
    read: int  # ids in the history
    random: dict[str, Any]
    pending: bytes
    held: str
    text: str
    ended: bool


class Session:
    """A network that reads and writes in turns; made by ``TextModel.session`` and ``load_session``.

    Args:
        network: what predicts.
        vocabulary: its symbols.
        sampler: how a symbol is drawn.
        seed: of what is drawn.
        prime: id of the symbol that is read before a text without a prompt, and before a record.
        model: SHA-256 of the weights in the model's checkpoint; empty for a model that stands in none as it is.
    """

    def __init__(self, network: Network, vocabulary: Vocabulary, sampler: Sampler, seed: int, prime: int, model: str = "") -> None:
        self.vocabulary, self.prime, self.model = vocabulary, prime, model
        self.text = ""  # all that was fed and written
        self.ended = False  # whether a record has come to its end
        self._writer = Writer(network, sampler, np.random.default_rng(seed))
        self._decoder, self._held = vocabulary.decoder(), ""  # held: drawn and read, and not given yet
        self._before: list[Moment] = []

    def feed(self, text: str, *, unknown: str = "error") -> "Session":
        """Let the network read a text, as if it had written it.

        Raises:
            VocabularyError: the text holds an unknown character.
            ConfigError: a record has come to its end.
        """
        known, _ = self.vocabulary.repair(text, unknown)
        if known:
            self._go_on()
            ids = self.vocabulary.encode(known).tolist()
            self._writer.read([self.prime, *ids] if self._first and self.vocabulary.records else ids)
            self.text, self._held = self.text + self._held + known, ""
        return self

    def write(self, length: int = LENGTH, *, until: str | None = None) -> str:
        """The next characters, so many, or up to a boundary behind them as in ``generate``; of a record, up to its end.

        Raises:
            ConfigError: a record has come to its end.
        """
        return "".join(self.stream(length, until=until))

    def stream(self, length: int = LENGTH, *, until: str | None = None) -> Iterator[str]:
        """As ``write``, piece by piece as it is written; what was given when it is broken off is written."""
        self._go_on()
        if self._first:
            self._writer.read([self.prime])
        if not (length or until):
            return
        held, self._held = self._held, ""
        endless = pieces(self._decoder, self._symbols(), math.inf, self.vocabulary.end)
        stream = chain([Piece(held, 0.0)] if held else [], endless)
        cut = until_boundary(stream, length, until) if until else _first_characters(stream, length)
        try:
            while True:
                piece = next(cut)
                self.text += piece.text
                yield piece.text
        except StopIteration as end:
            self._held = end.value
        finally:
            cut.close()

    def undo(self) -> "Session":
        """Take back the last ``feed`` or ``write``; all of them can be, one after another.

        Raises:
            ConfigError: there is none.
        """
        if not self._before:
            raise ConfigError("undo: nothing was fed or written yet, or all of it was taken back")
        self._set(self._before.pop())
        return self

    def fork(self, seed: int | None = None) -> "Session":
        """Another session that goes on from here by itself; with a seed it writes something else."""
        writer = self._writer
        other = Session(writer.network, self.vocabulary, writer.sampler, 0, self.prime, self.model)
        other._writer.history = History(writer.history.ids)
        other._set(self._moment())
        if seed is not None:
            other._writer.rng = np.random.default_rng(seed)
        return other

    def save(self, path: str | Path) -> None:
        """Put the session into a file of a few kilobytes; ``TextModel.load_session`` goes on from it. ``text`` does not stand in it.

        Raises:
            CheckpointError: it could not be written; what stood there stands there.
            ConfigError: the model was adapted, or was not read from a checkpoint.
        """
        if not self.model:
            raise ConfigError("save: the session's model was adapted, or not read from a checkpoint, so that nothing could go on with it")
        writer, now = self._writer, self._moment()
        sampler = {name: getattr(writer.sampler, name) for name in knobs(Sampler)}
        random = now.random | {"state": {name: str(value) for name, value in now.random["state"].items()}}  # too large for JSON elsewhere
        banned = [idx for idx, value in writer.sampler.bias if value == -math.inf]
        reach = max(REACH, writer.network.copy_window + 16)
        values = {
            "charrnn": "state", "format": FORMAT, "model": self.model, "h": _packed(now.state.h), "c": _packed(now.state.c),
            "ids": _packed(np.array(writer.history.ids[-reach:], np.int32)), "random": random,
            "pending": base64.b64encode(now.pending).decode(), "held": now.held, "ended": now.ended, "sampler": sampler,
            "banned": banned, "bias": [[idx, value] for idx, value in writer.sampler.bias if value != -math.inf],
        }  # fmt: skip
        data = strict_json.dumps(values | {"sha256": _digest(values)})
        try:
            write_file(Path(path).absolute(), data)
        except OSError as error:
            raise not_written(Path(path), error) from None

    @classmethod
    def load(cls, path: Path, network: Network, vocabulary: Vocabulary, prime: int, model: str, settings: Mapping[str, Any]) -> "Session":
        """The session in a file.

        Args:
            path: of the file.
            network, vocabulary, prime: of the model.
            model: SHA-256 of its weights.
            settings: of the sampler, that shall be otherwise than they were.

        Raises:
            CheckpointError: it is missing, damaged, or of another model.
        """
        values = _read(path)
        if (other := str(values.get("model"))) != model:
            raise CheckpointError(
                f"{path} is the state of another model, {other[:12]}; this one is {model[:12]}: give the RUN that wrote it"
            )
        try:
            bias = tuple((int(idx), float(value)) for idx, value in values["bias"])
            sampler = Sampler(**values["sampler"], bias=(*bias, *((int(idx), -math.inf) for idx in values["banned"])))
            session = cls(network, vocabulary, replace(sampler, **settings), 0, prime, model)
            session._restore(values)
        except (KeyError, TypeError, ValueError, AttributeError, CharRNNError, zlib.error) as error:
            raise _damaged(path, f"{type(error).__name__}: {error}") from None
        return session

    def _restore(self, values: Mapping[str, Any]) -> None:
        writer, network = self._writer, self._writer.network
        ids = _unpacked(values["ids"], np.int32).tolist()
        h, c = _unpacked(values["h"], np.float32), _unpacked(values["c"], np.float32)
        blank = network.zero_state()
        if h.shape != blank.h.shape or c.shape != blank.c.shape or not (np.isfinite(h).all() and np.isfinite(c).all()):
            raise ValueError("the state is not of this network's size, or holds what is no number")
        if ids and not 0 <= min(ids) <= max(ids) < network.vocab_size:
            raise ValueError("it has read symbols that the model does not have")
        memories = (Memory.of(network.copy_window, ids),) if network.copy_window else ()
        random = values["random"]
        kind = dict(writer.rng.bit_generator.state)
        numbers = {name: int(random["state"][name]) for name in kind["state"]}
        writer.rng.bit_generator.state = kind | {"state": numbers, "has_uint32": random["has_uint32"], "uinteger": random["uinteger"]}
        writer.history, writer.state = History(ids), State(h, c, memories)
        writer.logits = network.logits(writer.state) if ids else None
        if not isinstance(values["held"], str) or not isinstance(values["ended"], bool):
            raise TypeError("held is no text, or ended is not true or false")
        self._held, self.ended = values["held"], values["ended"]
        self._decoder.pending = base64.b64decode(values["pending"], validate=True)

    @property
    def _first(self) -> bool:
        return self._writer.history.length == 0

    def _symbols(self) -> Iterator[Symbol]:
        while True:
            symbol = self._writer.draw()
            self._writer.read((symbol.idx,))
            self.ended = symbol.idx == self.vocabulary.end
            yield symbol

    def _go_on(self) -> None:
        if self.ended:
            raise ConfigError("session: the record has come to its end; begin another session, or undo")
        self._before.append(self._moment())

    def _moment(self) -> Moment:
        writer = self._writer
        return Moment(
            writer.state, writer.logits, writer.history.length, dict(writer.rng.bit_generator.state), self._decoder.pending, self._held,
            self.text, self.ended,
        )  # fmt: skip

    def _set(self, moment: Moment) -> None:
        writer = self._writer
        writer.state, writer.logits, writer.history.length = moment.state, moment.logits, moment.read
        writer.rng.bit_generator.state = moment.random
        self._decoder.pending = moment.pending
        self._held, self.text, self.ended = moment.held, moment.text, moment.ended


def _first_characters(stream: Iterator[Piece], length: int) -> Generator[Piece, None, str]:
    """So many characters of an endless stream; what came with the last of them is returned."""
    for piece in stream:
        yield Piece(piece.text[:length], 0.0)
        length, rest = length - len(piece.text), piece.text[length:]
        if length <= 0:
            return rest
    return ""


def _read(path: Path) -> dict[str, Any]:
    """What stands in a file, once its checksum is right."""
    try:
        values = strict_json.loads(read_regular(path, strict_json.LONGEST))
        told = values.pop("sha256")
        if told != _digest(values):
            raise ValueError("it does not match its own checksum")
        if values["charrnn"] != "state" or values["format"] != FORMAT:
            raise ValueError(f"it has format {values['format']}, this version reads {FORMAT}")
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}; `charrnn sample --save-state {path}` writes one") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}; check the name") from None
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    return dict(values)


def _damaged(path: Path, why: str) -> DamagedError:
    return DamagedError(f"{path} is no state that can be gone on with: {ascii(why)[1:200]}; use another file")


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(strict_json.dumps(values)).hexdigest()


def _packed(array: Any) -> str:
    data = np.asarray(array)
    return base64.b64encode(zlib.compress(data.astype(data.dtype.newbyteorder("<")).tobytes())).decode()


def _unpacked(text: str, kind: Any) -> Any:
    decompressor = zlib.decompressobj()
    data = decompressor.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
    if not decompressor.eof:
        raise ValueError("an array is longer than any that is written")
    return np.frombuffer(data, np.dtype(kind).newbyteorder("<")).astype(kind)
