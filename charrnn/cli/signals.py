"""Signals as wishes: the step under way is finished and saved before a run stops."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

STOP = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
]
SAVE = getattr(signal, "SIGUSR1", None)


class Interrupted(BaseException):
    """A stop was asked for before there was a run that could be saved."""

    def __init__(self, signum: int) -> None:
        self.signum = signum


class Stoppable(Protocol):
    """What can be asked to stop and to save; a Trainer."""

    stop_requested: bool
    save_requested: bool


class Wishes:
    """The signals that came, and whom to tell of them."""

    def __init__(self) -> None:
        self.signum = 0
        self.target: Stoppable | None = None
        self.importing = True  # PyTorch cannot be torn away in the middle of its import

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Only a flag is set: a checkpoint is never written from within a handler."""
        if signum == SAVE:
            if self.target:
                self.target.save_requested = True
            return
        if self.signum and signum == signal.SIGINT:
            os._exit(128 + signum)  # asked twice: leave at once; what was committed stands
        self.signum = signum
        if self.target:
            self.target.stop_requested = True
        elif not self.importing:
            raise Interrupted(signum)

    def watch(self, target: Stoppable) -> None:
        """From now on a stop is its wish."""
        self.target = target

    def imported(self) -> None:
        """From now on a stop is heeded at once, until there is a run that can be saved."""
        self.importing = False
        if self.signum:
            raise Interrupted(self.signum)


@contextmanager
def wishes() -> Iterator[Wishes]:
    """Catch the signals while a run is made and trained."""
    wished = Wishes()
    signals = [*STOP, SAVE] if SAVE else STOP
    heard = [
        signum for signum in signals if signal.getsignal(signum) != signal.SIG_IGN
    ]  # nohup stays nohup
    before = {signum: signal.signal(signum, wished.handle) for signum in heard}
    try:
        yield wished
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
