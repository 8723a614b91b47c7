"""The line between the views of a run and the thread that answers their questions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PySide6.QtCore import QObject, QThread, Signal

from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import Dataset
from dgm_studio.events import Snapshot
from dgm_studio.inference import Answer, Inference, Moved
from dgm_studio.subject import Question
from models.catalog import Recipe
from models.spec import DataSpec


class _AnswerThread(QThread):
    """Emits only on itself, and outlives its `run`: no emission can meet an object that is being deleted. Receivers
    in the window's thread get them queued."""

    answered = Signal(object)
    moved = Signal(object)

    def __init__(self, inference: Inference, parent: QObject) -> None:
        super().__init__(parent)
        self._inference = inference

    def run(self) -> None:
        for event in self._inference.events():
            if isinstance(event, Moved):
                self.moved.emit(event.step)
            else:
                self.answered.emit(event)


class Live(QObject):
    """One run, as views see it: they ask questions by channel and get answers; they never touch a tensor.

    Signals: `answered(Answer)`, never one that is older than an answer already given on the channel;
    `moved(step)` when newer weights arrived; `turned(Turn)` after a single step of a game; `steerable(bool)` when the
    run begins or ends to train here, so that single steps can be asked for: `step_wanted(players that move)`.
    Belongs to the window's thread, methods included; what trains publishes to its `inference`, which knows no Qt and
    may outlive it.
    """

    answered = Signal(object)
    moved = Signal(object)
    turned = Signal(object)
    steerable = Signal(bool)
    step_wanted = Signal(object)

    def __init__(
        self,
        config: RunConfig,
        recipe: Recipe,
        dataset: Dataset,
        device: torch.device,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.config, self.recipe, self.dataset = config, recipe, dataset
        self.inference = Inference(recipe, dataset, device)
        self._newest: dict[str, int] = {}
        self._pending: dict[str, int] = {}
        self._retired = False
        self.can_step = False  # the run trains here, or is paused
        self._thread = _AnswerThread(self.inference, self)
        self._thread.setObjectName("inference")
        self._thread.answered.connect(self._deliver)
        self._thread.moved.connect(self._tell_moved)
        self._thread.start()

    @property
    def spec(self) -> DataSpec:
        return self.dataset.spec

    @property
    def model_class(self) -> type:
        """For `issubclass` checks against capabilities."""
        return self.recipe.family.model

    @property
    def learner_class(self) -> type:
        return self.recipe.learning.learner

    @property
    def newest(self) -> Snapshot | None:
        """The newest weights; None before there are any."""
        return self.inference.newest

    @property
    def step(self) -> int:
        """That of the newest weights; -1 before there are any."""
        return -1 if self.newest is None else self.newest.step

    @property
    def device(self) -> torch.device:
        return self.inference.device

    def publish(self, snapshot: Snapshot) -> None:
        """Newer weights."""
        self.inference.publish(snapshot)

    @property
    def pending(self) -> Mapping[str, int]:
        """Channels whose newest question has no answer yet, with its serial number."""
        return self._pending

    def ask(self, channel: str, question: Question, standing: bool = False) -> int:
        self._pending[channel] = serial = self.inference.ask(channel, question, standing)
        return serial

    def forget(self, channel: str) -> None:
        self._pending.pop(channel, None)
        self.inference.forget(channel)

    def let_step(self, possible: bool) -> None:
        """Whether single steps can be asked for."""
        if possible != self.can_step:
            self.can_step = possible
            self.steerable.emit(possible)

    def end(self) -> QThread:
        """Have the thread end after the question in work. Returns it."""
        self.inference.close()
        return self._thread

    def close(self) -> None:
        """The same, and wait for it: for tests."""
        self.end().wait()

    def retire(self) -> None:
        """End the thread without waiting for the question in work, and say nothing more, not even what is on its way;
        this object goes when the thread has ended."""
        self._retired = True
        self._thread.finished.connect(self.deleteLater)
        self.inference.close()

    def _deliver(self, answer: Answer) -> None:
        # by question, not by step: when a run diverges, the good weights it goes back to are of an earlier step
        if self._retired or answer.serial < self._newest.get(answer.channel, -1):
            return
        self._newest[answer.channel] = answer.serial
        if answer.serial >= self._pending.get(answer.channel, answer.serial):
            self._pending.pop(answer.channel, None)
        self.answered.emit(answer)

    def _tell_moved(self, step: int) -> None:
        if not self._retired:
            self.moved.emit(step)
