"""The Evaluate page: asking, cancelling, keeping, showing and exporting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QWidget,
)
from pytestqt.qtbot import QtBot

from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluation import Evaluation
from dgm_studio.events import Snapshot
from dgm_studio.feeds import Feeder
from dgm_studio.reports import (
    Bars,
    Column,
    Curves,
    HeatMap,
    Note,
    Part,
    Pictures,
    Points,
    Report,
    Series,
    StackedBars,
    Table,
)
from dgm_studio.state import state_of
from dgm_studio.store import Project, Run
from dgm_studio.store.trees import flatten
from dgm_studio.subject import Subject
from models.catalog import FAMILIES, Recipe
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support
from widgets.evaluate_page import EvaluatePage
from widgets.evaluation_card import EvaluationCard
from widgets.live import Live
from widgets.report_plots import ReportPlot
from widgets.settings_form import SettingsForm
from widgets.theme import DARK, LIGHT, look

PATIENCE = 60_000  # ms: the first model that is built without values imports for seconds

XY = Series("a", np.array([0.0, 1.0]), np.array([1.0, 3.0]))
EVERY_TYPE: tuple[Report, ...] = (
    Table("Likelihood", (Column("Measure"), Column("Value", "number", "nats")), (("ELBO", -20.5),), "A note."),
    StackedBars("Stack", "Q", "nats", ("a", "b"), (Part("p", np.ones(2)), Part("q", np.zeros(2))), np.ones(2), "sum"),
    Bars("Bars", "unit", "KL", ("z1", "z2"), np.array([1.0, 0.1]), np.array([1, 0], np.uint8), "active"),
    Points("Plane", "x", "y", (XY,), iso=(3.0,), iso_title="sum", plane="tiny"),
    Curves("Curves", "x", "y", (XY,)),
    HeatMap("Map", np.array([[0.1, 0.2, 0.7], [0.0, 0.5, 0.3]]), "nats"),
    HeatMap("Matrix", np.array([[0.1, 0.2, 0.7], [0.0, 0.5, 0.3]]), "nats", "", ("x", "turn"), ("z1", "z2", "z3")),
    Pictures("Samples", np.full((4, 1, 3, 3), 200, np.uint8), ("sample", "nearest"), ("", "1.0", "", "2.0")),
    Note("Finding", "All is well.", "good"),
)


class _Settings(Settings):
    draws: int = setting(3, title="Draws", help="How many.", ge=1, le=10)


class Workbench:
    """Two evaluations under a test's control, in place of the real ones: one waits for `go`, one is done at once."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.started = threading.Event()
        self.ended = threading.Event()
        self.seen: list[Any] = []
        self.seeds: list[int] = []
        self.found: tuple[Report, ...] = EVERY_TYPE
        admit = lambda model, learner, spec: True  # noqa: E731
        self.evaluations = (
            Evaluation("slow", "Slow", "Waits.", _Settings, admit, self._slow),
            Evaluation("quick", "Quick", "Does not wait.", _Settings, admit, self._quick),
        )

    def _slow(self, subject: Subject, settings: _Settings) -> Iterator[float | Report]:
        try:
            self.started.set()
            fraction = 0.0
            while not self.go.wait(0.01):
                fraction = min(0.5, fraction + 0.01)
                yield fraction
            yield EVERY_TYPE[0]
        finally:
            self.ended.set()

    def _quick(self, subject: Subject, settings: _Settings) -> Iterator[float | Report]:
        self.seen.append((subject.step, settings.draws))
        self.seeds.append(subject.generator.initial_seed())
        yield 0.5
        yield from self.found


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    made = Workbench()
    monkeypatch.setattr("dgm_studio.evaluation.EVALUATIONS", made.evaluations)
    monkeypatch.setattr("widgets.evaluation_cards.EVALUATIONS", made.evaluations)
    yield made
    made.go.set()


def _config() -> RunConfig:
    return RunConfig(family=FAMILIES[0].key, learner=FAMILIES[0].learners[0])


def _snapshot(recipe: Recipe, dataset: Dataset, step: int) -> Snapshot:
    torch.manual_seed(0)
    learner = recipe.build(dataset.spec, len(dataset.train))
    return Snapshot(step, {key: value.clone() for key, value in learner.state_dict().items()})


