"""The errors that charrnn raises.

    CharRNNError                everything that charrnn raises on purpose
    ├── ConfigError             a value is not allowed; exit code 2 on the command line
    ├── CorpusError             a text cannot be read, or is too small
    ├── VocabularyError         a text has a character that the model does not know
    ├── CheckpointError         a checkpoint is missing, damaged or of another kind
    │   ├── DamagedError        it was changed since it was written, or is not a checkpoint
    │   └── ResumeError         a run cannot be resumed as requested
    ├── RunExistsError          a new run would be mixed with an existing one
    ├── GenerationError         a text cannot be generated, or cannot be written
    ├── MissingPackageError     a required package is not installed
    └── DivergedError           the loss or the gradient became NaN or infinite

A message says what is wrong, which value and where, and what to do.
"""


class CharRNNError(Exception):
    """The root of everything that charrnn raises on purpose."""


class ConfigError(CharRNNError, ValueError):
    """A value is not allowed."""


class CorpusError(CharRNNError, ValueError):
    """A text cannot be read, or is too small."""


class VocabularyError(CharRNNError, ValueError):
    """A text has a character that the model does not know."""


class CheckpointError(CharRNNError):
    """A checkpoint is missing, damaged or of another kind."""


class DamagedError(CheckpointError):
    """A checkpoint was changed since it was written, or is not a checkpoint.

    Reading it again will not help.
    """


class ResumeError(CheckpointError):
    """A run cannot be resumed as requested."""


class RunExistsError(CharRNNError):
    """A new run would be mixed with an existing one."""


class GenerationError(CharRNNError):
    """A text cannot be generated from the network's output, or cannot be written."""


class MissingPackageError(CharRNNError, ImportError):
    """A required package is not installed; the message names it."""


class DivergedError(CharRNNError):
    """The loss or the gradient became NaN or infinite."""
