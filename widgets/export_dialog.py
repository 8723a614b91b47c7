"""What of a run is exported, of which state, and to where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.exporting.whole import PARTS, Exported, Part, Source
from dgm_studio.files import file_name
from dgm_studio.number_texts import thousands
from dgm_studio.store import Run
from models.catalog import Recipe
from widgets.building import label, scrolled, section
from widgets.editors import ChoiceBox, IntegerBox
from widgets.export_thread import ExportThread
from widgets.notices import Notice, NoticeBar, voice
from widgets.run_menus import states_of
from widgets.theme import SPACE

MOST_SAMPLES = 10_000
INDENT = 26  # px: as far as the text of a checkbox stands from its left edge


class ExportDialog(QDialog):
    """Not modal. `prepare(run, step, samples)` makes the source, in another thread. `ended(whole)` when nothing is
    written any more: whether all was."""

    ended = Signal(bool)

    def __init__(
        self,
        run: Run,
        folder: Path,
        prepare: Callable[[Run, int, int], Source],
        chosen: Callable[[Path], None],
        parent: QWidget | None = None,
    ) -> None:
        """`folder`: where exports go; `chosen` hears of another."""
        super().__init__(parent)
        self.setObjectName("exportDialog")
        self.setWindowTitle(f"Export {run.name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._run, self._folder, self._prepare, self._chosen = run, folder, prepare, chosen
        self._thread: ExportThread | None = None
        self._exported: Path | None = None
        self._question: NoticeBar | None = None
        self._boxes: dict[str, QCheckBox] = {}
        self._choices = QWidget()
        column = QVBoxLayout(self._choices)
        column.setContentsMargins(0, 0, SPACE, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(section("What"))
        for part in PARTS:
            self._add_part(part, column)
        column.addSpacing(SPACE)
        column.addWidget(section("Of which state, and where"))
        column.addLayout(self._form())
        column.addStretch(1)
        self._report = label(name="exportReport", wrap=True)
        self._report.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._report.hide()
        self._bar = QProgressBar(textVisible=False)
        self._bar.setRange(0, 1000)
        self._bar.setObjectName("exportProgress")
        self._bar.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        column.setSpacing(SPACE)
        self._pages = QStackedWidget()
        self._pages.addWidget(scrolled(self._choices))
        column.addWidget(self._pages, 1)
        column.addWidget(self._report)
        column.addWidget(self._bar)
        column.addLayout(self._buttons())
        self.resize(72 * SPACE, 84 * SPACE)
        self._follow()

    def _add_part(self, part: Part, column: QVBoxLayout) -> None:
        config = self._run.config
        assert config is not None
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
        refusal = part.refusal(recipe.family.model, recipe.learning.learner)
        box = QCheckBox(part.title)
        box.setObjectName(f"export-{part.key}")
        box.setEnabled(not refusal)
        box.setChecked(part.default and not refusal)
        box.setAccessibleDescription(refusal or part.help)
        box.toggled.connect(self._follow)
        about = label(refusal or part.help, "muted", f"about-{part.key}", wrap=True)
        about.setContentsMargins(INDENT, 0, 0, SPACE // 2)
        about.setEnabled(not refusal)
        column.addWidget(box)
        column.addWidget(about)
        self._boxes[part.key] = box

    def _form(self) -> QFormLayout:
        form = QFormLayout()
        form.setVerticalSpacing(SPACE)
        form.setHorizontalSpacing(2 * SPACE)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._state = ChoiceBox([(step, f"Step {thousands(step)}{what}") for step, what in states_of(self._run)])
        self._state.setObjectName("exportState")
        self._samples = IntegerBox()
        self._samples.setObjectName("exportSamples")
        self._samples.setRange(1, MOST_SAMPLES)
        self._samples.setValue(64)
        self._name = QLineEdit(file_name(self._run.name))
        self._name.setObjectName("exportName")
        self._name.textChanged.connect(self._follow)
        self._where = label(name="exportFolder")
        choose = QPushButton("Choose …")
        choose.setObjectName("chooseExportFolder")
        choose.clicked.connect(self._choose)
        row = QHBoxLayout()
        row.addWidget(self._where, 1)
        row.addWidget(choose)
        form.addRow("&State", self._state)
        form.addRow("Sa&mples", self._samples)
        form.addRow("In", row)
        form.addRow("&Folder", self._name)
        return form

    def _buttons(self) -> QHBoxLayout:
        self._open = QPushButton("Open folder")
        self._open.setObjectName("openExport")
        self._open.clicked.connect(self._show_folder)
        self._open.hide()
        self._cancel = QPushButton("Close")
        self._cancel.setObjectName("cancelExport")
        self._cancel.clicked.connect(self._stop_or_close)
        self._start = QPushButton("Export")
        self._start.setObjectName("startExport")
        self._start.setProperty("primary", True)
        self._start.setDefault(True)
        self._start.clicked.connect(self._begin_or_go_back)
        row = QHBoxLayout()
        row.addWidget(self._open)
        row.addStretch(1)
        row.addWidget(self._cancel)
        row.addWidget(self._start)
        return row

    @property
    def target(self) -> Path:
        """The folder that is written."""
        return self._folder / self._name.text().strip()

    @property
    def writes(self) -> bool:
        """Whether something is being written, which closing would call off."""
        return self._thread is not None

    def ask(self, notice: Notice | None) -> None:
        """Show this above all, in place of what was asked before."""
        if self._question is not None:
            self._question.leave()
        self._question = NoticeBar(notice) if notice is not None else None
        if self._question is not None:
            column = self.layout()
            assert isinstance(column, QVBoxLayout)
            column.insertWidget(0, self._question)
            self.raise_()
            self.activateWindow()

    def _begin_or_go_back(self) -> None:
        if self._pages.currentIndex() == 0:
            self.begin()
        else:
            self._show_choices()

    def _show_choices(self) -> None:
        notes = self._pages.widget(1)
        self._pages.removeWidget(notes)
        notes.deleteLater()
        self._exported = None
        self._say("", "")
        self._follow()

    def _show_notes(self, exported: Exported) -> None:
        """What was written, checked and left out, in place of the choices."""
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, SPACE, 0)
        column.setSpacing(SPACE // 2)
        for part in PARTS:
            if not self._boxes[part.key].isChecked():
                continue
            column.addWidget(label(part.title, "strong"))
            for key, text in exported.notes:
                if key == part.key:
                    column.addWidget(label(text, "muted", f"note-{key}", wrap=True))
            column.addSpacing(SPACE // 2)
        column.addStretch(1)
        self._pages.addWidget(scrolled(content, "exportNotes"))
        self._pages.setCurrentIndex(1)

    def begin(self) -> None:
        """Write what is chosen."""
        parts = [part for part in PARTS if self._boxes[part.key].isChecked()]
        run, step, samples = self._run, self._state.currentData(), self._samples.value()
        self._thread = ExportThread(lambda: self._prepare(run, step, samples), parts, self.target)
        self._thread.told.connect(self._tell)
        self._thread.done.connect(self._done)
        self._thread.failed.connect(self._failed)
        self._thread.cancelled.connect(self._cancelled)
        self._exported = None
        self._bar.setValue(0)
        self._say("Reading the run and its data …", "muted")
        self._follow()
        self._thread.begin()

    def _tell(self, fraction: float, what: str) -> None:
        self._bar.setValue(round(1000 * fraction))
        self._say(what, "muted")

    def _done(self, exported: Exported) -> None:
        self._exported = exported.folder
        self._show_notes(exported)
        self._end(f"{len(exported.files)} files are in {exported.folder}.", "")

    def _failed(self, text: str, details: str) -> None:
        if details:
            voice.said.emit(Notice("bad", text, details))
        self._end(text, "error")

    def _cancelled(self) -> None:
        self._end("Cancelled. Nothing was written.", "muted")

    def _end(self, text: str, role: str) -> None:
        self._thread = None
        self._say(text, role)
        self._follow()
        self.ended.emit(self._exported is not None)

    def _say(self, text: str, role: str) -> None:
        self._report.setProperty("role", role)
        self._report.style().unpolish(self._report)
        self._report.style().polish(self._report)
        self._report.setText(text)
        self._report.setVisible(bool(text))

    def _follow(self) -> None:
        """Offer what can be done now."""
        busy = self._thread is not None
        name = self._name.text().strip()
        self._start.setEnabled(
            not busy and any(box.isChecked() for box in self._boxes.values()) and name == Path(name).name != ""
        )
        self._start.setText("Export" if self._exported is None else "Export again …")
        self._cancel.setText("Cancel" if busy else "Close")
        self._choices.setEnabled(not busy)
        self._samples.setEnabled(self._boxes["samples"].isChecked())
        self._bar.setVisible(busy)
        self._open.setVisible(self._exported is not None)
        self._where.setText(
            self._where.fontMetrics().elidedText(str(self._folder), Qt.TextElideMode.ElideMiddle, 38 * SPACE)
        )
        self._where.setToolTip(str(self._folder))

    def _choose(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for exports", str(self._folder))
        if chosen:
            self._folder = Path(chosen)
            self._chosen(self._folder)
            self._follow()

    def _show_folder(self) -> None:
        if self._exported is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._exported)))

    def _stop_or_close(self) -> None:
        if self._thread is None:
            self.close()
        else:
            self.stop()
            self._say(
                "Cancelled. Nothing was written." if self._thread is None else "All is written already …", "muted"
            )
            self._follow()

    def done(self, result: int) -> None:
        """Closed in any way. What is being written is called off."""
        self.stop()
        if self._thread is not None:
            self._thread.leave()  # it is putting the folder in its place
            self._thread = None
            self.ended.emit(True)
        super().done(result)

    def stop(self) -> None:
        """Call off what is being written, unless all is written and only has to be told."""
        if self._thread is not None and self._thread.call_off():
            self._thread = None
            self.ended.emit(False)
