"""Reports one under the other, each with its title, its note and a way into a file; plots stand in pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from dgm_studio.files import file_name
from dgm_studio.reports import Note, Points, Report, Series, Table
from widgets.icons import dress
from widgets.report_views import content_view, is_plot, text_label
from widgets.saving import RUN_NAME, open_menu
from widgets.sideways import Sideways
from widgets.theme import SPACE

Others = Callable[[Points], Sequence[Series]]


class ReportColumn(QWidget):
    """`others` gives what is drawn beside points on their plane."""

    def __init__(self, run_name: str, others: Others) -> None:
        super().__init__()
        self.setProperty(RUN_NAME, run_name)
        self._others = others
        self._pair: QHBoxLayout | None = None  # a row that has place for one more plot
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, SPACE // 2, 0, 0)
        self._column.setSpacing(2 * SPACE)

    def add(self, report: Report) -> None:
        """Show one more report below the others."""
        section = self._section(report)
        if not is_plot(report):
            self._pair = None
            self._column.addWidget(section)
        elif self._pair is not None:
            self._pair.addWidget(section, 1, Qt.AlignmentFlag.AlignTop)
            self._pair = None
        else:
            self._pair = QHBoxLayout()
            self._pair.setSpacing(3 * SPACE)
            self._pair.addWidget(section, 1, Qt.AlignmentFlag.AlignTop)
            self._column.addLayout(self._pair)

    def add_small_print(self, text: str) -> None:
        """What made the reports."""
        self._column.addWidget(text_label(text, "small"))

    def _section(self, report: Report) -> QWidget:
        view = content_view(report, self._others(report) if isinstance(report, Points) else ())
        if isinstance(report, Note):
            return view
        view.setAccessibleName(report.title)
        section = QWidget()
        column = QVBoxLayout(section)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        head = QHBoxLayout()
        head.addWidget(text_label(report.title, "strong"), 1)
        head.addWidget(self._export_button(report, view))
        column.addLayout(head)
        column.addWidget(Sideways(view) if isinstance(report, Table) else view)
        if report.note:
            column.addWidget(text_label(report.note, "small"))
        return section

    def _export_button(self, report: Report, view: QWidget) -> QPushButton:
        button = QPushButton("Export")
        button.setProperty("quiet", True)
        dress(button, "save", "muted")
        button.setObjectName(f"export-{file_name(report.title)}")
        button.setToolTip(f"Write “{report.title}” to a file, or copy it")
        button.clicked.connect(lambda: open_menu(view, button.mapToGlobal(button.rect().bottomLeft())))
        return button
