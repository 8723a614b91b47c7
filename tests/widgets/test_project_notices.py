"""What becomes of a project file outside the window, and what a person can do about it."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest
from person import Person
from PySide6.QtWidgets import QLabel, QPushButton

from dgm_studio.store import Project, check
from widgets.editors import ChoiceBox
from widgets.recovery_dialog import RecoveryDialog
from widgets.times import at
from widgets.trainer import Phase


def project_of(person: Person) -> Project:
    project = person.desk.workspace.project
    assert project is not None
    return project


def put_another_in_its_place(path: Path) -> None:
    other = path.with_name("other.dgm")
    with Project.create(other) as project:
        project.notes = "the other"
        project.save()
    os.replace(other, path)


def rename(person: Person, name: str) -> None:
    run = person.desk.workspace.run
    assert run is not None
    person.desk.workspace.rename(run, name)


def test_a_file_replaced_from_outside_is_noticed_when_the_person_comes_back(person: Person) -> None:
    person.train_a_little()
    path = project_of(person).path
    put_another_in_its_place(path)
    person.desk.notices.look()
    bar = person.bar("Another program has changed")
    person.desk.notices.look()  # says it once
    person.until(lambda: not person.desk.workspace.files.busy)
    assert len([b for b in person.bars() if "Another program" in b.notice.text]) == 1
    person.choose(bar, "Replace the other by this")
    person.until(lambda: project_of(person).changed_outside() is None)
    assert len(Project.open(path, read_only=True).runs) == 1


def test_a_save_that_finds_another_file_overwrites_nothing_and_asks(person: Person) -> None:
    person.train_a_little()
    path = project_of(person).path
    put_another_in_its_place(path)
    rename(person, "mine")
    person.do("save")
    bar = person.bar("Another program has changed")
    with Project.open(path, read_only=True) as other:
        assert other.notes == "the other"
    person.choose(bar, "Open the other without what you changed since")
    person.until(lambda: person.desk.workspace.project is not None and project_of(person).notes == "the other")
    assert not project_of(person).runs


def test_a_deleted_file_is_written_again(person: Person) -> None:
    person.train_a_little()
    path = project_of(person).path
    path.unlink()
    rename(person, "still here")
    person.do("save")
    person.choose(person.bar("was moved or deleted"), "Write it again")
    person.until(path.exists)
    person.until(lambda: not person.desk.workspace.files.busy)
    check(path)
    assert [run.name for run in Project.open(path, read_only=True).runs.values()] == ["still here"]


def test_what_cannot_be_saved_keeps_the_project_and_the_window_open(person: Person) -> None:
    person.train_a_little()
    path = project_of(person).path
    rename(person, "unsaved")
    put_another_in_its_place(path)
    person.window.close()
    bar = person.bar("stays open")
    assert person.window.isVisible()
    assert person.window.isEnabled()
    assert person.window.status._bar.maximum() > 0, "nothing is being done"
    offered = person.bar("Another program has changed").findChildren(QPushButton, "remedy")
    assert "Save as …" in [button.text() for button in offered]
    assert [run.name for run in project_of(person).runs.values()] == ["unsaved"]
    person.choose(bar, "Close without saving")
    window = person.window
    person.until(lambda: window.has_ended)
    assert Project.open(path, read_only=True).notes == "the other"


def test_nothing_can_be_trained_in_a_project_that_is_being_closed(person: Person) -> None:
    person.train_a_little()
    path = project_of(person).path
    rename(person, "to be saved")
    person.do("start")
    assert not person.window.actions_["train"].isEnabled()
    person.desk.control.train_draft()
    person.desk.control.train_or_pause()
    rename(person, "renamed while it was saved")
    person.until(lambda: person.desk.workspace.project is None and not person.desk.workspace.files.busy)
    assert person.phase is Phase.IDLE
    assert [run.name for run in Project.open(path, read_only=True).runs.values()] == ["renamed while it was saved"]


def test_a_run_that_is_asked_for_just_before_the_project_closes_is_left_untrained(person: Person) -> None:
    person.train_a_little()
    path = project_of(person).path
    person.desk.control.train_draft()
    person.do("start")
    person.until(lambda: person.desk.workspace.project is None and not person.desk.workspace.files.busy)
    person.qtbot.wait(200)
    assert person.phase is Phase.IDLE
    assert len(Project.open(path, read_only=True).runs) == 2


def test_what_was_changed_while_reading_only_is_not_dropped_silently(person: Person) -> None:
    person.train_a_little()
    path = project_of(person).path
    first = person.window
    person.open_window()
    person.window.open(path)
    person.bar("for reading only")
    rename(person, "a copy of mine")
    person.do("start")
    person.bar("stays open")
    copy = path.with_name("copy.dgm")
    person.desk.workspace.project_file.save_as(copy)
    person.until(lambda: project_of(person).path == copy and not project_of(person).read_only)
    person.do("start")
    person.until(lambda: person.desk.workspace.project is None)
    assert [run.name for run in Project.open(copy, read_only=True).runs.values()] == ["a copy of mine"]
    person.close(first)


def test_when_the_other_window_has_closed_the_project_can_be_changed(person: Person) -> None:
    person.train_a_little()
    path = project_of(person).path
    first = person.window
    second = person.open_window()
    person.window.open(path)
    person.bar("for reading only")
    person.close(first)
    person.window = second
    person.desk.notices.look()
    person.choose(person.bar("no longer open elsewhere"), "Open it anew")
    person.until(lambda: person.desk.workspace.project is not None and not project_of(person).read_only)


@pytest.fixture
def cut_off(person: Person, tmp_path: Path) -> Path:
    """A project whose training was killed: a copy of it and its work folder, taken while it trained."""
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING and person.step > 20)
    project = project_of(person)
    person.until(lambda: list(project.work_folder.glob("*/checkpoint-*")))
    copy = tmp_path / "projects" / "cut off.dgm"
    person.leave_as_killed(copy)
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    return copy


def test_a_person_sees_what_was_cut_off_by_step_and_time_and_chooses(person: Person, cut_off: Path) -> None:
    person.window.open(cut_off)
    bar = person.bar("was cut off today at")
    person.choose(bar, "Choose …")
    person.until(lambda: person.window.findChildren(RecoveryDialog))
    (dialog,) = person.window.findChildren(RecoveryDialog)
    assert not dialog.isModal()
    person.until(lambda: dialog.findChild(QPushButton, "recover"))
    said = " ".join(label.text() for label in dialog.findChildren(QLabel))
    assert "Cut off today at" in said
    assert "Newest whole state: step" in said
    assert "The project does not hold this run yet." in said
    choice = dialog.findChild(ChoiceBox, "recoveryState")
    (recovery,) = project_of(person).recoveries
    assert [choice.itemData(i) for i in range(choice.count())] == recovery.steps[::-1]

    dialog.findChild(QPushButton, "putAside").click()
    person.until(lambda: dialog.findChild(QLabel, "nothingLeft"))
    assert not project_of(person).recoveries
    assert recovery.folder.parent.exists()
    again = dialog.findChild(QPushButton, f"restore-{recovery.session}")
    again.click()
    person.until(lambda: project_of(person).recoveries)
    person.until(lambda: [b for b in dialog.findChildren(QPushButton, "recover") if b.isVisibleTo(dialog)])

    dialog.findChildren(QPushButton, "recover")[-1].click()
    person.until(lambda: project_of(person).runs)
    (run,) = project_of(person).runs.values()
    assert run.checkpoint_steps()
    assert run.status == "interrupted"


def test_closing_the_project_ends_what_is_measured_of_it(person: Person) -> None:
    person.train_a_little()
    page = person.desk.area.evaluate
    person.do("pageEvaluate")
    person.until(lambda: page.findChild(QPushButton, "run-all").isEnabled())
    page.findChild(QPushButton, "run-all").click()
    assert page.busy
    person.do("start")
    person.until(lambda: person.desk.workspace.project is None)
    assert not page.busy


def test_times_are_said_as_a_person_says_them() -> None:
    now = datetime(2026, 3, 5, 12, 0).astimezone()
    assert at(datetime(2026, 3, 5, 9, 7).astimezone().isoformat(), now) == "today at 09:07"
    assert at(datetime(2026, 3, 4, 23, 59).astimezone().isoformat(), now) == "yesterday at 23:59"
    assert at(datetime(2025, 12, 24, 18, 0).astimezone().isoformat(), now) == "on 24 December 2025 at 18:00"
    assert at("soon", now) == ""
