"""Turns signals into requests: a run finishes its step and saves before it stops."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

# Some platforms lack some of them.
STOP = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
]
SAVE = getattr(signal, "SIGUSR1", None)


class Interrupted(BaseException):
    """A stop was requested before there was a run to save."""

    def __init__(self, signum: int) -> None:
        self.signum = signum


class Stoppable(Protocol):
    """Something that can be asked to stop and to save, such as a Trainer."""

    stop_requested: bool
    save_requested: bool


class Requests:
    """What the signals received so far ask for, passed on to a run once it exists."""

    def __init__(self) -> None:
        self.signum = 0  # the last signal that asked to stop; 0 for none
        self.target: Stoppable | None = None
        self.importing = True  # an interrupted import would leave PyTorch half loaded

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Handle a signal by setting a flag; a handler never writes a checkpoint."""
        if signum == SAVE:
            if self.target:
                self.target.save_requested = True
            return
        if self.signum and signum == signal.SIGINT:
            os._exit(128 + signum)  # a second Ctrl-C exits at once; saved checkpoints remain
        self.signum = signum
        if self.target:
            self.target.stop_requested = True
        elif not self.importing:
            raise Interrupted(signum)

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
    """Catch signals while a run is created and trained."""
    requests = Requests()
    previous = {}
    signals = [*STOP, SAVE] if SAVE else STOP
    for signum in signals:
        # Ignored signals stay ignored, as under nohup.
        if signal.getsignal(signum) != signal.SIG_IGN:
            previous[signum] = signal.signal(signum, requests.handle)
    try:
        yield requests
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
