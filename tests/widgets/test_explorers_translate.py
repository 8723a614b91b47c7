"""Translate: examples of both domains there and back, and how far off what comes back is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from explorer_runs import Bench, cloud, pictures, recipe
from PySide6.QtGui import QColor, QGuiApplication, QImage, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from dgm_studio.datasets.base import Dataset, joined
from models.cyclegan import CycleGan, CycleGanSettings
from models.learning.cycle_consistency import CycleConsistency, CycleConsistencySettings
from models.spec import DataSpec, Layout, Support
from models.vae import Vae
from widgets.explorers.translate import Translate
from widgets.explorers.translation_planes import TranslationPlanes

PATIENCE = 60_000  # ms
IMAGES = joined(pictures(), pictures((3, 8, 8)))
Show = Callable[[Dataset], tuple[Bench, Translate]]


@pytest.fixture
def show(qtbot: QtBot) -> Iterator[Show]:
    benches: list[Bench] = []

    def shown(data: Dataset) -> tuple[Bench, Translate]:
        settings, learning = CycleGanSettings(hidden=6, layers=1), CycleConsistencySettings(hidden=4, layers=1, pool=2)
        bench = Bench(recipe(CycleGan, settings, CycleConsistency, learning), data)
        benches.append(bench)
        bench.publish(1)
        view = Translate(bench.live)
        qtbot.addWidget(view)
        view.resize(900, 560)
        view.show()
        qtbot.waitUntil(lambda: view._found is not None, timeout=PATIENCE)
        return bench, view

    yield shown
    for bench in benches:
        bench.live.close()


def press(view: Translate, name: str, qtbot: QtBot) -> None:
    before = view._found
    found = view.findChild(QPushButton, name)
    assert found is not None
    found.click()
    qtbot.waitUntil(lambda: view._found is not None and view._found is not before, timeout=PATIENCE)


def test_what_is_shown_is_what_the_model_says(show: Show) -> None:
    bench, view = show(IMAGES)
    found, x = view._found, IMAGES.test.x[:8]
    assert found is not None
    with torch.no_grad():
        made = bench.model.translate(x)
        again = bench.model.translate(made, back=True)
    assert np.allclose(found.made, made, atol=1e-6)
    assert np.allclose(found.again, again, atol=1e-6)
    assert view.shown.count == 8
    assert view.shown.numbers == [f"{e:.3f}" for e in (again - x).abs().mean((1, 2, 3)).tolist()]
    assert "cycle error" in view.status.text()


def test_the_other_way_begins_at_the_other_domain(show: Show, qtbot: QtBot) -> None:
    _, view = show(IMAGES)
    press(view, "direction.back", qtbot)
    assert view._found is not None
    assert view._found.x.shape == (8, 3, 8, 8)
    assert view._found.made.shape == (8, 1, 8, 8)


def test_next_examples_go_round_and_each_way_has_its_place(show: Show, qtbot: QtBot) -> None:
    _, view = show(IMAGES)
    for expected in (8, 16):
        press(view, "nextExamples", qtbot)
        assert view._found is not None
        assert view._found.index[0] == expected
    press(view, "direction.back", qtbot)
    assert view._found is not None
    assert view._found.index[0] == 0
    press(view, "direction.there", qtbot)
    assert view._found.index[0] == 16
    for _ in range(5):
        press(view, "nextExamples", qtbot)
    assert view._found.index.tolist() == [*range(56, 60), *range(4)]


def test_newer_weights_translate_anew(show: Show, qtbot: QtBot) -> None:
    bench, view = show(IMAGES)
    before = view._found
    assert before is not None
    with torch.no_grad():
        for parameter in bench.model.parameters():
            parameter.add_(0.1)
    bench.publish(2)
    qtbot.waitUntil(lambda: "step 2" in view.status.text(), timeout=PATIENCE)
    assert view._found is not None
    assert not np.allclose(view._found.made, before.made)


def test_a_picture_of_ones_own_is_translated_as_it_is_drawn_with_the_newest_weights(show: Show, qtbot: QtBot) -> None:
    bench, view = show(IMAGES)
    view.draw.click()
    qtbot.waitUntil(lambda: view.shown.count == 4, timeout=PATIENCE)
    assert view.own is not None
    drawn = np.zeros((1, 8, 8), np.float32)
    drawn[:, 2:6, 3:5] = 1
    view.own.begin_at(drawn)
    qtbot.waitUntil(lambda: view.shown.own == 1, timeout=PATIENCE)

    def agrees() -> bool:
        """Whether what is shown is what the present weights say."""
        assert view._own is not None
        made = bench.model.translate(torch.from_numpy(view._own.x))
        return np.allclose(view._own.made, made.detach(), atol=1e-6)

    assert view._own is not None
    assert np.allclose(view._own.x[0], drawn, atol=0.05)
    assert view.shown.count == 5
    assert agrees()
    bench.publish(2)
    qtbot.waitUntil(agrees, timeout=PATIENCE)
    view.own.canvas.clear()
    qtbot.waitUntil(lambda: view.shown.own == 0, timeout=PATIENCE)
    # the other way has a canvas of its own, in colour
    view.findChild(QPushButton, "direction.back").click()
    assert view.own.canvas.channels == 3
    clipboard = QGuiApplication.clipboard()
    image = QImage(30, 30, QImage.Format.Format_RGB32)
    image.fill(QColor("red"))
    clipboard.setImage(image)
    QTest.keySequence(view, QKeySequence.StandardKey.Paste)
    qtbot.waitUntil(lambda: view.shown.own == 1, timeout=PATIENCE)
    assert view._own is not None
    assert np.allclose(view._own.x[0].max((1, 2)), (1, 0, 0), atol=0.01), "red, and put where figures are"


def test_points_keep_their_colour_in_both_planes(show: Show, qtbot: QtBot) -> None:
    data = joined(cloud(), cloud())
    _, view = show(data)
    assert isinstance(view.shown, TranslationPlanes)
    found = view._found
    assert found is not None
    assert [len(group.points) for group in view.shown.there.points._groups] == [400]
    assert np.allclose(view.shown.there.points._groups[0].points, found.made)
    assert np.allclose(view.shown.rings._groups[0].points, found.again)
    press(view, "direction.back", qtbot)


def test_only_models_between_two_domains_are_admitted() -> None:
    spec = DataSpec((2,), Support.REALS, Layout.POINTS)
    assert Translate.admits(CycleGan, CycleConsistency, replace(spec, other=spec))
    assert not Translate.admits(CycleGan, CycleConsistency, spec)
    assert not Translate.admits(Vae, CycleConsistency, replace(spec, other=spec))
