"""Which moment of the selected run is looked at, and which moments there are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal

from dgm_studio.events import Preview
from dgm_studio.store import Run
from widgets.background import Problem
from widgets.kept_states import KeptStates
from widgets.notices import Log
from widgets.opened_run import nearest
from widgets.shown_runs import ShownRuns

PLAY_EVERY = 250  # ms between two moments that are played


@dataclass(frozen=True)
class Marks:
    """The moments of a run: steps, in order."""

    frames: tuple[int, ...] = ()  # with a kept picture
    states: tuple[int, ...] = ()  # with a kept state
    demanded: frozenset[int] = frozenset()
    best: int | None = None
    end: int = 0  # the last step that was done
    steps: int = 0  # that are planned

    @staticmethod
    def of(run: Run, end: int = 0) -> Marks:
        """Those of a run. `end`: a step that was done, if it is known to be later than all that is kept."""
        frames, states = tuple(run.frame_steps()), tuple(run.checkpoint_steps())
        last = max((end, *frames[-1:], *states[-1:]))
        planned = run.config.training.steps if run.config is not None else last
        best = run.best.step if run.best is not None else None
        return Marks(frames, states, frozenset(run.demanded), best, last, max(planned, last))

    def stops(self, by_state: bool) -> tuple[int, ...]:
        """Where one can stand: at kept states, or at pictures too."""
        return self.states if by_state else tuple(sorted({*self.frames, *self.states}))

    def at(self, step: int | None) -> int | None:
        """The kept state that tells of `step`: the newest at or before it."""
        return nearest(list(self.states), step)


class Moments(QObject):
    """The moment that all views of the selected run look at: `step`, or None for now.

    Signals: `moved(step | None)`, `changed()` there are other marks, `pictured(Preview)` the picture kept at the moment
    or last before it was read, `playing(bool)`.
    """

    moved = Signal(object)
    changed = Signal()
    pictured = Signal(object)
    playing = Signal(bool)

    def __init__(self, shown: ShownRuns, states: KeptStates, log: Log, parent: QObject) -> None:
        super().__init__(parent)
        self._shown, self._states, self._log = shown, states, log
        self._run: Run | None = None
        self.marks = Marks()
        self.step: int | None = None
        self.by_state = False  # only kept states can be stood at
        self.looped = False
        self._reading = False  # a picture
        self._clock = QTimer(self, interval=PLAY_EVERY)
        self._clock.timeout.connect(self._advance)

    @property
    def run(self) -> Run | None:
        return self._run

    @property
    def state(self) -> int | None:
        """Step of the kept state that answers at this moment; now, the newest."""
        return self.marks.at(self.step)

    @property
    def is_playing(self) -> bool:
        return self._clock.isActive()

    def show_run(self, run: Run | None) -> None:
        """Another run is selected: look at it as it is now."""
        self.stop()
        self._run, self.step = run, None
        self.marks = Marks()
        self.refresh()
        self.moved.emit(None)

    def refresh(self) -> None:
        """Something may have been kept."""
        run, progress = self._run, None
        if run is not None:
            progress = self._shown.of(run.id).progress
        end = progress.step if run is not None and progress is not None and run.status == "training" else 0
        marks = Marks.of(run, end) if run is not None else Marks()
        if marks != self.marks:
            self.marks = marks
            self.changed.emit()

    def look_at(self, step: int | None) -> None:
        """Look at this step of the run, or at what it is now."""
        stops = self.marks.stops(self.by_state)
        if step is not None and not stops:
            step = None
        if step == self.step:
            return
        self.step = step
        if step is None:
            self.stop()
        self._read_picture()
        self.moved.emit(step)

    def go(self, by: int) -> None:
        """To the next moment, or the one before."""
        stops = self.marks.stops(self.by_state)
        if not stops:
            return
        if self.step is None:
            place = len(stops) - (2 if by < 0 else 1)
        elif by > 0:
            place = bisect_right(stops, self.step)
        else:
            place = bisect_left(stops, self.step) - 1
        self.look_at(stops[min(max(place, 0), len(stops) - 1)])

    def go_to_end(self, last: bool) -> None:
        """To the first moment or the last one."""
        stops = self.marks.stops(self.by_state)
        if stops:
            self.look_at(stops[-1 if last else 0])

    def play(self) -> None:
        """Walk through the moments; from the first where the last was reached. Once more: stop."""
        if self.is_playing:
            self.stop()
            return
        stops = self.marks.stops(self.by_state)
        if not stops:
            return
        if self.step is None or self.step >= stops[-1]:
            self.look_at(stops[0])
        self._clock.start()
        self.playing.emit(True)

    def stop(self) -> None:
        if self.is_playing:
            self._clock.stop()
            self.playing.emit(False)

    def _advance(self) -> None:
        stops = self.marks.stops(self.by_state)
        if self.step is not None and stops and self.step < stops[-1]:
            self.go(1)
        elif self.looped and stops:
            self.look_at(stops[0])
        else:
            self.stop()

    def _read_picture(self) -> None:
        """Read the picture that is wanted now; those that were wanted meanwhile are not."""
        run, frame = self._run, nearest(list(self.marks.frames), self.step)
        if run is None or self.step is None or frame is None or self._reading:
            return
        self._reading = True

        def came(preview: Preview) -> None:
            self._reading = False
            if self._run is not run or self.step is None:
                return
            self.pictured.emit(preview)
            if nearest(list(self.marks.frames), self.step) != preview.step:
                self._read_picture()

        def failed(problem: Problem) -> None:
            self._reading = False
            self._log.say_problem(f"A picture of {run.name} cannot be read.", problem)

        self._states.read_frame(run, frame, came, failed)
