"""The dialog that tells of a crash. The window below goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.number_texts import thousands
from widgets.building import label
from widgets.crash import CrashReport
from widgets.icons import dress
from widgets.theme import SPACE

MOST = 20  # reports that one dialog holds


class CrashDialog(QDialog):
    """What happened, what was kept, what to do; the details on demand, to copy and to save. What goes wrong while it is
    open is added to it."""

    def __init__(self, report: CrashReport, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("crash")
        self.setWindowTitle("Crash report")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(False)
        self._reports = [report]
        self._count = 1
        picture = QToolButton(focusPolicy=Qt.FocusPolicy.NoFocus)
        picture.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        picture.setIconSize(QSize(28, 28))
        dress(picture, "warn", "bad")
        self._more = label("", "muted", "crashMore", wrap=True)
        self._more.hide()
        texts = QVBoxLayout()
        texts.setSpacing(SPACE)
        for text, role, name in (
            (report.title, "heading", "crashTitle"),
            (report.text, "", "crashText"),
            (report.kept, "", "crashKept"),
            (report.advice, "muted", "crashAdvice"),
        ):
            line = label(text, role, name, wrap=True)
            line.setTextFormat(Qt.TextFormat.PlainText)
            line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            line.setVisible(bool(text))
            texts.addWidget(line)
        texts.addWidget(self._more)
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(texts, 1)
        self._details = QPlainTextEdit(self.report(), readOnly=True, visible=False)
        self._details.setObjectName("crashDetails")
        self._details.setAccessibleName("Details of the crash")
        self._details.setProperty("mono", True)
        self._details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        column.setSpacing(2 * SPACE)
        column.addLayout(head)
        column.addWidget(self._details, 1)
        column.addLayout(self._buttons())
        self.setMinimumWidth(62 * SPACE)

    def report(self) -> str:
        """All that is known, to hand on."""
        return f"\n\n{'─' * 40}\n\n".join(report.whole() for report in self._reports)

    def add(self, report: CrashReport) -> None:
        """Something else went wrong, or the same again."""
        self._count += 1
        known = {one.text for one in self._reports}
        if report.text not in known and len(self._reports) < MOST:
            self._reports.append(report)
            self._details.setPlainText(self.report())
        self._more.setText(f"This is the first of {self._count} that came while this report is open.")
        self._more.show()

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        details = QPushButton("Details", objectName="crashShow", checkable=True)
        details.toggled.connect(self._show_details)
        row.addWidget(details)
        row.addStretch(1)
        for text, name, do in (
            ("Copy report", "crashCopy", lambda: QGuiApplication.clipboard().setText(self.report())),
            ("Save report …", "crashSave", self._save),
            ("Close", "crashClose", self.close),
        ):
            button = QPushButton(text, objectName=name)
            button.clicked.connect(lambda _=False, do=do: do())
            row.addWidget(button)
        button.setDefault(True)
        button.setFocus()
        return row

    def _show_details(self, shown: bool) -> None:
        self._details.setVisible(shown)
        self.resize(self.width() if not shown else max(self.width(), 90 * SPACE), 60 * SPACE if shown else 0)
        if not shown:
            self.adjustSize()

    def _save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save the report", "dgm-studio-report.txt", "Text (*.txt)")
        if not name:
            return
        try:
            Path(name).write_text(self.report(), encoding="utf-8")
        except OSError as problem:
            self._more.setText(f"The report was not saved: {problem.strerror or problem}.")
            self._more.show()


class CrashDialogs:
    """At most one dialog at a time over a window. Showing it fails silently: there is nothing left to tell it by."""

    def __init__(self, window: Callable[[], QWidget | None]) -> None:
        self._window = window
        self._dialog: CrashDialog | None = None

    def show(self, report: CrashReport) -> bool:
        """Whether it could be shown."""
        try:
            if self._dialog is not None:
                self._dialog.add(report)
                return True
            self._dialog = CrashDialog(report, self._window())
            self._dialog.destroyed.connect(self._gone)
            self._dialog.show()
        except Exception:
            return False
        return True

    def _gone(self) -> None:
        self._dialog = None


def what_is_kept(window: object) -> str:
    """What became of the project of a window and of what trains in it."""
    desk = getattr(window, "desk", None)
    project = desk.workspace.project if desk is not None else None
    if project is None:
        return "No project was open."
    name = project.path.name
    if project.read_only:
        said = f"{name} is open for reading only, and is as it was."
    elif project.modified:
        said = f"{name} has changes that are not in its file yet; they are still here, and Ctrl+S saves them."
    else:
        said = f"All of {name} is in its file."
    active = desk.workspace.trainer.active
    run = project.runs.get(active.run) if active is not None else None
    if run is not None:
        steps = run.checkpoint_steps()
        state = f"its newest kept state is of step {thousands(steps[-1])}" if steps else "it has kept no state yet"
        said += f" {run.name} goes on training; {state}."
    return said
