"""The latent map of a model that is told the class: everything decoded is of the class that was chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from explorer_runs import Bench, cloud, pictures, recipe
from latent_maps import PATIENCE, ShowMap, press
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QLabel
from pytestqt.qtbot import QtBot
from torch import Generator

from dgm_studio.questions.latent import DecodeGrid, Plane
from dgm_studio.subject import Subject
from models.conditional_gan import ConditionalGan, ConditionalGanSettings
from widgets.explorers.latent_map import LatentMap

Shown = tuple[Bench, LatentMap]


@pytest.fixture
def shown(show_map: ShowMap) -> Shown:
    bench, view = show_map(made=recipe(ConditionalGan, ConditionalGanSettings(latent=2, hidden=8)))
    return bench, view


def of_class(bench: Bench, z: np.ndarray, label: int | np.ndarray) -> np.ndarray:
    y = torch.as_tensor(label).expand(len(z))
    with torch.no_grad():
        return bench.model.decode_of_class(torch.from_numpy(z), y).numpy()


def choose(view: LatentMap, label: int) -> None:
    view.classes.setCurrentIndex(label)
    view.classes.activated.emit(label)


def test_the_picture_and_the_manifold_are_of_the_class_that_was_chosen(shown: Shown, qtbot: QtBot) -> None:
    bench, view = shown
    assert [view.classes.itemText(i) for i in range(3)] == ["class left", "class middle", "class right"]
    assert any(label.text() == "x = G(z, y)" for label in view.findChildren(QLabel))
    view.move_to(np.array([0.4, -0.3]))
    for label in (2, 1):
        choose(view, label)
        expected = of_class(bench, view.z[None], label)[0]
        qtbot.waitUntil(lambda e=expected: np.allclose(view.outcome.picture.picture, e, atol=1e-5), timeout=PATIENCE)
        assert view.layers.label == label


def test_a_grid_of_places_is_of_one_class(shown: Shown) -> None:
    bench, _ = shown
    subject = Subject(bench.learner, bench.data, 1, Generator())
    question = DecodeGrid(Plane.axes(2, 0, 1), np.zeros(2, np.float32), (-1, -1, 1, 1), 3, 2, 1)
    with torch.no_grad():
        sheet = question(subject)
    z = np.array([[x, y] for y in (-0.5, 0.5) for x in (-2 / 3, 0, 2 / 3)], np.float32)
    assert np.allclose(sheet.values.reshape(6, 1, 8, 8), of_class(bench, z, 1), atol=1e-5)


def test_a_traversal_and_a_path_are_of_the_class_too(shown: Shown, qtbot: QtBot) -> None:
    bench, view = shown
    choose(view, 1)
    press(view, "tool.traversals")
    grid = view.traversals.grid

    def right(label: int) -> bool:
        if len(grid.pictures) != 2:
            return False
        z = np.tile(view.z, (9, 1))
        z[:, 0] = view.traversals.values(0)
        return bool(np.allclose(grid.pictures[0], of_class(bench, z, label), atol=1e-5))

    qtbot.waitUntil(lambda: right(1), timeout=PATIENCE)
    choose(view, 2)
    qtbot.waitUntil(lambda: right(2), timeout=PATIENCE)


def test_a_film_is_of_the_class(shown: Shown, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, view = shown
    choose(view, 2)
    for place in ([0.0, 0.0], [0.5, 0.5]):
        view.move_to(np.array(place, np.float32))
        press(view, "pin")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "film.gif"), ""))
    films: list[np.ndarray] = []
    monkeypatch.setattr(view.films, "receive", films.append)
    view.films.begin(".gif")
    qtbot.waitUntil(lambda: bool(films), timeout=PATIENCE)
    first = of_class(bench, np.zeros((1, 2), np.float32), 2)[0]
    assert np.array_equal(films[0][0], np.round(np.clip(first * 255, 0, 255)).astype(np.uint8))


class TestClassGrid:
    def test_a_row_is_a_class_and_a_column_a_code(self, shown: Shown, qtbot: QtBot) -> None:
        bench, view = shown
        view.move_to(np.array([0.4, -0.3], np.float32))
        QTest.keyClick(view, Qt.Key.Key_C)
        grid = view.class_grid.grid

        def right() -> bool:
            z = np.concatenate([view.z[None], view.card.prior.draws[: grid.columns - 1]])
            return len(grid.pictures) == 3 and all(
                np.allclose(grid.pictures[k], of_class(bench, z, k), atol=1e-5) for k in range(3)
            )

        qtbot.waitUntil(right, timeout=PATIENCE)
        assert [name for name, _ in grid.labels] == ["left", "middle", "right"]
        assert grid.marks == [0, -1, -1]
        view.move_to(np.array([-0.8, 0.1], np.float32))
        qtbot.waitUntil(right, timeout=PATIENCE)

    def test_a_click_goes_to_that_code_and_class(self, shown: Shown, qtbot: QtBot) -> None:
        bench, view = shown
        press(view, "tool.class-grid")
        grid = view.class_grid.grid
        qtbot.waitUntil(lambda: len(grid.pictures) == 3, timeout=PATIENCE)
        cell = grid.cell()
        place = QPoint(round(68 + 2.5 * cell), round(1.5 * cell))
        wanted = view.card.prior.draws[1]
        QTest.mouseClick(grid, Qt.MouseButton.LeftButton, pos=place)
        assert view.label == 1
        assert view.classes.currentText() == "class middle"
        assert np.array_equal(view.z, wanted)
        expected = of_class(bench, wanted[None], 1)[0]
        qtbot.waitUntil(lambda: np.allclose(view.outcome.picture.picture, expected, atol=1e-5), timeout=PATIENCE)
        qtbot.waitUntil(lambda: grid.marks == [-1, 0, -1], timeout=PATIENCE)


def test_points_are_of_a_class_as_well(show_map: ShowMap, qtbot: QtBot) -> None:
    data = cloud()
    y = torch.arange(len(data.train)) % 2
    part = replace(data.train, y=y)
    named = replace(data, spec=replace(data.spec, class_names=("a", "b")), train=part, valid=part, test=part)
    bench, view = show_map(data=named, made=recipe(ConditionalGan, ConditionalGanSettings(latent=2, hidden=8)))
    choose(view, 1)
    x, y1 = of_class(bench, view.z[None], 1)[0].tolist()

    def there() -> bool:
        place = view.outcome.plane.handle.pos()
        return abs(place.x() - x) < 1e-5 and abs(place.y() - y1) < 1e-5

    qtbot.waitUntil(there, timeout=PATIENCE)
    assert view.class_grid not in view.tools.tools


def test_where_a_code_alone_decodes_no_class_is_asked_for(show_map: ShowMap) -> None:
    _, view = show_map(data=pictures(), encodes=False)
    assert view.label is None
    assert not view.classes.isVisible()
    assert view.class_grid not in view.tools.tools
