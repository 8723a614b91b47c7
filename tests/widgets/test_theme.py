"""The look: readable in both themes, and every icon that is asked for is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from dgm_studio import ROOT
from widgets import icons
from widgets.theme import DARK, LIGHT, THEMES, Theme, chosen_theme, look

BOTH = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in QColor(colour).getRgbF()[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@BOTH
def test_text_has_the_contrast_that_wcag_asks_for(theme: Theme) -> None:
    for text in ("text", "muted"):
        for ground in ("window", "panel", "raised"):
            assert contrast(getattr(theme, text), getattr(theme, ground)) >= 4.5, (text, ground)
    assert contrast(theme.on_accent, theme.accent) >= 4.5
    for state in ("good", "warn", "bad", "accent"):
        assert contrast(getattr(theme, state), theme.panel) >= 4.5 or state == "good", state
    assert contrast(theme.good, theme.panel) >= 3  # an icon's colour: 3 is what WCAG asks for


@BOTH
def test_applying_a_theme_fills_in_every_role_of_the_style_sheet(
    qtbot: QtBot, qapp: QApplication, theme: Theme
) -> None:
    with qtbot.waitSignal(look.changed):
        look.apply(qapp, theme)
    assert look.theme is theme
    assert "@" not in re.sub(r"/\*.*?\*/", "", qapp.styleSheet(), flags=re.DOTALL)
    for path in re.findall(r"url\((.*?)\)", qapp.styleSheet()):
        assert Path(path).is_file()
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(theme.window)
    assert qapp.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text) != QColor(theme.text)


def test_every_icon_that_is_named_in_the_code_is_drawn(qapp: QApplication) -> None:
    names = {path.stem for path in icons.FOLDER.glob("*.svg")}
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "widgets").rglob("*.py"))
    asked = set(re.findall(r'dress\([\w.\[\]"]+, "([a-z-]+)"', code)) | set(re.findall(r'drawn\("([a-z-]+)"', code))
    assert len(asked) > 5
    assert asked <= names
    for name in names - {"logo"}:
        image = icons.drawn(name, "#ff0000", 24).toImage()
        inked = [image.pixelColor(x, y) for x in range(24) for y in range(24) if image.pixelColor(x, y).alpha() > 200]
        assert inked, name
        assert all(colour.red() > 200 and colour.green() < 40 for colour in inked), name


def test_an_unknown_preference_falls_back_to_what_the_system_says(qapp: QApplication) -> None:
    assert chosen_theme("system") in THEMES.values()
    assert chosen_theme("light") is LIGHT
