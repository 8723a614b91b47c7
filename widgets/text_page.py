"""A page of text with equations, to read: help, and what else is told in pages."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QMimeData, Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent, QKeySequence, QTextCursor, QTextDocument, QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPlainTextEdit, QTextBrowser, QToolButton, QVBoxLayout, QWidget

from dgm_studio.pages import Page
from widgets.building import label, set_role
from widgets.equation_cache import Wanted, typesetter
from widgets.icons import dress
from widgets.page_document import EQUATION, Equations, fill, plain_text
from widgets.theme import SPACE, look

NAVIGATION = {Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End}
ZOOMS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)


def zoomed(zoom: float, steps: int) -> float:
    """The size of text so many steps larger, or smaller, than `zoom`; 0 steps: the usual one."""
    nearest = min(range(len(ZOOMS)), key=lambda i: abs(ZOOMS[i] - zoom))
    return ZOOMS[min(max(nearest + steps, 0), len(ZOOMS) - 1)] if steps else 1.0


class PageText(QTextBrowser):
    """The text itself. `zoom_wanted(steps)` from the wheel and the keys, 0 for the usual size; `find_wanted()`;
    `completed()` when the page can be filled again with all its equations."""

    zoom_wanted = Signal(int)
    find_wanted = Signal()
    completed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pageText")
        self.setProperty("page", True)
        self.setOpenLinks(False)
        self.setCursorWidth(0)  # it is read, and not written
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextBrowserInteraction | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.document().documentLayout().registerHandler(EQUATION, Equations(self))
        self._waits_for: list[Wanted] = []
        typesetter.ready.connect(self._set)

    def fill(self, page: Page, font: QFont, zoom: float) -> None:
        """Show a page. Equations that were never set stand there as LaTeX, until they are: then `completed()`."""
        self._waits_for = typesetter.ask(fill(self.document(), page, font, zoom, look.theme))
        self.moveCursor(QTextCursor.MoveOperation.Start)

    def _set(self, wanted: list[Wanted]) -> None:
        if wanted and wanted == self._waits_for:
            self.completed.emit()

    def createMimeDataFromSelection(self) -> QMimeData:
        """Copied text has equations as LaTeX. Qt makes what is copied: the clipboard outlives Python, and would ask an
        object that was made there when the application has ended."""
        copied = QPlainTextEdit(plain_text(self.textCursor()))
        copied.selectAll()
        return copied.createMimeDataFromSelection()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom_wanted.emit(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
        else:
            super().wheelEvent(event)

    def event(self, event: QEvent) -> bool:
        if event.type() is QEvent.Type.ShortcutOverride and self._do(event, only_ask=True):
            event.accept()  # here, these keys belong to the page and not to the window
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._do(event):
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and event.key() in NAVIGATION:
                self.setCursorWidth(1)  # somebody selects by keyboard, and has to see where
            super().keyPressEvent(event)

    def _do(self, event: QKeyEvent, only_ask: bool = False) -> bool:
        """Whether this key is for the page itself; then it is done."""
        steps = {Qt.Key.Key_Plus: 1, Qt.Key.Key_Equal: 1, Qt.Key.Key_Minus: -1, Qt.Key.Key_0: 0}
        control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if event.matches(QKeySequence.StandardKey.Find):
            do = self.find_wanted.emit
        elif control and event.key() in steps:
            do = lambda: self.zoom_wanted.emit(steps[event.key()])  # noqa: E731
        else:
            return False
        if not only_ask:
            do()
        return True


class TextPage(QWidget):
    """Shows a `Page`, with zoom (Ctrl and wheel), find (Ctrl+F), and text to select and copy.

    `followed(target)` when a link was clicked, or chosen with Tab and Enter; `zoomed(factor)` when a person changed it.
    """

    followed = Signal(str)
    zoomed = Signal(float)

    def __init__(self, zoom: float = 1.0, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.page: Page | None = None
        self._zoom = zoom
        self.text = PageText(self)
        self.text.setAccessibleName("Page")
        self.text.anchorClicked.connect(lambda url: self.followed.emit(url.toString()))
        self.text.completed.connect(self._show_again)
        self.text.zoom_wanted.connect(self._zoom_by)
        self.text.find_wanted.connect(self.find)
        self._find = _FindBar(self)
        self._find.sought.connect(self._seek)
        self._find.left.connect(self.text.setFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(self.text, 1)
        column.addWidget(self._find)
        self.setFocusProxy(self.text)
        look.changed.connect(self._show_again)

    def show_page(self, page: Page) -> None:
        """Show it from its beginning."""
        self.page = page
        self._fill()
        self.text.setAccessibleDescription(page.plain)  # equations as LaTeX, for whoever has the page read out
        self.text.verticalScrollBar().setValue(0)

    def find(self) -> None:
        """Ask for words to look for in this page."""
        self._find.begin(self.text.textCursor().selectedText())

    @property
    def scrolled(self) -> int:
        """How far down it is, to come back to."""
        return self.text.verticalScrollBar().value()

    @scrolled.setter
    def scrolled(self, value: int) -> None:
        self.text.verticalScrollBar().setValue(value)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._show_again()

    def _zoom_by(self, steps: int) -> None:
        chosen = zoomed(self._zoom, steps)
        if chosen != self._zoom:
            self._zoom = chosen
            self._show_again()
            self.zoomed.emit(chosen)

    def _fill(self) -> None:
        assert self.page is not None
        self.text.fill(self.page, self.font(), self._zoom)

    def _show_again(self) -> None:
        """The same page in another look, at the same place."""
        if self.page is None:
            return
        bar = self.text.verticalScrollBar()
        share = bar.value() / max(1, bar.maximum())
        self._fill()
        bar.setValue(round(share * bar.maximum()))

    def _seek(self, words: str, back: bool) -> None:
        flags = QTextDocument.FindFlag.FindBackward if back else QTextDocument.FindFlag(0)
        if not words:
            self._find.say_found(True)
            return
        found = self.text.find(words, flags)
        if not found:  # from the other end
            cursor = self.text.textCursor()
            end = QTextCursor.MoveOperation.End if back else QTextCursor.MoveOperation.Start
            place = cursor.position()
            cursor.movePosition(end)
            self.text.setTextCursor(cursor)
            found = self.text.find(words, flags)
            if not found:
                cursor.setPosition(place)
                self.text.setTextCursor(cursor)
        self._find.say_found(found)


class _FindBar(QWidget):
    """Words to look for. `sought(words, backwards)`, `left()` when it closes."""

    sought = Signal(str, bool)
    left = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, visible=False)
        self._words = QLineEdit(placeholderText="Find in this page")
        self._words.setObjectName("pageFind")
        self._words.setAccessibleName("Find in this page")
        self._words.setClearButtonEnabled(True)
        self._words.returnPressed.connect(lambda: self.sought.emit(self._words.text(), False))
        self._words.textEdited.connect(lambda text: self.sought.emit(text, False))
        self._none = label("not found", "small")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE // 2)
        row.addWidget(self._words, 1)
        row.addWidget(self._none)
        for icon, tip, do in (
            ("chevron-up", "Find the one before", lambda: self.sought.emit(self._words.text(), True)),
            ("chevron-down", "Find the next", lambda: self.sought.emit(self._words.text(), False)),
            ("discard", "Close", self._leave),
        ):
            button = QToolButton(toolTip=tip)
            button.setAccessibleName(tip)
            dress(button, icon, "muted")
            button.clicked.connect(lambda _=False, do=do: do())
            row.addWidget(button)

    def begin(self, words: str) -> None:
        self.show()
        self.say_found(True)
        if words:
            self._words.setText(words)
        self._words.selectAll()
        self._words.setFocus()

    def say_found(self, found: bool) -> None:
        self._none.setVisible(not found)
        set_role(self._words, "invalid", not found)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self._leave()
        else:
            super().keyPressEvent(event)

    def _leave(self) -> None:
        self.hide()
        self.left.emit()
