"""The line between the views of a run and the thread that answers their questions."""

from __future__ import annotations

import torch
from PySide6.QtCore import QObject, QThread, Signal

from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import Dataset
from dgm_studio.events import Snapshot
from dgm_studio.inference import Answer, Inference, Question
from models.catalog import Recipe
from models.spec import DataSpec


class _AnswerThread(QThread):
    # A QThread subclass with the signal on it: its emissions are queued to receivers in the window's thread.
    answered = Signal(object)

    def __init__(self, inference: Inference, parent: QObject) -> None:
        super().__init__(parent)
        self._inference = inference

    def run(self) -> None:
        for answer in self._inference.answers():
            self.answered.emit(answer)


class Live(QObject):
    """One run, as views see it: they ask questions by channel and get answers; they never touch a tensor.

    Signals: `answered(Answer)`, never one that is older than an answer already given on the channel;
    `moved(step)` when newer weights arrived.
    """

    answered = Signal(object)
    moved = Signal(object)

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
        self.step = -1
        self._inference = Inference(recipe, dataset, device)
        self._newest: dict[str, int] = {}
        self._thread = _AnswerThread(self._inference, self)
        self._thread.setObjectName("inference")
        self._thread.answered.connect(self._deliver)
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
        return self._inference.newest

    @property
    def device(self) -> torch.device:
        return self._inference.device

    def publish(self, snapshot: Snapshot) -> None:
        """Newer weights. May be called from the training thread."""
        self._inference.publish(snapshot)
        self.step = snapshot.step
        self.moved.emit(snapshot.step)

    def ask(self, channel: str, question: Question, standing: bool = False) -> int:
        return self._inference.ask(channel, question, standing)

    def forget(self, channel: str) -> None:
        self._inference.forget(channel)

    def close(self) -> None:
        """End the thread and wait for it: for the end of the window, and for tests."""
        self._inference.close()
        self._thread.wait()

    def retire(self) -> None:
        """End the thread without waiting for the question in work; this object goes when it has ended."""
        self._thread.answered.disconnect(self._deliver)
        self._thread.finished.connect(self.deleteLater)
        self._inference.close()

    def _deliver(self, answer: Answer) -> None:
        # by question, not by step: when a run diverges, the good weights it goes back to are of an earlier step
        if answer.serial < self._newest.get(answer.channel, -1):
            return
        self._newest[answer.channel] = answer.serial
        self.answered.emit(answer)
