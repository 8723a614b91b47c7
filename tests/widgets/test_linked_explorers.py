"""Linked explorers: what is done in one view of a kind is what the other shows; what does not fit is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from code_models import Panes
from explorer_runs import Bench, cloud, pictures, recipe
from ordered_models import Near, NearSettings
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import Dataset, joined
from dgm_studio.datasets.sources import load
from models.cyclegan import CycleGan, CycleGanSettings
from models.draw import Draw, DrawSettings
from models.gaussian_mixture import GaussianMixture, GaussianMixtureSettings
from models.hmm import Hmm, HmmSettings
from models.learning.conjugate_vi import CoordinateAscent
from models.learning.cycle_consistency import CycleConsistency, CycleConsistencySettings
from models.settings import NoSettings
from models.spec import Support
from widgets.explorers.base import Explorer
from widgets.explorers.canvases import TEST, CanvasesView
from widgets.explorers.codes import Codes
from widgets.explorers.ellipses import EllipsesView
from widgets.explorers.receptive_field import ReceptiveFieldView
from widgets.explorers.sequence import SequenceView
from widgets.explorers.translate import BACK, Translate

PATIENCE = 60_000  # ms
Pair = Callable[..., tuple[Any, Any]]


@pytest.fixture
def pair(qtbot: QtBot) -> Iterator[Pair]:
    """Two views of one kind, linked as Compare links them; of two models, on data of their own if there are two."""
    benches: list[Bench] = []

    def made(kind: type[Explorer], recipe: Any, *data: Dataset) -> tuple[Any, Any]:
        views = []
        for number in range(2):
            bench = Bench(recipe, data[number % len(data)])
            benches.append(bench)
            bench.publish(number + 1)
            view = kind(bench.live)
            view.narrow()
            qtbot.addWidget(view)
            views.append(view)
        passing = []

        def pass_on(one: Explorer, other: Explorer) -> None:
            state = one.shared()
            if not passing and state is not None:
                passing.append(True)
                other.share(state)
                passing.clear()

        for one, other in (views, views[::-1]):
            one.shared_changed.connect(lambda one=one, other=other: pass_on(one, other))
        for view in views:
            view.show()
        return views[0], views[1]

    yield made
    for bench in benches:
        bench.live.close()


def test_a_unit_that_is_toggled_is_toggled_in_both_codes(pair: Pair, qtbot: QtBot) -> None:
    left, right = pair(Codes, recipe(Panes, NoSettings()), pictures())
    known = lambda view: view.code is not None and bool(view.anatomy.layers)  # noqa: E731
    qtbot.waitUntil(lambda: known(left) and known(right), timeout=PATIENCE)
    h = left.code.hidden[0]
    left._toggle(0)
    assert not np.array_equal(left.code.hidden[0], h)
    assert all(map(np.array_equal, left.code.hidden, right.code.hidden))
    right.undo()
    assert np.array_equal(left.code.hidden[0], h)
    assert left.undo() is None
    if len(left.anatomy.layers) > 1:
        right.card.layers.setCurrentIndex(1)
        right.card.turn()
        assert left.card.layer == 1
    before = right.code
    code = type(before)(tuple(np.zeros(3, np.float32) for _ in before.hidden))
    assert "of other sizes" in right.share((code, 0))
    assert right.code is before


def test_canvases_are_drawn_by_the_same_numbers_and_stand_at_the_same_step(pair: Pair, qtbot: QtBot) -> None:
    settings = DrawSettings(glimpses=3, latent=2, hidden=8, read_size=2, write_size=3)
    left, right = pair(CanvasesView, recipe(Draw, settings), pictures())
    for view in (left, right):
        view.player.duration._move(0.1)
    at_rest = lambda view: view._answer is not None and not view._fresh and not view.player.playing  # noqa: E731
    qtbot.waitUntil(lambda: at_rest(left) and at_rest(right), timeout=PATIENCE)
    left.player.go_to(1)
    assert right.step == 1
    right._choose(5)
    assert left._chosen == 5
    left._again()
    assert right._seed == left._seed == 1
    left._source.choose(TEST)
    left._turn()
    assert right._source.key == TEST
    qtbot.waitUntil(lambda: at_rest(left) and at_rest(right), timeout=PATIENCE)
    assert np.array_equal(left._answer.examples, right._answer.examples)
    right.player.go_to(2)
    assert left.step == 2
    _, how, chosen, done = left.shared()
    assert "their data differ" in right.share((DataChoice(source="sprites"), how, chosen, done))


def test_a_changed_sequence_goes_through_both(pair: Pair, qtbot: QtBot) -> None:
    data = load(DataChoice(source="casino", settings={"examples": 20, "length": 60}))
    left, right = pair(SequenceView, recipe(Hmm, HmmSettings(states=2)), data)
    qtbot.waitUntil(lambda: left.said is not None and right.said is not None, timeout=PATIENCE)
    assert np.array_equal(left._x, right._x)
    left._edit(3, 0, (float(left._x.reshape(-1)[3]) + 1) % 6)
    assert np.array_equal(left._x, right._x)
    assert not np.array_equal(right._x, right._example)
    right._mark(50)
    assert left.observations.marked == 50
    assert (left.observations.first, left.observations.count) == (right.observations.first, right.observations.count)
    right._as_it_was()
    assert np.array_equal(left._x, left._example)
    kind, *rest = left.shared()
    assert "of another length" in right.share((((30,), *kind[1:]), *rest))


def test_one_picture_is_translated_by_both(pair: Pair, qtbot: QtBot) -> None:
    settings, learning = CycleGanSettings(hidden=6, layers=1), CycleConsistencySettings(hidden=4, layers=1, pool=2)
    made = recipe(CycleGan, settings, CycleConsistency, learning)
    left, right = pair(Translate, made, joined(pictures(), pictures((3, 8, 8))))
    qtbot.waitUntil(lambda: left._found is not None and right._found is not None, timeout=PATIENCE)
    left._other()
    assert right._begin_at == left._begin_at != {"there": 0, "back": 0}
    right._direction.choose(BACK)
    right._turn()
    assert left._direction.key == BACK
    left.findChild(QPushButton, "ownPicture").click()
    assert right.own is not None
    right.own.canvas.load(np.ones((3, 8, 8), np.float32))
    assert np.array_equal(left.own.canvas.picture(), right.own.canvas.picture())
    right.own.tools.centre.click()
    assert left.own.tools.centre.isChecked() == right.own.tools.centre.isChecked()
    qtbot.waitUntil(lambda: left._own is not None and right._own is not None, timeout=PATIENCE)
    left.own.canvas.clear()
    assert right.own.canvas.is_empty
    data, specs, *rest = left.shared()
    assert "of other kinds" in right.share((data, specs[::-1], *rest))
    assert "data differ" in right.share((DataChoice(source="sprites"), specs, *rest))


def test_ellipses_stand_at_the_same_step_and_coordinates(pair: Pair, qtbot: QtBot) -> None:
    made = recipe(GaussianMixture, GaussianMixtureSettings(components=2), CoordinateAscent)
    left, right = pair(EllipsesView, made, cloud())
    qtbot.waitUntil(lambda: left._way is not None and right._way is not None, timeout=PATIENCE)
    left._across.setCurrentIndex(1)
    assert right._pair() == left._pair()
    heard = []
    right.show_step, show = lambda frame: (heard.append(frame), show(frame)), right.show_step
    left.show_step(0)
    assert heard == [0]
    assert "of other shapes" in right.share((["x"], (0, 0), None))


def test_the_same_pixel_is_marked_in_both(pair: Pair, qtbot: QtBot) -> None:
    data = pictures((1, 4, 4), n=8, support=Support.BITS)
    left, right = pair(ReceptiveFieldView, recipe(Near, NearSettings()), data)
    qtbot.waitUntil(lambda: left.field is not None and right.field is not None, timeout=PATIENCE)
    left.look_at(3, 1)
    assert right._pixel == (3, 1)
    qtbot.waitUntil(lambda: right.field.target == (0, 3, 1), timeout=PATIENCE)
    right._many.changed.emit(right._many.value)
    right._scale.choose("linear")
    right._scale.chosen.emit("linear")
    assert left._scale.key == "linear"
    _, *rest = left.shared()
    assert "of other sizes" in right.share(((1, 5, 5), *rest))
