"""TextModel: the facade that scripts use; text in, text out. Knows nothing of training but how to
adapt."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config.arguments import (
    corpus_paths,
    file_path,
    function,
    string,
    string_or_bytes,
    whole_number,
)
from charrnn.errors import CheckpointError, ConfigError
from charrnn.generation.decode import End, Sample, score
from charrnn.generation.generator import TextGenerator
from charrnn.generation.network import Network
from charrnn.generation.record_sampler import (
    BLOCK,
    LONGEST_RECORD,
    MOST_UNENDED,
    SHORTEST_LIMIT,
    AcceptedRecords,
)
from charrnn.generation.sampling import Sampler
from charrnn.generation.session import LENGTH, Session
from charrnn.generation.settings import seed_of, settings_of
from charrnn.originality.suffix_array import Suffixes
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.find_run import find_checkpoint
from charrnn.storage.run import RUNS_DIR, Run
from charrnn.storage.seen_records import read_seen_records
from charrnn.vocab import Vocabulary

if TYPE_CHECKING:
    from charrnn.originality.corpus_index import Index


class TextModel:
    """A vocabulary and a network that writes; made by ``load`` and ``train``.

    Args:
        network: the weights.
        vocabulary: its symbols.
        prime: id of the symbol that is read before a text without a prompt.
        about: what the model was trained on and how well it does.
        path: the checkpoint that it was read from.
        sha256: of the checkpoint's model.safetensors: the model's name in a ledger.
    """

    def __init__(
        self,
        network: Network,
        vocabulary: Vocabulary,
        prime: int,
        *,
        about: Mapping[str, Any] | None = None,
        path: Path | None = None,
        sha256: str = "",
    ) -> None:
        self.network = network
        self.vocabulary = vocabulary
        self.prime = prime
        self.about = dict(about or {})
        self.is_adapted = False  # whether its weights are no longer those of its checkpoint
        self.path = path
        self.sha256 = sha256
        self._index: Index | None = None
        self.generator = TextGenerator(network, vocabulary, prime, self._corpus_to_guard)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: without the index of the corpus, which is mapped from files and opened again
        where it is needed."""
        return self.__dict__ | {"_index": None}

    def _corpus_to_guard(self) -> tuple[Suffixes, list[bytes]]:
        """The suffixes of the corpus, and the bytes that each id of the vocabulary has there."""
        index = self.index()
        return index.suffixes, index.codes(self.vocabulary)

    def generate(
        self,
        prompt: str = "",
        *,
        length: int | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        until: str | None = None,
        best_of: int = 1,
        unknown: str = "error",
        **sampling: Any,
    ) -> str:
        """New text that goes on from the prompt; the prompt is not part of it. Of a model of
        records: one, to its end.

        Args:
            prompt: what the network reads first.
            length: how many new characters, unless a stop string comes first; None is 500, more
                where a constraint has many lines, and of a record as many as it may take.
            seed: the same seed, prompt and settings give the same text; None takes another each
                time.
            stop: one or several strings that end the text and are left out of it.
            until: go on past ``length`` to the end of a ``"sentence"``, ``"line"`` or
                ``"paragraph"``, or of any other string.
            best_of: write so many, and give the one with the highest mean log-probability of what
                was drawn; one that could not be ended as it must is not among them.
            unknown: a character of the prompt that the model has not seen: ``"error"``, ``"skip"``
                or ``"replace"``.
            **sampling: temperature, top_k, top_p, min_p, dry, dry_base, dry_length; ``bias={"eE":
                -2.0}``, nats that are added to each of these characters; ``ban="xyz"``, characters
                that are never written; ``processors=[function]``, each ``(ids, logits (V,)) ->
                logits (V,)``, called for each character with the ids that were read;
                ``constraint=Contains("moon") & Lines(4)``, what the new text must look like (of
                records, all of it), and ``particles``, how many streams are written side by side
                for it; ``max_copy=30``, characters of the corpus that may stand in the new text one
                behind another.

        Raises:
            VocabularyError: the prompt, or the constraint, holds an unknown character.
            ConfigError: a setting is not possible.
            CheckpointError: ``max_copy``, and the corpus is not where the run's configuration says.
            GenerationError: all that could follow would copy too much.
        """
        return self.sample(
            prompt,
            length=length,
            seed=seed,
            stop=stop,
            until=until,
            best_of=best_of,
            unknown=unknown,
            **sampling,
        ).text

    def stream(
        self,
        prompt: str = "",
        *,
        length: int | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        until: str | None = None,
        unknown: str = "error",
        **sampling: Any,
    ) -> Iterator[str]:
        """As ``generate``, piece by piece as it is written; the pieces joined are the text."""
        end, rng = self._end(length, stop, until, sampling), np.random.default_rng(seed_of(seed))
        stream = self.generator.pieces(
            self._known(prompt, unknown), end, rng, sampling, scored=False
        )
        return (piece.text for piece in stream if piece.text)

    def sample(
        self,
        prompt: str = "",
        *,
        length: int | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        until: str | None = None,
        best_of: int = 1,
        unknown: str = "error",
        **sampling: Any,
    ) -> Sample:
        """As ``generate``, with the seed and the log-probability."""
        end, seed, count = (
            self._end(length, stop, until, sampling),
            seed_of(seed),
            whole_number("best_of", best_of, 1),
        )
        return self.generator.best(self._known(prompt, unknown), end, seed, count, sampling)

    def records(
        self,
        count: int,
        *,
        prompt: str = "",
        seed: int | None = None,
        unique: bool = False,
        new: bool = False,
        accept: Callable[[str], bool] | None = None,
        max_tries: int | None = None,
        length: int | None = None,
        unknown: str = "error",
        **sampling: Any,
    ) -> AcceptedRecords:
        """Whole records, one after another; an iterator, whose ``tally`` says how many were drawn,
        and why some were dropped.

        Record i of a seed is the same however many are asked for, and whichever are dropped.

        Args:
            count: how many.
            prompt: with which each begins.
            seed: as for ``generate``.
            unique: no two alike.
            new: none that stands in the corpus, training and validation part; needs the file that
                stands beside the run's checkpoints.
            accept: only those for which it says True.
            max_tries: records that may be drawn for them; None is 1,000, and 100 for each, as long
                as some of them end.
            length: characters in which a record must end; None is 16 more than twice the longest of
                the corpus, at most 16,384, and fewer for a tiny model.
            unknown, **sampling: as for ``generate``.

        Raises:
            GenerationError: on the way, fewer than ``count`` were kept of those that may be drawn.
            ConfigError: the model was not trained on records, or a setting is not possible.
            CheckpointError: ``new`` cannot be had.
        """
        if not self.vocabulary.records:
            raise ConfigError(
                "records: this model writes running text; train one with --records, or a separator"
            )
        count = whole_number("count", count)
        if accept is not None:
            function("accept", accept)
        length = self.longest if length is None else whole_number("length", length)
        most_unended = max(MOST_UNENDED, BLOCK * length) if max_tries is None else None
        max_tries = (
            1000 + 100 * count if max_tries is None else whole_number("max_tries", max_tries)
        )
        if self.separator in (known := self._known(prompt, unknown)).replace("\r\n", "\n"):
            raise ConfigError(
                f"prompt: {prompt!r} holds the separator {self.separator!r} and cannot begin a record; leave that out"
            )
        if len(known) > length:
            raise ConfigError(
                f"prompt and length: {len(known):,} characters, and a record may have {length:,}; give more --length"
            )
        drawn = self.generator.records(known, sampling, seed_of(seed), length)
        known_records = self.seen_records if new else frozenset()
        return AcceptedRecords(
            drawn, count, self.separator, max_tries, unique=unique, known=known_records, accept=accept, most_unended=most_unended
        )  # fmt: skip

    @property
    def separator(self) -> str:
        """What stands between two records, its line ends LF."""
        return (self.about.get("data", {}).get("separator") or "\n").replace("\r\n", "\n")

    @property
    def longest(self) -> int:
        """Characters in which a record must end, unless ``length`` says otherwise."""
        if not self.about.get("records"):
            return LENGTH
        longest: int = self.about["records"]["lengths"][
            -1
        ]  # a claim, so it must not cost more than a model of this size may
        return min(2 * longest + 16, LONGEST_RECORD, max(SHORTEST_LIMIT, self.network.size))

    @cached_property
    def seen_records(self) -> frozenset[str]:
        """The records that stand in the corpus, training and validation part; CheckpointError where
        their file cannot be read."""
        return read_seen_records(Run((self.path or Path("none")).absolute().parent).seen_records)

    def index(
        self, *, corpus: Sequence[str] = (), on_notice: Callable[[str], object] = lambda _: None
    ) -> "Index":
        """The index of the corpus, beside the run; made where it is first needed, of files at
        ``corpus`` if they have moved.

        Raises:
            CheckpointError: the corpus is not there, or the model was not read from a checkpoint.
        """
        from charrnn.originality.open_index import open_index

        if self.path is None:
            raise CheckpointError(
                "index: this model was not read from a checkpoint, so that its corpus is not known; open one with load"
            )
        if self._index is None:
            self._index = open_index(self.path, on_notice, corpus_paths(corpus))
        return self._index

    def session(
        self, prompt: str = "", *, seed: int | None = None, unknown: str = "error", **sampling: Any
    ) -> Session:
        """A story that is written and read piece by piece, from a prompt on; arguments as for
        ``generate``."""
        session = Session(
            self.network,
            self.vocabulary,
            self.sampler(**sampling),
            seed_of(seed),
            self.prime,
            "" if self.is_adapted else self.sha256,
        )
        return session.feed(prompt, unknown=unknown)

    def load_session(self, path: str | Path, **sampling: Any) -> Session:
        """The session that was saved in a file, as if it had not stopped; ``sampling`` sets what
        shall be otherwise.

        Raises:
            CheckpointError: the file is missing or damaged, or of another model.
            ConfigError: the model was adapted.
        """
        if self.is_adapted:
            raise ConfigError(
                "load_session: this model was adapted, and a state goes on with the model that it was kept with; open that"
            )
        return Session.load(
            file_path("path", path),
            self.network,
            self.vocabulary,
            self.prime,
            self.sha256,
            settings_of(self.vocabulary, sampling),
        )

    def score(self, text: str, *, unknown: str = "error") -> NDArray[np.float64]:
        """The natural-log probability of each character, (n,), given all before it; the first is
        given the prime.

        Of a model of records the text is one of them, and one more number, the last, is that of its
        end.

        Raises:
            VocabularyError: the text holds an unknown character.
        """
        text, _ = self.vocabulary.repair(string("text", text), unknown)
        ids = (
            self.vocabulary.encode(text).tolist() + [self.vocabulary.end] * self.vocabulary.records
        )
        scores = score(self.network, [self.prime, *ids])
        if (
            self.vocabulary.unit == "byte" and scores
        ):  # a character has the bytes from its first to the next one's first
            starts = np.cumsum([0] + [len(char.encode()) for char in text])[
                : len(text) + self.vocabulary.records
            ]
            return np.add.reduceat(np.array(scores, np.float64), starts)
        return np.array(scores, np.float64)

    def adapted(
        self,
        text: str | bytes,
        *,
        unknown: str = "error",
        each: Callable[[int], object] = lambda _: None,
        on_notice: Callable[[str], object] = lambda _: None,
    ) -> "TextModel":
        """The model with weights that lean toward a text: it learned from each piece of it, once,
        as an adaptive loss does.

        Needs PyTorch.

        Args:
            text: str, or bytes for a model of bytes.
            unknown: a character that the model has not seen: ``"error"``, ``"skip"`` or
                ``"replace"``.
            each: called with the number of characters after each piece.
            on_notice: called with a sentence on each kind of change made to the text.

        Raises:
            VocabularyError: a character is unknown.
            CorpusError: nothing is left of the text.
            ConfigError: the model was not read from a checkpoint.
        """
        string_or_bytes("text", text)
        if self.path is None:
            raise ConfigError(
                "adapted: this model was not read from a checkpoint; open one with load"
            )
        from charrnn.training.dynamic_evaluation import adapted

        checkpoint = checkpoints.read(self.path)
        network = Network(
            checkpoint.model,
            len(self.vocabulary),
            adapted(checkpoint, text, unknown, on_progress=each, tell=on_notice),
        )
        leaning = TextModel(
            network,
            self.vocabulary,
            self.prime,
            about=self.about,
            path=self.path,
            sha256=self.sha256,
        )
        leaning.is_adapted = True
        return leaning

    def sampler(self, **sampling: Any) -> Sampler:
        """The sampler of these settings of ``generate``; ConfigError or VocabularyError where one
        is not possible."""
        return Sampler(**settings_of(self.vocabulary, sampling))

    def _known(self, prompt: str, unknown: str) -> str:
        return self.vocabulary.repair(string("prompt", prompt), unknown)[0]

    def _end(
        self,
        length: int | None,
        stop: str | Sequence[str],
        until: str | None,
        sampling: Mapping[str, Any],
    ) -> End:
        if length is None:
            length = (
                self.longest
                if self.vocabulary.records
                else max(LENGTH, getattr(sampling.get("constraint"), "room", 0))
            )
        return End.of(self.vocabulary, length, stop, until)


def load(path: str | Path | None = None, *, runs_dir: str | Path = RUNS_DIR) -> TextModel:
    """Open a model, without PyTorch.

    Args:
        path: a run's name or directory, or a checkpoint's directory; a run stands for its best
            checkpoint. None is the newest run.
        runs_dir: where runs are looked for by name.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    if path is not None:
        file_path("path", path)
    found = find_checkpoint(path, file_path("runs_dir", runs_dir))
    checkpoint = checkpoints.read(found)
    network = Network(checkpoint.model, len(checkpoint.vocabulary), checkpoint.weights)
    return TextModel(
        network,
        checkpoint.vocabulary,
        checkpoint.prime,
        about=checkpoint.about,
        path=found,
        sha256=checkpoint.sha256,
    )
