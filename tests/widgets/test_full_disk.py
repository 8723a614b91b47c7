"""A disk that fills up while the window trains: training goes on, and what is said is true when it is read."""

from __future__ import annotations

import pytest
from full_disk import FullDisk
from person import Person

from dgm_studio import backlog, recording
from dgm_studio.store import Project, Run
from widgets.trainer import Phase

WAITING = "cannot be written to the disk"


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    monkeypatch.setattr(backlog, "RETRY_EVERY", 0.05)
    monkeypatch.setattr(recording, "WRITE_EVERY", 0.02)
    return FullDisk(monkeypatch)


def begin(person: Person) -> Run:
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING)
    run = person.desk.workspace.run
    assert run is not None
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


def test_a_disk_that_is_full_to_the_end_costs_nothing_once_there_is_room(person: Person, disk: FullDisk) -> None:
    run = begin(person)
    fill(person, disk)
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    assert waiting(person)
    project = person.desk.workspace.project
    assert project is not None
    assert project.modified
    disk.full = False
    person.choose(person.bar("there is no room on the disk"), "Save again")
    person.until(lambda: not waiting(person))
    again = stored(person, run)
    assert (again.status, again.checkpoint_steps()) == ("stopped", run.checkpoint_steps())
