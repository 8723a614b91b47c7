"""Writing on: what is typed, refused, generated, coloured and clicked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from explorer_runs import Bench, mouse, pictures, recipe
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot
from torch import nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from models.catalog import FAMILIES
from models.char_rnn import CharRnn, CharRnnSettings
from models.learning.base import Learner
from models.spec import DataSpec, Layout, Support
from widgets.explorers.text_views import shown_as
from widgets.explorers.write_on import COUNT, WriteOn

PATIENCE = 60_000  # ms
SYMBOLS = ("\n", " ", "a", "b", "c")
SPEC = DataSpec((20,), Support.SYMBOLS, Layout.SEQUENCE, len(SYMBOLS), symbols=SYMBOLS)


def letters() -> Dataset:
    part = Split(torch.randint(5, (30, 20), generator=torch.Generator().manual_seed(0)).float(), torch.full((30,), -1))
    return Dataset(spec=SPEC, train=part, valid=part, test=part, provenance=Provenance("letters"))


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(recipe(CharRnn, CharRnnSettings(hidden=12)), letters())
    yield made
    made.live.close()


@pytest.fixture
def view(bench: Bench, qtbot: QtBot) -> WriteOn:
    bench.publish(0)
    made = WriteOn(bench.live)
    qtbot.addWidget(made)
    made.resize(900, 600)
    made._duration.set_value(0.1)
    made.show()
    qtbot.waitUntil(lambda: made.texts.revealed == 20, timeout=PATIENCE)
    return made


def write(view: WriteOn, qtbot: QtBot, text: str) -> list[str]:
    """Type; the texts that come of it, fully shown."""
    before = view.texts.passages
    view.beginning.setPlainText(text)
    qtbot.waitUntil(lambda: view.texts.passages is not before and not view._clock.isActive(), timeout=PATIENCE)
    qtbot.waitUntil(lambda: view.texts.revealed == 20 and not view._due.isActive(), timeout=PATIENCE)
    return [passage.text for passage in view.texts.passages]


def note(view: WriteOn, name: str) -> QLabel:
    found = view.findChild(QLabel, name)
    assert isinstance(found, QLabel)
    return found


def test_it_is_for_texts_and_models_that_complete_them() -> None:
    dice = DataSpec((20,), Support.SYMBOLS, Layout.SEQUENCE, 2, symbols=("1", "2"))
    assert WriteOn.admits(CharRnn, Learner, SPEC)
    assert not WriteOn.admits(CharRnn, Learner, dice)
    assert not WriteOn.admits(CharRnn, Learner, pictures().spec)
    assert not WriteOn.admits(nn.Module, Learner, SPEC)
    assert any(WriteOn.admits(family.model, Learner, SPEC) for family in FAMILIES)


def test_it_begins_with_a_test_example_and_goes_on_in_several_ways(view: WriteOn, bench: Bench) -> None:
    start = view.beginning.toPlainText()
    tests = ["".join(SYMBOLS[int(k)] for k in row) for row in bench.data.test.x]
    assert any(text.startswith(start) for text in tests)
    texts = [passage.text for passage in view.texts.passages]
    assert len(texts) == COUNT
    assert all(text.startswith(start) and len(text) == 20 for text in texts)
    assert len(set(texts)) > 1


def test_colours_and_bits_are_the_models_own_probabilities(view: WriteOn, bench: Bench, qtbot: QtBot) -> None:
    texts = write(view, qtbot, "abc ")
    x = torch.tensor([[SYMBOLS.index(sign) for sign in text] for text in texts]).float()
    with torch.no_grad():
        surprise = -bench.model.log_conditionals(x).numpy()
    for passage, expected in zip(view.texts.passages, surprise, strict=True):
        assert passage.surprise == pytest.approx(expected, abs=1e-5)
        assert passage.known == 4
    bits = surprise[0, :4].mean() / np.log(2)
    assert f"4 of 20 characters  ·  {bits:.2f} bits per character (any of 5 alike: 2.32)" in note(
        view, "beginningNote"
    ).text().replace("\n", " ")


def test_a_clicked_character_shows_what_else_could_have_come(view: WriteOn, bench: Bench, qtbot: QtBot) -> None:
    texts = write(view, qtbot, "ab")
    mouse(view.texts, QEvent.Type.MouseButtonPress, view.texts.cell(2, 7).center())
    assert view.texts.chosen == (2, 7)
    qtbot.waitUntil(lambda: "character 8" in note(view, "nextNote").text(), timeout=PATIENCE)
    x = torch.tensor([[SYMBOLS.index(sign) for sign in texts[2]]]).float()
    with torch.no_grad():
        p = bench.model.log_predictions(x)[0, 7].exp().numpy()
    rows = view.bars.rows
    assert [p for _, p, _ in rows] == pytest.approx(sorted(p, reverse=True), abs=1e-5)
    assert {symbol for symbol, _, actual in rows if actual} == {texts[2][7]}
    assert shown_as(texts[2][7]) in note(view, "nextNote").text()


@pytest.mark.parametrize(
    ("typed", "kept", "said"),
    [
        ("abXcñ", "abc", "lacks: X, ñ. It was left out"),
        ("a😀b\U0001f600c", "abc", "lacks: 😀"),
        ("a\tb", "ab", "lacks: ⇥"),
        ("ab" * 15, "ab" * 9 + "a", "a beginning has at most 19"),
    ],
)
def test_what_cannot_be_read_is_refused_in_place(view: WriteOn, qtbot: QtBot, typed: str, kept: str, said: str) -> None:
    texts = write(view, qtbot, typed)
    assert view.beginning.toPlainText() == kept
    assert said in note(view, "refused").text()
    assert note(view, "refused").isVisible()
    assert all(text.startswith(kept) for text in texts)
    write(view, qtbot, "abc")
    assert not note(view, "refused").isVisible()


def test_the_cursor_stays_where_it_was_when_a_character_is_refused(view: WriteOn, qtbot: QtBot) -> None:
    write(view, qtbot, "abc")
    cursor = view.beginning.textCursor()
    cursor.setPosition(1)
    view.beginning.setTextCursor(cursor)
    QTest.keyClicks(view.beginning, "Xb")
    assert view.beginning.toPlainText() == "abbc"
    assert view.beginning.textCursor().position() == 2
    view.beginning.undo()
    assert "X" not in view.beginning.toPlainText()


def test_a_book_that_is_pasted_is_cut_at_once(view: WriteOn) -> None:
    begin = time.thread_time()
    view.beginning.setPlainText("ab😀 Ishmael\n" * 20_000)
    assert time.thread_time() - begin < 2
    assert len(view.beginning.toPlainText()) == 19


def test_arrow_keys_move_from_character_to_character(view: WriteOn, qtbot: QtBot) -> None:
    write(view, qtbot, "ab")
    mouse(view.texts, QEvent.Type.MouseButtonPress, view.texts.cell(1, 0).center())
    for key, chosen in ((Qt.Key.Key_Left, (1, 0)), (Qt.Key.Key_Right, (1, 1)), (Qt.Key.Key_Up, (0, 1))):
        QTest.keyClick(view.texts, key)
        assert view.texts.chosen == chosen
    qtbot.waitUntil(lambda: "character 2: b" in note(view, "nextNote").text(), timeout=PATIENCE)


def test_from_nothing_all_is_drawn(view: WriteOn, qtbot: QtBot) -> None:
    texts = write(view, qtbot, "")
    assert all(len(text) == 20 for text in texts)
    assert "20 characters are drawn" in note(view, "beginningNote").text()


def test_again_draws_others_and_newer_weights_the_same_beginning(view: WriteOn, bench: Bench, qtbot: QtBot) -> None:
    texts = write(view, qtbot, "ab")
    again = view.findChild(QPushButton, "again")
    assert isinstance(again, QPushButton)
    again.click()
    qtbot.waitUntil(lambda: [p.text for p in view.texts.passages] != texts, timeout=PATIENCE)
    before = [p.surprise for p in view.texts.passages]
    bench.publish(1)
    qtbot.waitUntil(lambda: not np.allclose(view.texts.passages[0].surprise, before[0]), timeout=PATIENCE)
    assert all(p.text.startswith("ab") for p in view.texts.passages)


def test_what_stands_in_training_is_underlined(view: WriteOn, bench: Bench, qtbot: QtBot) -> None:
    write(view, qtbot, "ab")
    qtbot.waitUntil(lambda: any(p.marked[1] for p in view.texts.passages), timeout=PATIENCE)
    train = ["".join(SYMBOLS[int(k)] for k in row) for row in bench.data.train.x]
    for passage in view.texts.passages:
        begin, length = passage.marked
        assert begin >= 2
        assert any(passage.text[begin : begin + length] in text for text in train)
        text = passage.text.rstrip()
        longer: Any = [text[k : k + length + 1] for k in range(2, len(text) - length)]
        assert not any(part in text for part in longer for text in train)


def test_a_low_temperature_repeats_itself_and_colours_stay_those_of_the_model(view: WriteOn, qtbot: QtBot) -> None:
    view._temperature.set_value(0.01)
    texts = write(view, qtbot, "abc")
    assert len(set(texts)) == 1
    assert all(passage.surprise[5:].max() > 0.1 for passage in view.texts.passages)
