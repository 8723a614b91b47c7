"""Work that the window must not wait for: one thread that does jobs in order and hands their results back."""

from __future__ import annotations

import traceback
from collections import deque
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

    `done` and `failed` of a job are called in the thread that made this object, which is also the last to hold them and
    all that they refer to: no view is ever freed by this thread.
    """

    _came = Signal(object)  # what the oldest job gave, or its Problem

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._work: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._jobs: deque[_Job] = deque()  # whose results have not been delivered, the oldest first
        self._closed = False
        self._came.connect(self._deliver)
        self.start()

    @property
    def busy(self) -> bool:
        """Whether a job waits or its result has not been delivered."""
        return bool(self._jobs)

    def submit(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], None] = lambda result: None,
        failed: Callable[[Problem], None] | None = None,
    ) -> None:
        """Do `work` in the thread; then call `done(result)` or `failed(problem)` here. Without `failed` an exception
        is raised here again, where the window's handler reports it."""
        self._jobs.append(_Job(work, done, failed or _raise))
        self._work.put(work)

    def end(self) -> None:
        """Have the thread end after the jobs given so far. Their results are no longer delivered."""
        self._closed = True
        self._work.put(None)

    def close(self) -> None:
        """The same, and wait for it: for tests."""
        self.end()
        self.wait()
        self._jobs.clear()

    def run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                outcome = work()
            except Exception as error:
                outcome = Problem(str(error), traceback.format_exc(), without_frames(error))
            del work
            self._came.emit(outcome)
            del outcome

    def _deliver(self, outcome: Any) -> None:
        if self._closed:  # what was on its way
            return
        job = self._jobs.popleft()
        if isinstance(outcome, Problem):
            job.failed(outcome)
        else:
            job.done(outcome)


def without_frames(error: Exception) -> Exception:
    """The exception, and those it came from, without tracebacks: these keep everything in their frames alive."""
    link: BaseException | None = error
    while link is not None and link.__traceback__ is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


def _raise(problem: Problem) -> None:
    raise problem.error
