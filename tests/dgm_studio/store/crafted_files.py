"""Files of other kinds, roots that no project has, and damage to the whole file."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from crafting import CURVE, WEIGHT, Fault, Make, edited, parent_of, raw_dataset, replace_manifest, substituted
from h5py import h5a, h5d, h5p, h5s, h5t

# Other files.


def contains(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("digits.dgm", b"project")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def loop_of_links(path: Path) -> None:
    other = path.with_name("other.dgm")
    path.unlink()
    path.symlink_to(other)
    other.symlink_to(path)


def foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(3)


def user_block(path: Path) -> None:
    """A whole HDF5 file whose signature is not at its beginning."""
    content = path.read_bytes()
    path.write_bytes(bytes(512) + content)


SIGNATURE = b"\x89HDF\r\n\x1a\n"

OTHER_FILES = [
    Fault("empty", contains(b""), ("empty",)),
    Fault("text", contains(b"# notes\n"), ("foreign",)),
    Fault("zip archive", zipped, ("foreign",), says="zip"),
    Fault("PyTorch file", lambda path: torch.save({"w": torch.zeros(3)}, path), ("foreign",), says="PyTorch"),
    Fault("pickle", lambda path: path.write_bytes(pickle.dumps({"a": 1})), ("foreign",)),
    Fault("gzip", lambda path: path.write_bytes(gzip.compress(path.read_bytes())), ("foreign",)),
    Fault("part of a signature", contains(SIGNATURE[:4]), ("foreign",)),
    Fault("signature only", contains(SIGNATURE), ("damaged",)),
    Fault("signature and zeros", contains(SIGNATURE + bytes(4096)), ("damaged",)),
    Fault("signature and ones", contains(SIGNATURE + b"\xff" * 4096), ("damaged",)),
    Fault("folder", folder, ("special",)),
    Fault("missing", Path.unlink, ("missing",)),
    Fault("pipe", pipe, ("special",)),
    Fault("device", device, ("special",)),
    Fault("loop of links", loop_of_links, ("special",)),
    Fault("prefixed HDF5", user_block, ("foreign",)),
    Fault("HDF5 of somebody else", foreign, ("foreign",)),
]


# The root's attributes.


def attribute(name: str, value: Any) -> Make:
    def change(file: h5py.File) -> None:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value

    return edited(change)


def many_attributes(file: h5py.File) -> None:
    for i in range(20_000):
        h5a.create(file.id, b"a%d" % i, h5t.STD_I8LE, h5s.create(h5s.SCALAR))


def long_attribute(file: h5py.File) -> None:
    del file.attrs["format"]
    file.attrs.create("format", np.zeros(2**22))


ROOTS = [
    Fault("format missing", attribute("format", None), ("foreign",)),
    Fault("another format", attribute("format", "other"), ("foreign",)),
    Fault("a number for the format", attribute("format", 3), ("foreign",)),
    Fault("a part of a work folder", attribute("format", np.bytes_("dgm-studio work")), ("foreign",)),
    Fault("32 MB for the format", edited(long_attribute), ("foreign",)),
    Fault("schema missing", attribute("schema", None), ("schema",)),
    Fault("schema as text", attribute("schema", "1"), ("schema",)),
    Fault("schema negative", attribute("schema", -1), ("schema",)),
    Fault("schema zero", attribute("schema", 0), ("schema",)),
    Fault("schema a fraction", attribute("schema", 1.0), ("schema",)),
    Fault("schema a list", attribute("schema", [1, 1]), ("schema",)),
    Fault("schema without a value", attribute("schema", h5py.Empty("i8")), ("schema",)),
    Fault("newer schema", attribute("schema", 7), ("newer",), says="format 7; this one reads up to"),
    Fault("far newer schema", attribute("schema", 2**40), ("newer",), says="update the studio"),
    Fault("complete missing", attribute("complete", None), ("incomplete",)),
    Fault("incomplete", attribute("complete", 0), ("incomplete",)),
    Fault("manifest's checksum missing", attribute("manifest_sha256", None), ("manifest",)),
    Fault("manifest's checksum wrong", attribute("manifest_sha256", np.bytes_("0" * 64)), ("manifest",)),
    Fault("manifest's checksum of another type", attribute("manifest_sha256", "0" * 64), ("manifest",)),
    Fault("one attribute more", edited(lambda file: file.attrs.create("more", 1)), ("manifest",)),
    Fault("20 000 attributes", edited(many_attributes), ("manifest",)),
]


# Damage.


def cut(part: int) -> Make:
    def make(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * part // 50])

    return make


def longer(path: Path) -> None:
    """Where the file says how long it is, it says 2^50."""
    content = path.read_bytes()
    path.write_bytes(content.replace(len(content).to_bytes(8, "little"), (2**50).to_bytes(8, "little")))


def one_bit(path: Path) -> None:
    with h5py.File(path) as file:
        group, name = parent_of(file, WEIGHT)
        offset = group[name].id.get_offset()
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


DAMAGES = [
    *(Fault(f"cut to {part}/50", cut(part), ("empty", "truncated", "damaged", "foreign")) for part in range(50)),
    Fault("longer than it is", longer, ("truncated", "damaged")),
    Fault("one bit of a weight", one_bit, ("damaged",), "read", says=WEIGHT),
]


# What must be read as it was written.


def followed_by(junk: bytes) -> Make:
    def make(path: Path) -> None:
        with open(path, "ab") as file:
            file.write(junk)

    return make


def followed_by_a_hole(path: Path) -> None:
    os.truncate(path, 2**42)


def within_its_header(group: h5py.Group, name: str, like: np.ndarray) -> None:
    compact = h5p.create(h5p.DATASET_CREATE)
    compact.set_layout(h5d.COMPACT)
    raw_dataset(group, name, h5t.py_create(like.dtype), like.shape, compact).write(h5s.ALL, h5s.ALL, like)


def attributes_on(place: str) -> Make:
    def change(file: h5py.File) -> None:
        group, name = parent_of(file, place)
        group[name].attrs["harm"] = np.void(pickle.dumps(os.mkdir))
        for i in range(1000):
            h5a.create(group[name].id, b"a%d" % i, h5t.STD_I8LE, h5s.create(h5s.SCALAR))

    return edited(change)


def spaced_manifest(file: h5py.File) -> None:
    value = json.loads(file["manifest"][()].tobytes())
    replace_manifest(file, json.dumps(value, indent=2).encode())


ACCEPTED = [
    Fault("junk behind it", followed_by(b"junk" * 1000), ()),
    Fault("another project behind it", lambda path: followed_by(path.read_bytes())(path), ()),
    Fault("4 TB of nothing behind it", followed_by_a_hole, ()),
    Fault("a curve within its header", substituted(CURVE, within_its_header), ()),
    Fault("1000 attributes on a dataset", attributes_on(WEIGHT), ()),
    Fault("1000 attributes on a group", attributes_on("metrics"), ()),
    Fault("a manifest with spaces", edited(spaced_manifest), ()),
]
