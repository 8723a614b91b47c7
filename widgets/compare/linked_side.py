"""One of two linked views: a run as it was at a kept state, in an explorer."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from dgm_studio.number_texts import thousands
from dgm_studio.store import Run
from widgets.background import Problem
from widgets.building import empty, label
from widgets.compare.chips import Swatch
from widgets.compare.chosen import Chosen
from widgets.explorers.base import Explorer
from widgets.live import Live
from widgets.opened_run import OpenedRun
from widgets.readout import Readout
from widgets.theme import SPACE
from widgets.viewing import Viewing

NEWEST = -1  # follows the run, and its training while it trains
LOOK_AFTER = 1500  # ms from the news that a run has kept a state until it is looked at


class Side(QWidget):
    """Chooses a run and a moment of it, opens it there, and shows one explorer of it. The newest state of a run in
    training is that of its training, which goes on. `opened()` when the run answers,
    or answers no more; `shared()` when what its explorer shares is another; `led(key, thing)` when it leads to
    another explorer, with something to begin at."""

    opened = Signal()
    shared = Signal()
    led = Signal(str, object)

    def __init__(self, name: str, chosen: Chosen, viewing: Viewing) -> None:
        super().__init__()
        self.setObjectName(name)
        self._chosen, self._viewing = chosen, viewing
        self._opened: OpenedRun | None = None
        self._follows = False  # the training of the run
        self.explorer: Explorer | None = None
        self.runs, self.moments = QComboBox(), QComboBox()
        for box, key, said in ((self.runs, "run", "Run"), (self.moments, "moment", "Kept state")):
            box.setObjectName(f"{name}-{key}")
            box.setAccessibleName(f"{said} of this side")
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
        self.moments.setToolTip("The kept state of this run that is looked at")
        self.runs.activated.connect(self._choose_run)
        self.moments.activated.connect(lambda _: self._look_again())
        self._swatch = QHBoxLayout()
        self._said = Readout(f"{name}-said", "muted")
        self._none = label("", "muted", f"{name}-none", wrap=True)
        self._none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._area = QScrollArea(widgetResizable=True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.viewport().setAutoFillBackground(False)
        head = QHBoxLayout()
        head.setSpacing(SPACE // 2)
        head.addLayout(self._swatch)
        head.addWidget(self.runs, 3)
        head.addWidget(self.moments, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addLayout(head)
        column.addWidget(self._said)
        column.addWidget(self._none, 1)
        column.addWidget(self._area, 1)
        self._later = QTimer(self, singleShot=True, interval=LOOK_AFTER)
        self._later.timeout.connect(self._look_again)
        self._area.hide()

    @property
    def run(self) -> Run | None:
        run_id = self.runs.currentData()
        return next((run for run in self._chosen.runs if run.id == run_id), None)

    @property
    def live(self) -> Live | None:
        """The line that answers of the run at this moment."""
        return self._opened.live if self._opened is not None else None

    def offer(self, prefer: int, step: int | None = None) -> None:
        """List the chosen runs that can be opened; where none is shown yet, show the one at place `prefer`."""
        before = self.runs.currentData()
        runs = [run for run in self._chosen.runs if run.config is not None and run.checkpoint_steps()]
        self.runs.clear()
        for run in runs:
            self.runs.addItem(run.name, run.id)
        ids = [run.id for run in runs]
        if not ids:
            self.close_run()
            self._say_none("None of these runs has kept a state that could be looked at.")
            return
        self.runs.setCurrentIndex(ids.index(before) if before in ids else min(prefer, len(ids) - 1))
        self._offer_moments(step)
        if self._opened is None or self._opened.run is not self.run:
            self._open()
        else:
            self._look_again()

    def show_explorer(self, kind: type[Explorer] | None) -> None:
        """Show the run in an explorer of this kind; None shows none."""
        if self.explorer is not None:
            if type(self.explorer) is kind and self.explorer.live is self.live:
                return
            self.explorer.hide()
            self._area.takeWidget()
            self.explorer.deleteLater()
            self.explorer = None
        self._area.setVisible(kind is not None)
        self._none.setVisible(kind is None)
        if kind is None or self.live is None:
            return
        self.explorer = explorer = kind(self.live)
        explorer.narrow()
        explorer.setProperty("plain", True)
        explorer.shared_changed.connect(self.shared)
        explorer.leads.connect(self.led)
        self._area.setWidget(explorer)
        explorer.show()

    def refresh_moments(self) -> None:
        """The run may keep other states now, and the newest may be newer."""
        run, step = self.run, self.moments.currentData()
        if run is None:
            return
        self._offer_moments(None if step == NEWEST else step)
        if self._follows != (step == NEWEST and self._viewing.publishes(run)):
            self._look_again()
        if self._follows:
            return
        newest = run.checkpoint_steps()[-1:] or [None]
        if step == NEWEST and self._opened is not None and self._opened.step != newest[0]:
            self._later.start()

    def close_run(self) -> None:
        """Let the run go."""
        self.show_explorer(None)
        if self._opened is not None:
            opened, self._opened = self._opened, None
            self._viewing.leave(opened)
            self._follows = False
            opened.close()
            self.opened.emit()

    def say_none(self, text: str) -> None:
        """Why there is no explorer."""
        if self.explorer is None:
            self._say_none(text)

    def _say_none(self, text: str) -> None:
        self._none.setText(text)
        self._none.show()

    def _offer_moments(self, step: int | None) -> None:
        run = self.run
        assert run is not None
        empty(self._swatch)
        self._swatch.addWidget(Swatch(self._chosen.colour(run)))
        steps = run.checkpoint_steps()
        self.moments.clear()
        self.moments.addItem("newest state", NEWEST)
        for one in reversed(steps):
            self.moments.addItem(f"step {thousands(one)}", one)
        self.moments.setCurrentIndex(0 if step not in steps else self.moments.findData(step))

    def _choose_run(self, _: int) -> None:
        self._offer_moments(None)
        self._open()

    def _open(self) -> None:
        run = self.run
        self.close_run()
        if run is None:
            return
        self._say_none("reading …")
        self._said.set_text("")
        self._opened = opened = self._viewing.open(run, self._step)
        opened.opened.connect(self._answers)
        opened.arrived.connect(lambda step: self._said.set_text(f"as it was at step {thousands(step)}"))
        opened.failed.connect(self._failed)

    @property
    def _step(self) -> int | None:
        step = self.moments.currentData()
        return None if step == NEWEST else step

    def _answers(self, live: Live) -> None:
        live.moved.connect(self._moved)
        self.opened.emit()
        self._look_again()

    def _look_again(self) -> None:
        """Answer from what the training says, where the newest is wanted of a run in training, or from a kept state."""
        opened = self._opened
        if opened is None:
            return
        if opened.live is None:
            opened.look_at(self._step)
            return
        follows = self._step is None and self._viewing.publishes(self.run)
        if follows:
            self._viewing.follow(opened)
        elif self.isVisible() or self._follows:
            self._viewing.leave(opened)
            opened.look_at(self._step)
        self._follows = follows

    def _moved(self, step: int) -> None:
        if self._follows:
            self._said.set_text(f"in training, step {thousands(step)}")

    def _failed(self, problem: Problem) -> None:
        if self.explorer is None:
            self._say_none(f"This run cannot be opened. {problem.text}")
        else:
            self._said.set_text(problem.text)