@pytest.fixture
def live(qtbot: QtBot) -> Iterator[Live]:
    spec = DataSpec((1, 3, 3), Support.BITS, Layout.IMAGE, protocol="bits: value > 0.5")
    split = Split(torch.ones(8, 1, 3, 3), torch.zeros(8, dtype=torch.int64))
    dataset = Dataset(spec, split, split, split, Provenance("Tiny bars"))
    config = _config()
    recipe = Recipe.read(config.family, config.learner, {}, {})
    made = Live(config, recipe, dataset, torch.device("cpu"))
    made.publish(_snapshot(recipe, dataset, 100))
    yield made
    made.close()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.create(tmp_path / "p.dgm")
    yield made
    made.close()


@pytest.fixture
def run(project: Project) -> Run:
    return project.new_run(_config(), name="first")


@pytest.fixture
def page(qtbot: QtBot, project: Project, run: Run, live: Live, bench: Workbench) -> Iterator[EvaluatePage]:
    made = EvaluatePage()
    qtbot.addWidget(made, before_close_func=lambda widget: widget.shut_down())
    made.resize(748, 700)
    made.show()
    made.show_run(project, run, live)
    yield made
    made.shut_down()


def part(page: QWidget, kind: type, name: str) -> Any:
    found = page.findChild(kind, name)
    assert found is not None, name
    return found


def texts(page: QWidget) -> str:
    return "\n".join(label.text() for label in page.findChildren(QLabel) if label.isVisibleTo(page))


def plots(page: QWidget) -> list[ReportPlot]:
    return [plot for plot in page.findChildren(ReportPlot) if plot.isVisibleTo(page)]


def idle(page: EvaluatePage) -> Callable[[], bool]:
    return lambda: page.measuring.at_rest


def wait_for(qtbot: QtBot, event: threading.Event) -> None:
    qtbot.waitUntil(event.is_set, timeout=PATIENCE)


def measure(qtbot: QtBot, page: EvaluatePage, key: str = "quick") -> None:
    with qtbot.waitSignal(page.changed, timeout=PATIENCE):
        part(page, QPushButton, f"run-{key}").click()
    qtbot.waitUntil(idle(page), timeout=PATIENCE)


def test_a_card_for_each_admitted_evaluation(page: EvaluatePage) -> None:
    for key in ("slow", "quick"):
        assert part(page, QPushButton, f"run-{key}").isEnabled()
    heading = part(page, QLabel, "evaluate-heading").text()
    assert "first" in heading
    assert "step 100" in heading
    assert "bits: value > 0.5" in heading
    assert "8 test examples" in heading


def test_results_are_shown_and_kept_with_what_made_them(
    qtbot: QtBot, page: EvaluatePage, run: Run, bench: Workbench
) -> None:
    measure(qtbot, page)
    (stored,) = run.evaluations
    assert (stored.key, stored.step) == ("quick", 100)
    assert stored.tree["settings"] == {"draws": 3}
    assert stored.tree["seed"] == 0
    assert bench.seen == [(100, 3)]
    shown = texts(part(page, QWidget, "evaluation-quick"))
    for text in ("Likelihood", "ELBO", "−20.50", "A note.", "All is well.", "draws 3, seed 0"):
        assert text in shown
    assert part(page, QComboBox, "results-quick").currentText().startswith("step 100")
    assert len(plots(page)) == 6
    assert part(page, QPushButton, "run-quick").text() == "Measure again"


def test_what_is_asked_for_by_name_is_brought_up_with_its_results(qtbot: QtBot, page: EvaluatePage) -> None:
    page.resize(600, 300)
    page.show()
    bar, card = part(page, QScrollArea, "evaluate-scroll").verticalScrollBar(), part(page, QWidget, "evaluation-quick")
    with qtbot.waitSignal(page.changed, timeout=PATIENCE):
        page.measure("quick")
        below = card.y() > bar.maximum()
    assert below  # before it had results, there was not enough below it to bring it to the top
    qtbot.waitUntil(lambda: bar.value() == card.y(), timeout=PATIENCE)


def test_settings_of_the_form_are_used(qtbot: QtBot, page: EvaluatePage, bench: Workbench) -> None:
    part(page, QPushButton, "settings-quick").click()
    form = part(page, QWidget, "form-quick")
    assert form.isVisibleTo(page)
    form.editor("draws").setValue(7)
    measure(qtbot, page)
    assert bench.seen == [(100, 7)]


