"""Every action of the window, declared once: its menu, shortcut, icon and tooltip follow from here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenuBar

from widgets.icons import dress


@dataclass(frozen=True)
class Entry:
    """One action. `key` is its objectName; an empty key is a separator. `needs` says what has to be there before it can
    be done."""

    key: str = ""
    text: str = ""
    help: str = ""
    shortcut: str = ""  # further ones after a space
    icon: str = ""
    checkable: bool = False
    needs: str = ""


MENUS: dict[str, tuple[Entry, ...]] = {
    "&File": (
        Entry("new", "&New project", "Make an empty project in the project folder.", "Ctrl+N", "new"),
        Entry("open", "&Open …", "Open a project file.", "Ctrl+O", "open"),
        Entry("recent", "Open &recent", "Projects that were open lately."),
        Entry("openLesson", "Open &lesson …", "Open a lesson that somebody wrote, from its file.", "Ctrl+Shift+O"),
        Entry(),
        Entry(
            "save",
            "&Save",
            "Write the project file now. Training saves by itself.",
            "Ctrl+S",
            "save",
            needs="a project that may be written",
        ),
        Entry(
            "saveAs",
            "Save &as …",
            "Write to another file and go on there.",
            "Ctrl+Shift+S",
            needs="a project in which nothing trains",
        ),
        Entry(
            "import",
            "&Import runs …",
            "Copy runs of another project into this one.",
            "Ctrl+I",
            "import",
            needs="a project that may be written",
        ),
        Entry(
            "importWeights",
            "Import &weights …",
            "Add a run that begins with the weights of a file.",
            "",
            "import",
            needs="a project that may be written, in which nothing trains",
        ),
        Entry(
            "export",
            "&Export …",
            "Write the selected run as files that need no studio.",
            "Ctrl+E",
            "export",
            needs="a run that keeps a state",
        ),
        Entry(
            "recoveries",
            "Re&cover …",
            "What trainings that were cut off have left.",
            "",
            "recover",
            needs="a project that may be written",
        ),
        Entry("folder", "Project &folder …", "Choose where new projects are made."),
        Entry(),
        Entry("start", "Start &page", "Close this project and show the start page.", "Ctrl+W", "home"),
        Entry("quit", "&Quit", "Close the window. A run that trains is stopped and kept.", "Ctrl+Q", "quit"),
    ),
    "&Edit": (
        Entry(
            "undo",
            "&Undo",
            "Take back what was changed last where the focus is.",
            "Ctrl+Z",
            "undo",
            needs="something to take back",
        ),
        Entry("redo", "&Redo", "Do it again.", "Ctrl+Shift+Z", "redo", needs="something that was taken back"),
        Entry(),
        Entry("reset", "Reset &settings", "Set everything to the family's defaults.", "", "reset"),
        Entry("search", "&Find a family", "Search the families of models.", "Ctrl+F", "search"),
        Entry("findRun", "Find a ru&n", "Show the runs of a name, tag or family.", "Ctrl+Shift+F", "search"),
        Entry(),
        Entry(
            "palette",
            "&Command palette",
            "Find everything: what to do, to set and to see.",
            "Ctrl+K Ctrl+Shift+P",
            "palette",
        ),
        Entry("preferences", "&Preferences …", "Theme, folder, how often a state is kept.", "Ctrl+,"),
    ),
    "&Run": (
        Entry(
            "train",
            "&Train",
            "Train a run with the settings on the right; pause and resume it.",
            "F5",
            "train",
            needs="settings that can be trained",
        ),
        Entry("step", "St&ep", "Do one step and pause.", "F10", "step", needs="a run that trains"),
        Entry(
            "stop",
            "Stop and &keep",
            "End training here and keep what was learned.",
            "Shift+F5",
            "stop",
            needs="a run that trains",
        ),
        Entry(
            "discard",
            "&Discard",
            "End training and throw away what it learned.",
            "Ctrl+Shift+F5",
            "discard",
            needs="a run that trains",
        ),
        Entry(
            "continue",
            "&Continue for more steps",
            "Train the selected run further.",
            "F6",
            "continue",
            needs="a selected run, in a project that may be written",
        ),
        Entry(),
        Entry(
            "branch",
            "&Branch from the newest state",
            "Add a run that goes on from here, by the learner's settings in the form.",
            "Ctrl+B",
            "branch",
            needs="a selected run that keeps a state",
        ),
        Entry(
            "keepMoment",
            "&Keep this moment",
            "Keep the state that is looked at, whatever else is let go of.",
            "Ctrl+Shift+K",
            "pin",
            needs="a selected run that keeps a state",
        ),
        Entry(
            "releaseMoment",
            "Let go of t&his moment",
            "The state that is looked at, and was to be kept, may be let go of again when the run trains on.",
            "Ctrl+Shift+L",
            needs="a moment that was to be kept",
        ),
        Entry(
            "branchFrom",
            "Branch &from",
            "Add a run that goes on from one of the kept states.",
            "",
            "branch",
            needs="a selected run that keeps a state",
        ),
        Entry(
            "duplicate",
            "Du&plicate",
            "Add a full copy of the selected run.",
            "Ctrl+Shift+D",
            "duplicate",
            needs="a selected run",
        ),
        Entry(
            "compare",
            "Compare s&ide by side",
            "Put the runs that are selected in the list beside those of the Compare page.",
            "Ctrl+Shift+B",
            "compare",
            needs="a selected run",
        ),
        Entry(
            "useSettings",
            "&Use its settings for a new run",
            "Copy the selected run's settings to the form.",
            "Ctrl+D",
            needs="a selected run",
        ),
        Entry(),
        Entry("rename", "Re&name", "Give the selected run another name.", "F2", "rename", needs="a selected run"),
        Entry(
            "tags",
            "Ta&gs",
            "Write tags of the selected run, with commas between them.",
            "Ctrl+G",
            "tag",
            needs="a selected run",
        ),
        Entry(
            "notes",
            "N&otes",
            "Write down what you saw in the selected run.",
            "Ctrl+Shift+N",
            "notes",
            needs="a selected run",
        ),
        Entry(),
        Entry(
            "delete",
            "De&lete",
            "Take the selected runs out of the project; they can be had back.",
            "Del",
            "delete",
            needs="a selected run that does not train",
        ),
        Entry(
            "deleted",
            "Deleted run&s",
            "Bring back what was deleted, or remove it for good.",
            "",
            "undo",
            needs="runs that were deleted",
        ),
    ),
    "&View": (
        Entry("pageTrain", "&Train", "Curves and samples.", "Ctrl+1", "curves"),
        Entry("pageExplore", "&Explore", "Drag through what the run learned.", "Ctrl+2", "explore"),
        Entry("pageEvaluate", "E&valuate", "Measure the run.", "Ctrl+3", "evaluate"),
        Entry("pageCompare", "&Compare", "Put runs side by side.", "Ctrl+4", "compare"),
        Entry("pageLesson", "&Lesson", "Claims of the lecture as experiments.", "Ctrl+5", "contents"),
        Entry(),
        Entry("nextRun", "&Next run", "Select the next run.", "Ctrl+PgDown"),
        Entry("previousRun", "&Previous run", "Select the run before.", "Ctrl+PgUp"),
        Entry(
            "nextLesson",
            "Next lesson",
            "Turn to the next lesson of the lecture.",
            "Ctrl+Alt+PgDown",
            needs="a lesson that is shown, and one after it",
        ),
        Entry(
            "previousLesson",
            "Previous lesson",
            "Turn to the lesson before.",
            "Ctrl+Alt+PgUp",
            needs="a lesson that is shown, and one before it",
        ),
        Entry(
            "reloadLesson",
            "Read lesson again",
            "Read the file of the lesson again.",
            "Ctrl+R",
            "reset",
            needs="a lesson that is shown",
        ),
        Entry(),
        Entry("showRuns", "Pro&ject panel", "Show or hide the runs.", "Ctrl+Alt+1", "", True),
        Entry("showModel", "&Model panel", "Show or hide the settings.", "Ctrl+Alt+2", "", True),
        Entry("showHelp", "&Help panel", "Show or hide the help.", "Ctrl+Alt+3", "", True),
        Entry("log", "Mess&ages", "Everything that was said.", "Ctrl+L", "log", True),
        Entry("layout", "&Reset layout", "Put all panels back."),
        Entry(),
        Entry("themeSystem", "Theme of the s&ystem", "Light or dark, as the system is.", "", "", True),
        Entry("themeDark", "&Dark theme", "Light text on dark.", "", "moon", True),
        Entry("themeLight", "&Light theme", "Dark text on light.", "", "sun", True),
        Entry("theme", "S&witch theme", "Change between dark and light.", "Ctrl+T", "sun"),
    ),
    "&Help": (
        Entry("help", "&Help on this", "The page of what has the focus, else of the family in the form.", "F1", "help"),
        Entry("contents", "&Contents and search", "All help pages.", "Shift+F1", "contents"),
        Entry(),
        Entry("tour", "&Tour", "A short look around the window.", "", "explore", needs="an open project"),
        Entry("shortcuts", "&Keyboard shortcuts", "All shortcuts.", "Ctrl+/", "keyboard"),
        Entry("about", "&About", "Versions and licence.", "", "info"),
    ),
}


class Actions:
    """The actions by key, and the menu bar that holds them all."""

    def __init__(self, parent: QObject) -> None:
        self.menu_bar = QMenuBar()
        self.menu_bar.setObjectName("menuBar")
        # mirrored, Qt's bar asks for more room than it has and draws its menus outside
        self.menu_bar.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.menu_bar.setNativeMenuBar(False)  # the bar stands in one line with the buttons
        self._actions: dict[str, QAction] = {}
        for title, entries in MENUS.items():
            menu = self.menu_bar.addMenu(title)
            menu.setToolTipsVisible(True)
            for entry, text in zip(entries, lettered([entry.text for entry in entries]), strict=True):
                if not entry.key:
                    menu.addSeparator()
                    continue
                action = self._make(entry, text, parent)
                menu.addAction(action)

    def __getitem__(self, key: str) -> QAction:
        return self._actions[key]

    def __iter__(self) -> Iterator[tuple[str, QAction]]:
        return iter(self._actions.items())

    def _make(self, entry: Entry, text: str, parent: QObject) -> QAction:
        action = QAction(text, parent)
        action.setObjectName(entry.key)
        action.setCheckable(entry.checkable)
        if entry.shortcut:
            action.setShortcuts([QKeySequence(keys) for keys in entry.shortcut.split()])
        shown = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        action.setToolTip(f"{entry.help} ({shown})" if shown else entry.help)
        action.setStatusTip(entry.help)
        if entry.icon:
            dress(action, entry.icon)
        self._actions[entry.key] = action
        return action


def lettered(texts: list[str]) -> list[str]:
    """The texts of a menu, each with a letter of its own to press: that which it asks for by "&", unless one before it
    has that; else the first that is free, beginnings of words before others."""
    taken: set[str] = set()
    found = []
    for text in texts:
        plain = text.replace("&", "")
        asked = [text.index("&")] if "&" in text else []
        begins = [place for place, sign in enumerate(plain) if sign.isalnum() and plain[:place][-1:] in ("", " ")]
        others = [place for place, sign in enumerate(plain) if sign.isalnum()]
        place = next((place for place in (*asked, *begins, *others) if plain[place].lower() not in taken), None)
        if place is not None:
            taken.add(plain[place].lower())
            plain = f"{plain[:place]}&{plain[place:]}"
        found.append(plain)
    return found
