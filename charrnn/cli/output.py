"""What was written, on its way out: to standard output as it comes, or into a file once all of it
is there; as text or as JSON."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from charrnn.cli.forms import FORMS
from charrnn.config.knobs import knobs
from charrnn.errors import CharRNNError, CheckpointError, GenerationError
from charrnn.generation.form_options import FormOptions
from charrnn.generation.sampling import Sampler
from charrnn.storage.atomic import write_output
from charrnn.text_model import TextModel


def show(pieces: Iterable[str], output: str | None) -> None:
    """Each piece as it comes on standard output; or all of them into a file; what came before an
    error, where no file is there yet.

    Raises:
        GenerationError: standard output is closed, or the file cannot be written.
    """
    if output in (None, "-"):
        _on_stdout(pieces)
        return
    kept = list[str]()
    try:
        kept.extend(pieces)
    except CharRNNError:
        if any(kept) and not Path(str(output)).exists():
            into_file("--output", Path(str(output)), "".join(kept).encode())
        raise
    into_file("--output", Path(str(output)), "".join(kept).encode())


def json_line(
    text: str,
    which: dict[str, Any],
    settings: dict[str, Any],
    log_probability: float,
    model: TextModel,
    asked: Any,
) -> str:
    """One JSON object, of one text."""
    rules, rest = FormOptions.split(asked.settings)
    sampler = model.sampler(**rest)
    settings |= {name: getattr(sampler, name) for name in knobs(Sampler)}
    if rules:
        settings |= {name: getattr(asked, name) for name in sorted(FORMS & asked.given)}
        settings |= {"particles": rules.streams, "max_copy": rules.max_copy}
    settings |= {name: asked.settings[name] for name in ("bias", "ban") if name in asked.settings}
    values = {
        "text": text,
        "prompt": asked.prompt,
        **which,
        "settings": settings,
        "adapt_to": asked.adapt_to,
        "model": model.sha256,
    }
    return json.dumps(values | {"log_probability": log_probability}, ensure_ascii=False) + "\n"


def _on_stdout(pieces: Iterable[str]) -> None:
    if sys.stdout is None:
        raise GenerationError("standard output is closed; give a file with --output")
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()


def into_file(flag: str, path: Path, data: bytes) -> None:
    """Write a file that a flag names.

    Raises:
        GenerationError: it could not be written.
    """
    try:
        write_output(path, data)
    except CheckpointError as error:
        raise GenerationError(f"{flag}: {error}") from None
