"""Numbers beside the chains of Dream: traces, and the class that the first is taken for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QShowEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from dgm_studio.questions.chains import FREE, ChainFrame
from widgets.explorers.parts import HeadedCard
from widgets.plots import Plot, pen
from widgets.theme import CATEGORICAL, look, px, tabular

TRACE = 300  # frames that traces go back
TRACED = 4  # chains
DRAWN_EVERY = 500  # ms, traces


class Trace(HeadedCard):
    """A number of each chain, frame after frame: the first chain in the accent, others muted."""

    def __init__(self, title: str, name: str, axis: str, number: Callable[[ChainFrame], np.ndarray | None]) -> None:
        super().__init__(title, "first chain; three others in grey")
        self._number = number
        self._frames: deque[tuple[int, np.ndarray]] = deque(maxlen=TRACE)
        self.plot = Plot()
        self.plot.setObjectName(name)
        self.plot.setAccessibleName(title)
        self.plot.setMinimumHeight(90)
        self.plot.set_titles("transitions", axis)
        self._curves = [self.plot.plot() for _ in range(TRACED)]
        self.column.addWidget(self.plot, 1)
        # not with each frame: a plot takes about 20 ms to paint, and the chains would stumble
        self._due = QTimer(self, singleShot=True, interval=DRAWN_EVERY)
        self._due.timeout.connect(self._draw)
        look.changed.connect(self._restyle)
        self._restyle()

    def clear(self) -> None:
        self._frames.clear()
        self._draw()

    def take(self, transitions: int, frame: ChainFrame) -> None:
        """One frame more, so many transitions after the start."""
        numbers = self._number(frame)
        self.setVisible(numbers is not None)  # a free energy may be a sum that is too large
        if numbers is None or not np.isfinite(numbers).all():
            return
        self._frames.append((transitions, numbers[:TRACED]))
        if not self._due.isActive():
            self._due.start()

    @property
    def values(self) -> np.ndarray:
        """(frames, chains)."""
        return np.stack([numbers for _, numbers in self._frames]) if self._frames else np.zeros((0, TRACED))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._draw()

    def _draw(self) -> None:
        if not self.isVisible():
            return
        at, values = [transitions for transitions, _ in self._frames], self.values
        for i in range(values.shape[1]):
            self._curves[i].setData(at, values[:, i])

    def _restyle(self) -> None:
        for i, curve in enumerate(self._curves):
            # 1 px: Qt takes ten times as long for wider curves that are smoothed
            curve.setPen(pen(look.theme.accent, 1) if i == 0 else pen(CATEGORICAL[8], 1, opacity=0.5))
        self._curves[0].setZValue(1)


class ClassBars(QWidget):
    """P(class | x) as bars; the held class is framed."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.setObjectName("classBars")
        self.setAccessibleName("Probability of each class")
        self._names = names
        self.values = np.zeros(len(names), np.float32)
        self.held = FREE
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(px(72))
        font = tabular(self.font())
        font.setPixelSize(px(11))
        self.setFont(font)
        look.changed.connect(self.update)

    def show_values(self, values: np.ndarray) -> None:
        self.values = values
        best = int(values.argmax())
        name = self._names[best] if best < len(self._names) else str(best)
        self.setToolTip(f"{name}: {float(values[best]):.2f}")
        self.update()

    def hold(self, label: int) -> None:
        self.held = label
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, 72)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, n = look.theme, max(1, len(self.values))
        painter = QPainter(self)
        wide, high = self.width() / n, self.height() - 18.0
        metrics = painter.fontMetrics()
        for i, value in enumerate(self.values.tolist()):
            area = QRectF(i * wide + 2, 0, max(2.0, wide - 4), high)
            painter.fillRect(area, QColor(theme.raised))
            filled = area.adjusted(0, high * (1 - min(1.0, max(0.0, value))), 0, 0)
            painter.fillRect(filled, QColor(theme.accent))
            if i == self.held:
                painter.setPen(QPen(QColor(theme.warn), 2))
                painter.drawRect(area.adjusted(1, 1, -1, -1))
            painter.setPen(QColor(theme.text if i == self.held else theme.muted))
            name = self._names[i] if i < len(self._names) else str(i)
            text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, int(wide))
            painter.drawText(QRectF(i * wide, high + 2, wide, 16), Qt.AlignmentFlag.AlignCenter, text)
