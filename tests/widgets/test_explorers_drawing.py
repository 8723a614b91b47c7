"""Drawing: the canvas, the brush over pixels, and where a drawing lands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from explorer_runs import Bench, drag, mouse, pictures, recipe
from hypothesis import given
from hypothesis import strategies as st
from ordered_models import levels
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QFileDialog, QLabel, QPushButton, QToolButton
from pytestqt.qtbot import QtBot
from torch import Generator

from models.capabilities import ChainState
from models.distributions import Normal, standard_normal
from models.settings import NoSettings
from models.spec import DataSpec
from models.vae import Vae, VaeSettings
from widgets.canvas import Canvas
from widgets.explorers.draw_it import DrawIt
from widgets.explorers.dream import Dream
from widgets.explorers.latent_map import LatentMap
from widgets.explorers.slider_row import SliderRow
from widgets.pixel_brush import PixelBrush, brushed_pixels

PATIENCE = 60_000  # ms


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    made = Canvas((1, 8, 8))
    qtbot.addWidget(made)
    made.resize(280, 280)
    made.show()
    return made


def stroke(canvas: Canvas, *shares: tuple[float, float], button: Qt.MouseButton = Qt.MouseButton.LeftButton) -> None:
    """Draw through places given as shares of the drawing's sides."""
    target = canvas.target()
    places = [QPointF(target.x() + x * target.width(), target.y() + y * target.height()) for x, y in shares]
    drag(canvas, places, button)


def value(canvas: Canvas, x: float, y: float) -> float:
    picture = canvas.picture()
    return float(picture[:, int(y * picture.shape[1]), int(x * picture.shape[2])].mean())


def drop(canvas: Canvas, data: QMimeData) -> None:
    how = Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entered = QDragEnterEvent(QPoint(50, 50), *how)
    QApplication.sendEvent(canvas, entered)
    assert entered.isAccepted()
    QApplication.sendEvent(canvas, QDropEvent(QPointF(50, 50), *how))


class TestCanvas:
    def test_the_mouse_leaves_ink_along_its_way(self, canvas: Canvas) -> None:
        stroke(canvas, (0.2, 0.5), (0.8, 0.5))
        assert value(canvas, 0.5, 0.5) == 1
        assert value(canvas, 0.5, 0.8) == 0

    def test_a_click_leaves_a_dot(self, canvas: Canvas) -> None:
        stroke(canvas, (0.5, 0.5))
        share = canvas.picture().mean()
        assert share == pytest.approx(np.pi / 4 * canvas.brush**2, rel=0.15)

    def test_the_right_button_and_the_eraser_take_ink_away(self, canvas: Canvas) -> None:
        stroke(canvas, (0.1, 0.5), (0.9, 0.5))
        stroke(canvas, (0.3, 0.5), button=Qt.MouseButton.RightButton)
        canvas.eraser = True
        stroke(canvas, (0.7, 0.5))
        assert [value(canvas, x, 0.5) for x in (0.3, 0.5, 0.7)] == [0, 1, 0]

    def test_undo_takes_back_one_stroke_at_a_time(self, canvas: Canvas) -> None:
        stroke(canvas, (0.2, 0.2))
        stroke(canvas, (0.8, 0.8))
        canvas.undo()
        assert (value(canvas, 0.2, 0.2), value(canvas, 0.8, 0.8)) == (1, 0)
        canvas.undo()
        assert canvas.is_empty
        assert not canvas.can_undo
        canvas.undo()
        assert not canvas.picture().any()

    def test_clearing_can_be_undone(self, canvas: Canvas) -> None:
        stroke(canvas, (0.5, 0.5))
        canvas.clear()
        assert not canvas.picture().any()
        canvas.undo()
        assert value(canvas, 0.5, 0.5) == 1

    def test_an_example_is_loaded_as_it_is(self, canvas: Canvas) -> None:
        x = np.random.default_rng(0).random((1, 8, 8)).astype(np.float32)
        canvas.load(x)
        fine = canvas.picture()
        step = fine.shape[1] // 8
        assert fine[:, step // 2 :: step, step // 2 :: step] == pytest.approx(x, abs=1 / 255)

    def test_colours_are_kept_where_the_data_have_them(self, qtbot: QtBot) -> None:
        canvas = Canvas((3, 8, 16))
        qtbot.addWidget(canvas)
        canvas.ink = QColor(255, 0, 0)
        stroke(canvas, (0.5, 0.5))
        picture = canvas.picture()
        assert picture.shape == (3, 128, 256)
        assert picture[:, 64, 128] == pytest.approx([1, 0, 0])

    def test_a_picture_that_is_dropped_replaces_the_drawing(self, canvas: Canvas, tmp_path: Path) -> None:
        image = QImage(20, 10, QImage.Format.Format_RGB32)
        image.fill(QColor("white"))
        image.save(str(tmp_path / "wide.png"))
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(tmp_path / "wide.png"))])
        drop(canvas, data)
        assert (value(canvas, 0.5, 0.5), value(canvas, 0.5, 0.1)) == (1, 0)
        data = QMimeData()
        data.setImageData(image)
        canvas.clear()
        drop(canvas, data)
        assert value(canvas, 0.5, 0.5) == 1

    def test_a_file_that_is_no_picture_is_refused_with_a_sentence(
        self, canvas: Canvas, tmp_path: Path, qtbot: QtBot
    ) -> None:
        stroke(canvas, (0.5, 0.5))
        (tmp_path / "text.png").write_text("not a picture")
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(tmp_path / "text.png"))])
        with qtbot.waitSignal(canvas.refused) as refused:
            drop(canvas, data)
        assert "text.png" in refused.args[0]
        assert "was kept" in refused.args[0]
        assert value(canvas, 0.5, 0.5) == 1


