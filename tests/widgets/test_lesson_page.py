"""A lesson in the window: from its card to a claim that was measured, stopped and gone on with on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from person import Person
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio import ROOT
from dgm_studio.cli import run
from dgm_studio.help_pages import help_page
from dgm_studio.lessons.format import Lesson, LessonError
from dgm_studio.lessons.predictions import Spread
from dgm_studio.lessons.reading import lessons, read_lesson
from dgm_studio.pages import Block, Part
from dgm_studio.presets import presets
from dgm_studio.training import Order
from widgets import start_page
from widgets.building import Card
from widgets.lesson.article import parts
from widgets.lesson.checks import CheckCard, IntervalStrip
from widgets.lesson.head import MOST_SEEDS, Head
from widgets.lesson.marks import Mark, minutes
from widgets.lesson_page import LessonPage
from widgets.report_plots import CurvesPlot
from widgets.report_views import TableView
from widgets.start_page import StartPage
from widgets.trainer import Phase

TINY = ROOT / "tests" / "dgm_studio" / "lessons" / "tiny.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The tiny lesson with steps enough to be stopped between them."""
    path = tmp_path / "walk.md"
    text = TINY.read_text(encoding="utf-8").replace("steps = 40", "steps = 400")
    path.write_text(text, encoding="utf-8")
    return path


def opened(person: Person, path: Path) -> LessonPage:
    person.desk.lessons.open_file(path)
    page = person.desk.area.lesson
    person.until(lambda: page.lesson is not None and page.isVisible())
    return page


def finish(person: Person, page: LessonPage) -> None:
    person.until(lambda: page.runner.lesson is None)
    person.until(lambda: page.standing is not None and page.standing.share == 1)


def test_a_lesson_is_run_stopped_gone_on_with_tried_and_opened_again(person: Person, file: Path) -> None:
    page = opened(person, file)
    workspace = person.desk.workspace
    project = workspace.project
    assert project is not None
    assert project.path == person.preferences.folder / "Lessons.dgm"
    assert {key: figure.empty for key, figure in page.sheet.figures.items()} == dict.fromkeys(
        ("table", "over", "curve"), True
    )
    assert person.desk.area.page == "Lesson"
    assert not page.contents.isVisible()  # there is no room for it and the lesson
    person.qtbot.mouseClick(page.head.listing, Qt.MouseButton.LeftButton)
    person.window.resize(1290, 800)
    assert page.contents.isVisible()  # a person wants it

    def stop_in_the_second() -> None:
        """In a pause, before which it has not come far: it would have ended soon."""
        active = workspace.trainer.active
        if active is not None and "Forty" in active.name and person.phase is Phase.LOADING:
            workspace.trainer.tell(Order.PAUSE)
        if active is not None and "Forty" in active.name and person.phase is Phase.PAUSED:
            page.runner.stop()

    workspace.trainer.changed.connect(stop_in_the_second)
    person.qtbot.mouseClick(page.head.button, Qt.MouseButton.LeftButton)
    assert page.head.button.text() == "Stop"
    person.until(lambda: page.runner.lesson is None)
    workspace.trainer.changed.disconnect(stop_in_the_second)
    assert [run.status for run in project.runs.values()] == ["finished", "stopped"]
    person.until(lambda: page.survey.marks.get("walk") is Mark.BEGUN)
    assert page.standing is not None
    assert 0 < page.standing.share < 1
    assert page.head.button.text() == "Go on"
    stopped_at = list(project.runs.values())[1].checkpoint_steps()[-1]

    person.do("start")  # closes the project
    person.until(lambda: workspace.project is None)
    page = opened(person, file)
    project = workspace.project
    assert project is not None
    looked_at = workspace.run
    person.qtbot.mouseClick(page.head.button, Qt.MouseButton.LeftButton)
    finish(person, page)
    assert workspace.run is looked_at
    titles = [f"walk · {title} · seed {seed}" for seed in (0, 1) for title in ("Two steps", "Forty steps")]
    assert [run.name for run in project.runs.values()] == titles
    resumed = list(project.runs.values())[1]
    assert resumed.checkpoint_steps()[-1] == 400 > stopped_at
    assert len(resumed.metrics["log_prob"][0]) == 400  # every step once
    assert page.survey.marks["walk"] is Mark.HOLDS
    assert page.findChild(QLabel, "lessonVerdict").text() == "the claim holds"
    card = page.findChild(CheckCard, "check-0")
    assert "holds" in card.accessibleName()
    assert page.findChild(IntervalStrip).isVisibleTo(card)
    table = page.sheet.figures["table"].findChild(TableView)
    assert [choice.key for choice in table.offers()]

    page.findChild(QPushButton, "open-long-Train").click()
    assert workspace.run is resumed
    assert person.desk.area.page == "Train"
    person.do("pageLesson")
    page.findChild(QPushButton, "try-0").click()
    person.until(lambda: len(project.runs) == 5)
    tried = list(project.runs.values())[-1]
    person.until(lambda: tried.status == "finished" and person.phase is Phase.IDLE)
    assert tried.name == "walk · Forty steps · Steps = 80"
    assert tried.checkpoint_steps()[-1] == 80
    person.do("pageLesson")
    person.until(lambda: page.findChild(QPushButton, "try-0").text() == "Look at it")
    person.until(lambda: not project.modified)  # a save now would take the file from who reads it below
    assert run(["lesson-pictures", str(file), "--project", str(project.path)], lambda album: []) == 0
    assert 0 < file.with_suffix(".png").stat().st_size < 20_000