def test_the_seed_is_set_shown_and_kept_by_measuring_again(
    qtbot: QtBot, page: EvaluatePage, live: Live, run: Run, bench: Workbench
) -> None:
    part(page, QPushButton, "settings-quick").click()
    seed = part(page, SettingsForm, "seed-quick")
    assert seed.isVisibleTo(page)
    seed.editor("seed").setValue(7)
    assert part(page, QPushButton, "settings-quick").text() == "Settings (1 changed)"
    measure(qtbot, page)
    assert bench.seeds == [7]
    assert "draws 3, seed 7" in texts(part(page, QWidget, "evaluation-quick"))
    assert part(page, QComboBox, "results-quick").currentText().endswith("seed 7")
    seed.editor("seed").setValue(0)
    live.publish(_snapshot(live.recipe, live.dataset, 250))
    qtbot.waitUntil(lambda: "The run is at step 250" in texts(page), timeout=PATIENCE)
    with qtbot.waitSignal(page.changed, timeout=PATIENCE):
        part(page, QPushButton, "again-quick").click()
    qtbot.waitUntil(idle(page), timeout=PATIENCE)
    assert bench.seeds == [7, 7], "of the result that it is to be compared with"
    assert [one.tree["seed"] for one in run.evaluations] == [7, 7]


def test_what_is_set_for_an_evaluation_holds_for_the_next_run(
    qtbot: QtBot, page: EvaluatePage, live: Live, project: Project, bench: Workbench
) -> None:
    part(page, SettingsForm, "form-quick").editor("draws").setValue(7)
    page.show_run(project, project.new_run(_config(), name="second"), live)
    assert part(page, QPushButton, "settings-quick").text() == "Settings (1 changed)"
    measure(qtbot, page)
    assert bench.seen == [(100, 7)]


def test_newer_weights_are_measured_again_and_both_results_stay(
    qtbot: QtBot, page: EvaluatePage, live: Live, run: Run, bench: Workbench
) -> None:
    form = page.findChild(SettingsForm, "form-quick")
    form.editor("draws").setValue(7)
    measure(qtbot, page)
    form.editor("draws").setValue(2)
    live.publish(_snapshot(live.recipe, live.dataset, 250))
    qtbot.waitUntil(lambda: "The run is at step 250" in texts(page), timeout=PATIENCE)
    with qtbot.waitSignal(page.changed, timeout=PATIENCE):
        part(page, QPushButton, "again-quick").click()
    qtbot.waitUntil(idle(page), timeout=PATIENCE)
    assert [one.step for one in run.evaluations] == [100, 250]
    assert bench.seen == [(100, 7), (250, 7)], "with the settings of the result that it is to be compared with"
    choice = part(page, QComboBox, "results-quick")
    assert [choice.itemText(i).split("  ")[0] for i in range(choice.count())] == ["step 250", "step 100"]
    assert choice.currentIndex() == 0
    assert "Older" not in texts(page)
    choice.setCurrentIndex(1)
    assert "Older: of step 100" in texts(page)
    assert part(page, QPushButton, "again-quick").isHidden(), "the newer one was measured"
    part(page, QComboBox, "beside-quick").setCurrentIndex(1)
    assert "What changed" in texts(page)


def test_kept_states_are_measured_one_or_all(
    qtbot: QtBot, page: EvaluatePage, live: Live, run: Run, bench: Workbench
) -> None:
    for step in (10, 20, 30):
        learner = live.recipe.build(live.dataset.spec, 8)
        learner.begin()
        run.keep_checkpoint(
            step, flatten(state_of(learner, Feeder(live.dataset, learner, 4, torch.device("cpu")), step))
        )
    page._refresh()
    states = part(page, QComboBox, "evaluate-state")
    assert [states.itemText(i) for i in range(states.count())][1:3] == ["every kept state (3)", "kept state of step 30"]
    states.setCurrentIndex(3)
    measure(qtbot, page)
    assert bench.seen == [(20, 3)]
    states.setCurrentIndex(1)
    part(page, QPushButton, "run-quick").click()
    qtbot.waitUntil(lambda: len(bench.seen) == 4 and not page.busy, timeout=PATIENCE)
    assert sorted(bench.seen[1:]) == [(10, 3), (20, 3), (30, 3)]
    assert [one.step for one in run.evaluations] == [20, 10, 20, 30]


def test_other_steps_are_drawn_on_the_same_plane(
    qtbot: QtBot, page: EvaluatePage, live: Live, bench: Workbench
) -> None:
    measure(qtbot, page)
    bench.found = (Points("Plane", "x", "y", (Series("b", np.array([5.0]), np.array([5.0])),), plane="tiny"),)
    measure(qtbot, page)
    (plane,) = plots(page)
    assert "first, a" in plane.findChild(QLabel).text().replace("&nbsp;", " ")


