"""Small parts that every panel is built from."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLayoutItem,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QStyle,
    QStyleOptionFrame,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from widgets.theme import SPACE, tabular


class Elided(QLabel):
    """One line that ends in an ellipsis where there is no room for all of it, which the tool tip then says."""

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and not self.toolTip() and self.sizeHint().width() > self.width():
            QToolTip.showText(event.globalPos(), self.text(), self)
            return True
        return super().event(event)

    def minimumSizeHint(self) -> QSize:
        whole = super().minimumSizeHint()
        return QSize(min(whole.width(), self.fontMetrics().averageCharWidth() * 8), whole.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setPen(self.palette().color(self.foregroundRole()))
            text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter, text)


class ElidedField(QLineEdit):
    """A line to write in that ends in an ellipsis, while nobody writes, where there is no room for all of it."""

    def paintEvent(self, event: QPaintEvent) -> None:
        option = QStyleOptionFrame()
        self.initStyleOption(option)
        room = self.style().subElementRect(QStyle.SubElement.SE_LineEditContents, option, self).adjusted(2, 0, -2, 0)
        if self.hasFocus() or self.fontMetrics().horizontalAdvance(self.text()) <= room.width():
            super().paintEvent(event)
            return
        with QPainter(self) as painter:
            self.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelLineEdit, option, painter, self)
            text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room.width())
            painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # as words of most tags are written
            painter.setPen(self.palette().color(QPalette.ColorRole.Text))
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, text)


def label(text: str = "", role: str = "", name: str = "", wrap: bool = False, elided: bool = False) -> QLabel:
    """Text in one of the roles of resources/style.qss, with figures of equal width."""
    result = Elided(text) if elided else QLabel(text)
    result.setProperty("role", role)
    result.setObjectName(name)
    result.setWordWrap(wrap)
    result.setFont(tabular(result.font()))
    return result


def listed(parts: Iterable[str]) -> str:
    """Parts with dots between them, of which none begins a line where the text is broken into lines."""
    return "\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}·  ".join(parts)


def folded(text: str, metrics: QFontMetrics, width: int) -> str:
    """The text with its lines broken between words where they would be wider, in pixels."""
    lines: list[str] = []
    for line in text.split("\n"):
        now, *words = line.split(" ")
        for word in words:
            if metrics.horizontalAdvance(f"{now} {word}") > width:
                lines.append(now)
                now = word
            else:
                now += f" {word}"
        lines.append(now)
    return "\n".join(lines)


def section(text: str) -> QLabel:
    """The heading of a part of a panel."""
    return label(text.upper(), "section")


def headed(part: str, below: QWidget) -> QWidget:
    """Something below the heading of the part that begins with it, or below a line where `part` is empty and the one
    before goes on: so that parts of any size fill rows together."""
    result = QWidget()
    column = QVBoxLayout(result)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(SPACE // 2)
    title, line = section(part or "\N{ZERO WIDTH SPACE}"), QFrame()  # as high in every column
    line.setObjectName("goesOn")
    line.setFixedHeight(1)
    head = QHBoxLayout()
    head.setSpacing(SPACE if part else 0)
    head.addWidget(title)
    head.addWidget(line, 1, Qt.AlignmentFlag.AlignVCenter)
    column.addLayout(head)
    column.addWidget(below, 1)
    return result


def set_role(target: QWidget, name: str, value: object) -> None:
    """Change a property that the style sheet asks for."""
    if target.property(name) != value:
        target.setProperty(name, value)
        target.style().unpolish(target)
        target.style().polish(target)


class Card(QFrame):
    """A rounded panel with a column of parts. With `clickable` it is a button."""

    clicked = Signal()

    def __init__(self, parent: QWidget | None = None, clickable: bool = False, margin: int = SPACE * 3 // 2) -> None:
        super().__init__(parent)
        self.setProperty("card", True)
        self.setProperty("clickable", clickable)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(margin, margin, margin, margin)
        self.column.setSpacing(SPACE)
        if clickable:
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            self.setCursor(Qt.CursorShape.PointingHandCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        inside = self.rect().contains(event.position().toPoint())
        if self.property("clickable") and event.button() is Qt.MouseButton.LeftButton and inside:
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self.property("clickable") and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.clicked.emit()
        else:
            super().keyPressEvent(event)


def scrolled(content: QWidget, name: str = "") -> QScrollArea:
    """`content` in a frameless area that scrolls vertically."""
    content.setProperty("plain", True)
    area = QScrollArea(widgetResizable=True)
    area.setObjectName(name)
    frameless(area)
    area.setWidget(content)
    return area


def frameless(area: QScrollArea) -> None:
    """Make an area one without a frame that scrolls vertically, on the ground of what is around it."""
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.viewport().setAutoFillBackground(False)


def dialog(parent: QWidget, title: str, content: QWidget, width: int, height: int) -> QDialog:
    """`content` in a small window that does not block the one below, and goes when it is closed."""
    result = QDialog(parent)
    result.setWindowTitle(title)
    result.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    column = QVBoxLayout(result)
    column.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
    column.addWidget(content)
    close = QPushButton("Close")
    close.clicked.connect(result.close)
    column.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
    result.resize(width, height)
    result.show()
    return result


def empty(layout: QLayout) -> None:
    """Delete the widgets of a layout. Not by takeAt: what that gives is never freed (PySide 6.11), 96 bytes each."""
    items = [layout.itemAt(index) for index in range(layout.count())]
    for widget in [item.widget() for item in items if item is not None]:
        if widget is not None:
            layout.removeWidget(widget)
            widget.hide()
            widget.deleteLater()


class Flow(QLayout):
    """Items of one width in rows, as many in each as fit, stretched to fill the width. Those of a row are equally
    high."""

    def __init__(self, parent: QWidget | None = None, spacing: int = 2 * SPACE) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self.setSpacing(spacing)
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._arrange(QRect(0, 0, width, 0), move=False)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        return self._cell()

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._arrange(rect, move=True)

    def _cell(self) -> QSize:
        size = QSize(0, 0)
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _arrange(self, rect: QRect, move: bool) -> int:
        if not self._items:
            return 0
        space, cell = self.spacing(), self._cell()
        columns = max(1, (rect.width() + space) // (cell.width() + space))
        width = (rect.width() - (columns - 1) * space) // columns
        top = rect.y()
        for first in range(0, len(self._items), columns):
            row = self._items[first : first + columns]
            height = max(
                # a hint is of another width: words would be given lines that they do not fill
                item.heightForWidth(width) if item.hasHeightForWidth() else item.sizeHint().height()
                for item in row
            )
            for column, item in enumerate(row):
                if move:
                    item.setGeometry(QRect(rect.x() + column * (width + space), top, width, height))
            top += height + space
        return top - space - rect.y()
