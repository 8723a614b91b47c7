"""What files are crafted from that no studio writes: damaged, foreign, and made to do harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from h5py import h5d, h5s, h5t

Make = Callable[[Path], object]
Edit = Callable[[h5py.File], object]
Substitute = Callable[[h5py.Group, str, np.ndarray], object]

WEIGHT = "checkpoints/10/model/encoder.0.weight"
CURVE = "metrics/value/elbo"


@dataclass(frozen=True)
class Fault:
    """`make` turns the sound project at a path into the fault. `codes`: those with which it may be refused; none for a
    file that must be read as what was written. `use`: what has to refuse it."""

    name: str
    make: Make
    codes: tuple[str, ...]
    use: Literal["open", "read"] = "open"
    says: str = ""  # stands in the sentence
    heavy: bool = False  # takes a second or more to make

    def __str__(self) -> str:
        return self.name


# How a project is changed.


def edit(path: Path, change: Edit) -> None:
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        change(file)


def edited(change: Edit) -> Make:
    return lambda path: edit(path, change)


def run_of(file: h5py.File) -> h5py.Group:
    return next(iter(file["runs"].values()))


def parent_of(file: h5py.File, place: str) -> tuple[h5py.Group, str]:
    """The group and the name of `place`, which is "project" or lies within the run."""
    group = file if place == "project" else run_of(file)
    above, _, name = place.rpartition("/")
    return (group[above] if above else group), name


def substituted(place: str, fault: Substitute) -> Make:
    """Put something else in the place of a dataset."""

    def change(file: h5py.File) -> None:
        group, name = parent_of(file, place)
        like = group[name][()]
        del group[name]
        fault(group, name, like)

    return edited(change)


def replace_manifest(file: h5py.File, text: bytes) -> None:
    del file["manifest"], file.attrs["manifest_sha256"]
    file["manifest"] = np.frombuffer(text, np.uint8)
    file.attrs["manifest_sha256"] = np.bytes_(sha256(text).hexdigest())


def rewrite_manifest(file: h5py.File, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest and make its checksum right again, as someone who means harm would."""
    value = json.loads(file["manifest"][()].tobytes())
    change(value)
    replace_manifest(file, json.dumps(value).encode())


def relisted(change: Callable[[dict[str, Any]], object]) -> Make:
    return edited(lambda file: rewrite_manifest(file, change))


def first(manifest: dict[str, Any], ending: str) -> dict[str, Any]:
    return next(entry for path, entry in manifest["datasets"].items() if path.endswith(ending))


def replace_bytes(file: h5py.File, place: str, data: bytes) -> None:
    """Put other bytes in the place of a JSON text and make every checksum right again."""
    group, name = parent_of(file, place)
    del group[name]
    group[name] = np.frombuffer(data, np.uint8)
    entry = {"dtype": "uint8", "shape": [len(data)], "sha256": sha256(data).hexdigest()}
    whole = f"{group.name}/{name}".lstrip("/")  # of several runs, this one's
    rewrite_manifest(file, lambda m: m["datasets"][whole].update(entry))


def rewritten(place: str, change: Callable[[dict[str, Any]], object]) -> Make:
    """Change a JSON text within the file and make every checksum right again."""

    def apply(file: h5py.File) -> None:
        group, name = parent_of(file, place)
        value = json.loads(group[name][()].tobytes())
        change(value)
        replace_bytes(file, place, json.dumps(value).encode())

    return edited(apply)


def raw_dataset(group: h5py.Group, name: str, kind: h5t.TypeID, shape: tuple[int, ...], plist: Any = None) -> Any:
    return h5d.create(group.id, name.encode(), kind, h5s.create_simple(shape), plist)


def nested_type(levels: int) -> h5t.TypeID:
    """Lists of lists of … numbers: HDF5 calls itself for each."""
    kind = h5t.STD_I8LE
    for _ in range(levels):
        kind = h5t.vlen_create(kind)
    return kind