def test_a_curve_grows_while_its_run_trains(person: Person, file: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace("steps = 400", "steps = 100000"), encoding="utf-8")
    page, trainer = opened(person, file), person.desk.workspace.trainer
    figure = page.sheet.figures["curve"]
    told: list[float] = []
    page.runner.advanced.connect(lambda: told.append(page.runner.share))
    page.run()
    person.until(lambda: "about" in page.head.findChild(QWidget, "lessonText").toolTip())  # nothing alike has run
    person.until(lambda: (plot := figure.findChild(CurvesPlot)) is not None and len(plot.drawn) == 2)
    plot = figure.findChild(CurvesPlot)
    before = len(plot.drawn[1].x)
    assert [series.name for series in plot.drawn] == ["Two steps", "Forty steps, seed 0, in training"]
    person.until(lambda: len(plot.drawn[1].x) > before)  # in the plot that is there
    person.until(lambda: page.runner.share > told[0])
    assert told == sorted(told)  # the bar never goes back
    assert 0 < told[-1] < 1
    trainer.tell(Order.PAUSE)
    person.until(lambda: trainer.phase is Phase.PAUSED)
    assert "is paused" in page.runner.text
    page.runner.stop()
    person.until(lambda: page.runner.lesson is None and page.standing is not None)
    person.until(lambda: [s.name for s in figure.findChild(CurvesPlot).drawn] == ["Two steps", "Forty steps"])


def test_a_name_that_is_wrong_stops_the_lesson_as_soon_as_it_is_seen(person: Person, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('column = "Value"', 'column = "Worth"'), encoding="utf-8")
    page = opened(person, file)
    page.run()
    person.until(lambda: page.runner.lesson is None)
    project = person.desk.workspace.project
    assert project is not None
    assert len(project.runs) <= 2  # none of the second seed
    person.until(lambda: "line 24" in page.findChild(QLabel, "lessonTrouble").text())


def test_a_lesson_waits_for_what_trains_already_and_ends_when_its_run_leaves_the_queue(
    person: Person, file: Path
) -> None:
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING)
    page = opened(person, file)
    workspace, mine = person.desk.workspace, person.desk.workspace.run
    page.run()
    person.until(lambda: len(workspace.trainer.queued) == 1)
    assert "waits for" in page.runner.text
    assert workspace.run is mine
    workspace.trainer.remove(workspace.trainer.queued[0].run)
    person.until(lambda: page.runner.lesson is None)
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)