class TestPixelBrush:
    @given(
        st.tuples(*[st.floats(-3, 12)] * 4),
        st.floats(0.5, 3),
    )
    def test_the_brush_touches_what_lies_within_its_radius(
        self, ends: tuple[float, float, float, float], radius: float
    ) -> None:
        start, end = QPointF(*ends[:2]), QPointF(*ends[2:])
        mask = brushed_pixels(start, end, radius, (7, 9))
        way = np.linspace(ends[:2], ends[2:], 200)
        for y in range(7):
            for x in range(9):
                distance = np.hypot(*(way - (x + 0.5, y + 0.5)).T).min()
                if distance < radius - 0.1:
                    assert mask[y, x]
                elif distance > radius + 0.1 and (int(np.floor(ends[2])), int(np.floor(ends[3]))) != (x, y):
                    assert not mask[y, x]

    def test_the_pixel_under_the_mouse_is_always_touched(self) -> None:
        place = QPointF(2.05, 3.95)
        assert np.argwhere(brushed_pixels(place, place, 0.1, (5, 5))).tolist() == [[3, 2]]

    def test_a_drag_marks_all_pixels_on_its_way(self, qtbot: QtBot) -> None:
        view = PixelBrush()
        qtbot.addWidget(view)
        view.resize(240, 240)
        view.show()
        view.show_picture(np.zeros((1, 8, 8), np.float32))
        view.radius = 0.4
        touched = np.zeros((8, 8), bool)
        view.brushed.connect(lambda mask: np.logical_or(touched, mask, out=touched))
        target = view.target()
        step = target.width() / 8
        drag(view, [QPointF(target.x() + (0.5 + i * 7) * step, target.y() + 2.5 * step) for i in range(2)])
        assert np.argwhere(touched).tolist() == [[2, column] for column in range(8)]


@pytest.fixture
def bench(qtbot: QtBot) -> Iterator[Bench]:
    made = Bench(recipe(Vae, VaeSettings(latent=2, hidden=8, layers=1)), pictures())
    made.publish(1)
    yield made
    made.live.close()


@pytest.fixture
def view(bench: Bench, qtbot: QtBot) -> DrawIt:
    made = DrawIt(bench.live)
    qtbot.addWidget(made)
    made.resize(748, 672)
    made.show()
    return made


def reconstructed(bench: Bench, view: DrawIt) -> bool:
    """Whether what is shown as the reconstruction is that of what is shown as the input."""
    if view.seen.input.picture is None:
        return False
    with torch.no_grad():
        mean = bench.model.encode(torch.from_numpy(view.seen.input.picture)[None]).mean
        expected = bench.model.decode(mean)[0].numpy()
    return bool(np.allclose(view.seen.made.picture, expected, atol=1e-5))


