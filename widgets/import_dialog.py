"""Bringing in runs of another project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.number_texts import bytes_text
from models import catalog
from widgets.actions import Actions
from widgets.building import label
from widgets.notices import Notice, voice
from widgets.preferences import PROJECT_FILES, Preferences
from widgets.run_changes import Listed, RunChanges
from widgets.theme import SPACE

RUN = Qt.ItemDataRole.UserRole


class RunImport(QObject):
    """Connects the action "import": which project, which of its runs, and they are brought in."""

    def __init__(self, changes: RunChanges, preferences: Preferences, actions: Actions, window: QWidget) -> None:
        super().__init__(window)
        self._changes, self._preferences, self._window = changes, preferences, window
        changes.listed.connect(self._choose_runs)
        actions.connect({"import": self._choose_project})

    def _choose_project(self) -> None:
        folder = str(self._preferences.folder)
        name, _ = QFileDialog.getOpenFileName(self._window, "Import runs from", folder, PROJECT_FILES)
        if name:
            self._changes.list_runs(Path(name))

    def _choose_runs(self, path: Path, runs: list[Listed]) -> None:
        if not runs:
            voice.said.emit(Notice("info", f"{path.name} has no runs to import."))
            return
        dialog = ImportDialog(path, runs, self._window)
        dialog.chosen.connect(self._changes.import_runs)
        dialog.show()


class ImportDialog(QDialog):
    """The runs of a project with check marks; not modal. `chosen(path, run ids)` when it was accepted."""

    chosen = Signal(object, object)

    def __init__(self, path: Path, runs: Sequence[Listed], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("importDialog")
        self.setWindowTitle("Import runs")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._path, self._runs = path, {run.id: run for run in runs}
        self._list = QListWidget()
        self._list.setObjectName("importRuns")
        self._list.setAccessibleName(f"Runs of {path.name}")
        titles = {family.key: family.title for family in catalog.FAMILIES}
        for run in runs:
            parts = (titles.get(run.family, run.family), run.status, ", ".join(run.tags), bytes_text(run.nbytes))
            item = QListWidgetItem(f"{run.name}  —  {' · '.join(part for part in parts if part)}")
            item.setData(RUN, run.id)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked)
            item.setSizeHint(QSize(0, 4 * SPACE))
            self._list.addItem(item)
        self._all = QCheckBox("All runs")
        self._all.setObjectName("importAll")
        self._all.setChecked(True)
        self._import = QPushButton(default=True)
        self._import.setObjectName("importChosen")
        self._import.setProperty("primary", True)
        cancel = QPushButton("Cancel", autoDefault=False)
        cancel.setObjectName("importCancel")
        buttons = QHBoxLayout()
        buttons.addWidget(self._all)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self._import)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        column.setSpacing(SPACE)
        column.addWidget(label(f"Runs of {path.name}", "heading", elided=True))
        text = "Copies of these runs join your project. The other file stays as it is."
        column.addWidget(label(text, "muted", wrap=True))
        column.addWidget(self._list, 1)
        column.addLayout(buttons)
        self.resize(76 * SPACE, 48 * SPACE)
        self._list.itemChanged.connect(self._count)
        self._all.clicked.connect(self._check_all)
        self._import.clicked.connect(self.accept)
        cancel.clicked.connect(self.reject)
        self.accepted.connect(lambda: self.chosen.emit(self._path, self.checked()))
        self._list.setFocus()
        self._count()

    def checked(self) -> list[str]:
        """The ids of the runs that have a check mark."""
        items = [self._list.item(row) for row in range(self._list.count())]
        return [item.data(RUN) for item in items if item.checkState() is Qt.CheckState.Checked]

    def _count(self) -> None:
        checked = self.checked()
        nbytes = sum(self._runs[run_id].nbytes for run_id in checked)
        runs = f"{len(checked)} run{'' if len(checked) == 1 else 's'}"
        self._import.setText(f"Import {runs} ({bytes_text(nbytes)})" if checked else "Import")
        self._import.setEnabled(bool(checked))
        self._all.setChecked(len(checked) == len(self._runs))

    def _check_all(self, checked: bool) -> None:
        self._list.blockSignals(True)
        for row in range(self._list.count()):
            self._list.item(row).setCheckState(Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked)
        self._list.blockSignals(False)
        self._list.viewport().update()
        self._count()
