"""The window as a person uses it: from a click on a card to a project that is opened again."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
from person import Person
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QDialog, QPushButton, QScrollArea, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio import ROOT
from dgm_studio.config import DataChoice
from dgm_studio.events import Failed
from dgm_studio.presets import presets
from dgm_studio.store import Project, preflight
from dgm_studio.store.work import JOURNAL, read_journal, read_metrics
from models.learning.base import Quantity
from widgets.history import History
from widgets.main_window import MainWindow
from widgets.menus import MENUS
from widgets.patience import settle
from widgets.preferences import Preferences, thumbnail_file
from widgets.theme import look
from widgets.trainer import Phase


def test_the_window_shows_before_torch_and_the_plots_are_imported() -> None:
    code = (
        "import sys; from widgets.app import application; from widgets.main_window import MainWindow; "
        "from widgets.notices import Log; from widgets.preferences import Preferences; "
        "app = application(['x']); window = MainWindow(Preferences(), Log()); window.show(); app.processEvents(); "
        "print([m for m in ('torch', 'sklearn', 'pyqtgraph', 'h5py', 'numpy', 'models.catalog') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_click_before_everything_is_loaded_starts_as_soon_as_that_is_possible(person: Person) -> None:
    person.close()
    person.open_window()  # no event is handled between here and the click, however fast everything loads
    assert person.window.desk is None
    person.click_card()
    person.until(lambda: person.window.desk is not None and person.desk.workspace.run is not None)
    assert person.desk.area.train.samples.isVisible()


def test_one_click_on_a_card_makes_a_project_and_its_pictures_move(person: Person) -> None:
    desk = person.desk
    seen: list[int] = []
    desk.workspace.previewed.connect(lambda run, event: seen.append(event.step))
    person.click_card()
    person.until(lambda: len(set(seen)) >= 3)
    project = desk.workspace.project
    assert project is not None
    assert project.path.parent == person.preferences.folder
    assert desk.area.page == "Train"
    assert len(desk.area.train.curves.views[0].plot.training) > 0
    assert person.window.windowTitle().startswith(project.path.stem)


def test_a_second_project_of_the_same_name_is_numbered(person: Person) -> None:
    person.train_a_little()
    person.do("start")
    person.until(lambda: person.window.start_page.isVisible())
    person.train_a_little()
    title = presets()[0].title
    assert sorted(path.name for path in person.preferences.folder.glob("*.dgm")) == [f"{title} 2.dgm", f"{title}.dgm"]


def test_pause_step_resume_and_stop(person: Person) -> None:
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING)
    person.until(lambda: person.step > 5)
    assert person.window.actions_["train"].text() == "Pause"
    person.do("train")
    person.until(lambda: person.phase is Phase.PAUSED)
    before = person.step
    person.do("step")
    person.until(lambda: person.step == before + 1)
    assert person.window.actions_["train"].text() == "Resume"
    person.do("train")
    person.until(lambda: person.step > before + 10)
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    run = person.desk.workspace.run
    assert run is not None
    assert run.status == "stopped"
    assert not person.desk.workspace.project.modified  # type: ignore[union-attr]
    assert thumbnail_file(person.desk.workspace.project.path).is_file()  # type: ignore[union-attr]


def test_a_stopped_run_is_resumed_where_it_stopped(person: Person) -> None:
    person.train_a_little()
    run = person.desk.workspace.run
    assert run is not None
    before = run.checkpoint_steps()[-1]
    assert person.window.actions_["train"].text() == "Resume"
    person.do("train")
    person.until(lambda: person.phase is Phase.TRAINING)
    person.until(lambda: person.step > before)
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    steps, _ = run.metrics[next(iter(run.metrics))]
    assert np.array_equal(steps, np.arange(run.checkpoint_steps()[-1]))
    assert len(person.desk.workspace.project.runs) == 1  # type: ignore[union-attr]


def test_continue_trains_for_that_many_more_steps(person: Person) -> None:
    person.train_a_little()
    workspace = person.desk.workspace
    run = workspace.run
    assert run is not None
    before = run.checkpoint_steps()[-1]
    workspace.continue_run(run, 30)
    person.until(lambda: person.phase is Phase.IDLE and run.status == "finished")
    assert run.checkpoint_steps()[-1] == before + 30


def test_a_discarded_first_training_leaves_no_run(person: Person) -> None:
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING)
    person.do("discard")
    person.until(lambda: person.phase is Phase.IDLE)
    person.until(lambda: not person.desk.workspace.project.runs)  # type: ignore[union-attr]
    assert person.desk.workspace.run is None


def test_settings_of_a_run_that_could_not_begin_stay_in_the_form(person: Person, tmp_path: Path) -> None:
    person.train_a_little()
    desk = person.desk
    first = desk.workspace.run
    desk.changes.duplicate(first)
    person.until(lambda: len(desk.workspace.project.runs) == 2)
    person.until(lambda: desk.workspace.run is not first)
    desk.workspace.select(first)
    gone = DataChoice(source="numpy", settings={"path": str(tmp_path / "gone.npz")})
    config = desk.draft.config.model_copy(update={"data": gone})
    desk.draft.replace(config, "data")
    desk.workspace.train(config)
    person.bar("gone.npz does not exist")
    person.until(lambda: person.phase is Phase.IDLE and len(desk.workspace.project.runs) == 2)
    assert desk.workspace.run is first
    assert desk.draft.config == config
    assert desk.draft.stack.canUndo()


def test_continue_offers_as_many_steps_as_were_asked_for_last(person: Person) -> None:
    person.train_a_little()
    desk, run = person.desk, person.desk.workspace.run
    assert run is not None
    assert desk.control.as_many_again() == presets()[0].config.training.steps
    for _ in range(2):
        desk.control.continue_run(40)
        person.until(lambda: person.phase is Phase.IDLE and run.status == "finished")
        assert desk.control.as_many_again() == 40
        run.conclude("stopped")
    desk._header.more.aboutToShow.emit()
    assert desk._header.more.actions()[0].text() == "40 more steps"


def test_discarding_a_continued_training_shows_the_run_as_it_was(person: Person) -> None:
    person.train_a_little()
    workspace = person.desk.workspace
    run = workspace.run
    assert run is not None
    before = run.checkpoint_steps()[-1]
    workspace.continue_run(run, 10_000)
    person.until(lambda: person.phase is Phase.TRAINING and person.step > before + 5)
    person.do("discard")
    person.until(lambda: person.phase is Phase.IDLE)
    assert run.checkpoint_steps()[-1] == before
    curves = person.desk.area.train.curves  # whose views are made anew when the run is shown as it was
    person.until(lambda: bool(curves.views) and len(curves.views[0].plot.training) == before)
    person.until(lambda: workspace.viewing.live is not None and workspace.viewing.live.step == before)


def journaled(work: Path) -> Iterator[np.ndarray]:
    """The steps of curves that are in a work folder."""
    for journal in work.glob(f"*/{JOURNAL}"):
        curves = [read_metrics(line) for line in read_journal(journal) if "metrics" in line]
        for key in {key for curve in curves for key in curve}:
            yield np.concatenate([curve[key][0] for curve in curves if key in curve])


def test_what_a_crash_left_is_offered_and_recovered(person: Person, tmp_path: Path) -> None:
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING and person.step > 20)
    path = person.desk.workspace.project.path  # type: ignore[union-attr]
    work = path.with_name(f"{path.name}.work")
    person.until(lambda: any(len(steps) > 10 for steps in journaled(work)))
    copy = tmp_path / path.name
    person.leave_as_killed(copy)
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    person.window.open(copy)
    person.until(lambda: any("cut off" in bar.notice.text for bar in person.bars()))
    (bar,) = [bar for bar in person.bars() if "cut off" in bar.notice.text]
    bar.findChild(QPushButton, "remedy").click()
    project = person.desk.workspace.project
    assert project is not None
    person.until(lambda: project.runs and not project.recoveries)
    (run,) = project.runs.values()
    assert run.status == "interrupted"
    person.until(lambda: any(len(view.plot.training) > 10 for view in person.desk.area.train.curves.views))


def test_edited_settings_become_a_run_of_their_own_that_waits_for_its_turn(person: Person) -> None:
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING)
    desk = person.desk
    desk.draft.set_field("training", "batch_size", 10)
    desk.draft.set_field("training", "steps", 20)
    desk.model.findChild(QPushButton, "trainNew").click()
    person.until(lambda: len(desk.workspace.trainer.queued) == 1)
    person.do("stop")
    person.until(lambda: len(desk.workspace.project.runs) == 2 and person.phase is Phase.IDLE)  # type: ignore[union-attr]
    first, second = desk.workspace.project.runs.values()  # type: ignore[union-attr]
    assert (first.status, second.status) == ("stopped", "finished")
    assert second.config is not None
    assert second.config.training.batch_size == 10
    assert second.config.model  # every setting is written out, so that later defaults cannot change it


def test_a_project_that_is_opened_again_shows_what_it_learned_without_training(person: Person) -> None:
    person.train_a_little()
    workspace = person.desk.workspace
    path = workspace.project.path  # type: ignore[union-attr]
    points = len(person.desk.area.train.curves.views[0].plot.training)
    person.close()
    person.open_window()
    person.window.open(path)
    person.until(lambda: person.desk.workspace.viewing.live is not None)
    desk = person.desk
    person.until(lambda: desk.workspace.viewing.live.step == desk.workspace.run.checkpoint_steps()[-1])  # type: ignore[union-attr]
    person.until(lambda: any(len(view.plot.training) == points for view in desk.area.train.curves.views))
    person.do("pageExplore")
    person.until(lambda: desk.area.explore.current is not None)
    assert person.phase is Phase.IDLE
    assert person.preferences.recent[0] == path


def test_a_project_that_was_left_takes_no_memory(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr(look.wardrobe, "forget", lambda: forgotten.append(True))
    person.train_a_little()
    project = person.desk.workspace.project
    assert project is not None
    person.do("start")
    person.until(lambda: person.desk.workspace.project is None)
    person.window.open(project.path)
    viewing = person.desk.workspace.viewing
    person.until(lambda: viewing.live is not None and viewing.live.newest is not None)
    state, data = ref(viewing.live.newest), ref(viewing.live.dataset)  # that were read
    assert viewing.states._states
    forgotten.clear()
    person.do("start")
    person.until(lambda: person.desk.workspace.project is None)
    assert len(forgotten) == 1
    person.until(lambda: gc.collect() >= 0 and state() is None and data() is None)


def test_closing_while_training_stops_keeps_and_saves(person: Person) -> None:
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING)
    person.until(lambda: person.step > 20)
    path = person.desk.workspace.project.path  # type: ignore[union-attr]
    person.close()
    with Project.open(path) as project:
        (run,) = project.runs.values()
        assert run.status == "stopped"
        assert run.checkpoint_steps()[-1] > 20
        assert not project.holder
        assert not project.recoveries


def test_closing_while_everything_is_still_loading_ends_cleanly(person: Person) -> None:
    person.close()


def test_a_second_window_is_read_only_and_says_who_holds_the_project(person: Person) -> None:
    person.train_a_little()
    path = person.desk.workspace.project.path  # type: ignore[union-attr]
    first = person.window
    person.open_window()
    person.window.open(path)
    person.until(lambda: person.desk.workspace.project is not None and person.bars())
    assert person.desk.workspace.project.read_only  # type: ignore[union-attr]
    assert "for reading only" in person.bars()[0].notice.text
    assert not person.window.actions_["train"].isEnabled()
    assert not person.window.actions_["save"].isEnabled()
    assert person.window.actions_["saveAs"].isEnabled()
    person.close(first)


def test_undo_and_redo_of_settings(person: Person) -> None:
    desk = person.desk
    person.do("new")
    person.until(lambda: desk.workspace.project is not None)
    before = desk.draft.config
    desk.draft.set_field("training", "steps", 77)
    desk.draft.set_field("training", "steps", 78)
    desk.draft.set_field("training", "seed", 5)
    person.do("undo")
    assert (desk.draft.config.training.steps, desk.draft.config.training.seed) == (78, 0)
    person.do("undo")  # both changes of one field are one step
    assert desk.draft.config == before
    person.do("redo")
    assert desk.draft.config.training.steps == 78
    assert desk.model.forms["training"].editor("steps").value() == 78  # type: ignore[attr-defined]


def test_what_a_model_cannot_do_is_not_among_its_learners_settings(person: Person) -> None:
    desk = person.desk
    for family, offered in (("vae", True), ("linear-gaussian", False)):
        desk.draft.set_family(family)
        desk.draft.set_learner("reparameterized-elbo")
        fields = desk.model.forms["learning"]._editors  # type: ignore[attr-defined]
        assert ("refinement" in fields) == offered
        assert "kl_weight" in fields


def test_out_of_memory_offers_half_the_batch_one_click_away(person: Person) -> None:
    person.train_a_little()
    workspace = person.desk.workspace
    run = workspace.run
    assert run is not None
    assert run.config is not None
    workspace.training_ended.emit(run, Failed("memory", "Out of memory with batches of 100.", 3))
    person.until(lambda: len(person.bars()) == 1)
    (bar,) = person.bars()
    button = bar.findChild(QPushButton, "remedy")
    half = run.config.training.batch_size // 2
    assert button.text() == f"Try batch {half}"
    button.click()
    person.until(lambda: person.phase is Phase.TRAINING)
    assert workspace.trainer.active.config.training.batch_size == half  # type: ignore[union-attr]


def test_a_run_is_renamed_annotated_and_deleted_and_that_is_saved(person: Person) -> None:
    person.train_a_little()
    workspace = person.desk.workspace
    path, run = workspace.project.path, workspace.run  # type: ignore[union-attr]
    assert run is not None
    workspace.rename(run, "the first")
    workspace.annotate(run, "a cloud")
    person.until(lambda: not workspace.project.modified)  # type: ignore[union-attr]
    with Project.open(path, read_only=True) as stored:
        assert [(r.name, r.notes) for r in stored.runs.values()] == [("the first", "a cloud")]
    person.do("delete")
    person.until(lambda: not workspace.project.runs)  # type: ignore[union-attr]
    person.until(lambda: not workspace.project.modified)  # type: ignore[union-attr]


def test_another_project_is_opened_only_after_the_training_was_stopped(person: Person) -> None:
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING)
    person.do("new")
    person.until(lambda: person.bars())
    assert person.phase is not Phase.IDLE
    first = person.desk.workspace.project
    person.bars()[0].findChild(QPushButton, "remedy").click()
    person.until(lambda: person.desk.workspace.project not in (None, first))
    assert person.phase is Phase.IDLE


def drop(window: MainWindow, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    none, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(QPoint(50, 50), Qt.DropAction.CopyAction, data, left, none)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(window, QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, data, left, none))


def test_data_dropped_on_the_window_becomes_the_data_of_the_next_run(person: Person, tmp_path: Path) -> None:
    path = tmp_path / "cloud.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32))
    desk = person.desk
    drop(person.window, path)
    person.until(lambda: desk.draft.config.data.settings.get("path") == str(path))
    person.until(lambda: desk.data.findChild(QWidget, "dataSummary").text())  # type: ignore[attr-defined]


def test_what_cannot_be_used_is_a_sentence_and_not_a_dialog(person: Person, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"\0nothing")
    person.desk.take_data(path)
    person.until(lambda: person.bars())
    assert "notes.txt" in person.bars()[0].notice.text
    assert not QApplication.activeModalWidget()


def test_bad_data_is_said_and_the_window_goes_on(person: Person, tmp_path: Path) -> None:
    desk = person.desk
    person.do("new")
    person.until(lambda: desk.workspace.project is not None)
    desk.draft.set_source("numpy", {"path": str(tmp_path / "gone.npz")})
    desk.control.train_draft()
    person.until(lambda: any("gone.npz" in bar.notice.text for bar in person.bars()))
    person.until(lambda: person.phase is Phase.IDLE)
    assert not desk.workspace.project.runs  # type: ignore[union-attr]
    assert desk.workspace.run is None


def test_a_project_dropped_on_the_window_opens(person: Person, tmp_path: Path) -> None:
    Project.create(tmp_path / "other.dgm").close()
    drop(person.window, tmp_path / "other.dgm")
    person.until(lambda: person.window.desk is not None and person.desk.workspace.project is not None)


def test_a_file_that_is_no_project_leaves_the_window_as_it_was(person: Person, tmp_path: Path) -> None:
    path = tmp_path / "broken.dgm"
    path.write_bytes(b"not a project")
    person.window.open(path)
    person.until(lambda: person.bars())
    assert "broken.dgm" in person.bars()[0].notice.text
    assert person.window.start_page.isVisible()


def test_panels_stay_where_they_were_put(person: Person) -> None:
    desk = person.desk
    person.do("new")
    person.until(lambda: desk.area.isVisible())
    person.do("showRuns")
    person.until(lambda: desk.docks["showRuns"].isHidden())
    person.close()
    person.open_window()
    person.desk.projects.new()
    person.until(lambda: person.desk.area.isVisible())
    assert person.desk.docks["showRuns"].isHidden()
    assert not person.desk.docks["showModel"].isHidden()
    person.do("layout")
    assert not person.desk.docks["showRuns"].isHidden()


def test_everything_fits_at_1280_by_800(person: Person) -> None:
    person.train_a_little()
    for page in ("pageTrain", "pageExplore", "pageEvaluate"):
        person.do(page)
        least = person.window.minimumSizeHint()
        assert least.width() <= 1280, page
        assert least.height() <= 800, page


def test_seven_curves_fit_at_1280_by_800_with_the_messages_open_and_are_scrolled_through(person: Person) -> None:
    person.train_a_little()
    settle(person.desk)  # the run is read and shown as it was kept, which would take the place of these curves
    person.do("log")
    curves = person.desk.area.train.curves
    quantities = [Quantity(f"q{number}", f"Quantity {number}") for number in range(7)]
    curves.show_quantities(quantities)
    curves.show_history(History({one.key: (np.arange(9), np.arange(9.0)) for one in quantities}))
    bar = curves.findChild(QScrollArea, "curvesScroll").verticalScrollBar()
    person.until(lambda: bar.maximum() > 0)
    assert person.window.minimumSizeHint().height() <= 800
    assert person.window.minimumSizeHint().width() <= 1280
    assert (person.window.width(), person.window.height()) == (1280, 800)
    bar.setValue(bar.maximum())
    person.until(lambda: not curves.views[-1].visibleRegion().isEmpty())
    person.until(lambda: curves.views[0].visibleRegion().isEmpty())
    person.until(lambda: max(view.plot.box.height() for view in curves.views) < 2 * curves.views[-1].plot.box.height())
    hidden = bar.maximum()
    person.do("log")
    person.until(lambda: bar.maximum() < hidden)  # more of them, now that there is room


def test_every_action_has_a_help_text_and_no_two_share_a_shortcut(person: Person) -> None:
    entries = [entry for menu in MENUS.values() for entry in menu if entry.key]
    assert all(entry.help for entry in entries)
    assert len({entry.key for entry in entries}) == len(entries)
    given = [entry.shortcut for entry in entries if entry.shortcut]
    assert len(set(given)) == len(given)
    assert {"train", "step", "stop", "discard", "continue", "undo", "redo", "save", "open"} <= {
        entry.key for entry in entries if entry.shortcut
    }


def test_every_button_says_what_it_does(person: Person) -> None:
    person.train_a_little()
    buttons = [*person.window.findChildren(QToolButton), *person.window.findChildren(QPushButton)]
    assert len(buttons) > 10
    for button in buttons:
        if button.focusPolicy() is Qt.FocusPolicy.NoFocus or not button.isVisible() or button.text():
            continue
        if not button.objectName().startswith(("qt_", "ScrollLeft", "ScrollRight")):
            assert button.accessibleName() or button.toolTip(), (button, button.objectName())


def test_the_theme_is_switched_and_remembered(person: Person) -> None:
    before = look.theme.name
    person.do("theme")
    assert look.theme.name != before
    assert Preferences().theme == look.theme.name
    person.do("theme")
    assert look.theme.name == before


def test_help_does_not_block(person: Person, qtbot: QtBot) -> None:
    for key in ("shortcuts", "about"):
        person.do(key)
        (dialog,) = [w for w in person.window.findChildren(QDialog) if w.isVisible()]
        assert not dialog.isModal()
        dialog.close()
        qtbot.waitUntil(lambda: not [w for w in person.window.findChildren(QDialog) if w.isVisible()])


def test_a_project_that_the_window_has_saved_is_not_looked_at_by_another_process(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.train_a_little()
    path = person.desk.workspace.project.path  # type: ignore[union-attr]
    person.do("start")
    person.until(lambda: person.desk.workspace.project is None and not person.desk.workspace.files.busy)
    looked: list[Path] = []
    monkeypatch.setattr(preflight, "preflight", looked.append)
    for changes in (False, True):
        if changes:
            os.utime(path)
        person.window.open(path)
        person.until(lambda: person.desk.workspace.project is not None)
        assert looked == ([path] if changes else [])
        person.do("start")
        person.until(lambda: person.desk.workspace.project is None and not person.desk.workspace.files.busy)
