"""Data from outside that is damaged, odd or made to do harm: NumPy's files, IDX and HDF5."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.lib import format as npy

from tests.faults._crafted_data import READ, Content, Item, written, zeros

GREY = np.random.default_rng(0).integers(0, 256, (40, 6, 5), np.uint8)
LABELS = (np.arange(40) % 4).astype(np.uint8)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("sprung", "w")


def npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def header(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def literal(text: str) -> bytes:
    body = text.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body + bytes(99)


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members:
            file.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def million_members(folder: Path) -> Path:
    """An archive of a million names: written by hand, because Python's takes minutes."""
    count = 1_000_000
    entry = b"PK\1\2" + bytes(24) + struct.pack("<HHHHHII", 7, 0, 0, 0, 0, 0, 0)
    entries = b"".join(entry[:46] + b"%07d" % k for k in range(count))
    far = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(entries), 4)
    place = b"PK\6\7" + struct.pack("<IQI", 0, 4 + len(entries), 1)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (folder / "x.npz").write_bytes(b"PK\3\4" + entries + far + place + end)
    return folder / "x.npz"


def zeros_array(folder: Path) -> Path:
    """500 MB of zeros as whole numbers of 8 bytes: within the limits, and unpacked from half a megabyte."""
    content = header((1000, 62_500), "<i8") + bytes(500_000_000)
    (folder / "x.npz").write_bytes(archive(("x.npy", content)))
    return folder / "x.npz"


def claimed(folder: Path) -> Path:
    """A file whose room on the disk is a hole: 1 GB of zeros that take none."""
    with open(folder / "x.npy", "wb") as file:
        file.write(header((250, 1_000_000), "<f4"))
        file.truncate(file.tell() + 250 * 4_000_000)
    return folder / "x.npy"


def _npy(name: str, content: Content, says: str, **settings: Any) -> Item:
    def make(folder: Path) -> Path:
        return written("x.npy", content() if callable(content) else content)(folder)

    return Item(f"npy: {name}", "numpy", make, says, settings)


def _npz(name: str, content: Content, says: str, large: bool = False, **settings: Any) -> Item:
    def make(folder: Path) -> Path:
        return written("x.npz", content() if callable(content) else content)(folder)

    return Item(f"npz: {name}", "numpy", make, says, settings, large=large)


