"""Pictures of a report: groups side by side as they fit, or as rows of a sheet."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from dgm_studio.reports import Pictures
from widgets.report_pictures import PictureGroups

PICTURES = np.zeros((9, 1, 16, 16), np.uint8)


def made(qtbot: QtBot, stacked: bool) -> PictureGroups:
    groups = PictureGroups(Pictures("Sheet", PICTURES, ("0", "1", "2"), stacked=stacked))
    qtbot.addWidget(groups)
    return groups


@pytest.mark.parametrize("width", [120, 300, 2000])
def test_rows_of_a_sheet_stand_below_each_other_at_any_width(qtbot: QtBot, width: int) -> None:
    places = made(qtbot, stacked=True)._places(width)
    lefts, tops = zip(*(places.origin(group) for group in range(3)), strict=True)
    assert lefts == (0, 0, 0)
    assert tops[1] - tops[0] == tops[2] - tops[1] > places.picture.height()
    assert places.group.width() <= max(width, made(qtbot, stacked=True).minimumSizeHint().width())


def test_pictures_of_a_sheet_are_as_large_as_there_is_room_for(qtbot: QtBot) -> None:
    sheet = made(qtbot, stacked=True)
    sides = [sheet._places(width).picture.width() for width in (120, 160, 2000)]
    assert sides == [32, 48, 64]


def test_other_groups_stand_side_by_side_where_they_fit(qtbot: QtBot) -> None:
    groups = made(qtbot, stacked=False)
    assert groups._places(2000).origin(1)[1] == groups._places(2000).origin(0)[1]
    assert groups._places(120).origin(1)[0] == 0
    assert groups.heightForWidth(120) > groups.heightForWidth(2000)


def test_a_few_pictures_are_large(qtbot: QtBot) -> None:
    few = PictureGroups(Pictures("Two", np.zeros((2, 1, 16, 16), np.uint8), ("left", "right")))
    qtbot.addWidget(few)
    assert few._places(684).picture.width() == 160
