"""Help beside the form: pages that are read, followed, searched, and lead into the form."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from person import Person
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QTextCursor, QWheelEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QToolButton, QTreeWidget
from pytestqt.qtbot import QtBot

from dgm_studio.equations import Equation, typeset
from dgm_studio.help_pages import help_pages
from dgm_studio.pages import parse_page
from dgm_studio.presets import Preset, presets
from models.catalog import FAMILIES
from widgets import equation_cache
from widgets.equation_cache import equation, typesetter
from widgets.explorers.catalog import EXPLORERS
from widgets.page_document import OBJECT
from widgets.text_page import TextPage
from widgets.theme import DARK, LIGHT, SPACE, look

ROOT = Path(__file__).parents[2]
PAGE = parse_page(
    "# Title\n\nxxxx $x$ xxxx $y$. And [a link](family:some).\n\n$$\n\\frac{1}{2}\n$$\n\n## Below\n\nwords at the end",
    "a.md",
)


@pytest.fixture
def shown(qtbot: QtBot) -> TextPage:
    view = TextPage()
    qtbot.addWidget(view)
    view.resize(360, 500)
    view.show()
    for wanted in ((r"x", False), (r"y\text{.}", False), ("\n\\frac{1}{2}\n", True)):
        equation(*wanted)
    view.show_page(PAGE)
    return view


def ink(view: TextPage, at: int) -> np.ndarray:
    """Which pixels are not as the page where the sign at a place of the text is drawn: (height, width)."""
    cursor = QTextCursor(view.text.document())
    cursor.setPosition(at)
    box = view.text.cursorRect(cursor)
    cursor.setPosition(at + 1)
    corner = view.text.viewport().mapTo(view, box.topLeft())
    picture = view.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    ratio = picture.devicePixelRatio()
    wide = view.text.cursorRect(cursor).x() - box.x()
    part = picture.copy(*(round(ratio * v) for v in (corner.x() + 1, corner.y(), wide, box.height())))
    grey = np.frombuffer(part.constBits(), np.uint8).reshape(part.height(), part.bytesPerLine())[:, : part.width()]
    return np.abs(grey.astype(int) - grey[0, 0]) > 60


def test_an_equation_stands_on_the_base_line_of_its_text_in_its_colour(qtbot: QtBot, shown: TextPage) -> None:
    raw = shown.text.document().toRawText()
    place = raw.index(OBJECT)
    for theme in (LIGHT, DARK):
        look.apply(QApplication.instance(), theme)
        letter, drawing = ink(shown, raw.index("xxxx") + 1), ink(shown, place)
        bottoms = [np.flatnonzero(part.any(1))[-1] for part in (letter, drawing)]
        assert abs(int(bottoms[0]) - int(bottoms[1])) <= 1
        tops = [np.flatnonzero(part.any(1))[0] for part in (letter, drawing)]
        assert abs(int(tops[0]) - int(tops[1])) <= 1
        cursor = QTextCursor(shown.text.document())
        cursor.setPosition(place + 1)
        assert cursor.charFormat().foreground().color() == QColor(theme.text)


def test_copied_text_has_equations_as_latex_and_a_screen_reader_too(qtbot: QtBot, shown: TextPage) -> None:
    shown.text.selectAll()
    shown.text.copy()
    text = QApplication.clipboard().text()
    assert "xxxx $x$ xxxx $y$. And a link." in text
    assert "$$\\frac{1}{2}$$" in text
    assert "\\frac{1}{2}" in shown.text.accessibleDescription()


def test_an_application_that_holds_copied_text_ends_in_peace() -> None:
    program = """
from PySide6.QtWidgets import QApplication
from widgets.text_page import PageText
application = QApplication([])
text = PageText()
text.setPlainText("copied")
text.selectAll()
text.copy()
assert application.clipboard().text() == "copied"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=240)
    assert done.returncode == 0, done.stderr


def test_equations_are_kept_between_two_starts_and_damage_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    latex = r"x_{\text{of this test}}"
    first = equation(latex, True)
    file = equation_cache._file(latex, True)
    with monkeypatch.context() as patched:
        patched.setattr(equation_cache, "typeset", None)  # it is not asked again
        equation_cache._at_hand.clear()
        assert equation(latex, True) == first == typeset(latex, True)
    for damage in ("", "{", '{"svg": 1}', '{"svg": "", "width": "a", "ascent": 0.0, "descent": 0.0}'):
        file.write_text(damage)
        equation_cache._at_hand.clear()
        assert equation(latex, True) == first
    assert file.read_text() != damage


