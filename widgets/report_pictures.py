"""Pictures of a report, in groups, with sharp pixels."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from dgm_studio.reports import Pictures
from widgets.pictures import to_image
from widgets.saving import Form, Offer, copy_image, open_menu, png, sample_offers, save_as
from widgets.theme import SPACE, look, px, tabular

SIDES = (40, 64)  # px: a small picture is enlarged by a whole number to about this, so that rows are filled best
FEW, LARGE = 4, 160  # so many pictures at most may have a side of so many px
CAPTION = 15  # px
GAP = 3  # px between the pictures of a group
NEAR = 0.8  # of the width that could be used, where names then fit or rows are full


@dataclass(frozen=True)
class _Places:
    """Where everything goes at some width."""

    picture: QSize
    columns: int  # groups in a row
    group: QSize
    heads: tuple[str, ...]  # above the pictures of each group: what they are, or numbers
    key: str  # what the numbers stand for; empty where there are none
    explained: int  # height of the key
    head: int  # height of the key and the heads
    gap: int  # between groups below each other

    @property
    def used(self) -> int:
        return self.columns * (self.group.width() + 2 * SPACE) - 2 * SPACE

    def origin(self, group: int) -> tuple[int, int]:
        row, column = divmod(group, self.columns)
        return column * (self.group.width() + 2 * SPACE), self.head + row * (self.group.height() + self.gap)


class PictureGroups(QWidget):
    """As many groups in a row as fit, or a few less where their names then fit above them, or all rows are full; one if
    they are stacked. The height follows from the width."""

    def __init__(self, report: Pictures) -> None:
        super().__init__()
        self.setObjectName("report-pictures")
        self.report = report
        self._images = [to_image(picture) for picture in report.pictures]
        font = tabular(self.font())
        font.setPixelSize(px(10))
        self.setFont(font)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName(report.title)
        look.changed.connect(self.update)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        places = self._places(width)
        rows = -(-len(self._images) // (len(self.report.group) * places.columns))
        return places.head + rows * (places.group.height() + places.gap) - places.gap

    def sizeHint(self) -> QSize:
        return QSize(600, self.heightForWidth(600))

    def minimumSizeHint(self) -> QSize:
        return self._places(1).group

    def _places(self, width: int) -> _Places:
        pixels = self.report.pictures.shape[3], self.report.pictures.shape[2]
        most = LARGE if len(self._images) <= FEW else SIDES[1]
        smallest, largest = (max(1, side // max(pixels)) for side in (SIDES[0], most))
        sizes = [QSize(pixels[0] * scale, pixels[1] * scale) for scale in range(smallest, largest + 1)]
        found = [self._placed(size, width) for size in sizes]
        best = max(found, key=lambda places: places.used if places.used <= width else -places.used)
        groups = len(self._images) // len(self.report.group)
        near = [places for places in found if NEAR * best.used <= places.used <= width]
        return max(near, key=lambda at: (not at.key, groups % at.columns == 0, at.used), default=best)

    def _placed(self, picture: QSize, width: int) -> _Places:
        size = len(self.report.group)
        caption = CAPTION if self.report.captions else 0
        group = QSize(size * (picture.width() + GAP) - GAP, picture.height() + caption)
        stacked = self.report.stacked
        fits = 1 if stacked else max(1, (width + 2 * SPACE) // (group.width() + 2 * SPACE))
        columns = min(fits, max(1, len(self._images) // size))
        heads, key = self._heads(picture.width() - GAP)
        flags = Qt.TextFlag.TextWordWrap
        explained = self.fontMetrics().boundingRect(QRect(0, 0, max(width, group.width()), 9999), flags, key).height()
        explained = explained + GAP if key else 0
        head = explained + CAPTION + 2 if any(heads) else 0
        return _Places(picture, columns, group, heads, key, explained, head, GAP if stacked else SPACE)

    def _heads(self, width: int) -> tuple[tuple[str, ...], str]:
        """What stands above the pictures of a group: their names where these fit, else numbers, and what those mean."""
        names = self.report.group
        if len(names) < 2 or all(self.fontMetrics().horizontalAdvance(name) <= width for name in names):
            return names, ""
        entries = [f"{n} {name}".replace(" ", "\N{NO-BREAK SPACE}") for n, name in enumerate(names, 1)]
        return tuple(str(n + 1) for n in range(len(names))), "    ".join(entries)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter, self._places(self.width()), QColor(look.theme.muted))

    def _paint(self, painter: QPainter, places: _Places, colour: QColor) -> None:
        size, captions = len(self.report.group), self.report.captions
        painter.setPen(colour)
        if places.key:
            box = QRect(0, 0, max(places.used, self.width()), places.explained)
            painter.drawText(box, Qt.TextFlag.TextWordWrap, places.key)
        for i, image in enumerate(self._images):
            group, member = divmod(i, size)
            left, top = places.origin(group)
            left += member * (places.picture.width() + GAP)
            target = QRect(left, top, places.picture.width(), places.picture.height())
            painter.drawImage(target, image)  # without smoothing: pixels stay sharp
            painter.setPen(QColor(look.theme.border))  # an edge, for pictures that are white or black
            painter.drawRect(target.adjusted(-1, -1, 0, 0))
            painter.setPen(colour)
            below = QRect(left - GAP, target.bottom() + 1, places.picture.width() + 2 * GAP, CAPTION)
            if captions and captions[i]:
                painter.drawText(below, Qt.AlignmentFlag.AlignCenter, captions[i])
            if size > 1 and group < places.columns:
                above = QRect(left - GAP, places.explained, places.picture.width() + 2 * GAP, CAPTION)
                painter.drawText(above, Qt.AlignmentFlag.AlignCenter, places.heads[member])

    def offers(self) -> list[Offer]:
        """All of it as one picture on white, or each picture as a file, in which pixels are what they are."""
        form = Form(".png", "Picture, PNG", lambda: png(self.picture()))
        return [
            Offer("savePicture", "Save picture …", lambda: save_as(self, self.report.title, [form])),
            Offer("copyPicture", "Copy picture", lambda: copy_image(self.picture())),
            *(
                offer
                for offer in sample_offers(self, self.report.title, self.report.pictures)
                if offer.key == "saveEach"
            ),
        ]

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        open_menu(self, event.globalPos())

    def picture(self) -> QImage:
        """All of it on white, twice as large as a window of usual width shows it: for a file."""
        width = max(720, self._places(1).group.width())
        image = QImage(2 * width, 2 * self.heightForWidth(width), QImage.Format.Format_RGB32)
        image.fill(Qt.GlobalColor.white)
        with QPainter(image) as painter:
            painter.scale(2, 2)
            painter.setFont(self.font())
            self._paint(painter, self._places(width), QColor("black"))
        return image
