"""Keeping what a training session brings, while it trains and for good."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from dgm_studio import device as devices
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
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.metrics import Curve
from dgm_studio.store.project import Project
from dgm_studio.store.records import Best, Status
from dgm_studio.store.run import WALL, Run
from dgm_studio.store.saving import Item, versions
from dgm_studio.store.trees import flatten
from dgm_studio.store.work import Line, Session, metrics_line, read_metrics
from models.catalog import Recipe

WRITE_EVERY = 0.25  # seconds between writes to the journal: what a killed process loses
SYNC_EVERY = 2.0  # seconds between fsyncs: what a power cut loses
RETRY_EVERY = 5.0  # seconds between attempts to write what could not be written
STEPS_A_LINE = 50_000  # of curves that are written to the journal late


@dataclass(frozen=True)
class _Left:
    """Closed without a closing event: whoever drove the session went away."""


Closing = Finished | Cancelled | Failed | _Left


class Recorder:
    """Keeps the events of one session in a run of a project. `record` is called by the thread that drives the
    session and never waits for the disk: one writer thread does.

    Curves and pictures are in the run at once. In the work folder, which survives a crash, stand a journal of the
    curves, every picture, and the newest two checkpoints and the best (by the learner's first quantity that has a goal,
    on held-out data); if checkpoints come faster than the disk takes them, only the newest is written. The closing
    event merges all of it into the project and saves; Cancelled instead puts the run back to what it was before the
    session or at the last save, and removes it when it had no state then. So does bad input that never took a step.

    While the disk takes nothing (because it is full, say), the training goes on: everything is in the run in memory,
    where it takes no more room than a run takes anyway, and every RETRY_EVERY seconds writing is tried again. `report`
    is called with a sentence when that begins, `relieved` when everything is on the disk again, both in the writer's
    thread; `problems` lists what was reported.
    """

    def __init__(
        self,
        project: Project,
        run: Run,
        data: Provenance | None = None,
        report: Callable[[str], None] = lambda text: None,
        device: str = "",
        relieved: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`device`: where the run trains from now on, if that is not what its settings say. Raises ProjectError when
        the project is read-only, or the run is in training already or deleted."""
        if project.read_only:
            raise ProjectError("read-only", project.path, "opened read-only: a training could not be kept in it.")
        self.problems: list[str] = []
        self._project, self._run, self._report, self._relieved = project, run, report, relieved
        self._data = run.provenance.get("data") if data is None else json.loads(json.dumps(asdict(data)))
        self._was_new = not run.checkpoint_steps()
        self._goal = _goal(run)
        self._failure: ProjectError | None = None

        self._session: Session | None = None
        self._unwritten: list[Line] = []
        self._missing: int | None = None  # the journal lacks the curves from this step on; only the run has them
        self._unsynced: list[Line] = []  # written, but perhaps not on the disk
        self._synced = time.monotonic()
        self._waiting_frames: list[Preview] = []
        self._waiting_states: dict[int, dict[str, Item]] = {}
        self._retry: float | None = None  # time.monotonic() of the next attempt, while the disk takes nothing

        self._device = device
        self._step = self._steps = 0  # done, and planned
        self._seconds_before: float | None = None  # of training in earlier sessions, where that is known

        self._changed = threading.Condition()  # guards what record() hands to the writer:
        self._lines: list[Line] = []
        self._frames: list[Preview] = []
        self._checkpoint: Checkpoint | None = None
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
                self._checkpoint = event
            elif isinstance(event, CLOSING):
                self._closing = event
            self._changed.notify()

    def _keep(self, event: Event) -> list[Line]:
        """Put into the run at once what it is to show. Returns the lines that say so in the journal."""
        lines: list[Line] = []
        match event:
            case Started():
                self._run.rewind(event.step)
                self._run.provenance = self._provenance(event.device)
                self._run.replan(event.steps, self._device)
                self._run.conclude("training")
                self._step, self._steps = event.step, event.steps
                self._seconds_before = _seconds_until(event.step, self._run)
                lines = [{"started": event.step, "provenance": self._run.provenance}]
                lines += [{"planned": event.steps, "device": self._device}]
            case Progress():
                self._step = event.step
                if event.steps != self._steps:  # prolonged
                    self._steps = event.steps
                    self._run.replan(event.steps)
                    lines += [{"planned": event.steps, "device": ""}]
                if event.metrics:
                    metrics = {**event.metrics, **self._wall(event)}
                    self._run.keep_metrics(metrics)
                    lines += [metrics_line(metrics)]
            case Finding():
                self._run.keep_finding(self._step, event)
                lines = [{"finding": asdict(event), "step": self._step}]
            case Preview():
                self._run.keep_frame(event.step, event.samples, event.means)
        return lines

    def _wall(self, event: Progress) -> dict[str, Curve]:
        """One point of the curve of time; none where it is not known how long the run had trained before."""
        if self._seconds_before is None:
            return {}
        seconds = self._seconds_before + event.seconds
        return {WALL: (np.array([event.step]), np.array([seconds], np.float32))}

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
            self._all_is_well()
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
            if self._session is not None:
                self._session.close()

    def _write_what_came(self) -> Closing | None:
        with self._changed:
            self._changed.wait_for(self._anything, timeout=self._patience())
            self._changed.wait_for(self._anything_large, timeout=WRITE_EVERY)  # gather lines
            lines, self._lines = self._lines, []
            frames, self._frames = self._frames, []
            checkpoint, self._checkpoint = self._checkpoint, None
            closing = self._closing
        self._unwritten += lines
        self._waiting_frames += frames
        if checkpoint is not None:
            self._take(checkpoint)
        self._write()
        return closing

    def _patience(self) -> float | None:
        """Seconds until something is to be done even if nothing comes."""
        if self._retry is not None:
            return RETRY_EVERY
        return SYNC_EVERY if self._unsynced else None

    def _anything(self) -> bool:
        return bool(self._lines or self._frames) or self._anything_large()

    def _anything_large(self) -> bool:
        return self._checkpoint is not None or self._closing is not None

    def _write(self) -> None:
        """Bring to the work folder what waits for it, if it is time to try."""
        due = self._retry is None or time.monotonic() >= self._retry
        try:
            if due or self._missing is None:
                self._write_lines()
            else:
                self._leave_curves_to_the_run()
            if due:
                self._write_states()
                self._write_frames()
        except (OSError, ProjectError) as error:
            self._leave_curves_to_the_run()
            self._wait(error.text if isinstance(error, ProjectError) else f"{error.strerror or error}.")
        else:
            if due:
                self._all_is_well()

    def _wait(self, reason: str) -> None:
        if self._retry is None:
            self._problem(
                f"What {self._run.name} brings cannot be written to the disk: {reason} It is kept in memory, and the "
                "training goes on; writing is tried again every few seconds. Free some space, or stop and save "
                "elsewhere. Should the studio be ended by force before, what came since now is lost."
            )
        self._retry = time.monotonic() + RETRY_EVERY

    def _all_is_well(self) -> None:
        if self._retry is not None:
            self._retry = None
            self._relieved(f"Everything of {self._run.name} is on the disk again.")

    def _write_lines(self) -> None:
        """Raises OSError."""
        session = self._open_session()
        if self._missing is not None:
            self._leave_curves_to_the_run()
        if self._unwritten:
            session.append(self._unwritten)
            self._unsynced += self._unwritten
            self._unwritten = []
        for step, line in self._missing_lines():
            self._missing = step
            session.append([line])
            session.sync()
        self._missing = None
        if self._unsynced and time.monotonic() - self._synced >= SYNC_EVERY:
            self._sync(session)

    def _sync(self, session: Session) -> None:
        """Raises OSError; what was written since the last time is to be written again then."""
        try:
            session.sync()
        except OSError:
            self._unwritten[:0] = self._unsynced
            raise
        finally:
            self._unsynced, self._synced = [], time.monotonic()

    def _leave_curves_to_the_run(self) -> None:
        """Keep no curves twice while they cannot be written."""
        for line in self._unwritten:
            if "metrics" in line:
                first = min(int(steps[0]) for steps, _ in read_metrics(line).values() if len(steps))
                self._missing = first if self._missing is None else min(first, self._missing)
        self._unwritten = [line for line in self._unwritten if "metrics" not in line]

    def _missing_lines(self) -> Iterator[tuple[int, Line]]:
        """The curves that the journal lacks, with the step at which each line begins. Steps that come again replace."""
        if self._missing is None:
            return
        curves = self._run.curves_from(self._missing)
        last = max((int(steps[-1]) for steps, _ in curves.values() if len(steps)), default=-1)
        for first in range(self._missing, last + 1, STEPS_A_LINE):
            ends = {key: np.searchsorted(steps, (first, first + STEPS_A_LINE)) for key, (steps, _) in curves.items()}
            part = {
                key: (steps[slice(*ends[key])], values[slice(*ends[key])]) for key, (steps, values) in curves.items()
            }
            yield first, metrics_line({key: curve for key, curve in part.items() if len(curve[0])})

    def _open_session(self) -> Session:
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
        while self._waiting_frames:
            frame = self._waiting_frames[0]
            stored = self._open_session().frame(frame.step, frame.samples, frame.means)
            with self._project.saving:
                self._run.keep_frame(frame.step, stored, frame.means)
            del self._waiting_frames[0]

    def _take(self, checkpoint: Checkpoint) -> None:
        """Make a state part of the run, and let go of those that it replaces."""
        datasets = flatten(checkpoint.state)
        with self._project.saving:
            self._run.keep_checkpoint(checkpoint.step, datasets)
            self._waiting_states[checkpoint.step] = datasets
            self._note_best(checkpoint.step)
            if self._retry is not None:
                self._prune()

    def _write_states(self) -> None:
        """Raises OSError or ProjectError."""
        while self._waiting_states:
            step, datasets = next(iter(self._waiting_states.items()))
            with self._project.saving:
                self._run.keep_checkpoint(step, self._open_session().checkpoint(step, datasets))
                del self._waiting_states[step]
                self._prune()

    def _prune(self) -> None:
        """Let go of states that are no longer needed. The newest on the disk is, while newer ones wait in memory."""
        before = set(self._run.checkpoint_steps())
        newest = sorted(before - self._waiting_states.keys())[-1:]
        self._run.prune(self._project.branched_steps(self._run) | set(newest))
        for step in before - set(self._run.checkpoint_steps()):
            self._waiting_states.pop(step, None)
            if self._session is not None:
                self._session.drop_checkpoint(step)

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
            self._unwritten.append({"best": self._run.best.model_dump()})

    def _conclude(self, closing: Closing) -> None:
        """Merge the session into the project, or take it out, and save."""
        status: Status
        match closing:
            case Cancelled():
                self._discard()
                return
            case Failed(kind="bad input") if not self._run.checkpoint_steps():
                self._discard()
                return
            case Failed():
                status, message = "failed", closing.text
            case Finished():
                status, message = "stopped" if closing.stopped else "finished", ""
            case _Left():
                status, message = "interrupted", "The session ended without saying why."
        self._run.conclude(status, message)
        self._last_line({"closing": status, "message": message})
        if self._session is not None:
            self._project.merge(self._run, self._session.folder)
        self._project.save()

    def _discard(self) -> None:
        self._last_line({"discarded": True})
        if self._was_new:
            self._project.end_training(self._run)
            self._project.remove_run(self._run.id)
        else:
            self._run.go_back()
        if self._session is not None:
            self._project.remove_with_next_save(self._session.folder)
        self._project.save()

    def _last_line(self, line: Line) -> None:
        self._unwritten.append(line)
        self._synced = -float("inf")  # due
        self._retry = None if self._retry is None else self._synced
        self._write()

    def _problem(self, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)
            self._report(text)

    def _provenance(self, device: str) -> dict[str, Any]:
        return {"data": self._data, **_circumstances(device)}


