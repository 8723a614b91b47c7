"""What a save carries over arrives as it was, however the system moves it; and a full disk costs nothing."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from stored_project import CONFIG, everything, fill, plain, state

from dgm_studio.store import Project, ProjectError, check
from dgm_studio.store.reading import Stored, inspect
from dgm_studio.store.trees import flatten

sys.path.insert(0, str(Path(__file__).parents[2] / "faults"))

import disk

Move = Callable[[int, int, int, int, int], int]  # os.copy_file_range


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths that the kernel was asked to move."""
    lengths: list[int] = []
    move = os.copy_file_range

    def noted(source: int, target: int, length: int, begin: int, place: int) -> int:
        lengths.append(length)
        return move(source, target, length, begin, place)

    monkeypatch.setattr(os, "copy_file_range", noted)
    return lengths


def save_with(monkeypatch: pytest.MonkeyPatch, project: Project, move: Move) -> None:
    monkeypatch.setattr(os, "copy_file_range", move)
    project.save()


def arrays(path: Path) -> dict[str, bytes]:
    """All that is in a file, as it lies there."""
    contents = inspect(path)
    return {place: b"".join(stored.chunks()) for place, stored in contents.items().items() if place.startswith("runs/")}


# What is carried over.


def test_what_did_not_change_is_moved_in_few_pieces_and_not_hashed_again(
    project_path: Path, moved: list[int], monkeypatch: pytest.MonkeyPatch
):
    with Project.open(project_path) as project:
        for n in range(20):
            fill(project.new_run(CONFIG, f"more-{n}"))
        project.save()
    with Project.open(project_path) as project:
        project.notes = "the only change"
        moved.clear()
        hashed: list[str] = []
        digest = Stored.digest
        monkeypatch.setattr(Stored, "digest", lambda stored: hashed.append(stored.path) or digest(stored))
        project.save()
    datasets = [place for place in arrays(project_path) if not place.endswith("/config")]
    assert 0 < len(moved) < len(datasets) / 10
    assert "project" in hashed
    assert not set(datasets) & set(hashed)


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
def test_where_the_kernel_does_not_move_bytes_they_are_read_and_written(
    opened: Project, monkeypatch: pytest.MonkeyPatch, number: int
):
    before = arrays(opened.path)

    def refuse(*_: int) -> int:
        raise OSError(number, os.strerror(number))

    save_with(monkeypatch, opened, refuse)
    assert before.items() <= arrays(opened.path).items()
    check(opened.path)


def test_where_the_system_has_no_such_call_bytes_are_read_and_written(opened: Project, monkeypatch: pytest.MonkeyPatch):
    before = arrays(opened.path)
    monkeypatch.delattr(os, "copy_file_range")
    opened.save()
    assert before.items() <= arrays(opened.path).items()


@pytest.mark.parametrize("most", [0, 1, 777])
def test_a_kernel_that_moves_little_at_a_time_moves_all_of_it(
    opened: Project, monkeypatch: pytest.MonkeyPatch, most: int
):
    before, move = arrays(opened.path), os.copy_file_range
    save_with(monkeypatch, opened, lambda s, t, n, b, p: move(s, t, min(n, most), b, p) if most else 0)
    assert before.items() <= arrays(opened.path).items()


@pytest.mark.parametrize("shift", [-1, 1, 512])
def test_bytes_that_the_kernel_moves_wrongly_are_noticed(
    opened: Project, project_bytes: bytes, monkeypatch: pytest.MonkeyPatch, shift: int
):
    move = os.copy_file_range
    with pytest.raises(ProjectError) as caught:
        save_with(monkeypatch, opened, lambda s, t, n, b, p: move(s, t, n, b + shift, p))
    assert caught.value.code == "unwritable"
    assert opened.path.read_bytes() == project_bytes
    assert sorted(os.listdir(opened.path.parent)) == ["digits.dgm", "digits.dgm.lock"]


