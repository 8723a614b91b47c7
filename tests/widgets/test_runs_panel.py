"""The list of runs as a person uses it: finding, tagging, branching, copying, deleting with an undo, importing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QListWidget, QMenu, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio.config import RunConfig, TrainingSettings
from dgm_studio.datasets.sources import load
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, Run
from dgm_studio.training import TrainingSession
from widgets.desk import Desk
from widgets.import_dialog import ImportDialog
from widgets.main_window import MainWindow
from widgets.notices import Log, NoticeBar
from widgets.preferences import Preferences
from widgets.run_list import SOUGHT, TAGS, RunList
from widgets.run_menus import states_of
from widgets.trainer import Phase

PATIENCE = 60_000  # ms
CONFIG = RunConfig(
    family="vae",
    learner="reparameterized-elbo",
    model={"hidden": 8},
    training=TrainingSettings(steps=6, batch_size=50, device="cpu"),
)

pytestmark = pytest.mark.filterwarnings("ignore:.*setActiveWindow:DeprecationWarning")  # nothing else activates there


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one run that was trained, and two that have yet to be."""
    path = tmp_path_factory.mktemp("runs") / "a.dgm"
    with Project.create(path) as project:
        data = load(CONFIG.data)
        run = project.new_run(CONFIG, "trained")
        recorder = Recorder(project, run, data.provenance)
        for event in TrainingSession(CONFIG, data).events():
            recorder.record(event)
        recorder.close()
        run.tags = ["seminar", "large β"]
        project.new_run(CONFIG, "second").tags = ["seminar"]
        project.new_run(RunConfig(family="rbm", learner="contrastive-divergence"), "third")
        project.save()
    return path


class Person:
    """Somebody with the project open and the trained run selected."""

    def __init__(self, qtbot: QtBot, path: Path) -> None:
        self.qtbot, self.path = qtbot, path
        preferences = Preferences()
        preferences._settings.clear()
        preferences.folder = path.parent
        with Project.open(path, read_only=True) as project:
            preferences.know(project.recognition)  # so that no other process looks at it first
        self.window = MainWindow(preferences, Log())
        self.window.resize(1280, 800)
        self.window.show()
        self.window.load()
        self.window.open(path)
        self.until(lambda: self.window.desk is not None and self.window.desk.workspace.project is not None)
        self.select("trained")
        QApplication.setActiveWindow(self.window)  # the screen of the tests activates no window by itself

    @property
    def desk(self) -> Desk:
        assert self.window.desk is not None
        return self.window.desk

    @property
    def project(self) -> Project:
        assert self.desk.workspace.project is not None
        return self.desk.workspace.project

    @property
    def list(self) -> RunList:
        found = self.window.findChild(QListWidget, "runs")
        assert isinstance(found, RunList)
        return found

    @property
    def selected(self) -> Run:
        assert self.desk.workspace.run is not None
        return self.desk.workspace.run

    def until(self, holds: Callable[[], object]) -> None:
        self.qtbot.waitUntil(lambda: bool(holds()), timeout=PATIENCE)

    def do(self, action: str) -> None:
        assert self.window.actions_[action].isEnabled(), action
        self.window.actions_[action].trigger()

    def names(self) -> list[str]:
        return [item.text() for item in self.list.rows() if not item.isHidden()]

    def select(self, name: str) -> None:
        (item,) = [item for item in self.list.rows() if item.text() == name]
        self.list.show_current(item)
        self.until(lambda: self.selected.name == name)

    def field(self, name: str) -> QLineEdit:
        found = self.window.findChild(QLineEdit, name)
        assert isinstance(found, QLineEdit)
        return found

    def bar(self, text: str) -> NoticeBar:
        found: list[NoticeBar] = []

        def look() -> bool:
            found[:] = [bar for bar in self.window.findChildren(NoticeBar) if text in bar.notice.text]
            return bool(found)

        self.until(look)
        return found[-1]

    def remedy(self, text: str) -> None:
        """Click the button of the notice with this text."""
        self.bar(text).findChild(QPushButton, "remedy").click()

    def entries(self, action: str) -> dict[str, Callable[[], None]]:
        """What a submenu lists when it opens."""
        menu = self.window.actions_[action].menu()
        assert isinstance(menu, QMenu)
        menu.aboutToShow.emit()
        return {entry.text(): entry.trigger for entry in menu.actions() if entry.text()}

    def close(self) -> None:
        self.window.close()
        self.until(lambda: self.window.has_ended)
        self.window.deleteLater()


@pytest.fixture
def person(qtbot: QtBot, stored: Path, tmp_path: Path) -> Iterator[Person]:
    shutil.copy(stored, tmp_path / "a.dgm")
    person = Person(qtbot, tmp_path / "a.dgm")
    yield person
    person.close()


