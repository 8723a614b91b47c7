"""Dream and Landscape: what is held stays, what is generated grows, what is shown is what was asked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from explorer_runs import Bench, cloud, drag, pictures, recipe
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from models.gan import Gan, GanSettings
from models.learning.adversarial import MINIMAX, Adversarial, AdversarialSettings
from models.rbm import Rbm, RbmSettings
from models.spec import Support
from models.vae import Vae, VaeSettings
from widgets.canvas import PixelBrush
from widgets.explorers.dream import CHAINS, Dream
from widgets.explorers.landscape import LandscapeView, arrow_lines

PATIENCE = 20_000  # ms


def press(view: QWidget, name: str) -> None:
    QTest.mouseClick(view.findChild(QPushButton, name), Qt.MouseButton.LeftButton)


def tick(view: QWidget, name: str) -> None:
    view.findChild(QCheckBox, name).click()


def brush(view: PixelBrush, *pixels: tuple[float, float]) -> None:
    """Drag over pixels (x, y) of the picture."""
    target = view.target()
    step = target.width() / view.picture.shape[2]
    drag(view, [QPointF(target.x() + (x + 0.5) * step, target.y() + (y + 0.5) * step) for x, y in pixels])


def opened(kind: type, bench: Bench, qtbot: QtBot) -> QWidget:
    view = kind(bench.live)
    qtbot.addWidget(view)
    view.resize(748, 672)
    view.show()
    return view


class TestDream:
    @pytest.fixture
    def bench(self, qtbot: QtBot) -> Iterator[Bench]:
        made = Bench(recipe(Rbm, RbmSettings(hidden=6)), pictures(support=Support.BITS))
        made.publish(1)
        yield made
        made.live.close()

    @pytest.fixture
    def view(self, bench: Bench, qtbot: QtBot) -> Dream:
        view = opened(Dream, bench, qtbot)
        qtbot.waitUntil(lambda: view._shown > 2 and view._weights is not None, timeout=PATIENCE)
        return view

    def test_chains_run_by_themselves_and_rest_when_told(self, view: Dream, qtbot: QtBot) -> None:
        press(view, "play")
        assert not view.playing
        qtbot.waitUntil(lambda: not view._waiting, timeout=PATIENCE)
        before = view._shown
        qtbot.wait(150)
        assert view._shown == before
        press(view, "play")
        qtbot.waitUntil(lambda: view._shown > before, timeout=PATIENCE)

    def test_painted_pixels_are_held_in_every_chain(self, view: Dream, qtbot: QtBot) -> None:
        view.tools.choose("white")
        view.first.radius = 0.4
        brush(view.first, (1, 1), (6, 1))
        at = view._shown
        qtbot.waitUntil(lambda: view._shown > at + 5, timeout=PATIENCE)
        assert np.array_equal(view._x[:, 0, 1, 1:7], np.ones((CHAINS, 6)))
        assert view.first.picture[0, 1, 1:7].min() == 1
        assert not view._x.all()

    def test_only_the_first_chain_is_held_when_so_chosen(self, view: Dream, qtbot: QtBot) -> None:
        tick(view, "allChains")
        view.tools.choose("white")
        view.first.radius = 0.4
        brush(view.first, (0, 4), (7, 4))
        at = view._shown
        qtbot.waitUntil(lambda: view._shown > at + 5, timeout=PATIENCE)
        assert view._x[0, 0, 4].all()
        assert not view._x[1:, 0, 4].all()

    def test_pixels_that_are_let_go_move_again(self, view: Dream, qtbot: QtBot) -> None:
        view.tools.choose("white")
        view.first.radius = 20
        brush(view.first, (4, 4))
        at = view._shown
        qtbot.waitUntil(lambda: view._shown > at + 3, timeout=PATIENCE)
        assert view._x.all()
        press(view, "release")
        qtbot.waitUntil(lambda: not view._x.all(), timeout=PATIENCE)

    def test_chains_start_from_examples(self, bench: Bench, view: Dream, qtbot: QtBot) -> None:
        press(view, "play")
        qtbot.waitUntil(lambda: not view._waiting, timeout=PATIENCE)
        shown: list[np.ndarray] = []
        bench.live.answered.connect(lambda a: a.channel.endswith("data") and shown.append(a.value.x))
        press(view, "data")
        qtbot.waitUntil(lambda: bool(shown), timeout=PATIENCE)
        distance = np.abs(bench.data.test.x.numpy()[:, None] - shown[0]).max(axis=(2, 3, 4)).min(axis=0)
        assert not distance.any()
        assert view.playing

    def test_a_drawing_waits_to_be_drawn(self, view: Dream, qtbot: QtBot) -> None:
        press(view, "drawing")
        assert not view.playing
        assert not view._x.any()
        view.first.radius = 0.4
        brush(view.first, (3, 3))
        assert view.first.picture[0, 3, 3] == 1
        press(view, "play")
        qtbot.waitUntil(lambda: view._shown > 2, timeout=PATIENCE)
        assert view._x[:, 0, 3, 3].all()

    def test_speed_is_in_transitions_per_frame(self, bench: Bench, view: Dream, qtbot: QtBot) -> None:
        view._speed._move(20)
        before = view._shown
        qtbot.waitUntil(lambda: view._shown >= before + 40, timeout=PATIENCE)

    def test_free_energies_are_those_of_the_states(self, bench: Bench, view: Dream, qtbot: QtBot) -> None:
        frames: list[object] = []
        bench.live.answered.connect(lambda a: a.channel == "dream/advance" and frames.append(a.value))
        qtbot.waitUntil(lambda: bool(frames), timeout=PATIENCE)
        with torch.no_grad():
            expected = bench.model.free_energy(torch.from_numpy(frames[0].x)).numpy()
        assert frames[0].free_energy == pytest.approx(expected, rel=1e-4)

    def test_filters_follow_the_weights(self, bench: Bench, view: Dream, qtbot: QtBot) -> None:
        before = view._weights
        bench.publish(2)
        qtbot.waitUntil(lambda: view._weights is not before, timeout=PATIENCE)

    def test_a_hidden_dream_stands_still(self, view: Dream, qtbot: QtBot) -> None:
        view.hide()
        before = view._shown
        qtbot.wait(150)
        assert view._shown == before
        view.show()
        qtbot.waitUntil(lambda: view._shown > before, timeout=PATIENCE)


class TestLandscape:
    @pytest.fixture
    def bench(self, qtbot: QtBot) -> Iterator[Bench]:
        game = AdversarialSettings(hidden=8, layers=1)
        generator = GanSettings(latent=2, hidden=8, layers=1)
        made = Bench(recipe(Gan, generator, Adversarial, game, objective=MINIMAX), cloud())
        made.publish(1)
        yield made
        made.live.close()

    @pytest.fixture
    def view(self, bench: Bench, qtbot: QtBot) -> LandscapeView:
        view = opened(LandscapeView, bench, qtbot)
        qtbot.waitUntil(lambda: view._answer is not None and view.map.veil.isVisible(), timeout=PATIENCE)
        return view

    def test_the_discriminator_is_shown_first_in_colours_around_one_half(
        self, bench: Bench, view: LandscapeView
    ) -> None:
        left, bottom, right, top = view._answer.bounds
        n = view._answer.field.shape[0]
        place = torch.tensor([[left + (10.5 / n) * (right - left), bottom + (70.5 / n) * (top - bottom)]])
        with torch.no_grad():
            assert view._answer.field[70, 10] == pytest.approx(float(bench.learner.discriminate(place)), rel=1e-4)

    def test_layers_are_asked_for_only_when_they_are_seen(self, view: LandscapeView, qtbot: QtBot) -> None:
        assert view._answer.warp is None
        assert view._answer.gradients is None
        tick(view, "warp")
        tick(view, "arrows")
        qtbot.waitUntil(lambda: view._answer.warp is not None and view._answer.gradients is not None, timeout=PATIENCE)
        assert len(view.warp.getData()[0]) > 1000
        assert len(view.arrows.getData()[0]) == 6 * 150
        assert "∇D" in view.findChild(QLabel, "longest").text()
        tick(view, "warp")
        assert view.warp.getData()[0] is None or len(view.warp.getData()[0]) == 0

    def test_the_data_density_can_be_chosen(self, view: LandscapeView, qtbot: QtBot) -> None:
        press(view, "field.data density")
        qtbot.waitUntil(lambda: view._answer.kind == "data density" and view.map.veil.isVisible(), timeout=PATIENCE)
        peak = np.unravel_index(view._answer.field.argmax(), view._answer.field.shape)
        assert abs(peak[0] - view._answer.field.shape[0] / 2) < 12
        press(view, "field.nothing")
        assert not view.map.veil.isVisible()

    def test_samples_move_with_the_weights(self, bench: Bench, view: LandscapeView, qtbot: QtBot) -> None:
        before = view._answer.samples
        bench.publish(2)
        qtbot.waitUntil(lambda: not np.array_equal(view._answer.samples, before), timeout=PATIENCE)

    def test_a_bound_gives_an_estimate_of_the_density(self, qtbot: QtBot) -> None:
        bench = Bench(recipe(Vae, VaeSettings(latent=2, hidden=8, layers=1)), cloud())
        bench.publish(1)
        view = opened(LandscapeView, bench, qtbot)
        qtbot.waitUntil(lambda: view._answer is not None and view.map.veil.isVisible(), timeout=PATIENCE)
        bench.live.close()
        assert view._answer.kind == "estimated model density"
        assert view.findChild(QPushButton, "field.discriminator") is None
        assert not view.findChild(QCheckBox, "arrows").isVisible()

    def test_arrows_end_where_they_point(self) -> None:
        lines = arrow_lines(np.array([[1.0, 2.0]]), np.array([[0.5, 0.0]]))
        assert lines.tolist()[:2] == [[1.0, 2.0], [1.5, 2.0]]
        assert lines[3] == pytest.approx([1.35, 2.1])
        assert lines[5] == pytest.approx([1.35, 1.9])
