"""Reports as widgets: one view for each type of report, in the window's look."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from dgm_studio.number_texts import typeset
from dgm_studio.reports import (
    Bars,
    Cell,
    Column,
    Curves,
    HeatMap,
    Note,
    Pictures,
    Points,
    Report,
    Series,
    StackedBars,
    Table,
)
from dgm_studio.table_texts import cell_text
from widgets.building import folded
from widgets.report_pictures import PictureGroups
from widgets.report_plots import BarsPlot, CurvesPlot, HeatMapPlot, PointsPlot, ReportPlot, StackedBarsPlot
from widgets.saving import Offer, copy_text, open_menu, table_offers
from widgets.theme import SPACE, look, mixed, px, tabular

NARROWEST = 84  # px that the head of a column may always take, and where there are MANY columns
NARROWER = 60
MANY = 8
FIRST = 180  # px in which the words of the first column may be broken into lines
KIND_ROLES = {
    "exact": "good",
    "lower bound": "accent",
    "upper bound": "warn",
    "estimate": "muted",
    "yes": "good",  # an estimate has converged
    "no": "warn",
}


def text_label(text: str, role: str = "", selectable: bool = True) -> QLabel:
    """A label that wraps, its numbers typeset, styled by `role` (resources/style.qss)."""
    label = QLabel(typeset(text))
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        label.setProperty("role", role)
    if selectable:
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


class Tag(QLabel):
    """A word on a tinted ground."""

    def __init__(self, text: str, role: str) -> None:
        super().__init__(text)
        self._role = role
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
        look.changed.connect(self._restyle)
        self._restyle()

    def _restyle(self) -> None:
        theme = look.theme
        ground = mixed(getattr(theme, self._role), theme.panel, 0.18).name()
        text = mixed(getattr(theme, self._role), theme.text, 0.75).name()
        self.setStyleSheet(f"background: {ground}; color: {text}; border-radius: 4px; padding: 1px 7px;")


class TableView(QWidget):
    """A table of a few rows, its numbers in tabular figures; details stand under their row in small print. Titles of
    columns and what is in the first take as many lines as keep the columns narrow. Where it is too narrow even so, the
    first column stands above the others."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.setObjectName("report-table")
        self.setAccessibleName(table.title)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._table = table
        columns = [column for column in table.columns if column.format != "detail"]
        lines = [[self._head(column) for column in columns]]
        for row in table.rows:
            cells = zip(table.columns, row, strict=True)
            lines.append([self._cell(column, cell) for column, cell in cells if column.format != "detail"])
        least = px(NARROWEST if len(columns) < MANY else NARROWER)
        for head, *same in zip(*lines, strict=True):
            _fold(head, max([least, *map(_width, same)]))
        # Not a grid: one that has cells over several columns misjudges how tall wrapped text is.
        widths = [max(_width(cell) for cell in same) for same in zip(*lines, strict=True)]
        if len(widths) > 1 and columns[0].format == "text":
            widths[0] = min(widths[0], px(FIRST))
            for line in lines[1:]:
                line[0].setWordWrap(True)
        for same, width in zip(zip(*lines, strict=True), widths, strict=True):
            for cell in same:
                cell.setMinimumWidth(width)
        self._wide = sum(widths) + 2 * SPACE * (len(widths) - 1)
        self.setMinimumWidth(self._wide - widths[0] - 2 * SPACE if len(widths) > 1 else self._wide)
        self._beside = [line[0] for line in lines]
        self._above = [_above(line[0]) for line in lines[1:]]
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(SPACE // 2)
        self._rows.addLayout(_line(lines[0], columns, Qt.AlignmentFlag.AlignBottom))
        for cells, row, above in zip(lines[1:], table.rows, self._above, strict=True):
            self._rows.addWidget(_Rule())
            self._rows.addWidget(above)
            self._rows.addLayout(_line(cells, columns))
            for column, cell in zip(table.columns, row, strict=True):
                if column.format == "detail" and cell:
                    self._rows.addWidget(text_label(cell_text(column, cell), "small"))

        for part in self.findChildren(QLabel):  # whose own menu would only copy what is selected in it
            part.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)

    def offers(self) -> list[Offer]:
        """Copy what is selected, and the table as a file or on the clipboard."""
        selected = [part.selectedText() for part in self.findChildren(QLabel) if part.hasSelectedText()]
        copy = [Offer("copySelection", "Copy", lambda: copy_text(selected[-1]))] if selected else []
        return [*copy, *table_offers(self, lambda: self._table, self._table.title)]

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        open_menu(self, event.globalPos())

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.hasFocus():
            with QPainter(self) as painter:
                painter.setPen(QColor(look.theme.accent))
                painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 4, 4)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        wide = event.size().width() >= self._wide
        for cell in self._beside:
            cell.setVisible(wide)
        for cell in self._above:
            cell.setVisible(not wide)

    def _head(self, column: Column) -> QLabel:
        label = text_label(f"{column.title}\n{column.unit}".strip(), "small", selectable=False)
        label.setWordWrap(False)
        label.setAlignment(_side(column) | Qt.AlignmentFlag.AlignBottom)
        return label

    def _cell(self, column: Column, cell: Cell) -> QLabel:
        text = cell_text(column, cell)
        if column.format == "kind":
            return Tag(text, KIND_ROLES.get(text, "muted"))
        label = text_label(text)
        label.setWordWrap(False)
        if column.format == "text":
            return label
        label.setFont(tabular(label.font()))
        label.setAlignment(_side(column) | Qt.AlignmentFlag.AlignVCenter)
        if column.format == "interval":
            label.setProperty("role", "muted")
        return label


