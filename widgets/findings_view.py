"""What the doctor noticed in a run: each finding with how it was measured, and what may help, one click away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.config import RunConfig
from dgm_studio.number_texts import thousands, typeset
from dgm_studio.store.records import Noted
from dgm_studio.treatment import begins_anew, title_of, treated
from widgets.building import empty, folded, label, scrolled
from widgets.icons import dress
from widgets.theme import SPACE

HIGHEST = 300  # px that findings may take of the page; what is more is scrolled to
WIDEST = 200  # px of a line on a button: more would not fit the page at its narrowest


class FindingsView(QWidget):
    """One line of what was noticed in a run, and below it the findings, of which the newest is open.
    `way_chosen(changes)`: a person wants a run with these changes (see `models.learning.base.Ways`)."""

    way_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("findings")
        self.setProperty("helpPage", "guide:doctor")
        self._shown: tuple[object, ...] = ()
        self.cards: list[FindingCard] = []
        self._picture = _picture("check", "good")
        self._line = label("", "muted", "doctorLine", wrap=True)
        head = QHBoxLayout()
        head.setSpacing(SPACE // 2)
        head.addWidget(self._picture)
        head.addWidget(self._line, 1)
        content = QWidget()
        self._column = QVBoxLayout(content)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SPACE // 2)
        self._column.addStretch(1)
        self._area = _Tall(content)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addLayout(head)
        column.addWidget(self._area)
        self.hide()

    @property
    def line(self) -> str:
        return self._line.text()

    def show_findings(
        self, noted: Sequence[Noted], config: RunConfig | None, can_train: bool, watched: Sequence[str] = ()
    ) -> None:
        """`watched`: what the doctor looks for in this run; nothing is said of a run in which it looks for nothing and
        has found nothing."""
        shown = (tuple(map(id, noted)), tuple(f.step for f in noted), config, can_train, tuple(watched))
        if shown == self._shown:
            return
        self._shown = shown
        many = len(noted)
        self._line.setText(
            "The doctor has noticed nothing." if not many else
            f"The doctor noticed {'this' if many == 1 else f'{many} things'}:"
        )  # fmt: skip
        self._line.setToolTip(f"It looks for {', '.join(watched)}." if watched else "")
        dress(self._picture, "warn" if noted else "check", "warn" if noted else "good")
        empty(self._column)
        self.cards = []
        for finding in noted:
            ways = {way: changes for way, changes in finding.changes.items() if can_train and config is not None}
            card = FindingCard(finding, {w: c for w, c in ways.items() if treated(config, c) is not None})  # type: ignore[arg-type]
            card.way_chosen.connect(self.way_chosen)
            card.opened.connect(self._open_only)
            self.cards.append(card)
            self._column.insertWidget(self._column.count() - 1, card)
        self._area.setVisible(bool(noted))
        self.setVisible(bool(noted or watched))
        if self.cards:
            self._open_only(self.cards[-1])

    def _open_only(self, chosen: FindingCard) -> None:
        for card in self.cards:
            card.set_open(card is chosen)
        self._area.updateGeometry()


class FindingCard(QFrame):
    """A finding: its name and step, and when it is open what it says, how it was measured, and a button for each way to
    go on."""

    way_chosen = Signal(object)
    opened = Signal(object)

    def __init__(self, finding: Noted, ways: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.finding = finding
        self.setProperty("message", "warn")
        self.head = QToolButton(checkable=True)
        self.head.setObjectName("findingHead")
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.head.setText(f"{finding.kind[:1].upper()}{finding.kind[1:]}")
        self.head.setAccessibleName(f"{finding.kind}, noticed at step {finding.step}")
        self.head.clicked.connect(self._clicked)
        when = label(f"step {thousands(finding.step)}", "small")
        row = QHBoxLayout()
        row.addWidget(self.head, 1)
        row.addWidget(when)
        self.text = _plain(f"{finding.text} {finding.remedy}".rstrip(), "", "findingText")
        self.measured = _plain(
            f"How it was measured: {finding.measured}" if finding.measured else "", "small", "measured"
        )
        self.measured.setVisible(bool(finding.measured))
        self.inside = QWidget()
        self.inside.setProperty("plain", True)
        column = QVBoxLayout(self.inside)
        column.setContentsMargins(SPACE // 2, 0, SPACE // 2, SPACE // 2)
        column.setSpacing(SPACE // 2)
        column.addWidget(self.text)
        column.addWidget(self.measured)
        self.buttons: list[QPushButton] = []
        for way, changes in ways.items():
            title = typeset(title_of(way, changes))
            button = QPushButton(title)
            button.ensurePolished()
            button.setText(folded(title, button.fontMetrics(), WIDEST))
            button.setAccessibleName(title)
            button.setObjectName("findingWay")
            begin = "begins anew" if begins_anew(changes) else "goes on from the newest kept state of this one"
            button.setToolTip(f"Train a run that {begin}, with this changed.")
            button.clicked.connect(lambda _=False, changes=changes: self.way_chosen.emit(changes))
            column.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)
            self.buttons.append(button)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(SPACE // 2, 2, SPACE, 2)
        whole.setSpacing(SPACE // 2)
        whole.addLayout(row)
        whole.addWidget(self.inside)
        self.set_open(False)

    def set_open(self, open_: bool) -> None:
        self.head.setChecked(open_)
        self.inside.setVisible(open_)
        dress(self.head, "chevron-down" if open_ else "chevron-right", "muted")

    def _clicked(self) -> None:
        if self.head.isChecked():
            self.opened.emit(self)
        else:
            self.set_open(False)


def _plain(text: str, role: str, name: str) -> QLabel:
    """What may come from a file that somebody else made."""
    result = label(typeset(text), role, name, wrap=True)
    result.setTextFormat(Qt.TextFormat.PlainText)
    result.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return result


def _picture(name: str, role: str) -> QToolButton:
    result = QToolButton(focusPolicy=Qt.FocusPolicy.NoFocus)
    result.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    dress(result, name, role)
    return result


class _Tall(QWidget):
    """As high as its content, up to HIGHEST."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self._content = content
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(scrolled(content, "findingsScroll"))

    def sizeHint(self) -> QSize:
        layout = self._content.layout()
        assert layout is not None
        layout.activate()
        width = max(self.width() - SPACE * 3 // 2, 200)
        return QSize(260, min(HIGHEST, layout.totalHeightForWidth(width) + 2))

    def minimumSizeHint(self) -> QSize:
        return QSize(200, min(self.sizeHint().height(), 90))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()
