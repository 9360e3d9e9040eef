"""charrnn: learns to write from a text file, one character at a time, and writes new text in the same manner.

The public names are loaded on first use: importing charrnn imports neither torch nor numpy.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "CharRNNError": "errors",
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "CorpusError": "errors",
    "DivergedError": "errors",
    "GenerationError": "errors",
    "ResumeError": "errors",
    "RunExistsError": "errors",
    "VocabularyError": "errors",
    "Sampler": "generation.sampling",
    "TextModel": "text_model",
    "Vocabulary": "vocab",
    "load": "text_model",
    "train": "learn",
}
__all__ = [*_HOMES, "__version__"]

if TYPE_CHECKING:
    from charrnn.errors import (
        CharRNNError,
        CheckpointError,
        ConfigError,
        CorpusError,
        DivergedError,
        GenerationError,
        ResumeError,
        RunExistsError,
        VocabularyError,
    )
    from charrnn.generation.sampling import Sampler
    from charrnn.learn import train
    from charrnn.text_model import TextModel, load
    from charrnn.vocab import Vocabulary


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    return getattr(importlib.import_module(f"charrnn.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
