"""Turns signals into requests: a run finishes its step and saves before it stops.

The first Ctrl-C asks the run to stop, the second says what it is waiting for, and the third ends
the process at once.
"""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from charrnn.cli.console import print_on_stderr, shown
from charrnn.config.shell import command, option

if TYPE_CHECKING:
    from charrnn.storage.run import Run

# Some platforms lack some of them.
STOP = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
]
SAVE = getattr(signal, "SIGUSR1", None)
STDERR = 2  # its file descriptor
# What a second Ctrl-C prints.
STARTING = "stopping before the first step; press Ctrl-C again to exit at once"
SAVING = (
    "stopping once the current step is finished and saved; "
    "press Ctrl-C again to exit at once without saving it"
)


class Interrupted(BaseException):
    """A stop was requested before there was a run to save."""

    def __init__(self, signum: int) -> None:
        self.signum = signum


class Stoppable(Protocol):
    """A run in progress that can be asked to stop and to save: a Trainer."""

    directory: "Run"
    stop_requested: bool
    save_requested: bool

    @property
    def step(self) -> int:
        """Steps done."""


class Requests:
    """What the signals received so far ask for, passed on to a run once it exists."""

    def __init__(self) -> None:
        self.signum = 0  # the last signal that asked to stop; 0 for none
        self.target: Stoppable | None = None
        self.importing = True  # an interrupted import would leave PyTorch half loaded
        self.explained = False  # whether a second Ctrl-C was answered

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Handle a signal by setting a flag; a handler never writes a checkpoint."""
        if signum == SAVE:
            if self.target:
                self.target.save_requested = True
            return
        if self.signum and signum == signal.SIGINT:
            self._handle_repeated()
            return
        self.signum = signum
        if self.target:
            self.target.stop_requested = True
        elif not self.importing:
            raise Interrupted(signum)

    def _handle_repeated(self) -> None:
        """Handle a Ctrl-C after the request to stop: explain at first, then exit at once."""
        if not self.explained:
            self.explained = True
            _write_from_handler(SAVING if self.target else STARTING)
            return
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # this line is printed once, and whole
        with suppress(OSError):  # a run whose checkpoints cannot be listed
            _write_from_handler(stopped_at_once(self.target))
        os._exit(128 + signal.SIGINT)  # without cleaning up; saved checkpoints remain

    def watch(self, target: Stoppable) -> None:
        """Pass later requests on to this run."""
        self.target = target

    def imported(self) -> None:
        """From now on, stop at once on request, until there is a run to save."""
        self.importing = False
        if self.signum:
            raise Interrupted(self.signum)


@contextmanager
def signal_requests() -> Iterator[Requests]:
    """Catch signals while a run is created and trained.

    After a request to stop they are ignored, since the process is about to exit: a further Ctrl-C
    would interrupt Python's shutdown, which changes the exit code or prints a traceback.

    Raises:
        SystemExit: a stop was requested before there was a run to save.
    """
    requests = Requests()
    previous = {}
    signals = [*STOP, SAVE] if SAVE else STOP
    for signum in signals:
        # Ignored signals stay ignored, as under nohup.
        if signal.getsignal(signum) != signal.SIG_IGN:
            previous[signum] = signal.signal(signum, requests.handle)
    try:
        yield requests
    except Interrupted as interrupted:
        print_on_stderr(stopped_at_once(None))
        sys.exit(128 + interrupted.signum)
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, signal.SIG_IGN if requests.signum else handler)


def stopped(run: "Run") -> str:
    """How to continue a run that was stopped by a signal, after it saved its last step."""
    steps = run.steps()
    if not steps:
        return "stopped before the first step"
    return f"stopped after saving {steps[-1]}; continue with: {_resume(run)}"


def stopped_at_once(trainer: Stoppable | None) -> str:
    """What a run that exits without saving keeps and loses, and how to continue it.

    Args:
        trainer: the run; None if it had not been created yet.
    """
    if trainer is None:
        return "stopped before the first step"
    run = trainer.directory
    steps = run.steps()
    if not steps:
        return (
            "stopped at once: nothing was saved; start again with the same command and --overwrite"
        )
    saved_step = int(steps[-1].name.removeprefix("step-"))
    if saved_step >= trainer.step:
        return stopped(run)
    return (
        f"stopped at once: what was learned after step {saved_step:,} was not saved, "
        f"{steps[-1]} was; continue with: {_resume(run)}"
    )


def _resume(run: "Run") -> str:
    """The command that continues a run."""
    flags = [*option("--name", run.path.name), *run.runs_dir_option]
    return command(["train", "--resume"], flags=flags)


def _write_from_handler(line: str) -> None:
    """Print a line on stderr from a handler of signals.

    The handler may have interrupted a write to ``sys.stderr``, which allows no second one, or be
    called because nobody reads stderr: then nothing is printed.
    """
    start = "\n" if os.isatty(STDERR) else ""  # the terminal shows ^C, and the bar
    with suppress(OSError):
        if _is_writable(STDERR):
            os.write(STDERR, f"{start}{shown(line)}\n".encode(errors="replace"))


def _is_writable(descriptor: int) -> bool:
    """Whether a short line can be written without waiting."""
    if sys.platform == "win32":  # only sockets can be asked
        return True
    return bool(select.select([], [descriptor], [], 0)[1])
