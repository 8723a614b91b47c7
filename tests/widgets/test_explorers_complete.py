"""Complete: what is known stays, the rest grows in the order that is said, for bits, levels and colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from explorer_runs import Bench, drag, pictures, recipe
from ordered_models import Near, NearInAnyOrder, NearMixture, NearOfClass, NearSettings, levels
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QImage, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from models.nade import Nade, NadeSettings
from models.spec import Support
from widgets.colormaps import viridis
from widgets.explorers import complete
from widgets.explorers.complete import CompleteIt
from widgets.explorers.growing import SURPRISE
from widgets.pixel_brush import PixelBrush

PATIENCE = 60_000  # ms


def press(view: QWidget, name: str) -> None:
    QTest.mouseClick(view.findChild(QPushButton, name), Qt.MouseButton.LeftButton)


def brush(view: PixelBrush, *pixels: tuple[float, float]) -> None:
    """Drag over pixels (x, y) of the picture."""
    target = view.target()
    step = target.width() / view.picture.shape[2]
    drag(view, [QPointF(target.x() + (x + 0.5) * step, target.y() + (y + 0.5) * step) for x, y in pixels])


def pick(view: QWidget, name: str, index: int) -> None:
    """Choose an entry of a box, as a person does."""
    box = view.findChild(QComboBox, name)
    box.setCurrentIndex(index)
    box.activated.emit(index)


def drop(view: QWidget, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    how = Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entered = QDragEnterEvent(QPoint(50, 50), *how)
    QApplication.sendEvent(view, entered)
    assert entered.isAccepted()
    QApplication.sendEvent(view, QDropEvent(QPointF(50, 50), *how))


def opened(bench: Bench, qtbot: QtBot) -> CompleteIt:
    bench.publish(1)
    view = CompleteIt(bench.live)
    qtbot.addWidget(view)
    view.resize(748, 672)
    view.show()
    view.player.duration._move(0.1)
    finish(view, qtbot)
    return view


def finish(view: CompleteIt, qtbot: QtBot) -> None:
    """Wait until every completion is there and has grown."""
    qtbot.waitUntil(
        lambda: (
            view._answer is not None
            and not view._due.isActive()
            and not view._fresh
            and view._filled == 8
            and view.player.done == view.player.size
        ),
        timeout=PATIENCE,
    )


ROOM = 720  # px that an explorer has in a window of 1280


@pytest.fixture
def benches() -> Iterator[list[Bench]]:
    """Benches to close."""
    made: list[Bench] = []
    yield made
    for bench in made:
        bench.live.close()


class TestBits:
    @pytest.fixture
    def bench(self, qtbot: QtBot) -> Iterator[Bench]:
        made = Bench(recipe(Nade, NadeSettings(hidden=6)), pictures(support=Support.BITS))
        yield made
        made.live.close()

    @pytest.fixture
    def view(self, bench: Bench, qtbot: QtBot) -> CompleteIt:
        return opened(bench, qtbot)

    def test_the_upper_half_of_an_example_is_kept_at_first(self, bench: Bench, view: CompleteIt) -> None:
        example = view.known.part.example
        assert np.abs(bench.data.test.x.numpy() - example).max(axis=(1, 2, 3)).min() == 0
        assert np.array_equal(view._answer.x[:, :, :4], np.broadcast_to(example[:, :4], (8, 1, 4, 8)))
        assert "come first" in view.findChild(QLabel, "orderNote").text()

    def test_pixels_grow_in_the_models_order(self, view: CompleteIt, qtbot: QtBot) -> None:
        view.player.duration._move(4)
        press(view, "again")
        qtbot.waitUntil(lambda: not view._fresh and 33 < view.player.done < 60, timeout=PATIENCE)
        view.player.stop()
        made = view.heat.view.picture[:, view._answer.place[0] < view.player.done]
        waiting = view.heat.view.picture[:, view._answer.place[0] >= view.player.done]
        assert np.unique(waiting, axis=1).shape[1] == 1
        assert np.unique(made, axis=1).shape[1] > 1

    def test_drawing_again_gives_others_and_newer_weights_do_not_begin_again(
        self, bench: Bench, view: CompleteIt, qtbot: QtBot
    ) -> None:
        before = view._answer
        press(view, "again")
        finish(view, qtbot)
        assert not np.array_equal(view._answer.x, before.x)
        now = view._answer
        bench.publish(2)
        qtbot.waitUntil(lambda: view._answer is not now, timeout=PATIENCE)
        assert view.player.done == 64

    def test_a_fixed_order_is_said_to_ignore_what_comes_later(self, view: CompleteIt, qtbot: QtBot) -> None:
        press(view, "left")
        finish(view, qtbot)
        assert "28 of the 32 known pixels come after" in view.findChild(QLabel, "orderNote").text()
        press(view, "nothing")
        finish(view, qtbot)
        assert "known pixels" not in view.findChild(QLabel, "orderNote").text()

    def test_parts_are_kept_drawn_and_erased_with_the_brush(self, view: CompleteIt, qtbot: QtBot) -> None:
        press(view, "nothing")
        view.known.brush.radius = 0.4
        for row, tool in enumerate(("keep", "white", "black")):
            view.known.tools.choose(tool)
            brush(view.known.brush, (0, row), (7, row))
        view.known.tools.choose("free")
        brush(view.known.brush, (0, 1))
        finish(view, qtbot)
        expected = np.stack([view.known.part.example[0, 0], np.ones(8), np.zeros(8)])
        known = view._answer.known[0]
        assert known[:3].sum() == 23
        assert not known[1, 0]
        for x in view._answer.x[:, 0]:
            assert np.array_equal(x[:3][known[:3]], expected[known[:3]])

    def test_the_heat_map_is_that_of_the_framed_completion(self, view: CompleteIt) -> None:
        target = view.sheet.target()
        place = QPointF(target.x() + target.width() * 0.6, target.y() + target.height() * 0.75)
        QTest.mouseClick(view.sheet, Qt.MouseButton.LeftButton, pos=place.toPoint())
        assert view.sheet.chosen == 6
        brightest = np.unravel_index(view._answer.mean[6, 0].argmax(), (8, 8))
        luminance = view.heat.view.picture.astype(float).sum(0)
        assert luminance[brightest] == luminance.max()

    def test_another_example_of_a_class_can_be_taken(self, bench: Bench, view: CompleteIt, qtbot: QtBot) -> None:
        view.known.classes.setCurrentIndex(3)
        view.known.classes.activated.emit(3)
        right = bench.data.test.x[bench.data.test.y == 2].numpy()
        qtbot.waitUntil(lambda: not np.abs(right - view.known.part.example).max(axis=(1, 2, 3)).min(), timeout=PATIENCE)

    def test_what_a_person_does_is_taken_back_step_by_step(self, view: CompleteIt, qtbot: QtBot) -> None:
        before = view.known.part
        view.known.tools.choose("white")
        brush(view.known.brush, (0, 6), (4, 6))
        stroke = view.known.part
        press(view, "left")
        QTest.keyClick(view.known.brush, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert view.known.part is stroke
        press(view, "undo")
        assert view.known.part is before
        assert not view.findChild(QPushButton, "undo").isEnabled()
        finish(view, qtbot)
        assert np.array_equal(view._answer.known, before.known)

    def test_strokes_are_taken_back_before_the_windows_settings(self, view: CompleteIt) -> None:
        key = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        key.ignore()
        QApplication.sendEvent(view.known.brush, key)
        assert not key.isAccepted()
        press(view, "left")
        QApplication.sendEvent(view.known.brush, key)
        assert key.isAccepted()

    def test_surprise_is_the_log_probability_of_what_stands_there(
        self, bench: Bench, view: CompleteIt, qtbot: QtBot
    ) -> None:
        press(view, "all")
        finish(view, qtbot)
        view.findChild(QPushButton, f"heat.{SURPRISE}").click()
        x = torch.from_numpy(view.known.part.example)[None]
        with torch.no_grad():
            each = -bench.model.log_conditionals(x)[0, 0].numpy()
        assert f"<b>{float(each.sum()):.1f}</b> nats" in view.findChild(QLabel, "total").text()
        luminance = view.heat.view.picture.astype(float).sum(0)
        assert np.unravel_index(luminance.argmax(), luminance.shape) == np.unravel_index(each.argmax(), each.shape)
        target = view.heat.view.target()
        place = QPointF(target.x() + target.width() * 2.5 / 8, target.y() + target.height() * 4.5 / 8)
        QTest.mouseClick(view.heat.view, Qt.MouseButton.LeftButton, pos=place.toPoint())
        said = view.findChild(QLabel, "pixel").text()
        assert "row 5, column 3" in said
        assert f"surprise {float(each[4, 2]):.2f} nats" in said

    def test_the_order_can_be_held_and_walked_through(self, view: CompleteIt) -> None:
        view.player.slider._move(10)
        assert not view.player.playing
        assert view.player.done == 10
        waiting = view.heat.view.picture.reshape(3, 64)[:, 10:]
        assert np.unique(waiting, axis=1).shape[1] == 1
        QTest.keyClick(view.player.slider, Qt.Key.Key_Right)
        assert view.player.done == 11
        press(view, "play")
        assert view.player.playing
        press(view, "play")
        assert not view.player.playing

    def test_a_dropped_picture_is_completed(self, view: CompleteIt, qtbot: QtBot, tmp_path: Path) -> None:
        image = QImage(80, 80, QImage.Format.Format_RGB32)
        image.fill(Qt.GlobalColor.black)
        for x in range(40):
            for y in range(80):
                image.setPixelColor(x, y, Qt.GlobalColor.white)
        image.save(str(tmp_path / "half.png"))
        drop(view.known.brush, tmp_path / "half.png")
        expected = np.repeat([[1.0] * 4 + [0.0] * 4], 8, axis=0)
        qtbot.waitUntil(lambda: np.array_equal(view.known.part.example[0], expected), timeout=PATIENCE)
        finish(view, qtbot)
        assert np.array_equal(view._answer.x[0, 0, :4], expected[:4])

    def test_a_dropped_file_that_is_no_picture_is_refused_with_a_reason(self, view: CompleteIt, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("no picture")
        before = view.known.part
        drop(view.known.brush, tmp_path / "notes.txt")
        assert "cannot be read as a picture" in view.findChild(QLabel, "notice").text()
        assert view.known.part is before


class TestLevels:
    def test_greys_are_drawn_as_levels_and_shown_between_black_and_white(
        self, benches: list[Bench], qtbot: QtBot
    ) -> None:
        benches.append(Bench(recipe(Near, NearSettings()), levels()))
        view = opened(benches[0], qtbot)
        press(view, "nothing")
        view.known.brush.radius = 0.4
        view.findChild(QWidget, "ink")._move(7)
        assert view.known.tools.tool == "draw"
        brush(view.known.brush, (2, 3))
        finish(view, qtbot)
        assert (view._answer.x[:, 0, 3, 2] == 7).all()
        assert view.known.brush.picture[0, 3, 2] == pytest.approx(7 / 15)
        assert view._answer.x.max() > 1
        assert view.sheet.picture.max() <= 1
        assert "white" not in view.findChild(QPushButton, "heat.mean").text()

    def test_the_heat_map_shows_expected_levels(self, benches: list[Bench], qtbot: QtBot) -> None:
        benches.append(Bench(recipe(Near, NearSettings()), levels()))
        view = opened(benches[0], qtbot)
        mean = view._answer.mean[0, 0]
        assert mean.max() > 1
        assert np.array_equal(view.heat.view.picture, viridis(mean / 15))
        target = view.heat.view.target()
        QTest.mouseClick(view.heat.view, Qt.MouseButton.LeftButton, pos=target.topLeft().toPoint() + QPoint(3, 3))
        assert f"expected {mean[0, 0]:.3g}" in view.findChild(QLabel, "pixel").text()

    def test_colours_are_drawn_and_expected_as_colours(self, benches: list[Bench], qtbot: QtBot) -> None:
        benches.append(Bench(recipe(Near, NearSettings()), levels((3, 6, 6), 4)))
        view = opened(benches[0], qtbot)
        press(view, "nothing")
        view.known.brush.radius = 0.4
        view.known.ink.choose(QColor("#ff0080"))
        brush(view.known.brush, (5, 0))
        finish(view, qtbot)
        assert (view._answer.x[:, :, 0, 5] == [3, 0, 2]).all()
        assert view.heat.view.picture.shape == (3, 6, 6)
        assert view.heat.view.picture / 255 == pytest.approx(view._answer.mean[0] / 3, abs=0.003)
        assert not view.heat.bar.isVisible()
        view.findChild(QPushButton, f"heat.{SURPRISE}").click()
        assert view.heat.bar.isVisible()


class TestOrders:
    def test_known_pixels_first_leaves_none_unheard(self, benches: list[Bench], qtbot: QtBot) -> None:
        benches.append(Bench(recipe(NearInAnyOrder, NearSettings()), levels()))
        view = opened(benches[0], qtbot)
        press(view, "left")
        finish(view, qtbot)
        assert view._answer.unheard == 0
        assert "exact draw from p(unknown | known)" in view.findChild(QLabel, "orderNote").text()
        pick(view, "order", 1)
        finish(view, qtbot)
        assert view._answer.order.tolist() == list(range(36))
        assert "15 of the 18 known pixels come after" in view.findChild(QLabel, "orderNote").text()

    def test_it_grows_from_the_centre_or_at_random(self, benches: list[Bench], qtbot: QtBot) -> None:
        benches.append(Bench(recipe(NearInAnyOrder, NearSettings()), levels()))
        view = opened(benches[0], qtbot)
        pick(view, "order", 2)
        finish(view, qtbot)
        place = view._answer.place[0]
        assert place[2:4, 2:4].max() == 3
        assert set(place[[0, 0, 5, 5], [0, 5, 0, 5]].tolist()) == {32, 33, 34, 35}
        pick(view, "order", 3)
        finish(view, qtbot)
        first = view._answer.order
        press(view, "again")
        finish(view, qtbot)
        assert sorted(first) == list(range(36))
        assert not np.array_equal(view._answer.order, first)

    def test_of_a_mixture_over_orders_it_says_whose_conditionals_are_shown(
        self, benches: list[Bench], qtbot: QtBot
    ) -> None:
        benches.append(Bench(recipe(NearMixture, NearSettings()), levels()))
        note = opened(benches[0], qtbot).findChild(QLabel, "orderNote").text()
        assert "in the first of the model's orders" in note
        assert "by the conditionals of this order" in note

    def test_a_model_with_one_order_offers_no_other(self, benches: list[Bench], qtbot: QtBot) -> None:
        benches.append(Bench(recipe(Near, NearSettings()), levels()))
        assert opened(benches[0], qtbot).findChild(QComboBox, "order") is None


class TestClasses:
    def test_it_is_completed_as_an_example_of_the_class_that_is_chosen(
        self, benches: list[Bench], qtbot: QtBot
    ) -> None:
        benches.append(Bench(recipe(NearOfClass, NearSettings(conditional=True)), levels()))
        view = opened(benches[0], qtbot)
        qtbot.waitUntil(view.findChild(QComboBox, "given").isVisible, timeout=PATIENCE)
        press(view, "nothing")
        found = []
        for index in (1, 2):
            pick(view, "given", index)
            finish(view, qtbot)
            found.append(view._answer.x.mean())
        assert found[0] < 3
        assert found[1] > 12

    def test_a_model_that_does_not_condition_offers_no_class(self, benches: list[Bench], qtbot: QtBot) -> None:
        benches.append(Bench(recipe(NearOfClass, NearSettings()), levels()))
        view = opened(benches[0], qtbot)
        qtbot.waitUntil(lambda: "complete/classes" in benches[0].live._newest, timeout=PATIENCE)
        assert not view.findChild(QComboBox, "given").isVisible()


class TestSlowModels:
    @pytest.fixture
    def view(self, benches: list[Bench], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> CompleteIt:
        """Of a model that takes more than half a second for a question."""
        monkeypatch.setattr(complete, "FAST", 0.3)
        benches.append(Bench(recipe(Near, NearSettings(pause=0.016)), levels()))
        return opened(benches[0], qtbot)

    def test_it_says_that_it_works_and_shows_no_old_completions(self, view: CompleteIt, qtbot: QtBot) -> None:
        press(view, "nothing")
        qtbot.waitUntil(lambda: "working" in view.findChild(QLabel, "working").text(), timeout=PATIENCE)
        assert len(np.unique(view.sheet.picture)) == 2
        assert view.heat.view.picture is None
        assert view.player.done == 0
        finish(view, qtbot)
        qtbot.waitUntil(lambda: not view.findChild(QLabel, "working").text(), timeout=PATIENCE)
        assert len(np.unique(view.sheet.picture)) > 2

    def test_the_sheet_fills_in_rounds(self, view: CompleteIt, qtbot: QtBot) -> None:
        press(view, "again")
        qtbot.waitUntil(lambda: not view._fresh and 0 < view._filled < 8, timeout=PATIENCE)
        assert len(view._answer.x) == view._filled
        first = view._answer.x.copy()
        finish(view, qtbot)
        assert np.array_equal(view._answer.x[: len(first)], first)
        assert len(np.unique(view._answer.x, axis=0)) == 8

    def test_the_same_places_answered_twice_are_filled_once(self, view: CompleteIt, qtbot: QtBot) -> None:
        """Newer weights may be asked for a round whose first answer is still on its way."""
        part = replace(view._answer, first=6, **{k: getattr(view._answer, k)[:2] for k in ("x", "mean", "log_prob")})
        for _ in range(3):
            view._take(part)
            assert len(view._answer.x) == view._filled == 8
        view._take(replace(view._answer, first=0))
        assert len(view._answer.x) == view._filled == 8

    def test_the_newest_question_is_answered_without_the_one_before(
        self, benches: list[Bench], view: CompleteIt, qtbot: QtBot
    ) -> None:
        answers: list[int] = []
        benches[0].live.answered.connect(lambda answer: answers.append(answer.serial))
        press(view, "left")
        qtbot.wait(700)
        press(view, "all")
        finish(view, qtbot)
        assert view._answer.known.all()
        asked = benches[0].live.inference._serial
        assert len(answers) < asked
        assert np.array_equal(view._answer.x, np.broadcast_to(view.known.part.example, view._answer.x.shape))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 6, 6)])
@pytest.mark.parametrize("kind", [NearOfClass, NearInAnyOrder])
def test_it_fits_a_window_of_usual_size(kind: type, shape: tuple[int, ...], benches: list[Bench], qtbot: QtBot) -> None:
    benches.append(Bench(recipe(kind, NearSettings(conditional=True)), levels(shape, 256, n=4)))
    view = CompleteIt(benches[0].live)
    qtbot.addWidget(view)
    view._given_row.show()
    view.growing.working.setText("working… 100 s")
    view.heat.total.setText("−log p = 123456.7 nats (12.345 bits a value): known 12345.6, drawn 123456.7")
    assert view.minimumSizeHint().width() <= ROOM
    assert view.minimumSizeHint().height() <= 640
