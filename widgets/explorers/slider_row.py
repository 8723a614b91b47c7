"""A slider in one line with its name and its number."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from dgm_studio.number_texts import typeset
from widgets.plots import colour
from widgets.theme import SPACE, look, px, tabular


class SliderRow(QWidget):
    """A name, a slider, its number and a note, in one line: light enough for one per latent dimension.

    `changed(value)` is emitted when a person moves it, and not by `set_value`.
    """

    changed = Signal(float)
    HEIGHT = 24

    def __init__(
        self,
        name: str,
        low: float,
        high: float,
        value: float,
        form: str = "{:+.2f}",
        note: str = "",
        name_width: int = 30,
        note_width: int = 0,
    ) -> None:
        super().__init__()
        self.name, self.note = name, note
        self.key_step = 0.0  # what an arrow key moves it by; 0 for a hundredth of the range
        self._low, self._high, self._value, self._form = low, high, value, form
        self._name_width, self._note_width = px(name_width), px(note_width)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # numbers rise to the right, signs stand before them
        self.setFixedHeight(px(self.HEIGHT))
        self.setMinimumWidth(120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        font = tabular(self.font())
        font.setPixelSize(px(12))
        self.setFont(font)
        self._value_width = max(QFontMetricsF(font).horizontalAdvance(self._written(v)) for v in (low, high)) + SPACE
        look.changed.connect(self.update)

    @property
    def value(self) -> float:
        return self._value

    @property
    def shown(self) -> str:
        """The number as it stands beside the slider."""
        return self._written(self._value)

    def _written(self, value: float) -> str:
        text = self._form.format(value)
        return typeset(text if text.strip("+-0.") else text.lstrip("+-"))  # no sign before a plain 0

    def set_value(self, value: float) -> None:
        """Show `value`, also one outside the slider's range."""
        if value != self._value:
            self._value = value
            self.update()

    def set_name(self, name: str, note: str) -> None:
        if (name, note) != (self.name, self.note):
            self.name, self.note = name, note
            self.setAccessibleName(name)
            self.update()

    def set_range(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(220, px(self.HEIGHT))

    def track(self) -> tuple[float, float]:
        """Where the slider's groove begins and ends, in pixels."""
        return self._name_width + 6.0, self.width() - self._value_width - self._note_width - 6.0

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = look.theme
        painter = QPainter(self)
        painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # signs stand before their numbers
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        begin, end = self.track()
        middle = self.height() / 2
        share = min(1.0, max(0.0, (self._value - self._low) / (self._high - self._low)))
        at = begin + share * (end - begin)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.raised))
        painter.drawRoundedRect(QRectF(begin, middle - 2, end - begin, 4), 2, 2)
        enabled = self.isEnabled()
        painter.setBrush(QColor(theme.accent if enabled else theme.border))
        painter.drawRoundedRect(QRectF(begin, middle - 2, at - begin, 4), 2, 2)
        if self.hasFocus():
            painter.setBrush(colour(theme.accent, 0.35))
            painter.drawEllipse(QRectF(at - 8, middle - 8, 16, 16))
        painter.setBrush(QColor(theme.text if enabled else theme.muted))
        painter.drawEllipse(QRectF(at - 5, middle - 5, 10, 10))
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        centre = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(theme.text if enabled else theme.muted))
        painter.drawText(QRectF(0, 0, self._name_width, self.height()), left | centre, self.name)
        x = end + 6
        painter.drawText(QRectF(x, 0, self._value_width, self.height()), right | centre, self.shown)
        if self._note_width:
            painter.setPen(QColor(theme.muted))
            note = QRectF(self.width() - self._note_width, 0, self._note_width, self.height())
            painter.drawText(note, right | centre, self.note)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self._point(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._point(event.position().x())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
            return
        self._move(self._value + step * (self.key_step or (self._high - self._low) / 100))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.EnabledChange:
            self.update()

    def _point(self, x: float) -> None:
        begin, end = self.track()
        self._move(self._low + (x - begin) / (end - begin) * (self._high - self._low))

    def _move(self, value: float) -> None:
        value = min(self._high, max(self._low, value))
        if value != self._value:
            self._value = value
            self.update()
            self.changed.emit(value)


def align(*rows: SliderRow) -> None:
    """Let sliders that stand below each other begin and end in one place."""
    name, value = max(row._name_width for row in rows), max(row._value_width for row in rows)
    for row in rows:
        row._name_width, row._value_width = name, value
        row.update()
