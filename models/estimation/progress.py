"""Work that takes long is a generator: it yields the fraction done, gives its result, and may be abandoned between."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


def finish(work: Generator[float, None, T]) -> T:
    """The result of some work, without its progress."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def stage(work: Generator[float, None, T], start: float, share: float) -> Generator[float, None, T]:
    """The fractions of `work` as the part of a whole that begins at `start` and is `share` long; gives its result."""
    while True:
        try:
            fraction = next(work)
        except StopIteration as end:
            return end.value
        yield start + share * fraction
