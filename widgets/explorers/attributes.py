"""Attribute vectors: go along what sets one class apart from another."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QVBoxLayout

from dgm_studio.questions.attributes import OVERALL, attribute, mean_code
from dgm_studio.questions.latent import Embedding
from widgets.explorers.latent_tools import LatentTool
from widgets.explorers.parts import Caption, button, fill, row_of
from widgets.explorers.picture_strip import PictureStrip
from widgets.explorers.slider_row import SliderRow
from widgets.theme import SPACE

MOST = 2.0  # times the vector, to each side
STEPS = np.linspace(-MOST, MOST, 9)


class Attributes(LatentTool):
    """A vector from labels, and a slider that adds it to the point where the handle was put last."""

    key = "attributes"
    title = "Attributes"
    tip = "Directions from labels: what sets one class apart, added to the point (B)"
    redrawn = Signal()  # the line on the map is another

    def __init__(self, class_names: tuple[str, ...], with_pictures: bool) -> None:
        super().__init__()
        self._with_pictures = with_pictures
        self.base = np.zeros(0, np.float32)
        self._own: np.ndarray | None = None  # where this tool put the handle
        self.plus, self.minus = QComboBox(objectName="plus"), QComboBox(objectName="minus")
        self.plus.setToolTip("Towards the mean code of this class")
        self.minus.setToolTip("Away from the mean code of this one")
        self.minus.addItem("all classes", OVERALL)
        for label, name in enumerate(class_names):
            self.plus.addItem(name, label)
            self.minus.addItem(name, label)
        for box, name in ((self.plus, "towards"), (self.minus, "away from")):
            box.setAccessibleName(f"Attribute: {name}")
            box.activated.connect(self._turn)
        go = button("Go to the mean", "goToMean", "Move to the mean code of the first class", self._go_to_mean)
        self.amount = SliderRow("×", -MOST, MOST, 0.0, name_width=14)
        self.amount.setObjectName("amount")
        self.amount.setAccessibleName("How much of the attribute is added")
        self.amount.setToolTip("How much of the vector is added to the point. Arrow keys: a little more or less.")
        self.amount.changed.connect(self._add)
        tip = "From -2 to 2 times the vector. Click to go there."
        self.strip = PictureStrip("attributeStrip", "Pictures along the attribute", tip)
        self.strip.setVisible(with_pictures)
        self.strip.picked.connect(self._pick)
        self.message = Caption(name="attributeMessage")
        self.message.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        row = row_of(self.plus, Caption("minus"), self.minus, stretch=True)
        fill(row, go)
        column.addLayout(row)
        fill(column, self.amount, self.strip, self.message)

    @property
    def vector(self) -> np.ndarray | None:
        """The mean code of one class less another, (L,); None before data were encoded, or without examples."""
        if self.embedding is None:
            return None
        return attribute(self.embedding, self.plus.currentData(), self.minus.currentData())

    def learn(self, embedding: Embedding) -> None:
        super().learn(embedding)
        self._tell()
        self.changed.emit()
        self.redrawn.emit()

    def follow(self, z: np.ndarray) -> None:
        super().follow(z)
        if self._own is not None and np.array_equal(z, self._own):
            return
        self.base, self._own = z, None
        self.amount.set_value(0.0)
        self.changed.emit()
        self.redrawn.emit()

    def line(self) -> np.ndarray:
        """Both ends of the slider and the point itself: (3, L)."""
        return self.at(np.array([-MOST, 0.0, MOST]))

    def at(self, amounts: np.ndarray) -> np.ndarray:
        """The point with `amounts` (N,) of the vector added: (N, L)."""
        vector = self.vector
        if vector is None or self.prior is None:
            return np.repeat(self.base[None], len(amounts), axis=0)
        return self.prior.inside(self.base + amounts[:, None] * vector)

    def places(self) -> np.ndarray | None:
        return self.at(STEPS) if self._with_pictures and self.vector is not None else None

    def show_decoded(self, x: np.ndarray) -> None:
        self.strip.show_pictures(x)

    def _turn(self) -> None:
        self._own = None  # the vector is added to where the handle is now
        self.follow(self.z)
        self._tell()

    def _add(self, amount: float) -> None:
        self._own = self.at(np.array([amount]))[0]
        self.moved.emit(self._own)

    def _pick(self, step: int) -> None:
        if self.vector is not None:
            amount = float(STEPS[step])
            self.amount.set_value(amount)
            self._add(amount)

    def _go_to_mean(self) -> None:
        code = None if self.embedding is None else mean_code(self.embedding, self.plus.currentData())
        if code is not None:
            self.moved.emit(code)

    def _tell(self) -> None:
        vector = self.vector
        self.message.setText(
            "No examples of this class are among those that were encoded."
            if vector is None and self.embedding is not None
            else f"mean code of {self.plus.currentText()} less that of {self.minus.currentText()}, "
            f"length {0 if vector is None else float(np.linalg.norm(vector)):.2f}"
        )
