"""Session: write and read in turns, and save the state in a file to continue later."""

import math
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.config.arguments import file_path, short_repr, string, whole_number
from charrnn.errors import CharRNNError, CheckpointError, ConfigError
from charrnn.generation.decode import History, Symbol
from charrnn.generation.network import Network
from charrnn.generation.pieces import End, Piece, pieces, until_boundary
from charrnn.generation.sampling import Sampler
from charrnn.generation.session_file import NewerError, damaged, from_newer, read_state, write_state
from charrnn.generation.session_state import (
    Place,
    SessionState,
    from_values,
    sampler_from_values,
    sampler_to_values,
    to_values,
)
from charrnn.generation.text_kinds import primed
from charrnn.generation.writer import Writer
from charrnn.vocab import Vocabulary

LENGTH = 500  # characters
# the errors that reading a damaged file may raise
DAMAGE = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    CharRNNError,
    zlib.error,
)


class Session:
    """A network that reads and writes in turns; made by ``TextModel.session`` and ``load_session``.

    Text drawn beyond a boundary is held: the next ``write`` returns it, and ``feed`` discards it.

    Args:
        network: predicts.
        vocabulary: its symbols.
        sampler: how a symbol is drawn.
        seed: of the random numbers.
        prime: id of the symbol that is read before a text without a prompt, and before a record.
        model: SHA-256 of the weights in the model's checkpoint; empty if no checkpoint has them.
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
        self.vocabulary = vocabulary
        self.prime = prime
        self.model = model
        self.ended = False  # whether a record has ended
        self._writer = Writer(network, sampler, np.random.default_rng(seed))
        self._decoder = vocabulary.decoder()
        self._drawn = 0  # characters
        self._given = 0  # characters
        self._held = ""  # drawn and read, but not given yet
        self._places = deque[Place]()  # from the last character given to the newest one drawn
        self._stream: Generator[Piece, None, str] | None = None  # the one being written
        self._texts: list[str] = []
        self._before: list[SessionState] = []

    def __repr__(self) -> str:
        text = self.text
        ended = ", ended" if self.ended else ""
        return f"Session({short_repr(text)}, length={len(text)}{ended})"

    @property
    def text(self) -> str:
        """Everything that was fed and written."""
        return "".join(self._texts)

    def feed(self, text: str, *, unknown: str = "error") -> "Session":
        """Let the network read a text, after what was given, as if it had written it.

        Text that it drew beyond a boundary is discarded.

        Raises:
            VocabularyError: the text holds an unknown character.
            ConfigError: the record has ended.
        """
        known, _ = self.vocabulary.repair(string("text", text), unknown)
        if not known:
            return self
        ids = self.vocabulary.encode(known).tolist()
        self._begin_turn()
        if self._held:
            self._back_to_given()
        self._writer.restore_memory()
        if self._nothing_read:
            ids = primed(self.vocabulary, self.prime, ids)
        self._writer.read(ids)
        self._texts.append(self._decoder.flush() + known)
        self._decoder = self.vocabulary.decoder()
        return self

    def write(self, length: int = LENGTH, *, until: str | None = None) -> str:
        """Write ``length`` characters, up to a boundary after them, or up to the end of a record.

        Raises:
            ConfigError: the record has ended.
        """
        return "".join(self.stream(length, until=until))

    def stream(self, length: int = LENGTH, *, until: str | None = None) -> Iterator[str]:
        """Like ``write``, piece by piece as the text is written.

        It ends early if it is closed, or if another method of the session is called; the text given
        by then counts as written.
        """
        length, _, until = End.of(self.vocabulary, length, (), until)
        self._begin_turn()
        self._writer.restore_memory()
        if self._nothing_read:
            self._writer.read(primed(self.vocabulary, self.prime, []))
        if not length and not until:
            return
        if until:
            stream = until_boundary(self._endless(), max(1, length), until)
        else:
            stream = _first_characters(self._endless(), length)
        self._stream = stream
        try:
            while self._stream is stream:
                piece = next(stream)
                self._texts.append(piece.text)
                self._given += len(piece.text)
                while len(self._places) > 1 and self._places[1].characters <= self._given:
                    self._places.popleft()
                yield piece.text
        except StopIteration as end:
            self._held = end.value
            self._stream = None
        finally:
            if self._stream is stream:
                self._break_off()

    def undo(self) -> "Session":
        """Undo the last ``feed`` or ``write``; called again, the one before it, and so on.

        Raises:
            ConfigError: nothing is left to undo.
        """
        self._break_off()
        if not self._before:
            raise ConfigError(
                "nothing to undo: nothing was fed or written, or all of it was undone"
            )
        self._set(self._before.pop())
        return self

    def fork(self, seed: int | None = None) -> "Session":
        """A copy of the session that continues independently; another seed writes another text."""
        writer = self._writer
        other = Session(
            writer.network,
            self.vocabulary,
            writer.sampler,
            seed=0,
            prime=self.prime,
            model=self.model,
        )
        other._writer.history = History(writer.history.ids)
        other._texts = list(self._texts)
        other._set(self._moment())
        if seed is not None:
            other._writer.rng = np.random.default_rng(whole_number("seed", seed))
        return other

    def save(self, path: str | Path) -> None:
        """Save the session in a file of a few kilobytes, for ``load_session`` to continue.

        ``text`` is not saved.

        Raises:
            CheckpointError: the file could not be written; an existing one is unchanged.
            ConfigError: the model was adapted, or was not read from a checkpoint.
        """
        if not self.model:
            raise ConfigError(
                "this session cannot be saved: its model was adapted or was not read from a "
                "checkpoint, so no model could continue it"
            )
        writer = self._writer
        moment = self._moment()
        values = {"model": self.model}
        values |= to_values(moment, writer.history.ids[: moment.read], writer.network)
        values |= sampler_to_values(writer.sampler)
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
        """The session that was saved in a file.

        Args:
            path: of the file.
            network, vocabulary, prime: of the model.
            model: SHA-256 of its weights.
            settings: of the sampler, which replace saved ones; a bias is merged with the saved one,
                symbol by symbol.

        Raises:
            CheckpointError: the file is missing, damaged, of another model, or of a newer version.
            ConfigError: a setting has no effect, or the processors, which a file cannot hold, are
                missing.
        """
        values = read_state(path)
        other = str(values.get("model"))
        if other != model:
            raise CheckpointError(
                f"{path} was saved by another model: {other[:12]}, not {model[:12]}; "
                "use the model that saved it"
            )
        try:
            sampler, num_processors = sampler_from_values(values, network)
            session = cls(network, vocabulary, sampler, seed=0, prime=prime, model=model)
            random = session._writer.rng.bit_generator.state
            moment, ids = from_values(values, network, random)
            session._writer.history = History(ids)
            session._set(moment)
        except NewerError as error:
            raise from_newer(path, error) from None
        except DAMAGE as error:
            raise damaged(path, f"{type(error).__name__}: {error}") from None
        if num_processors and "processors" not in settings:
            raise ConfigError(
                f"{path} was saved with processors ({num_processors}), which a file cannot hold; "
                "give them again with `processors`"
            )
        session._writer.sampler = _changed(sampler, settings)
        return session

    @property
    def _nothing_read(self) -> bool:
        return self._writer.history.length == 0

    def _begin_turn(self) -> None:
        """End the stream being written and remember where the session is, for ``undo``."""
        self._break_off()
        if self.ended:
            raise ConfigError(
                "the record of this session has ended; start another session, or undo"
            )
        self._before.append(self._moment())

    def _endless(self) -> Iterator[Piece]:
        """The held text, then new text; the network's place after each piece is remembered."""
        held = self._held
        self._held = ""
        if held:
            yield Piece(held, 0.0)
        else:
            self._places.clear()
        self._add_place()
        for piece in pieces(self._decoder, self._symbols(), math.inf, self.vocabulary.end):
            self._drawn += len(piece.text)
            self._add_place()
            yield piece

    def _symbols(self) -> Iterator[Symbol]:
        while True:
            idx = self._writer.write()
            self.ended = idx == self.vocabulary.end
            yield Symbol(idx, 0.0)

    def _add_place(self) -> None:
        state = self._writer.bare_state
        read = self._writer.history.length
        self._places.append(Place(self._drawn, state, read, self._decoder.pending))

    def _break_off(self) -> None:
        """End the stream being written, if there is one."""
        stream = self._stream
        if stream is None:
            return
        self._stream = None
        stream.close()
        if self._drawn > self._given:
            self._back_to_given()

    def _place_given(self) -> Place:
        """Where the network was after the last character given."""
        for place in self._places:
            if place.characters >= self._given:
                return place
        raise AssertionError("the newest place is at the last character drawn or after it")

    def _back_to_given(self) -> None:
        """Discard the text drawn beyond the last character given."""
        place = self._place_given()
        self._writer.rewind(place.state, place.read)
        self._held = ""
        self._drawn = self._given
        self.ended = False
        self._decoder.pending = place.pending
        self._places.clear()

    def _moment(self) -> SessionState:
        writer = self._writer
        random = dict(writer.rng.bit_generator.state)
        if self._stream is not None and self._drawn > self._given:
            # text that a stream has drawn ahead is not part of the session yet
            place = self._place_given()
            return SessionState(
                state=place.state,
                read=place.read,
                held="",
                beyond=(),
                places=(),
                random=random,
                pending=place.pending,
                pieces=len(self._texts),
                ended=False,
            )
        places: tuple[Place, ...] = ()
        beyond: tuple[int, ...] = ()
        if self._held:
            places = tuple(self._places)
            beyond = writer.history.since(places[0].read)
        return SessionState(
            state=writer.bare_state,
            read=writer.history.length,
            held=self._held,
            beyond=beyond,
            places=places,
            random=random,
            pending=self._decoder.pending,
            pieces=len(self._texts),
            ended=self.ended,
        )

    def _set(self, moment: SessionState) -> None:
        self._writer.rewind(moment.state, moment.read, moment.beyond)
        self._writer.rng.bit_generator.state = moment.random
        self._decoder.pending = moment.pending
        self._places = deque(moment.places)
        self._drawn = 0
        if moment.places:
            self._drawn = moment.places[-1].characters
        self._given = self._drawn - len(moment.held)
        self._held = moment.held
        self.ended = moment.ended
        del self._texts[moment.pieces :]


def _first_characters(stream: Iterable[Piece], length: int) -> Generator[Piece, None, str]:
    """The first ``length`` characters of a stream; returns the rest of the last piece."""
    for piece in stream:
        yield Piece(piece.text[:length], 0.0)
        surplus = piece.text[length:]
        length -= len(piece.text)
        if length <= 0:
            return surplus
    return ""


def _changed(sampler: Sampler, settings: Mapping[str, Any]) -> Sampler:
    """A sampler with some settings changed, and with both biases."""
    bias = dict(sampler.bias)
    bias |= dict(settings.get("bias", ()))
    changes = {**settings, "bias": tuple(sorted(bias.items()))}
    changed = replace(sampler, **changes)
    useless = settings.keys() & {"dry_base", "dry_length"}
    if changed.dry is None and useless:
        raise ConfigError(
            f"`{min(useless)}` has no effect without `dry`; give that too, such as `dry=1`"
        )
    return changed
