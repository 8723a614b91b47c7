"""Landscape: what is shown is what was asked, and single steps say what they did."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from explorer_runs import Bench, cloud, recipe
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio.datasets.base import Split
from dgm_studio.events import Turn
from dgm_studio.inference import Answer
from dgm_studio.questions.landscapes import Warped
from dgm_studio.questions.optimum import Figure
from models.conditional_gan import ConditionalGan, ConditionalGanSettings
from models.energy_network import EnergyNetwork, EnergyNetworkSettings
from models.estimation.measure import Kind, Measure
from models.gan import Gan, GanSettings
from models.learning.adversarial import MINIMAX, Adversarial, AdversarialSettings
from models.learning.wasserstein import Wasserstein, WassersteinSettings
from models.vae import Vae, VaeSettings
from widgets.explorers.landscape import LandscapeView
from widgets.explorers.landscape_figures import Figures
from widgets.explorers.landscape_items import WARP, WarpItem, arrow_lines, cells_path, opacity_levels, quadrilaterals
from widgets.explorers.turns_panel import STAGES

PATIENCE = 60_000  # ms
PARTS = ("train", "valid", "test")


def press(view: QWidget, name: str) -> None:
    QTest.mouseClick(view.findChild(QPushButton, name), Qt.MouseButton.LeftButton)


def tick(view: QWidget, name: str) -> None:
    view.findChild(QCheckBox, name).click()


def opened(bench: Bench, qtbot: QtBot) -> LandscapeView:
    view = LandscapeView(bench.live)
    qtbot.addWidget(view)
    view.resize(748, 672)
    view.show()
    return view


@pytest.fixture
def bench(qtbot: QtBot) -> Iterator[Bench]:
    game = AdversarialSettings(hidden=8, layers=1)
    generator = GanSettings(latent=2, hidden=8, layers=1)
    made = Bench(recipe(Gan, generator, Adversarial, game, objective=MINIMAX), cloud())
    made.publish(1)
    yield made
    made.live.close()


@pytest.fixture
def view(bench: Bench, qtbot: QtBot) -> LandscapeView:
    view = opened(bench, qtbot)
    qtbot.waitUntil(lambda: view._answer is not None and view.map.veil.isVisible(), timeout=PATIENCE)
    return view


def test_the_discriminator_is_shown_first_in_colours_around_one_half(bench: Bench, view: LandscapeView) -> None:
    left, bottom, right, top = view._answer.bounds
    n = view._answer.field.shape[0]
    place = torch.tensor([[left + (10.5 / n) * (right - left), bottom + (40.5 / n) * (top - bottom)]])
    with torch.no_grad():
        assert view._answer.field[40, 10] == pytest.approx(float(bench.learner.discriminate(place)), rel=1e-4)


def test_layers_are_asked_for_only_when_they_are_seen(view: LandscapeView, qtbot: QtBot) -> None:
    assert view._answer.warp is None
    assert view._answer.gradients is None
    tick(view, "warp")
    tick(view, "arrows")
    qtbot.waitUntil(lambda: view._answer.warp is not None and view._answer.gradients is not None, timeout=PATIENCE)
    assert view.plane.warp._warp is view._answer.warp
    assert len(view.plane.arrows.getData()[0]) == 6 * 150
    assert "∇D" in view.findChild(QLabel, "longest").text()
    tick(view, "warp")
    assert view.plane.warp._warp is None


def test_maps_are_asked_for_last_and_so_answered_before_distances(
    monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    game = AdversarialSettings(hidden=8, layers=1)
    bench = Bench(recipe(Gan, GanSettings(latent=2, hidden=8), Adversarial, game, objective=MINIMAX), cloud())
    asked: list[str] = []
    monkeypatch.setattr(bench.live, "ask", lambda channel, *_: asked.append(channel) or len(asked))
    view = opened(bench, qtbot)
    view.receive("data", Answer("landscape/data", 1, 1, (np.zeros((1, 2)), None, (-1, -1, 1, 1))))
    assert asked[-3:] == [f"landscape/{name}" for name in ("gap", "optimum", "landscape")]
    bench.live.close()


def test_the_data_density_can_be_chosen(view: LandscapeView, qtbot: QtBot) -> None:
    press(view, "field.data density")
    qtbot.waitUntil(lambda: view._answer.kind == "data density" and view.map.veil.isVisible(), timeout=PATIENCE)
    peak = np.unravel_index(view._answer.field.argmax(), view._answer.field.shape)
    assert abs(peak[0] - view._answer.field.shape[0] / 2) < 12
    press(view, "field.nothing")
    assert not view.map.veil.isVisible()


def test_samples_move_with_the_weights(bench: Bench, view: LandscapeView, qtbot: QtBot) -> None:
    before = view._answer.samples
    bench.publish(2)
    qtbot.waitUntil(lambda: not np.array_equal(view._answer.samples, before), timeout=PATIENCE)


def test_a_bound_gives_an_estimate_of_the_density(qtbot: QtBot) -> None:
    bench = Bench(recipe(Vae, VaeSettings(latent=2, hidden=8, layers=1)), cloud())
    bench.publish(1)
    view = opened(bench, qtbot)
    qtbot.waitUntil(lambda: view._answer is not None and view.map.veil.isVisible(), timeout=PATIENCE)
    bench.live.close()
    assert view._answer.kind == "estimated model density"
    assert view.findChild(QPushButton, "field.discriminator") is None
    assert not view.findChild(QCheckBox, "arrows").isVisible()


def test_an_energy_is_shown_as_a_density_with_samples_before_it(qtbot: QtBot) -> None:
    bench = Bench(recipe(EnergyNetwork, EnergyNetworkSettings(width=8, layers=1, steps=2)), cloud())
    bench.publish(1)
    view = opened(bench, qtbot)
    qtbot.waitUntil(lambda: view._answer is not None and view.map.veil.isVisible(), timeout=PATIENCE)
    bench.live.close()
    assert view._answer.kind == "density of the energy"
    n = view._answer.field.shape[0]
    left, bottom, right, top = view._answer.bounds
    share = view._answer.field.sum() * (right - left) * (top - bottom) / n**2
    assert 0.5 < share < 1.01  # of the probability, in what is seen of the plane
    assert view.findChild(QCheckBox, "samples").isVisible()
    assert not view.findChild(QCheckBox, "arrows").isVisible()


def test_arrows_end_where_they_point() -> None:
    lines = arrow_lines(np.array([[1.0, 2.0]]), np.array([[0.5, 0.0]]))
    assert lines.tolist()[:2] == [[1.0, 2.0], [1.5, 2.0]]
    assert lines[3] == pytest.approx([1.35, 2.1])
    assert lines[5] == pytest.approx([1.35, 1.9])


def shown(view: LandscapeView, key: str) -> tuple[str, str]:
    """What the table says of a figure: the model's, and a perfect sampler's."""
    value, perfect = (view.findChild(QLabel, f"figure-{key}-{column}") for column in (1, 3))
    return ("", "") if value is None else (value.text(), perfect.text())


def test_the_best_discriminator_stands_beside_and_looks_at_the_same_place(view: LandscapeView, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: view._optimum is not None and view.best.map.veil.isVisible(), timeout=PATIENCE)
    assert view.best.map.bounds() == pytest.approx(view.map.bounds(), abs=0.1)
    view.map.box.setRange(xRange=(-1, 1), yRange=(-1, 1), padding=0)
    assert view.best.map.bounds() == pytest.approx(view.map.bounds(), abs=0.02)
    qtbot.waitUntil(lambda: view._optimum.bounds == view.map.bounds(), timeout=PATIENCE)
    view.best.map.box.setRange(xRange=(0, 3), yRange=(0, 3), padding=0)
    assert view.map.bounds() == pytest.approx(view.best.map.bounds(), abs=0.02)
    tick(view, "optimum")
    assert not view.best.isVisible()
    assert not view.followed("optimum")


def test_distances_are_shown_beside_what_a_perfect_sampler_scores(view: LandscapeView, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: shown(view, "js")[0] != "", timeout=PATIENCE)
    for key in ("js", "forward", "backward", "w1", "best value"):
        value, perfect = shown(view, key)
        assert value != perfect != ""
    assert shown(view, "value")[1] == "−1.386"
    assert "20000 samples" in view.findChild(QLabel, "figure-js-0").toolTip()
    tick(view, "figures")
    assert not view.figures.isVisible()


def test_figures_need_little_width_and_show_as_many_columns_as_there_is_room_for(qtbot: QtBot) -> None:
    figures = Figures(["js", "best value"])
    qtbot.addWidget(figures)
    figures.resize(800, 200)
    figures.show()
    measure = Measure("JS", 0.1, 0.05, 0.15, Kind.ESTIMATE, "nats", "counted")
    figures.show_figures((Figure("js", measure, 0.01),))
    shown = [figures.findChild(QLabel, f"figure-js-{column}") for column in range(5)]
    assert all(part.isVisible() for part in shown)
    narrow = figures.minimumSizeHint().width()
    assert narrow < 0.7 * figures.sizeHint().width()
    figures.resize(narrow, 200)
    qtbot.waitUntil(lambda: [part.isVisible() for part in shown] == [True, True, False, False, False])
    assert "estimate" in shown[1].toolTip()
    figures.resize(800, 200)
    qtbot.waitUntil(lambda: all(part.isVisible() for part in shown))


def test_choices_hold_for_the_next_run(bench: Bench, view: LandscapeView, qtbot: QtBot) -> None:
    tick(view, "warp")
    tick(view, "figures")
    other = LandscapeView(bench.live)
    qtbot.addWidget(other)
    other.restore(view.choices())
    other.show()
    assert other.layers.on("warp")
    assert not other.layers.on("figures")
    assert not other.figures.isVisible()


def test_two_views_show_the_same_part_of_the_plane(bench: Bench, view: LandscapeView, qtbot: QtBot) -> None:
    other = opened(bench, qtbot)
    assert view.shared() is None  # nobody has chosen what is seen
    heard: list[object] = []
    view.shared_changed.connect(lambda: heard.append(view.shared()))
    view.map.show_part((-1, -1, 0.5, 0.5))
    view.map.box.sigRangeChangedManually.emit(None)
    assert len(heard) == 1
    other.share(heard[0])
    left, bottom, right, top = other.map.bounds()
    assert left <= -0.99
    assert bottom <= -0.99
    assert right >= 0.49
    assert top >= 0.49
    assert other.shared() is not None


def test_other_data_can_be_drawn_from_here(view: LandscapeView) -> None:
    wanted: list[int] = []
    view.draw_wanted.connect(lambda: wanted.append(1))
    press(view, "drawData")
    assert wanted == [1]


class TestTurns:
    TURN = Turn(
        8,
        ("discriminator",),
        {"value": -1.386, "generator": 0.7, "on_data": 0.5, "on_samples": 0.5},
        {"value": -1.25, "generator": 0.75, "on_data": 0.55, "on_samples": 0.47},
        {"discriminator": 0.123},
    )

    def test_steps_can_be_asked_for_while_the_run_trains_here_and_only_then(
        self, bench: Bench, view: LandscapeView
    ) -> None:
        wanted: list[object] = []
        bench.live.step_wanted.connect(wanted.append)
        press(view, "discriminatorStep")
        assert wanted == []
        bench.live.let_step(True)
        for name in ("discriminatorStep", "generatorStep", "bothStep"):
            press(view, name)
        assert wanted == [("discriminator",), ("generator",), ("discriminator", "generator")]
        bench.live.let_step(False)
        assert not view.findChild(QPushButton, "bothStep").isEnabled()

    def test_keys_step_too(self, bench: Bench, view: LandscapeView, qtbot: QtBot) -> None:
        wanted: list[object] = []
        bench.live.step_wanted.connect(wanted.append)
        bench.live.let_step(True)
        view.activateWindow()
        qtbot.waitUntil(lambda: view.isActiveWindow(), timeout=PATIENCE)
        for key in "dgb":
            QTest.keyClick(view, key)
        qtbot.waitUntil(lambda: len(wanted) == 3, timeout=PATIENCE)
        assert wanted == [("discriminator",), ("generator",), ("discriminator", "generator")]

    def test_a_turn_is_shown_part_after_part_with_its_numbers(
        self, bench: Bench, view: LandscapeView, qtbot: QtBot
    ) -> None:
        bench.live.let_step(True)
        bench.live.turned.emit(self.TURN)
        assert view.turns.diagram.stage == STAGES["discriminator"][0]
        assert view.turns.diagram.norms == {"discriminator": 0.123}
        text = view.findChild(QLabel, "turnValues").text()
        assert "−1.386 → −1.250" in text
        assert "0.700 → 0.750" in text
        assert "1 of the discriminator, 0 of the generator" in view.findChild(QLabel, "turnValues").toolTip()
        qtbot.waitUntil(lambda: view.turns.diagram.stage == STAGES["discriminator"][2], timeout=PATIENCE)
        qtbot.waitUntil(lambda: view.turns.diagram.stage is None, timeout=PATIENCE)

    def test_what_is_in_use_is_lit(self, view: LandscapeView) -> None:
        diagram = view.turns.diagram

        def colours() -> tuple[int, int]:
            picture = diagram.grab().toImage()
            g, d = (diagram.place(node).toPoint() - QPoint(14, 9) for node in "GD")
            return picture.pixel(g), picture.pixel(d)

        idle = colours()
        assert idle[0] == idle[1]
        diagram.show_stage(STAGES["discriminator"][1])
        g, d = colours()
        assert g == idle[0]
        assert d != idle[1]

    def test_slow_motion_takes_turns_until_it_is_pressed_again(
        self, bench: Bench, view: LandscapeView, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
    ) -> None:
        wanted: list[object] = []
        bench.live.step_wanted.connect(wanted.append)
        bench.live.let_step(True)
        view.turns._beat.setInterval(20)
        press(view, "slowMotion")
        qtbot.waitUntil(lambda: len(wanted) >= 3, timeout=PATIENCE)
        assert wanted[:3] == [("discriminator",), ("generator",), ("discriminator",)]
        press(view, "slowMotion")
        count = len(wanted)
        qtbot.wait(80)
        assert len(wanted) == count
        press(view, "slowMotion")
        view.hide()
        assert not view.turns._beat.isActive()
        assert not view.turns.slow.isChecked()


class TestWarp:
    @staticmethod
    def warp(density: np.ndarray | None = None, folded: np.ndarray | None = None) -> Warped:
        place = np.stack(np.meshgrid(np.linspace(-2, 2, 5), np.linspace(-2, 2, 5)), -1).astype(np.float32)
        dense = np.full((4, 4), 1.0, np.float32) if density is None else density
        return Warped(place, dense, np.zeros((4, 4), bool) if folded is None else folded, 0.0)

    def test_dense_cells_are_opaque_and_empty_ones_are_not(self) -> None:
        density = np.zeros((4, 4), np.float32)
        density[1, 2], density[3, 3], density[0, 0] = 1.0, 0.25, np.inf
        levels = opacity_levels(self.warp(density))
        assert levels[1, 2] == levels.max() == levels[0, 0]
        assert levels[2, 2] == 0

    def test_a_chosen_cell_is_where_its_corners_are(self) -> None:
        chosen = np.zeros((4, 4), bool)
        chosen[3, 0] = True  # the topmost row, the first column
        box = cells_path(quadrilaterals(self.warp().corners)[chosen]).boundingRect()
        assert (box.left(), box.right(), box.top(), box.bottom()) == (-2, -1, 1, 2)

    def test_cells_of_both_turns_are_filled(self) -> None:
        corners = self.warp().corners.copy()
        corners[..., 0] *= -1
        assert cells_path(quadrilaterals(corners).reshape(-1, 5, 2)).contains(QPointF(0.3, 0.3))

    def test_it_is_painted_over_the_plane(self, view: LandscapeView, qtbot: QtBot) -> None:
        for name in ("data", "samples"):
            tick(view, name)
        press(view, "field.nothing")
        view.map.box.setRange(xRange=(-3, 3), yRange=(-3, 3), padding=0)
        density = np.zeros((4, 4), np.float32)
        density[1, 1] = density[3, 3] = 1.0
        item: WarpItem = view.plane.warp
        item.show_warp(self.warp(density))

        def pixel(x: float, y: float) -> QColor:
            place = view.map.mapFromScene(view.map.box.mapViewToScene(QPointF(x, y)))
            return QColor(view.map.grab().toImage().pixel(place))

        full, empty = pixel(-0.4, -0.4), pixel(0.6, -0.4)
        assert abs(full.hue() - QColor(WARP).hue()) < 12
        assert full.lightness() > empty.lightness() + 60


def test_a_critic_is_shown_by_its_scores_and_their_slopes(qtbot: QtBot) -> None:
    rules, generator = WassersteinSettings(hidden=8, layers=1), GanSettings(latent=2, hidden=8, layers=1)
    made = Bench(recipe(Gan, generator, Wasserstein, rules), cloud())
    made.publish(1)
    view = opened(made, qtbot)
    qtbot.waitUntil(lambda: view._answer is not None and view._answer.field is not None, timeout=PATIENCE)
    left, bottom, right, top = view._answer.bounds
    n = view._answer.field.shape[0]
    place = torch.tensor([[left + (10.5 / n) * (right - left), bottom + (40.5 / n) * (top - bottom)]])
    with torch.no_grad():
        assert view._answer.field[40, 10] == pytest.approx(float(made.learner.criticise(place)), rel=1e-3, abs=1e-5)
    tick(view, "arrows")
    qtbot.waitUntil(lambda: view._answer.gradients is not None, timeout=PATIENCE)
    assert "∇f" in view.findChild(QLabel, "longest").text()
    assert not view.layers.boxes["optimum"].isChecked()
    assert view.turns is not None
    assert view.turns.diagram.letter == "f"
    view.turns.show_turn(TestTurns.TURN)
    texts = [part.text() for part in view.turns.findChildren(QLabel) + view.turns.findChildren(QPushButton)]
    assert "f step" in texts
    assert not [text for text in texts if re.search(r"\bD\b", text)], "a critic has no probabilities"
    made.live.close()


def test_of_a_class_its_own_data_samples_and_judgement_are_shown(qtbot: QtBot) -> None:
    rules, generator = AdversarialSettings(hidden=8, layers=1), ConditionalGanSettings(latent=2, hidden=8, layers=1)
    data = cloud()
    y = torch.arange(len(data.train.x)) % 3
    data = replace(
        data, spec=replace(data.spec, class_names=("a", "b", "c")), **dict.fromkeys(PARTS, Split(data.train.x, y))
    )
    made = Bench(recipe(ConditionalGan, generator, Adversarial, rules, objective=MINIMAX), data)
    made.publish(1)
    view = opened(made, qtbot)
    qtbot.waitUntil(lambda: view._answer is not None and view._answer.field is not None, timeout=PATIENCE)
    assert len(view.map.points._groups[0].points) == len(y)
    tick(view, "warp")
    tick(view, "arrows")
    view.layers.of_class.setCurrentIndex(2)
    view.layers.of_class.activated.emit(2)
    qtbot.waitUntil(lambda: view._answer.warp is not None and view._answer.gradients is not None, timeout=PATIENCE)
    answer = view._answer
    assert len(view.map.points._groups[0].points) == int((y == 1).sum())
    left, bottom, right, top = answer.bounds
    n = answer.field.shape[0]
    place = torch.tensor([[left + (10.5 / n) * (right - left), bottom + (40.5 / n) * (top - bottom)]])
    of_b = torch.ones(1, dtype=torch.int64)
    with torch.no_grad():
        assert answer.field[40, 10] == pytest.approx(float(made.learner.discriminate(place, of_b)), rel=1e-3)
        assert answer.field[40, 10] != pytest.approx(float(made.learner.discriminate(place)), rel=1e-6)
    made.live.close()
