"""Receptive field: what a pixel depends on is what the model was built to depend on, and is said so."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from explorer_runs import Bench, pictures, recipe
from ordered_models import Near, NearSettings, NearWithoutGradient, levels
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from models.fvbn import Fvbn, FvbnSettings
from models.spec import Support
from widgets.explorers.receptive_field import ReceptiveFieldView

PATIENCE = 60_000  # ms


def opened(bench: Bench, qtbot: QtBot) -> ReceptiveFieldView:
    bench.publish(1)
    view = ReceptiveFieldView(bench.live)
    qtbot.addWidget(view)
    view.resize(748, 672)
    view.show()
    qtbot.waitUntil(lambda: view.field is not None, timeout=PATIENCE)
    return view


def at(view: ReceptiveFieldView, qtbot: QtBot, channel: int, row: int, column: int) -> None:
    """Click on a pixel, and wait for its field."""
    target = view.heat.target()
    _, height, width = view.field.influence.shape
    place = QPointF(
        target.x() + (column + 0.5) * target.width() / width, target.y() + (row + 0.5) * target.height() / height
    )
    QTest.mouseClick(view.heat, Qt.MouseButton.LeftButton, pos=place.toPoint())
    qtbot.waitUntil(lambda: view.field.target == (channel, row, column), timeout=PATIENCE)


def said(view: ReceptiveFieldView, name: str) -> str:
    return view.findChild(QLabel, name).text()


@pytest.fixture
def benches() -> Iterator[list[Bench]]:
    """Benches to close."""
    made: list[Bench] = []
    yield made
    for bench in made:
        bench.live.close()


@pytest.mark.parametrize("kind", [Near, NearWithoutGradient])
def test_the_support_is_exact_with_a_gradient_or_by_changes(kind: type, benches: list[Bench], qtbot: QtBot) -> None:
    benches.append(Bench(recipe(kind, NearSettings(reach=7)), levels()))
    view = opened(benches[0], qtbot)
    at(view, qtbot, 0, 2, 4)
    seen = np.zeros(36, bool)
    seen[16 - 7 : 16] = True
    assert np.array_equal(view.field.seen[0], seen.reshape(6, 6))
    assert np.array_equal(view.heat.area, seen.reshape(6, 6))
    assert "<b>7</b> of the 16 pixels before it; 9 are out of its sight" in said(view, "seen")
    assert ("There is no gradient" in said(view, "how")) is (kind is NearWithoutGradient)


def test_changes_and_gradients_agree_where_the_model_is_linear(benches: list[Bench], qtbot: QtBot) -> None:
    # near the mean of the levels log p is almost linear in one pixel: the two ways measure the same thing
    data = levels(categories=2)
    fields = []
    for kind in (Near, NearWithoutGradient):
        benches.append(Bench(recipe(kind, NearSettings(reach=20)), data))
        view = opened(benches[-1], qtbot)
        view._many._move(4)
        at(view, qtbot, 0, 4, 4)
        qtbot.waitUntil(lambda view=view: view.field.examples == 4, timeout=PATIENCE)
        fields.append(view.field.influence)
    assert fields[1] == pytest.approx(fields[0], rel=0.15, abs=1e-6)


def test_influence_is_the_mean_gradient_over_test_examples(benches: list[Bench], qtbot: QtBot) -> None:
    benches.append(Bench(recipe(Fvbn, FvbnSettings()), pictures(support=Support.BITS)))
    view = opened(benches[0], qtbot)
    view._many._move(60)
    at(view, qtbot, 0, 3, 2)
    qtbot.waitUntil(lambda: view.field.examples == 60, timeout=PATIENCE)
    x = benches[0].data.test.x.clone().requires_grad_()
    benches[0].model.log_conditionals(x)[:, 0, 3, 2].sum().backward()
    expected = x.grad.abs().mean(0)
    expected[0, 3, 2] = 0
    assert view.field.influence == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-8)
    assert "all <b>26</b> pixels before it" in said(view, "seen")


def test_the_first_pixel_depends_on_nothing(benches: list[Bench], qtbot: QtBot) -> None:
    benches.append(Bench(recipe(Near, NearSettings()), levels()))
    view = opened(benches[0], qtbot)
    at(view, qtbot, 0, 0, 0)
    assert not view.field.seen.any()
    assert "depends on nothing" in said(view, "seen")


def test_each_colour_of_a_pixel_has_a_field_of_its_own(benches: list[Bench], qtbot: QtBot) -> None:
    benches.append(Bench(recipe(Near, NearSettings(reach=4)), levels((3, 6, 6), 4)))
    view = opened(benches[0], qtbot)
    view.findChild(QPushButton, "channel.2").click()
    qtbot.waitUntil(lambda: view.field.target[0] == 2, timeout=PATIENCE)
    at(view, qtbot, 2, 3, 3)
    seen = view.field.seen
    assert seen[:, 3, 3].tolist() == [True, True, False]
    assert seen[:, 3, 2].tolist() == [False, True, True]
    assert seen.sum() == 4
    assert "The blue of the pixel in row 4, column 4" in said(view, "seen")


def test_arrow_keys_move_the_pixel_and_stay_inside(benches: list[Bench], qtbot: QtBot) -> None:
    benches.append(Bench(recipe(Near, NearSettings()), levels()))
    view = opened(benches[0], qtbot)
    at(view, qtbot, 0, 1, 5)
    for _ in range(3):
        QTest.keyClick(view.heat, Qt.Key.Key_Right)
    QTest.keyClick(view.heat, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: view.field.target == (0, 2, 5), timeout=PATIENCE)


class LookingAhead(Near):
    """Not a distribution: the last value speaks to all before it."""

    def log_conditionals(self, x: torch.Tensor) -> torch.Tensor:
        return super().log_conditionals(x) * (1 + 0.1 * x[:, :, -1:, -1:])


def test_a_model_that_looks_ahead_is_said_to_be_no_distribution(benches: list[Bench], qtbot: QtBot) -> None:
    benches.append(Bench(recipe(LookingAhead, NearSettings()), levels()))
    view = opened(benches[0], qtbot)
    at(view, qtbot, 0, 2, 2)
    assert view.field.seen[0, 5, 5]
    assert view.findChild(QLabel, "ahead").isVisible()
    assert "values that come later (1)" in said(view, "ahead")


def test_newer_weights_are_looked_at_again(benches: list[Bench], qtbot: QtBot) -> None:
    benches.append(Bench(recipe(Fvbn, FvbnSettings()), pictures(support=Support.BITS)))
    view = opened(benches[0], qtbot)
    before = view.field
    benches[0].publish(2)
    qtbot.waitUntil(lambda: view.field is not before, timeout=PATIENCE)
    assert not np.array_equal(view.field.influence, before.influence)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 6, 6)])
def test_it_fits_a_window_of_usual_size(shape: tuple[int, ...], benches: list[Bench], qtbot: QtBot) -> None:
    benches.append(Bench(recipe(Near, NearSettings()), levels(shape, 256, n=4)))
    view = ReceptiveFieldView(benches[0].live)
    qtbot.addWidget(view)
    view._working.setText("working… 100 s")
    assert view.minimumSizeHint().width() <= 720
    assert view.minimumSizeHint().height() <= 640
