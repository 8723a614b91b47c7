"""Where one is in the lecture: its parts and their lessons, with marks of what this project holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QTreeWidget, QTreeWidgetItem, QWidget

from dgm_studio.lessons.format import Lesson
from widgets.lesson.marks import SIDE, Mark
from widgets.theme import SPACE, look, px

KEY = Qt.ItemDataRole.UserRole
NARROWEST, WIDEST = 24 * SPACE, 36 * SPACE  # px


class Contents(QTreeWidget):
    """`chosen(Lesson)` when a line was."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, headerHidden=True, rootIsDecorated=False, indentation=0)
        self.setObjectName("lectureContents")
        self.setAccessibleName("Lessons of the lecture")
        self.setWordWrap(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self._lessons: dict[str, Lesson] = {}
        self._marks: Mapping[str, Mark] = {}
        self._page = 0  # px: the width of the page
        self.itemActivated.connect(self._activate)
        self.itemClicked.connect(self._activate)
        self._fit()
        look.scaled.connect(self._fit)
        look.changed.connect(self._mark_again)

    def show_lessons(self, lessons: Sequence[Lesson]) -> None:
        """List these by the parts of the lecture."""
        self.clear()
        self._lessons = {lesson.key: lesson for lesson in lessons}
        for part, entries in groupby(lessons, key=lambda lesson: lesson.part):
            group = QTreeWidgetItem(self, [part])
            bold = group.font(0)
            bold.setBold(True)
            group.setFont(0, bold)
            group.setFlags(Qt.ItemFlag.ItemIsEnabled)
            for lesson in entries:
                item = QTreeWidgetItem(group, [lesson.title])
                item.setData(0, KEY, lesson.key)
                item.setToolTip(0, lesson.claim)
        self.expandAll()
        self.mark(self._marks)

    def mark(self, marks: Mapping[str, Mark]) -> None:
        """Say how far each is."""
        self._marks = marks
        blank = QPixmap(SIDE, SIDE)
        blank.fill(Qt.GlobalColor.transparent)
        ratio = self.devicePixelRatioF()
        for item in self._items():
            found = marks.get(item.data(0, KEY), Mark.NONE)
            item.setIcon(0, QIcon(found.pixmap(ratio) if found.icon else blank))
            item.setData(0, Qt.ItemDataRole.AccessibleTextRole, f"{item.text(0)} {found.text}".rstrip())

    def show_current(self, key: str) -> None:
        """Mark the line of the lesson that is shown; none for one that is not listed."""
        here = next((item for item in self._items() if item.data(0, KEY) == key), None)
        self.setCurrentItem(here)
        if here is not None:
            self.scrollToItem(here)

    def _items(self) -> list[QTreeWidgetItem]:
        groups = [self.topLevelItem(row) for row in range(self.topLevelItemCount())]
        return [group.child(row) for group in groups for row in range(group.childCount())]

    def _activate(self, item: QTreeWidgetItem) -> None:
        lesson = self._lessons.get(item.data(0, KEY) or "")
        if lesson is not None:
            self.chosen.emit(lesson)

    def _mark_again(self) -> None:
        """The same marks in another theme."""
        self.mark(self._marks)

    def fit(self, page: int) -> None:
        """Take a share of the width of the page."""
        self._page = page
        self._fit()

    def _fit(self) -> None:
        self.setFixedWidth(min(max(self._page * 2 // 9, px(NARROWEST)), px(WIDEST)))
