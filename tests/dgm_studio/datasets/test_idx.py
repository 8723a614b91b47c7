import gzip

import numpy as np
import pytest

from models.spec import Layout, Support
from tests.dgm_studio.datasets.reading import all_x, idx_bytes, loaded, ordered, refusal, write_idx, write_mnist


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("name", ["", "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"])
def test_files_that_belong_together_are_found_by_name(tmp_path, suffix, name):
    folder = write_mnist(tmp_path / "set", suffix=suffix)
    data = loaded("idx", folder / (name + suffix) if name else folder)
    assert (len(data.train), len(data.valid), len(data.test)) == (54, 6, 20)
    assert data.spec.event_shape == (1, 6, 5)
    assert data.spec.class_names == ("0", "1", "2")
    expected = np.random.default_rng(1).integers(0, 256, (20, 6, 5), np.uint8)
    assert np.array_equal(data.test.x.numpy()[:, 0], expected.astype(np.float32) / np.float32(255))
    assert data.test.y.tolist() == [k % 3 for k in range(20)]
    assert len(data.provenance.files) == 4


def test_packed_labels_are_found_beside_plain_images(tmp_path):
    write_idx(tmp_path / "my-images-idx3-ubyte", np.full((30, 4, 4), 9, np.uint8))
    write_idx(tmp_path / "my-labels-idx1-ubyte.gz", (np.arange(30) % 2).astype(np.uint8))
    data = loaded("idx", tmp_path / "my-images-idx3-ubyte")
    assert data.spec.classes == 2
    assert len(data.train) + len(data.valid) + len(data.test) == 30


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32", "float64"])
def test_every_type_of_value_is_read(tmp_path, dtype):
    x = (np.random.default_rng(0).normal(size=(20, 3)) * 50).astype(dtype)
    data = loaded("idx", write_idx(tmp_path / "numbers.idx", x))
    assert data.spec.layout is Layout.VECTOR
    assert data.spec.support is Support.REALS
    assert np.array_equal(all_x(data), ordered(x.astype(np.float32)))


def test_every_cut_is_noticed(tmp_path):
    whole = idx_bytes(np.arange(60, dtype=np.uint8).reshape(5, 4, 3))
    for content in (whole, gzip.compress(whole)):
        path = tmp_path / "cut.idx"
        for length in range(len(content)):
            path.write_bytes(content[:length])
            assert str(path) in refusal("idx", path)


def test_more_values_than_declared_are_noticed(tmp_path):
    path = tmp_path / "long.idx"
    path.write_bytes(idx_bytes(np.zeros((5, 2), np.uint8)) + b"x")
    assert "damaged: it has more values than the 5×2" in refusal("idx", path)


def test_declared_size_is_checked_before_reading(tmp_path):
    path = tmp_path / "huge.idx.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12 + bytes(10_000_000)))
    assert "up to 2.1 GB as 32-bit numbers can be used" in refusal("idx", path)


def test_counts_of_images_and_labels_must_agree(tmp_path):
    folder = write_mnist(tmp_path / "set")
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros(59, np.uint8))
    text = refusal("idx", folder)
    assert "train-labels-idx1-ubyte.gz holds 59 labels" in text
    assert "has 60 examples" in text


def test_parts_of_different_sizes_are_refused(tmp_path):
    folder = write_mnist(tmp_path / "set")
    write_idx(folder / "t10k-images-idx3-ubyte.gz", np.zeros((20, 7, 7), np.uint8))
    assert "has examples of 7×7, but" in refusal("idx", folder)


def test_file_of_labels_is_refused(tmp_path):
    folder = write_mnist(tmp_path / "set")
    assert "holds labels. Choose the file of the images" in refusal("idx", folder / "train-labels-idx1-ubyte.gz")


def test_folder_of_several_sets_is_refused(tmp_path):
    for name in ("a-images-idx3", "b-images-idx3"):
        write_idx(tmp_path / name, np.zeros((5, 2, 2), np.uint8))
    assert "has several files of images (a-images-idx3, b-images-idx3, …): choose one" in refusal("idx", tmp_path)


def test_no_examples_are_refused(tmp_path):
    path = write_idx(tmp_path / "none.idx", np.zeros((0, 4, 4), np.uint8))
    assert "is empty: its shape is 0×4×4" in refusal("idx", path)
