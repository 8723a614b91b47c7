"""Data from outside that is damaged, odd or made to do harm: pictures and tables. `_crafted_arrays.py` has the rest."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

READ = ""  # what `says` is for data that must be read


@dataclass(frozen=True)
class Item:
    """One thing from outside. `make` writes it into an empty folder and gives the path that is then read by `source`.
    `says` is a part of the sentence that must refuse it, or READ; `warns` of a warning that must come with reading it.
    """

    name: str
    source: str
    make: Callable[[Path], Path]
    says: str
    settings: dict[str, Any] = field(default_factory=dict)
    warns: str = ""
    large: bool = False  # takes seconds, or room on the disk


def written(name: str, content: bytes | str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


# Pictures. Every folder also has good ones, so that the bad one alone is what refuses it.


def packed(image: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def noise(seed: int, mode: str = "RGB", size: int = 12) -> Image.Image:
    shape = (size, size, 3) if mode == "RGB" else (size, size)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, body: bytes, *more: bytes, depth: int = 8, colour: int = 2) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """So many zeros, packed by deflate."""
    pack = zlib.compressobj(9)
    block = bytes(2**20)
    return b"".join(pack.compress(block[: min(2**20, count - at)]) for at in range(0, count, 2**20)) + pack.flush()


def tiff(width: int, height: int, next_page: int = 0) -> bytes:
    tags = ((256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1))
    tags += ((278, 4, height), (279, 4, 16))
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    page = struct.pack("<H", len(tags)) + body + struct.pack("<I", next_page)
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + page


def jpeg_of(width: int, height: int) -> bytes:
    content = bytearray(packed(noise(0), "JPEG"))
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def folder_with(*bad: tuple[str | bytes, bytes], good: int = 6) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for k in range(good):
            noise(k).save(folder / f"good{k}.png")
        for name, content in bad:
            with open(os.path.join(os.fsencode(folder), os.fsencode(name)), "wb") as file:
                file.write(content)
        return folder

    return make


def with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return packed(noise(1), "JPEG", exif=exif)


def text_bomb() -> bytes:
    return chunk(b"zTXt", b"Comment\0\0" + zeros(80_000_000))


def linked_in_a_circle(folder: Path) -> Path:
    folder_with()(folder)
    (folder / "round").symlink_to(folder, target_is_directory=True)
    (folder / "nowhere.png").symlink_to(folder / "nowhere.png")
    return folder


def linked_class(folder: Path) -> Path:
    (folder / "elsewhere").mkdir()
    (folder / "set").mkdir()
    folder_with()(folder / "set")
    (folder / "set" / "cats").symlink_to(folder / "elsewhere", target_is_directory=True)
    return folder / "set"


def with_a_pipe(folder: Path) -> Path:
    folder_with()(folder)
    os.mkfifo(folder / "pipe.png")
    return folder


def deep(folder: Path) -> Path:
    inner = folder
    for _ in range(200):
        inner /= "d"
        inner.mkdir()
    folder_with()(inner)
    return folder


def many_files(folder: Path) -> Path:
    content = packed(noise(0, size=4), "PNG")
    (folder / "0.png").write_bytes(content)
    for k in range(1, 20_000):
        os.link(folder / "0.png", folder / f"{k}.png")
    return folder


ANIMATED = packed(noise(1), "GIF", save_all=True, append_images=[noise(2), noise(3)])
FINE = packed(noise(9), "PNG")


Content = bytes | Callable[[], bytes]


def _refused(name: str, file: str | bytes, content: Content, says: str, warns: str = "", large: bool = False) -> Item:
    def make(folder: Path) -> Path:
        return folder_with((file, content() if callable(content) else content))(folder)

    return Item(f"picture: {name}", "images", make, says, warns=warns, large=large)


def _read(name: str, file: str | bytes, content: Content, warns: str = "", large: bool = False) -> Item:
    return _refused(name, file, content, READ, warns, large)


PICTURES = (
    _refused("PNG of 50000×50000", "b.png", png(50_000, 50_000, zlib.compress(bytes(1000))), "unpacks to"),
    _refused("PNG of 7000×7000, zeros", "b.png", lambda: png(7000, 7000, zeros(7000 * 21001)), "unpacks to"),
    _read("PNG of 4096×4096, transparent", "b.png", lambda: png(4096, 4096, zeros(4096 * 16385), colour=6), large=True),
    _refused("PNG with a text that unpacks to 80 MB", "b.png", lambda: png(4, 4, zeros(52), text_bomb()), "b.png"),
    _refused("GIF with a canvas of 65535×65535", "b.gif", ANIMATED[:6] + b"\xff" * 4 + ANIMATED[10:], "unpacks to"),
    _refused("TIFF of 200000×200000", "b.tif", tiff(200_000, 200_000), "unpacks to"),
    _refused("TIFF whose pages lead round", "b.tif", tiff(4000, 4000, 24), "b.tif"),
    _refused("WebP of 38 bytes and 7000×7000", "b.webp",
             lambda: packed(Image.new("RGB", (7000, 7000)), "WEBP", lossless=True, method=0), "unpacks to", large=True),
    _refused("JPEG of 65500×65500", "b.jpg", jpeg_of(65_500, 65_500), "unpacks to"),
    _refused("JPEG of 7000×7000 in 500 bytes", "b.jpg", jpeg_of(7_000, 7_000), "b.jpg"),
    _refused("BMP of 100000×100000", "b.bmp", b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 10**5, 10**5, 1, 24,
             0, 0, 0, 0, 0, 0), "unpacks to"),
    _refused("PPM of 100000×100000", "b.ppm", b"P6 100000 100000 255 ", "unpacks to"),
    _refused("PPM as text, 9 MB", "b.ppm", b"P3 1000 1000 255 " + b"13 " * 3_000_000, "written as text"),
    _refused("cut off PNG", "b.png", FINE[:200], "b.png"),
    _refused("PNG with a wrong checksum", "b.png", FINE[:60] + b"\0\0\0\0" + FINE[64:], "b.png"),
    _refused("cut off JPEG", "b.jpg", packed(noise(1, size=200), "JPEG")[:3000], "b.jpg"),
    _refused("zero bytes", "b.png", b"", "b.png (is no picture"),
    _refused("text called PNG", "b.png", b"hello", "is no picture"),
    _refused("HDF5 called PNG", "b.png", b"\x89HDF\r\n\x1a\n" + bytes(99), "is no picture"),
    _refused("floating-point TIFF", "b.tif", packed(Image.new("F", (9, 9)), "TIFF"), "floating-point pixels"),
    _refused("TIFF beyond 16 bits", "b.tif", packed(Image.new("I", (9, 9), 70_000), "TIFF"), "outside 0…65535"),
    _refused("a name that steers terminals", "b\x1b[2J\n.png", b"", "b�[2J�.png"),
    _refused("a name in Latin-1, damaged", b"caf\xe9.png", b"", "caf�.png"),
    _read("a name in Latin-1", b"caf\xe9.png", FINE),
    _read("a name in Chinese", "图像.png", FINE),
    _read("PNG called JPEG", "b.jpg", FINE),
    _read("several frames", "b.gif", ANIMATED, warns="several frames the first was taken: b.gif"),
    _read("CMYK", "b.jpg", packed(noise(1).convert("CMYK"), "JPEG")),
    _read("16 bits", "b.png", packed(Image.fromarray(np.full((9, 9), 999, np.uint16)), "PNG")),
    _read("palette", "b.gif", packed(noise(1).convert("P"), "GIF")),
    _read("1 bit", "b.tif", packed(noise(1).convert("1"), "TIFF")),
    _read("transparent", "b.webp", packed(noise(1).convert("RGBA"), "WEBP")),
    _read("turned by its EXIF", "b.jpg", with_exif()),
    _read("files that are no pictures", "notes.txt", b"hello"),
    Item("pictures: one unreadable left out", "images", folder_with(("b.png", b"x")), READ, {"skip_unreadable": True},
         "cannot be read: b.png"),
    Item("pictures: only SVG", "images", written("b.svg", "<svg/>"), "is not a folder"),
    Item("pictures: a folder of SVG", "images", lambda f: written("b.svg", "<svg/>")(f).parent, "has no pictures"),
    Item("pictures: an empty folder", "images", lambda f: f, "has no pictures"),
    Item("pictures: links that lead round", "images", linked_in_a_circle, "nowhere.png (is not a file)"),
    Item("pictures: a class that is a link", "images", linked_class, READ, warns="Links to folders were not"),
    Item("pictures: a pipe", "images", with_a_pipe, "pipe.png (is not a file)"),
    Item("pictures: folders 200 deep", "images", deep, READ),
    Item("pictures: 700 that would fill the memory", "images", lambda f: folder_with(*((f"{k}.png", b"") for k in range(
        700)))(f), "can be used", {"height": 1024, "width": 1024}),
    Item("pictures: 20000 in one folder", "images", many_files, READ, {"height": 4, "width": 4}, large=True),
)  # fmt: skip


# Tables

ROWS = "".join(f"{k},{k + 0.5},{-k}\n" for k in range(12))


def sparse_line(folder: Path) -> Path:
    with open(folder / "t.csv", "wb") as file:
        file.write(b"1,2,3\n4,5,6\n")
        file.truncate(10**9)
    return folder / "t.csv"


def many_rows(folder: Path) -> Path:
    with gzip.open(folder / "t.csv.gz", "wb", 1) as file:
        for _ in range(6):
            file.write(b"1,0\n0,1\n" * 250_000)
    return folder / "t.csv.gz"


def many_numbers(folder: Path) -> Path:
    line = (",".join(["0"] * 50_000) + "\n").encode()
    (folder / "t.csv").write_bytes(line * 40)
    return folder / "t.csv"


def _table(name: str, content: str | bytes, says: str, large: bool = False, **settings: Any) -> Item:
    return Item(f"table: {name}", "csv", written("t.csv", content), says, settings, large=large)


TABLES = (
    _table("a million columns", ",".join(["1"] * 1_000_000) + "\n", "1,000,000 columns", large=True),
    _table("a million columns, long", ",".join(["1.5"] * 1_000_000) + "\n", "line 1 is longer than"),
    _table("one column", "1\n2\n3\n4\n", READ),
    _table("one column, which is the label", "label\n1\n2\n3\n", "no column of values beside the labels"),
    _table("ragged rows", ROWS + "1,2\n", "line 13 has 2 columns, but the first has 3"),
    _table("ragged rows, longer", ROWS + "1,2,3,4\n", "line 13 has 4 columns"),
    _table("quotes", '"1","2.5"\n"3","4"\n"5","6"\n', READ),
    _table("a quote that takes in the next line", ROWS + '1,"2\n",3\n1,2,3\n', "line 13"),
    _table("a quote that is never closed", ROWS + '1,2,"3\n', "line 13 has a quotation mark that is not closed"),
    _table("a zero byte", ROWS + "1,\0,3\n", "line 13 is not text: it holds a zero byte"),
    _table("UTF-16", ROWS.encode("utf-16"), "is written in UTF-16"),
    _table("UTF-16 without a mark", ROWS.encode("utf-16-le"), "zero byte"),
    _table("Latin-1", "größe,b,c\n".encode("latin-1") + ROWS.encode(), "line 1 is not text in UTF-8"),
    _table("a byte order mark", b"\xef\xbb\xbf" + ROWS.encode(), READ),
    _table("semicolons", ROWS.replace(",", ";"), READ),
    _table("tabs", ROWS.replace(",", "\t"), READ),
    _table("spaces", ROWS.replace(",", "   "), READ),
    _table("Windows line ends", ROWS.replace("\n", "\r\n"), READ),
    _table("old Macintosh line ends", ROWS.replace("\n", "\r"), "old Macintosh"),
    _table("decimal commas", "".join(f"{k},5;{k},25\n" for k in range(9)), "Decimals are written with a comma"),
    _table("decimal commas, later", "1;2;3\n" * 9 + "1,5;2;3\n", "line 10, column 1 holds '1,5', not"),
    _table("a header", "a,b,c\n" + ROWS, READ),
    _table("a header alone", "a,b,c\n", "hold no numbers"),
    _table("a header that counts", "0,1,2\n" + ROWS, READ),
    _table("1e400", ROWS + "1,1e400,3\n", "line 13, column 2 holds '1e400', no number that fits 32 bits"),
    _table("inf", ROWS + "1,-inf,3\n", "line 13, column 2 holds '-inf'"),
    _table("nan", ROWS + "1,NaN,3\n", "line 13, column 2 holds 'NaN'"),
    _table("a text column", "".join(f"{k},x{k % 3},2\n" for k in range(9)), "line 1, column 2 holds 'x0'"),
    _table("a text column as label", "".join(f"{k},x{k % 3},2\n" for k in range(9)), READ, label="2"),
    _table("an empty cell", ROWS + "1,,3\n", "line 13, column 2 is empty"),
    _table("a poem", "shall I compare thee\nto a summer's day\n", "hold no numbers"),
    _table("no bytes", b"", "is empty"),
    _table("blank lines", "\n\n \n", "is empty"),
    _table("one row", "1,2,3\n", "too few examples (1)"),
    _table("a label of 100000 characters", "a,label\n" + "1,x\n" * 9 + f"3,{'z' * 100_000}\n", "than 100 characters"),
    _table("2000 labels", "a,label\n" + "".join(f"1,l{k}\n" for k in range(2000)), "more than 1000 different values"),
    _table("names that steer terminals", "\x1b[2J,b\n1,x\n", "column 'b' holds 'x'"),
    _table("underscores and hexadecimals", "1_0,0x10\n1,2\n3,4\n", "t.csv"),
    _table("a pickle", b"\x80\x04\x95" + bytes(99), "t.csv"),
    Item("table: 1 GB in a line", "csv", sparse_line, "line 3 is longer than"),
    Item("table: packed 4 GB of zeros", "csv", written("t.csv.gz", gzip.compress(b"0," * 10**7)), "line 1 is longer"),
    Item("table: packed and cut off", "csv", written("t.csv.gz", gzip.compress(ROWS.encode())[:-9]), "cut off"),
    Item("table: 40 rows of 50000", "csv", many_numbers, READ, large=True),
    Item("table: 3 million rows", "csv", many_rows, READ, large=True),
)  # fmt: skip


# Texts

PROSE = "All happy families are alike; each unhappy family is unhappy in its own way. " * 40


def sparse_text(folder: Path) -> Path:
    with open(folder / "t.txt", "wb") as file:
        file.write(PROSE.encode())
        file.truncate(10**9)
    return folder / "t.txt"


def _text(name: str, content: Content, says: str, large: bool = False, **settings: Any) -> Item:
    def make(folder: Path) -> Path:
        return written("t.txt", content() if callable(content) else content)(folder)

    return Item(f"text: {name}", "text", make, says, settings, large=large)


TEXTS = (
    _text("prose", PROSE.encode(), READ),
    _text("no bytes", b"", "is empty"),
    _text("a mark and nothing else", b"\xef\xbb\xbf", "has 0 characters"),
    _text("too short", b"To be, or not to be", "has 19 characters; windows of 128 need at least 1,280"),
    _text("too short for one part", PROSE.encode()[:1279], "has 1,279 characters"),
    _text("just long enough", PROSE.encode()[:1280], READ),
    _text("a zero byte", PROSE.encode() + b"\0", "holds a zero byte at 3,080"),
    _text("UTF-16", PROSE.encode("utf-16"), "is written in UTF-16"),
    _text("UTF-16 without a mark", PROSE.encode("utf-16-le"), "holds a zero byte at 1"),
    _text("Latin-1", ("é" + PROSE).encode("latin-1"), "is not text in UTF-8 (byte 0 is 0xe9)"),
    _text("cut within a character", PROSE.encode() + "é".encode()[:1], "ends within a character"),
    _text("control characters that steer terminals", PROSE.encode() + b"\x1b[2J\x07", READ),
    _text("one character", b"a" * 5000, READ),
    _text("line ends of three systems", PROSE.replace(". ", ".\r\n").replace("; ", ";\r").encode(), READ),
    _text("20000 different characters", lambda: "".join(map(chr, range(0x4E00, 0x9C20))).encode(), READ),
    _text("a picture", packed(noise(1), "PNG"), "is not text: it holds a zero byte at 8"),
    _text("packed", gzip.compress(PROSE.encode()), READ),
    _text("packed and cut off", gzip.compress(PROSE.encode())[:-9], "cut off"),
    _text("packed 1 GB", lambda: gzip.compress(b"a" * 10**9, 1), "holds more than 134 MB", large=True),
    _text("20 MB", lambda: PROSE.encode() * 6500, READ, large=True),
    _text("windows that would fill the memory", PROSE.encode() * 400, "can be used", length=5000, stride=1),
    Item("text: 1 GB of nothing", "text", sparse_text, "holds a zero byte"),
)
