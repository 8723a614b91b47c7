"""Draw it: a drawing as a model sees it, where it lands, and what becomes of it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog, QGridLayout, QPushButton, QVBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.questions.drawing import Land, Landing
from dgm_studio.questions.examples import SomeExamples
from dgm_studio.questions.latent import Embed, Embedding, Plane
from models.capabilities import BoundsEvidence, Decodes, Encodes
from models.spec import DataSpec, Layout
from widgets.canvas import Canvas
from widgets.explorers.base import Explorer
from widgets.explorers.map_points import class_groups
from widgets.explorers.map_view import MapView
from widgets.explorers.parts import (
    ANY_CLASS,
    Caption,
    Card,
    SliderRow,
    button,
    check,
    class_choice,
    fill,
    row_of,
    subscript,
)
from widgets.live import Live
from widgets.picture_view import PictureView
from widgets.theme import SPACE, look


class DrawIt(Explorer):
    """A canvas; the model's input and its reconstruction; the posterior on a map of the encoded data."""

    key = "draw-it"
    title = "Draw it"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._embedding: Embedding | None = None
        self._plane: Plane | None = None
        self._landing: Landing | None = None
        self.canvas = Canvas(live.spec.event_shape)
        self.canvas.setObjectName("canvas")
        self.canvas.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.canvas.changed.connect(self._drawn)
        self.canvas.refused.connect(self.notify)
        self._due = QTimer(self, singleShot=True, interval=15)
        self._due.timeout.connect(self._ask_landing)
        self.seen, self.made = PictureView(minimum=96), PictureView(minimum=96)
        self.seen.setObjectName("input")
        self.made.setObjectName("reconstruction")
        self.map = MapView()
        self.map.setObjectName("landing")
        self.map.handle.hide()
        self._terms = Caption(name="terms")
        self._terms.setWordWrap(True)
        right = QVBoxLayout()
        right.setSpacing(SPACE)
        right.addWidget(self._seen_card(), 2)
        right.addWidget(self._map_card(), 3)
        self.body.addWidget(self._canvas_card(), 1)
        self.body.addLayout(right, 1)
        look.changed.connect(self._repaint_points)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, Encodes) and issubclass(model, Decodes) and spec.layout is Layout.IMAGE

    def begin(self) -> None:
        self.follow("embedding", lambda: Embed(2000, previous=self._embedding and self._embedding.plane), 500)
        self._ask_landing()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "landing":
            self._show_landing(answer.value)
        elif name == "embedding":
            self._show_embedding(answer.value)
        elif name == "example":
            # an example is already as the model expects it
            self._centre.setChecked(False)
            self.canvas.load(answer.value.x[0] / self.live.spec.brightest)

    def can_undo(self) -> bool:
        return self.canvas.can_undo

    def undo(self) -> None:
        self.canvas.undo()

    def _canvas_card(self) -> Card:
        card = Card("Drawing")
        self._brush = SliderRow("Brush", 0.02, 0.3, self.canvas.brush, "{:.0%}", name_width=44)
        self._brush.setObjectName("brush")
        self._brush.changed.connect(self._set_brush)
        self._centre = check(
            "Centre", "centre", "Move and scale the figure to where those of the data are", True, self._recentred
        )
        eraser = check("Eraser", "eraser", "Draw with black (or use the right button)", False, self._set_eraser)
        self._undo = button("Undo", "undo", "Take the last stroke back (Ctrl+Z)", self.canvas.undo)
        self._undo.setEnabled(False)
        clear = button("Clear", "clear", "Begin again", self._clear)
        self._class = class_choice(self.live.spec)
        self._class.activated.connect(self._load_example)
        example = button("Load a test example", "example", "Begin with one the model has not seen", self._load_example)
        card.column.addWidget(self.canvas, 1)
        card.column.addWidget(self._brush)
        tools = row_of(eraser, self._centre, stretch=True)
        if self.canvas.channels == 3:
            tools.insertWidget(0, self._ink_button())
        fill(tools, self._undo, clear)
        card.column.addLayout(tools)
        card.column.addLayout(row_of(self._class, example))
        return card

    def _ink_button(self) -> QPushButton:
        self._dialog = QColorDialog(self)
        self._dialog.currentColorChanged.connect(self._set_ink)
        return button("Colour…", "ink", "The colour that is drawn with", self._dialog.open)

    def _seen_card(self) -> Card:
        card = Card("As the model sees it", "x → q(z | x) → p(x | z)")
        pictures = QGridLayout()
        pictures.setSpacing(SPACE)
        for column, (view, text) in enumerate(((self.seen, "input"), (self.made, "reconstruction"))):
            pictures.addWidget(Caption(text), 0, column)
            pictures.addWidget(view, 1, column)
        pictures.setRowStretch(1, 1)
        card.column.addLayout(pictures, 1)
        self._terms.setVisible(issubclass(self.live.model_class, BoundsEvidence))
        card.column.addWidget(self._terms)
        return card

    def _map_card(self) -> Card:
        card = Card("Where it lands", "posterior mean and 2σ")
        card.column.addWidget(self.map, 1)
        return card

    def _drawn(self) -> None:
        self._undo.setEnabled(self.canvas.can_undo)
        if not self._due.isActive():
            self._due.start()

    def _ask_landing(self) -> None:
        if not self.isVisible():
            return
        if self.canvas.is_empty:
            self.forget("landing")
            self._show_landing(None)
        else:
            self.ask("landing", Land(self.canvas.picture(), self._centre.isChecked()), standing=True)

    def _show_landing(self, landing: Landing | None) -> None:
        self._landing = landing
        brightest = self.live.spec.brightest
        self.seen.show_picture(None if landing is None else landing.input / brightest)
        self.made.show_picture(None if landing is None else landing.reconstruction / brightest)
        if landing is None or landing.kl is None or landing.reconstruction_term is None:
            self._terms.setText("ELBO = E[log p(x | z)] − KL, in nats, appears when something is drawn.")
        else:
            elbo = landing.reconstruction_term - landing.kl
            self._terms.setText(
                f"ELBO <b>{elbo:.1f}</b> = reconstruction {landing.reconstruction_term:.1f} − KL {landing.kl:.1f} nats"
            )
        self._place()

    def _show_embedding(self, embedding: Embedding) -> None:
        self._embedding = embedding
        size = embedding.means.shape[1]
        if size > 2 and embedding.plane is not None:
            self._plane = embedding.plane
            self.map.set_titles("first principal direction", "second")
        else:
            self._plane = Plane.axes(size, 0, size - 1)
            self.map.set_titles(f"z{subscript(1)}", f"z{subscript(2)}" if size > 1 else "")
        self._repaint_points()
        points = self._plane.project(embedding.means)
        low, high = np.quantile(points, [0.005, 0.995], axis=0)
        margin = 0.15 * float((high - low).max()) or 1.0
        self.map.look_at((*(low - margin).tolist(), *(high + margin).tolist()))
        self._place()

    def _repaint_points(self) -> None:
        if self._embedding is not None and self._plane is not None:
            points = self._plane.project(self._embedding.means)
            self.map.points.set_groups(class_groups(points, self._embedding.y, self.live.spec.class_names))

    def _place(self) -> None:
        """Put the posterior on the map."""
        shown = self._landing is not None and self._plane is not None
        self.map.handle.setVisible(shown)
        self.map.ellipse.setVisible(shown)
        if self._landing is not None and self._plane is not None:
            centre = self._plane.project(self._landing.mean)
            directions = np.stack([self._plane.u, self._plane.v])
            self.map.put_handle(*centre.tolist())
            self.map.set_ellipse(centre, directions @ self._landing.covariance @ directions.T)

    def _load_example(self) -> None:
        label = self._class.currentData()
        self.ask("example", SomeExamples(1, None if label == ANY_CLASS else label))

    def _clear(self) -> None:
        self._centre.setChecked(True)
        self.canvas.clear()

    def _recentred(self, on: bool) -> None:
        self._ask_landing()

    def _set_brush(self, size: float) -> None:
        self.canvas.brush = size

    def _set_eraser(self, on: bool) -> None:
        self.canvas.eraser = on

    def _set_ink(self, ink: QColor) -> None:
        self.canvas.ink = ink
