"""The map of a latent space and what is chosen to be seen of it: which plane, which class, which layers."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout

from dgm_studio.number_texts import thousands
from dgm_studio.questions.latent import Embedding, Plane, PriorView
from models.capabilities import DecodesOfClass, Encodes
from models.spec import Layout
from widgets.explorers.base import Explorer
from widgets.explorers.latent_parts import PlaneChoice, around
from widgets.explorers.latent_tools import ToolBench
from widgets.explorers.map_layers import MapLayers
from widgets.explorers.map_view import MapView
from widgets.explorers.parts import Caption, HeadedCard, class_choice, fill
from widgets.live import Live

MAP_HEIGHT = 210  # px, in a narrow place


class MapCard(HeadedCard):
    """The prior and encoded data on a plane, above the tools. It does not move the handle, and asks nothing by itself.
    `turned`: a person chose other directions; `switched`: other layers; `class_chosen(label)`."""

    turned = Signal()
    switched = Signal()
    class_chosen = Signal(int)

    def __init__(self, live: Live, tools: ToolBench) -> None:
        super().__init__()
        self._live, self._tools = live, tools
        self._encodes = issubclass(live.model_class, Encodes)
        self._of_class = issubclass(live.model_class, DecodesOfClass)
        self._is_narrow = False
        self._planes: dict[str, Any] = {}  # that were chosen, by the size of the space
        self.prior: PriorView | None = None
        self.embedding: Embedding | None = None
        self.plane: Plane | None = None
        self.map = MapView()
        self.map.setObjectName("map")
        self.map.setAccessibleName("Map of the latent space")
        self.map.handle.hide()  # until the latent space is known
        self.map.setToolTip("Press or drag to move the handle. Wheel: zoom. Middle button: pan. Arrow keys: nudge.")
        self.choice = PlaneChoice()
        self.choice.changed.connect(self.turned)
        self.classes = class_choice(live.spec, any_class=False)
        for label, name in enumerate(live.spec.class_names):
            self.classes.setItemText(label, f"class {name}")
        self.classes.setToolTip("The class that codes are decoded as an example of")
        self.classes.setAccessibleName("Class")
        self.classes.setVisible(self._of_class)
        self.classes.activated.connect(self.class_chosen)
        self.layers = MapLayers(live.spec, self._encodes)
        self.layers.switched.connect(self.switched)
        self.layers.label = self.label
        self._status = Caption(name="mapStatus")
        fill(self.head, self.choice, self.classes)
        self.head.addStretch(1)
        self.head.addWidget(self.layers)
        self.column.addWidget(self.map, 1)
        foot = QHBoxLayout()
        foot.addWidget(tools.switch)
        foot.addStretch(1)
        self.column.addWidget(self._status)
        self.column.addLayout(foot)
        fill(self.column, tools)

    @property
    def label(self) -> int | None:
        """The class that is decoded; None where a code alone decodes."""
        return self.classes.currentData() if self._of_class else None

    def choose_class(self, label: int) -> None:
        self.classes.setCurrentIndex(label)
        self.layers.label = label

    # What is known.

    def enter(self, prior: PriorView) -> None:
        """The latent space is known now."""
        size, self.prior = len(prior.mean), prior
        self.map.handle.show()
        self.map.box.setAspectLocked(size > 1)
        self.map.getAxis("left").setVisible(size > 1)
        self.choice.set_space(size, self._encodes)
        self.choice.restore(self._planes.get(f"plane of {size}"))
        self._choose_plane()

    def show_embedding(self, embedding: Embedding) -> None:
        """Where data lie in it, newly."""
        self.embedding = embedding
        if self.choice.is_principal:
            self._choose_plane()
        self.layers.draw_points(self.map, self.plane, embedding)
        self.look_around()
        self.say_status()

    def turn(self, explorer: Explorer) -> None:
        """Show the plane that was chosen; what `explorer` asked is not of it."""
        self._choose_plane()
        self.map.by_hand = False
        self.layers.turn(explorer)
        self.look_around()
        self.repaint_layers()

    def _choose_plane(self) -> None:
        self.plane, across, up = self.choice.plane(self.embedding and self.embedding.plane)
        self.map.set_titles(across, up)

    # What is shown.

    def look_around(self) -> None:
        """Keep the prior's and the data's mass visible, until a person chooses what is."""
        assert self.plane is not None
        assert self.prior is not None
        data = None if self.embedding is None else self.plane.project(self.embedding.means)
        self.map.look_at(around(self.plane, self.prior, data))

    def repaint_layers(self) -> None:
        self.layers.draw_points(self.map, self.plane, self.embedding)
        self.layers.draw_on(self.map)
        self.say_status()

    def say_status(self) -> None:
        """How many examples are shown, and where."""
        if self.embedding is None:
            return
        shown, total = len(self.embedding.index), len(self._live.dataset.train)
        count = f"{thousands(shown)} of {thousands(total)}" if shown < total else thousands(total)
        where = "posterior means" if self.embedding.scale.any() else "codes"
        shown_as = "examples" if self._is_narrow else f"training examples at their {where}"
        text = f"{count} {shown_as} · step {thousands(self._live.step)}"
        self._status.setText(self.layers.holes() or text)

    def narrow(self) -> None:
        super().narrow()
        self._is_narrow = True
        self.map.setMinimumHeight(MAP_HEIGHT)
        self.head.removeWidget(self.layers)  # a line of their own: beside the plane there is no room
        self.column.insertWidget(1, self.layers, 0, Qt.AlignmentFlag.AlignLeft)
        self._status.setMinimumWidth(1)
        self._tools.switch.hide()

    # What holds for the next run as well.

    def choices(self) -> dict[str, Any]:
        plane = {f"plane of {len(self.prior.mean)}": self.choice.choices()} if self.prior is not None else {}
        return {self._kind: self.layers.choices(), **plane}

    def restore(self, choices: dict[str, Any]) -> None:
        layers = choices.get(self._kind)
        self.layers.restore(layers if isinstance(layers, dict) else {})
        self._planes = {key: value for key, value in choices.items() if key.startswith("plane of ")}

    @property
    def _kind(self) -> str:
        """Which layers make sense: what was chosen for one kind of run says nothing about another."""
        is_picture = self._live.spec.layout is Layout.IMAGE
        return f"layers, picture {is_picture}, encoder {self._encodes}"
