"""Run: a directory under checkpoints/ with a run's checkpoints; and what RUN means on the command
line.

checkpoints/<run>/config.yaml  metrics.jsonl  step-00002000/ ...
"""

import errno
import itertools
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charrnn.config.shell import option
from charrnn.config.yaml import read_yaml
from charrnn.errors import CheckpointError, RunExistsError
from charrnn.storage import checkpoint, strict_json
from charrnn.storage.atomic import FileLock, not_written, read_end, read_regular, remove_directory

RUNS_DIR = "checkpoints"
MOST_METRICS = 8 << 20  # bytes at the end of metrics.jsonl that are looked at
MOST_LINES = 20_000  # of them with a validation
LONGEST_CONFIG = 16 << 20  # bytes of a run's config.yaml, which names every file of its corpus
ONE_LINE = 1 << 12  # bytes that a line never has
VALIDATED = re.compile(rb'^.*"(?:final_)?val_loss": [0-9].*$', re.MULTILINE)
STEP = r"step-\d{8,12}"  # the name of a checkpoint's directory
INDEX_FILES = ("text.bin", "order.bin", "about.json")  # of the index of the corpus
OWN = re.compile(rf"(damaged-)?{STEP}|config\.yaml|metrics\.jsonl|records\.jsonl\.gz|originality")
LEFTOVER = re.compile(
    rf"\.({OWN.pattern})\.tmp-(\d+(-old)?|gone)"
)  # of a process that was killed while it wrote or deleted


