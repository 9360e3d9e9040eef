"""TextModel: the facade that scripts use; text in, text out. Knows nothing of training but how to start it and to adapt."""

import numbers
import secrets
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn import checkpoint as checkpoints
from charrnn.config import knobs
from charrnn.errors import ConfigError, CorpusError
from charrnn.generation.decode import Piece, decode, pieces, until_stop
from charrnn.generation.network import Network
from charrnn.generation.sampling import Sampler, log_probabilities
from charrnn.runs import RUNS_DIR, find_checkpoint
from charrnn.vocab import Vocabulary

if TYPE_CHECKING:
    from charrnn.training.report import Report
    from charrnn.training.trainer import Trainer

LENGTH = 500
SAMPLE_LENGTH = 200  # of the samples while training


class Sample(NamedTuple):
    """A text that was written, the seed that writes it again, and its log-probability in nats.

    The log-probability is that of all symbols drawn (a stop string's too), under the model itself, whatever the sampler did.
    """

    text: str
    seed: int
    log_probability: float


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
        self.network, self.vocabulary, self.prime = network, vocabulary, prime
        self.about = dict(about or {})
        self.path, self.sha256 = path, sha256

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = LENGTH,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        unknown: str = "error",
        **sampling: Any,
    ) -> str:
        """New text that goes on from the prompt; the prompt is not part of it.

        Args:
            prompt: what the network reads first.
            length: how many new characters, unless a stop string comes first.
            seed: the same seed, prompt and settings give the same text; None takes another each time.
            stop: one or several strings that end the text and are left out of it.
            unknown: a character of the prompt that the model has not seen: ``"error"``, ``"skip"`` or ``"replace"``.
            **sampling: fields of Sampler: temperature, top_k, top_p, min_p.

        Raises:
            VocabularyError: the prompt holds an unknown character.
            ConfigError: a setting is not possible.
        """
        return self.sample(prompt, length=length, seed=seed, stop=stop, unknown=unknown, **sampling).text

    def stream(
        self,
        prompt: str = "",
        *,
        length: int = LENGTH,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        unknown: str = "error",
        **sampling: Any,
    ) -> Iterator[str]:
        """As ``generate``, piece by piece as it is written; the pieces joined are the text."""
        stream = self._pieces(prompt, length, _seed(seed), stop, unknown, sampling, scored=False)
        return (piece.text for piece in stream if piece.text)

    def sample(
        self,
        prompt: str = "",
        *,
        length: int = LENGTH,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        unknown: str = "error",
        **sampling: Any,
    ) -> Sample:
        """As ``generate``, with the seed and the log-probability."""
        seed = _seed(seed)
        written = list(self._pieces(prompt, length, seed, stop, unknown, sampling, scored=True))
        return Sample("".join(piece.text for piece in written), seed, sum((piece.log_probability for piece in written), 0.0))

    def score(self, text: str, *, unknown: str = "error") -> NDArray[np.float64]:
        """The natural-log probability of each character, (n,), given all before it; the first is given the prime.

        Raises:
            VocabularyError: the text holds an unknown character.
        """
        text, _ = self.vocabulary.repair(text, unknown)
        ids = self.vocabulary.encode(text).tolist()
        state, previous, scores = self.network.zero_state(), self.prime, []
        for idx in ids:
            logits, state = self.network.step(previous, state)
            scores.append(log_probabilities(logits.astype(np.float64))[idx])
            previous = idx
        if self.vocabulary.unit == "byte" and scores:  # a character has the bytes from its first to the next one's first
            starts = np.cumsum([0] + [len(char.encode()) for char in text[:-1]])
            return np.add.reduceat(np.array(scores, np.float64), starts)
        return np.array(scores, np.float64)

    def adapted(self, text: str | bytes, *, unknown: str = "error", each: Callable[[int], object] = lambda _: None) -> "TextModel":
        """The model with weights that lean toward a text: it learned from each piece of it, once, as an adaptive loss does.

        Needs PyTorch.

        Args:
            text: str, or bytes for a model of bytes.
            unknown: a character that the model has not seen: ``"error"``, ``"skip"`` or ``"replace"``.
            each: called with the number of characters after each piece.

        Raises:
            CorpusError: nothing is left of the text.
            ConfigError: the model was not read from a checkpoint.
        """
        from charrnn.training.adapt import adapted

        if self.path is None:
            raise ConfigError("adapted: this model was not read from a checkpoint; open one with load")
        checkpoint = checkpoints.read(self.path)
        ids = self.vocabulary.encode(text if isinstance(text, bytes) else self.vocabulary.repair(text, unknown)[0])
        if not len(ids):
            raise CorpusError("adapted: the text is empty, or the model has seen none of its characters; give another text")
        network = Network(checkpoint.model, len(self.vocabulary), adapted(checkpoint, ids, each=each))
        return TextModel(network, self.vocabulary, self.prime, about=self.about, path=self.path, sha256=self.sha256)

    def sampler(self, **sampling: Any) -> Sampler:
        """The sampler of these settings."""
        names = knobs(Sampler)
        for name in sampling:
            if name not in names:
                raise ConfigError(f"{name!r} is not a setting of the sampler; give one of {', '.join(names)}")
        return Sampler(**sampling)

    def _pieces(
        self, prompt: str, length: int, seed: int, stop: str | Sequence[str], unknown: str, sampling: Mapping[str, Any], *, scored: bool
    ) -> Iterator[Piece]:
        stops = (stop,) if isinstance(stop, str) else tuple(stop)
        length = _whole_number("length", length)
        if "" in stops:
            raise ConfigError("stop: '' is not possible; give a string of at least one character")
        known, _ = self.vocabulary.repair(prompt, unknown)
        ids = self.vocabulary.encode(known) if known else [self.prime]
        symbols = decode(self.network, ids, self.sampler(**sampling), np.random.default_rng(seed), scored=scored)
        stream = pieces(self.vocabulary, symbols, length)
        return until_stop(stream, stops) if stops else stream


