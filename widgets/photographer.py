"""Walks through the window and keeps what it sees."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication, QDialog

from dgm_studio.lessons.found import Found
from dgm_studio.lessons.reading import FOLDER, lessons, read_lesson
from dgm_studio.presets import presets
from dgm_studio.store import Project, Run
from widgets.app import Collector, application
from widgets.camera import Camera
from widgets.crash import of_exception
from widgets.crash_dialog import CrashDialog, what_is_kept
from widgets.desk import Desk
from widgets.main_window import MainWindow
from widgets.notices import Log
from widgets.patience import rest, settle, wait
from widgets.photo_states import focused, hovered
from widgets.preferences import Preferences
from widgets.screenshots import sizes_of
from widgets.theme import DARK, look
from widgets.trainer import Phase
from widgets.work_area import WANTED

OF_A_RUN = [title for title in WANTED if title not in ("Compare", "Lesson")]
MANY = 50  # runs of the crowded project
DIALOGS = ("preferences", "shortcuts", "about", "recoveries", "export", "palette")  # actions that open one
BESIDE = 4  # runs that are compared


def photograph(
    folder: str,
    project: str,
    runs: Sequence[str],
    pages: Sequence[str],
    sizes: Sequence[Sequence[int]],
    themes: Sequence[str],
    alone: bool,
) -> list[Path]:
    """Take the pictures of an Album in this process, at the scale of this process."""
    app, collector = application(sys.argv[:1]), Collector()
    look.apply(app, DARK)
    photographer = Photographer(Path(folder), pages, sizes_of(sizes), themes, app.devicePixelRatio())
    photographer.walk(Path(project), runs, alone)
    photographer.close()
    collector.end()
    return photographer.camera.taken


class Photographer:
    """Somebody who looks at everything once. A person's preferences are neither read nor written."""

    def __init__(
        self,
        folder: Path,
        pages: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        themes: Sequence[str],
        scale: float,
    ) -> None:
        self._home = tempfile.TemporaryDirectory()
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, self._home.name)
        preferences = Preferences()
        preferences.folder = Path(self._home.name) / "DGM Studio"
        self.window = MainWindow(preferences, Log())
        self.camera = Camera(self.window, folder, pages, sizes, themes, scale)
        self.window.resize(*sizes[0])
        self.window.show()
        self.window.load()
        wait(lambda: self.window.desk is not None)

    @property
    def desk(self) -> Desk:
        assert self.window.desk is not None
        return self.window.desk

    def walk(self, project: Path, runs: Sequence[str], alone: bool) -> None:
        """All that there is to see. `alone`: nothing but runs of the project."""
        if not alone:
            self.camera.in_themes(lambda: self.camera.take("start"))
            self.window.start_page.show_lessons()
            self.camera.in_themes(lambda: self.camera.take("start-lessons"))
            self.empty()
            self.crowd()
        self.open(project)
        opened = self.desk.workspace.project
        assert opened is not None
        found = list(opened.runs.values())
        chosen = [run for run in reversed(found) if run.name in runs or "*" in runs] or found[-1:]
        for run in chosen:
            self.run(run)
        if not alone:
            self.compare(found[-BESIDE:])
            self.help()
            self.states()
            self.tour()
            self.dialogs(project)
            self.lessons()
            self.template()
            self.training()

    # What there is to see.

    def run(self, run: Run) -> None:
        """Every page that a run has."""
        desk = self.desk
        titles = [title for title in OF_A_RUN if self.camera.wanted(f"{run.name}-{title.lower()}")]
        names = [f"{run.name}-{kind}" for kind in self._explorers(run)]
        if not titles and not any(self.camera.wanted(name) for name in names):
            return
        desk.workspace.select(run)
        wait(lambda: desk.workspace.viewing.live is not None)
        settle(self.desk)
        self.camera.in_themes(lambda: self._pages_of(run))

    def _pages_of(self, run: Run) -> None:
        desk = self.desk
        for title in OF_A_RUN:
            desk.area.show_page(title)
            if title == "Explore":
                for index, key in enumerate(desk.area.explore.keys):
                    if self.camera.wanted(f"{run.name}-{key}"):
                        desk.area.explore.show_explorer(index)
                        self.camera.take(f"{run.name}-{key}")
            else:
                self.camera.take(f"{run.name}-{title.lower()}", desk.area)
        desk.area.show_page("Train")

    def empty(self) -> None:
        """A project without a run, page by page."""
        if not any(self.camera.wanted(f"empty-{title.lower()}") for title in WANTED):
            return
        self.desk.projects.new()
        wait(lambda: self.desk.workspace.project is not None)

        def look_at() -> None:
            for title in WANTED:
                self.desk.area.show_page(title)
                self.camera.take(f"empty-{title.lower()}")

        self.camera.in_themes(look_at)
        self.desk.area.show_page("Train")

    def crowd(self) -> None:
        """Many runs with long names, and messages below."""
        if not self.camera.wanted("crowd"):
            return
        path = Path(self._home.name) / "A project with a name that is longer than the room there is for it.dgm"
        config = presets()[0].config
        with Project.create(path) as project:
            for number in range(MANY):
                run = project.new_run(config, f"a run whose name says everything there is to say of it {number + 1}")
                run.tags = ["baseline", "large β", "a tag that goes on and on", "third"][: number % 5]
            project.save()
        self.open(path, live=False)
        self.desk.docks["log"].show()
        self.camera.in_themes(lambda: self.camera.take("crowd"))
        self.desk.docks["log"].hide()

    def compare(self, runs: Sequence[Run]) -> None:
        """Runs side by side."""
        page = self.desk.area.compare
        if not any(self.camera.wanted(f"compare-{key}") for key in page.keys):
            return
        page.compare(runs)
        self.desk.area.show_page("Compare")

        def look_at() -> None:
            for index, key in enumerate(page.keys):
                page.show_part(index)
                self.camera.take(f"compare-{key}")

        self.camera.in_themes(look_at)
        self.desk.area.show_page("Train")

    def lessons(self) -> None:
        """All lessons, and those of which the project holds something."""
        page, found = self.desk.area.lesson, Found(self.desk.workspace.project)
        begun = [
            lesson
            for lesson in lessons()
            if self.camera.wanted(f"lesson-{lesson.key}")
            and any(found.run(run.config()) is not None for run in lesson.runs.values())
        ]
        if not begun and not self.camera.wanted("lesson-gallery"):
            return
        self.desk.area.show_page("Lesson")

        def look_at() -> None:
            page.show_gallery()
            self.camera.take("lesson-gallery")
            for lesson in begun:
                page.show_lesson(lesson)
                settle(self.desk)
                self.camera.take(f"lesson-{lesson.key}", self.desk.area)

        self.camera.in_themes(look_at)
        self.desk.area.show_page("Train")

    def template(self) -> None:
        """The lesson that lessons are written from, in a project of its own: before and after it has run, once."""
        if not self.camera.wanted("template-before") and not self.camera.wanted("template-after"):
            return
        self.desk.projects.new()
        before = self.desk.workspace.project
        wait(lambda: self.desk.workspace.project not in (None, before))
        page = self.desk.area.lesson
        self.desk.lessons.open(read_lesson(FOLDER.parent / "lesson-template.md"))
        page.head.seeds.setValue(1)
        self.camera.in_themes(lambda: self.camera.take("template-before", self.desk.area))
        page.run()
        wait(lambda: page.runner.lesson is None)
        self.camera.in_themes(lambda: self.camera.take("template-after", self.desk.area))
        self.desk.area.show_page("Train")

    def help(self) -> None:
        """The page of the selected run's family, beside the form."""
        if self.camera.wanted("help"):
            self.window.actions_["help"].trigger()
            self.camera.in_themes(lambda: self.camera.take("help"))
            self.desk.docks["showHelp"].hide()

    def states(self) -> None:
        """Everything under the pointer, and everything with the focus."""

        def look_at() -> None:
            for name, picture in (("states-hover", hovered), ("states-focus", focused)):
                if self.camera.wanted(name):
                    self.camera.save(picture(self.window), f"{name}-{look.theme.name}")

        self.window.activateWindow()  # only then has anything the focus
        if self.camera.wanted("states-hover") or self.camera.wanted("states-focus"):
            self.camera.in_themes(look_at)

    def tour(self) -> None:
        """Each stop of the first look around."""
        if not self.camera.wanted("tour"):
            return

        def look_at() -> None:
            self.window.tour.begin()
            while (bubble := self.window.tour.bubble) is not None:
                self.camera.take(f"tour-{bubble.at + 1}")
                bubble.go(1)

        self.camera.in_themes(look_at)

    def dialogs(self, project: Path) -> None:
        """Each dialog in front of the window."""
        self.camera.in_themes(lambda: self._open_dialogs(project))

    def _open_dialogs(self, project: Path) -> None:
        for key in DIALOGS:
            if self.camera.wanted(f"dialog-{key}"):
                with self.camera.front():
                    self.window.actions_[key].trigger()
                    self.camera.take(f"dialog-{key}")
        if self.camera.wanted("dialog-crash"):
            with self.camera.front():
                self._crash()
                self.camera.take("dialog-crash")
        if self.camera.wanted("dialog-import"):
            with self.camera.front():
                self.desk.changes.list_runs(project)
                wait(lambda: any(isinstance(w, QDialog) and w.isVisible() for w in QApplication.topLevelWidgets()))
                self.camera.take("dialog-import")

    def _crash(self) -> None:
        """A report of something that did not happen."""
        try:
            raise RuntimeError("the view of nothing has no picture")
        except RuntimeError as error:
            report = of_exception((type(error), error, error.__traceback__), [], lambda: what_is_kept(self.window))
        CrashDialog(report, self.window).show()

    def training(self) -> None:
        """The first preset while it learns, paused so that nothing moves."""
        if not self.camera.wanted("training"):
            return
        desk = self.desk
        trainer = desk.workspace.trainer
        desk.start(presets()[0])
        wait(lambda: trainer.phase is Phase.TRAINING)
        rest(3.0)
        desk.control.train_or_pause()
        wait(lambda: trainer.phase is Phase.PAUSED)
        self.camera.in_themes(lambda: self.camera.take("training"))
        desk.projects.stop_all(lambda: None)
        wait(lambda: trainer.phase is Phase.IDLE)

    def _explorers(self, run: Run) -> list[str]:
        from widgets.explorers.catalog import EXPLORERS

        return [kind.key for kind in EXPLORERS]

    # What is open.

    def open(self, path: Path, live: bool = True) -> None:
        self.desk.projects.open(path)
        wait(lambda: self.desk.workspace.project is not None and self.desk.workspace.project.path == path.absolute())
        if live:
            wait(lambda: self.desk.workspace.viewing.live is not None)
        settle(self.desk)

    def close(self) -> None:
        self.window.close()
        wait(lambda: self.window.has_ended)
        self._home.cleanup()
