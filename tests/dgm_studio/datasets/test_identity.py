"""Data that was moved, renamed or changed after a run was trained on it."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import BadData
from dgm_studio.datasets.identity import same_data
from dgm_studio.datasets.sources import load
from tests.dgm_studio.datasets.reading import loaded, write_idx, write_mnist


def stored(data):
    """What a project file gives back."""
    return json.loads(json.dumps(asdict(data.provenance)))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "here" / "table.csv"
    path.parent.mkdir()
    path.write_text("".join(f"{k},{k * 0.5},{k % 3}\n" for k in range(30)))
    return path


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    for k in range(20):
        place = folder / ("cats", "dogs")[k % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(k).integers(0, 256, (8, 8), np.uint8)).save(place / f"{k}.png")
    return folder


def test_moved_and_renamed_data_is_the_same(tmp_path, table, pictures):
    before = stored(loaded("csv", table))
    moved = shutil.move(table, tmp_path / "other name.csv")
    assert same_data(before, loaded("csv", moved)) is None
    before = stored(loaded("images", pictures))
    assert same_data(before, loaded("images", pictures.rename(tmp_path / "renamed"))) is None


def test_all_of_a_set_can_be_renamed(tmp_path):
    folder = write_mnist(tmp_path / "set")
    before = stored(loaded("idx", folder))
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.replace("t10k", "test")))
    assert same_data(before, loaded("idx", folder)) is None


def test_parts_that_were_exchanged_are_noticed(tmp_path):
    """The same files under each other's names: the checksums are the same, what is trained on is not."""
    folder = write_mnist(tmp_path / "set", train=30, test=30)
    before = stored(loaded("idx", folder))
    for start, other in (("train", "x"), ("t10k", "train"), ("x", "t10k")):
        for path in [p for p in folder.iterdir() if p.name.startswith(start + "-")]:
            path.rename(path.with_name(path.name.replace(start, other, 1)))
    assert "is not the data this run was made with" in str(same_data(before, loaded("idx", folder)))


def test_one_changed_byte_is_noticed_with_the_place_it_was(table):
    before = stored(loaded("csv", table))
    table.write_text(table.read_text().replace("7,3.5", "7,3.6"))
    text = same_data(before, loaded("csv", table))
    assert text == (
        f"table.csv is not the data this run was made with: table.csv changed since this run was made. The run is as "
        f"it was; to train it further, put back what was in {table.parent}, or start a new run with what is there now."
    )


def test_a_row_more_says_what_it_was_and_is(table):
    before = stored(loaded("csv", table))
    table.write_text(table.read_text() + "1,2,0\n")
    text = str(same_data(before, loaded("csv", table)))
    assert "24 / 3 / 3 for training" in text
    assert "25 / 3 / 3 for training" in text


def test_changed_labels_are_named(tmp_path):
    folder = write_mnist(tmp_path / "set")
    before = stored(loaded("idx", folder))
    write_idx(folder / "train-labels-idx1-ubyte.gz", (np.arange(60) % 2).astype(np.uint8))
    assert "train-labels-idx1-ubyte.gz changed since" in str(same_data(before, loaded("idx", folder)))


def test_a_picture_more_less_or_in_another_class_is_noticed(pictures):
    before = stored(loaded("images", pictures))
    extra = pictures / "cats" / "extra.png"
    Image.new("L", (8, 8)).save(extra)
    text = str(same_data(before, loaded("images", pictures)))
    assert "pictures changed since this run was made (then: 20 pictures" in text
    assert "now: 21 pictures" in text
    extra.unlink()
    assert same_data(before, loaded("images", pictures)) is None
    (pictures / "cats" / "0.png").rename(pictures / "dogs" / "0.png")
    assert "pictures changed" in str(same_data(before, loaded("images", pictures)))
    (pictures / "dogs" / "0.png").unlink()
    assert "now: 19 pictures" in str(same_data(before, loaded("images", pictures)))


def test_a_file_that_is_no_picture_changes_nothing_that_is_trained_on(pictures):
    before = stored(loaded("images", pictures))
    (pictures / "notes.txt").write_text("about them")
    assert same_data(before, loaded("images", pictures)) is None


def test_data_that_is_gone_is_said_with_where_it_was(table):
    choice = DataChoice(source="csv", settings={"path": str(table)})
    load(choice)
    shutil.rmtree(table.parent)
    with pytest.raises(BadData) as caught:
        load(choice)
    assert str(caught.value) == (
        f"{table} does not exist: the folder {table.parent.parent} has no 'here'. If it was moved, put it back there, "
        f"or choose it where it lies now."
    )


@pytest.mark.parametrize(
    "record",
    [
        {"files": None, "steps": None, "fingerprint": 3},
        {"files": [[1, 2], ["a"], "b", ["a", "b", "c"]], "steps": [1, None]},
        {"files": {"a": "b"}, "title": 5, "fingerprint": None},
        {"files": 7, "steps": "text"},
    ],
)
def test_a_record_of_another_form_is_a_difference_and_no_crash(table, record):
    assert "is not the data this run was made with" in str(same_data(record, loaded("csv", table)))