def load(path: str | Path | None = None, *, runs_dir: str | Path = RUNS_DIR) -> TextModel:
    """Open a model, without PyTorch.

    Args:
        path: a run's name or directory, or a checkpoint's directory; a run stands for its best checkpoint. None is the newest run.
        runs_dir: where runs are looked for by name.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    found = find_checkpoint(path, runs_dir)
    checkpoint = checkpoints.read(found)
    network = Network(checkpoint.model, len(checkpoint.vocabulary), checkpoint.weights)
    return TextModel(network, checkpoint.vocabulary, checkpoint.prime, about=checkpoint.about, path=found, sha256=checkpoint.sha256)


def train(
    path: str | Path | Sequence[str | Path] | None = None,
    *,
    text: str | bytes | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_report: "Callable[[Report], object] | None" = None,
    on_notice: Callable[[str], object] | None = None,
    **knobs: Any,
) -> TextModel:
    """Train a model, as ``charrnn train`` does; the run stands under ``checkpoints/`` then.

    Args:
        path: one or several text files, a directory, a .gz file.
        text: the corpus itself, instead of a path.
        resume: go on with the run of that name or corpus.
        overwrite: delete a run of that name first.
        on_report: called with a Report after each step; where it gives False, the run is saved and stops.
        on_notice: called with a sentence on whatever a user should know.
        **knobs: those of ``charrnn train``, with underscores: ``minutes=5``, ``hidden_size=256``.

    Returns:
        the best checkpoint by validation loss.

    Raises:
        CharRNNError: any of its kinds.
        KeyboardInterrupt: Ctrl-C, in the main thread: the step under way is finished and saved first; ``resume=True`` goes on.
    """
    from charrnn.training.launch import launch

    given = dict(knobs)
    if path is not None:
        given["corpus"] = (str(path),) if isinstance(path, str | Path) else tuple(str(each) for each in path)
    trainer = launch(given, text=text, resume=resume, overwrite=overwrite, tell=on_notice or (lambda _: None))
    with _ctrl_c_stops(trainer), closing(reports(trainer)) as each:
        for report in each:
            if on_report and on_report(report) is False:
                trainer.stop_requested = True
    assert trainer.directory is not None
    return load(trainer.directory.best(), runs_dir=".")


@contextmanager
def _ctrl_c_stops(trainer: "Trainer") -> Iterator[None]:
    """Let the first Ctrl-C be a wish, so that nothing is lost by it; only the main thread can hear it."""
    interrupted = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        trainer.stop_requested = interrupted = True

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) != signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupted:
        raise KeyboardInterrupt


def reports(trainer: "Trainer") -> "Generator[Report, None, None]":
    """Run a trainer, and put a short sample into a report every ``sample_every`` steps; the training does not feel it."""
    every = trainer.config.train.sample_every
    for report in trainer.run():
        if isinstance(every, int) and report.step % every == 0 and report.final is None:
            network = Network(trainer.config.model, len(trainer.corpus.vocabulary), trainer.weights())
            model = TextModel(network, trainer.corpus.vocabulary, trainer.corpus.prime)
            report = replace(report, sample=model.generate(length=SAMPLE_LENGTH, seed=report.step))
        yield report


def _seed(seed: int | None) -> int:
    if seed is None:
        return secrets.randbelow(2**32)
    return _whole_number("seed", seed)


def _whole_number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:  # NumPy's are among them
        raise ConfigError(f"{name}: {value!r} is not possible; give a whole number from 0")
    return int(value)
