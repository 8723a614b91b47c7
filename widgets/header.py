"""The line at the top: menus, the project, and what can be done with a run."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSizePolicy, QToolButton, QWidget

from dgm_studio import ROOT
from widgets.actions import Actions
from widgets.building import set_role
from widgets.icons import dress
from widgets.readout import Readout
from widgets.theme import SPACE

LOGO = ROOT / "resources" / "icons" / "logo.svg"


class _Button(QToolButton):
    def follow(self, action: QAction) -> None:
        """Show and do what an action does. Qt's setDefaultAction (6.11) connects the action once more at each change of
        it: the thousandth change is then followed a thousand times, and the memory of that stays."""
        self._action = action
        action.changed.connect(self._show_action)
        self.clicked.connect(action.trigger)
        self._show_action()

    def _show_action(self) -> None:
        action = self._action
        self.setText(action.iconText())
        self.setIcon(action.icon())
        self.setToolTip(action.toolTip())
        self.setStatusTip(action.statusTip())
        self.setEnabled(action.isEnabled())


class Header(QWidget):
    """Menus on the left, buttons for the run on the right. `more` and `devices` are filled by whoever knows them."""

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("header")
        self.more, self.devices = QMenu(self), QMenu(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE // 2, SPACE, 0, SPACE)
        row.setSpacing(SPACE)
        logo = QLabel()
        pixmap = QPixmap(str(LOGO)).scaled(44, 44, mode=Qt.TransformationMode.SmoothTransformation)
        pixmap.setDevicePixelRatio(2)
        logo.setPixmap(pixmap)
        row.addWidget(logo)
        actions.menu_bar.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        row.addWidget(actions.menu_bar, 0, Qt.AlignmentFlag.AlignVCenter)
        self._project = Readout("projectName", "muted")
        row.addWidget(self._project, 1)
        self.buttons: dict[str, QToolButton] = {}
        for key in ("train", "step", "stop", "discard"):
            self._button(row, key).follow(actions[key])
        self.buttons["discard"].setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.buttons["train"].setProperty("primary", True)
        dress(actions["train"], "train", "on_accent")
        for key, text, icon, menu, tip in (
            ("continue", "Continue", "continue", self.more, "Train the selected run further (F6)"),
            ("device", "Device", "device", self.devices, "Where the next run trains"),
        ):
            button = self._button(row, key)
            button.setText(text)
            button.setToolTip(tip)
            button.setMenu(menu)
            button.setProperty("hasMenu", True)
            button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
            dress(button, icon)
        theme = self._button(row, "theme")
        theme.follow(actions["theme"])
        theme.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)

    def show_project(self, name: str, state: str) -> None:
        """What is open, and whether all of it is in the file."""
        self._project.set_text(f"{name}  ·  {state}" if name else "")

    def show_run_buttons(self, shown: bool) -> None:
        """There is something to train, or not."""
        for key, button in self.buttons.items():
            if key != "theme":
                button.setVisible(shown)

    def show_primary(self, text: str, icon: str, actions: Actions) -> None:
        """What the coloured button does now."""
        actions["train"].setText(text)
        dress(actions["train"], icon, "on_accent")
        set_role(self.buttons["train"], "primary", True)

    def _button(self, row: QHBoxLayout, key: str) -> _Button:
        button = _Button()
        button.setObjectName(f"button-{key}")
        button.setProperty("framed", True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setIconSize(QSize(16, 16))
        button.setMinimumHeight(4 * SPACE)
        row.addWidget(button)
        self.buttons[key] = button
        return button
