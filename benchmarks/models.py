"""The model that some measurements are made on: of tiny Shakespeare, trained for three minutes with
no knob but that."""

import subprocess
import sys
from pathlib import Path

import charrnn

MINUTES = 3


def shakespeare(directory: str, data: Path) -> charrnn.TextModel:
    """Trained in a directory, beside its corpus."""
    corpus = str((data / "tinyshakespeare.txt").resolve())
    command = [
        sys.executable,
        "-m",
        "charrnn",
        "train",
        corpus,
        "--minutes",
        str(MINUTES),
        "--name",
        "shakespeare",
    ]
    subprocess.run(command, cwd=directory, check=True)
    return charrnn.load(Path(directory) / "checkpoints" / "shakespeare")
