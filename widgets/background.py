"""Work that the window must not wait for: one thread that does jobs in order and hands their results back."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal


@dataclass(frozen=True)
class Problem:
    """Why a job gave no result: a sentence, and the traceback as text."""

    text: str
    details: str
    error: Exception


@dataclass(frozen=True)
class _Job:
    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[Problem], None]


class Background(QThread):
    """Does jobs one after the other. Project files are touched in one such thread only, so that no two jobs meet.

    `done` and `failed` of a job are called in the thread that made this object.
    """

    _finished_job = Signal(object, object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting = 0
        self._finished_job.connect(self._deliver)
        self.start()

    @property
    def busy(self) -> bool:
        """Whether a job waits or its result has not been delivered."""
        return self._waiting > 0

    def submit(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], None] = lambda result: None,
        failed: Callable[[Problem], None] | None = None,
    ) -> None:
        """Do `work` in the thread; then call `done(result)` or `failed(problem)` here. Without `failed` an exception
        is raised here again, where the window's handler reports it."""
        self._waiting += 1
        self._jobs.put(_Job(work, done, failed or _raise))

    def close(self) -> None:
        """Finish the jobs given so far and end the thread. Their results are no longer delivered."""
        self._finished_job.disconnect(self._deliver)
        self._jobs.put(None)
        self.wait()

    def run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                outcome = job.work()
            except Exception as error:
                details = traceback.format_exc()
                # the traceback would keep everything in its frames alive
                outcome = Problem(str(error), details, error.with_traceback(None))
            self._finished_job.emit(job, outcome)
            del job, outcome

    def _deliver(self, job: _Job, outcome: Any) -> None:
        self._waiting -= 1
        if isinstance(outcome, Problem):
            job.failed(outcome)
        else:
            job.done(outcome)


def _raise(problem: Problem) -> None:
    raise problem.error
