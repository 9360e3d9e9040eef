"""TextModel: the interface for scripts; text in, text out."""

import html
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from charrnn.config.arguments import (
    corpus_paths,
    file_path,
    function,
    ignore,
    string,
    string_or_bytes,
    whole_number,
)
from charrnn.corpus.records import KnownItem, known_items
from charrnn.errors import CheckpointError, ConfigError
from charrnn.generation.accepted_records import (
    LONGEST_RECORD,
    MOST_UNENDED,
    SHORTEST_LIMIT,
    AcceptedRecords,
)
from charrnn.generation.decode import score
from charrnn.generation.generator import Sample, TextGenerator
from charrnn.generation.jobs import draw_records, draw_samples
from charrnn.generation.network import Network
from charrnn.generation.pieces import End
from charrnn.generation.record_sampler import BLOCK
from charrnn.generation.sampling import Sampler
from charrnn.generation.sampling_options import SamplingOptions, SessionOptions
from charrnn.generation.session import LENGTH, Session
from charrnn.generation.settings import seed_of, settings_of
from charrnn.generation.text_kinds import sums_by_character, whole_ids
from charrnn.originality.suffix_array import OnProgress, Suffixes
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.find_run import find_checkpoint
from charrnn.storage.run import RUNS_DIR, Run
from charrnn.storage.seen_records import read_seen_records
from charrnn.surprise.explanation import ALTERNATIVES, Explanation, explain
from charrnn.vocab import Vocabulary

