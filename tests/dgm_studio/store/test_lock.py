"""One window writes; whatever the file system is like, a second one never overwrites what the first has saved."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stored_project import CONFIG, everything

from dgm_studio.recording import Recorder
from dgm_studio.store import Project, ProjectError, check, saving
from dgm_studio.store import lock as locks
from dgm_studio.store.lock import lock_path, take

NAME_MAX = os.pathconf("/", "PC_NAME_MAX")


def change_and_save(project: Project, notes: str) -> None:
    project.notes = notes
    project.save()


def everything_in(path: Path) -> dict[str, Any]:
    with Project.open(path, read_only=True) as project:
        return everything(project)


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(ProjectError) as caught:
        action()
    assert str(caught.value).endswith(".")
    return caught.value.code


@pytest.fixture
def ended() -> int:
    """The id of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# The lock file.


def test_a_lock_is_had_by_one_and_by_the_next_when_it_is_released(tmp_path: Path):
    first = take(tmp_path / "a.lock")
    second = take(tmp_path / "a.lock")
    assert (first.mine, second.mine) == (True, False)
    assert second.holder == f"pid {os.getpid()} on {socket.gethostname()}"
    first.release()
    assert not (tmp_path / "a.lock").exists()
    assert second.keep()
    second.release()


def test_a_project_that_is_gone_is_free_for_nobody(opened: Project):
    with Project.open(opened.path) as reader:
        assert reader.holder
        opened.path.unlink()
        assert not reader.free_to_write()
    assert not locks.if_writable(opened.path.with_name("never.dgm")).mine
    assert sorted(path.name for path in opened.path.parent.iterdir()) == ["digits.dgm.lock"]


def test_a_window_that_lost_its_lock_does_not_remove_that_of_the_next(tmp_path: Path):
    path = tmp_path / "a.lock"
    first = take(path)
    path.unlink()
    second = take(path)
    assert second.mine
    first.release()
    assert path.exists()
    assert not take(path).mine
    second.release()


def test_a_lock_file_that_was_deleted_is_made_again(tmp_path: Path):
    path = tmp_path / "a.lock"
    lock = take(path)
    path.unlink()
    assert lock.keep()
    assert not take(path).mine
    lock.release()


@pytest.mark.parametrize("text", ["", "text", "[]", "{}", '{"pid": "x"}', '{"pid": -1, "host": 3}', "[" * 4000])
def test_a_lock_file_of_any_content_that_nobody_holds_is_taken(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "a.lock"
    path.write_text(text)
    lock = take(path)
    assert lock.mine
    assert json.loads(path.read_text())["pid"] == os.getpid()
    lock.release()
    monkeypatch.setattr(locks, "fcntl", None)
    path.write_text(text)
    lock = take(path)
    assert lock.mine
    lock.release()


def test_a_lock_file_of_somebody_else_that_nobody_holds_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.lock"
    path.write_text('{"pid": 1, "host": "elsewhere"}')
    path.chmod(0o444)
    theirs = path.stat().st_ino
    real = os.open

    def as_another_user(file: Any, flags: int, mode: int = 0o777) -> int:
        if file == path and flags & os.O_RDWR and path.exists() and not path.stat().st_mode & 0o222:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(file, flags, mode)

    monkeypatch.setattr(os, "open", as_another_user)
    lock = take(path)
    assert lock.mine
    assert path.stat().st_ino != theirs or path.stat().st_mode & 0o200
    lock.release()


def make_folder(path: Path) -> None:
    path.mkdir()


def make_link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def make_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [make_folder, make_link, make_loop, os.mkfifo])
def test_something_else_in_the_place_of_the_lock_is_named_and_left_alone(
    project_path: Path, make: Callable[[Path], None]
):
    make(lock_path(project_path))
    before = lock_path(project_path).lstat()
    with Project.open(project_path) as project:
        assert project.read_only
        assert "digits.dgm.lock" in project.notice
        assert code_of(project.save) == "read-only"
    assert lock_path(project_path).lstat() == before
    assert not project_path.with_name("elsewhere").exists()


