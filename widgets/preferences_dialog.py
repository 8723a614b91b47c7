"""What a person can set for all projects. Changes count at once; the dialog does not block the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QFileDialog, QFormLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from widgets.building import dialog, label
from widgets.preferences import KEEP_EVERY, Preferences
from widgets.settings_form import ChoiceBox, IntegerBox
from widgets.theme import SPACE

THEMES = (("system", "As the system"), ("dark", "Dark"), ("light", "Light"))


def show_preferences(parent: QWidget, preferences: Preferences, set_theme: Callable[[str], None]) -> QDialog:
    """Theme, folder of new projects, and how often a state is kept while training."""
    content = QWidget()
    form = QFormLayout(content)
    form.setVerticalSpacing(SPACE)
    form.setHorizontalSpacing(2 * SPACE)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)

    theme = ChoiceBox(THEMES)
    theme.setObjectName("preferTheme")
    theme.choose(preferences.theme)
    theme.currentIndexChanged.connect(lambda _: set_theme(theme.currentData()))
    form.addRow("&Theme", theme)

    folder = QLabel()
    folder.setObjectName("preferFolder")
    choose = QPushButton("Choose …")
    choose.setObjectName("chooseFolder")

    def show_folder() -> None:
        room = folder.fontMetrics().elidedText(str(preferences.folder), Qt.TextElideMode.ElideMiddle, 30 * SPACE)
        folder.setText(room)
        folder.setToolTip(str(preferences.folder))

    def choose_folder() -> None:
        name = QFileDialog.getExistingDirectory(content, "Folder for new projects", str(preferences.folder))
        if name:
            preferences.folder = Path(name)
            show_folder()

    show_folder()
    choose.clicked.connect(choose_folder)
    row = QHBoxLayout()
    row.addWidget(folder, 1)
    row.addWidget(choose)
    form.addRow("New projects in", row)

    seconds = IntegerBox()
    seconds.setObjectName("keepEvery")
    seconds.setRange(*KEEP_EVERY)
    seconds.setSuffix(" s")
    seconds.setValue(preferences.keep_every)
    seconds.valueChanged.connect(lambda value: setattr(preferences, "keep_every", value))
    form.addRow("&Keep a state while training every", seconds)
    form.addRow(
        label(
            "What a crash can cost. Curves and pictures are on disk within seconds in any case. A state is kept less "
            "often where that would slow the training by more than 2 %. Runs that train already go on as they began.",
            "muted",
            wrap=True,
        )
    )
    return dialog(parent, "Preferences", content, 560, 300)