if TYPE_CHECKING:
    from charrnn.originality.corpus_index import Index


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
        self._moved_to: tuple[str, ...] = ()  # where the corpus is now, if that was given

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: without the index, which is memory-mapped and reopened when needed."""
        return self.__dict__ | {"_index": None}

    def index(
        self,
        corpus: Sequence[str] = (),
        on_notice: Notify = ignore,
        on_progress: OnProgress = ignore,
    ) -> "Index":
        """The index; arguments and errors as for ``TextModel.index``."""
        from charrnn.originality.open_index import open_index

        if self.path is None:
            raise CheckpointError(
                "this model was not read from a checkpoint, so its corpus is unknown; "
                "open a checkpoint with charrnn.load"
            )
        if self._index is None:
            self._moved_to = corpus_paths(corpus) or self._moved_to
            self._index = open_index(self.path, on_notice, self._moved_to, on_progress)
        return self._index

    def to_guard(self) -> tuple[Suffixes, list[bytes]]:
        """The suffixes of the corpus, and the bytes in it for each id of the vocabulary."""
        index = self.index()
        return index.suffixes, index.codes(self.vocabulary)


class TextModel:
    """A vocabulary and a network that write text; returned by ``load`` and ``train``.

    Args:
        network: the weights.
        vocabulary: its symbols.
        prime: id of the symbol that is read before a text without a prompt.
        about: what the model was trained on, and its losses.
        path: the checkpoint that it was read from.
        sha256: of the checkpoint's model.safetensors; identifies the model.
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
        self.is_adapted = False  # whether weights or counts differ from its checkpoint's
        self.path = path
        self.sha256 = sha256
        self._corpus = RunCorpus(path, vocabulary)
        # the generator refers to the corpus but not to the model, so that the model can be freed
        self.generator = TextGenerator(network, vocabulary, prime, self._corpus.to_guard)

    def __repr__(self) -> str:
        network = self.network
        parts = [f"{network.cell_name.upper()} {network.num_layers} x {network.hidden_size}"]
        if self.path is not None:
            parts.insert(0, repr(str(self.path)))
        if self.vocabulary.unit == "byte":
            parts.append("bytes")
        else:
            num_symbols = len(self.vocabulary.symbols)
            characters = "character" if num_symbols == 1 else "characters"
            parts.append(f"{num_symbols:,} {characters}")
        if self.vocabulary.records:
            parts.append("records")
        if self.is_adapted:
            parts.append("adapted")
        return f"TextModel({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """A short description, for a notebook."""
        loss = self.about.get("val_loss")
        parts = [html.escape(repr(self))]
        if loss is not None:
            bits = loss / math.log(2)
            parts.append(f"validation loss {loss:.4f} ({bits:.3f} bits per character)")
        return "<p>" + "<br>".join(parts) + "</p>"

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
        **sampling: Unpack[SamplingOptions],
    ) -> str:
        """Continue a prompt and return the new text without it; or finish a record.

        Args:
            prompt: text that the network reads first.
            length: characters to generate, unless a stop string comes first. None means 500, more
                for a constraint with many lines, and for a record the most that it may have.
            seed: the same seed, prompt and settings give the same text; None uses another seed
                each time.
            stop: one or several strings that end the text and are not included in it.
            until: continue after ``length`` to the end of a ``"sentence"``, ``"line"`` or
                ``"paragraph"``, or of any other string.
            best_of: write N texts and return the one with the highest mean log-probability of its
                symbols; texts that did not end as required are left out.
            unknown: what to do with a character of the prompt that the model has not seen:
                ``"error"``, ``"skip"`` or ``"replace"``.
            **sampling: how each character is drawn, such as ``temperature``, and what the text must
                look like, such as ``constraint``; SamplingOptions describes each of them.

        Raises:
            VocabularyError: the prompt or the constraint has an unknown character.
            ConfigError: a setting is invalid.
            CheckpointError: the corpus, which ``max_copy`` needs, is not where the run read it.
            GenerationError: every continuation would copy too much.
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
        **sampling: Unpack[SamplingOptions],
    ) -> Iterator[str]:
        """Like ``generate``, but yields the text piece by piece as it is written."""
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
        **sampling: Unpack[SamplingOptions],
    ) -> Sample:
        """Like ``generate``, but returns the seed and the log-probability with the text."""
        end = self._end(length, stop, until, sampling)
        seed = seed_of(seed)
        count = whole_number("best_of", best_of, 1)
        prompt = self._known(prompt, unknown)
        return self.generator.best(prompt, end, seed, count, sampling)

    def samples(
        self,
        count: int,
        prompt: str = "",
        *,
        length: int | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        until: str | None = None,
        best_of: int = 1,
        unknown: str = "error",
        jobs: int | str = 1,
        **sampling: Unpack[SamplingOptions],
    ) -> Iterator[Sample]:
        """Write several texts; text i has the seed ``seed + i``, and is always the same text.

        Each of the first 16 is the one that ``sample`` writes with its seed, and so is a text with
        a constraint or processors. The others are computed side by side: faster, but rounded
        differently, so in rare cases a text differs from the one its seed writes alone.

        Args:
            count: texts to write.
            jobs: the number of processes that write, or ``"auto"`` for one on each core. The texts
                are the same.
            prompt, length, seed, stop, until, best_of, unknown, **sampling: as for ``generate``.
        """
        end = self._end(length, stop, until, sampling)
        first = seed_of(seed)
        return draw_samples(
            self.generator,
            self._known(prompt, unknown),
            end,
            sampling,
            range(first, first + whole_number("count", count)),
            best_of=whole_number("best_of", best_of, 1),
            jobs=jobs,
        )

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
        jobs: int | str = 1,
        **sampling: Unpack[SamplingOptions],
    ) -> AcceptedRecords:
        """Write whole records, one after another.

        The result is an iterator whose ``tally`` counts the records drawn, kept, and dropped for
        each reason. Record i of a seed is always the same, regardless of ``count`` and of which
        records are dropped.

        Args:
            count: records to return.
            prompt: the beginning of each record.
            seed: as for ``generate``.
            unique: drop repeated records.
            new: drop records that are in the corpus, in its training or validation part; needs a
                file next to the run's checkpoints.
            accept: a function that returns whether to keep a record.
            max_tries: the most records to draw; None means 1,000 plus 100 for each one requested,
                or fewer if the model does not end its records.
            length: the most characters of a record; None means 16 more than twice the longest one
                of the corpus, at most 16,384, and fewer for a tiny model.
            jobs: the number of processes that draw, or ``"auto"`` for one on each core; more than
                1 are worth their start only for thousands of records. The records are the same.
            unknown, **sampling: as for ``generate``.

        Raises:
            GenerationError: during iteration, if fewer than ``count`` records were kept.
            ConfigError: the model was not trained on records, or a setting is invalid.
            CheckpointError: the file that ``new`` needs cannot be read.
        """
        if not self.vocabulary.records:
            raise ConfigError(
                "this model writes continuous text, not records; train one with a `separator`"
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
            draw_records(
                self.generator,
                prompt,
                sampling,
                seed_of(seed),
                length,
                count=count,
                jobs=jobs,
            ),
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
    def separator_of_items(self) -> str | None:
        """The separator of a model of records; None for continuous text."""
        return self.separator if self.vocabulary.records else None

    def known_items(
        self,
        text: str | bytes,
        unknown: str = "error",
    ) -> tuple[list[KnownItem], list[str]]:
        """A text, or its records, as the model reads it; a sentence on each change.

        The arguments and errors are those of ``corpus.records.known_items``.
        """
        return known_items(self.vocabulary, text, self.separator_of_items, unknown)

    @property
    def longest(self) -> int:
        """The most characters of a record if no ``length`` is given."""
        if not self.about.get("records"):
            return LENGTH
        # The length is the checkpoint's claim, so the size of the model limits what it may cost.
        longest: int = self.about["records"]["lengths"][-1]
        affordable = max(SHORTEST_LIMIT, self.network.size)
        return min(2 * longest + 16, LONGEST_RECORD, affordable)

    @cached_property
    def seen_records(self) -> frozenset[str]:
        """The records of the corpus, of its training and validation part.

        Raises:
            CheckpointError: their file cannot be read.
        """
        path = self.path or Path("none")
        return read_seen_records(Run(path.absolute().parent).seen_records)

    def index(
        self,
        *,
        corpus: Sequence[str] = (),
        on_notice: Notify = ignore,
        on_progress: OnProgress = ignore,
    ) -> "Index":
        """The index of the corpus, saved in the run's directory; created on first use.

        Args:
            corpus: the files of the corpus, if they have moved.
            on_notice: called with notices about creating the index.
            on_progress: called with the number of characters that each step of it has put in their
                place.

        Raises:
            CheckpointError: the corpus is missing, or the model was not read from a checkpoint.
        """
        return self._corpus.index(corpus, on_notice, on_progress)

    def session(
        self,
        prompt: str = "",
        *,
        seed: int | None = None,
        unknown: str = "error",
        **sampling: Unpack[SessionOptions],
    ) -> Session:
        """Start a text that is written and read in turns.

        The arguments are those of ``generate``; ``sampling`` is described by SessionOptions.
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

    def load_session(self, path: str | Path, **sampling: Unpack[SessionOptions]) -> Session:
        """Load a session from a file to continue it; ``sampling`` changes its settings.

        Raises:
            CheckpointError: the file is missing or damaged, or of another model.
            ConfigError: the model was adapted.
        """
        if self.is_adapted:
            raise ConfigError(
                "this model was adapted, and a session can only be continued by the model that "
                "saved it; open that one with charrnn.load"
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

        The first character is scored as the beginning of a text. For a model of records, the text
        is one record, and the last of n + 1 numbers is that of its end.

        Raises:
            VocabularyError: the text holds an unknown character.
        """
        text, _ = self.vocabulary.repair(string("text", text), unknown)
        ids = whole_ids(self.vocabulary, text)
        scores = score(self.network, [self.prime, *ids])
        return sums_by_character(self.vocabulary, text, scores)

    def explain(
        self,
        text: str,
        *,
        alternatives: int = ALTERNATIVES,
        unknown: str = "error",
        on_progress: OnProgress = ignore,
    ) -> Explanation:
        """How likely each character of a text is, given all before it, and what else was likely.

        In a notebook, the result shows the text coloured by surprise. For a model of records, the
        text is one record or several with separators between them, and each end is one more
        character.

        Args:
            text: its first character is explained as the beginning of a text.
            alternatives: the number of likely symbols to keep for each character.
            unknown: a character that the model has not seen: ``"error"``, ``"skip"`` or
                ``"replace"``.
            on_progress: called with numbers of characters that were read.

        Raises:
            VocabularyError: a character is unknown.
            CorpusError: nothing is left of the text.
        """
        items, _ = self.known_items(string("text", text), unknown)
        return explain(
            self.network,
            self.vocabulary,
            self.prime,
            items,
            separator=self.separator,
            alternatives=whole_number("alternatives", alternatives, 1),
            on_progress=on_progress,
        )

    def adapted(
        self,
        text: str | bytes,
        *,
        unknown: str = "error",
        each: Callable[[int], object] = ignore,
        on_notice: Notify = ignore,
    ) -> "TextModel":
        """A copy of the model whose weights and counts are adapted to a text; needs PyTorch.

        It learns from each part of the text once, as when an adaptive loss is computed.

        Args:
            text: str, or bytes for a model of bytes.
            unknown: a character that the model has not seen: ``"error"``, ``"skip"`` or
                ``"replace"``.
            each: called after each part, with its number of characters.
            on_notice: called with a notice on each kind of change made to the text.

        Raises:
            VocabularyError: a character is unknown.
            CorpusError: no text is left to learn from.
            ConfigError: the model was not read from a checkpoint.
        """
        string_or_bytes("text", text)
        if self.path is None:
            raise ConfigError(
                "this model was not read from a checkpoint, so it cannot be adapted; "
                "open a checkpoint with charrnn.load"
            )
        from charrnn.training.dynamic_evaluation import adapted

        checkpoint = checkpoints.read(self.path)
        weights, table = adapted(checkpoint, text, unknown, on_progress=each, tell=on_notice)
        model = TextModel(
            Network(checkpoint.model, len(self.vocabulary), weights, table),
            self.vocabulary,
            self.prime,
            about=self.about,
            path=self.path,
            sha256=self.sha256,
        )
        model.is_adapted = True
        return model

    def sampler(self, **sampling: Unpack[SessionOptions]) -> Sampler:
        """The sampler for some settings of ``generate``.

        Raises:
            ConfigError, VocabularyError: a setting is invalid.
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
                f"`prompt` must be part of one record, but {prompt!r} contains the separator "
                f"{self.separator!r}; leave the separator out"
            )
        if len(known) > length:
            raise ConfigError(
                f"`prompt` has {len(known):,} characters, but a record may have at most "
                f"{length:,}; give a larger `length`"
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
    """Open a trained model; does not need PyTorch.

    Args:
        path: a run's name or directory, or a checkpoint's directory; a run means its best
            checkpoint. None means the newest run.
        runs_dir: the directory that contains the runs, to find one by name.

    Raises:
        CheckpointError: the checkpoint does not exist or is damaged.
    """
    if path is not None:
        file_path("path", path)
    directory = find_checkpoint(path, file_path("runs_dir", runs_dir))
    checkpoint = checkpoints.read(directory)
    network = Network(
        checkpoint.model,
        len(checkpoint.vocabulary),
        checkpoint.weights,
        checkpoint.table,
    )
    return TextModel(
        network,
        checkpoint.vocabulary,
        checkpoint.prime,
        about=checkpoint.about,
        path=directory,
        sha256=checkpoint.sha256,
    )
