"""Shared fixtures: small corpora, an empty working directory, and training in separate
processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# The tests run in parallel, one process per core, and their models are tiny: more threads would
# only wait for each other. Set before NumPy and PyTorch are imported, and inherited by the
# processes that tests start. A test that needs two threads gets two that sleep while they wait,
# instead of keeping a core busy that the other tests need.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

# A test runner in the background may ignore Ctrl-C, and the processes it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14  # 924 characters


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked as needing bf16 on a processor without it."""
    if item.get_closest_marker("bf16"):
        from charrnn.training.device import bf16_works

        if not bf16_works("cpu"):
            pytest.skip("PyTorch trains no layer in bf16 on this processor")


@pytest.fixture(autouse=True, scope="session")
def short_timing() -> None:
    """The speed of a step is measured for a moment instead of a second, in hundreds of runs."""
    from charrnn.training import timing

    timing.SECONDS = 0.1
    timing.SECONDS_PER_CHOICE = 0.05


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def corpus(here: Path) -> Path:
    """A small text file, ``corpus.txt``."""
    path = here / "corpus.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Limit PyTorch to one thread: the models are tiny, and more would only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def processes() -> Iterator["Processes"]:
    """Runs jobs of tests/worker.py, each in a separate process."""
    server = Processes()
    yield server
    server.close()


class Processes:
    """A process that has imported PyTorch and forks for each job, to save each job the import."""

    def __init__(self) -> None:
        worker = Path(__file__).with_name("worker.py")
        self.server = subprocess.Popen(
            [sys.executable, worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, **job: Any) -> dict[str, Any]:
        """Run a job in a new process and return its answer."""
        assert self.server.stdin
        assert self.server.stdout
        self.server.stdin.write(json.dumps(job) + "\n")
        self.server.stdin.flush()
        answer: dict[str, Any] = json.loads(self.server.stdout.readline())
        assert "error" not in answer, answer
        return answer

    def close(self) -> None:
        assert self.server.stdin
        self.server.stdin.close()
        self.server.wait()
        assert self.server.stdout
        self.server.stdout.close()
