"""The results of the palette: one row for each, with the letters that matched."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from widgets.icons import drawn
from widgets.palette.items import Found, Item
from widgets.theme import SPACE, look

FOUND = Qt.ItemDataRole.UserRole
Index = QModelIndex | QPersistentModelIndex


class Results(QAbstractListModel):
    """What was found, in its order."""

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


class Row(QStyledItemDelegate):
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


class ResultList(QListView):
    """Fills its ground itself, so that what lies under the palette is not painted again with each letter."""

    def __init__(self) -> None:
        super().__init__()
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self.viewport()) as painter:
            painter.fillRect(event.rect(), QColor(look.theme.panel))
        super().paintEvent(event)


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
