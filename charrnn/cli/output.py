"""Writes text to standard output piece by piece, or to a file once it is complete."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.cli.console import hides_bars
from charrnn.errors import CharRNNError, CheckpointError, GenerationError
from charrnn.generation.session import Session
from charrnn.storage.atomic import Data, write_output

if TYPE_CHECKING:
    from tqdm import tqdm


@dataclass
class Writing:
    """Texts that are being generated.

    Args:
        title: the checkpoint and the seed, shown to the user.
        pieces: of the output, generated while it is written.
        new_texts: the texts so far, without their prompts; collected only for ``--originality``.
        session: generates the text; its state can be saved after the last piece.
    """

    title: str
    pieces: Iterator[str]
    new_texts: list[str] = field(default_factory=list)
    session: Session | None = None


def show(pieces: Iterable[str], output: str | None) -> None:
    """Write pieces to standard output as they arrive, or to a file at the end.

    After an error, the line on standard output is ended, so that the message begins a new one; a
    file is written with the pieces so far if it does not exist yet.

    Args:
        pieces: of the text.
        output: a path; None or ``-`` for standard output.

    Raises:
        GenerationError: standard output is closed, or the file cannot be written.
    """
    if output is None or output == "-":
        _to_stdout(pieces)
    else:
        _to_file(pieces, Path(output))


def bar_of_texts(output: str | None, total: int, unit: str) -> "tqdm[Any]":
    """A progress bar on stderr, shown on a terminal unless the texts go to stdout.

    Args:
        output: as for ``show``.
        total: the number of texts.
        unit: what they are called, such as `` records``.
    """
    from tqdm import tqdm

    to_stdout = output is None or output == "-"
    return tqdm(
        total=total,
        unit=unit,
        disable=to_stdout or hides_bars(),
        leave=False,
        file=sys.stderr,
    )


def into_file(flag: str, path: Path, data: Data) -> None:
    """Write data to the file that a flag names.

    Raises:
        GenerationError: it could not be written.
    """
    try:
        write_output(path, data)
    except CheckpointError as error:
        raise GenerationError(f"{flag}: {error}") from None


def _to_stdout(pieces: Iterable[str]) -> None:
    if sys.stdout is None:
        raise GenerationError("standard output is closed; give a file with --output")
    last = "\n"
    try:
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
            last = piece or last
    except CharRNNError:
        if not last.endswith("\n"):
            sys.stdout.write("\n")
            sys.stdout.flush()
        raise


def _to_file(pieces: Iterable[str], path: Path) -> None:
    finished: list[str] = []
    try:
        for piece in pieces:
            finished.append(piece)
    except CharRNNError:
        if any(finished) and not path.exists():
            into_file("--output", path, "".join(finished).encode())
        raise
    into_file("--output", path, "".join(finished).encode())
