"""A table of a report: readable at any width."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PySide6.QtWidgets import QLabel, QScrollArea
from pytestqt.qtbot import QtBot

from dgm_studio.evaluations.base import diagnosis
from dgm_studio.reports import Column, Table
from models.estimation.measure import Check, Kind, mean_measure
from widgets.report_views import TableView, Tag
from widgets.sideways import Sideways

TABLE = Table(
    "Likelihood",
    (
        Column("Measure"),
        Column("Value", "number", "nats per example"),
        Column("95 % interval", "interval", "nats per example"),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    ),
    (
        ("log p(x), by a long name of a measure", -16.11, (-16.7, -15.5), "estimate", "How it was measured. " * 9),
        ("log p(x)", -16.0, (-16.5, -15.2), "lower bound", ""),
    ),
)


def spans(view: TableView, text: str) -> list[tuple[int, int]]:
    """Where labels with this text that are seen begin and end."""
    labels = view.findChildren(QLabel)
    found = [label for label in labels if label.text().replace("\n", " ") == text and label.isVisible()]
    starts = [label.mapTo(view, label.rect().topLeft()).x() for label in found]
    return [(start, start + label.width()) for start, label in zip(starts, found, strict=True)]


@pytest.mark.parametrize("width", [340, 420, 700, 1200])
def test_a_table_is_seen_whole_however_narrow_it_is(width: int, qtbot: QtBot) -> None:
    area, view = QScrollArea(), TableView(TABLE)
    qtbot.addWidget(area)
    area.setWidgetResizable(True)
    area.setWidget(view)
    area.resize(width, 400)
    area.show()
    qtbot.wait(50)
    assert view.width() <= area.viewport().width()
    for text in ("log p(x), by a long name of a measure", "log p(x)", "−16.11", "−16.00", "estimate", "lower bound"):
        assert len(spans(view, text)) == 1, text
        assert spans(view, text)[0][1] <= view.width(), text
    for head, *cells in (("Value nats per example", "−16.11", "−16.00"), ("Kind", "estimate", "lower bound")):
        side = 1 if head.startswith("Value") else 0
        edges = {spans(view, text)[0][side] for text in (head, *cells)}
        assert len(edges) == 1, head


def test_a_table_that_begins_with_numbers_takes_the_whole_width(qtbot: QtBot) -> None:
    columns = (Column("Steps", "number", decimals=0), Column("Paths", "number", decimals=0), Column("Kind", "kind"))
    view = TableView(Table("Measured", columns, ((2.0, 64.0, "exact"), (12.0, 7.0, "exact"))))
    qtbot.addWidget(view)
    view.resize(700, 200)
    view.show()
    qtbot.waitUntil(lambda: [end for _, end in spans(view, "Kind")] == [700])
    assert {start for start, _ in spans(view, "Kind")} == {start for start, _ in spans(view, "exact")}
    for head, *cells in (("Steps", "2", "12"), ("Paths", "64", "7")):
        assert len({spans(view, text)[0][1] for text in (head, *cells)}) == 1, head
    assert spans(view, "Steps")[0][1] < 100
    assert 250 < spans(view, "Paths")[0][1] < 450


def test_a_table_whose_names_stand_above_takes_the_whole_width(qtbot: QtBot) -> None:
    view = TableView(TABLE)
    qtbot.addWidget(view)
    view.resize(view._wide - 8, 200)
    view.show()
    qtbot.waitUntil(lambda: [end for _, end in spans(view, "lower bound")] == [view.width()])
    assert spans(view, "log p(x)")[0][0] == 0
    assert len({end for text in ("Value nats per example", "−16.11", "−16.00") for _, end in spans(view, text)}) == 1
    assert spans(view, "−16.11")[0][0] > 0


def test_long_words_cost_height_before_they_cost_width(qtbot: QtBot) -> None:
    words = "a measure of which there is much to be said in the first column"
    table = Table(
        "Measured",
        (Column("Measure"), Column("Number of pictures that were drawn", "number", "of a hundred")),
        ((words, 3.0),),
    )
    view = TableView(table)
    qtbot.addWidget(view)
    view.resize(300, 200)
    view.show()
    qtbot.wait(10)
    assert spans(view, words)[0][1] < 300  # beside its figure, not above it
    assert spans(view, "Number of pictures that were drawn of a hundred")[0][1] <= 300


def test_a_table_too_wide_for_its_place_scrolls_and_leaves_the_page_as_wide_as_it_is(qtbot: QtBot) -> None:
    many = Table("Measured", tuple(Column(f"Quantity{i}", "number") for i in range(12)), (tuple(range(12)),))
    view = TableView(many)
    place = Sideways(view)
    qtbot.addWidget(place)
    place.resize(300, 100)
    place.show()
    qtbot.wait(10)
    assert view.width() > 300
    assert place.minimumSizeHint().width() <= 300
    assert place.horizontalScrollBar().maximum() > 0
    assert place.verticalScrollBar().maximum() == 0
    assert view.layout().geometry() == view.rect()
    lower = place.height()
    place.resize(view.width() + 20, 100)
    qtbot.wait(10)
    assert place.horizontalScrollBar().maximum() == 0
    assert place.height() < lower


def test_what_has_not_converged_stands_out(qtbot: QtBot) -> None:
    rows = (("annealed", "yes", "seen so"), ("weighed", "no", "seen otherwise"))
    view = TableView(Table("Have the estimates converged?", diagnosis_columns(), rows))
    qtbot.addWidget(view)
    of_word = {tag.text(): tag.styleSheet() for tag in view.findChildren(Tag)}
    assert set(of_word) == {"yes", "no"}
    assert of_word["yes"] != of_word["no"] != Tag("no", "muted").styleSheet()


def diagnosis_columns() -> tuple[Column, ...]:
    """As the evaluations make them, of an estimate that has something to converge."""
    checked = replace(mean_measure("estimate", torch.zeros(2), Kind.ESTIMATE, ""), checks=(Check("", "", "", True),))
    (table,) = diagnosis([checked])
    assert isinstance(table, Table)
    return table.columns
