"""Session: a story that is written and read piece by piece, and can be put into a file. Knows nothing of models but the network."""

import base64
import math
import zlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charrnn.config import knobs, whole_number
from charrnn.errors import CharRNNError, CheckpointError, ConfigError
from charrnn.generation.decode import REACH, End, History, Piece, Symbol, Writer, pieces, until_boundary
from charrnn.generation.network import Network, State
from charrnn.generation.sampling import Sampler
from charrnn.generation.state import damaged, packed, read_state, unpacked, write_state
from charrnn.recall import Memory
from charrnn.vocab import Vocabulary

LENGTH = 500  # characters


class Moment(NamedTuple):
    """All that a session is, at some moment."""

    state: State
    logits: Any
    read: int  # ids in the history
    random: dict[str, Any]
    pending: bytes
    held: str
    pieces: int  # of the text
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
        self.ended = False  # whether a record has come to its end
        self._writer = Writer(network, sampler, np.random.default_rng(seed))
        self._decoder, self._held = vocabulary.decoder(), ""  # held: drawn and read, and not given yet
        self._texts: list[str] = []
        self._before: list[Moment] = []

    @property
    def text(self) -> str:
        """All that was fed and written."""
        return "".join(self._texts)

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
            self._texts.append(self._held + self._decoder.flush() + known)
            self._decoder, self._held = self.vocabulary.decoder(), ""
        return self

    def write(self, length: int = LENGTH, *, until: str | None = None) -> str:
        """The next characters, so many, or up to a boundary behind them as in ``generate``; of a record, up to its end.

        Raises:
            ConfigError: a record has come to its end.
        """
        return "".join(self.stream(length, until=until))

    def stream(self, length: int = LENGTH, *, until: str | None = None) -> Iterator[str]:
        """As ``write``, piece by piece as it is written; what was given when it is broken off is written."""
        length, _, until = End.of(self.vocabulary, length, (), until)
        self._go_on()
        if self._first:
            self._writer.read([self.prime])
        if not (length or until):
            return
        held, self._held = self._held, ""
        endless = pieces(self._decoder, self._symbols(), math.inf, self.vocabulary.end)
        stream = chain([Piece(held, 0.0)] if held else [], endless)
        cut = until_boundary(stream, max(1, length), until) if until else _first_characters(stream, length)
        try:
            while True:
                piece = next(cut)
                self._texts.append(piece.text)
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
        other._texts = list(self._texts)
        other._set(self._moment())
        if seed is not None:
            other._writer.rng = np.random.default_rng(whole_number("seed", seed))
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
            "model": self.model, "h": packed(now.state.h), "c": packed(now.state.c),
            "ids": packed(np.array(writer.history.ids[-reach:], np.int32)), "random": random,
            "pending": base64.b64encode(now.pending).decode(), "held": now.held, "ended": now.ended, "sampler": sampler,
            "banned": banned, "bias": [[idx, value] for idx, value in writer.sampler.bias if value != -math.inf],
        }  # fmt: skip
        write_state(Path(path), values)

    @classmethod
    def load(cls, path: Path, network: Network, vocabulary: Vocabulary, prime: int, model: str, settings: Mapping[str, Any]) -> "Session":
        """The session in a file.

        Args:
            path: of the file.
            network, vocabulary, prime: of the model.
            model: SHA-256 of its weights.
            settings: of the sampler, that shall be otherwise than they were; a bias is added to those that were kept, symbol by symbol.

        Raises:
            CheckpointError: it is missing, damaged, or of another model.
        """
        values = read_state(path)
        if (other := str(values.get("model"))) != model:
            raise CheckpointError(
                f"{path} is the state of another model, {other[:12]}; this one is {model[:12]}: give the RUN that wrote it"
            )
        try:
            bias = {_id(idx, network): _number(value) for idx, value in values["bias"]}
            bias |= {_id(idx, network): -math.inf for idx in values["banned"]}
            session = cls(network, vocabulary, Sampler(**values["sampler"]), 0, prime, model)
            session._restore(values)
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, CharRNNError, zlib.error) as error:
            raise damaged(path, f"{type(error).__name__}: {error}") from None
        bias |= dict(settings.get("bias", ()))
        session._writer.sampler = replace(session._writer.sampler, **{**settings, "bias": tuple(sorted(bias.items()))})
        return session

    def _restore(self, values: Mapping[str, Any]) -> None:
        writer, network = self._writer, self._writer.network
        ids = unpacked(values["ids"], np.int32).tolist()
        h, c = unpacked(values["h"], np.float32), unpacked(values["c"], np.float32)
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
            len(self._texts), self.ended,
        )  # fmt: skip

    def _set(self, moment: Moment) -> None:
        writer = self._writer
        writer.state, writer.logits, writer.history.length = moment.state, moment.logits, moment.read
        writer.rng.bit_generator.state = moment.random
        self._decoder.pending = moment.pending
        self._held, self.ended = moment.held, moment.ended
        del self._texts[moment.pieces :]


def _first_characters(stream: Iterator[Piece], length: int) -> Generator[Piece, None, str]:
    """So many characters of an endless stream; what came with the last of them is returned."""
    for piece in stream:
        yield Piece(piece.text[:length], 0.0)
        length, rest = length - len(piece.text), piece.text[length:]
        if length <= 0:
            return rest
    return ""


def _id(idx: Any, network: Network) -> int:
    if type(idx) is not int or not 0 <= idx < network.vocab_size:
        raise ValueError(f"{idx!r} is no symbol of the model")
    return idx


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number of nats")
    return float(value)
