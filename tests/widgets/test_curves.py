"""Curves: what is kept, what is drawn of it, and what is said about it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from models.learning.base import Quantity
from widgets.curves import Curves, number
from widgets.history import History, Series


def series(steps: np.ndarray, values: np.ndarray) -> Series:
    result = Series()
    result.append(steps.astype(np.int64), values.astype(np.float32))
    return result


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=300), st.integers(1, 50), st.data())
def test_drawn_buckets_hold_the_extremes_and_means_of_their_values(
    values: list[float], buckets: int, data: st.DataObject
) -> None:
    n = len(values)
    first = data.draw(st.integers(0, n - 1))
    last = data.draw(st.integers(first, n - 1))
    array = np.array(values, np.float32)
    drawn = series(np.arange(n), array).drawn(first, last, buckets, 0.0)
    low, high = max(0, first - 1), min(n, last + 2)
    assert drawn.y.min() == array[low:high].min()
    assert drawn.y.max() == array[low:high].max()
    assert len(drawn.mean_x) <= buckets
    assert (np.diff(drawn.mean_x) > 0).all()
    counts = np.diff(np.unique(np.linspace(0, high - low, min(buckets, high - low) + 1).round().astype(np.int64)))
    assert (drawn.mean_y * counts).sum() == pytest.approx(float(array[low:high].astype(np.float64).sum()), abs=1e-2)


def test_a_million_points_are_drawn_as_few() -> None:
    n = 1_000_000
    values = np.sin(np.arange(n) / 1e5)
    drawn = series(np.arange(n), values).drawn(-math.inf, math.inf, 400, 0.3)
    assert len(drawn.x) <= 800
    assert drawn.y.min() == pytest.approx(-1, abs=1e-6)
    assert np.abs(drawn.y).max() == pytest.approx(1, abs=1e-6)


def test_a_logarithmic_axis_shows_the_beginning_in_detail() -> None:
    drawn = series(np.arange(100_000), np.arange(100_000)).drawn(0, math.inf, 200, 0.0, logarithmic=True)
    assert drawn.mean_x[:10].tolist() == list(range(10))
    assert drawn.y.max() == 99_999
    assert len(drawn.mean_x) <= 200


def test_smoothing_has_no_lag_and_keeps_a_straight_line() -> None:
    steps = np.arange(1000)
    drawn = series(steps, 3.0 * steps).drawn(-math.inf, math.inf, 100, 0.5)
    assert drawn.mean_y == pytest.approx(3.0 * drawn.mean_x, abs=1e-6)


def test_more_smoothing_leaves_less_noise() -> None:
    noise = np.random.default_rng(0).normal(size=5000)
    spread = [series(np.arange(5000), noise).drawn(-math.inf, math.inf, 200, s).mean_y.std() for s in (0.0, 0.2, 0.5)]
    assert spread[0] > 2 * spread[1]
    assert spread[1] > 1.5 * spread[2]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_values_that_come_in_parts_are_those_that_came(sizes: list[int]) -> None:
    whole = np.random.default_rng(1).normal(size=sum(sizes)).astype(np.float32)
    result, begin = Series(), 0
    for size in sizes:
        result.append(np.arange(begin, begin + size), whole[begin : begin + size])
        begin += size
    assert np.array_equal(result.values, whole)
    drawn = result.drawn(-math.inf, math.inf, 1, 0.0)
    assert drawn.mean_y[0] == pytest.approx(float(whole.mean(dtype=np.float64)), abs=1e-6)


def test_a_step_that_comes_again_replaces_what_followed_from_it() -> None:
    curve = series(np.arange(10), np.zeros(10))
    curve.append(np.arange(5, 8), np.ones(3, np.float32))
    assert curve.steps.tolist() == list(range(8))
    assert curve.values.tolist() == [0] * 5 + [1] * 3
    assert curve.drawn(-math.inf, math.inf, 1, 0.0).mean_y[0] == pytest.approx(3 / 8)


def test_the_best_value_follows_the_goal_and_ties_go_to_the_first() -> None:
    curve = series(np.array([0, 10, 20, 30]), np.array([1.0, 5.0, 5.0, -2.0]))
    assert curve.best("higher") == (10, 5.0)
    assert curve.best("lower") == (30, -2.0)
    assert curve.best("") is None
    assert Series().best("higher") is None


def test_the_value_at_a_step_is_that_of_the_nearest_measured_one() -> None:
    curve = series(np.array([0, 10, 20]), np.array([1.0, 2.0, 3.0]))
    assert curve.at(14) == (10, 2.0)
    assert curve.at(math.inf) == (20, 3.0)
    assert curve.at(-5) == (0, 1.0)
    assert Series().at(3) is None


QUANTITIES = (Quantity("elbo", "Bound", goal="higher"), Quantity("rate", "Rate", "bits", goal="lower"))


@pytest.fixture
def curves(qtbot: QtBot) -> Curves:
    steps = np.arange(200)
    history = History(
        {
            "elbo": (steps, (-30 + 5 * (1 - np.exp(-steps / 40))).astype(np.float32)),
            "valid/elbo": (steps[::20], (-31 + 5 * (1 - np.exp(-steps[::20] / 40))).astype(np.float32)),
            "rate": (steps, (1 + steps / 100).astype(np.float32)),
        }
    )
    widget = Curves()
    qtbot.addWidget(widget)
    widget.resize(500, 400)
    widget.show_quantities(QUANTITIES)
    widget.show_history(history)
    widget.show()
    return widget


def test_each_quantity_has_a_plot_with_its_own_values(curves: Curves) -> None:
    assert [view.plot.objectName() for view in curves.views] == ["curve-elbo", "curve-rate"]
    elbo, rate = (view.plot for view in curves.views)
    assert len(elbo.training) == 200
    assert len(elbo.held_out) == 10
    assert len(rate.held_out) == 0
    assert elbo._best.getData()[0].tolist() == [180]


def test_values_below_zero_stay_linear_when_values_are_logarithmic(curves: Curves) -> None:
    curves.findChild(object, "logValues").setChecked(True)
    elbo, rate = (view.plot for view in curves.views)
    assert not elbo._log_values
    assert rate._log_values


def test_the_crosshair_names_the_values_of_all_plots_at_one_step(curves: Curves) -> None:
    plot = curves.views[0].plot
    place = plot.box.mapViewToScene(plot.box.viewRect().center())
    curves._hover(curves.views[0], place)
    step = int(curves.findChild(object, "crosshairStep").text().removeprefix("step "))
    assert step == pytest.approx(plot.box.viewRect().center().x(), abs=1)
    for view in curves.views:
        assert number(float(view.plot.training.values[step])) in view._values.text()


@pytest.mark.parametrize(
    ("value", "text"), [(-26.594, "−26.59"), (0.0, "0"), (12345.6, "1.23e+04"), (0.00123, "0.00123")]
)
def test_numbers_are_short_and_have_a_real_minus(value: float, text: str) -> None:
    assert number(value) == text