@dataclass(frozen=True)
class Run:
    """A run's directory, which need not be there yet."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def seen_records(self) -> Path:
        return self.path / "records.jsonl.gz"

    @property
    def originality(self) -> Path:
        return self.path / "originality"

    @property
    def runs_dir_option(self) -> list[str]:
        """The option that says where the run is, if it is not in the default directory."""
        parent = str(self.path.parent)
        return [] if parent == RUNS_DIR else option("--runs-dir", parent)

    def size(self) -> int:
        """What its files take on the disk."""
        return (
            sum(file.lstat().st_size for file in self.path.rglob("*") if file.is_file())
            if self.path.is_dir()
            else 0
        )

    def exists(self) -> bool:
        """Whether a new run here would be mixed with what stands here."""
        return self.config.exists() or self.path.is_file() or bool(self.steps())

    def step(self, step: int) -> Path:
        return self.path / f"step-{step:08d}"

    def steps(self) -> list[Path]:
        """The committed checkpoints, the oldest first."""
        found = self.path.glob("step-*") if self.path.is_dir() else []
        steps = [
            path
            for path in found
            if re.fullmatch(STEP, path.name) and path.is_dir() and not path.is_symlink()
        ]
        return sorted(steps, key=lambda path: int(path.name.removeprefix("step-")))

    def best(self) -> Path:
        """The checkpoint with the lowest validation loss; where none was taken, the last one.

        Raises:
            CheckpointError: there is none, or one of them says nothing of itself.
        """
        steps = self.steps()
        if not steps:
            raise CheckpointError(
                f"the run {self.path} has no checkpoint yet; train on, or give another run"
            )
        losses = self._val_losses(strict=True)
        return min(losses, key=losses.__getitem__) if losses else steps[-1]

    def best_val_loss(self) -> float:
        """The lowest validation loss of a checkpoint that can be read, in nats per character;
        infinity where none was taken."""
        return min(self._val_losses(strict=False).values(), default=math.inf)

    def _val_losses(self, *, strict: bool) -> dict[Path, float]:
        """Of each checkpoint, where one was taken; one that cannot be read is an error where
        ``strict``, and passed over else."""
        losses: dict[Path, float] = {}
        for path in self.steps():
            try:
                loss = val_loss(path)
            except CheckpointError:
                if strict and path.exists():  # else a trainer has pruned it just now
                    raise
            else:
                losses |= {path: loss} if loss is not None else {}
        return losses

    def set_aside(self, path: Path) -> Path:
        """Rename a damaged checkpoint, so that nothing takes it for one."""
        aside = path.with_name(f"damaged-{path.name}")
        if aside.exists():
            self._discard(aside)
        return path.rename(aside)

    def prune(self, keep: int) -> list[str]:
        """Remove the checkpoints older than the last ``keep`` whole ones, but not the best one, nor
        one that cannot be read now.

        Returns:
            a sentence for each directory with files in it that charrnn did not write: these are
            kept.

        Raises:
            CheckpointError: a checkpoint cannot be removed.
        """
        notices = []
        try:
            steps = self.steps()
            if len(steps) <= keep:
                return []
            whole = {path: _is_whole(path) for path in steps}
            losses = self._val_losses(strict=False)
            best = next(
                (path for path in sorted(losses, key=losses.__getitem__) if whole[path]), None
            )
            kept = [path for path in steps if whole[path]][-keep:]
            for path in steps[: steps.index(kept[0])] if len(kept) == keep else []:
                if path != best and whole[path] is not None:
                    gone = path.with_name(f".{path.name}.tmp-gone")
                    path.rename(gone)  # in one step: a kill leaves no half of a checkpoint
                    notices += self._discard(gone)
        except OSError as error:
            raise CheckpointError(
                f"an old checkpoint in {self.path} could not be removed: {error.strerror or error}; see whether it can be by hand"
            ) from None
        return notices

    def _discard(self, path: Path) -> list[str]:
        """Delete a directory that charrnn wrote; if others put files into it, they stay, in a
        directory called kept-...

        Returns:
            a sentence on what was kept, if anything was.
        """
        others = remove_directory(path, (*checkpoint.FILES, *INDEX_FILES))
        if not others:
            return []
        leftover = LEFTOVER.fullmatch(path.name)
        name = f"kept-{leftover[1] if leftover else path.name}"
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        kept = next(self.path / free for free in names if not (self.path / free).exists())
        path.rename(kept)
        return [f"{kept} holds what charrnn did not write ({', '.join(others[:3])}), and was kept"]

    def lock(self) -> FileLock | None:
        """Keep every other trainer out until what is given is let go; None where the file system
        knows no locks.

        Raises:
            RunExistsError: another trainer is at work here.
        """
        lock = self.path.resolve().with_name(f".{self.path.resolve().name}.lock")
        try:
            return FileLock(lock)
        except BlockingIOError as error:
            raise RunExistsError(
                f"the run {self.path} is being trained by {error.strerror}; wait for its end, stop it, or give another --name"
            ) from None
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
                return None
            raise not_written(lock, error) from None

    def clean(self) -> None:
        """Remove what a killed process left half-written; restore what it was about to replace."""
        leftovers = (
            [path for path in self.path.iterdir() if LEFTOVER.fullmatch(path.name)]
            if self.path.is_dir()
            else []
        )
        for path in leftovers:
            target = path.with_name(path.name[1:].partition(".tmp-")[0])
            if path.name.endswith("-old") and not target.exists():
                path.rename(target)
            elif path.is_dir() and not path.is_symlink():
                self._discard(path)
            else:
                path.unlink(missing_ok=True)

    def check_removable(self) -> None:
        """Make sure that the directory holds a run and nothing else.

        Raises:
            RunExistsError: it is a file, or holds something that charrnn did not write.
        """
        if not self.path.is_dir():
            raise RunExistsError(
                f"{self.path} is a file, no run, and was not deleted; move it away, or give another --name"
            )
        strange = list(itertools.islice(self._not_ours(), 3))
        if strange:
            raise RunExistsError(
                f"{self.path} holds what charrnn did not write ({', '.join(strange)}) and was not deleted; "
                "move it away, or give another --name"
            )

    def _not_ours(self) -> Iterator[str]:
        """What in the run's directory charrnn did not write, by path in it."""
        for path in sorted(self.path.iterdir()):
            if not (OWN.fullmatch(path.name) or LEFTOVER.fullmatch(path.name)):
                yield path.name
            elif path.is_dir() and not path.is_symlink():
                for entry in sorted(path.iterdir()):
                    if entry.name not in (*checkpoint.FILES, *INDEX_FILES):
                        yield f"{path.name}/{entry.name}"

    def remove(self) -> None:
        """Delete the run, and nothing that charrnn did not write.

        Raises:
            RunExistsError: it holds something else, or could not be deleted.
        """
        self.check_removable()
        try:
            for path in self.path.iterdir():
                if path.is_dir() and not path.is_symlink():
                    remove_directory(path, (*checkpoint.FILES, *INDEX_FILES))
                else:
                    path.unlink()
            self.path.resolve().rmdir()
            self.path.unlink(missing_ok=True)  # where it was a link to a directory elsewhere
        except OSError as error:
            raise RunExistsError(
                f"{self.path} could not be deleted: {error.strerror or error}; give another --name"
            ) from None

    def validations(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl with a validation, of a very long one the last of them; none
        where they cannot be read."""
        return _reports(VALIDATED.findall(self._end(MOST_METRICS))[-MOST_LINES:])

    def final(self) -> dict[str, Any] | None:
        """The last line of metrics.jsonl, where it is the loss at the end of the run; None for an
        unfinished run."""
        lines = _reports(self._end(ONE_LINE).splitlines()[-1:])
        return lines[0] if lines and "final_val_loss" in lines[0] else None

    def _end(self, most: int) -> bytes:
        """The last lines of metrics.jsonl, so many bytes at most."""
        try:
            return read_end(self.metrics, most)
        except OSError:
            return b""


def read_yaml_beside(
    path: Path, longest: int = LONGEST_CONFIG, most: int | None = None
) -> dict[str, Any]:
    """The knobs in a run's config.yaml; empty where there is none that can be read, or a longer one
    (YAML is read slowly).

    Args:
        longest: in bytes.
        most: names and values.
    """
    try:
        return read_yaml(read_regular(path, longest).decode("utf-8"), str(path), most)
    except (OSError, ValueError):
        return {}


def is_of_run(path: Path) -> bool:
    """Whether a path is that of a file which charrnn wrote into a run or a checkpoint."""
    path = path.resolve()
    directory = path.parent
    if (directory / checkpoint.MANIFEST).exists() and path.name in checkpoint.FILES:
        return True
    if directory.name == Run(directory.parent).originality.name and path.name in INDEX_FILES:
        directory = directory.parent
        return bool(Run(directory).steps())
    return bool(OWN.fullmatch(path.name)) and bool(Run(directory).steps())


def _reports(lines: list[bytes]) -> list[dict[str, Any]]:
    """What a trainer can have written; none where one of the lines is no JSON."""
    try:
        return [value for value in map(strict_json.loads, lines) if _is_report(value)]
    except (ValueError, RecursionError):
        return []


def _is_report(line: Any) -> bool:
    """Whether a trainer can have written it: the numbers of a step, or the final losses."""
    if not isinstance(line, dict) or not all(
        isinstance(value, int | float | None) for value in line.values()
    ):
        return False
    of_a_step = {"train_loss", "val_loss"} <= line.keys() and line["train_loss"] is not None
    final = {"final_val_loss", "characters"} <= line.keys() and None not in line.values()
    return type(line.get("step")) is int and (of_a_step or final)


def _is_whole(path: Path) -> bool | None:
    """Whether a checkpoint is whole; None where the disk does not say."""
    try:
        return checkpoint.is_whole(path)
    except CheckpointError:
        return None


def val_loss(path: Path) -> float | None:
    """The validation loss that a checkpoint was saved with, in nats per character."""
    loss = checkpoint.read_about(path)["about"]["val_loss"]
    return None if loss is None else float(loss)


def check_runs_dir(runs_dir: str | Path) -> Path:
    """The directory that holds the runs, which need not exist.

    Raises:
        CheckpointError: it is a file.
    """
    path = Path(runs_dir)
    if path.exists() and not path.is_dir():
        raise CheckpointError(f"{path} is a file, not a directory of runs; give another --runs-dir")
    return path


def all_runs(runs_dir: str | Path = RUNS_DIR) -> list[Run]:
    """The runs with a checkpoint, the one that saved last first.

    Raises:
        CheckpointError: the directory is a file.
    """
    root = check_runs_dir(runs_dir)
    runs = [
        Run(path)
        for path in (root.iterdir() if root.is_dir() else [])
        if path.is_dir() and path.name[0] != "."
    ]
    return sorted((run for run in runs if run.steps()), key=_last_saved, reverse=True)


def find_checkpoint(run: str | Path | None = None, runs_dir: str | Path = RUNS_DIR) -> Path:
    """The checkpoint that RUN stands for.

    Args:
        run: a name under ``runs_dir``, a run's directory or a step's directory; None is the newest
            run.
        runs_dir: where the runs are.

    Raises:
        CheckpointError: there is no such run.
    """
    if run is None:
        runs = all_runs(runs_dir)
        if not runs:
            raise CheckpointError(
                f"there is no run in {Path(runs_dir).resolve()}; train one with `charrnn train FILE`, or name a run's directory"
            )
        return runs[0].best()
    try:
        for path in (Path(runs_dir) / run, Path(run)):
            if (path / checkpoint.MANIFEST).exists():
                return path
            if path.is_file():
                raise CheckpointError(
                    f"{path} is a file, no run and no checkpoint; give a run's name or directory"
                )
            if Run(path).exists():
                return Run(path).best()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # such a name cannot be that of a run
            raise CheckpointError(
                f"{path} cannot be read: {error.strerror}; check its permissions"
            ) from None
    names = ", ".join(found.path.name for found in all_runs(runs_dir)) or "none"
    raise CheckpointError(
        f"there is no run or checkpoint {str(run)[:200]!r}; the runs in {runs_dir} are: {names}"
    )


def _last_saved(run: Run) -> tuple[int, str]:
    times = [0]
    for path in run.steps():
        with suppress(FileNotFoundError):  # a trainer has pruned it just now
            times.append(path.stat().st_mtime_ns)
    return max(times), run.path.name
