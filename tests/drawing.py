"""What the processes of the tests draw: in a module that a new process can import."""

import os
import signal
from itertools import islice

from charrnn.errors import GenerationError
from charrnn.generation.processes import THREAD_VARIABLES


def five_then_an_error(share):
    yield from islice(share.numbers(2), 5)
    raise GenerationError(f"part {share.index} ends")


def ended_by_a_signal(share):
    yield share.index
    os.kill(os.getpid(), signal.SIGKILL)


def faulty(share):
    yield share.absent


def variables(share):
    yield from [os.environ.get(name) for name in THREAD_VARIABLES]
