"""Samples of sequences, below each other: symbols as coloured strips, real values as curves."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from dgm_studio.sequence_pictures import strips
from widgets.pictures import to_image
from widgets.theme import CATEGORICAL, look

STRIP, CURVE = 14, 40  # px, the least height of a sequence
CELL, STEP = 3, 1.5  # px, the least width of a symbol and of a step of a curve


class SequenceSamples(QWidget):
    """As many sequences as there is room for, of each as many first steps. All curves have one scale."""

    def __init__(self, minimum: int = 64, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(minimum, minimum)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._sequences = np.zeros((0, 1))
        self._symbols = 0
        look.changed.connect(self.update)

    def show_sequences(self, sequences: np.ndarray, symbols: int) -> None:
        """Sequences (N, T, …) of so many symbols; of real values where there are 0."""
        self._sequences, self._symbols = sequences, symbols
        self.update()

    def shown(self) -> tuple[int, int]:
        """How many sequences are shown, and how many steps of each."""
        high, wide = (STRIP, CELL) if self._symbols else (CURVE, STEP)
        rows = min(len(self._sequences), max(1, self.height() // high))
        return rows, min(self._sequences.shape[1], max(1, int(self.width() / wide)))

    def paintEvent(self, event: QPaintEvent) -> None:
        if not len(self._sequences):
            return
        rows, steps = self.shown()
        sequences = self._sequences[:rows, :steps]
        painter = QPainter(self)
        if self._symbols:
            self._paint_strips(painter, sequences)
        else:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint_curves(painter, sequences.reshape(rows, steps, -1).astype(np.float64))

    def _paint_strips(self, painter: QPainter, sequences: np.ndarray) -> None:
        sheet = to_image(strips(sequences, self._symbols).transpose(2, 0, 1))
        high = min(2 * STRIP, self.height() / len(sequences))
        for row in range(len(sequences)):
            target = QRectF(0, row * high, self.width(), high - 2)
            painter.drawImage(target, sheet, QRectF(0, row, sheet.width(), 1))

    def _paint_curves(self, painter: QPainter, sequences: np.ndarray) -> None:
        rows, steps, channels = sequences.shape
        low, high = float(sequences.min()), float(sequences.max())
        tall = min(2 * CURVE, self.height() / rows)
        across = np.linspace(1, self.width() - 1, steps)
        for row, values in enumerate(sequences):
            top, reach = row * tall + 3, tall - 6
            painter.setPen(QPen(QColor(look.theme.border), 1))
            painter.drawLine(QPointF(0, top + reach + 3), QPointF(self.width(), top + reach + 3))
            for channel in range(channels):
                down = top + reach * (high - values[:, channel]) / max(high - low, 1e-12)
                painter.setPen(QPen(QColor(CATEGORICAL[channel % len(CATEGORICAL)]), 1.3))
                painter.drawPolyline(QPolygonF([QPointF(*at) for at in zip(across, down, strict=True)]))
