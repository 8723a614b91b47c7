"""The steps that learning went through: what it reported at each, a slider over them, and play."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from dgm_studio.questions.components import Way
from widgets.explorers.parts import Caption, button, fill, row_of
from widgets.explorers.slider_row import SliderRow
from widgets.plots import Plot, pen
from widgets.theme import SPACE, look, px

FRAME = 70  # ms that a step is shown while playing
CURVE = 104  # px


class WayBar(QWidget):
    """`chosen(frame)` when a person goes to a step, and while they let it play."""

    chosen = Signal(int)

    def __init__(self, reported: str, keeps: bool) -> None:
        """`reported`: what the curve shows; `keeps`: whether a learner that keeps frames is to be expected."""
        super().__init__()
        self._way: Way | None = None
        self._shown = 0  # frame
        self.curve = Plot()
        self.curve.setObjectName("wayCurve")
        self.curve.setAccessibleName("What learning reported at each step")
        self.curve.setFixedHeight(CURVE)
        self.curve.getPlotItem().setContentsMargins(0, SPACE, 0, 0)
        self.curve.setToolTip("What learning maximises, over its steps. Drag the line to go to a step.")
        self.curve.box.setMouseEnabled(x=False, y=False)
        self.curve.getAxis("left").setWidth(52)
        self.line = pg.PlotCurveItem(antialias=True)
        self.marker = pg.InfiniteLine(angle=90, movable=True)
        self.marker.sigPositionChanged.connect(self._pull)
        self.curve.addItem(self.line)
        self.curve.addItem(self.marker, ignoreBounds=True)
        self._reported = Caption(reported, "reported")
        for part in (self._reported, self.curve):
            part.setVisible(keeps)
        self.slider = SliderRow("Frame", 0, 999, 0, form="{:.0f}", name_width=40)
        self.slider.setToolTip("Steps of learning that were kept, from the first to the newest")
        self.slider.key_step = 1
        self.slider.changed.connect(self._slide)
        self._button = button("Play", "play", "Go through the steps of learning", self._play)
        self._button.setFixedWidth(px(72))
        self._replay = QWidget(objectName="replay")
        row = row_of(self._button, self.slider)
        row.setContentsMargins(0, 0, 0, 0)
        self._replay.setLayout(row)
        self._replay.hide()
        self._clock = QTimer(self, interval=FRAME)
        self._clock.timeout.connect(self._advance)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        fill(column, self._reported, self.curve, self._replay)
        self.setVisible(keeps)
        look.changed.connect(self._restyle)
        self._restyle()

    def show_way(self, way: Way) -> None:
        """The steps that there are."""
        self._way = way
        frames, told = len(way.steps), ~np.isnan(way.values)
        self.slider.set_range(0, max(1, frames - 1))
        self._replay.setVisible(frames > 1)
        for part in (self._reported, self.curve):
            part.setVisible(bool(told.any()))
        self.setVisible(frames > 1 or bool(told.any()))
        steps, values = way.steps[told], way.values[told]
        self.line.setData(steps, values)
        if len(steps):
            # the first steps may be far below the rest
            low, high = float(np.quantile(values, 0.02)), float(values.max())
            room = 0.08 * (high - low) or 1.0
            self.curve.box.setRange(
                xRange=(0, max(1, int(way.steps[-1]))), yRange=(low - room, high + room), padding=0.02
            )

    def stand_at(self, frame: int) -> None:
        """This frame is shown."""
        self._shown = frame
        self.slider.set_value(frame)
        if self._way is not None:
            self.marker.setPos(int(self._way.steps[frame]))

    def rest(self) -> None:
        """Play no more."""
        self._clock.stop()
        self._button.setText("Play")

    def _restyle(self) -> None:
        self.line.setPen(pen(look.theme.accent, 2))
        self.marker.setPen(pen(look.theme.text, 1.5))

    def _slide(self, value: float) -> None:
        self.rest()
        self.chosen.emit(round(value))

    def _pull(self, line: pg.InfiniteLine) -> None:
        """The marker in the curve was moved by hand."""
        if self._way is not None and line.moving:
            self.rest()
            self.chosen.emit(int(np.abs(self._way.steps - line.value()).argmin()))

    def _play(self) -> None:
        if self._clock.isActive():
            self.rest()
        elif self._way is not None:
            if self._at_end:
                self.chosen.emit(0)
            self._clock.start()
            self._button.setText("Pause")

    def _advance(self) -> None:
        self.chosen.emit(self._shown + 1)
        if self._at_end or not self.isVisible():
            self.rest()

    @property
    def _at_end(self) -> bool:
        return self._way is not None and self._shown == len(self._way.steps) - 1
