"""Where tensors live, how many threads work on them, and how much memory is in use."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from contextlib import suppress

import torch

_preferred = ["auto"]


class NoSuchDevice(ValueError):
    """The device asked for is not there; the sentence names those that are."""


def available() -> list[str]:
    """Names that `resolve` takes here, the preferred one first."""
    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def prefer(name: str) -> None:
    """From now on `auto` means this device where it is there; with "auto" the first of `available()` again."""
    _preferred[0] = name


def resolve(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps` as a device of this machine. Raises NoSuchDevice."""
    here = available()
    if name == "auto":
        return torch.device(_preferred[0] if _preferred[0] in here else here[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in here:
        raise NoSuchDevice(f"This machine has no device {name!r}. It has: {', '.join(here)}.")
    return torch.device(wanted)


def title(device: torch.device) -> str:
    """The device as a person knows it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "CPU" if device.type == "cpu" else device.type.upper()


def training_threads() -> int:
    """Threads for a training thread: every core but one, which is the window's. The same without a window, so that
    results do not depend on where a run was started (a different count may change the last bits)."""
    return max(1, len(os.sched_getaffinity(0)) - 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 2) - 1)


def give_back() -> None:
    """Give memory that nothing uses any more back to the system, where the allocators would keep it."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)


def memory_in_use(device: torch.device) -> int:
    """Bytes: allocated on the accelerator, or the resident size of this process at its peak."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
