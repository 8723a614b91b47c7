"""What a person can set for all projects. Changes count at once; the dialog does not block the window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dgm_studio import device as devices
from widgets.building import label, scrolled, section
from widgets.editors import ChoiceBox, IntegerBox
from widgets.preferences import FONT_PERCENT, HISTORY_ROOM, KEEP_EVERY, Preferences
from widgets.theme import SPACE, look

THEMES = (("system", "As the system"), ("dark", "Dark"), ("light", "Light"))


@dataclass
class Row:
    """One preference: its name, its editor, and what it does."""

    name: str
    editor: QWidget
    help: str
    words: str = ""  # that find it as well


class PreferencesDialog(QDialog):
    """Preferences in groups, found by a word. `changed()` after each change."""

    changed = Signal()

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("preferences")
        self.setWindowTitle("Preferences")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._preferences = preferences
        self._find = QLineEdit(placeholderText="Find a preference", clearButtonEnabled=True)
        self._find.setObjectName("findPreference")
        self._find.setAccessibleName("Find a preference")
        self._find.textChanged.connect(self._seek)
        self._groups: list[tuple[QLabel, list[tuple[Row, list[QWidget]]]]] = []
        self._none = label("No preference matches.", "muted", "noPreference")
        self._none.hide()
        content = QWidget()
        self._grid = QGridLayout(content)
        self._grid.setContentsMargins(0, 0, SPACE, 0)
        self._grid.setHorizontalSpacing(2 * SPACE)
        self._grid.setVerticalSpacing(SPACE // 2)
        self._grid.setColumnStretch(0, 4)
        self._grid.setColumnStretch(1, 5)
        for title, rows in (
            ("Look", [self._theme(), self._font(), self._still()]),
            ("Projects", [self._folder(), self._keep(), self._history()]),
            ("Training", [self._device()]),
        ):
            self._add(title, rows)
        self._grid.setRowStretch(self._grid.rowCount(), 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        column.setSpacing(2 * SPACE)
        column.addWidget(self._find)
        column.addWidget(scrolled(content, "preferencesScroll"), 1)
        column.addWidget(self._none)
        column.addLayout(self._foot())
        self.refresh()
        self._resize()
        look.scaled.connect(self._resize)

    def refresh(self) -> None:
        """Show what the preferences are."""
        preferences, blocked = self._preferences, self.blockSignals(True)
        self.theme.choose(preferences.theme)
        self.font.setValue(preferences.font_percent)
        self.still.setChecked(preferences.still)
        self.keep_every.setValue(preferences.keep_every)
        self.history_room.setValue(preferences.history_room)
        self.device.choose(preferences.device if self.device.findData(preferences.device) >= 0 else "auto")
        self._show_folder()
        self.blockSignals(blocked)

    def find(self, text: str) -> None:
        """Show the preferences that have these words."""
        self._find.setText(text)

    # The preferences.

    def _theme(self) -> Row:
        self.theme = ChoiceBox(THEMES)
        self.theme.setObjectName("preferTheme")
        self.theme.currentIndexChanged.connect(lambda _: self._set("theme", self.theme.currentData()))
        return Row("&Theme", self.theme, "Light or dark.", "colour dark light")

    def _font(self) -> Row:
        self.font = IntegerBox()
        self.font.setObjectName("preferFont")
        self.font.setRange(*FONT_PERCENT)
        self.font.setSingleStep(10)
        self.font.setSuffix(" %")
        self.font.setKeyboardTracking(False)
        self.font.valueChanged.connect(lambda value: self._set("font_percent", value))
        return Row(
            "&Size of text", self.font, "Beside that of the system. The window follows at once.", "font zoom scale"
        )

    def _still(self) -> Row:
        self.still = QCheckBox("Less motion")
        self.still.setObjectName("preferStill")
        self.still.toggled.connect(lambda on: self._set("still", on))
        return Row(
            "&Motion",
            self.still,
            "Menus and tool tips appear at once. Explorers still play what you start.",
            "animation",
        )

    def _folder(self) -> Row:
        self._folder_text = QLabel()
        self._folder_text.setObjectName("preferFolder")
        self._folder_text.setTextFormat(Qt.TextFormat.PlainText)
        choose = QPushButton("Choose …")
        choose.setObjectName("chooseFolder")
        choose.setAccessibleName("Choose the folder of new projects")
        choose.clicked.connect(self._choose_folder)
        held = QWidget()
        row = QHBoxLayout(held)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._folder_text, 1)
        row.addWidget(choose)
        held.setFocusProxy(choose)
        return Row(
            "New &projects in", held, "A new project gets a file there at once, so that nothing can be lost.", "folder"
        )

    def _keep(self) -> Row:
        self.keep_every = IntegerBox()
        self.keep_every.setObjectName("keepEvery")
        self.keep_every.setRange(*KEEP_EVERY)
        self.keep_every.setSuffix(" s")
        self.keep_every.valueChanged.connect(lambda value: self._set("keep_every", value))
        return Row(
            "&Keep a state every",
            self.keep_every,
            "What a crash can cost. Curves and pictures are on disk within seconds in any case. A state is kept less "
            "often where that would slow the training by more than 2 %. Runs that train already go on as they began.",
            "checkpoint crash",
        )

    def _history(self) -> Row:
        self.history_room = IntegerBox()
        self.history_room.setObjectName("historyRoom")
        self.history_room.setRange(*HISTORY_ROOM)
        self.history_room.setSuffix(" MB")
        self.history_room.valueChanged.connect(lambda value: self._set("history_room", value))
        return Row(
            "&Room for the history of a run",
            self.history_room,
            "States to look back at and to branch from, at steps that grow by a factor. The newest two, the best and "
            "those that were asked for, or branched from, are kept beside them. 0 keeps no history.",
            "states moments budget",
        )

    def _device(self) -> Row:
        here = devices.available()
        first = devices.title(devices.resolve(here[0]))
        names = [("auto", f"The fastest: {first}")]
        names += [(name, f"{devices.title(devices.resolve(name))} ({name})") for name in here]
        self.device = ChoiceBox(names)
        self.device.setObjectName("preferDevice")
        self.device.currentIndexChanged.connect(lambda _: self._set("device", self.device.currentData()))
        return Row("&Device", self.device, "What “automatic” means for runs that begin from now on.", "cpu gpu cuda")

    # The dialog.

    def _set(self, name: str, value: object) -> None:
        if not self.signalsBlocked():
            setattr(self._preferences, name, value)
            self.changed.emit()

    def _add(self, title: str, rows: list[Row]) -> None:
        head = section(title)
        at = self._grid.rowCount()
        head.setContentsMargins(0, SPACE if self._groups else 0, 0, 0)
        self._grid.addWidget(head, at, 0, 1, 2)
        shown = []
        for row in rows:
            at = self._grid.rowCount()
            name = label(row.name, wrap=True)
            name.setBuddy(row.editor)
            plain = row.name.replace("&", "")
            for editor in (row.editor, row.editor.focusProxy()):
                if editor is not None and not editor.accessibleName():
                    editor.setAccessibleName(plain)
            row.editor.setAccessibleDescription(row.help)
            about = label(row.help, "small", wrap=True)
            self._grid.addWidget(name, at, 0)
            self._grid.addWidget(row.editor, at, 1)
            self._grid.addWidget(about, at + 1, 0, 1, 2)
            self._grid.setRowMinimumHeight(at + 2, SPACE // 2)
            shown.append((row, [name, row.editor, about]))
        self._groups.append((head, shown))

    def _foot(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        where = QPushButton("Where they are kept", objectName="preferencesFile")
        where.setProperty("flat", True)
        where.setToolTip(str(self._preferences.file))
        folder = self._preferences.file.parent
        where.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))))
        reset = QPushButton("Reset all", objectName="resetPreferences", toolTip="Have these as at the first start")
        reset.clicked.connect(self._reset)
        close = QPushButton("Close", objectName="closePreferences")
        close.setDefault(True)
        close.clicked.connect(self.close)
        row.addWidget(where)
        row.addStretch(1)
        row.addWidget(reset)
        row.addWidget(close)
        return row

    def _seek(self, text: str) -> None:
        words = text.casefold().split()
        for head, rows in self._groups:
            some = False
            for row, parts in rows:
                said = f"{head.text()} {row.name} {row.help} {row.words}".replace("&", "").casefold()
                fits = all(word in said for word in words)
                some |= fits
                for part in parts:
                    part.setVisible(fits)
            head.setVisible(some)
        self._none.setVisible(all(head.isHidden() for head, _ in self._groups))

    def _reset(self) -> None:
        self._preferences.reset()
        self.refresh()
        self.changed.emit()

    def _choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder for new projects", str(self._preferences.folder))
        if name:
            self._set("folder", Path(name))
            self._show_folder()

    def _show_folder(self) -> None:
        text = self._folder_text
        folder = str(self._preferences.folder)
        text.setText(text.fontMetrics().elidedText(folder, Qt.TextElideMode.ElideMiddle, 28 * SPACE))
        text.setToolTip(folder)

    def _resize(self) -> None:
        room = self.screen().availableSize()
        width = max(70 * SPACE, 62 * self.fontMetrics().averageCharWidth())
        self.resize(min(width, room.width()), min(round(width * 0.9), room.height() - 8 * SPACE))
        self._show_folder()
