"""The text of a lesson, with what it shows between its paragraphs."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QVBoxLayout, QWidget

from dgm_studio.lessons.entries import Show, ShowReport
from dgm_studio.lessons.format import Lesson
from dgm_studio.pages import Block, Page, Part
from dgm_studio.reports import Curves, Report, to_tree
from widgets.building import label, set_role
from widgets.report_column import ReportColumn
from widgets.report_plots import CurvesPlot
from widgets.text_page import PageText
from widgets.theme import SPACE, look


class _Piece(PageText):
    """A stretch of text, as high as it needs to be: the page around it scrolls."""

    def __init__(self, page: Page, zoom: float) -> None:
        super().__init__()
        self._page, self._zoom = page, zoom
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Text of the lesson")
        self.setAccessibleDescription(page.plain)
        look.changed.connect(self._fill)
        self.completed.connect(self._fill)
        self._fill()

    def zoom(self, factor: float) -> None:
        self._zoom = factor
        self._fill()

    def _fill(self) -> None:
        self.fill(self._page, self.font(), self._zoom)
        self._fit()

    def _fit(self) -> None:
        self.document().setTextWidth(self.viewport().width())
        self.setFixedHeight(round(self.document().size().height()) + 2)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._fill()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(event)
        else:
            event.ignore()


class Figure(QWidget):
    """The place of a show: its reports, or what will be here."""

    def __init__(self, key: str, title: str, name: str) -> None:
        """`name`: of files that are saved from here."""
        super().__init__()
        self.setObjectName(f"figure-{key}")
        self._name, self._drawn = name, b""
        self._reports: tuple[Report, ...] = ()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, SPACE // 2, 0, 2 * SPACE)
        self._inside: QWidget = _placeholder(title)
        self._column.addWidget(self._inside)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see yet."""
        return not self._drawn

    def show_reports(self, reports: Sequence[Report]) -> None:
        """Draw these, unless they are drawn already. Nothing takes back what is there."""
        drawn = pickle.dumps([to_tree(report) for report in reports])
        if not reports or drawn == self._drawn:
            return
        longer, plot = alike(self._reports, reports), self._inside.findChild(CurvesPlot)
        self._reports, self._drawn = tuple(reports), drawn
        if longer is not None and plot is not None:
            plot.lengthen(longer)
            return
        column = ReportColumn(self._name, lambda points: ())
        for report in reports:
            column.add(report)
        self._column.replaceWidget(self._inside, column)
        self._inside.hide()
        self._inside.deleteLater()
        self._inside = column


class Article(QWidget):
    """`followed(target)` when a link was; `zoomed(steps)` when a person wants larger or smaller text."""

    followed = Signal(str)
    zoomed = Signal(int)

    def __init__(self, lesson: Lesson, zoom: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("lessonArticle")
        self.figures: dict[str, Figure] = {}
        self.blocks: list[QWidget] = []  # pieces of text and figures, from top to bottom
        self._pieces: list[_Piece] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for place, blocks in parts(lesson.page.blocks):
            if place is not None:
                figure = Figure(place, title_of(lesson, lesson.shows[place]), f"{lesson.key} {place}")
                self.figures[place] = figure
                self.blocks.append(figure)
                column.addWidget(figure)
                continue
            piece = _Piece(replace(lesson.page, title="", blocks=blocks), zoom)
            piece.anchorClicked.connect(lambda url: self.followed.emit(url.toString()))
            piece.zoom_wanted.connect(self.zoomed)
            self._pieces.append(piece)
            self.blocks.append(piece)
            column.addWidget(piece)

    def zoom(self, factor: float) -> None:
        for piece in self._pieces:
            piece.zoom(factor)

    def show_reports(self, shows: Mapping[str, Sequence[Report]]) -> None:
        """Draw what there is to see."""
        for key, figure in self.figures.items():
            figure.show_reports(shows.get(key, ()))


def alike(before: Sequence[Report], after: Sequence[Report]) -> Curves | None:
    """The second report, if both are the same curves but for their points."""
    match list(before), list(after):
        case [Curves() as one], [Curves() as other] if _frame(one) == _frame(other):
            return other
    return None


def _frame(report: Curves) -> tuple[object, ...]:
    names = tuple(series.name for series in report.series)
    return report.title, report.x_title, report.y_title, report.note, names


def parts(blocks: Sequence[Block]) -> Iterator[tuple[str | None, tuple[Block, ...]]]:
    """Places of shows by their keys, and the blocks between them."""
    for _, group in groupby(enumerate(blocks), key=lambda pair: pair[0] if pair[1].part is Part.FIGURE else -1):
        together = tuple(block for _, block in group)
        figure = together[0].part is Part.FIGURE
        yield (together[0].target if figure else None), (() if figure else together)


def title_of(lesson: Lesson, show: Show) -> str:
    """What a show is called, before there is anything to see."""
    if isinstance(show, ShowReport):
        return f"{show.report}, {lesson.runs[show.run].title}"
    return show.title or ", ".join(lesson.runs[key].title for key in lesson.runs_of(show))


def _placeholder(title: str) -> QWidget:
    frame = QFrame()
    set_role(frame, "placeholder", True)
    column = QVBoxLayout(frame)
    column.setContentsMargins(2 * SPACE, SPACE, 2 * SPACE, SPACE)
    column.setSpacing(0)
    column.addWidget(label(title, "strong", wrap=True))
    column.addWidget(label("appears here when it has run", "small"))
    return frame
