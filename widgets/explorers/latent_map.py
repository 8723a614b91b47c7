"""Latent map: drag a point through what a decoder learned."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.questions.examples import ExamplesAt
from dgm_studio.questions.landscapes import AskLandscape, DataPoints
from dgm_studio.questions.latent import (
    AskPrior,
    Decode,
    DecodeGrid,
    DrawPrior,
    Embed,
    Embedding,
    Plane,
    PriorDensity,
    PriorView,
    Sheet,
)
from models.capabilities import Decodes, Encodes
from models.spec import DataSpec, Layout
from widgets.explorers.base import Explorer
from widgets.explorers.latent_parts import DatumLine, DimensionSliders, Outcome, PlaneChoice
from widgets.explorers.map_view import Bounds, MapView, class_groups, density_image, manifold_image
from widgets.explorers.parts import Caption, Card, button, check, fill
from widgets.explorers.walk import Walk
from widgets.live import Live
from widgets.theme import SPACE, look

SIDE = 264  # px, the column beside the map


class LatentMap(Explorer):
    """Encoded data on a plane through the latent space, a handle that is dragged, and what it decodes to, live."""

    key = "latent-map"
    title = "Latent map"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._encodes = issubclass(live.model_class, Encodes)
        self._is_picture = live.spec.layout is Layout.IMAGE
        self._prior: PriorView | None = None
        self._embedding: Embedding | None = None
        self._plane: Plane | None = None
        self._cells: Sheet | None = None
        self._density: Sheet | None = None
        self._sample_bounds: Bounds = (-1, -1, 1, 1)
        self.z = np.zeros(0, np.float32)

        self.map = MapView()
        self.map.setObjectName("map")
        self.map.handle.hide()  # until the latent space is known
        self.map.setToolTip("Press or drag to move the handle. Wheel: zoom. Middle button: pan. Arrow keys: nudge.")
        self.map.pointed.connect(self._point)
        self.map.nudged.connect(self._nudge)
        self.map.looked_elsewhere.connect(self._refresh_backdrop)
        self.outcome = Outcome(self._is_picture)
        self.sliders = DimensionSliders()
        self.sliders.moved.connect(self._slide)
        self.walk = Walk(self._is_picture)
        self.walk.changed.connect(self._rewalk)
        self.walk.picked.connect(self.move_to)
        self._walk_due = QTimer(self, singleShot=True, interval=30)
        self._walk_due.timeout.connect(self._ask_walk)
        self._datum = DatumLine(self._is_picture)
        self.body.addWidget(self._map_card(), 1)
        self.body.addWidget(self._side_card())
        self.setFocusProxy(self.map)
        look.changed.connect(self._repaint)

    def _map_card(self) -> Card:
        card = Card()
        self._choice = PlaneChoice()
        self._choice.changed.connect(self._turn)
        card.head.addWidget(self._choice)
        manifold = ("Manifold", "manifold", "What each place of the map decodes to")
        self._manifold_box = check(*manifold, self._is_picture, self._switch_backdrop)
        self._manifold_box.setVisible(self._is_picture)
        data = ("Data", "data", "Training examples at the means of q(z|x), by class")
        self._data_box = check(*data, True, self._repaint_points)
        self._data_box.setVisible(self._encodes)
        prior = ("Prior", "prior", "The density of p(z)")
        self._prior_box = check(*prior, not self._encodes or not self._is_picture, self._switch_backdrop)
        card.head.addStretch(1)
        fill(card.head, self._manifold_box, self._data_box, self._prior_box)
        card.column.addWidget(self.map, 1)
        self._status = Caption(name="mapStatus")
        fill(card.column, self.walk, self._status)
        return card

    def _side_card(self) -> Card:
        card = Card("Decoded", "p(x | z)") if self._encodes else Card("Generated", "x = G(z)")
        card.setFixedWidth(SIDE)
        if self._is_picture:
            smooth = ("Smooth", "smooth", "Interpolate between pixels")
            card.head.addWidget(check(*smooth, False, self.outcome.picture.set_smooth))
        self.outcome.setFixedHeight(SIDE - 3 * SPACE)
        buttons = QGridLayout()
        buttons.setSpacing(SPACE // 2)
        parts = (
            button("Reset", "reset", "Back to the prior's mean, with everything in view (Home)", self._reset),
            button("Random", "random", "A draw from the prior (R)", self._random),
            button("Nearest", "snap", "Move to the nearest training example (N)", self._snap),
            button("Pin", "pin", "Mark this place; the way between pins is shown (P)", self._pin),
        )
        parts[2].setEnabled(self._encodes)
        for i, part in enumerate(parts):
            buttons.addWidget(part, i // 2, i % 2)
        fill(card.column, self.outcome, self._datum)
        card.column.addWidget(self.sliders, 1000)
        card.column.addLayout(buttons)
        card.column.addStretch(1)
        return card

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, Decodes) and spec.layout in (Layout.IMAGE, Layout.POINTS)

    # What is asked, and what comes back.

    def begin(self) -> None:
        if self._prior is None:
            self.ask("prior", AskPrior())
        else:
            self._ask_all()

    def receive(self, name: str, answer: Answer) -> None:
        value = answer.value
        if name == "prior":
            self._enter(value)
        elif name == "decode":
            self.outcome.show_example(value.x[0] / self.live.spec.brightest)
        elif name == "embedding":
            self._show_embedding(value)
        elif name == "manifold":
            self._cells = value
            self._repaint_backdrop()
        elif name == "density":
            self._density = value
            self._repaint_backdrop()
        elif name == "random":
            self.move_to(value)
        elif name == "walk":
            self.walk.show_pictures(value.x / self.live.spec.brightest)
        elif name == "datum":
            self._datum.show_picture(value.x[0] / self.live.spec.brightest)
        elif name == "points":
            _, self._sample_bounds = value
            self.follow("samples", lambda: AskLandscape(self._sample_bounds, samples=1000), 100)
        elif name == "samples" and value.samples is not None:
            self.outcome.show_samples(value.samples, self._sample_bounds)

    def move_to(self, z: np.ndarray) -> None:
        """Put the handle at z (L,) and show what it decodes to."""
        self.z = z.astype(np.float32)
        self._datum.hide()
        self._place()
        self.ask("decode", Decode(self.z[None]), standing=True)

    def _enter(self, prior: PriorView) -> None:
        """The latent space is known now."""
        size = len(prior.mean)
        self._prior, self.z = prior, prior.mean
        self.sliders.set_space(prior, with_kl=self._encodes)
        self.map.handle.show()
        self.map.box.setAspectLocked(size > 1)
        self._choice.set_space(size, self._encodes)
        self._choose_plane()
        self._look_around()
        self._ask_all()

    def _ask_all(self) -> None:
        self.move_to(self.z)
        if self._encodes:
            self.follow("embedding", lambda: Embed(previous=self._embedding and self._embedding.plane), 800)
        if not self._is_picture:
            self.ask("points", DataPoints())
        self._refresh_backdrop()

    def _switch_backdrop(self, on: bool) -> None:
        self._refresh_backdrop()
        self._repaint_backdrop()

    def _refresh_backdrop(self) -> None:
        if self._plane is None or not self.isVisible():
            return
        for name, question, box in (
            ("manifold", self._manifold_question, self._manifold_box),
            ("density", self._density_question, self._prior_box),
        ):
            if box.isChecked():
                self.follow(name, question, 500)
            else:
                self.forget(name)

    def _manifold_question(self) -> DecodeGrid:
        """Cells of about the same size on the screen, fixed to the plane while it is panned."""
        assert self._plane is not None
        _, height, width = self.live.spec.event_shape
        side = float(np.clip(max(height, width), 28, 44))  # px
        step_x, step_y = (side * size for size in self.map.box.viewPixelSize())
        left, bottom, right, top = self.map.bounds()
        left, bottom = float(np.floor(left / step_x) * step_x), float(np.floor(bottom / step_y) * step_y)
        columns = int(np.clip(np.ceil((right - left) / step_x), 1, 60))
        rows = int(np.clip(np.ceil((top - bottom) / step_y), 1, 60))
        bounds = (left, bottom, left + columns * step_x, bottom + rows * step_y)
        return DecodeGrid(self._plane, self.z, bounds, columns, rows)

    def _density_question(self) -> PriorDensity:
        assert self._plane is not None
        return PriorDensity(self._plane, self.z, self.map.bounds())

    def _ask_walk(self) -> None:
        if self.walk.pins and self.isVisible():
            self.ask("walk", Decode(self.walk.stations(self.z)), standing=True)

    # What is shown.

    def _place(self) -> None:
        """Handle, path and sliders follow z."""
        assert self._plane is not None
        self.map.put_handle(*self._plane.project(self.z).tolist())
        self.sliders.set_z(self.z)
        self._rewalk()

    def _rewalk(self) -> None:
        """The way between pins changed."""
        if self._plane is None:
            return
        if not self.walk.pins:
            self.forget("walk")
            self.map.set_path(np.zeros((0, 2)), np.zeros((0, 2)))
            return
        self.map.set_path(self._plane.project(self.walk.way(self.z)), self._plane.project(np.stack(self.walk.pins)))
        if self._is_picture and not self._walk_due.isActive():
            self._walk_due.start()

    def _show_embedding(self, embedding: Embedding) -> None:
        self._embedding = embedding
        self.sliders.set_kl(embedding.kl)
        if self._choice.is_principal:
            self._choose_plane()
        self._repaint_points()
        self._look_around()
        shown, total = len(embedding.index), len(self.live.dataset.train)
        count = f"{shown:,} of {total:,}" if shown < total else f"{total:,}"
        self._status.setText(f"{count} training examples at their posterior means · step {self.live.step:,}")

    def _repaint_points(self) -> None:
        if self._embedding is None or self._plane is None or not self._data_box.isChecked():
            self.map.points.set_groups([])
            return
        points = self._plane.project(self._embedding.means)
        if len(self.z) == 1:  # a line has no height: classes are told apart by it
            points[:, 1] = (self._embedding.y - self._embedding.y.mean()) / max(1, self.live.spec.classes)
        self.map.points.set_groups(class_groups(points, self._embedding.y, self.live.spec.class_names))

    def _repaint_backdrop(self) -> None:
        cells = self._cells if self._manifold_box.isChecked() else None
        density = self._density if self._prior_box.isChecked() else None
        sheet = None if cells is None else manifold_image(cells.values / self.live.spec.brightest)
        self.map.set_manifold(sheet, cells and cells.bounds)
        self.map.set_veil(None if density is None else density_image(density.values), density and density.bounds)

    def _repaint(self) -> None:
        self._repaint_points()
        self._repaint_backdrop()

    def _look_around(self) -> None:
        """Keep the prior's and the data's mass visible, until a person chooses what is."""
        assert self._plane is not None
        assert self._prior is not None
        centre = self._plane.project(self._prior.mean)
        half = 3.3 * float(np.abs(self._plane.u) @ self._prior.scale / np.abs(self._plane.u).sum())
        low, high = centre - half, centre + half
        if self._embedding is not None:
            data = self._plane.project(self._embedding.means)
            ends = np.quantile(data, [0.002, 0.998], axis=0)
            low, high = np.minimum(low, ends[0] - 0.05 * half), np.maximum(high, ends[1] + 0.05 * half)
        self.map.look_at((*low.tolist(), *high.tolist()))

    # What a person does.

    def _point(self, x: float, y: float) -> None:
        self.moved_by_hand()
        if self._plane is not None:
            self.move_to(self._plane.lift(np.array([x, y]), self.z))

    def _nudge(self, right: float, up: float) -> None:
        if self._plane is not None:
            self._point(*(self._plane.project(self.z) + np.array([right, up])).tolist())

    def _slide(self, dimension: int, value: float) -> None:
        self.moved_by_hand()
        z = self.z.copy()
        z[dimension] = value
        self.move_to(z)
        if len(z) > 2:
            self._refresh_backdrop()

    def _choose_plane(self) -> None:
        self._plane, across, up = self._choice.plane(self._embedding and self._embedding.plane)
        self.map.set_titles(across, up)
        self._place()

    def _turn(self) -> None:
        """Other directions were chosen."""
        self._choose_plane()
        self.map.by_hand = False
        self._look_around()
        self._repaint_points()
        self._refresh_backdrop()

    def _reset(self) -> None:
        if self._prior is not None:
            self.map.by_hand = False
            self._look_around()
            self.move_to(self._prior.mean)

    def _random(self) -> None:
        self.ask("random", DrawPrior())

    def _snap(self) -> None:
        """Move to the posterior mean that lies nearest, and show the example it belongs to."""
        if self._embedding is None:
            return
        nearest = int(np.linalg.norm(self._embedding.means - self.z, axis=1).argmin())
        self.move_to(self._embedding.means[nearest])
        label, index = int(self._embedding.y[nearest]), int(self._embedding.index[nearest])
        self._datum.announce(index, f"class {self.live.spec.class_names[label]}" if label >= 0 else "no label")
        if self._is_picture:
            self.ask("datum", ExamplesAt((index,), self._embedding.split))

    def _pin(self) -> None:
        if self._plane is not None:
            self.walk.add(self.z)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = {
            Qt.Key.Key_Home: self._reset,
            Qt.Key.Key_R: self._random,
            Qt.Key.Key_N: self._snap,
            Qt.Key.Key_P: self._pin,
        }
        action = keys.get(Qt.Key(event.key()))
        if action is None:
            super().keyPressEvent(event)
        else:
            action()
