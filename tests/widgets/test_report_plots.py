"""Plots of reports."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from dgm_studio.reports import Points, Series
from widgets.plots import BELOW_ZERO, framed
from widgets.report_plots import PointsPlot


def test_a_plane_of_one_scale_is_no_wider_than_what_it_shows(qtbot: QtBot) -> None:
    places = np.linspace(0, 1, 100)
    view = PointsPlot(Points("Probabilities", "D*", "D", (Series("cells", places, places),), "", square=True))
    qtbot.addWidget(view)
    view.resize(900, 420)
    view.show()
    qtbot.waitUntil(lambda: view.plot.width() < 450)
    (left, right), (bottom, top) = view.plot.box.viewRange()
    assert left > -0.5
    assert right < 1.5
    assert right - left == pytest.approx(top - bottom, rel=0.2)
    assert view.plot.x() == 0


def test_one_point_on_a_plane_of_one_scale_is_seen_with_what_is_around_it(qtbot: QtBot) -> None:
    point = Series("step 60", np.array([0.11]), np.array([24.7]))
    view = PointsPlot(Points("Plane", "rate", "distortion", (point,), "", square=True))
    qtbot.addWidget(view)
    view.resize(300, 300)
    view.show()
    qtbot.waitUntil(lambda: view.plot.width() > 200)
    (left, right), (bottom, top) = view.plot.box.viewRange()
    assert left == pytest.approx(-BELOW_ZERO * (right - left))  # a rate is never negative
    assert left < 0.11 < right
    assert bottom < 24.7 < top


def test_figures_of_constant_sums_stand_apart_however_small_their_steps_are(qtbot: QtBot) -> None:
    point = Series("step 60", np.array([6.0]), np.array([12.3]))
    sums = tuple(0.5 * (36 + i) for i in range(-10, 11))
    view = PointsPlot(Points("Plane", "rate", "distortion", (point,), "", sums, "−ELBO", square=True))
    qtbot.addWidget(view)
    view.resize(300, 300)
    view.show()

    def places() -> list[float]:
        return sorted(view.plot.box.mapViewToScene(text.pos()).y() for _, _, text in view._iso if text.isVisible())

    qtbot.waitUntil(lambda: len(places()) > 2)
    assert min(np.diff(places())) >= 20
    assert all(line.isVisible() for _, line, text in view._iso if text.isVisible())


def test_an_axis_of_what_is_never_negative_has_no_room_for_a_negative_figure() -> None:
    assert framed(np.array([0.0, 10.0]), 0.2, 0.15) == pytest.approx((-0.345, 11.5))
    assert framed(np.array([4.0, 6.0]), 0.2, 0.15) == pytest.approx((3.7, 6.3))
    assert framed(np.array([-1.0, 9.0]), 0.2, 0.15) == pytest.approx((-2.5, 10.5))
    low, high = framed(np.zeros(2), 0.2, 0.15)
    assert low < 0 < high
