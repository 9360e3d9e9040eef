"""Training from a script: train, as ``charrnn train`` does it; and reports, with a short sample now
and then."""

import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from charrnn.config.arguments import corpus_paths, file_path, function, string_or_bytes
from charrnn.generation.network import Network
from charrnn.text_model import TextModel, load

if TYPE_CHECKING:
    from charrnn.training.step_report import Report
    from charrnn.training.trainer import Trainer

SAMPLE_LENGTH = 200  # of the samples while training
SAMPLE_RECORDS = 5


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
        on_report: called with a Report after each step; where it gives False, the run is saved and
            stops.
        on_notice: called with a sentence on whatever a user should know.
        **knobs: those of ``charrnn train``, with underscores: ``minutes=5``, ``hidden_size=256``.

    Returns:
        the best checkpoint by validation loss.

    Raises:
        CharRNNError: any of its kinds.
        KeyboardInterrupt: Ctrl-C, in the main thread: the step under way is finished and saved
            first; ``resume=True`` goes on.
    """
    given = dict(knobs)
    if path is not None:
        given["corpus"] = corpus_paths(path)
    if "runs_dir" in knobs:
        given["runs_dir"] = str(file_path("runs_dir", knobs["runs_dir"]))
    if text is not None:
        string_or_bytes("text", text)
    for name, called in (("on_report", on_report), ("on_notice", on_notice)):
        if called is not None:
            function(name, called)
    from charrnn.training.start import launch

    trainer = launch(
        given, text=text, resume=resume, overwrite=overwrite, tell=on_notice or (lambda _: None)
    )
    with _ctrl_c_stops(trainer), closing(reports(trainer)) as each:
        for report in each:
            if on_report and on_report(report) is False:
                trainer.stop_requested = True
    assert trainer.directory is not None
    return load(trainer.directory.best(), runs_dir=".")


@contextmanager
def _ctrl_c_stops(trainer: "Trainer") -> Iterator[None]:
    """Let the first Ctrl-C be a wish, so that nothing is lost by it; only the main thread can hear
    it."""
    interrupted = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        trainer.stop_requested = interrupted = True

    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) != signal.default_int_handler
    ):
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
    """Run a trainer, and put a short sample into a report every ``sample_every`` steps; the
    training does not feel it."""
    every = trainer.config.train.sample_every
    for report in trainer.run():
        if isinstance(every, int) and report.step % every == 0 and report.final is None:
            report = replace(report, sample=_sample(trainer, report.step))
        yield report


def _sample(trainer: "Trainer", step: int) -> str:
    """A short text by the weights of a step, or a few records; its network, of L·V·4H numbers and
    more, is freed before the next step."""
    network = Network(trainer.config.model, len(trainer.corpus.vocabulary), trainer.weights())
    model = TextModel(network, trainer.corpus.vocabulary, trainer.corpus.prime)
    few = SAMPLE_RECORDS if trainer.corpus.vocabulary.records else 1
    texts = [
        model.generate(length=SAMPLE_LENGTH, seed=number * trainer.steps + step)
        for number in range(few)
    ]
    del (
        model.generator
    )  # which refers back to the model: else both would wait for the garbage collector
    return "\n".join(texts)
