"""What stands below the latent map: paths, traversals, attributes; and the two densities on it."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import numpy as np
import pytest
import torch
from explorer_runs import cloud, mouse, pictures, recipe
from latent_maps import PATIENCE, ShowMap, decoded, on_map, press, shows
from person import Person
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QPushButton, QToolButton
from pytestqt.qtbot import QtBot
from torch import Generator, Tensor

from dgm_studio import animation
from dgm_studio.paths import interpolate
from models.distributions import Distribution, Normal
from models.settings import NoSettings
from models.spec import DataSpec
from widgets.explorers.draw_it import DrawIt
from widgets.explorers.latent_map import LatentMap
from widgets.explorers.traversals import STEPS
from widgets.pictures import tile


def click(view: LatentMap, name: str) -> None:
    QTest.mouseClick(view.findChild(QToolButton, name), Qt.MouseButton.LeftButton)


def embedded(view: LatentMap, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: view.card.embedding is not None, timeout=PATIENCE)


def pin(view: LatentMap, *places: list[float]) -> None:
    for place in places:
        view.move_to(np.array(place))
        press(view, "pin")


class TestTraversals:
    def test_a_row_varies_one_dimension_and_keeps_the_others(self, show_map: ShowMap, qtbot: QtBot) -> None:
        bench, view = show_map(latent=5)
        embedded(view, qtbot)
        view.move_to(np.array([0.1, 0.2, 0.3, 0.4, 0.5]))
        press(view, "tool.traversals")
        grid = view.traversals.grid
        order = np.argsort(-view.card.embedding.kl, kind="stable")

        def right() -> bool:
            if len(grid.pictures) < 2 or [label for label, _ in grid.labels] != [
                f"z{'₁₂₃₄₅'[d]}" for d in order[: len(grid.pictures)]
            ]:
                return False
            z = np.tile(view.z, (len(STEPS), 1))
            z[:, order[1]] = view.card.prior.mean[order[1]] + STEPS * view.card.prior.scale[order[1]]
            return bool(np.allclose(grid.pictures[1], decoded(bench, z), atol=1e-5))

        qtbot.waitUntil(right, timeout=PATIENCE)

    def test_a_click_moves_the_handle_there(self, show_map: ShowMap, qtbot: QtBot) -> None:
        bench, view = show_map(latent=3)
        press(view, "tool.traversals")
        grid = view.traversals.grid
        qtbot.waitUntil(lambda: len(grid.pictures) == 3, timeout=PATIENCE)
        at = grid.width() - 5, round(1.5 * grid.cell())
        dimension = view.traversals._shown[1][0]
        QTest.mouseClick(grid, Qt.MouseButton.LeftButton, pos=QPoint(*at))
        assert view.z[dimension] == pytest.approx(
            view.card.prior.mean[dimension] + 3 * view.card.prior.scale[dimension]
        )
        assert np.count_nonzero(view.z) == 1
        qtbot.waitUntil(lambda: shows(bench, view) and grid.marks[1] == len(STEPS) - 1, timeout=PATIENCE)
        QTest.keyClick(grid, Qt.Key.Key_Left)
        assert view.z[dimension] == pytest.approx(
            view.card.prior.mean[dimension] + 2.25 * view.card.prior.scale[dimension]
        )

    def test_by_scales_of_the_posterior_the_handle_is_in_the_middle(self, show_map: ShowMap, qtbot: QtBot) -> None:
        bench, view = show_map(latent=2)
        embedded(view, qtbot)
        view.move_to(np.array([0.7, -0.4]))
        press(view, "tool.traversals")
        press(view, "traversalScale.posterior")
        z = np.tile(view.z, (len(STEPS), 1))
        first = int(view.traversals.dimensions[0])
        z[:, first] += STEPS * view.card.embedding.scale[first]
        grid = view.traversals.grid

        def right() -> bool:
            return len(grid.pictures) == 2 and bool(np.allclose(grid.pictures[0], decoded(bench, z), atol=1e-5))

        qtbot.waitUntil(right, timeout=PATIENCE)

    def test_newer_weights_change_the_pictures(self, show_map: ShowMap, qtbot: QtBot) -> None:
        bench, view = show_map(latent=2)
        press(view, "tool.traversals")
        grid = view.traversals.grid
        qtbot.waitUntil(lambda: len(grid.pictures) == 2, timeout=PATIENCE)
        before = grid.pictures
        bench.publish(2)
        qtbot.waitUntil(lambda: not np.allclose(grid.pictures, before), timeout=PATIENCE)

    def test_a_large_space_shows_what_there_is_room_for(self, show_map: ShowMap, qtbot: QtBot) -> None:
        _, view = show_map(latent=64, data=pictures((3, 8, 8)))
        press(view, "tool.traversals")
        grid = view.traversals.grid
        qtbot.waitUntil(lambda: len(grid.pictures) > 2, timeout=PATIENCE)
        assert len(grid.pictures) * grid.cell() < 0.42 * view.height()
        assert view.map.height() > 200

    def test_points_have_none(self, show_map: ShowMap) -> None:
        _, view = show_map(data=cloud())
        assert view.findChild(QPushButton, "tool.traversals") is None


class TestAttributes:
    def test_the_slider_adds_what_sets_a_class_apart(self, show_map: ShowMap, qtbot: QtBot) -> None:
        bench, view = show_map(latent=4)
        embedded(view, qtbot)
        view.move_to(np.array([0.1, 0.2, 0.3, 0.4]))
        press(view, "tool.attributes")
        tool = view.attributes
        tool.plus.setCurrentIndex(2)
        tool.plus.activated.emit(2)
        tool.minus.setCurrentIndex(1)  # "all classes" comes first
        tool.minus.activated.emit(1)
        with torch.no_grad():
            codes = bench.model.encode(bench.data.train.x).mean.numpy()
        vector = codes[2::3].mean(0) - codes[0::3].mean(0)
        begin, end = tool.amount.track()
        QTest.mouseClick(tool.amount, Qt.MouseButton.LeftButton, pos=QPoint(round(begin + 0.75 * (end - begin)), 12))
        amount = tool.amount.value
        assert amount == pytest.approx(1, abs=0.02)
        assert view.z == pytest.approx(np.array([0.1, 0.2, 0.3, 0.4]) + amount * vector, abs=1e-4)
        qtbot.waitUntil(lambda: shows(bench, view), timeout=PATIENCE)
        QTest.keyClick(tool.amount, Qt.Key.Key_Left)
        assert view.z == pytest.approx(np.array([0.1, 0.2, 0.3, 0.4]) + tool.amount.value * vector, abs=1e-4)

    def test_moving_the_handle_otherwise_begins_again(self, show_map: ShowMap, qtbot: QtBot) -> None:
        _, view = show_map()
        embedded(view, qtbot)
        press(view, "tool.attributes")
        view.attributes.amount._move(1.5)
        mouse(view.map.viewport(), QEvent.Type.MouseButtonPress, on_map(view, 0.5, 0.5))
        assert view.attributes.amount.value == 0
        assert view.attributes.base == pytest.approx(view.z)

    def test_the_strip_shows_the_way_and_a_click_goes_there(self, show_map: ShowMap, qtbot: QtBot) -> None:
        bench, view = show_map()
        embedded(view, qtbot)
        press(view, "tool.attributes")
        tool = view.attributes
        places = tool.base + np.linspace(-2, 2, 9, dtype=np.float32)[:, None] * tool.vector

        def right() -> bool:
            shown = tool.strip.picture
            return shown is not None and bool(np.allclose(shown, tile(decoded(bench, places), 9), atol=1e-5))

        qtbot.waitUntil(right, timeout=PATIENCE)
        target = tool.strip.target()
        QTest.mouseClick(tool.strip, Qt.MouseButton.LeftButton, pos=QPoint(int(target.right()) - 2, 20))
        assert view.z == pytest.approx(places[-1], abs=1e-4)

    def test_the_mean_of_a_class_can_be_gone_to(self, show_map: ShowMap, qtbot: QtBot) -> None:
        bench, view = show_map(latent=3)
        embedded(view, qtbot)
        press(view, "tool.attributes")
        press(view, "goToMean")
        with torch.no_grad():
            codes = bench.model.encode(bench.data.train.x).mean.numpy()
        assert view.z == pytest.approx(codes[::3].mean(0), abs=1e-4)

    @pytest.mark.parametrize("kind", ["no encoder", "no labels"])
    def test_without_codes_or_labels_there_are_none(self, show_map: ShowMap, kind: str) -> None:
        _, view = show_map(encodes=False) if kind == "no encoder" else show_map(data=cloud())
        assert view.findChild(QPushButton, "tool.attributes") is None


class TestPath:
    def test_space_plays_the_way_and_the_picture_follows(self, show_map: ShowMap, qtbot: QtBot) -> None:
        bench, view = show_map()
        pin(view, [-1, 0], [1, 0])
        view.walk._seconds.setValue(0.1)
        view.walk._choose(0)
        view.walk._seconds.setValue(0.4)
        seen: list[float] = []
        view.walk.played.connect(lambda z: seen.append(float(z[0])))
        QTest.keyClick(view.map, Qt.Key.Key_Space)
        assert view.walk.playing
        qtbot.waitUntil(lambda: not view.walk.playing, timeout=PATIENCE)
        assert seen == sorted(seen)
        assert len(seen) > 2
        assert view.z == pytest.approx([1, 0])
        qtbot.waitUntil(lambda: shows(bench, view), timeout=PATIENCE)

    def test_a_loop_plays_until_it_is_paused(self, show_map: ShowMap, qtbot: QtBot) -> None:
        _, view = show_map()
        pin(view, [-1, 0], [1, 0], [0, 1])
        for i in range(3):
            view.walk._choose(i)
            view.walk._seconds.setValue(0.1)
        view.walk._closed.click()
        times: list[int] = []
        view.walk.played.connect(lambda z: times.append(1))
        click(view, "play")
        qtbot.waitUntil(lambda: len(times) > 12, timeout=PATIENCE)  # at 25 a second longer than 0.3 s
        click(view, "play")
        assert not view.walk.playing

    def test_a_hand_stops_what_plays(self, show_map: ShowMap, qtbot: QtBot) -> None:
        _, view = show_map()
        pin(view, [-1, 0], [1, 0])
        click(view, "play")
        qtbot.wait(60)
        mouse(view.map.viewport(), QEvent.Type.MouseButtonPress, on_map(view, 0.5, 1.5))
        assert not view.walk.playing
        assert view.z == pytest.approx([0.5, 1.5], abs=0.03)

    def test_a_pause_goes_on_where_it_was(self, show_map: ShowMap, qtbot: QtBot) -> None:
        _, view = show_map()
        pin(view, [-1, 0], [1, 0])
        view.walk._choose(0)
        view.walk._seconds.setValue(20)
        seen: list[tuple[float, float]] = []  # when, and where
        view.walk.played.connect(lambda z: seen.append((monotonic(), float(z[0]))))
        click(view, "play")
        qtbot.waitUntil(lambda: view.z[0] > -0.95, timeout=PATIENCE)
        click(view, "play")
        paused, (last, before) = monotonic(), seen[-1]
        qtbot.wait(500)
        assert seen[-1] == (last, before)
        begun = monotonic()
        click(view, "play")
        qtbot.waitUntil(lambda: seen[-1] != (last, before), timeout=PATIENCE)
        view.walk.pause()
        first, place = next(one for one in seen if one[0] > begun)
        played = paused - last + first - begun  # seconds; it takes 20 from -1 to 1
        assert before - 1e-3 <= place <= before + played / 10 + 2e-3

    def test_pins_can_be_chosen_moved_and_removed(self, show_map: ShowMap, qtbot: QtBot) -> None:
        _, view = show_map()
        pin(view, [-1, 0], [1, 0], [0, 1])
        row = view.walk.row
        QTest.mouseClick(row, Qt.MouseButton.LeftButton, pos=QPoint(round(1.5 * row.step()), 20))
        assert view.z == pytest.approx([1, 0])
        view.move_to(np.array([2.0, 2.0]))
        press(view, "putHere")
        assert view.walk.pins[1] == pytest.approx([2, 2])
        QTest.keyClick(row, Qt.Key.Key_Delete)
        assert [z.tolist() for z in view.walk.pins] == [[-1, 0], [0, 1]]
        QTest.keyClick(row, Qt.Key.Key_Left)
        assert view.z == pytest.approx([-1, 0])

    def test_a_pin_is_added_after_the_chosen_one(self, show_map: ShowMap) -> None:
        _, view = show_map()
        pin(view, [-1, 0], [1, 0])
        view.walk._choose(0)
        pin(view, [0, 2])
        assert [z.tolist() for z in view.walk.pins] == [[-1, 0], [0, 2], [1, 0]]

    def test_delete_is_not_the_windows_which_takes_a_run_away(self, show_map: ShowMap) -> None:
        _, view = show_map()
        pin(view, [-1, 0], [1, 0])
        asked = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Delete, Qt.KeyboardModifier.NoModifier)
        asked.ignore()
        QApplication.sendEvent(view.walk.row, asked)
        assert asked.isAccepted()

    def test_changes_of_pins_are_taken_back(self, show_map: ShowMap) -> None:
        _, view = show_map()
        pin(view, [-1, 0], [1, 0])
        press(view, "unpin")
        QTest.keyClick(view.map, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert [z.tolist() for z in view.walk.pins] == [[-1, 0], [1, 0]]
        QTest.keyClick(view.map, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert [z.tolist() for z in view.walk.pins] == [[-1, 0]]

    def test_slerp_goes_along_the_arc_and_the_map_shows_it(self, show_map: ShowMap) -> None:
        _, view = show_map(latent=2)
        pin(view, [2, 0], [0, 2])
        press(view, "way.slerp")
        x, y = view.map.path.getData()
        assert np.hypot(x, y) == pytest.approx(2, abs=1e-3)
        press(view, "way.lerp")
        x, y = view.map.path.getData()
        assert x + y == pytest.approx(2, abs=1e-3)

    def test_of_points_the_way_is_drawn_among_the_samples(self, show_map: ShowMap, qtbot: QtBot) -> None:
        bench, view = show_map(data=cloud())
        pin(view, [-1, 0], [1, 0.5])
        places = interpolate(np.array([-1, 0], np.float32), np.array([1, 0.5], np.float32), 2, False)

        def right() -> bool:
            x, y = view.outcome.plane.path.getData()
            if x is None or len(x) < 3:
                return False
            return bool(np.allclose(np.stack([x, y], 1)[[0, -1]], decoded(bench, places), atol=1e-4))

        qtbot.waitUntil(right, timeout=PATIENCE)
        press(view, "unpin")
        assert not len(view.outcome.plane.path.getData()[0])

    def test_closing_the_tool_or_leaving_the_view_stops_what_plays(self, show_map: ShowMap) -> None:
        _, view = show_map()
        pin(view, [-1, 0], [1, 0])
        view.walk.toggle()
        press(view, "tool.walk")
        assert not view.walk.playing
        assert not view.tools.isVisible()
        view.walk.toggle()
        view.hide()
        assert not view.walk.playing


class TestExport:
    @pytest.mark.parametrize("kind", [".gif", ".png", ".mp4"])
    def test_what_is_exported_are_the_pictures_of_the_way(
        self, kind: str, show_map: ShowMap, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench, view = show_map()
        pin(view, [-1, 0], [1, 0])
        view.walk._choose(0)
        view.walk._seconds.setValue(0.4)
        file = tmp_path / "way"  # a name without an ending gets one
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *given: (str(file), ""))
        view.walk.export.emit(kind)
        message = view.findChild(QLabel, "walkMessage")
        qtbot.waitUntil(lambda: message.text().startswith(f"way{kind}:"), timeout=PATIENCE)
        assert [f.name for f in tmp_path.iterdir()] == [f"way{kind}"]
        pictures = np.round(255 * decoded(bench, view.walk.path().film(animation.PER_SECOND))).astype(np.uint8)
        assert len(pictures) == 11
        made = (tmp_path / f"way{kind}").read_bytes()
        if kind == ".mp4":
            assert animation.read(made, kind) == animation.Film(11, 256, 256, 11 / 25)
            return
        expected = animation.KINDS[kind](pictures, False)
        with Image.open(tmp_path / f"way{kind}") as image:
            assert getattr(image, "n_frames", 1) == (11 if kind == ".gif" else 1)
            first = np.asarray(image.convert("L"))
        assert made == expected or np.abs(first[16::32, 16::32].astype(int)[:8, :8] - pictures[0, 0]).max() <= 1

    def test_a_disk_that_refuses_is_told_and_the_view_goes_on(
        self, show_map: ShowMap, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench, view = show_map()
        pin(view, [-1, 0], [1, 0])
        gone = str(tmp_path / "gone" / "x.gif")
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *given: (gone, ""))
        view.walk.export.emit(".gif")
        notice = view.findChild(QLabel, "notice")
        qtbot.waitUntil(notice.isVisible, timeout=PATIENCE)
        assert "was not written" in notice.text()
        view.move_to(np.array([0.3, 0.3]))
        qtbot.waitUntil(lambda: shows(bench, view), timeout=PATIENCE)

    def test_changing_ones_mind_writes_nothing(
        self, show_map: ShowMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, view = show_map()
        pin(view, [-1, 0], [1, 0])
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *given: ("", ""))
        view.walk.export.emit(".gif")
        assert not view.films.writer.busy
        assert "film" not in view._first

    def test_fewer_than_two_pins_cannot_be_played_or_exported(self, show_map: ShowMap) -> None:
        _, view = show_map()
        pin(view, [-1, 0])
        assert not view.walk.play.isEnabled()
        assert not view.findChild(QToolButton, "exportFilm").isEnabled()


class TestDensities:
    @pytest.mark.parametrize("latent", [1, 2, 3])
    def test_the_aggregated_posterior_and_the_prior_are_compared(
        self, latent: int, show_map: ShowMap, qtbot: QtBot
    ) -> None:
        _, view = show_map(latent=latent)
        embedded(view, qtbot)
        view.layers.aggregate.click()
        qtbot.waitUntil(lambda: view.layers.comparison is not None, timeout=PATIENCE)
        x, y = np.stack(view.map.outlines[0].getData()) - view.card.plane.project(np.zeros(latent))[:, None]
        here = np.isfinite(x)
        if latent == 1:
            assert x[y.argmax()] == pytest.approx(0, abs=0.4)  # the prior's mode
        else:
            assert np.hypot(x, y)[here].min() == pytest.approx(np.sqrt(2 * np.log(2)), abs=0.2)  # holds half of N(0, I)
            assert np.hypot(x, y)[here].max() == pytest.approx(np.sqrt(2 * np.log(20)), abs=0.4)  # holds 95 %
            assert view.map.second_veil.isVisible()
        assert "of p(z) where q(z)" in view.findChild(QLabel, "mapStatus").text()
        view.layers.aggregate.click()
        assert not len(view.map.outlines[0].getData()[0])
        assert "training examples" in view.findChild(QLabel, "mapStatus").text()

    def test_without_an_encoder_there_is_no_posterior(self, show_map: ShowMap) -> None:
        _, view = show_map(encodes=False)
        assert not view.layers.aggregate.isVisible()


class Exponential(Distribution):
    """Independent exponentials with the given means."""

    def __init__(self, mean: Tensor) -> None:
        self._mean = mean

    @property
    def mean(self) -> Tensor:
        return self._mean

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        u = torch.rand(n, *self._mean.shape, generator=generator, device=self._mean.device)
        return -self._mean * torch.log1p(-u)

    def log_prob(self, z: Tensor) -> Tensor:
        return torch.where(z >= 0, -z / self._mean - self._mean.log(), -torch.inf).sum(-1)


class Positive(torch.nn.Module):
    """Its codes are positive."""

    def __init__(self, settings: NoSettings, spec: DataSpec) -> None:
        super().__init__()
        self.shape = spec.event_shape
        self.weight = torch.nn.Parameter(torch.rand(2, int(np.prod(self.shape))))

    def prior(self) -> Exponential:
        return Exponential(torch.ones_like(self.weight[:, 0]))

    def encode(self, x: Tensor) -> Exponential:
        return Exponential(x.flatten(1) @ self.weight.T + 0.1)

    def decode(self, z: Tensor) -> Tensor:
        return (-(z @ self.weight)).exp().reshape(-1, *self.shape)


def test_where_codes_are_positive_the_handle_stays_among_them(show_map: ShowMap, qtbot: QtBot) -> None:
    bench, view = show_map(made=recipe(Positive, NoSettings()))
    embedded(view, qtbot)
    mouse(view.map.viewport(), QEvent.Type.MouseButtonPress, on_map(view, 1.0, 0.2))
    for _ in range(40):
        QTest.keyClick(view.map, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert view.z[0] == pytest.approx(1.0, abs=0.05)
    assert view.z[1] == pytest.approx(0.0, abs=1e-3)
    for row in view.sliders.rows:
        begin, _ = row.track()
        QTest.mouseClick(row, Qt.MouseButton.LeftButton, pos=QPoint(int(begin) - 4, 12))
    assert (view.z >= 0).all()
    assert view.z == pytest.approx([0, 0], abs=1e-3)
    press(view, "tool.traversals")
    qtbot.waitUntil(lambda: len(view.traversals.grid.pictures) == 2, timeout=PATIENCE)
    assert (view.tools.places >= 0).all()
    qtbot.waitUntil(lambda: shows(bench, view), timeout=PATIENCE)


def test_keys_open_tools_and_switch_layers(show_map: ShowMap) -> None:
    _, view = show_map()
    for key, tool in ((Qt.Key.Key_T, view.traversals), (Qt.Key.Key_B, view.attributes), (Qt.Key.Key_P, view.walk)):
        QTest.keyClick(view.map, key)
        assert view.tools.current is tool
    for key, box in ((Qt.Key.Key_M, view.layers.manifold), (Qt.Key.Key_D, view.layers.data)):
        QTest.keyClick(view.map, key)
        assert not box.isChecked()


def test_everything_that_can_be_pressed_says_what_it_does(show_map: ShowMap) -> None:
    _, view = show_map(latent=3)
    pin(view, [0, 0, 0], [1, 0, 0])
    for part in (*view.findChildren(QPushButton), *view.findChildren(QToolButton)):
        assert part.toolTip(), part.objectName()
        assert part.text() or part.accessibleName(), part.objectName()


def test_where_codes_may_be_anything_the_handle_goes_anywhere(show_map: ShowMap) -> None:
    bench, view = show_map()
    assert isinstance(bench.model.prior(), Normal)
    mouse(view.map.viewport(), QEvent.Type.MouseButtonPress, on_map(view, -3.2, -3.1))
    assert view.z == pytest.approx([-3.2, -3.1], abs=0.05)


def test_what_was_chosen_holds_for_the_next_run(show_map: ShowMap, qtbot: QtBot) -> None:
    _, first = show_map()
    press(first, "tool.traversals")
    first.layers.manifold.click()
    _, same = show_map()
    same.restore(first.choices())
    assert same.tools.current is same.traversals
    assert not same.layers.manifold.isChecked()
    assert same.layers.data.isChecked()
    _, other = show_map(encodes=False)
    other.restore(first.choices())
    assert other.layers.manifold.isChecked(), "what was chosen beside data says nothing about a generator"
    qtbot.waitUntil(lambda: len(other.traversals.grid.pictures) == 2, timeout=PATIENCE)


def test_in_the_window_a_drawing_leads_to_the_map(person: Person) -> None:
    person.train_a_little()
    desk = person.desk
    explore = desk.area.explore
    desk.area.show_page("Explore")
    explore.show_explorer(explore.keys.index("latent-map"))
    view = explore.current
    assert isinstance(view, LatentMap)
    person.until(lambda: len(view.z))
    explore.show_explorer(explore.keys.index("draw-it"))
    drawing = explore.current
    assert isinstance(drawing, DrawIt)
    drawing.canvas.load(np.ones((1, 8, 8), np.float32))
    person.until(lambda: drawing.code is not None)
    press(drawing, "onward")
    assert explore.current is view
    assert view.z == pytest.approx(drawing.code)
    view.tools.open_key("attributes")
    explore._follow(desk.workspace.viewing.live)  # as when another run is selected
    again = explore.current
    assert isinstance(again, LatentMap)
    assert again is not view
    assert again.tools.current is again.attributes
