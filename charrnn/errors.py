"""The errors that charrnn raises; this module knows nothing of the rest.

    CharRNNError                whatever a caller may want to catch
    ├── ConfigError             a knob has a value that cannot be; exit code 2 on the command line
    ├── CorpusError             a text cannot be read, or is too small
    ├── VocabularyError         a text holds a character that the model does not know
    ├── CheckpointError         a checkpoint is missing, damaged or of another kind
    │   ├── DamagedError        it is not as it was written, or was never a checkpoint
    │   └── ResumeError         a run cannot be gone on with as asked
    ├── RunExistsError          a new run would be mixed with one that is there
    ├── GenerationError         a text cannot be drawn, or cannot be put where it was to go
    ├── MissingPackageError     a package is needed that is not installed
    └── DivergedError           the loss or the gradient is no longer a number

A message has three parts: what is wrong, which value and where, what to do.
"""


class CharRNNError(Exception):
    """The root of everything that charrnn raises on purpose."""


class ConfigError(CharRNNError, ValueError):
    """A knob has a value that cannot be."""


class CorpusError(CharRNNError, ValueError):
    """A text cannot be read, or is too small."""


class VocabularyError(CharRNNError, ValueError):
    """A text holds a character that the model does not know."""


class CheckpointError(CharRNNError):
    """A checkpoint is missing, damaged or of another kind."""


class DamagedError(CheckpointError):
    """A checkpoint is not as it was written, or was never one: reading it again does not help."""


class ResumeError(CheckpointError):
    """A run cannot be gone on with as asked."""


class RunExistsError(CharRNNError):
    """A new run would be mixed with one that is there."""


class GenerationError(CharRNNError):
    """A text cannot be drawn from what the network gives, or cannot be put where it was to go."""


class MissingPackageError(CharRNNError, ImportError):
    """A package is needed that is not installed; the message names it."""


class DivergedError(CharRNNError):
    """The loss or the gradient is no longer a number."""
