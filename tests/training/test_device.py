"""The meaning of auto on each machine, what is refused, and that settings are restored."""

import contextlib
import ctypes
import os
import sys
from typing import Any

import pytest
import torch

from charrnn.config.cores import available_threads
from charrnn.errors import ConfigError
from charrnn.training.device import (
    M_MMAP_THRESHOLD,
    M_TRIM_THRESHOLD,
    autocast,
    pick_device,
    pick_precision,
    settled,
)


def machine(monkeypatch: pytest.MonkeyPatch, *there: str) -> None:
    """A PyTorch that finds these devices in addition to the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)


def processor(monkeypatch: pytest.MonkeyPatch, *, avx512_bf16: bool, amx: bool) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)


@pytest.mark.parametrize(
    ("there", "expected"),
    [((), "cpu"), (("cuda",), "cuda"), (("mps",), "mps"), (("mps", "cuda"), "cuda")],
    ids=lambda value: str(value),
)
def test_auto_is_cuda_then_mps_then_cpu(
    there: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, *there)
    assert pick_device("auto") == expected


@pytest.mark.parametrize(("device", "workspace"), [("cuda", ":4096:8"), ("cpu", None)])
def test_cublas_is_set_to_repeat_its_results_before_it_is_used(
    device: str, workspace: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "restored afterwards")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    machine(monkeypatch, "cuda")
    pick_device(device)
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == workspace


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_an_available_device_is_used(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, "cuda", "mps")
    assert pick_device(device) == device


@pytest.mark.parametrize(
    ("device", "there", "give"),
    [
        ("cuda", (), "cpu"),
        ("mps", (), "cpu"),
        ("cuda", ("mps",), "mps, cpu"),
        ("mps", ("cuda",), "cuda, cpu"),
    ],
)
def test_an_unavailable_device_is_refused_by_name(
    device: str, there: tuple[str, ...], give: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, *there)
    with pytest.raises(ConfigError) as error:
        pick_device(device)
    assert (
        str(error.value)
        == f"`device` {device!r} is not available: PyTorch finds no such device on this machine; choose one of {give}, auto"
    )


def test_fp32_is_fp32_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, avx512_bf16=True, amx=True)
    assert pick_precision("fp32", "cpu") == "fp32"


@pytest.mark.parametrize(
    ("avx512_bf16", "amx", "expected"),
    [
        *(
            pytest.param(*has, "bf16", marks=pytest.mark.bf16)
            for has in ((True, False), (False, True), (True, True))
        ),
        (False, False, "fp32"),
    ],
)
def test_auto_is_bf16_on_a_processor_that_supports_it(
    avx512_bf16: bool, amx: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(monkeypatch, avx512_bf16=avx512_bf16, amx=amx)
    assert pick_precision("auto", "cpu") == expected


def test_auto_is_fp32_if_pytorch_does_not_report_the_processor_features(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert pick_precision("auto", "cpu") == "fp32"


def test_bf16_that_fails_a_trial_is_refused_and_auto_is_fp32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: object) -> contextlib.AbstractContextManager[None]:
        raise RuntimeError("could not create a primitive")

    processor(monkeypatch, avx512_bf16=True, amx=False)
    monkeypatch.setattr(torch, "autocast", broken)
    assert pick_precision("auto", "cpu") == "fp32"
    with pytest.raises(ConfigError) as error:
        pick_precision("bf16", "cpu")
    assert (
        str(error.value) == "`precision` 'bf16' is not supported on this cpu; choose fp32 or auto"
    )


@pytest.mark.bf16
def test_the_trial_of_bf16_does_not_change_the_global_generator() -> None:
    before = torch.get_rng_state()
    pick_precision("bf16", "cpu")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_products_are_computed_in_the_precision(precision: str, dtype: torch.dtype) -> None:
    with autocast("cpu", precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores"
)
def test_the_available_threads_are_the_cores_of_this_process() -> None:
    cores = os.sched_getaffinity(0)
    assert available_threads() == len(cores)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert available_threads() == 1
    finally:
        os.sched_setaffinity(0, cores)


# settled


def settings() -> tuple[object, ...]:
    return (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        torch.utils.deterministic.fill_uninitialized_memory,
    )


@pytest.fixture(
    params=[
        (1, False, False, True, True),
        (2, True, False, False, False),
        (1, True, True, True, True),
    ],
    ids=str,
)
def before(request: pytest.FixtureRequest) -> object:
    """The settings of a user; those of the tests are restored."""
    own = settings()

    def put(
        threads: int, deterministic: bool, warn_only: bool, benchmark: bool, fill: bool
    ) -> None:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
        torch.utils.deterministic.fill_uninitialized_memory = fill

    put(*request.param)
    yield request.param
    put(*own)


def test_inside_the_threads_are_set_and_algorithms_are_deterministic(before: object) -> None:
    with settled(2, "cpu"):
        assert settings() == (2, True, False, False, False)


def test_settings_are_restored(before: object) -> None:
    with settled(2, "cpu"):
        pass
    assert settings() == before


def test_settings_are_restored_after_an_exception(before: object) -> None:
    with pytest.raises(ZeroDivisionError), settled(2, "cpu"):
        raise ZeroDivisionError
    assert settings() == before


def glibc() -> Any:
    """The C library, if it is glibc."""
    library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return library if hasattr(library, "gnu_get_libc_version") else None


@pytest.mark.skipif(glibc() is None, reason="only glibc has these thresholds")
def test_memory_freed_inside_is_used_again_without_page_faults() -> None:
    import resource  # not on Windows

    def faults() -> int:
        """Page faults while three tensors of 10 MB are written."""
        begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        tensors = [torch.ones(10 << 18) for _ in range(3)]
        assert len(tensors) == 3
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin

    for option, _ in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
        glibc().mallopt(option, 128 << 10)  # as a process starts
    with settled(1, "cpu"):
        assert min(faults() for _ in range(8)) < 100  # after a few rounds; without it, 7,680