def test_runs_are_found_by_name_tag_and_family_in_any_case(person: Person) -> None:
    find = person.field("findRuns")
    person.do("findRun")
    assert QApplication.focusWidget() is find
    for text, names in (
        ("seminar", ["trained", "second"]),
        ("SEM tra", ["trained"]),
        ("boltzmann", ["third"]),
        ("rbm", ["third"]),
        ("nothing", []),
        ("", ["trained", "second", "third"]),
    ):
        find.setText(text)
        assert person.names() == names
        assert person.window.findChild(QWidget, "noRunMatches").isVisible() is (not names)
    find.setText("t")
    person.select("trained")
    find.setText("ir")
    for key, name in (("nextRun", "third"), ("nextRun", "third"), ("previousRun", "third")):
        person.do(key)
        assert person.selected.name == name  # those that are not shown are passed over
    find.clear()
    person.do("previousRun")
    assert person.selected.name == "second"


def test_tags_are_typed_shown_saved_and_belong_to_the_selected_run(person: Person) -> None:
    person.do("tags")
    tags = person.field("tags")
    assert QApplication.focusWidget() is tags
    assert tags.text() == "seminar, large β"
    before = person.list.sizeHintForRow(2)
    tags.clear()
    person.qtbot.keyClicks(tags, "figure 3, , figure 3,lecture 5,")
    assert tags.text() == "figure 3, , figure 3,lecture 5,"  # what is being typed is left alone
    assert person.selected.tags == ["figure 3", "lecture 5"]
    assert person.list.rows()[0].data(TAGS) == ["figure 3", "lecture 5"]
    person.select("third")
    assert tags.text() == ""
    person.qtbot.keyClicks(tags, "x")
    assert person.list.sizeHintForRow(2) > before
    person.select("trained")
    assert tags.text() == "figure 3, lecture 5"
    person.until(lambda: not person.project.modified)
    with Project.open(person.path, read_only=True) as saved:
        assert [run.tags for run in saved.runs.values()] == [["figure 3", "lecture 5"], ["seminar"], ["x"]]


def test_the_delete_key_deletes_at_once_and_the_notice_undoes_it(person: Person) -> None:
    run = person.selected
    person.list.setFocus()
    person.qtbot.keyClick(person.list, Qt.Key.Key_Delete)
    person.until(lambda: person.names() == ["second", "third"])
    assert person.selected.name == "third"
    assert not QApplication.activeModalWidget()
    person.until(lambda: not person.project.modified)
    with Project.open(person.path, read_only=True) as saved:
        assert list(saved.deleted) == [run.id]
    person.remedy("trained was deleted")
    person.until(lambda: person.names() == ["trained", "second", "third"])
    assert person.selected is run
    person.until(lambda: person.desk.workspace.shown.of(run.id).thumbnail is not None)
    person.list.setFocus()
    person.qtbot.keyClick(person.list, Qt.Key.Key_Delete)
    person.bar("trained was deleted")
    person.do("undo")
    person.until(lambda: person.names() == ["trained", "second", "third"])
    bars = person.window.findChildren
    person.until(lambda: not any("was deleted" in bar.notice.text for bar in bars(NoticeBar) if bar.isVisible()))


def test_the_delete_key_in_a_field_deletes_characters_alone(person: Person) -> None:
    tags = person.field("tags")
    tags.setFocus()
    tags.setCursorPosition(0)
    person.qtbot.keyClick(tags, Qt.Key.Key_Delete)
    assert tags.text() == "eminar, large β"
    person.do("rename")
    editor = person.list.findChild(QLineEdit)
    editor.home(False)
    person.qtbot.keyClick(editor, Qt.Key.Key_Delete)
    person.qtbot.keyClick(editor, Qt.Key.Key_Delete)
    person.qtbot.keyClick(editor, Qt.Key.Key_Return)
    person.until(lambda: person.selected.name == "ained")
    assert len(person.names()) == 3
    assert not person.project.deleted


def test_a_name_that_is_being_typed_is_left_alone_by_what_happens_to_the_run(person: Person) -> None:
    person.do("rename")
    editor = person.list.findChild(QLineEdit)
    person.qtbot.keyClicks(editor, "bet")
    person.selected.conclude("stopped")
    person.desk.workspace.changed()  # as a training does four times a second
    person.qtbot.keyClicks(editor, "ter")
    assert editor.text() == "better"
    person.qtbot.keyClick(editor, Qt.Key.Key_Return)
    person.until(lambda: person.names()[0] == "better")
    assert person.selected.name == "better"


def test_deleted_runs_are_listed_restored_and_removed_for_good_after_a_question(person: Person) -> None:
    assert not person.window.actions_["deleted"].isEnabled()
    person.select("trained")
    person.list.item(1).setSelected(True)
    person.do("delete")  # both of them
    person.until(lambda: person.names() == ["third"])
    assert person.window.actions_["deleted"].isEnabled()
    entries = person.entries("deleted")
    (restore,) = [do for text, do in entries.items() if text.startswith("Restore trained · step 6 · ")]
    restore()
    person.until(lambda: person.names() == ["trained", "third"])
    person.entries("deleted")["Remove deleted runs for good …"]()
    question = person.bar("for good? This cannot be undone.")
    assert "1 deleted run (" in question.notice.text
    assert question.notice.details == "second"
    assert list(person.project.deleted)
    person.remedy("for good? This cannot be undone.")
    person.until(lambda: not person.project.deleted and not person.project.modified)
    assert not person.window.actions_["deleted"].isEnabled()
    with Project.open(person.path, read_only=True) as saved:
        assert [run.name for run in saved.runs.values()] == ["trained", "third"]
        assert saved.deleted == {}


