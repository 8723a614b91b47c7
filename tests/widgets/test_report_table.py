"""A table of a report: readable at any width."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QLabel, QScrollArea
from pytestqt.qtbot import QtBot

from dgm_studio.reports import Column, Table
from widgets.report_views import TableView

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
    found = [label for label in view.findChildren(QLabel) if label.text() == text and label.isVisible()]
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
    for head, *cells in (("Value\nnats per example", "−16.11", "−16.00"), ("Kind", "estimate", "lower bound")):
        side = 1 if head.startswith("Value") else 0
        edges = {spans(view, text)[0][side] for text in (head, *cells)}
        assert len(edges) == 1, head
