"""The palette as it is seen: a field, and below it what matches, over the window. For the keyboard first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from widgets.building import label
from widgets.icons import drawn
from widgets.palette.items import Found, Item, Shelf
from widgets.theme import SPACE, look

WIDTH, ROWS = 640, 9
SHADOW = 3 * SPACE  # px around the panel
RADIUS = 10
FOOT = 6  # px below the list, for the rounded corners
FOUND = Qt.ItemDataRole.UserRole
Index = QModelIndex | QPersistentModelIndex


class _Results(QAbstractListModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._found: Sequence[Found] = ()

    def show(self, found: Sequence[Found]) -> None:
        self.beginResetModel()
        self._found = found
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._found)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        found = self._found[index.row()]
        if role == FOUND:
            return found
        if role == Qt.ItemDataRole.DisplayRole:
            return found.item.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return spoken(found.item)
        return found.item.why_not or found.item.about if role == Qt.ItemDataRole.ToolTipRole else None


class _Row(QStyledItemDelegate):
    """Title with the letters that matched, below it the kind and more words, on the right the shortcut. Mirrored where
    the window reads from right to left."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, row_height(QFontMetrics(option.font)))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        found: Found = index.data(FOUND)
        item, theme = found.item, look.theme
        area = option.rect.adjusted(SPACE // 2, 1, -SPACE // 2, -1)
        mirrored = option.direction == Qt.LayoutDirection.RightToLeft
        text, muted = QColor(theme.text), QColor(theme.muted)
        if item.why_not:
            text = QColor(theme.muted)
        painter.save()
        painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            tint = QColor(theme.accent)
            tint.setAlphaF(0.22)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(tint)
            painter.drawRoundedRect(area, 6, 6)
        inner = area.adjusted(SPACE, 0, -SPACE, 0)

        def placed(left: int, width: int, top: int, height: int) -> QRect:
            x = inner.right() + 1 - left - width if mirrored else inner.x() + left
            return QRect(x, top, width, height)

        side = max(16, QFontMetrics(option.font).height())
        if item.icon:
            dense = painter.device().devicePixelRatio()
            picture = drawn(item.icon, theme.muted, round(side * dense))
            painter.drawPixmap(placed(0, side, area.center().y() - side // 2 + 1, side), picture)
        left = side + SPACE * 3 // 2
        room = inner.width() - left
        room -= self._shortcut(painter, option.font, item, placed, (inner.width(), area, mirrored))
        metrics = QFontMetrics(option.font)
        small = smaller(option.font)
        lines = metrics.height() + QFontMetrics(small).height()
        top = area.y() + (area.height() - lines) // 2
        self._title(painter, option.font, found, text, placed, (left, room, top))
        painter.setFont(small)
        painter.setPen(muted)
        more = item.why_not or item.about
        words = f"{item.kind}  ·  {more}" if more else item.kind
        words = QFontMetrics(small).elidedText(words, Qt.TextElideMode.ElideRight, room)
        below = placed(left, room, top + metrics.height(), QFontMetrics(small).height())
        painter.drawText(below, _side(mirrored), words)
        painter.restore()

    @staticmethod
    def _title(
        painter: QPainter,
        font: QFont,
        found: Found,
        colour: QColor,
        placed: Callable[[int, int, int, int], QRect],
        where: tuple[int, int, int],
    ) -> None:
        """The title in runs of letters that matched and that did not, from left to right in any window."""
        left, room, top = where
        bold = QFont(font)
        bold.setBold(True)
        fonts = (QFontMetrics(font), QFontMetrics(bold))
        pieces = runs(fonts[1].elidedText(found.item.title, Qt.TextElideMode.ElideRight, room), found.letters)
        widths = [fonts[hit].horizontalAdvance(part) for part, hit in pieces]
        line = placed(left, sum(widths), top, fonts[1].height())
        for (part, hit), width in zip(pieces, widths, strict=True):
            painter.setFont(bold if hit else font)
            painter.setPen(QColor(look.theme.accent) if hit else colour)
            painter.drawText(QRect(line.x(), top, width + 1, line.height()), Qt.AlignmentFlag.AlignCenter, part)
            line.setLeft(line.x() + width)

    @staticmethod
    def _shortcut(
        painter: QPainter,
        font: QFont,
        item: Item,
        placed: Callable[[int, int, int, int], QRect],
        where: tuple[int, QRect, bool],
    ) -> int:
        """Draw the shortcut as keys at the end of the row; returns the room that it takes."""
        end, area, mirrored = where
        if not item.shortcut:
            return 0
        small = smaller(font)
        painter.setFont(small)
        metrics, height, used = QFontMetrics(small), QFontMetrics(small).height() + SPACE // 2, 0
        parts = keys(item.shortcut)
        for key in parts if mirrored else reversed(parts):
            width = max(height, metrics.horizontalAdvance(key) + SPACE)
            box = placed(end - used - width, width, area.center().y() - height // 2 + 1, height)
            painter.setPen(QColor(look.theme.border))
            painter.setBrush(QColor(look.theme.raised))
            painter.drawRoundedRect(box, 4, 4)
            painter.setPen(QColor(look.theme.muted))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, key)
            used += width + SPACE // 2
        return used + SPACE


class _List(QListView):
    """Fills its ground itself, so that what lies under the palette is not painted again with each letter."""

    def __init__(self) -> None:
        super().__init__()
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self.viewport()) as painter:
            painter.fillRect(event.rect(), QColor(look.theme.panel))
        super().paintEvent(event)


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
        self._results = _Results(self)
        self.list = _List()
        self.list.setObjectName("paletteList")
        self.list.setAccessibleName("What matches")
        self.list.setModel(self._results)
        self.list.setItemDelegate(_Row(self.list))
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


def runs(text: str, letters: frozenset[int]) -> list[tuple[str, bool]]:
    """The text in pieces of letters that matched, and that did not."""
    pieces: list[tuple[str, bool]] = []
    for place, letter in enumerate(text):
        hit = place in letters
        if pieces and pieces[-1][1] == hit:
            pieces[-1] = (pieces[-1][0] + letter, hit)
        else:
            pieces.append((letter, hit))
    return pieces


def keys(shortcut: str) -> list[str]:
    """The keys of a shortcut, one by one; the plus key is one too."""
    parts = shortcut.replace("++", "+\0").split("+")
    return [part.replace("\0", "+") for part in parts if part]


def spoken(item: Item) -> str:
    """What a screen reader says of an item."""
    said = (item.title, item.kind, item.about, item.shortcut, f"not now: {item.why_not}" if item.why_not else "")
    return ", ".join(part for part in said if part)


def smaller(font: QFont) -> QFont:
    """The font of small print."""
    result = QFont(font)
    result.setPixelSize(max(10, QFontMetrics(font).height() - 5))
    return result


def row_height(metrics: QFontMetrics) -> int:
    """Two lines and some air."""
    return 2 * metrics.height() + SPACE


def _side(mirrored: bool) -> Qt.AlignmentFlag:
    # drawn where it is placed, whatever the painter's own direction
    side = Qt.AlignmentFlag.AlignRight if mirrored else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignAbsolute | Qt.AlignmentFlag.AlignVCenter
