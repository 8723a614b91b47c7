"""What the palette offers in any window: actions with their menus, presets, and projects that were open lately. Imports
no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu

from dgm_studio.files import short_path
from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.reading import lessons
from dgm_studio.presets import Preset
from widgets.actions import Actions
from widgets.menus import MENUS, Entry
from widgets.palette.items import Item

# what the dialog calls them, and other words; the dialog itself, which needs torch, is made when it is asked for
PREFERENCES = {
    "Theme": "dark light colour",
    "Size of text": "font zoom scale larger smaller",
    "Motion": "animation",
    "New projects in": "folder",
    "Keep a state every": "checkpoint seconds",
    "Room for the history of a run": "states moments budget",
    "Device": "cpu gpu cuda automatic",
}
LEFT_OUT = frozenset({"palette", "recent"})  # actions that would lead here, and what is listed by itself


def of_actions(actions: Actions, why_not: str = "") -> Iterator[Item]:
    """Every action of the menus, and what is in their submenus. `why_not`: why nothing that needs more can be done."""
    for title, entries in MENUS.items():
        for entry in entries:
            if entry.key and entry.key not in LEFT_OUT:
                yield from _of_action(title.replace("&", ""), entry, actions[entry.key], why_not)


def of_menu(kind: str, menu: QMenu, title: str, icon: str = "") -> Iterator[Item]:
    """What a menu has, after it was asked to fill itself."""
    menu.aboutToShow.emit()
    for action in menu.actions():
        if action.isSeparator() or not action.isEnabled():
            continue
        yield Item(
            kind,
            f"{title}: {_plain(action.text())}",
            action.trigger,
            key=action.objectName() or action.text(),
            icon=icon,
            also=title,
        )


def of_presets(presets: Iterable[Preset], kind: str, about: str, do: Callable[[Preset], None]) -> Iterator[Item]:
    """Runs that are ready. `about` says what choosing one does."""
    for preset in presets:
        yield Item(
            kind,
            preset.title,
            lambda preset=preset: do(preset),  # type: ignore[misc]
            key=preset.key,
            about=f"{about}  ·  {preset.summary}",
            icon="train",
            also=f"{preset.key} {preset.group} {preset.summary}",
        )


def of_lessons(do: Callable[[Lesson], None]) -> Iterator[Item]:
    """Every lesson that can be read."""
    for lesson in lessons():
        yield Item(
            "Lesson",
            lesson.title,
            lambda lesson=lesson: do(lesson),  # type: ignore[misc]
            key=lesson.key,
            about=lesson.claim,
            icon="contents",
            also=f"{lesson.key} {lesson.part} {lesson.claim}",
        )


def of_projects(paths: Iterable[Path], do: Callable[[Path], None]) -> Iterator[Item]:
    """Projects that were open lately."""
    for path in paths:
        folder = short_path(path.parent)
        yield Item(
            "Recent project",
            path.stem,
            lambda path=path: do(path),  # type: ignore[misc]
            key=str(path),
            about=folder,
            icon="open",
            also=folder,
        )


def of_preferences(show: Callable[[str], None]) -> Iterator[Item]:
    """Places of the preferences' dialog."""
    for name, words in PREFERENCES.items():
        yield Item(
            "Preference",
            name,
            lambda name=name: show(name),  # type: ignore[misc]
            about="in the preferences, for all projects",
            icon="sliders",
            also=f"preferences {words}",
        )


def _of_action(menu: str, entry: Entry, action: QAction, why_not: str) -> Iterator[Item]:
    if not action.isVisible():
        return
    held = action.menu()
    if held is not None and action.isEnabled():
        yield from of_menu(menu, held, _plain(action.text()), entry.icon)
        return
    reason = ""
    if not action.isEnabled():
        reason = why_not or (f"Needs {entry.needs}." if entry.needs else "Not possible now.")
    about = entry.help.rstrip(".")
    if action.isCheckable():
        about = f"{'on' if action.isChecked() else 'off'}  ·  {about}"
    yield Item(
        menu,
        _plain(action.text()),
        action.trigger,
        key=entry.key,
        about=about,
        shortcut=action.shortcut().toString(QKeySequence.SequenceFormat.NativeText),
        icon=entry.icon,
        also=f"{entry.key} {_plain(entry.text)} {entry.help}",
        why_not=reason,
    )


def _plain(text: str) -> str:
    """A menu's text without its mnemonic and its ellipsis."""
    return text.replace("&&", "\0").replace("&", "").replace("\0", "&").removesuffix("…").strip()
