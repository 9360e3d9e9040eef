"""TextModel: the facade that scripts use; text in, text out."""

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
from charrnn.generation.accepted_records import (
    LONGEST_RECORD,
    MOST_UNENDED,
    SHORTEST_LIMIT,
    AcceptedRecords,
)
from charrnn.generation.decode import score
from charrnn.generation.generator import Sample, TextGenerator
from charrnn.generation.network import Network
from charrnn.generation.pieces import End
from charrnn.generation.record_sampler import BLOCK
from charrnn.generation.sampling import Sampler
from charrnn.generation.session import LENGTH, Session
from charrnn.generation.settings import seed_of, settings_of
from charrnn.generation.text_kinds import sums_by_character, whole_ids
from charrnn.originality.suffix_array import Suffixes
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.find_run import find_checkpoint
from charrnn.storage.run import RUNS_DIR, Run
from charrnn.storage.seen_records import read_seen_records
from charrnn.vocab import Vocabulary

if TYPE_CHECKING:
    from charrnn.originality.corpus_index import Index


def _ignore(_: object) -> None:
    """A callback that does nothing."""


Notify = Callable[[str], object]


class RunCorpus:
    """The corpus of a checkpoint's run, whose index is opened on first use.

    Args:
        path: the checkpoint; None for a model that was not read from one.
        vocabulary: of the model.
    """

    def __init__(self, path: Path | None, vocabulary: Vocabulary) -> None:
        self.path = path
        self.vocabulary = vocabulary
        self._index: Index | None = None

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: without the index, which is mapped from files and opened again."""
        return self.__dict__ | {"_index": None}

    def index(self, corpus: Sequence[str] = (), on_notice: Notify = _ignore) -> "Index":
        """The index; arguments and errors as for ``TextModel.index``."""
        from charrnn.originality.open_index import open_index

        if self.path is None:
            raise CheckpointError(
                "index: this model was not read from a checkpoint, so that its corpus is not "
                "known; open one with load"
            )
        if self._index is None:
            self._index = open_index(self.path, on_notice, corpus_paths(corpus))
        return self._index

    def to_guard(self) -> tuple[Suffixes, list[bytes]]:
        """The suffixes of the corpus, and the bytes there of each id of the vocabulary."""
        index = self.index()
        return index.suffixes, index.codes(self.vocabulary)


class TextModel:
    """A vocabulary and a network that write text; made by ``load`` and ``train``.

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
        self.is_adapted = False  # whether its weights differ from those of its checkpoint
        self.path = path
        self.sha256 = sha256
        self._corpus = RunCorpus(path, vocabulary)
        # the generator refers to the corpus but not to the model, which is thus freed when unused
        self.generator = TextGenerator(network, vocabulary, prime, self._corpus.to_guard)

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
        """Continue a prompt, which is not part of the result; or finish a record.

        Args:
            prompt: text that the network reads first.
            length: characters to generate, unless a stop string comes first; None is 500, more
                where a constraint has many lines, and for a record as many as it may have.
            seed: the same seed, prompt and settings give the same text; None takes another seed
                each time.
            stop: one or several strings that end the text and are left out of it.
            until: continue after ``length`` to the end of a ``"sentence"``, ``"line"`` or
                ``"paragraph"``, or of any other string.
            best_of: write N texts and return the one with the highest mean log-probability of its
                symbols; texts that did not end as required are left out.
            unknown: what to do with a character of the prompt that the model has not seen:
                ``"error"``, ``"skip"`` or ``"replace"``.
            **sampling: the knobs of ``Sampler``, such as ``temperature`` and ``top_p``;
                ``bias={"eE": -2.0}``, nats that are added to each of these characters;
                ``ban="xyz"``, characters that are never written; ``processors=[function]``, each
                ``(ids, logits (V,)) -> logits (V,)``, called for each character with the ids that
                were read;
                ``constraint=Contains("moon") & Lines(4)``, what the new text (a record: all of it)
                must look like, and ``particles``, the number of streams that are written side by
                side for it; ``max_copy=30``, consecutive characters of the corpus that the new text
                may contain.

        Raises:
            VocabularyError: the prompt or the constraint has an unknown character.
            ConfigError: a setting is invalid.
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
        """Like ``generate``, piece by piece as it is written; the pieces joined are the text."""
        end = self._end(length, stop, until, sampling)
        rng = np.random.default_rng(seed_of(seed))
        prompt = self._known(prompt, unknown)
        stream = self.generator.pieces(prompt, end, rng, sampling, scored=False)
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
        """Like ``generate``, with the seed and the log-probability."""
        end = self._end(length, stop, until, sampling)
        seed = seed_of(seed)
        count = whole_number("best_of", best_of, 1)
        prompt = self._known(prompt, unknown)
        return self.generator.best(prompt, end, seed, count, sampling)

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
        """Whole records, one after another.

        The result is an iterator whose ``tally`` says how many records were drawn, and how many
        dropped for which reason. Record i of a seed is the same whatever ``count`` is, and
        whichever records are dropped.

        Args:
            count: records to return.
            prompt: the beginning of each record.
            seed: as for ``generate``.
            unique: drop repeated records.
            new: drop records of the corpus, training and validation part; needs the file next to
                the run's checkpoints.
            accept: a function that says whether to keep a record.
            max_tries: the most records to draw; None is 1,000 plus 100 for each, as long as some of
                them end.
            length: characters in which a record must end; None is 16 more than twice the longest of
                the corpus, at most 16,384, and fewer for a tiny model.
            unknown, **sampling: as for ``generate``.

        Raises:
            GenerationError: during iteration, if fewer than ``count`` records were kept.
            ConfigError: the model was not trained on records, or a setting is invalid.
            CheckpointError: ``new``, and the file cannot be read.
        """
        if not self.vocabulary.records:
            raise ConfigError(
                "records: this model writes running text; train one with --records, or a separator"
            )
        count = whole_number("count", count)
        if accept is not None:
            function("accept", accept)
        if length is None:
            length = self.longest
        length = whole_number("length", length)
        most_unended = None
        if max_tries is None:
            max_tries = 1000 + 100 * count
            most_unended = max(MOST_UNENDED, BLOCK * length)
        max_tries = whole_number("max_tries", max_tries)
        prompt = self._record_prompt(prompt, unknown, length)
        return AcceptedRecords(
            self.generator.records(prompt, sampling, seed_of(seed), length),
            count,
            self.separator,
            max_tries,
            unique=unique,
            known=self.seen_records if new else frozenset(),
            accept=accept,
            most_unended=most_unended,
        )

    @property
    def separator(self) -> str:
        """The string between two records, with LF line ends."""
        separator: str = self.about.get("data", {}).get("separator") or "\n"
        return separator.replace("\r\n", "\n")

    @property
    def longest(self) -> int:
        """The characters in which a record must end, without a ``length``."""
        if not self.about.get("records"):
            return LENGTH
        # The checkpoint claims this length, so the size of the model bounds what it may cost.
        longest: int = self.about["records"]["lengths"][-1]
        affordable = max(SHORTEST_LIMIT, self.network.size)
        return min(2 * longest + 16, LONGEST_RECORD, affordable)

    @cached_property
    def seen_records(self) -> frozenset[str]:
        """The records of the corpus, training and validation part.

        Raises:
            CheckpointError: their file cannot be read.
        """
        path = self.path or Path("none")
        return read_seen_records(Run(path.absolute().parent).seen_records)

    def index(self, *, corpus: Sequence[str] = (), on_notice: Notify = _ignore) -> "Index":
        """The index of the corpus, next to the run; created on first use.

        Args:
            corpus: the files of the corpus, if they have moved.
            on_notice: called with sentences on what creating it takes.

        Raises:
            CheckpointError: the corpus is missing, or the model was not read from a checkpoint.
        """
        return self._corpus.index(corpus, on_notice)

    def session(
        self,
        prompt: str = "",
        *,
        seed: int | None = None,
        unknown: str = "error",
        **sampling: Any,
    ) -> Session:
        """A story that is written and read in turns, from a prompt on.

        The arguments are those of ``generate``.
        """
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
        """Continue the session that was saved in a file; ``sampling`` changes its settings.

        Raises:
            CheckpointError: the file is missing or damaged, or of another model.
            ConfigError: the model was adapted.
        """
        if self.is_adapted:
            raise ConfigError(
                "load_session: this model was adapted, and a state goes on with the model that "
                "it was kept with; open that"
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
        """The natural log-probability (n,) of each character, given all before it.

        The first is given the prime. The text of a model of records is one record, and one more
        number, the last, is that of its end.

        Raises:
            VocabularyError: the text holds an unknown character.
        """
        text, _ = self.vocabulary.repair(string("text", text), unknown)
        ids = whole_ids(self.vocabulary, text)
        scores = score(self.network, [self.prime, *ids])
        return sums_by_character(self.vocabulary, text, scores)

    def adapted(
        self,
        text: str | bytes,
        *,
        unknown: str = "error",
        each: Callable[[int], object] = _ignore,
        on_notice: Notify = _ignore,
    ) -> "TextModel":
        """The model with weights that lean toward a text.

        It learns from each part of the text once, as when an adaptive loss is computed; needs
        PyTorch.

        Args:
            text: str, or bytes for a model of bytes.
            unknown: a character that the model has not seen: ``"error"``, ``"skip"`` or
                ``"replace"``.
            each: called with the number of characters after each part.
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
        weights = adapted(checkpoint, text, unknown, on_progress=each, tell=on_notice)
        model = TextModel(
            Network(checkpoint.model, len(self.vocabulary), weights),
            self.vocabulary,
            self.prime,
            about=self.about,
            path=self.path,
            sha256=self.sha256,
        )
        model.is_adapted = True
        return model

    def sampler(self, **sampling: Any) -> Sampler:
        """The sampler of some settings of ``generate``.

        Raises:
            ConfigError, VocabularyError: one is invalid.
        """
        return Sampler(**settings_of(self.vocabulary, sampling))

    def _known(self, prompt: str, unknown: str) -> str:
        known, _ = self.vocabulary.repair(string("prompt", prompt), unknown)
        return known

    def _record_prompt(self, prompt: str, unknown: str, length: int) -> str:
        """Check that a prompt may begin a record of ``length`` characters."""
        known = self._known(prompt, unknown)
        if self.separator in known.replace("\r\n", "\n"):
            raise ConfigError(
                f"prompt: {prompt!r} holds the separator {self.separator!r} "
                "and cannot begin a record; leave that out"
            )
        if len(known) > length:
            raise ConfigError(
                f"prompt and length: {len(known):,} characters, "
                f"and a record may have {length:,}; give more --length"
            )
        return known

    def _end(
        self,
        length: int | None,
        stop: str | Sequence[str],
        until: str | None,
        sampling: Mapping[str, Any],
    ) -> End:
        if length is None and self.vocabulary.records:
            length = self.longest
        elif length is None:
            room = getattr(sampling.get("constraint"), "room", 0)
            length = max(LENGTH, room)
        return End.of(self.vocabulary, length, stop, until)


def load(path: str | Path | None = None, *, runs_dir: str | Path = RUNS_DIR) -> TextModel:
    """Open a model, without PyTorch.

    Args:
        path: a run's name or directory, or a checkpoint's directory; a run means its best
            checkpoint. None is the newest run.
        runs_dir: the directory in which runs are found by name.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    if path is not None:
        file_path("path", path)
    directory = find_checkpoint(path, file_path("runs_dir", runs_dir))
    checkpoint = checkpoints.read(directory)
    network = Network(checkpoint.model, len(checkpoint.vocabulary), checkpoint.weights)
    return TextModel(
        network,
        checkpoint.vocabulary,
        checkpoint.prime,
        about=checkpoint.about,
        path=directory,
        sha256=checkpoint.sha256,
    )
