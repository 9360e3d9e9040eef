"""Ids to weights. The only package that imports torch; knows nothing of sampling and of
printing."""

from charrnn.errors import MissingPackageError

try:
    import torch  # noqa: F401
except ImportError as error:
    reason = (
        "is not installed"
        if isinstance(error, ModuleNotFoundError)
        else f"cannot be imported ({error})"
    )
    raise MissingPackageError(
        f"training, evaluating and adapting need PyTorch, which {reason}; install it with `pip install torch` (writing works without it)"
    ) from None