def test_a_kernel_that_says_it_moved_what_it_did_not_is_noticed(
    opened: Project, project_bytes: bytes, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(ProjectError) as caught:
        save_with(monkeypatch, opened, lambda s, t, n, b, p: n)
    assert caught.value.code == "unwritable"
    assert opened.path.read_bytes() == project_bytes


def test_a_source_that_ends_too_early_is_noticed(
    opened: Project, project_bytes: bytes, monkeypatch: pytest.MonkeyPatch
):
    opened.save()  # now every place in the file is known
    before = opened.path.read_bytes()
    monkeypatch.delattr(os, "copy_file_range")
    monkeypatch.setattr(os, "pread", lambda *_: b"")
    with pytest.raises(ProjectError) as caught:
        opened.save()
    assert caught.value.code == "truncated"
    assert opened.path.read_bytes() == before


def test_a_source_that_changes_while_it_is_copied_is_a_conflict(opened: Project, monkeypatch: pytest.MonkeyPatch):
    opened.save()
    target, move = opened.path.with_name("b.dgm"), os.copy_file_range

    def meddle(source: int, into: int, length: int, begin: int, place: int) -> int:
        os.utime(opened.path, ns=(0, 0))
        return move(source, into, length, begin, place)

    monkeypatch.setattr(os, "copy_file_range", meddle)
    with pytest.raises(ProjectError) as caught:
        opened.save_as(target)
    assert caught.value.code == "conflict"
    assert not target.exists()


def test_bytes_that_stand_in_a_header_are_carried_over_too(project_path: Path):
    """The studio writes none, and HDF5 tools may."""
    with h5py.File(project_path, "r+") as file:
        place = next(f"runs/{run}/frames/means/20" for run in file["runs"])
        value = file[place][()]
        del file[place]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple(value.shape)
        made = h5py.h5d.create(file[place.rpartition("/")[0]].id, b"20", h5py.h5t.STD_U8LE, space, plist)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, value)
    with Project.open(project_path) as project:
        expected = everything(project)
        project.save()
        assert everything(project) == expected
    assert inspect(project_path).items()[place].lies_apart
    check(project_path)


def test_damage_stays_damage_through_many_saves(project_path: Path):
    weight = state(20)["model"]["encoder.0.weight"].numpy().tobytes()
    data = bytearray(project_path.read_bytes())
    data[data.index(weight)] ^= 1
    project_path.write_bytes(data)
    with Project.open(project_path) as project:
        for n in range(3):
            project.notes = str(n)
            project.save()
        with pytest.raises(ProjectError) as caught:
            next(iter(project.runs.values())).checkpoint(20)
        assert caught.value.code == "damaged"
        assert plain(next(iter(project.runs.values())).checkpoint(10)) == plain(state(10))


def test_the_structure_of_a_large_project_lies_together(tmp_path: Path):
    """Else opening one from a disk that turns costs a movement of its head for every group."""
    path = tmp_path / "a.dgm"
    with Project.create(path) as project:
        for _ in range(20):
            run = project.new_run(CONFIG)
            run.keep_checkpoint(1, flatten({str(k): np.zeros(1000) for k in range(50)}))
        project.save()
    contents = inspect(path)
    contents.locate(contents.entries)
    ends = sorted(
        (offset, offset + contents.entries[place].nbytes)
        for place in contents.entries
        if isinstance(offset := contents.offset(place), int)
    )
    gaps = sum(end != begin for (_, end), (begin, _) in pairwise(ends))
    assert gaps < 30  # among 1060 datasets


def test_a_temporary_file_that_cannot_be_removed_does_not_hide_how_a_save_ended(
    opened: Project, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    expected = everything(opened)
    with monkeypatch.context() as broken:
        broken.setattr(os, "unlink", refuse)
        opened.save()
        broken.setattr(os, "fsync", refuse)
        with pytest.raises(ProjectError) as caught:
            opened.save()
        assert caught.value.code == "unwritable"
    opened.save()
    assert sorted(os.listdir(opened.path.parent)) == ["digits.dgm", "digits.dgm.lock"]
    assert everything(opened) == expected


# Full disks. All sizes of them: ./run faults disk


@pytest.mark.parametrize("kind", ["limit", "call"])
@pytest.mark.parametrize("work", disk.WORKS)
def test_a_full_disk_costs_nothing(work: str, kind: str, tmp_path: Path):
    counts = disk.run(kind, work, 4, tmp_path)
    assert counts["refused"] >= 2
    assert counts["lost"] == 0
