"""The Compare page: up to eight runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from dgm_studio.store import Run
from widgets.building import label
from widgets.compare.chips import Chips
from widgets.compare.chosen import MOST, Chosen
from widgets.compare.curves_part import CurvesPart
from widgets.compare.likelihood_part import LikelihoodPart
from widgets.compare.linked_part import LinkedPart
from widgets.compare.part import Part
from widgets.compare.rate_distortion_part import RateDistortionPart
from widgets.compare.samples_part import SamplesPart
from widgets.compare.settings_part import SettingsPart
from widgets.empty import Empty
from widgets.measuring import Measuring
from widgets.run_list import RUNS, ids_of
from widgets.theme import SPACE
from widgets.workspace import Workspace


class ComparePage(QWidget):
    """The chosen runs as chips, and one part at a time of what can be seen of them together; a part is made when it is
    first looked at. Runs that are dragged here from the list are added."""

    def __init__(self, workspace: Workspace, measuring: Measuring, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("comparePage")
        self.setAcceptDrops(True)
        self._workspace = workspace
        self.chosen = chosen = Chosen(workspace, self)
        self._kinds: dict[type[Part], Callable[[], Part]] = {
            SettingsPart: partial(SettingsPart, chosen, workspace),
            CurvesPart: partial(CurvesPart, chosen, workspace),
            SamplesPart: partial(SamplesPart, chosen, workspace),
            LikelihoodPart: partial(LikelihoodPart, chosen, workspace, measuring),
            RateDistortionPart: partial(RateDistortionPart, chosen, workspace, measuring),
            LinkedPart: partial(LinkedPart, chosen, workspace),
        }
        self._made: dict[int, Part] = {}
        self.chips = Chips(self.chosen, workspace)
        self._refused = label("", "error", "compareRefused", wrap=True)
        self._refused.hide()
        self.switch = QWidget()
        self.switch.setObjectName("compareSwitch")
        segments = QHBoxLayout(self.switch)
        segments.setContentsMargins(0, 0, 0, 0)
        segments.setSpacing(SPACE // 2)
        segments.addWidget(label("show", "muted"))
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._stack = QStackedWidget()
        self._empty = Empty("Nothing to compare yet", "", "compare")
        self._offer = QPushButton()
        self._offer.setObjectName("compareNewest")
        self._offer.setProperty("primary", True)
        self._offer.clicked.connect(self._choose_newest)
        self._empty.offer(self._offer)
        self._stack.addWidget(self._empty)
        for index, kind in enumerate(self._kinds):
            button = QPushButton(kind.title, checkable=True)
            button.setObjectName(f"segment-{kind.key}")
            button.setProperty("segment", True)
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            self._group.addButton(button, index)
            segments.addWidget(button)
        segments.addStretch(1)
        self._group.button(0).setChecked(True)
        self._group.idClicked.connect(self.show_part)
        top = QVBoxLayout(self)
        top.setContentsMargins(0, 0, 0, 0)
        top.setSpacing(SPACE)
        top.addWidget(self.chips)
        top.addWidget(self._refused)
        top.addWidget(self.switch)
        top.addWidget(self._stack, 1)
        self.chosen.changed.connect(self._changed)
        self.chosen.refused.connect(self._refuse)
        workspace.runs_changed.connect(self._offer_newest)
        workspace.project_file.replaced.connect(self._refused.hide)
        self._changed()

    @property
    def keys(self) -> list[str]:
        """Of the parts, in the order of their segments."""
        return [kind.key for kind in self._kinds]

    @property
    def part(self) -> Part | None:
        """The part in view."""
        widget = self._stack.currentWidget()
        return widget if isinstance(widget, Part) else None

    def show_part(self, index: int) -> None:
        """Show the part of the segment `index`, once there are runs."""
        self._group.button(index).setChecked(True)
        if self.chosen.runs:
            self._stack.setCurrentWidget(self._part(index))

    def _part(self, index: int) -> Part:
        """The part of this segment."""
        if index not in self._made:
            self._made[index] = made = list(self._kinds.values())[index]()
            self._stack.addWidget(made)
        return self._made[index]

    def compare(self, runs: Sequence[Run]) -> None:
        """Put these runs beside those that are here."""
        self._refused.hide()
        self.chosen.add(runs)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasFormat(RUNS):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        project, ids = self._workspace.project, ids_of(event.mimeData())
        self.compare([project.runs[one] for one in ids if one in project.runs] if project is not None else [])
        event.acceptProposedAction()

    def _choose_newest(self) -> None:
        self.compare(self.chosen.others[:MOST])

    def _changed(self) -> None:
        if len(self.chosen.runs) < MOST:
            self._refused.hide()
        if self.chosen.runs:
            self._stack.setCurrentWidget(self._part(self._group.checkedId()))
        else:
            self._stack.setCurrentIndex(0)
        self.switch.setVisible(bool(self.chosen.runs))
        self._offer_newest()

    def _offer_newest(self) -> None:
        others = len(self.chosen.others)
        some = min(others, MOST)
        self._offer.setText(f"Compare all {some} runs" if some == others else f"Compare the newest {some} runs")
        self._offer.setVisible(some > 1)
        first = "Choose two or more runs of this project" if others > 1 else "Train two or more runs in this project"
        self._empty.text.setText(
            f"{first}: what was set differently, their curves, samples and likelihoods then stand side by side."
        )

    def _refuse(self, text: str) -> None:
        self._refused.setText(text)
        self._refused.show()
