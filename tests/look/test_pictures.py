"""How pictures are compared, on small ones that are drawn here; and, when there is time, every page of the window."""

from __future__ import annotations

from pathlib import Path

import pytest
from check import check, font, reference_font
from pictures import BLOCK, compared, differences, reduced, remake
from PIL import Image
from PySide6.QtGui import QFont, QImage
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio.commands.album import contents, read_size
from dgm_studio.commands.output import CommandError


def drawn(qtbot: QtBot, hinting: QFont.HintingPreference, colour: str = "#e8eaed", offset: int = 0) -> Image.Image:
    """A page of words, with letters drawn in one of the ways there are."""
    page = QWidget()
    qtbot.addWidget(page)
    letters = QFont(page.font())
    letters.setHintingPreference(hinting)
    page.setFont(letters)
    page.setStyleSheet(f"QWidget {{ background: #1e2128; color: {colour}; }}")
    for row in range(12):
        for column in range(4):
            words = f"Reconstruction {row}.{column}"
            part = QPushButton(words, page) if column == 3 else QLabel(words, page)
            part.setGeometry(8 + offset + 150 * column, 8 + 32 * row, 140, 26)
    page.resize(640, 400)
    image = page.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    return Image.frombuffer(
        "RGB", (image.width(), image.height()), bytes(image.constBits()), "raw", "RGB", image.bytesPerLine()
    )


def test_letters_may_be_drawn_another_way_but_nothing_may_move_or_fade(qtbot: QtBot) -> None:
    plain, full = QFont.HintingPreference.PreferNoHinting, QFont.HintingPreference.PreferFullHinting
    reference = reduced(drawn(qtbot, full))
    assert differences(reference, drawn(qtbot, full)) == []
    assert differences(reference, drawn(qtbot, plain)) == []
    assert differences(reference, drawn(qtbot, full, offset=3 * BLOCK))
    assert differences(reference, drawn(qtbot, full, colour="#3a3f49"))


def test_a_difference_is_named_where_it_is(tmp_path: Path) -> None:
    before = Image.new("L", (640, 400), 40)
    before.save(tmp_path / "a-dark.png")
    before.save(tmp_path / "dream-dark.png")
    references = tmp_path / "references"
    assert remake(tmp_path, ("dream",), references) == 1
    assert list(compared(tmp_path, references)) == [("a-dark", "")]
    after = before.copy()
    after.paste(200, (100, 50, 160, 90))
    after.save(tmp_path / "a-dark.png")
    assert list(compared(tmp_path, references)) == [("a-dark", "differs at x 100–160, y 50–90")]
    (tmp_path / "a-dark.png").unlink()
    assert list(compared(tmp_path, references)) == [("a-dark", "is no longer there")]


def test_a_figure_that_changed_is_no_difference() -> None:
    before = Image.new("L", (640, 400), 40)
    after = before.copy()
    after.paste(200, (100, 50, 120, 70))
    assert differences(reduced(before), after) == []


def test_sizes_are_read_and_pictures_stand_beside_each_other(tmp_path: Path) -> None:
    assert read_size("1280x800") == (1280, 800)
    for wrong in ("1280", "0x5", "99999x800", "axb"):
        with pytest.raises(CommandError, match="WIDTHxHEIGHT"):
            read_size(wrong)
    paths = [tmp_path / "1280x800" / f"a <b>-{theme}.png" for theme in ("dark", "light")]
    page = contents(tmp_path, paths)
    assert page.count("<img") == 2
    assert page.count("<h3>a &lt;b&gt;</h3>") == 1
    assert 'src="1280x800/a &lt;b&gt;-light.png"' in page


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_page_looks_as_it_did(tmp_path: Path) -> None:
    if font() != reference_font():
        pytest.skip("the references were drawn with another font")
    assert check(tmp_path) == []
