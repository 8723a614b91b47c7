"""Codes: what is toggled is what is seen, and can be taken back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from code_models import Panes
from explorer_runs import Bench, pictures, recipe
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QPushButton
from pytestqt.qtbot import QtBot

from models.discrete_vae import DiscreteVae, DiscreteVaeSettings
from models.rbm import Rbm
from models.settings import NoSettings
from models.spec import DataSpec, Layout, Support
from models.vae import Vae
from widgets.explorers.codes import Codes
from widgets.explorers.unit_grid import UnitGrid

PATIENCE = 60_000  # ms


@pytest.fixture
def bench(qtbot: QtBot) -> Iterator[Bench]:
    made = Bench(recipe(Panes, NoSettings()), pictures())
    made.publish(1)
    yield made
    made.live.close()


@pytest.fixture
def view(bench: Bench, qtbot: QtBot) -> Codes:
    """With a code whose bits are all off, and whose units have their first value."""
    view = Codes(bench.live)
    qtbot.addWidget(view)
    view.resize(748, 672)
    view.show()
    qtbot.waitUntil(lambda: view.code is not None and bool(view.anatomy.layers), timeout=PATIENCE)
    values = np.eye(2, dtype=np.float32)[np.zeros(4, int)]
    view.change(type(view.code)((np.zeros(4, np.float32), values)))
    settle(view, qtbot, np.zeros((8, 8)))
    return view


def settle(view: Codes, qtbot: QtBot, expected: np.ndarray) -> None:
    """Wait for a picture (8, 8)."""

    def is_there() -> bool:
        picture = view.made.made.picture
        return picture is not None and np.allclose(picture[0], expected, atol=1e-6)

    qtbot.waitUntil(is_there, timeout=PATIENCE)


def columns(bench: Bench, *bits: int) -> np.ndarray:
    lit = np.zeros((8, 8))
    for bit in bits:
        lit[:, 2 * bit : 2 * bit + 2] = bench.model.weight.item()
    return lit


def rows(bench: Bench, *values: int) -> np.ndarray:
    lit = np.zeros((8, 8))
    for unit, value in enumerate(values):
        lit[2 * unit + value] = bench.model.weight.item()
    return lit


def click(view: Codes, place: int) -> None:
    cells = view.card.grid.cells
    QTest.mouseClick(cells, Qt.MouseButton.LeftButton, pos=cells.place(place).center().toPoint())


def press(view: Codes, name: str) -> None:
    QTest.mouseClick(view.findChild(QPushButton, name), Qt.MouseButton.LeftButton)


def pick(view: Codes, name: str, index: int) -> None:
    box = view.findChild(QComboBox, name)
    box.setCurrentIndex(index)
    box.activated.emit(index)


def test_a_bit_that_is_pressed_changes_and_so_does_the_picture(view: Codes, bench: Bench, qtbot: QtBot) -> None:
    click(view, 1)
    settle(view, qtbot, columns(bench, 1))
    click(view, 3)
    settle(view, qtbot, columns(bench, 1, 3))
    click(view, 1)
    settle(view, qtbot, columns(bench, 3))


def test_a_unit_takes_the_value_that_is_pressed_in_the_layer_that_is_chosen(
    view: Codes, bench: Bench, qtbot: QtBot
) -> None:
    pick(view, "codeLayer", 1)
    settle(view, qtbot, rows(bench, 0, 0, 0, 0))
    click(view, 2 * 2 + 1)  # unit 3, value 2
    settle(view, qtbot, rows(bench, 0, 0, 1, 0))
    click(view, 2 * 2 + 1)
    assert view.code is not None
    assert view.code.hidden[1][2].tolist() == [0, 1]
    assert not view.code.hidden[0].any()


def test_the_picture_follows_newer_weights_while_the_code_stays(view: Codes, bench: Bench, qtbot: QtBot) -> None:
    click(view, 0)
    settle(view, qtbot, columns(bench, 0))
    before = bench.model.weight.item()
    bench.publish(2)
    assert bench.model.weight.item() != before
    settle(view, qtbot, columns(bench, 0))


def test_the_values_of_a_unit_and_its_effect_are_shown_and_a_picture_chooses(
    view: Codes, bench: Bench, qtbot: QtBot
) -> None:
    click(view, 2)
    settle(view, qtbot, columns(bench, 2))
    qtbot.waitUntil(lambda: view.unit.values.count == 2, timeout=PATIENCE)
    assert view.unit._effect is not None
    assert np.allclose(view.unit._effect[0], columns(bench, 2), atol=1e-6)
    off = view.unit.values.places()[0].center().toPoint()
    QTest.mouseClick(view.unit.values, Qt.MouseButton.LeftButton, pos=off)
    settle(view, qtbot, columns(bench))
    QTest.mouseClick(view.unit.values, Qt.MouseButton.LeftButton, pos=off)  # as it is already
    for _ in range(3):
        assert view.can_undo()
        view.undo()
    assert not view.can_undo()


def test_changes_are_taken_back_and_done_again(view: Codes, bench: Bench, qtbot: QtBot) -> None:
    click(view, 0)
    click(view, 1)
    press(view, "undo")
    settle(view, qtbot, columns(bench, 0))
    press(view, "redo")
    settle(view, qtbot, columns(bench, 0, 1))
    cells = view.card.grid.cells
    QTest.keyClick(cells, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    settle(view, qtbot, columns(bench, 0))
    QTest.keyClick(cells, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    settle(view, qtbot, columns(bench, 0, 1))
    click(view, 1)
    assert not view.can_redo()


def test_arrows_go_from_unit_to_unit_and_space_toggles(view: Codes, bench: Bench, qtbot: QtBot) -> None:
    cells = view.card.grid.cells
    cells.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Space):
        QTest.keyClick(cells, key)
    assert view.card.place == 2
    settle(view, qtbot, columns(bench, 2))


def test_the_code_of_a_test_example_is_seen_beside_it(view: Codes, bench: Bench, qtbot: QtBot) -> None:
    pick(view, "class", 2)  # the blobs in columns 3 and 4
    qtbot.waitUntil(lambda: view.made.example.isVisible(), timeout=PATIENCE)
    assert view.code is not None
    assert view.code.hidden[0].tolist() == [0, 0, 1, 0]
    settle(view, qtbot, columns(bench, 2))
    assert view.made.example.picture is not None
    assert view.made.example.picture[0, 2:6, 3:5].min() == pytest.approx(0.9)
    press(view, "draw")
    qtbot.waitUntil(lambda: not view.made.example.isVisible(), timeout=PATIENCE)
    press(view, "undo")
    assert view.made.example.isVisible()


def test_walks_lead_from_the_pinned_code_unit_by_unit(view: Codes, bench: Bench, qtbot: QtBot) -> None:
    assert not view.findChild(QPushButton, "unpin").isEnabled()
    press(view, "pin")
    click(view, 0)
    click(view, 3)
    qtbot.waitUntil(lambda: view.walk.grid.count == 3, timeout=PATIENCE)
    middle = view.walk.grid.places()[1].center().toPoint()
    QTest.mouseClick(view.walk.grid, Qt.MouseButton.LeftButton, pos=middle)
    settle(view, qtbot, columns(bench, 0))
    qtbot.waitUntil(lambda: view.walk.grid.count == 2, timeout=PATIENCE)
    assert view.card.grid.cells.held is not None
    assert np.isnan(view.card.grid.cells.held).tolist() == [False, True, True, True]
    press(view, "unpin")
    assert view.walk.grid.count == 0


def test_pictures_in_colour_and_500_units_are_shown(qtbot: QtBot) -> None:
    bench = Bench(recipe(DiscreteVae, DiscreteVaeSettings(units=500, values=2, hidden=4)), pictures((3, 8, 8)))
    bench.publish(1)
    view = Codes(bench.live)
    qtbot.addWidget(view)
    view.resize(748, 672)
    view.show()
    qtbot.waitUntil(lambda: view.unit.values.count == 2, timeout=PATIENCE)
    assert view.made.made.picture is not None
    assert view.made.made.picture.shape == (3, 8, 8)
    cells = view.card.grid.cells
    assert cells.place(499).bottom() <= view.card.grid.viewport().height()
    bench.live.close()


def test_it_is_for_images_of_models_that_draw_discrete_layers_downwards() -> None:
    image = DataSpec((1, 8, 8), Support.BITS, Layout.IMAGE)
    assert Codes.admits(Panes, object, image)
    assert not Codes.admits(Panes, object, DataSpec((2,), Support.REALS, Layout.POINTS))
    assert not any(Codes.admits(other, object, image) for other in (Rbm, Vae))


def test_units_of_several_values_are_rows_of_cells(qtbot: QtBot) -> None:
    grid = UnitGrid()
    qtbot.addWidget(grid)
    grid.resize(400, 300)
    grid.show()
    grid.set_layer((5, 3))
    cells = grid.cells
    of_unit = [[cells.place(3 * unit + value) for value in range(3)] for unit in range(5)]
    for places in of_unit:
        assert len({place.y() for place in places}) == 1
        assert places[2].x() - places[0].x() == 2 * places[0].width()
    assert len({place.topLeft().toTuple() for places in of_unit for place in places}) == 15
    assert cells.unit_at(of_unit[4][1].center()) == 13
    grid.set_layer((3, 14))  # wider than the largest cells allow
    assert cells.place(13).right() <= grid.viewport().width()
    grid.set_layer((5, 3))
    assert cells.unit_at(of_unit[0][2].center() + QPoint(round(of_unit[0][2].width()), 0)) is None  # a gap
