"""Computations over many rows, in parts that are short enough for a person not to notice."""

from __future__ import annotations

from collections.abc import Callable, Generator
from time import perf_counter
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")
PART = 0.006  # seconds that a part should take
FIRST, MOST = 8, 4096  # rows of the first part, and of any


def by_parts(function: Callable[[Tensor], T], rows: Tensor) -> Generator[None, None, list[T]]:
    """`function` of `rows` (N, ...), some at a time: what it gave, in order. It should wait for the device, so that
    what a part costs is known."""
    results: list[T] = []
    size, begin = FIRST, 0
    while begin < len(rows):
        started = perf_counter()
        results.append(function(rows[begin : begin + size]))
        begin += size
        took = perf_counter() - started
        size = min(max(1, int(size * min(4.0, PART / max(took, 1e-9)))), MOST)
        if begin < len(rows):
            yield
    return results
