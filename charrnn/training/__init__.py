"""Trains and evaluates models. The only package that imports torch."""

from charrnn.errors import MissingPackageError

try:
    import torch  # noqa: F401
except ImportError as error:
    reason = f"cannot be imported ({error})"
    if isinstance(error, ModuleNotFoundError):
        reason = "is not installed"
    raise MissingPackageError(
        f"training, evaluating and adapting need PyTorch, which {reason}; "
        "install it with `pip install torch` (generating text works without it)"
    ) from None
