"""The pages: Train, Explore and Evaluate of the selected run, Compare of several, and lessons."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QStackedWidget, QTabBar, QWidget

from dgm_studio.store import Run
from widgets.building import Card
from widgets.compare_page import ComparePage
from widgets.evaluate_page import EvaluatePage
from widgets.explore_page import ExplorePage
from widgets.lesson_page import LessonPage
from widgets.moment_bar import MomentBar
from widgets.saving import RUN_NAME
from widgets.theme import SPACE
from widgets.train_page import TrainPage
from widgets.workspace import Workspace

# How often (ms) each page wants newer weights of the run in training; 0 never.
WANTED = {"Train": 300, "Explore": 120, "Evaluate": 500, "Compare": 500, "Lesson": 0}
BACK = ("Train", "Explore", "Evaluate")  # pages on which one can look back


class WorkArea(Card):
    """Tabs over the pages. `page_changed(title)`."""

    page_changed = Signal(str)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent, margin=0)
        self.setObjectName("workArea")
        self._workspace = workspace
        self.train, self.explore, self.evaluate = TrainPage(workspace), ExplorePage(workspace), EvaluatePage()
        self.compare = ComparePage(workspace, self.evaluate.measuring)
        self.lesson = LessonPage(workspace, self.evaluate.measuring)
        self.tabs = QTabBar(drawBase=False, expanding=False)
        self.tabs.setObjectName("tabs")
        self.tabs.setAccessibleName("Pages")
        self._pages = QStackedWidget()
        pages = (self.train, self.explore, self.evaluate, self.compare, self.lesson)
        for title, page in zip(WANTED, pages, strict=True):
            self.tabs.addTab(title)
            self._pages.addWidget(page)
        self._head = head = QHBoxLayout()
        head.setContentsMargins(SPACE * 3 // 2, 0, SPACE * 3 // 2, 0)
        head.addWidget(self.tabs)
        head.addStretch(1)
        head.addWidget(self.explore.switch, 0, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight)
        self._pages.setContentsMargins(SPACE * 3 // 2, SPACE // 2, SPACE * 3 // 2, SPACE)
        self.moments = MomentBar(workspace.viewing.moments)
        foot = QHBoxLayout()
        foot.setContentsMargins(SPACE * 3 // 2, 0, SPACE * 3 // 2, SPACE // 2)
        foot.addWidget(self.moments)
        self.column.setSpacing(0)
        self.column.addLayout(head)
        self.column.addWidget(self._pages, 1)
        self.column.addLayout(foot)
        self.tabs.currentChanged.connect(self._show)
        workspace.project_file.replaced.connect(self._show_evaluate)
        workspace.selected.connect(lambda _: self._show_evaluate())
        workspace.selected.connect(lambda run: self.setProperty(RUN_NAME, run.name if run is not None else ""))
        workspace.viewing.live_changed.connect(lambda _: self._show_evaluate())
        self.evaluate.changed.connect(workspace.changed)
        self._show(0)

    @property
    def page(self) -> str:
        return self.tabs.tabText(self.tabs.currentIndex())

    def show_page(self, title: str) -> None:
        """Turn to "Train", "Explore", "Evaluate", "Compare" or "Lesson"."""
        self.tabs.setCurrentIndex(list(WANTED).index(title))

    def compare_runs(self, runs: Sequence[Run]) -> None:
        """Put these runs beside those of the Compare page, and turn to it."""
        self.compare.compare(runs)
        self.show_page("Compare")

    def event(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self._turn_head()
        return super().event(event)

    def _turn_head(self) -> None:
        """Explorers stand beside the pages where there is room, which larger text leaves less of, and below them where
        there is none: no tab is cut."""
        switch, margins = self.explore.switch, self._head.contentsMargins()
        room = self.width() - margins.left() - margins.right()
        wanted = self.tabs.sizeHint().width() + 2 * self._head.spacing() + switch.sizeHint().width()
        below = switch.isVisibleTo(self) and wanted > room
        self._head.setDirection(QHBoxLayout.Direction.TopToBottom if below else QHBoxLayout.Direction.LeftToRight)

    def _show(self, index: int) -> None:
        for place in range(self._pages.count()):  # a page out of sight must not decide how small the window can be
            policy = QSizePolicy.Policy.Preferred if place == index else QSizePolicy.Policy.Ignored
            self._pages.widget(place).setSizePolicy(policy, policy)
        self._pages.setCurrentIndex(index)
        self.explore.switch.setVisible(self.page == "Explore")
        self._workspace.viewing.watch_every(WANTED[self.page])
        self.moments.show_for(self.page in BACK, by_state=self.page != "Train")
        self.page_changed.emit(self.page)

    def _show_evaluate(self) -> None:
        self.evaluate.show_run(self._workspace.project, self._workspace.run, self._workspace.viewing.live)
