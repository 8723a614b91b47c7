"""Canvases: every step is what the model says, windows lie where it put them, and keys go through the steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from explorer_runs import Bench, pictures, recipe
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from models.draw import Draw, DrawSettings
from widgets.explorers.canvases import CanvasesView
from widgets.picture_grid import PictureGrid

PATIENCE = 60_000  # ms
STEPS = 3


def bench_of(attention: bool = True) -> Bench:
    settings = DrawSettings(glimpses=STEPS, latent=2, hidden=8, attention=attention, read_size=2, write_size=3)
    return Bench(recipe(Draw, settings), pictures())


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = bench_of()
    yield made
    made.live.close()


def opened(bench: Bench, qtbot: QtBot) -> CanvasesView:
    bench.publish(1)
    view = CanvasesView(bench.live)
    qtbot.addWidget(view)
    view.player.duration._move(0.1)
    view.resize(748, 672)
    view.show()
    settle(view, qtbot)
    return view


def settle(view: CanvasesView, qtbot: QtBot) -> None:
    """Wait until an answer is there and was played to its end."""
    qtbot.waitUntil(
        lambda: view._answer is not None and not view._fresh and view.player.done == view.player.size, timeout=PATIENCE
    )


def press(view: QWidget, name: str) -> None:
    QTest.mouseClick(view.findChild(QPushButton, name), Qt.MouseButton.LeftButton)


def said(view: QWidget, name: str) -> str:
    return view.findChild(QLabel, name).text()


def at(grid: PictureGrid, number: int) -> None:
    """Click on a picture."""
    QTest.mouseClick(grid, Qt.MouseButton.LeftButton, pos=grid.places()[number].center().toPoint())


def test_canvases_and_windows_are_the_models(bench: Bench, qtbot: QtBot) -> None:
    view = opened(bench, qtbot)
    with torch.no_grad():
        drawn = bench.model.draw_in_steps(16, torch.Generator().manual_seed(0))
    assert view.step == STEPS
    assert view.others.count == 16
    assert view.strip.count == STEPS
    assert np.allclose(view.canvas.picture, drawn.canvases[0, -1], atol=1e-6)
    at(view.others, 5)
    at(view.strip, 1)
    assert view.step == 2
    assert (view.others.marked, view.strip.marked) == (5, 1)
    assert np.allclose(view.canvas.picture, drawn.canvases[5, 1], atol=1e-6)
    assert np.allclose(view.canvas.window_shown, drawn.written[5, 1], atol=1e-6)
    x, y, stride, blur = drawn.written[5, 1].tolist()
    assert said(view, "writes") == (
        f"Writes at column {x + 1:.1f}, row {y + 1:.1f}: 3×3 places, {stride:.1f} px apart, σ\u00a0{blur:.2f}"
    )
    assert said(view, "at") == f"step 2 of {STEPS}"


def test_a_windows_frame_goes_round_the_pixels_of_its_places(bench: Bench, qtbot: QtBot) -> None:
    view = opened(bench, qtbot)
    view.canvas.show_window(np.array([2.0, 3.0, 1.0, 0.5]), 3)
    frame = view.canvas.frame()
    assert (frame.left(), frame.right(), frame.top(), frame.bottom()) == (1, 4, 2, 5)
    target = view.canvas.target()
    scale = target.width() / 8
    image = view.canvas.grab().toImage()
    corner = image.pixelColor(QPointF(target.x() + 1 * scale, target.y() + 2 * scale).toPoint())
    assert corner.red() > 200 > corner.blue() + 80  # the edge's colour, on a grey picture


def test_switched_off_windows_are_not_shown(bench: Bench, qtbot: QtBot) -> None:
    view = opened(bench, qtbot)
    view.findChild(QCheckBox, "windows").click()
    assert view.canvas.window_shown is None
    view.findChild(QCheckBox, "windows").click()
    assert view.canvas.window_shown is not None


def test_examples_are_drawn_again_with_what_was_looked_at_beside(bench: Bench, qtbot: QtBot) -> None:
    view = opened(bench, qtbot)
    assert not view.example.isVisible()
    press(view, "drawn.test")
    settle(view, qtbot)
    assert view.example.isVisible()
    answer = view._answer
    with torch.no_grad():
        x = torch.from_numpy(answer.examples)
        drawn = bench.model.redraw_in_steps(x, torch.Generator().manual_seed(0))
    assert (x[:, None] == bench.data.test.x).flatten(2).all(2).any(1).all()
    assert np.allclose(view.canvas.picture, drawn.canvases[0, -1], atol=1e-6)
    assert np.array_equal(view.example.picture, answer.examples[0])
    assert np.allclose(view.example.window_shown, drawn.read[0, -1], atol=1e-6)
    assert said(view, "reads").startswith("Looks at column")
    box = view.findChild(QComboBox, "class")
    box.setCurrentIndex(2)
    box.activated.emit(2)
    settle(view, qtbot)
    middle = bench.data.test.x[bench.data.test.y == 1]
    found = torch.from_numpy(view._answer.examples)
    assert (found[:, None] == middle).flatten(2).all(2).any(1).all()
    press(view, "drawn.new")
    settle(view, qtbot)
    assert not view.example.isVisible()
    assert view._answer.read is None


def test_a_class_without_examples_shows_nothing_and_says_so(bench: Bench, qtbot: QtBot) -> None:
    view = opened(bench, qtbot)
    bench.data.test.y[:] = 0
    press(view, "drawn.test")
    settle(view, qtbot)
    box = view.findChild(QComboBox, "class")
    box.setCurrentIndex(2)
    box.activated.emit(2)
    qtbot.waitUntil(lambda: not len(view._answer.canvases), timeout=PATIENCE)
    assert view.canvas.picture is None
    assert view.others.count == 0
    assert view.findChild(QLabel, "none").isVisible()


def test_drawing_again_gives_other_drawings_and_newer_weights_the_same_ones_changed(bench: Bench, qtbot: QtBot) -> None:
    view = opened(bench, qtbot)
    first = view._answer
    press(view, "again")
    settle(view, qtbot)
    second = view._answer
    assert not np.array_equal(first.canvases, second.canvases)
    view.player.go_to(2)
    bench.publish(2)
    qtbot.waitUntil(lambda: view._answer is not second, timeout=PATIENCE)
    with torch.no_grad():
        drawn = bench.model.draw_in_steps(16, torch.Generator().manual_seed(1))
    assert np.allclose(view._answer.canvases, drawn.canvases, atol=1e-6)
    assert view.step == 2  # it goes on being looked at where it was


def test_space_plays_and_arrows_step(bench: Bench, qtbot: QtBot) -> None:
    view = opened(bench, qtbot)
    view.player.duration._move(10.0)
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Left)
    assert view.step == STEPS - 1
    for _ in range(4):
        QTest.keyClick(view, Qt.Key.Key_Left)
    assert view.step == 1
    QTest.keyClick(view, Qt.Key.Key_Right)
    assert view.step == 2
    press(view, "play")
    assert view.player.playing
    assert view.findChild(QPushButton, "play").text() == "Pause"
    assert view.findChild(QPushButton, "play").shortcut().toString() == "Space"
    press(view, "play")
    assert not view.player.playing
    view.hide()
    assert not view.player.playing


def test_without_attention_there_are_no_windows_to_show(qtbot: QtBot) -> None:
    bench = bench_of(attention=False)
    view = opened(bench, qtbot)
    assert view.canvas.window_shown is None
    assert not view.findChild(QCheckBox, "windows").isVisible()
    assert said(view, "writes") == "Writes on the whole image."
    bench.live.close()
