"""The part of an example that a model is given: kept, drawn or left to it, with a brush."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QPushButton

from models.spec import DataSpec, Support
from widgets.canvas import picture_of
from widgets.explorers.brush_tools import BLACK, DRAW, FREE, KEEP, WHITE, BrushTools, ColourInk, GreyInk
from widgets.explorers.parts import ANY_CLASS, HeadedCard, button, class_choice, row_of
from widgets.past import Past
from widgets.pixel_brush import PixelBrush

DIM = 0.25  # of the brightness of what is not known


@dataclass(frozen=True)
class Part:
    """An example, and what of it is known."""

    example: np.ndarray  # (C, H, W)
    known: np.ndarray  # (C, H, W) bool
    painted: np.ndarray  # (C, H, W) bool: known with a value of its own, not the example's
    ink: np.ndarray  # (C, H, W): that value

    @staticmethod
    def nothing(shape: tuple[int, ...]) -> Part:
        no = np.zeros(shape, bool)
        return Part(np.zeros(shape, np.float32), no, no, np.zeros(shape, np.float32))

    @property
    def values(self) -> np.ndarray:
        """What stands in known pixels: (C, H, W)."""
        return np.where(self.painted, self.ink, self.example)

    def keep(self, mask: np.ndarray) -> Part:
        """Pixels (H, W, bool) are known as the example has them."""
        return replace(self, known=self.known | mask, painted=self.painted & ~mask)

    def paint(self, mask: np.ndarray, ink: np.ndarray) -> Part:
        """Pixels are known, of one colour (C,)."""
        painted = np.where(mask, ink[:, None, None], self.ink).astype(np.float32)
        return replace(self, known=self.known | mask, painted=self.painted | mask, ink=painted)

    def free(self, mask: np.ndarray) -> Part:
        """Pixels are left to the model."""
        return replace(self, known=self.known & ~mask, painted=self.painted & ~mask)


class KnownPart(HeadedCard):
    """A picture to paint on, with its tools. `changed` when something else is known; `wanted(label)` asks for an
    example of a class, or of any; `dropped(picture)` brings one from outside, (C, height, width) in 0…1, and
    `refused(why)` says that a file is none."""

    changed = Signal()
    wanted = Signal(object)
    dropped = Signal(object)
    refused = Signal(str)

    def __init__(self, spec: DataSpec) -> None:
        super().__init__("Known part", "the rest is generated")
        self._spec = spec
        channels, height, width = spec.event_shape
        self.part = Part.nothing(spec.event_shape)
        self._past: Past[Part] = Past()
        self.brush = PixelBrush()
        self.brush.setObjectName("part")
        self.brush.setAcceptDrops(True)
        self.brush.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.brush.setToolTip("Paint with the tool below; a picture file can be dropped here")
        self.brush.began.connect(self._remember)
        self.brush.brushed.connect(self._paint)
        self.brush.dropped.connect(self._drop)
        self.brush.refused.connect(self.refused)
        whites = {WHITE: "Draw white pixels", BLACK: "Draw black pixels"}
        plain = spec.support is Support.BITS and channels == 1
        inks = whites if plain else {DRAW: f"Draw pixels in the {'colour' if channels == 3 else 'grey'} below"}
        tips = {KEEP: "Keep pixels of the example", **inks, FREE: "Leave pixels to the model"}
        self.tools = BrushTools(max(height, width), tips)
        self.tools.resized.connect(self._resize)
        self._resize(self.tools.radius)
        self.column.addWidget(self.brush, 1)
        self.column.addWidget(self.tools)
        self.ink: GreyInk | ColourInk | None = None
        if not plain:
            self.ink = ColourInk(spec) if channels == 3 else GreyInk(spec)
            self.ink.changed.connect(lambda _: self.tools.choose(DRAW))
            self.column.addWidget(self.ink)
        self.column.addLayout(row_of(*self._areas()))
        self.classes = class_choice(spec)
        self.classes.activated.connect(self.want)
        another = button("Another example", "another", "Take another test example", self.want)
        self._undo = button("Undo", "undo", "Take the last change back (Ctrl+Z)", self.undo)
        self.column.addLayout(row_of(self.classes, another, self._undo))
        self.tools.choose(KEEP)
        self._show()

    def _areas(self) -> list[QPushButton]:
        _, height, width = self._spec.event_shape
        upper, left = np.zeros((height, width), bool), np.zeros((height, width), bool)
        upper[: height // 2], left[:, : width // 2] = True, True
        everything = np.ones((height, width), bool)
        self._upper = upper
        return [
            button("Upper half", "upper", "Keep the upper half of the example", lambda: self.keep_only(upper)),
            button("Left half", "left", "Keep the left half of the example", lambda: self.keep_only(left)),
            button("All", "all", "Keep all of it, to see how likely it is", lambda: self.keep_only(everything)),
            button("Clear", "nothing", "Leave every pixel to the model", lambda: self.keep_only(~everything)),
        ]

    def set_example(self, example: np.ndarray) -> None:
        """Another example, of which the same pixels are known; the upper half of the first one."""
        first = not self._past.can_undo and not self.part.known.any() and not self.part.example.any()
        self._remember()
        after = replace(self.part, example=example)
        self._become(after.keep(self._upper) if first else after)
        if first:
            self._past.clear()
            self._show()

    def take(self, part: Part) -> None:
        """Know the same as another view of pictures of this kind."""
        if part is not self.part:
            self._become(part)

    def keep_only(self, mask: np.ndarray) -> None:
        """Know these pixels (H, W, bool) of the example, and no others."""
        self._remember()
        nothing = Part.nothing(self._spec.event_shape)
        self._become(replace(nothing, example=self.part.example).keep(mask))

    def want(self) -> None:
        """Ask for another example of the class that is chosen."""
        label = self.classes.currentData()
        self.wanted.emit(None if label == ANY_CLASS else label)

    @property
    def can_undo(self) -> bool:
        return self._past.can_undo

    def undo(self) -> None:
        """Take the last stroke, button or example back."""
        if self._past.can_undo:
            self._become(self._past.undo(self.part))

    def _remember(self) -> None:
        self._past.leave(self.part)

    def _become(self, part: Part) -> None:
        self.part = part
        self._show()
        self.changed.emit()

    def _paint(self, mask: np.ndarray) -> None:
        tool, channels = self.tools.tool, self._spec.event_shape[0]
        if tool == KEEP:
            after = self.part.keep(mask)
        elif tool == FREE:
            after = self.part.free(mask)
        elif tool == DRAW and self.ink is not None:
            after = self.part.paint(mask, self.ink.ink())
        else:
            after = self.part.paint(mask, np.full(channels, float(tool == WHITE), np.float32))
        self._become(after)

    def _drop(self, image: QImage) -> None:
        self.dropped.emit(picture_of(image, self._spec.event_shape[0]))

    def _show(self) -> None:
        part = self.part
        shown = np.where(part.known, part.values, part.example * DIM) / self._spec.brightest
        self.brush.show_picture(shown)
        self.brush.mark(part.known.any(0))
        self._undo.setEnabled(self.can_undo)

    def _resize(self, radius: float) -> None:
        self.brush.radius = radius
