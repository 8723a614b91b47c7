"""IDX files, the format of MNIST: four bytes that say type and number of axes, the axes, then the values."""

from __future__ import annotations

import hashlib
import io
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dgm_studio.datasets.base import BadData, Provenance, RawData, Report, Source
from dgm_studio.datasets.files import (
    FileSettings,
    check_packing,
    check_size,
    existing,
    numbered,
    opened,
    read_array,
    reading,
    within,
)
from dgm_studio.datasets.values import classes, concatenated, examples

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
PAIRS = (("train", 0), ("t10k", 2), ("test", 2))  # how names begin, and the part they hold


def read_idx(path: Path, report: Report) -> tuple[np.ndarray, str]:
    """The array and the file's sha256. Raises BadData."""
    digest = hashlib.sha256()
    with reading(path), opened(path, digest) as file:
        return _parse(file, path, report), digest.hexdigest()


def is_idx(start: bytes) -> bool:
    """Whether a file that begins like this is an IDX file."""
    return len(start) >= 4 and start[:2] == b"\0\0" and start[2] in TYPES and 1 <= start[3] <= 8


def _parse(file: io.BufferedIOBase, path: Path, report: Report) -> np.ndarray:
    start = file.read(4)
    if not start:
        raise BadData(f"{path} is empty. Get the file again.")
    if not is_idx(start):
        raise BadData(
            f"{path} is not an IDX file: it does not begin with a known type and a number of axes. Drop it on the "
            f"window, or choose another kind of data."
        )
    header = file.read(4 * start[3])
    if len(header) < 4 * start[3]:
        raise BadData(f"{path} is cut off within its header. Get the file again.")
    shape = tuple(int(n) for n in np.frombuffer(header, ">u4"))
    dtype = np.dtype(TYPES[start[2]])
    check_size(math.prod(shape), str(path), dtype.itemsize)
    check_packing(math.prod(shape) * dtype.itemsize, path.stat().st_size, str(path))
    return read_array(file, shape, dtype, path, report)


@dataclass(frozen=True)
class IdxPart:
    """One file of examples, that of its labels, and the part of the data that it holds."""

    images: Path
    labels: Path | None
    part: int = 0


def parts_of(path: Path) -> list[IdxPart]:
    """What belongs together by name: X-images-idx3-ubyte with X-labels-idx1-ubyte, and X = train with X = t10k (or
    test). `path` is a folder of them or one of the files of examples. Raises BadData."""
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if "images" in p.name.lower() and p.is_file())
        found = [p for p in found if _starts(p) is not None] or found
        if not found:
            raise BadData(f"{path} has no IDX file with 'images' in its name. Choose the file of the examples.")
        if len(found) > 1 and any(_starts(p) is None for p in found):
            raise BadData(f"{path} has several files of images ({found[0].name}, {found[1].name}, …): choose one.")
        path = found[0]
    if "labels" in path.name.lower():
        raise BadData(f"{path} holds labels. Choose the file of the images; labels are found by its name.")
    own = _starts(path)
    files = {own[1] if own else 0: path}
    for start, part in PAIRS:
        if own and part not in files:
            other = _there(path.with_name(start + path.name[len(own[0]) :]))
            if other:
                files[part] = other
    if len(files) == 1:
        return [IdxPart(path, _labels(path))]
    return [IdxPart(file, _labels(file), part) for part, file in sorted(files.items())]


def _starts(path: Path) -> tuple[str, int] | None:
    return next((pair for pair in PAIRS if path.name.lower().startswith(pair[0])), None)


def _labels(images: Path) -> Path | None:
    name = re.sub(r"idx\d", "idx1", images.name.replace("images", "labels"))
    return _there(images.with_name(name)) if name != images.name else None


def _there(path: Path) -> Path | None:
    """The file, packed or not."""
    other = path.with_suffix("") if path.suffix == ".gz" else path.with_name(path.name + ".gz")
    return next((p for p in (path, other) if p.is_file()), None)


def read_parts(parts: list[IdxPart], title: str, licence: str, report: Report, shape: str = "auto") -> RawData:
    """Read and join files of one data set. Raises BadData."""
    paths = [p for part in parts for p in (part.images, part.labels) if p is not None]
    arrays: dict[Path, np.ndarray] = {}
    digests = []
    for i, path in enumerate(paths):
        arrays[path], digest = read_idx(path, within(report, i / len(paths), (i + 1) / len(paths)))
        digests.append((str(path), digest))
    names: tuple[str, ...] = ()
    y = None
    if all(part.labels for part in parts):
        for part in parts:
            images, labels = arrays[part.images], arrays[part.labels]  # type: ignore[index]
            if labels.shape != images.shape[:1]:
                raise BadData(
                    f"{part.labels} holds {numbered(labels.shape)} labels; {part.images} has {len(images)} examples. "
                    f"Choose files that belong together."
                )
        labels_of = [(str(part.labels), arrays[part.labels]) for part in parts if part.labels]
        y, names = classes(concatenated(labels_of), labels_of[0][0])
    joined = concatenated([(str(part.images), arrays[part.images]) for part in parts])
    x, support, layout, steps = examples(joined, shape, str(parts[0].images))
    split = (
        np.concatenate([np.full(len(arrays[p.images]), p.part, np.uint8) for p in parts]) if len(parts) > 1 else None
    )
    return RawData(x, y, support, layout, Provenance(title, tuple(digests), steps, licence), names, split)


def _load(settings: FileSettings, report: Report) -> RawData:
    path = existing(settings.path, "file or folder")
    raw = read_parts(parts_of(path), path.name, "", report)
    return replace(raw, standardise=settings.standardise)


SOURCE = Source(
    "idx",
    "IDX files",
    "The format of MNIST, packed or not; labels and the test part are found by name.",
    FileSettings,
    _load,
)
