"""The latent map: what is dragged is what is decoded."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from explorer_runs import cloud, drag, mouse, pictures
from latent_maps import PATIENCE, ShowMap, on_map, press, shows
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QKeySequence, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from widgets.explorers.latent_map import LatentMap
from widgets.explorers.latent_parts import PRINCIPAL
from widgets.theme import DARK, LIGHT, look


def wheel(widget: QWidget, place: QPointF, angle: int) -> None:
    nothing = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    where = QPointF(widget.mapToGlobal(place.toPoint()))
    event = QWheelEvent(place, where, QPoint(), QPoint(0, angle), *nothing, False)
    QApplication.sendEvent(widget, event)


def test_dragging_decodes_the_place_under_the_mouse(show_map: ShowMap, qtbot: QtBot) -> None:
    bench, view = show_map()
    seen: list[np.ndarray] = []
    bench.live.answered.connect(lambda a: a.channel.endswith("decode") and seen.append(a.value.z[0]))
    way = [on_map(view, -1 + 0.1 * i, 0.5) for i in range(20)]
    drag(view.map.viewport(), way, between=QApplication.processEvents)
    assert view.z == pytest.approx([0.9, 0.5], abs=0.03)
    qtbot.waitUntil(lambda: shows(bench, view), timeout=PATIENCE)
    across = [z[0] for z in seen]
    assert across == sorted(across), "an older answer came after a newer one"


def test_pressing_anywhere_moves_the_handle_there(show_map: ShowMap, qtbot: QtBot) -> None:
    bench, view = show_map()
    mouse(view.map.viewport(), QEvent.Type.MouseButtonPress, on_map(view, 1.5, -2.0))
    place = view.map.handle.pos()
    assert (place.x(), place.y()) == pytest.approx((1.5, -2.0), abs=0.03)
    qtbot.waitUntil(lambda: shows(bench, view), timeout=PATIENCE)


def test_the_right_button_leaves_the_handle(show_map: ShowMap) -> None:
    _, view = show_map()
    before = view.z.copy()
    drag(view.map.viewport(), [on_map(view, 1, 1), on_map(view, 1.1, 1)], Qt.MouseButton.RightButton)
    assert np.array_equal(view.z, before)


def test_the_same_place_is_decoded_again_when_the_weights_change(show_map: ShowMap, qtbot: QtBot) -> None:
    bench, view = show_map()
    view.move_to(np.array([0.4, -0.3]))
    for step in range(2, 6):
        bench.publish(step)
        qtbot.waitUntil(lambda: shows(bench, view), timeout=PATIENCE)
    assert view.z == pytest.approx([0.4, -0.3])


def test_arrow_keys_nudge_the_handle_by_pixels(show_map: ShowMap) -> None:
    _, view = show_map()
    width, height = view.map.box.viewPixelSize()
    before = view.z.copy()
    QTest.keyClick(view.map, Qt.Key.Key_Right)
    QTest.keyClick(view.map, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert view.z - before == pytest.approx([2 * width, 10 * height], rel=1e-3)


def test_a_slider_moves_its_own_dimension(show_map: ShowMap, qtbot: QtBot) -> None:
    bench, view = show_map(latent=5)
    view.move_to(np.array([0.1, 0.2, 0.3, 0.4, 0.5]))
    row = view.sliders.rows[3]
    begin, end = row.track()
    drag(row, [QPointF(begin, 12), QPointF(begin + 0.75 * (end - begin), 12)])
    dimension = int(row.name[1:].translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))) - 1
    others = np.delete(np.arange(5), dimension)
    assert view.z[dimension] == pytest.approx(row.value)
    assert row.value > 1
    assert view.z[others] == pytest.approx(np.array([0.1, 0.2, 0.3, 0.4, 0.5])[others])
    qtbot.waitUntil(lambda: shows(bench, view), timeout=PATIENCE)


def test_sliders_are_sorted_by_kl_and_say_it(show_map: ShowMap, qtbot: QtBot) -> None:
    _, view = show_map(latent=6)
    qtbot.waitUntil(lambda: all(row.note for row in view.sliders.rows), timeout=PATIENCE)
    numbers = [float(row.note.removeprefix("KL ")) for row in view.sliders.rows]
    assert numbers == sorted(numbers, reverse=True)


def test_reset_random_and_nearest(show_map: ShowMap, qtbot: QtBot) -> None:
    bench, view = show_map(latent=3)
    press(view, "random")
    qtbot.waitUntil(lambda: bool(view.z.any()), timeout=PATIENCE)
    qtbot.waitUntil(lambda: len(view.map.points._groups) == 3, timeout=PATIENCE)
    press(view, "snap")
    with torch.no_grad():
        means = bench.model.encode(bench.data.train.x).mean.numpy()
    assert np.abs(means - view.z).max(axis=1).min() < 1e-5
    assert view.findChild(QWidget, "datumCaption").text().startswith("training example")
    press(view, "reset")
    assert not view.z.any()
    qtbot.waitUntil(lambda: shows(bench, view), timeout=PATIENCE)


def test_pins_show_the_way_between_them_and_can_be_walked(show_map: ShowMap, qtbot: QtBot) -> None:
    _, view = show_map()
    assert not view.walk.pins
    view.move_to(np.array([-1.0, 0.0]))
    press(view, "pin")
    view.move_to(np.array([1.0, 0.0]))
    press(view, "pin")
    view.move_to(np.array([0.0, 2.0]))
    strip = view.walk.strip
    qtbot.waitUntil(lambda: strip.picture is not None, timeout=PATIENCE)
    target = strip.target()
    QTest.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(int(target.right()) - 2, int(target.center().y())))
    assert view.z == pytest.approx([1.0, 0.0])
    press(view, "unpin")
    assert not view.walk.pins


def test_a_drag_is_one_step_that_is_taken_back_and_done_again(show_map: ShowMap) -> None:
    _, view = show_map()
    view.move_to(np.array([-1.5, 0.0]))
    assert not view.can_undo(), "only what a person did is taken back"
    drag(view.map.viewport(), [on_map(view, 0.1 * i, 0.5) for i in range(10)])
    view._steps.end()
    first = view.z.copy()
    drag(view.map.viewport(), [on_map(view, 0.1 * i, -1) for i in range(10)])
    second = view.z.copy()
    view._reset()
    QTest.keySequence(view.map, QKeySequence(QKeySequence.StandardKey.Undo))
    assert np.array_equal(view.z, second)
    view.undo()
    assert np.array_equal(view.z, first)
    view.undo()
    assert view.z == pytest.approx([-1.5, 0.0])
    assert not view.can_undo()
    QTest.keySequence(view.map, QKeySequence(QKeySequence.StandardKey.Redo))
    assert np.array_equal(view.z, first)
    view._point(view.map.handle.x() + 0.3, view.map.handle.y())
    assert not view.can_redo()


def test_the_plane_is_the_one_that_was_chosen_last_for_a_space_of_this_size(show_map: ShowMap) -> None:
    _, view = show_map(latent=4)
    view.card.choice._across.setCurrentIndex(view.card.choice._across.findText("z₄"))
    view.card.choice._up.setCurrentIndex(view.card.choice._up.findText("z₃"))
    kept = json.loads(json.dumps(view.choices()))
    for latent, wanted in ((4, [3, 2]), (5, [PRINCIPAL, 1])):
        bench, shown = show_map(latent=latent)
        other = LatentMap(bench.live)
        other.restore(kept)
        other._enter(shown.card.prior)
        assert other.card.choice.choices() == wanted
        other.restore({"plane of 4": "no list", other.card._kind: 3, "tool": None})
        other.deleteLater()


@pytest.mark.parametrize("latent", [1, 2, 7, 256])
def test_any_latent_size_has_a_map_and_a_slider_for_each_dimension(show_map: ShowMap, latent: int) -> None:
    _, view = show_map(latent=latent)
    assert len(view.sliders.rows) == latent
    mouse(view.map.viewport(), QEvent.Type.MouseButtonPress, on_map(view, 0.5, 0.25))
    assert view.z.any()
    assert not view.grab().isNull()


def test_dragging_in_the_principal_plane_keeps_what_lies_outside_it(show_map: ShowMap, qtbot: QtBot) -> None:
    _, view = show_map(latent=6)
    qtbot.waitUntil(lambda: "principal" in view.map.getAxis("bottom").labelText, timeout=PATIENCE)
    qtbot.waitUntil(lambda: view.card.embedding is not None, timeout=PATIENCE)
    plane = view.card.plane
    before = view.z.copy()
    mouse(view.map.viewport(), QEvent.Type.MouseButtonPress, on_map(view, 0.8, -0.6))
    moved = view.z - before
    inside = (moved @ plane.u) * plane.u + (moved @ plane.v) * plane.v
    assert moved == pytest.approx(inside, abs=1e-5)
    assert plane.project(view.z) == pytest.approx([0.8, -0.6], abs=0.05)


def test_two_other_dimensions_can_be_looked_at(show_map: ShowMap) -> None:
    _, view = show_map(latent=4)
    across, up = view.card.choice._across, view.card.choice._up
    across.setCurrentIndex(across.findText("z₄"))
    across.activated.emit(across.currentIndex())
    up.setCurrentIndex(up.findText("z₃"))
    up.activated.emit(up.currentIndex())
    view.move_to(np.zeros(4))
    mouse(view.map.viewport(), QEvent.Type.MouseButtonPress, on_map(view, 1.0, 0.5))
    assert view.z == pytest.approx([0, 0, 0.5, 1.0], abs=0.03)
    assert view.map.getAxis("bottom").labelText == "z₄"


def test_the_manifold_is_drawn_behind_the_data_and_can_be_taken_away(show_map: ShowMap, qtbot: QtBot) -> None:
    _, view = show_map()
    qtbot.waitUntil(lambda: view.map.manifold.isVisible() and view.map.manifold.image is not None, timeout=PATIENCE)
    height, width, channels = view.map.manifold.image.shape
    assert channels == 4
    assert height % 10 == width % 10 == 0  # 8 pixels and a margin of 1 on either side
    view.findChild(QCheckBox, "manifold").click()
    assert not view.map.manifold.isVisible()


@pytest.mark.parametrize("shape", [(1, 5, 9), (3, 8, 8)])
def test_pictures_of_any_shape_are_shown(show_map: ShowMap, qtbot: QtBot, shape: tuple[int, ...]) -> None:
    bench, view = show_map(data=pictures(shape))
    qtbot.waitUntil(lambda: shows(bench, view) and view.map.manifold.image is not None, timeout=PATIENCE)
    assert view.outcome.picture.picture.shape == shape


def test_without_an_encoder_the_prior_is_shown_instead_of_data(show_map: ShowMap, qtbot: QtBot) -> None:
    _, view = show_map(encodes=False)
    qtbot.waitUntil(lambda: view.map.veil.isVisible() and view.map.veil.image is not None, timeout=PATIENCE)
    opacity = view.map.veil.image[..., 3]
    row, column = np.unravel_index(opacity.argmax(), opacity.shape)
    assert abs(row - opacity.shape[0] / 2) < 4
    assert abs(column - opacity.shape[1] / 2) < 4
    assert not view.findChild(QPushButton, "snap").isEnabled()
    assert not view.findChild(QCheckBox, "data").isVisible()


def test_points_are_generated_among_samples(show_map: ShowMap, qtbot: QtBot) -> None:
    bench, view = show_map(data=cloud())
    qtbot.waitUntil(lambda: bool(view.outcome.plane.points._groups), timeout=PATIENCE)
    view.move_to(np.array([0.7, 0.2]))
    with torch.no_grad():
        x, y = bench.model.decode(torch.from_numpy(view.z)[None])[0].tolist()

    def there() -> bool:
        place = view.outcome.plane.handle.pos()
        return abs(place.x() - x) < 1e-5 and abs(place.y() - y) < 1e-5

    qtbot.waitUntil(there, timeout=PATIENCE)


def test_zooming_by_hand_is_respected_until_reset(show_map: ShowMap, qtbot: QtBot) -> None:
    bench, view = show_map()
    qtbot.waitUntil(lambda: view.card.embedding is not None, timeout=PATIENCE)
    qtbot.waitUntil(lambda: not bench.live.pending, timeout=PATIENCE)
    qtbot.wait(50)  # what was answered has its room
    wheel(view.map.viewport(), on_map(view, 0, 0), 240)
    chosen = view.map.bounds()
    steps: list[int] = []
    bench.live.answered.connect(lambda a: a.channel.endswith("embedding") and steps.append(a.step))
    bench.publish(2)
    qtbot.waitUntil(lambda: 2 in steps, timeout=PATIENCE)
    assert view.map.bounds()[::2] == pytest.approx(chosen[::2])
    press(view, "reset")
    assert view.map.bounds()[0] < chosen[0]


def test_both_themes_are_painted_from_roles(show_map: ShowMap, qapp: QApplication, qtbot: QtBot) -> None:
    _, view = show_map()
    qtbot.waitUntil(lambda: view.map.manifold.image is not None, timeout=PATIENCE)
    try:
        for theme in (LIGHT, DARK):
            look.apply(qapp, theme)
            corner = view.map.grab().toImage().pixelColor(1, 1)
            assert corner.name() == theme.panel
            ink = view.map.manifold.image[1, 1, :3]  # inside the margin
            assert "#" + "".join(f"{c:02x}" for c in ink) == theme.text
    finally:
        qapp.setStyleSheet("")
