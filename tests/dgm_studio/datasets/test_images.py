import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dgm_studio.datasets.images import fit
from models.spec import Support
from tests.dgm_studio.datasets.reading import loaded, refusal


def picture(path, size=(40, 30), mode="RGB", seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    Image.fromarray(random.integers(0, 256, shape, np.uint8), mode).save(path)
    return path


def test_pictures_of_all_sizes_come_to_one(tmp_path):
    for k, (size, suffix) in enumerate([((40, 30), "png"), ((7, 90), "jpg"), ((300, 200), "bmp"), ((5, 5), "gif")]):
        picture(tmp_path / f"{k}.{suffix}", size, seed=k)
    (tmp_path / "notes.txt").write_text("not a picture")
    data = loaded("images", tmp_path, height=12, width=16)
    assert data.spec.event_shape == (3, 12, 16)
    assert data.spec.support is Support.UNIT
    assert "1 files that are no pictures left out" in data.provenance.steps
    assert data.spec.classes == 0


def test_grey_pictures_have_one_channel_also_when_saved_in_colour(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (20, 20), np.uint8)
    for k in range(10):
        Image.fromarray(np.stack([grey] * 3, 2) if k % 2 else grey).save(tmp_path / f"{k}.png")
    assert loaded("images", tmp_path, height=20, width=20).spec.event_shape == (1, 20, 20)
    assert loaded("images", tmp_path, colour="colour").spec.event_shape == (3, 32, 32)
    picture(tmp_path / "colour.png")
    assert loaded("images", tmp_path).spec.event_shape == (3, 32, 32)
    assert loaded("images", tmp_path, colour="grey").spec.event_shape == (1, 32, 32)


def test_subfolders_are_classes(tmp_path):
    for k in range(30):
        picture(tmp_path / ("cats", "dogs", "emus")[k % 3] / "deep" / f"{k}.png", seed=k)
    data = loaded("images", tmp_path)
    assert data.spec.class_names == ("cats", "dogs", "emus")
    assert len(data.train) + len(data.valid) + len(data.test) == 30


def test_folders_called_train_and_test_are_parts(tmp_path):
    for k in range(30):
        picture(tmp_path / ("test" if k < 6 else "train") / ("cats", "dogs")[k % 2] / f"{k}.png", seed=k)
    data = loaded("images", tmp_path)
    assert (len(data.train), len(data.valid), len(data.test)) == (22, 2, 6)
    assert data.spec.class_names == ("cats", "dogs")


def test_folder_called_test_beside_others_is_a_class(tmp_path):
    for k in range(20):
        picture(tmp_path / ("exam", "test")[k % 2] / f"{k}.png", seed=k)
    assert loaded("images", tmp_path).spec.class_names == ("exam", "test")


def test_order_and_values_do_not_depend_on_the_file_system(tmp_path):
    for folder, order in (("a", range(12)), ("b", reversed(range(12)))):
        for k in order:
            picture(tmp_path / folder / f"{k:02}.png", seed=k)
    a, b = loaded("images", tmp_path / "a"), loaded("images", tmp_path / "b")
    assert np.array_equal(a.train.x, b.train.x)
    assert a.provenance.files[0][1] == b.provenance.files[0][1]


def encoded(image, tmp_path, **options):
    image.save(tmp_path / "one.png", **options)
    return (tmp_path / "one.png").read_bytes()


def test_the_middle_is_kept(tmp_path):
    pixels = np.zeros((10, 30), np.uint8)
    pixels[:, 10:20] = 200
    assert (fit(encoded(Image.fromarray(pixels), tmp_path), 10, 10, grey=True).pixels == 200).all()


def test_transparency_is_white(tmp_path):
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (fit(encoded(clear, tmp_path), 8, 8, grey=False).pixels == 255).all()


def test_sixteen_bits_are_scaled_and_palettes_resolved(tmp_path):
    deep = Image.fromarray(np.full((8, 8), 257 * 100, np.uint16))
    assert (fit(encoded(deep, tmp_path), 8, 8, grey=True).pixels == 100).all()
    palette = Image.new("RGB", (8, 8), (10, 20, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert (fit(encoded(palette, tmp_path), 8, 8, grey=False).pixels == (10, 20, 30)).all()


def test_pictures_are_turned_upright(tmp_path):
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:4] = 255  # the upper half is bright, and the file says: turn clockwise
    exif = Image.Exif()
    exif[0x0112] = 6
    assert (fit(encoded(Image.fromarray(pixels), tmp_path, exif=exif), 8, 8, grey=True).pixels[:, 4:] == 255).all()


def bomb(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(9_000, 9_000), (100_000, 100_000)])
def test_pictures_that_unpack_to_too_much_are_refused(tmp_path, size):
    picture(tmp_path / "fine.png")
    (tmp_path / "bomb.png").write_bytes(bomb(*size))
    assert "1 of 2 pictures that cannot be read: bomb.png" in refusal("images", tmp_path)


def test_damaged_pictures_are_named(tmp_path):
    for k in range(8):
        picture(tmp_path / f"{k}.png", seed=k)
    whole = (tmp_path / "3.png").read_bytes()
    for length in (0, 10, len(whole) // 2):
        (tmp_path / "3.png").write_bytes(whole[:length])
        text = refusal("images", tmp_path)
        assert "1 of 8 pictures that cannot be read: 3.png" in text
        assert "choose to leave out" in text
    data = loaded("images", tmp_path, skip_unreadable=True)
    assert len(data.train) + len(data.valid) + len(data.test) == 7
    assert "3.png" in data.warnings[0]


def test_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "table.csv").write_text("1,2\n")
    assert "has no pictures" in refusal("images", tmp_path)
    (tmp_path / "x.png").write_bytes(b"")
    text = refusal("images", tmp_path, skip_unreadable=True)
    assert "1 of 1 pictures that cannot be read: x.png" in text


def test_too_many_values_are_refused_before_reading(tmp_path):
    for k in range(700):
        (tmp_path / f"{k}.png").write_bytes(b"")
    assert "can be used" in refusal("images", tmp_path, height=1024, width=1024)