class TestDrawIt:
    def test_a_drawing_is_seen_reconstructed_and_placed(self, bench: Bench, view: DrawIt, qtbot: QtBot) -> None:
        stroke(view.canvas, (0.1, 0.1), (0.1, 0.3))
        qtbot.waitUntil(lambda: reconstructed(bench, view) and view.map.handle.isVisible(), timeout=PATIENCE)
        seen = view.seen.input.picture
        assert seen.shape == (1, 8, 8)
        assert seen[0, 3:5, 3:5].mean() > 0.3, "the figure was not moved to where the data's figures are"
        with torch.no_grad():
            mean = bench.model.encode(torch.from_numpy(seen)[None]).mean[0].numpy()
        place = view.map.handle.pos()
        assert (place.x(), place.y()) == pytest.approx(mean, abs=1e-4)
        assert "ELBO" in view.findChild(QLabel, "terms").text()

    def test_newer_weights_reconstruct_the_same_drawing(self, bench: Bench, view: DrawIt, qtbot: QtBot) -> None:
        stroke(view.canvas, (0.5, 0.5))
        qtbot.waitUntil(lambda: reconstructed(bench, view), timeout=PATIENCE)
        before = view.seen.input.picture
        bench.publish(2)
        qtbot.waitUntil(lambda: reconstructed(bench, view), timeout=PATIENCE)
        assert np.array_equal(view.seen.input.picture, before)

    def test_a_test_example_is_seen_as_it_is_in_the_data(self, bench: Bench, view: DrawIt, qtbot: QtBot) -> None:
        choice = view.findChild(QComboBox, "class")
        choice.setCurrentIndex(2)  # "any class" comes first
        QTest.mouseClick(view.findChild(QPushButton, "example"), Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: reconstructed(bench, view), timeout=PATIENCE)
        middle = bench.data.test.x[bench.data.test.y == 1].numpy()
        assert np.abs(middle - view.seen.input.picture).max(axis=(1, 2, 3)).min() < 1 / 255
        assert not view.findChild(QCheckBox, "centre").isChecked()

    def test_clearing_takes_the_landing_away(self, bench: Bench, view: DrawIt, qtbot: QtBot) -> None:
        stroke(view.canvas, (0.5, 0.5))
        qtbot.waitUntil(lambda: view.map.handle.isVisible(), timeout=PATIENCE)
        QTest.mouseClick(view.findChild(QPushButton, "clear"), Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: not view.map.handle.isVisible(), timeout=PATIENCE)
        assert view.seen.input.picture is None

    def test_ctrl_z_takes_a_stroke_back_wherever_the_focus_is_in_the_view(self, view: DrawIt) -> None:
        stroke(view.canvas, (0.5, 0.5))
        before = view.canvas.picture()
        stroke(view.canvas, (0.1, 0.1))
        QTest.keyClick(view.findChild(QPushButton, "clear"), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert np.array_equal(view.canvas.picture(), before)

    def test_a_file_that_is_refused_is_told(self, view: DrawIt, tmp_path: Path) -> None:
        (tmp_path / "x.png").write_bytes(b"")
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(tmp_path / "x.png"))])
        drop(view.canvas, data)
        notice = view.findChild(QLabel, "notice")
        assert notice.isVisible()
        assert "x.png" in notice.text()

    def test_the_brush_follows_its_slider(self, view: DrawIt) -> None:
        row = view.findChild(SliderRow, "brush")
        begin, end = row.track()
        QTest.mouseClick(row, Qt.MouseButton.LeftButton, pos=QPoint(int(end), 12))
        assert view.canvas.brush == pytest.approx(0.3, abs=0.01)
        assert begin < end


