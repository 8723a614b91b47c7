"""The Compare page, as a person walks through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from person import Person
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QLabel, QPushButton, QToolButton

from dgm_studio.basis import HIGHER, Basis
from dgm_studio.comparison.likelihoods import BEST
from dgm_studio.config import DataChoice, RunConfig, TrainingSettings
from dgm_studio.reports import Column, Points, Series, Table, to_tree
from dgm_studio.store import Project, Run
from models import catalog
from widgets.compare.chosen import MOST
from widgets.compare.curves_part import CurvesPart
from widgets.compare.frames import Moments, ticks
from widgets.compare.likelihood_part import LikelihoodPart
from widgets.compare.linked_part import LinkedPart
from widgets.compare.rate_distortion_part import RateDistortionPart
from widgets.compare.samples_part import SamplesPart
from widgets.compare.settings_part import SettingsPart
from widgets.compare_page import ComparePage
from widgets.explorers.base import Explorer
from widgets.explorers.catalog import EXPLORERS
from widgets.explorers.draw_it import DrawIt
from widgets.explorers.latent_map import LatentMap
from widgets.preferences import Preferences
from widgets.trainer import Phase

EXACT = Basis("log p(x)", "exact", "nats per example", "", "digits, 10 test examples", "abc", HIGHER)


def config(family: str, **model: object) -> RunConfig:
    data = DataChoice(source="digits", binarization="threshold")
    training = TrainingSettings(steps=4, batch_size=10, device="cpu")
    learner = catalog.family(family).learners[0]
    return RunConfig(family=family, learner=learner, model=model, data=data, training=training)


def likelihood(value: float) -> dict[str, object]:
    columns = (Column("Measure"), Column("Value", "number", "nats"), Column("I", "interval"), Column("Kind", "kind"))
    table = Table("L", columns, (("log p(x)", value, (value - 1, value + 1), "exact"),), bases=(EXACT,))
    return {"reports": [to_tree(table)]}


def rate(step: int, rate: float, distortion: float) -> dict[str, object]:
    series = (Series(f"step {step}", np.array([rate]), np.array([distortion])),)
    return {"reports": [to_tree(Points("Plane", "r", "d", series, plane="rate-distortion bits abc"))]}


def stored(run: Run, steps: int, key: str, level: float) -> None:
    """Curves and pictures of a run that was trained for so many steps."""
    at = np.arange(steps, dtype=np.int64)
    wall = at, (0.1 * at).astype(np.float32)
    run.keep_metrics({key: (at, (level + at).astype(np.float32)), "wall": wall})
    for step in (0, steps // 2, steps - 1):
        run.keep_frame(step, np.full((4, 1, 8, 8), step % 250, np.uint8), True)


@pytest.fixture
def page(person: Person, tmp_path: Path) -> ComparePage:
    """Three stored runs of two families, and a project that holds them."""
    path = tmp_path / "p.dgm"
    with Project.create(path) as project:
        small, large = (project.new_run(config("vae", latent=n, hidden=8), name=f"vae {n}") for n in (2, 3))
        other = project.new_run(config("nade", hidden=4), name="nade")
        stored(small, 40, "elbo", -50.0)
        stored(large, 80, "elbo", -40.0)
        stored(other, 20, "log_prob", -30.0)
        small.add_evaluation("likelihood", 39, likelihood(-90))
        large.add_evaluation("likelihood", 79, likelihood(-80))
        for run, level in ((small, 20.0), (large, 30.0)):
            for step in (0, 39):
                run.add_evaluation("rate-distortion", step, rate(step, 1 + step / 10, level - step / 4))
        project.save()
    person.desk.projects.open(path)
    person.until(lambda: person.desk.workspace.project is not None and person.desk.workspace.run is not None)
    person.do("pageCompare")
    return person.desk.area.compare


def runs(page: ComparePage) -> list[Run]:
    project = page._workspace.project
    assert project is not None
    return list(project.runs.values())


def show(page: ComparePage, key: str) -> object:
    page.findChild(QPushButton, f"segment-{key}").click()
    assert page.part is not None
    assert page.part.key == key
    return page.part


def texts(page: ComparePage) -> str:
    return "\n".join(label.text() for label in page.findChildren(QLabel) if label.isVisibleTo(page))


def test_a_person_compares_runs(person: Person, page: ComparePage) -> None:
    desk, workspace = person.desk, person.desk.workspace
    small, large, other = runs(page)
    assert page.part is None
    # from the list, by the menu of several that are selected, and dragged
    desk.runs._list.selectAll()
    assert desk.runs._list.chosen == [small.id, large.id, other.id]
    workspace.runs_changed.emit()  # as while something trains
    assert desk.runs._list.chosen == [small.id, large.id, other.id]
    person.do("compare")
    assert page.chosen.runs == [small, large, other]
    workspace.select(large)
    assert desk.runs._list.chosen == [large.id]
    page.findChild(QToolButton, "away").click()
    assert page.chosen.runs == [large, other]
    dragged = desk.runs._list.mimeData([desk.runs._list.of(small.id)])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    page.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, dragged, buttons, keys))
    assert page.chosen.runs == [large, other, small]
    colours = [page.chosen.colour(run) for run in page.chosen.runs]
    assert len(set(colours)) == 3

    settings = show(page, "settings")
    assert isinstance(settings, SettingsPart)
    rows = {row[1]: row[2:] for row in settings.table.table().rows}
    assert rows["Latent size"] == ("3", "–", "2")
    assert "Batch size" not in rows
    settings._all.setChecked(True)
    assert "Batch size" in {row[1] for row in settings.table.table().rows}
    assert next(one.key for one in settings.table.offers()) == "saveTable"

    curves = show(page, "curves")
    assert isinstance(curves, CurvesPart)
    person.until(lambda: curves.quantities.count() == 2 and not curves._reading)
    assert curves.quantities.currentText().endswith("2 of 3 runs")  # what most have comes first
    person.until(lambda: {line.name for line in curves.plot.lines if line.series} == {"vae 2", "vae 3"})
    curves.quantities.setCurrentIndex(1)
    curves.quantities.activated.emit(1)
    person.until(lambda: {line.name for line in curves.plot.lines if line.series} == {"nade"})
    assert "vae 2" in curves._said.text()
    curves.quantities.setCurrentIndex(0)
    curves.quantities.activated.emit(0)
    person.until(lambda: len([line for line in curves.plot.lines if line.series]) == 2)
    values = curves.plot.values()
    assert len(values.rows) == 40 + 80
    assert values.rows[0] == ("vae 3, training", 0.0, -40.0)
    assert [name for _, name in curves.plot.legend] == ["vae 3", "vae 2"]
    curves._by_time.setChecked(True)
    assert curves.plot.lines[0].at(2.0) == (20, -20.0)  # 0.1 s for each step
    curves.plot.pointed.emit(2.0)
    assert "−20  " in curves._values[0].text()

    samples = show(page, "samples")
    assert isinstance(samples, SamplesPart)
    shown = lambda: {cell.run.name: cell.step for cell in samples._cells.values()}  # noqa: E731
    person.until(lambda: shown() == {"vae 2": 39, "vae 3": 79, "nade": 19})
    samples.paces.setCurrentIndex(1)  # by steps
    samples.paces.activated.emit(1)
    samples.slider.setValue(samples._ticks.index(20.0))
    person.until(lambda: shown() == {"vae 2": 20, "vae 3": 0, "nade": 19})
    samples._play.setChecked(True)
    person.until(lambda: not samples._play.isChecked())
    assert shown() == {"vae 2": 39, "vae 3": 79, "nade": 19}

    table = show(page, "likelihood")
    assert isinstance(table, LikelihoodPart)
    person.until(lambda: table.groups)
    assert [(e.run, v) for e, v in zip(table.groups[0].entries, table.groups[0].verdicts, strict=True)] == [
        (large.id, BEST),
        (small.id, ""),
    ]
    assert len(table.whole.rows) == 2
    assert table._buttons == {}  # nothing is kept that could be measured

    plane = show(page, "plane")
    assert isinstance(plane, RateDistortionPart)
    person.until(lambda: len(plane.table().rows) == 4)
    assert "nade: without a bound on log p(x)" in texts(page)
    assert plane.plot.values() == plane.table()
    spot = plane.plot.box.mapViewToScene(QPointF(1.0, 20.0))
    plane.plot._hover(spot)
    assert "vae 2, step 0" in plane.plot.named()

    # what was chosen is remembered with the project, and deleted runs go
    assert Preferences().compared(workspace.project.path) == [large.id, other.id, small.id]
    desk.changes.delete(large)
    person.until(lambda: page.chosen.runs == [other, small])
    page.chosen.add([])
    project = workspace.project
    desk.projects.leave()
    person.until(lambda: workspace.project is None)
    assert page.part is None
    desk.projects.open(project.path)
    person.until(lambda: workspace.project is not None and len(page.chosen.runs) == 2)


def test_a_run_that_trains_is_live_and_what_lacks_is_measured_in_the_background(
    person: Person, page: ComparePage
) -> None:
    workspace = person.desk.workspace
    small = runs(page)[0]
    workspace.train(config("vae", latent=2, hidden=8), "new")
    person.until(lambda: person.phase is Phase.IDLE and len(runs(page)) == 4 and runs(page)[-1].checkpoint_steps())
    new = runs(page)[-1]
    page.compare([small, new])
    curves = show(page, "curves")
    assert isinstance(curves, CurvesPart)
    person.until(lambda: len([line for line in curves.plot.lines if line.series]) == 2)
    workspace.continue_run(new, 10**6)  # until it is stopped
    person.until(lambda: person.phase is Phase.TRAINING)
    line = lambda: next(line for line in curves.plot.lines if line.name == "new")  # noqa: E731
    person.until(lambda: line().training is not None and len(line().training) > 30)  # type: ignore[arg-type]
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    plane = show(page, "plane")
    assert isinstance(plane, RateDistortionPart)
    person.until(lambda: plane._missing())
    count = len(plane._missing())
    plane._compute.click()
    person.until(lambda: not plane._missing() and not plane.strip.open)
    assert len({point.step for point in plane._points[new.id]}) == count
    assert "test examples of" in plane._planes.itemText(1)  # other examples stand on another plane
    table = show(page, "likelihood")
    assert isinstance(table, LikelihoodPart)
    table._form.form.set_value("code_temperatures", 2)
    table._form.form.set_value("importance_samples", 3)
    person.until(lambda: new.id in table._buttons)
    assert table._form.toggle.text() == "Settings (2 changed)"
    table._buttons[new.id].click()
    person.until(lambda: new.id not in table._buttons and not table.strip.open)
    (kept,) = (one for one in new.evaluations if one.key == "likelihood")
    assert kept.tree["settings"]["importance_samples"] == 3
    table._form.form.set_value("importance_samples", 2)
    person.until(lambda: new.id in table._buttons)
    assert "but not with code temperatures 2, importance samples 2" in texts(page)
    table._buttons[new.id].click()
    person.until(lambda: new.id not in table._buttons and not table.strip.open)
    ways = {group.basis.way for group in table.groups if any(one.run == new.id for one in group.entries)}
    assert {way[:5] for way in ways} >= {"k = 3", "k = 2"}, "never in one table"
    page.chosen.remove(small)
    linked = show(page, "linked")
    assert isinstance(linked, LinkedPart)
    left, right = linked.sides
    person.until(lambda: left.explorer is not None and right.explorer is not None)
    assert (left.run, right.run) == (new, new)  # one run stands beside itself as it was at first
    assert right.moments.currentData() == new.checkpoint_steps()[0]
    maps = left.explorer, right.explorer
    assert isinstance(maps[0], LatentMap)
    assert isinstance(maps[1], LatentMap)
    person.until(lambda: maps[0].card.prior is not None and maps[1].card.prior is not None)
    maps[0].move_to(np.array([0.5, -1.0], np.float32))
    assert maps[1].z.tolist() == [0.5, -1.0]
    maps[1].move_to(np.array([1.0, 0.25], np.float32))
    assert maps[0].z.tolist() == [1.0, 0.25]
    assert "2 dimensions, the other 5" in maps[1].share((np.zeros(5, np.float32), None))
    linked._linked.setChecked(False)
    maps[0].move_to(np.zeros(2, np.float32))
    assert maps[1].z.tolist() == [1.0, 0.25]
    linked._linked.setChecked(True)
    linked.kinds.setCurrentIndex(linked.kinds.findData(DrawIt.key))
    linked.kinds.activated.emit(0)
    drawn = left.explorer, right.explorer
    assert isinstance(drawn[0], DrawIt)
    assert isinstance(drawn[1], DrawIt)
    drawn[1].canvas.load(np.ones((1, 8, 8), np.float32))
    assert np.array_equal(drawn[0].canvas.picture(), drawn[1].canvas.picture())
    person.until(lambda: all(view._landing is not None for view in drawn))  # type: ignore[union-attr]
    steps = [view.live.step for view in drawn]
    assert steps == [new.checkpoint_steps()[-1], new.checkpoint_steps()[0]]

    # the side that shows the newest follows the training; the other stays where it is
    landed = drawn[0]._landing
    workspace.select(small)
    workspace.continue_run(new, 10**6)
    person.until(lambda: left.live is not None and left.live.step > steps[0])
    person.until(lambda: drawn[0]._landing is not landed and "in training, step" in left._said.text())
    assert drawn[1].live.step == steps[1]
    person.do("train")
    person.until(lambda: person.phase is Phase.PAUSED)
    right.moments.setCurrentIndex(0)
    right.moments.activated.emit(0)
    person.until(lambda: right.live is not None and right.live.step == person.step)  # also in a pause
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    person.until(lambda: all(one.live.step == new.checkpoint_steps()[-1] for one in (left, right)))  # type: ignore[union-attr]
    assert "in training" not in left._said.text()
    linked._admitted = list  # type: ignore[method-assign]  # as of two runs that fit no explorer
    linked._offer()
    said = [one.text() for one in linked.findChildren(QLabel) if one.isVisible() and one.text()]
    assert said.count("There is no explorer that both of these runs can be shown in together.") == 1
    show(page, "plane")
    assert not left.isVisible()
    project = workspace.project
    assert project is not None
    more = [project.new_run(config("vae", latent=2), name=f"more {n}") for n in range(MOST)]
    page.compare(more)
    assert len(page.chosen.runs) == MOST
    assert "At most 8 runs" in texts(page)
    page.chosen.remove(more[0])
    assert "At most 8 runs" not in texts(page)


@pytest.mark.parametrize("kind", [kind for kind in EXPLORERS if kind.links], ids=lambda kind: kind.key)
def test_what_can_be_linked_says_what_it_shares_and_takes_it_over(kind: type[Explorer]) -> None:
    assert kind.shared is not Explorer.shared
    assert kind.share is not Explorer.share


def test_moments_lie_on_one_slider_by_share_by_steps_and_by_time() -> None:
    short, long = Moments((0, 10), (0.0, 4.0)), Moments((0, 50, 100), (0.0, 1.0, 2.0))
    assert ticks([short, long], "share") == [0.0, 0.5, 1.0]
    assert ticks([short, long], "steps") == [0, 10, 50, 100]
    assert ticks([short, long], "time") == [0.0, 1.0, 2.0, 4.0]
    assert (short.at(0.5, "share"), long.at(0.5, "share")) == (0, 50)
    assert (short.at(50, "steps"), long.at(49, "steps")) == (10, 0)
    assert (short.at(3.9, "time"), long.at(3.9, "time")) == (0, 100)
    assert Moments(()).at(1.0, "steps") is None
