"""Drawing a distribution: what the brush marks, what undo takes back, and what becomes of it."""

from __future__ import annotations

import numpy as np
import pytest
from explorer_runs import drag, mouse
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QSlider, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio.datasets.drawn import SIDE, DrawnSettings, read_drawing, write_drawing
from widgets.drawing_dialog import DrawingDialog, show_drawing
from widgets.drawing_pad import DrawingPad, density_picture

ONE = np.zeros((SIDE, SIDE), np.int64)
ONE[0, 0] = 9


def at(pad: DrawingPad, column: float, row: float) -> QPointF:
    """The place of a cell, from the lower left."""
    square = pad.square()
    side = square.width() / SIDE
    return QPointF(square.left() + (column + 0.5) * side, square.bottom() - (row + 0.5) * side)


@pytest.fixture
def used() -> list[str]:
    return []


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def dialog(window: QWidget, qtbot: QtBot, used: list[str]) -> DrawingDialog:
    made = show_drawing(window, write_drawing(ONE), "Use it", used.append)
    qtbot.waitExposed(made)
    return made


def press(dialog: DrawingDialog, name: str) -> None:
    QTest.mouseClick(dialog.findChild(QPushButton, name), Qt.MouseButton.LeftButton)


def cells(pad: DrawingPad) -> set[tuple[int, int]]:
    return {(int(row), int(column)) for row, column in np.argwhere(pad.weights > 0)}


def test_the_fine_brush_marks_the_cell_below_it_and_a_stroke_has_no_gaps(dialog: DrawingDialog) -> None:
    press(dialog, "brush.fine")
    drag(dialog.pad, [at(dialog.pad, 4, 20), at(dialog.pad, 12, 20)])
    assert cells(dialog.pad) == {(0, 0)} | {(20, column) for column in range(4, 13)}


def test_brushes_are_round_and_the_same_on_every_side(dialog: DrawingDialog) -> None:
    for name, wide in (("medium", 3), ("broad", 6)):
        press(dialog, "clearDrawing")
        press(dialog, f"brush.{name}")
        drag(dialog.pad, [at(dialog.pad, 15, 15)])
        marked = dialog.pad.weights > 0
        assert np.array_equal(marked, marked.T)
        rows = np.flatnonzero(marked.any(1))
        assert rows[0] + rows[-1] == 30  # around row 15
        assert abs(len(rows) - wide) <= 1
        assert marked.sum() < len(rows) ** 2 or wide == 3


def test_the_right_button_and_the_eraser_take_away(dialog: DrawingDialog) -> None:
    press(dialog, "brush.fine")
    drag(dialog.pad, [at(dialog.pad, 4, 20), at(dialog.pad, 12, 20)])
    drag(dialog.pad, [at(dialog.pad, 4, 20)], Qt.MouseButton.RightButton)
    press(dialog, "mode.erase")
    drag(dialog.pad, [at(dialog.pad, 12, 20)])
    assert cells(dialog.pad) == {(0, 0)} | {(20, column) for column in range(5, 12)}


def test_each_stroke_is_one_step_of_undo_and_clearing_is_one(dialog: DrawingDialog, qtbot: QtBot) -> None:
    drag(dialog.pad, [at(dialog.pad, 4, 20), at(dialog.pad, 12, 20), at(dialog.pad, 12, 4)])
    drawn = dialog.pad.weights.copy()
    press(dialog, "clearDrawing")
    assert not dialog.findChild(QPushButton, "useDrawing").isEnabled()
    press(dialog, "undoStroke")
    assert np.array_equal(dialog.pad.weights, drawn)
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow)
    QTest.keyClick(dialog.pad, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(dialog.pad.weights, ONE)
    assert not dialog.findChild(QPushButton, "undoStroke").isEnabled()
    press(dialog, "redoStroke")
    assert np.array_equal(dialog.pad.weights, drawn)


def test_undo_in_the_middle_of_a_stroke_ends_it(dialog: DrawingDialog) -> None:
    mouse(dialog.pad, QEvent.Type.MouseButtonPress, at(dialog.pad, 10, 10))
    dialog.pad.undo()
    mouse(dialog.pad, QEvent.Type.MouseMove, at(dialog.pad, 14, 10))
    mouse(dialog.pad, QEvent.Type.MouseButtonRelease, at(dialog.pad, 14, 10))
    assert np.array_equal(dialog.pad.weights, ONE)


def test_weights_are_those_of_the_slider(dialog: DrawingDialog) -> None:
    press(dialog, "brush.fine")
    dialog.findChild(QSlider, "weight").setValue(3)
    drag(dialog.pad, [at(dialog.pad, 7, 9)])
    assert dialog.pad.weights[9, 7] == 3


def test_it_can_be_drawn_with_the_keys(dialog: DrawingDialog) -> None:
    press(dialog, "brush.fine")
    press(dialog, "clearDrawing")
    dialog.pad.setFocus()
    for key in (Qt.Key.Key_Space, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Space):
        QTest.keyClick(dialog.pad, key)
    assert cells(dialog.pad) == {(16, 16), (17, 17)}
    QTest.keyClick(dialog.pad, Qt.Key.Key_Delete)
    assert cells(dialog.pad) == {(16, 16)}


def test_what_is_accepted_is_handed_over_as_text(dialog: DrawingDialog, used: list[str]) -> None:
    drag(dialog.pad, [at(dialog.pad, 20, 20)])
    expected = dialog.pad.weights.copy()
    press(dialog, "useDrawing")
    assert len(used) == 1
    assert np.array_equal(read_drawing(used[0]), expected)


def test_the_picture_is_the_density_the_right_way_up() -> None:
    picture = density_picture(ONE)
    row, column = np.unravel_index(picture.argmax(), picture.shape)
    assert (row, column) == (157, 2)  # the middle of the lowest cell on the left
    assert picture.max() == 1
    assert density_picture(ONE * 0).max() == 0
    assert read_drawing(DrawnSettings().drawing).max() == 9
