"""A server in a process of its own, for benchmarks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(run: str, home: Path | None = None) -> Iterator[str]:
    """Run `charrnn serve`; the address, once it answers there.

    Args:
        run: that is served.
        home: the directory with the runs; None for the current one.
    """
    command = [sys.executable, "-m", "charrnn", "serve", run, "--port", "0"]
    server = subprocess.Popen(command, cwd=home, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        for line in server.stderr:
            if line.startswith("write at "):
                yield line.removeprefix("write at ").partition(",")[0]
                break
    finally:
        server.terminate()
        server.communicate()
