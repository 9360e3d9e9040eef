"""Session: a story that is written and read piece by piece, and can be put into a file. Knows
nothing of models but the network."""

import math
import zlib
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.config.arguments import file_path, string, whole_number
from charrnn.config.knobs import knobs
from charrnn.errors import CharRNNError, CheckpointError, ConfigError
from charrnn.generation.decode import End, History, Piece, Symbol, Writer, pieces, until_boundary
from charrnn.generation.network import Network, State
from charrnn.generation.sampling import Sampler
from charrnn.generation.session_file import damaged, read_state, write_state
from charrnn.generation.session_state import (
    Place,
    SessionState,
    bare,
    count,
    from_values,
    reach,
    remembered,
    to_values,
)
from charrnn.vocab import Vocabulary

LENGTH = 500  # characters


class Session:
    """A network that reads and writes in turns; made by ``TextModel.session`` and ``load_session``.

    Args:
        network: what predicts.
        vocabulary: its symbols.
        sampler: how a symbol is drawn.
        seed: of what is drawn.
        prime: id of the symbol that is read before a text without a prompt, and before a record.
        model: SHA-256 of the weights in the model's checkpoint; empty for a model that stands in
            none as it is.
    """

    def __init__(
        self,
        network: Network,
        vocabulary: Vocabulary,
        sampler: Sampler,
        seed: int,
        prime: int,
        model: str = "",
    ) -> None:
        self.vocabulary, self.prime, self.model = vocabulary, prime, model
        self.ended = False  # whether a record has come to its end
        self._writer = Writer(network, sampler, np.random.default_rng(seed))
        self._decoder, self._held = (
            vocabulary.decoder(),
            "",
        )  # held: drawn and read, and not given yet
        self._drawn = self._given = 0  # characters
        self._places = deque[Place]()  # from the last character given on
        self._stream: Generator[Piece, None, str] | None = None  # that is being written
        self._texts: list[str] = []
        self._before: list[SessionState] = []
        self._bare: State | None = (
            # the network's state without its memory of what was read, which takes long to restore
            None
        )

    @property
    def text(self) -> str:
        """All that was fed and written."""
        return "".join(self._texts)

    def feed(self, text: str, *, unknown: str = "error") -> "Session":
        """Let the network read a text, as if it had written it, behind what was given: what it drew
        beyond a boundary is forgotten.

        Raises:
            VocabularyError: the text holds an unknown character.
            ConfigError: a record has come to its end.
        """
        known, _ = self.vocabulary.repair(string("text", text), unknown)
        if known:
            ids = self.vocabulary.encode(known).tolist()
            self._go_on()
            if self._held:
                self._back_to_given()
            self._restore_memory()
            self._writer.read(
                [self.prime, *ids] if self._first and self.vocabulary.records else ids
            )
            self._texts.append(self._decoder.flush() + known)
            self._decoder = self.vocabulary.decoder()
        return self

    def write(self, length: int = LENGTH, *, until: str | None = None) -> str:
        """The next characters, so many, or up to a boundary behind them as in ``generate``; of a
        record, up to its end.

        Raises:
            ConfigError: a record has come to its end.
        """
        return "".join(self.stream(length, until=until))

    def stream(self, length: int = LENGTH, *, until: str | None = None) -> Iterator[str]:
        """As ``write``, piece by piece as it is written; where it is broken off, or something else
        is done with the session, it ends there.

        What was given by then is written.
        """
        length, _, until = End.of(self.vocabulary, length, (), until)
        self._go_on()
        self._restore_memory()
        if self._first:
            self._writer.read([self.prime])
        if not (length or until):
            return
        held, self._held = self._held, ""
        if not held:
            self._places.clear()
        endless = self._noted(pieces(self._decoder, self._symbols(), math.inf, self.vocabulary.end))
        stream = chain([Piece(held, 0.0)] if held else [], endless)
        cut = (
            until_boundary(stream, max(1, length), until)
            if until
            else _first_characters(stream, length)
        )
        self._stream = cut
        try:
            while self._stream is cut:
                piece = next(cut)
                self._texts.append(piece.text)
                self._given += len(piece.text)
                while len(self._places) > 1 and self._places[1].characters <= self._given:
                    self._places.popleft()
                yield piece.text
        except StopIteration as end:
            self._held, self._stream = end.value, None
        finally:
            if self._stream is cut:
                self._break_off()

    def undo(self) -> "Session":
        """Take back the last ``feed`` or ``write``; all of them can be, one after another.

        Raises:
            ConfigError: there is none.
        """
        self._break_off()
        if not self._before:
            raise ConfigError("undo: nothing was fed or written yet, or all of it was taken back")
        self._set(self._before.pop())
        return self

    def fork(self, seed: int | None = None) -> "Session":
        """Another session that goes on from here by itself; with a seed it writes something
        else."""
        writer = self._writer
        other = Session(writer.network, self.vocabulary, writer.sampler, 0, self.prime, self.model)
        other._writer.history = History(writer.history.ids)
        other._texts = list(self._texts)
        other._set(self._moment())
        if seed is not None:
            other._writer.rng = np.random.default_rng(whole_number("seed", seed))
        return other

    def save(self, path: str | Path) -> None:
        """Put the session into a file of a few kilobytes; ``TextModel.load_session`` goes on from
        it. ``text`` does not stand in it.

        Raises:
            CheckpointError: it could not be written; what stood there stands there.
            ConfigError: the model was adapted, or was not read from a checkpoint.
        """
        if not self.model:
            raise ConfigError(
                "save: the session's model was adapted, or not read from a checkpoint, so that nothing could go on with it"
            )
        writer, sampler = self._writer, self._writer.sampler
        now = self._moment()
        values = {
            "model": self.model,
            **to_values(now, writer.history.ids[: now.read], writer.network),
        }
        values["sampler"] = {name: getattr(sampler, name) for name in knobs(Sampler)}
        values["processors"] = len(sampler.processors)
        values["banned"] = [idx for idx, value in sampler.bias if value == -math.inf]
        values["bias"] = [[idx, value] for idx, value in sampler.bias if value != -math.inf]
        write_state(file_path("path", path), values)

    @classmethod
    def load(
        cls,
        path: Path,
        network: Network,
        vocabulary: Vocabulary,
        prime: int,
        model: str,
        settings: Mapping[str, Any],
    ) -> "Session":
        """The session in a file.

        Args:
            path: of the file.
            network, vocabulary, prime: of the model.
            model: SHA-256 of its weights.
            settings: of the sampler, that shall be otherwise than they were; a bias is added to
                those that were kept, symbol by symbol.

        Raises:
            CheckpointError: it is missing, damaged, or of another model.
            ConfigError: a setting does nothing, or the processors, which no file can keep, are not
                given.
        """
        values = read_state(path)
        if (other := str(values.get("model"))) != model:
            raise CheckpointError(
                f"{path} is the state of another model, {other[:12]}; this one is {model[:12]}: give the RUN that wrote it"
            )
        try:
            bias = {_id(idx, network): _number(value) for idx, value in values["bias"]}
            bias |= {_id(idx, network): -math.inf for idx in values["banned"]}
            if values["sampler"].keys() != knobs(Sampler).keys():
                raise ValueError("it has other settings than a sampler")
            sampler = Sampler(**values["sampler"])
            session = cls(network, vocabulary, sampler, 0, prime, model)
            moment, ids = from_values(values, network, session._writer.rng.bit_generator.state)
            session._writer.history = History(ids)
            session._set(moment)
            processors = count(values["processors"])
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            ArithmeticError,
            CharRNNError,
            zlib.error,
        ) as error:
            raise damaged(path, f"{type(error).__name__}: {error}") from None
        if processors and "processors" not in settings:
            raise ConfigError(
                f"processors: {path} was written with {processors} of them, which no file can keep; give them again"
            )
        bias |= dict(settings.get("bias", ()))
        session._writer.sampler = replace(
            sampler, **{**settings, "bias": tuple(sorted(bias.items()))}
        )
        if session._writer.sampler.dry is None and (
            alone := settings.keys() & {"dry_base", "dry_length"}
        ):
            raise ConfigError(
                f"{min(alone)}: it does nothing without dry; give that too, such as --dry 1"
            )
        return session

    @property
    def _first(self) -> bool:
        return self._writer.history.length == 0

    def _symbols(self) -> Iterator[Symbol]:
        while True:
            symbol = self._writer.draw()
            self._writer.read((symbol.idx,))
            self.ended = symbol.idx == self.vocabulary.end
            yield symbol

    def _noted(self, stream: Iterator[Piece]) -> Iterator[Piece]:
        """A stream; where the network is behind each of its pieces is kept."""
        self._note()
        for piece in stream:
            self._drawn += len(piece.text)
            self._note()
            yield piece

    def _note(self) -> None:
        writer = self._writer
        self._places.append(
            Place(self._drawn, self._state, writer.history.length, self._decoder.pending)
        )

    def _break_off(self) -> None:
        """End the stream that is being written, if there is one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
            if self._drawn > self._given:
                self._back_to_given()

    def _at_given(self) -> Place:
        """Where the network was behind the last character that was given."""
        return next(place for place in self._places if place.characters >= self._given)

    def _back_to_given(self) -> None:
        """Forget what was drawn beyond it."""
        place = self._at_given()
        self._stand_at(place.state, place.read)
        self._held, self._drawn, self.ended = "", self._given, False
        self._decoder.pending = place.pending
        self._places.clear()

    def _stand_at(self, state: State, read: int, beyond: Sequence[int] = ()) -> None:
        """Bring the network back to where it was when so many ids had been read, of which these
        were the last."""
        self._writer.history.back_to(read, beyond)
        self._bare = state

    @property
    def _state(self) -> State:
        """The network's state, without its memory of what was read."""
        return bare(self._writer.state) if self._bare is None else self._bare

    def _restore_memory(self) -> None:
        """Let the network remember what was read, before it reads on.

        It takes some 20 ms with the usual copy window, so ``undo`` and ``fork`` leave it to
        whatever is written next.
        """
        if self._bare is None:
            return
        writer, network = self._writer, self._writer.network
        read = writer.history.length
        writer.state = remembered(
            self._bare, writer.history.since(max(0, read - reach(network))), network
        )
        writer.logits = network.logits(writer.state) if read else None
        self._bare = None

    def _go_on(self) -> None:
        self._break_off()
        if self.ended:
            raise ConfigError(
                "session: the record has come to its end; begin another session, or undo"
            )
        self._before.append(self._moment())

    def _moment(self) -> SessionState:
        writer = self._writer
        random, pieces = dict(writer.rng.bit_generator.state), len(self._texts)
        if (
            self._stream is not None and self._drawn > self._given
        ):  # what is drawn ahead while it is written is not a part of it
            place = self._at_given()
            return SessionState(
                place.state, place.read, "", (), (), random, place.pending, pieces, False
            )
        beyond = writer.history.since(self._places[0].read) if self._held else ()
        places, pending = tuple(self._places) if self._held else (), self._decoder.pending
        return SessionState(
            self._state,
            writer.history.length,
            self._held,
            beyond,
            places,
            random,
            pending,
            pieces,
            self.ended,
        )

    def _set(self, moment: SessionState) -> None:
        self._stand_at(moment.state, moment.read, moment.beyond)
        self._places = deque(moment.places)
        self._drawn = moment.places[-1].characters if moment.places else 0
        self._given = self._drawn - len(moment.held)
        self._writer.rng.bit_generator.state = moment.random
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
