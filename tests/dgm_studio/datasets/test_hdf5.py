"""HDF5 files from elsewhere: read where they are plain, refused where they reach outside themselves."""

import sys

import h5py
import numpy as np
import pytest

from dgm_studio.store import arrays, preflight
from tests.dgm_studio.datasets.reading import all_x, loaded, ordered, refusal

GREY = np.random.default_rng(0).integers(0, 256, (40, 6, 5), np.uint8)


def test_groups_are_parts(tmp_path):
    with h5py.File(tmp_path / "set.h5", "w") as file:
        for part, n in (("train", 40), ("test", 10)):
            file[f"{part}/data"] = GREY[:n]
            file[f"{part}/target"] = np.arange(n) % 5
    data = loaded("hdf5", tmp_path / "set.h5")
    assert (len(data.train), len(data.valid), len(data.test)) == (36, 4, 10)
    assert data.spec.classes == 5
    assert np.array_equal(data.test.x.numpy()[:, 0], GREY[:10] / np.float32(255))


def test_packed_and_foreign_byte_orders_are_read(tmp_path):
    x = np.random.default_rng(0).normal(size=(300, 7))
    with h5py.File(tmp_path / "set.h5", "w") as file:
        file.create_dataset("x", data=x.astype(">f4"), chunks=(32, 7), compression="gzip", shuffle=True)
    assert np.array_equal(all_x(loaded("hdf5", tmp_path / "set.h5")), ordered(x.astype(np.float32)))


def test_reading_is_reported_and_can_be_cancelled(tmp_path):
    with h5py.File(tmp_path / "set.h5", "w") as file:
        file["x"] = np.zeros((40_000, 1000), np.uint8)
    seen = []
    arrays.read_array(tmp_path / "set.h5", "x", 2**31, seen.append)
    assert len(seen) > 2
    assert seen == sorted(seen)

    def stop(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        arrays.read_array(tmp_path / "set.h5", "x", 2**31, stop)


def test_nothing_outside_the_file_is_read(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = GREY
    (tmp_path / "raw.bin").write_bytes(GREY.tobytes())
    with h5py.File(tmp_path / "set.h5", "w") as file:
        file["linked"] = h5py.ExternalLink("secret.h5", "/x")
        file["soft"] = h5py.SoftLink("/linked")
        file.create_dataset("outside", GREY.shape, "u1", external=[(str(tmp_path / "raw.bin"), 0, GREY.size)])
        layout = h5py.VirtualLayout(GREY.shape, "u1")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "x", GREY.shape)
        file.create_virtual_dataset("virtual", layout)
    assert arrays.list_arrays(tmp_path / "set.h5") == []
    assert "has no array of examples" in refusal("hdf5", tmp_path / "set.h5")
    for name in ("linked", "soft", "outside", "virtual"):
        with pytest.raises(arrays.UnreadableArrays, match="no plain array named"):
            arrays.read_array(tmp_path / "set.h5", name, 2**31, lambda fraction: None)


def test_what_is_no_array_of_numbers_is_left_out(tmp_path):
    with h5py.File(tmp_path / "set.h5", "w") as file:
        file["text"] = ["a", "b"]
        file["ragged"] = np.array([np.zeros(2), np.zeros(3)], dtype=object).astype(h5py.vlen_dtype(np.float64))
        file["pairs"] = np.zeros((3, 3), [("a", "u1"), ("b", "f4")])
        file["nothing"] = h5py.Empty("f4")
        file["number"] = 3.0
        file["x"] = GREY
    assert [array.name for array in arrays.list_arrays(tmp_path / "set.h5")] == ["x"]


@pytest.mark.parametrize(
    ("shape", "chunks", "message"),
    [
        ((2**20, 2**20), (64, 64), "can be used"),
        ((2**40, 28, 28), (1, 28, 28), "can be used"),
        ((1000, 1000), (100, 100), "declared but never written"),
    ],
)
def test_declared_size_is_checked_before_reading(tmp_path, shape, chunks, message):
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("x", shape, "f4", chunks=chunks, fillvalue=1.0)
    assert message in refusal("hdf5", tmp_path / "huge.h5")


def test_groups_that_contain_each_other_end(tmp_path):
    with h5py.File(tmp_path / "set.h5", "w") as file:
        inner = file.create_group("a/b")
        inner["back"] = file["a"]
        inner["x"] = GREY
    assert len(arrays.list_arrays(tmp_path / "set.h5")) == 1


def test_too_many_objects_are_refused(tmp_path):
    with h5py.File(tmp_path / "set.h5", "w") as file:
        for k in range(arrays.MAX_OBJECTS + 1):
            file[f"s{k}"] = h5py.SoftLink("/nowhere")
    assert "more than 10,000 objects" in refusal("hdf5", tmp_path / "set.h5")


def test_cut_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "look_at_arrays", lambda path: None)  # it takes its time, and would refuse them all
    with h5py.File(tmp_path / "whole.h5", "w") as file:
        file.create_dataset("x", data=GREY, chunks=(8, 6, 5), compression="gzip")
    whole = (tmp_path / "whole.h5").read_bytes()
    for k in range(50):
        (tmp_path / "cut.h5").write_bytes(whole[: len(whole) * k // 50])
        assert "cut.h5" in refusal("hdf5", tmp_path / "cut.h5")


def test_a_file_is_looked_at_by_another_process_once_until_it_changes(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(arrays, "look_at_arrays", looked.append)
    path = tmp_path / "set.h5"
    for times in (1, 2):
        with h5py.File(path, "w") as file:
            file["x"] = GREY
        for _ in range(2):
            loaded("hdf5", path)
        assert looked == [path] * times


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed (SIGSEGV)"),
        ("numpy.ones(2**30, numpy.uint8)", "512 MiB of memory"),
        ("time.sleep(60)", "took more than"),
    ],
)
def test_what_a_file_does_to_hdf5_it_does_to_the_other_process(tmp_path, monkeypatch, deed, said):
    if preflight.resource is None and "ones" in deed:
        pytest.skip("no limits on this system")
    program = (
        "import os, signal, sys, time, numpy; from dgm_studio.store import arrays, preflight\n"
        f"def deed(path): {deed}\n"
        "arrays.walk = deed; preflight._main()"
    )
    monkeypatch.setattr(preflight, "_COMMAND", [sys.executable, "-c", program])
    monkeypatch.setattr(preflight, "SECONDS", 60.0 if "sleep" not in deed else 1.0)
    path = tmp_path / "set.h5"
    with h5py.File(path, "w") as file:
        file["x"] = GREY
    sentence = refusal("hdf5", path)
    assert "set.h5" in sentence
    assert said in sentence


def test_the_other_process_goes_through_every_chunk_and_names_what_is_wrong(tmp_path):
    path = tmp_path / "set.h5"
    with h5py.File(path, "w") as file:
        file["whole"] = GREY
        file.create_dataset("packed", data=np.zeros((4000, 30), np.uint8), chunks=(1, 30), compression="gzip")
    content = path.read_bytes()
    arrays.walk(path)
    tree = content.index(b"TREE", content.index(b"TREE") + 4)
    path.write_bytes(content[:tree] + b"EERT" + content[tree + 4 :])
    with pytest.raises(arrays.UnreadableArrays, match=r"set\.h5 cannot be read as HDF5"):
        arrays.walk(path)
    assert "cannot be read as HDF5" in refusal("hdf5", path)
