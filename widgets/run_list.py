"""The list of runs: their pictures, names, how they are, and their tags."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QItemSelectionModel, QMimeData, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from dgm_studio.store import Run
from models import catalog
from widgets.theme import SPACE, look

ID, PICTURE, STATUS, ROLE, TAGS, SOUGHT = (Qt.ItemDataRole.UserRole + n for n in range(1, 7))
SIDE = 36  # px
CHIP = 2 * SPACE  # px, the height of a tag
RUNS = "application/x-dgm-studio-runs"  # what is dragged: ids, one a line
Index = QModelIndex | QPersistentModelIndex


class _RunDelegate(QStyledItemDelegate):
    # A run in the list: its picture, its name, how it is, its tags.

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, SIDE + SPACE + (CHIP + SPACE // 2 if index.data(TAGS) else 0))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        theme = look.theme
        area = option.rect.adjusted(0, 1, 0, -1)
        state = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if state & QStyle.StateFlag.State_Selected or state & QStyle.StateFlag.State_MouseOver:
            tint = QColor(theme.accent)
            tint.setAlphaF(0.22 if state & QStyle.StateFlag.State_Selected else 0.08)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(tint)
            painter.drawRoundedRect(area, 6, 6)
        upper = QRect(area.x(), area.y(), area.width(), SIDE + SPACE - 2)
        picture_area = QRect(area.x() + 4, area.y() + (upper.height() - SIDE) // 2, SIDE, SIDE)
        picture = index.data(PICTURE)
        if picture is None:
            painter.setPen(QColor(theme.border))
            painter.setBrush(QColor(theme.raised))
            painter.drawRoundedRect(picture_area, 4, 4)
        else:
            painter.drawImage(picture_area, picture)
        left = picture_area.right() + SPACE + 2
        width = area.right() - left - 4
        half = upper.height() // 2
        painter.setPen(QColor(theme.text))
        painter.setFont(option.font)
        name = short(index.data(), painter.fontMetrics(), width)
        painter.drawText(QRect(left, area.y() + 3, width, half - 2), Qt.AlignmentFlag.AlignVCenter, name)
        small = QFont(option.font)
        small.setPixelSize(max(10, option.fontMetrics.height() - 5))
        painter.setFont(small)
        painter.setPen(QColor(getattr(theme, index.data(ROLE))))
        status = painter.fontMetrics().elidedText(index.data(STATUS), Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRect(left, area.y() + half, width, half - 3), Qt.AlignmentFlag.AlignVCenter, status)
        tags = index.data(TAGS)
        if tags:
            below = QRect(picture_area.x(), upper.bottom() + 1, area.right() - picture_area.x() - 4, CHIP)
            _paint_tags(painter, below, tags)
        painter.restore()


def short(name: str, metrics: QFontMetrics, width: int) -> str:
    """A name in so many pixels. Of three and more parts with dots between them, the first are left out first: runs that
    belong together have them in common."""
    parts = name.split(" · ")
    while len(parts) > 2 and metrics.horizontalAdvance(name) > width:
        parts = parts[1:]
        name = f"…{' · '.join(parts)}"
    return metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, width)


def _paint_tags(painter: QPainter, area: QRect, tags: list[str]) -> None:
    """As many chips as fit, and how many more there are."""
    theme, metrics = look.theme, painter.fontMetrics()
    for chip, text in _placed(area, tags, metrics):
        painter.setPen(QColor(theme.border))
        painter.setBrush(QColor(theme.raised))
        painter.drawRoundedRect(chip, CHIP / 2, CHIP / 2)
        painter.setPen(QColor(theme.text))
        painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, text)


def _placed(area: QRect, tags: list[str], metrics: QFontMetrics) -> list[tuple[QRect, str]]:
    chips: list[tuple[QRect, str]] = []
    x = area.x()
    for place, tag in enumerate(tags):
        left = len(tags) - place - 1
        more = metrics.horizontalAdvance(f"+{left}") + 3 * SPACE // 2 if left else 0
        room = area.right() - x - more
        width = metrics.horizontalAdvance(tag) + 2 * SPACE
        if width > room and chips:
            rest = f"+{left + 1}"
            chips.append((QRect(x, area.y(), metrics.horizontalAdvance(rest) + SPACE, CHIP), rest))
            break
        width = min(width, room)
        text = metrics.elidedText(tag, Qt.TextElideMode.ElideRight, width - 2 * SPACE + 2)
        chips.append((QRect(x, area.y(), width, CHIP), text))
        x += width + SPACE // 2
    return chips


def ids_of(data: QMimeData) -> list[str]:
    """The runs that are dragged."""
    return bytes(data.data(RUNS).data()).decode().split("\n")


class RunList(QListWidget):
    """Rows by run; those that do not match what is sought are hidden. One is current; several can be chosen and dragged
    to where runs are compared."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("runs")
        self.setAccessibleName("Runs of the project")
        self.setItemDelegate(_RunDelegate(self))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self._words: list[str] = []
        look.changed.connect(self.viewport().update)

    def rows(self) -> list[QListWidgetItem]:
        return [self.item(row) for row in range(self.count())]

    def of(self, run_id: str) -> QListWidgetItem | None:
        """The row of a run."""
        return next((item for item in self.rows() if item.data(ID) == run_id), None)

    @property
    def chosen(self) -> list[str]:
        """The runs that are selected, in the order of the list."""
        return [item.data(ID) for item in self.rows() if item.isSelected() and not item.isHidden()]

    def mimeTypes(self) -> list[str]:
        return [RUNS]

    def mimeData(self, items: Sequence[QListWidgetItem]) -> QMimeData:
        data = QMimeData()
        data.setData(RUNS, "\n".join(item.data(ID) for item in items).encode())
        return data

    def show_runs(self, run_ids: list[str]) -> None:
        """Have a row for each of these and no other, without rebuilding what is there. New ones are to be filled."""
        gone = [row for row in reversed(range(self.count())) if self.item(row).data(ID) not in run_ids]
        if any(self.item(row).isSelected() for row in gone):
            self.selectionModel().clear()  # or Qt would add the row beside it to what is selected
        for row in gone:
            self.takeItem(row)
        known = {item.data(ID) for item in self.rows()}
        for row, run_id in enumerate(run_ids):
            if run_id not in known:
                item = QListWidgetItem()
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                item.setData(ID, run_id)
                self.insertItem(row, item)

    def fill(self, item: QListWidgetItem, run: Run, picture: QImage | None, status: str, role: str, about: str) -> None:
        """Show in a row how the run is now, unless its name is being edited. `about`: more words, for the tool tip."""
        if self.state() is QAbstractItemView.State.EditingState and item is self.currentItem():
            return  # Qt would write over the name that is being typed
        tags = run.tags
        taller = bool(item.data(TAGS)) != bool(tags)
        for kind, value in (
            (Qt.ItemDataRole.DisplayRole, run.name),
            (PICTURE, picture),
            (STATUS, status),
            (ROLE, role),
            (TAGS, tags),
            (SOUGHT, _sought(run)),
            (Qt.ItemDataRole.AccessibleTextRole, ", ".join([run.name, status, *tags])),
            (Qt.ItemDataRole.ToolTipRole, about),
        ):
            if item.data(kind) != value:
                item.setData(kind, value)
        item.setHidden(not self._matches(item))
        if taller:
            self.scheduleDelayedItemsLayout()

    def seek(self, text: str) -> None:
        """Show the runs of which each word of `text` names the name, a tag or the family, in any part of it."""
        self._words = text.casefold().split()
        for item in self.rows():
            item.setHidden(not self._matches(item))

    def shown(self) -> int:
        """How many runs match."""
        return sum(not item.isHidden() for item in self.rows())

    def show_current(self, item: QListWidgetItem | None) -> None:
        """Make this row the current one, and the only one that is selected, unless it is current already: then others
        that are selected with it stay so."""
        if item is None or item is not self.currentItem() or not self.selectedItems():
            index = self.indexFromItem(item) if item is not None else QModelIndex()
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def move(self, by: int) -> None:
        """Select the next (1) or previous (-1) run that is shown."""
        rows = [row for row in range(self.count()) if not self.item(row).isHidden()]
        beyond = [row for row in rows if (row - self.currentRow()) * by > 0]
        if beyond:
            self.show_current(self.item(beyond[0] if by > 0 else beyond[-1]))

    def _matches(self, item: QListWidgetItem) -> bool:
        return all(word in item.data(SOUGHT) for word in self._words)


def _sought(run: Run) -> str:
    family = str(run.raw_config.get("family", ""))
    title = catalog.family(family).title if run.config is not None else ""
    return "\n".join([run.name, *run.tags, family, title]).casefold()
