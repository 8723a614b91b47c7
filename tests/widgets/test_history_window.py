"""Looking back at a run: the slider over its history, in step with every view."""

from __future__ import annotations

import pytest
from person import Person
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest

from dgm_studio.store import Project
from widgets import moments as moments_module
from widgets.explorers.latent_map import LatentMap
from widgets.trainer import Phase


def test_a_run_is_looked_back_at_while_it_trains_and_branched_from_there(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments_module, "PLAY_EVERY", 10)
    desk = person.desk
    desk.workspace.project_file.create("Some")
    person.until(lambda: desk.docks["showModel"].isVisible())
    desk.draft.set_field("training", "steps", 1_000_000)  # it trains for as long as this looks at it
    person.do("train")
    workspace, bar = desk.workspace, desk.area.moments
    moments, viewing = workspace.viewing.moments, workspace.viewing
    person.until(lambda: len(moments.marks.states) > 5 and len(moments.marks.frames) > 5 and viewing.live)
    run = workspace.run
    assert run is not None
    assert bar.isVisible()

    # a moment of the training, while it trains: curves, samples and text are those of then
    bar.slider.setFocus()
    QTest.keyClick(bar.slider, Qt.Key.Key_Home)
    assert moments.step == 0
    assert bar.text.startswith("step 0 of ")
    assert bar.text.endswith("·  state")
    person.until(lambda: desk.area.train.samples.step == 0)
    assert all(view.plot._moment.isVisible() for view in desk.area.train.curves.views)
    person.until(lambda: viewing.live.step == 0)
    before = person.step
    person.until(lambda: person.step > before + 10)
    assert viewing.live.step == 0  # the training does not disturb it
    assert desk.area.train.samples.step == 0
    QTest.keyClick(bar.slider, Qt.Key.Key_Right)
    assert moments.step == sorted({*moments.marks.frames, *moments.marks.states})[1]

    # the point of the latent map is held while the moment changes
    person.do("pageExplore")
    explorer = desk.area.explore.current
    assert isinstance(explorer, LatentMap)
    person.until(lambda: len(explorer.z) > 0)
    explorer.move_to(explorer.z + 0.7)
    point = explorer.z.copy()
    third = moments.marks.states[3]
    QTest.mouseClick(bar.slider, Qt.MouseButton.LeftButton, pos=QPointF(bar.slider.place(third), 12).toPoint())
    assert moments.step == third
    person.until(lambda: viewing.live.step == third)
    assert (explorer.z == point).all()

    # now is now again, also in a pause; and the moment is kept on demand
    QTest.keyClick(bar.slider, Qt.Key.Key_Escape)
    person.do("train")
    person.until(lambda: person.phase is Phase.PAUSED)
    person.until(lambda: viewing.live.step == person.step)
    person.do("keepMoment")
    person.until(lambda: run.demanded)
    (kept,) = run.demanded
    assert kept == person.step
    person.until(lambda: kept in moments.marks.demanded)

    # what was demanded is released, in a pause and when nothing trains, and all of it is undone
    moments.look_at(kept)
    assert bar.keep.isChecked()
    bar.keep.click()
    assert run.demanded == []
    assert not bar.keep.isChecked()
    assert not desk._actions["releaseMoment"].isEnabled()
    workspace.edits.undo()
    assert run.demanded == [kept]
    assert bar.keep.isChecked()
    workspace.edits.undo()  # that it was kept
    assert run.demanded == []
    workspace.edits.redo()
    assert run.demanded == [kept]
    moments.look_at(None)

    # it plays to the end
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    moments.look_at(kept)
    person.do("releaseMoment")
    assert run.demanded == []
    bar.keep.click()
    assert run.demanded == [kept]
    moments.look_at(0)
    bar.play.click()
    moments._clock.setInterval(1)
    person.until(lambda: not moments.is_playing)
    assert moments.step == moments.marks.states[-1]

    # a new run goes on from the moment that is looked at
    moments.look_at(third)
    bar.branch.click()
    person.until(lambda: workspace.run is not run)
    branched = workspace.run
    assert branched.parent == (run.id, third)
    assert branched.checkpoint_steps()[-1] == third
    assert moments.step is None

    # a training that ends before its line was given any weights leaves it to the kept states
    person.until(lambda: viewing.live is not None and viewing.live.step == third)
    dataset = viewing.live.dataset
    viewing._open(branched, branched.config).train(dataset)
    assert viewing.live.newest is None
    viewing.open_live()
    person.until(lambda: viewing.live.step == third)
    path = workspace.project.path
    person.close()
    with Project.open(path, read_only=True) as project:
        stored = project.runs[run.id]
        assert {0, third, kept} <= set(stored.checkpoint_steps())
        assert stored.demanded == [kept]
