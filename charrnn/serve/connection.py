"""Connection: uvicorn's, with limits on how slow a client may be and on how many there are."""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # in which the head of a request must arrive
WRITE_SECONDS = 30.0  # that a client may leave an answer unread while the buffers are full
MOST_CONNECTIONS = 512


class Timer:
    """Calls a function some seconds after it was started, unless it is stopped.

    Args:
        loop: of the calls.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float, function: Callable[[], object]) -> None:
        """Start it; a running timer is not restarted."""
        if self._handle is None:
            self._handle = self._loop.call_later(seconds, function)

    def stop(self) -> None:
        """Stop it, if it is running."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class Connection(H11Protocol):
    """A connection that is cut if its client is too slow."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_timer = Timer(self.loop)
        self._write_timer = Timer(self.loop)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer.start(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_timer.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._head_timer.stop()
        self._write_timer.stop()

    def _watch_head(self) -> None:
        """Run a timer while a head is awaited, or the rest of a body that is no longer needed."""
        is_answered = self.cycle is not None and self.cycle.response_complete
        is_awaited = self.conn.their_state is h11.IDLE
        is_rest = self.conn.their_state is h11.SEND_BODY and is_answered
        if is_awaited or is_rest:
            self._head_timer.start(HEAD_SECONDS, self.transport.abort)
        else:
            self._head_timer.stop()
