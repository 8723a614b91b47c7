"""Samples are shown in the way their kind is looked at."""

from __future__ import annotations

import numpy as np
from pytestqt.qtbot import QtBot

from models.spec import DataSpec, Layout, Support
from widgets.samples_view import SamplesView
from widgets.text_samples import TextSamples

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
