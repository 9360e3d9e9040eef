"""Finding runs in a directory, and the checkpoint that RUN means on a command line."""

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from charrnn.errors import CheckpointError
from charrnn.storage.manifest import MANIFEST
from charrnn.storage.run import RUNS_DIR, Run

Found = TypeVar("Found")


def check_runs_dir(runs_dir: str | Path) -> Path:
    """The directory that contains the runs, which need not exist.

    Raises:
        CheckpointError: it is a file.
    """
    path = Path(runs_dir)
    if path.exists() and not path.is_dir():
        raise CheckpointError(f"{path} is a file, not a directory of runs; give another `runs_dir`")
    return path


def all_runs(
    runs_dir: str | Path = RUNS_DIR,
    *,
    without_checkpoint: bool = False,
) -> list[Run]:
    """The runs that have a checkpoint, the most recently saved first.

    Args:
        runs_dir: the directory that contains the runs.
        without_checkpoint: also those without one, at the end.

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
            if run.steps() or (without_checkpoint and run.is_run()):
                runs.append(run)
    return sorted(runs, key=_last_saved, reverse=True)


def _last_saved(run: Run) -> tuple[float, str]:
    return run.last_saved() or 0, run.path.name


def half_removed_runs(runs_dir: str | Path = RUNS_DIR) -> list[Run]:
    """The runs in a directory whose removal was interrupted, by name.

    Without those whose name a new run has taken: removing that one also removes what is left.
    """
    root = check_runs_dir(runs_dir)
    runs = []
    for path in root.glob(".*.gone"):
        run = Run(root / path.name.removeprefix(".").removesuffix(".gone"))
        if run.is_half_removed():
            runs.append(run)
    return sorted(runs, key=lambda run: run.path.name)


def find_run(run: str | Path, runs_dir: str | Path = RUNS_DIR) -> Run:
    """The run that RUN means, whole, damaged or half removed.

    Args:
        run: a name under ``runs_dir``, or a run's directory.
        runs_dir: the directory that contains the runs.

    Raises:
        CheckpointError: there is no such run, or it is a checkpoint or something else.
    """
    existing = _first((check_runs_dir(runs_dir) / run, Path(run)), _run_at)
    if existing is not None:
        return existing
    for path in (Path(runs_dir) / run, Path(run)):
        if os.path.isdir(path):
            raise CheckpointError(
                f"{path} is not a run: it has no checkpoint and no configuration of charrnn; "
                "give the name or directory of a run"
            )
    names = ", ".join(other.path.name for other in all_runs(runs_dir, without_checkpoint=True))
    raise CheckpointError(
        f"there is no run {str(run)[:200]!r}; runs in {runs_dir}: {names or 'none'}"
    )


def _first(paths: Iterable[Path], at: Callable[[Path], Found | None]) -> Found | None:
    """What ``at`` finds at the first of some paths where there is anything."""
    for path in paths:
        try:
            found = at(path)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # no run can have such a name
                break
            raise _unreadable(path, error) from None
        if found is not None:
            return found
    return None


def _run_at(path: Path) -> Run | None:
    """The run at a path, if any."""
    is_step = path in Run(path.parent).steps()
    if is_step or (path / MANIFEST).exists():
        advice = "give the name or directory of a run"
        if is_step:
            advice = f"give {path.parent} for the whole run"
        raise CheckpointError(f"{path} is a checkpoint, not a run; {advice}")
    if path.is_file():
        raise CheckpointError(f"{path} is a file, not a run; give the name or directory of a run")
    run = Run(path)
    if run.is_run() or run.is_half_removed():
        return run
    return None


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(f"{path} cannot be read: {error.strerror}; check its permissions")


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
    checkpoint = _first((Path(runs_dir) / run, Path(run)), _checkpoint_at)
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
