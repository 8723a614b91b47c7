import gzip
import time

import numpy as np
import pytest

from models.spec import Layout, Support
from tests.dgm_studio.datasets.reading import all_x, loaded, ordered, refusal

ROWS = np.round(np.random.default_rng(0).normal(size=(60, 3)), 4)


def write(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(rows, delimiter=",", header="", labels=None):
    lines = [delimiter.join(map(str, row)) for row in rows]
    if labels is not None:
        lines = [f"{line}{delimiter}{label}" for line, label in zip(lines, labels, strict=True)]
    return (header + "\n" if header else "") + "\n".join(lines) + "\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " ", ", "])
@pytest.mark.parametrize("header", [False, True])
def test_every_common_way_to_write_a_table_is_read(tmp_path, delimiter, header):
    text = table(ROWS, delimiter, delimiter.join("abc") if header else "")
    data = loaded("csv", write(tmp_path, text))
    assert np.array_equal(all_x(data), ordered(ROWS.astype(np.float32)))
    assert data.spec.layout is Layout.VECTOR
    assert data.spec.support is Support.REALS


def test_packed_tables_byte_order_marks_and_blank_lines_are_read(tmp_path):
    text = "\ufeff" + table(ROWS).replace("\n", "\r\n\r\n")
    data = loaded("csv", write(tmp_path, gzip.compress(text.encode()), "t.csv.gz"))
    assert np.array_equal(all_x(data), ordered(ROWS.astype(np.float32)))


def test_two_columns_are_points(tmp_path):
    assert loaded("csv", write(tmp_path, table(ROWS[:, :2]))).spec.layout is Layout.POINTS


@pytest.mark.parametrize("label", ["auto", "kind", "class", "4", "-1"])
def test_label_column_by_name_or_number(tmp_path, label):
    name = "class" if label in ("auto", "class") else "kind"
    kinds = ["iris", "rose", "lily"] * 20
    data = loaded("csv", write(tmp_path, table(ROWS, header=f"a,b,c,{name}", labels=kinds)), label=label)
    assert data.spec.class_names == ("iris", "lily", "rose")
    assert data.spec.event_shape == (3,)
    wanted = {tuple(row): kind for row, kind in zip(ROWS.astype(np.float32).tolist(), kinds, strict=True)}
    for x, y in zip(data.train.x.tolist(), data.train.y.tolist(), strict=True):
        assert data.spec.class_names[y] == wanted[tuple(x)]


def test_table_of_images_as_competitions_give_them(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 64))
    rows = np.concatenate([np.arange(50)[:, None] % 10, pixels], 1)
    data = loaded("csv", write(tmp_path, table(rows, header="label," + ",".join(f"pixel{i}" for i in range(64)))))
    assert data.spec.event_shape == (1, 8, 8)
    assert data.spec.support is Support.UNIT
    assert data.spec.classes == 10
    assert np.array_equal(all_x(data), ordered((pixels / np.float32(255)).astype(np.float32).reshape(50, 1, 8, 8)))
    assert loaded("csv", tmp_path / "table.csv", shape="vector").spec.event_shape == (64,)


def test_header_that_counts_columns_is_a_header(tmp_path):
    data = loaded("csv", write(tmp_path, table(ROWS, header="0,1,2")))
    assert len(all_x(data)) == 60


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n4,x,6\n", "line 2, column 2 holds 'x', not a number"),
        ("a,b,c\n1,2,3\n4,,6\n", "line 3, column 'b' is empty"),
        ("1,2,3\n\n4,5\n", "line 3 has 2 columns, but the first has 3"),
        ("1,2,3\n4,5,6,7\n", "line 2 has 4 columns, but the first has 3"),
        ("1,2,3\n4,nan,6\n", "line 2, column 2 holds 'nan', no number that fits 32 bits"),
        ("1,2,3\n4,1e99,6\n", "line 2, column 2 holds '1e99', no number that fits 32 bits"),
        ("", "is empty"),
        ("\n\n  \n", "is empty"),
        ("a,b,c\n", "hold no numbers"),
        ("once upon a time\nthere was\n", "hold no numbers"),
        (b"1,2,3\n\xff\xfe\x00,1,2\n", "is not text"),
        (b"1,2\x003\n", "is not text"),
        (",".join(["1"] * 1_000_000), "1,000,000 columns"),
        ("1" * 5_000_000, "line 1 is longer than"),
    ],
)
def test_bad_tables_are_refused_with_their_place(tmp_path, text, message):
    path = write(tmp_path, text)
    begin = time.thread_time()
    sentence = refusal("csv", path)
    assert str(path) in sentence
    assert message in sentence
    assert time.thread_time() - begin < 5


def test_wrong_label_column_is_named(tmp_path):
    path = write(tmp_path, table(ROWS, header="a,b,c"))
    assert "has no column 'colour' for labels: it has columns a, b, c" in refusal("csv", path, label="colour")


def test_cut_pack_is_refused(tmp_path):
    packed = gzip.compress(table(ROWS).encode())
    for length in range(2, len(packed), 40):
        assert "cut off" in refusal("csv", write(tmp_path, packed[:length], "t.csv.gz"))


def test_long_table_is_read_in_blocks(tmp_path):
    rows = np.round(np.random.default_rng(1).normal(size=(10_000, 3)), 3)
    data = loaded("csv", write(tmp_path, table(rows, labels=np.arange(10_000) % 7)), label="-1")
    assert np.array_equal(all_x(data), ordered(rows.astype(np.float32)))
    assert data.spec.classes == 7
