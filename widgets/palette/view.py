"""The palette as it is seen: a field, and below it what matches, over the window. For the keyboard first."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import (
    QEvent,
    QObject,
    QPoint,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from widgets.building import label
from widgets.palette.items import Item, Shelf
from widgets.palette.rows import FOUND, ResultList, Results, Row, row_height, spoken
from widgets.theme import SPACE, look

WIDTH, ROWS = 640, 9
SHADOW = 3 * SPACE  # px around the panel
RADIUS = 10
FOOT = 6  # px below the list, for the rounded corners


class Palette(QWidget):
    """A field and its results. `shelf()` gives what there is when it opens; `chosen(Item)` after it has closed."""

    chosen = Signal(object)

    def __init__(self, window: QWidget, shelf: Callable[[], Shelf]) -> None:
        super().__init__(window)
        self.setObjectName("palette")
        self.setAccessibleName("Command palette")
        self._shelf_of, self._shelf = shelf, Shelf(())
        self._before: QWidget | None = None  # what had the focus
        self.field = QLineEdit(placeholderText="Do, set, find …   learning rate 0.001")
        self.field.setObjectName("paletteField")
        self.field.setAccessibleName("Command palette: what to do, set or find")
        self.field.setFrame(False)
        self.field.textChanged.connect(self._seek)
        self.field.installEventFilter(self)
        self._results = Results(self)
        self.list = ResultList()
        self.list.setObjectName("paletteList")
        self.list.setAccessibleName("What matches")
        self.list.setModel(self._results)
        self.list.setItemDelegate(Row(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMouseTracking(True)
        self.list.clicked.connect(lambda _: self._choose())
        self.list.entered.connect(self.list.setCurrentIndex)
        self._none = label("", "muted", "paletteNone", wrap=True)
        self._none.setMargin(2 * SPACE)
        column = QVBoxLayout(self)
        column.setContentsMargins(SHADOW + 1, SHADOW + 1, SHADOW + 1, SHADOW + FOOT)
        column.setSpacing(0)
        column.addWidget(self.field)
        column.addWidget(self.list)
        column.addWidget(self._none)
        self.hide()
        look.changed.connect(self.list.viewport().update)

    def open(self, query: str = "") -> None:
        """Show it, with everything that there is to choose now."""
        if not self.isVisible():
            focus = QApplication.focusWidget()
            self._before = focus if focus is not None and self.window().isAncestorOf(focus) else None
        self._shelf = self._shelf_of()
        self.field.setText(query)
        self._seek(query)
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)
        self.field.selectAll()
        self.window().installEventFilter(self)
        QApplication.instance().installEventFilter(self)

    def shut(self) -> None:
        """Hide it; the focus goes back to where it was."""
        if not self.isVisible():
            return
        QApplication.instance().removeEventFilter(self)
        self.window().removeEventFilter(self)
        had_focus = self.isAncestorOf(QApplication.focusWidget()) if QApplication.focusWidget() else True
        before, self._before = self._before, None
        self.hide()
        if had_focus and before is not None and isValid(before) and before.isVisible():
            before.setFocus(Qt.FocusReason.PopupFocusReason)
        self._results.show(())
        self._shelf = Shelf(())  # which knows runs and actions that may go

    @property
    def current(self) -> Item | None:
        """The item of the row that is marked."""
        found = self.list.currentIndex().data(FOUND)
        return found.item if found is not None else None

    @property
    def found(self) -> list[Item]:
        """What is listed, in its order."""
        return [self._results.index(row).data(FOUND).item for row in range(self._results.rowCount())]

    def _seek(self, query: str) -> None:
        found = self._shelf.find(query)
        self._results.show(found)
        self.list.setVisible(bool(found))
        self._none.setVisible(not found)
        if not found:
            self._none.setText(f"Nothing here is called “{query.strip()}”.")
        first = next((row for row, one in enumerate(found) if not one.item.why_not), 0)
        self._mark(first if first < ROWS else 0)
        self._place()

    def _mark(self, row: int) -> None:
        index = self._results.index(max(0, min(row, self._results.rowCount() - 1)))
        self.list.setCurrentIndex(index)
        self.list.scrollTo(index)
        item = self.current
        self.field.setAccessibleDescription(spoken(item) if item is not None else "")

    def _choose(self) -> None:
        item = self.current
        if item is None:
            return
        if item.why_not:
            self.list.viewport().update()
            return
        self.shut()
        self.chosen.emit(item)

    def _place(self) -> None:
        """In the middle of the upper part of the window, no higher than what is found."""
        window = self.window()
        width = min(max(WIDTH, 48 * self.fontMetrics().averageCharWidth()), window.width() - 4 * SPACE)
        row = row_height(self.fontMetrics())
        room = max(2 * row, window.height() - 12 * SPACE - self.field.sizeHint().height())
        count = self._results.rowCount()
        self.list.setFixedHeight(min(min(count, ROWS) * row, room))
        self._none.setFixedWidth(width)
        height = self.field.sizeHint().height() + (self.list.height() if count else self._none.sizeHint().height())
        self.setFixedSize(width + 2 * SHADOW + 2, height + 2 * SHADOW + FOOT + 1)
        self.move(QPoint((window.width() - self.width()) // 2, 6 * SPACE - SHADOW))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if watched is self.field and kind is QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            return self._key(event)
        if watched is self.window() and kind is QEvent.Type.Resize:
            self._place()
        elif kind is QEvent.Type.MouseButtonPress and isinstance(watched, QWidget) and not self._within(watched):
            self.shut()  # and the press does what it does there
        elif kind is QEvent.Type.FocusIn and isinstance(watched, QWidget) and not self._within(watched):
            self._before = None
            self.shut()
        return False

    def _within(self, widget: QWidget) -> bool:
        return widget is self or self.isAncestorOf(widget) or not self.window().isAncestorOf(widget)

    def _key(self, event: QKeyEvent) -> bool:
        row, count = self.list.currentIndex().row(), self._results.rowCount()
        page = max(1, self.list.height() // row_height(self.fontMetrics()) - 1)
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        to = {
            Qt.Key.Key_Down: (row + 1) % max(1, count),
            Qt.Key.Key_Up: (row - 1) % max(1, count),
            Qt.Key.Key_Tab: (row + 1) % max(1, count),
            Qt.Key.Key_Backtab: (row - 1) % max(1, count),
            Qt.Key.Key_PageDown: row + page,
            Qt.Key.Key_PageUp: row - page,
        }
        if control:
            to |= {Qt.Key.Key_Home: 0, Qt.Key.Key_End: count - 1}
        if event.key() == Qt.Key.Key_Escape:
            self.shut()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose()
        elif event.key() in to:
            self._mark(to[Qt.Key(event.key())])
        else:
            return False
        return True

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self.rect().adjusted(SHADOW, SHADOW, -SHADOW, -SHADOW).contains(event.position().toPoint()):
            self.shut()  # on its shadow

    def paintEvent(self, event: QPaintEvent) -> None:
        panel = self.rect().adjusted(SHADOW, SHADOW, -SHADOW, -SHADOW)
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            for step in range(SHADOW, 0, -2):
                painter.setBrush(QColor(0, 0, 0, round(9 * (1 - step / SHADOW)) + 1))
                painter.drawRoundedRect(panel.adjusted(-step, -step // 2, step, step), RADIUS + step, RADIUS + step)
            painter.setPen(QColor(look.theme.border))
            painter.setBrush(QColor(look.theme.panel))
            painter.drawRoundedRect(panel, RADIUS, RADIUS)
            if self.list.isVisible() or self._none.isVisible():
                under = self.field.geometry().bottom()
                painter.drawLine(panel.left(), under, panel.right(), under)
