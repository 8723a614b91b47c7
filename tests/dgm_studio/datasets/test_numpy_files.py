import io
import re
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from models.spec import Layout, Support
from tests.dgm_studio.datasets.reading import all_x, loaded, ordered, refusal

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (40, 6, 5), np.uint8)


def save(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("array", "shape", "layout", "support"),
    [
        (GREY, (1, 6, 5), Layout.IMAGE, Support.UNIT),
        (RANDOM.integers(0, 256, (40, 3, 6, 5), np.uint8), (3, 6, 5), Layout.IMAGE, Support.UNIT),
        (RANDOM.integers(0, 256, (40, 6, 5, 3), np.uint8), (3, 6, 5), Layout.IMAGE, Support.UNIT),
        (RANDOM.integers(0, 256, (40, 6, 5), np.int64), (1, 6, 5), Layout.IMAGE, Support.UNIT),
        (RANDOM.random((40, 6, 5)), (1, 6, 5), Layout.IMAGE, Support.UNIT),
        (RANDOM.random((40, 64)).astype(np.float16), (1, 8, 8), Layout.IMAGE, Support.UNIT),
        (RANDOM.random((40, 65)), (65,), Layout.VECTOR, Support.UNIT),
        (RANDOM.normal(size=(40, 64)), (64,), Layout.VECTOR, Support.REALS),
        (RANDOM.random((40, 2)), (2,), Layout.POINTS, Support.REALS),
        (RANDOM.random((40, 10)) < 0.5, (10,), Layout.VECTOR, Support.BITS),
        ((RANDOM.random((40, 8, 8)) < 0.5).astype(np.uint8), (1, 8, 8), Layout.IMAGE, Support.BITS),
        (np.asfortranarray(RANDOM.normal(size=(40, 7)).astype(">f8")), (7,), Layout.VECTOR, Support.REALS),
    ],
)
def test_what_an_array_is_follows_from_axes_and_values(tmp_path, array, shape, layout, support):
    path = tmp_path / "data.npy"
    np.save(path, array)
    data = loaded("numpy", path)
    assert (data.spec.event_shape, data.spec.layout, data.spec.support) == (shape, layout, support)
    if support is Support.REALS:
        assert np.array_equal(all_x(data), ordered(array.astype(np.float32)))


def test_channels_are_moved_and_bytes_divided(tmp_path):
    x = RANDOM.integers(0, 256, (12, 4, 5, 3), np.uint8)
    np.save(tmp_path / "x.npy", x)
    data = loaded("numpy", tmp_path / "x.npy")
    assert np.array_equal(all_x(data), ordered(x.transpose(0, 3, 1, 2) / np.float32(255)))
    assert "channels moved from the last axis to the first" in data.provenance.steps
    assert "values divided by 255" in data.provenance.steps


@pytest.mark.parametrize(
    ("shape", "event"), [("8x8", (1, 8, 8)), ("3x4x16", None), ("vector", (64,)), ("1x4x16", (1, 4, 16))]
)
def test_shape_can_be_set(tmp_path, shape, event):
    np.save(tmp_path / "x.npy", RANDOM.random((40, 64)))
    if event is None:
        assert "has 64 values in each example; a shape of 3x4x16 needs 192" in refusal(
            "numpy", tmp_path / "x.npy", shape=shape
        )
    else:
        assert loaded("numpy", tmp_path / "x.npy", shape=shape).spec.event_shape == event


@pytest.mark.parametrize(
    ("names", "sizes", "classes"),
    [
        ({"x": 40, "y": 40}, (32, 4, 4), 4),
        ({"images": 40, "features": 40, "target": 40}, (32, 4, 4), 4),
        ({"x_train": 40, "y_train": 40, "x_test": 10, "y_test": 10}, (36, 4, 10), 4),
        ({"train": 40, "valid": 20, "test": 10}, (40, 20, 10), 0),
        ({"train_images": 40, "train_labels": 40, "test_images": 10}, (36, 4, 10), 0),
        ({"anything": 40}, (32, 4, 4), 0),
    ],
)
def test_arrays_are_chosen_by_name(tmp_path, names, sizes, classes):
    arrays = {
        name: np.arange(n) % 4 if re.search(r"\by|target|labels", name) else np.resize(GREY, (n, 6, 5))
        for name, n in names.items()
    }
    data = loaded("numpy", save(tmp_path / "set.npz", **arrays))
    assert (len(data.train), len(data.valid), len(data.test)) == sizes
    assert data.spec.classes == classes


