"""Draw it: a drawing as a model sees it, where it lands, and what becomes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.number_texts import indexed
from dgm_studio.questions.drawing import Land, Landing
from dgm_studio.questions.examples import SomeExamples
from dgm_studio.questions.latent import AskPrior, Decode, Embed, Embedding, Plane, PriorView
from models.capabilities import BoundsEvidence, Decodes, Encodes
from models.spec import DataSpec, Layout
from widgets.explorers.base import Explorer
from widgets.explorers.draw_parts import Drawing, Seen, among_classes
from widgets.explorers.latent_map import LatentMap
from widgets.explorers.map_points import PointGroup, class_groups
from widgets.explorers.map_view import MapView
from widgets.explorers.parts import ANY_CLASS, Caption, HeadedCard, button, fill
from widgets.live import Live
from widgets.theme import SPACE, look

CANVAS_HEIGHT, MAP_HEIGHT, SEEN_HEIGHT = 170, 170, 190  # px, in a narrow place


class DrawIt(Explorer):
    """A canvas; the model's input and its reconstruction; the posterior on a map of the encoded data, from where the
    code can be dragged on."""

    key = "draw-it"
    title = "Draw it"
    links = "One drawing goes through both"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._prior: PriorView | None = None
        self._embedding: Embedding | None = None
        self._plane: Plane | None = None
        self._landing: Landing | None = None
        self._edited: np.ndarray | None = None  # the code that a person made of the drawing's
        self._drawing = Drawing("Drawing", live.spec, narrow=look.scale > 1.2)
        self.canvas, self.tools = self._drawing.canvas, self._drawing.tools
        self.canvas.changed.connect(self._drawn)
        self.canvas.refused.connect(self.notify)
        self._due = QTimer(self, singleShot=True, interval=15)
        self._due.timeout.connect(self._ask_landing)
        self.tools.recentred.connect(self._ask_landing)
        self.tools.recentred.connect(self.shared_changed)
        self.tools.example.connect(self._load_example)
        self._has_bound = issubclass(live.model_class, BoundsEvidence)
        self.seen = Seen(live.spec.brightest, self._has_bound)
        self.map = MapView()
        self.map.setObjectName("landing")
        self.map.setAccessibleName("Where the drawing lands")
        self.map.setToolTip(
            "The mean of q(z|x) and two standard deviations around it, or draws of it where it is no normal;\n"
            "the code alone where the encoder says no more.\n"
            "Press or drag to change the code; arrow keys nudge it (Esc: back to the drawing's own)."
        )
        self.map.handle.hide()
        self.map.pointed.connect(self._point)
        right = QVBoxLayout()
        right.setSpacing(SPACE)
        right.addWidget(self.seen, 2)
        right.addWidget(self._map_card(), 3)
        self.body.addWidget(self._drawing, 1)
        self.body.addLayout(right, 1)
        self._show_landing(None)
        look.changed.connect(self._restyle)

    def _map_card(self) -> HeadedCard:
        card = HeadedCard("Where it lands", "q(z | x)" if self._has_bound else "x → z")
        self._back = button("Back", "backToCode", "Back to the code of the drawing (Esc)", self._forget_edit)
        self._onward = button(
            "Latent map",
            "onward",
            "Go on from this code there, with a slider for each dimension",
            self._lead,
        )
        for part in (self._back, self._onward):
            part.setProperty("flat", True)
        fill(card.head, self._back, self._onward)
        card.column.addWidget(self.map, 1)
        self._among = Caption(name="among")
        self._among.setWordWrap(True)
        card.column.addWidget(self._among)
        return card

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, Encodes) and issubclass(model, Decodes) and spec.layout is Layout.IMAGE

    def begin(self) -> None:
        if self._prior is None:
            self.ask("prior", AskPrior())
        self.follow("embedding", lambda: Embed(2000, previous=self._embedding and self._embedding.plane), 500)
        self._ask_landing()
        self._ask_edited()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "prior":
            self._prior = answer.value
        elif name == "landing":
            self._show_landing(answer.value)
        elif name == "embedding":
            self._show_embedding(answer.value)
        elif name == "edited" and self._edited is not None:
            self.seen.show_edited(answer.value.x[0])
        elif name == "example":
            self._drawing.begin_at(answer.value.x[0] / self.live.spec.brightest)

    def narrow(self) -> None:
        super().narrow()
        self.canvas.setFixedHeight(CANVAS_HEIGHT)
        self.map.setMinimumHeight(MAP_HEIGHT)
        self.seen.setFixedHeight(SEEN_HEIGHT)
        for name in ("invert", "paste"):  # Ctrl+V does the same
            self.tools.findChild(QPushButton, name).hide()

    def shared(self) -> Any:
        """The drawing, if there is one, whether it is centred, and the code that a person made of its own."""
        picture = None if self.canvas.is_empty else self.canvas.picture()
        return picture, self.tools.centre.isChecked(), self._edited

    def share(self, state: Any) -> str:
        picture, centre, edited = state
        self.tools.centre.setChecked(centre)
        if picture is None and not self.canvas.is_empty:
            self.canvas.clear()
        elif picture is not None and (self.canvas.is_empty or not np.array_equal(picture, self.canvas.picture())):
            self.canvas.load(picture)
        size = None if self._prior is None else len(self._prior.mean)
        if edited is not None and len(edited) != size:
            return f"The code stays each run's own: they have {len(edited)} and {size or 'other'} dimensions."
        self._edited = edited
        self._ask_edited()
        self._place()
        self._ask_landing()
        return ""

    def can_undo(self) -> bool:
        return self.canvas.can_undo

    def undo(self) -> None:
        self.canvas.undo()

    def can_redo(self) -> bool:
        return self.canvas.can_redo

    def redo(self) -> None:
        self.canvas.redo()

    @property
    def code(self) -> np.ndarray | None:
        """The drawing's code, or what a person made of it: (L,); None without a drawing."""
        if self._edited is not None:
            return self._edited
        return None if self._landing is None else self._landing.mean

    def _drawn(self) -> None:
        self._forget_edit()
        self.shared_changed.emit()
        if not self._due.isActive():
            self._due.start()

    def _ask_landing(self) -> None:
        if not self.isVisible():
            return
        if self.canvas.is_empty:
            self.forget("landing")
            self._show_landing(None)
        else:
            self.ask("landing", Land(self.canvas.picture(), self.tools.centre.isChecked()), standing=True)

    def _ask_edited(self) -> None:
        if self._edited is None:
            self.forget("edited")
            self.seen.show_edited(None)
        elif self.isVisible():
            self.ask("edited", Decode(self._edited[None]), standing=True)

    def _show_landing(self, landing: Landing | None) -> None:
        self._landing = landing
        self.seen.show_landing(landing and landing.input, landing and landing.reconstruction)
        self.seen.show_bounds(landing and landing.bounds)
        self._place()

    def _show_embedding(self, embedding: Embedding) -> None:
        self._embedding = embedding
        size = embedding.means.shape[1]
        if size > 2 and embedding.plane is not None:
            self._plane = embedding.plane
            self.map.set_titles("first principal direction", "second")
        else:
            self._plane = Plane.axes(size, 0, size - 1)
            self.map.set_titles(indexed("z", 0), indexed("z", 1) if size > 1 else "")
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

    def _restyle(self) -> None:
        self._repaint_points()
        self._place()

    def _place(self) -> None:
        """Put posterior and handle on the map, and say what lies around."""
        landing, plane, code = self._landing, self._plane, self.code
        shown = landing is not None and plane is not None
        self.map.handle.setVisible(shown)
        normal = landing is not None and landing.covariance is not None
        self.map.ellipse.setVisible(shown and normal)
        self.map.cloud.setVisible(shown and not normal)
        self._back.setVisible(self._edited is not None)
        self._onward.setEnabled(code is not None)
        self._among.setText("")
        if landing is None or plane is None or code is None:
            return
        if landing.covariance is not None:
            directions = np.stack([plane.u, plane.v])
            self.map.set_ellipse(plane.project(landing.mean), directions @ landing.covariance @ directions.T)
        else:
            self.map.cloud.set_groups([PointGroup(plane.project(landing.cloud), look.theme.accent)])
        self.map.put_handle(*plane.project(code).tolist())
        if self._embedding is not None:
            self._among.setText(among_classes(self._embedding, code, self.live.spec.class_names))

    # What a person does.

    def _point(self, x: float, y: float) -> None:
        if self.code is not None and self._plane is not None and self._prior is not None:
            self.moved_by_hand()
            self._edited = self._prior.inside(self._plane.lift(np.array([x, y]), self.code))
            self._ask_edited()
            self._place()
            self.shared_changed.emit()

    def _forget_edit(self) -> None:
        self._edited = None
        self._ask_edited()
        self._place()

    def _lead(self) -> None:
        if self.code is not None:
            self.leads.emit(LatentMap.key, self.code)

    def _load_example(self) -> None:
        label = self.tools.label.currentData()
        self.ask("example", SomeExamples(1, None if label == ANY_CLASS else label))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Paste):
            self.canvas.paste()
        elif event.key() == Qt.Key.Key_Escape and self._edited is not None:
            self._forget_edit()
        else:
            super().keyPressEvent(event)