def test_a_full_disk_does_not_keep_a_project_from_opening(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with Project.open(project_path) as project:
        assert not project.read_only
        with Project.open(project_path) as second:
            assert second.holder == "another window"


# File systems without locks.


@pytest.fixture(params=[errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EIO])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_project_is_saved_and_the_person_told_that_this_protects_less(project_path: Path, ended: int):
    with Project.open(project_path) as first:
        assert not first.read_only
        assert "has no locks" in first.notice
        change_and_save(first, "first")
        with Project.open(project_path) as second:
            assert second.read_only
            assert str(os.getpid()) in second.holder
    lock_path(project_path).write_text(json.dumps({"pid": ended, "host": socket.gethostname()}))
    with Project.open(project_path) as third:
        assert not third.read_only
        change_and_save(third, "third")
    assert os.listdir(project_path.parent) == [project_path.name]


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_window_on_another_computer_is_respected_until_its_file_is_deleted(project_path: Path):
    lock_path(project_path).write_text('{"pid": 1, "host": "elsewhere"}')
    with Project.open(project_path) as project:
        assert project.holder == "pid 1 on elsewhere"
        assert "delete the .lock file" in project.notice
    lock_path(project_path).unlink()
    with Project.open(project_path) as project:
        assert not project.read_only


def test_a_lock_that_the_network_drive_refuses_counts_as_held(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    lock_path(project_path).write_text('{"pid": 7, "host": "elsewhere"}')

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with Project.open(project_path) as project:
        assert project.read_only
        assert project.holder == "pid 7 on elsewhere"


def test_a_file_system_that_numbers_files_anew_each_time_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os.path, "samestat", lambda *_: False)
    assert take(tmp_path / "a.lock").mine


# Two windows that both believe to be the one that saves.


@pytest.fixture
def taken_over(project_path: Path) -> Iterator[tuple[Project, Project]]:
    """Somebody deleted the lock file of the first window, and the second took the lock."""
    with Project.open(project_path) as first:
        lock_path(project_path).unlink()
        with Project.open(project_path) as second:
            assert not second.read_only
            yield first, second


def test_a_window_whose_lock_was_taken_over_does_not_save(taken_over: tuple[Project, Project]):
    first, second = taken_over
    first.notes = "first"
    before = first.path.read_bytes()
    assert code_of(first.save) == "conflict"
    assert first.path.read_bytes() == before
    change_and_save(second, "second")
    assert code_of(first.save) == "conflict"
    first.save_as(first.path.with_name("mine.dgm"))
    with Project.open(first.path, read_only=True) as mine:
        assert mine.notes == "first"
        assert everything(mine) == everything(first)
    assert sorted(os.listdir(first.path.parent)) == ["digits.dgm", "digits.dgm.lock", "mine.dgm", "mine.dgm.lock"]
    with Project.open(second.path, read_only=True) as again:
        assert again.notes == "second"


@pytest.mark.parametrize("how", ["replaced", "deleted", "moved"])
def test_what_was_opened_can_be_saved_elsewhere_when_the_file_is_gone(opened: Project, how: str, tmp_path: Path):
    other = tmp_path / "other.dgm"
    opened.notes = "mine"
    expected = {**everything_in(opened.path), "notes": "mine"}
    if how == "replaced":
        with Project.create(other):
            pass
        os.replace(other, opened.path)
    elif how == "deleted":
        opened.path.unlink()
    else:
        opened.path.rename(other)
    assert code_of(opened.save) == ("conflict" if how == "replaced" else "missing")
    opened.save_as(tmp_path / "mine.dgm")
    assert everything(opened) == expected
    assert everything_in(tmp_path / "mine.dgm") == expected
    opened.save()


def test_a_window_whose_lock_was_taken_over_for_a_while_saves_when_nothing_changed(
    taken_over: tuple[Project, Project],
):
    first, second = taken_over
    second.close()
    change_and_save(first, "first")
    with Project.open(first.path, read_only=True) as again:
        assert again.notes == "first"


@pytest.mark.usefixtures("no_locks")
def test_of_two_windows_without_locks_the_second_to_save_is_refused(project_path: Path):
    with Project.open(project_path) as first:
        lock_path(project_path).unlink()
        with Project.open(project_path) as second:
            change_and_save(second, "second")
            first.notes = "first"
            assert code_of(first.save) == "conflict"
            assert code_of(first.save) == "conflict"
    with Project.open(project_path) as again:
        assert again.notes == "second"


# File systems that know less.


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_that_cannot_sync_folders_or_reserve_space_saves_all_the_same(
    opened: Project, monkeypatch: pytest.MonkeyPatch, number: int
):
    fsync = os.fsync

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    def only_files(file: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{file}"):
            refuse()
        fsync(file)

    monkeypatch.setattr(os, "fsync", only_files)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    change_and_save(opened, "saved")
    assert check(opened.path)
    recorder = Recorder(opened, opened.new_run(CONFIG))
    recorder.close()
    assert recorder.problems == []


def test_a_disk_that_fails_while_a_folder_is_synced_is_said(opened: Project, monkeypatch: pytest.MonkeyPatch):
    def fail(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(saving, "sync_folder", fail)
    assert code_of(opened.save) == "unwritable"
    monkeypatch.undo()
    opened.save()


# Names.

ENDING = ".dgm"
LONGEST = NAME_MAX - locks._BESIDE
NAMES = [
    "grün und später.dgm",
    "数字 🙂.dgm",
    "e\u0301.dgm",
    ".hidden.dgm",
    "..dgm",
    " .dgm",
    "two\nlines.dgm",
    "tab\tquote'\"$(x).dgm",
    "-rf.dgm",
    "100%.dgm",
    "a.dgm.work",
    "a.lock",
    "no ending",
    os.fsdecode(b"latin1-\xe9.dgm"),
    "x" * (LONGEST - len(ENDING)) + ENDING,
    "ü" * ((LONGEST - len(ENDING)) // 2) + ENDING,
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_works_for_a_project_its_training_and_a_crash(tmp_path: Path, name: str):
    path = tmp_path / name
    with Project.create(path) as project:
        run = project.new_run(CONFIG)
        recorder = Recorder(project, run)
        recorder.close()
        assert recorder.problems == []
        change_and_save(project, name.encode("utf-8", "replace").decode())
        before = everything(project)
        with Project.open(path) as second:
            assert second.read_only
    assert os.listdir(tmp_path) == [name]
    assert check(path)
    with Project.open(path) as again:
        assert everything(again) == before
        again.save()
    str(ProjectError("damaged", path, "x.")).encode()


@pytest.mark.parametrize("length", [LONGEST + 1, NAME_MAX, NAME_MAX + 1, 5000])
def test_a_name_that_is_too_long_is_refused_in_a_sentence_before_anything_is_written(
    opened: Project, tmp_path: Path, length: int
):
    before = sorted(os.listdir(tmp_path))
    path = tmp_path / ("x" * (length - len(ENDING)) + ENDING)
    for action in (lambda: Project.create(path), lambda: opened.save_as(path)):
        with pytest.raises(ProjectError, match="the name is too long"):
            action()
    assert sorted(os.listdir(tmp_path)) == before
    opened.save()


def test_a_project_under_a_name_that_is_too_long_opens_read_only_and_says_why(project_path: Path):
    path = project_path.with_name("x" * (NAME_MAX - len(ENDING)) + ENDING)
    project_path.rename(path)
    with Project.open(path) as project:
        assert project.read_only
        assert "name is too long" in project.notice
        assert code_of(project.save) == "read-only"
        project.save_as(project_path)
        project.save()
    assert sorted(os.listdir(path.parent)) == [project_path.name, path.name]


def test_folders_with_names_that_are_too_long_in_all_are_refused(tmp_path: Path):
    folder = tmp_path
    while len(os.fsencode(folder)) < os.pathconf("/", "PC_PATH_MAX") - 250:
        folder /= "f" * 100
    folder.mkdir(parents=True)
    path = folder / ("x" * 100 + ENDING)
    assert code_of(lambda: Project.create(path)) == "unwritable"
    assert os.listdir(folder) == []


def test_a_project_is_the_same_by_every_way_that_leads_to_it(project_path: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(project_path.parent, target_is_directory=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.dgm").symlink_to(Path("..") / project_path.relative_to(tmp_path))
    with Project.open(project_path) as project:
        for way in (tmp_path / "link" / project_path.name, tmp_path / "other" / "b.dgm"):
            with Project.open(way) as second:
                assert second.holder
                assert second.path == project.path
        project.notes = "saved"
        project.save_as(tmp_path / "link" / project_path.name)  # under its own name: a plain save
        assert not project.modified