def test_a_file_that_is_no_lesson_is_said_with_its_line_and_read_again(person: Person, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("![over]", "![other]"), encoding="utf-8")
    dragged = mime(file)  # the event only points to it
    drop = QDropEvent(
        QPointF(9, 9),
        Qt.DropAction.CopyAction,
        dragged,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    person.window.dropEvent(drop)
    bar = person.bar(f"{file.name}, line")
    file.write_text(text, encoding="utf-8")
    person.choose(bar, "Read it again")
    page = person.desk.area.lesson
    person.until(lambda: page.lesson is not None and page.isVisible())
    file.write_text(text.replace("A tiny lesson", "Another title"), encoding="utf-8")
    person.do("reloadLesson")
    assert page.head.title.text() == "Another title"
    file.write_text(text.replace("# A tiny lesson", "# A tiny lesson\n\n[A link](family:nothing)."), encoding="utf-8")
    person.do("reloadLesson")
    assert "nothing" in page.findChild(QLabel, "lessonTrouble").text()  # as when it is opened
    file.write_text("no lesson", encoding="utf-8")
    person.do("reloadLesson")
    assert "line 1" in page.findChild(QLabel, "lessonTrouble").text()
    assert page.head.title.text() == "Another title"
    page.setFocus()
    person.do("help")
    assert person.desk.guide.panel.address == "guide:lessons"
    assert help_page("guide:lessons") is not None


def mime(path: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    return data


def test_lessons_stand_on_the_start_page_by_parts_and_are_read_when_they_are_looked_at(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = read_lesson(TINY)
    read: list[int] = []

    def lessons() -> tuple[Lesson, ...]:
        read.append(1)
        return (tiny,)

    monkeypatch.setattr(start_page, "lessons", lessons)
    page = StartPage(presets(), [])
    qtbot.addWidget(page)
    page.resize(1264, 736)
    page.show()
    assert not read
    page.show_lessons()
    card = page.findChild(Card, "lesson-tiny")
    assert card.isVisible()
    assert not page.findChild(Card, f"preset-{presets()[0].key}").isVisible()
    with qtbot.waitSignal(page.lesson_chosen) as chosen:
        qtbot.mouseClick(card, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert chosen.args == [tiny]


def test_lessons_that_cannot_be_read_are_said_and_nothing_else_breaks(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"some": LessonError("some.md", 7, "it is broken")}
    monkeypatch.setattr(start_page, "unreadable", lambda: wrong)
    page = StartPage(presets(), [])
    qtbot.addWidget(page)
    page.show_lessons()
    assert any("line 7" in text.text() for text in page.findChildren(QLabel))
    assert page.findChild(QWidget, f"lesson-{lessons()[0].key}") is not None  # the others are there


def test_two_figures_in_a_row_have_a_place_each() -> None:
    text, one, two = Block(Part.PARAGRAPH, 1), Block(Part.FIGURE, 2, target="a"), Block(Part.FIGURE, 3, target="b")
    assert list(parts((text, text, one, two, text))) == [
        (None, (text, text)),
        ("a", ()),
        ("b", ()),
        (None, (text,)),
    ]


def test_the_axis_of_a_check_has_all_that_is_drawn_on_it(qtbot: QtBot) -> None:
    strip = IntervalStrip(read_lesson(TINY).checks[0].predicts)
    qtbot.addWidget(strip)
    strip.show_spreads(Spread.of([1.0, 2.0, 3.0]), Spread.of([-1.0]))
    low, high = strip.ends()
    assert low < -1 < 0 < Spread.of([1.0, 2.0, 3.0]).high < high
    strip.show_spreads(Spread.of([float("nan")]), None)
    assert strip.isHidden()


def test_a_lesson_has_as_many_seeds_as_it_asks_for(qtbot: QtBot) -> None:
    head, lesson = Head(), read_lesson(TINY)
    qtbot.addWidget(head)
    for seeds in (50, 1):
        head.show_lesson(replace(lesson, seeds=seeds))
        assert head.seeds.value() == seeds
    assert head.seeds.maximum() == MOST_SEEDS


@pytest.mark.parametrize(("seeds", "says"), [(0, "about 5 s"), (1, "about 5 s"), (20, "about 1 min")])
def test_the_time_of_a_lesson_grows_with_its_seeds(seeds: int, says: str) -> None:
    assert minutes(read_lesson(TINY), seeds) == says
