"""Sequence: what hidden states make of observations, and what happens when these are changed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from explorer_runs import Bench, drag, mouse, recipe
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QScrollBar
from pytestqt.qtbot import QtBot
from torch import Generator

from dgm_studio.config import DataChoice
from dgm_studio.datasets.sources import load
from models.hmm import Hmm, HmmSettings
from models.spec import DataSpec, Layout, Support
from models.vae import Vae
from widgets.explorers.sequence import SequenceView
from widgets.explorers.sequence_strips import CurveStrip, SymbolStrip

PATIENCE = 60_000  # ms


def opened(source: str, length: int, qtbot: QtBot) -> Iterator[tuple[Bench, SequenceView]]:
    data = load(DataChoice(source=source, settings={"examples": 40, "length": length}))
    bench = Bench(recipe(Hmm, HmmSettings(states=3)), data)
    bench.publish(1)
    view = SequenceView(bench.live)
    qtbot.addWidget(view)
    view.resize(748, 672)
    view.show()
    qtbot.waitUntil(lambda: explains(bench, view), timeout=PATIENCE)
    yield bench, view
    bench.live.close()


@pytest.fixture
def symbols(qtbot: QtBot) -> Iterator[tuple[Bench, SequenceView]]:
    yield from opened("casino", 60, qtbot)


@pytest.fixture
def values(qtbot: QtBot) -> Iterator[tuple[Bench, SequenceView]]:
    yield from opened("regimes", 30, qtbot)


def explains(bench: Bench, view: SequenceView) -> bool:
    """Whether all that is shown is what the newest weights make of the observations that are shown."""
    if view.said is None or view.posterior.values is None:
        return False
    x = view.observations.x.reshape(1, len(view.observations.x))
    with torch.no_grad():
        said = bench.model.explain(torch.from_numpy(x.astype(np.float32)))
        states = bench.model.hidden_states()
    return (
        np.allclose(view.posterior.values, said.posterior[0], atol=1e-5)
        and np.allclose(view.forward.values, said.forward[0], atol=1e-5)
        and np.allclose(view.backward.values, said.backward[0], atol=1e-5)
        and np.array_equal(view.posterior.path, said.path[0])
        and np.allclose(view.transitions.values, states.transition, atol=1e-6)
        and view.findChild(QLabel, "evidence").text() == f"{said.log_prob[0].item():,.2f} nats".replace("-", "−")
    )


def place(strip: SymbolStrip | CurveStrip, step: int, height: float = 0.5) -> QPointF:
    return QPointF(strip.column(step).center().x(), height * strip.height())


class TestSymbols:
    def test_a_click_makes_a_symbol_the_next_one_and_everything_follows(
        self, symbols: tuple[Bench, SequenceView], qtbot: QtBot
    ) -> None:
        bench, view = symbols
        before, evidence = view.observations.x.copy(), view.said.log_prob
        mouse(view.observations, QEvent.Type.MouseButtonPress, place(view.observations, 7))
        expected = before.copy()
        expected[7] = (before[7] + 1) % 6
        assert np.array_equal(view.observations.x, expected)
        qtbot.waitUntil(lambda: view.said.log_prob != evidence and explains(bench, view), timeout=PATIENCE)
        mouse(view.observations, QEvent.Type.MouseButtonPress, place(view.observations, 7), Qt.MouseButton.RightButton)
        assert np.array_equal(view.observations.x, before)
        qtbot.waitUntil(lambda: view.said.log_prob == evidence, timeout=PATIENCE)

    def test_arrow_keys_move_the_mark_and_change_the_symbol(
        self, symbols: tuple[Bench, SequenceView], qtbot: QtBot
    ) -> None:
        bench, view = symbols
        before = view.observations.x.copy()
        view.observations.setFocus()
        for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_Down):
            QTest.keyClick(view.observations, key)
        assert [strip.marked for strip in view.strips] == [1] * 4
        assert view.observations.x[1] == (before[1] - 1) % 6
        assert np.array_equal(np.delete(view.observations.x, 1), np.delete(before, 1))
        qtbot.waitUntil(lambda: explains(bench, view), timeout=PATIENCE)
        assert view.findChild(QLabel, "atStep").text().startswith("t = 2: ")

    def test_newer_weights_explain_the_changed_sequence(
        self, symbols: tuple[Bench, SequenceView], qtbot: QtBot
    ) -> None:
        bench, view = symbols
        mouse(view.observations, QEvent.Type.MouseButtonPress, place(view.observations, 3))
        changed = view.observations.x.copy()
        bench.publish(2)
        qtbot.waitUntil(lambda: explains(bench, view), timeout=PATIENCE)
        assert np.array_equal(view.observations.x, changed)
        assert "weights of step 2" in view.findChild(QLabel, "terms").text()

    def test_changes_can_be_taken_back(self, symbols: tuple[Bench, SequenceView], qtbot: QtBot) -> None:
        bench, view = symbols
        before, reset = view.observations.x.copy(), view.findChild(QPushButton, "reset")
        assert not reset.isEnabled()
        for step in (2, 5):
            mouse(view.observations, QEvent.Type.MouseButtonPress, place(view.observations, step))
        reset.click()
        assert np.array_equal(view.observations.x, before)
        assert not reset.isEnabled()
        qtbot.waitUntil(lambda: explains(bench, view), timeout=PATIENCE)

    def test_another_sequence_is_one_of_the_test_set(self, symbols: tuple[Bench, SequenceView], qtbot: QtBot) -> None:
        bench, view = symbols
        before = view.observations.x.copy()
        view.findChild(QPushButton, "another").click()
        qtbot.waitUntil(lambda: not np.array_equal(view.observations.x, before), timeout=PATIENCE)
        assert (bench.data.test.x.numpy() == view.observations.x).all(1).any()

    def test_the_exact_model_of_the_data_stands_beside(self, symbols: tuple[Bench, SequenceView]) -> None:
        bench, view = symbols
        x = torch.from_numpy(view.observations.x.astype(np.float32))[None]
        exact = f"{bench.data.density.log_prob(x)[0].item():,.2f}".replace("-", "−")
        assert exact in view.findChild(QLabel, "terms").text()

    def test_a_part_of_the_steps_is_shown_and_can_be_moved(self, symbols: tuple[Bench, SequenceView]) -> None:
        _, view = symbols
        assert [strip.count for strip in view.strips] == [40] * 4
        view.findChild(QScrollBar, "scroll").setValue(15)
        assert [strip.first for strip in view.strips] == [15] * 4
        assert view.posterior.step_at(view.observations.column(20).center().x()) == 20
        view._mark(59)
        assert view.observations.first == 20, "the marked step comes into view"
        view._zoom(60)
        assert (view.observations.first, view.observations.count) == (0, 60)
        assert not view.findChild(QScrollBar, "scroll").isVisible()
        QApplication.processEvents()


class TestValues:
    def test_a_drag_sets_values_and_everything_follows(self, values: tuple[Bench, SequenceView], qtbot: QtBot) -> None:
        bench, view = values
        strip = view.observations
        assert isinstance(strip, CurveStrip)
        before, evidence = strip.x.copy(), view.said.log_prob
        drag(strip, [place(strip, 4, 0.3), place(strip, 5, 0.3), place(strip, 6, 0.6)])
        assert strip.x[[4, 5], 0] == pytest.approx(strip.value_at(0.3 * strip.height()), abs=0.1)
        assert strip.x[6, 0] == pytest.approx(strip.value_at(0.6 * strip.height()), abs=0.1)
        assert np.array_equal(np.delete(strip.x, [4, 5, 6], 0), np.delete(before, [4, 5, 6], 0))
        qtbot.waitUntil(lambda: view.said.log_prob != evidence and explains(bench, view), timeout=PATIENCE)

    def test_a_height_is_the_value_that_stands_there(self, values: tuple[Bench, SequenceView]) -> None:
        strip = values[1].observations
        assert isinstance(strip, CurveStrip)
        for value in (strip.x[3, 0], strip.x[9, 0]):
            assert strip.value_at(strip.height_of(value)) == pytest.approx(value, abs=1e-6)

    def test_the_curve_stands_before_what_the_path_emits(self, values: tuple[Bench, SequenceView]) -> None:
        bench, view = values
        strip = view.observations
        assert isinstance(strip, CurveStrip)
        states = bench.model.hidden_states()
        mean, deviation = strip.expected
        assert np.allclose(mean, states.emission[view.said.path])
        assert np.allclose(deviation, states.deviation[view.said.path])
        assert np.allclose(view.emissions.values, torch.cat([states.emission, states.deviation], 1))

    def test_it_paints_in_any_size(self, values: tuple[Bench, SequenceView], qtbot: QtBot) -> None:
        _, view = values
        for size in ((400, 400), (1600, 1000)):
            view.resize(*size)
            assert not view.grab().isNull()


def test_sequences_of_vectors_are_shown_and_changed_by_channel(qtbot: QtBot) -> None:
    data = load(DataChoice(source="regimes", settings={"examples": 40, "length": 30}))
    pairs = torch.randn(40, 8, 2, generator=Generator().manual_seed(0))
    part = type(data.test)(pairs, torch.full((40,), -1))
    spec = DataSpec((8, 2), Support.REALS, Layout.SEQUENCE)
    bench = Bench(recipe(Hmm, HmmSettings(states=2)), type(data)(spec, part, part, part, data.provenance))
    bench.publish(1)
    view = SequenceView(bench.live)
    qtbot.addWidget(view)
    view.show()
    try:
        qtbot.waitUntil(lambda: view.said is not None, timeout=PATIENCE)
        strip = view.observations
        assert isinstance(strip, CurveStrip)
        before = strip.x.copy()
        mouse(strip, QEvent.Type.MouseButtonPress, place(strip, 2, strip.height_of(before[2, 1]) / strip.height()))
        QTest.keyClick(strip, Qt.Key.Key_Up)
        changed = np.argwhere(np.abs(strip.x - before) > 0.03).tolist()
        assert changed in ([[2, 1]], [[2, 0]])
        assert view.emissions.values.shape == (2, 4)
    finally:
        bench.live.close()


def test_it_is_offered_where_a_model_explains_sequences_alone() -> None:
    sequences, images = (
        DataSpec((5,), Support.SYMBOLS, Layout.SEQUENCE, 3),
        DataSpec((1, 8, 8), Support.BITS, Layout.IMAGE),
    )
    assert SequenceView.admits(Hmm, object, sequences)
    assert not SequenceView.admits(Vae, object, sequences)
    assert not SequenceView.admits(Hmm, object, images)
