"""Computations over many rows, in parts that are short enough for a person not to notice."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from time import perf_counter
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")
PART = 0.006  # seconds that a part should take
LONGEST = 1.5  # or so many times the shortest one, where no part can be that short however few rows it has
GROWTH, MOST = 4.0, 4096  # times the rows of the part before, and rows, at most


def by_parts(function: Callable[[Tensor], T], rows: Tensor) -> Generator[None, None, list[T]]:
    """`function` of `rows` (N, ...), some at a time: what it gave, in order. It should wait for the device, so that
    what a part costs is known."""
    results: list[T] = []
    size, begin, shortest = 1, 0, math.inf
    while begin < len(rows):
        started = perf_counter()
        results.append(function(rows[begin : begin + size]))
        begin += size
        took = max(perf_counter() - started, 1e-9)
        shortest = min(shortest, took)
        allowed = max(PART, LONGEST * shortest)
        size = min(max(1, round(size * min(GROWTH, allowed / took))), MOST)
        if begin < len(rows):
            yield
    return results