def test_progress_is_shown_while_it_is_measured_and_others_wait(
    qtbot: QtBot, page: EvaluatePage, bench: Workbench
) -> None:
    part(page, QPushButton, "run-all").click()
    bar = part(page, QProgressBar, "progress-slow")
    qtbot.waitUntil(lambda: bar.value() > 0, timeout=PATIENCE)
    assert bar.isVisibleTo(page)
    assert "% " in texts(part(page, QWidget, "evaluation-slow"))
    assert part(page, QPushButton, "run-quick").text() == "Waiting …"
    assert not part(page, QPushButton, "run-quick").isEnabled()
    assert not part(page, QPushButton, "run-all").isEnabled()
    bench.go.set()
    qtbot.waitUntil(idle(page), timeout=PATIENCE)
    assert bench.seen, "what waited was measured then"
    assert not bar.isVisibleTo(page)


def test_cancel_ends_the_measurement_and_keeps_nothing(
    qtbot: QtBot, page: EvaluatePage, run: Run, bench: Workbench
) -> None:
    part(page, QPushButton, "run-slow").click()
    wait_for(qtbot, bench.started)
    part(page, QPushButton, "cancel-slow").click()
    qtbot.waitUntil(idle(page), timeout=PATIENCE)
    assert bench.ended.is_set()
    assert run.evaluations == []
    assert "Cancelled" in part(page, QLabel, "message-slow").text()
    assert part(page, QPushButton, "run-slow").isEnabled()


def test_what_waits_starts_when_the_one_before_it_is_cancelled(
    qtbot: QtBot, page: EvaluatePage, run: Run, bench: Workbench
) -> None:
    part(page, QPushButton, "run-all").click()
    wait_for(qtbot, bench.started)
    with qtbot.waitSignal(page.changed, timeout=PATIENCE):
        part(page, QPushButton, "cancel-slow").click()
    assert [one.key for one in run.evaluations] == ["quick"]


def test_an_evaluation_goes_on_while_another_run_is_shown(
    qtbot: QtBot, page: EvaluatePage, project: Project, run: Run, live: Live, bench: Workbench
) -> None:
    part(page, QPushButton, "run-slow").click()
    wait_for(qtbot, bench.started)
    other = project.new_run(_config(), name="second")
    page.show_run(project, other, live)
    assert part(page, QProgressBar, "progress-elsewhere").isVisibleTo(page)
    assert "Slow of first" in texts(page)
    assert part(page, QPushButton, "run-slow").isEnabled(), "the other run may be measured too"
    bench.go.set()
    qtbot.waitUntil(idle(page), timeout=PATIENCE)
    assert [one.key for one in run.evaluations] == ["slow"]
    assert other.evaluations == []
    page.show_run(project, run, live)
    qtbot.waitUntil(lambda: "ELBO" in texts(page))


def test_a_project_that_goes_takes_its_measurements_with_it(
    qtbot: QtBot, page: EvaluatePage, run: Run, bench: Workbench
) -> None:
    part(page, QPushButton, "run-all").click()
    wait_for(qtbot, bench.started)
    page.show_run(None, None, None)
    qtbot.waitUntil(idle(page), timeout=PATIENCE)
    assert run.evaluations == []
    assert "Nothing to measure yet" in texts(page)


def test_closing_waits_for_the_thread(qtbot: QtBot, page: EvaluatePage, bench: Workbench) -> None:
    part(page, QPushButton, "run-slow").click()
    wait_for(qtbot, bench.started)
    page.close()
    assert bench.ended.is_set()
    assert not page.busy


def test_a_failure_is_a_sentence_on_the_card(qtbot: QtBot, page: EvaluatePage, run: Run, bench: Workbench) -> None:
    def broken() -> Iterator[Report]:
        raise RuntimeError("the estimator broke")
        yield  # pragma: no cover

    bench.found = broken()  # type: ignore[assignment]
    part(page, QPushButton, "run-quick").click()
    qtbot.waitUntil(idle(page), timeout=PATIENCE)
    assert "the estimator broke" in part(page, QLabel, "message-quick").text()
    assert run.evaluations == []


def test_a_run_without_its_data_shows_what_was_kept(
    qtbot: QtBot, page: EvaluatePage, project: Project, run: Run
) -> None:
    measure(qtbot, page)
    page.show_run(project, run, None)
    qtbot.waitUntil(lambda: "ELBO" in texts(page))
    assert not part(page, QPushButton, "run-quick").isVisibleTo(page)
    assert not part(page, QPushButton, "run-all").isVisibleTo(page)


