"""A description of the machine, to go with every figure."""

import importlib.metadata
import os
import platform
from pathlib import Path


def describe() -> str:
    """Processor, cores available to this process, memory, and the relevant versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    extras = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("torch", "numpy")
    )
    return f"{cores} cores of {model} ({' '.join(extras)}), Python {platform.python_version()}, {versions}"