def test_a_branch_takes_the_settings_of_learning_in_the_form_and_goes_on(person: Person) -> None:
    parent, desk = person.selected, person.desk
    assert person.window.actions_["branchFrom"].isEnabled()
    assert [step for step, _ in states_of(parent)] == [6, 0][: len(parent.checkpoint_steps())]
    desk.draft.set_field("learning", "learning_rate", 1e-4)
    desk.draft.set_field("model", "hidden", 9)
    (text, branch), *_ = person.entries("branchFrom").items()
    assert text.startswith("Step 6 · newest")
    branch()
    person.until(lambda: len(person.project.runs) == 2 + 2)
    person.until(lambda: person.selected is not parent)
    new = person.selected
    assert (new.name, new.parent) == ("trained-2", (parent.id, 6))
    assert new.config is not None
    assert new.config.learning["learning_rate"] == 1e-4
    assert new.config.model == CONFIG.model
    assert "Branched from step 6 of trained." in person.list.currentItem().toolTip()
    person.remedy("trained-2 goes on from step 6 of trained")
    person.until(lambda: person.desk.workspace.trainer.phase is Phase.IDLE and new.checkpoint_steps()[-1] == 12)
    assert new.status == "finished"
    assert new.config.training.steps == 12  # the plan is what it was trained by
    assert desk.draft.config == new.config  # and the form shows it
    assert parent.checkpoint_steps()[-1] == 6


def test_a_run_is_copied_whole_and_its_settings_alone_go_to_the_form(person: Person) -> None:
    run = person.selected
    person.do("duplicate")
    person.until(lambda: person.selected.name == "trained-2")
    copy = person.selected
    assert copy.checkpoint_steps() == run.checkpoint_steps()
    assert copy.tags == run.tags
    person.until(lambda: person.desk.workspace.shown.of(copy.id).history is not None)
    person.select("third")
    person.select("trained-2")
    person.desk.draft.set_field("training", "seed", 5)
    person.do("useSettings")
    assert person.desk.draft.config == copy.config
    assert len(person.project.runs) == 4
    assert not person.window.actions_["branch"].isEnabled() or copy.checkpoint_steps()
    person.select("third")
    assert not person.window.actions_["branch"].isEnabled()  # it keeps no state


def test_runs_of_another_project_are_chosen_and_imported(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    other = person.path.with_name("other.dgm")
    shutil.copy(person.path, other)
    before = other.read_bytes()
    broken = person.path.with_name("broken.dgm")
    broken.write_bytes(before[:5000])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *arguments: (str(broken), ""))
    person.do("import")
    assert person.bar("Nothing was imported. broken.dgm:").notice.kind == "bad"
    assert not person.window.findChildren(ImportDialog)
    assert len(person.project.runs) == 3
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *arguments: (str(other), ""))
    person.do("import")
    person.until(lambda: person.window.findChildren(ImportDialog))
    (dialog,) = person.window.findChildren(ImportDialog)
    assert not dialog.isModal()
    runs = dialog.findChild(QListWidget, "importRuns")
    button = dialog.findChild(QPushButton, "importChosen")
    assert button.text().startswith("Import 3 runs (")
    dialog.findChild(QWidget, "importAll").click()  # type: ignore[attr-defined]
    assert not button.isEnabled()
    runs.setFocus()
    person.qtbot.keyClick(runs, Qt.Key.Key_Space)
    assert button.text().startswith("Import 1 run (")
    person.qtbot.keyClick(button, Qt.Key.Key_Space)
    person.until(lambda: person.names() == ["trained", "second", "third", "trained-2"])
    assert person.selected.origin is not None
    assert "Imported: trained of other.dgm." in person.list.currentItem().toolTip()
    person.until(lambda: not person.project.modified)
    assert other.read_bytes() == before
    with Project.open(person.path, read_only=True) as saved:
        assert len(saved.runs) == 4


def test_the_menu_of_a_run_has_all_that_can_be_done_and_that_of_the_empty_place_what_needs_no_run(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QMenu, "popup", lambda menu, place: None)  # the screen of the tests cannot raise windows
    actions = person.window.actions_

    def menu_at(place: QPoint) -> set[str]:
        person.list.customContextMenuRequested.emit(place)
        menu = person.window.findChildren(QMenu, "runMenu")[-1]
        return {action.objectName() for action in menu.actions() if action.objectName()}

    on_run = menu_at(person.list.visualItemRect(person.list.currentItem()).center())
    beside = menu_at(QPoint(20, person.list.viewport().height() - 4))
    assert on_run >= {"continue", "branch", "branchFrom", "duplicate", "useSettings"}
    assert on_run >= {"rename", "tags", "notes", "delete"}
    assert beside == {"delete", "deleted", "import"}
    in_menus = {action.objectName() for menu in actions.menu_bar.findChildren(QMenu) for action in menu.actions()}
    assert on_run | beside <= in_menus
    assert "variational" in person.list.rows()[0].data(SOUGHT)
