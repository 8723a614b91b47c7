"""What leads to the help and from it into the window: keys, buttons, links to settings and presets."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication, QMainWindow

from dgm_studio.config import RunConfig
from dgm_studio.help_pages import help_page
from dgm_studio.presets import Preset, preset
from models import catalog
from widgets.actions import Actions
from widgets.dock import Dock
from widgets.draft import Draft
from widgets.help_panel import HelpPanel
from widgets.model_panel import ModelPanel
from widgets.notices import Log, Notice, Remedy
from widgets.theme import SPACE
from widgets.workspace import Workspace

BESIDE = 182 * SPACE  # px: from this width of the window on there is room for a column beside the form
WIDTH = 45 * SPACE  # px of the help when it opens
PAGE = "helpPage"  # the property of widgets that have a help page: its address


class HelpGuide(QObject):
    """Owns the help's panel and dock, and opens pages in it. `lesson_wanted(key)`: a link to a lesson was followed."""

    lesson_wanted = Signal(str)

    def __init__(
        self,
        window: QMainWindow,
        actions: Actions,
        workspace: Workspace,
        draft: Draft,
        model: ModelPanel,
        log: Log,
        start: Callable[[Preset], None],
    ) -> None:
        """`start(preset)`: make a project of its own for it and train it."""
        super().__init__(window)
        self._window, self._workspace, self._draft, self._model = window, workspace, draft, model
        self._log, self._start = log, start
        self._narrow: dict[QObject, int] = {}  # px: how wide the list of runs and the form are while the help is hidden
        self._widened = False  # they are not so now
        self.panel = HelpPanel(workspace.preferences.help_zoom)
        self.dock = Dock("Help", "helpDock", self.panel, window, 34 * SPACE)
        self.dock.visibilityChanged.connect(self._give_room)
        self.panel.setting_wanted.connect(self.show_setting)
        self.panel.preset_wanted.connect(self._try)
        self.panel.lesson_wanted.connect(self.lesson_wanted)
        self.panel.zoomed.connect(lambda zoom: setattr(workspace.preferences, "help_zoom", zoom))
        self._config = draft.config
        self.panel.follow(f"family:{self._config.family}")
        draft.changed.connect(self._follow)
        model.help_wanted.connect(self.open)
        actions.connect({"help": self.open_here, "contents": self.open_contents})
        for key in ("help", "contents"):
            actions[key].setEnabled(True)

    def place(self, project: Dock, form: Dock) -> None:
        """Put the dock where it belongs: beside the form where the window is wide, else over the list of runs."""
        self._project, self._form = project, form
        for dock in (project, form):
            dock.installEventFilter(self)
        if self._window.width() >= BESIDE:
            self._window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
            self._window.splitDockWidget(self.dock, form, Qt.Orientation.Horizontal)
        else:
            self._window.tabifyDockWidget(project, self.dock)

    def open(self, address: str) -> None:
        """Show the page at an address, to be read."""
        if not self.panel.open(address):
            self.open_contents()
            return
        self._show()
        self.panel.text.setFocus()

    def follow(self, target: str) -> None:
        """Go where a link of a text outside the help leads."""
        kind, _, key = target.partition(":")
        ways = {"setting": self.show_setting, "preset": self._try, "lesson": self.lesson_wanted.emit}
        if kind in ways:
            ways[kind](key)
        else:
            self.open(target)

    def open_here(self) -> None:
        """Show the page of what has the focus; else of the family in the form."""
        widget = QApplication.focusWidget() or self._window.focusWidget()
        while widget is not None and help_page(str(widget.property(PAGE))) is None:
            widget = widget.parentWidget()
        self.open(str(widget.property(PAGE)) if widget is not None else f"family:{self._draft.config.family}")

    def open_contents(self) -> None:
        """Show all pages and the line to search them."""
        self._show()
        self.panel.show_contents()

    def show_setting(self, name: str) -> None:
        """Go to the editor of "group.field" in the form, or say what the form has to show first."""
        kind, _, key = self.panel.address.partition(":")
        config, own = self._draft.config, name.startswith(("model.", "learning."))
        if own and (kind, key) != (kind, {"family": config.family, "learner": config.learner}.get(kind, key)):
            self._say_elsewhere(kind, key)
            return
        self._form.show()
        self._form.raise_()
        if not self._model.focus_setting(*name.split(".")):
            self._say_elsewhere("", "")

    def _say_elsewhere(self, kind: str, key: str) -> None:
        config, choices = self._draft.config, list[Remedy]()
        if kind == "family":
            choices.append(Remedy(f"Choose {catalog.family(key).title}", lambda: self._draft.set_family(key)))
        elif kind == "learner" and key in catalog.family(config.family).learners:
            choices.append(Remedy(f"Choose {catalog.learning(key).title}", lambda: self._draft.set_learner(key)))
        shown = f"{catalog.family(config.family).title}, {catalog.learning(config.learner).title}"
        self._log.say(Notice("info", f"The form shows {shown}, which has no such setting.", remedies=tuple(choices)))

    def _try(self, key: str) -> None:
        """Show a preset's settings in the form; where no project is open, make one and train it there."""
        chosen = preset(key)
        if self._workspace.project is None:
            self._start(chosen)
            return
        self._draft.replace(chosen.config, chosen.title)
        self._form.show()
        self._log.say(Notice("info", f"The form shows “{chosen.title}”: train it as a new run.", lasting=False))

    def _follow(self, config: RunConfig) -> None:
        """Turn to the page of what was chosen: of the data or learner where only that changed, else of the family."""
        before, self._config = self._config, config
        if config.family != before.family:
            self.panel.follow(f"family:{config.family}")
        elif config.learner != before.learner:
            self.panel.follow(f"learner:{config.learner}")
        else:
            old, new = ([domain.source for domain in c.data.domains] for c in (before, config))
            changed = [key for place, key in enumerate(new) if old[place : place + 1] != [key]]
            if changed:
                self.panel.follow(f"data:{changed[0]}")

    def _show(self) -> None:
        self.dock.show()
        self.dock.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Resize and self.dock.isHidden() and not self._widened:
            self._narrow[watched] = watched.width()
        return False

    def _give_room(self, visible: bool) -> None:
        """A page needs more width than the list of runs. What is beside it is afterwards as it was."""
        self._widened = self._widened or visible
        if visible and not self.dock.isFloating() and self.dock.width() < WIDTH:
            sizes = [WIDTH, self._form.width()]
            self._window.resizeDocks([self.dock, self._form], sizes, Qt.Orientation.Horizontal)
        elif self.dock.isHidden():
            QTimer.singleShot(0, self._take_back)  # when the layout knows that it is hidden

    def _take_back(self) -> None:
        if self.dock.isHidden():
            if self._narrow:
                self._window.resizeDocks(list(self._narrow), list(self._narrow.values()), Qt.Orientation.Horizontal)
            self._widened = False
