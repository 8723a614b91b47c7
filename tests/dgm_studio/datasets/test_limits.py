"""What is refused because of this machine, or of what happens while data is read."""

import os
import tracemalloc

import numpy as np
import pytest

from dgm_studio.config import DataChoice
from dgm_studio.datasets import images, memory
from dgm_studio.datasets.base import BadData
from dgm_studio.datasets.images import pictures_in
from dgm_studio.datasets.sources import load
from tests.dgm_studio.datasets.reading import loaded, refusal, write_idx


@pytest.fixture
def array(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((1000, 250)))
    return tmp_path / "x.npy"


def test_data_larger_than_what_is_free_is_refused_with_both(array, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 3_000_000)
    text = refusal("numpy", array)
    assert f"x in {array} needs 4.0 MB of memory while it is read; 3.0 MB are free. Close other programs" in text
    monkeypatch.setattr(memory, "free_memory", lambda: 4_000_000)
    loaded("numpy", array)
    monkeypatch.setattr(memory, "free_memory", lambda: None)  # a system that does not tell
    loaded("numpy", array)


def test_tables_pictures_and_idx_heed_what_is_free(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("1,2,3\n" * 1000)
    write_idx(tmp_path / "x.idx", np.zeros((1000, 9), np.uint8))
    (tmp_path / "one.png").write_bytes(b"")
    monkeypatch.setattr(memory, "free_memory", lambda: 20_000)
    for source, path in (("csv", tmp_path / "t.csv"), ("idx", tmp_path / "x.idx"), ("images", tmp_path)):
        assert "20 kB are free" in refusal(source, path)


def test_free_memory_is_that_of_the_system_or_of_the_container(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\n")
    assert memory.free_memory() == 5_120_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() == 5_120_000
    (tmp_path / "memory.max").write_text("4000000\n")
    (tmp_path / "memory.current").write_text("3000000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 500000\n")
    assert memory.free_memory() == 1_500_000
    for name in ("meminfo", "memory.max"):
        (tmp_path / name).write_text("something else")
    assert memory.free_memory() == memory._built_in()


def test_memory_that_runs_out_is_said(array, monkeypatch):
    def full(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1524000000 bytes.")

    monkeypatch.setattr("dgm_studio.datasets.sources.prepare", full)
    assert f"{array} needs more memory than there is" in refusal("numpy", array)


def test_a_mistake_of_ours_is_not_called_bad_data(array, monkeypatch):
    def wrong(*_):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr("dgm_studio.datasets.sources.prepare", wrong)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        loaded("numpy", array)


def test_file_that_is_written_while_it_is_read_is_refused(array):
    def report(fraction, text):
        if text.startswith("Unpacking"):
            os.utime(array, (1, 1))

    with pytest.raises(BadData, match="was written to while it was read"):
        load(DataChoice(source="numpy", settings={"path": str(array)}), report)


def test_folder_that_cannot_be_looked_into_is_named(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "one.png").write_bytes(b"")
    scandir = os.scandir

    def closed(place):
        if str(place).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", closed)
    assert f"{tmp_path / 'closed'} cannot be looked into: Permission denied." in refusal("images", tmp_path)


class Cancel(Exception):
    pass


def test_looking_through_a_large_folder_can_be_cancelled(tmp_path, monkeypatch):
    names = [f"{k}.png" for k in range(5000)]
    monkeypatch.setattr(os, "walk", lambda *_, **__: iter([(str(tmp_path), [], names)]))
    said = []

    def report(fraction, text):
        said.append(text)
        if len(said) == 3:
            raise Cancel

    with pytest.raises(Cancel):
        pictures_in(tmp_path, report)
    assert said[-1] == f"Looking for pictures in {tmp_path.name}: 2,999"


def test_a_list_of_many_pictures_stays_small(tmp_path, monkeypatch):
    count = 5000
    walk = [(str(tmp_path / f"class{k}"), [], [f"{i}.png" for i in range(count // 10)]) for k in range(10)]
    monkeypatch.setattr(os, "walk", lambda *_, **__: iter(walk))
    tracemalloc.start()
    listing = pictures_in(tmp_path, lambda fraction, text: None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(listing.pictures) == count
    assert most / count * images.FILES < 300e6  # bytes for as many as may be
