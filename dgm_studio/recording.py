"""Keeping what a training session brings, while it trains and for good."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dgm_studio.backlog import Backlog
from dgm_studio.circumstances import circumstances
from dgm_studio.clock import Clock
from dgm_studio.datasets.base import Provenance
from dgm_studio.events import (
    CLOSING,
    Cancelled,
    Checkpoint,
    Event,
    Failed,
    Finding,
    Finished,
    Preview,
    Progress,
    Started,
)
from dgm_studio.store.described import PLANNED_FROM, WEIGHTS_FROM
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.project import Project
from dgm_studio.store.records import Best, Status
from dgm_studio.store.run import WALL, Run
from dgm_studio.store.trees import flatten
from dgm_studio.store.work import Line, metrics_line
from models.catalog import Recipe

WRITE_EVERY = 0.25  # seconds between writes to the journal: what a killed process loses


@dataclass(frozen=True)
class _Left:
    """Closed without a closing event: whoever drove the session went away."""


Closing = Finished | Cancelled | Failed | _Left


class Recorder:
    """Keeps the events of one session in a run of a project. `record` is called by the thread that drives the
    session and never waits for the disk: one writer thread does.

    Curves and pictures are in the run at once. In the work folder, which survives a crash, stand a journal of the
    curves, every picture, and checkpoints: the newest two, the best (by the learner's first quantity that has a goal,
    on held-out data), those that were demanded, and a history as large as `room` allows. If they come faster than the
    disk takes them, the first, the demanded and the newest are written. The closing event merges all of it into the
    project and saves; Cancelled instead puts the run back to what it was before the session or, if that is later, at
    the last save, and removes one that had no state before the session. So does bad input before training starts.

    While the disk takes nothing (because it is full, say), the training goes on: everything is in the run in memory,
    and writing is tried again (Backlog). `report` is called with a sentence when that begins, and with the reason if
    something could not be kept at the end; `relieved` when everything is on the disk again. Both are called in the
    writer's thread; `problems` lists what was reported. `kept`, which may be set, is called there with the step of each
    state that was demanded, once the run has it.
    """

    def __init__(
        self,
        project: Project,
        run: Run,
        data: Provenance | None = None,
        report: Callable[[str], None] = lambda text: None,
        relieved: Callable[[str], None] = lambda text: None,
        device: str = "",
        room: int = 0,
    ) -> None:
        """`device`: where the run trains from now on, if that is not what its settings say. `room`: bytes for states of
        its history, beside those that are kept in any case. Raises ProjectError when the project is read-only, or the
        run is in training already or deleted."""
        if project.read_only:
            raise ProjectError("read-only", project.path, "opened read-only: a training could not be kept in it.")
        self.problems: list[str] = []
        self._project, self._run, self._report = project, run, report
        self._data = run.provenance.get("data") if data is None else json.loads(json.dumps(asdict(data)))
        self._was_new = not run.checkpoint_steps()
        self._goal = _goal(run)
        self._failure: ProjectError | None = None

        self.kept: Callable[[int], None] = lambda step: None
        self._backlog = Backlog(project, run, self._problem, relieved, room)
        self._device = device
        self._first = self._step = self._steps = 0  # where it began, done, and planned
        self._clock: Clock | None = None  # from Started on

        self._changed = threading.Condition()  # guards what record() hands to the writer:
        self._lines: list[Line] = []
        self._frames: list[Preview] = []
        self._states: list[Checkpoint] = []
        self._closing: Closing | None = None

        run.metrics  # noqa: B018  (read from the file now, so that adding to them never has to)
        project.begin_training(run)
        self._thread = threading.Thread(target=self._work, name=f"recorder of {run.name}", daemon=False)
        self._thread.start()

    def record(self, event: Event) -> None:
        """Keep what is to be kept of `event`. Nothing may follow a closing event."""
        lines = self._keep(event)
        with self._changed:
            if self._closing is not None:
                raise RuntimeError("a closing event ends a recording")
            self._lines += lines
            if isinstance(event, Preview):
                self._frames.append(event)
            elif isinstance(event, Checkpoint):
                if self._states and not (self._states[-1].demanded or self._states[-1].step == self._first):
                    del self._states[-1]
                self._states.append(event)
            elif isinstance(event, CLOSING):
                self._closing = event
            self._changed.notify()

    def _keep(self, event: Event) -> list[Line]:
        """Put into the run at once what it is to show. Returns the lines that say so in the journal."""
        lines: list[Line] = []
        match event:
            case Started():
                self._run.rewind(event.step)
                self._run.provenance = self._provenance(event)
                self._run.replan(event.steps, self._device, event.step)
                self._run.conclude("training")
                self._first = self._step = event.step
                self._steps = event.steps
                self._clock = Clock(self._run.wall, event.step)
                lines = [{"planned": event.steps, "device": self._device}]
                lines += [{"started": event.step, "provenance": self._run.provenance}]
            case Progress():
                self._step = event.step
                if event.steps != self._steps:  # prolonged
                    self._steps = event.steps
                    self._run.replan(event.steps)
                    lines += [{"planned": event.steps, "device": ""}]
                if event.metrics:
                    time = self._clock.point(event) if self._clock is not None else None
                    metrics = event.metrics if time is None else {**event.metrics, WALL: time}
                    self._run.keep_metrics(metrics)
                    lines += [metrics_line(metrics)]
            case Finding():
                self._run.keep_finding(self._step, event)
                lines = [{"finding": asdict(event), "step": self._step}]
            case Preview():
                self._run.keep_frame(event.step, event.samples, event.means)
        return lines

    def demand(self, step: int) -> None:
        """A state that the run keeps is to stay, whatever else is let go of. May be called from any thread."""
        self._run.demand(step)
        with self._changed:
            self._lines.append({"demanded": step})
            self._changed.notify()

    def release(self, step: int) -> None:
        """A state that was demanded may be let go of again. May be called from any thread."""
        self._run.release(step)
        with self._changed:
            self._lines.append({"released": step})
            self._changed.notify()

    @property
    def folder(self) -> Path | None:
        """What of the session is on the disk outside the project's file; None when nothing is."""
        return self._backlog.folder

    @property
    def unwritten(self) -> list[int]:
        """Steps of states that are in memory alone, unless the project was saved since. For when it is closed."""
        return self._backlog.states

    def close(self) -> None:
        """Wait until everything is on disk. Raises ProjectError if something could not be kept there; it is still in
        the project in memory then, and can be saved again or under another name."""
        with self._changed:
            if self._closing is None:
                self._closing = _Left()
            self._changed.notify()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    # The writer's thread.

    def _work(self) -> None:
        try:
            while (closing := self._write_what_came()) is None:
                pass
            self._conclude(closing)
            self._backlog.all_is_well()
        except ProjectError as error:
            self._failure = error
            self._problem(str(error))
        except Exception as error:  # nothing may end this thread silently
            self._failure = ProjectError(
                "unwritable", self._project.path, f"recording {self._run.name} failed: {error}"
            )
            self._problem(str(self._failure))
        finally:
            self._project.end_training(self._run)
            self._backlog.close()

    def _write_what_came(self) -> Closing | None:
        with self._changed:
            self._changed.wait_for(self._anything, timeout=self._backlog.patience)
            self._changed.wait_for(self._anything_large, timeout=WRITE_EVERY)  # gather lines
            lines, self._lines = self._lines, []
            frames, self._frames = self._frames, []
            states, self._states = self._states, []
            closing = self._closing
        self._backlog.add(lines, frames)
        for state in states:
            self._take(state)
        self._backlog.write()
        return closing

    def _anything(self) -> bool:
        return bool(self._lines or self._frames) or self._anything_large()

    def _anything_large(self) -> bool:
        return bool(self._states) or self._closing is not None

    def _take(self, checkpoint: Checkpoint) -> None:
        """Make a state part of the run, and let go of those that it replaces."""
        datasets = flatten(checkpoint.state, packed=True)
        with self._project.saving:
            self._run.keep_checkpoint(checkpoint.step, datasets)
            self._note_best(checkpoint.step)
            if checkpoint.demanded:
                self._run.demand(checkpoint.step)
                self._backlog.add([{"demanded": checkpoint.step}], [])
            self._backlog.add_state(checkpoint.step, datasets)
        if checkpoint.demanded:
            self.kept(checkpoint.step)

    def _note_best(self, step: int) -> None:
        """Whether the state of `step` is the best so far, by what was measured last before it."""
        if self._goal is None:
            return
        key, sign = self._goal
        steps, values = self._run.metrics.get(key, (np.zeros(0), np.zeros(0)))
        measured = int(np.searchsorted(steps, step, side="right"))
        if measured == 0:
            return
        value, best = float(values[measured - 1]), self._run.best
        if np.isfinite(value) and (best is None or sign * (value - best.value) > 0):
            self._run.best = Best(step=step, key=key, value=value)
            self._backlog.add([{"best": self._run.best.model_dump()}], [])

    def _conclude(self, closing: Closing) -> None:
        """Merge the session into the project, or take it out, and save."""
        status: Status
        match closing:
            case Cancelled():
                self._discard()
                return
            case Failed(kind="bad input") if self._clock is None or not self._run.checkpoint_steps():
                self._discard()  # nothing was trained: the data has moved, say, or a setting is wrong
                return
            case Failed():
                status, message = "failed", closing.text
            case Finished():
                status, message = "stopped" if closing.stopped else "finished", ""
            case _Left():
                status, message = "interrupted", "The session ended without saying why."
        self._run.conclude(status, message)
        self._backlog.finish({"closing": status, "message": message})
        if self._backlog.folder is not None:
            self._project.merge(self._run, self._backlog.folder)
        self._project.save()

    def _discard(self) -> None:
        self._backlog.drop()
        self._backlog.finish({"discarded": True})
        with self._project.saving:  # what it goes back to lies in the file that another save may be replacing
            if self._was_new:
                self._project.end_training(self._run)
                self._project.remove_run(self._run.id)
            else:
                self._run.go_back()
            if self._backlog.folder is not None:
                self._project.remove_with_next_save(self._backlog.folder)
            self._project.save()

    def _problem(self, text: str) -> None:
        self.problems.append(text)
        self._report(text)

    def _provenance(self, started: Started) -> dict[str, Any]:
        before = self._run.provenance
        lasting = {key: before[key] for key in (PLANNED_FROM, WEIGHTS_FROM) if key in before}
        return {
            "data": self._data,
            "parameters": started.parameters,
            **circumstances(started.device),
            **lasting,
        }


def _goal(run: Run) -> tuple[str, int] | None:
    """The key of the curve that says which state is best, and 1 where higher is better; None where none does."""
    if run.config is None:
        return None
    config = run.config
    learner = Recipe.read(config.family, config.learner, config.model, config.learning).learning.learner
    for quantity in learner.quantities:
        if quantity.goal:
            return f"valid/{quantity.key}", 1 if quantity.goal == "higher" else -1
    return None
