"""A disk that fills up while the window trains: training goes on, and what is said is true when it is read."""

from __future__ import annotations

import pytest
from full_disk import FullDisk
from person import PATIENCE, Person

from dgm_studio import backlog, recording
from dgm_studio.store import Project, Run
from widgets import project_file
from widgets.settings_form import SettingsForm
from widgets.trainer import Phase

WAITING = "cannot be written to the disk"


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    monkeypatch.setattr(backlog, "RETRY_EVERY", 0.05)
    monkeypatch.setattr(recording, "WRITE_EVERY", 0.02)
    monkeypatch.setattr(project_file, "AGAIN_AFTER", 50)
    return FullDisk(monkeypatch)


def begin(person: Person) -> Run:
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING)
    run = person.desk.workspace.run
    assert run is not None
    person.desk.workspace.trainer.extend(10**6)  # it trains on until it is stopped
    return run


def fill(person: Person, disk: FullDisk) -> None:
    """Let the disk be full until that was said and a while afterwards."""
    disk.full = True
    person.bar(WAITING)
    step = person.step
    person.until(lambda: person.step > step + 20)


def waiting(person: Person) -> bool:
    return any(WAITING in bar.notice.text for bar in person.bars())


def stored(person: Person, run: Run) -> Run:
    """The run as another process finds it."""
    project = person.desk.workspace.project
    assert project is not None
    assert not project.modified
    with Project.open(project.path, read_only=True) as again:
        return again.runs[run.id]


def test_a_disk_that_is_full_for_a_while_is_said_and_what_was_said_goes_when_it_is_over(
    person: Person, disk: FullDisk
) -> None:
    run = begin(person)
    log = person.desk.workspace.log
    for times in (1, 2):
        fill(person, disk)
        assert sum(WAITING in line for line in log.lines) == times
        disk.full = False
        person.until(lambda: not waiting(person))
        over = f"Everything of {run.name} is on the disk again."
        assert sum(over in line for line in log.lines) == times  # said at the same moment
    assert person.phase is Phase.TRAINING
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    assert stored(person, run).checkpoint_steps() == run.checkpoint_steps()
    assert not person.bars()


def test_a_disk_that_is_full_to_the_end_costs_nothing_once_there_is_room(
    person: Person, disk: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_file, "AGAIN_AFTER", 1000 * PATIENCE)  # the person is quicker
    run = begin(person)
    fill(person, disk)
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    assert not waiting(person)  # to be written by a training that goes on
    person.bar("there is no room on the disk")
    project = person.desk.workspace.project
    assert project is not None
    assert project.modified
    disk.full = False
    person.choose(person.bar("there is no room on the disk"), "Save again")
    person.until(lambda: not project.modified)
    assert not person.bars()
    again = stored(person, run)
    assert (again.status, again.checkpoint_steps()) == ("stopped", run.checkpoint_steps())


def test_what_could_not_be_saved_is_saved_by_itself_once_there_is_room(person: Person, disk: FullDisk) -> None:
    person.train_a_little()
    run, log = person.desk.workspace.run, person.desk.workspace.log
    assert run is not None
    disk.full = True
    person.desk.workspace.rename(run, "renamed")
    person.bar("The project was not saved")
    said = len(log.entries)
    person.qtbot.wait(500)
    assert len(log.entries) == said  # it is tried again without a word
    disk.full = False
    person.until(lambda: not person.bars())
    assert any("is on the disk" in line for line in log.lines)
    assert stored(person, run).name == "renamed"


def test_the_end_of_a_training_is_saved_by_itself_once_there_is_room(person: Person, disk: FullDisk) -> None:
    run = begin(person)
    fill(person, disk)
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    person.bar("there is no room on the disk")
    assert "and is not on the disk yet" in person.desk.workspace.log.lines[-1]
    disk.full = False
    person.until(lambda: not person.bars())
    assert stored(person, run).checkpoint_steps() == run.checkpoint_steps()


def test_what_is_measured_while_the_disk_is_full_is_kept_and_saved_once_there_is_room(
    person: Person, disk: FullDisk
) -> None:
    person.train_a_little()
    run, page = person.desk.workspace.run, person.desk.area.evaluate
    assert run is not None
    person.do("pageEvaluate")
    person.until(lambda: page.measurable and page.findChild(SettingsForm, "form-likelihood") is not None)
    form = page.findChild(SettingsForm, "form-likelihood")
    form.set_value("code_temperatures", 2)  # it takes long otherwise
    form.set_value("importance_samples", 3)
    page.measure("likelihood")
    person.until(lambda: page.busy)
    disk.full = True
    person.until(lambda: not page.busy)
    person.window.close()
    person.bar("stays open: your last changes are not on the disk")
    assert [kept.key for kept in run.evaluations] == ["likelihood"]
    disk.full = False
    person.until(lambda: not person.bars())
    assert person.window.isEnabled()
    assert [kept.key for kept in stored(person, run).evaluations] == ["likelihood"]


def test_a_window_that_could_not_be_closed_stays_and_says_no_longer_why_when_that_is_over(
    person: Person, disk: FullDisk
) -> None:
    person.train_a_little()
    run = person.desk.workspace.run
    assert run is not None
    disk.full = True
    person.desk.workspace.rename(run, "renamed")
    person.do("save")
    person.bar("The project was not saved")
    person.window.close()
    person.bar("stays open: your last changes are not on the disk")
    assert len(person.bars()) == 1
    disk.full = False
    person.until(lambda: not person.bars())
    assert person.window.isEnabled()
    assert person.window.isVisible()
    assert stored(person, run).name == "renamed"