def resume_warnings(run: Run) -> list[str]:
    """Sentences on what is different here from where the run was last trained: its next steps may then differ in the
    last bits from those of an uninterrupted training."""
    if run.config is None or not run.provenance:
        return []
    then = run.provenance
    here = _circumstances(devices.title(devices.resolve(run.config.training.device)), devices.training_threads())
    pairs = (
        ("version of PyTorch", then.get("versions", {}).get("torch"), here["versions"]["torch"]),
        ("number of threads", then.get("threads"), here["threads"]),
        ("CPU instruction set", then.get("cpu"), here["cpu"]),
        ("device", then.get("device"), here["device"]),
    )
    return [
        f"{run.name} was trained with another {what} ({before}; here it is {now}). It can go on, "
        "but its numbers may differ in their last digits from an uninterrupted training."
        for what, before, now in pairs
        if before != now
    ]


def _circumstances(device: str, threads: int | None = None) -> dict[str, Any]:
    return {
        "versions": versions(),
        "threads": torch.get_num_threads() if threads is None else threads,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": device,
    }


def _seconds_until(step: int, run: Run) -> float | None:
    """How long the run trained until `step`, which is its last; None for one that was not timed from its start."""
    if run.wall is not None:
        return float(run.wall[1][-1])
    return 0.0 if step == 0 else None


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
