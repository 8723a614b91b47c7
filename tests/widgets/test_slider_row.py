"""The line of a slider."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from widgets.explorers.slider_row import SliderRow


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (-0.5, "{:+.2f}", "−0.50"),
        (0.5, "{:+.2f}", "+0.50"),
        (0.0, "{:+.2f}", "0.00"),
        (-0.001, "{:+.2f}", "0.00"),
        (0.1, "{:.0%}", "10\N{NO-BREAK SPACE}%"),
    ],
)
def test_a_number_has_a_true_minus_and_zero_has_no_sign(qtbot: QtBot, value: float, form: str, shown: str) -> None:
    row = SliderRow("z", -1, 1, value, form)
    qtbot.addWidget(row)
    assert row.shown == shown
