"""Finding runs in a directory, and the checkpoint that RUN means on a command line."""

import errno
from contextlib import suppress
from pathlib import Path

from charrnn.errors import CheckpointError
from charrnn.storage.manifest import MANIFEST
from charrnn.storage.run import RUNS_DIR, Run


def check_runs_dir(runs_dir: str | Path) -> Path:
    """The directory that contains the runs, which need not exist.

    Raises:
        CheckpointError: it is a file.
    """
    path = Path(runs_dir)
    if path.exists() and not path.is_dir():
        raise CheckpointError(f"{path} is a file, not a directory of runs; give another `runs_dir`")
    return path


def all_runs(runs_dir: str | Path = RUNS_DIR) -> list[Run]:
    """The runs that have a checkpoint, the most recently saved first.

    Raises:
        CheckpointError: the directory is a file.
    """
    root = check_runs_dir(runs_dir)
    if not root.is_dir():
        return []
    runs = []
    for path in root.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            run = Run(path)
            if run.steps():
                runs.append(run)
    return sorted(runs, key=_last_saved, reverse=True)


def _last_saved(run: Run) -> tuple[int, str]:
    times = [0]
    for path in run.steps():
        with suppress(FileNotFoundError):  # a trainer may have just pruned it
            times.append(path.stat().st_mtime_ns)
    return max(times), run.path.name


def find_checkpoint(run: str | Path | None = None, runs_dir: str | Path = RUNS_DIR) -> Path:
    """The checkpoint that RUN means.

    Args:
        run: a name under ``runs_dir``, a run's directory or a step's directory; None for the newest
            run.
        runs_dir: the directory that contains the runs.

    Raises:
        CheckpointError: there is no such run.
    """
    if run is None:
        return _newest_run(runs_dir).best()
    for path in (Path(runs_dir) / run, Path(run)):
        try:
            checkpoint = _checkpoint_at(path)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # no run can have such a name
                break
            raise CheckpointError(
                f"{path} cannot be read: {error.strerror}; check its permissions"
            ) from None
        if checkpoint is not None:
            return checkpoint
    names = ", ".join(other.path.name for other in all_runs(runs_dir)) or "none"
    raise CheckpointError(
        f"there is no run or checkpoint {str(run)[:200]!r}; runs in {runs_dir}: {names}"
    )


def _newest_run(runs_dir: str | Path) -> Run:
    runs = all_runs(runs_dir)
    if not runs:
        raise CheckpointError(
            f"there are no runs in {Path(runs_dir).resolve()}; "
            "train one with `charrnn train FILE`, or give the directory of a run"
        )
    return runs[0]


def _checkpoint_at(path: Path) -> Path | None:
    """The checkpoint at a path, or the best one of the run there, if any."""
    if (path / MANIFEST).exists():
        return path
    if path.is_file():
        raise CheckpointError(
            f"{path} is a file, not a run or a checkpoint; give the name or directory of a run"
        )
    run = Run(path)
    return run.best() if run.exists() else None
