"""A run that the window trained goes on without it, and the other way round, at the same bits; also when it is looked
at, dragged and measured meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from explorer_runs import drag
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio import ROOT
from dgm_studio.events import Event, Paused
from dgm_studio.store import Run
from dgm_studio.training import Order
from widgets.notices import Log
from widgets.preferences import Preferences
from widgets.trainer import Phase
from widgets.work_area import WorkArea
from widgets.workspace import Workspace

sys.path.insert(0, str(ROOT / "tests" / "faults"))
import resume
from resume import READ, STEPS, Case

PATIENCE = 60_000  # ms


class Windowed:
    """A project open in the window's workspace, with its pages if asked for, and somebody who trains step by step."""

    def __init__(self, qtbot: QtBot, path: Path, pages: bool = False) -> None:
        self.qtbot = qtbot
        preferences = Preferences()
        preferences.folder = path.parent
        self.workspace = Workspace(preferences, Log())
        self.area: WorkArea | None = None
        self.stop: int | None = None
        self.closed = False
        self.looked: set[str] = set()
        if pages:
            self.area = WorkArea(self.workspace)
            self.area.resize(1000, 700)
            self.area.show()
        self.workspace.training_changed.connect(self._begin)
        self.workspace.trainer.happened.connect(self._happened)
        if path.exists():
            self.workspace.project_file.open(path)
        else:
            self.workspace.project_file.create(path.stem)
        self.until(lambda: self.workspace.project is not None)

    def until(self, holds: Callable[[], object]) -> None:
        self.qtbot.waitUntil(lambda: bool(holds()), timeout=PATIENCE)

    def train(self, case: Case, stop: int | None = None) -> None:
        """A new run, or the one there is from its newest state, to its end or to the step `stop`."""
        self.stop = stop
        if self.runs:
            self.workspace.continue_run(self.runs[0], 0)
        else:
            self.workspace.train(case.config())
        with self.qtbot.waitSignal(self.workspace.training_ended, timeout=PATIENCE):
            pass
        self.until(lambda: self.workspace.trainer.phase is Phase.IDLE)
        assert self.runs[0].checkpoint_steps()[-1] == (STEPS if stop is None else stop)

    @property
    def runs(self) -> list[Run]:
        assert self.workspace.project is not None
        return list(self.workspace.project.runs.values())

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.workspace.trainer.tell(Order.STOP)
        self.until(lambda: self.workspace.trainer.phase is Phase.IDLE)
        if self.area is not None:
            self.area.evaluate.shut_down()
        closed: list[bool] = []
        self.workspace.project_file.close(lambda: closed.append(True))
        self.until(lambda: closed)
        for thread in self.workspace.end():
            thread.wait()
        if self.area is not None:
            self.area.deleteLater()

    def _begin(self) -> None:
        steps_alone = self.stop is not None or self.area is not None
        if steps_alone and self.workspace.trainer.phase is Phase.LOADING:
            self.workspace.trainer.tell(Order.PAUSE)

    def _happened(self, run: str, event: Event) -> None:
        if not isinstance(event, Paused) or self.closed:
            return
        if self.area is not None:
            self._look(event.step)
        self.workspace.trainer.tell(Order.STOP if event.step == self.stop else Order.STEP)

    def _look(self, step: int) -> None:
        """Every page and explorer in its turn, dragged all over; and every evaluation."""
        area = self.area
        assert area is not None
        area.show_page(("Explore", "Train", "Evaluate")[step % 3])
        if area.page == "Explore" and area.explore.keys:
            area.explore.show_explorer(step // 3 % len(area.explore.keys))
            view = area.explore.current
            assert view is not None
            self.looked.add(view.key)
            for part in view.findChildren(QWidget):
                if part.isVisible() and part.width() > 40 and part.height() > 40:
                    w, h = part.width(), part.height()
                    drag(part, [QPointF(w * x, h * y) for x, y in ((0.3, 0.3), (0.5, 0.6), (0.7, 0.4))])
        if area.page == "Evaluate":
            area.evaluate._ask_all()
            self.looked.add("evaluations")
        QApplication.processEvents()


@pytest.fixture
def windowed(qtbot: QtBot) -> Iterator[Callable[..., Windowed]]:
    made: list[Windowed] = []

    def make(path: Path, pages: bool = False) -> Windowed:
        made.append(Windowed(qtbot, path, pages))
        return made[-1]

    yield make
    for each in made:
        each.close()
        each.workspace.deleteLater()


def there_and_back(windowed: Callable[..., Windowed], case: Case, folder: Path) -> None:
    """Begun in the window, gone on with without it, ended in the window while somebody looks and drags."""
    straight = resume.stopped(folder, case, ())
    path = folder / "window.dgm"
    window = windowed(path)
    window.train(case, 4)
    window.close()
    resume.scramble()
    resume.train(path, case, 8)
    resume.scramble()
    window = windowed(path, pages=True)
    window.train(case)
    explorers = set(window.area.explore.keys)  # type: ignore[union-attr]
    window.close()
    assert window.looked >= {"evaluations"}
    assert not explorers or window.looked & explorers
    assert resume.apart(case, straight, resume.end(path)) == []


SLOW = pytest.mark.slow  # all but the first are


@pytest.mark.parametrize(
    ("family", "learner"),
    [pytest.param(*names, marks=SLOW if names is not READ[0] else ()) for names in READ],
)
def test_window_and_command_line_pass_a_run_to_each_other_bit_for_bit(
    windowed: Callable[..., Windowed], family: str, learner: str, tmp_path: Path
) -> None:
    there_and_back(windowed, resume.read_case(family, learner), tmp_path)


def test_a_run_that_is_stopped_twice_in_the_window_is_resumed_there(
    windowed: Callable[..., Windowed], tmp_path: Path
) -> None:
    case = resume.read_case(*READ[0])
    straight = resume.stopped(tmp_path, case, ())
    window = windowed(tmp_path / "window.dgm")
    for stop in (0, 6, None):
        window.train(case, stop)
        resume.scramble()
    window.close()
    assert resume.apart(case, straight, resume.end(tmp_path / "window.dgm")) == []
