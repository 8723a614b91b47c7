"""Colours, spacing and the application's look, in light and dark."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

SPACE = 8  # px; every distance is a multiple of it or half of it

# Tableau 10, lightness-adjusted: tells ten classes apart, also with the common colour-vision deficiencies.
CATEGORICAL = (
    "#4c78a8", "#f58518", "#54a24b", "#e45756", "#72b7b2", "#b279a2", "#ff9da6", "#9d755d", "#8a8f98", "#eeca3b",
)  # fmt: skip


@dataclass(frozen=True)
class Theme:
    """Named colours. Widgets ask for a role and never for a colour."""

    name: str
    window: str
    panel: str
    raised: str
    border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    good: str
    warn: str
    bad: str


DARK = Theme(
    "dark", "#16181d", "#1e2128", "#282c35", "#343944", "#e8eaed", "#9aa0ab", "#4c9aec", "#ffffff", "#4fb286", "#e8a13c", "#ef6461",
)  # fmt: skip
LIGHT = Theme(
    "light", "#f4f5f7", "#ffffff", "#eef0f4", "#d8dce3", "#16181d", "#626a78", "#2a6fc9", "#ffffff", "#2c8a62", "#b36b00", "#c93a37",
)  # fmt: skip


class Look(QObject):
    """The theme in use. `changed` is emitted after a switch, for what paints itself (plots, pictures)."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.theme = DARK

    def apply(self, app: QApplication, theme: Theme) -> None:
        """Make `theme` the look of the whole application."""
        self.theme = theme
        app.setStyle("Fusion")
        app.setPalette(_palette(theme))
        self.changed.emit()


look = Look()


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: theme.window,
        QPalette.ColorRole.Base: theme.raised,
        QPalette.ColorRole.AlternateBase: theme.panel,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.Button: theme.raised,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.BrightText: theme.on_accent,
        QPalette.ColorRole.ToolTipBase: theme.raised,
        QPalette.ColorRole.ToolTipText: theme.text,
        QPalette.ColorRole.PlaceholderText: theme.muted,
        QPalette.ColorRole.Highlight: theme.accent,
        QPalette.ColorRole.HighlightedText: theme.on_accent,
        QPalette.ColorRole.Link: theme.accent,
        QPalette.ColorRole.LinkVisited: theme.accent,
        QPalette.ColorRole.Light: theme.raised,
        QPalette.ColorRole.Midlight: theme.border,
        QPalette.ColorRole.Mid: theme.border,
        QPalette.ColorRole.Dark: theme.border,
        QPalette.ColorRole.Shadow: theme.window,
        QPalette.ColorRole.Accent: theme.accent,
    }
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.muted))
    return palette