def _line(
    cells: Sequence[QLabel], columns: Sequence[Column], upright: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignVCenter
) -> QHBoxLayout:
    line = QHBoxLayout()
    line.setSpacing(2 * SPACE)
    named = columns[0].format == "text"  # names take the room; all share it where the first are numbers, or stand above
    for i, (cell, column) in enumerate(zip(cells, columns, strict=True)):
        if i:
            line.addStretch(0)
        if isinstance(cell, Tag):  # as wide as its word, in a column as wide as the widest
            place = QWidget()
            place.setFixedWidth(cell.minimumWidth())
            cell.setMinimumWidth(0)
            inner = QHBoxLayout(place)
            inner.setContentsMargins(0, 0, 0, 0)
            inner.addWidget(cell)
            inner.addStretch()
            line.addWidget(place)
        else:
            spread = named and i == 0
            line.addWidget(cell, int(spread), upright if spread else _side(column) | upright)
    return line


def _above(cell: QLabel) -> QLabel:
    """The same text, for a line of its own."""
    label = text_label(cell.text())
    label.hide()
    return label


def _fold(head: QLabel, width: int) -> None:
    """Break the lines of a column's head so that it is about as wide as what is below it."""
    head.ensurePolished()
    head.setText(folded(head.text(), head.fontMetrics(), width))


def _width(label: QLabel) -> int:
    label.ensurePolished()
    return label.sizeHint().width()


def _side(column: Column) -> Qt.AlignmentFlag:
    right = column.format in ("number", "interval")
    return Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft


class _Rule(QWidget):
    """A line between rows."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(1)
        look.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(look.theme.border))


class NoteView(QWidget):
    """A sentence with a dot in the colour of its tone."""

    def __init__(self, note: Note) -> None:
        super().__init__()
        self.setObjectName("report-note")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE)
        self._tone, self._dot = note.tone, QLabel("●")
        row.addWidget(self._dot, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout()
        column.setSpacing(2)
        if note.title:
            column.addWidget(text_label(note.title, "strong"))
        column.addWidget(text_label(note.text, "muted"))
        row.addLayout(column, 1)
        look.changed.connect(self._restyle)
        self._restyle()

    def _restyle(self) -> None:
        role = "muted" if self._tone == "plain" else self._tone
        self._dot.setStyleSheet(f"color: {getattr(look.theme, role)};")


def content_view(report: Report, others: Sequence[Series] = ()) -> QWidget:
    """What a report shows, without its title and note. `others` are drawn muted on a plane of points."""
    match report:
        case Table():
            return TableView(report)
        case Pictures():
            return PictureGroups(report)
        case Points():
            return PointsPlot(report, others)
        case Bars():
            return BarsPlot(report)
        case StackedBars():
            return StackedBarsPlot(report)
        case Curves():
            return CurvesPlot(report)
        case HeatMap():
            return HeatMapPlot(report)
        case Note():
            return NoteView(report)


def is_plot(report: Report) -> bool:
    """Whether two of this kind may stand side by side."""
    return isinstance(report, Points | Bars | StackedBars | Curves | HeatMap)


__all__ = ["NoteView", "ReportPlot", "TableView", "Tag", "content_view", "is_plot", "text_label"]
