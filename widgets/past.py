"""What was before each change that a person made, so that it can be taken back and done again."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Past(Generic[T]):
    """A history of values that are not changed in place; the oldest of more than `kept` is forgotten. Whoever has a
    past holds the present value itself, and gives it when another takes its place."""

    def __init__(self, kept: int = 50) -> None:
        self._kept = kept
        self._before: list[T] = []
        self._after: list[T] = []

    @property
    def can_undo(self) -> bool:
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        return bool(self._after)

    def leave(self, value: T) -> None:
        """A person changes this value: it can be had back, and what was taken back can no longer be done again."""
        self._before = [*self._before, value][-self._kept :]
        self._after = []

    def undo(self, value: T) -> T:
        """What was before `value`."""
        self._after.append(value)
        return self._before.pop()

    def redo(self, value: T) -> T:
        """What was left for `value` by `undo`."""
        self._before.append(value)
        return self._after.pop()

    def clear(self) -> None:
        self._before, self._after = [], []