def test_results_are_there_after_the_project_was_reopened(
    qtbot: QtBot, page: EvaluatePage, project: Project, run: Run, live: Live
) -> None:
    measure(qtbot, page)
    page.show_run(None, None, None)
    project.save()
    project.close()
    with Project.open(project.path) as again:
        page.show_run(again, again.runs[run.id], live)
        qtbot.waitUntil(lambda: "−20.50" in texts(page))
        assert len(plots(page)) == 6
        page.show_run(None, None, None)


def test_a_page_out_of_sight_makes_no_cards_and_one_in_sight_fills_them_one_by_one(
    qtbot: QtBot, page: EvaluatePage, project: Project, run: Run, live: Live
) -> None:
    measure(qtbot, page)
    page.hide()
    page.show_run(None, None, None)
    page.show_run(project, run, live)
    assert not page.findChildren(EvaluationCard)
    page.show()
    assert len(page.findChildren(EvaluationCard)) == 2
    assert "ELBO" not in texts(page)  # the window goes on first
    measured = page.cards.filled("quick")
    assert measured is not None
    assert "ELBO" in texts(page)  # whoever needs it has it at once
    page.hide()
    page.show_run(None, None, None)
    page.show_run(project, run, live)
    page.measure("quick")  # by the palette, for example
    qtbot.waitUntil(idle(page))
    page.show()
    qtbot.waitUntil(lambda: "ELBO" in texts(page))
    choice = part(page, QComboBox, "results-quick")
    assert choice.count() == 2  # the newer one too, when what was measured before is filled in


def test_a_card_that_was_asked_for_is_in_sight_when_those_above_are_filled(
    qtbot: QtBot, page: EvaluatePage, project: Project, run: Run, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(qtbot, page, "quick")
    page.hide()
    page.show_run(None, None, None)
    page.show_run(project, run, live)
    page.resize(700, 300)
    page.show()
    bar, cards = page.cards.verticalScrollBar(), page.cards
    last = list(cards.by_key)[-1]
    cards.bring(last)
    qtbot.waitUntil(lambda: not cards.being_filled and bar.maximum() > 0)
    qtbot.waitUntil(lambda: bar.value() == min(bar.maximum(), cards.by_key[last].y()) > 0)


def _exported(page: QWidget, report: str, choice: str) -> None:
    part(page, QPushButton, f"export-{report}").click()
    menu = next(menu for menu in page.findChildren(QMenu) if menu.objectName() == "saveMenu" and menu.isVisible())
    next(action for action in menu.actions() if action.objectName() == choice).trigger()
    menu.hide()


@pytest.mark.parametrize(
    ("report", "suffix"),
    [
        ("likelihood", ".csv"),
        ("likelihood", ".md"),
        ("likelihood", ".tex"),
        ("samples", ".png"),
        ("plane", ".png"),
        ("plane", ".svg"),
    ],
)
def test_reports_are_written_to_files(
    qtbot: QtBot, page: EvaluatePage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: str, suffix: str
) -> None:
    measure(qtbot, page)
    suggested = []

    def choose(parent: QWidget, title: str, name: str, kinds: str) -> tuple[str, str]:
        suggested.append(Path(name).name)
        return str(tmp_path / "out"), next(kind for kind in kinds.split(";;") if suffix in kind)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    _exported(page, report, "saveTable" if report == "likelihood" else "savePicture")
    path = tmp_path / f"out{suffix}"
    assert suggested == [f"first-{report}{'.csv' if report == 'likelihood' else '.png'}"]
    if suffix == ".csv":
        assert path.read_text() == "Measure,Value (nats)\nELBO,-20.5\n"
    elif suffix == ".md":
        assert "| ELBO | −20.50 |" in path.read_text()
    elif suffix == ".tex":
        assert "ELBO & $-$20.50 \\\\" in path.read_text()
    elif suffix == ".svg":
        drawn = [element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()]
        assert "image" not in drawn, "a drawing, not pixels"
        assert drawn.count("path") >= 2 + len(XY.x)
        assert drawn.count("text") > 4
    else:
        image = QImage(str(path))
        colours = {image.pixel(x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}
        assert len(colours) > 1


def test_results_are_painted_in_both_themes(qtbot: QtBot, page: EvaluatePage) -> None:
    measure(qtbot, page)
    seen = []
    for theme in (DARK, LIGHT):
        look.theme = theme
        look.changed.emit()
        seen.append(page.grab().toImage())
    look.theme = DARK
    look.changed.emit()
    assert seen[0] != seen[1]
