"""Prefetch: the next batches, computed in background threads while a GPU trains on this one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from charrnn.training.loss import Inputs

MAX_WORKERS = 8
BATCHES_PER_WORKER = 2  # computed ahead


class Prefetch:
    """The batch of a step, usually computed before it is asked for.

    Args:
        compute: the batch of a step: a pure function that several threads may call at once.
        workers: the number of threads.
    """

    def __init__(self, compute: Callable[[int], Inputs], workers: int) -> None:
        self.compute = compute
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="batches")
        self.num_ahead = BATCHES_PER_WORKER * workers
        self.futures: dict[int, Future[Inputs]] = {}

    def close(self) -> None:
        """Stop the threads."""
        self.pool.shutdown(cancel_futures=True)
        self.futures.clear()

    def __getitem__(self, step: int) -> Inputs:
        wanted = range(step, step + 1 + self.num_ahead)
        for other in set(self.futures) - set(wanted):
            self.futures.pop(other).cancel()
        for number in wanted:
            if number not in self.futures:
                self.futures[number] = self.pool.submit(self.compute, number)
        return self.futures.pop(step).result()
