"""What was set differently."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QFontMetrics, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from dgm_studio.comparison.settings import NONE, Row, as_table, compared
from dgm_studio.reports import Table
from dgm_studio.store import Run
from widgets.building import label
from widgets.compare.chosen import Chosen
from widgets.compare.part import Part
from widgets.saving import Offer, more_button, open_menu, table_offers
from widgets.theme import SPACE, look, tabular
from widgets.workspace import Workspace

NARROWEST, WIDEST = 96, 260  # px of a run's column
SIDE = 10  # px of the square of its colour


class SettingsTable(QTableWidget):
    """A row for each setting under the heading of its group, a column for each run; names stay in view."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("settingsTable")
        self.setAccessibleName("Settings of the compared runs")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ContiguousSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setCornerButtonEnabled(False)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setFont(tabular(self.font()))
        self.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._table = as_table([], [])
        self._marked: list[tuple[int, int]] = []
        look.changed.connect(self._colour)

    def show_rows(self, rows: list[Row], runs: list[Run], colours: list[str]) -> None:
        """Show these settings; where values differ they stand out, unless all shown do."""
        self._table = as_table(rows, [run.name for run in runs], "Settings of runs")
        groups = list(dict.fromkeys(row.group for row in rows))
        self.clear()
        self.setColumnCount(len(runs))
        self.setRowCount(len(rows) + len(groups))
        for place, (run, colour) in enumerate(zip(runs, colours, strict=True)):
            head = QTableWidgetItem(run.name)
            square = QPixmap(SIDE, SIDE)
            square.fill(QColor(colour))
            head.setIcon(square)
            head.setToolTip(run.name)
            self.setHorizontalHeaderItem(place, head)
        mixed = any(not row.differs for row in rows)
        self._marked = []
        line = 0
        for group in groups:
            self.setVerticalHeaderItem(line, QTableWidgetItem(group.upper()))
            self.setRowHeight(line, 4 * SPACE)
            line += 1
            for row in (one for one in rows if one.group == group):
                head = QTableWidgetItem(f"   {row.title}")
                head.setToolTip(row.help or row.title)
                self.setVerticalHeaderItem(line, head)
                self.setRowHeight(line, 3 * SPACE + SPACE // 2)
                for place, value in enumerate(row.values):
                    item = QTableWidgetItem(NONE if value is None else value)
                    item.setToolTip(f"{row.title}: {value}" if value is not None else "This run has no such setting.")
                    item.setData(Qt.ItemDataRole.UserRole, row.differs and mixed)
                    self.setItem(line, place, item)
                line += 1
        self._fit()
        self._colour()

    def offers(self) -> list[Offer]:
        return table_offers(self, self.table, "Settings of runs")

    def table(self) -> Table:
        """What is shown, as a report."""
        return self._table

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        open_menu(self, QPoint(event.globalPos()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """As wide as the values, but as many columns in sight as there are, as long as they are not too narrow."""
        columns = max(self.columnCount(), 1)
        share = max(self.viewport().width() // columns, NARROWEST)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for column in range(self.columnCount()):
            wanted = max(self.sizeHintForColumn(column), self.horizontalHeader().sectionSizeHint(column)) + 2 * SPACE
            width = min(max(wanted, NARROWEST), min(WIDEST, share))
            self.setColumnWidth(column, width)
            head = self.horizontalHeaderItem(column)
            if head is None:  # it is being filled
                continue
            room = width - SIDE - 3 * SPACE  # Qt would forget the square when it cuts off a name
            font = self.horizontalHeader().font()
            font.setBold(True)
            head.setText(QFontMetrics(font).elidedText(head.toolTip(), Qt.TextElideMode.ElideRight, room))

    def _colour(self) -> None:
        theme = look.theme
        for line in range(self.rowCount()):
            for column in range(self.columnCount()):
                item = self.item(line, column)
                if item is not None:
                    role = theme.muted if item.text() == NONE else theme.text
                    item.setForeground(QColor(theme.accent if item.data(Qt.ItemDataRole.UserRole) else role))


class SettingsPart(Part):
    """One table of the settings that differ, or of all."""

    key, title = "settings", "Settings"

    def __init__(self, chosen: Chosen, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(chosen, workspace, parent)
        self._all = QCheckBox("all settings", toolTip="Also the settings in which these runs agree")
        self._all.setObjectName("allSettings")
        self._all.toggled.connect(self.refresh)
        self.table = SettingsTable()
        self._said = label("", "muted", "settingsSaid", wrap=True)
        head = QHBoxLayout()
        head.addWidget(self._said, 1)
        head.addWidget(self._all)
        head.addWidget(more_button(self.table, "this table"))
        keeps_place = self.table.sizePolicy()
        keeps_place.setRetainSizeWhenHidden(True)  # what is said of no table stands at the top too
        self.table.setSizePolicy(keeps_place)
        self.column.addLayout(head)
        self.column.addWidget(self.table, 1)

    def refresh(self) -> None:
        runs = self.chosen.runs
        rows = compared([run.config for run in runs])
        differing = [row for row in rows if row.differs]
        shown = rows if self._all.isChecked() else differing
        self.table.show_rows(shown, runs, [self.chosen.colour(run) for run in runs])
        self.table.setVisible(bool(shown))
        unknown = [run.name for run in runs if run.config is None]
        said = f"{len(differing)} of {len(rows)} settings differ."
        if not differing:
            said = "These runs have the same settings." if len(runs) > 1 else "Add a second run to see what differs."
        if unknown:
            said += f" This studio cannot read the settings of {', '.join(unknown)}."
        self._said.setText(said)
