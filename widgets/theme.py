"""Colours, spacing and the application's look, in light and dark."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontInfo, QPalette
from PySide6.QtWidgets import QApplication

from dgm_studio import ROOT
from widgets.wearing import Wardrobe

SPACE = 8  # px; every distance is a multiple of it or half of it

# Found by search: any two are 20 apart in CIELAB, also as seen without one kind of cones (Machado et al., 2009), and
# each stands out from the panels of both themes. A test measures it.
CATEGORICAL = (
    "#4c78a8", "#f58518", "#41be90", "#bc170d", "#8028fa", "#c882fa", "#96724f", "#665e5d", "#9ea9c1", "#d79c58",
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
    "dark",
    window="#16181d", panel="#1e2128", raised="#282c35", border="#343944", text="#e8eaed", muted="#a3a9b4",
    accent="#4c9aec", on_accent="#0d1117", good="#4fb286", warn="#e8a13c", bad="#ef6461",
)  # fmt: skip
LIGHT = Theme(
    "light",
    window="#f4f5f7", panel="#ffffff", raised="#eef0f4", border="#d8dce3", text="#16181d", muted="#596170",
    accent="#2464b8", on_accent="#ffffff", good="#237a55", warn="#9a5b00", bad="#c93a37",
)  # fmt: skip
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}


class Look(QObject):
    """The theme in use, and how large text is. `changed` is emitted after a switch, for what paints itself (plots,
    pictures), `scaled` before it if text has another size."""

    changed = Signal()
    scaled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.theme = DARK
        self.scale = 1.0  # of text, times its size in the system
        self.still = False  # nothing moves by itself that need not
        self.wardrobe = Wardrobe()
        self._system_font: QFont | None = None

    def apply(self, app: QApplication, theme: Theme, scale: float | None = None) -> None:
        """Make `theme` the look of the whole application; with `scale` also the size of its text."""
        self.theme = theme
        if not app.styleSheet():  # under a style sheet, the style no longer says its name; setting it again is dear
            app.setStyle("Fusion")
        app.setPalette(_palette(theme))
        for window in app.topLevelWidgets():
            window.setProperty("theme", theme.name)
        if scale is not None and scale != self.scale:
            self.scale = scale
            self._set_font(app)
            self.wardrobe.wear(app, _style_sheet(QFontInfo(app.font()).pixelSize()))
            self.scaled.emit()
            self.changed.emit()
            return
        self.wardrobe.wear(app, _style_sheet(QFontInfo(app.font()).pixelSize()))
        self.changed.emit()

    def be_still(self, still: bool) -> None:
        """Whether menus, tool tips and boxes appear at once."""
        self.still = still
        for effect in (
            Qt.UIEffect.UI_AnimateMenu,
            Qt.UIEffect.UI_FadeMenu,
            Qt.UIEffect.UI_AnimateCombo,
            Qt.UIEffect.UI_AnimateTooltip,
            Qt.UIEffect.UI_FadeTooltip,
            Qt.UIEffect.UI_AnimateToolBox,
        ):
            QApplication.setEffectEnabled(effect, not still)

    def _set_font(self, app: QApplication) -> None:
        if self._system_font is None:
            self._system_font = QFont(app.font())
        font = QFont(self._system_font)
        font.setPixelSize(max(8, round(QFontInfo(self._system_font).pixelSize() * self.scale)))
        app.setFont(font)


look = Look()


def px(size: float) -> int:
    """Pixels for what holds text, by the size that text has now."""
    return round(size * look.scale)


def chosen_theme(name: str) -> Theme:
    """The theme of a preference: "dark", "light" or "system" (dark where the system does not say)."""
    if name in THEMES:
        return THEMES[name]
    return LIGHT if QApplication.styleHints().colorScheme() is Qt.ColorScheme.Light else DARK


def tabular(font: QFont) -> QFont:
    """The same font with figures of equal width, so that numbers that change do not dance."""
    result = QFont(font)
    result.setFeature(QFont.Tag("tnum"), 1)
    return result


def mixed(first: str, second: str, share: float) -> QColor:
    """`share` of the first colour with the rest of the second."""
    a, b = QColor(first), QColor(second)
    parts = [round(x * share + y * (1 - share)) for x, y in zip(a.getRgb()[:3], b.getRgb()[:3], strict=True)]
    return QColor(*parts)


def _style_sheet(size: int) -> str:
    """resources/style.qss with `@role` replaced by roles of the palette, sizes and the paths of drawn marks. It is the
    same in all themes."""
    from widgets.icons import icon_file

    values = {
        **{name: f"palette({role})" for name, role in SHEET.items()},
        "size_small": f"{max(10, size - 2)}px",
        "size_large": f"{size + 4}px",
        "size_title": f"{size + 11}px",
    }
    for theme in THEMES.values():
        marks = (("chevron-down", theme.muted), ("chevron-up", theme.muted), ("check", theme.on_accent))
        for mark, colour in marks:
            values[f"{theme.name}_{mark.replace('-', '_')}"] = icon_file(mark, colour).as_posix()
    text = (ROOT / "resources" / "style.qss").read_text(encoding="utf-8")
    return re.sub(r"@(\w+)", lambda match: values[match.group(1)], text)


# What the style sheet calls its colours, as roles of a palette: a sheet that names nothing else is the same in all
# themes. The last seven are roles of bevels and links that nothing in the window is drawn with.
SHEET = {
    "window": "window",
    "panel": "alternate-base",
    "raised": "base",
    "border": "mid",
    "text": "text",
    "muted": "placeholder-text",
    "accent": "highlight",
    "on_accent": "highlighted-text",
    "hover": "light",
    "tint": "midlight",
    "faint": "dark",
    "accent_hover": "bright-text",
    "good": "tooltip-base",
    "warn": "tooltip-text",
    "bad": "link-visited",
}


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    faint = mixed(theme.muted, theme.panel, 0.7)  # of what cannot be used now
    colours = {
        role.Window: theme.window,
        role.AlternateBase: theme.panel,
        role.Base: theme.raised,
        role.Button: theme.raised,
        role.Mid: theme.border,
        role.Shadow: theme.window,
        role.Text: theme.text,
        role.WindowText: theme.text,
        role.ButtonText: theme.text,
        role.PlaceholderText: theme.muted,
        role.Highlight: theme.accent,
        role.Accent: theme.accent,
        role.Link: theme.accent,
        role.HighlightedText: theme.on_accent,
        role.Light: mixed(theme.text, theme.raised, 0.08),
        role.Midlight: mixed(theme.accent, theme.panel, 0.22),
        role.Dark: faint,
        role.BrightText: mixed(theme.accent, theme.text, 0.86),
        role.ToolTipBase: theme.good,
        role.ToolTipText: theme.warn,
        role.LinkVisited: theme.bad,
    }
    for key, colour in colours.items():
        palette.setColor(key, QColor(colour))
    for key in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, key, faint)
    return palette