def test_a_page_is_there_at_once_and_its_equations_when_they_are_set(
    qtbot: QtBot, shown: TextPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def set_later(latex: str, display: bool) -> Equation:
        assert go_on.wait(60)
        assert threading.current_thread() is not threading.main_thread()
        return typeset(latex, display)

    monkeypatch.setattr(equation_cache, "typeset", set_later)
    name = f"x_{{{time.time_ns()}}}"  # that no earlier test has set
    page = parse_page(f"# Title\n\nIt is ${name}$, not $\\nonsense$.\n\n$$\ny + {name}\n$$", "b.md")
    shown.show_page(page)
    assert f"It is {name}, not \\nonsense." in shown.text.toPlainText()
    assert f"y + {name}" in shown.text.toPlainText()
    assert typesetter.busy  # what takes pictures waits for it
    with qtbot.waitSignal(shown.text.completed, timeout=60_000):
        go_on.set()
    text = shown.text.document().toRawText()
    assert text.count(OBJECT) == 2
    qtbot.waitUntil(lambda: not typesetter.busy)
    assert "\\nonsense" in text  # it is no LaTeX, and not asked for again
    assert shown.text._waits_for == []
    shown.text.selectAll()
    shown.text.copy()
    assert f"It is ${name}$" in QApplication.clipboard().text()


def test_find_zoom_and_links_work_by_mouse_and_keyboard(qtbot: QtBot, shown: TextPage) -> None:
    shown.text.setFocus()
    qtbot.keyClick(shown.text, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    words = shown.findChild(QLineEdit, "pageFind")
    qtbot.keyClicks(words, "words")
    assert shown.text.textCursor().selectedText() == "words"
    qtbot.keyClicks(words, "!!")
    assert words.property("invalid")
    qtbot.keyClick(words, Qt.Key.Key_Escape)
    assert not words.isVisible()
    sizes = []
    for steps in (1, 1, -1):
        at = QPointF(20, 20)
        wheel = QWheelEvent(
            at, shown.mapToGlobal(at), QPoint(), QPoint(0, 120 * steps), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.ControlModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        with qtbot.waitSignal(shown.zoomed):
            QApplication.sendEvent(shown.text.viewport(), wheel)
        sizes.append(shown.text.document().defaultFont().pixelSize())
    assert sizes[0] == sizes[2] < sizes[1]
    with qtbot.waitSignal(shown.followed) as followed:
        qtbot.keyClick(shown.text, Qt.Key.Key_Tab)
        qtbot.keyClick(shown.text, Qt.Key.Key_Return)
    assert followed.args == ["family:some"]


def test_help_opens_beside_the_form_follows_it_and_leads_into_it(qtbot: QtBot, person: Person) -> None:
    desk, window = person.desk, person.window
    started: list[Preset] = []
    desk.guide._start = started.append
    person.do("help")  # without a project too
    person.until(lambda: desk.guide.panel.isVisible())
    desk.guide.panel.text.followed.emit(f"preset:{presets()[0].key}")
    assert started == [presets()[0]]
    desk.guide.dock.close()
    desk.workspace.project_file.create("Some")
    person.until(lambda: desk.docks["showModel"].isVisible())
    panel, guide, model = desk.guide.panel, desk.guide, desk.model
    person.until(lambda: desk.docks["showRuns"].width() == 25 * SPACE)
    first, other = presets()[0].config.family, FAMILIES[0].key

    qtbot.mouseClick(model.findChild(QToolButton, "help-family"), Qt.MouseButton.LeftButton)
    person.until(lambda: panel.isVisible() and panel.text.page is not None)
    assert panel.address == f"family:{first}"
    person.until(lambda: guide.dock.width() >= 300)
    assert window.width() == 1280
    assert desk.docks["showModel"].isVisible()  # the form is not covered
    assert desk.docks["showModel"].width() > 250

    desk.draft.set_family(other)  # it follows
    assert panel.address == f"family:{other}"
    panel.pin.setChecked(True)
    desk.draft.set_family(first)
    assert panel.address == f"family:{other}"
    panel.pin.setChecked(False)
    assert panel.address == f"family:{first}"
    panel.back()
    assert panel.address == f"family:{other}"
    panel.forward()
    assert panel.address == f"family:{first}"

    model._learner.setFocus()  # F1 knows what has the focus
    person.do("help")
    assert panel.address == f"learner:{desk.draft.config.learner}"
    button = model.findChild(QToolButton, "help-source")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert panel.address == f"data:{desk.draft.config.data.source}"
    button.setFocus()
    person.do("help")
    assert panel.address == f"data:{desk.draft.config.data.source}"
    desk.draft.set_source("ring")
    assert panel.address == "data:ring"
    pages = {entry.key: entry.title for entry in help_pages() if entry.kind == "explorer"}
    assert pages == {kind.key: kind.title for kind in EXPLORERS}
    part = QLineEdit(desk.area)
    desk.area.setProperty("helpPage", f"explorer:{EXPLORERS[0].key}")
    part.show()
    part.setFocus()
    person.do("help")
    assert panel.text.page.title == EXPLORERS[0].title
    qtbot.mouseClick(model.findChild(QToolButton, "help-family"), Qt.MouseButton.LeftButton)

    person.until(lambda: model.forms["model"].editor("hidden").isVisible())
    panel.text.followed.emit("setting:model.hidden")  # to the editor
    assert window.focusWidget() is model.forms["model"].editor("hidden")
    panel.open(f"family:{other}")
    panel.text.followed.emit("setting:model.start")  # which the form does not have now
    person.choose(person.bar("no such setting"), "Choose ")
    assert desk.draft.config.family == other

    chosen = next(preset for preset in presets() if preset.config.family != other)
    panel.text.followed.emit(f"preset:{chosen.key}")
    assert desk.draft.config == chosen.config

    person.do("contents")
    tree = panel.findChild(QTreeWidget, "helpContents")
    assert tree.topLevelItemCount() >= 2
    qtbot.keyClicks(panel.findChild(QLineEdit, "helpSearch"), "posterior collapse")
    assert tree.topLevelItemCount() > 1
    qtbot.keyClick(panel.findChild(QLineEdit, "helpSearch"), Qt.Key.Key_Return)
    assert "collapse" in panel.text.page.plain

    guide.dock.close()
    qtbot.waitUntil(lambda: desk.docks["showRuns"].width() == 25 * SPACE)
    person.do("showHelp")
    assert panel.isVisible()

    guide.dock.close()  # where the window is wide it opens beside the form, which has its width again afterwards
    window.resize(1600, 800)
    person.do("layout")
    width = 41 * SPACE + (1600 - 1280) // 8
    qtbot.waitUntil(lambda: desk.docks["showModel"].width() == width)
    person.do("help")
    person.until(lambda: guide.dock.isVisible() and desk.docks["showModel"].x() > guide.dock.x() > 800)
    guide.dock.close()
    qtbot.waitUntil(lambda: desk.docks["showModel"].width() == width)
