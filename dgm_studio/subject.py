"""A model that is looked at, and what can be asked of it: by a view, or by an evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from collections.abc import Generator as Yields
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator
from torch.overrides import TorchFunctionMode

from dgm_studio.datasets.base import Dataset
from models.learning.base import Learner
from models.spec import DataSpec


class Superseded(Exception):
    """Nobody waits for the answer any more."""


def never() -> bool:
    return False


@dataclass(frozen=True)
class Subject:
    """What a question is asked of: a model as it was at `step`. Nothing in it is being trained."""

    learner: Learner
    dataset: Dataset
    step: int
    generator: Generator  # on the learner's device; one per channel, so that channels do not disturb each other
    superseded: Callable[[], bool] = never  # whether the person has gone on to another question of the channel

    @property
    def model(self) -> Any:
        """The model that samples, decodes and scores (an average where the learner keeps one)."""
        return self.learner.sampler()

    @property
    def spec(self) -> DataSpec:
        return self.dataset.spec

    @property
    def device(self) -> torch.device:
        return self.generator.device

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Within this, calls of torch raise Superseded when the question is: for what takes seconds, such as
        drawing coordinate after coordinate. It costs some microseconds a call."""
        with Interruptible(self.superseded, Superseded):
            yield


class Interruptible(TorchFunctionMode):
    """Within this, calls of torch raise `error` when `asked`, which is looked at every few calls. It holds for one
    thread: the training session's calls are not looked at."""

    def __init__(self, asked: Callable[[], bool], error: type[Exception]) -> None:
        super().__init__()
        self._asked, self._error, self._calls = asked, error, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._calls += 1
        if self._calls % 16 == 0 and self._asked():
            raise self._error
        return func(*args, **(kwargs or {}))


Question = Callable[[Subject], Any]


class InParts(ABC):
    """A question that takes long. Between its parts other questions are answered; all of it is of one state of the
    model. One such question is in work at a time."""

    @abstractmethod
    def parts(self, subject: Subject) -> Parts:
        """Yields after each part and returns the answer."""

    def __call__(self, subject: Subject) -> Any:
        parts = self.parts(subject)
        while True:
            try:
                next(parts)
            except StopIteration as end:
                return end.value


Parts = Yields[None, None, Any]
