"""A time limit on compiling constraints, for a server whose requests bring them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from charrnn.errors import ConfigError

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Within this context, in this thread, compiling constraints takes at most so many seconds."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def check_time() -> None:
    """Called by what takes long.

    Raises:
        ConfigError: the time is up.
    """
    deadline = _deadline.get()
    if deadline is not None and time.monotonic() > deadline:
        raise ConfigError("the constraints take too long to compile; give simpler ones")
