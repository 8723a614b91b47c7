"""Dream: what is held stays, what is generated grows, what is shown is what was asked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from chain_models import Stripes, StripesSettings
from explorer_runs import Bench, drag, pictures, recipe
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot
from torch import Generator, Tensor, nn

from dgm_studio.inference import Answer
from models.capabilities import ChainState
from models.learning.contrastive_divergence import PersistentCdSettings, PersistentContrastiveDivergence
from models.rbm import Rbm, RbmSettings
from models.settings import NoSettings
from models.spec import DataSpec, Support
from widgets.explorers.dream import CHAINS, Dream
from widgets.explorers.unit_grid import UnitGrid
from widgets.explorers.units_panel import UnitsPanel
from widgets.pixel_brush import PixelBrush

PATIENCE = 60_000  # ms
NAN = np.nan  # a unit that is free


def press(view: QWidget, name: str) -> None:
    QTest.mouseClick(view.findChild(QPushButton, name), Qt.MouseButton.LeftButton)


def tick(view: QWidget, name: str) -> None:
    view.findChild(QCheckBox, name).click()


def pick(view: QWidget, name: str, index: int) -> None:
    """Choose an entry of a combo box, as a person does."""
    box = view.findChild(QComboBox, name)
    box.setCurrentIndex(index)
    box.activated.emit(index)


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
        qtbot.waitUntil(lambda: view.reel.transitions > 2, timeout=PATIENCE)
        return view

    def test_chains_run_by_themselves_and_rest_when_told(self, view: Dream, qtbot: QtBot) -> None:
        press(view, "play")
        assert not view.reel.playing
        qtbot.waitUntil(lambda: not view.reel.waiting, timeout=PATIENCE)
        before = view.reel.transitions
        qtbot.wait(150)
        assert view.reel.transitions == before
        press(view, "play")
        qtbot.waitUntil(lambda: view.reel.transitions > before, timeout=PATIENCE)

    def test_painted_pixels_are_held_in_every_chain(self, view: Dream, qtbot: QtBot) -> None:
        view.tools.choose("white")
        view.first.radius = 0.4
        brush(view.first, (1, 1), (6, 1))
        at = view.reel.transitions
        qtbot.waitUntil(lambda: view.reel.transitions > at + 5, timeout=PATIENCE)
        assert np.array_equal(view.reel.shown.x[:, 0, 1, 1:7], np.ones((CHAINS, 6)))
        assert view.first.picture[0, 1, 1:7].min() == 1
        assert not view.reel.shown.x.all()

    def test_only_the_first_chain_is_held_when_so_chosen(self, view: Dream, qtbot: QtBot) -> None:
        tick(view, "allChains")
        view.tools.choose("white")
        view.first.radius = 0.4
        brush(view.first, (0, 4), (7, 4))
        at = view.reel.transitions
        qtbot.waitUntil(lambda: view.reel.transitions > at + 5, timeout=PATIENCE)
        assert view.reel.shown.x[0, 0, 4].all()
        assert not view.reel.shown.x[1:, 0, 4].all()

    def test_pixels_that_are_let_go_move_again(self, view: Dream, qtbot: QtBot) -> None:
        view.tools.choose("white")
        view.first.radius = 20
        brush(view.first, (4, 4))
        at = view.reel.transitions
        qtbot.waitUntil(lambda: view.reel.transitions > at + 3, timeout=PATIENCE)
        assert view.reel.shown.x.all()
        press(view, "release")
        qtbot.waitUntil(lambda: not view.reel.shown.x.all(), timeout=PATIENCE)

    def test_chains_start_from_examples(self, bench: Bench, view: Dream, qtbot: QtBot) -> None:
        press(view, "play")
        qtbot.waitUntil(lambda: not view.reel.waiting, timeout=PATIENCE)
        shown: list[np.ndarray] = []
        bench.live.answered.connect(lambda a: a.channel.endswith("data") and shown.append(a.value.x))
        press(view, "data")
        qtbot.waitUntil(lambda: bool(shown), timeout=PATIENCE)
        distance = np.abs(bench.data.test.x.numpy()[:, None] - shown[0]).max(axis=(2, 3, 4)).min(axis=0)
        assert not distance.any()
        assert view.reel.playing

    def test_a_drawing_waits_to_be_drawn(self, view: Dream, qtbot: QtBot) -> None:
        press(view, "drawing")
        assert not view.reel.playing
        assert not view.reel.shown.x.any()
        view.first.radius = 0.4
        brush(view.first, (3, 3))
        assert view.first.picture[0, 3, 3] == 1
        press(view, "play")
        qtbot.waitUntil(lambda: view.reel.transitions > 2, timeout=PATIENCE)
        assert view.reel.shown.x[:, 0, 3, 3].all()

    def test_speed_is_in_transitions_per_frame(self, bench: Bench, view: Dream, qtbot: QtBot) -> None:
        view.tools.speed._move(20)
        before = view.reel.transitions
        qtbot.waitUntil(lambda: view.reel.transitions >= before + 40, timeout=PATIENCE)

    def test_free_energies_are_those_of_the_states(self, bench: Bench, view: Dream, qtbot: QtBot) -> None:
        frames: list[object] = []
        bench.live.answered.connect(lambda a: a.channel == "dream/advance" and frames.append(a.value))
        qtbot.waitUntil(lambda: bool(frames), timeout=PATIENCE)
        with torch.no_grad():
            expected = bench.model.free_energy(torch.from_numpy(frames[0].chains.x)).numpy()
        assert frames[0].free_energy == pytest.approx(expected, rel=1e-4)

    def test_filters_follow_the_weights(self, bench: Bench, view: Dream, qtbot: QtBot) -> None:
        press(view, "page.filters")
        qtbot.waitUntil(lambda: view.filters.sheet is not None, timeout=PATIENCE)
        before = view.filters.sheet
        bench.publish(2)
        qtbot.waitUntil(lambda: view.filters.sheet is not before, timeout=PATIENCE)
        assert before.are_weights
        assert not np.array_equal(view.filters.sheet.pictures, before.pictures)

    def test_a_hidden_dream_stands_still(self, view: Dream, qtbot: QtBot) -> None:
        view.hide()
        before = view.reel.transitions
        qtbot.wait(150)
        assert view.reel.transitions == before
        view.show()
        qtbot.waitUntil(lambda: view.reel.transitions > before, timeout=PATIENCE)


class TestHiddenUnits:
    """With Stripes: unit j of the first layer lights column j."""

    @pytest.fixture
    def bench(self, qtbot: QtBot) -> Iterator[Bench]:
        made = Bench(recipe(Stripes, StripesSettings()), pictures(support=Support.BITS))
        made.publish(1)
        yield made
        made.live.close()

    @pytest.fixture
    def view(self, bench: Bench, qtbot: QtBot) -> Dream:
        view = opened(Dream, bench, qtbot)
        qtbot.waitUntil(lambda: view.reel.transitions > 2 and len(view.anatomy.layers) == 2, timeout=PATIENCE)
        press(view, "page.units")
        return view

    def click(self, view: Dream, unit: int) -> None:
        cells = view.units.grid.cells
        QTest.mouseClick(cells, Qt.MouseButton.LeftButton, pos=cells.place(unit).center().toPoint())

    def passes(self, view: Dream, qtbot: QtBot, frames: int = 4) -> None:
        """Wait until what was asked before is gone."""
        at = view.reel.transitions
        qtbot.waitUntil(lambda: view.reel.transitions > at + frames, timeout=PATIENCE)

    def test_a_click_holds_a_unit_on_then_off_then_lets_it_go(self, view: Dream, qtbot: QtBot) -> None:
        for held in (1, 0):
            self.click(view, 2)
            self.passes(view, qtbot)
            assert (view.reel.shown.hidden[0][:, 2] == held).all()
            assert (view.reel.shown.x[:, 0, 3:, 2] == held).all()
            assert np.array_equal(view.units.grid.cells.held, [NAN, NAN, held, NAN, NAN, NAN], equal_nan=True)
        self.click(view, 2)
        qtbot.waitUntil(lambda: 0 < view.reel.shown.hidden[0][:, 2].mean() < 1, timeout=PATIENCE)

    def test_only_the_first_chain_holds_it_when_so_chosen(self, view: Dream, qtbot: QtBot) -> None:
        tick(view, "allChains")
        self.click(view, 4)
        self.passes(view, qtbot)
        assert view.reel.shown.hidden[0][0, 4] == 1
        assert not view.reel.shown.hidden[0][1:, 4].all()

    def test_units_are_reached_and_held_with_the_keyboard_and_taken_back(self, view: Dream, qtbot: QtBot) -> None:
        cells = view.units.grid.cells
        cells.setFocus()
        QTest.keyClick(cells, Qt.Key.Key_Right)
        assert view.units.unit == 1
        QTest.keyClick(cells, Qt.Key.Key_Space)
        QTest.keyClick(cells, Qt.Key.Key_Space)
        assert np.array_equal(view.hold.units[0], [NAN, 0, NAN, NAN, NAN, NAN], equal_nan=True)
        QTest.keyClick(cells, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert np.array_equal(view.hold.units[0], [NAN, 1, NAN, NAN, NAN, NAN], equal_nan=True)
        QTest.keyClick(cells, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert not view.can_undo()
        assert view.hold.is_empty

    def test_units_are_held_before_the_chain_has_hidden_states(self, view: Dream, qtbot: QtBot) -> None:
        self.click(view, 3)
        press(view, "data")
        self.passes(view, qtbot)
        assert (view.reel.shown.hidden[0][:, 3] == 1).all()

    def test_the_effect_of_a_unit_is_the_difference_it_makes(self, bench: Bench, view: Dream, qtbot: QtBot) -> None:
        found: list[Answer] = []
        bench.live.answered.connect(lambda a: a.channel == "dream/unit" and found.append(a.value))
        view.units.grid.choose(5)
        column = np.zeros((1, 8, 8))
        column[0, :, 5] = 1
        qtbot.waitUntil(lambda: bool(found) and np.array_equal(found[-1].effect, column), timeout=PATIENCE)
        assert np.array_equal(found[-1].alone, column)
        assert not found[-1].are_weights
        pick(view, "unitLayer", 1)
        view.units.grid.choose(6)
        row = np.zeros((1, 8, 8))
        row[0, 6] = 0.5
        qtbot.waitUntil(lambda: np.array_equal(found[-1].effect, row), timeout=PATIENCE)
        assert "0.5" in view.findChild(QLabel, "effectCaption").text()

    def test_a_layer_is_held_as_it_is_or_at_random_and_let_go(self, view: Dream, qtbot: QtBot) -> None:
        pick(view, "unitLayer", 1)
        press(view, "holdLayer")
        kept = view.hold.units[1].copy()
        assert kept.shape == (2, 2, 2)
        self.passes(view, qtbot)
        assert (view.reel.shown.hidden[1] == kept).all()
        press(view, "randomLayer")
        drawn = view.hold.units[1].copy()
        self.passes(view, qtbot)
        assert (view.reel.shown.hidden[1] == drawn).all()
        press(view, "freeLayer")
        assert view.hold.is_empty

    def test_the_picture_can_come_from_a_hidden_layer(self, bench: Bench, view: Dream, qtbot: QtBot) -> None:
        press(view, "page.chains")
        pick(view, "source", 3)
        self.passes(view, qtbot)
        press(view, "play")
        qtbot.waitUntil(lambda: not view.reel.waiting, timeout=PATIENCE)
        made = bench.model.top_down(1, torch.from_numpy(view.reel.shown.hidden[1])).detach().numpy()
        assert np.array_equal(view.first.picture, made[0])
        assert view.reel.shown.x[0].max() == 1
        pick(view, "source", 1)
        assert np.array_equal(view.first.picture, view.reel.shown.x[0])
        pick(view, "source", 2)
        of_first = bench.model.top_down(0, torch.from_numpy(view.reel.shown.hidden[0])).detach().numpy()
        qtbot.waitUntil(lambda: np.array_equal(view.first.picture, of_first[0]), timeout=PATIENCE)

    def test_a_held_unit_is_seen_at_rest(self, view: Dream, qtbot: QtBot) -> None:
        pick(view, "source", 2)
        self.passes(view, qtbot)
        press(view, "play")
        qtbot.waitUntil(lambda: not view.reel.waiting, timeout=PATIENCE)
        for held in (1, 0):
            self.click(view, 1)
            column = np.full(8, held)
            qtbot.waitUntil(lambda column=column: np.array_equal(view.first.picture[0, :, 1], column), timeout=PATIENCE)

    def test_filters_of_a_higher_layer_are_what_its_units_make(self, view: Dream, qtbot: QtBot) -> None:
        press(view, "page.filters")
        pick(view, "filterLayer", 1)
        qtbot.waitUntil(lambda: view.filters.sheet is not None and len(view.filters.sheet.units) == 2, timeout=PATIENCE)
        sheet = view.filters.sheet
        assert sorted(sheet.units.tolist()) == [3, 7]  # the middle of each map
        for unit, picture in zip(sheet.units.tolist(), sheet.pictures, strict=True):
            assert (picture[0, unit] == 0.5).all()
        QTest.mouseClick(
            view.filters.grid, Qt.MouseButton.LeftButton, pos=view.filters.grid.places()[1].center().toPoint()
        )
        assert view.units.isVisible()
        assert (view.units.layer, view.units.unit) == (1, sheet.units[1])

    def test_a_class_is_dreamt_of_and_classified(self, bench: Bench, view: Dream, qtbot: QtBot) -> None:
        press(view, "page.chains")
        pick(view, "heldClass", 2)  # after "no class": the second
        self.passes(view, qtbot)
        assert (view.reel.shown.label.argmax(1) == 1).all()
        assert (view.reel.shown.x[:, 0, :3, 7] == [0, 1, 0]).all()
        assert view.pages.bars.isVisible()
        assert view.pages.bars.values == pytest.approx([0, 1, 0], abs=1e-5)
        assert view.pages.bars.held == 1
        shown: list[Answer] = []
        bench.live.answered.connect(lambda a: a.channel == "dream/data" and shown.append(a.value))
        press(view, "data")
        qtbot.waitUntil(lambda: bool(shown), timeout=PATIENCE)
        assert (shown[0].y == 1).all()

    def test_all_that_is_held_is_let_go_at_once_and_taken_back(self, view: Dream, qtbot: QtBot) -> None:
        self.click(view, 0)
        pick(view, "heldClass", 1)
        view.tools.choose("white")
        brush(view.first, (1, 1), (3, 1))
        press(view, "release")
        assert view.hold.is_empty
        press(view, "undo")
        assert view.hold.pixels.any()
        press(view, "undo")  # the whole stroke
        assert not view.hold.pixels.any()
        assert view.hold.label == 0
        assert view.hold.units[0][0] == 1


@pytest.mark.parametrize("shape", [(8192,), (1,), (40, 9, 11), (3, 24, 24)])
def test_every_unit_of_a_layer_has_a_cell_that_can_be_hit(shape: tuple[int, ...], qtbot: QtBot) -> None:
    grid = UnitGrid()
    qtbot.addWidget(grid)
    grid.resize(280, 220)
    grid.show()
    grid.set_layer(shape)
    cells = grid.cells
    for unit in range(int(np.prod(shape))):
        place = cells.place(unit)
        assert cells.unit_at(place.center()) == unit
        assert place.width() >= 8
        assert place.right() <= grid.viewport().width()
        assert place.bottom() <= cells.height()


@pytest.mark.parametrize(
    ("states", "said"),
    [((1.0, 0.0), "on in 100\N{NO-BREAK SPACE}% of the last frames"), ((-0.5, 0.9), "-0.50 on average lately")],
)
def test_units_that_are_not_just_on_or_off_say_their_mean(states: tuple[float, float], said: str, qtbot: QtBot) -> None:
    panel = UnitsPanel()
    qtbot.addWidget(panel)
    panel.set_layers(((2,),), min(0, states[0]))
    panel.show()
    panel.take((np.array([states]),))
    label = panel.findChild(QLabel, "unitName")
    assert label is not None
    assert label.text() == f"unit 1 · {said}"


class TestOtherChains:
    """Models that explode, real numbers, a learner's chains, and what is not there."""

    @pytest.fixture
    def benches(self, qtbot: QtBot) -> Iterator[list[Bench]]:
        made: list[Bench] = []
        yield made
        for bench in made:
            bench.live.close()

    def view(self, bench: Bench, benches: list[Bench], qtbot: QtBot) -> Dream:
        benches.append(bench)
        bench.publish(1)
        return opened(Dream, bench, qtbot)

    def test_chains_that_explode_are_stopped_said_and_started_again(self, benches: list[Bench], qtbot: QtBot) -> None:
        bench = Bench(recipe(Stripes, StripesSettings(explodes=True)), pictures(support=Support.BITS))
        view = self.view(bench, benches, qtbot)
        notice = view.findChild(QLabel, "notice")
        qtbot.waitUntil(lambda: "not finite" in notice.text(), timeout=PATIENCE)
        assert not view.reel.playing
        assert np.isfinite(view.reel.shown.x).all()
        said, notify = [], view.notify
        view.notify = lambda text, details="": (said.append(text), notify(text, details))
        press(view, "noise")
        # a frame that was asked for before may still say it once more
        qtbot.waitUntil(lambda: "" in said and "not finite" in said[-1], timeout=PATIENCE)

    def test_real_numbers_are_shown_and_painted_between_the_datas_black_and_white(
        self, benches: list[Bench], qtbot: QtBot
    ) -> None:
        data = pictures(support=Support.REALS)
        data.train.x.mul_(4).sub_(2)
        bench = Bench(recipe(Stripes, StripesSettings(scale=1.6)), data)
        view = self.view(bench, benches, qtbot)
        qtbot.waitUntil(lambda: view.reel.transitions > 2 and view.anatomy.black < 0, timeout=PATIENCE)
        assert view.anatomy.white == pytest.approx(1.6)
        view.tools.choose("draw")
        brush(view.first, (7, 6), (7, 7))
        assert view.reel.shown.x[0, 0, 7, 7] == pytest.approx(1.6)
        assert view.first.picture[0, 7, 7] == pytest.approx(1)
        assert view.first.picture[0, 3, 6] == pytest.approx(2 / 3.6, abs=0.02)

    def test_units_that_are_negative_as_well_are_off_at_minus_1_and_kept_as_they_are(
        self, benches: list[Bench], qtbot: QtBot
    ) -> None:
        bench = Bench(recipe(Stripes, StripesSettings(signed=True)), pictures(support=Support.REALS))
        view = self.view(bench, benches, qtbot)
        qtbot.waitUntil(lambda: view.reel.transitions > 2 and view.anatomy.off == -1, timeout=PATIENCE)
        press(view, "page.units")
        cells = view.units.grid.cells
        for held in (1, -1):
            QTest.mouseClick(cells, Qt.MouseButton.LeftButton, pos=cells.place(2).center().toPoint())
            at = view.reel.transitions
            qtbot.waitUntil(lambda at=at: view.reel.transitions > at + 4, timeout=PATIENCE)
            assert (view.reel.shown.hidden[0][:, 2] == held).all()
        press(view, "holdLayer")
        kept = view.hold.units[0].copy()
        at = view.reel.transitions
        qtbot.waitUntil(lambda: view.reel.transitions > at + 4, timeout=PATIENCE)
        assert (view.reel.shown.hidden[0] == kept).all()
        assert ((kept > -1) & (kept < 1)).any()

    def test_chains_start_from_those_the_learner_keeps(self, benches: list[Bench], qtbot: QtBot) -> None:
        made = recipe(Rbm, RbmSettings(hidden=6), PersistentContrastiveDivergence, PersistentCdSettings(chains=5))
        bench = Bench(made, pictures(support=Support.BITS))
        view = self.view(bench, benches, qtbot)
        qtbot.waitUntil(lambda: view.reel.transitions > 0, timeout=PATIENCE)
        press(view, "play")
        started: list[Answer] = []
        bench.live.answered.connect(lambda a: a.channel == "dream/start" and started.append(a.value))
        press(view, "learner")
        qtbot.waitUntil(lambda: bool(started), timeout=PATIENCE)
        own = {tuple(chain) for chain in bench.learner.chains().flatten(1).tolist()}
        assert {tuple(chain) for chain in started[0].chains.x.reshape(CHAINS, -1).tolist()} == own

    def test_what_a_model_has_not_is_not_offered(self, benches: list[Bench], qtbot: QtBot) -> None:
        bench = Bench(recipe(Plain, NoSettings()), pictures())
        view = self.view(bench, benches, qtbot)
        qtbot.waitUntil(lambda: view.reel.transitions > 2, timeout=PATIENCE)
        assert view.pages.keys == ["chains"]
        assert view.findChild(QPushButton, "page.chains").isHidden() or not view.pages._choice.isVisible()
        assert view.findChild(QPushButton, "learner") is None
        assert not view.tools.labels.isVisible()
        assert view.tools.sources.count() == 2


class Plain(nn.Module):
    """A chain without anything else."""

    def __init__(self, settings: NoSettings, spec: DataSpec) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(1))

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        x = torch.rand(n, 1, 8, 8, generator=generator)
        return ChainState(x, x)

    def transition(
        self, x: Tensor, clamp: Tensor | None = None, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        return self.start_chain(len(x), generator)
