"""Where and how precisely a run computes: device, bf16, threads."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from charrnn.errors import ConfigError

# Options of glibc's mallopt(3), with the largest values that its malloc chooses by itself
M_TRIM_THRESHOLD = (-1, 64 << 20)
M_MMAP_THRESHOLD = (-3, 32 << 20)


def pick_device(name: str) -> str:
    """The device that ``auto`` means on this machine, or the one named.

    Raises:
        ConfigError: this machine has no such device.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    if name == "auto":
        name = available[0]
    if name not in available:
        raise ConfigError(
            f"`device` {name!r} is not available: PyTorch finds no such device on this machine; "
            f"choose one of {', '.join(available)}, auto"
        )
    if name == "cuda":
        _fix_cublas_workspace()
    return name


def _fix_cublas_workspace() -> None:
    """Let cuBLAS repeat its results; it reads this setting when it is used for the first time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def pick_precision(name: str, device: str) -> str:
    """``bf16`` if it is asked for, or if it is available and fast; else ``fp32``.

    On a CPU it speeds up every cell: the LSTM with oneDNN's kernel, GRU and RNN with those of
    kernels.py.

    Raises:
        ConfigError: bf16 is asked for but not available.
    """
    if name == "fp32":
        return name
    if (name == "bf16" or _has_fast_bf16(device)) and bf16_works(device):
        return "bf16"
    if name == "bf16":
        raise ConfigError(
            f"`precision` 'bf16' is not supported on this {device}; choose fp32 or auto"
        )
    return "fp32"


def _has_fast_bf16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and _cpu_has_bf16()


def _cpu_has_bf16() -> bool:
    try:
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    except (AttributeError, RuntimeError):  # a private name: another PyTorch may not have it
        return False


def bf16_works(device: str) -> bool:
    """Whether bf16 works at all, fast or not.

    Some builds fail only when the kernel is created, so this runs one step of a small layer.
    """
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


def keep_freed_memory() -> None:
    """Let the C library keep up to 64 MB of freed memory for the next step.

    glibc raises its thresholds only as large blocks are freed. Until then, some runs give memory
    back at the end of every step and fault it in again, page by page, in the next. Other
    C libraries have no such option.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for option, size in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
        mallopt(option, size)


@contextlib.contextmanager
def settled(threads: int, device: str) -> Iterator[None]:
    """Compute with a number of threads and in a fixed order, so that runs repeat bit for bit.

    In PyTorch's words: deterministic for one machine, one version and one number of threads.
    PyTorch's own settings are restored afterwards; freed memory is kept from then on.
    """
    keep_freed_memory()
    deterministic: Any = torch.utils.deterministic
    cudnn = torch.backends.cudnn
    threads_before = torch.get_num_threads()
    fill_before = deterministic.fill_uninitialized_memory
    benchmark_before = cudnn.benchmark
    mode_before = torch.are_deterministic_algorithms_enabled()
    warn_before = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(threads)
    if device == "cuda":
        _fix_cublas_workspace()
    torch.use_deterministic_algorithms(True)
    # filling costs time, and nothing here reads uninitialized memory
    deterministic.fill_uninitialized_memory = False
    cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        torch.use_deterministic_algorithms(mode_before, warn_only=warn_before)
        deterministic.fill_uninitialized_memory = fill_before
        cudnn.benchmark = benchmark_before
