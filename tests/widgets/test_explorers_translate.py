"""Translate: examples of both domains there and back, and how far off what comes back is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from explorer_runs import Bench, cloud, pictures, recipe
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from dgm_studio.datasets.base import Dataset, joined
from models.cyclegan import CycleGan, CycleGanSettings
from models.learning.cycle_consistency import CycleConsistency, CycleConsistencySettings
from models.spec import DataSpec, Layout, Support
from models.vae import Vae
from widgets.explorers.translate import Translate

PATIENCE = 20_000  # ms
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
    assert view.rows.count == 8
    assert view.rows.numbers == [f"{e:.3f}" for e in (again - x).abs().mean((1, 2, 3)).tolist()]
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


def test_points_keep_their_colour_in_both_planes(show: Show, qtbot: QtBot) -> None:
    data = joined(cloud(), cloud())
    _, view = show(data)
    assert view.planes
    found = view._found
    assert found is not None
    assert [len(group.points) for group in view.there.points._groups] == [400]
    assert np.allclose(view.there.points._groups[0].points, found.made)
    assert np.allclose(view.rings._groups[0].points, found.again)
    press(view, "direction.back", qtbot)


def test_only_models_between_two_domains_are_admitted() -> None:
    spec = DataSpec((2,), Support.REALS, Layout.POINTS)
    assert Translate.admits(CycleGan, CycleConsistency, replace(spec, other=spec))
    assert not Translate.admits(CycleGan, CycleConsistency, spec)
    assert not Translate.admits(Vae, CycleConsistency, replace(spec, other=spec))
