"""How the window is looked at: in every theme and size, to the end of what scrolls, with what stands in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QScrollArea, QWidget

from widgets.desk import Desk
from widgets.main_window import MainWindow
from widgets.palette.view import Palette
from widgets.patience import rest, settle
from widgets.readout import Readout
from widgets.theme import look


class Camera:
    """Keeps pictures of a window, `taken`. `pages` are the names that are wanted, or parts of them; all where there are
    none."""

    def __init__(
        self,
        window: MainWindow,
        folder: Path,
        pages: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        themes: Sequence[str],
        scale: float,
    ) -> None:
        self._window = window
        self._folder, self._pages, self._sizes, self._themes, self._scale = folder, pages, sizes, themes, scale
        self.taken: list[Path] = []

    @property
    def _desk(self) -> Desk:
        assert self._window.desk is not None
        return self._window.desk

    def wanted(self, name: str) -> bool:
        return not self._pages or any(page in name for page in self._pages)

    def in_themes(self, look_at: Callable[[], None]) -> None:
        """Look at something in each theme. Changing it takes a second, so not for every page."""
        for theme in self._themes:
            self._window.theme.choose(theme)
            settle(self._desk, 0.1)
            look_at()

    def take(self, name: str, scrolls: QWidget | None = None) -> None:
        """Keep the window as it is, in every size; also what there is further down in `scrolls`."""
        if not self.wanted(name):
            return
        for size in self._sizes:
            self._window.resize(*size)
            settle(self._desk)
            for place, further in enumerate(self._scrolled(scrolls)):
                further()
                settle(self._desk, 0.1 if place else 0)
                self._keep(f"{name}{f'-{place + 1}' if place else ''}-{look.theme.name}", size)
        self._window.resize(*self._sizes[0])

    def _keep(self, name: str, size: tuple[int, int]) -> None:
        self._window.status.findChild(Readout, "lastMessage").set_text("")  # it fades by the clock
        self._window.grab()  # the first time it is painted, an axis learns how wide its figures are
        QApplication.processEvents()
        seen = self._window.grab()
        for front in self._in_front():
            paste(front, seen, self._window)
        self.save(seen, name, size)

    def save(self, seen: QPixmap, name: str, size: tuple[int, int] | None = None) -> None:
        """Keep a picture, as one of the first size where none is named."""
        size = size or self._sizes[0]
        scale = "" if self._scale == 1 else f"@{self._scale:g}"
        path = self._folder / f"{size[0]}x{size[1]}{scale}" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        seen.save(str(path))
        self.taken.append(path)

    def _scrolled(self, page: QWidget | None) -> Iterator[Callable[[], None]]:
        """Ways to the parts of a page, from its top to its end."""
        yield lambda: None
        seen = [area for area in page.findChildren(QScrollArea) if area.isVisible()] if page is not None else []
        areas = [area for area in seen if area.verticalScrollBar().maximum() > 0]
        if len(areas) == 1:
            bar = areas[0].verticalScrollBar()
            for place in range(bar.pageStep(), bar.maximum() + bar.pageStep(), bar.pageStep()):
                yield lambda place=place: bar.setValue(place)
            bar.setValue(0)

    def _in_front(self) -> list[QWidget]:
        return [w for w in QApplication.topLevelWidgets() if w.isVisible() and w is not self._window]

    @contextmanager
    def front(self) -> Iterator[None]:
        """What opens meanwhile is closed afterwards."""
        yield
        for palette in self._window.findChildren(Palette):
            palette.shut()
        for widget in self._in_front():
            QTest.keyClick(widget, Qt.Key.Key_Escape)
        for widget in self._in_front():
            widget.close()
        rest(0.05)


def paste(front: QWidget, seen: QPixmap, window: QWidget) -> None:
    """Draw a dialog into a picture of the window below it: in its middle, with the edge that a desktop would give."""
    picture = front.grab()
    middle = QPoint(window.width() // 2, window.height() // 2)
    corner = middle - QPoint(front.width() // 2, front.height() // 2)
    with QPainter(seen) as painter:
        painter.drawPixmap(corner, picture)
        painter.setPen(look.theme.muted)
        painter.drawRect(corner.x() - 1, corner.y() - 1, front.width() + 1, front.height() + 1)
