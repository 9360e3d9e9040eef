"""Interruption: lets a server end long computations, which call ``pause_point`` now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from charrnn.errors import ConfigError


def _go_on() -> None:
    pass


_check: ContextVar[Callable[[], None]] = ContextVar("check", default=_go_on)


def pause_point() -> None:
    """Called by what takes long, often enough.

    Raises:
        Exception: it has to end.
    """
    _check.get()()


@contextmanager
def interrupted_by(check: Callable[[], None]) -> Iterator[None]:
    """Within this context, in this thread, each pause point calls ``check``, which may raise."""
    outer = _check.get()

    def both() -> None:
        outer()
        check()

    token = _check.set(both)
    try:
        yield
    finally:
        _check.reset(token)


@contextmanager
def time_to_compile(seconds: float) -> Iterator[None]:
    """Within this context, in this thread, compiling constraints takes at most ``seconds``."""
    deadline = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() > deadline:
            raise ConfigError("the constraints take too long to compile; give simpler ones")

    with interrupted_by(check):
        yield
