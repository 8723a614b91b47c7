"""Curves: what is kept, what is drawn of it, and what is said about it."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import QCheckBox
from pytestqt.qtbot import QtBot

from dgm_studio.events import Progress
from dgm_studio.modes import PERFECT
from models.learning.base import Quantity
from widgets.curve_plot import CurvePlot
from widgets.curves import Curves, QuantityView, significant
from widgets.history import History, Series
from widgets.plots import Plot, even
from widgets.step_axis import StepAxis


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


def test_quantities_that_a_run_does_not_report_take_no_room_and_come_when_it_does(curves: Curves) -> None:
    curves.show_quantities((*QUANTITIES, Quantity("other", "Another")))
    curves.show_history(History())
    assert len(curves.views) == 3, "nothing is known of a run that has not begun"
    steps = np.arange(5)
    history = History({"rate": (steps, np.ones(5, np.float32))})
    curves.show_history(history)
    assert [view.plot.objectName() for view in curves.views] == ["curve-rate"]
    history = History({"rate": (steps, np.ones(5, np.float32)), "valid/elbo": (steps, np.ones(5, np.float32))})
    curves.show_history(history)
    assert [view.plot.objectName() for view in curves.views] == ["curve-elbo", "curve-rate"]
    assert curves.views[-1].plot.box.linkedView(0) is curves.views[0].plot.box


def test_plots_stay_for_another_run_that_reports_the_same_and_show_it_as_new_ones_would(
    curves: Curves, qtbot: QtBot
) -> None:
    views, steps = list(curves.views), np.arange(5)
    views[0].plot.box.setXRange(2, 3)
    curves._zoom(True)
    curves.show_quantities(QUANTITIES)
    curves.show_history(None)  # it is being read
    assert curves.views == views
    assert not views[0].plot.training
    new = Curves()
    qtbot.addWidget(new)
    new.resize(curves.size())
    new.show_quantities(QUANTITIES)
    for widget in (curves, new):
        widget.show_history(History({one.key: (steps, 2.0 + 1e-3 * steps) for one in QUANTITIES}))
    assert curves.views == views
    low, high = views[0].plot.box.viewRange()[0]
    assert low <= 0
    assert high >= 4
    for view, other in zip(views, new.views, strict=True):
        assert view.plot.box.viewRange()[1] == pytest.approx(other.plot.box.viewRange()[1])
        assert view._values.minimumWidth() == other._values.minimumWidth()


def test_plots_of_another_learner_are_made_once(curves: Curves, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    begin = QuantityView.__init__
    monkeypatch.setattr(QuantityView, "__init__", lambda view, one: (made.append(one.key), begin(view, one))[1])
    quantities = [Quantity(f"q{number}", f"Quantity {number}") for number in range(6)]
    curves.show_quantities(quantities)
    curves.show_history(None)  # it is being read
    assert curves.views == []
    curves.show_history(History({one.key: (np.arange(5), np.ones(5)) for one in quantities[1:]}))
    assert made == ["q1", "q2", "q3", "q4", "q5"]


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
        assert significant(float(view.plot.training.values[step])) in view._values.text()


# Against time.

SECONDS = 2.0  # that the first half of the steps takes; the second takes three times as long


def slowing_down() -> History:
    steps = np.arange(200)
    wall = (np.array([100, 200]), np.array([SECONDS, 4 * SECONDS], np.float32))
    return History({"elbo": (steps, steps.astype(np.float32)), "rate": (steps, steps.astype(np.float32))}, wall)


def test_time_stands_where_the_steps_were_made_and_between_them_evenly() -> None:
    axis = StepAxis(wall=slowing_down().wall)
    assert axis.places([0, 50, 100, 150, 200]).tolist() == [0, SECONDS / 2, SECONDS, 2.5 * SECONDS, 4 * SECONDS]
    assert axis.title == "seconds of training"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.floats(0, 9, width=16)), min_size=1, max_size=30),
    st.lists(st.floats(0, 2000), min_size=1, max_size=20),
)
def test_times_are_those_of_linear_interpolation(points: list[tuple[int, float]], steps: list[float]) -> None:
    timed, seconds = (np.cumsum(column) for column in zip(*points, strict=True))
    axis = StepAxis(wall=series(timed, seconds))
    expected = np.interp(steps, [0, *timed], [0, *seconds])
    assert axis.amounts(steps) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_a_run_that_was_timed_at_its_start_only_has_taken_no_time() -> None:
    assert StepAxis(wall=series(np.array([0]), np.array([0.0]))).amounts([0, 50]).tolist() == [0, 0]


@pytest.mark.parametrize("axis", [StepAxis(), StepAxis(logarithmic=True), StepAxis(wall=slowing_down().wall)])
def test_a_place_on_an_axis_leads_back_to_its_step(axis: StepAxis) -> None:
    steps = [1, 2, 30, 99, 100, 101, 200]
    assert [axis.step(float(place)) for place in axis.places(steps)] == pytest.approx(steps)


def test_no_zoom_leads_to_a_step_that_is_no_number() -> None:
    assert StepAxis(logarithmic=True).step(1e9) == 1e18
    assert StepAxis(wall=slowing_down().wall).step(1e9) == math.inf
    assert StepAxis(wall=slowing_down().wall).step(-1e9) == 0


def test_curves_are_shown_against_time_where_it_is_known(curves: Curves) -> None:
    against_time, log_steps = (curves.findChild(QCheckBox, name) for name in ("againstTime", "logSteps"))
    assert not against_time.isEnabled()  # the run of the fixture was not timed
    history = slowing_down()
    curves.show_history(history)
    assert against_time.isEnabled()
    against_time.setChecked(True)
    assert not log_steps.isEnabled()
    plot = curves.views[0].plot
    x, y = plot._mean.getData()
    assert x == pytest.approx(StepAxis(wall=history.wall).places(y), abs=0.02)  # each value is its step
    assert x[-1] == pytest.approx(4 * SECONDS, rel=0.05)
    assert plot.box.viewRange()[0] == pytest.approx([-0.01 * x[-1], 1.015 * x[-1]], abs=0.1)
    assert curves.views[-1].plot.getAxis("bottom").labelText == "seconds of training"
    curves.show_history(History({"elbo": (np.arange(200), np.zeros(200, np.float32))}))
    assert not against_time.isEnabled()
    assert curves.views[0].plot._mean.getData()[0][-1] > 100  # steps again
    assert curves.views[-1].plot.getAxis("bottom").labelText == "steps"
    against_time.setChecked(False)
    assert log_steps.isEnabled()


def test_the_crosshair_names_step_and_time(curves: Curves) -> None:
    curves.show_history(slowing_down())
    curves.findChild(QCheckBox, "againstTime").setChecked(True)
    plot = curves.views[0].plot
    place = plot.box.mapViewToScene(QPointF(2.5 * SECONDS, 100.0))
    curves._hover(curves.views[0], place)
    assert curves.findChild(object, "crosshairStep").text() == "step 150  ·  5.0 s"
    assert plot._cross.value() == 2.5 * SECONDS


def test_a_part_that_was_zoomed_to_is_left_when_the_axis_is_another(curves: Curves) -> None:
    curves.show_history(slowing_down())
    plot = curves.views[0].plot
    plot.box.setXRange(150, 1000, padding=0)
    plot.zoomed.emit(True)
    curves.findChild(QCheckBox, "logSteps").setChecked(True)
    assert plot.box.viewRange()[0] == pytest.approx([0, 1.01 * math.log10(199)])
    curves.findChild(QCheckBox, "againstTime").setChecked(True)
    plot.box.setXRange(SECONDS, 2.5 * SECONDS, padding=0)
    plot.zoomed.emit(True)
    y = plot._mean.getData()[1]
    assert (y.min(), y.max()) == (99, 151)  # steps 100 to 150, and one more on each side


def progress(step: int, seconds: float) -> Progress:
    metrics = {"elbo": (np.array([step]), np.zeros(1, np.float32))}
    return Progress(step, 100, seconds, 1.0, 1.0, "", 0, metrics)


def test_time_goes_on_from_the_step_at_which_training_does() -> None:
    history = History()
    history.begin(0)
    history.record(progress(10, 2.0))
    history.record(progress(20, 3.0))
    history.begin(20)
    history.record(progress(30, 1.5))
    assert (history.wall.steps.tolist(), history.wall.values.tolist()) == ([10, 20, 30], [2.0, 3.0, 4.5])
    history.begin(10)  # gone back to
    history.record(progress(15, 0.5))
    assert (history.wall.steps.tolist(), history.wall.values.tolist()) == ([10, 15], [2.0, 2.5])


def test_a_run_whose_beginning_was_not_timed_has_no_times() -> None:
    history = History({"elbo": (np.arange(10), np.zeros(10, np.float32))})
    history.begin(10)
    history.record(progress(20, 1.0))
    assert not history.wall
    assert len(history.series["elbo"]) == 11


def test_figures_of_an_axis_have_as_many_decimals_each() -> None:
    assert even(["0", "1", "2", "−0.5", "1.25"]) == ["0", "1.00", "2.00", "−0.50", "1.25"]
    assert even(["0", "50", "1\N{NARROW NO-BREAK SPACE}000"]) == ["0", "50", "1\N{NARROW NO-BREAK SPACE}000"]
    assert even(["1e−05", "0.1", "1"]) == ["1e−05", "0.1", "1.0"]
    assert even([]) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-26.594, "−26.59"),
        (0.0, "0"),
        (8.0, "8"),
        (0.14, "0.140"),
        (0.0546, "0.0546"),
        (12345.6, "12\N{NARROW NO-BREAK SPACE}346"),
        (0.0000123, "1.23 × 10⁻⁵"),
        (-2.5e9, "−2.50 × 10⁹"),
        (math.nan, "nan"),
    ],
)
def test_numbers_are_short_and_have_a_real_minus(value: float, text: str) -> None:
    assert significant(value) == text


def test_what_a_perfect_sampler_scores_is_a_line_that_is_always_in_sight(qtbot: QtBot) -> None:
    curves = Curves()
    qtbot.addWidget(curves)
    curves.resize(400, 300)
    curves.show()
    curves.show_quantities([Quantity("found", "Found", "modes"), Quantity("loss", "Loss")])
    history = History()
    steps = np.arange(20)
    found, perfect = steps / 10, np.full(1, 8.0)
    metrics = {"found": (steps, found), "loss": (steps, found), f"{PERFECT}found": (steps[:1], perfect)}
    history.record(Progress(20, 20, 1.0, 20.0, 0.0, "", 0, metrics))
    curves.show_history(history)
    counted, other = (view.plot for view in curves.views)
    assert counted._perfect.isVisible()
    assert counted._perfect.value() == 8
    assert counted.box.viewRange()[1][1] > 8
    assert "8" in counted.toolTip()
    assert not other._perfect.isVisible()
    assert other.box.viewRange()[1][1] < 3


def test_a_curve_of_one_value_is_a_dot(curves: Curves) -> None:
    steps = np.arange(5)
    curves.show_history(History({"elbo": (steps, np.ones(5)), "valid/elbo": (steps[:1], np.full(1, 2.0))}))
    dots = curves.views[0].plot._alone
    assert [axis.tolist() for axis in dots.getData()] == [[0], [2]]
    curves.show_history(History({"elbo": (steps, np.ones(5)), "valid/elbo": (steps, np.full(5, 2.0))}))
    assert not len(dots.getData()[0])


@pytest.mark.parametrize("many", [4, 6])
@pytest.mark.parametrize("seen_at", [(500, 640), (200, 100)])
def test_curves_are_equally_high_though_only_the_last_names_the_axis(
    qtbot: QtBot, many: int, seen_at: tuple[int, int]
) -> None:
    curves = Curves()
    qtbot.addWidget(curves)
    curves.resize(*seen_at)
    quantities = [Quantity(f"q{i}", f"Quantity {i}") for i in range(many)]
    curves.show_quantities(quantities)
    curves.show_history(History({quantity.key: (np.arange(9), np.arange(9.0)) for quantity in quantities}))
    curves.show()
    curves.resize(500, 640)

    def heights() -> list[float]:
        return [view.plot.box.height() for view in curves.views]

    qtbot.waitUntil(lambda: max(heights()) - min(heights()) < 8)


@pytest.mark.parametrize("goal", ["higher", "lower"])
def test_the_mark_of_the_best_is_seen_whole_in_a_low_plot(goal: str, qtbot: QtBot) -> None:
    plot = CurvePlot(Quantity("elbo", "Evidence bound", "nats", goal=goal))
    qtbot.addWidget(plot)
    plot.resize(320, 60)
    plot.show()
    qtbot.waitUntil(lambda: 20 < plot.box.height() < 60)
    values = np.linspace(0.0, 1.0, 9)
    plot.show_history(History({"valid/elbo": (np.arange(9), values)}), (0, 8), 0.0, StepAxis(), False)
    (bottom, top), height = plot.box.viewRange()[1], plot.box.height()
    beyond = (top - 1.0 if goal == "higher" else 0.0 - bottom) / (top - bottom) * height
    assert beyond >= plot._best.opts["size"] / 2


@pytest.mark.parametrize("end", [1.4, 1.7, 1.9, 2.3, 12.0, 170.0])
@pytest.mark.parametrize("width", [200, 260, 290, 420])
def test_figures_of_a_horizontal_axis_stand_apart(width: int, end: float, qtbot: QtBot) -> None:
    plot = Plot()
    qtbot.addWidget(plot)
    plot.resize(width, 200)
    plot.show()
    qtbot.waitUntil(lambda: plot.box.width() > 100)
    plot.setXRange(-end, end, padding=0)
    picture = QPixmap(width, 200)
    with QPainter(picture) as painter:
        painter.setFont(plot.getAxis("bottom").style["tickFont"])
        _, _, figures = plot.getAxis("bottom").generateDrawSpecs(painter)
        room = [(place.center().x(), painter.fontMetrics().horizontalAdvance(text)) for place, _, text in figures]
    room.sort()
    assert len(room) > 1
    for (x, wide), (after, wider) in pairwise(room):
        assert after - x - (wide + wider) / 2 > 4
