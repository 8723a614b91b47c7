"""How much memory there is for data."""

from __future__ import annotations

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")  # version 2; a container sees its own group here


def free_memory() -> int | None:
    """Bytes that can be taken before the system swaps or ends programs; None where it does not tell. On systems that
    only know how much is built in, that."""
    found = [count for count in (_free(), _left_in_group()) if count is not None]
    return min(found, default=_built_in())


def _free() -> int | None:
    try:
        for line in MEMINFO.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _left_in_group() -> int | None:
    """What a container may still take. Pages of files that are kept for speed count as taken there, and are not."""
    try:
        limit = int((GROUP / "memory.max").read_text(encoding="ascii"))  # or the word max
        taken = int((GROUP / "memory.current").read_text(encoding="ascii"))
        words = (GROUP / "memory.stat").read_text(encoding="ascii").split()
        return max(0, limit - taken + int(dict(zip(words[::2], words[1::2], strict=True))["inactive_file"]))
    except (OSError, ValueError, KeyError):
        return None


def _built_in() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
