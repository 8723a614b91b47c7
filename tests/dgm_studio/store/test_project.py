"""A project keeps what it is given, replaces its file as a whole, and shares it with other windows."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from stored_project import CONFIG, everything, fill, plain, state

from dgm_studio.config import RunConfig
from dgm_studio.store import Project, ProjectError, branch, check, migrations, reading, saving
from dgm_studio.store import format as fmt
from dgm_studio.store.reading import Stored
from dgm_studio.store.trees import flatten


def test_all_of_a_project_comes_back_as_it_was(tmp_path: Path):
    with Project.create(tmp_path / "a.dgm") as project:
        project.notes = "a note"
        run = project.new_run(CONFIG, name="first")
        fill(run)
        run.provenance = {"data": {"title": "Digits"}}
        other = branch(project, run, 10)
        other.notes = "smaller rate"
        assert project.modified
        project.save()
        assert not project.modified
        before = everything(project)
    with Project.open(tmp_path / "a.dgm") as again:
        assert everything(again) == before
        assert list(again.runs) == [run.id, other.id]
        assert again.runs[other.id].parent == (run.id, 10)
        assert again.runs[run.id].provenance == {"data": {"title": "Digits"}}
        assert plain(again.runs[run.id].checkpoint()) == plain(state(20))
        assert plain(again.runs[run.id].checkpoint(10)) == plain(state(10))
        assert again.runs[run.id].config == CONFIG
        assert not again.modified


def test_any_hdf5_tool_reads_the_numbers(project_path: Path):
    with h5py.File(project_path) as file:
        (run,) = file["runs"].values()
        np.testing.assert_array_equal(
            run["checkpoints/20/model/encoder.0.weight"], state(20)["model"]["encoder.0.weight"]
        )
        np.testing.assert_array_equal(run["metrics/step/elbo"], np.arange(20))
        assert file.attrs["schema"] == fmt.SCHEMA


def test_curves_that_are_being_read_keep_nobody_waiting(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    begun, go = threading.Event(), threading.Event()
    read = Stored.read

    def slowly(stored: Stored) -> np.ndarray:
        begun.set()
        assert go.wait(60)
        return read(stored)

    with Project.open(project_path) as project:
        (run,) = project.runs.values()
        monkeypatch.setattr(Stored, "read", slowly)
        found: list[object] = []
        reader = threading.Thread(target=lambda: found.append(run.metrics))
        saver = threading.Thread(target=lambda: found.append(run.items()))  # as a save does
        reader.start()
        assert begun.wait(60)
        saver.start()
        saver.join(60)
        assert not saver.is_alive(), "it holds the lock that the window asks for the names of runs with"
        assert list(project.runs) == [run.id]
        go.set()
        reader.join(60)
        assert len(found) == 2


def test_names_are_made_unique(tmp_path: Path):
    with Project.create(tmp_path / "a.dgm") as project:
        runs = [project.new_run(CONFIG), project.new_run(CONFIG), project.new_run(CONFIG, name="vae-1")]
        assert [run.name for run in runs] == ["vae-1", "vae-2", "vae-1-2"]
        runs[1].name = "vae-1"
        assert runs[1].name == "vae-1-3"


def test_creating_never_touches_what_exists(project_path: Path, project_bytes: bytes):
    with pytest.raises(ProjectError) as caught:
        Project.create(project_path)
    assert caught.value.code == "exists"
    assert project_path.read_bytes() == project_bytes


def test_opening_writes_nothing(project_path: Path, project_bytes: bytes):
    modified = project_path.stat().st_mtime_ns
    with Project.open(project_path) as project:
        everything(project)
    assert project_path.read_bytes() == project_bytes
    assert project_path.stat().st_mtime_ns == modified
    assert os.listdir(project_path.parent) == [project_path.name]


def test_opening_many_runs_reads_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Project.create(tmp_path / "a.dgm") as project:
        for _ in range(200):
            run = project.new_run(CONFIG)
            run.keep_checkpoint(1, flatten(state(1)))
            run.keep_frame(1, np.full((20, 8, 8), 7, np.uint8), True)
        project.save()
    read: list[str] = []
    chunks = Stored.chunks
    monkeypatch.setattr(Stored, "chunks", lambda self: (read.append(self.path), chunks(self))[1])
    with Project.open(tmp_path / "a.dgm") as project:
        assert [(run.name, run.status, run.config) for run in project.runs.values()] == [
            (f"vae-{n}", "new", CONFIG) for n in range(1, 201)
        ]
        assert not [path for path in read if "/checkpoints/" in path or "/frames/" in path]
        thumbnails = [run.thumbnail for run in project.runs.values()]
    assert all(t is not None and t.shape == (16, 8, 8) for t in thumbnails)
    assert not [path for path in read if "/checkpoints/" in path]


def test_deleting_a_run_gives_its_space_back(tmp_path: Path):
    with Project.create(tmp_path / "a.dgm") as project:
        empty = project.path.stat().st_size
        run = project.new_run(CONFIG)
        run.keep_checkpoint(1, flatten({"w": torch.zeros(100_000)}))
        project.save()
        assert project.path.stat().st_size > empty + 400_000
        project.delete_run(run.id)
        project.save()
        assert project.path.stat().st_size > empty + 400_000
        project.clean_up()
        project.save()
        assert project.path.stat().st_size < empty + 100


def test_saving_again_and_again_does_not_grow_the_file(opened: Project):
    opened.save()
    size = opened.path.stat().st_size
    for _ in range(5):
        next(iter(opened.runs.values())).notes = "x"
        opened.save()
    assert abs(opened.path.stat().st_size - size) < 100


def test_a_run_can_be_read_while_the_project_is_saved(opened: Project):
    run = next(iter(opened.runs.values()))
    expected = plain(run.checkpoint(20))
    done = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                assert plain(run.checkpoint(20)) == expected
                assert len(run.metrics["elbo"][0]) == 20
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(15):
        opened.save()
    done.set()
    reader.join()
    assert not failures


# Saving under bad conditions.


def test_a_full_disk_leaves_the_old_file_and_a_later_save_succeeds(opened: Project, project_bytes: bytes):
    run = next(iter(opened.runs.values()))
    for step in range(30):
        run.keep_frame(step, np.full((64, 8, 8), step, np.uint8), True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    codes = []
    for limit in (0, 100, 1000, 10_000, 50_000, 100_000, 150_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            opened.save()
        except ProjectError as error:
            codes.append(error.code)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert opened.path.read_bytes() == project_bytes
        assert sorted(os.listdir(opened.path.parent)) == ["digits.dgm", "digits.dgm.lock"]
    assert codes == ["full"] * 7
    assert opened.modified
    opened.save()
    assert len(check(opened.path)) == 3


@pytest.mark.parametrize("where", ["fsync", "replace", "_verify", "_put"])
def test_an_exception_anywhere_in_a_save_leaves_the_old_file(
    opened: Project, project_bytes: bytes, monkeypatch: pytest.MonkeyPatch, where: str
):
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(saving if where.startswith("_") else os, where, fail)
    with pytest.raises(ProjectError) as caught:
        opened.save()
    assert caught.value.code == "unwritable"
    assert opened.path.read_bytes() == project_bytes
    assert sorted(os.listdir(opened.path.parent)) == ["digits.dgm", "digits.dgm.lock"]
    monkeypatch.undo()
    opened.save()


def test_bytes_that_the_disk_gives_back_wrong_are_noticed(opened: Project, monkeypatch: pytest.MonkeyPatch):
    next(iter(opened.runs.values())).keep_frame(99, np.zeros((4, 8, 8), np.uint8), True)
    put = saving._put
    monkeypatch.setattr(saving, "_put", lambda f, data, at: put(f, memoryview(bytes(len(data) - 1) + b"\x01"), at))
    with pytest.raises(ProjectError):
        opened.save()


def test_damage_is_carried_over_as_damage_and_blocks_nothing(project_path: Path):
    weight = state(20)["model"]["encoder.0.weight"].numpy().tobytes()
    data = bytearray(project_path.read_bytes())
    data[data.index(weight)] ^= 1
    project_path.write_bytes(data)
    with Project.open(project_path) as project:
        (run,) = project.runs.values()
        project.new_run(CONFIG)
        project.save()
        with pytest.raises(ProjectError, match=r"encoder\.0\.weight differs") as caught:
            run.checkpoint(20)
        assert caught.value.code == "damaged"
        assert plain(run.checkpoint(10)) == plain(state(10))
    with pytest.raises(ProjectError, match=r"encoder\.0\.weight differs"):
        check(project_path)


def test_a_file_replaced_from_outside_is_a_conflict(opened: Project, project_bytes: bytes, tmp_path: Path):
    other = tmp_path / "other"
    other.write_bytes(project_bytes)
    os.replace(other, opened.path)
    with pytest.raises(ProjectError) as caught:
        opened.save()
    assert caught.value.code == "conflict"
    assert opened.path.read_bytes() == project_bytes


def test_a_file_deleted_from_outside_is_said_to_be_missing(opened: Project):
    opened.path.unlink()
    with pytest.raises(ProjectError) as caught:
        opened.save()
    assert caught.value.code == "missing"


def test_a_save_keeps_the_permissions_of_the_file(opened: Project):
    opened.path.chmod(0o640)
    opened.save()
    assert opened.path.stat().st_mode & 0o777 == 0o640


def test_a_link_to_a_project_stays_a_link(project_path: Path, tmp_path: Path):
    link = tmp_path / "link.dgm"
    link.symlink_to(project_path)
    with Project.open(link) as project:
        project.save()
    assert link.is_symlink()


def test_what_a_killed_save_left_is_removed_by_the_next(opened: Project):
    stale = [opened.path.with_name(f"digits.dgm.1-{what}.tmp") for what in ("0123abcd", "copy", "held")]
    others = [opened.path.with_name(name) for name in ("digits.tmp", "digits.dgm.mine.tmp", "digits.dgm.b.1-ab.tmp")]
    for file in (*stale, *others):
        file.write_bytes(b"half")
    opened.save()
    assert not any(file.exists() for file in stale)
    assert all(file.exists() for file in others)


def test_what_a_killed_save_left_and_nobody_can_remove_keeps_nobody_from_saving(
    opened: Project, monkeypatch: pytest.MonkeyPatch
):
    stale = opened.path.with_name("digits.dgm.1-0123abcd.tmp")
    stale.write_bytes(b"half")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    opened.notes = "new"
    with monkeypatch.context() as sticky:
        sticky.setattr(os, "unlink", refuse)
        opened.save()
    assert stale.exists()
    assert not opened.modified


def test_what_is_read_of_a_file_that_is_gone_is_said_to_be_missing(opened: Project):
    (run,) = opened.runs.values()
    run.checkpoint(20)  # now its places in the file are known
    opened.path.unlink()
    with pytest.raises(ProjectError) as caught:
        run.checkpoint(20)
    assert caught.value.code == "missing"


def test_save_as_makes_a_project_of_its_own(opened: Project, project_bytes: bytes, tmp_path: Path):
    before, old = opened.id, opened.path
    opened.notes = "copy"
    target = tmp_path / "copy.dgm"
    opened.save_as(target)
    assert opened.path == target
    assert opened.id != before
    assert old.read_bytes() == project_bytes
    with Project.open(old) as original:
        assert not original.read_only
    with pytest.raises(ProjectError) as caught:
        opened.save_as(old)
    assert caught.value.code == "exists"
    opened.save_as(old, replace=True)
    assert check(old)


# Permissions and other windows.


@pytest.fixture
def as_nobody(project_bytes: bytes):
    """A file in a folder that this process may not write to, even where the tests run as root."""
    folder = Path(tempfile.mkdtemp())
    path = folder / "a.dgm"
    path.write_bytes(project_bytes)
    path.chmod(0o644)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield path
    if root:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_project_in_a_read_only_folder_opens_read_only_and_says_so(as_nobody: Path):
    with Project.open(as_nobody) as project:
        assert project.read_only
        assert project.holder == ""
        assert project.notice
        with pytest.raises(ProjectError) as caught:
            project.save()
        assert caught.value.code == "read-only"
    with pytest.raises(ProjectError) as caught:
        Project.create(as_nobody.with_name("b.dgm"))
    assert caught.value.code == "read-only"


def test_a_write_protected_file_opens_read_only(project_path: Path, tmp_path: Path):
    project_path.chmod(0o444)
    with Project.open(project_path) as project:
        assert project.read_only
        assert "write-protected" in project.notice
        project.save_as(tmp_path / "mine.dgm")
        assert not project.read_only


def test_a_second_window_reads_and_is_told_who_writes(opened: Project):
    with Project.open(opened.path) as second:
        assert second.read_only
        assert f"pid {os.getpid()}" in second.holder
        with pytest.raises(ProjectError, match="has it open"):
            second.save()
        assert everything(second) == everything(opened)
        opened.close()
    with Project.open(opened.path) as third:
        assert not third.read_only


HOLDER = """
import fcntl, os, sys, json, socket
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(file, fcntl.LOCK_EX)
os.write(file, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_of_a_process_that_was_killed_is_taken_over(project_path: Path):
    lock = str(project_path) + ".lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with Project.open(project_path) as project:
        assert project.read_only
        assert f"pid {holder.pid} " in project.holder
    holder.kill()
    holder.communicate()
    with Project.open(project_path) as project:
        assert not project.read_only
        project.save()
    assert not os.path.exists(lock)


def test_without_file_locks_a_living_holder_is_respected_and_a_dead_one_is_not(
    project_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("dgm_studio.store.lock.fcntl", None)
    with Project.open(project_path) as first:
        assert not first.read_only
        assert "no locks" in first.notice
        with Project.open(project_path) as second:
            assert second.read_only
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lock = Path(str(project_path) + ".lock")
    lock.write_text(f'{{"pid": {ended.pid}, "host": "{os.uname().nodename}"}}')
    with Project.open(project_path) as third:
        assert not third.read_only
    lock.write_text('{"pid": 1, "host": "elsewhere"}')
    with Project.open(project_path) as fourth:
        assert fourth.read_only
        assert "elsewhere" in fourth.holder
        assert "no locks" in fourth.notice


# Other versions.


FIXTURES = Path(__file__).parent / "fixtures"


def test_every_format_ever_written_still_opens():
    files = sorted(FIXTURES.glob("format-*.dgm"))
    assert [file.name for file in files] == [f"format-{n}.dgm" for n in range(1, fmt.SCHEMA + 1)]
    for file in files:
        with Project.open(file, read_only=True) as project:
            (run,) = project.runs.values()
            assert plain(run.checkpoint(20)) == plain(state(20))
            assert run.metrics["elbo"][1][-1] == -20


def test_what_a_format_brought_is_in_its_fixture():
    with Project.open(FIXTURES / "format-2.dgm", read_only=True) as project:
        (run,) = project.runs.values()
        (deleted,) = project.deleted.values()
        assert run.tags == ["baseline", "large β"]
        assert [(f.step, f.kind, f.measured) for f in run.findings] == [(12, "collapse", "KL < 0.01 nats")]
        assert run.wall is not None
        assert run.wall[1].tolist() == [1.5, 3.0]
        assert run.origin is not None
        assert run.origin.file == "elsewhere.dgm"
        assert run.parent == (deleted.id, 10)
    with Project.open(FIXTURES / "format-3.dgm", read_only=True) as project:
        (run,) = project.runs.values()
        assert run.demanded == [10]
        packed = {place for place in run.items() if place.startswith("checkpoints/20/")}
        assert packed == {f"checkpoints/20/{part}" for part in ("model", "optimizers", "rng", "tree.json")}


def test_an_older_format_is_migrated_in_memory_and_kept_at_the_first_save(project_path: Path):
    old = (FIXTURES / "format-1.dgm").read_bytes()
    project_path.write_bytes(old)
    with Project.open(project_path) as project:
        (run,) = project.runs.values()
        assert (run.tags, run.findings, run.deleted, run.origin, run.wall) == ([], [], "", None, None)
        before = everything(project)
        assert not project.modified
        assert project_path.read_bytes() == old
        project.save()
        project.save()
    assert (project_path.parent / "digits.dgm.format-1.bak").read_bytes() == old
    assert reading.inspect(project_path).schema == fmt.SCHEMA
    with Project.open(project_path) as project:
        assert everything(project) == before


def test_the_older_file_is_kept_where_the_disk_knows_no_links(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object) -> None:
        raise OSError(1, "Operation not permitted")

    old = (FIXTURES / "format-1.dgm").read_bytes()
    project_path.write_bytes(old)
    monkeypatch.setattr(os, "link", fail)
    with Project.open(project_path) as project:
        project.save()
    assert (project_path.parent / "digits.dgm.format-1.bak").read_bytes() == old


def test_a_migration_changes_any_dataset_by_its_place(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    def migrate(items: dict[str, saving.Item]) -> dict[str, saving.Item]:
        return {**items, "data/new": np.arange(3)}

    newer = fmt.SCHEMA + 1
    monkeypatch.setattr(fmt, "SCHEMA", newer)
    module = type(sys)(f"to_{newer}")
    module.migrate = migrate
    monkeypatch.setitem(sys.modules, f"{migrations.__name__}.to_{newer}", module)
    with Project.open(project_path) as project:
        project.save()
    assert reading.inspect(project_path).items()["data/new"].read().tolist() == [0, 1, 2]


def test_a_run_of_an_unknown_family_opens_as_history(tmp_path: Path):
    unknown = RunConfig(family="transformer-xxl", learner="magic")
    with Project.create(tmp_path / "a.dgm") as project:
        run = project.new_run(unknown)
        fill(run)
        project.save()
        before = everything(project)
    with Project.open(tmp_path / "a.dgm") as project:
        (run,) = project.runs.values()
        assert run.config is None
        assert "transformer-xxl" in run.history_only
        assert run.raw_config["family"] == "transformer-xxl"
        assert everything(project) == before


def test_check_describes_what_it_verified(project_path: Path):
    first, second, run = check(project_path)
    assert f"digits.dgm: format {fmt.SCHEMA}" in first
    assert "torch" in second
    assert "vae-1: vae, finished, checkpoints at 10, 20, 2 curves, 2 frames, 1 evaluations" in run
