"""Checks the paths of a command, so that an output never overwrites an input."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from charrnn.corpus.reading import STDIN
from charrnn.errors import ConfigError
from charrnn.storage.run import is_of_run

Paths = Mapping[str, str | None]


def check_outputs(outputs: Paths, inputs: Paths, corpus: Iterable[str] = ()) -> None:
    """Refuse an output that would overwrite an input, another output, the corpus or a run's file.

    Pipes and devices are allowed: nothing in them is overwritten.

    Args:
        outputs: paths by flag; None or ``-`` for none.
        inputs: paths by description; None or ``-`` for none.
        corpus: the run's corpus: files, or directories of ``*.txt``.

    Raises:
        ConfigError: an output would overwrite something; the message names it.
    """
    inputs_read = _files(inputs.items())
    inputs_read += _files(("the corpus of the run", path) for path in corpus)
    earlier_outputs: list[tuple[str, str]] = []
    for flag, name in _files(outputs.items()):
        path = Path(name)
        exists = path.exists()
        if exists and not path.is_file():
            continue
        _refuse_same(flag, name, earlier_outputs)
        if exists:
            _refuse_same(flag, name, inputs_read)
        if is_of_run(path):
            raise ConfigError(
                f"{flag} would overwrite {name}, which belongs to a run; give another file"
            )
        earlier_outputs.append((f"the file of {flag}", name))


def refuse_stdout(flag: str, path: str | None) -> None:
    """Refuse ``-`` for a file that is not written to standard output."""
    if path == STDIN:
        raise ConfigError(f"{flag} needs the name of a file, got -; give one")


def _files(paths: Iterable[tuple[str, str | None]]) -> list[tuple[str, str]]:
    """The paths that are given and are not standard streams, with their descriptions."""
    files = []
    for what, path in paths:
        if path is not None and path != STDIN:
            files.append((what, path))
    return files


def _refuse_same(flag: str, name: str, others: Iterable[tuple[str, str]]) -> None:
    path = Path(name)
    for what, other_name in others:
        other = Path(other_name)
        if _is_same(path, other) or _is_in_corpus(path, other):
            raise ConfigError(
                f"{flag} would overwrite {name}, which is also {what}; give another file"
            )


def _is_same(path: Path, other: Path) -> bool:
    """Whether two paths lead to the same file, also through links."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    try:
        return path.samefile(other)
    except OSError:
        return False


def _is_in_corpus(path: Path, directory: Path) -> bool:
    """Whether a file is part of a corpus given as a directory."""
    if not directory.is_dir() or path.suffix != ".txt":
        return False
    return _is_same(path.parent, directory)
