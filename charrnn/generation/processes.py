"""Draw a sequence in several processes, and put its items back in order.

Each process draws its share of the sequence (share.py) and sends the items through a pipe. A full
pipe makes it wait, so no process gets far ahead. The processes begin anew (spawn) instead of as
copies of this one, since a copy of a process with threads may hang.
"""

import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeVar

from charrnn.errors import CharRNNError, GenerationError
from charrnn.generation.share import Share

T = TypeVar("T")
SENT_EVERY = 0.05  # seconds for which a process collects items before it sends them
# A product of a small matrix takes longer in two threads, and other bits.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
END = None  # sent after the last batch of items


class Worker(NamedTuple):
    """A process, and the pipe from which its items are read."""

    process: Any
    connection: Connection


def drawn_in_processes(
    draw: Callable[[Share], Iterator[T]],
    num_processes: int,
    size: int,
) -> Iterator[T]:
    """The items of a sequence, in order; the processes end with the iterator.

    Args:
        draw: yields the items of a share; it must be picklable.
        num_processes: the number of shares.
        size: the number of items in a round: the first process draws the first ``size`` items, the
            second the next, and so on in turn.

    Raises:
        GenerationError: a process was ended from outside.
    """
    workers = list[Worker]()
    try:
        _start(workers, draw, num_processes)
        streams = [_items(worker) for worker in workers]
        while True:
            for stream in streams:
                for _ in range(size):
                    try:
                        yield next(stream)
                    except StopIteration:
                        return
    finally:
        _stop(workers)


def _start(workers: list[Worker], draw: Callable[[Share], Any], num_processes: int) -> None:
    """Start the processes, each of which computes in one thread."""
    context = get_context("spawn")
    givers = list[Connection]()
    with _one_thread_each(), _ctrl_c_blocked():
        for index in range(num_processes):
            task, giver = context.Pipe(duplex=False)
            receiver, sender = context.Pipe(duplex=False)
            share = Share(index, num_processes)
            process = context.Process(target=_draw_and_send, args=(task, sender, share))
            process.daemon = True  # ended with this process, if nothing else ends it
            process.start()
            workers.append(Worker(process, receiver))
            task.close()
            sender.close()  # so that the end of the process is the end of the pipe
            givers.append(giver)
    # Sent after the start of all, since sending a model waits for its reader to import NumPy.
    for giver in givers:
        with suppress(BrokenPipeError):  # the process has ended, which reading its items reports
            giver.send(draw)
        giver.close()


def _stop(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.connection.close()
        worker.process.terminate()
    for worker in workers:
        worker.process.join()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Make the processes that are started compute products in one thread."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Block Ctrl-C, also in the processes that are started: this process will end them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it unblocks Ctrl-C when it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _items(worker: Worker) -> Iterator[Any]:
    """The items of a process as they arrive; its error after them."""
    while True:
        try:
            batch = worker.connection.recv()
        except EOFError:
            worker.process.join()
            raise _ended(worker.process.exitcode) from None
        if batch is END:
            return
        if isinstance(batch, BaseException):
            raise batch
        items = deque(batch)
        while items:
            yield items.popleft()


def _ended(code: int) -> GenerationError:
    if code < 0:
        return GenerationError(
            f"a process that draws was ended by signal {-code}; if memory ran out, "
            "give a smaller `jobs`"
        )
    return GenerationError(
        f"a process that draws could not start (exit code {code}); "
        "put the script under `if __name__ == '__main__':`, or give `jobs` 1"
    )


# In the processes


def _draw_and_send(
    task: Connection,
    connection: Connection,
    share: Share,
) -> None:
    """Send the items of a share in batches, then END or an error.

    Args:
        task: from which the function that draws a share is read.
        connection: to which the items are sent.
        share: to be drawn.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    try:
        draw = task.recv()
    except (EOFError, OSError):  # the process that started this one has ended
        return
    try:
        _send_batches(connection, draw(share))
    except BrokenPipeError:  # nobody wants more
        return
    except CharRNNError as error:
        _send_last(connection, error)
    except Exception as error:
        error.add_note(traceback.format_exc())  # of this process
        _send_last(connection, error)
    else:
        _send_last(connection, END)


def _send_batches(connection: Connection, items: Iterator[Any]) -> None:
    batch = list[Any]()
    sent = time.monotonic()
    try:
        for item in items:
            batch.append(item)
            now = time.monotonic()
            if now - sent >= SENT_EVERY:
                connection.send(batch)
                batch = []
                sent = now
    finally:
        if batch:
            connection.send(batch)


def _send_last(connection: Connection, message: BaseException | None) -> None:
    with suppress(BrokenPipeError):
        connection.send(message)


def _exit_with_parent() -> None:
    """End this process once the one that started it has ended, however that ended."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
