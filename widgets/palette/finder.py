"""The palette of a window: made when it is first asked for, filled each time it opens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from dgm_studio.presets import presets
from widgets.palette.items import Item, Shelf, used
from widgets.palette.offers import of_actions, of_lessons, of_preferences, of_presets, of_projects
from widgets.palette.view import Palette

if TYPE_CHECKING:
    from widgets.main_window import MainWindow


class Finder(QObject):
    """Opens the palette. Parts of the window add what they have by `offers`: functions that are asked when it opens."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._palette: Palette | None = None
        self.offers: list[Callable[[], Iterable[Item]]] = []
        window.actions_.connect({"palette": self.toggle})

    @property
    def palette(self) -> Palette:
        if self._palette is None:
            self._palette = Palette(self._window, self.shelf)
            self._palette.chosen.connect(self._choose)
        return self._palette

    def toggle(self) -> None:
        """Open it; shut it where it is open."""
        if self.palette.isVisible():
            self.palette.shut()
        else:
            self.palette.open()

    def shelf(self) -> Shelf:
        """Everything that there is to choose now."""
        return Shelf(self._items(), self._window.preferences.used)

    def _items(self) -> Iterator[Item]:
        window, desk = self._window, self._window.desk
        why_not = "The studio is still being loaded." if desk is None else ""
        open_ = desk is not None and desk.workspace.project is not None
        if not open_:
            why_not = why_not or "Needs an open project."
        yield from of_actions(window.actions_, why_not)
        if desk is not None and open_:
            from widgets.palette.desk_offers import DeskOffers  # torch comes with it

            yield from DeskOffers(desk, window.header).items()
        else:
            yield from of_presets(presets(), "Preset", "trains in a project of its own", window.start_preset)
        yield from of_lessons(window.open_lesson)
        yield from of_projects(window.preferences.recent, window.open)
        yield from of_preferences(window.show_preferences)
        for offer in self.offers:
            yield from offer()

    def _choose(self, item: Item) -> None:
        self._window.preferences.used = used(self._window.preferences.used, item.name)
        item.do()
