"""What the latent map shows: data, manifold, the prior's density and that of the aggregated posterior."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from dgm_studio.number_texts import percent
from dgm_studio.questions.aggregate import HOLE, Aggregate, AskAggregate
from dgm_studio.questions.latent import DecodeGrid, Embedding, Plane, PriorDensity, Sheet
from dgm_studio.subject import Question
from models.spec import DataSpec, Layout
from widgets.explorers.base import Explorer
from widgets.explorers.map_points import class_groups
from widgets.explorers.map_sheets import contours, density_image, manifold_image, profile
from widgets.explorers.map_view import MapView
from widgets.explorers.parts import check
from widgets.theme import SPACE, look

SHARES = (0.5, 0.9, 0.95)  # of the prior's mass, that its lines hold
NO_LINE = np.zeros((0, 2))


class MapLayers(QWidget):
    """A switch for each layer, and what lies behind the points. `switched` by hand only."""

    switched = Signal()

    def __init__(self, spec: DataSpec, encodes: bool) -> None:
        super().__init__()
        self._spec = spec
        is_picture = spec.layout is Layout.IMAGE
        self._cells: Sheet | None = None
        self._density: Sheet | None = None
        self.comparison: Aggregate | None = None
        self.label: int | None = None  # the class that is decoded, where a code alone does not decode
        self.manifold = self._switch("Manifold", "manifold", "What each place of the map decodes to (M)", is_picture)
        self.data = self._switch("Data", "data", "Training examples at the means of q(z|x), by class (D)", True)
        self.prior = self._switch("p(z)", "prior", "The density of the prior (O)", not encodes or not is_picture)
        self.aggregate = self._switch(
            "q(z)",
            "aggregate",
            "The aggregated posterior, the mean of q(z|x) over the data, as a veil, and lines around 50, 90 and 95 %\n"
            "of the prior's mass: both estimated from draws and projected on this plane. Where only the prior has\n"
            "mass, its samples decode to what no data led to (A)",
            False,
        )
        self.manifold.setVisible(is_picture)
        self.data.setVisible(encodes)
        self.aggregate.setVisible(encodes)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE)
        self._boxes = (self.manifold, self.data, self.prior, self.aggregate)
        for box in self._boxes:
            row.addWidget(box)

    def choices(self) -> dict[str, bool]:
        """What is switched on, by name."""
        return {box.objectName(): box.isChecked() for box in self._boxes}

    def restore(self, choices: dict[str, bool]) -> None:
        """Switch on what was."""
        for box in self._boxes:
            box.setChecked(bool(choices.get(box.objectName(), box.isChecked())))

    def _switch(self, text: str, name: str, tip: str, on: bool) -> QCheckBox:
        return check(text, name, tip, on, lambda on: self.switched.emit())

    def ask(self, explorer: Explorer, view: MapView, where: Callable[[], tuple[Plane, np.ndarray]]) -> None:
        """Let `explorer` ask for what is switched on and what `view` shows; `where` gives the plane and the handle."""

        def manifold() -> Question:
            _, height, width = self._spec.event_shape
            plane, z = where()
            cells = view.cells(float(np.clip(max(height, width), 28, 44)))
            return DecodeGrid(plane, z, *cells, self.label)

        def density() -> Question:
            plane, z = where()
            return PriorDensity(plane, z, view.bounds())

        for name, question, box, every in (
            ("manifold", manifold, self.manifold, 500),
            ("density", density, self.prior, 500),
            ("aggregate", lambda: AskAggregate(where()[0]), self.aggregate, 1000),
        ):
            if not box.isChecked():
                explorer.forget(name)
            elif name != "aggregate" or not explorer.followed(name):  # which is of the whole plane, whatever is visible
                explorer.follow(name, question, every)

    def take(self, name: str, value: Sheet | Aggregate) -> None:
        """An answer to one of these questions."""
        if isinstance(value, Aggregate):
            self.comparison = value
        elif name == "manifold":
            self._cells = value
        else:
            self._density = value

    def turn(self, explorer: Explorer) -> None:
        """Another plane: what was compared is not of it."""
        self.comparison = None
        explorer.forget("aggregate")

    def holes(self) -> str:
        """What the comparison of the two densities says, as rich text; empty where they are not compared."""
        if self.comparison is None or not self.aggregate.isChecked():
            return ""
        theme = look.theme
        return (
            f'<span style="color:{theme.accent}">■</span> p(z) <span style="color:{theme.warn}">■</span> q(z) · '
            f"{percent(self.comparison.holes)} of p(z) where q(z) &lt; {HOLE:g} p(z)"
        )

    def draw_points(self, view: MapView, plane: Plane | None, embedding: Embedding | None) -> None:
        """Put encoded data on the map."""
        if embedding is None or plane is None or not self.data.isChecked():
            view.points.set_groups([])
            return
        points = plane.project(embedding.means)
        if embedding.means.shape[1] == 1:  # a line has no height: classes are told apart by it
            points[:, 1] = (embedding.y - embedding.y.mean()) / max(1, self._spec.classes)
        view.points.set_groups(class_groups(points, embedding.y, self._spec.class_names))

    def draw_on(self, view: MapView) -> None:
        """Put the layers that are switched on behind the map's points."""
        cells = self._cells if self.manifold.isChecked() else None
        sheet = None if cells is None else manifold_image(cells.values / self._spec.brightest)
        view.set_manifold(sheet, cells and cells.bounds)
        density = self._density if self.prior.isChecked() else None
        view.set_veil(None if density is None else density_image(density.values), density and density.bounds)
        compared = self.comparison if self.aggregate.isChecked() else None
        if compared is None:
            view.set_second_veil(None)
            view.set_outlines(NO_LINE, NO_LINE)
        elif len(compared.prior) == 1:  # the map of a line: both as curves over it
            view.set_second_veil(None)
            most = float(max(compared.prior.max(), compared.posterior.max())) or 1.0
            view.set_outlines(*(profile(density[0] / most, compared.bounds) for density in compared.densities))
        else:
            # its root, or the peaks of a posterior that covers little would make the rest invisible
            veil = np.sqrt(compared.posterior / (float(compared.posterior.max()) or 1.0))
            view.set_second_veil(density_image(veil, look.theme.warn, strength=0.75), compared.bounds)
            view.set_outlines(contours(compared.prior, compared.bounds, SHARES), NO_LINE)