class TestEditing:
    """What becomes of a drawing."""

    def drawn(self, bench: Bench, view: DrawIt, qtbot: QtBot) -> np.ndarray:
        stroke(view.canvas, (0.5, 0.2), (0.5, 0.8))
        qtbot.waitUntil(lambda: view.map.handle.isVisible() and view._prior is not None, timeout=PATIENCE)
        qtbot.waitUntil(lambda: reconstructed(bench, view), timeout=PATIENCE)
        assert view.code is not None
        return view.code

    def edit(self, view: DrawIt, x: float, y: float) -> None:
        place = QPointF(view.map.mapFromScene(view.map.box.mapViewToScene(QPointF(x, y))))
        mouse(view.map.viewport(), QEvent.Type.MouseButtonPress, place)

    def test_the_code_can_be_dragged_on_from_where_it_landed(self, bench: Bench, view: DrawIt, qtbot: QtBot) -> None:
        own = self.drawn(bench, view, qtbot)
        assert not view.seen.edited.isVisible()
        left, bottom, right, top = view.map.bounds()
        x, y = left + 0.3 * (right - left), bottom + 0.6 * (top - bottom)
        self.edit(view, x, y)
        assert view.code == pytest.approx([x, y], abs=0.05)

        def right_picture() -> bool:
            shown = view.seen.edited.picture
            with torch.no_grad():
                expected = bench.model.decode(torch.from_numpy(view.code)[None])[0].numpy()
            return shown is not None and bool(np.allclose(shown, expected, atol=1e-5))

        qtbot.waitUntil(right_picture, timeout=PATIENCE)
        assert reconstructed(bench, view), "the drawing itself was changed"
        QTest.keyClick(view.map, Qt.Key.Key_Right)
        assert view.code[0] > x
        bench.publish(2)
        qtbot.waitUntil(right_picture, timeout=PATIENCE)
        QTest.keyClick(view.map, Qt.Key.Key_Escape)
        assert not view.seen.edited.isVisible()
        assert view.code.shape == own.shape

    def test_a_new_stroke_begins_at_its_own_code(self, bench: Bench, view: DrawIt, qtbot: QtBot) -> None:
        self.drawn(bench, view, qtbot)
        self.edit(view, 0.1, 0.1)
        stroke(view.canvas, (0.2, 0.2))
        qtbot.waitUntil(lambda: view._edited is None and view.map.handle.isVisible(), timeout=PATIENCE)

    def test_the_latent_map_goes_on_from_there(self, bench: Bench, view: DrawIt, qtbot: QtBot) -> None:
        own = self.drawn(bench, view, qtbot)
        with qtbot.waitSignal(view.leads) as led:
            QTest.mouseClick(view.findChild(QPushButton, "onward"), Qt.MouseButton.LeftButton)
        assert led.args[0] == LatentMap.key
        latent = LatentMap(bench.live)
        qtbot.addWidget(latent)
        latent.show()
        latent.arrive(led.args[1])
        qtbot.waitUntil(lambda: len(latent.z) == 2, timeout=PATIENCE)
        assert latent.z == pytest.approx(own)

    def test_the_classes_of_the_nearest_codes_are_counted(self, bench: Bench, view: DrawIt, qtbot: QtBot) -> None:
        code = self.drawn(bench, view, qtbot)
        among = view.findChild(QLabel, "among")
        qtbot.waitUntil(lambda: bool(among.text()), timeout=PATIENCE)
        with torch.no_grad():
            codes = bench.model.encode(bench.data.train.x).mean.numpy()
        rows = np.linalg.norm(codes - code, axis=1).argsort()[:25]
        for label, name in enumerate(bench.data.spec.class_names):
            count = int((bench.data.train.y[rows] == label).sum())
            assert (f"{name}:&nbsp;{count}" in among.text()) == (count > 0)

    def test_both_bounds_are_said_with_their_kind(self, bench: Bench, view: DrawIt, qtbot: QtBot) -> None:
        self.drawn(bench, view, qtbot)
        text = view.findChild(QLabel, "terms").text()
        assert "ELBO" in text
        assert "importance-weighted bound, k = 200" in text
        bounds = view._landing.bounds
        x = torch.from_numpy(view.seen.input.picture)[None]
        with torch.no_grad():
            weights = bench.model.log_weights(x, 4000, Generator().manual_seed(3))[:, 0]
        better = float(weights.logsumexp(0)) - np.log(4000)
        assert bounds.elbo == pytest.approx(float(weights.mean()), abs=5 * bounds.error + 0.1)
        assert bounds.weighted == pytest.approx(better, abs=0.5)
        assert bounds.elbo - 0.1 <= bounds.weighted

    def test_what_was_taken_back_is_done_again(self, view: DrawIt) -> None:
        redo = view.findChild(QToolButton, "redo")
        assert not redo.isEnabled()
        stroke(view.canvas, (0.5, 0.5))
        before = view.canvas.picture()
        view.canvas.undo()
        assert view.canvas.is_empty
        keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        QTest.keyClick(view.canvas, Qt.Key.Key_Z, keys)
        assert np.array_equal(view.canvas.picture(), before)
        view.canvas.undo()
        stroke(view.canvas, (0.1, 0.1))
        assert not redo.isEnabled(), "a new stroke ends what could be done again"

    def test_a_picture_is_opened_from_a_file(
        self, bench: Bench, view: DrawIt, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        image = QImage(20, 20, QImage.Format.Format_RGB32)
        image.fill(QColor("white"))
        image.save(str(tmp_path / "white.png"))
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *given: (str(tmp_path / "white.png"), ""))
        QTest.mouseClick(view.findChild(QPushButton, "openPicture"), Qt.MouseButton.LeftButton)
        assert (view.canvas.picture() == 1).all()
        QTest.mouseClick(view.findChild(QPushButton, "invert"), Qt.MouseButton.LeftButton)
        assert view.canvas.is_empty
        view.canvas.undo()
        qtbot.waitUntil(lambda: reconstructed(bench, view), timeout=PATIENCE)

    def test_a_picture_is_pasted_and_its_absence_is_said(self, view: DrawIt) -> None:
        image = QImage(20, 20, QImage.Format.Format_RGB32)
        image.fill(QColor("white"))
        QApplication.clipboard().setImage(image)
        QTest.keyClick(view.canvas, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
        assert (view.canvas.picture() == 1).all()
        QApplication.clipboard().setText("words")
        QTest.mouseClick(view.findChild(QPushButton, "paste"), Qt.MouseButton.LeftButton)
        assert "no picture in the clipboard" in view.findChild(QLabel, "notice").text()
        assert (view.canvas.picture() == 1).all()


def test_a_posterior_that_is_no_normal_is_shown_by_its_draws(qtbot: QtBot) -> None:
    bench = Bench(recipe(Vae, VaeSettings(latent=2, hidden=8, layers=1, posterior="exponential")), pictures())
    bench.publish(1)
    view = DrawIt(bench.live)
    qtbot.addWidget(view)
    view.show()
    stroke(view.canvas, (0.5, 0.2), (0.5, 0.8))
    qtbot.waitUntil(view.map.cloud.isVisible, timeout=PATIENCE)
    bench.live.close()
    assert not view.map.ellipse.isVisible()
    assert (view._landing.cloud > 0).all()


class Levels(torch.nn.Module):
    """Decodes everything to the brightest of 5 levels, encodes to the origin, and has a chain that stays there."""

    def __init__(self, settings: NoSettings, spec: DataSpec) -> None:
        super().__init__()
        self.shape = spec.event_shape
        self.zero = torch.nn.Parameter(torch.zeros(2))

    def prior(self) -> Normal:
        return standard_normal(2, self.zero)

    def encode(self, x: torch.Tensor) -> Normal:
        return Normal(self.zero.expand(len(x), 2), self.zero.expand(len(x), 2))

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.full((len(z), *self.shape), 4.0)

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        x = torch.full((n, *self.shape), 4.0)
        return ChainState(x, x)

    def transition(
        self,
        x: torch.Tensor,
        clamp: torch.Tensor | None = None,
        temperature: float = 1.0,
        generator: Generator | None = None,
    ) -> ChainState:
        return ChainState(x, x)


def test_levels_are_drawn_seen_and_reconstructed_between_black_and_white(qtbot: QtBot) -> None:
    bench = Bench(recipe(Levels, NoSettings()), levels((1, 8, 8), 5))
    bench.publish(1)
    view = DrawIt(bench.live)
    qtbot.addWidget(view)
    view.show()
    QTest.mouseClick(view.findChild(QPushButton, "example"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: view.seen.input.picture is not None, timeout=PATIENCE)
    bench.live.close()
    assert set(np.unique(view.seen.input.picture).tolist()) <= {0, 0.25, 0.5, 0.75, 1}
    examples = bench.data.test.x.numpy() / 4
    assert np.abs(examples - view.seen.input.picture).max(axis=(1, 2, 3)).min() == 0
    assert (view.seen.made.picture == 1).all()


def test_levels_are_decoded_and_dreamt_between_black_and_white(qtbot: QtBot) -> None:
    bench = Bench(recipe(Levels, NoSettings()), levels((1, 8, 8), 5))
    bench.publish(1)
    latent, dream = LatentMap(bench.live), Dream(bench.live)
    for view in (latent, dream):
        qtbot.addWidget(view)
        view.show()
    qtbot.waitUntil(lambda: latent.outcome.picture.picture is not None and dream.reel.transitions > 0, timeout=PATIENCE)
    dream.tools.draw()
    target = dream.first.target()
    drag(dream.first, [target.center()])
    bench.live.close()
    assert (latent.outcome.picture.picture == 1).all()
    assert (dream.first.picture == 1).all()
    assert dream.reel.shown.x[0].max() == 4
