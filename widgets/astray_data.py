"""Data of runs that is not where it was, or is other data now: what is said of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from dgm_studio.moved_data import places
from dgm_studio.store import Run
from widgets.notices import Log, Notice, Remedy


class AstrayData(QObject):
    """Offers to find it where it came from a place that can be named, and remembers that of the selected run.

    `find_wanted(Run, folder?)`: a person wants to say where the data of a run lies.
    """

    find_wanted = Signal(object, bool)

    def __init__(self, log: Log, parent: QObject) -> None:
        super().__init__(parent)
        self._log = log
        self._selected: Run | None = None
        self._said: Notice | None = None  # of the selected run

    @property
    def run(self) -> Run | None:
        """The selected run, if its data is astray."""
        return self._selected if self._said is not None else None

    def select(self, run: Run | None) -> None:
        """Nothing is known of the data of this run, which is selected now."""
        self._selected, self._said = run, None

    def say(self, run: Run, notice: Notice) -> None:
        """Say what became of the data of a run."""
        if run.config is not None and places(run.config.data):
            notice = replace(notice, remedies=self.ways_to_find(run))
            if run is self._selected:
                self._said = notice
        self._log.say(notice)

    def take_back(self) -> None:
        """The data of the selected run was found."""
        if self._said is not None:
            self._log.take_back(self._said)

    def ways_to_find(self, run: Run) -> tuple[Remedy, ...]:
        """Offers to choose where the data of a run lies now. Without a suffix it may have been a file or a folder."""
        assert run.config is not None
        file = all(Path(path).suffix for path in places(run.config.data).values())
        titles = ["Find it …"] if file else ["Find the file …", "… the folder"]
        wants = [partial(self.find_wanted.emit, run, number > 0) for number in range(len(titles))]
        return tuple(Remedy(title, want) for title, want in zip(titles, wants, strict=True))
