"""charrnn: a character-level text generator.

It learns to write from a text file, one character at a time, and writes new text in the same style.

The public names are loaded on first use: importing charrnn imports neither torch nor numpy.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Written out, since type checkers read it.
__all__ = [
    "CharRNNError",
    "CheckpointError",
    "ConfigError",
    "CorpusError",
    "DivergedError",
    "GenerationError",
    "MissingPackageError",
    "ResumeError",
    "RunExistsError",
    "Sampler",
    "SamplingOptions",
    "SessionOptions",
    "TextModel",
    "TrainingOptions",
    "Vocabulary",
    "VocabularyError",
    "__version__",
    "inspect",
    "load",
    "train",
]

_MODULES = {
    "Sampler": "generation.sampling",
    "SamplingOptions": "generation.sampling_options",
    "SessionOptions": "generation.sampling_options",
    "TextModel": "text_model",
    "TrainingOptions": "config.training_options",
    "Vocabulary": "vocab",
    "inspect": "doctor.inspection",
    "load": "text_model",
    "train": "api",
}

if TYPE_CHECKING:
    from charrnn.api import train
    from charrnn.config.training_options import TrainingOptions
    from charrnn.doctor.inspection import inspect
    from charrnn.errors import (
        CharRNNError,
        CheckpointError,
        ConfigError,
        CorpusError,
        DivergedError,
        GenerationError,
        MissingPackageError,
        ResumeError,
        RunExistsError,
        VocabularyError,
    )
    from charrnn.generation.sampling import Sampler
    from charrnn.generation.sampling_options import SamplingOptions, SessionOptions
    from charrnn.text_model import TextModel, load
    from charrnn.vocab import Vocabulary


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    module = importlib.import_module(f"charrnn.{_MODULES.get(name, 'errors')}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
