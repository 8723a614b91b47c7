"""The runs of the project: what they look like, how they are, and what can be done with them."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPlainTextEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.store import Run
from widgets.actions import Actions
from widgets.building import Card, section
from widgets.status import thousands
from widgets.theme import SPACE, look
from widgets.trainer import Phase
from widgets.workspace import Workspace

ID, PICTURE, STATUS, ROLE = (Qt.ItemDataRole.UserRole + n for n in range(1, 5))
SIDE = 36  # px
Index = QModelIndex | QPersistentModelIndex


class _RunDelegate(QStyledItemDelegate):
    # A run in the list: its picture, its name, how it is.

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, SIDE + SPACE)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
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
        picture_area = QRect(area.x() + 4, area.y() + (area.height() - SIDE) // 2, SIDE, SIDE)
        picture = index.data(PICTURE)
        if picture is None:
            painter.setPen(QColor(theme.border))
            painter.setBrush(QColor(theme.raised))
            painter.drawRoundedRect(picture_area, 4, 4)
        else:
            painter.drawImage(picture_area, picture)
        left = picture_area.right() + SPACE + 2
        width = area.right() - left - 4
        half = area.height() // 2
        painter.setPen(QColor(theme.text))
        painter.setFont(option.font)
        name = painter.fontMetrics().elidedText(index.data(), Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRect(left, area.y() + 3, width, half - 2), Qt.AlignmentFlag.AlignVCenter, name)
        small = QFont(option.font)
        small.setPixelSize(max(10, option.fontMetrics.height() - 5))
        painter.setFont(small)
        painter.setPen(QColor(getattr(theme, index.data(ROLE))))
        status = painter.fontMetrics().elidedText(index.data(STATUS), Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRect(left, area.y() + half, width, half - 3), Qt.AlignmentFlag.AlignVCenter, status)
        painter.restore()


class RunsPanel(QWidget):
    """Signal: `delete_wanted()`, because a deletion is confirmed first."""

    delete_wanted = Signal()

    def __init__(self, workspace: Workspace, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("runsPanel")
        self._workspace, self._actions = workspace, actions
        self._list = QListWidget()
        self._list.setObjectName("runs")
        self._list.setAccessibleName("Runs of the project")
        self._list.setItemDelegate(_RunDelegate(self._list))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._list.customContextMenuRequested.connect(self._menu)
        self._list.currentItemChanged.connect(self._chosen)
        self._list.itemChanged.connect(self._edited)
        self._notes = QPlainTextEdit(placeholderText="What did you see in this run?")
        self._notes.setObjectName("notes")
        self._notes.setAccessibleName("Notes of the selected run")
        self._notes.setTabChangesFocus(True)
        self._notes.setMaximumHeight(14 * SPACE)
        self._notes.textChanged.connect(self._noted)
        card = Card()
        card.column.addWidget(self._list, 1)
        card.column.addWidget(section("Notes"))
        card.column.addWidget(self._notes)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(card)
        workspace.runs_changed.connect(self._refresh)
        workspace.selected.connect(self._selected)
        workspace.progressed.connect(self._progressed)
        look.changed.connect(self._list.viewport().update)
        actions["rename"].triggered.connect(self._rename)
        actions["nextRun"].triggered.connect(lambda: self._move(1))
        actions["previousRun"].triggered.connect(lambda: self._move(-1))
        self._refresh()

    def _refresh(self) -> None:
        """Make the list that of the project, without rebuilding what is there."""
        project = self._workspace.project
        runs = list(project.runs.values()) if project is not None else []
        self._list.blockSignals(True)
        ids = [run.id for run in runs]
        for row in reversed(range(self._list.count())):
            if self._list.item(row).data(ID) not in ids:
                self._list.takeItem(row)
        known = {self._list.item(row).data(ID) for row in range(self._list.count())}
        for row, run in enumerate(runs):
            if run.id not in known:
                item = QListWidgetItem()
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                item.setData(ID, run.id)
                self._list.insertItem(row, item)
            self._fill(self._list.item(row), run)
        self._list.blockSignals(False)
        self._selected(self._workspace.run)

    def _fill(self, item: QListWidgetItem, run: Run) -> None:
        view = self._workspace.viewing.runs.get(run.id)
        text, role = self._status(run)
        for kind, value in (
            (Qt.ItemDataRole.DisplayRole, run.name),
            (PICTURE, view.thumbnail if view is not None else None),
            (STATUS, text),
            (ROLE, role),
            (Qt.ItemDataRole.AccessibleTextRole, f"{run.name}, {text}"),
            (Qt.ItemDataRole.ToolTipRole, run.message or run.history_only or f"{run.name}: {text}"),
        ):
            if item.data(kind) != value:
                item.setData(kind, value)

    def _status(self, run: Run) -> tuple[str, str]:
        """How a run is, in words and in the role of a colour."""
        workspace = self._workspace
        view = workspace.viewing.runs.get(run.id)
        if workspace.is_training(run):
            step = view.progress.step if view is not None and view.progress is not None else 0
            words = {
                Phase.LOADING: "reading data …",
                Phase.ENDING: "saving …",
                Phase.PAUSED: f"paused · step {thousands(step)}",
            }
            return words.get(workspace.trainer.phase, f"training · step {thousands(step)}"), "accent"
        if workspace.trainer.waits(run.id):
            return "waits for its turn", "muted"
        steps = run.checkpoint_steps()
        at = f" · step {thousands(steps[-1])}" if steps else ""
        if run.status == "failed":
            return f"failed{at}", "bad"
        if run.status == "interrupted":
            return f"interrupted{at}", "warn"
        return f"{'not trained' if run.status == 'new' else run.status}{at}", "muted"

    def _progressed(self, run_id: str, _: object) -> None:
        project = self._workspace.project
        run = project.runs.get(run_id) if project is not None else None
        for row in range(self._list.count()):
            if run is not None and self._list.item(row).data(ID) == run_id:
                self._list.blockSignals(True)
                self._fill(self._list.item(row), run)
                self._list.blockSignals(False)
                self._list.viewport().update()

    def _selected(self, _: object) -> None:
        current = self._workspace.run
        self._list.blockSignals(True)
        rows = [
            r for r in range(self._list.count()) if current is not None and self._list.item(r).data(ID) == current.id
        ]
        self._list.setCurrentRow(rows[0] if rows else -1)
        self._list.blockSignals(False)
        notes = current.notes if current is not None else ""
        self._notes.setEnabled(current is not None)
        if self._notes.toPlainText() != notes:
            self._notes.blockSignals(True)
            self._notes.setPlainText(notes)
            self._notes.blockSignals(False)
        self._list.viewport().update()

    def _chosen(self, item: QListWidgetItem | None) -> None:
        project = self._workspace.project
        if item is not None and project is not None:
            run = project.runs.get(item.data(ID))  # a discarded one may just have gone
            if run is not None:
                self._workspace.select(run)

    def _move(self, by: int) -> None:
        row = self._list.currentRow() + by
        if 0 <= row < self._list.count():
            self._list.setCurrentRow(row)

    def _rename(self) -> None:
        item = self._list.currentItem()
        if item is not None:
            self._list.setFocus()
            self._list.editItem(item)

    def _edited(self, item: QListWidgetItem) -> None:
        project = self._workspace.project
        assert project is not None
        run, name = project.runs[item.data(ID)], item.text().strip()
        if name and name != run.name:
            self._workspace.rename(run, name)
        else:
            self._refresh()

    def _noted(self) -> None:
        if self._workspace.run is not None:
            self._workspace.annotate(self._workspace.run, self._notes.toPlainText())

    def _menu(self, place: object) -> None:
        if self._list.currentItem() is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for key in ("continue", "duplicate", "rename", "delete"):
            menu.addAction(self._actions[key])
        run = self._workspace.run
        if run is not None and self._workspace.trainer.waits(run.id):
            menu.addAction("Take out of the queue", lambda: self._workspace.trainer.remove(run.id))
        menu.addAction("Write a note", self._notes.setFocus)
        menu.popup(self._list.viewport().mapToGlobal(place))
