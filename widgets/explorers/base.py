"""What an explorer is."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtWidgets import QWidget

from dgm_studio.inference import Answer
from models.spec import DataSpec
from widgets.live import Live


class Explorer(QWidget):
    """A view of a run that asks it questions. Shown when `admits` says that model, learner and data can answer them.

    An explorer asks when it becomes visible and forgets its channels when it is hidden, so that a hidden view costs
    nothing. `objectName`s of its parts are stable: tests and shortcuts use them.
    """

    key: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.live = live
        self.setObjectName(self.key)
        live.answered.connect(self._answered)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        """Whether the run has the capabilities (models/capabilities.py) this view needs."""
        raise NotImplementedError

    def channel(self, name: str) -> str:
        """The name of one of this view's channels."""
        return f"{self.key}/{name}"

    def receive(self, name: str, answer: Answer) -> None:
        """An answer on the view's channel `name`, never older than one already received."""
        raise NotImplementedError

    def _answered(self, answer: Answer) -> None:
        prefix, _, name = answer.channel.partition("/")
        if prefix == self.key:
            self.receive(name, answer)
