import os

import h5py
import numpy as np
import pytest
from PIL import Image

from dgm_studio.datasets.base import BadData
from dgm_studio.datasets.recognise import recognise
from dgm_studio.datasets.sources import load
from tests.dgm_studio.datasets.reading import write_idx, write_mnist

GREY = np.random.default_rng(0).integers(0, 256, (40, 6, 5), np.uint8)


def make(path, kind):
    if kind == "idx":
        return write_idx(path / "some-images.gz", GREY)
    if kind == "idx folder":
        return write_mnist(path / "folder")
    if kind == "npy":
        np.save(path / "x.npy", GREY)
        return path / "x.npy"
    if kind == "npz":
        np.savez(path / "x.npz", x=GREY)
        return path / "x.npz"
    if kind == "hdf5":
        with h5py.File(path / "x.h5", "w") as file:
            file["x"] = GREY
        return path / "x.h5"
    if kind == "csv":
        np.savetxt(path / "x.txt", GREY.reshape(40, 30), delimiter=",")
        return path / "x.txt"
    (path / "pictures" / "cats").mkdir(parents=True)
    for k in range(10):
        Image.fromarray(GREY[k]).save(path / "pictures" / "cats" / f"{k}.png")
    return path / "pictures"


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("idx", "idx"),
        ("idx folder", "idx"),
        ("npy", "numpy"),
        ("npz", "numpy"),
        ("hdf5", "hdf5"),
        ("csv", "csv"),
        ("images", "images"),
    ],
)
def test_what_is_dropped_is_recognised_and_loads(tmp_path, kind, key):
    path = make(tmp_path, kind)
    choice = recognise(path)
    assert choice.source == key
    assert choice.settings == {"path": str(path)}
    assert load(choice).spec.dimensions in (30, 1024, 3072)


def test_names_do_not_matter(tmp_path):
    path = make(tmp_path, "hdf5").rename(tmp_path / "table.csv")
    assert recognise(path).source == "hdf5"


PROSE = "Call me Ishmael. Some years ago, never mind how long precisely, I thought I would sail about a little.\n"
IRIS = "5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.2,setosa\n"


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("poem.txt", "shall I compare thee\nto a summer's day\n", "text"),
        ("notes.md", "# Plan\n\n1. Read\n2. Write\n", "text"),
        ("book", "1851\n\n" + PROSE * 100, "text"),
        ("long line.txt", PROSE.strip() * 100, "text"),
        ("lists.txt", "bread, milk\nwine, cheese\n" * 50, "text"),
        ("umlauts.txt", "ä" * 5000, "text"),
        ("iris.txt", IRIS, "csv"),
        ("names.txt", "name,age\nAda,36\nAlan,41\n", "csv"),
        ("column.txt", "height\n1.5\n1.7\n", "csv"),
        ("spaces.txt", "1 2 3\n4 5 6\n", "csv"),
        ("wide.txt", "\t".join(["0.5"] * 3000) + "\n", "csv"),
        ("ragged.txt", "1,2,3\n4,5\n", "csv"),
    ],
)
def test_prose_is_told_from_tables(tmp_path, name, content, key):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert recognise(path).source == key


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "is empty"),
        ("model.pt", b"PK\x03\x04nothing", "damaged"),
        ("data.pkl", b"\x80\x04\x95", "Python pickle, which could run code"),
        ("one.png", b"\x89PNG\r\n\x1a\n", "a single picture. Choose the folder"),
        ("what.bin", b"\xf3\x00\x01", "is none of: IDX"),
        ("poem.csv", b"shall I compare thee\nto a summer's day\n", "hold no numbers"),
        ("latin.txt", "gr\u00f6\u00dfe".encode("latin-1"), "is not text in UTF-8 (byte 2 is 0xf6)"),
        ("wide.txt", "shall I".encode("utf-16"), "is written in UTF-16. Save it as text in UTF-8"),
        ("run.dgm", b"\x89HDF\r\n\x1a\n", "is a project, not data. Open it instead"),
        ("t.gz", b"\x1f\x8b\x08\x00", "damaged or cut off"),
    ],
)
def test_what_fits_nothing_is_refused_with_a_reason(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadData) as caught:
        recognise(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_folders_that_fit_nothing_are_refused(tmp_path):
    with pytest.raises(BadData, match="is empty"):
        recognise(tmp_path)
    (tmp_path / "notes.md").write_text("no data")
    with pytest.raises(BadData, match="neither pictures nor IDX files"):
        recognise(tmp_path)


def test_what_is_not_there_or_no_file_is_refused(tmp_path):
    with pytest.raises(BadData, match="does not exist"):
        recognise(tmp_path / "gone.csv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadData, match="neither a file nor a folder"):
        recognise(tmp_path / "pipe")
    with pytest.raises(BadData, match="No file or folder is chosen"):
        recognise("")
