"""What a part of the page has asked to be measured, how far it is, and the way out."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QWidget

from dgm_studio.evaluation import Fraction, Result
from dgm_studio.number_texts import thousands
from widgets.building import label
from widgets.evaluation_card import Progress
from widgets.measuring import Job, Measuring


class Strip(Progress):
    """Follows jobs that `ask` was given: of several, how many are done. `done(Job)` after each; what failed is said."""

    done = Signal(object)
    failed = Signal(str)

    def __init__(self, key: str, measuring: Measuring, parent: QWidget | None = None) -> None:
        super().__init__(key)
        self._measuring = measuring
        self._jobs: list[Job] = []  # of this batch, those that are done included
        self._ended = 0
        self.hide()
        self.cancelled.connect(self.cancel)
        measuring.changed.connect(self._tell)
        measuring.progressed.connect(self._progressed)
        measuring.measured.connect(self._measured)
        measuring.failed.connect(self._failed)
        measuring.dropped.connect(self._dropped)

    @property
    def open(self) -> list[Job]:
        """The jobs that wait or are in work."""
        return [job for job in self._measuring.jobs if job in self._jobs]

    def ask(self, jobs: list[Job]) -> None:
        """Have these measured, after what was asked for before."""
        self._jobs += jobs
        for job in jobs:
            self._measuring.ask(job)
        self._tell()

    def cancel(self) -> None:
        """Measure none of them any more. What is done is kept."""
        mine = self.open
        self._measuring.drop(lambda job: job in mine)

    def asked(self, which: Callable[[Job], bool]) -> bool:
        """Whether such a job waits or is in work."""
        return any(which(job) for job in self.open)

    def _tell(self) -> None:
        active = self._measuring.job
        self.setVisible(bool(self.open))
        if not self.open:
            self._jobs, self._ended = [], 0
        elif active in self._jobs and active is not None:
            count = f"{self._ended + 1} of {len(self._jobs)}  ·  " if len(self._jobs) > 1 else ""
            self.begin(f"{count}{active.run.name}, step {thousands(active.step)}")
        else:
            self.begin("waits for what is being measured now")

    def _progressed(self, job: Job, event: Fraction) -> None:
        if job in self._jobs:
            whole = (self._ended + event.fraction) / len(self._jobs)
            self.show_fraction(Fraction(event.key, whole, event.remaining if len(self._jobs) == 1 else float("inf")))

    def _measured(self, job: Job, _: Result) -> None:
        if job in self._jobs:
            self._ended += 1
            self.done.emit(job)

    def _failed(self, job: Job, text: str) -> None:
        if job in self._jobs:
            self._ended += 1
            self.failed.emit(f"{job.run.name}: {text}")

    def _dropped(self, job: Job) -> None:
        if job in self._jobs:
            self._ended += 1


def trouble() -> QLabel:
    """A line for what failed; hidden until there is something to say."""
    line = label("", "error", wrap=True)
    line.hide()
    return line
