"""Two runs, or two moments of one, in the same explorer: one hand moves both."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QSplitter, QWidget

from widgets.building import label
from widgets.compare.chosen import Chosen
from widgets.compare.linked_side import Side
from widgets.compare.part import Part
from widgets.explorers.base import Explorer
from widgets.explorers.catalog import EXPLORERS
from widgets.theme import SPACE
from widgets.workspace import Workspace


class LinkedPart(Part):
    """Offers the explorers that both sides admit and that can be linked. Whatever is moved on one side is taken over
    by the other, as far as it fits; what does not is said."""

    key, title = "linked", "Linked explorers"

    def __init__(self, chosen: Chosen, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(chosen, workspace, parent)
        self.sides = Side("left", chosen, workspace.viewing), Side("right", chosen, workspace.viewing)
        self._passing = False
        self.kinds = QComboBox()
        self.kinds.setObjectName("linkedExplorer")
        self.kinds.setAccessibleName("Explorer")
        self.kinds.setToolTip("The explorers that both runs admit and that can be linked")
        self.kinds.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.kinds.activated.connect(lambda _: self._show())
        self._linked = QCheckBox("linked", toolTip="What is moved on one side moves on the other too", checked=True)
        self._linked.setObjectName("linked")
        self._linked.toggled.connect(self._link)
        self._said = label("", "muted", "linkedSaid", wrap=True)
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(self.kinds)
        head.addWidget(self._linked)
        head.addWidget(self._said, 1)
        split = QSplitter(Qt.Orientation.Horizontal, childrenCollapsible=False)
        for side in self.sides:
            split.addWidget(side)
            side.opened.connect(self._offer)
            side.shared.connect(lambda side=side: self._pass_on(side))
            side.led.connect(lambda key, thing, side=side: self._lead(side, key, thing))
        split.setSizes([1, 1])
        self.column.addLayout(head)
        self.column.addWidget(split, 1)
        workspace.project_file.replaced.connect(self._let_go)
        workspace.runs_changed.connect(self._kept)

    def refresh(self) -> None:
        left, right = self.sides
        left.offer(0)
        run = left.run
        alone = run is not None and len(self.chosen.runs) == 1
        # one run stands beside itself as it was at the beginning
        right.offer(1, run.checkpoint_steps()[0] if run is not None and alone else None)

    def _let_go(self) -> None:
        for side in self.sides:
            side.close_run()

    def _kept(self) -> None:
        if self.isVisible():
            for side in self.sides:
                side.refresh_moments()

    def _admitted(self) -> list[type[Explorer]]:
        """What both sides can be shown in."""
        lives = [side.live for side in self.sides]
        return [
            kind
            for kind in EXPLORERS
            if kind.links
            and all(live is not None and kind.admits(live.model_class, live.learner_class, live.spec) for live in lives)
        ]

    def _offer(self) -> None:
        before, kinds = self.kinds.currentData(), self._admitted()
        self.kinds.clear()
        for kind in kinds:
            self.kinds.addItem(kind.title, kind.key)
        keys = [kind.key for kind in kinds]
        self.kinds.setCurrentIndex(keys.index(before) if before in keys else 0 if keys else -1)
        self.kinds.setVisible(bool(keys))
        self._linked.setVisible(bool(keys))
        self._show()

    def _show(self) -> None:
        kind = next((one for one in self._admitted() if one.key == self.kinds.currentData()), None)
        for side in self.sides:
            side.show_explorer(kind if side.live is not None else None)
        self._link()
        if kind is None and all(side.live is not None for side in self.sides):
            for side in self.sides:
                side.say_none("")
            self._said.setText("There is no explorer that both of these runs can be shown in together.")

    def _lead(self, side: Side, key: str, thing: object) -> None:
        """An explorer leads to another: both sides go there."""
        place = self.kinds.findData(key)
        if place >= 0:
            self.kinds.setCurrentIndex(place)
            self._show()
            if side.explorer is not None:
                side.explorer.arrive(thing)

    def _link(self) -> None:
        """The right side follows the left one from now on."""
        self._said.setText("")
        if self._linked.isChecked():
            self._pass_on(self.sides[0])

    def _pass_on(self, side: Side) -> None:
        """What is moved on one side moves on the other."""
        other = self.sides[1] if side is self.sides[0] else self.sides[0]
        if self._passing or not self._linked.isChecked() or side.explorer is None or other.explorer is None:
            return
        state = side.explorer.shared()
        if state is None:
            return
        self._passing = True
        try:
            problem = other.explorer.share(state)
        finally:
            self._passing = False
        self._said.setText(problem or f"{side.explorer.links}.")
