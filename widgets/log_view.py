"""Everything that was said: found by level and text, with details to unfold, to copy and to save."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QFontDatabase, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from widgets.asking import ask_where
from widgets.building import Card, label
from widgets.icons import dress, icon
from widgets.notices import ICONS, Kind, Log, Notice, Said
from widgets.theme import SPACE, look, tabular

LEVELS: tuple[tuple[str, str, tuple[Kind, ...]], ...] = (
    ("info", "Said", ("info", "good")),
    ("warn", "Warnings", ("warn",)),
    ("bad", "Errors", ("bad",)),
)
NAMES: dict[Kind, str] = {"info": "said", "good": "done", "warn": "warning", "bad": "error"}
SAID = Qt.ItemDataRole.UserRole


class LogView(Card):
    """The messages of a log, the newest last. With `follow` the newest stays in view."""

    def __init__(self, log: Log, parent: QWidget | None = None) -> None:
        super().__init__(parent, margin=SPACE)
        self._log = log
        self._find = QLineEdit(placeholderText="Find messages", clearButtonEnabled=True)
        self._find.setObjectName("findMessages")
        self._find.setAccessibleName("Find messages by words of them or of their details")
        self._find.textChanged.connect(self._filter)
        self._levels: dict[str, QPushButton] = {}
        self._tree = QTreeWidget()
        self._tree.setObjectName("messages")
        self._tree.setAccessibleName("Messages")
        self._tree.setColumnCount(2)
        self._tree.setHeaderHidden(True)
        self._tree.setWordWrap(True)
        self._tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._tree.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._tree.setTabKeyNavigation(False)
        self._tree.header().setStretchLastSection(True)
        self._tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self._tree.setFont(tabular(self._tree.font()))
        copy = QAction("Copy", self._tree, shortcut=QKeySequence(QKeySequence.StandardKey.Copy))
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self._copy)
        self._tree.addAction(copy)
        self._tree.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self._none = label("", "muted", "noMessages", wrap=True)
        self.column.addLayout(self._bar())
        self.column.addWidget(self._tree, 1)
        self.column.addWidget(self._none)
        for said in log.entries:
            self._add(said)
        self._filter()
        log.said.connect(self._said)
        look.changed.connect(self._paint_marks)

    def text(self) -> str:
        """The messages that are shown, with their details."""
        rows = (self._tree.topLevelItem(row) for row in range(self._tree.topLevelItemCount()))
        return "\n".join(row.data(0, SAID).whole() for row in rows if not row.isHidden())

    def _bar(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SPACE // 2)
        row.addWidget(self._find, 1)
        for key, title, kinds in LEVELS:
            button = QPushButton(title, objectName=f"level-{key}", checkable=True, checked=True)
            button.setProperty("segment", True)
            button.setToolTip(f"Show {title.lower()}" if key != "info" else "Show what was said and done")
            dress(button, *ICONS[kinds[0]])
            button.toggled.connect(self._filter)
            self._levels |= dict.fromkeys(kinds, button)
            row.addWidget(button)
        self._follow = QPushButton("Follow", objectName="followMessages", checkable=True, checked=True)
        self._follow.setProperty("segment", True)
        self._follow.setToolTip("Keep the newest message in view")
        self._follow.toggled.connect(lambda on: self._tree.scrollToBottom() if on else None)
        row.addWidget(self._follow)
        for name, tip, picture, do in (
            ("copyMessages", "Copy the messages that are shown, or those that are selected", "duplicate", self._copy),
            ("saveMessages", "Save the messages that are shown", "save", self._save),
            ("clearMessages", "Clear the messages", "delete", self._clear),
        ):
            button = QToolButton(objectName=name, toolTip=tip)
            button.setAccessibleName(tip)
            button.setIconSize(QSize(16, 16))
            dress(button, picture, "muted")
            button.clicked.connect(lambda _=False, do=do: do())
            row.addWidget(button)
        return row

    def _said(self, _: Notice) -> None:
        if not self._log.entries:
            return
        row = self._add(self._log.entries[-1])
        while self._tree.topLevelItemCount() > len(self._log.entries):
            self._tree.takeTopLevelItem(0)
        self._hide(row)
        self._say_none()
        if self._follow.isChecked():
            self._tree.scrollToBottom()

    def _add(self, said: Said) -> QTreeWidgetItem:
        notice = said.notice
        row = QTreeWidgetItem([f"{said.at:%H:%M:%S}", notice.text])
        row.setData(0, SAID, said)
        row.setIcon(0, icon(*ICONS[notice.kind]))
        for column in (0, 1):  # the time stands beside the first line of a long message
            row.setTextAlignment(column, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        row.setToolTip(1, notice.text)
        row.setData(1, Qt.ItemDataRole.AccessibleTextRole, f"{NAMES[notice.kind]}: {notice.text}")
        if said.details:
            details = QTreeWidgetItem(["", said.details])
            details.setFont(1, QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
            row.addChild(details)
        self._tree.addTopLevelItem(row)
        return row

    def _filter(self) -> None:
        for place in range(self._tree.topLevelItemCount()):
            self._hide(self._tree.topLevelItem(place))
        self._say_none()

    def _hide(self, row: QTreeWidgetItem) -> None:
        said: Said = row.data(0, SAID)
        text = said.whole().casefold()
        words = self._find.text().casefold().split()
        row.setHidden(not (self._levels[said.notice.kind].isChecked() and all(word in text for word in words)))

    def _say_none(self) -> None:
        empty = not self._log.entries
        rows = range(self._tree.topLevelItemCount())
        self._none.setText("Nothing was said yet." if empty else "No message matches.")
        self._none.setVisible(empty or all(self._tree.topLevelItem(row).isHidden() for row in rows))

    def _paint_marks(self) -> None:
        for place in range(self._tree.topLevelItemCount()):
            row = self._tree.topLevelItem(place)
            row.setIcon(0, icon(*ICONS[row.data(0, SAID).notice.kind]))

    def _copy(self) -> None:
        """What is selected, or everything that is shown."""
        chosen = self._tree.selectedItems()
        tops = [self._tree.topLevelItem(place) for place in range(self._tree.topLevelItemCount())]
        texts = [top.data(0, SAID).whole() for top in tops if top in chosen or top.child(0) in chosen]
        QGuiApplication.clipboard().setText("\n".join(texts) or self.text())

    def _save(self) -> None:
        name, _ = ask_where(self, "Save the messages", "dgm-studio-messages.txt", "Text (*.txt)")
        if not name:
            return
        try:
            Path(name).write_text(self.text() + "\n", encoding="utf-8")
        except OSError as problem:
            why = problem.strerror or problem
            self._log.say(Notice("bad", f"The messages were not saved to {Path(name).name}: {why}."))

    def _clear(self) -> None:
        self._log.entries.clear()
        self._tree.clear()
        self._say_none()
