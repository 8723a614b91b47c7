"""What a window looks like under the pointer and at the keyboard: all its parts at once, in one picture each."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QWidget

from widgets.building import Card

POINTED_AT = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, Card)
RING = 4  # px around a part, where its focus may be drawn


def hovered(window: QWidget) -> QPixmap:
    """Every part that can be pressed, as if the pointer were over it."""
    parts = [part for part in _seen(window) if isinstance(part, POINTED_AT)]
    for part in parts:
        part.setAttribute(Qt.WidgetAttribute.WA_UnderMouse, True)
    picture = window.grab()
    for part in parts:
        part.setAttribute(Qt.WidgetAttribute.WA_UnderMouse, False)
    return picture


def focused(window: QWidget) -> QPixmap:
    """Every part that the Tab key reaches, as if it had the focus."""
    before = QApplication.focusWidget()
    picture = window.grab()
    dense = picture.devicePixelRatio()
    for part in _seen(window):
        if not part.isEnabled() or not part.focusPolicy() & Qt.FocusPolicy.TabFocus:
            continue
        part.setFocus(Qt.FocusReason.TabFocusReason)
        place = QRect(part.mapTo(window, QPoint(0, 0)), part.size()).adjusted(-RING, -RING, RING, RING)
        place &= window.rect()
        shown = window.grab(place)
        shown.setDevicePixelRatio(dense)
        with QPainter(picture) as painter:
            painter.drawPixmap(place.topLeft(), shown)
    if before is not None:
        before.setFocus(Qt.FocusReason.OtherFocusReason)
    return picture


def _seen(window: QWidget) -> list[QWidget]:
    """Parts of which something is to be seen."""
    return [part for part in window.findChildren(QWidget) if part.isVisible() and not part.visibleRegion().isEmpty()]
