"""What a view shows, as files and on the clipboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication, QImage, QMouseEvent, QPainter
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QMenu, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio.reports import Column, Curves, Series, Table
from widgets.explorers.map_points import PointGroup, PointsItem
from widgets.notices import Notice, voice
from widgets.picture_grid import PictureGrid
from widgets.plots import Plot
from widgets.report_plots import CurvesPlot
from widgets.report_views import TableView
from widgets.saving import RUN_NAME
from widgets.theme import DARK, LIGHT, look

MOST_AWAY = 0.06  # of 255; 0.02 as it is, 0.1 without cutting, 1.8 with axes of another scale
NONE = Qt.KeyboardModifier.NoModifier
RAMP = np.linspace(0, 1, 5)
PICTURES = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), dtype=np.uint8)
TABLE = Table(
    "Likelihood", (Column("Measure"), Column("Value", "number", "nats")), (("100 % of σ_x", -1.5),), "A note."
)


@pytest.fixture
def said() -> Iterator[list[Notice]]:
    notices: list[Notice] = []
    voice.said.connect(notices.append)
    yield notices
    voice.said.disconnect(notices.append)


@pytest.fixture
def plot(qtbot: QtBot) -> CurvesPlot:
    page = QWidget()
    page.setProperty(RUN_NAME, "vae-1")
    view = CurvesPlot(Curves("Loss", "step", "nats", (Series("train <ing>", RAMP, RAMP**2),)))
    QVBoxLayout(page).addWidget(view)
    page.resize(400, 300)
    qtbot.addWidget(page)
    page.show()
    view.parent_ = page
    return view


def chosen(monkeypatch: pytest.MonkeyPatch, path: Path, kind: str = "") -> list[str]:
    """What dialogs suggest, while they are answered with `path`."""
    suggested: list[str] = []

    def answer(view: QWidget, title: str, name: str, kinds: str) -> tuple[str, str]:
        suggested.append(name)
        return str(path), next(one for one in kinds.split(";;") if kind in one)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    return suggested


def do(view: QWidget, key: str) -> None:
    next(choice for choice in view.offers() if choice.key == key).do()


def test_a_plot_is_saved_twice_as_large_with_its_title_and_legend(
    plot: CurvesPlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[Notice]
) -> None:
    suggested = chosen(monkeypatch, tmp_path / "plot.png")
    do(plot, "savePicture")
    assert [Path(name).name for name in suggested] == ["vae-1-loss.png"]
    image, shown = QImage(str(tmp_path / "plot.png")), plot.plot.viewport()
    assert image.width() == 2 * shown.width()
    assert image.height() > 2 * shown.height() + 40, "title and legend stand above"
    assert image.pixelColor(1, 1).name() == DARK.panel
    plot.plot.setXRange(0.5, 0.9)  # what lies beyond is cut off
    for suffix in ("png", "svg"):
        suggested = chosen(monkeypatch, tmp_path / f"plot.{suffix}")
        do(plot, "savePicture")
    assert Path(suggested[0]).parent == tmp_path, "where the last file went"
    texts = "".join(ElementTree.parse(tmp_path / "plot.svg").getroot().itertext())
    assert "Loss" in texts
    assert "train <ing>" in texts.replace("\u00a0", " ")
    image = QImage(str(tmp_path / "plot.png"))
    again = QImage(image.size(), QImage.Format.Format_RGB32)
    with QPainter(again) as painter:
        QSvgRenderer(str(tmp_path / "plot.svg")).render(painter)
    places = [(x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)]
    away = [abs(image.pixelColor(x, y).blue() - again.pixelColor(x, y).blue()) for x, y in places]
    assert sum(away) / len(away) < MOST_AWAY, "axes, texts and curves are where they are in the picture"
    assert [notice.kind for notice in said] == ["good", "good", "good"]
    assert not list(tmp_path.glob(".*")), "nothing half is left beside them"


def test_a_dark_plot_is_saved_on_white_in_colours_for_white(
    plot: CurvesPlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen(monkeypatch, tmp_path / "white", "SVG")
    do(plot, "saveOnWhite")
    drawing = (tmp_path / "white.svg").read_text()
    assert LIGHT.muted in drawing
    assert DARK.muted not in drawing
    assert DARK.panel not in drawing
    assert look.theme is DARK


def test_symbols_of_a_cloud_are_drawn_and_not_painted(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = Plot()
    qtbot.addWidget(view)
    view.addItem(pg.ScatterPlotItem(RAMP, RAMP, size=9, symbol=["o", "s", "o", "s", "o"], brush="#ff8800", pen=None))
    view.show()
    chosen(monkeypatch, tmp_path / "cloud.svg")
    do(view, "savePicture")
    text = (tmp_path / "cloud.svg").read_text()
    assert "<image" not in text, "Qt puts all symbols in the place of each"
    assert text.count('fill="#ff8800"') >= len(RAMP)


def test_points_of_a_map_are_in_its_file(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view, points = Plot(), PointsItem(size=9.0, opacity=1.0)
    points.set_groups([PointGroup(np.stack([RAMP, RAMP], 1), "#ff8800", "tag")])
    qtbot.addWidget(view)
    view.addItem(points)
    view.setRange(xRange=(-1, 2), yRange=(-1, 2))
    view.show()
    place = view.mapFromScene(view.box.mapViewToScene(QPointF(1, 1)))
    chosen(monkeypatch, tmp_path / "map.png")
    do(view, "savePicture")
    image = QImage(str(tmp_path / "map.png"))
    top = image.height() // 2 - view.viewport().height()
    assert image.pixelColor(2 * place.x(), 2 * (place.y() + top)).name() == "#ff8800"
    chosen(monkeypatch, tmp_path / "map.svg")
    do(view, "savePicture")
    text = (tmp_path / "map.svg").read_text()
    assert text.count("<circle") + text.count("<ellipse") >= len(RAMP)
    assert "<image" not in text
    assert ">tag<" in text


def test_an_ending_that_the_dialog_did_not_ask_about_replaces_nothing(
    plot: CurvesPlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[Notice]
) -> None:
    (tmp_path / "loss.csv").write_text("mine")
    chosen(monkeypatch, tmp_path / "loss", "CSV")
    do(plot, "saveTable")
    assert (tmp_path / "loss.csv").read_text() == "mine"
    assert "is there already" in said[-1].text
    chosen(monkeypatch, tmp_path / "values.csv")
    do(plot, "saveTable")
    assert (tmp_path / "values.csv").read_text().splitlines()[:3] == [
        "series,step,nats",
        "train <ing>,0.0,0.0",
        "train <ing>,0.25,0.0625",
    ]


def test_a_table_is_copied_in_every_form(qtbot: QtBot) -> None:
    view = TableView(TABLE)
    qtbot.addWidget(view)
    clipboard = QGuiApplication.clipboard()
    do(view, "copyCSV")
    assert clipboard.text() == "Measure,Value (nats)\n100 % of σ_x,-1.5\n"
    do(view, "copyMarkdown")
    assert "| 100 % of σ_x | −1.50 |" in clipboard.text()
    do(view, "copyLaTeX")
    assert r"100 \% of $\sigma$\_x & $-$1.50 \\" in clipboard.text()


@pytest.mark.parametrize(("note", "kind"), [("A note.", "CSV, without the note (*.csv)"), ("", "CSV (*.csv)")])
def test_who_saves_a_table_is_told_that_csv_has_no_place_for_its_note(
    note: str, kind: str, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = TableView(replace(TABLE, note=note))
    qtbot.addWidget(view)
    chosen(monkeypatch, tmp_path / "table", kind)
    do(view, "saveTable")
    assert (tmp_path / "table.csv").read_text() == "Measure,Value (nats)\n100 % of σ_x,-1.5\n"
    chosen(monkeypatch, tmp_path / "table.md", kind)
    do(view, "saveTable")
    assert ("A note." in (tmp_path / "table.md").read_text()) == bool(note)


def test_samples_are_saved_as_a_sheet_and_each_as_it_is(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[Notice]
) -> None:
    view = PictureGrid()
    qtbot.addWidget(view)
    assert not view.offers(), "nothing to save yet"
    view.show_pictures(PICTURES)
    chosen(monkeypatch, tmp_path / "sheet.png")
    do(view, "saveSamples")
    image = QImage(str(tmp_path / "sheet.png"))
    assert (image.width(), image.height()) == (8 * (3 * 8 + 2 * 2), 8 * (2 * 8 + 2)), "3 × 2, each pixel 8"
    assert image.pixelColor(8 * 10 + 3, 3).red() == PICTURES[1, 0, 0, 0]
    chosen(monkeypatch, tmp_path / "values.npy")
    do(view, "saveSamples")
    assert np.array_equal(np.load(tmp_path / "values.npy"), PICTURES)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    do(view, "saveEach")
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [f"{i}.png" for i in range(5)]
    one = QImage(str(tmp_path / "samples" / "3.png"))
    assert [[one.pixelColor(x, y).red() for x in range(8)] for y in range(8)] == PICTURES[3, 0].tolist()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "nowhere"))
    do(view, "saveEach")
    assert said[-1].kind == "bad"
    assert "nowhere" in said[-1].text


def test_the_keyboard_and_a_click_open_the_menu_but_a_drag_does_not(qtbot: QtBot, plot: CurvesPlot) -> None:
    def menus() -> list[QMenu]:
        return [menu for menu in QApplication.topLevelWidgets() if isinstance(menu, QMenu) and menu.isVisible()]

    inner, view = plot.plot, plot.plot.viewport()
    keyboard = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(9, 9), view.mapToGlobal(QPoint(9, 9)))
    QApplication.sendEvent(inner, keyboard)
    assert [action.objectName() for action in menus()[0].actions()][:3] == ["savePicture", "saveOnWhite", "copyPicture"]
    menus()[0].close()
    middle = view.rect().center()
    qtbot.mouseClick(view, Qt.MouseButton.RightButton, pos=middle)
    assert len(menus()) == 1
    menus()[0].close()
    qtbot.mousePress(view, Qt.MouseButton.RightButton, pos=middle)
    pressed = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, middle, view.mapToGlobal(middle))
    QApplication.sendEvent(view, pressed)
    assert not menus(), "a press may be the beginning of a drag"
    for far in (20, 40, 60):
        place = QPointF(middle + QPoint(far, far))
        at, held = view.mapToGlobal(place), Qt.MouseButton.RightButton
        QApplication.sendEvent(view, QMouseEvent(QEvent.Type.MouseMove, place, at, Qt.MouseButton.NoButton, held, NONE))
    qtbot.mouseRelease(view, Qt.MouseButton.RightButton, pos=middle + QPoint(60, 60))
    assert not menus()
    table = TableView(TABLE)
    qtbot.addWidget(table)
    table.show()
    cell = next(label for label in table.findChildren(QLabel) if label.text() == "−1.50")
    over = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, QPoint(2, 2), cell.mapToGlobal(QPoint(2, 2)))
    QApplication.sendEvent(cell, over)
    assert menus()[0].actions()[0].objectName() == "saveTable"
    menus()[0].close()