SIX_GB = 6 * 10**9
NUMPY = (
    _npy("Python objects", npy_bytes(np.array([Trap(), Trap()], dtype=object)), "holds Python objects"),
    _npz("Python objects", lambda: npz(x=GREY, y=np.array([Trap()] * 40, dtype=object)), "holds Python objects"),
    _npy("a pickle called .npy", b"\x80\x04\x95" + bytes(99), "is not a NumPy array"),
    _npy("4 TB claimed", header((2**40, 4)) + bytes(99), "can be used"),
    _npy("more than 64 bits claimed", header((2**62, 2**62)) + bytes(99), "can be used"),
    _npy("one example of 400 MB claimed", header((1, 100_000_000), "<f4") + bytes(99), "cut off"),
    _npy("cut off", npy_bytes(GREY)[:-1], "cut off: it has fewer values than the 40×6×5"),
    _npy("cut off in its header", npy_bytes(GREY)[:30], "is not a NumPy array"),
    _npy("junk at the end", npy_bytes(GREY) + b"x", "damaged: it has more values"),
    _npy("Fortran order", npy_bytes(np.asfortranarray(np.random.default_rng(0).normal(size=(40, 7)))), READ),
    _npy("other byte order", npy_bytes(GREY.astype(">i4")), READ),
    _npy("records", npy_bytes(np.zeros((40, 3), [("a", "u1"), ("b", "f4")])), "no array of examples"),
    _npy("complex numbers", npy_bytes(np.zeros((40, 3), complex)), "no array of examples"),
    _npy("dates", npy_bytes(np.zeros((40, 3), "M8[s]")), "no array of examples"),
    _npy("text", npy_bytes(np.array([["a", "b"]] * 9)), "no array of examples"),
    _npy("truth values", npy_bytes(np.random.default_rng(0).random((40, 9)) < 0.5), READ),
    _npy("half precision", npy_bytes(np.random.default_rng(0).random((40, 9)).astype(np.float16)), READ),
    _npy("long doubles", npy_bytes(np.random.default_rng(0).random((40, 9)).astype(np.longdouble)), READ),
    _npy("too large for 32 bits", npy_bytes(np.full((40, 9), 1e300)), "too large for 32-bit numbers"),
    _npy("NaN", npy_bytes(np.full((40, 9), np.nan)), "holds nan in example 0, at (0)"),
    _npy("no examples", npy_bytes(np.zeros((0, 6, 5))), "is empty"),
    _npy("examples of no size", npy_bytes(np.zeros((40, 0))), "is empty"),
    _npy("a single number", npy_bytes(np.array(3.0)), "is a single number"),
    _npy("64 axes", npy_bytes(np.zeros((40,) + (1,) * 63)), "has 64 axes"),
    _npy("65 axes claimed", header((1,) * 65) + b"x", "x.npy"),
    _npy("a negative size", literal("{'descr': '|u1', 'fortran_order': False, 'shape': (-3, 4), }"), "x.npy"),
    _npy("a header of 60000 brackets", literal("{" * 60_000), "is not a NumPy array"),
    _npy("a header that is code", literal("{'descr': '|u1', 'shape': __import__('os')}"), "is not a NumPy array"),
    _npy("a later version", b"\x93NUMPY\x09\x00" + bytes(99), "format version is 9.0"),
    _npy("no bytes", b"", "is not a NumPy array"),
    _npy("a text of 4 GB as label claimed", header((1,), "<U1000000000"), "is not a NumPy array"),
    _npz("nothing in it", archive(), "no array of examples"),
    _npz("no arrays in it", archive(("notes.txt", b"hello")), "no array of examples"),
    _npz("6 GB claimed", archive(("x.npy", header((SIX_GB // 4, 4)) + bytes(99))), "can be used"),
    _npz("1 kB that unpacks to 1 GB, LZMA", lambda: archive(("x.npy", header((10, 10**7)) + bytes(10**8)),
         method=zipfile.ZIP_LZMA), "made to fill the memory", large=True),
    _npz("more than it claims", lambda: archive(("x.npy", header((10, 10)) + bytes(10**7))), "it has more values"),
    _npz("an archive in an archive", archive(("x.npy", archive(("x.npy", npy_bytes(GREY))))), "not a NumPy array"),
    _npz("a text of 1 GB as label claimed", archive(("x.npy", npy_bytes(GREY)), ("y.npy", header((40,), "<U9000000"))),
         "made to fill the memory"),
    _npz("two members of one name", lambda: archive(("x.npy", npy_bytes(GREY)), ("x.npy", npy_bytes(GREY))),
         "two arrays named 'x.npy'"),
    _npz("names that lead elsewhere", archive(("../../etc/x.npy", npy_bytes(GREY))), READ),
    _npz("names that steer terminals", archive(("\x1b[2J.npy", b"x")), "�[2J.npy"),
    _npz("1001 arrays", lambda: archive(*((f"{k}.npy", npy_bytes(GREY[:1])) for k in range(1001))), "1,001 arrays"),
    _npz("cut off", npz(x=GREY)[:-30], "cut off"),
    _npz("damaged in its values", lambda: npz(x=GREY).replace(npz(x=GREY)[200:210], bytes(10)), "x.npz"),
    _npz("labels of another length", npz(x=GREY, y=LABELS[:30]), READ),
    _npz("labels of another length, named", npz(x=GREY, y=LABELS[:30]), "labels need one for each", labels="y"),
    _npz("records as labels", npz(x=GREY, y=np.zeros(40, [("a", "u1")])), READ),
    _npz("dates as labels, named", npz(x=GREY, y=np.zeros(40, "M8[s]")), "whole numbers or text", labels="y"),
    _npz("bytes as labels", npz(x=GREY, y=np.array([b"cat", b"dog"] * 20)), READ),
    _npz("packed bits", npz(x_packed=np.packbits(GREY > 128, axis=1)), "Unpack them with numpy.unpackbits"),
    Item("npz: a million members", "numpy", million_members, "far more than arrays need", large=True),
    Item("npz: 500 MB of zeros", "numpy", zeros_array, READ, large=True),
    Item("npy: 1 GB, examples of a million", "numpy", claimed, READ, large=True),
)  # fmt: skip


# IDX

IDX_IMAGES, IDX_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def gzip_zeros(start: bytes, count: int) -> bytes:
    pack = zlib.compressobj(9, wbits=31)
    return pack.compress(start) + b"".join(pack.compress(bytes(10**6)) for _ in range(count // 10**6)) + pack.flush()


def pair(images: bytes, labels: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / IDX_LABELS).write_bytes(labels)
        (folder / IDX_IMAGES).write_bytes(images)
        return folder

    return make


def _idx(name: str, content: Content, says: str, file: str = "x.idx", large: bool = False) -> Item:
    def make(folder: Path) -> Path:
        return written(file, content() if callable(content) else content)(folder)

    return Item(f"IDX: {name}", "idx", make, says, large=large)


IDX = (
    _idx("more claimed than there is", struct.pack(">BBBB3I", 0, 0, 8, 3, 1000, 28, 28) + bytes(99), "cut off"),
    _idx("sizes of 2^32 - 1", b"\0\0\x08\x03" + b"\xff" * 12, "can be used"),
    _idx("8 axes of 2^32 - 1", b"\0\0\x08\x08" + b"\xff" * 32, "can be used"),
    _idx("255 axes", b"\0\0\x08\xff" + b"\xff" * 1020, "is not an IDX file"),
    _idx("no axes", b"\0\0\x08\0" + b"\xff" * 9, "is not an IDX file"),
    _idx("another beginning", b"PNG!" + bytes(99), "is not an IDX file"),
    _idx("an unknown type", b"\0\0\x0a\1" + bytes(99), "is not an IDX file"),
    _idx("no examples", struct.pack(">BBBB3I", 0, 0, 8, 3, 0, 28, 28), "is empty"),
    _idx("no bytes", b"", "is empty"),
    _idx("cut off in its header", b"\0\0\x08\x03\0\0", "cut off within its header"),
    _idx("junk at the end", idx_bytes(GREY) + b"junk", "it has more values"),
    _idx("packed, cut off", gzip.compress(idx_bytes(GREY))[:-20], "cut off", "x.idx.gz"),
    _idx("packed, damaged", gzip.compress(idx_bytes(GREY))[:-6] + bytes(6), "damaged", "x.idx.gz"),
    _idx("packed, junk at the end", gzip.compress(idx_bytes(GREY)) + b"junk", "damaged", "x.idx.gz"),
    _idx("packed twice", gzip.compress(gzip.compress(idx_bytes(GREY))), "is not an IDX file", "x.idx.gz"),
    _idx("packed: 10 GB of zeros, 100 claimed", lambda: gzip_zeros(struct.pack(">BBBB2I", 0, 0, 8, 2, 10, 10), 10**10),
         "it has more values", "x.idx.gz", large=True),
    _idx("packed: 2 GB claimed of 100 bytes", gzip.compress(struct.pack(">BBBB2I", 0, 0, 8, 2, 5000, 10**5)),
         "made to fill the memory", "x.idx.gz"),
    Item("IDX: images and labels of different length", "idx", pair(idx_bytes(GREY), idx_bytes(LABELS[:30])),
         "holds 30 labels"),
    Item("IDX: images as labels", "idx", pair(idx_bytes(GREY), idx_bytes(GREY)), "labels"),
    Item("IDX: damaged labels", "idx", pair(idx_bytes(GREY), b"x"), IDX_LABELS),
    Item("IDX: labels alone", "idx", written(IDX_LABELS, idx_bytes(LABELS)), "Choose the file of the images"),
)  # fmt: skip


# HDF5


def _hdf5(name: str, write: Callable[[h5py.File], None], says: str, large: bool = False, **settings: Any) -> Item:
    def make(folder: Path) -> Path:
        with h5py.File(folder / "x.h5", "w") as file:
            write(file)
        return folder / "x.h5"

    return Item(f"HDF5: {name}", "hdf5", make, says, settings, large=large)


def _group(file: h5py.File) -> None:
    inner = file.create_group("a/b")
    inner["back"] = file["a"]
    file["soft"] = h5py.SoftLink("/soft")
    file["x"] = GREY


def _external_storage(file: h5py.File) -> None:
    file.create_dataset("x", (40, 8), "u1", external=[("/etc/passwd", 0, 320)])


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((40, 8), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (40, 8))
    file.create_virtual_dataset("x", layout)


def _declared(*shape: int) -> Callable[[h5py.File], None]:
    def write(file: h5py.File) -> None:
        file.create_dataset("x", shape, "f4", chunks=(64, 64), fillvalue=1.0)

    return write


def _vlen(file: h5py.File) -> None:
    rows = file.create_dataset("x", (40, 3), h5py.vlen_dtype(np.uint8))
    rows[0, 0] = np.zeros(1000, np.uint8)


def _chunk_of_zeros(file: h5py.File) -> None:
    """One chunk of 100 values whose packed bytes unpack to 2 GB."""
    made = file.create_dataset("x", (10, 10), "u1", chunks=(10, 10), compression="gzip")
    made.id.write_direct_chunk((0, 0), zeros(2 * 10**9))


def _packed_twice(file: h5py.File) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1000, 1000))
    plist.set_deflate(9)
    plist.set_deflate(9)
    space = h5py.h5s.create_simple((1000, 1000))
    h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_UINT8, space, plist).write(
        h5py.h5s.ALL, h5py.h5s.ALL, np.zeros((1000, 1000), np.uint8)
    )


def _half_written(file: h5py.File) -> None:
    file.create_dataset("x", (20_000, 20_000), "u1", chunks=(10, 10), fillvalue=1)[:10, :10] = 3


def _huge_chunk(file: h5py.File) -> None:
    file.create_dataset("x", (10, 10), "u1", maxshape=(None, None), chunks=(30_000, 30_000), compression="gzip")
    file["x"].id.write_direct_chunk((0, 0), zeros(1000))


def _unknown_filter(folder: Path) -> Path:
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=GREY // 100, chunks=(8, 6, 5), compression="lzf")
    content = (folder / "x.h5").read_bytes()
    at = content.index(b"lzf\0")  # before the name: the filter's number, the length of the name, flags, how many values
    (folder / "x.h5").write_bytes(content[: at - 8] + struct.pack("<H", 40_000) + content[at - 6 :])
    return folder / "x.h5"


def _cut(folder: Path) -> Path:
    with h5py.File(folder / "x.h5", "w") as file:
        file["x"] = GREY
    (folder / "x.h5").write_bytes((folder / "x.h5").read_bytes()[:-700])
    return folder / "x.h5"


def _puts(**content: Any) -> Callable[[h5py.File], None]:
    def write(file: h5py.File) -> None:
        for name, value in content.items():
            file[name] = value

    return write


HDF5 = (
    _hdf5("a link to another file", _puts(x=h5py.ExternalLink("/etc/passwd", "/x")), "no array of examples"),
    _hdf5("values in another file", _external_storage, "no array of examples"),
    _hdf5("values drawn from other files", _virtual, "no array of examples"),
    _hdf5("links and groups that lead round", _group, READ),
    _hdf5("rows of varying length", _vlen, "no array of examples"),
    _hdf5("records", _puts(x=np.zeros((40, 3), [("a", "u1"), ("b", "f4")])), "no array of examples"),
    _hdf5("text", _puts(x=["a", "b"]), "no array of examples"),
    _hdf5("4 TB declared", _declared(2**20, 2**20), "can be used"),
    _hdf5("400 MB declared, never written", _declared(10_000, 10_000), "never written"),
    _hdf5("400 MB declared, 100 bytes written", _half_written, "made to fill the memory"),
    _hdf5("a chunk that unpacks to 2 GB", _chunk_of_zeros, "x.h5", large=True),
    _hdf5("chunks of 900 MB for 100 values", _huge_chunk, "x.h5"),
    _hdf5("packed twice", _packed_twice, "packed more than once"),
    _hdf5("several arrays", _puts(left=GREY, right=GREY), "several arrays that could be examples: left (40×6×5 uint8)"),
    _hdf5("several arrays, one named", _puts(left=GREY, right=GREY), READ, examples="left"),
    _hdf5("a name that is not there", _puts(left=GREY), "no array named 'x'. It has: left", examples="x"),
    _hdf5("nothing in it", lambda f: None, "no array of examples"),
    Item("HDF5: an unknown filter", "hdf5", _unknown_filter, "cannot be read as HDF5"),
    Item("HDF5: cut off", "hdf5", _cut, "cannot be read as HDF5"),
    Item("HDF5: only its signature", "hdf5", written("x.h5", b"\x89HDF\r\n\x1a\n" + bytes(99)), "as HDF5"),
    Item("HDF5: no bytes", "hdf5", written("x.h5", b""), "x.h5"),
)  # fmt: skip
