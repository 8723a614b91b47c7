"""What a model that generates in order has drawn: completions that grow, and what it said of each pixel."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout

from dgm_studio.questions.completions import Completions
from models.spec import DataSpec, Support
from widgets.colormaps import viridis
from widgets.explorers.parts import Caption, ColourBar, HeadedCard, Segments, fill
from widgets.explorers.player import Player
from widgets.picture_view import PictureView
from widgets.pictures import tile
from widgets.theme import SPACE, look

COLUMNS, ROWS = 4, 2
NOT_YET, GAP = 0.12, 0.2  # greys of a pixel whose turn has not come, and of what is between pictures
MEAN, SURPRISE = "mean", "surprise"


class CompletionSheet(PictureView):
    """Several completions in a grid; the chosen one has a frame."""

    def __init__(self) -> None:
        super().__init__(minimum=160)
        self.chosen = 0

    def show_growing(self, values: np.ndarray, made: np.ndarray) -> None:
        """Pictures (n, C, H, W) in 0…1, of which the pixels are there that `made` (broadcast) says."""
        blank = np.full((COLUMNS * ROWS, *values.shape[1:]), NOT_YET, np.float32)
        blank[: len(values)] = np.where(made, values, NOT_YET)
        edge = (max(1, values.shape[-1] // 28),) * 2
        padded = np.pad(blank, ((0, 0), (0, 0), edge, edge), constant_values=GAP)
        self.show_picture(tile(padded, COLUMNS, gap=0))

    def paint_over(self, painter: QPainter, target: QRectF) -> None:
        width, height = target.width() / COLUMNS, target.height() / ROWS
        column, row = self.chosen % COLUMNS, self.chosen // COLUMNS
        painter.setPen(QPen(QColor(look.theme.accent), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(target.x() + column * width, target.y() + row * height, width, height))

    def at(self, place: QPointF) -> int | None:
        """Which completion lies at a place of the picture."""
        if self.picture is None:
            return None
        _, height, width = self.picture.shape
        if not (0 <= place.x() < width and 0 <= place.y() < height):
            return None
        return int(place.y() / height * ROWS) * COLUMNS + int(place.x() / width * COLUMNS)


class PixelHeat(HeadedCard):
    """What the model said of each pixel of one completion: what it expected there, or how surprised it was by what
    stands there."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__("Framed completion")
        self._spec = spec
        self._bits = spec.support is Support.BITS and spec.event_shape[0] == 1
        self._colours = spec.event_shape[0] == 3
        self._shown: tuple[Completions, int, float] | None = None
        self._place: tuple[int, int] | None = None
        what = "P(white)" if self._bits else "Expected"
        tip = (
            "P(xₖ = 1 | those before k), also where xₖ was known"
            if self._bits
            else "E[xₖ | those before k], also where xₖ was known"
        )
        surprise = "−log p(xₖ | those before k) of the value that stands there, in nats"
        self.choice = Segments([(MEAN, what, tip), (SURPRISE, "Surprise", surprise)], "heat")
        self.choice.chosen.connect(lambda key: self._refresh())
        self.head.addWidget(self.choice)
        self.view = PictureView(minimum=120)
        self.view.setObjectName("probability")
        self.view.pressed.connect(self._read)
        self.view.moved.connect(self._read)
        self.bar = ColourBar(viridis, "0", "0.5", "1")
        keep = self.bar.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(keep)
        self.total, self.pixel = Caption(name="total"), Caption(name="pixel")
        for text in (self.total, self.pixel):  # however long, the window keeps its width
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.column.addWidget(self.view, 1)
        fill(self.column, self.bar, self.total, self.pixel)
        look.changed.connect(self._refresh)

    def clear(self) -> None:
        """Show nothing, until there is a completion."""
        self._shown = None
        self.view.show_picture(None)
        self.total.setText(" ")
        self.pixel.setText(" ")

    def show_completion(self, answer: Completions, chosen: int, done: float) -> None:
        self._shown = (answer, chosen, done)
        self._refresh()

    def _refresh(self) -> None:
        if self._shown is None:
            return
        answer, chosen, done = self._shown
        made = answer.place < done
        surprise = -answer.log_prob[chosen]
        if self.choice.key == SURPRISE:
            # on the scale of the whole, so that colours do not change while it grows; all channels of a pixel together
            per_pixel = surprise.sum(0)
            top = max(float(per_pixel.max()), 1e-3)
            picture = viridis(np.where(made, surprise, 0).sum(0) / top)
            self.bar.explain(viridis, "0", f"{top / 2:.2g}", f"{top:.2g} nats")
        elif self._colours:
            mean = (answer.mean[chosen] / self._spec.brightest).clip(0, 1)
            picture = np.round(np.where(made, mean, 0) * 255).astype(np.uint8)
        else:
            top = self._spec.brightest
            picture = viridis(answer.mean[chosen].mean(0) / top)
            self.bar.explain(viridis, "0", f"{top / 2:g}", f"{top:g}")
        waiting = ~made.any(0)
        picture[:, waiting] = np.array(QColor(look.theme.raised).getRgb()[:3], np.uint8)[:, None]
        self.bar.setVisible(not (self._colours and self.choice.key == MEAN))
        self.view.show_picture(picture)
        known = float(surprise[answer.known].sum())
        total = float(surprise.sum())
        bits = total / surprise.size / math.log(2)
        self.total.setText(
            f"−log p = <b>{total:.1f}</b> nats ({bits:.3f} bits a value): known {known:.1f}, drawn {total - known:.1f}"
        )
        self._say_pixel()

    def _read(self, place: QPointF) -> None:
        _, height, width = self._spec.event_shape
        row, column = math.floor(place.y()), math.floor(place.x())
        self._place = (row, column) if 0 <= row < height and 0 <= column < width else None
        self._say_pixel()

    def _say_pixel(self) -> None:
        """The numbers of the pixel that was pressed last."""
        if self._shown is None or self._place is None:
            self.pixel.setText("Press on a pixel to read its numbers.")
            return
        answer, chosen, _ = self._shown
        at = (chosen, slice(None), *self._place)
        form = "{:.2f}".format if self._bits else "{:.3g}".format
        mean, value = (", ".join(map(form, values[at].tolist())) for values in (answer.mean, answer.x))
        of = "P(white)" if self._bits else "expected"
        surprise = float(-answer.log_prob[at].sum())
        stands = ("white" if answer.x[at] else "black") if self._bits else value
        row, column = self._place
        self.pixel.setText(
            f"row {row + 1}, column {column + 1}: {of} {mean}, is {stands}; surprise {surprise:.2f} nats"
        )


class GrowingCard(HeadedCard):
    """The sheet of completions with its player, and what stands below: settings and a note."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__("Completions")
        self.setToolTip("xₖ ~ p(xₖ | those before k), for one k after the other")
        self.sheet = CompletionSheet()
        self.sheet.setObjectName("completions")
        self.player = Player(
            spec.dimensions,
            "Let the completions grow, or hold them",
            "How many values have been drawn",
            "How many values have had their turn in the order",
        )
        self.working = Caption(name="working")
        self.note = Caption(name="orderNote")
        self.note.setWordWrap(True)
        self.options = QVBoxLayout()
        self.options.setSpacing(SPACE // 2)
        self.head.addWidget(self.working)
        self.column.addWidget(self.sheet, 1)
        self.column.addWidget(self.player)
        self.column.addLayout(self.options)
        self.column.addWidget(self.note)
