"""What each run showed of itself at one moment, under one slider."""

from __future__ import annotations

import math
from functools import partial
from typing import get_args

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.datasets.base import Dataset
from dgm_studio.number_texts import duration, percent, thousands
from dgm_studio.shown import beside
from dgm_studio.store import Run
from models import catalog
from models.spec import Layout
from widgets.building import label
from widgets.compare.chips import Swatch
from widgets.compare.chosen import Chosen
from widgets.compare.frames import Frames, Moments, Pace, ticks
from widgets.compare.part import Part
from widgets.icons import dress
from widgets.readout import Readout
from widgets.samples_view import SamplesView
from widgets.theme import SPACE
from widgets.workspace import Workspace

PLAY_EVERY = 150  # ms from one moment to the next
PLAY_FOR = 12_000  # ms at most: of many moments, some are passed over
PACES: dict[Pace, tuple[str, str]] = {
    "share": ("by share of training", "Each run at the same share of its own steps"),
    "steps": ("by steps", "All runs after the same number of steps; one that ended before stays at its end"),
    "time": ("by time", "All runs after the same seconds of training, where these are known"),
}


class _Cell(QWidget):
    # One run: its name, the step that is shown, and the samples.
    def __init__(self, run: Run, colour: str) -> None:
        super().__init__()
        self.run = run
        self.step: int | None = None
        self.wanted: int | None = None
        name = Readout(f"sampleOf-{run.id}")
        name.set_text(run.name)
        self._said = label("", "muted", f"sampleStep-{run.id}")
        head = QHBoxLayout()
        head.setSpacing(SPACE // 2)
        head.addWidget(Swatch(colour))
        head.addWidget(name, 1)
        head.addWidget(self._said)
        self.view = SamplesView(minimum=72, axes=False)
        self.view.setObjectName(f"samples-{run.id}")
        self.view.setAccessibleName(f"Samples of {run.name}")
        self.view.setProperty("runName", run.name)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(self.view, 1)
        self.say("reading …")

    def say(self, text: str) -> None:
        if self._said.text() != text:
            self._said.setText(text)

    def show_samples(self, step: int, samples: np.ndarray, ended: bool = False) -> None:
        self.step = step
        self.say(f"step {thousands(step)}{', its end' if ended else ''}")
        self.view.show_samples(samples)


class SamplesPart(Part):
    """Moments are those at which at least one of the runs kept a picture. At the end of the slider, a run that trains
    shows what it draws now."""

    key, title = "samples", "Samples"

    def __init__(self, chosen: Chosen, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(chosen, workspace, parent)
        self._frames = Frames(workspace.viewing.states, self)
        self._cells: dict[str, _Cell] = {}
        self._moments: dict[str, Moments] = {}
        self._ticks: list[float] = []
        self._grid = QGridLayout()
        self._grid.setSpacing(2 * SPACE)
        self._play = QToolButton(toolTip="Play how these runs learned", checkable=True)
        self._play.setObjectName("play")
        self._play.setAccessibleName("Play")
        dress(self._play, "train")
        self._play.toggled.connect(self._start)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setObjectName("moment")
        self.slider.setMaximum(0)  # at its end, where it stays until a person moves it
        self.slider.setAccessibleName("Moment of training")
        self.slider.valueChanged.connect(lambda _: self._show())
        self.slider.sliderPressed.connect(lambda: self._play.setChecked(False))
        self._said = Readout("momentSaid", "muted")
        self._said.setFixedWidth(15 * SPACE)
        self._said.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.paces = QComboBox()
        self.paces.setObjectName("pace")
        self.paces.setAccessibleName("What moves together")
        for pace in get_args(Pace):
            text, help_ = PACES[pace]
            self.paces.addItem(text, pace)
            self.paces.setItemData(self.paces.count() - 1, help_, Qt.ItemDataRole.ToolTipRole)
        self.paces.activated.connect(lambda _: self._set_ticks(keep=True))
        foot = QHBoxLayout()
        foot.setSpacing(SPACE)
        foot.addWidget(self._play)
        foot.addWidget(self.slider, 1)
        foot.addWidget(self._said)
        foot.addWidget(self.paces)
        self.column.addLayout(self._grid, 1)
        self.column.addLayout(foot)
        self._timer = QTimer(self, interval=PLAY_EVERY)
        self._timer.timeout.connect(self._advance)
        workspace.previewed.connect(self._previewed)
        workspace.training_changed.connect(self._training_changed)
        workspace.project_file.replaced.connect(lambda: self._frames.forget())

    @property
    def pace(self) -> Pace:
        return self.paces.currentData()

    def refresh(self) -> None:
        runs = self.chosen.runs
        if [cell.run for cell in self._cells.values()] != runs or any(
            cell.run.name != run.name for cell, run in zip(self._cells.values(), runs, strict=True)
        ):
            self._rebuild(runs)
        self._moments = {run.id: _moments(run) for run in runs}
        self._set_ticks(keep=False)

    def rest(self) -> None:
        self._play.setChecked(False)

    def _rebuild(self, runs: list[Run]) -> None:
        for cell in self._cells.values():
            self._grid.removeWidget(cell)
            cell.hide()
            cell.deleteLater()
        self._cells = {run.id: _Cell(run, self.chosen.colour(run)) for run in runs}
        columns = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3}.get(len(runs), 4)
        for place, cell in enumerate(self._cells.values()):
            self._grid.addWidget(cell, place // columns, place % columns)
        for at in range(4):
            self._grid.setColumnStretch(at, int(at < columns))
            self._grid.setRowStretch(at, int(at < math.ceil(len(runs) / columns)) if runs else 0)
        for run in runs:
            self._learn_data(run)

    def _learn_data(self, run: Run) -> None:
        """What samples are of, which decides how they are drawn, and which points lie behind them."""
        if run.config is None:
            return
        choice, cell = run.config.data, self._cells[run.id]
        known = self.workspace.data.newest(choice)
        if known is not None:
            _tell(cell, known)
        else:
            there = lambda data: _tell(cell, data) if self._cells.get(run.id) is cell else None  # noqa: E731
            self.workspace.viewing.readers.submit(
                partial(self.workspace.data.load, choice), there, lambda problem: None
            )

    # The slider.

    def _set_ticks(self, keep: bool) -> None:
        """Have a place for each moment. The slider stays at its end, or about where it was."""
        timed = [one for one in self._moments.values() if one.steps]
        knows = bool(timed) and all(one.seconds for one in timed)
        model = self.paces.model()
        model.item(2).setEnabled(knows)
        if self.pace == "time" and not knows:
            self.paces.setCurrentIndex(0)
        last = max(self.slider.maximum(), 1)
        at_end, share = self.slider.value() == self.slider.maximum(), self.slider.value() / last
        self._ticks = ticks(list(self._moments.values()), self.pace)
        end = max(len(self._ticks) - 1, 0)
        self.slider.blockSignals(True)
        self.slider.setMaximum(end)
        self.slider.setPageStep(max(1, end // 10))
        self.slider.setValue(end if at_end else round(share * end) if keep else min(self.slider.value(), end))
        self.slider.blockSignals(False)
        self.slider.setEnabled(end > 0)
        self._play.setEnabled(end > 0)
        self._show()

    def _show(self) -> None:
        if not self._ticks:
            self._said.set_text("nothing was kept yet" if self._cells else "")
            for cell in self._cells.values():
                cell.say("no samples yet")
            return
        amount = self._ticks[self.slider.value()]
        end = self.slider.value() == self.slider.maximum()
        words = {
            "share": f"{percent(amount)} of training",
            "steps": f"step {thousands(int(amount))}",
            "time": duration(amount),
        }
        self._said.set_text(words[self.pace])
        for cell in self._cells.values():
            moments = self._moments[cell.run.id]
            cell.wanted = moments.at(amount, self.pace)
            view = self.workspace.shown.get(cell.run.id)
            newest = view.preview if view is not None else None
            if end and newest is not None and self.workspace.trainer.trains(cell.run.id):
                cell.wanted = newest.step
                cell.show_samples(newest.step, newest.samples)
            elif cell.wanted is None:
                cell.say("no samples kept")
                cell.view.show_samples(None)
            else:
                ended = self.pace != "share" and amount > moments.amounts(self.pace)[-1]
                self._frames.show(cell.run, cell.wanted, partial(self._came, cell, ended))

    def _came(self, cell: _Cell, ended: bool, step: int, samples: np.ndarray) -> None:
        if self._cells.get(cell.run.id) is cell and cell.wanted == step:
            cell.show_samples(step, samples, ended)

    def _start(self, playing: bool) -> None:
        dress(self._play, "pause" if playing else "train")
        if playing:
            if self.slider.value() == self.slider.maximum():
                self.slider.setValue(0)
            self._timer.start()
        else:
            self._timer.stop()

    def _advance(self) -> None:
        if self.slider.value() >= self.slider.maximum():
            self._play.setChecked(False)
            return
        waits = any(cell.wanted != cell.step for cell in self._cells.values() if cell.wanted is not None)
        if not waits:  # all grids move in step: none is left behind
            self.slider.setValue(self.slider.value() + max(1, round(len(self._ticks) * PLAY_EVERY / PLAY_FOR)))

    def _training_changed(self) -> None:
        active = self.workspace.trainer.active
        if active is not None:
            self._frames.forget(active.run)
        if self.isVisible():
            self.refresh()

    def _previewed(self, run_id: str, _: object) -> None:
        if self.isVisible() and run_id in self._cells and not self._timer.isActive():
            self._moments[run_id] = _moments(self._cells[run_id].run)
            self._set_ticks(keep=False)


def _moments(run: Run) -> Moments:
    steps = run.frame_steps()
    wall = run.wall
    if wall is None or not len(wall[0]):
        return Moments(tuple(steps))
    seconds = np.interp(steps, np.concatenate([[0], wall[0]]), np.concatenate([[0.0], wall[1]]))
    return Moments(tuple(steps), tuple(float(one) for one in seconds))


def _tell(cell: _Cell, dataset: Dataset) -> None:
    assert cell.run.config is not None
    like = beside(catalog.family(cell.run.config.family).model, dataset)
    cell.view.set_spec(like.spec)
    if like.spec.layout is Layout.POINTS:
        cell.view.set_reference(like.train.x.numpy())
