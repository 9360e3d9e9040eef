"""The model for some measurements: of tiny Shakespeare, trained for three minutes with default
settings."""

import subprocess
import sys
from pathlib import Path

import charrnn

MINUTES = 3


def shakespeare(directory: str, data: Path) -> charrnn.TextModel:
    """Train the model in a directory."""
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
