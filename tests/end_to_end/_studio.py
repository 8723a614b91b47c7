"""The program as `main.py` starts it, and somebody at its side who says where things are on the screen and how they
are. What is done to it comes from the X server alone.

Reads one JSON object a line from its input, and answers each with one line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from PySide6.QtCore import QObject, QPoint, QRect, QSocketNotifier
from PySide6.QtGui import QColor, QGuiApplication, QPixmap, QRegion
from PySide6.QtWidgets import QAbstractButton, QApplication, QGraphicsView, QLabel, QScrollArea, QWidget

from widgets import app as studio
from widgets.main_window import MainWindow
from widgets.notices import NoticeBar
from widgets.theme import look


class Witness(QObject):
    """Answers questions about one window."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._notifier = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._answer)

    def _answer(self) -> None:
        line = sys.stdin.readline()
        if not line:
            self._notifier.setEnabled(False)
            return
        asked = json.loads(line)
        answer = getattr(self, asked.pop("what"))(**asked)
        print(json.dumps(answer), flush=True)

    def where(self, name: str = "", text: str = "") -> list[int] | None:
        """Left, top, width and height of what is to be seen under this object name, or of a button that begins with
        this text, on the screen."""
        for top in [*reversed(QApplication.topLevelWidgets()), self._window]:
            for widget in top.findChildren(QWidget, name) if name else top.findChildren(QAbstractButton):
                right = bool(name) or (isinstance(widget, QAbstractButton) and widget.text().startswith(text))
                target = widget.viewport() if isinstance(widget, QGraphicsView) else widget
                if right and target.isVisible() and not target.visibleRegion().isEmpty():
                    area = seen(target)
                    corner = target.mapToGlobal(area.topLeft())
                    return [corner.x(), corner.y(), area.width(), area.height()]
        return None

    def state(self) -> dict[str, Any]:
        """How the window is."""
        window, desk = self._window, self._window.desk
        found: dict[str, Any] = {
            "title": window.windowTitle(),
            "theme": look.theme.name,
            "loaded": desk is not None,
            "active": window.isActiveWindow(),
            "window": int(window.winId()),
            "notices": [bar.notice.text for bar in window.findChildren(NoticeBar) if bar.isVisible()],
            "errors": [bar.notice.text for bar in window.findChildren(NoticeBar) if bar.notice.kind == "bad"],
        }
        if desk is None:
            return found
        workspace, viewing = desk.workspace, desk.workspace.viewing
        project, run, live = workspace.project, workspace.run, viewing.live
        shown = workspace.shown.get(run.id) if run is not None else None
        explorer = desk.area.explore.current
        z = getattr(explorer, "z", None)
        return found | {
            "project": str(project.path) if project is not None else "",
            "saved": project is not None and not project.modified,
            "runs": [one.name for one in project.runs.values()] if project is not None else [],
            "statuses": [one.status for one in project.runs.values()] if project is not None else [],
            "run": run.name if run is not None else "",
            "curves": shown is not None and shown.history is not None,
            "phase": workspace.trainer.phase.name,
            "page": desk.area.page,
            "step": shown.progress.step if shown is not None and shown.progress is not None else -1,
            "previewed": shown.preview.step if shown is not None and shown.preview is not None else -1,
            "kept": run.checkpoint_steps()[-1] if run is not None and run.checkpoint_steps() else -1,
            "moment": viewing.moments.step,
            "looked": live.step if live is not None else -1,
            "explorers": desk.area.explore.keys,
            "explorer": explorer.key if explorer is not None else "",
            "trouble": explorer.findChild(QLabel, "notice").text() if explorer is not None else "",
            "z": [float(value) for value in z] if z is not None else None,
            "evaluations": [one.key for one in run.evaluations] if run is not None else [],
        }

    def lesson(self) -> dict[str, Any]:
        """What the page of a lesson shows."""
        from widgets.lesson.article import Figure  # not before the window is there, whose start is measured
        from widgets.lesson.checks import CheckCard
        from widgets.lesson.marks import Sign

        assert self._window.desk is not None
        page = self._window.desk.area.lesson

        def said(where: QWidget, name: str) -> str:
            found = where.findChild(QLabel, name)
            return found.text() if isinstance(found, QLabel) and found.isVisibleTo(page) else ""

        cards = sorted(page.findChildren(CheckCard), key=lambda card: int(card.objectName().split("-")[1]))
        lines = [part for part in page.findChildren(QWidget) if part.objectName().startswith("lessonRun-")]
        return {
            "key": page.lesson.key if page.lesson is not None else "",
            "running": page.runner.lesson is not None,
            "share": page.runner.share if page.runner.lesson is not None else page.standing and page.standing.share,
            "button": page.head.button.text(),
            "told": page.head.findChild(QWidget, "lessonText").accessibleName(),
            "trouble": said(page, "lessonTrouble"),
            "verdict": said(page.head, "lessonVerdict"),
            "verdicts": [said(card, f"verdict-{n}") for n, card in enumerate(cards)],
            "signs": [card.findChild(Sign).toolTip() for card in cards],
            "switched off": [said(card, f"without-{n}") for n, card in enumerate(cards)],
            "told apart": [checked.told_apart for checked in page.standing.outcome.checks] if page.standing else [],
            "empty": [figure.objectName() for figure in page.findChildren(Figure) if figure.empty],
            "runs": {line.objectName().split("-", 1)[1]: line.findChild(Sign).toolTip() for line in lines},
        }

    def shot(self, path: str) -> bool:
        """Keep what the screen shows."""
        screen = QGuiApplication.primaryScreen()
        return screen.grabWindow(0).save(path)

    def whole(self, name: str, path: str) -> bool:
        """Keep what a scrolled widget shows, also what is outside the screen."""
        area = self._window.findChild(QScrollArea, name)
        picture = QPixmap(area.widget().size())
        picture.fill(QColor(look.theme.panel))
        area.widget().render(picture, QPoint(), QRegion(), QWidget.RenderFlag.DrawChildren)
        return picture.save(path)


def seen(widget: QWidget) -> QRect:
    """What the widgets around one leave to be seen of it."""
    area, around = widget.rect(), widget
    while not around.isWindow() and (around := around.parentWidget()) is not None:
        area &= QRect(widget.mapFrom(around, around.rect().topLeft()), around.size())
    return area


def main() -> int:
    show = MainWindow.show

    def watched(window: MainWindow) -> None:
        Witness(window)
        show(window)

    MainWindow.show = watched
    return studio.main(sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())
