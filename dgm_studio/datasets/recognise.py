"""What a file or folder is that somebody dropped on the window, or named."""

from __future__ import annotations

import os
from pathlib import Path

from dgm_studio.config import DataChoice
from dgm_studio.datasets import csv_files, hdf5, idx, images, numpy_files, text
from dgm_studio.datasets.base import BadData, Source
from dgm_studio.datasets.files import existing, opened, reading

HDF5 = b"\x89HDF\r\n\x1a\n"
NUMPY = b"\x93NUMPY"
ZIP = b"PK\x03\x04"
PICKLE = b"\x80"
TABLES = {".csv", ".tsv"}
TEXTS = {".txt", ".text", ".md", ".rst", ".tex"}
SEARCHED = 10_000  # entries of a folder that are looked at


def recognise(path: str | Path) -> DataChoice:
    """The source that reads `path` and its settings, by what the file begins with and not by its name alone. Raises
    BadData when no source fits; that one fits does not mean that the data is sound, which loading it will say."""
    found = existing(str(path), "file or folder")
    source = _folder(found) if found.is_dir() else _file(found)
    return DataChoice(source=source.key, settings={"path": str(found.resolve())})


def _file(path: Path) -> Source:
    with reading(path), opened(path) as file:
        start = file.read(csv_files.START)
    if not start:
        raise BadData(f"{path} is empty.")
    if idx.is_idx(start):
        idx.parts_of(path)
        return idx.SOURCE
    if start.startswith(NUMPY):
        return numpy_files.SOURCE
    if start.startswith(ZIP):
        if not numpy_files.entries_of(path):
            raise BadData(f"{path} is an archive without NumPy arrays. Unpack it and choose what is in it.")
        return numpy_files.SOURCE
    if start.startswith(HDF5):
        if path.suffix.lower() == ".dgm":
            raise BadData(f"{path} is a project, not data. Open it instead.")
        hdf5.entries_of(path)
        return hdf5.SOURCE
    if path.suffix.lower() in images.SUFFIXES:
        raise BadData(f"{path} is a single picture. Choose the folder that it lies in.")
    if start.startswith(PICKLE):
        raise BadData(f"{path} is a Python pickle, which could run code when loaded. Save its arrays as .npz.")
    suffix = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    readable = _is_text(start) or start.startswith(csv_files.UNICODE)
    if readable and (suffix in TABLES or csv_files.is_table(start)):
        csv_files.format_of(path)
        return csv_files.SOURCE
    if readable or suffix in TEXTS:
        text.check(path)
        return text.SOURCE
    raise BadData(f"{path} is none of: IDX, .npz, .npy, HDF5, CSV, text in UTF-8, or a folder of images.")


def _folder(path: Path) -> Source:
    suffixes: set[str] = set()
    looked = 0
    for place, folders, names in os.walk(path):
        folders.sort()
        if place == str(path) and any(_is_images_idx(path / name) for name in names):
            idx.parts_of(path)
            return idx.SOURCE
        suffixes |= {Path(name).suffix.lower() for name in names}
        looked += len(names) + len(folders)
        if suffixes & images.SUFFIXES:
            return images.SOURCE
        if looked > SEARCHED:
            break
    if not looked:
        raise BadData(f"{path} is empty.")
    raise BadData(f"{path} has neither pictures nor IDX files. Choose a file in it instead.")


def _is_images_idx(path: Path) -> bool:
    if "images" not in path.name.lower() or not path.is_file():
        return False
    with reading(path), opened(path) as file:
        return idx.is_idx(file.read(4))


def _is_text(start: bytes) -> bool:
    if b"\0" in start:
        return False
    try:
        start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return error.start >= len(start) - 4  # a character cut by the end of what was read
    return True
