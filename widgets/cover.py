"""The picture of a card: of a preset, a lesson, a project."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.building import Card, label
from widgets.icons import drawn
from widgets.theme import SPACE, look

CARD_WIDTH = 208  # px, at least, of a card with a picture
PICTURE_HEIGHT = 100


class Cover(QWidget):
    """A picture, whole, in the middle of its place with rounded corners; sharp pixels when it is small."""

    def __init__(self, path: Path | None, height: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._path, self._pixmap = path, QPixmap()  # read when it is seen first: there are many, and few are in view
        self.setFixedHeight(height)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        look.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        area = QRectF(self.rect())
        if self._path is not None:
            self._pixmap, self._path = QPixmap(str(self._path)), None  # stays null without a file
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            path = QPainterPath()
            path.addRoundedRect(area, 6, 6)
            painter.setClipPath(path)
            painter.fillRect(area, look.theme.raised)
            if self._pixmap.isNull():
                side = 40
                mark = drawn("curves", look.theme.muted, 2 * side)
                painter.drawPixmap(
                    QRectF(area.center().x() - side / 2, area.center().y() - side / 2, side, side),
                    mark,
                    QRectF(mark.rect()),
                )
                return
            size = self._pixmap.size()
            scaled = size.scaled(area.size().toSize(), Qt.AspectRatioMode.KeepAspectRatio)
            enlarged = scaled.width() > 2 * size.width()
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not enlarged)
            target = QRectF(0, 0, scaled.width(), scaled.height())
            target.moveCenter(area.center())
            painter.drawPixmap(target, self._pixmap, QRectF(self._pixmap.rect()))


def picture_card(name: str, title: str, text: str, picture: Path | None) -> Card:
    """A card to click: its picture, what it is called, and a text, which is read out as well."""
    card = Card(clickable=True, margin=SPACE)
    card.setObjectName(name)
    card.setMinimumWidth(CARD_WIDTH)
    card.setAccessibleName(title)
    card.setAccessibleDescription(text)
    card.setToolTip(text)
    card.column.setSpacing(SPACE // 2)
    card.column.addWidget(Cover(picture, PICTURE_HEIGHT))
    card.column.addWidget(label(title, "strong", wrap=True))
    card.column.addWidget(label(text, "small", wrap=True))
    card.column.addStretch(1)
    return card
