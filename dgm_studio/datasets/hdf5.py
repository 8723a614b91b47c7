"""Arrays in HDF5 files."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dgm_studio.datasets.base import BadData, RawData, Report, Source
from dgm_studio.datasets.files import LIMIT, check_packing, existing
from dgm_studio.datasets.selection import ArraySettings, Entry, read_selected

if TYPE_CHECKING:
    from dgm_studio.store.arrays import ArrayHeader


def entries_of(path: Path) -> list[Entry]:
    """The arrays in a file by their headers. Raises BadData."""
    from dgm_studio.store import arrays  # h5py takes longer to import than everything here

    try:
        found = arrays.list_arrays(path)
    except arrays.UnreadableArrays as error:
        raise BadData(str(error)) from None
    return [Entry(a.name, a.shape, a.dtype, partial(_read, path, a)) for a in found]


def _read(path: Path, header: ArrayHeader, report: Report) -> np.ndarray:
    from dgm_studio.store import arrays

    if header.stored:  # nothing at all is refused below
        unpacked = math.prod(header.shape) * header.dtype.itemsize
        check_packing(unpacked, header.stored, f"{header.name} in {path}")
    try:
        text = f"Reading {path.name}"
        return arrays.read_array(path, header.name, 2 * LIMIT, lambda fraction: report(fraction, text))
    except arrays.UnreadableArrays as error:
        raise BadData(str(error)) from None


def _load(settings: ArraySettings, report: Report) -> RawData:
    path = existing(settings.path)
    return read_selected(entries_of(path), settings, path, report)


SOURCE = Source("hdf5", "HDF5 files", "Arrays in .h5 or .hdf5, in groups or not.", ArraySettings, _load)
