"""Which theme the program wears: a person's choice, or the system's."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from widgets.actions import Actions
from widgets.icons import dress
from widgets.preferences import Preferences
from widgets.theme import DARK, LIGHT, chosen_theme, look

CHOICES = {"themeSystem": "system", "themeDark": DARK.name, "themeLight": LIGHT.name}  # by action


class ThemeChoice(QObject):
    """Remembers the choice among the preferences, follows the system where that is chosen, and marks the choice in the
    menu."""

    def __init__(self, preferences: Preferences, actions: Actions, parent: QObject) -> None:
        super().__init__(parent)
        self._preferences, self._actions = preferences, actions
        actions.connect({"theme": self._switch, **{key: partial(self.choose, name) for key, name in CHOICES.items()}})
        QApplication.styleHints().colorSchemeChanged.connect(self.wear)
        self._mark()

    def choose(self, name: str) -> None:
        """Wear the theme of this name, and remember it."""
        self._preferences.theme = name
        self.wear()

    def wear(self) -> None:
        """Wear the theme of the preferences, with text of the size that they say."""
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme, scale = chosen_theme(self._preferences.theme), self._preferences.font_percent / 100
        if theme is not look.theme or scale != look.scale:
            look.apply(app, theme, scale)
        self._mark()

    def _switch(self) -> None:
        self.choose((LIGHT if look.theme is DARK else DARK).name)

    def _mark(self) -> None:
        for key, name in CHOICES.items():
            self._actions[key].setChecked(self._preferences.theme == name)
        dress(self._actions["theme"], "sun" if look.theme is DARK else "moon")
