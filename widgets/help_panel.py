"""The help to read beside the form: contents with a search, pages, and the way back."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QStackedWidget,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.datasets.sources import SOURCES
from dgm_studio.help_pages import KINDS, completed, help_page, help_pages, search
from models.catalog import FAMILIES, LEARNINGS
from widgets.building import Card
from widgets.icons import dress
from widgets.text_page import TextPage
from widgets.theme import SPACE

ADDRESS = Qt.ItemDataRole.UserRole
HISTORY = 100  # pages that can be gone back to


class HelpPanel(Card):
    """Shows pages by their addresses. `setting_wanted(group.field)`, `preset_wanted(key)`, `lesson_wanted(key)` when a
    link to one was followed, `zoomed(factor)` when a person changed the size of the text.

    It follows what is chosen in the form (`follow`) while it is visible and not pinned.
    """

    setting_wanted = Signal(str)
    preset_wanted = Signal(str)
    lesson_wanted = Signal(str)
    zoomed = Signal(float)

    def __init__(self, zoom: float = 1.0, parent: QWidget | None = None) -> None:
        super().__init__(parent, margin=SPACE)
        self.setObjectName("helpPanel")
        self.address = ""  # of the page that is shown; empty for the contents
        self._behind: list[tuple[str, int]] = []  # addresses and how far they were scrolled
        self._ahead: list[tuple[str, int]] = []
        self._followed = ""  # what was chosen in the form and not shown yet
        self.text = TextPage(zoom)
        self.text.followed.connect(self._go)
        self.text.zoomed.connect(self.zoomed)
        self.contents = _Contents()
        self.contents.chosen.connect(self._choose)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.contents)
        self._stack.addWidget(self.text)
        self.pin = QToolButton(checkable=True)
        row = QHBoxLayout()
        row.setSpacing(0)
        self._back = self._button("back", "Back", "Alt+Left", self.back)
        self._forward = self._button("forward", "Forward", "Alt+Right", self.forward)
        contents = self._button("contents", "All pages, and search", "", self.show_contents)
        find = self._button("search", "Find in this page", "", self._find)
        self._find_button = find
        for button in (self._back, self._forward, contents, find):
            row.addWidget(button)
        row.addStretch(1)
        self.pin.setObjectName("helpPin")
        self.pin.setToolTip("Stay at this page, whatever is chosen in the form")
        self.pin.setAccessibleName("Stay at this page")
        self.pin.setIconSize(QSize(16, 16))
        dress(self.pin, "pin", "muted")
        self.pin.toggled.connect(lambda on: None if on else self._catch_up())
        row.addWidget(self.pin)
        self.column.setSpacing(SPACE // 2)
        self.column.addLayout(row)
        self.column.addWidget(self._stack, 1)
        self._mark()

    def open(self, address: str) -> bool:
        """Show the page at an address and remember the one before. Whether there is one."""
        if help_page(address) is None:
            return False
        self._followed = ""
        if address != self.address or self._stack.currentWidget() is not self.text:
            self._leave(self._behind)
            self._ahead.clear()
            self._show(address)
        return True

    def follow(self, address: str) -> None:
        """The page of what is now chosen in the form."""
        self._followed = address
        self._catch_up()

    def show_contents(self) -> None:
        """All pages, and the line to search them."""
        if self._stack.currentWidget() is not self.contents:
            self._leave(self._behind)
            self._ahead.clear()
            self._show("")
        self.contents.begin()

    def back(self) -> None:
        self._turn(self._behind, self._ahead)

    def forward(self) -> None:
        self._turn(self._ahead, self._behind)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._catch_up()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Back):
            self.back()
        elif event.matches(QKeySequence.StandardKey.Forward):
            self.forward()
        else:
            super().keyPressEvent(event)

    def _catch_up(self) -> None:
        if self._followed and self.isVisible() and not self.pin.isChecked():
            self.open(self._followed)

    def _choose(self, address: str) -> None:
        self.open(address)
        self.text.setFocus()

    def _find(self) -> None:
        if self._stack.currentWidget() is self.text:
            self.text.find()
        else:
            self.contents.begin()

    def _go(self, target: str) -> None:
        kind, _, key = target.partition(":")
        if kind == "setting":
            self.setting_wanted.emit(key)
        elif kind == "preset":
            self.preset_wanted.emit(key)
        elif kind == "lesson":
            self.lesson_wanted.emit(key)
        else:
            self.open(target)

    def _turn(self, here: list[tuple[str, int]], there: list[tuple[str, int]]) -> None:
        if here:
            self._leave(there)
            address, scrolled = here.pop()
            self._show(address)
            self.text.scrolled = scrolled

    def _leave(self, to: list[tuple[str, int]]) -> None:
        if self.address or self.contents.tree.topLevelItemCount():  # something was shown
            to.append((self.address, self.text.scrolled))
            del to[:-HISTORY]

    def _show(self, address: str) -> None:
        self.address = address
        entry = help_page(address)
        if entry is None:
            self.contents.fill()
            self._stack.setCurrentWidget(self.contents)
        else:
            self.text.show_page(completed(entry))
            self._stack.setCurrentWidget(self.text)
        self._mark()

    def _mark(self) -> None:
        self._back.setEnabled(bool(self._behind))
        self._forward.setEnabled(bool(self._ahead))
        self._find_button.setEnabled(self.address != "")

    def _button(self, icon: str, tip: str, keys: str, do: object) -> QToolButton:
        button = QToolButton()
        button.setObjectName(f"help-{icon}")
        button.setToolTip(f"{tip} ({keys})" if keys else tip)
        button.setAccessibleName(tip)
        button.setIconSize(QSize(16, 16))
        dress(button, icon, "muted")
        button.clicked.connect(lambda _=False: do())
        return button


class _Contents(QWidget):
    """All pages by kind, or those in which words stand. `chosen(address)`."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = QLineEdit(placeholderText="Search all pages")
        self._words.setObjectName("helpSearch")
        self._words.setAccessibleName("Search all help pages")
        self._words.setClearButtonEnabled(True)
        self._words.textChanged.connect(lambda _: self._seek())
        self._words.returnPressed.connect(self._first)
        self.tree = QTreeWidget(headerHidden=True, rootIsDecorated=False, indentation=SPACE)
        self.tree.setObjectName("helpContents")
        self.tree.setAccessibleName("Help pages")
        self.tree.setWordWrap(True)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.itemActivated.connect(self._activate)
        self.tree.itemClicked.connect(self._activate)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(self._words)
        column.addWidget(self.tree, 1)

    def begin(self) -> None:
        """Make ready to search."""
        self._words.selectAll()
        self._words.setFocus()

    def fill(self) -> None:
        """List the pages, at the first time."""
        if not self.tree.topLevelItemCount():
            self._seek()

    def _seek(self) -> None:
        words = self._words.text().strip()
        self.tree.clear()
        if words:
            for found in search(words):
                item = QTreeWidgetItem(self.tree, [f"{found.help.title}\n{found.excerpt}"])
                item.setData(0, ADDRESS, found.help.address)
                item.setToolTip(0, found.excerpt)
            if not self.tree.topLevelItemCount():
                QTreeWidgetItem(self.tree, ["No page has these words."]).setFlags(Qt.ItemFlag.NoItemFlags)
            return
        order = {f"family:{family.key}": place for place, family in enumerate(FAMILIES)}
        order |= {f"learner:{rule.key}": place for place, rule in enumerate(LEARNINGS)}
        order |= {f"data:{source.key}": place for place, source in enumerate(SOURCES)}
        for kind, title in KINDS.items():
            entries = [entry for entry in help_pages() if entry.kind == kind]
            if not entries:
                continue
            group = QTreeWidgetItem(self.tree, [title.title()])
            bold = group.font(0)
            bold.setBold(True)
            group.setFont(0, bold)
            group.setFlags(Qt.ItemFlag.ItemIsEnabled)
            for entry in sorted(entries, key=lambda entry: order.get(entry.address, 0)):
                item = QTreeWidgetItem(group, [entry.title])
                item.setData(0, ADDRESS, entry.address)
        self.tree.expandAll()

    def _activate(self, item: QTreeWidgetItem) -> None:
        address = item.data(0, ADDRESS)
        if address:
            self.chosen.emit(address)

    def _first(self) -> None:
        item = self.tree.topLevelItem(0)
        if item is not None:
            self._activate(item)
