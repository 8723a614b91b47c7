"""The look: readable in both themes, and every icon that is asked for is there."""

from __future__ import annotations

import errno
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from dgm_studio import ROOT
from widgets import icons
from widgets.theme import CATEGORICAL, DARK, LIGHT, THEMES, Theme, chosen_theme, look, mixed

BOTH = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)


# linear RGB as it looks to people without one kind of cones: Machado, Oliveira & Fernandes (2009), severity 1
CONES = {
    "all": np.eye(3),
    "no long": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no medium": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no short": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> np.ndarray:
    """sRGB without its transfer curve."""
    parts = np.array(QColor(colour).getRgbF()[:3])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB under D65 of linear sRGB."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    scaled = xyz / np.array([0.9505, 1, 1.089])
    f = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


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
        assert contrast(getattr(theme, state), theme.panel) >= 4.5, state


@BOTH
def test_colours_of_classes_stand_out_from_their_ground(theme: Theme) -> None:
    assert min(contrast(colour, theme.panel) for colour in CATEGORICAL) >= 2.3


@pytest.mark.parametrize("cones", CONES)
def test_colours_of_classes_can_be_told_apart_with_fewer_kinds_of_cones(cones: str) -> None:
    seen = [lab(np.clip(CONES[cones] @ linear(colour), 0, 1)) for colour in CATEGORICAL]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) >= 20
    red, green = (lab(np.clip(CONES["no medium"] @ linear(colour), 0, 1)) for colour in ("#e45756", "#54a24b"))
    assert np.linalg.norm(red - green) < 2  # which a red and a green of the same lightness could not


@BOTH
def test_words_can_be_read_on_what_is_chosen_or_under_the_pointer(theme: Theme) -> None:
    chosen = mixed(theme.accent, theme.panel, 0.22).name()
    hovered = mixed(theme.text, theme.raised, 0.08).name()
    for ground in (chosen, hovered):
        assert contrast(theme.text, ground) >= 4.5
    assert contrast(theme.muted, hovered) >= 4.5
    assert contrast(theme.accent, theme.raised) >= 4.5


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


def test_the_window_opens_with_its_marks_where_there_is_no_room_for_temporary_files(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, put = [icons._folders()[0]], icons.put

    def put_where_there_is_room(path: Path, data: bytes) -> None:
        if path.parent in full:
            raise OSError(errno.ENOSPC, "no room")
        put(path, data)

    monkeypatch.setattr(icons, "put", put_where_there_is_room)
    made = icons.icon_file.__wrapped__("check", "#123456")
    assert "#123456" in made.read_text(encoding="utf-8")
    full += icons._folders()
    assert icons.icon_file.__wrapped__("check", "#654321") == icons.FOLDER / "check.svg"
