"""Ellipses: what is drawn are the components, at the step that is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from explorer_runs import Bench, cloud, pictures, recipe
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QPushButton
from pytestqt.qtbot import QtBot

from dgm_studio.datasets.base import Dataset
from dgm_studio.training import snapshot
from models.gan import Gan
from models.gaussian_mixture import GaussianMixture, GaussianMixtureSettings
from models.learning.base import Learner
from models.learning.conjugate_vi import CoordinateAscent
from models.learning.maximum_likelihood import MaximumLikelihood
from models.linear_gaussian import LinearGaussian
from models.spec import Batch, DataSpec, Layout, Support
from widgets.explorers.ellipse_items import ellipses
from widgets.explorers.ellipses import EllipsesView, coordinates

PATIENCE = 60_000  # ms
Show = Callable[..., tuple[Bench, EllipsesView]]


def learn(bench: Bench, steps: int) -> None:
    """Train the bench's learner for some more steps and publish what it is then."""
    x = bench.data.train.x
    index = torch.arange(len(x))
    for _ in range(steps):
        bench.learner.step(Batch(x, index, index))
    bench.live.publish(snapshot(bench.learner, int(bench.learner.steps)))


@pytest.fixture
def show(qtbot: QtBot) -> Iterator[Show]:
    benches: list[Bench] = []

    def shown(data: Dataset | None = None, steps: int = 12) -> tuple[Bench, EllipsesView]:
        made = recipe(GaussianMixture, GaussianMixtureSettings(components=3), CoordinateAscent)
        bench = Bench(made, data or cloud())
        benches.append(bench)
        torch.manual_seed(0)
        bench.learner = made.build(bench.data.spec, len(bench.data.train))
        learn(bench, steps)
        view = EllipsesView(bench.live)
        qtbot.addWidget(view)
        view.resize(748, 672)
        view.show()
        qtbot.waitUntil(lambda: view._way is not None and view._points is not None, timeout=PATIENCE)
        return bench, view

    yield shown
    for bench in benches:
        bench.live.close()


def test_the_newest_components_are_drawn_and_followed(show: Show, qtbot: QtBot) -> None:
    bench, view = show()
    now = bench.model.components()
    assert np.allclose(view.ellipses._means, now.means, atol=1e-6)
    assert np.allclose(view.bars._weights, now.weights, atol=1e-6)
    learn(bench, 5)
    qtbot.waitUntil(lambda: len(view._way.steps) == 18, timeout=PATIENCE)  # type: ignore[union-attr]
    assert np.allclose(view.ellipses._means, bench.model.components().means, atol=1e-6)
    assert view.way_bar.marker.value() == 17


def test_the_slider_goes_back_to_what_the_learner_kept_and_stays_there(show: Show, qtbot: QtBot) -> None:
    bench, view = show()
    frames = bench.learner.frames()
    view.way_bar.slider.changed.emit(4.0)
    assert np.allclose(view.ellipses._means, frames.components.means[4], atol=1e-6)
    assert view.way_bar.marker.value() == frames.steps[4] == 4
    assert f"{frames.values[4]:.4f}" in view._status.text()
    learn(bench, 3)
    qtbot.waitUntil(lambda: len(view._way.steps) == 16, timeout=PATIENCE)  # type: ignore[union-attr]
    assert view.way_bar.marker.value() == 4
    assert np.allclose(view.ellipses._means, frames.components.means[4], atol=1e-6)


def test_arrow_keys_go_from_frame_to_frame(show: Show) -> None:
    _, view = show()
    view.way_bar.slider.setFocus()
    QTest.keyClick(view.way_bar.slider, Qt.Key.Key_Left)
    QTest.keyClick(view.way_bar.slider, Qt.Key.Key_Left)
    assert view.way_bar.marker.value() == 10
    QTest.keyClick(view.way_bar.slider, Qt.Key.Key_Right)
    assert view.way_bar.marker.value() == 11


def test_the_curve_is_what_the_learner_reported(show: Show) -> None:
    bench, view = show()
    frames = bench.learner.frames()
    steps, values = view.way_bar.line.getData()
    assert np.array_equal(steps, frames.steps)
    assert np.allclose(values, frames.values)


def test_points_have_the_component_that_was_responsible_then(show: Show, qtbot: QtBot) -> None:
    bench, view = show()
    assert view._points is not None
    x = torch.from_numpy(view._points.points)
    assert np.array_equal(view._points.component, bench.model.responsibilities(x).argmax(1))
    view.show_step(0)
    first = bench.learner.frames().components
    normal = torch.distributions.MultivariateNormal(first.means[0], first.covariances[0])
    expected = (normal.log_prob(x[:, None]) + first.weights[0].log()).argmax(1).numpy()
    assert not np.array_equal(expected, view._points.component)
    qtbot.waitUntil(lambda: np.array_equal(view._points.component, expected), timeout=PATIENCE)  # type: ignore[union-attr]


def test_playing_goes_to_the_end_and_rests(show: Show, qtbot: QtBot) -> None:
    _, view = show(steps=3)
    button = view.findChild(QPushButton, "play")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert view.way_bar.marker.value() == 0
    assert button.text() == "Pause"
    qtbot.waitUntil(lambda: button.text() == "Play", timeout=PATIENCE)
    assert view.way_bar.marker.value() == 3


def test_any_two_coordinates_of_a_picture_can_be_looked_at(show: Show, qtbot: QtBot) -> None:
    bench, view = show(pictures((1, 4, 4)), steps=2)
    box = view.findChild(QComboBox, "up")
    assert box.count() == 16
    box.setCurrentIndex(9)
    across = view.findChild(QComboBox, "across").currentIndex()
    expected = bench.model.components().means[:, [across, 9]]
    qtbot.waitUntil(lambda: np.allclose(view.ellipses._means, expected, atol=1e-6), timeout=PATIENCE)
    qtbot.waitUntil(
        lambda: (
            view._points is not None and np.allclose(view._points.points, bench.data.train.x.flatten(1)[:, [across, 9]])
        ),
        timeout=PATIENCE,
    )


def test_a_contour_lies_two_deviations_from_its_mean() -> None:
    covariance = np.array([[[2.0, 0.7], [0.7, 0.5]]])
    curve = ellipses(np.array([[1.0, -1.0]]), covariance)[0] - np.array([1.0, -1.0])
    distance = np.einsum("ni,ij,nj->n", curve, np.linalg.inv(covariance[0]), curve)
    assert np.allclose(distance, 4)


def test_it_is_offered_where_there_are_gaussians_in_two_or_more_coordinates() -> None:
    points = DataSpec((2,), Support.REALS, Layout.POINTS)
    assert EllipsesView.admits(GaussianMixture, CoordinateAscent, points)
    assert EllipsesView.admits(LinearGaussian, MaximumLikelihood, points)
    assert not EllipsesView.admits(Gan, Learner, points)
    assert not EllipsesView.admits(GaussianMixture, CoordinateAscent, DataSpec((1,), Support.REALS, Layout.VECTOR))
    assert coordinates(DataSpec((1, 2, 2), Support.UNIT, Layout.IMAGE))[3] == "row 2, column 2"
