"""The paths of a command compared with each other, so that an output never overwrites what was
read."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from charrnn.corpus.reading import STDIN
from charrnn.errors import ConfigError
from charrnn.storage.run import is_of_run

Paths = Mapping[str, str | None]


def check_outputs(outputs: Paths, inputs: Paths, corpus: Iterable[str] = ()) -> None:
    """Refuse an output that would overwrite an input, another output, the corpus of the run, or a
    file of any run.

    Pipes and devices are left alone: nothing in them is overwritten.

    Args:
        outputs: path by flag; None or ``-`` for none.
        inputs: path by what it is, in words; as above.
        corpus: paths of the run's corpus: files, or directories of ``*.txt``.

    Raises:
        ConfigError: names the flag, the path and what it would overwrite.
    """
    read = [
        (what, Path(path)) for what, path in inputs.items() if path is not None and path != STDIN
    ]
    read += [("the corpus of the run", Path(path)) for path in corpus if path != STDIN]
    written: list[tuple[str, Path]] = []
    for flag, name in outputs.items():
        if name is None or name == STDIN:
            continue
        path = Path(name)
        if path.exists() and not path.is_file():
            continue
        for what, other in (*written, *(read if path.exists() else ())):
            if _is_same(path, other) or _is_in_corpus(path, other):
                raise ConfigError(
                    f"{flag}: {name} is {what} too, and would be overwritten; give another file"
                )
        if is_of_run(path):
            raise ConfigError(
                f"{flag}: {name} belongs to a run, and would be overwritten; give another file"
            )
        written.append((f"the file of {flag}", path))


def _is_same(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file, through links too."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    try:
        return path.samefile(other)
    except OSError:
        return False


def _is_in_corpus(path: Path, directory: Path) -> bool:
    """Whether a corpus that was named by its directory was read from this file too."""
    return directory.is_dir() and path.suffix == ".txt" and _is_same(path.parent, directory)
