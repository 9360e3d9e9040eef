"""Run: a directory with a run's checkpoints, configuration and metrics.

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
from charrnn.storage import checkpoint
from charrnn.storage.atomic import FileLock, not_written, read_regular, remove_directory
from charrnn.storage.manifest import FILES, MANIFEST
from charrnn.storage.read_metrics import read_final, read_validations

RUNS_DIR = "checkpoints"
MAX_CONFIG_BYTES = 16 << 20  # of a run's config.yaml, which lists every file of its corpus
STEP = r"step-\d{8,12}"  # the name of a checkpoint's directory
INDEX_FILES = ("text.bin", "order.bin", "about.json")  # of the corpus index, in originality/
# What charrnn writes into a run's directory, and into its subdirectories.
OWN = re.compile(rf"(damaged-)?{STEP}|config\.yaml|metrics\.jsonl|records\.jsonl\.gz|originality")
OWN_FILES = (*FILES, *INDEX_FILES)
# The same with what `charrnn plot` and `report` write, which may be overwritten.
WRITTEN = re.compile(rf"{OWN.pattern}|plot\.svg|report\.html")
# A model card, unless somebody else wrote a file of this name.
CARD = "README.md"
MARK_OF_CARD = "<!-- written by charrnn report"
NO_LICENCE = "# fill in, for instance: mit"
MAX_CARD_BYTES = 1 << 20
# What a process leaves there if it is killed while writing or deleting.
LEFTOVER = re.compile(rf"\.({WRITTEN.pattern})\.tmp-(\d+(-old)?|gone)")
# What an error about a run advises besides, if the caller can choose another run's name.
OTHER_NAME = ", or choose another `name`"
# A directory without a checkpoint is a run if it has a metrics.jsonl, and these knobs in its
# config.yaml.
RUN_KNOBS = {"corpus", "hidden_size", "steps"}
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


@dataclass(frozen=True)
class Run:
    """A run's directory, which need not exist yet."""

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
        """The option that says where the run is; empty for the default directory."""
        parent = str(self.path.parent)
        if parent == RUNS_DIR:
            return []
        return option("--runs-dir", parent)

    @property
    def half_removed(self) -> Path:
        """What is left of the run if its removal was interrupted, next to its directory."""
        directory = self.path.resolve()
        return directory.parent / f".{directory.name}.gone"

    def is_half_removed(self) -> bool:
        """Whether its removal was interrupted, and no new directory has taken its name."""
        return self.half_removed.is_dir() and not self.path.exists()

    def size(self) -> int:
        """The total size of its files in bytes; one that several checkpoints share counts once."""
        if not self.path.is_dir():
            return 0
        sizes = {}
        for file in self.path.rglob("*"):
            with suppress(FileNotFoundError):  # a trainer may have just pruned it
                if file.is_file():
                    info = file.lstat()
                    sizes[info.st_dev, info.st_ino] = info.st_size
        return sum(sizes.values())

    def is_run(self) -> bool:
        """Whether charrnn wrote the directory: it has a checkpoint, or what a run writes first."""
        if self.steps():
            return True
        return self.metrics.is_file() and read_yaml_beside(self.config).keys() >= RUN_KNOBS

    def last_saved(self) -> float | None:
        """When its newest checkpoint was written, in seconds since 1970; None without one."""
        times = []
        for path in self.steps():
            with suppress(FileNotFoundError):  # a trainer may have just pruned it
                times.append(path.stat().st_mtime)
        return max(times, default=None)

    def exists(self) -> bool:
        """Whether a new run here would be mixed with one that exists."""
        return self.config.exists() or self.path.is_file() or bool(self.steps())

    def step(self, step: int) -> Path:
        return self.path / f"step-{step:08d}"

    def steps(self) -> list[Path]:
        """The committed checkpoints, the oldest first."""
        if not self.path.is_dir():
            return []
        steps = []
        for path in self.path.glob("step-*"):
            if re.fullmatch(STEP, path.name) and _is_real_directory(path):
                steps.append(path)
        return sorted(steps, key=lambda path: int(path.name.removeprefix("step-")))

    def best(self) -> Path:
        """The checkpoint with the lowest validation loss; else the last one.

        Raises:
            CheckpointError: there is no checkpoint, or one of them cannot be read.
        """
        steps = self.steps()
        if not steps:
            raise CheckpointError(
                f"the run {self.path} has no checkpoint yet; "
                "wait for its first one, or start it again with `overwrite=True`"
            )
        losses = self._val_losses(strict=True)
        if not losses:
            return steps[-1]
        return min(losses, key=losses.__getitem__)

    def best_val_loss(self) -> float:
        """The lowest validation loss of a readable checkpoint, in nats per character.

        Infinity if none was validated.
        """
        return min(self._val_losses(strict=False).values(), default=math.inf)

    def _val_losses(self, *, strict: bool) -> dict[Path, float]:
        """The validation loss of each validated checkpoint, the oldest first.

        An unreadable checkpoint is an error if ``strict``, and left out otherwise.
        """
        losses: dict[Path, float] = {}
        for path in self.steps():
            try:
                loss = val_loss(path)
            except CheckpointError:
                if strict and path.exists():  # otherwise a trainer has just pruned it
                    raise
                continue
            if loss is not None:
                losses[path] = loss
        return losses

    def set_aside(self, path: Path) -> Path:
        """Rename a damaged checkpoint, so that it no longer counts as one."""
        aside = path.with_name(f"damaged-{path.name}")
        if aside.exists():
            self._discard(aside)
        return path.rename(aside)

    def prune(self, keep: int) -> list[str]:
        """Remove all checkpoints but the last ``keep`` undamaged ones and the best.

        One that cannot be read at the moment is kept, too: it may be the best.

        Returns:
            a sentence for each directory with files that charrnn did not write: these are kept.

        Raises:
            CheckpointError: a checkpoint cannot be removed.
        """
        notices = []
        try:
            for path in self._superseded(keep):
                gone = path.with_name(f".{path.name}.tmp-gone")
                path.rename(gone)  # atomic: a kill leaves no partial checkpoint
                notices += self._discard(gone)
        except OSError as error:
            raise CheckpointError(
                f"an old checkpoint in {self.path} could not be removed: "
                f"{error.strerror or error}; check its permissions, or delete it by hand"
            ) from None
        return notices

    def _superseded(self, keep: int) -> list[Path]:
        """The checkpoints that ``prune`` removes."""
        steps = self.steps()
        if len(steps) <= keep:
            return []
        whole = {path: _is_whole(path) for path in steps}
        newest = [path for path in steps if whole[path]][-keep:]
        if len(newest) < keep:
            return []
        losses = self._val_losses(strict=False)
        candidates = [path for path in losses if whole.get(path)]
        best = min(candidates, key=losses.__getitem__, default=None)
        older = steps[: steps.index(newest[0])]
        return [path for path in older if path != best and whole[path] is not None]

    def _discard(self, path: Path) -> list[str]:
        """Delete a directory that charrnn wrote; foreign files in it are kept, in kept-...

        Returns:
            a sentence on what was kept, if anything.
        """
        others = remove_directory(path, OWN_FILES)
        if not others:
            return []
        leftover = LEFTOVER.fullmatch(path.name)
        name = leftover[1] if leftover else path.name
        kept = free_path(self.path / f"kept-{name}")
        path.rename(kept)
        foreign = ", ".join(others[:3])
        return [f"{kept} was kept: it contains files that charrnn did not write ({foreign})"]

    def lock(self, otherwise: str = OTHER_NAME) -> FileLock | None:
        """Keep other trainers out until the lock is released.

        None if the file system does not support locks.

        Args:
            otherwise: the end of the error's advice.

        Raises:
            RunExistsError: another process is training this run.
        """
        directory = self.path.resolve()
        file = directory.with_name(f".{directory.name}.lock")
        try:
            return FileLock(file)
        except BlockingIOError as error:
            raise RunExistsError(
                f"the run {self.path} is being trained by {error.strerror}; "
                f"wait until it is done or stop it{otherwise}"
            ) from None
        except OSError as error:
            if error.errno in NO_LOCKS:
                return None
            raise not_written(file, error) from None

    def clean(self) -> None:
        """Remove partial files of a killed process; restore what it was replacing."""
        if not self.path.is_dir():
            return
        leftovers = [path for path in self.path.iterdir() if LEFTOVER.fullmatch(path.name)]
        for path in leftovers:
            original = path.with_name(path.name[1:].partition(".tmp-")[0])
            if path.name.endswith("-old") and not original.exists():
                path.rename(original)
            elif _is_real_directory(path):
                self._discard(path)
            else:
                path.unlink(missing_ok=True)

    def check_removable(self, otherwise: str = OTHER_NAME) -> None:
        """Make sure that the directory, or what is left of it, contains a run and nothing else.

        Args:
            otherwise: the end of the error's advice.

        Raises:
            RunExistsError: it is a file, or contains files that charrnn did not write.
        """
        if not self.path.is_dir() and not self.is_half_removed():
            raise RunExistsError(
                f"{self.path} was not deleted: it is a file, not a run; move it{otherwise}"
            )
        for directory in (self.path, self.half_removed):
            if not directory.is_dir():
                continue
            foreign = list(itertools.islice(_foreign_files(directory), 3))
            if foreign:
                raise RunExistsError(
                    f"{directory} was not deleted: it contains files that charrnn did not write "
                    f"({', '.join(foreign)}); move them{otherwise}"
                )

    def remove(self, otherwise: str = OTHER_NAME) -> None:
        """Delete the run, but nothing that charrnn did not write.

        The directory is renamed first: if the process is killed, no part of a run is left under its
        name, and the next removal deletes ``half_removed``.

        Args:
            otherwise: the end of the error's advice.

        Raises:
            RunExistsError: it contains other files, or could not be deleted.
        """
        gone = self.half_removed
        directory = self.path.resolve()
        self.check_removable(otherwise)
        try:
            if gone.exists():
                _delete(gone)
            if directory.exists():
                directory.rename(gone)
                _delete(gone)
            if self.path.is_symlink():
                self.path.unlink()
        except OSError as error:
            failed = Path(error.filename or self.path)
            with suppress(OSError):  # what is left keeps its name
                if not directory.exists():
                    gone.rename(directory)
                    if failed.is_relative_to(gone):
                        failed = self.path / failed.relative_to(gone)
            raise RunExistsError(
                f"{failed} could not be deleted: {error.strerror or error}; "
                f"check its permissions{otherwise}"
            ) from None

    def validations(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl with a validation."""
        return read_validations(self.metrics)

    def final(self) -> dict[str, Any] | None:
        """The last line of metrics.jsonl, if it has the final losses."""
        return read_final(self.metrics)


def read_yaml_beside(
    path: Path,
    max_bytes: int = MAX_CONFIG_BYTES,
    max_items: int | None = None,
) -> dict[str, Any]:
    """The knobs in a run's config.yaml; empty if it is missing, damaged or too long.

    Args:
        path: the file.
        max_bytes: a longer file is not read, since YAML is parsed slowly.
        max_items: a file with more names and values is not read.
    """
    try:
        return read_yaml(read_regular(path, max_bytes).decode("utf-8"), str(path), max_items)
    except (OSError, ValueError):
        return {}


def is_of_run(path: Path) -> bool:
    """Whether charrnn wrote the file at a path, into a run or a checkpoint."""
    path = path.resolve()
    directory = path.parent
    if (directory / MANIFEST).exists() and path.name in FILES:
        return True
    run = Run(directory.parent)
    if directory == run.originality and path.name in INDEX_FILES:
        return bool(run.steps())
    return bool(OWN.fullmatch(path.name)) and bool(Run(directory).steps())


def val_loss(path: Path) -> float | None:
    """The validation loss stored in a checkpoint, in nats per character; None without one."""
    loss = checkpoint.read_about(path)["about"]["val_loss"]
    return None if loss is None else float(loss)


def free_path(path: Path) -> Path:
    """This path if nothing exists there, or with the first free number, from 2."""
    free = path
    number = 2
    while free.exists():
        free = path.with_name(f"{path.name}-{number}")
        number += 1
    return free


def is_card(path: Path) -> bool:
    """Whether a file is a model card that `charrnn report` wrote."""
    return path.name == CARD and MARK_OF_CARD in _text_of(path)


def licence_of(path: Path) -> str:
    """The licence that was filled in in a model card, else what invites to do so."""
    match = re.search(r"^license: *([^#\s].*)$", _text_of(path), re.MULTILINE)
    return match[1] if match and is_card(path) else NO_LICENCE


def _text_of(path: Path) -> str:
    """The beginning of a file, or an empty string if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(MAX_CARD_BYTES)
    except OSError:
        return ""


def _is_written(path: Path) -> bool:
    """Whether charrnn wrote a file in a run's directory, or left it when it was killed."""
    name = path.name
    return bool(WRITTEN.fullmatch(name) or LEFTOVER.fullmatch(name)) or is_card(path)


def _foreign_files(directory: Path) -> Iterator[str]:
    """Files in a run's directory that charrnn did not write, as relative paths."""
    for path in sorted(directory.iterdir()):
        if not _is_written(path):
            yield path.name
        elif _is_real_directory(path):
            for entry in sorted(path.iterdir()):
                if entry.name not in OWN_FILES:
                    yield f"{path.name}/{entry.name}"


def _delete(directory: Path) -> None:
    """Delete a run's directory with everything that charrnn wrote into it.

    Raises:
        OSError: a file cannot be deleted, or the directory contains something else.
    """
    for path in directory.iterdir():
        if not _is_written(path):
            continue
        if _is_real_directory(path):
            remove_directory(path, OWN_FILES)
        else:
            path.unlink()
    directory.rmdir()


def _is_whole(path: Path) -> bool | None:
    """Whether a checkpoint is undamaged; None if it cannot be read at the moment."""
    try:
        return checkpoint.is_whole(path)
    except CheckpointError:
        return None


def _is_real_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
