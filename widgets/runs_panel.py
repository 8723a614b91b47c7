"""The runs of the project: found, selected, named, tagged, annotated, and what can be done with them."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QLineEdit, QListWidgetItem, QMenu, QPlainTextEdit, QVBoxLayout, QWidget

from dgm_studio.number_texts import thousands
from dgm_studio.store import Run
from dgm_studio.store.records import read_tags
from widgets.actions import Actions
from widgets.building import Card, ElidedField, label, section
from widgets.run_list import ID, RunList
from widgets.theme import SPACE
from widgets.trainer import Phase
from widgets.workspace import Workspace

MENU = (
    "continue",
    "branch",
    "branchFrom",
    "duplicate",
    "useSettings",
    "compare",
    "export",
    "",
    "rename",
    "tags",
    "notes",
    "",
)
ALWAYS = ("delete", "deleted", "import")


class RunsPanel(QWidget):
    """The list with a field to find runs in it, and the tags and notes of the selected one. `compare_wanted(runs)`:
    these are to stand side by side."""

    compare_wanted = Signal(object)

    def __init__(self, workspace: Workspace, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("runsPanel")
        self._workspace, self._actions = workspace, actions
        self._find = QLineEdit(placeholderText="Find runs", clearButtonEnabled=True)
        self._find.setObjectName("findRuns")
        self._find.setAccessibleName("Find runs by name, tag or family")
        self._find.setToolTip("Show the runs whose name, tags or family hold all of these words")
        self._none = label("No run matches.", "small", "noRunMatches")
        self._list = RunList()
        self._tags = ElidedField(placeholderText="baseline, large β")
        self._tags.setObjectName("tags")
        self._tags.setAccessibleName("Tags of the selected run, with commas between them")
        self._notes = QPlainTextEdit(placeholderText="What did you see in this run?")
        self._notes.setObjectName("notes")
        self._notes.setAccessibleName("Notes of the selected run")
        self._notes.setTabChangesFocus(True)
        self._notes.setMaximumHeight(14 * SPACE)
        self._arrange()
        self._connect()
        self._refresh()

    def _arrange(self) -> None:
        card = Card()
        for part, stretch in (
            (self._find, 0),
            (self._none, 0),
            (self._list, 1),
            (section("Tags"), 0),
            (self._tags, 0),
            (section("Notes"), 0),
            (self._notes, 0),
        ):
            card.column.addWidget(part, stretch)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(card)

    def _connect(self) -> None:
        workspace, actions = self._workspace, self._actions
        self._list.customContextMenuRequested.connect(self._menu)
        self._list.currentItemChanged.connect(self._chosen)
        self._list.itemChanged.connect(self._edited)
        self._find.textChanged.connect(self._seek)
        self._find.returnPressed.connect(self._list.setFocus)
        self._tags.textEdited.connect(self._tagged)
        self._notes.textChanged.connect(self._noted)
        workspace.runs_changed.connect(self._refresh)
        workspace.project_file.replaced.connect(self._find.clear)
        workspace.selected.connect(self._selected)
        workspace.progressed.connect(self._progressed)
        actions.connect(
            {
                "rename": self._rename,
                "tags": lambda: self._write(self._tags),
                "notes": lambda: self._write(self._notes),
                "compare": self._compare,
                "findRun": lambda: self._write(self._find),
                "nextRun": lambda: self._list.move(1),
                "previousRun": lambda: self._list.move(-1),
            }
        )
        # a key that deletes belongs to the list alone: elsewhere it means characters, points or strokes
        actions["delete"].setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._list.addAction(actions["delete"])

    def _refresh(self) -> None:
        """Make the list that of the project, without rebuilding what is there."""
        project = self._workspace.project
        runs = project.runs if project is not None else {}
        self._list.blockSignals(True)
        self._list.show_runs(list(runs))
        for run in runs.values():
            self._fill(run)
        self._list.blockSignals(False)
        self._say_none()
        self._selected(self._workspace.run)

    def _fill(self, run: Run) -> None:
        item = self._list.of(run.id)
        if item is not None:
            view = self._workspace.shown.get(run.id)
            text, role = self._status(run)
            about = run.message or run.history_only or f"{run.name}: {text}"
            picture = view.thumbnail if view is not None else None
            self._list.fill(item, run, picture, text, role, "\n".join([about, *self._descent(run)]))

    def _descent(self, run: Run) -> list[str]:
        """Where a run comes from, in sentences."""
        said = []
        if run.parent is not None:
            project = self._workspace.project
            parent = project.runs.get(run.parent[0]) if project is not None else None
            whom = parent.name if parent is not None else "a run that is not here"
            said.append(f"Branched from step {thousands(run.parent[1])} of {whom}.")
        if run.origin is not None:
            said.append(f"Imported: {run.origin.name} of {run.origin.file}.")
        return said

    def _status(self, run: Run) -> tuple[str, str]:
        """How a run is, in words and in the role of a colour."""
        workspace = self._workspace
        view = workspace.shown.get(run.id)
        if workspace.trainer.trains(run.id):
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
        if run is not None:
            self._list.blockSignals(True)
            self._fill(run)
            self._list.blockSignals(False)
            self._list.viewport().update()

    def _selected(self, _: object) -> None:
        current = self._workspace.run
        self._list.blockSignals(True)
        item = self._list.of(current.id) if current is not None else None
        self._list.show_current(item)
        self._list.blockSignals(False)
        notes, tags = (current.notes, current.tags) if current is not None else ("", [])
        self._tags.setEnabled(current is not None)
        self._notes.setEnabled(current is not None)
        if read_tags(self._tags.text()) != tags:
            self._tags.setText(", ".join(tags))
            self._tags.setCursorPosition(0)  # show where it begins
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

    def _seek(self, text: str) -> None:
        self._list.seek(text)
        self._say_none()

    def _say_none(self) -> None:
        self._none.setVisible(self._list.count() > 0 and not self._list.shown())

    def _write(self, field: QLineEdit | QPlainTextEdit) -> None:
        self._actions["showRuns"].setChecked(True)
        field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        if isinstance(field, QLineEdit):
            field.selectAll()

    def _rename(self) -> None:
        item = self._list.currentItem()
        if item is not None:
            self._list.setFocus()
            self._list.editItem(item)

    @property
    def chosen(self) -> list[Run]:
        """The runs that are selected in the list, or the one that is shown."""
        project, chosen = self._workspace.project, self._list.chosen
        runs = [run for run in project.runs.values() if run.id in chosen] if project is not None else []
        return runs or ([self._workspace.run] if self._workspace.run is not None else [])

    def _compare(self) -> None:
        self.compare_wanted.emit(self.chosen)

    def _edited(self, item: QListWidgetItem) -> None:
        project = self._workspace.project
        run = project.runs.get(item.data(ID)) if project is not None else None
        name = item.text().strip()
        if run is not None and name and name != run.name:
            self._workspace.rename(run, name)
        else:
            self._refresh()

    def _tagged(self, text: str) -> None:
        if self._workspace.run is not None:
            self._workspace.tag(self._workspace.run, read_tags(text))

    def _noted(self) -> None:
        if self._workspace.run is not None:
            self._workspace.annotate(self._workspace.run, self._notes.toPlainText())

    def _menu(self, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setObjectName("runMenu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        run = self._workspace.run if self._list.itemAt(place) is not None else None
        for key in (*(MENU if run is not None else ()), *ALWAYS):
            menu.addAction(self._actions[key]) if key else menu.addSeparator()
        if run is not None and self._workspace.trainer.waits(run.id):
            menu.addAction("Take out of the queue", lambda: self._workspace.trainer.remove(run.id))
        menu.popup(self._list.viewport().mapToGlobal(place))
