"""Where and how precisely a run computes: device, bf16, threads. Knows nothing of models beyond
their cell's name."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from charrnn.errors import ConfigError


def pick_device(name: str) -> str:
    """The device that ``auto`` stands for here, or the one named.

    Raises:
        ConfigError: this machine has no such device.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, found in there.items() if found)
    if not there[name]:
        raise ConfigError(
            f"device: {name!r} is not there, as this PyTorch sees the machine; "
            f"give one of {', '.join(d for d in there if there[d])} or auto"
        )
    return name


def pick_precision(name: str, device: str) -> str:
    """``bf16`` where it is asked for, or where it is both there and fast; else ``fp32``.

    On a CPU every cell gains by it: the LSTM by oneDNN's kernel, GRU and RNN by those of
    kernels.py.

    Raises:
        ConfigError: bf16 is asked for and cannot be had.
    """
    if name == "fp32":
        return name
    fast = (device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)) or (
        device == "cpu" and _has_avx512_bf16()
    )
    if (fast or name == "bf16") and bf16_works(device):
        return "bf16"
    if name == "bf16":
        raise ConfigError(f"precision: 'bf16' cannot be had on this {device}; give fp32 or auto")
    return "fp32"


def _has_avx512_bf16() -> bool:
    try:
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    except (AttributeError, RuntimeError):  # a private name: another PyTorch may not have it
        return False


def bf16_works(device: str) -> bool:
    """Whether bf16 can be had at all, fast or not; some builds fail only when the kernel is made,
    so one step of a small layer is tried."""
    with torch.random.fork_rng(devices=[]):
        layer = nn.LSTM(4, 4).to(device)
    try:
        with torch.autocast(device, torch.bfloat16):
            y, _ = layer(torch.zeros(2, 2, 4, device=device))
        y.float().sum().backward()
    except RuntimeError:
        return False
    return True


def autocast(device: str, precision: str) -> torch.autocast:
    """The context in which a training step computes its products."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")


def available_threads() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def settled(threads: int, device: str) -> Iterator[None]:
    """Compute with so many threads, and in a fixed order, so that a run's bits are its own; what
    was set comes back.

    PyTorch's own wording: deterministic for one machine, one version and one number of threads.
    """
    deterministic: Any = torch.utils.deterministic
    before = (
        torch.get_num_threads(),
        deterministic.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
    )
    mode, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.set_num_threads(threads)
    if device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    deterministic.fill_uninitialized_memory = (
        False  # costs time, and nothing here reads what it has not written
    )
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(mode, warn_only=warn_only)
        deterministic.fill_uninitialized_memory = before[1]
        torch.backends.cudnn.benchmark = before[2]
