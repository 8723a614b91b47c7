"""A run that answers: from one of its kept states, or from what a training publishes."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from dgm_studio import device as devices
from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import Dataset
from dgm_studio.events import Snapshot
from dgm_studio.store import Run
from models.catalog import Recipe
from widgets.background import Background, Problem
from widgets.data_cache import DataCache
from widgets.kept_states import KeptStates
from widgets.live import Live
from widgets.notices import Log, Notice


@dataclass(frozen=True)
class Sources:
    """Where runs that are looked at get their states and data from."""

    states: KeptStates
    data: DataCache
    readers: Background  # reads data
    log: Log


class OpenedRun(QObject):
    """One run and the line that answers of it, whatever else is selected or trains. Several may be open.

    Signals: `opened(Live)` once the data is there; `arrived(step)` each time another kept state is what is answered
    from; `failed(Problem)` when data or a state cannot be read.
    """

    opened = Signal(object)
    arrived = Signal(object)
    failed = Signal(object)

    def __init__(self, run: Run, config: RunConfig, sources: Sources, parent: QObject) -> None:
        super().__init__(parent)
        self.run, self.config = run, config
        self._sources = sources
        self.live: Live | None = None
        self.step: int | None = None  # of the kept state that is answered from; None: of none, or of a training's
        self._wanted: int | None = None  # step of the kept state that is to be answered from
        self._asked: int | None = None  # step of the state that is being read
        self._ahead: list[int] = []  # steps of states that may be wanted soon
        self._first: Snapshot | None = None  # that came before there was a line to give it to
        self._reading_data = self._closed = False

    def train(self, dataset: Dataset) -> None:
        """A training has read this data; the line is for it to publish to."""
        self.follow()
        if self.live is None:
            self._make(dataset)

    def follow(self) -> None:
        """Leave the line to the training, which publishes to it."""
        self._wanted = self.step = self._first = None
        self._ahead = []

    def look_at(self, step: int | None = None) -> None:
        """Answer from the newest state kept at or before `step` (or the first one after it), or from the newest of all.
        While one is being read, what is asked for last is read next; what was asked for between is not. Reads the data
        before the first answer."""
        steps = self.run.checkpoint_steps()
        self._wanted = nearest(steps, step)
        place = bisect_right(steps, self._wanted) if self._wanted is not None and step is not None else 0
        self._ahead = [steps[i] for i in (place, place - 2) if place and 0 <= i < len(steps)]
        self._go_on()

    def close(self) -> None:
        """Say nothing more. The line goes when its thread has ended."""
        self._closed = True
        if self.live is not None:
            self.live.retire()
            self.live = None
        self.deleteLater()

    def _go_on(self) -> None:
        """Answer from the wanted state, or read it; when there is nothing to read, what may be wanted soon."""
        if self._wanted is None or self._closed:
            return
        states = self._sources.states
        if self._wanted != self.step:
            kept = states.at(self.run, self._wanted)
            if kept is not None:
                self._publish(kept)
            elif self._asked is None:
                self._ask(self._wanted)
        while self._ahead and self._asked is None:
            step = self._ahead.pop(0)
            if states.at(self.run, step) is None:
                self._ask(step)

    def _ask(self, step: int) -> None:
        self._asked = step
        wanted = step == self._wanted

        def came(state: Snapshot) -> None:
            self._asked = None
            if wanted and self._wanted is not None and not self._closed:
                self._publish(state)  # if it is no longer wanted, then something near it: the hand is still moving
            self._go_on()

        def failed(problem: Problem) -> None:
            self._asked = None
            if step == self._wanted:
                self._wanted = self.step
                self._fail(problem)
            self._go_on()

        self._sources.states.read(self.run, step, came, failed)

    def _publish(self, state: Snapshot) -> None:
        if self.live is None:
            self._first = state
            self._read_data()
            return
        self.step = state.step
        self.live.publish(state)
        self.arrived.emit(state.step)

    def _read_data(self) -> None:
        if not self._reading_data:
            self._reading_data = True
            data = self.config.data
            self._sources.readers.submit(lambda: self._sources.data.load(data), self._make, self._fail)

    def _make(self, dataset: Dataset) -> None:
        self._reading_data = False
        if self._closed or self.live is not None:
            return
        config = self.config
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
        try:
            device = devices.resolve(config.training.device)
        except devices.NoSuchDevice as problem:
            text = f"{problem} The run is shown on the preferred one."
            self._sources.log.say(Notice("info", text, lasting=False))
            device = devices.resolve("auto")
        self.live = Live(config, recipe, dataset, device, self.parent())
        first, self._first = self._first, None
        self.opened.emit(self.live)
        if first is not None and self._wanted is not None:
            self._publish(first)
            self._go_on()

    def _fail(self, problem: Problem) -> None:
        self._reading_data = False
        if not self._closed:
            self.failed.emit(problem)


def nearest(steps: list[int], step: int | None) -> int | None:
    """The last of these steps (in order) that is not after `step`, or the first if all are; the last without `step`."""
    if not steps:
        return None
    return steps[-1] if step is None else steps[max(0, bisect_right(steps, step) - 1)]
