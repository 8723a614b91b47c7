"""Samples are shown in the way their kind is looked at."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from dgm_studio.sequence_pictures import symbol_colours
from models.spec import DataSpec, Layout, Support
from widgets.picture_grid import FULL, PictureGrid
from widgets.plots import Plot
from widgets.samples_view import SamplesView
from widgets.sequence_samples import SequenceSamples
from widgets.text_samples import TextSamples
from widgets.thumbnails import SIDE, thumbnail

WORDS = DataSpec((6,), Support.SYMBOLS, Layout.SEQUENCE, 4, symbols=("\n", " ", "a", "b"))
DICE = DataSpec((6,), Support.SYMBOLS, Layout.SEQUENCE, 4, symbols=("1", "2", "3", "4"))
SAMPLES = np.array([[2, 3, 0, 3, 1, 1], [3, 3, 1, 2, 2, 2]], np.float32)


def texts(view: SamplesView) -> list[str]:
    """What stands there, if it is text."""
    shown = view.findChild(TextSamples, "sampleTexts")
    return [] if shown is None or shown.isHidden() else shown.toPlainText().split("\n")


def test_symbols_that_are_letters_are_shown_as_text_once_it_is_known(qtbot: QtBot) -> None:
    view = SamplesView()
    qtbot.addWidget(view)
    view.show()
    view.show_samples(SAMPLES)
    assert texts(view) == []
    view.set_spec(WORDS)
    shown = view.findChild(TextSamples, "sampleTexts")
    assert shown is not None
    blocks = [shown.document().findBlockByNumber(k) for k in range(shown.document().blockCount())]
    assert [block.text() for block in blocks] == ["ab\u2028b", "bb aaa"]
    assert blocks[0].blockFormat().background() != blocks[1].blockFormat().background()
    view.set_spec(None)
    assert texts(view) == []


def test_symbols_without_letters_and_pictures_are_no_text(qtbot: QtBot) -> None:
    view = SamplesView()
    qtbot.addWidget(view)
    view.show()
    view.set_spec(DICE)
    view.show_samples(SAMPLES)
    assert texts(view) == []
    view.set_spec(DataSpec((1, 2, 3), Support.BITS, Layout.IMAGE))
    view.show_samples(SAMPLES.reshape(2, 1, 2, 3))
    assert texts(view) == []


def test_texts_that_change_stay_where_they_were_scrolled_to(qtbot: QtBot) -> None:
    view = TextSamples()
    qtbot.addWidget(view)
    view.resize(200, 100)
    view.show()
    view.show_texts([f"text {k}" for k in range(60)])
    bar = view.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    at = bar.value()
    assert at > 0
    view.show_texts([f"word {k}" for k in range(60)])
    assert bar.value() == at


def test_other_symbols_are_strips_of_their_colours(qtbot: QtBot) -> None:
    view = SamplesView()
    qtbot.addWidget(view)
    view.resize(300, 200)
    view.show()
    view.set_spec(DICE)
    view.show_samples(SAMPLES)
    shown = view.findChild(SequenceSamples, "sampleSequences")
    assert shown is not None
    assert shown.isVisible()
    image = shown.grab().toImage()
    found = [[image.pixelColor(25 + 50 * step, 8 + 28 * row).getRgb()[:3] for step in range(6)] for row in range(2)]
    assert found == [[tuple(rgb) for rgb in symbol_colours(4)[row].tolist()] for row in SAMPLES.astype(int)]
    view.set_spec(DataSpec((1, 2, 3), Support.BITS, Layout.IMAGE))
    view.show_samples(SAMPLES.reshape(2, 1, 2, 3))
    assert not shown.isVisible()


def test_values_are_curves_of_one_scale(qtbot: QtBot) -> None:
    view = SamplesView()
    qtbot.addWidget(view)
    view.resize(300, 200)
    view.show()
    view.set_spec(DataSpec((50,), Support.REALS, Layout.SEQUENCE))
    samples = np.stack([np.full(50, value, np.float32) for value in (0.0, 1.0)])
    view.show_samples(samples)
    shown = view.findChild(SequenceSamples, "sampleSequences")
    assert shown is not None
    image = shown.grab().toImage()
    ground = image.pixelColor(150, 50)

    def drawn(top: int, bottom: int) -> bool:
        return any(image.pixelColor(150, y) != ground for y in range(top, bottom))

    assert drawn(70, 77), "the lowest value at the foot of the first sequence"
    assert not drawn(0, 40)
    assert drawn(80, 90), "the highest at the head of the second"
    assert not drawn(100, 150)


def test_as_much_of_sequences_is_shown_as_can_be_told_apart(qtbot: QtBot) -> None:
    view = SequenceSamples()
    qtbot.addWidget(view)
    view.resize(300, 140)
    view.show_sequences(np.zeros((64, 1000)), symbols=3)
    assert view.shown() == (10, 100)
    view.show_sequences(np.zeros((64, 1000, 2)), symbols=0)
    assert view.shown() == (3, 200)
    view.show_sequences(np.zeros((2, 5)), symbols=3)
    assert view.shown() == (2, 5)


def test_a_thumbnail_of_symbols_has_their_colours_whatever_else_occurs() -> None:
    image = thumbnail(np.tile(np.array([0, 5], np.float32), (8, 12)))
    colours = [tuple(rgb) for rgb in symbol_colours(6)[[0, 5]].tolist()]
    assert [image.pixelColor(at, SIDE // 2).getRgb()[:3] for at in (1, 5)] == colours
    assert thumbnail(np.random.default_rng(0).normal(size=(8, 24))).size().width() == SIDE


def test_points_at_rest_are_not_drawn_again(qtbot: QtBot) -> None:
    """Axes whose room follows their figures moved the range, which changed the figures, and so on for ever."""
    view = SamplesView()
    qtbot.addWidget(view)
    points = 1.09 * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    view.set_reference(points)
    view.show_samples(points)
    view.show()
    box = view.findChild(Plot, "samplePoints").box
    moves: list[object] = []
    box.sigResized.connect(moves.append)
    restless = []
    for width in range(262, 276):
        view.resize(width, 535)
        for _ in range(100):  # a busy machine may take more than one look until it is painted
            moves.clear()
            qtbot.wait(25)
            if len(moves) <= 1:
                break
        restless += [width] * (len(moves) > 1)
    assert restless == []


@pytest.mark.parametrize("size", [(300, 300), (430, 300), (700, 260), (260, 700)])
def test_rows_of_pictures_are_full_where_that_costs_little(qtbot: QtBot, size: tuple[int, int]) -> None:
    grid = PictureGrid()
    qtbot.addWidget(grid)
    scales = {}
    for count in (64, 61):  # 61 pictures fill no rows but one
        grid.show_pictures(np.zeros((count, 1, 8, 8)))
        columns, scales[count] = grid.layout_for(*size)
        assert 64 % columns == 0 or count == 61
        assert 1 < columns < count
    assert FULL * scales[61] * 0.95 <= scales[64] <= scales[61]
