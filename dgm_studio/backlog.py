"""What a training session brings and the disk does not have yet; while it takes nothing, that waits and is tried
again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dgm_studio.events import Preview
from dgm_studio.journal_backlog import JournalBacklog
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.project import Project
from dgm_studio.store.run import Run
from dgm_studio.store.saving import Item
from dgm_studio.store.work import Line, Session

RETRY_EVERY = 5.0  # seconds between attempts to write what could not be written


class Backlog:
    """Brings lines, pictures and states of one session to the work folder. Used by one thread.

    All of it is in the run already, which gives up what it holds in memory for what lies in a file as soon as that is
    written. So what waits here takes no more room than the run itself: curves are not kept twice (JournalBacklog),
    and a state that the run does not need any longer is not waited for.

    `report` is called with a sentence when the disk begins to take nothing, `relieved` when everything is on it again.
    """

    def __init__(
        self,
        project: Project,
        run: Run,
        report: Callable[[str], None],
        relieved: Callable[[str], None],
        room: int = 0,
    ) -> None:
        """`room`: bytes for states of the run's history."""
        self._room = room
        self._project, self._run, self._report, self._relieved = project, run, report, relieved
        self._session: Session | None = None
        self._lines = JournalBacklog(run)
        self._frames: list[Preview] = []
        self._states: dict[int, dict[str, Item]] = {}
        self._retry: float | None = None  # time.monotonic() of the next attempt, while the disk takes nothing

    @property
    def folder(self) -> Path | None:
        """That of the session; None before anything of it is on the disk."""
        return self._session.folder if self._session is not None else None

    @property
    def states(self) -> list[int]:
        """Steps of the states that wait, in order."""
        return sorted(self._states)

    @property
    def patience(self) -> float | None:
        """Seconds until `write` is to be called even if nothing comes; None while there is no need."""
        return RETRY_EVERY if self._retry is not None else self._lines.patience

    def add(self, lines: list[Line], frames: list[Preview]) -> None:
        self._lines.add(*lines)
        self._frames += frames

    def add_state(self, step: int, datasets: dict[str, Item]) -> None:
        """A flattened state that the run has kept."""
        self._states[step] = datasets
        if self._retry is not None:
            self._prune()

    def drop(self) -> None:
        """Nobody needs the pictures and states any more that wait."""
        self._frames, self._states = [], {}

    def finish(self, line: Line) -> None:
        """Bring all that waits to the disk now, and `line` after it; but where a state is missing, the session must
        look cut off to whoever finds it, and `line` is left out."""
        self._write_now()
        if not self._states:
            self._lines.add(line)
            self._write_now()

    def _write_now(self) -> None:
        self._lines.sync_next()
        self._retry = None if self._retry is None else -float("inf")
        self.write()

    def write(self) -> None:
        """Bring to the work folder what waits for it, if it is time to try."""
        due = self._retry is None or time.monotonic() >= self._retry
        try:
            if due or not self._lines.lacks_curves:
                self._lines.write(self._open_session())
            else:
                self._lines.leave_curves_to_the_run()
            if due:
                self._write_states()
                self._write_frames()
        except (OSError, ProjectError) as error:
            self._lines.leave_curves_to_the_run()
            self._wait(error.text if isinstance(error, ProjectError) else f"{error.strerror or error}.")
        else:
            if due:
                self.all_is_well()

    def all_is_well(self) -> None:
        """Everything is on the disk, here or in the project's file."""
        if self._retry is not None:
            self._retry = None
            self._relieved(f"Everything of {self._run.name} is on the disk again.")

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def _wait(self, reason: str) -> None:
        if self._retry is None:
            self._report(
                f"What {self._run.name} brings cannot be written to the disk: {reason} It is kept in memory, and the "
                "training goes on; writing is tried again every few seconds. Free some space, or stop and save "
                "elsewhere. Should the studio be ended by force before, what came since now is lost."
            )
        self._retry = time.monotonic() + RETRY_EVERY

    def _open_session(self) -> Session:
        """Raises OSError."""
        if self._session is None:
            header: dict[str, Any] = {
                "project": self._project.id,
                "saves": self._project.saves,
                "run": self._run.id,
                "record": self._run.record.model_dump(mode="json"),
            }
            self._session = Session(self._project.work_folder, header)
        return self._session

    def _write_frames(self) -> None:
        """Raises OSError or ProjectError."""
        while self._frames:
            frame = self._frames[0]
            stored = self._open_session().frame(frame.step, frame.samples, frame.means)
            with self._project.saving:
                self._run.keep_frame(frame.step, stored, frame.means)
            del self._frames[0]

    def _write_states(self) -> None:
        """Raises OSError or ProjectError."""
        while self._states:
            step, datasets = next(iter(self._states.items()))
            with self._project.saving:
                self._run.keep_checkpoint(step, self._open_session().checkpoint(step, datasets))
                del self._states[step]
                self._prune()

    def _prune(self) -> None:
        """Let go of states that are no longer needed. The newest on the disk is, while newer ones wait in memory."""
        before = set(self._run.checkpoint_steps())
        newest = sorted(before - self._states.keys())[-1:]
        self._run.prune(self._project.branched_steps(self._run) | set(newest), self._room)
        for step in before - set(self._run.checkpoint_steps()):
            self._states.pop(step, None)
            if self._session is not None:
                self._session.drop_checkpoint(step)
