"""A learner's steps on a GPU, recorded once and then replayed: a small step is then no longer paid for in launches."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from models.learning.base import Learner
from models.spec import Batch

EAGER = 3  # steps before the recording: libraries, optimisers and gradients set themselves up in the first ones


class CapturedSteps:
    """Takes the steps of a learner that is `capturable`, as a CUDA graph from the fourth on.

    Every kernel, and what each draws from the device's generator, is the same as without; only Python and the launches
    between them are left out. The recording and the steps before it run on one stream of their own, because gradients
    remember the stream on which they were first summed. A step that cannot be recorded after all is taken as usual.
    """

    def __init__(self, learner: Learner, device: torch.device) -> None:
        self._learner = learner
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._taken = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Batch | None = None  # what the graph reads
        self._reported: dict[str, Tensor] = {}  # what it writes

    @property
    def captured(self) -> bool:
        """Whether steps are replayed now."""
        return self._graph is not None

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """One step; returns what `Learner.step` does."""
        outside = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(outside)
        with torch.cuda.stream(self._stream):
            if self._taken == EAGER:
                self._capture(batch)
            self._taken += 1
            reported = self._learner.step(batch) if self._graph is None else self._replay(self._graph, batch)
        outside.wait_stream(self._stream)
        return reported

    def as_usual(self, batch: Batch) -> dict[str, Tensor]:
        """One step that is neither recorded nor replayed: for one that differs from the others."""
        outside = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(outside)
        with torch.cuda.stream(self._stream):
            reported = self._learner.step(batch)
        outside.wait_stream(self._stream)
        return reported

    def _replay(self, graph: torch.cuda.CUDAGraph, batch: Batch) -> dict[str, Tensor]:
        assert self._batch is not None
        for kept, new in zip(_tensors(self._batch), _tensors(batch), strict=True):
            kept.copy_(new)
        graph.replay()
        return {key: value.clone() for key, value in self._reported.items()}

    def _capture(self, batch: Batch) -> None:
        """Record a step without taking it."""
        kept = _cloned(batch)
        graph = torch.cuda.CUDAGraph()
        try:
            # other threads may look at the model meanwhile: their calls are not part of the recording
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                reported = self._learner.step(kept)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            logging.getLogger(__name__).warning("The step could not be recorded: %s", error)
            return
        self._graph, self._batch, self._reported = graph, kept, reported


def _tensors(batch: Batch) -> list[Tensor]:
    own = [batch.x, batch.y, batch.index]
    return own if batch.other is None else own + _tensors(batch.other)


def _cloned(batch: Batch) -> Batch:
    other = None if batch.other is None else _cloned(batch.other)
    return Batch(batch.x.clone(), batch.y.clone(), batch.index.clone(), other)
