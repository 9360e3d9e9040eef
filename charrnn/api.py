"""Training from Python: ``train`` does what ``charrnn train`` does."""

import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Unpack

from charrnn.config.arguments import corpus_paths, file_path, function, ignore, string_or_bytes
from charrnn.config.training_options import TrainingOptions
from charrnn.generation.network import Network
from charrnn.text_model import TextModel, load

if TYPE_CHECKING:
    from charrnn.training.step_report import Report
    from charrnn.training.trainer import Trainer

SAMPLE_LENGTH = 200  # characters of a sample during training
SAMPLE_RECORDS = 5


def train(
    path: str | Path | Sequence[str | Path] | None = None,
    *,
    text: str | bytes | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_report: "Callable[[Report], object] | None" = None,
    on_notice: Callable[[str], object] | None = None,
    progress: bool = False,
    **knobs: Unpack[TrainingOptions],
) -> TextModel:
    """Train a model as ``charrnn train`` does, and save the run under ``checkpoints/``.

    Args:
        path: one or several text files, .gz files or directories.
        text: the text itself, instead of a path.
        resume: continue the run of that name or corpus, or else the newest.
        overwrite: delete an existing run of that name first.
        on_report: called with a Report after each step, and once more with the final loss;
            returning False saves and stops the run.
        on_notice: called with each notice for the user, a sentence.
        progress: whether to show the progress bar and the lines of ``charrnn train`` on stderr,
            with the notices if there is no ``on_notice``. By default nothing is printed.
        **knobs: the options of ``charrnn train``, such as ``minutes=5`` or ``hidden_size=256``;
            TrainingOptions describes each of them.

    Returns:
        the best checkpoint by validation loss.

    Raises:
        CharRNNError: any of its kinds, such as ConfigError for a bad value.
        KeyboardInterrupt: on Ctrl-C in the main thread, after the current step was finished and
            saved; ``resume=True`` continues.
    """
    started = time.monotonic()
    given = dict[str, Any](knobs)
    if path is not None:
        given["corpus"] = corpus_paths(path)
    if "runs_dir" in knobs:
        given["runs_dir"] = str(file_path("runs_dir", knobs["runs_dir"]))
    for name in ("base", "val"):
        value = knobs.get(name)
        if value is not None:
            given[name] = str(file_path(name, value))
    if text is not None:
        string_or_bytes("text", text)
    if on_report is not None:
        function("on_report", on_report)
    if on_notice is None:
        on_notice = _tell if progress else ignore
    function("on_notice", on_notice)
    from charrnn.training.start import launch

    trainer = launch(
        given,
        text=text,
        resume=resume,
        overwrite=overwrite,
        tell=on_notice,
        started=started,
    )
    display = _shown(trainer, started) if progress else nullcontext(ignore)
    with _stop_on_ctrl_c(trainer), display as show, closing(reports(trainer)) as stream:
        for report in stream:
            show(report)
            if on_report and on_report(report) is False:
                trainer.stop_requested = True
    return load(trainer.directory.best(), runs_dir=".")


# Nothing else outside ``cli`` uses it. These do, when asked to: the progress that a script shows is
# that of the command line.


def _tell(line: str) -> None:
    """Print a notice as the command line does."""
    from charrnn.cli.console import tell

    tell(line)


def _shown(
    trainer: "Trainer", started: float
) -> "AbstractContextManager[Callable[[Report], object]]":
    """A function that shows a report as the command line does."""
    from charrnn.cli.script_progress import shown_run

    return shown_run(trainer, started)


@contextmanager
def _stop_on_ctrl_c(trainer: "Trainer") -> Iterator[None]:
    """Turn the first Ctrl-C into a request to stop, so that no work is lost.

    Only the main thread receives signals. A handler set by the caller is kept.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) != signal.default_int_handler:
        yield
        return
    interrupted = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = True
        trainer.stop_requested = True

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupted:
        raise KeyboardInterrupt


def reports(trainer: "Trainer") -> "Generator[Report, None, None]":
    """Run a trainer, adding a short sample to its report every ``sample_every`` steps."""
    every = trainer.config.train.sample_every
    for report in trainer.run():
        if isinstance(every, int) and report.step % every == 0 and report.final is None:
            report = replace(report, sample=_sample(trainer))
        yield report


def _sample(trainer: "Trainer") -> str:
    """A short text, or a few records, generated with the current weights.

    The network takes at least L·V·4H numbers, freed before the next step.
    """
    vocabulary = trainer.corpus.vocabulary
    loop = trainer.loop
    network = Network(trainer.config.model, len(vocabulary), loop.weights(), loop.model.table)
    model = TextModel(network, vocabulary, trainer.corpus.prime)
    count = SAMPLE_RECORDS if vocabulary.records else 1
    texts = []
    for number in range(count):
        seed = number * trainer.steps + trainer.step
        texts.append(model.generate(length=SAMPLE_LENGTH, seed=seed))
    return "\n".join(texts)
