"""The texts that come with charrnn, by name. Each was written for the project."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from charrnn.errors import CorpusError

PACKAGE = Path(__file__).parent.parent
# In an installed package the texts are in charrnn/corpora, in a clone next to charrnn.
FOLDERS = (PACKAGE / "corpora", PACKAGE.parent / "corpora")

# The knobs that suit each text.
EXAMPLES: dict[str, dict[str, Any]] = {
    "fables": {},
    "plays": {},
    "places": {"separator": "\n"},
}


def example_path(name: str) -> Path:
    """The file of an example.

    Raises:
        CorpusError: the package was installed without it.
    """
    for folder in FOLDERS:
        path = folder / f"{name}.txt"
        if path.is_file():
            return path
    raise CorpusError(f"the example text {name}.txt is missing; install charrnn again")


def example_flags(paths: Sequence[str]) -> list[str]:
    """``--example NAME`` for the path of an example, else no flags."""
    for name in EXAMPLES:
        for folder in FOLDERS:
            if list(paths) == [str(folder / f"{name}.txt")]:
                return ["--example", name]
    return []