def test_arrays_can_be_named(tmp_path):
    path = save(tmp_path / "set.npz", x=GREY, other=GREY[:, :4, :4], kind=np.arange(40) % 5)
    data = loaded("numpy", path, examples="other", labels="kind")
    assert data.spec.event_shape == (1, 4, 4)
    assert data.spec.classes == 5
    assert loaded("numpy", path, examples="other", labels="none").spec.classes == 0


def test_ambiguous_file_asks_for_a_name(tmp_path):
    text = refusal("numpy", save(tmp_path / "set.npz", left=GREY, right=GREY))
    assert "several arrays that could be examples: left (40×6×5 uint8), right" in text


def test_one_hot_labels_are_numbers(tmp_path):
    data = loaded("numpy", save(tmp_path / "set.npz", x=GREY, y=np.eye(4)[np.arange(40) % 4]))
    assert data.spec.classes == 4


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.arange(40) % 3 + 5, ("5", "6", "7")),
        (np.array([0, 1, 3, 4] * 10), ("0", "1", "2", "3", "4")),
        (np.array([-1.0, 7.0] * 20), ("-1", "7")),
        (np.array(["cat", "dog"] * 20), ("cat", "dog")),
    ],
)
def test_class_names_follow_from_labels(tmp_path, labels, names):
    assert loaded("numpy", save(tmp_path / "set.npz", x=GREY, y=labels)).spec.class_names == names


def test_class_that_does_not_occur_is_a_warning(tmp_path):
    data = loaded("numpy", save(tmp_path / "set.npz", x=GREY, y=np.array([0, 1, 3, 4] * 10)))
    assert "The class '2' does not occur in the training part." in data.warnings


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_named_with_their_place(tmp_path, value):
    x = RANDOM.random((40, 6, 5))
    x[7, 2, 3] = value
    text = refusal("numpy", save(tmp_path / "set.npz", x=x))
    assert text.startswith(f"x in {tmp_path / 'set.npz'} holds {value} in example 7, at (2, 3).")


def test_labels_that_are_no_classes_are_refused(tmp_path):
    assert "not whole" in refusal("numpy", save(tmp_path / "a.npz", x=GREY, y=np.linspace(0, 1, 40)))
    many = save(tmp_path / "b.npz", x=np.zeros((2000, 3)), y=np.arange(2000))
    assert "holds 2000 different values" in refusal("numpy", many)


def test_python_objects_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    mixed = np.array([Trap(), Trap()], dtype=object)
    np.save(tmp_path / "x.npy", mixed, allow_pickle=True)
    save(tmp_path / "x.npz", x=mixed, y=np.arange(2))
    for name in ("x.npy", "x.npz"):
        assert "holds Python objects, which could run code when loaded" in refusal("numpy", tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def header(shape, descr="|u1"):
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize("shape", [(2**40, 2**40), (2**31, 28, 28), (10**9,) * 8])
def test_declared_size_is_checked_before_reading(tmp_path, shape):
    path = tmp_path / "huge.npy"
    path.write_bytes(header(shape) + bytes(100))
    assert "can be used" in refusal("numpy", path)


def test_more_in_an_archive_than_declared_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((10, 10)) + bytes(100_000_000))
    assert "damaged: it has more values than the 10×10" in refusal("numpy", path)


def test_every_cut_is_noticed(tmp_path):
    whole = save(tmp_path / "whole.npz", x=GREY[:4], y=np.arange(4)).read_bytes()
    path = tmp_path / "cut.npz"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert str(path) in refusal("numpy", path)
    np.save(tmp_path / "whole.npy", GREY[:4])
    plain = (tmp_path / "whole.npy").read_bytes()
    path = tmp_path / "cut.npy"
    for length in range(len(plain)):
        path.write_bytes(plain[:length])
        assert str(path) in refusal("numpy", path)


@pytest.mark.parametrize(
    "text", ["{'descr': '|u1', 'fortran_order': False, 'shape': (-3, 4), }", "{" * 5000, "[]", "\xff", "'" * 9000]
)
def test_damaged_headers_are_refused(tmp_path, text):
    path = tmp_path / "x.npy"
    body = text.encode("latin1")
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body + bytes(50))
    assert str(path) in refusal("numpy", path)


def test_standardised_file(tmp_path):
    np.save(tmp_path / "x.npy", RANDOM.normal(3, 9, (200, 5)))
    data = loaded("numpy", tmp_path / "x.npy", standardise=True)
    assert data.train.x.mean(0).abs().max() < 1e-5
