"""What lies on a plot and takes long to draw."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QImage, QPainter, QTransform
from PySide6.QtWidgets import QWidget


class DrawnItem(pg.GraphicsObject):
    """Drawn once for each change of its content or of the view into an image, so that moving something over it costs no
    more than copying a few pixels of it; into files it is drawn each time, in their size. A subclass says whether
    there is anything (`has_content`), draws on a painter of the plot's coordinates (`draw`) and calls `renew`."""

    def __init__(self) -> None:
        super().__init__()
        self._image: QImage | None = None
        self._drawn_for: object = None

    @property
    def has_content(self) -> bool:
        raise NotImplementedError

    def draw(self, painter: QPainter) -> None:
        """Draw all of it, in the plot's coordinates."""
        raise NotImplementedError

    def draw_image(self, area: QRect, ratio: float) -> QImage:
        """All of it as an image of `area` of the scene, with `ratio` pixels for each."""
        image = QImage(area.size() * ratio, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        image.fill(0)
        painter = QPainter(image)
        painter.setTransform(self.sceneTransform() * QTransform.fromTranslate(-area.x(), -area.y()))
        self.draw(painter)
        painter.end()
        return image

    def renew(self) -> None:
        """It looks otherwise now."""
        self._image = None
        self.update()

    def boundingRect(self) -> QRectF:
        return self.viewRect()

    def viewTransformChanged(self) -> None:
        self.prepareGeometryChange()
        self._image = None

    def dataBounds(self, axis: int, frac: float = 1.0, orthoRange: object = None) -> tuple[None, None]:
        return (None, None)  # the map chooses its own range

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        box = self.getViewBox()
        if box is None or not self.has_content:
            return
        painter.save()
        if widget is None:  # for a file, of another size or a drawing
            self.draw(painter)
        else:
            area = box.mapRectToScene(box.boundingRect()).toAlignedRect()
            ratio = widget.devicePixelRatioF()
            if self._image is None or self._drawn_for != (area, ratio):
                self._image, self._drawn_for = self.draw_image(area, ratio), (area, ratio)
            painter.resetTransform()
            painter.drawImage(area.topLeft(), self._image)
        painter.restore()
